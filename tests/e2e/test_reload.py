#!/usr/bin/python3
"""What an operator changes counts while people chat: reload, config show, diff and apply, accounts that are disabled."""
import base64
import json
import os
import signal
import threading
import time

from harness import Deployment, Raw, body, scenarios
from stream_management import Counting

PARTS = ('router', 'sm', 'c2s')
CROWD, ACCOUNTS = 50, 5


def _started(*parts, users=('romeo', 'juliet'), **options):
    deployment = Deployment(**options)
    deployment.start(*parts)
    for user in users:
        deployment.add_user(user, 'secret')
    return deployment


def _edit(path, *changes):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for old, new in changes:
        assert old in text, (old, text)
        text = text.replace(old, new)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def _new_file(deployment, *changes):
    path = os.path.join(deployment.dir, 'new.toml')
    with open(deployment.config, encoding='utf-8') as file:
        text = file.read()
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    _edit(path, *changes)
    return path


def _shown(deployment, *more):
    return json.loads(deployment.command('config', 'show', '--json', *more).stdout)


def _says(client, size):
    client.send(f"<message to='juliet@localhost' type='chat'><body>{'x' * size}</body></message>")


def a_limit_counts_at_once_for_who_is_there():
    with _started() as deployment:
        romeo, juliet = Raw(deployment.port).login('romeo', 'secret'), Raw(deployment.port).login('juliet', 'secret')
        _says(romeo, 20000)
        assert len(body(juliet.expect('message'))) == 20000
        _edit(deployment.config, ('[process]', '[limits]\nstanza = "16 KB"\nsessions = 1\n[process]'))
        said = deployment.command('reload').stdout
        assert 'limits.stanza: "256 KB" -> "16 KB": in effect' in said, said
        assert 'limits.sessions: 20 -> 1: in effect' in said and 'restart' not in said.replace('0 need a restart', ''), said
        _says(romeo, 20000)
        assert romeo.expect('error') is not None
        second = Raw(deployment.port).login('juliet', 'secret')
        while juliet.receive() is not None:
            pass
        second.close()
        assert _shown(deployment)['limits.sessions'] == {'value': 1, 'default': False}


def logins_and_the_log_are_as_the_new_file_says():
    with _started() as deployment:
        _edit(deployment.config, ('registration = "closed"', 'registration = "open"\nmechanisms = ["SCRAM-SHA-256"]'),
              ('[process]', '[log]\nformat = "json"\nlevel = "debug"\n[process]'))
        deployment.command('reload')
        client = Raw(deployment.port).open()
        features = client.features()
        assert [m.text for m in features.iter('{urn:ietf:params:xml:ns:xmpp-sasl}mechanism')] == ['SCRAM-SHA-256']
        assert features.find('{http://jabber.org/features/iq-register}register') is not None
        client.close()
        _edit(deployment.config, ('level = "debug"', 'level = "error"'))
        deployment.command('reload')
        deployment.processes['run'].wait_for(r'"level":"(info|debug)"')


def a_bad_file_changes_nothing_and_is_said_as_at_the_start():
    with _started() as deployment:
        part = deployment.processes['run']
        before = _shown(deployment)
        _edit(deployment.config, ('[process]', '[limits]\nsessions = 1\ndepht = 3\n[process]'))
        failed = deployment.command('reload', code=1).stderr
        line = 'jackdaw.toml:19:1: unknown key "limits.depht"; did you mean "limits.depth"?'
        assert line in failed, failed
        part.process.send_signal(signal.SIGHUP)
        part.wait_for(r'jackdaw\.toml:19:1: unknown key "limits\.depht".*nothing was changed')
        _edit(deployment.config, ('depht = 3\n', ''), (f'{deployment.dir}/certs', f'{deployment.dir}/other'))
        os.makedirs(f'{deployment.dir}/other')
        for name in ('localhost.crt', 'localhost.key'):
            with open(f'{deployment.dir}/other/{name}', 'w', encoding='ascii') as file:
                file.write('no key at all\n')
        assert 'localhost.crt: is no certificate' in deployment.command('reload', code=1).stderr
        _edit(deployment.config, (f'{deployment.dir}/other', f'{deployment.dir}/certs'), ('sessions = 1\n', ''))
        assert _shown(deployment) == before
        Raw(deployment.port).login('romeo', 'secret').close()


def what_needs_a_restart_is_named_and_stays():
    with _started() as deployment:
        _edit(deployment.config, ('workers = 2', 'workers = 1'), (f'client_tls = ["127.0.0.1:{deployment.tls_port}"]',
                                                                 'client_tls = []'))
        said = deployment.command('reload').stdout
        assert 'process.workers: 2 -> 1: needs a restart\n' in said and 'listen.client_tls: [' in said, said
        assert '0 changes are in effect, 2 need a restart' in said, said
        assert _shown(deployment)['process.workers'] == {'value': 2, 'default': False}
        assert 'needs a restart' in deployment.command('config', 'diff', code=1).stdout
        deployment.restart('run')
        assert deployment.command('config', 'diff').stdout == ''
        assert _shown(deployment)['process.workers']['value'] == 1


def each_part_says_what_is_its_own():
    with _started(*PARTS, connect=False) as deployment:
        _edit(deployment.config, ('workers = 2', 'workers = 1'), ('[process]', '[limits]\nsessions = 1\n[process]'))
        lines = deployment.command('reload').stdout.splitlines()
        assert 'sm: limits.sessions: 20 -> 1: in effect' in lines, lines
        assert 'c2s: process.workers: 2 -> 1: needs a restart of c2s' in lines, lines
        assert 'sm: process.workers: 2 -> 1: needs a restart of sm' in lines, lines
        assert not [line for line in lines if line.startswith('router: ') and 'reloaded' not in line], lines
        first = Raw(deployment.port).login('juliet', 'secret')
        Raw(deployment.port).login('juliet', 'secret').close()
        while first.receive() is not None:
            pass
        part = deployment.processes['sm']
        _edit(deployment.config, ('sessions = 1', 'sessions = 5'))
        part.process.send_signal(signal.SIGHUP)
        part.wait_for('limits.sessions: 1 -> 5: in effect')
        assert _shown(deployment, '--name', 'sm')['limits.sessions']['value'] == 5
        assert _shown(deployment, '--name', 'c2s')['limits.sessions']['value'] == 1


def _chat_across(deployment, reloads):
    """Fifty clients that write to each other in a ring, while reloads come; each hears all, in order, on one stream."""
    crowd = [Raw(deployment.port).login(f'u{at % ACCOUNTS}', 'secret', resource=str(at)) for at in range(CROWD)]
    stop, problems, sent = threading.Event(), [], [0] * CROWD

    def talk(at):
        try:
            while not stop.is_set() or sent[at] < 20:
                crowd[at].send(f"<message to='{crowd[(at + 1) % CROWD].jid}' type='chat'><body>{sent[at]}</body></message>")
                sent[at] += 1
                time.sleep(0.05)  # who writes faster than a busy machine takes is told to wait
        except OSError as problem:
            problems.append(problem)

    talkers = [threading.Thread(target=talk, args=(at,)) for at in range(CROWD)]
    for talker in talkers:
        talker.start()
    try:
        reloads()
    finally:
        stop.set()
        for talker in talkers:
            talker.join()
    assert not problems, problems
    for at, client in enumerate(crowd):
        for number in range(sent[at - 1]):
            assert body(client.expect('message', seconds=30)) == str(number), (at, number)
        client.close()


def fifty_clients_chat_across_reloads():
    for parts in (('run',), PARTS):
        with _started(*parts, users=[f'u{at}' for at in range(ACCOUNTS)], connect=False) as deployment:

            def reloads(deployment=deployment):
                _edit(deployment.config, ('[process]', '[limits]\nclient_rate = "90 KB/s"\n[process]'))
                for rate in range(90, 96):
                    _edit(deployment.config, (f'"{rate} KB/s"', f'"{rate + 1} KB/s"'))
                    if rate % 2:
                        deployment.command('reload')
                        continue
                    for part in deployment.processes.values():
                        part.process.send_signal(signal.SIGHUP)
                    time.sleep(0.2)

            _chat_across(deployment, reloads)
            assert _shown(deployment)['limits.client_rate']['value'] == '96 KB/s'


def a_domain_that_is_added_serves_without_a_restart():
    for parts in (('run',), PARTS):
        with _started(*parts, connect=False) as deployment:
            stays = Raw(deployment.port).login('romeo', 'secret')
            _edit(deployment.config, ('["localhost"]', '["localhost", "verona.example"]'))
            said = deployment.command('reload').stdout
            assert 'domains: ["localhost"] -> ["localhost", "verona.example"]: in effect' in said, said
            deployment.command('user', 'add', 'mercutio@verona.example', '--password-file', '-', input='secret\n')
            end = time.time() + 15
            while True:
                try:
                    other = Raw(deployment.port, domain='verona.example').login('mercutio', 'secret')
                    break
                except AssertionError:
                    assert time.time() < end
                    time.sleep(0.1)
            other.send(f"<message to='{stays.jid}' type='chat'><body>from Verona</body></message>")
            assert body(stays.expect('message')) == 'from Verona'
            stays.send(f"<message to='{other.jid}' type='chat'><body>to Verona</body></message>")
            assert body(other.expect('message')) == 'to Verona'
            _edit(deployment.config, ('["localhost", "verona.example"]', '["verona.example", "localhost"]'))
            assert 'needs a restart' in deployment.command('reload').stdout
            other.close()
            stays.close()


def a_file_is_compared_and_applied_or_not_at_all():
    with _started() as deployment:
        new = _new_file(deployment, ('[process]', '[limits]\nsessions = 7\n[process]'))
        os.chmod(deployment.config, 0o640)
        with open(deployment.config, encoding='utf-8') as file:
            old = file.read()
        assert deployment.command('config', 'diff', deployment.config).stdout == ''
        said = deployment.command('config', 'diff', new, code=1).stdout
        assert said == 'limits.sessions: 20 -> 7: at once\n', said
        facts = json.loads(deployment.command('config', 'diff', new, '--json', code=1).stdout)
        assert facts['changes'] == [{'key': 'limits.sessions', 'from': 20, 'to': 7, 'restart': False}], facts
        bad = _new_file(deployment, ('[process]', '[limits]\nsessions = "many"\n[process]'))
        assert 'new.toml:18:12: limits.sessions' in deployment.command('config', 'diff', bad, code=2).stderr
        assert 'new.toml:18:12: limits.sessions' in deployment.command('config', 'apply', bad, code=1).stderr
        with open(deployment.config, encoding='utf-8') as file:
            assert file.read() == old
        assert not os.path.exists(deployment.config + '.old')
        new = _new_file(deployment, ('[process]', '[limits]\nsessions = 7\n[process]'))
        assert 'limits.sessions: 20 -> 7: in effect' in deployment.command('config', 'apply', new).stdout
        assert os.stat(deployment.config).st_mode & 0o777 == 0o640
        with open(deployment.config + '.old', encoding='utf-8') as file:
            assert file.read() == old
        assert _shown(deployment)['limits.sessions']['value'] == 7
        assert sorted(os.listdir(deployment.dir)) == ['data', 'jackdaw.toml', 'jackdaw.toml.old', 'new.toml']
        assert 'secret' not in deployment.command('config', 'show').stdout.replace('router.secret', '')


def without_a_server_the_files_are_compared():
    with Deployment() as deployment:
        new = _new_file(deployment, ('workers = 2', 'workers = 1'))
        assert deployment.command('config', 'diff', new, code=1).stdout == 'process.workers: 2 -> 1: at the next start\n'
        assert 'no server runs' in deployment.command('reload', code=1).stderr
        assert 'from the next start on' in deployment.command('config', 'apply', new).stderr
        deployment.start()
        assert _shown(deployment)['process.workers'] == {'value': 1, 'default': False}


def _refusal(deployment, user):
    client = Raw(deployment.port).open()
    client.features()
    token = base64.b64encode(f'\0{user}\0secret'.encode()).decode()
    client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
    answer = client.receive()
    client.close()
    return answer[0].tag.split('}')[1] if len(answer) else answer.tag.split('}')[1]


def _stream_error(client):
    while True:
        element = client.receive()
        assert element is not None, 'the stream ended without an error'
        if element.tag.endswith('}error'):
            return [child.tag.split('}')[1] for child in element]


def a_disabled_account_is_out_and_its_mail_waits():
    for parts in (('run',), PARTS):
        with _started(*parts, connect=False) as deployment:
            romeo = Raw(deployment.port).login('romeo', 'secret')
            juliet = Raw(deployment.port).login('juliet', 'secret', resource='balcony')
            away = Counting(deployment.port, 'juliet', resource='garden').begin()
            away.drop()
            deployment.command('user', 'disable', 'juliet@localhost')
            assert _stream_error(juliet) == ['not-authorized', 'text']
            assert _refusal(deployment, 'juliet') == 'account-disabled'
            romeo.send("<message to='juliet@localhost' type='chat'><body>wait for me</body></message>")
            romeo.send("<message to='juliet@localhost/garden' type='chat'><body>and me</body></message>")
            deployment.wait_stored(2)
            deployment.restart(parts[-1] if len(parts) == 1 else 'sm')
            assert _refusal(deployment, 'juliet') == 'account-disabled'
            deployment.command('user', 'passwd', 'juliet@localhost', '--password-file', '-', input='secret\n')
            assert _refusal(deployment, 'juliet') == 'account-disabled'
            deployment.command('user', 'enable', 'juliet@localhost')
            juliet = Raw(deployment.port).login('juliet', 'secret')
            assert [body(juliet.expect('message')), body(juliet.expect('message'))] == ['wait for me', 'and me']
            deployment.command('user', 'passwd', 'juliet@localhost', '--password-file', '-', input='other\n')
            juliet.no_message()
            juliet.close()


def an_account_disabled_while_nothing_ran_stays_out():
    with _started() as deployment:
        client = Counting(deployment.port, 'juliet', resource='garden').begin()
        assert deployment.processes['run'].stop() == 0
        client.drop()
        deployment.command('user', 'disable', 'juliet@localhost')
        deployment.start()
        assert _refusal(deployment, 'juliet') == 'account-disabled'
        romeo = Raw(deployment.port).login('romeo', 'secret')
        romeo.send("<message to='juliet@localhost/garden' type='chat'><body>later</body></message>")
        deployment.wait_stored(1)
        deployment.command('user', 'enable', 'juliet@localhost')
        assert body(Raw(deployment.port).login('juliet', 'secret').expect('message')) == 'later'
        romeo.close()


if __name__ == '__main__':
    scenarios(a_limit_counts_at_once_for_who_is_there, logins_and_the_log_are_as_the_new_file_says,
              a_bad_file_changes_nothing_and_is_said_as_at_the_start, what_needs_a_restart_is_named_and_stays,
              each_part_says_what_is_its_own, fifty_clients_chat_across_reloads,
              a_domain_that_is_added_serves_without_a_restart, a_file_is_compared_and_applied_or_not_at_all,
              without_a_server_the_files_are_compared, a_disabled_account_is_out_and_its_mail_waits,
              an_account_disabled_while_nothing_ran_stays_out)
