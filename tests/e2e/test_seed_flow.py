#!/usr/bin/python3
"""jackdaw c2s against a router that plays the part of the recorded one: every element as jabberd2's c2s sent it."""
import base64
import contextlib
import hashlib
import os
import re
import socket
import xml.etree.ElementTree as ElementTree

from harness import Deployment, scenarios

CAPTURE = os.path.join(os.path.dirname(__file__), '..', 'data', 'component-c2s.txt')
NONCE = 'Nn0nce=='


def sections():
    """{mode: [(who, text)]} of the recorded sessions."""
    found, name = {}, None
    with open(CAPTURE, encoding='utf-8') as capture:
        for line in capture:
            line = line.rstrip('\n')
            if line.startswith('### '):
                name = line[4:]
                found[name] = []
            else:
                match = re.match(r'\s+(comp|fake)> (.*)', line)
                if match and name:
                    found[name].append(match.groups())
    return found


def md5(*parts):
    return hashlib.md5(b':'.join(p if isinstance(p, bytes) else p.encode() for p in parts)).digest()


def digest(fields, password, method):
    """RFC 2831: the response (method AUTHENTICATE) or rspauth (empty)."""
    a1 = md5(md5(fields['username'], fields['realm'], password), fields['nonce'], fields['cnonce'])
    a2 = md5(method, fields['digest-uri'])
    return md5(a1.hex(), fields['nonce'], fields['nc'], fields['cnonce'], fields['qop'], a2.hex()).hex()


def fields_of(response):
    text = base64.b64decode(response).decode()
    return {key: value.strip('"') for key, value in re.findall(r'([a-z-]+)=("[^"]*"|[^",]+)', text)}


class FakeRouter:
    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(5)
        self.pending = b''

    def send(self, text):
        self.peer.sendall(text.encode())

    def receive(self):
        """One element or header as text; '' at the end."""
        while True:
            text = self.pending.decode()
            for pattern in (r"<\?xml[^>]*\?><stream:stream[^>]*>", r'</stream:stream>', r'<([a-z]+)(\s[^>]*)?/>',
                            r'<([a-z]+)(\s[^>]*)?>.*?</\1>'):
                match = re.match(pattern, text, re.S)
                if match:
                    self.pending = text[match.end():].encode()
                    return match.group()
            try:
                data = self.peer.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                return ''
            self.pending += data

    def quiet(self, seconds=0.3):
        self.peer.settimeout(seconds)
        try:
            return not self.pending and self.peer.recv(1, socket.MSG_PEEK) is None
        except (socket.timeout, TimeoutError):
            return True
        finally:
            self.peer.settimeout(5)


def canonical(text):
    """Equal for equal elements; cnonce, response and host name of a response are left out."""
    if text.startswith('<?xml') or text.startswith('</stream'):
        return text
    element = ElementTree.fromstring(text)
    if element.tag.endswith('}response') and element.text:
        fields = fields_of(element.text)
        fields['digest-uri'] = fields['digest-uri'].split('/')[0]
        order = list(fields)
        for changing in ('cnonce', 'response'):
            fields[changing] = '*'
        return ('response', tuple(order), tuple(fields.items()))
    return (element.tag, tuple(sorted(element.attrib.items())), element.text or '', len(element))


def play(router, script):
    """The recorded router's lines are said, the component's compared; rspauth is computed afresh."""
    fields = {}
    for who, text in script:
        if who == 'comp':
            if text in ('(nothing)',):
                assert router.quiet(), router.pending
                continue
            text = text.replace('[EOF]', '')
            if not text:
                assert router.receive() == ''
                continue
            said = router.receive()
            assert canonical(said) == canonical(text), f'said {said}\nrecorded {text}'
            match = re.search(r'<response[^>]*>(.+)</response>', said)
            if match:
                fields = fields_of(match.group(1))
                assert fields['nonce'] == NONCE and fields['username'] == 'jabberd'
                assert fields['response'] == digest(fields, 'secret', 'AUTHENTICATE')
                assert fields['digest-uri'] == 'jabberd-router/' + socket.gethostname()
            continue
        match = re.search(r'>(cnNwYXV0aD[01][^<]*)<', text)
        if match and fields:
            value = base64.b64decode(match.group(1)).decode()
            if not value.endswith('0' * 32):
                value = 'rspauth=' + digest(fields, 'secret', '')
            text = text.replace(match.group(1), base64.b64encode(value.encode()).decode())
        router.send(text)


@contextlib.contextmanager
def _c2s():
    """jackdaw c2s and the router that it connects to."""
    router = FakeRouter()
    with Deployment() as deployment:
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace(f'connect = "127.0.0.1:{deployment.router_port}"',
                                    f'connect = "127.0.0.1:{router.port}"'))
        deployment.start('c2s', ready=False)
        router.accept()
        yield router
        router.listener.close()


def _as_recorded(name):
    with _c2s() as router:
        play(router, sections()[name])


def success_with_data_is_as_recorded():
    _as_recorded('auth mode success-data')


def bare_success_is_as_recorded():
    _as_recorded('auth mode bare')


def rspauth_in_a_second_challenge_is_as_recorded():
    _as_recorded('auth mode two-step')


def a_wrong_rspauth_is_answered_by_abort():
    with _c2s() as router:
        play(router, [line for line in sections()['auth mode two-step-bad'] if line[1] != '(nothing)'])
        # jabberd2's c2s waits for ever here; ours must not.
        assert router.receive() in ('</stream:stream>', '')


def failure_closes_and_tries_again():
    with _c2s() as router:
        play(router, sections()['auth mode fail'])
        router.accept()
        assert router.receive() == sections()['auth mode bare'][0][1]


def a_mechanism_list_without_digest_md5_is_not_read():
    _as_recorded('mechanism list without DIGEST-MD5')


def a_stream_error_of_the_router_is_survived():
    with _c2s() as router:
        play(router, sections()['auth mode bare'])
        router.send(next(line for who, line in sections()['stream error from router'] if who == 'fake'))
        router.accept()
        play(router, sections()['auth mode bare'])


if __name__ == '__main__':
    scenarios(success_with_data_is_as_recorded, bare_success_is_as_recorded,
              rspauth_in_a_second_challenge_is_as_recorded, a_wrong_rspauth_is_answered_by_abort,
              failure_closes_and_tries_again, a_mechanism_list_without_digest_md5_is_not_read,
              a_stream_error_of_the_router_is_survived)
