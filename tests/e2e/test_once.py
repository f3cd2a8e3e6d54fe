#!/usr/bin/python3
"""What no archive has arrives all the same, once, however its reader logs in: archives off, not wanted, or not for this message."""
import itertools
import time

from harness import CLIENT, body, scenarios, with_people
from stream_management import SM, Counting
from test_sasl2 import ARCHIVE, BIND2, SASL2, agent, give, log_in

ENABLE = f"<bind xmlns='{BIND2}'><tag>Test</tag><enable xmlns='{SM}' resume='true'/></bind>"
NEVER = "<iq type='set' id='prefs'><prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs></iq>"
HINT = "<no-permanent-store xmlns='urn:xmpp:hints'/>"
COUNTED = tuple(f'{{{CLIENT}}}{name}' for name in ('message', 'presence', 'iq'))


class Reader:
    """A client that is logged in, whichever way, and what it reads until it is asked to stop."""

    def __init__(self, client, key=None, handled=0, resumed=False):
        self.client, self.key, self.handled, self.texts = client, key, handled, []
        self.counts = key is not None
        if not resumed:
            client.send('<presence/>')

    def read(self, wanted=0):
        """What comes; storage gives it when it has it, and after a while nothing more."""
        end = time.time() + 10
        while len(self.texts) < wanted and time.time() < end:
            self._read()
        time.sleep(0.2)
        return self._read()

    def _read(self):
        self.client.send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
        while True:
            element = self.client.receive()
            assert element is not None, self.client.raw
            self.handled += element.tag in COUNTED
            if element.tag == f'{{{SM}}}r':
                self.client.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
            elif element.tag == f'{{{CLIENT}}}message' and body(element):
                self.texts.append(body(element))
            elif element.get('id') == 'end':
                break
        if self.counts:
            self.client.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
        return self.texts

    def leave(self):
        """And wait until it is told: what is said before that is its."""
        self.client.send('</stream:stream>')
        while self.client.receive() is not None:
            pass
        self.client.socket.close()

    def lose(self):
        self.client.socket.close()


# -- the ways to log in: each takes what the session before it was

def _classic(deployment, before):
    return Reader(Counting(deployment.port, 'juliet').authenticate().bind())


def _enable(client):
    client.bind().enable()
    return Reader(client, client.key)


def _enabled(deployment, before):
    return _enable(Counting(deployment.port, 'juliet').authenticate())


def _resumed(deployment, before):
    client = Counting(deployment.port, 'juliet').authenticate()
    client.send(f"<resume xmlns='{SM}' previd='{before.key}' h='{before.handled}'/>")
    assert client.receive().tag == f'{{{SM}}}resumed'
    return Reader(client, before.key, before.handled, resumed=True)


def _resumed_in_vain(deployment, before):
    client = Counting(deployment.port, 'juliet').authenticate()
    assert client.resume('nonsense', 7).tag == f'{{{SM}}}failed'
    return _enable(client)


def _bound(client):
    client.features()
    return Reader(client, client.answer.find(f'{{{BIND2}}}bound').find(f'{{{SM}}}enabled').get('id'))


def _bound2(deployment, before):
    return _bound(log_in(deployment, 'juliet', ENABLE + agent()))


def _resumed2(deployment, before):
    client = log_in(deployment, 'juliet', f"<resume xmlns='{SM}' previd='{before.key}' h='{before.handled}'/>" + ENABLE)
    assert client.answer.find(f'{{{SM}}}resumed') is not None
    return Reader(client, before.key, before.handled, resumed=True)


def _resumed2_in_vain(deployment, before):
    client = log_in(deployment, 'juliet', f"<resume xmlns='{SM}' previd='nonsense' h='7'/>" + ENABLE)
    assert client.answer.find(f'{{{SM}}}failed') is not None
    return _bound(client)


def _by_token(deployment, before):
    client = give(deployment, 'juliet').log_in(deployment, ENABLE)
    assert client.answer.tag == f'{{{SASL2}}}success'
    return _bound(client)


FRESH = (_classic, _enabled, _resumed_in_vain, _bound2, _resumed2_in_vain, _by_token)
WAITING = (_resumed, _resumed2)  # for the session that only lost its connection


def _said(deployment, romeo, numbers, hint):
    texts = [f'{number}' for number in itertools.islice(numbers, 3)]
    for text in texts:
        romeo.say(f"<message to='juliet@localhost' type='chat' id='m{text}'><body>{text}</body>{hint}</message>")
    romeo.wait_acknowledged()
    return texts


def _once_by(deployment, romeo, method, numbers, hint):
    before = None
    if method in WAITING:
        before = _bound2(deployment, None)
        assert not before.read()
        before.lose()
    texts = _said(deployment, romeo, numbers, hint)
    reader = method(deployment, before)
    assert reader.read(len(texts)) == texts, (method.__name__, texts, reader.texts)
    reader.leave()
    again = _classic(deployment, None)
    assert not again.read(), (method.__name__, again.texts)
    again.leave()


def _once_by_each(deployment, hint=''):
    numbers = itertools.count()
    romeo = Counting(deployment.port, 'romeo').begin()
    for method in FRESH + WAITING:
        _once_by(deployment, romeo, method, numbers, hint)
    romeo.close()


def archives_are_off(deployment):
    _once_by_each(deployment)


def her_archive_is_not_wanted(deployment):
    juliet = _classic(deployment, None)
    juliet.client.send(NEVER)
    assert juliet.client.expect('iq', id='prefs').get('type') == 'result'
    juliet.leave()
    _once_by_each(deployment)


def the_message_is_for_no_archive(deployment):
    _once_by_each(deployment, HINT)


def _in_both_forms(*functions, extra):
    return [bound for parts in (('run',), ('router', 'sm', 'c2s'))
            for bound in with_people(*functions, users=('romeo', 'juliet'), parts=parts, extra=extra)]


if __name__ == '__main__':
    scenarios(*_in_both_forms(archives_are_off, extra='[messages]\narchive = "off"\n'),
              *_in_both_forms(her_archive_is_not_wanted, the_message_is_for_no_archive, extra=ARCHIVE))
