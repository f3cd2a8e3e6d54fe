"""Servers on loopback ports of their own, raw clients, and a runner for scenarios."""
import base64
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree

STREAM = 'http://etherx.jabber.org/streams'
CLIENT = 'jabber:client'
ACCEPT = 'jabber:component:accept'
CONDITIONS = '{urn:ietf:params:xml:ns:xmpp-streams}'
BINARY = os.environ.get('JACKDAW', 'build/jackdaw')


reserved_ports = []


def free_port():
    """Below those that connections get for themselves, and this process's until it ends, listening or not: tests that run
    beside it ask for the same name first. An abstract name goes with its process."""
    while True:
        port = random.randrange(12000, 32000)
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as listener:
            try:
                name.bind(f'\0jackdaw-port-{port}')
                listener.bind(('127.0.0.1', port))
                reserved_ports.append(name)
                return port
            except OSError:
                name.close()


class Process:
    """A part that runs until it is stopped; its log goes to a file."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.command = command
        self.env = dict(os.environ, **(env or {}))
        self.log = tempfile.NamedTemporaryFile(prefix=f'jackdaw-{name}-', suffix='.log', delete=False)
        self.process = None

    def start(self):
        self.log.seek(0, os.SEEK_END)
        self.begin = self.log.tell()
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env=self.env)
        return self

    def text(self):
        with open(self.log.name, errors='replace') as log:
            log.seek(self.begin)
            return log.read()

    def wait_for(self, pattern, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            if re.search(pattern, self.text()):
                return self
            if self.process.poll() is not None:
                raise AssertionError(f'{self.name} ended with {self.process.returncode}:\n{self.text()}')
            time.sleep(0.02)
        raise AssertionError(f'{self.name} did not print {pattern!r}:\n{self.text()}')

    def logged(self, pattern, count, seconds=5):
        """So many lines, and no more: they are written a moment after what they tell of."""
        end = time.time() + seconds
        while len(re.findall(pattern, self.text())) < count and time.time() < end:
            time.sleep(0.02)
        time.sleep(0.1)
        assert len(re.findall(pattern, self.text())) == count, (pattern, self.text())

    def stop(self, number=signal.SIGTERM, seconds=10):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f'{self.name} did not stop within {seconds} s:\n{self.text()}')
        return self.process.returncode if self.process else None

    def kill(self):
        return self.stop(signal.SIGKILL)


class Deployment:
    """
    One configuration file and the processes that read it. connect: where parts look for the router, True for its port and
    False for its socket in data.dir; router, process: more lines of those sections.
    """

    def __init__(self, extra='', workers=2, required=False, registration='closed', domain='localhost', connect=True,
                 router='', router_port=None, process=''):
        self.dir = tempfile.mkdtemp(prefix='jackdaw-test-')
        self.domain = domain
        self.port, self.tls_port, self.router_port = free_port(), free_port(), router_port or free_port()
        self.config = os.path.join(self.dir, 'jackdaw.toml')
        self.processes = {}
        if connect is True:
            connect = f'127.0.0.1:{self.router_port}'
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(f'''
domains = ["{domain}"]
[data]
dir = "{self.dir}/data"
[tls]
certificates = "{self.dir}/certs"
required = {str(required).lower()}
[listen]
client = ["127.0.0.1:{self.port}"]
client_tls = ["127.0.0.1:{self.tls_port}"]
router = ["127.0.0.1:{self.router_port}"]
[router]
connect = "{connect or ''}"
{router}
user = "jabberd"
password = "secret"
[process]
workers = {workers}
{process}
[accounts]
registration = "{registration}"
{extra}
''')

    def start(self, *verbs, ready=True, config=None):
        for verb in verbs or ('run',):
            part = Process(verb, [BINARY, verb, '--config', config or self.config]).start()
            self.processes[verb] = part
            if ready:
                part.wait_for('jackdaw: ready in')
        return self

    def start_second(self, name='second'):
        """Another c2s of the same data.dir, at a port of its own, which is returned."""
        port, other = free_port(), os.path.join(self.dir, f'{name}.toml')
        with open(self.config, encoding='utf-8') as file:
            text = file.read()
        for old, new in ((f'client = ["127.0.0.1:{self.port}"]', f'client = ["127.0.0.1:{port}"]'),
                         (f'client_tls = ["127.0.0.1:{self.tls_port}"]', 'client_tls = []')):
            assert old in text, (old, text)
            text = text.replace(old, new)
        with open(other, 'w', encoding='utf-8') as file:
            file.write(text)
        self.processes[name] = Process(name, [BINARY, 'c2s', '--name', name, '--config', other]).start()
        self.processes[name].wait_for('jackdaw: ready in')
        return port

    def restart(self, verb, kill=False):
        part = self.processes[verb]
        if kill:
            part.kill()
        else:
            assert part.stop() == 0, part.text()
        part.start()
        part.wait_for('jackdaw: ready in')

    def command(self, *words, input=None, code=0, seconds=120):
        result = subprocess.run([BINARY, *words, '--config', self.config], input=input, capture_output=True, text=True,
                                timeout=seconds)
        assert code is None or result.returncode == code, (words, result)
        return result

    def add_user(self, name, password):
        self.command('user', 'add', f'{name}@{self.domain}', '--password-file', '-', input=password + '\n')

    def import_users(self, users):
        path = os.path.join(self.dir, 'users.tsv')
        with open(path, 'w', encoding='utf-8') as file:
            for name, password in users:
                file.write(f'{name}@{self.domain}\t{password}\n')
        return self.command('user', 'import', path, seconds=120 + len(users) // 20)

    def import_keys(self, names, password='secret'):
        """With the same salt for all: in no time, and who logs in as all of them by SCRAM need not hash either."""
        salt, keys = b'one for them all', ''
        for kind in ('sha1', 'sha256'):
            salted = hashlib.pbkdf2_hmac(kind, password.encode(), salt, 4096)
            stored = hashlib.new(kind, hmac.digest(salted, b'Client Key', kind)).digest()
            parts = (base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b'Server Key', kind)))
            keys += '\tSCRAM-SHA-{}$4096:{}${}:{}'.format(kind[3:], *parts)
        path = os.path.join(self.dir, 'keys.tsv')
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{name}@{self.domain}{keys}\n' for name in names)
        return self.command('user', 'import', path)

    def metric(self, name, part=None):
        """A counter of `status --json`."""
        facts = json.loads(self.command('status', '--json').stdout)

        def find(value):
            if isinstance(value, dict):
                for key, inner in value.items():
                    if key == name and isinstance(inner, (int, float)):
                        return inner
                    found = find(inner)
                    if found is not None:
                        return found
            if isinstance(value, list):
                for inner in value:
                    found = find(inner)
                    if found is not None:
                        return found
            return None

        return find(facts)

    def wait_stored(self, count, seconds=15):
        """Until so many messages for who is away are committed."""
        end = time.time() + seconds
        while (self.metric('offline_stored') or 0) < count:
            assert time.time() < end, self.command('status', '--json').stdout
            time.sleep(0.02)

    def stop(self):
        problems = []
        for part in reversed(list(self.processes.values())):
            code = part.stop()
            if code not in (0, None):
                problems.append(f'{part.name} ended with {code}:\n{part.text()[-6000:]}')
            elif 'Sanitizer' in part.text() or 'sandbox: refused' in part.text():
                problems.append(part.text()[-6000:])
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not problems, '\n'.join(problems)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind:
                for part in self.processes.values():
                    print(f'--- log of {part.name}\n{part.text()[-4000:]}', file=sys.stderr)
            self.stop()
        except AssertionError:
            if not kind:
                raise


def romeo_and_juliet(**options):
    """A deployment that runs, with romeo and juliet."""
    deployment = Deployment(**options)
    deployment.start()
    for name in ('romeo', 'juliet'):
        deployment.add_user(name, 'secret')
    return deployment


class Raw:
    """A client that says exactly what a test wants it to."""

    def __init__(self, port, domain='localhost', source=None):
        self.domain = domain
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=15,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reset()

    def reset(self):
        self.parser = ElementTree.XMLPullParser(events=('start', 'end'))
        self.depth = 0
        self.header = None
        self.queue = []
        self.ended = False
        self.closed = False
        self.raw = b''

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def open(self, to=None, sender=None):
        self.reset()
        told = f" from='{sender}'" if sender else ''
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' "
                  f"to='{to or self.domain}'{told} version='1.0'>")
        return self

    def _take(self):
        for event, element in self.parser.read_events():
            if event == 'start':
                self.depth += 1
                if self.depth == 1:
                    self.header = element
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.queue.append(element)
                elif self.depth == 0:
                    self.ended = True

    def receive(self, seconds=15):
        """The next child of the stream; None at the stream's or the connection's end."""
        end = time.time() + seconds
        while not self.queue:
            if self.ended or self.closed:
                return None
            self.socket.settimeout(max(0.01, end - time.time()))
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                data = b''
            if not data:
                self.closed = True
                continue
            self.raw += data
            self.parser.feed(data)
            self._take()
        return self.queue.pop(0)

    def expect(self, name, seconds=15, **attributes):
        """Skips to the next stanza of this name with these attributes."""
        while True:
            element = self.receive(seconds)
            assert element is not None, f'the stream ended while waiting for {name} {attributes}'
            if element.tag.split('}')[1] == name and all(element.get(k) == v for k, v in attributes.items()):
                return element

    def no_message(self):
        """None has come when an iq that was sent now is answered."""
        self.send("<iq type='get' id='none' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        while True:
            element = self.receive()
            assert element is not None and not element.tag.endswith('}message'), ElementTree.tostring(element)
            if element.get('id') == 'none':
                return

    def features(self):
        features = self.receive()
        assert features is not None and features.tag == f'{{{STREAM}}}features', features
        return features

    def login(self, user, password, resource=None, presence=True):
        self.open()
        self.features()
        token = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        answer = self.receive()
        assert answer.tag.endswith('}success'), ElementTree.tostring(answer)
        self.open()
        self.features()
        wanted = f'<resource>{resource}</resource>' if resource else ''
        self.send(f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind></iq>")
        answer = self.expect('iq', id='bind')
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        self.jid = answer[0][0].text
        if presence:
            self.send('<presence/>')
        return self

    def close(self):
        try:
            self.send('</stream:stream>')
        except OSError:
            pass
        self.socket.close()


class External(Raw):
    """A component by hand."""

    def open(self, to='irc.localhost', extra=''):
        self.reset()
        named = f" to='{to}'" if to is not None else ''
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='{ACCEPT}' xmlns:stream='{STREAM}'{named}{extra}>")
        while self.header is None and not self.closed:
            self.raw += self.socket.recv(65536)
            self.parser.feed(self.raw)
            self._take()
        return self

    def proof(self, secret):
        return hashlib.sha1((self.header.get('id') + secret).encode()).hexdigest()

    def enter(self, to='irc.localhost', secret='of irc', case=str.lower):
        self.open(to)
        self.send(f'<handshake>{case(self.proof(secret))}</handshake>')
        answer = self.receive()
        assert answer is not None and answer.tag == f'{{{ACCEPT}}}handshake', (answer, self.raw)
        return self

    def ends_with(self, condition):
        error = self.receive()
        while error is not None and error.tag != f'{{{STREAM}}}error':
            error = self.receive()
        assert error is not None and error.find(CONDITIONS + condition) is not None, (condition, self.raw)
        assert self.receive() is None


def body(element):
    found = element.find(f'{{{CLIENT}}}body')
    return None if found is None else found.text


def mount_as_root():
    """Who is not root mounts in a name space of his own."""
    if os.geteuid():
        os.execvp('unshare', ['unshare', '--map-root-user', '--mount', sys.executable, *sys.argv])


def with_people(*functions, users, parts=('run',), extra=''):
    """Each function with a deployment of its own, in which the parts run, one after another, and the users have accounts."""
    def bound(function):
        def run():
            with Deployment(extra=getattr(function, 'extra', extra),
                            registration=getattr(function, 'registration', 'closed')) as deployment:
                deployment.start(*parts)
                for user in users:
                    deployment.add_user(user, 'secret')
                function(deployment)
        run.__name__ = function.__name__
        return run
    return [bound(function) for function in functions]


def scenarios(*functions):
    """Runs test functions one by one, TAP to stdout; names are their sentences."""
    chosen = [f for f in functions if len(sys.argv) < 2 or f.__name__ in sys.argv[1:]]
    print(f'1..{len(chosen)}', flush=True)
    failed = 0
    for number, function in enumerate(chosen, 1):
        name = function.__name__.replace('_', ' ')
        try:
            function()
            print(f'ok {number} - {name}', flush=True)
        except Exception:  # a scenario may fail in any way; the others still run
            failed += 1
            traceback.print_exc()
            print(f'not ok {number} - {name}', flush=True)
    sys.exit(1 if failed else 0)
