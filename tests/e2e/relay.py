"""What the parts of a server say to each other: a relay in front of the router that counts it, by kind."""
import collections
import re
import selectors
import socket
import threading
import xml.etree.ElementTree as ElementTree

HEADER = re.compile(rb"(?:<\?xml[^>]*\?>\s*)?<stream:stream[^>]*>|</stream:stream>")


class Relay(threading.Thread):
    """Listens at a port of its own for a router at another, which may go and come back."""

    def __init__(self, router_port):
        super().__init__(daemon=True)
        self.router_port = router_port
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.lock, self.heard, self.over = threading.Lock(), collections.defaultdict(bytearray), False
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.over = True
        self.join(10)

    def run(self):
        while not self.over:
            for key, _ in self.selector.select(0.1):
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj.fileno() >= 0:
                    self._pass_on(key.fileobj, key.data)

    def _accept(self):
        part, _ = self.listener.accept()
        try:
            router = socket.create_connection(('127.0.0.1', self.router_port))
        except OSError:
            part.close()
            return
        for one, other in ((part, router), (router, part)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(one, selectors.EVENT_READ, other)

    def _pass_on(self, one, other):
        try:
            data = one.recv(1 << 20)
            other.sendall(data)
        except OSError:
            data = b''
        if not data:
            for end in (one, other):
                self.selector.unregister(end)
                end.close()
            return
        with self.lock:
            self.heard[one] += data

    def take(self):
        """Counts of what was said since the last time, by kind; stanzas as message, presence and iq."""
        with self.lock:
            heard, self.heard = self.heard, collections.defaultdict(bytearray)
        return sum((_count(data) for data in heard.values()), collections.Counter())


def _count(data):
    found = collections.Counter()
    for text in HEADER.split(bytes(data)):
        parser = ElementTree.XMLPullParser(events=('start', 'end'))
        parser.feed(b"<all xmlns:stream='http://etherx.jabber.org/streams'>" + text)
        depth = 0
        for event, element in parser.read_events():
            depth += 1 if event == 'start' else -1
            if event == 'end' and depth == 1:
                found[_kind(element)] += 1
    return found


def _name(element):
    return element.tag.split('}')[-1]


def _kind(element):
    """A route is what it carries: a stanza, or a session with its action."""
    if _name(element) == 'presence':
        return 'advertisement'
    if _name(element) != 'route' or not len(element):
        return _name(element)
    carried, action = _name(element[0]), element[0].get('action')
    return f'{carried} {action}' if carried == 'session' else carried
