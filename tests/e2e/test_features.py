#!/usr/bin/python3
"""What the stream's features say is so: a real client library finds it."""
import asyncio
import base64
import time

from harness import Deployment, Raw, romeo_and_juliet, scenarios
from test_chat import Person


class Reader(Person):
    """It answers requests for a subscription with nothing, unless the server does."""

    def __init__(self, deployment, name):
        super().__init__(deployment, name, 'secret')
        self.roster.auto_authorize = None
        self.roster.auto_subscribe = False

async def _log_in(deployment, name):
    person = Reader(deployment, name)
    await asyncio.wait_for(person.ready.wait(), 20)
    return person


async def _roster_with(person, jid, **wanted):
    """The item of the server's roster, when it has become so."""
    for _ in range(150):
        request = person.make_iq_get()
        request.enable('roster')
        answer = await request.send(timeout=10)
        item = answer['roster']['items'].get(jid, {})
        if all(item.get(key) == value for key, value in wanted.items()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f'{jid} is {item}, not {wanted}')


def who_is_approved_before_asking_is_not_asked_about():
    async def play(deployment):
        juliet = await _log_in(deployment, 'juliet')
        assert 'preapproval' in juliet.features, juliet.features
        juliet.send_presence_subscription('romeo@localhost', ptype='subscribed')
        await _roster_with(juliet, 'romeo@localhost', subscription='none', approved='true')
        await juliet.disconnect()
        deployment.restart('run')
        romeo = await _log_in(deployment, 'romeo')
        romeo.send_presence_subscription('juliet@localhost', ptype='subscribe')
        await romeo.next_presence('subscribed', 'juliet@localhost')
        juliet = await _log_in(deployment, 'juliet')
        await romeo.next_presence('available', 'juliet@localhost')
        await _roster_with(juliet, 'romeo@localhost', subscription='from', approved='')
        seen = [juliet.presences.get_nowait()['type'] for _ in range(juliet.presences.qsize())]
        assert 'subscribe' not in seen, seen
        for person in (romeo, juliet):
            await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def the_hash_is_that_of_what_the_server_answers():
    def ver(features):
        capabilities = features.find('{http://jabber.org/protocol/caps}c')
        assert capabilities is not None and capabilities.get('hash') == 'sha-1', capabilities
        assert len(features.findall('{urn:xmpp:caps}c/{urn:xmpp:hashes:2}hash')) == 2, features
        return capabilities.get('ver')

    async def play(deployment):
        person = Reader(deployment, 'romeo')
        person.register_plugin('xep_0115')
        await asyncio.wait_for(person.ready.wait(), 20)
        info = await person['xep_0030'].get_info('localhost', timeout=10)
        own = person['xep_0115'].generate_verstring(info['disco_info'], 'sha-1')
        for _ in range(100):  # it asks for the node of what was offered, and compares
            verified = await person['xep_0115'].get_verstring('localhost')
            if verified:
                break
            await asyncio.sleep(0.1)
        assert verified == own, (verified, own)
        await person.disconnect()
        return own

    def features(deployment):
        stream = Raw(deployment.port).open()
        stream.features()
        token = base64.b64encode(b'\0romeo\0secret').decode()
        stream.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        assert stream.receive().tag.endswith('}success')
        found = stream.open().features()
        stream.close()
        return found

    for parts in (('run',), ('router', 'sm', 'c2s')):
        with Deployment(connect=parts == ('run',)) as deployment:
            deployment.start(*parts)
            deployment.add_user('romeo', 'secret')
            before = asyncio.get_event_loop().run_until_complete(play(deployment))
            assert ver(features(deployment)) == before
            with open(deployment.config, 'a', encoding='utf-8') as file:
                file.write('[contact]\nabuse = ["mailto:abuse@localhost"]\n')
            deployment.command('reload')
            time.sleep(1.1)
            features(deployment)  # it is asked for now
            after = ver(features(deployment))
            assert after != before
            assert asyncio.get_event_loop().run_until_complete(play(deployment)) == after


def a_client_is_asked_once_what_it_has():
    async def play(deployment):
        person = Reader(deployment, 'romeo')
        questions = []

        def hear(stanza):
            if stanza.name == 'iq' and stanza['type'] == 'get' and stanza['from'] == 'romeo@localhost':
                questions.append(stanza['disco_info']['node'])
            return stanza

        person.add_filter('in', hear)
        person.register_plugin('xep_0115')
        person['xep_0030'].add_feature('http://jabber.org/protocol/tune+notify')
        await asyncio.wait_for(person.ready.wait(), 20)
        await person['xep_0115'].update_caps()
        for _ in range(3):  # the last is answered behind what was asked
            await person['xep_0199'].ping('localhost', timeout=10)
        await person.disconnect()
        return questions

    with romeo_and_juliet() as deployment:
        loop = asyncio.get_event_loop()
        asked = loop.run_until_complete(play(deployment))
        assert asked and all(node.startswith('http://slixmpp.com/ver/') for node in asked), asked
        deployment.restart('run')
        assert not loop.run_until_complete(play(deployment)), 'it knows'


if __name__ == '__main__':
    scenarios(who_is_approved_before_asking_is_not_asked_about, the_hash_is_that_of_what_the_server_answers,
              a_client_is_asked_once_what_it_has)
