#!/usr/bin/python3
"""Our c2s between real clients and Debian's jabberd2 router and sm."""
import asyncio
import logging
import os
import re
import shutil
import time

import slixmpp
from harness import Deployment, Process, Raw, body, scenarios

logging.disable(logging.CRITICAL)


def _find(name):
    return shutil.which(name) or f'/usr/sbin/{name}'


def _write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


class Jabberd2:
    """Debian's router and sm with a configuration of their own below a test's folder."""

    def __init__(self, deployment):
        self.dir = os.path.join(deployment.dir, 'jabberd2')
        os.makedirs(os.path.join(self.dir, 'fs'))
        self.port = deployment.router_port
        _write(f'{self.dir}/users.xml', '<users><user><name>jabberd</name><secret>secret</secret></user></users>')
        _write(f'{self.dir}/filter.xml', '<filter/>')
        _write(f'{self.dir}/router.xml', f"""<router>
<id>router</id><pidfile>{self.dir}/router.pid</pidfile>
<log type='stdout'/>
<local><ip>127.0.0.1</ip><port>{self.port}</port><users>{self.dir}/users.xml</users><secret>unused</secret></local>
<io><max_fds>1024</max_fds><limits><bytes>0</bytes><connects>0</connects></limits></io>
<aci><acl type='all'><user>jabberd</user></acl></aci>
<aci.filter>{self.dir}/filter.xml</aci.filter>
<check><interval>60</interval><keepalive>0</keepalive></check></router>""")
        modules = self._modules()
        _write(f'{self.dir}/sm.xml', f"""<sm>
<id>sm</id><pidfile>{self.dir}/sm.pid</pidfile>
<router><ip>127.0.0.1</ip><port>{self.port}</port><user>jabberd</user><pass>secret</pass>
<retry><init>10</init><lost>10</lost><sleep>1</sleep></retry></router>
<log type='stdout'/>
<local><id>localhost</id></local>
<storage><path>{modules['path']}</path><driver>sqlite</driver>
<sqlite><dbname>{self.dir}/sm.db</dbname><transactions/><busy-timeout>2000</busy-timeout></sqlite>
<fs><path>{self.dir}/fs</path></fs></storage>
<modules><path>{modules['path']}</path>{modules['chains']}</modules>
<user><auto-create/></user></sm>""")
        self._make_tables()
        self.processes = [Process('jabberd2-router', [_find('jabberd2-router'), '-c', f'{self.dir}/router.xml', '-D']),
                          Process('jabberd2-sm', [_find('jabberd2-sm'), '-c', f'{self.dir}/sm.xml', '-D'])]

    @staticmethod
    def _modules():
        with open('/etc/jabberd2/sm.xml', encoding='utf-8') as file:
            text = file.read()
        section = re.search(r'<modules>(.*?)</modules>', text, re.S).group(1)
        path = re.search(r'<path>(.*?)</path>', section)
        chains = re.sub(r'<!--.*?-->', '', section.replace(path.group() if path else '', ''), flags=re.S)
        return {'path': path.group(1) if path else '/usr/lib/jabberd2', 'chains': chains}

    def _make_tables(self):
        import glob
        import gzip
        import sqlite3
        for name in glob.glob('/usr/share/doc/jabberd2/**/db-setup.sqlite*', recursive=True) + \
                glob.glob('/usr/share/jabberd2/**/db-setup.sqlite*', recursive=True):
            opener = gzip.open if name.endswith('.gz') else open
            with opener(name, 'rt', encoding='utf-8') as file:
                sqlite3.connect(f'{self.dir}/sm.db').executescript(file.read())
            return
        raise AssertionError('the tables of jabberd2 for SQLite were not found')

    def __enter__(self):
        for process in self.processes:
            process.start()
            time.sleep(0.5)
        return self

    def __exit__(self, kind, value, trace):
        for process in self.processes:
            if kind:
                print(f'--- {process.name}\n{process.text()[-3000:]}')
            process.kill()


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

    with Deployment(registration='open') as deployment, Jabberd2(deployment):
        deployment.start('c2s')
        _register(deployment, 'alice', 'bob')
        asyncio.get_event_loop().run_until_complete(play(deployment))


def our_c2s_comes_back_to_jabberd2_after_a_restart():
    with Deployment(registration='open') as deployment, Jabberd2(deployment):
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
