"""
Recorded conversations between jabberd2's parts: reading them, comparing what ours say, and parts that are played by hand.

What cannot be equal is not compared: ids, nonces, words for people, the number of copies of an advertisement.
"""
import base64
import hashlib
import os
import re
import socket
import time
import xml.etree.ElementTree as ElementTree

from harness import STREAM, Deployment

COMPONENT = 'http://jabberd.jabberstudio.org/ns/component/1.0'
SESSION = 'http://jabberd.jabberstudio.org/ns/session/1.0'
JACKDAW = 'urn:jackdaw:link:0'
ACCEPT = 'jabber:component:accept'
SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
HEADER = f"<?xml version='1.0'?><stream:stream xmlns:stream='{STREAM}' version='1.0'>"
ROUTE = f'{{{COMPONENT}}}route'
IDS = (f'{{{SESSION}}}c2s', f'{{{SESSION}}}sm')
LINE = re.compile(r'\s*(?:[\d.]+ )?(\w+) ?-?> ?(\w+): ?(.*)|\s+(?:bind )?-> (.*)')
WORDLESS = (f'{{{STREAM}}}error', f'{{{SASL}}}failure')  # their text is not compared


# -- reading


def read(name):
    """[(title, [(sender, receiver, text)])] of a capture in tests/data; an answer to what its title says has no names."""
    sections = [('', [])]
    with open(os.path.join(os.path.dirname(__file__), '..', 'data', name), encoding='utf-8') as capture:
        for line in capture:
            found = LINE.match(line)
            if line.startswith('#'):
                sections.append((line.strip('# \n'), []))
            elif found:
                sender, receiver, text, answer = found.groups()
                sections[-1][1].append((sender or '', receiver or '', answer or text or ''))
    return sections


def elements(text):
    """The elements of a line; None stands for the end of the stream."""
    ended = '</stream:stream>' in text or '[EOF]' in text
    text = text.replace('</stream:stream>', '').replace('[EOF]', '').strip()
    if text == '(nothing)' or text.startswith(('[', '<?xml')):
        return []
    return list(ElementTree.fromstring(f'<all xmlns:stream="{STREAM}">{text}</all>')) + ([None] if ended else [])


def text_of(element):
    return 'the end' if element is None else ElementTree.tostring(element, encoding='unicode')


def is_hello(route):
    return len(route) and route[0].get('action') == 'jackdaw-hello'


def speaks_ours(element):
    return any(key.startswith(f'{{{JACKDAW}}}') for part in element.iter() for key in part.attrib)


class Script:
    """
    A capture, and where ours may differ: title of the section -> (why, as recorded, as ours says it), a whole line or a part
    of one, or (a line, the one after it); ours None: no line with this is said. Each has to be of use.
    """

    def __init__(self, name, differences):
        self.sections = []
        used = set()
        for title, lines in read(name):
            for at, row in enumerate(differences.get(title, ())):
                changed = self._change(lines, *row[1:])
                if changed != lines:
                    used.add((title, at))
                lines = changed
            self.sections.append((title, lines))
        unused = [(title, at) for title, rows in differences.items() for at in range(len(rows)) if (title, at) not in used]
        assert not unused, unused

    @staticmethod
    def _change(lines, recorded, ours):
        if ours is None:
            return [line for line in lines if recorded not in line[2]]
        if isinstance(recorded, tuple):
            return [(sender, receiver, ours if (before[2], text) == recorded else text)
                    for before, (sender, receiver, text) in zip([('', '', '')] + lines, lines)]
        return [(sender, receiver, ours if text == recorded else text.replace(recorded, ours) if recorded else text)
                for sender, receiver, text in lines]


# -- DIGEST-MD5


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


# -- comparing


def _text(element):
    text = element.text or ''
    if element.tag == f'{{{SASL}}}challenge':
        return tuple(sorted((k, v) for k, v in fields_of(base64.b64decode(text).decode()).items() if k != 'nonce'))
    if element.tag == f'{{{SASL}}}success':
        return base64.b64decode(text).decode().split('=')[0]
    return text.strip()


def canonical(item):
    """
    (tag, attributes, text, children) of an element, anything else as it is. Conditions by their name in RFC 6120; a
    component's default namespace, which jabberd2 writes as jabber:client.
    """
    if not isinstance(item, ElementTree.Element):
        return item
    tag = item.tag.replace('xml-not-well-formed', 'not-well-formed').replace(f'{{{ACCEPT}}}', '{jabber:client}')
    children = [canonical(child) for child in item if not (child.tag.endswith('}text') and item.tag in WORDLESS)]
    return tag, tuple(sorted(item.attrib.items())), _text(item), tuple(children)


def same(recorded, ours):
    return list(map(canonical, recorded)) == list(map(canonical, ours))


class Names:
    """Ids differ from run to run: which of the recorded ones stands for which of ours."""

    def __init__(self, learns=False):
        self.known = {}
        self.learns = learns  # a start or create of ours may use an id again, as jabberd2's c2s does

    @staticmethod
    def _ids(tag, attributes):
        return [key for key in attributes if key in IDS or (tag == f'{{{SESSION}}}session' and key == 'id')]

    def translate(self, text):
        """A recorded line as we say it: with the ids of this run, and our own as they are."""
        for element in elements(text):
            for part in element.iter():
                for key in self._ids(part.tag, part.attrib):
                    self.known.setdefault(part.get(key), part.get(key))
        for name, ours in self.known.items():
            text = text.replace(f"'{name}'", f"'{ours}'")
        return text

    def _attributes(self, tag, recorded, ours):
        ids = self._ids(tag, recorded)
        begins = self.learns and recorded.get('action') in ('start', 'create')
        for key in sorted(set(recorded) | set(ours)):
            here, there = recorded.get(key), ours.get(key)
            if key in ids and there is not None and (begins or here not in self.known):
                self.known[here] = there
            elif key == 'stamp' and here and there:
                continue
            elif (self.known[here] if key in ids else here) != there:
                return f'{key}: recorded {here!r}, ours {there!r}'
        return None

    def _compare(self, recorded, ours):
        if recorded is None or ours is None:
            return None if recorded is ours else 'the end'
        if recorded[0] != ours[0] or recorded[2] != ours[2] or len(recorded[3]) != len(ours[3]):
            return recorded[0]
        found = self._attributes(recorded[0], dict(recorded[1]), dict(ours[1]))
        for one, other in zip(recorded[3], ours[3]):
            found = found or self._compare(one, other)
        return found

    def difference(self, recorded, ours):
        """Between two elements; None: they say the same. Learns the ids."""
        found = self._compare(canonical(recorded), canonical(ours))
        return found and f'{found}; recorded {text_of(recorded)}, ours {text_of(ours)}'


# -- ours

class Home:
    """Our router and the parts that are not played by hand."""

    def __init__(self, *parts):
        self.deployment = Deployment(workers=1, registration='open', extra='[messages]\narchive = "off"\n') # as jabberd2 has none
        self.parts = parts

    def __enter__(self):
        self.deployment.__enter__()
        try:
            self.deployment.start(*self.parts, ready=False)
            self.deployment.processes[self.parts[0]].wait_for('jackdaw: ready in')
        except BaseException as error:
            self.deployment.__exit__(type(error), error, None)
            raise
        return self.deployment

    def __exit__(self, *reason):
        self.deployment.__exit__(*reason)


def expect(problems, title, names, recorded, ours):
    found = names.difference(recorded, ours)
    if found:
        problems.append(f'{title}: {found}')


# -- components by hand


def is_opening(text):
    return '<stream:stream' in text or text.startswith(('<foo', 'GET'))


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
            self.items.append(element)

    def feed(self, data):
        """What jabberd2's router says behind its own end of a stream nobody hears."""
        try:
            self._feed(data)
        except ElementTree.ParseError:
            if not self.ended:
                raise

    def _feed(self, data):
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

    def take_first(self, *tags, **attributes):
        """The first element of such a name with these attributes, or None."""
        for item in self.items:
            if isinstance(item, ElementTree.Element) and item.tag in tags and attributes.items() <= item.attrib.items():
                self.items.remove(item)
                return item
        return None


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

    def until(self, comes, seconds=15):
        """Returns what comes() finds, once it does."""
        end = time.time() + seconds
        while (found := comes()) in (None, False):
            assert not self.closed and time.time() < end, (self.heard.items, self.closed)
            self.read(0.1)
        return found

    def expect(self, *tags, **attributes):
        return self.until(lambda: self.heard.take_first(*tags, **attributes))

    def login(self, user='jabberd', password='secret'):
        self.send(HEADER)
        self.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        self.until(lambda: self.challenge)
        self.send(f"<response xmlns='{SASL}'>{respond(self.challenge, password, user)}</response>")
        self.expect(f'{{{SASL}}}success')
        self.heard.take()
        self.send(HEADER)
        self.expect(f'{{{STREAM}}}features')
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
        self.send(f"<unbind xmlns='{COMPONENT}' name='sync.invalid' probe='{self.syncs}'/>")
        while self.heard.take_first(f'{{{COMPONENT}}}unbind', error='404', probe=str(self.syncs)) is None and not self.closed:
            assert self.read(15) or self.closed, 'the router does not answer'

    def bind(self, name, inside=''):
        """Returns the error, or None."""
        multi = " multi='to'" if inside == 'multi' else ''
        inside = '' if multi else inside
        self.send(f"<bind xmlns='{COMPONENT}' name='{name}'{multi}>{inside}</bind>")
        return self.expect(f'{{{COMPONENT}}}bind').get('error')

    def route(self, seconds=15):
        """The next route; None: there was none in that time."""
        end = time.time() + seconds
        while (found := self.heard.take_first(ROUTE)) is None and time.time() < end:
            assert not self.closed, 'the router closed'
            self.read(max(0.01, end - time.time()))
        return found

    def close(self):
        self.socket.close()
        self.closed = True


class Player:
    """
    Components as they were recorded, at a router. before: {title: what to do first, with the player}; differs: where it is
    not waited for long; nameless: whose login is not in the transcript, {name: user}.
    """

    def __init__(self, port, before, differs=(), nameless=None, password='secret'):
        self.port, self.before, self.differs, self.password = port, before, differs, password
        self.nameless = nameless or {}
        self.wires, self.differences = {}, {}

    def wire(self, name):
        wire = self.wires.get(name)
        if wire is None:
            wire = self.wires[name] = Wire(self.port)
            if name in self.nameless:
                wire.login(self.nameless[name], self.password)
        return wire

    def play(self, name):
        for title, steps in read(name):
            self.begin(title)
            self.before.get(title, lambda player: None)(self)
            variant = re.match(r'sasl variant (.*)', title)
            if variant:
                self._variant(variant.group(1), steps)
                continue
            for sender, receiver, text in steps:
                if receiver == 'router':
                    self.say(sender, text)
                else:
                    self._expect(receiver, text)
        return self.differences

    def begin(self, title):
        self.title, self.spoke = title, set()

    # -- what components say

    def say(self, name, text):
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
            self.listen(wire, nothing=not wanted)
            fits = same(wanted, wire.heard.items) and wire.heard.names == wire.told.names and (wire.closed or not eof)
            if fits or time.time() > end or (wire.closed and not fits and not wire.read(0.01)):
                break
        if not fits:
            self.differ(name, wanted, wire.heard.items, wire.told.names ^ wire.heard.names, wire.closed)
            wire.told.names = set(wire.heard.names)  # said once
        wire.heard.take()

    def differ(self, name, recorded, ours, *more):
        self.differences.setdefault(self.title, []).append(
            (name, list(map(canonical, recorded)), list(map(canonical, ours)), *more))

    def listen(self, wire, nothing):
        for other in list(self.wires.values()):
            other.sync()
        wire.sync()
        while wire.read(0.2 if nothing else 0.05):
            pass

    def _variant(self, variant, steps):
        options = eval(variant, {})
        wanted = [ElementTree.fromstring(text) for _, _, text in steps]
        wire = Wire(self.port)
        wire.send(HEADER)
        wire.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        wire.until(lambda: wire.challenge)
        realm = None if options.get('omit_realm') else options.get('realm', 'jabberd-router')
        wire.send(f"<response xmlns='{SASL}'>" + respond(
            wire.challenge, self.password, realm=realm, uri=options.get('uri', 'jabberd-router/here'),
            charset=options.get('charset', True)) + '</response>')
        heard = [wire.expect(f'{{{SASL}}}success', f'{{{SASL}}}failure')]
        if len(wanted) > 1:
            wire.send(HEADER + f"<bind xmlns='{COMPONENT}' name='variant'/>")
            heard.append(wire.expect(f'{{{COMPONENT}}}bind'))
        wire.close()
        time.sleep(0.2)
        if not same(wanted, heard):
            self.differ('variant', wanted, heard)
