"""
Plays recorded conversations of components with a router again, and says where the answers differ.

A transcript has sections, "### title", of lines "A>router: TEXT" (sent) and "router>A: TEXT" (what had come since the last
such line). What cannot be equal is not compared: ids, nonces, words for people, the number of copies of an advertisement.
"""
import base64
import hashlib
import re
import socket
import time
import xml.etree.ElementTree as ElementTree

STREAM = 'http://etherx.jabber.org/streams'
COMPONENT = 'http://jabberd.jabberstudio.org/ns/component/1.0'
ACCEPT = 'jabber:component:accept'
SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
HEADER = f"<?xml version='1.0'?><stream:stream xmlns:stream='{STREAM}' version='1.0'>"
NAMELESS = ('A', 'B', 'C', 'L', 'S')  # native components, of whose login the transcript says nothing


def sections(path):
    """[(title, [(from, to, text)])]; a line without that form continues the text of the one before."""
    found = []
    with open(path, encoding='utf-8') as file:
        for line in file.read().split('\n'):
            if line.startswith('### '):
                found.append((line[4:], []))
                continue
            match = re.match(r'  (\w+)>(\w+): (.*)', line)
            if match:
                found[-1][1].append(list(match.groups()))
            elif found and re.match(r'   (\[|->|bind ->)', line):
                found[-1][1].append(['', '', line.strip()])
            elif found and found[-1][1] and found[-1][1][-1][0] and not line.startswith('  '):
                found[-1][1][-1][2] += '\n' + line
    return found


def is_opening(text):
    return '<stream:stream' in text or text.startswith(('<foo', 'GET'))


# -- DIGEST-MD5 and XEP-0114


def fields_of(text):
    return {key: value.strip('"') for key, value in re.findall(r'([a-z-]+)=("[^"]*"|[^",]+)', text)}


def _md5(*parts):
    return hashlib.md5(b':'.join(part if isinstance(part, bytes) else part.encode() for part in parts)).digest()


def digest(fields, password):
    a1 = _md5(_md5(fields['username'], fields.get('realm', ''), password), fields['nonce'], fields['cnonce']).hex()
    a2 = _md5('AUTHENTICATE', fields['digest-uri']).hex()
    return _md5(a1, fields['nonce'], fields['nc'], fields['cnonce'], fields['qop'], a2).hex()


def respond(challenge, password, user='jabberd', realm='jabberd-router', uri='jabberd-router/here', charset=True):
    """The text of a <response/> to the text of a <challenge/>; realm None leaves it out."""
    fields = {'username': user, 'realm': realm, 'nonce': fields_of(base64.b64decode(challenge).decode())['nonce'],
              'cnonce': 'cnonce', 'nc': '00000001', 'qop': 'auth', 'digest-uri': uri}
    if realm is None:
        del fields['realm']
    plain = ('nc', 'qop')
    parts = [f'{key}={value}' if key in plain else f'{key}="{value}"' for key, value in fields.items()]
    parts.append(f'response={digest(fields, password)}')
    if charset:
        parts.append('charset=utf-8')
    return base64.b64encode(','.join(parts).encode()).decode()


# -- what was said, in a form that can be compared


def _text(element):
    text = element.text or ''
    if element.tag == f'{{{SASL}}}challenge':
        return tuple(sorted((k, v) for k, v in fields_of(base64.b64decode(text).decode()).items() if k != 'nonce'))
    if element.tag == f'{{{SASL}}}success':
        return base64.b64decode(text).decode().split('=')[0]
    return text.strip()


def canonical(element):
    """Conditions by their name in RFC 6120; a component's default namespace, which jabberd2 writes as jabber:client."""
    tag = element.tag.replace('xml-not-well-formed', 'not-well-formed').replace(f'{{{ACCEPT}}}', '{jabber:client}')
    children = [canonical(child) for child in element
                if not (child.tag.endswith('}text') and element.tag in (f'{{{STREAM}}}error', f'{{{SASL}}}failure'))]
    return tag, tuple(sorted(element.attrib.items())), _text(element), tuple(children)


class Ear:
    """Hears the bytes of a stream as headers, elements and the end; advertisements apart, as the names that they leave."""

    def __init__(self):
        self.items, self.names, self.ended = [], set(), False
        self.restart()

    def restart(self):
        self.parser = ElementTree.XMLPullParser(events=('start', 'end', 'start-ns'))
        self.depth, self.space, self.id = 0, '', None

    def _begin(self, element):
        attributes = dict(element.attrib)
        self.id = attributes.pop('id', None)
        self.items.append(('header', tuple(sorted(attributes.items())), self.space))

    def _element(self, element):
        if element.tag == f'{{{COMPONENT}}}presence':
            change = self.names.discard if element.get('type') == 'unavailable' else self.names.add
            change(element.get('from'))
        else:
            self.items.append(canonical(element))

    def feed(self, data):
        self.parser.feed(data)
        for event, value in self.parser.read_events():
            if event == 'start-ns':
                if not self.depth and not value[0]:
                    self.space = value[1]
            elif event == 'start':
                self.depth += 1
                if self.depth == 1:
                    self._begin(value)
            else:
                self.depth -= 1
                if self.depth == 1:
                    self._element(value)
                elif not self.depth:
                    self.items.append('end')
                    self.ended = True

    def take(self):
        taken, self.items = self.items, []
        return taken


class Wire:
    """A connection to the router, and what the transcript says that it heard beside what it hears."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=15)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard, self.told = Ear(), Ear()
        self.native = self.closed = False
        self.syncs, self.challenge = 0, None

    def send(self, text):
        if is_opening(text):
            self.heard.restart()
            self.told.restart()
        try:
            self.socket.sendall(text.encode())
        except OSError:
            self.closed = True

    def read(self, seconds):
        """What comes within that time, or False."""
        self.socket.settimeout(seconds)
        try:
            data = b'' if self.closed else self.socket.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            data = b''
        self.closed = self.closed or not data
        if data:
            for challenge in re.findall(rb'<challenge[^>]*>([^<]*)<', data):
                self.challenge = challenge.decode()
            self.heard.feed(data)
        return bool(data)

    def until(self, fits, seconds=15):
        end = time.time() + seconds
        while not fits(self.heard.items):
            assert not self.closed and time.time() < end, (self.heard.items, self.closed)
            self.read(0.1)
        return self

    def login(self, user='jabberd', password='secret'):
        self.send(HEADER)
        self.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        self.until(lambda items: self.challenge)
        self.send(f"<response xmlns='{SASL}'>{respond(self.challenge, password, user)}</response>")
        self.until(lambda items: any(item[0].endswith('}success') for item in items))
        self.send(HEADER)
        self.until(lambda items: items and items[-1][0].endswith('}features'))
        self.heard.take()
        self.told.feed(HEADER)
        self.told.take()
        self.native = True
        return self

    def sync(self):
        """All that was sent to the router is done with, and all that it said until then is here."""
        if not self.native or self.closed:
            return
        self.syncs += 1
        mark = (f'{{{COMPONENT}}}unbind', (('error', '404'), ('probe', str(self.syncs))), '', ())
        self.send(f"<unbind xmlns='{COMPONENT}' name='sync.invalid' probe='{self.syncs}'/>")
        while mark not in self.heard.items and not self.closed:
            assert self.read(15) or self.closed, 'the router does not answer'
        if mark in self.heard.items:
            self.heard.items.remove(mark)

    def bind(self, name, inside=''):
        """Returns the error, or None."""
        multi = " multi='to'" if inside == 'multi' else ''
        inside = '' if multi else inside
        self.send(f"<bind xmlns='{COMPONENT}' name='{name}'{multi}>{inside}</bind>")
        self.sync()
        return dict(self.heard.take()[-1][1]).get('error')

    def close(self):
        self.socket.close()
        self.closed = True


class Player:
    """before: {title: what to do first, with the player}; differs: how long to wait where a difference is expected."""

    def __init__(self, port, before, differs=(), password='secret'):
        self.port, self.before, self.differs, self.password = port, before, differs, password
        self.wires, self.differences = {}, {}

    def wire(self, name):
        wire = self.wires.get(name)
        if wire is None:
            wire = self.wires[name] = Wire(self.port)
            if name in NAMELESS:
                wire.login('lim' if name == 'L' else 'jabberd', self.password)
        return wire

    def play(self, path):
        for title, steps in sections(path):
            self.title, self.spoke = title, set()
            self.before.get(title, lambda player: None)(self)
            variant = re.match(r'sasl variant (.*)', title)
            if variant:
                self._variant(variant.group(1), steps)
                continue
            for sender, receiver, text in steps:
                if receiver == 'router':
                    self._say(sender, text)
                elif sender == 'router':
                    self._expect(receiver, text)
        return self.differences

    # -- what components say

    def _say(self, name, text):
        if is_opening(text) and name in self.wires and name not in self.spoke:
            self.wires.pop(name).close()  # a section that begins with a header begins with a connection
        self.spoke.add(name)
        wire = self.wire(name)
        match = re.match(r'<(response|handshake)[^>]*>(.*)</', text)
        if match and match.group(1) == 'response':
            text = text.replace(match.group(2), self._response(wire, match.group(2)))
        elif match:
            text = text.replace(match.group(2), self._proof(wire, match.group(2)))
        wire.send(text)

    def _response(self, wire, recorded):
        """With the password that was right or wrong when it was recorded."""
        try:
            fields = fields_of(base64.b64decode(recorded, validate=True).decode())
        except ValueError:
            return recorded
        if 'response' not in fields:
            return recorded
        right = digest(fields, 'secret') == fields['response']
        return respond(wire.challenge, self.password if right else 'wrong', fields['username'], fields.get('realm'),
                       fields['digest-uri'])

    def _proof(self, wire, recorded):
        right = wire.told.id and hashlib.sha1((wire.told.id + 'secret').encode()).hexdigest() == recorded
        return hashlib.sha1((wire.heard.id + self.password).encode()).hexdigest() if right else recorded

    # -- what the router says

    def _expect(self, name, text):
        wire = self.wire(name)
        eof = '[EOF]' in text
        if text != '(nothing)':
            wire.told.feed(text.replace('[EOF]', ''))
        wanted = wire.told.take()
        end = time.time() + (1 if self.title in self.differs else 10)
        while True:
            self._listen(wire, nothing=not wanted)
            fits = wire.heard.items == wanted and wire.heard.names == wire.told.names and (wire.closed or not eof)
            if fits or time.time() > end or (wire.closed and not fits and not wire.read(0.01)):
                break
        if not fits:
            self.differences.setdefault(self.title, []).append(
                (name, wanted, wire.heard.items, wire.told.names ^ wire.heard.names, wire.closed))
            wire.told.names = set(wire.heard.names)  # said once
        wire.heard.take()

    def _listen(self, wire, nothing):
        for other in list(self.wires.values()):
            other.sync()
        wire.sync()
        while wire.read(0.2 if nothing else 0.05):
            pass

    def _variant(self, variant, steps):
        options = eval(variant, {})
        wanted = [canonical(ElementTree.fromstring(text.split('-> ')[1])) for _, _, text in steps]
        wire = Wire(self.port)
        wire.send(HEADER)
        wire.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        wire.until(lambda items: wire.challenge)
        realm = None if options.get('omit_realm') else options.get('realm', 'jabberd-router')
        wire.send(f"<response xmlns='{SASL}'>" + respond(
            wire.challenge, self.password, realm=realm, uri=options.get('uri', 'jabberd-router/here'),
            charset=options.get('charset', True)) + '</response>')
        wire.until(lambda items: items and items[-1][0].endswith(('}success', '}failure')))
        heard = [wire.heard.take()[-1]]
        if len(wanted) > 1:
            wire.send(HEADER + f"<bind xmlns='{COMPONENT}' name='variant'/>")
            wire.until(lambda items: items and items[-1][0].endswith('}bind'))
            heard.append(wire.heard.take()[-1])
        wire.close()
        time.sleep(0.2)
        if heard != wanted:
            self.differences[self.title] = [('variant', wanted, heard, set(), False)]
