#!/usr/bin/python3
"""A person blocks another with a real client library, at two resources and over a restart of the server."""
import asyncio

from harness import romeo_and_juliet, scenarios
from slixmpp.exceptions import IqError
from test_chat import Person


class Blocker(Person):
    def __init__(self, deployment, name):
        super().__init__(deployment, name, 'secret')
        self.register_plugin('xep_0191')
        self.pushes = asyncio.Queue()
        for kind in ('blocked', 'unblocked'):
            self.add_event_handler(kind, lambda iq, kind=kind: self.push(kind, iq))

    def push(self, kind, iq):
        items = iq['block' if kind == 'blocked' else 'unblock']['items']
        self.pushes.put_nowait((kind, {str(item) for item in items}))

    async def list(self):
        return {str(item) for item in (await self['xep_0191'].get_blocked(timeout=10))['blocklist']['items']}

    async def next_push(self):
        return await asyncio.wait_for(self.pushes.get(), 15)

    async def next_message(self):
        return await asyncio.wait_for(self.messages.get(), 15)


async def _log_in(deployment, name):
    person = Blocker(deployment, name)
    await asyncio.wait_for(person.ready.wait(), 20)
    return person


async def _befriend(one, other):
    one.send_presence_subscription(other.boundjid.bare, ptype='subscribe')
    await other.next_presence('subscribed', one.boundjid.bare)
    await one.next_presence('available', other.boundjid.bare)


def who_is_blocked_sees_nobody_and_hears_nothing():
    async def play(deployment):
        juliet, other = await _log_in(deployment, 'juliet'), await _log_in(deployment, 'juliet')
        romeo = await _log_in(deployment, 'romeo')
        await _befriend(romeo, juliet)
        info = await juliet['xep_0030'].get_info('localhost', timeout=10)
        assert 'urn:xmpp:blocking' in info['disco_info']['features'], info
        assert await juliet.list() == await other.list() == set()
        await juliet['xep_0191'].block('romeo@localhost', timeout=10)
        for person in (juliet, other):
            assert await person.next_push() == ('blocked', {'romeo@localhost'})
            await romeo.next_presence('unavailable', 'juliet@localhost')
        romeo.send_message(juliet.boundjid.full, 'let me in', mtype='chat')
        refusal = await romeo.next_message()
        assert refusal['type'] == 'error' and refusal['error']['condition'] == 'service-unavailable', refusal
        try:
            await romeo['xep_0199'].send_ping(juliet.boundjid.full, timeout=10)
            raise RuntimeError('an answer')
        except IqError as error:
            assert error.iq['error']['condition'] == 'service-unavailable', error.iq
        juliet.send_message('romeo@localhost', 'no', mtype='chat')
        refusal = await juliet.next_message()
        assert refusal['error']['condition'] == 'not-acceptable', refusal
        assert refusal.xml.find('.//{urn:xmpp:blocking:errors}blocked') is not None, refusal
        await other['xep_0191'].unblock('romeo@localhost', timeout=10)
        assert await juliet.next_push() == ('unblocked', {'romeo@localhost'})
        await romeo.next_presence('available', 'juliet@localhost')
        romeo.send_message('juliet@localhost', 'at last', mtype='chat')
        assert (await juliet.next_message())['body'] == 'at last', 'and nothing before'
        for person in (romeo, juliet, other):
            await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def a_list_outlives_the_server():
    async def play(deployment):
        juliet = await _log_in(deployment, 'juliet')
        await juliet['xep_0191'].block(['romeo@localhost', 'a@b.example/c', 'd.example'], timeout=10)
        await juliet.disconnect()
        deployment.restart('run')
        juliet, romeo = await _log_in(deployment, 'juliet'), await _log_in(deployment, 'romeo')
        assert await juliet.list() == {'romeo@localhost', 'a@b.example/c', 'd.example'}
        romeo.send_message('juliet@localhost', 'again', mtype='chat')
        assert (await romeo.next_message())['type'] == 'error'
        for person in (romeo, juliet):
            await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


if __name__ == '__main__':
    scenarios(who_is_blocked_sees_nobody_and_hears_nothing, a_list_outlives_the_server)
