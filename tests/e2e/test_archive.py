#!/usr/bin/python3
"""The archive of an account, with a real client library: what was live is there under its ids, whoever was there, whatever died."""
import asyncio
import logging

from harness import Deployment, Raw, body, romeo_and_juliet, scenarios
from slixmpp import JID
from slixmpp.exceptions import IqError
from test_chat import Person

logging.disable(logging.CRITICAL)
COUNT = 120
ON = '[messages]\narchive = "30 days"\n'
SID = '{urn:xmpp:sid:0}stanza-id'


class Reader(Person):
    def __init__(self, deployment, name):
        super().__init__(deployment, name, 'secret')
        for plugin in ('xep_0059', 'xep_0280', 'xep_0297', 'xep_0313', 'xep_0359', 'xep_0441'):
            self.register_plugin(plugin)

    async def pages(self, size, **what):
        """All of the archive, or what is asked for: (id, text) of each, page by page."""
        found = []
        async for item in self['xep_0313'].iterate(rsm={'max': size}, **what):
            result = item['mam_result']
            found.append((result['id'], result['forwarded']['stanza']['body']))
        return found


async def _log_in(deployment, name):
    person = Reader(deployment, name)
    await asyncio.wait_for(person.ready.wait(), 20)
    return person


def _id_by(message, account):
    ids = [element.get('id') for element in message.xml.iter(SID) if element.get('by') == account]
    assert len(ids) == 1, ids
    return ids[0]


def what_was_live_is_there_under_its_ids():
    async def play(deployment):
        romeo, juliet, other = [await _log_in(deployment, name) for name in ('romeo', 'juliet', 'juliet')]
        other.send_presence(ppriority=-1)
        copied = asyncio.Queue()
        other.add_event_handler('carbon_received', copied.put_nowait)
        await other['xep_0280'].enable()
        live = []
        for number in range(COUNT):
            romeo.send_message('juliet@localhost', f'text {number}', mtype='chat')
        while len(live) < COUNT:
            message = await asyncio.wait_for(juliet.messages.get(), 15)
            live.append((_id_by(message, 'juliet@localhost'), message['body']))
        assert [text for _, text in live] == [f'text {number}' for number in range(COUNT)]
        assert await juliet.pages(50) == live
        assert await juliet.pages(7, with_jid='romeo@localhost') == live
        assert sorted(await other.pages(50, reverse=True)) == sorted(live)
        for number, _ in live:
            assert _id_by(await asyncio.wait_for(copied.get(), 15), 'juliet@localhost') == number
        his = await romeo.pages(100)
        assert [text for _, text in his] == [text for _, text in live] and not set(his) & set(live)
        metadata = await juliet['xep_0313'].get_archive_metadata()
        assert metadata['mam_metadata']['start']['id'] == live[0][0], metadata
        assert metadata['mam_metadata']['end']['id'] == live[-1][0], metadata
        for person in (romeo, juliet, other):
            await person.disconnect()

    with romeo_and_juliet(extra=ON) as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))
        deployment.processes['run'].kill()
        deployment.start()

        async def again():
            juliet = await _log_in(deployment, 'juliet')
            assert len(await juliet.pages(50)) == COUNT
            await juliet.disconnect()
        asyncio.get_event_loop().run_until_complete(again())


def one_says_what_is_kept():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        plugin = romeo['xep_0441']
        assert (await plugin.get_preferences())[0] == 'always'
        await plugin.set_preferences(default='never', always=[JID('juliet@localhost')])
        rule, always, never = await plugin.get_preferences()
        assert (rule, [str(jid) for jid in always], list(never)) == ('never', ['juliet@localhost'], []), (rule, always, never)
        for to in ('juliet@localhost', 'nobody@localhost'):
            romeo.send_message(to, 'words', mtype='chat')
        romeo.send_message('romeo@localhost', 'the last', mtype='chat')  # what is behind those in storage's queue sees them
        while (await asyncio.wait_for(romeo.messages.get(), 15))['body'] != 'the last':
            pass
        assert [text for _, text in await romeo.pages(50)] == ['words']
        try:
            await romeo['xep_0313'].retrieve(jid='juliet@localhost')
            raise AssertionError('another one\'s archive was shown')
        except IqError as error:
            assert error.condition == 'forbidden', error.condition
        await romeo.disconnect()

    with romeo_and_juliet(extra=ON) as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def a_message_is_there_once_when_its_session_manager_dies():
    with Deployment(extra=ON) as deployment:
        deployment.start('router', 'sm', 'c2s')
        for name in ('romeo', 'juliet'):
            deployment.add_user(name, 'secret')
        romeo = Raw(deployment.port).login('romeo', 'secret', 'r')
        juliet = Raw(deployment.port).login('juliet', 'secret', 'j')
        for number in range(200):
            romeo.send(f"<message to='juliet@localhost' type='chat'><body>{number}</body></message>")
            if number == 60:
                deployment.processes['sm'].kill()
                deployment.processes['sm'].start()
        for number in range(200):
            message = juliet.expect('message', seconds=40)
            assert body(message) == str(number), (number, body(message))
        for client in (romeo, juliet):
            texts, after = [], ''
            while after is not None:
                client.send("<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
                            f"<max>90</max>{after}</set></query></iq>")
                while not (stanza := client.receive()).tag.endswith('}iq'):
                    if stanza.tag.endswith('}message'):
                        texts.append(stanza.find('.//{jabber:client}body').text)
                fin = stanza[0]
                last = fin.find('.//{http://jabber.org/protocol/rsm}last')
                after = None if fin.get('complete') == 'true' else f'<after>{last.text}</after>'
            assert texts == [str(number) for number in range(200)], texts
            client.close()


if __name__ == '__main__':
    scenarios(what_was_live_is_there_under_its_ids, one_says_what_is_kept, a_message_is_there_once_when_its_session_manager_dies)
