#!/usr/bin/python3
"""What an operator gets wrong is said in one line that names it, and nothing is half-started."""
import json
import os
import re
import socket
import subprocess

from harness import BINARY, Deployment, Raw, scenarios


def _fails(deployment, *patterns, verb='run'):
    result = subprocess.run([BINARY, verb, '--config', deployment.config], capture_output=True, text=True, timeout=20)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.returncode in (1, 2), result
    for pattern in patterns:
        assert re.search(pattern, result.stderr), (pattern, result.stderr)
    assert len(lines) == 1, lines


def _edit(deployment, old, new):
    with open(deployment.config, encoding='utf-8') as file:
        text = file.read()
    assert old in text
    with open(deployment.config, 'w', encoding='utf-8') as file:
        file.write(text.replace(old, new))


def a_port_in_use_is_named():
    with Deployment() as deployment, socket.create_server(('127.0.0.1', deployment.port)):
        _fails(deployment, rf'127\.0\.0\.1:{deployment.port}', 'in use')


def check_limits_says_what_the_machine_must_allow():
    with Deployment() as deployment:
        few = json.loads(deployment.command('check', 'limits', '100', '--json').stdout)
        assert few['ok'] and few['sessions'] == 100 and {'fs.file-max', 'memory, bytes'} <= {one['name'] for one in few['limits']}, few
        many = deployment.command('check', 'limits', '90000000', code=1).stdout
        assert re.search(r'(?m)^problem  descriptors, from this shell .*LimitNOFILE=\d+ in the unit, or \d+ parts c2s$', many), many
        assert deployment.command('check', 'limits').stdout.count('ok ') > 3
        deployment.command('check', 'limits', 'many', code=2)


def a_wrong_value_is_named_with_its_place():
    with Deployment() as deployment:
        _edit(deployment, 'workers = 2', 'workers = "two"')
        _fails(deployment, r'jackdaw\.toml:\d+:\d+: process\.workers')


def an_unknown_key_is_named_with_what_was_meant():
    with Deployment() as deployment:
        _edit(deployment, 'registration =', 'registrations =')
        _fails(deployment, r'jackdaw\.toml:\d+:\d+: unknown key "accounts\.registrations"', r'did you mean')


def what_is_not_there_yet_is_refused():
    with Deployment(extra='[storage]\nurl = "postgresql://db"\n') as deployment:
        _fails(deployment, r'storage\.url', 'not in this version')


def a_key_that_does_not_fit_is_named():
    with Deployment() as deployment:
        os.makedirs(f'{deployment.dir}/certs')
        for name in ('localhost.crt', 'localhost.key'):
            with open(f'{deployment.dir}/certs/{name}', 'w', encoding='ascii') as file:
                file.write('no key at all\n')
        deployment.start()
        deployment.processes['run'].logged(r'warn run: .*/localhost\.(crt|key): ', 1)


def a_data_directory_in_use_names_the_first_server():
    with Deployment() as deployment:
        deployment.start()
        pid = deployment.processes['run'].process.pid
        other = Deployment()
        with open(other.config, encoding='utf-8') as file:
            text = file.read()
        with open(other.config, 'w', encoding='utf-8') as file:
            file.write(text.replace(f'{other.dir}/data', f'{deployment.dir}/data'))
        _fails(other, str(pid))
        other.stop()


def commands_work_on_a_running_and_a_stopped_server():
    with Deployment() as deployment:
        deployment.add_user('before', 'secret')
        deployment.start()
        deployment.add_user('after', 'secret')
        listed = deployment.command('user', 'list').stdout
        assert 'before@localhost' in listed and 'after@localhost' in listed, listed
        for name in ('before', 'after'):
            Raw(deployment.port).login(name, 'secret').close()
        deployment.command('user', 'passwd', 'after@localhost', '--password-file', '-', input='other\n')
        Raw(deployment.port).login('after', 'other').close()
        deployment.command('user', 'del', 'before@localhost')
        assert 'before@localhost' not in deployment.command('user', 'list').stdout
        assert 'sessions' in deployment.command('status').stdout
        deployment.command('user', 'add', 'after@localhost', '--password-file', '-', input='x\n', code=1)
        deployment.command('check', 'config')
        assert '256 KB' in deployment.command('config', 'explain', 'limits.stanza').stdout
        assert 'Example:' in deployment.command('help', 'user', 'add').stdout and 'user add' in deployment.command('help').stdout
        assert 'takes no words' in deployment.command('status', 'now', code=2).stderr


def sigterm_ends_within_seconds_and_tells_clients():
    with Deployment() as deployment:
        deployment.start()
        deployment.add_user('romeo', 'secret')
        client = Raw(deployment.port).login('romeo', 'secret')
        assert deployment.processes['run'].stop(seconds=5) == 0
        while client.receive():
            pass
        assert b'system-shutdown' in client.raw


if __name__ == '__main__':
    scenarios(a_port_in_use_is_named, check_limits_says_what_the_machine_must_allow, a_wrong_value_is_named_with_its_place, an_unknown_key_is_named_with_what_was_meant,
              what_is_not_there_yet_is_refused, a_key_that_does_not_fit_is_named,
              a_data_directory_in_use_names_the_first_server, commands_work_on_a_running_and_a_stopped_server,
              sigterm_ends_within_seconds_and_tells_clients)
