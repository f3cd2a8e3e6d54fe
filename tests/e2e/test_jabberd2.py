#!/usr/bin/python3
"""Our c2s between real clients and Debian's jabberd2 router and sm."""
import asyncio
import logging
import time

import slixmpp
from harness import Deployment, Raw, body, scenarios
from jabberd2 import Jabberd2

logging.disable(logging.CRITICAL)


def _log_in(deployment, user, seconds=20):
    end = time.time() + seconds
    while True:
        try:
            return Raw(deployment.port).login(user, 'secret')
        except (AssertionError, OSError):
            if time.time() > end:
                raise
            time.sleep(0.2)


def _register(deployment, *users):
    for user in users:
        client = Raw(deployment.port).open()
        client.features()
        client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{user}</username>"
                    "<password>secret</password></query></iq>")
        assert client.expect('iq', id='r').get('type') == 'result'
        client.close()


class Person(slixmpp.ClientXMPP):
    def __init__(self, deployment, name):
        super().__init__(f'{name}@localhost', 'secret')
        self.ready, self.messages, self.presences = asyncio.Event(), asyncio.Queue(), asyncio.Queue()
        self.add_event_handler('session_start', self._start)
        self.add_event_handler('message', self.messages.put_nowait)
        self.add_event_handler('presence', self.presences.put_nowait)
        self.connect(('127.0.0.1', deployment.port), disable_starttls=True)
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


def two_people_register_chat_and_see_each_other_through_jabberd2():
    async def play(deployment):
        alice, bob = Person(deployment, 'alice'), Person(deployment, 'bob')
        await asyncio.wait_for(alice.ready.wait(), 20)
        await asyncio.wait_for(bob.ready.wait(), 20)
        alice.send_presence_subscription('bob@localhost', ptype='subscribe')
        await bob.presence_of('alice@localhost', 'subscribe')
        await alice.presence_of('bob@localhost', 'available')
        for number in range(10):
            alice.send_message(bob.boundjid.full, str(number), mtype='chat')
        for number in range(10):
            assert (await asyncio.wait_for(bob.messages.get(), 15))['body'] == str(number)
        bob.send_message('alice@localhost', 'back', mtype='chat')
        assert (await asyncio.wait_for(alice.messages.get(), 15))['body'] == 'back'
        await bob.disconnect()
        await alice.presence_of('bob@localhost', 'unavailable')
        await alice.disconnect()

    with Deployment(registration='open') as deployment, Jabberd2(deployment.dir, deployment.router_port):
        deployment.start('c2s')
        _register(deployment, 'alice', 'bob')
        asyncio.get_event_loop().run_until_complete(play(deployment))


def our_c2s_comes_back_to_jabberd2_after_a_restart():
    with Deployment(registration='open') as deployment, Jabberd2(deployment.dir, deployment.router_port):
        deployment.start('c2s')
        _register(deployment, 'alice')
        deployment.restart('c2s', kill=True)
        alice = _log_in(deployment, 'alice')
        alice.send(f"<message to='{alice.jid}' type='chat'><body>again</body></message>")
        assert body(alice.expect('message')) == 'again'
        alice.close()


if __name__ == '__main__':
    scenarios(two_people_register_chat_and_see_each_other_through_jabberd2,
              our_c2s_comes_back_to_jabberd2_after_a_restart)
