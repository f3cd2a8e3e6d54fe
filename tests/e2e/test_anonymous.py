#!/usr/bin/python3
"""Logging in without an account, SASL ANONYMOUS: real clients who chat, and nothing that is left of them."""
import asyncio
import base64
import contextlib
import re
import sqlite3
import ssl
import xml.etree.ElementTree as ElementTree

import slixmpp
from harness import CLIENT, Deployment, Raw, body, scenarios
from scram import SASL, mechanisms

NAME = re.compile(r'anonymous-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@localhost')
STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'
OFFERED = 'mechanisms = ["SCRAM-SHA-256", "PLAIN", "ANONYMOUS"]\n'


class Visitor(slixmpp.ClientXMPP):
    """With a name and a password one who has an account."""

    def __init__(self, deployment, user='', password='', mechanism='ANONYMOUS'):
        super().__init__(f'{user}@localhost' if user else 'localhost', password, sasl_mech=mechanism)
        self.register_plugin('xep_0030')
        self.ssl_context = ssl.create_default_context()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.ready, self.failed = asyncio.Event(), asyncio.Event()
        self.messages = asyncio.Queue()
        self.add_event_handler('session_start', self._start)
        self.add_event_handler('failed_auth', lambda event: self.failed.set())
        self.add_event_handler('message', self.messages.put_nowait)
        self.connect(('127.0.0.1', deployment.port))

    def get_ssl_context(self):
        return self.ssl_context

    async def _start(self, event):
        await self.get_roster()
        self.send_presence()
        self.ready.set()

    async def hears(self, text):
        message = await asyncio.wait_for(self.messages.get(), 15)
        assert message['body'] == text, message
        return message['from']

    async def gone(self):
        await self.disconnect(wait=True)


async def _visitor(deployment, *options, **more):
    visitor = Visitor(deployment, *options, **more)
    await asyncio.wait_for(visitor.ready.wait(), 20)
    return visitor


def _rows(deployment):
    """All that names a visitor, of whatever table and column."""
    with contextlib.closing(sqlite3.connect(f'{deployment.dir}/data/jackdaw.db')) as database:
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        rows = [row for table in tables for row in database.execute(f'select * from "{table}"')]
    assert any('romeo@localhost' in str(row) for row in rows), rows
    return [row for row in rows if 'anonymous' in str(row)]


def _deployment(*verbs, extra=OFFERED, **options):
    # Else romeo's archive has what he said to them.
    deployment = Deployment(extra=extra + '\n[messages]\narchive = "off"\n', **options).start(*verbs)
    deployment.add_user('romeo', 'secret')
    return deployment


async def _talk(deployment):
    first, second = await _visitor(deployment), await _visitor(deployment)
    romeo = await _visitor(deployment, 'romeo', 'secret', mechanism='PLAIN')
    assert NAME.fullmatch(first.boundjid.bare) and NAME.fullmatch(second.boundjid.bare), first.boundjid
    assert first.boundjid.bare != second.boundjid.bare
    first.send_message('romeo@localhost', 'is somebody there', mtype='chat')
    who = await romeo.hears('is somebody there')
    assert who.bare == first.boundjid.bare
    romeo.send_message(who, 'yes', mtype='chat')
    assert (await first.hears('yes')).bare == 'romeo@localhost'
    first.send_message(second.boundjid.bare, 'and you', mtype='chat')
    assert await second.hears('and you') == first.boundjid
    info = await romeo['xep_0030'].get_info(jid=first.boundjid.bare)
    assert ('account', 'anonymous') in [identity[:2] for identity in info['disco_info']['identities']], info
    assert deployment.command('user', 'list').stdout.split() == ['romeo@localhost']
    await first.gone()
    for name in (first.boundjid.bare, 'nobody@localhost'):
        romeo.send_message(name, 'are you still there', mtype='chat')
        answer = await asyncio.wait_for(romeo.messages.get(), 15)
        assert answer['type'] == 'error' and answer['error']['condition'] == 'service-unavailable', answer
    second.send_message(first.boundjid.bare, 'and for you', mtype='chat')
    answer = await asyncio.wait_for(second.messages.get(), 15)
    assert answer['type'] == 'error', answer
    await romeo.gone()
    second.send_message('romeo@localhost', 'for later', mtype='chat')
    return second


def _chat(deployment):
    async def run():
        second = await _talk(deployment)
        await asyncio.get_event_loop().run_in_executor(None, deployment.wait_stored, 1)
        await second.gone()
    asyncio.get_event_loop().run_until_complete(run())


def people_without_accounts_chat_and_leave_nothing():
    with _deployment() as deployment:
        _chat(deployment)
        log = deployment.processes['run']
        log.wait_for(f'login {NAME.pattern} by SASL/ANONYMOUS, TLSv1')
        assert 'Suelta' not in log.text(), 'the trace of slixmpp'
        log.stop()
        left = _rows(deployment)
        assert len(left) == 1 and 'for later' in str(left[0]), left
        log.start().wait_for('jackdaw: ready in')
        romeo = Raw(deployment.port).login('romeo', 'secret')
        assert body(romeo.expect('message')) == 'for later'
        romeo.close()


def so_they_do_in_parts():
    with _deployment('router', 'sm', 'c2s') as deployment:
        _chat(deployment)
        for name in ('c2s', 'sm'):
            deployment.processes[name].stop()
        left = _rows(deployment)
        assert len(left) == 1 and 'for later' in str(left[0]), left


def _enter(deployment, initial=None):
    client = Raw(deployment.port).open()
    client.features()
    message = '' if initial is None else base64.b64encode(initial).decode() or '='
    client.send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'>{message}</auth>")
    answer = client.receive()
    if not answer.tag.endswith('}success'):
        return client, answer[0].tag.split('}')[1]
    client.open()
    client.features()
    client.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    client.jid = client.expect('iq', id='bind')[0][0].text
    return client, None


def _refused(client, stanza, condition):
    client.send(stanza)
    error = client.expect(stanza[1:].split()[0], type='error').find(f'{{{CLIENT}}}error')
    assert error.find(STANZAS + condition) is not None, ElementTree.tostring(error)


def a_trace_may_be_there_and_is_bounded():
    with _deployment() as deployment:
        for initial in (None, b'', b'juliet@example.org', 'ä'.encode() * 255):
            client, failed = _enter(deployment, initial)
            assert not failed and NAME.match(client.jid), (initial, failed)
            client.close()
        for initial in (b'x' * 256, b'\xff', b'a\0b'):
            client, failed = _enter(deployment, initial)
            assert failed == 'malformed-request', (initial, failed)
            client.close()
        assert 'juliet' not in deployment.processes['run'].text()


def it_is_offered_only_to_who_asked_for_it():
    with _deployment(extra='') as deployment:
        client = Raw(deployment.port).open()
        assert 'ANONYMOUS' not in mechanisms(client.features())
        client, failed = _enter(deployment)
        assert failed == 'invalid-mechanism', failed
        client.close()
    with _deployment() as deployment:
        client = Raw(deployment.port).open()
        assert mechanisms(client.features()) == ['SCRAM-SHA-256', 'PLAIN', 'ANONYMOUS']
        client.close()


def nobody_has_its_name_nor_changes_what_it_is():
    with _deployment(registration='open') as deployment:
        client, _ = _enter(deployment)
        name = client.jid.split('@')[0]
        query = "<query xmlns='jabber:iq:register'>{}</query>"
        account = f'<username>{name}</username><password>secret</password>'
        for payload in (account, '<remove/>'):
            _refused(client, f"<iq type='set' id='a'>{query.format(payload)}</iq>", 'not-allowed')
        _refused(client, f"<iq type='get' id='a'>{query.format('')}</iq>", 'not-allowed')
        _refused(client, "<iq type='set' id='a'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost'/></query></iq>",
                 'not-allowed')
        _refused(client, "<message to='juliet@example.org'><body>spam</body></message>", 'not-allowed')
        stranger = Raw(deployment.port).open()
        stranger.features()
        _refused(stranger, f"<iq type='set' id='a'>{query.format(account)}</iq>", 'not-acceptable')
        stranger.close()
        said = deployment.command('user', 'add', f'{name}@localhost', '--password-file', '-', input='secret\n', code=1)
        assert 'anonymous' in said.stderr, said
        assert deployment.command('user', 'list').stdout.split() == ['romeo@localhost']
        other = Raw(deployment.port).open()
        other.features()
        token = base64.b64encode(f'\0{name}\0secret'.encode()).decode()
        other.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
        assert other.receive()[0].tag.endswith('}not-authorized')
        other.close()
        client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        enabled = client.expect('enabled')
        assert enabled.get('resume') not in ('true', '1') and not enabled.get('id'), ElementTree.tostring(enabled)
        client.socket.close()


if __name__ == '__main__':
    scenarios(people_without_accounts_chat_and_leave_nothing, so_they_do_in_parts, a_trace_may_be_there_and_is_bounded,
              it_is_offered_only_to_who_asked_for_it, nobody_has_its_name_nor_changes_what_it_is)
