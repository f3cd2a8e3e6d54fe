#!/usr/bin/python3
"""What an idle session under TLS costs beyond a plain one: PSS of the server, 5,000 sessions by default.

usage: idle_tls.py [--count N] [--starttls] [--workers N]    JACKDAW: the binary, build/jackdaw by default
One line of JSON a figure. Exits with 1 when a session under TLS costs more than 15 KiB beyond a plain one.
"""
import argparse
import base64
import functools
import hashlib
import hmac
import json
import os
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
import scram  # noqa: E402  (it lives beside the end-to-end tests)
from harness import Deployment, Raw  # noqa: E402

hashlib.pbkdf2_hmac = functools.cache(hashlib.pbkdf2_hmac)  # all have one salt: they log in as fast as they can

TARGET = 15 * 1024
SILENCE = 3  # seconds: what is let go of a second after the last word is gone


def pss(pid):
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as smaps:
        return 1024 * sum(int(line.split()[1]) for line in smaps if line.startswith('Pss:'))


def keys(password, salt=b'idle', rounds=4096):
    """As RFC 5803 writes them: to hash a password for each account would take minutes."""
    salted = hashlib.pbkdf2_hmac('sha1', password.encode(), salt, rounds)
    stored = hashlib.sha1(hmac.digest(salted, b'Client Key', 'sha1')).digest()
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b'Server Key', 'sha1')))
    return f'SCRAM-SHA-1${rounds}:{salt}${stored}:{server}'


def connect(deployment, number, kind, context):
    client = Raw(deployment.tls_port if kind == 'direct' else deployment.port)
    if kind == 'starttls':
        client.open().features()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert client.receive().tag.endswith('}proceed')
    if kind != 'plain':
        client.socket = context.wrap_socket(client.socket, server_hostname='localhost')
    client.open().features()
    exchange = scram.Scram('SCRAM-SHA-1', f'user{number}', 'secret')
    assert exchange.begin(client)[0] == 'challenge' and exchange.finish(client)[0] == 'success'
    client.open().features()
    client.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    assert client.expect('iq', id='bind').get('type') == 'result'
    client.send('<presence/>')
    client.parser = None
    return client


def measure(kind, count, workers):
    secret = keys('secret')
    extra = '[limits]\nconnections_per_address = 0\n[log]\nlevel = "warn"\n[sessions]\nping = "off"\n'
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Deployment(workers=workers, extra=extra) as deployment:
        deployment.import_users([(f'user{number}', secret) for number in range(count)])
        deployment.start()
        for number in range(3):
            connect(deployment, number, kind, context).close()  # what is made once is there
        time.sleep(SILENCE)
        pid = deployment.processes['run'].process.pid
        before = pss(pid)
        clients = [connect(deployment, number, kind, context) for number in range(count)]
        time.sleep(SILENCE)
        each = (pss(pid) - before) / count
        for client in clients:
            client.close()
    print(json.dumps({'idle': kind, 'sessions': count, 'bytes': round(each)}), flush=True)
    return each


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, default=5000)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--starttls', action='store_true')
    given = parser.parse_args()
    plain = measure('plain', given.count, given.workers)
    secure = measure('starttls' if given.starttls else 'direct', given.count, given.workers)
    print(json.dumps({'beyond_plain': round(secure - plain), 'target': TARGET}))
    return secure - plain > TARGET


if __name__ == '__main__':
    sys.exit(main())
