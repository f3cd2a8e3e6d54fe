"""Recorded sessions between jabberd2's parts: reading them, comparing what ours say, and parts played by hand."""
import base64
import hashlib
import os
import re
import xml.etree.ElementTree as ElementTree

from harness import STREAM, Raw

COMPONENT = 'http://jabberd.jabberstudio.org/ns/component/1.0'
SESSION = 'http://jabberd.jabberstudio.org/ns/session/1.0'
JACKDAW = 'urn:jackdaw:link:0'
SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
ROUTE = f'{{{COMPONENT}}}route'
LINE = re.compile(r'\s*(?:[\d.]+ )?(\w+) ?-?> ?(\w+): ?(.*)')
IDS = (f'{{{SESSION}}}c2s', f'{{{SESSION}}}sm')


def read(name):
    """[(title, [(sender, receiver, text)])] of a capture in tests/data."""
    sections = [('', [])]
    with open(os.path.join(os.path.dirname(__file__), '..', 'data', name), encoding='utf-8') as capture:
        for line in capture:
            if line.startswith('#'):
                sections.append((line.strip('# \n'), []))
            elif LINE.match(line):
                sections[-1][1].append(LINE.match(line).groups())
    return sections


def elements(text):
    """The elements of a line; None stands for the end of the stream."""
    ended = '</stream:stream>' in text or '[EOF]' in text
    text = text.replace('</stream:stream>', '').replace('[EOF]', '').strip()
    if text == '(nothing)' or text.startswith(('[', '<?xml')):
        return []
    return list(ElementTree.fromstring(f'<all xmlns:stream="{STREAM}">{text}</all>')) + ([None] if ended else [])


class Names:
    """Ids differ from run to run: which of the recorded ones stands for which of ours."""

    def __init__(self, learns=False):
        self.known = {}
        self.learns = learns  # a start or create of ours may use an id again, as jabberd2's c2s does

    @staticmethod
    def _ids(element):
        session = element.tag == f'{{{SESSION}}}session'
        return [key for key in element.attrib if key in IDS or (session and key == 'id')]

    def translate(self, text):
        """A recorded line as we say it: with the ids of this run, and our own as they are."""
        for element in elements(text):
            for part in element.iter():
                for key in self._ids(part):
                    self.known.setdefault(part.get(key), part.get(key))
        for name, ours in self.known.items():
            text = text.replace(f"'{name}'", f"'{ours}'")
        return text

    def _attributes(self, recorded, ours):
        ids = self._ids(recorded)
        begins = self.learns and recorded.get('action') in ('start', 'create')
        for key in sorted(set(recorded.attrib) | set(ours.attrib)):
            here, there = recorded.get(key), ours.get(key)
            if key in ids and there is not None and (begins or here not in self.known):
                self.known[here] = there
            elif key == 'stamp' and here and there:
                continue
            elif (self.known[here] if key in ids else here) != there:
                return f'{key}: recorded {here!r}, ours {there!r}'
        return None

    def difference(self, recorded, ours):
        """Between two elements; None: they say the same. Learns the ids."""
        if recorded is None or ours is None:
            return None if recorded is ours else f'recorded {text_of(recorded)}, ours {text_of(ours)}'
        if recorded.tag != ours.tag or (recorded.text or '').strip() != (ours.text or '').strip():
            return f'recorded {text_of(recorded)}, ours {text_of(ours)}'
        if len(recorded) != len(ours):
            return f'children: recorded {text_of(recorded)}, ours {text_of(ours)}'
        found = self._attributes(recorded, ours)
        for one, other in zip(recorded, ours):
            found = found or self.difference(one, other)
        return found


def text_of(element):
    return 'the end' if element is None else ElementTree.tostring(element, encoding='unicode')


def is_hello(route):
    return len(route) and route[0].get('action') == 'jackdaw-hello'


def speaks_ours(element):
    return any(key.startswith(f'{{{JACKDAW}}}') for part in element.iter() for key in part.attrib)


class Part(Raw):
    """A component by hand: logged in at the router, with names. What is no route is kept apart."""

    def __init__(self, port, *names, password='secret'):
        super().__init__(port)
        self.others = []
        self._open()
        self._log_in(password)
        self._open()
        for name, multi in names:
            self.bind(name, multi)

    def _open(self):
        self.reset()
        self.send(f"<?xml version='1.0'?><stream:stream xmlns:stream='{STREAM}' version='1.0'>")
        assert self.receive().tag == f'{{{STREAM}}}features'

    def _log_in(self, password):
        def md5(text):
            return hashlib.md5(text if isinstance(text, bytes) else text.encode())

        self.send(f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>")
        nonce = re.search(r'nonce="([^"]*)"', base64.b64decode(self.receive().text).decode()).group(1)
        secret = md5(f'jabberd:jabberd-router:{password}').digest() + f':{nonce}:cnonce'.encode()
        asked = md5('AUTHENTICATE:jabberd-router/here').hexdigest()
        response = md5(f'{md5(secret).hexdigest()}:{nonce}:00000001:cnonce:auth:{asked}').hexdigest()
        text = (f'username="jabberd", realm="jabberd-router", nonce="{nonce}", cnonce="cnonce", nc=00000001, qop=auth, '
                f'digest-uri="jabberd-router/here", response={response}, charset=utf-8')
        self.send(f"<response xmlns='{SASL}'>{base64.b64encode(text.encode()).decode()}</response>")
        assert self.receive().tag == f'{{{SASL}}}success'

    def bind(self, name, multi=False):
        """Returns the error, if any."""
        self.send(f"<bind xmlns='{COMPONENT}' name='{name}'{' multi=' + repr('to') if multi else ''}/>")
        while True:
            element = self.receive()
            if element.tag == f'{{{COMPONENT}}}bind':
                return element.get('error')
            self.others.append(element)

    def route(self, seconds=15):
        """The next route; None: there was none in that time."""
        while True:
            try:
                element = self.receive(seconds)
            except TimeoutError:
                return None
            assert element is not None, 'the router closed'
            if element.tag == ROUTE:
                return element
            self.others.append(element)


class Script:
    """
    A capture, and where ours may differ: title of the section -> (why, as recorded, as ours says it), a whole line or a part
    of one. Each has to be of use.
    """

    def __init__(self, name, differences):
        self.sections, self.differences = [], differences
        used = set()
        for title, lines in read(name):
            for at, (why, recorded, ours) in enumerate(differences.get(title, ())):
                changed = [(sender, receiver, ours if text == recorded else text.replace(recorded, ours) if recorded else text)
                           for sender, receiver, text in lines]
                if changed != lines:
                    used.add((title, at))
                lines = changed
            self.sections.append((title, lines))
        unused = [(title, at) for title, rows in differences.items() for at in range(len(rows)) if (title, at) not in used]
        assert not unused, unused


