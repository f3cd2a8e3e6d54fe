#!/usr/bin/python3
"""Bridges and bots, XEP-0114: a library that people use, and raw streams for what no library does."""
import asyncio
import logging
import time

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP
from harness import ACCEPT, Deployment, External, Raw, body, scenarios

logging.disable(logging.CRITICAL)

STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'
COMPONENTS = '''
[[component]]
name = "irc.localhost"
secret = "of irc"
[[component]]
name = "bot.example"
secret = "of bot"
'''


class Bridge(ComponentXMPP):
    def __init__(self, deployment, name='irc.localhost', secret='of irc'):
        super().__init__(name, secret, '127.0.0.1', deployment.router_port)
        for plugin in ('xep_0030', 'xep_0199'):
            self.register_plugin(plugin)
        self['xep_0030'].add_identity(category='gateway', itype='irc', name='a bridge')
        self.ready, self.ended = asyncio.Event(), asyncio.Event()
        self.messages, self.presences = asyncio.Queue(), asyncio.Queue()
        self.add_event_handler('session_start', lambda event: self.ready.set())
        self.add_event_handler('disconnected', lambda event: self.ended.set())
        self.add_event_handler('message', self.messages.put_nowait)
        self.register_handler(slixmpp.xmlstream.handler.Callback(
            'presences', slixmpp.xmlstream.matcher.StanzaPath('presence'), self.presences.put_nowait))
        self.connect()


class Person(slixmpp.ClientXMPP):
    def __init__(self, deployment, name):
        super().__init__(f'{name}@localhost', 'secret')
        for plugin in ('xep_0030', 'xep_0199'):
            self.register_plugin(plugin)
        self['feature_mechanisms'].unencrypted_plain = True
        self.ready = asyncio.Event()
        self.messages, self.presences = asyncio.Queue(), asyncio.Queue()
        self.add_event_handler('session_start', self._start)
        self.add_event_handler('message', self.messages.put_nowait)
        self.add_event_handler('presence', self.presences.put_nowait)
        self.connect(('127.0.0.1', deployment.port), disable_starttls=True)

    async def _start(self, event):
        await self.get_roster()
        self.send_presence()
        self.ready.set()


async def _soon(waited):
    return await asyncio.wait_for(waited, 20)


async def _next(queue, wanted):
    while True:
        stanza = await _soon(queue.get())
        if wanted(stanza):
            return stanza


def _run(*verbs, people=('romeo', 'juliet')):
    deployment = Deployment(extra=COMPONENTS)
    deployment.start(*verbs)
    for user in people:
        deployment.add_user(user, 'secret')
    return deployment


async def _live(deployment):
    """A conversation of people with a bridge in both directions, in every kind of stanza."""
    bridge, romeo = Bridge(deployment), Person(deployment, 'romeo')
    await _soon(bridge.ready.wait())
    await _soon(romeo.ready.wait())

    romeo.send_message('#forum%net@irc.localhost', 'to the forum', mtype='groupchat')
    message = await _soon(bridge.messages.get())
    assert message['body'] == 'to the forum' and message['from'] == romeo.boundjid.full, message
    assert message['to'] == '#forum%net@irc.localhost' and message['type'] == 'groupchat', message
    bridge.send_message(romeo.boundjid.full, 'from <a> & "b"', mtype='chat', mfrom='nick@irc.localhost/x')
    message = await _soon(romeo.messages.get())
    assert message['body'] == 'from <a> & "b"' and message['from'] == 'nick@irc.localhost/x', message

    romeo.send_presence(pto='#forum%net@irc.localhost/romeo')
    presence = await _next(bridge.presences, lambda p: p['from'] == romeo.boundjid.full)
    assert presence['to'] == '#forum%net@irc.localhost/romeo', presence
    bridge.send_presence(pto=romeo.boundjid.full, pfrom='#forum%net@irc.localhost/nick', pshow='away')
    presence = await _next(romeo.presences, lambda p: p['from'].domain == 'irc.localhost')
    assert presence['type'] == 'away', presence

    romeo.send_presence(pto='nick@irc.localhost', ptype='subscribe')
    presence = await _next(bridge.presences, lambda p: p['type'] == 'subscribe')
    assert presence['from'] == 'romeo@localhost', presence
    bridge.send_presence(pto='romeo@localhost', pfrom='nick@irc.localhost', ptype='subscribed')
    bridge.send_presence(pto='romeo@localhost', pfrom='nick@irc.localhost', ptype='subscribe')
    await _next(bridge.presences, lambda p: p['type'] == 'subscribed')
    bridge.send_presence(pto='romeo@localhost', pfrom='nick@irc.localhost')
    await _next(romeo.presences, lambda p: p['type'] == 'available' and p['from'].bare == 'nick@irc.localhost')
    romeo.send_presence(pstatus='to my contacts')
    presence = await _next(bridge.presences, lambda p: p['status'] == 'to my contacts')
    assert presence['to'] == 'nick@irc.localhost', presence

    info = await romeo['xep_0030'].get_info('irc.localhost', timeout=15)
    assert ('gateway', 'irc', None, 'a bridge') in info['disco_info']['identities'], info
    info = await bridge['xep_0030'].get_info('localhost', ifrom='irc.localhost', timeout=15)
    assert 'urn:xmpp:ping' in info['disco_info']['features'], info
    assert await bridge['xep_0199'].ping(romeo.boundjid.full, ifrom='irc.localhost', timeout=15) >= 0
    items = await romeo['xep_0030'].get_items('localhost', timeout=15)
    assert {item[0] for item in items['disco_items']['items']} == {'irc.localhost'}, items

    bridge.send_message('nobody@localhost', 'is there anybody?', mfrom='nick@irc.localhost')
    error = await _next(bridge.messages, lambda m: m['type'] == 'error')
    assert error['from'] == 'nobody@localhost' and error['to'] == 'nick@irc.localhost', error
    assert error.xml.find(f'{{{ACCEPT}}}error/{STANZAS}service-unavailable') is not None, error
    bridge.send_message('a@nowhere.example', 'is there anybody?', mfrom='nick@irc.localhost')
    error = await _next(bridge.messages, lambda m: m['type'] == 'error')
    assert error.xml.find(f'{{{ACCEPT}}}error/{STANZAS}remote-server-not-found') is not None, error

    await bridge.disconnect()
    await _soon(bridge.ended.wait())
    await romeo.disconnect()


def _play(scene, deployment):
    asyncio.get_event_loop().run_until_complete(scene(deployment))


def a_bridge_lives_with_one_process():
    with _run() as deployment:
        _play(_live, deployment)


def a_bridge_lives_with_three_processes():
    with _run('router', 'sm', 'c2s') as deployment:
        end = time.time() + 20
        while True:
            try:
                Raw(deployment.port).login('juliet', 'secret').close()
                break
            except (AssertionError, OSError):
                assert time.time() < end
        _play(_live, deployment)


def two_bridges_write_to_each_other():
    async def play(deployment):
        irc, bot = Bridge(deployment), Bridge(deployment, 'bot.example', 'of bot')
        await _soon(irc.ready.wait())
        await _soon(bot.ready.wait())
        irc.send_message('bot.example', 'hello', mfrom='a@irc.localhost')
        message = await _soon(bot.messages.get())
        assert message['body'] == 'hello' and message['from'] == 'a@irc.localhost'
        await irc.disconnect()
        await bot.disconnect()

    with _run(people=()) as deployment:
        _play(play, deployment)


def a_bridge_comes_back():
    with _run() as deployment:
        romeo = Raw(deployment.port).login('romeo', 'secret')
        for number in range(3):
            away = "<iq type='get' to='irc.localhost' id='away'><ping xmlns='urn:xmpp:ping'/></iq>"
            end = time.time() + 15
            while True:
                assert time.time() < end
                romeo.send(away)
                try:
                    error = romeo.expect('iq', id='away', seconds=1)
                except TimeoutError:
                    continue  # it was written to the connection that is gone
                if error.find('{jabber:client}error/' + STANZAS + 'remote-server-not-found') is not None:
                    break
            bridge = External(deployment.router_port).enter()
            romeo.send(f"<message to='nick@irc.localhost'><body>{number}</body></message>")
            message = bridge.expect('message')
            assert message.tag == f'{{{ACCEPT}}}message' and message[0].tag == f'{{{ACCEPT}}}body'
            assert message[0].text == str(number)
            if number == 1:
                bridge.socket.close()
            else:
                bridge.close()


def bridges_come_back_when_the_router_does():
    async def play(deployment):
        bridge = Bridge(deployment)
        await _soon(bridge.ready.wait())
        bridge.ready.clear()
        bridge.add_event_handler('disconnected', lambda event: bridge.connect())
        await asyncio.get_event_loop().run_in_executor(None, deployment.restart, 'run')
        await _soon(bridge.ready.wait())
        romeo = Raw(deployment.port).login('romeo', 'secret')
        romeo.send("<message to='nick@irc.localhost'><body>again</body></message>")
        assert (await _soon(bridge.messages.get()))['body'] == 'again'
        bridge.del_event_handler('disconnected', None)
        bridge.abort()

    with _run() as deployment:
        _play(play, deployment)


def who_cannot_prove_itself_stays_out(deployment):
    for secret in ('of bot', '', 'of irc '):
        stream = External(deployment.router_port).open()
        stream.send(f'<handshake>{stream.proof(secret)}</handshake>')
        stream.ends_with('not-authorized')
    for text in ('', 'abc', 'g' * 40, '0' * 41):
        stream = External(deployment.router_port).open()
        stream.send(f'<handshake>{text}</handshake>')
        stream.ends_with('not-authorized')
    stream = External(deployment.router_port).open()
    stream.send("<message to='romeo@localhost' from='irc.localhost'><body>x</body></message>")
    stream.ends_with('not-authorized')
    first, second = External(deployment.router_port).open(), External(deployment.router_port).open()
    second.send(f"<handshake>{first.proof('of irc')}</handshake>")
    second.ends_with('not-authorized')


def the_password_of_native_parts_opens_nothing_here(deployment):
    stream = External(deployment.router_port).open(extra=" version='1.0'")
    stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='DIGEST-MD5'/>")
    assert stream.receive().tag.endswith('}failure')
    stream.send("<bind xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' name='irc.localhost'/>")
    stream.ends_with('not-authorized')


def only_names_of_the_file_are_known(deployment):
    for name in ('localhost', 'other.localhost', 'sm', '', '@', None):
        External(deployment.router_port).open(name).ends_with('host-unknown')


def the_header_is_as_before_xmpp(deployment):
    for extra in ('', " version='1.0'"):
        stream = External(deployment.router_port).open('IRC.LocalHost', extra)
        assert stream.header.get('from') == 'irc.localhost' and stream.header.get('version') is None
        stream.send(f"<handshake>{stream.proof('of irc').upper()}</handshake>")
        assert stream.receive().tag == f'{{{ACCEPT}}}handshake'
        assert b'features' not in stream.raw and f"xmlns='{ACCEPT}'".encode() in stream.raw
        stream.close()


def nobody_writes_in_another_s_name(deployment):
    for sender in ('localhost', 'romeo@localhost', 'bot.example', 'a@sub.irc.localhost', '@'):
        stream = External(deployment.router_port).enter()
        stream.send(f"<message to='romeo@localhost' from='{sender}'><body>forged</body></message>")
        stream.ends_with('invalid-from')
    romeo = Raw(deployment.port).login('romeo', 'secret')
    romeo.no_message()
    romeo.close()


def stanzas_have_both_addresses(deployment):
    for stanza in ("<message to='romeo@localhost'/>", "<message from='irc.localhost'/>", '<presence/>'):
        stream = External(deployment.router_port).enter()
        stream.send(stanza)
        stream.ends_with('improper-addressing')


def what_is_no_stanza_ends_the_stream(deployment):
    for element in ('<handshake/>', '<log/>', "<message xmlns='other' to='a@localhost' from='irc.localhost'/>",
                    "<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' to='sm' from='irc.localhost'/>"):
        stream = External(deployment.router_port).enter()
        stream.send(element)
        stream.ends_with('unsupported-stanza-type')


def errors_come_back_with_the_addresses_swapped(deployment):
    stream = External(deployment.router_port).enter()
    for to, sender, condition in (('@', 'irc.localhost', 'jid-malformed'),
                                  ('c2s', 'c2s', 'remote-server-not-found'), ('sm', 'sm', 'remote-server-not-found'),
                                  ('a@nowhere.example', 'a@nowhere.example', 'remote-server-not-found'),
                                  ('nobody@localhost', 'nobody@localhost', 'service-unavailable')):
        stream.send(f"<message to='{to}' from='n@irc.localhost/r' id='e'><body>x</body></message>")
        error = stream.expect('message', id='e')
        assert error.get('type') == 'error' and error.get('to') == 'n@irc.localhost/r', error.attrib
        assert error.get('from') == sender, (to, error.attrib)
        assert error.find(f'{{{ACCEPT}}}error/{STANZAS}{condition}') is not None, (to, condition)
        assert error.find(f'{{{ACCEPT}}}body').text == 'x'
    stream.send("<message type='error' to='a@nowhere.example' from='irc.localhost'/>"
                "<iq type='get' to='localhost' from='irc.localhost' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert stream.receive().get('id') == 'p'
    stream.close()


def no_attribute_of_theirs_names_a_session(deployment):
    romeo = Raw(deployment.port).login('romeo', 'secret')
    stream = External(deployment.router_port).enter()
    stream.send("<message xmlns:sc='http://jabberd.jabberstudio.org/ns/session/1.0' sc:c2s='0.0.1' sc:sm='0.0.1' "
                f"sc:failed='1' failed='1' to='{romeo.jid}' from='irc.localhost'><body>plain</body></message>")
    message = romeo.expect('message')
    assert body(message) == 'plain' and message.get('from') == 'irc.localhost'
    assert not [name for name in message.attrib if 'session' in name]
    stream.close()
    romeo.close()


def two_of_a_name_share_by_sender(deployment):
    first, second = External(deployment.router_port).enter(), External(deployment.router_port).enter()
    names = [f'user{number}' for number in range(12)]
    bot = External(deployment.router_port).enter('bot.example', 'of bot')
    for turn in range(2):
        for name in names:
            bot.send(f"<message to='x{turn}@irc.localhost' from='{name}@bot.example/{turn}' id='{turn}'/>")
    got = [set(), set()]
    for at, stream in enumerate((first, second)):
        stream.send("<iq type='get' to='localhost' from='irc.localhost' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        stream.socket.settimeout(15)
    bot.send("<iq type='get' to='localhost' from='bot.example' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    bot.expect('iq', id='p')
    received = 0
    end = time.time() + 15
    while received < 2 * len(names):
        assert time.time() < end
        for at, stream in enumerate((first, second)):
            try:
                message = stream.receive(0.1)
            except TimeoutError:
                continue
            if message.tag.endswith('}message'):
                got[at].add((message.get('from').split('@')[0], message.get('id')))
                received += 1
    users = [{name for name, turn in part} for part in got]
    assert users[0] and users[1] and not users[0] & users[1], got
    second.close()
    romeo = Raw(deployment.port).login('romeo', 'secret')
    for number in range(4):
        romeo.send(f"<message to='x@irc.localhost' id='r{number}'/>")
        first.expect('message', id=f'r{number}')
    for stream in (first, bot, romeo):
        stream.close()


def large_messages_pass(deployment):
    romeo = Raw(deployment.port).login('romeo', 'secret')
    stream = External(deployment.router_port).enter()
    text = 'täglich &amp; ' * 10000
    romeo.send(f"<message to='x@irc.localhost' id='big'><body>{text}</body></message>")
    assert stream.expect('message', id='big').find(f'{{{ACCEPT}}}body').text == text.replace('&amp;', '&')
    for number in range(20):
        stream.send(f"<message to='{romeo.jid}' from='x@irc.localhost' id='b{number}'><body>{text}</body></message>")
        assert body(romeo.expect('message', id=f'b{number}')) == text.replace('&amp;', '&')
    stream.send(f"<message to='{romeo.jid}' from='x@irc.localhost'><body>" + 'x' * (5 << 20))
    stream.ends_with('policy-violation')
    romeo.close()


def what_is_inside_keeps_its_namespace(deployment):
    romeo = Raw(deployment.port).login('romeo', 'secret')
    stream = External(deployment.router_port).enter()
    inner = ("<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='a@b'><body>in</body></message>"
             '</forwarded>')
    romeo.send(f"<message to='x@irc.localhost'><body xml:lang='en'>out</body>{inner}</message>")
    message = stream.expect('message')
    assert message.find(f'{{{ACCEPT}}}body').text == 'out'
    assert message.find('.//{jabber:client}body').text == 'in'
    stream.send(f"<message to='{romeo.jid}' from='x@irc.localhost'><body>out</body>{inner}</message>"
                f"<c:message xmlns:c='{ACCEPT}' to='{romeo.jid}' from='x@irc.localhost'><c:body>prefixed</c:body></c:message>"
                f"<message xmlns='jabber:client' to='{romeo.jid}' from='x@irc.localhost'><body>client</body></message>")
    message = romeo.expect('message')
    assert body(message) == 'out' and message.find('.//{urn:xmpp:forward:0}forwarded/{jabber:client}message') is not None
    for text in ('prefixed', 'client'):
        message = romeo.expect('message')
        assert body(message) == text
    assert ACCEPT.encode() not in romeo.raw
    stream.close()
    romeo.close()


def messages_of_a_bridge_wait_for_who_is_away(deployment):
    stream = External(deployment.router_port).enter()
    stream.send("<message to='juliet@localhost' from='x@irc.localhost' type='chat'><body>later</body></message>")
    deployment.wait_stored(1)
    juliet = Raw(deployment.port).login('juliet', 'secret')
    message = juliet.expect('message')
    assert body(message) == 'later' and message.get('from') == 'x@irc.localhost'
    juliet.close()
    stream.close()


def with_one_server(*functions):
    """The functions against one deployment, each under its own name."""
    def bound(function):
        def run():
            with _run() as deployment:
                function(deployment)
        run.__name__ = function.__name__
        return run
    return [bound(function) for function in functions]


if __name__ == '__main__':
    scenarios(a_bridge_lives_with_one_process, a_bridge_lives_with_three_processes, two_bridges_write_to_each_other,
              a_bridge_comes_back, bridges_come_back_when_the_router_does,
              *with_one_server(who_cannot_prove_itself_stays_out, the_password_of_native_parts_opens_nothing_here,
                               only_names_of_the_file_are_known, the_header_is_as_before_xmpp,
                               nobody_writes_in_another_s_name, stanzas_have_both_addresses,
                               what_is_no_stanza_ends_the_stream, errors_come_back_with_the_addresses_swapped,
                               no_attribute_of_theirs_names_a_session, two_of_a_name_share_by_sender,
                               large_messages_pass, what_is_inside_keeps_its_namespace,
                               messages_of_a_bridge_wait_for_who_is_away))
