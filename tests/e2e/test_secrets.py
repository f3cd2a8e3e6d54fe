#!/usr/bin/python3
"""Passwords on every way into the server: no log, at the level of debug, ever has one of them."""
import base64
import hashlib

from harness import Deployment, Raw, scenarios
from test_register import account, ask, done

SECRETS = ['Tr0ub4dor-added', 'Tr0ub4dor-registered', 'Tr0ub4dor-changed', 'Tr0ub4dor-imported', 'Tr0ub4dor-guessed',
           'Tr0ub4dor-router']
ADDED, REGISTERED, CHANGED, IMPORTED, GUESSED, ROUTER = SECRETS


def spellings(secret):
    """As it is, in base64 at any offset, in hexadecimal, and as what is kept of it in jabberd2's DIGEST-MD5."""
    yield secret
    yield secret.encode().hex()
    for before in range(3):
        text = base64.b64encode(b'\0' * before + secret.encode()).decode()
        yield text[4 if before else 0:len(text) - 4]
    yield hashlib.md5(f'jabberd:jabberd-router:{secret}'.encode()).hexdigest()


def use_all(deployment):
    deployment.add_user('added', ADDED)
    deployment.import_users([('imported', IMPORTED)])
    stranger = Raw(deployment.port).open()
    stranger.features()
    done(ask(stranger, account('registered', REGISTERED)))
    client = Raw(deployment.port).login('registered', REGISTERED)
    done(ask(client, account('registered', CHANGED)))
    client.close()
    for user, password in (('registered', CHANGED), ('added', ADDED), ('imported', IMPORTED)):
        Raw(deployment.port).login(user, password).close()
    for user in ('added', 'nobody'):
        guess = Raw(deployment.port).open()
        guess.features()
        token = base64.b64encode(f'\0{user}\0{GUESSED}'.encode()).decode()
        guess.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        assert guess.receive().tag.endswith('}failure')
        guess.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}!</auth>{GUESSED}<&")
        guess.receive()
        guess.close()


def check(deployment, *commands):
    logs = {name: part.text() for name, part in deployment.processes.items()}
    for name, log in logs.items():
        for secret in SECRETS:
            for spelling in spellings(secret):
                assert spelling not in log, (name, secret, spelling, log)
    told = '\n'.join(command.stdout + command.stderr for command in commands)
    assert not any(secret in told for secret in SECRETS), told


def with_parts(*parts):
    extra = '[log]\nlevel = "debug"\n'
    with Deployment(registration='open', extra=extra) as deployment:
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace('password = "secret"', f'password = "{ROUTER}"'))
        deployment.start(*parts)
        use_all(deployment)
        check(deployment, deployment.command('config', 'show'), deployment.command('status'),
              deployment.command('user', 'show', 'added@localhost'))
        for part in deployment.processes.values():
            assert part.stop() == 0
        check(deployment)


def no_log_of_one_process_has_a_password():
    with_parts('run')


def no_log_of_three_processes_has_a_password():
    with_parts('router', 'sm', 'c2s')


if __name__ == '__main__':
    scenarios(no_log_of_one_process_has_a_password, no_log_of_three_processes_has_a_password)
