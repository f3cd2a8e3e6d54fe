"""Some parts ours and the others jabberd2's, and people who use them."""
import base64
import hashlib
import hmac
import itertools
import re
import signal
import sqlite3
import time
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, Deployment, Raw, body
from jabberd2 import Jabberd2

SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
BIND = 'urn:ietf:params:xml:ns:xmpp-bind'
PASSWORD = 'secret'


class Mix:
    """Some parts ours, the others jabberd2's; whoever is the router starts first."""

    def __init__(self, ours, theirs, **options):
        self.ours, self.names = ours, (*ours, *theirs)
        self.deployment = Deployment(registration='open')
        self.theirs = Jabberd2(self.deployment.dir, self.deployment.router_port, theirs, **options)
        self.port = self.deployment.port if 'c2s' in ours else self.theirs.port

    def __enter__(self):
        self.deployment.__enter__()
        try:
            if 'router' in self.ours:
                self.deployment.start('router')
            self.theirs.start()
            for part in self.ours:
                if part != 'router':
                    self.deployment.start(part, ready=part == self.ours[-1])
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind:
                print(f'# the mix of our {", ".join(self.ours)}')
            self.theirs.__exit__(kind, value, trace)
        finally:
            self.deployment.__exit__(kind, value, trace)

    def side(self, part):
        return self.deployment if part in self.ours else self.theirs

    def restart(self, part, kill):
        self.side(part).restart(part, kill)

    def stop(self, part, kill=False):
        if part in self.ours:
            self.deployment.processes[part].stop(signal.SIGKILL if kill else signal.SIGTERM)
        else:
            self.theirs.stop(part, kill)

    def start(self, part):
        if part in self.ours:
            self.deployment.processes[part].start().wait_for('jackdaw: ready in')
        else:
            self.theirs.start(part)

    def mechanisms(self):
        return ('PLAIN', 'SCRAM-SHA-1') if 'c2s' in self.ours else ('PLAIN', 'DIGEST-MD5', 'SCRAM-SHA-1')

    def accounts(self, statement, *values):
        """At the accounts that jabberd2's c2s keeps."""
        with sqlite3.connect(f'{self.theirs.dir}/sm.db', timeout=20) as database:
            return database.execute(statement, values).fetchall()


class Person(Raw):
    """A client that keeps what it was not waiting for yet. bind=False: it only opened its stream."""

    def __init__(self, mix, name, resource=None, mechanism='PLAIN', priority=0, password=PASSWORD, bind=True):
        super().__init__(mix.port)
        self.name, self.password, self.kept = name, password, []
        self.open()
        self.features()
        if not bind:
            return
        self.log_in(mechanism)
        self.jid = self.bound(self.bind(resource))
        self.send(f'<presence><priority>{priority}</priority></presence>')
        self.ping()

    def log_in(self, mechanism='PLAIN'):
        getattr(self, '_' + mechanism.replace('-', '_').lower())()
        self.open()
        self.offered = self.features()

    # -- logging in

    def _auth(self, mechanism, text):
        value = base64.b64encode(text.encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{value}</auth>")
        return self._answer()

    def _respond(self, text):
        value = base64.b64encode(text.encode()).decode()
        self.send(f"<response xmlns='{SASL}'>{value}</response>")
        return self._answer()

    def _answer(self):
        answer = self.receive()
        assert answer is not None and not answer.tag.endswith('}failure'), answer and ElementTree.tostring(answer)
        return answer.tag.split('}')[1], base64.b64decode(answer.text or '').decode()

    def _plain(self):
        assert self._auth('PLAIN', f'\0{self.name}\0{self.password}')[0] == 'success'

    def _digest_md5(self):
        kind, challenge = self._auth('DIGEST-MD5', '')
        assert kind == 'challenge'
        asked = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        realm, nonce, uri = asked.get('realm', 'localhost'), asked['nonce'], 'xmpp/localhost'

        def md5(value):
            return hashlib.md5(value if isinstance(value, bytes) else value.encode())

        secret = md5(f'{self.name}:{realm}:{self.password}').digest() + f':{nonce}:cnonce'.encode()
        response = md5(f"{md5(secret).hexdigest()}:{nonce}:00000001:cnonce:auth:{md5('AUTHENTICATE:' + uri).hexdigest()}")
        kind, _ = self._respond(f'username="{self.name}",realm="{realm}",nonce="{nonce}",cnonce="cnonce",nc=00000001,'
                                f'qop=auth,digest-uri="{uri}",response={response.hexdigest()},charset=utf-8')
        if kind == 'challenge':
            kind, _ = self._respond('')
        assert kind == 'success'

    def _scram_sha_1(self):
        first = f'n={self.name},r=fyko'
        kind, server = self._auth('SCRAM-SHA-1', 'n,,' + first)
        assert kind == 'challenge'
        asked = dict(part.split('=', 1) for part in server.split(','))
        salted = hashlib.pbkdf2_hmac('sha1', self.password.encode(), base64.b64decode(asked['s']), int(asked['i']))
        last = f"c=biws,r={asked['r']}"
        key = hmac.digest(salted, b'Client Key', 'sha1')
        signature = hmac.digest(hashlib.sha1(key).digest(), f'{first},{server},{last}'.encode(), 'sha1')
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        kind, _ = self._respond(f'{last},p={proof}')
        if kind == 'challenge':
            kind, _ = self._respond('')
        assert kind == 'success'

    def bind(self, resource=None, id='bind'):
        wanted = f'<resource>{resource}</resource>' if resource else ''
        self.send(f"<iq type='set' id='{id}'><bind xmlns='{BIND}'>{wanted}</bind></iq>")
        return self.want('iq', id=id)

    @staticmethod
    def bound(answer):
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        return answer.find(f'.//{{{BIND}}}jid').text

    def unbind(self, resource, id='unbind'):
        self.send(f"<iq type='set' id='{id}'><unbind xmlns='{BIND}'><resource>{resource}</resource></unbind></iq>")
        return self.want('iq', id=id)

    # -- stanzas

    def want(self, name, seconds=15, text=None, **attributes):
        """The first stanza of this name with these attributes and this body that came, or comes."""
        def fits(element):
            return element.tag == f'{{{CLIENT}}}{name}' and (text is None or body(element) == text) and \
                all(element.get(key) == value for key, value in attributes.items())

        for element in self.kept:
            if fits(element):
                self.kept.remove(element)
                return element
        end = time.time() + seconds
        while True:
            element = self.receive(max(0.01, end - time.time()))
            assert element is not None, f'the stream of {self.name} ended while waiting for {name} {attributes}\n{self.raw}'
            if fits(element):
                return element
            self.kept.append(element)

    def ask(self, payload, id='ask', to='', type='set'):
        self.send(f"<iq type='{type}' id='{id}'{to}>{payload}</iq>")
        return self.want('iq', id=id)

    def ping(self):
        assert self.ask("<ping xmlns='urn:xmpp:ping'/>", 'ping', " to='localhost'", 'get').get('type') == 'result'

    def message(self, to, text, id='m', type='chat'):
        self.send(f"<message to='{to}' type='{type}' id='{id}'><body>{text}</body></message>")

    def ends(self, seconds=15):
        """Waits for the end of its stream; returns the condition of its stream error, if any."""
        condition, end = None, time.time() + seconds
        while True:
            element = self.receive(max(0.01, end - time.time()))
            if element is None:
                self.socket.close()
                return condition
            if element.tag.endswith('}error') and len(element):
                condition = element[0].tag.split('}')[1]


def ask_for_account(client, name):
    client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>"
                f'<password>{PASSWORD}</password></query></iq>')
    return client.expect('iq', id='r')


def register(mix, *names):
    for name in names:
        client = Raw(mix.port).open()
        client.features()
        answer = ask_for_account(client, name)
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        client.close()


def refused(mix, name, password):
    """Whether a login is."""
    try:
        Person(mix, name, password=password)
    except AssertionError:
        return True
    return False


def befriend(one, other):
    """Each asks the other; both are on afterwards and see it."""
    bare = one.jid.split('/')[0], other.jid.split('/')[0]
    one.send(f"<presence type='subscribe' to='{bare[1]}'/>")
    other.want('presence', type='subscribe', **{'from': bare[0]})
    other.send(f"<presence type='subscribed' to='{bare[0]}'/><presence type='subscribe' to='{bare[0]}'/>")
    one.want('presence', type='subscribe', **{'from': bare[1]})
    one.send(f"<presence type='subscribed' to='{bare[1]}'/>")
    one.want('presence', type=None, **{'from': other.jid})
    other.want('presence', type=None, **{'from': one.jid})


def come_back(mix, *names):
    """Logs in again as soon as that is possible; each sees the others."""
    people, end = [], time.time() + 15
    while len(people) < len(names):
        try:
            people.append(Person(mix, names[len(people)], 'again'))
        except (AssertionError, OSError):
            assert time.time() < end, f'{names} could not log in again'
            time.sleep(0.1)
    for person in people:
        for other in people:
            if other is not person:
                person.want('presence', type=None, **{'from': other.jid})
    return people


TALKS = itertools.count()


def talk(one, other):
    """
    Each way, to the address of the resource and of the account. No text comes twice: what a client without stream management
    got in the moment when its c2s was killed may be given to it once more.
    """
    for sender, receiver in ((one, other), (other, one)):
        for to in (receiver.jid, receiver.jid.split('/')[0]):
            text = f'to {to}, {next(TALKS)}'
            sender.message(to, text)
            assert receiver.want('message', text=text, type='chat').get('from') == sender.jid


def leave(person, contact):
    """
    And wait until all is told. jabberd2's c2s gives the number of the descriptor to the next client at once, whom the end of
    this session would hit: its answer goes to nobody, bounces, and closes the newcomer.
    """
    person.close()
    contact.want('presence', type='unavailable', **{'from': person.jid})
    contact.ping()


def outlives(person, seconds=15):
    """
    Whether its stream outlived it: what it says to itself is heard again, soon; else the stream ends. What only comes back,
    with an error, is not heard.
    """
    end = time.time() + seconds
    while True:
        try:
            person.message(person.jid, f'still {end}')
            person.want('message', 0.3, text=f'still {end}', type='chat')
            return True
        except TimeoutError:
            assert time.time() < end, f'{person.name} hears nothing, and its stream does not end'
        except (AssertionError, OSError):
            person.socket.close()
            return False
