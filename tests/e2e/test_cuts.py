#!/usr/bin/python3
"""A connection cut at every byte of a conversation, in both directions: nothing lost, nothing twice, in order."""
import re

from harness import Deployment, scenarios
from stream_management import SM, Counting

MESSAGES = 3
WHOLE = re.compile(rb'<message[ >].*?</message>|<presence[^>]*/>|<presence[ >].*?</presence>|<iq[^>]*/>|<iq[ >].*?</iq>', re.S)


def _deployment():
    deployment = Deployment().start()
    for user in ('romeo', 'juliet'):
        deployment.add_user(user, 'secret')
    return deployment


def _texts(cut):
    return [f'{cut}.{number}' for number in range(MESSAGES)]


def _stanza(to, text):
    return f"<message to='{to}' type='chat'><body>{text}</body></message>"


def what_a_client_sends_is_cut_at_every_byte():
    with _deployment() as deployment:
        romeo, juliet = (Counting(deployment.port, name, resource='r').begin() for name in ('romeo', 'juliet'))
        for person in (romeo, juliet):
            person.wait_acknowledged()
        length = len(''.join(_stanza(juliet.jid, text) + f"<r xmlns='{SM}'/>" for text in _texts(0)))
        for cut in range(length + 1):
            stanzas = [_stanza(juliet.jid, text) for text in _texts(cut)]
            romeo.send(f"<r xmlns='{SM}'/>".join(stanzas + [''])[:cut])
            romeo.queue_out += stanzas
            romeo.drop().come_back(deployment.port)
            juliet.wait_message(_texts(cut)[-1])
            juliet.send(f"<a xmlns='{SM}' h='{juliet.handled}'/>")
            romeo.wait_acknowledged()
            assert juliet.bodies() == _texts(cut), (cut, juliet.bodies())
            juliet.heard.clear()


def _read_exactly(person, count):
    person.socket.settimeout(15)
    data = b''
    while len(data) < count:
        more = person.socket.recv(count - len(data))
        assert more
        data += more
    return data


def what_a_client_hears_is_cut_at_every_byte():
    with _deployment() as deployment:
        romeo, juliet = (Counting(deployment.port, name, resource='r').begin() for name in ('romeo', 'juliet'))
        for person in (romeo, juliet):
            person.wait_acknowledged()
        cut, length = 0, 1
        while cut <= length:
            for text in _texts(cut):
                romeo.message(juliet.jid, text)
            if cut == 0:
                while juliet.bodies()[-1:] != _texts(cut)[-1:]:
                    juliet.element()
                length = len(b''.join(WHOLE.findall(juliet.raw)[-MESSAGES:]))
            else:
                heard = _read_exactly(juliet, cut)
                whole = WHOLE.findall(heard)
                juliet.handled += len(whole)
                got = re.findall(r'<body>([^<]*)</body>', b''.join(whole).decode())
                juliet.drop().come_back(deployment.port)
                while got[-1:] != _texts(cut)[-1:]:
                    element = juliet.element()
                    got += [element.findtext('{jabber:client}body')] if element.tag.endswith('}message') else []
                assert got == _texts(cut), (cut, got)
            juliet.ask().wait(lambda element: element.tag == f'{{{SM}}}a')
            juliet.send(f"<a xmlns='{SM}' h='{juliet.handled}'/>")
            romeo.wait_acknowledged()
            juliet.raw, juliet.queue = b'', []
            juliet.heard.clear()
            cut += 1


if __name__ == '__main__':
    scenarios(what_a_client_sends_is_cut_at_every_byte, what_a_client_hears_is_cut_at_every_byte)
