"""A client that counts stanzas, XEP-0198, and keeps what it sent until it is acknowledged."""
import base64
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, Raw

SM = 'urn:xmpp:sm:3'


class Counting(Raw):
    """
    Its out-queue and its counts are as the specification has them; what is received is acknowledged when the server asks,
    unless it is told to be silent.
    """

    def __init__(self, port, user, password='secret', resource=None, **options):
        super().__init__(port, **options)
        self.user, self.password, self.resource = user, password, resource
        self.queue_out, self.acked, self.handled, self.key = [], 0, 0, None
        self.silent, self.heard, self.answers = False, [], []

    # -- streams

    def authenticate(self):
        self.open()
        self.features()
        token = base64.b64encode(f'\0{self.user}\0{self.password}'.encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        answer = self.receive()
        assert answer is not None and answer.tag.endswith('}success'), answer
        self.open()
        self.offered = self.features()
        return self

    def bind(self):
        wanted = f'<resource>{self.resource}</resource>' if self.resource else ''
        self.send(f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind></iq>")
        answer = self.expect('iq', id='bind')
        assert answer.get('type') == 'result', ElementTree.tostring(answer)
        self.jid = answer[0][0].text
        return self

    def enable(self, extra=" resume='true'"):
        self.send(f"<enable xmlns='{SM}'{extra}/>")
        answer = self.element()
        assert answer.tag == f'{{{SM}}}enabled', ElementTree.tostring(answer)
        self.key, self.enabled = answer.get('id'), answer
        return self

    def begin(self, presence=True, **options):
        self.authenticate().bind().enable(**options)
        if presence:
            self.say('<presence/>')
        return self

    def drop(self):
        """The connection is gone, without a word."""
        self.socket.close()
        return self

    def reconnect(self, port=None):
        old = self.socket.getpeername() if port is None and self.socket.fileno() >= 0 else None
        super().__init__(port or (old[1] if old else self.port))

    # -- elements

    def element(self, seconds=15):
        """The next child of the stream of any kind, counted if it is a stanza."""
        element = self.receive(seconds)
        if element is None:
            return None
        name = element.tag.split('}')[1]
        if element.tag.startswith(f'{{{CLIENT}}}'):
            self.handled += 1
            self.heard.append(element)
        elif element.tag == f'{{{SM}}}a':
            self.take(int(element.get('h')))
            self.answers.append(int(element.get('h')))
        elif element.tag == f'{{{SM}}}r' and not self.silent:
            self.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
        return element

    def take(self, h):
        count = (h - self.acked) % 2 ** 32
        assert count <= len(self.queue_out), (h, self.acked, len(self.queue_out))
        del self.queue_out[:count]
        self.acked = h

    def say(self, stanza):
        self.queue_out.append(stanza)
        self.send(stanza)

    def message(self, to, text, id='m'):
        self.say(f"<message to='{to}' type='chat' id='{id}'><body>{text}</body></message>")

    def ask(self):
        self.send(f"<r xmlns='{SM}'/>")
        return self

    def wait(self, wanted, seconds=15):
        """The next element for which wanted(element) is true; what comes before it is handled."""
        while True:
            element = self.element(seconds)
            assert element is not None, f'the stream of {self.user} ended: {self.raw[-500:]}'
            if wanted(element):
                return element

    def wait_acknowledged(self, seconds=15):
        self.ask()
        while self.queue_out:
            self.wait(lambda element: element.tag == f'{{{SM}}}a', seconds)

    def wait_message(self, text, seconds=15):
        return self.wait(lambda element: element.findtext(f'{{{CLIENT}}}body') == text, seconds)

    def bodies(self):
        return [element.findtext(f'{{{CLIENT}}}body') for element in self.heard
                if element.tag == f'{{{CLIENT}}}message' and element.get('type') != 'error']

    # -- resumption

    def resume(self, key=None, h=None):
        """Asks for the earlier session; the answer. On success what is not acknowledged is sent again."""
        self.send(f"<resume xmlns='{SM}' previd='{key or self.key}' h='{self.handled if h is None else h}'/>")
        answer = self.receive()
        if answer is not None and answer.tag == f'{{{SM}}}resumed':
            self.take(int(answer.get('h')))
            for stanza in self.queue_out:
                self.send(stanza)
        return answer

    def come_back(self, port):
        super().__init__(port)
        self.authenticate()
        answer = self.resume()
        assert answer is not None and answer.tag == f'{{{SM}}}resumed', ElementTree.tostring(answer)
        return self
