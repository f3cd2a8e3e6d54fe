"""The client's side of SASL over a raw stream."""
import base64
import hashlib
import hmac
import os

SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'


def encode(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def mechanisms(features):
    return [mechanism.text for mechanism in features.iter(f'{{{SASL}}}mechanism')]


def bindings(features):
    return [binding.get('type') for binding in features.iter('{urn:xmpp:sasl-cb:0}channel-binding')]


def answer(client):
    """('challenge', what it says), ('success', what it says) or ('failure', its condition)."""
    element = client.receive()
    assert element is not None, 'the stream ended'
    kind = element.tag.split('}')[1]
    client.answers = getattr(client, 'answers', []) + [element]
    if kind == 'failure':
        return kind, element[0].tag.split('}')[1]
    if len(element):  # XEP-0388
        return kind, base64.b64decode(element.findtext('{urn:xmpp:sasl:2}additional-data') or '')
    return kind, base64.b64decode(element.text or '') if element.text != '=' else b''


def auth(client, mechanism, message=None):
    text = '' if message is None else encode(message) or '='
    client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")
    return answer(client)


def respond(client, message, ns=SASL):
    client.send(f"<response xmlns='{ns}'>{encode(message)}</response>")
    return answer(client)


def plain(client, name, password, authzid=''):
    return auth(client, 'PLAIN', f'{authzid}\0{name}\0{password}')


class Scram:
    """One exchange. header: gs2; binding: what is said behind it; log: everything that the server said first."""

    def __init__(self, mechanism, name, password, header='n,,', binding=b''):
        self.mechanism, self.password, self.header, self.binding = mechanism, password, header, binding
        self.hash = 'sha' + mechanism[len('SCRAM-SHA-'):].removesuffix('-PLUS')
        self.bare = f'n={name},r={encode(os.urandom(12))}'
        self.server_first = None

    def hmac(self, key, text):
        return hmac.digest(key, text, self.hash)

    def begin(self, client):
        kind, said = auth(client, self.mechanism, self.header + self.bare)
        if kind == 'challenge':
            self.server_first = said.decode()
        return kind, said

    def facts(self):
        return dict(part.split('=', 1) for part in self.server_first.split(','))

    def finish_with(self, client, challenge, ns):
        self.server_first = base64.b64decode(challenge.text).decode()
        return self.finish(client, ns)

    def finish(self, client, ns=SASL):
        facts = self.facts()
        assert facts['r'].startswith(self.bare.split('r=')[1]) and 'm' not in facts
        unproven = f"c={encode(self.header.encode() + self.binding)},r={facts['r']}"
        message = f'{self.bare},{self.server_first},{unproven}'.encode()
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(facts['s']), int(facts['i']))
        key = self.hmac(salted, b'Client Key')
        signature = self.hmac(hashlib.new(self.hash, key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        kind, said = respond(client, f'{unproven},p={encode(proof)}', ns)
        if kind in ('success', 'continue'):
            assert said.decode() == 'v=' + encode(self.hmac(self.hmac(salted, b'Server Key'), message)), said
        return kind, said

    def run(self, client):
        kind, said = self.begin(client)
        return self.finish(client) if kind == 'challenge' else (kind, said)


    def is_downgraded(self, features):
        """Whether what the server says that it offered differs from what came, XEP-0474."""
        offered = '\x1e'.join(sorted(mechanisms(features)))
        if bindings(features):
            offered += '\x1f' + '\x1e'.join(sorted(bindings(features)))
        return self.facts()['h'] != encode(hashlib.new(self.hash, offered.encode()).digest())


def bound(client, mechanism, kind, name, password, binding=None):
    """Logs in bound to the channel of client, whose socket is a tls.Tls."""
    data = client.socket.binding(kind) if binding is None else binding
    return Scram(mechanism, name, password, f'p={kind},,', data).run(client)


def bind(client, resource='here'):
    """Behind success: a new stream, a resource."""
    client.open().features()
    client.send(f"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
                '</iq>')
    return client.expect('iq', id='b')[0][0].text
