#!/usr/bin/python3
"""A phone in a pocket: what can wait waits, what comes takes it along, and neither a lost connection nor a dead manager loses it."""
import asyncio
import logging

from harness import body, romeo_and_juliet, scenarios
from test_chat import Person
from test_sm_dies import befriend, people, ping, silent, with_parts

logging.disable(logging.CRITICAL)


class Phone(Person):
    def __init__(self, deployment, name):
        super().__init__(deployment, name, 'secret')
        self.auto_authorize, self.auto_subscribe = None, False  # what this library says by itself would wake its peer
        self.register_plugin('xep_0352')
        self.register_plugin('xep_0085')


def a_client_library_says_it_and_is_spared():
    async def play(deployment):
        romeo, juliet = [Phone(deployment, name) for name in ('romeo', 'juliet')]
        for person in (romeo, juliet):
            await asyncio.wait_for(person.ready.wait(), 20)
        assert juliet['xep_0352'].enabled, 'the stream does not offer it'
        juliet.send_presence_subscription('romeo@localhost')
        await romeo.next_presence('subscribe', 'juliet@localhost')
        romeo.send_presence_subscription('juliet@localhost', ptype='subscribed')
        await juliet.next_presence('available', 'romeo@localhost')
        juliet['xep_0352'].send_inactive()
        await juliet['xep_0199'].ping('localhost')
        while not juliet.presences.empty():
            juliet.presences.get_nowait()
        for show in ('away', 'dnd', 'xa'):
            romeo.send_presence(pshow=show)
        await romeo['xep_0199'].ping('localhost')
        await asyncio.sleep(0.5)
        assert juliet.presences.empty(), juliet.presences.get_nowait()
        romeo.send_message('juliet@localhost', 'hail', mtype='chat')
        assert (await asyncio.wait_for(juliet.messages.get(), 15))['body'] == 'hail'
        assert juliet.presences.get_nowait()['show'] == 'xa', 'the presence did not come before the message'
        assert juliet.presences.empty()
        romeo.send_presence(pshow='away')
        await romeo['xep_0199'].ping('localhost')
        juliet['xep_0352'].send_active()
        await juliet.next_presence('away', 'romeo@localhost')
        for person in (romeo, juliet):
            await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def what_waits_outlives_the_manager(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    befriend(romeo, juliet)
    juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    ping(juliet, 'before')
    romeo.send('<presence><show>away</show></presence>')
    ping(romeo, 'there')
    silent(juliet)
    deployment.processes['sm'].kill()
    deployment.processes['sm'].start()
    ping(romeo, 'again')
    silent(juliet)  # it is inactive for the next manager too
    romeo.send("<message to='juliet@localhost' type='chat'><body>hail</body></message>")
    assert juliet.expect('presence').find('{jabber:client}show').text == 'away'
    assert body(juliet.expect('message')) == 'hail'
    for client in (romeo, juliet):
        client.close()


if __name__ == '__main__':
    scenarios(a_client_library_says_it_and_is_spared, *with_parts(what_waits_outlives_the_manager))
