#!/usr/bin/python3
"""What strangers may do: how many connections they have, how often they log in. Addresses are those of 127.0.0.0/8."""
import base64
import json
import os
import re
import select
import socket
import ssl
import struct
import threading
import time

from harness import BINARY, STREAM, Deployment, Process, Raw, scenarios
from stream_management import Counting

PEOPLE = [f'p{number}' for number in range(12)]
SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
HERE, THERE = '127.0.0.2', '127.0.0.3'


def _deployment(limits, **options):
    """127.0.0.1 stays unlimited, for the test itself."""
    deployment = Deployment(extra=f'[limits]\nunlimited_from = ["127.0.0.1"]\n{limits}\n', **options)
    deployment.import_users([(name, 'secret') for name in PEOPLE])
    return deployment


def _is_served(deployment, source=None):
    """A stream that was opened, or None: the connection was closed without a word."""
    try:
        client = Raw(deployment.port, source=source).open()
        return client if client.receive() is not None else None
    except OSError:
        return None


def _facts(deployment):
    return json.loads(deployment.command('status', '--json').stdout)


def _until(deployment, name, value, seconds=15):
    end = time.time() + seconds
    while _facts(deployment)[name] != value:
        assert time.time() < end, _facts(deployment)
        time.sleep(0.02)


def _log(deployment):
    return deployment.processes['run'].text()


def _logged(deployment, text):
    deployment.processes['run'].wait_for(re.escape(text))


def _reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.socket.close()


def _cpu_seconds(process):
    with open(f'/proc/{process.pid}/stat', encoding='ascii') as file:
        fields = file.read().rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def an_address_has_so_many_connections():
    with _deployment('connections_per_address = 3').start() as deployment:
        clients = [_is_served(deployment, HERE) for _ in range(5)]
        assert [client is not None for client in clients] == [True] * 3 + [False] * 2, clients
        assert _is_served(deployment, THERE) and _is_served(deployment, '127.0.0.1')
        facts = _facts(deployment)
        assert facts['refused_places'] == 2 and facts['refused_connections'] == 0, facts
        _logged(deployment, 'too many connections of its address')
        clients[0].close()
        _until(deployment, 'connections', 2)
        assert _is_served(deployment, HERE)


def places_come_back_however_connections_end():
    with _deployment('connections_per_address = 4').start() as deployment:
        for end in ('close', 'reset', 'leave', 'taken over'):
            clients = [Raw(deployment.port, source=HERE).login(name, 'secret', 'r') for name in PEOPLE[:4]]
            assert _is_served(deployment, HERE) is None
            for client in clients:
                if end == 'close':
                    client.close()
                elif end == 'reset':
                    _reset(client)
                elif end == 'leave':
                    client.socket.close()
            if end == 'taken over':
                others = [Raw(deployment.port).login(name, 'secret', 'r') for name in PEOPLE[:4]]
                for client in clients:
                    while client.receive() is not None:
                        pass
                for client in others:
                    client.close()
            _until(deployment, 'connections', 0)


def there_are_so_many_connections():
    with _deployment('connections = 6').start() as deployment:
        clients = [_is_served(deployment) for _ in range(9)]
        assert [client is not None for client in clients] == [True] * 6 + [False] * 3, clients
        assert _facts(deployment)['refused_connections'] == 3
        clients[2].close()
        _until(deployment, 'connections', 5)
        again = _is_served(deployment)
        assert again and _is_served(deployment) is None


def descriptors_are_not_used_up():
    """160 of them: 90 are for clients."""
    with _deployment('client_rate = "off"') as deployment:
        part = Process('run', ['prlimit', '--nofile=160:160', BINARY, 'run', '--config', deployment.config]).start()
        deployment.processes['run'] = part
        part.wait_for('jackdaw: ready in')
        clients = [_is_served(deployment) for _ in range(120)]
        assert [client is not None for client in clients] == [True] * 90 + [False] * 30
        before = _cpu_seconds(part.process)
        waiting = [socket.create_connection(('127.0.0.1', deployment.port)) for _ in range(50)]
        time.sleep(1)
        assert _cpu_seconds(part.process) - before < 0.4
        assert all(peer.recv(1) == b'' for peer in waiting)
        assert _facts(deployment)['refused_connections'] == 80
        clients[0].close()
        _until(deployment, 'connections', 89)
        Raw(deployment.port).login('p1', 'secret')


def _plain(user, password):
    token = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>"


def _open(deployment, source):
    client = Raw(deployment.port, source=source).open()
    client.features()
    return client


def _answer(client):
    """What came of a login."""
    element = client.receive()
    return element[0].tag.split('}')[1] if element.tag.endswith('}failure') else element.tag.split('}')[1]


def _tries(deployment, source, logins):
    """Log in one after another, ten failures a stream; the answers."""
    answers, client = [], None
    for user, password in logins:
        client = client or _open(deployment, source)
        client.send(_plain(user, password))
        answers.append(_answer(client))
        if answers[-1] == 'success' or len(answers) % 10 == 0:
            client.socket.close()
            client = None
    return answers


def a_thousand_bad_logins_lock_nobody_out():
    with _deployment('').start() as deployment:
        answers = _tries(deployment, HERE, [('p1', 'wrong')] * 1000)
        assert answers[:5] == ['not-authorized'] * 5, answers[:10]
        assert answers.count('not-authorized') + answers.count('temporary-auth-failure') == 1000, set(answers)
        assert answers.count('not-authorized') <= 10, answers
        assert _tries(deployment, HERE, [('p1', 'secret')]) == ['temporary-auth-failure']
        assert _tries(deployment, THERE, [('p1', 'secret')]) == ['success']
        assert _tries(deployment, HERE, [('p2', 'secret')]) == ['success']
        client = _open(deployment, HERE)
        first = base64.b64encode(b'n,,n=p1,r=nonce').decode()
        client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        assert _answer(client) == 'temporary-auth-failure'
        assert _facts(deployment)['refused_logins'] >= 990
        _logged(deployment, 'too many logins failed')


def a_success_clears_what_failed():
    with _deployment('').start() as deployment:
        for _ in range(3):
            answers = _tries(deployment, HERE, [('p1', 'wrong')] * 4 + [('p1', 'secret')])
            assert answers == ['not-authorized'] * 4 + ['success'], answers


def who_tries_many_accounts_is_stopped():
    with _deployment('login_attempts = "2 per minute"').start() as deployment:
        began = time.monotonic()
        answers = _tries(deployment, HERE, [(f'n{number}', 'secret') for number in range(30)])
        more = (time.monotonic() - began) / 3  # one for every three seconds
        assert answers[:20] == ['not-authorized'] * 20 and answers.count('not-authorized') <= 21 + more, answers
        assert _tries(deployment, HERE, [('p1', 'secret')]) == ['temporary-auth-failure']
        assert _tries(deployment, THERE, [('p1', 'secret')]) == ['success']
        assert _tries(deployment, '127.0.0.1', [('p1', 'wrong')] * 9 + [('p1', 'secret')])[-1] == 'success'


def guesses_made_at_once_are_no_more_than_others():
    """Only so many learn whether they are right."""
    with _deployment('login_attempts = "5 per hour"').start() as deployment:
        clients = [_open(deployment, HERE) for _ in range(60)]
        for number, client in enumerate(clients):
            client.send(_plain('p1', 'secret' if number == 59 else 'wrong'))
        answers = [_answer(client) for client in clients]
        told = [answer for answer in answers if answer != 'temporary-auth-failure']
        # Threads hash in an order of their own: the right one may be among the first, and clears those before it.
        assert len(told) <= (6 if answers[-1] == 'temporary-auth-failure' else 12), answers
        assert set(told) <= {'not-authorized', answers[-1]}, answers


def who_floods_with_passwords_keeps_nobody_else_waiting():
    """Hashing has room for 64; one address wants all of it all the time."""
    over, refused = threading.Event(), []

    def flood(deployment):
        while not over.is_set():
            try:
                refused.extend(answer for answer in _tries(deployment, HERE, [('p1', 'wrong')] * 10)
                               if answer == 'temporary-auth-failure')
            except (OSError, AttributeError):
                pass  # at the end

    with _deployment('login_attempts = "off"').start() as deployment:
        threads = [threading.Thread(target=flood, args=(deployment,)) for _ in range(100)]
        for thread in threads:
            thread.start()
        try:
            end = time.monotonic() + 60
            while len(refused) < 50:
                assert time.monotonic() < end, 'the queue is never full'
                time.sleep(0.05)
            answers = _tries(deployment, THERE, [(name, 'secret') for name in PEOPLE])
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert answers == ['success'] * len(PEOPLE), answers


def failures_end_the_stream():
    with _deployment('login_attempts = "off"').start() as deployment:
        client = _open(deployment, HERE)
        for _ in range(10):
            client.send(_plain('p1', 'wrong'))
            assert _answer(client) == 'not-authorized'
        error = client.receive()
        assert error.find('{urn:ietf:params:xml:ns:xmpp-streams}policy-violation') is not None
        assert client.receive() is None
        _until(deployment, 'connections', 0)
        assert _facts(deployment)['refused_failures'] == 1


SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def _line(address, port=41532):
    return f'PROXY TCP{6 if ":" in address else 4} {address} {"::1" if ":" in address else "127.0.0.1"} {port} 5222\r\n'.encode()


def _bytes(address, command=0x21, more=b''):
    """Version 2."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    inside = packed + bytes(len(packed)) + struct.pack('>HH', 41532, 5222) + more
    return SIGNATURE + struct.pack('>BBH', command, 0x21 if ':' in address else 0x11, len(inside)) + inside


def _proxied(deployment, header, source=HERE, port=None):
    client = Raw(port or deployment.port, source=source)
    client.send(header)
    return client


PROXY = f'[listen]\ntrusted_proxies = ["{HERE}/32"]\n'


def _proxy_deployment(limits=''):
    deployment = _deployment(limits, workers=2)
    with open(deployment.config, encoding='utf-8') as file:
        text = file.read()
    with open(deployment.config, 'w', encoding='utf-8') as file:
        file.write(text.replace('[listen]\n', PROXY))
    return deployment.start()


def a_proxy_says_whom_it_speaks_for():
    with _proxy_deployment('connections_per_address = 2') as deployment:
        for number, header in enumerate((_line('192.0.2.1'), _bytes('192.0.2.2'), _bytes('2001:db8::3', more=b'\x04\0\x01x'),
                                         _line('2001:db8::4'))):
            client = _proxied(deployment, header)
            client.login(f'p{number}', 'secret')
        for name in ('192.0.2.1:41532', '192.0.2.2:41532', '[2001:db8::3]:41532', '[2001:db8::4]:41532'):
            _logged(deployment, f'by SASL/PLAIN, in clear, not bound to it [{name}]')
        clients = [_proxied(deployment, _line('192.0.2.9', port)) for port in range(5)]
        served = [client.open().receive() is not None for client in clients]
        assert served.count(True) == 2, served
        deployment.processes['run'].wait_for(r'a connection was closed: .* \[192\.0\.2\.9:\d+\]')
        for client in clients:
            client.socket.close()
        _until(deployment, 'connections', 0)
        _proxied(deployment, _line('192.0.2.9')).login('p5', 'secret')


def logins_are_counted_for_whom_a_proxy_speaks():
    with _proxy_deployment() as deployment:
        for _ in range(9):
            client = _proxied(deployment, _line('192.0.2.1')).open()
            client.features()
            client.send(_plain('p1', 'wrong'))
            answer = _answer(client)
        assert answer == 'temporary-auth-failure'
        _proxied(deployment, _line('192.0.2.2')).login('p1', 'secret')


def a_header_comes_in_pieces_and_before_tls():
    with _proxy_deployment() as deployment:
        for header in (_line('192.0.2.1'), _bytes('2001:db8::1')):
            client = Raw(deployment.port, source=HERE)
            for at in range(len(header)):
                client.send(header[at:at + 1])
                time.sleep(0.001)
            client.login('p1', 'secret')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = _proxied(deployment, _line('192.0.2.7'), port=deployment.tls_port)
        client.socket = context.wrap_socket(client.socket, server_hostname='localhost')
        client.login('p2', 'secret')
        _logged(deployment, '[192.0.2.7:41532]')


def without_a_right_header_a_proxy_is_not_served():
    with _proxy_deployment() as deployment:
        wrong = [b"<stream:stream to='localhost'>", b'PROXY TCP4 192.0.2.1\r\n', SIGNATURE + b'\x11\x11\0\x0c',
                 b'PROXY ' + b'x' * 200, b'GET / HTTP/1.0\r\n']
        for bytes_ in wrong:
            client = _proxied(deployment, bytes_)
            assert client.receive() is None and client.raw == b'', client.raw
        half = _proxied(deployment, _line('192.0.2.1')[:20])
        half.socket.shutdown(socket.SHUT_WR)
        assert half.receive() is None
        assert _facts(deployment)['refused_proxy'] == 6
        _proxied(deployment, b'').socket.close()  # a look whether somebody listens
        _proxied(deployment, SIGNATURE + b'\x20\0\0\0').login('p1', 'secret')  # the proxy's own
        _logged(deployment, f'[{HERE}:')
        _until(deployment, 'connections', 0)
        assert _facts(deployment)['refused_proxy'] == 6
        assert _log(deployment).count('no PROXY header, or a wrong one') == 6, _log(deployment)


def nobody_else_is_believed():
    with _proxy_deployment() as deployment:
        for header in (_line('192.0.2.1'), _bytes('192.0.2.1')):
            client = _proxied(deployment, header, source=THERE)
            error = client.receive()
            assert error is not None and error.tag.endswith('}error'), client.raw
        assert '192.0.2.1' not in _log(deployment)
        Raw(deployment.port, source=THERE).login('p1', 'secret')


def _with_a_long_roster(deployment, names):
    """An answer of about 110 KB."""
    for name in names:
        client = Raw(deployment.port).login(name, 'secret', presence=False)
        for number in range(100):
            client.send(f"<iq type='set' id='s{number}'><query xmlns='jabber:iq:roster'>"
                        f"<item jid='c{number}@localhost' name='{'n' * 1000}'/></query></iq>")
        client.expect('iq', id='s99')
        client.close()


def _ask(client, times):
    """And does not read."""
    client.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>" * times)


def _read_to_the_end(client):
    text = b''
    try:
        while data := client.socket.recv(65536):
            text = (text + data)[-1000:]
    except ConnectionResetError:
        pass
    return text


ROOM = 'client_rate = "off"\n[sessions]\nresume_queue = "100000 stanzas, 64 MB"'


def who_does_not_read_is_disconnected():
    with _deployment(ROOM).start() as deployment:
        _with_a_long_roster(deployment, ['p1'])
        client = Raw(deployment.port).login('p1', 'secret')
        _ask(client, 120)
        _until(deployment, 'refused_unread', 1)
        assert _facts(deployment)['refused_memory'] == 0
        _logged(deployment, 'resource-constraint, too much waits to be read')
        assert b'</stream:stream>' not in _read_to_the_end(client)
        _until(deployment, 'queue_bytes', 0)


def who_does_not_read_is_not_read_either():
    """What he asks for waits unread, however much; when he reads he gets all of it."""
    with _deployment(ROOM).start() as deployment:
        _with_a_long_roster(deployment, ['p1'])
        client = Raw(deployment.port).login('p1', 'secret')
        for _ in range(100):
            _ask(client, 1)
            time.sleep(0.01)
        facts = _facts(deployment)
        assert facts['refused_unread'] == 0 and facts['queue_bytes'] < 500000, facts
        for _ in range(100):
            assert client.expect('iq', id='r').get('type') == 'result'
        _until(deployment, 'queue_bytes', 0)


def _settled(deployment):
    """What waits has gone as far as it goes: on its way it counts in two places."""
    before = None
    while (now := _facts(deployment)['queue_bytes']) != before:
        before = now
        time.sleep(0.3)


def the_greediest_goes_first_when_memory_is_short():
    with _deployment('memory = "12 MB"\n' + ROOM).start() as deployment:
        _with_a_long_roster(deployment, ['p1', 'p2', 'p3'])
        little, much, talker = (Raw(deployment.port).login(name, 'secret') for name in ('p1', 'p2', 'p3'))
        _ask(little, 30)
        _settled(deployment)
        _ask(much, 60)
        for _ in range(100):
            if _facts(deployment)['refused_memory']:
                break
            talker.send(f"<message to='{much.jid}' type='headline'><body>{'x' * 10000}</body></message>" * 30)
            time.sleep(0.05)
        _logged(deployment, 'resource-constraint, the server is short of memory')
        _read_to_the_end(much)
        _ask(talker, 1)
        assert talker.expect('iq', id='r').get('type') == 'result'
        for _ in range(30):
            assert little.expect('iq', id='r').get('type') == 'result'
        _until(deployment, 'queue_bytes', 0)
        assert _facts(deployment)['refused_memory'] == 1


def _hears(client, name):
    """Whether such an element comes within a second."""
    try:
        while (element := client.receive(1)) is not None:
            if element.tag.endswith('}' + name):
                return True
    except TimeoutError:
        pass
    return False


def elements_without_an_end_are_counted_too():
    """Memory counts, which is more than the bytes; those that are left stay."""
    with _deployment('memory = "12 MB"\nclient_rate = "off"').start() as deployment:
        clients = [Raw(deployment.port).login(name, 'secret') for name in PEOPLE[:11]]
        for client in clients:
            client.send('<message><body/>' + '<a/>' * 16000 + 'x' * 150000)
        ends = [client for client in clients if select.select([client.socket], [], [], 0.5)[0] and _hears(client, 'error')]
        assert ends and _facts(deployment)['refused_memory'] == len(ends) < 11, _facts(deployment)
        assert all(b'<resource-constraint' in client.raw for client in ends)
        client = Raw(deployment.port).login(PEOPLE[11], 'secret')
        client.send('<message><body/>' + '<a/>' * 17000)
        _ends_with(client, 'policy-violation')
        _until(deployment, 'refused_stanza', 1)


def _ends_with(client, condition):
    """Reads up to the stream error."""
    while (element := client.receive()) is not None:
        if element.tag.endswith('}error') and element.tag.startswith('{' + STREAM):
            assert element[0].tag == '{urn:ietf:params:xml:ns:xmpp-streams}' + condition, element[0].tag
            return
    raise AssertionError('no stream error')


def who_does_not_acknowledge_is_disconnected():
    with _deployment('[sessions]\nresume_queue = "20 stanzas, 4 MB"').start() as deployment:
        writer, reader = (Counting(deployment.port, name).begin() for name in ('p1', 'p2'))
        reader.wait_acknowledged()
        reader.silent = True
        for number in range(30):
            writer.message('p2@localhost', str(number))
        _ends_with(reader, 'resource-constraint')
        _until(deployment, 'refused_unacknowledged', 1)
        Counting(deployment.port, 'p2').begin().wait_message('29')


def each_refusal_is_said_and_counted():
    """Those that stand in no other scenario."""
    with _deployment('stanza = "10 KB"\nstanza_before_auth = "4 KB"\ndepth = 20\nattributes = 10\n'
                     'time_to_login = "1 s"\nsessions = 2\nregistrations = "1 per hour"', registration='open').start() as deployment:
        many = ''.join(f" a{number}='1'" for number in range(12))
        for name, inside in (('refused_stanza', "<message a='" + 'x' * 20000 + "'/>"), ('refused_depth', '<message>' + '<a>' * 25),
                             ('refused_attributes', f'<message{many}/>')):
            for count, client in enumerate((_open(deployment, HERE), Raw(deployment.port).login('p1', 'secret')), 1):
                client.send(inside)
                _ends_with(client, 'policy-violation')
                _until(deployment, name, count)
        _ends_with(_open(deployment, HERE), 'connection-timeout')
        _until(deployment, 'refused_slow', 1)
        client = _open(deployment, HERE)  # logs in, and has no session: nothing else would bound how many such an account has
        client.send(_plain('p1', 'secret'))
        client.expect('success')
        client.reset()
        client.open()
        _ends_with(client, 'connection-timeout')
        _until(deployment, 'refused_slow', 2)
        oldest, _, _ = (Raw(deployment.port).login('p2', 'secret', resource) for resource in ('a', 'b', 'c'))
        _ends_with(oldest, 'policy-violation')
        _until(deployment, 'refused_sessions', 1)
        client = Raw(deployment.port).login('p1', 'secret')
        time.sleep(1.5)
        client.send("<iq type='get' id='alive'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert client.expect('iq', id='alive').get('type') == 'result'
        for name, kind in (('one', 'result'), ('two', 'error')):
            client = _open(deployment, HERE)
            client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>"
                        "<password>secret</password></query></iq>")
            assert client.expect('iq', id='r').get('type') == kind
        facts = _facts(deployment)
        assert facts['refused_registrations'] == 1, facts
        assert facts['stream_errors'] >= 7


def _closed_by_router(deployment, source):
    peer = socket.create_connection(('127.0.0.1', deployment.router_port), timeout=15, source_address=(source, 0))
    peer.sendall(b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
    try:
        return peer.recv(65536) == b''
    except ConnectionResetError:
        return True


def who_comes_to_the_router_is_counted_too():
    with _deployment('', router=f'allow = ["127.0.0.1", "{HERE}"]\nconnects = "2 per hour"').start() as deployment:
        assert [_closed_by_router(deployment, HERE) for _ in range(4)] == [False, False, True, True]
        assert _closed_by_router(deployment, THERE)
        facts = _facts(deployment)
        assert facts['refused_often'] == 2 and facts['refused_network'] == 1, facts


def limits_are_told_in_the_features():
    """XEP-0478."""
    with _deployment('stanza = "20 KB"\nstanza_before_auth = "5 KB"\n[sessions]\nping = "2 minutes"').start() as deployment:
        def told(features):
            found = features.find('{urn:xmpp:stream-limits:0}limits')
            return {child.tag.split('}')[1]: child.text for child in found}

        client = Raw(deployment.port).open()
        assert told(client.features()) == {'max-bytes': '5120'}
        client.send(_plain('p1', 'secret'))
        assert _answer(client) == 'success'
        client.open()
        assert told(client.features()) == {'max-bytes': '20480', 'idle-seconds': '120'}


if __name__ == '__main__':
    scenarios(an_address_has_so_many_connections, places_come_back_however_connections_end, there_are_so_many_connections,
              descriptors_are_not_used_up, a_thousand_bad_logins_lock_nobody_out, a_success_clears_what_failed,
              who_tries_many_accounts_is_stopped, guesses_made_at_once_are_no_more_than_others,
              who_floods_with_passwords_keeps_nobody_else_waiting, failures_end_the_stream,
              a_proxy_says_whom_it_speaks_for, logins_are_counted_for_whom_a_proxy_speaks,
              a_header_comes_in_pieces_and_before_tls, without_a_right_header_a_proxy_is_not_served,
              nobody_else_is_believed, who_does_not_read_is_disconnected,
              who_does_not_read_is_not_read_either, the_greediest_goes_first_when_memory_is_short,
              elements_without_an_end_are_counted_too, who_does_not_acknowledge_is_disconnected, each_refusal_is_said_and_counted,
              who_comes_to_the_router_is_counted_too, limits_are_told_in_the_features)
