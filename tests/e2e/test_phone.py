#!/usr/bin/python3
"""A person's devices through a bad day, said as Conversations and Monal say it: all of a login in one write, <r/> as ping, ids of
sessions that nobody knows, inactive at once, archives caught up with by time and by id. All end with the same history."""
import datetime
import itertools
import time
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, STREAM, Raw, body, scenarios, with_people
from scram import encode
from stream_management import Counting
from test_sasl2 import BIND2, CARBONS, CSI, FAST, SASL2, SM, Token, plain
from tls import Tls

ARCHIVE, RSM, FORM, SID, DELAY = 'urn:xmpp:mam:2', 'http://jabber.org/protocol/rsm', 'jabber:x:data', 'urn:xmpp:sid:0', 'urn:xmpp:delay'
ME = 'romeo@localhost'
HEADER = f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' to='localhost' from='{ME}' version='1.0'>"
COUNTED = tuple(f'{{{CLIENT}}}{name}' for name in ('message', 'presence', 'iq'))
ON = '[messages]\narchive = "30 days"\n'


class Phone:
    """It keeps a token, a session and what it has read. software: whose questions it asks."""

    def __init__(self, deployment, software, device, inactive=False):
        self.deployment, self.software, self.device, self.inactive = deployment, software, device, inactive
        self.token = self.client = self.key = self.last = None
        self.handled, self.history, self.numbers = 0, {}, itertools.count()
        self.heard_at = datetime.datetime(2020, 1, 1)
        self.resumed = []  # of its logins, whether

    # -- logging in

    def _inline(self):
        resume = f"<resume xmlns='{SM}' previd='{self.key}' h='{self.handled}'/>" if self.key else ''
        return (f"<user-agent id='{self.device}'><software>{self.software}</software><device>phone</device></user-agent>{resume}"
                f"<bind xmlns='{BIND2}'><tag>{self.software}</tag><enable xmlns='{CARBONS}'/><enable xmlns='{SM}' resume='true'/></bind>"
                f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-EXPR'/>")

    def _secured(self):
        client = Raw(self.deployment.port).open()
        client.features()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert client.receive().tag.endswith('}proceed')
        client.socket = Tls(client.socket)
        client.reset()
        return client

    def connect(self):
        """With a token header and login are one write, and features are read when the answer is on its way."""
        client = self.client = self._secured()
        if self.token:
            mechanism, initial, fast = 'HT-SHA-256-EXPR', encode(b'romeo\0' + self.token.proof(client, 'Initiator')), f"<fast xmlns='{FAST}'/>"
        else:
            mechanism, initial, fast = 'PLAIN', plain('romeo'), ''
        client.send(f"{HEADER}<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{initial}</initial-response>"
                    f"{fast}{self._inline()}</authenticate>")
        client.features()
        answer = client.receive()
        assert answer.tag == f'{{{SASL2}}}success', ElementTree.tostring(answer)
        if answer.find(f'{{{FAST}}}token') is not None:
            self.token = Token(answer, 'romeo', 'EXPR', self.device)
        resumed = answer.find(f'{{{SM}}}resumed') is not None
        self.resumed.append(resumed)
        if not resumed:
            client.features()
            self.key, self.handled = answer.find(f'{{{BIND2}}}bound').find(f'{{{SM}}}enabled').get('id'), 0
        client.send((f"<inactive xmlns='{CSI}'/>" if self.inactive else '') + ('' if resumed else '<presence/>') + f"<r xmlns='{SM}'/>")
        if not resumed:
            self.catch_up()
        return self

    def lose(self):
        self.client.socket.close()

    # -- reading

    def _keep(self, number, text):
        if text:
            assert self.history.setdefault(number, text) == text, (number, text)

    def _message(self, element):
        result = element.find(f'{{{ARCHIVE}}}result')
        if result is not None:
            inner = result.find(f'.//{{{CLIENT}}}message')
            self._keep(result.get('id'), body(inner))
            return
        for message in [element, *element.iter(f'{{{CLIENT}}}message')]:
            ids = [one.get('id') for one in message.findall(f'{{{SID}}}stanza-id') if one.get('by') == ME]
            if ids and body(message):
                self._keep(ids[0], body(message))
                self.last, self.heard_at = ids[0], datetime.datetime.now(datetime.timezone.utc)

    def read_until(self, tag, id=None):
        while True:
            element = self.client.receive()
            assert element is not None, self.client.raw[-500:]
            self.handled += element.tag in COUNTED
            if element.tag == f'{{{SM}}}r':
                self.client.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
            elif element.tag == f'{{{CLIENT}}}message':
                self._message(element)
            if element.tag == tag and (id is None or element.get('id') == id):
                return element

    def ping(self):
        self.client.send(f"<r xmlns='{SM}'/>")
        self.read_until(f'{{{SM}}}a')

    # -- catching up

    def _page(self, asked, fields=''):
        id = f'catchup{next(self.numbers)}'
        form = (f"<x xmlns='{FORM}' type='submit'><field var='FORM_TYPE' type='hidden'><value>{ARCHIVE}</value></field>{fields}</x>")
        self.client.send(f"<iq type='set' id='{id}'><query xmlns='{ARCHIVE}' queryid='{id}'>{form}<set xmlns='{RSM}'><max>20</max>{asked}"
                         f"</set></query></iq><r xmlns='{SM}'/>")
        answer = self.read_until(f'{{{CLIENT}}}iq', id)
        fin = answer.find(f'{{{ARCHIVE}}}fin')
        if fin is None:
            assert answer.find(f".//{{urn:ietf:params:xml:ns:xmpp-stanzas}}item-not-found") is not None, ElementTree.tostring(answer)
            return None, True
        return fin.findtext(f'{{{RSM}}}set/{{{RSM}}}last'), fin.get('complete') == 'true'

    def _all_pages(self, asked, fields=''):
        last, complete = self._page(asked, fields)
        while not complete:
            last, complete = self._page(f'<after>{last}</after>', fields)

    def catch_up(self):
        if self.software == 'Conversations':  # since it heard something last
            since = (self.heard_at - datetime.timedelta(seconds=5)).strftime('%Y-%m-%dT%H:%M:%SZ')
            self._all_pages('', f"<field var='start'><value>{since}</value></field>")
        else:  # behind the last that it knows
            self._all_pages(f'<after>{self.last}</after>' if self.last else '')

    def read_all(self):
        """The whole archive, the newest page first: to compare with."""
        self.history = {}
        id = next(self.numbers)
        asked = '<before/>'
        while asked:
            name = f'back{id}'
            self.client.send(f"<iq type='set' id='{name}'><query xmlns='{ARCHIVE}'><set xmlns='{RSM}'><max>20</max>{asked}</set></query></iq>")
            fin = self.read_until(f'{{{CLIENT}}}iq', name).find(f'{{{ARCHIVE}}}fin')
            first, id = fin.findtext(f'{{{RSM}}}set/{{{RSM}}}first'), next(self.numbers)
            asked = f'<before>{first}</before>' if fin.get('complete') != 'true' else None
        return self.history


def _log_in(deployment, user):
    """Also when a part that has just started does not know the others yet."""
    end = time.time() + 15
    while True:
        try:
            return Counting(deployment.port, user).begin()
        except AssertionError:
            assert time.time() < end
            time.sleep(0.1)


def _write(deployment, user, to, texts):
    client = _log_in(deployment, user)
    for text in texts:
        client.say(f"<message to='{to}@localhost' type='chat' id='{text}'><body>{text}</body></message>")
    client.wait_acknowledged()
    client.close()


def _a_day(deployment, kills):
    numbers = itertools.count()
    talks = Phone(deployment, 'Conversations', '6a1f2b0e-6f55-4b0e-8a3c-0d9be8a4f6a1').connect()
    monal = Phone(deployment, 'Monal', '7b2f2b0e-6f55-4b0e-8a3c-0d9be8a4f6a2', inactive=True).connect()
    desk = Phone(deployment, 'Desk', '8c3f2b0e-6f55-4b0e-8a3c-0d9be8a4f6a3').connect()
    written = []

    def say():
        texts = [f'm{number}' for number in itertools.islice(numbers, 12)]
        _write(deployment, 'juliet', 'romeo', texts[:10])
        _write(deployment, 'romeo', 'juliet', texts[10:])  # another device of his: all hear it by carbons
        written.extend(texts)

    say()
    for phone in (talks, monal, desk):
        phone.ping()
    talks.lose()
    say()
    talks.connect()
    monal.lose()
    monal.key = 'nobody-knows-it'
    say()
    monal.connect()
    for part in kills:
        deployment.restart(part, kill=True)
        if part != 'sm':
            for phone in (talks, monal, desk):
                phone.lose()
        say()
        if part != 'sm':
            for phone in (talks, monal, desk):
                phone.connect()
        say()
        for phone in (talks, monal, desk):
            phone.ping()
    time.sleep(0.3)
    assert talks.resumed[:2] == [False, True] and monal.resumed[:2] == [False, False], (talks.resumed, monal.resumed)
    for phone in (talks, monal, desk):
        phone.catch_up()
    all_of_it = Phone(deployment, 'Other', '9d4f2b0e-6f55-4b0e-8a3c-0d9be8a4f6a4').connect().read_all()
    assert sorted(all_of_it.values(), key=lambda text: int(text[1:])) == written, all_of_it
    for phone in (talks, monal, desk):
        assert phone.history == all_of_it, (phone.software, set(all_of_it.items()) ^ set(phone.history.items()))
        phone.client.close()


def in_one_process(deployment):
    _a_day(deployment, ('run', 'run'))


def in_parts(deployment):
    _a_day(deployment, ('sm', 'c2s', 'router', 'sm'))


if __name__ == '__main__':
    scenarios(*with_people(in_one_process, users=('romeo', 'juliet'), extra=ON),
              *with_people(in_parts, users=('romeo', 'juliet'), parts=('router', 'sm', 'c2s'), extra=ON))
