#!/usr/bin/python3
"""Clients that leave, hurry, lie and race; parts that die under them. Nothing is left behind and nobody else is hurt."""
import base64
import functools
import hashlib
import hmac
import json
import os
import random
import re
import select
import socket
import ssl
import struct
import time

from harness import CLIENT, STREAM, Deployment, Raw, body, scenarios

SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'
HEADER = f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' to='localhost' version='1.0'>"
PEOPLE = [f'p{number}' for number in range(20)]
CHANCE = random.Random(7)


def _auth(user, password='secret'):
    token = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>"


def _bind(resource='', name='b'):
    inside = f'<resource>{resource}</resource>' if resource else ''
    return f"<iq type='set' id='{name}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{inside}</bind></iq>"


def _whole_login(user, resource=''):
    """Every stage, without waiting for an answer."""
    return [HEADER, _auth(user), HEADER, _bind(resource), '<presence/>',
            f"<message to='{user}@localhost'><body>to myself</body></message>"]


def _deployment(*verbs, extra='', **options):
    deployment = Deployment(extra='[limits]\nclient_rate = "off"\n' + extra, **options)
    deployment.import_users([(name, 'secret') for name in PEOPLE])
    deployment.start(*verbs[:1])
    if verbs[1:]:
        deployment.start(*verbs[1:])
    return deployment


def _connect(port):
    peer = socket.create_connection(('127.0.0.1', port), timeout=20)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def _reset(peer):
    """Closes without a goodbye of TCP's."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    peer.close()


def _read_all(peer, seconds=15):
    """What comes until the end of the connection."""
    text, end = b'', time.time() + seconds
    while time.time() < end:
        peer.settimeout(max(0.05, end - time.time()))
        try:
            data = peer.recv(65536)
        except ConnectionResetError:
            break
        if not data:
            break
        text += data
    else:
        raise AssertionError(f'not closed: {text[-500:]}')
    peer.close()
    return text


def _facts(deployment, *words):
    return json.loads(deployment.command('status', '--json', *words).stdout)


def _until_empty(deployment, seconds=20):
    """No connection, no session, on either side."""
    parts = [()] if 'run' in deployment.processes else [('--name', 'c2s'), ('--name', 'sm')]
    end = time.time() + seconds
    while True:
        facts = [_facts(deployment, *words) for words in parts]
        if all(fact[key] == 0 for fact in facts for key in ('connections', 'bound', 'sessions')):
            return
        assert time.time() < end, facts
        time.sleep(0.05)


def _log_in(deployment, user, resource=None, seconds=25, **options):
    """A login that may have to wait until the parts have found each other."""
    end = time.time() + seconds
    while True:
        try:
            return Raw(deployment.port).login(user, 'secret', resource, **options)
        except (AssertionError, OSError):
            if time.time() > end:
                raise
            time.sleep(0.1)


def _storm(deployment, count, leave=0.5):
    """So many logins at once; some leave at a moment of their own choice, the others are returned."""
    peers = []
    for number in range(count):
        try:
            peer = _connect(deployment.port)
            text = ''.join(_whole_login(PEOPLE[number % len(PEOPLE)], f'r{number}'))
            cut = CHANCE.randrange(len(text)) if CHANCE.random() < leave else len(text)
            peer.sendall(text[:cut].encode())
        except OSError:
            continue
        if cut == len(text):
            peers.append(peer)
        elif CHANCE.random() < 0.5:
            _reset(peer)
        else:
            peer.close()
    return peers


def _error_of(element):
    assert element.get('type') == 'error', element.attrib
    error = element.find(f'{{{CLIENT}}}error')
    return [child.tag.split('}')[1] for child in error if child.tag.startswith(STANZAS)][0]


# -- one process ------------------------------------------------------------------------------------------------


def clients_that_leave_at_every_stage_leave_nothing_behind():
    with _deployment() as deployment:
        stages = _whole_login('p1', 'here')
        for stage in range(1, len(stages) + 1):
            text = ''.join(stages[:stage]).encode()
            for cut in (len(text), len(text) - 7):
                for pause in (0, 0.004):
                    for end in ('close', 'reset', 'half'):
                        peer = _connect(deployment.port)
                        peer.sendall(text[:cut])
                        time.sleep(pause)
                        if end == 'reset':
                            _reset(peer)
                        elif end == 'close':
                            peer.close()
                        else:
                            peer.shutdown(socket.SHUT_WR)
                            _read_all(peer)
        _until_empty(deployment)


def _until(peer, word):
    text = b''
    while word not in text:
        data = peer.recv(65536)
        assert data, text
        text += data
    return text


@functools.lru_cache(None)
def _salted(salt, rounds):
    return hashlib.pbkdf2_hmac('sha256', b'secret', salt, rounds)


def _proof(bare, challenge):
    """RFC 5802: the response to a challenge."""
    first = base64.b64decode(re.search(rb'<challenge[^>]*>([^<]*)<', challenge).group(1)).decode()
    nonce, salt, rounds = re.match('r=(.*),s=(.*),i=([0-9]*)', first).groups()
    key = hmac.digest(_salted(base64.b64decode(salt), int(rounds)), b'Client Key', 'sha256')
    final = f'c=biws,r={nonce}'
    signature = hmac.digest(hashlib.sha256(key).digest(), f'{bare},{first},{final}'.encode(), 'sha256')
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    return base64.b64encode(f'{final},p={proof}'.encode()).decode()


def two_hundred_logins_at_once_are_all_served():
    with _deployment() as deployment:
        peers = [(_connect(deployment.port), f'n={PEOPLE[number % len(PEOPLE)]},r=nonce{number}') for number in range(200)]
        for peer, bare in peers:
            first = base64.b64encode(f'n,,{bare}'.encode()).decode()
            peer.sendall((HEADER + f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>").encode())
        for number, (peer, bare) in enumerate(peers):
            proof = _proof(bare, _until(peer, b'</challenge>'))
            behind = ''.join(_whole_login('p1', f'r{number}')[2:])
            peer.sendall((f"<response xmlns='{SASL}'>{proof}</response>" + behind).encode())
        for peer, _ in peers:
            _until(peer, b'</bind>')
        assert _facts(deployment)['bound'] == 200
        for peer, _ in peers:
            peer.close()
        for peer in _storm(deployment, 200):
            _reset(peer)
        _until_empty(deployment)


def what_is_pipelined_behind_auth_must_be_a_new_stream():
    with _deployment() as deployment:
        for behind in ("<message to='p2@localhost'><body>x</body></message>", _bind(), '</stream:stream>', '<'):
            peer = _connect(deployment.port)
            peer.sendall((HEADER + _auth('p1') + behind).encode())
            peer.shutdown(socket.SHUT_WR)
            text = _read_all(peer)
            assert b'<success' in text and b'<bind' not in text.split(b'<success')[1], text
        _until_empty(deployment)


def what_is_pipelined_behind_starttls_is_never_looked_at():
    with _deployment() as deployment:
        peer = _connect(deployment.port)
        injected = _auth('p1') + HEADER + "<message to='p2@localhost'><body>injected</body></message>"
        peer.sendall((HEADER + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + injected).encode())
        time.sleep(0.1)
        text = peer.recv(65536)
        assert text.endswith(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), text
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = context.wrap_socket(peer)
        secure.sendall(HEADER.encode())
        time.sleep(0.1)
        text = secure.recv(65536)
        assert b'<mechanisms' in text and b'success' not in text, text
        secure.close()
        _until_empty(deployment)


def exchanges_may_be_aborted_and_begun_again():
    with _deployment() as deployment:
        client = Raw(deployment.port).open()
        client.features()
        scram = base64.b64encode(b'n,,n=p1,r=abcdefgh').decode()
        begin = f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{scram}</auth>"
        for _ in range(3):
            client.send(begin)
            assert client.receive().tag.endswith('challenge')
            client.send(f"<abort xmlns='{SASL}'/>")
            assert client.receive().find(f'{{{SASL}}}aborted') is not None
        client.send(begin + begin)
        assert client.receive().tag.endswith('challenge')
        assert client.receive().tag.endswith('challenge')
        client.send(f"<response xmlns='{SASL}'>!</response>")
        assert client.receive().find(f'{{{SASL}}}incorrect-encoding') is not None
        client.send(f"<response xmlns='{SASL}'/>")
        assert client.receive().tag.endswith('failure')
        client.send(_auth('p1', 'wrong') + _auth('p1', 'wrong') + _auth('p1'))
        assert client.receive().tag.endswith('failure')
        assert client.receive().tag.endswith('failure')
        assert client.receive().tag.endswith('success')
        client.close()
        _until_empty(deployment)


def a_domain_is_the_same_in_any_case():
    with _deployment(registration='open') as deployment:
        client = Raw(deployment.port, domain='LocalHost').login('p1', 'secret')
        assert client.jid.startswith('p1@localhost/'), client.jid
        other = Raw(deployment.port, domain='LOCALHOST').open()
        other.features()
        other.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>case</username>"
                   "<password>secret</password></query></iq>")
        assert other.expect('iq', id='r').get('type') == 'result'


def resources_are_prepared_and_limited():
    with _deployment() as deployment:
        for resource, good in (('x' * 1023, True), ('x' * 1024, False), ('ü' * 511, True), ('ü' * 512, False),
                               ('&#x1F600;', True), ('a b', True), ('\u00a0', True), ('&#x7;', None), ('&#x202E;x', False),
                               ('\u0001', None), ('/@/', True), ('&#xE000;', False)):
            client = Raw(deployment.port).login('p1', 'secret', presence=False) if good is None else Raw(deployment.port)
            if good is None:
                client.close()
                continue
            client.open()
            client.features()
            client.send(_auth('p1'))
            assert client.receive().tag.endswith('success')
            client.open()
            client.features()
            client.send(_bind(resource))
            answer = client.expect('iq', id='b')
            assert answer.get('type') == ('result' if good else 'error'), (resource, answer.attrib)
            if not good:
                client.send("<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
                assert _error_of(client.receive()) == 'bad-request'
            if not good:
                client.send(_bind('second', 'again'))
                assert client.expect('iq', id='again').get('type') == 'result'
            client.send(_bind('third', 'twice'))
            assert client.expect('iq', id='twice').get('type') == 'error'
            client.close()
        _until_empty(deployment)


def of_many_with_one_resource_one_stays():
    with _deployment() as deployment:
        for _ in range(3):
            peers = [_connect(deployment.port) for _ in range(20)]
            for peer in peers:
                peer.sendall(''.join(_whole_login('p1', 'same')[:5]).encode())
            texts = {peer: b'' for peer in peers}
            end = time.time() + 20
            while len(texts) > 1 or sum(b'</bind>' in text for text in texts.values()) != 1:
                assert time.time() < end, [text[-300:] for text in texts.values()]
                for peer in select.select(list(texts), [], [], 0.2)[0]:
                    data = peer.recv(65536)
                    texts[peer] += data
                    if not data:
                        assert b'<conflict' in texts[peer], texts[peer]
                        del texts[peer]
                        peer.close()
            last, = texts
            other = Raw(deployment.port).login('p2', 'secret')
            other.send("<message to='p1@localhost/same' type='chat'><body>only once</body></message>")
            other.send("<message to='p1@localhost/same' type='chat'><body>the end</body></message>")
            text = texts[last]
            while b'the end' not in text:
                text += last.recv(65536)
            assert text.count(b'only once') == 1, text
            last.close()
            other.close()
            _until_empty(deployment)


def floods_are_answered_in_order():
    with _deployment() as deployment:
        client = Raw(deployment.port).login('p1', 'secret', 'flood')
        client.send(''.join(f'<presence><priority>{n % 7}</priority></presence>' for n in range(500)))
        client.send(''.join(f"<message to='{to}' id='m{n}' type='chat'><body>{n}</body></message>"
                            for n, to in enumerate([client.jid, 'p1@localhost'] * 200)))
        client.send(''.join(f"<iq type='set' id='r{n}'><query xmlns='jabber:iq:roster'><item jid='c{n}@localhost'/></query></iq>"
                            for n in range(100)))
        client.send("<message type='chat' id='none'><body>without an address</body></message>")
        messages = results = 0
        while messages < 400 or results < 100:
            stanza = client.receive()
            if stanza.tag.endswith('}message') and stanza.get('type') == 'chat' and stanza.get('id') != 'none':
                assert stanza.get('id') == f'm{messages}' and body(stanza) == str(messages), stanza.attrib
                messages += 1
            elif stanza.tag.endswith('}iq') and stanza.get('type') == 'result':
                assert stanza.get('id') == f'r{results}'
                results += 1
        client.close()
        _until_empty(deployment)


def everybody_subscribes_to_everybody_at_once():
    with _deployment() as deployment:
        people = PEOPLE[:12]
        clients = {name: Raw(deployment.port).login(name, 'secret') for name in people}
        for name, client in clients.items():
            client.send(''.join(f"<presence type='subscribe' to='{other}@localhost'/>" for other in people if other != name))
        for name, client in clients.items():
            asked = set()
            while len(asked) < len(people) - 1:
                asked.add(client.expect('presence', type='subscribe').get('from'))
            assert asked == {f'{other}@localhost' for other in people if other != name}, asked
            client.send(''.join(f"<presence type='subscribed' to='{other}'/>" for other in asked))
        end = time.time() + 20
        for name, client in clients.items():
            while True:
                client.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
                items = client.expect('iq', id='roster')[0]
                names = [item.get('jid') for item in items]
                assert len(names) == len(set(names)), names
                if len(names) == len(people) - 1 and all(item.get('subscription') == 'both' for item in items):
                    break
                assert time.time() < end, [item.attrib for item in items]
                time.sleep(0.05)
        for client in clients.values():
            client.close()
        _until_empty(deployment)


def one_of_many_registers_a_name():
    def register(number):
        return ("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>wanted</username>"
                f"<password>secret{number}</password></query></iq>")

    with _deployment(registration='open') as deployment:
        clients = [Raw(deployment.port).open() for _ in range(12)]
        for client in clients:
            client.features()
        for number, client in enumerate(clients):
            client.send(register(number))
        answers = [client.expect('iq', id='r').get('type') for client in clients]
        assert answers.count('result') == 1, answers
        Raw(deployment.port).login('wanted', f"secret{answers.index('result')}").close()
        for number in range(12):
            peer = _connect(deployment.port)
            peer.sendall((HEADER + register(number).replace('wanted', f'gone{number}')).encode())
            _reset(peer)
        for client in clients:
            client.close()
        _until_empty(deployment)
        client = Raw(deployment.port).open()
        client.features()
        client.send(register(0).replace('wanted', 'gone0') + _auth('gone0', 'secret0'))
        assert client.expect('iq', id='r').get('type') in ('result', 'error')
        assert client.receive().tag.endswith('success')


def who_removes_an_account_and_leaves_leaves_nothing_of_it():
    with _deployment(registration='open') as deployment:
        other = Raw(deployment.port).login('p2', 'secret')
        for name in PEOPLE[3:9]:
            client = Raw(deployment.port).login(name, 'secret')
            client.send("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='friend@localhost'/></query></iq>")
            assert client.expect('iq', id='r').get('type') == 'result'
            client.send("<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>")
            _reset(client.socket)
        for name in PEOPLE[3:9]:
            end = time.time() + 10
            while 'its name is locked' not in deployment.command('user', 'show', f'{name}@localhost', code=None).stderr:
                assert time.time() < end, f'{name} was never removed'
            deployment.command('user', 'add', f'{name}@localhost', '--unlock', '--password-file', '-', input='new\n')
            client = Raw(deployment.port).login(name, 'new')
            client.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
            assert len(client.expect('iq', id='r')[0]) == 0, name
            client.close()
        other.close()
        _until_empty(deployment)


def who_never_reads_is_dropped_alone():
    with _deployment() as deployment:
        slow = Raw(deployment.port).login('p1', 'secret', 'slow')
        quick = Raw(deployment.port).login('p1', 'secret', 'quick')
        sender = Raw(deployment.port).login('p2', 'secret')
        before = _facts(deployment)['memory_bytes']
        big = 'z' * 100000
        for number in range(150):
            sender.send(f"<message to='{slow.jid}' id='s{number}'><body>{big}</body></message>")
            if number % 10 == 0:
                sender.send(f"<message to='{quick.jid}' id='q{number}'><body>quick</body></message>")
                quick.expect('message', id=f'q{number}')
                sender.send(f"<iq to='localhost' id='p{number}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
                sender.expect('iq', id=f'p{number}')  # what nobody took comes back: it reads
        end = time.time() + 10
        while _facts(deployment)['bound'] != 2:
            assert time.time() < end, _facts(deployment)
            time.sleep(0.05)
        assert _facts(deployment)['memory_bytes'] - before < 64 << 20
        sender.send(f"<message to='{slow.jid}' id='late' type='chat'><body>late</body></message>")
        sender.send(f"<iq to='{slow.jid}' id='late' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert _error_of(sender.expect('iq', id='late')) == 'service-unavailable'
        quick.expect('message', id='late')
        for client in (slow, quick, sender):
            client.close()
        _until_empty(deployment)


def half_closed_clients_get_their_answers():
    with _deployment() as deployment:
        peer = _connect(deployment.port)
        ping = "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
        peer.sendall((''.join(_whole_login('p1')[:5]) + ping).encode())
        peer.shutdown(socket.SHUT_WR)
        text = _read_all(peer)
        assert b"</bind>" in text, text
        _until_empty(deployment)


def junk_on_both_ports_is_closed_with_a_line():
    with _deployment() as deployment:
        hello = bytes.fromhex('160301002f0100002b0303') + bytes(32) + bytes.fromhex('000004c02f00ff0100')
        for port in (deployment.port, deployment.tls_port):
            for junk in (b'\0' * 100, b'\xff' * 5000, hello, hello[:20], b'GET / HTTP/1.1\r\n\r\n', b'\x16\x03\x01\xff\xff',
                         HEADER.encode('utf-16'), os.urandom(3000), b'', b'\x80\x03'):
                for end in ('half', 'reset'):
                    peer = _connect(port)
                    try:
                        peer.sendall(junk)
                        if end == 'half':
                            peer.shutdown(socket.SHUT_WR)
                            _read_all(peer)
                            continue
                    except OSError:
                        pass
                    _reset(peer)
        _until_empty(deployment)
        lines = deployment.processes['run'].text().splitlines()
        assert len(lines) < 60, '\n'.join(lines)
        assert not [line for line in lines if 'stream ended' in line and '[]' in line], '\n'.join(lines)
        Raw(deployment.port).login('p1', 'secret').close()


def stream_headers_of_all_kinds_are_judged():
    def ask(text):
        peer = _connect(deployment.port)
        peer.sendall(text.encode())
        peer.shutdown(socket.SHUT_WR)
        return _read_all(peer)

    with _deployment() as deployment:
        assert b'<host-unknown' in ask(HEADER.replace(" to='localhost'", ''))
        assert b'<host-unknown' in ask(HEADER.replace("'localhost'", "'@'"))
        assert b'<unsupported-version' in ask(HEADER.replace("'1.0'", "'2.0'"))
        assert b'<unsupported-version' in ask(HEADER.replace("'1.0'", "'x'"))
        assert b'<invalid-namespace' in ask(HEADER.replace(CLIENT, 'jabber:server'))
        assert b'<invalid-namespace' in ask(HEADER.replace(STREAM, 'urn:other'))
        assert b'<features' not in ask(HEADER.replace(" version='1.0'", ''))
        for good in (HEADER.replace('to=', "from='p1@localhost' to="), HEADER.replace("'1.0'", "'1.9'"),
                     HEADER.replace('to=', "from='&lt;@@' to="), HEADER.replace('to=', "xml:lang='de' to="),
                     "<?xml version='1.0' encoding='UTF-8'?>\n\n" + HEADER):
            assert b'<mechanisms' in ask(good), good
        for late in ('', HEADER):
            assert b'<improper-addressing' in ask(HEADER.replace("'localhost'", f"'{'x' * 4000}'") + late)
        text = ask(HEADER + _auth('p1') + HEADER.replace("'localhost'", "'elsewhere'") + _bind())
        assert b'<success' in text and b'<host-unknown' in text, text
        assert b'<not-authorized' in ask(HEADER + "<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>")
        assert b'<not-authorized' in ask(''.join(_whole_login('p1')[:3]) + "<message to='p2@localhost'/>")
        _until_empty(deployment)


def sigterm_under_load_ends_in_order():
    for _ in range(2):
        with _deployment() as deployment:
            clients = [Raw(deployment.port).login(name, 'secret') for name in PEOPLE[:8]]
            for number in range(50):
                for at, client in enumerate(clients):
                    client.send(f"<message to='{PEOPLE[(at + 1) % 8]}@localhost'><body>{number}</body></message>")
            peers = _storm(deployment, 100)
            assert deployment.processes['run'].stop(seconds=8) == 0
            for client in clients:
                while client.receive():
                    pass
                assert b'system-shutdown' in client.raw
            for peer in peers:
                peer.close()


# -- three processes --------------------------------------------------------------------------------------------


def a_part_may_be_killed_in_a_storm_of_logins():
    with _deployment('router', 'sm', 'c2s') as deployment:
        for part in ('sm', 'router', 'c2s', 'router', 'sm'):
            peers = _storm(deployment, 60, leave=0.3)
            deployment.restart(part, kill=True)
            for peer in peers:
                peer.close()
            one, two = _log_in(deployment, 'p1'), _log_in(deployment, 'p2')
            one.send(f"<message to='{two.jid}' type='chat'><body>after</body></message>")
            while body(two.expect('message')) != 'after':
                pass
            one.close()
            two.close()


def a_registration_outlives_the_end_of_the_session_manager():
    with _deployment('router', 'sm', 'c2s', registration='open') as deployment:
        for _ in range(2):
            clients = [_log_in(deployment, name) for name in PEOPLE[:6]]
            for client in clients:
                client.send("<iq type='set' id='c'><query xmlns='jabber:iq:register'>"
                            f"<username>{client.jid.split('@')[0]}</username><password>secret</password></query></iq>")
            peers = [client.socket for client in clients]
            for number in range(30):
                peer = _connect(deployment.port)
                peer.sendall((HEADER + "<iq type='set' id='r'><query xmlns='jabber:iq:register'>"
                              f"<username>n{number}</username><password>x</password></query></iq>").encode())
                peers.append(peer)
            time.sleep(0.03)
            deployment.restart('sm', kill=True)
            for peer in peers:
                peer.close()
            _log_in(deployment, 'p1').close()
        _until_empty(deployment, seconds=40)


def a_session_of_a_dead_c2s_swallows_nothing():
    with _deployment('router', 'sm', 'c2s') as deployment:
        gone = _log_in(deployment, 'p1', 'phone')
        deployment.processes['router'].kill()
        deployment.processes['c2s'].kill()
        deployment.processes['router'].start()
        deployment.processes['c2s'].start().wait_for('ready in')
        two = _log_in(deployment, 'p2')
        two.send(f"<message to='{gone.jid}' type='chat' id='m'><body>not lost</body></message>")
        two.send(f"<iq to='{gone.jid}' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert _error_of(two.expect('iq', id='q')) == 'service-unavailable'
        one = _log_in(deployment, 'p1')
        assert body(one.expect('message', id='m')) == 'not lost'
        one.close()
        two.close()
        _until_empty(deployment)


def clients_of_a_dead_session_manager_are_told():
    with _deployment('router', 'sm', 'c2s') as deployment:
        one = _log_in(deployment, 'p1')
        deployment.processes['router'].kill()
        deployment.processes['sm'].kill()
        deployment.processes['router'].start()
        deployment.processes['sm'].start().wait_for('ready in')
        while one.receive():
            pass
        one = _log_in(deployment, 'p1')
        one.close()
        _until_empty(deployment)


if __name__ == '__main__':
    scenarios(clients_that_leave_at_every_stage_leave_nothing_behind, two_hundred_logins_at_once_are_all_served,
              what_is_pipelined_behind_auth_must_be_a_new_stream, what_is_pipelined_behind_starttls_is_never_looked_at,
              exchanges_may_be_aborted_and_begun_again, a_domain_is_the_same_in_any_case,
              resources_are_prepared_and_limited, of_many_with_one_resource_one_stays, floods_are_answered_in_order,
              everybody_subscribes_to_everybody_at_once, one_of_many_registers_a_name,
              who_removes_an_account_and_leaves_leaves_nothing_of_it, who_never_reads_is_dropped_alone, half_closed_clients_get_their_answers,
              junk_on_both_ports_is_closed_with_a_line, stream_headers_of_all_kinds_are_judged,
              sigterm_under_load_ends_in_order, a_part_may_be_killed_in_a_storm_of_logins,
              a_registration_outlives_the_end_of_the_session_manager, a_session_of_a_dead_c2s_swallows_nothing,
              clients_of_a_dead_session_manager_are_told)
