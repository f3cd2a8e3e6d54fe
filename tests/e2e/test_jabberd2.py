#!/usr/bin/python3
"""A client library that people use, in each mix of our parts and jabberd2's."""
import asyncio
import logging

import slixmpp
from harness import scenarios
from mix import Mix, register

logging.disable(logging.CRITICAL)


class Friend(slixmpp.ClientXMPP):
    def __init__(self, mix, name):
        super().__init__(f'{name}@localhost', 'secret')
        self.ready, self.messages, self.presences = asyncio.Event(), asyncio.Queue(), asyncio.Queue()
        self.add_event_handler('session_start', self._start)
        self.add_event_handler('message', self.messages.put_nowait)
        self.add_event_handler('presence', self.presences.put_nowait)
        self.connect(('127.0.0.1', mix.port), disable_starttls=True)
        self['feature_mechanisms'].unencrypted_plain = True
        self['feature_mechanisms'].unencrypted_scram = True

    async def _start(self, event):
        await self.get_roster()
        self.send_presence()
        self.ready.set()

    async def presence_of(self, who, kind):
        while True:
            presence = await asyncio.wait_for(self.presences.get(), 15)
            if presence['from'].bare == who and presence['type'] == kind:
                return


async def _play(mix):
    alice, bob = Friend(mix, 'alice'), Friend(mix, 'bob')
    await asyncio.wait_for(alice.ready.wait(), 20)
    await asyncio.wait_for(bob.ready.wait(), 20)
    alice.send_presence_subscription('bob@localhost', ptype='subscribe')
    await bob.presence_of('alice@localhost', 'subscribe')
    await alice.presence_of('bob@localhost', 'available')
    for number in range(200):  # more than may be unsettled
        alice.send_message(bob.boundjid.full, str(number), mtype='chat')
    for number in range(200):  # more than may be unsettled
        assert (await asyncio.wait_for(bob.messages.get(), 15))['body'] == str(number)
    bob.send_message('alice@localhost', 'back', mtype='chat')
    assert (await asyncio.wait_for(alice.messages.get(), 15))['body'] == 'back'
    await bob.disconnect()
    await alice.presence_of('bob@localhost', 'unavailable')
    await alice.disconnect()


def _two_people(ours, theirs):
    with Mix(ours, theirs) as mix:
        register(mix, 'alice', 'bob')
        asyncio.get_event_loop().run_until_complete(_play(mix))


def two_people_chat_and_see_each_other_by_our_c2s():
    _two_people(('c2s',), ('router', 'sm'))


def two_people_chat_and_see_each_other_by_our_sm():
    _two_people(('sm',), ('router', 'c2s'))


def two_people_chat_and_see_each_other_by_our_router():
    _two_people(('router',), ('sm', 'c2s', 's2s'))


def two_people_chat_and_see_each_other_by_all_but_the_router():
    _two_people(('sm', 'c2s'), ('router',))


if __name__ == '__main__':
    scenarios(two_people_chat_and_see_each_other_by_our_c2s,
              two_people_chat_and_see_each_other_by_our_sm,
              two_people_chat_and_see_each_other_by_our_router,
              two_people_chat_and_see_each_other_by_all_but_the_router)
