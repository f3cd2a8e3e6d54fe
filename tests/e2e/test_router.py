#!/usr/bin/python3
"""What an operator asks of our router: logins, rules, sinks, limits; and what those cost who have no login."""
import itertools
import json
import os
import re
import socket
import subprocess
import time

from harness import BINARY, Deployment, Raw, body, scenarios
from transcript import COMPONENT, HEADER, ROUTE, SASL, Wire, respond

MANUAL = os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'router.md')
CONNECTIONS, EACH_BYTES = 200, 64 << 10
RULES = '''
[[router.rule]]
from = "romeo@localhost"
to = "juliet@localhost"
what = "message/body"
error = "not-acceptable"
log = true
[[router.rule]]
from = "*"
to = "moved@localhost"
redirect = "juliet.example"
'''


def _memory(deployment):
    """Bytes that the router's heaps have in use."""
    facts = json.loads(deployment.command('memory', '--json').stdout)
    return sum(number for name, number in facts.items() if ' ' not in name and name != 'allocations')


def _connect(deployment):
    return socket.create_connection(('127.0.0.1', deployment.router_port), timeout=20)


def _flood(peer, text, size):
    """Sends so much or until it is closed; never reads."""
    peer.settimeout(0.5)
    try:
        while size > 0:
            size -= peer.send(text[:size])
    except OSError:
        pass


def _header(more=''):
    return HEADER[:-1].encode() + more.encode() + b'>'


# What is sent again and again behind a beginning.
FLOODS = {
    'half an element': (_header() + b'<auth ', b'a' * 65536),
    'an attribute': (_header() + b"<auth mechanism='", b'x' * 65536),
    'attributes': (_header() + b'<auth', b" a='1'"),
    'blanks': (_header(), b' ' * 65536),
    'text': (_header(), b'text' * 16384),
    'depth': (_header(), b'<a>' * 20000),
    'small elements': (_header() + b"<auth xmlns='" + SASL.encode() + b"'>", b'<a/>' * 16384),
    'small elements one by one': (_header(), b'<a/>' * 16384),
    'names': (_header() + b'<x>', b''.join(b'<n%d/>' % at for at in range(10000))),
    'namespaces': (_header(''.join(f" xmlns:n{at}='u{at}'" for at in range(15))) + b'<x>', b"<a xmlns='b'/>" * 4096),
    'base64': (_header() + f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'>".encode(), b'QUJD' * 16384),
    'logins': (_header(), f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>".encode() * 1000),
    'mechanisms': (_header(), f"<auth xmlns='{SASL}' mechanism='NONE'/>".encode() * 1000),
    'responses': (_header(), f"<response xmlns='{SASL}'>!</response>".encode() * 1000),
    'aborts': (_header(), f"<abort xmlns='{SASL}'/>".encode() * 1000),
    'handshakes': (b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
                   b"to='irc.example'>", b'<handshake>' + b'0' * 65536),
    'binds': (_header(), f"<bind xmlns='{COMPONENT}' name='taken.example'/>".encode() * 1000),
    'no header': (b'<', b'a' * 65536),
}


def who_has_no_login_costs_little():
    """Each flood in full, and each cut where the router must still wait for more: the worst of what it keeps."""
    with Deployment(extra='[[component]]\nname = "irc.example"\nsecret = "s"\n') as deployment:
        deployment.start('router')
        Wire(deployment.router_port).login().close()
        before = _memory(deployment)
        for size in (1 << 20, 60000, 8000, 4000, 1000):
            peers = [_connect(deployment) for _ in range(CONNECTIONS)]
            for at, peer in enumerate(peers):
                beginning, more = list(FLOODS.values())[at % len(FLOODS)]
                peer.sendall(beginning)
                _flood(peer, more, size if size > 10000 else size - len(beginning) % 1000)
            kept = (_memory(deployment) - before) / CONNECTIONS
            print(f'# {size} bytes each: {kept:.0f} kept')
            assert kept < EACH_BYTES, kept
            for peer in peers:
                peer.close()
        for (name, (beginning, more)), size in itertools.product(FLOODS.items(), (100000, 16000, 8100, 7900, 4000, 1000)):
            peers = [_connect(deployment) for _ in range(20)]
            for peer in peers:
                peer.sendall(beginning)
                _flood(peer, more, size - len(beginning.split(b'>')[-1]))
            kept = (_memory(deployment) - before) / 20
            print(f'# {name}, {size} bytes: {kept:.0f} kept')
            assert kept < EACH_BYTES, (name, kept)
            for peer in peers:
                peer.close()
        assert Wire(deployment.router_port).login().bind('taken.example') is None


def what_comes_before_a_login_is_read_past():
    """As jabberd2's c2s and sm do when they reconnect with something queued."""
    with Deployment() as deployment:
        deployment.start('router')
        early = Wire(deployment.router_port)
        early.send(HEADER)
        early.until(lambda: early.heard.items != [])
        for size in (10, 7000, 300000):
            text = '<b>bold</b> '.join('x' * 60 for _ in range(size // 70 + 1))
            early.send(f"<route xmlns='{COMPONENT}' to='sm' from='c2s'><message xmlns='jabber:client' to='a@b'>"
                       f'<body>{text}</body><x>{"<y>" * 20}{"</y>" * 20}</x></message></route>')
        early.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        early.until(lambda: early.challenge)


def who_has_no_login_hears_nothing_and_has_its_time():
    with Deployment() as deployment:
        deployment.start('router')
        begin = time.time()
        strangers = [_connect(deployment) for _ in range(5)]
        for number, stranger in enumerate(strangers):
            stranger.sendall(_header() if number else b'')
        wire = Wire(deployment.router_port).login()
        assert wire.bind('a.example') is None
        wire.send(f"<route xmlns='{COMPONENT}' type='broadcast' from='a.example'><x xmlns='secret'/></route>")
        wire.sync()
        for number, stranger in enumerate(strangers):
            stranger.settimeout(60)
            heard = b''
            while data := stranger.recv(65536):
                heard += data
            assert b'secret' not in heard and (b'features' in heard) == bool(number), heard
        assert 25 < time.time() - begin < 55


def _is_closed(peer, seconds):
    peer.settimeout(seconds)
    try:
        return peer.recv(1) == b''
    except TimeoutError:
        return False
    except OSError:
        return True


def a_crowd_at_the_door_keeps_nobody_out():
    with Deployment() as deployment:
        deployment.start('router')
        crowd = [_connect(deployment) for _ in range(300)]
        wire = Wire(deployment.router_port).login()
        assert wire.bind('a.example') is None
        assert _is_closed(crowd[0], 15) and _is_closed(crowd[44], 15) and not _is_closed(crowd[45], 0.2)
        assert not _is_closed(crowd[299], 0.2)
        for peer in crowd:
            peer.close()


def _is_closed_without_a_byte(deployment):
    with _connect(deployment) as peer:
        try:
            peer.sendall(_header())
            return peer.recv(1) == b''
        except OSError:
            return True


def only_the_networks_of_the_file_may_connect():
    with Deployment(extra='[[router.login]]\nname = "x"\npassword = "x"\n') as deployment:
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace('[router]', '[router]\nallow = ["10.0.0.0/8", "::1"]'))
        deployment.start('router')
        assert all(_is_closed_without_a_byte(deployment) for _ in range(20))
        deployment.processes['router'].logged(r'router\.allow', 1)


def an_address_may_not_come_too_often():
    extra = '[limits]\nunlimited_from = []\n'
    with Deployment(extra=extra) as deployment:
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace('[router]', '[router]\nconnects = "5 per hour"'))
        deployment.start('router')
        assert [_is_closed_without_a_byte(deployment) for _ in range(12)] == [False] * 5 + [True] * 7
        deployment.processes['router'].logged(r'router\.connects', 1)


def a_component_sends_no_faster_than_it_may():
    with Deployment() as deployment:
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace('[router]', '[router]\nrate = "50 KB/s"\nburst = "50 KB"'))
        deployment.start('router')
        wire = Wire(deployment.router_port).login()
        assert wire.bind('a.example') is None
        begin = time.time()
        for _ in range(20):
            wire.send(f"<route xmlns='{COMPONENT}' from='a.example' to='a.example'>{'x' * 10000}</route>")
        wire.sync()
        assert time.time() - begin > 2.5


def logins_may_what_the_file_says():
    extra = ('[[router.login]]\nname = "lim"\npassword = "of lim"\n'
             '[[router.login]]\nname = "s2s"\npassword = "of s2s"\nmay = ["default-route"]\n'
             '[[router.login]]\nname = "audit"\npassword = "of audit"\nmay = ["log", "bind"]\n')
    with Deployment(extra=extra) as deployment:
        deployment.start('router')
        lim, s2s, audit = (Wire(deployment.router_port).login(name, f'of {name}') for name in ('lim', 's2s', 'audit'))
        assert lim.bind('a.example') == '403' and lim.bind('lim', '<default/>') == '403'
        assert lim.bind('lim', '<log/>') == '403' and lim.bind('lim') is None and lim.bind('lim') == '409'
        assert s2s.bind('localhost') == '403' and s2s.bind('s2s', '<default/>') is None
        assert audit.bind('a.example', '<default/>') == '403' and audit.bind('a.example', '<log/>') is None
        boss = Wire(deployment.router_port).login()
        assert boss.bind('b.example', '<default/>') == '409' and boss.bind('b.example') is None
        stranger = Wire(deployment.router_port)
        stranger.send(HEADER + f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        stranger.until(lambda: stranger.challenge)
        stranger.send(f"<response xmlns='{SASL}'>{respond(stranger.challenge, 'of s2s', 'lim')}</response>")
        stranger.expect(f'{{{SASL}}}failure')


def accounts_are_asked_for_by_few():
    """A login that may little cannot ask our sm for an account's keys, nor be shown who asks."""
    extra = '[[router.login]]\nname = "lim"\npassword = "of lim"\nmay = ["bind", "log"]\n'
    with Deployment(extra=extra) as deployment:
        deployment.start()
        deployment.add_user('romeo', 'secret')
        lim = Wire(deployment.router_port).login('lim', 'of lim')
        assert lim.bind('lim', '<log/>') is None
        for to in ('sm', 'localhost'):
            lim.send(f"<route xmlns='{COMPONENT}' from='lim' to='{to}'><s:session action='jackdaw-account' "
                     "xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' verb='0' user='romeo@localhost' token='1'/>"
                     '</route>')
            lim.sync()
            assert [item.get('error') for item in lim.heard.take()] == ['403'], to


def _people(*verbs):
    deployment = Deployment(extra=RULES)
    deployment.start(*verbs)
    for name in ('romeo', 'juliet', 'nurse'):
        deployment.add_user(name, 'secret')
    return deployment


def _log_in(deployment, name):
    end = time.time() + 20
    while True:
        try:
            return Raw(deployment.port).login(name, 'secret')
        except (AssertionError, OSError):
            assert time.time() < end
            time.sleep(0.1)


def _rules_and_sinks(*verbs):
    with _people(*verbs) as deployment:
        romeo, juliet, nurse = (_log_in(deployment, name) for name in ('romeo', 'juliet', 'nurse'))
        for number in range(3):
            romeo.send(f"<message to='juliet@localhost' id='{number}'><body>refused</body></message>")
            error = romeo.expect('message', type='error', id=str(number))
            assert error.find('.//{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable') is not None
        juliet.no_message()
        romeo.send("<message to='juliet@localhost'><subject>passes</subject></message>")
        juliet.expect('message')
        router = deployment.processes.get('router') or deployment.processes['run']
        router.logged('rule: refused, from="romeo@localhost" to="juliet@localhost"', 3)

        sink = Wire(deployment.router_port).login()
        assert sink.bind('juliet.example', '<log/>') is None
        romeo.send("<message to='moved@localhost/x' id='m'><body>redirected</body></message>")
        for _ in range(2):  # as whom it is for, and as a sink
            sink.expect(ROUTE, to='juliet.example')
        for number in range(20):
            nurse.send(f"<message to='juliet@localhost' id='n{number}'><body>{number}</body></message>")
        for number in range(20):
            assert body(juliet.expect('message', id=f'n{number}')) == str(number)
        logged = {f'n{number}' for number in range(20)}
        sink.until(lambda: logged <= {item[0].get('id') for item in sink.heard.items if item.get('type') == 'log'})
        sink.close()
        for number in range(20):
            nurse.send(f"<message to='juliet@localhost' id='o{number}'><body>{number}</body></message>")
        for number in range(20):
            assert body(juliet.expect('message', id=f'o{number}')) == str(number)
        for client in (romeo, juliet, nurse):
            client.close()


def rules_and_sinks_see_people_of_one_process():
    _rules_and_sinks('run')


def rules_and_sinks_see_people_of_three_processes():
    _rules_and_sinks('router', 'sm', 'c2s')


def the_manual_s_file_is_right():
    with open(MANUAL, encoding='utf-8') as file:
        example = re.search(r'```toml\n(.*?)```', file.read(), re.S).group(1)
    with Deployment() as deployment:
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(f'{example}\n[data]\ndir = "{deployment.dir}/data"\n')
        result = subprocess.run([BINARY, 'check', 'config', '--config', deployment.config], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == 0, result


if __name__ == '__main__':
    scenarios(who_has_no_login_costs_little, what_comes_before_a_login_is_read_past, who_has_no_login_hears_nothing_and_has_its_time,
              a_crowd_at_the_door_keeps_nobody_out, only_the_networks_of_the_file_may_connect,
              an_address_may_not_come_too_often, a_component_sends_no_faster_than_it_may, logins_may_what_the_file_says,
              accounts_are_asked_for_by_few, rules_and_sinks_see_people_of_one_process,
              rules_and_sinks_see_people_of_three_processes, the_manual_s_file_is_right)
