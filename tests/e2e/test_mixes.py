#!/usr/bin/python3
"""Our parts among jabberd2's: our sm, our router, and all but the router; cold, and while a side goes and comes back."""
import base64
import hashlib
import hmac
import re
import sqlite3
import time
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, Deployment, Raw, body, scenarios
from jabberd2 import Jabberd2

SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
BIND = 'urn:ietf:params:xml:ns:xmpp-bind'
DELAY = '{urn:xmpp:delay}delay'
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

    def restart(self, part, kill):
        (self.deployment if part in self.ours else self.theirs).restart(part, kill)


class Person(Raw):
    """A client that keeps what it was not waiting for yet."""

    def __init__(self, mix, name, resource=None, mechanism='PLAIN', priority=0):
        super().__init__(mix.port)
        self.name, self.kept = name, []
        self.open()
        self.features()
        getattr(self, '_' + mechanism.replace('-', '_').lower())()
        self.open()
        self.features()
        answer = self.bind(resource)
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        self.jid = answer.find(f'.//{{{BIND}}}jid').text
        self.send(f'<presence><priority>{priority}</priority></presence>')
        self.ping()

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
        assert self._auth('PLAIN', f'\0{self.name}\0{PASSWORD}')[0] == 'success'

    def _digest_md5(self):
        kind, challenge = self._auth('DIGEST-MD5', '')
        assert kind == 'challenge'
        asked = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        realm, nonce, uri = asked.get('realm', 'localhost'), asked['nonce'], 'xmpp/localhost'

        def md5(value):
            return hashlib.md5(value if isinstance(value, bytes) else value.encode())

        secret = md5(f'{self.name}:{realm}:{PASSWORD}').digest() + f':{nonce}:cnonce'.encode()
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
        salted = hashlib.pbkdf2_hmac('sha1', PASSWORD.encode(), base64.b64decode(asked['s']), int(asked['i']))
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


def register(mix, *names):
    for name in names:
        client = Raw(mix.port).open()
        client.features()
        client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>"
                    f'<password>{PASSWORD}</password></query></iq>')
        answer = client.expect('iq', id='r')
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        client.close()


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


def talk(one, other):
    """Each way, to the address of the resource and of the account."""
    for sender, receiver in ((one, other), (other, one)):
        for to in (receiver.jid, receiver.jid.split('/')[0]):
            sender.message(to, f'to {to}')
            assert receiver.want('message', text=f'to {to}', type='chat').get('from') == sender.jid


# -- what one and the same mix has to do


def contacts(mix):
    register(mix, 'alice', 'bob')
    alice, bob = Person(mix, 'alice', 'home', 'SCRAM-SHA-1'), Person(mix, 'bob', 'desk')
    befriend(alice, bob)
    talk(alice, bob)
    roster = alice.ask("<query xmlns='jabber:iq:roster'/>", type='get')
    assert [item.get('jid') for item in roster[0]] == ['bob@localhost'] and roster[0][0].get('subscription') == 'both'
    return alice, bob


def two_resources(mix, alice, bob):
    """Of one account on two streams: each sees the other, the contact both; the higher priority gets the messages."""
    phone = Person(mix, 'alice', 'phone', priority=5)
    for person in (alice, bob):
        person.want('presence', type=None, **{'from': phone.jid})
    phone.want('presence', type=None, **{'from': alice.jid})
    bob.message('alice@localhost', 'to the phone')
    phone.want('message', text='to the phone')
    phone.close()
    for person in (alice, bob):
        person.want('presence', type='unavailable', **{'from': phone.jid})


def conflict(mix, alice, bob):
    newcomer = Person(mix, 'alice', alice.jid.split('/')[1])
    assert alice.ends() == 'conflict'
    bob.want('presence', type='unavailable', **{'from': newcomer.jid})
    bob.want('presence', type=None, **{'from': newcomer.jid})
    talk(newcomer, bob)
    return newcomer


def offline(mix, alice, bob):
    """What comes while bob is away waits for him, with the time at which it was sent; his contact saw him go."""
    bob.close()
    alice.want('presence', type='unavailable', **{'from': bob.jid})
    for number in range(3):
        alice.message('bob@localhost', f'later {number}')
    alice.ping()
    if 'sm' in mix.ours:
        mix.deployment.wait_stored(3)
    bob = Person(mix, 'bob', 'desk')
    for number in range(3):
        message = bob.want('message', text=f'later {number}')
        assert message.get('from') == alice.jid and message.find(DELAY) is not None, ElementTree.tostring(message)
    alice.want('presence', type=None, **{'from': bob.jid})
    return bob


def unknown(mix, alice):
    """Nobody of that name, and a domain that nobody serves: an error, not silence."""
    for to in ('nobody@localhost', 'someone@elsewhere.invalid'):
        alice.message(to, 'are you there', id=to)
        assert alice.want('message', id=to, type='error') is not None


def removal(mix, alice, bob):
    """The account goes, its sessions end, its name can be had again and has nothing of before."""
    bob.send("<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>")
    assert bob.want('iq', id='gone').get('type') == 'result'
    bob.ends()
    alice.want('presence', type='unavailable', **{'from': bob.jid})
    try:
        Person(mix, 'bob')
    except AssertionError:
        pass
    else:
        raise AssertionError('a removed account still logs in')
    register(mix, 'bob')
    bob = Person(mix, 'bob', 'new')
    assert len(bob.ask("<query xmlns='jabber:iq:roster'/>", type='get')[0]) == 0
    bob.close()


def life(mix):
    """All of it, cold."""
    alice, bob = contacts(mix)
    two_resources(mix, alice, bob)
    alice = conflict(mix, alice, bob)
    bob = offline(mix, alice, bob)
    unknown(mix, alice)
    removal(mix, alice, bob)
    alice.close()


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


def went_through(mix, part, kill, alice, bob, kept):
    """The two, on again when their streams ended; kept: they must not."""
    for person in (alice, bob):
        person.kept.clear()
    mix.restart(part, kill)
    outlived = [outlives(person) for person in (alice, bob)]
    assert outlived == [kept, kept], f'{part} {"killed" if kill else "terminated"}: {outlived}'
    if kept:
        for person in (alice, bob):
            assert not any(element.get('type') == 'unavailable' for element in person.kept), (part, kill, person.raw)
    else:
        alice, bob = come_back(mix, 'alice', 'bob')
    talk(alice, bob)
    return alice, bob


def restarts(mix, kept):
    """Each part, killed and terminated, while two contacts are on; kept: (part, kill) that no stream ends with."""
    alice, bob = contacts(mix)
    for part in mix.names:
        for kill in (True, False):
            alice, bob = went_through(mix, part, kill, alice, bob, (part, kill) in kept)
    alice = conflict(mix, alice, bob)
    bob = offline(mix, alice, bob)
    removal(mix, alice, bob)


# -- the mixes


def our_sm():
    return Mix(('sm',), ('router', 'c2s'))


def our_router():
    return Mix(('router',), ('sm', 'c2s', 's2s'))


def our_c2s_and_sm():
    return Mix(('sm', 'c2s'), ('router',))


def our_sm_serves_the_clients_of_jabberd2():
    with our_sm() as mix:
        life(mix)


def our_router_joins_all_other_parts_of_jabberd2():
    with our_router() as mix:
        life(mix)


def our_c2s_and_sm_meet_at_the_router_of_jabberd2():
    with our_c2s_and_sm() as mix:
        life(mix)


def our_sm_beside_jabberd2_outlives_restarts():
    with our_sm() as mix:
        restarts(mix, {('router', True)})


def our_router_under_jabberd2_outlives_restarts():
    with our_router() as mix:
        restarts(mix, {(part, kill) for part in ('router', 's2s') for kill in (True, False)})


def our_c2s_and_sm_at_the_router_of_jabberd2_outlive_restarts():
    with our_c2s_and_sm() as mix:
        restarts(mix, {('router', True)})


if __name__ == '__main__':
    scenarios(our_sm_serves_the_clients_of_jabberd2,
              our_router_joins_all_other_parts_of_jabberd2,
              our_c2s_and_sm_meet_at_the_router_of_jabberd2,
              our_sm_beside_jabberd2_outlives_restarts,
              our_router_under_jabberd2_outlives_restarts,
              our_c2s_and_sm_at_the_router_of_jabberd2_outlive_restarts)
