#!/usr/bin/python3
"""TLS between parts, ours and jabberd2's, with somebody between them who writes down all that passes."""
import os
import re
import socket
import subprocess
import threading
import time

from harness import BINARY, Deployment, Raw, body, scenarios
from jabberd2 import Jabberd2
from tls import Certificate

SECRET = 'only for your eyes'
PASSWORD = 'secret'


class Listener:
    """Between parts and their router: passes everything on and keeps it, a (to the router, from it) for each connection."""

    def __init__(self, router_port):
        self.router_port = router_port
        self.server = socket.create_server(('127.0.0.1', 0))
        self.port = self.server.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                part, _ = self.server.accept()
            except OSError:
                return
            try:
                router = socket.create_connection(('127.0.0.1', self.router_port))
            except OSError:
                part.close()
                continue
            heard = (bytearray(), bytearray())
            self.heard.append(heard)
            for source, sink, into in ((part, router, heard[0]), (router, part, heard[1])):
                threading.Thread(target=self._pass, args=(source, sink, into), daemon=True).start()

    @staticmethod
    def _pass(source, sink, into):
        try:
            while data := source.recv(65536):
                into.extend(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, connections, seconds=30):
        end = time.time() + seconds
        while len(self.heard) < connections:
            assert time.time() < end, len(self.heard)
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.close()

    def assert_secret(self, connections):
        """In clear there is no more than what asks for TLS, on each connection that got as far."""
        secured = [heard for heard in self.heard if b'<proceed' in heard[1]]
        assert len(secured) >= connections, self.heard
        for sent, received in secured:
            clear, _, rest = bytes(sent).partition(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            assert rest[:1] == b'\x16' and b'<auth' not in clear and b'<bind' not in clear, sent[:400]
            clear, _, rest = bytes(received).partition(b'<proceed')
            assert b'<success' not in clear and b'<challenge' not in clear, received[:400]
            assert rest.split(b'>', 1)[1][:1] == b'\x16', received[:400]
            for part in (sent, received):
                assert SECRET.encode() not in part and b'<route' not in part

    def assert_nobody_logged_in(self):
        for sent, received in self.heard:
            assert b'<auth' not in sent and b'<response' not in sent and b'<success' not in received, (sent, received)


# -- people


def _register(port, *names, seconds=20):
    end = time.time() + seconds
    for name in names:
        while True:
            try:
                client = Raw(port).open()
                client.features()
                client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>"
                            f'<password>{PASSWORD}</password></query></iq>')
                assert client.expect('iq', id='r').get('type') == 'result'
                client.close()
                break
            except (AssertionError, OSError):
                assert time.time() < end, f'{name} cannot register'
                time.sleep(0.2)


def _chat(port, names=('romeo', 'juliet')):
    one, other = (Raw(port).login(name, PASSWORD) for name in names)
    for sender, receiver in ((one, other), (other, one)):
        sender.send(f"<message to='{receiver.jid}' type='chat'><body>{SECRET}</body></message>")
        assert body(receiver.expect('message')) == SECRET
    one.close()
    other.close()


def _lines(deployment, part, *words):
    return [line for line in deployment.processes[part].text().splitlines() if all(word in line for word in words)]


class Secure(Deployment):
    """Our parts reach their router through a listener."""

    def __init__(self, tls, ca=None, **options):
        super().__init__(registration='open', connect='@', router=f'tls = "{tls}"' + (f'\nca = "{ca}"' if ca else ''), **options)
        self.listener = Listener(self.router_port)
        with open(self.config, encoding='utf-8') as file:
            text = file.read().replace('"@"', f'"127.0.0.1:{self.listener.port}"')
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(text)

    def stop(self):
        self.listener.server.close()
        super().stop()


# -- our parts alone


def our_parts_meet_under_tls_and_nothing_is_typed():
    """Parts that are there before the router has made its certificate find it all the same."""
    with Secure('required') as deployment:
        deployment.start('c2s', 'sm', ready=False)
        deployment.start('router')
        for part in ('sm', 'c2s'):
            deployment.processes[part].wait_for('bound at router .* under TLS')
            deployment.processes[part].wait_for('jackdaw: ready in')
        _register(deployment.port, 'romeo', 'juliet')
        _chat(deployment.port)
        assert len(_lines(deployment, 'router', 'logged in from', 'DIGEST-MD5 under TLS')) == 2
        deployment.listener.assert_secret(2)


def a_ca_of_one_s_own_is_believed_for_the_right_address():
    with Secure('required', ca='CA') as deployment:
        ca = Certificate(deployment.dir, 'ca')
        os.makedirs(f'{deployment.dir}/certs')
        Certificate(f'{deployment.dir}/certs', 'router', 'IP:127.0.0.1', ca)
        os.makedirs(f'{deployment.dir}/other')
        Certificate(f'{deployment.dir}/other', 'router', 'IP:127.0.0.2', ca)
        _edit(deployment, 'ca = "CA"', f'ca = "{ca.crt}"')
        deployment.start('router')
        # Others' certificates are another directory's: what is in our own is believed whatever its name.
        parts = os.path.join(deployment.dir, 'parts.toml')
        _copy(deployment.config, parts, (f'{deployment.dir}/certs', f'{deployment.dir}/nothing'))
        deployment.start('sm', 'c2s', config=parts)
        _register(deployment.port, 'romeo', 'juliet')
        _chat(deployment.port)
        deployment.listener.assert_secret(2)
        deployment.processes['router'].stop()
        for kind in ('crt', 'key'):
            os.replace(f'{deployment.dir}/other/router.{kind}', f'{deployment.dir}/certs/router.{kind}')
        deployment.processes['router'].start().wait_for('jackdaw: ready in')
        for part in ('sm', 'c2s'):
            deployment.processes[part].wait_for('its certificate is not for 127.0.0.1: .*router.ca')


def a_router_without_tls_gets_no_login_where_it_is_required():
    with Secure('required') as deployment:
        router = os.path.join(deployment.dir, 'router.toml')
        _copy(deployment.config, router, ('tls = "required"', 'tls = "off"'))
        deployment.start('router', config=router)
        deployment.start('sm', ready=False)
        deployment.processes['sm'].wait_for('offers no TLS, and router.tls is "required"')
        deployment.listener.wait(4)
        assert len(_lines(deployment, 'sm', 'offers no TLS')) == 1
        deployment.listener.assert_nobody_logged_in()


def without_an_offer_starttls_goes_on_in_clear():
    with Secure('starttls') as deployment:
        router = os.path.join(deployment.dir, 'router.toml')
        _copy(deployment.config, router, ('tls = "starttls"', 'tls = "off"'))
        deployment.start('router', config=router)
        deployment.start('sm', 'c2s')
        _register(deployment.port, 'romeo', 'juliet')
        _chat(deployment.port)
        assert not _lines(deployment, 'sm', 'in clear'), 'loopback is no network'


# -- with jabberd2


def parts_of_jabberd2_use_the_tls_of_our_router():
    with Secure('starttls') as deployment:
        pem = Certificate(deployment.dir, 'jabberd2').pem
        deployment.start('router')
        with Jabberd2(deployment.dir, deployment.listener.port, ('sm', 'c2s'), pemfile=pem) as theirs:
            _register(theirs.port, 'romeo', 'juliet')
            _chat(theirs.port)
            assert len(_lines(deployment, 'router', 'logged in from', 'under TLS')) == 2
            deployment.listener.assert_secret(2)


def parts_of_jabberd2_without_a_certificate_stay_in_clear():
    with Secure('starttls') as deployment:
        deployment.start('router')
        with Jabberd2(deployment.dir, deployment.listener.port, ('sm', 'c2s')) as theirs:
            _register(theirs.port, 'romeo', 'juliet')
            _chat(theirs.port)
            assert not _lines(deployment, 'router', 'under TLS')


def our_parts_use_the_tls_of_a_router_of_jabberd2():
    with Secure('required', ca='CA') as deployment:
        certificate = Certificate(deployment.dir, 'theirs')
        _edit(deployment, 'ca = "CA"', f'ca = "{certificate.crt}"')
        with Jabberd2(deployment.dir, deployment.router_port, ('router',), pemfile=certificate.pem):
            deployment.start('sm', 'c2s')
            _register(deployment.port, 'romeo', 'juliet')
            _chat(deployment.port)
            assert _lines(deployment, 'sm', 'bound at router', 'under TLS')
            deployment.listener.assert_secret(2)


def a_certificate_that_we_do_not_know_gets_no_login():
    with Secure('starttls', ca='CA') as deployment:
        certificate, other = Certificate(deployment.dir, 'theirs'), Certificate(deployment.dir, 'other')
        _edit(deployment, 'ca = "CA"', f'ca = "{other.crt}"')
        with Jabberd2(deployment.dir, deployment.router_port, ('router',), pemfile=certificate.pem):
            deployment.start('sm', ready=False)
            deployment.processes['sm'].wait_for('its certificate is not one that we trust .*router.ca')
            deployment.listener.wait(4)
            assert len(_lines(deployment, 'sm', 'certificate')) == 1, deployment.processes['sm'].text()
            deployment.listener.assert_nobody_logged_in()
            # The right file, and it goes on by itself.
            os.replace(certificate.crt, other.crt)
            deployment.processes['sm'].wait_for('jackdaw: ready in')


# -- the file


def what_cannot_be_is_said_by_check_config():
    with Deployment(router='tls = "required"') as deployment:
        deployment.command('check', 'config')
        os.makedirs(f'{deployment.dir}/certs')
        for kind in ('crt', 'key'):
            with open(f'{deployment.dir}/certs/router.{kind}', 'w', encoding='ascii') as file:
                file.write('nothing of the kind\n')
        assert 'certs/router.crt' in deployment.command('check', 'config', code=1).stderr
        assert not os.path.exists(f'{deployment.dir}/data')
        result = subprocess.run([BINARY, 'router', '--config', deployment.config], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1 and 'router.crt' in result.stderr, result
    with Deployment(router='tls = "required"\nca = "/nowhere/ca.pem"') as deployment:
        assert re.search(r'jackdaw\.toml:\d+:\d+: router\.ca: /nowhere', deployment.command('check', 'config', code=1).stderr)
    with Deployment(router='tls = "required"\nca = "/dev/null"') as deployment:
        assert 'router.ca: /dev/null' in deployment.command('check', 'config', code=1).stderr
        result = subprocess.run([BINARY, 'sm', '--config', deployment.config], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and 'router.ca: /dev/null' in result.stderr, result
    with Deployment(router='ca = "/dev/null"') as deployment:
        assert 'router.tls is "off"' in deployment.command('check', 'config', code=1).stderr


def _copy(source, target, *pairs):
    with open(source, encoding='utf-8') as file:
        text = file.read()
    for old, new in pairs:
        assert old in text, (old, text)
        text = text.replace(old, new)
    with open(target, 'w', encoding='utf-8') as file:
        file.write(text)


def _edit(deployment, old, new):
    _copy(deployment.config, deployment.config, (old, new))


if __name__ == '__main__':
    scenarios(our_parts_meet_under_tls_and_nothing_is_typed, a_ca_of_one_s_own_is_believed_for_the_right_address,
              a_router_without_tls_gets_no_login_where_it_is_required, without_an_offer_starttls_goes_on_in_clear,
              parts_of_jabberd2_use_the_tls_of_our_router, parts_of_jabberd2_without_a_certificate_stay_in_clear,
              our_parts_use_the_tls_of_a_router_of_jabberd2, a_certificate_that_we_do_not_know_gets_no_login,
              what_cannot_be_is_said_by_check_config)
