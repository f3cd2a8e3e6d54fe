#!/usr/bin/python3
"""What an operator sees of a server at work: /metrics, /health, and the log in its forms."""
import base64
import http.client
import json
import os
import re
import resource
import signal
import socket
import time

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import tls
from harness import Deployment, Raw, body, free_port, scenarios

SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
LONG_STANZA = f'<message to="romeo@localhost"><body>{"x" * 20000}</body></message>'


def _deployment(extra='', port=None, **options):
    port = port or free_port()
    deployment = Deployment(extra=f'[metrics]\nlisten = ["127.0.0.1:{port}"]\n{extra}', **options)
    deployment.import_users([('romeo', 'secret'), ('juliet', 'secret')])
    return deployment, port


def _get(port, path, method='GET'):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    connection.request(method, path, headers={'Accept': TYPE})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


def _samples(port):
    """By name and labels: what a parser that is not ours makes of it."""
    answer, content = _get(port, '/metrics')
    assert answer.status == 200 and answer.getheader('Content-Type') == TYPE, answer.getheaders()
    assert content.endswith('\n# EOF\n'), content[-100:]
    families = list(text_string_to_metric_families(content))
    assert all(family.name.startswith('jackdaw_') and family.documentation for family in families)
    return {(sample.name.removeprefix('jackdaw_'), *sample.labels.values()): sample.value
            for family in families for sample in family.samples}


def _health(port):
    try:
        answer, content = _get(port, '/health')
    except OSError:
        return None, ''
    facts = json.loads(content)
    assert (answer.status == 200) == (facts['status'] == 'ok') == ('reason' not in facts), content
    return answer.status, facts.get('reason', '')


def _until(condition, what, seconds=15):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, what()
        time.sleep(0.05)


def _until_health(port, status, reason='', seconds=15):
    def right():
        got = _health(port)
        return got[0] == status and reason in got[1]
    _until(right, lambda: (status, reason, _health(port)), seconds)


def _fail_login(port, user, password='wrong', source=None):
    client = Raw(port, source=source).open()
    client.features()
    token = base64.b64encode(b'\0' + user + b'\0' + password.encode()).decode()
    client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
    answer = client.receive()
    assert answer.tag.endswith('}failure'), answer.tag
    client.socket.close()
    return answer[0].tag.split('}')[1]


def figures_move_when_things_happen():
    deployment, port = _deployment()
    with deployment.start():
        before = _samples(port)
        assert before['build_info', '0.1.0'] == 1 and before['ready',] == 1 and before['workers',] == 2, before
        assert before['sessions',] == before['connections',] == before['logins_total', 'PLAIN'] == 0, before
        romeo = Raw(deployment.port).login('romeo', 'secret')
        secure = tls.secure(deployment)
        secure.features()
        romeo.send("<message to='juliet@localhost' type='chat'><body>later</body></message>")
        deployment.wait_stored(1)
        juliet = Raw(deployment.port).login('juliet', 'secret')
        assert body(juliet.expect('message')) == 'later'
        romeo.send(f"<message to='{juliet.jid}' type='chat'><body>now</body></message>")
        assert body(juliet.expect('message')) == 'now'
        for user in (b'romeo', b'nobody'):
            assert _fail_login(deployment.port, user) == 'not-authorized'
        stranger = Raw(deployment.port).open()
        stranger.features()
        stranger.send(LONG_STANZA)
        while stranger.receive() is not None:
            pass
        garbage = socket.create_connection(('127.0.0.1', deployment.tls_port))
        garbage.sendall(b'\x16\x03\x01\x00\x05hello')
        garbage.recv(100)
        deployment.processes['run'].wait_for(r'stream ended: TLS handshake: .* \[127\.0\.0\.1:\d+\]')
        wanted = {
            ('sessions',): 2, ('bound',): 2, ('logins_total', 'PLAIN'): 2, ('stanzas_total', 'in', 'message'): 2,
            ('stanzas_total', 'out', 'message'): 2, ('messages_stored_total',): 1, ('messages_delivered_total',): 2,
            ('login_failures_total', 'PLAIN', 'not-authorized'): 2, ('refused_total', 'stanza'): 1,
            ('tls_handshakes_total', 'TLSv1.3'): 1, ('tls_failures_total',): 1,
        }

        def moved():
            after = _samples(port)
            return all(after.get(name) == value for name, value in wanted.items())

        _until(moved, lambda: {name: _samples(port).get(name) for name in wanted})
        after = _samples(port)
        assert after['connections',] == 3, after
        assert after['storage_batches_total',] > before['storage_batches_total',] and after['storage_failures_total',] == 0
        assert after['memory_used_bytes', 'sessions'] > 0 and after['memory_held_bytes',] > 0
        assert 0 <= after['worker_lag_seconds', '0'] < 5 and 0 <= after['worker_lag_seconds', '1'] < 5
        facts = json.loads(deployment.command('status', '--json').stdout)
        for name, value in (('sessions', 2), ('logins', 2), ('login_failures', 2), ('refused_stanza', 1), ('offline_stored', 1),
                            ('messages_delivered', 2), ('tls_handshakes', 1), ('stanzas_in', after['stanzas_total', 'in', 'iq']
                             + after['stanzas_total', 'in', 'presence'] + after['stanzas_total', 'in', 'message'])):
            assert facts[name] == value, (name, facts)


def head_is_get_without_content():
    deployment, port = _deployment()
    with deployment.start():
        for path in ('/metrics', '/health', '/nothing'):
            answer, content = _get(port, path, 'HEAD')
            other, text = _get(port, path)
            assert answer.status == other.status and content == '' and len(text) > 0, path
            assert other.getheader('Content-Length') == str(len(text)) and int(answer.getheader('Content-Length')) > 0
            assert answer.getheader('Connection') == 'close' and answer.getheader('Date'), answer.getheaders()
        assert _get(port, '/nothing')[0].status == 404 and _get(port, '/metrics?x=y')[0].status == 200


def _say(port, text, seconds=10):
    """All that is answered to these bytes."""
    with socket.create_connection(('127.0.0.1', port), timeout=seconds) as peer:
        peer.sendall(text)
        answer = b''
        while True:
            try:
                data = peer.recv(65536)
            except ConnectionResetError as error:
                raise AssertionError(f'reset after {answer!r}') from error
            if not data:
                return answer
            answer += data


def bad_requests_are_refused_politely():
    deployment, port = _deployment()
    with deployment.start():
        for text, status in (
                (b'POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n' + b'x' * 50000, 405),
                (b'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n', 405), (b'GET /metrics HTTP/1.1\r\n\r\n', 400),
                (b'GET /metrics HTTP/2.0\r\n\r\n', 505), (b'\x16\x03\x01\x02\x00\x01\n' + b'\0' * 500, 400),
                (b'GET /' + b'x' * 9000, 414), (b'GET / HTTP/1.1\r\nHost: a\r\nX: ' + b'x' * 30000, 431),
                (b'GET / HTTP/1.1\r\nHost: a\r\n' + b'X: y\r\n' * 100 + b'\r\n', 431)):
            answer = _say(port, text)
            assert answer.startswith(f'HTTP/1.1 {status} '.encode()), (text[:40], answer[:200])
            assert (b'Allow: GET, HEAD\r\n' in answer) == (status == 405), answer
        assert _say(port, b'GET http://a/health HTTP/1.1\nHost: a\n\n').startswith(b'HTTP/1.1 200 ')
        assert _health(port)[0] == 200


def slow_clients_cost_little_and_are_sent_away():
    deployment, port = _deployment()
    with deployment.start():
        part = deployment.processes['run'].process
        before = len(os.listdir(f'/proc/{part.pid}/fd'))
        slow = [socket.create_connection(('127.0.0.1', port), timeout=10) for _ in range(60)]
        for peer in slow[-8:]:
            peer.sendall(b'GET /metrics HTT')
        assert _health(port)[0] == 200 and _samples(port)['ready',] == 1
        assert len(os.listdir(f'/proc/{part.pid}/fd')) <= before + 16
        assert slow[0].recv(100) == b''
        begin = time.time()
        assert slow[-1].recv(4096).startswith(b'HTTP/1.1 408 ')
        assert 3 < time.time() - begin < 8, time.time() - begin
        for peer in slow:
            peer.close()
        _until(lambda: len(os.listdir(f'/proc/{part.pid}/fd')) <= before, lambda: os.listdir(f'/proc/{part.pid}/fd'))


def health_says_that_storage_fails_and_works_again():
    deployment, port = _deployment()
    with deployment.start():
        pid = deployment.processes['run'].process.pid
        assert _health(port) == (200, '')
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
        _until_health(port, 503, 'storage fails: ')
        samples = _samples(port)
        assert samples['ready',] == 0 and samples['storage_failures_total',] > 0, samples
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        _until_health(port, 200)
        deployment.processes['run'].wait_for('storage works again')
        assert _samples(port)['ready',] == 1


def _parts():
    ports = {name: free_port() for name in ('router', 'sm', 'c2s', 'any')}
    listen = [f'{name} 127.0.0.1:{ports[name]}' for name in ('router', 'sm', 'c2s')] + [f'127.0.0.1:{ports["any"]}']
    deployment = Deployment(extra=f'[metrics]\nlisten = {json.dumps(listen)}\n', connect=False)
    deployment.start('router')
    deployment.start('sm', 'c2s')
    return deployment, ports


def each_part_has_a_health_of_its_own():
    deployment, ports = _parts()
    with deployment:
        for name in ('router', 'sm', 'c2s'):
            assert _health(ports[name]) == (200, ''), name
        assert ('sessions',) in _samples(ports['sm']) and ('sessions',) not in _samples(ports['c2s'])
        assert _samples(ports['router'])['peers',] == 2 and ('peers',) not in _samples(ports['sm'])
        deployment.processes['sm'].kill()
        _until_health(ports['c2s'], 503, 'no session manager serves localhost')
        assert _health(ports['sm'])[0] is None and _health(ports['router'])[0] == 200
        assert _samples(ports['c2s'])['ready',] == 0
        deployment.processes['sm'].start()
        _until_health(ports['c2s'], 200)
        _until_health(ports['sm'], 200)
        deployment.processes['router'].kill()
        _until_health(ports['sm'], 503, 'router')
        _until_health(ports['c2s'], 503)
        deployment.processes['router'].start()
        _until_health(ports['sm'], 200)
        _until_health(ports['c2s'], 200)


def health_is_told_before_a_part_is_ready():
    port = free_port()
    with Deployment(extra=f'[metrics]\nlisten = ["c2s 127.0.0.1:{port}"]\n', connect=False) as deployment:
        deployment.start('c2s', ready=False)
        _until_health(port, 503)
        deployment.start('router')
        _until_health(port, 503, 'no session manager serves localhost')
        deployment.start('sm')
        _until_health(port, 200)


def an_address_that_another_part_has_is_said_once():
    deployment, ports = _parts()
    with deployment:
        assert _health(ports['any'])[0] == 200 and ('peers',) in _samples(ports['any'])
        for name in ('sm', 'c2s'):
            deployment.processes[name].logged(rf'metrics\.listen: 127\.0\.0\.1:{ports["any"]} is in use', 1)
        assert 'metrics.listen' not in deployment.processes['router'].text()
    deployment, port = _deployment()
    with deployment, socket.create_server(('127.0.0.1', port)):
        deployment.start(ready=False)
        part = deployment.processes.pop('run')
        assert part.process.wait(10) == 1 and f'metrics.listen: cannot listen on 127.0.0.1:{port}' in part.text()


def _json_lines(text):
    lines = [json.loads(line) for line in text.splitlines() if not line.startswith('jackdaw: ')]
    assert lines
    for line in lines:
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', line['time']), line
        assert line['level'] in ('error', 'warn', 'info', 'debug') and line['part'] and line['event'] and 'message' in line
        assert all(isinstance(value, str) for value in line.values())
    return lines


def _events(deployment, event, count):
    part = deployment.processes['run']
    part.logged(f'"event":"{event}"', count)
    return [line for line in _json_lines(part.text()) if line['event'] == event]


def every_line_of_json_is_an_object():
    with Deployment(extra='[log]\nformat = "json"\nlevel = "debug"\n[limits]\nlogin_attempts = "off"\n') as deployment:
        deployment.import_users([('romeo', 'secret'), ('away', 'secret')])
        deployment.command('user', 'disable', 'away@localhost')
        deployment.start()
        client = Raw(deployment.port).login('romeo', 'secret')
        port = client.socket.getsockname()[1]
        for name in (b'romeo', b'nobody', b'"\\\n\t\x01', b'\xff\xfe', '\u2028\u007f\U0001f600'.encode(), b'x' * 2000):
            assert _fail_login(deployment.port, name) in ('not-authorized', 'malformed-request')
        assert _fail_login(deployment.port, b'away', 'secret') == 'account-disabled'
        stranger = Raw(deployment.port).open()
        stranger.features()
        stranger.send(LONG_STANZA)
        while stranger.receive() is not None:
            pass
        login, = _events(deployment, 'login', 1)
        assert login['jid'] == 'romeo@localhost' and login['mechanism'] == 'SASL/PLAIN' and 'tls' not in login, login
        assert login['address'] == f'127.0.0.1:{port}' and login['level'] == 'info' and login['part'] == 'c2s', login
        refused = _events(deployment, 'login-refused', 7)
        reasons = {line['reason'] for line in refused}
        assert {'wrong password', 'there is no such account', 'the account is disabled'} <= reasons, reasons
        assert all(re.fullmatch(r'127\.0\.0\.1:\d+', line['address']) and line['condition'] for line in refused)
        ended, = _events(deployment, 'stream-ended', 1)
        assert ended['reason'] == 'stanza too big' and ended['condition'] == 'policy-violation', ended
        assert 'secret' not in deployment.processes['run'].text()


def addresses_are_told_as_far_as_the_file_says():
    for how, told in (('full', r'127\.0\.0\.2:\d+'), ('network', r'127\.0\.0\.0/24'), ('none', None)):
        with Deployment(extra=f'[log]\naddresses = "{how}"\nlevel = "debug"\n[limits]\nunlimited_from = []\n'
                              'connections_per_address = 2\n[sessions]\nping = "1 s"\nping_timeout = "1 s"\n',
                        registration='open') as deployment:
            deployment.import_users([('romeo', 'secret')])
            deployment.start()
            part = deployment.processes['run']
            silent = Raw(deployment.port, source='127.0.0.2').login('romeo', 'secret')
            _fail_login(deployment.port, b'romeo', source='127.0.0.2')
            _until(lambda: deployment.metric('connections') == 1, part.text)
            waiting = [Raw(deployment.port, source='127.0.0.2').open()]
            waiting[0].features()
            waiting += [Raw(deployment.port, source='127.0.0.2') for _ in range(2)]
            part.wait_for('too many connections of its address')
            waiting[0].send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>new</username>"
                            '<password>pass-word</password></query></iq>')
            waiting[0].expect('iq', id='r')
            waiting[0].send(LONG_STANZA)
            part.wait_for('stream ended')
            part.wait_for('no sign of life')
            end = rf' \[{told}\]' if told else ''
            for line in ('login romeo@localhost by SASL/PLAIN, in clear, not bound to it',
                         'login refused to romeo@localhost by SASL/PLAIN, in clear: not-authorized: wrong password',
                         r'a connection was closed: there are too many connections of its address', 'registered new@localhost',
                         'stream ended: policy-violation, stanza too big', 'no sign of life'):
                assert re.search(f'{line}{end}$', part.text(), re.MULTILINE), (how, line, part.text())
            if how != 'full':
                assert '127.0.0.2' not in part.text(), part.text()
            silent.socket.close()


def a_flood_of_failures_is_a_few_lines():
    with Deployment(extra='[limits]\nlogin_attempts = "off"\n') as deployment:
        deployment.import_users([('romeo', 'secret')])
        deployment.start()
        part = deployment.processes['run']
        begin = time.time()
        for _ in range(30):
            client = Raw(deployment.port).open()
            client.features()
            for _ in range(9):
                client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{base64.b64encode(b'n,,x').decode()}</auth>")
                assert client.receive().tag.endswith('}failure')
            client.socket.close()
        seconds = time.time() - begin
        line = 'login refused by SASL/SCRAM-SHA-1, in clear: malformed-request: this is no message of SCRAM'

        def told():
            more = re.findall(r'login-refused: this is no message of SCRAM: (\d+) more like this within a second', part.text())
            return part.text().count(line), sum(map(int, more))

        _until(lambda: sum(told()) == 270, lambda: (told(), part.text()))
        # Ten a second and worker, of the seconds that were begun.
        assert told()[0] <= 10 * 2 * (int(seconds) + 2), (told(), seconds)
        assert deployment.metric('login_failures') == 270


def what_is_refused_before_anybody_was_asked_is_told_too():
    with Deployment(extra='[log]\nformat = "json"\n').start() as deployment:
        client = Raw(deployment.port).open()
        client.features()
        for said in (f"<auth xmlns='{SASL}' mechanism='PLAIN'>no base64!</auth>", f"<response xmlns='{SASL}'/>",
                     f"<auth xmlns='{SASL}' mechanism='{'X' * 21}'/>"):
            client.send(said)
            assert client.receive().tag.endswith('}failure')
        refused = _events(deployment, 'login-refused', 3)
        assert [line['condition'] for line in refused] == ['incorrect-encoding', 'mechanism-too-weak', 'invalid-mechanism'], refused
        assert all(line['reason'] and re.fullmatch(r'127\.0\.0\.1:\d+', line['address']) for line in refused), refused
        assert deployment.metric('login_failures') == 3
        client.send(f"<auth xmlns='{SASL}' mechanism='OTHER'/>")
        assert client.receive().tag.endswith('}failure')
        other = _events(deployment, 'login-refused', 4)[-1]
        assert other['mechanism'] == 'OTHER' and 'by "OTHER"' in other['message'], other


def each_connection_that_is_refused_is_told():
    with Deployment(extra='[log]\nformat = "json"\n[limits]\nunlimited_from = []\nconnections_per_address = 1\n').start() as deployment:
        held = Raw(deployment.port, source='127.0.0.2').open()
        held.features()
        others = [Raw(deployment.port, source='127.0.0.2') for _ in range(3)]
        refused = _events(deployment, 'connection-refused', 3)
        assert {line['reason'] for line in refused} == {'there are too many connections of its address'}, refused
        assert len({line['address'] for line in refused}) == 3, refused
        for other in others:
            other.close()


def a_log_file_is_opened_anew():
    with Deployment(extra='[log]\nto = "file"\nformat = "json"\n') as deployment:
        deployment.import_users([('romeo', 'secret')])
        deployment.start()
        part, path = deployment.processes['run'], f'{deployment.dir}/data/jackdaw.log'

        def lines(name):
            with open(name, encoding='utf-8') as file:
                return [json.loads(line)['message'] for line in file]

        Raw(deployment.port).login('romeo', 'secret').close()
        _until(lambda: any('login romeo' in line for line in lines(path)), lambda: lines(path))
        assert os.stat(path).st_mode & 0o777 == 0o600 and 'login romeo' not in part.text()
        os.rename(path, path + '.1')
        part.process.send_signal(signal.SIGHUP)
        _until(lambda: os.path.exists(path), lambda: os.listdir(os.path.dirname(path)))
        moved = len(lines(path + '.1'))
        Raw(deployment.port).login('romeo', 'secret').close()
        _until(lambda: any('login romeo' in line for line in lines(path)), lambda: lines(path))
        assert len(lines(path + '.1')) == moved
    with Deployment(extra='[log]\nto = "file"\nfile = "/nowhere/jackdaw.log"\n') as deployment:
        deployment.start(ready=False)
        part = deployment.processes.pop('run')
        assert part.process.wait(10) == 1 and 'log.file: /nowhere/jackdaw.log: No such file' in part.text(), part.text()


def the_journal_gets_priorities():
    with Deployment(extra='[log]\nto = "journal"\n') as deployment:
        deployment.import_users([('romeo', 'secret')])
        deployment.start()
        Raw(deployment.port).login('romeo', 'secret').close()
        deployment.processes['run'].wait_for(r'(?m)^<6>c2s: login romeo@localhost by SASL/PLAIN')
        deployment.processes['run'].wait_for(r'(?m)^<4>run: localhost: self-signed certificate')


def memory_accounts_for_what_the_system_counts():
    with Deployment() as deployment:
        said = json.loads(deployment.start().command('memory', '--json').stdout)
        assert said['sqlite'] > 0 and said['openssl'] > 0 and said['resident (PSS)'] > 0, said
        assert said['program and files'] <= said['all of these'], said
        with open(f"/proc/{deployment.processes['run'].process.pid}/maps", encoding='ascii') as maps:
            sanitized = re.search('lib[at]san', maps.read())
        assert sanitized or abs(said['all of these'] / said['resident (PSS)'] - 1) < 0.1, said  # their allocators tell the system nothing


if __name__ == '__main__':
    scenarios(figures_move_when_things_happen, memory_accounts_for_what_the_system_counts, head_is_get_without_content, bad_requests_are_refused_politely,
              slow_clients_cost_little_and_are_sent_away, health_says_that_storage_fails_and_works_again,
              each_part_has_a_health_of_its_own, health_is_told_before_a_part_is_ready,
              an_address_that_another_part_has_is_said_once, every_line_of_json_is_an_object,
              addresses_are_told_as_far_as_the_file_says, a_flood_of_failures_is_a_few_lines,
              what_is_refused_before_anybody_was_asked_is_told_too, each_connection_that_is_refused_is_told, a_log_file_is_opened_anew,
              the_journal_gets_priorities)
