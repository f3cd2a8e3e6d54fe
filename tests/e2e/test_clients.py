#!/usr/bin/python3
"""
Clients of others log in by STARTTLS and direct TLS, 1.2 and 1.3, believing a CA of the test alone; they send a message and get one.
Which mechanism each used is what the server's log says; it is printed, and is not to become another unnoticed.
"""
import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Deployment, body, scenarios
from scram import bind, plain
from terminal import Terminal
from tls import Certificate, secure

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVERS = os.path.join(HERE, 'clients')
PACKAGES = os.path.join(HERE, '..', '..', 'build-clients')  # by tools/deps
PASSWORD, PEER = 'secret', 'juliet@localhost'
SCRAMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1']


class Way:
    """One login of a client, with an account and a home of its own. version: the highest of TLS that its library may speak."""

    def __init__(self, client, deployment, ca, tls='starttls', version='1.3'):
        self.tls, self.version, self.ca, self.deployment = tls, version, ca.crt, deployment
        self.user = re.sub('[^a-z]+', '-', client.name).strip('-') + f'-{tls}-{version}'
        self.address = f'{self.user}@localhost'
        self.port = deployment.tls_port if tls == 'direct' else deployment.port
        self.home = tempfile.mkdtemp(prefix=f'{self.user}-', dir=deployment.dir)
        self.hello, self.answer = f'hello from {self.user}', f'answer to {self.user}'
        self.terminal = None

    def file(self, path, text):
        path = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def environment(self):
        """What tells OpenSSL, GnuTLS, Go and node whom to believe and which TLS to speak."""
        openssl = self.file('openssl.cnf', 'openssl_conf=o\n[o]\nssl_conf=s\n[s]\nsystem_default=d\n[d]\n'
                                           f'MaxProtocol=TLSv{self.version}\n')
        gnutls = self.file('gnutls.conf', '[overrides]\n' + ('disabled-version = tls1.3\n' if self.version == '1.2' else ''))
        return {
            'HOME': self.home, 'XDG_CONFIG_HOME': f'{self.home}/config', 'XDG_DATA_HOME': f'{self.home}/data',
            'PATH': os.environ['PATH'], 'TERM': 'xterm', 'LANG': 'C.UTF-8', 'GIO_USE_PROXY_RESOLVER': 'dummy',
            'SSL_CERT_FILE': self.ca, 'SSL_CERT_DIR': f'{self.home}/none', 'OPENSSL_CONF': openssl,
            'GNUTLS_SYSTEM_PRIORITY_FILE': gnutls,
            'NODE_EXTRA_CA_CERTS': self.ca, 'NODE_OPTIONS': f'--tls-max-v{self.version}', 'PACKAGES': PACKAGES,
        }

    def run(self, *command, transcript=None):
        self.terminal = Terminal(command, self.environment(), transcript)

    def drive(self, *command):
        """One of the programs in clients/, which take all the same words."""
        self.run(*command, self.address, PASSWORD, str(self.port), self.tls, self.ca, PEER, self.hello)

    def login(self):
        """Mechanism, TLS, and binding or None."""
        pattern = rf'login {re.escape(self.address)} by SASL/([\w-]+).*?(TLSv[\d.]+)(?:.*?(tls-[a-z-]+))?'
        return re.search(pattern, self.deployment.processes['run'].wait_for(pattern).text()).groups()


class Client:
    """A client that is run, ends by itself when it has got a message, and needs nobody at the keyboard. used: by TLS version."""

    tried = ()  # mechanisms that it tries in vain
    stays = False
    refusal = 'not logged in'  # what it shows when it does not believe the certificate

    def __init__(self, name, used, start=None, **facts):
        self.name, self.used, self.start = name, used, start or self.start
        vars(self).update(facts)

    def start(self, way):
        raise NotImplementedError

    def say(self, way):
        """The hello, when logged in."""

    def hear(self, way, peer):
        """What the peer answers."""
        peer.send(f"<message to='{way.address}' type='chat'><body>{way.answer}</body></message>")
        way.terminal.wait_for(way.answer)


class GoSendxmpp(Client):
    """Sends and ends; is run again to listen."""

    stays = True
    refusal = 'certificate signed by unknown authority'

    def start(self, way):
        self._run(way, '--message', way.file('hello', way.hello), PEER)

    def hear(self, way, peer):
        assert way.terminal.process.wait(60) == 0
        way.terminal.end()
        self._run(way, '--listen', PEER)
        super().hear(way, peer)

    def _run(self, way, *words):
        way.run('go-sendxmpp', '--username', way.address, '--password', PASSWORD, '--jserver', f'localhost:{way.port}',
                *(['--tls'] if way.tls == 'direct' else []), *words)


class Mcabber(Client):
    stays = True
    refusal = '(?i)certificate'

    def start(self, way):
        os.mkdir(f'{way.home}/log', 0o700)
        config = way.file('mcabberrc', f'''
set jid = {way.address}
set password = {PASSWORD}
set server = localhost
set port = {way.port}
set tls = {int(way.tls == 'starttls')}
set ssl = {int(way.tls == 'direct')}
set ssl_ca = {way.ca}
set logging = 1
set logging_dir = {way.home}/log/
set hook-post-connect = say_to {PEER} {way.hello}
''')
        way.run('mcabber', '-f', config, transcript=f'{way.home}/log/{PEER}')


class Profanity(Client):
    stays = True
    refusal = '(?i)certificate'

    def start(self, way):
        way.file('data/profanity/accounts', f'''
[{way.address}]
enabled=true
jid={way.address}
server=localhost
port={way.port}
tls.policy={'legacy' if way.tls == 'direct' else 'force'}
password={PASSWORD}
''')
        way.run('profanity', '--account', way.address)

    def say(self, way):
        way.terminal.wait_for('logged in successfully')
        way.terminal.type(f'/msg {PEER} {way.hello}\r')


scratch = tempfile.TemporaryDirectory(prefix='jackdaw-clients-')


@functools.cache
def _certificates():
    """The server's folder of them; the CA that it is of, and another. By RSA: of other signatures aiosasl knows no hash."""
    folder = os.path.join(scratch.name, 'certs')
    os.mkdir(folder)
    ca, other = (Certificate(scratch.name, name) for name in ('CA of the test', 'CA of others'))
    Certificate(folder, 'localhost', names='DNS:localhost', ca=ca)
    return folder, ca, other


@functools.cache
def _strophe():
    path = os.path.join(scratch.name, 'strophe')
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'libstrophe'], capture_output=True, text=True, check=True)
    subprocess.run(['cc', '-Wall', '-o', path, f'{DRIVERS}/strophe_client.c', *flags.stdout.split()], check=True)
    return path


def _python(name, *words):
    return lambda way: way.drive(sys.executable, f'{DRIVERS}/{name}', *words)


def _always(mechanism, binding=None):
    return {'1.2': (mechanism, binding), '1.3': (mechanism, binding)}


CLIENTS = [
    # It knows tls-unique alone, takes it for one of TLS 1.3 too, and then denies to have been offered a binding.
    Client('slixmpp', {'1.2': ('SCRAM-SHA-512-PLUS', 'tls-unique'), '1.3': ('PLAIN', None)},
           _python('slixmpp_client.py'), tried=[f'{name}{plus}' for plus in ('-PLUS', '') for name in SCRAMS]),
    Client('aioxmpp', _always('SCRAM-SHA-256'), _python('aioxmpp_client.py', 'unbound'), refusal='certificate verify failed'),
    Client('aioxmpp with SCRAMPLUS', _always('SCRAM-SHA-256-PLUS', 'tls-server-end-point'), _python('aioxmpp_client.py', 'bound'),
           refusal='certificate verify failed'),
    Client('libstrophe', _always('SCRAM-SHA-512'), lambda way: way.drive(_strophe())),
    Mcabber('mcabber', _always('PLAIN')),
    # Its Go has no way to be told that 1.3 is too high.
    GoSendxmpp('go-sendxmpp', {'1.3': ('PLAIN', None)}),
    Profanity('profanity', _always('SCRAM-SHA-512')),
    Client('nbxmpp', _always('SCRAM-SHA-512'), _python('nbxmpp_client.py')),
    Client('@xmpp/client', _always('SCRAM-SHA-1'), lambda way: way.drive('node', f'{DRIVERS}/xmppjs_client.mjs')),
]


@contextlib.contextmanager
def _served(clients, versions=('1.2', '1.3'), believed=True):
    """A server, the stream of juliet, and pairs of a client and one of its ways. On trouble stderr has what the clients showed."""
    names = '", "'.join([*SCRAMS, 'PLAIN'])
    with Deployment(extra=f'mechanisms = ["{names}"]', required=True) as deployment:
        folder, ca, other = _certificates()
        shutil.copytree(folder, f'{deployment.dir}/certs')
        pairs = [(client, Way(client, deployment, ca if believed else other, tls, version))
                 for client in clients for version in versions if version in client.used for tls in ('starttls', 'direct')]
        deployment.import_users([(way.user, PASSWORD) for _, way in pairs] + [('juliet', PASSWORD)])
        deployment.start()
        juliet = secure(deployment)
        juliet.features()
        assert plain(juliet, 'juliet', PASSWORD)[0] == 'success'
        bind(juliet)
        juliet.send('<presence/>')
        try:
            yield deployment, juliet, pairs
        except Exception:
            for _, way in pairs:
                print(f'--- {way.user}\n{way.terminal and way.terminal.text()[-3000:]}', file=sys.stderr)
            raise
        finally:
            for _, way in pairs:
                if way.terminal:
                    way.terminal.end()
        juliet.close()


def _check_used(deployment, client, ways):
    tried = re.findall(r'login refused.*? by SASL/([\w-]+)', deployment.processes['run'].text())
    for way in ways:
        mechanism, version, binding = way.login()
        print(f'# {client.name}, {way.tls}, {version}: {mechanism}, {binding or "not bound"}')
        assert version == f'TLSv{way.version}' and (mechanism, binding) == client.used[way.version], way.user
    assert set(tried) == set(client.tried), tried
    if tried:
        print(f'# {client.name} tried in vain: {", ".join(client.tried)}')


def _logs_in(client):
    def scenario():
        with _served([client]) as (deployment, juliet, pairs):
            ways = [way for _, way in pairs]
            for way in ways:
                client.start(way)
            for way in ways:
                client.say(way)
            messages = [juliet.expect('message', 60) for _ in ways]
            said = {message.get('from').split('/')[0]: body(message) for message in messages}
            assert said == {way.address: way.hello for way in ways}, said
            for way in ways:
                client.hear(way, juliet)
                status = 0 if client.stays else way.terminal.process.wait(60)
                assert status == 0, f"{way.user}: {status}"
            _check_used(deployment, client, ways)
    scenario.__name__ = f'{client.name} logs in'.replace(' ', '_')
    return scenario


def nobody_logs_in_who_does_not_believe_the_certificate():
    with _served(CLIENTS, versions=['1.3'], believed=False) as (deployment, juliet, pairs):
        for client, way in pairs:
            client.start(way)
        for client, way in pairs:
            way.terminal.wait_for(client.refusal)
        juliet.no_message()
        assert len(re.findall(' by SASL/', deployment.processes['run'].text())) == 1, 'juliet alone'


if __name__ == '__main__':
    scenarios(*map(_logs_in, CLIENTS), nobody_logs_in_who_does_not_believe_the_certificate)
