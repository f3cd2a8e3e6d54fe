#!/usr/bin/python3
"""What a peer can do wrong, and the answer of RFC 6120 to it; others are not disturbed."""
import os
import time

from harness import CLIENT, STREAM, Deployment, Raw, body, scenarios

ERRORS = '{urn:ietf:params:xml:ns:xmpp-streams}'
deployment = None


def _stream_error(client, condition):
    while True:
        element = client.receive()
        assert element is not None, f'closed without {condition}: {client.raw[-500:]}'
        if element.tag == f'{{{STREAM}}}error':
            break
    assert element.find(ERRORS + condition) is not None, [child.tag for child in element]
    assert client.receive() is None


def _rss():
    with open(f'/proc/{deployment.processes["run"].process.pid}/statm', encoding='ascii') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def _others_chat():
    romeo = Raw(deployment.port).login('romeo', 'secret', 'others')
    romeo.send(f"<message to='{romeo.jid}' id='x'><body>still here</body></message>")
    assert body(romeo.expect('message')) == 'still here'
    romeo.close()


def an_unknown_host_is_said_to_be_unknown():
    _stream_error(Raw(deployment.port).open('elsewhere.example'), 'host-unknown')


def malformed_xml_is_not_well_formed():
    for logged_in in (False, True):
        client = Raw(deployment.port)
        if logged_in:
            client.login('romeo', 'secret')
        else:
            client.open().features()
        client.send('<message><body></message>')
        _stream_error(client, 'not-well-formed')


def what_xmpp_forbids_is_restricted():
    for text in ('<!-- a comment -->', '<?a processing instruction?>', '<message>&unknown;</message>'):
        client = Raw(deployment.port).open()
        client.features()
        client.send(text)
        element = client.receive()
        assert element.tag == f'{{{STREAM}}}error', element
        names = {child.tag for child in element}
        assert names & {ERRORS + 'restricted-xml', ERRORS + 'not-well-formed'}, names


def a_doctype_is_refused():
    client = Raw(deployment.port)
    client.send("<!DOCTYPE lolz [<!ENTITY lol 'lol'>]><stream:stream/>")
    while client.receive():
        pass


def another_root_is_refused():
    client = Raw(deployment.port)
    client.send('GET / HTTP/1.0\r\n\r\n')
    _stream_error(client, 'not-well-formed')
    client = Raw(deployment.port)
    client.send('<html>')
    while client.receive():
        pass


def stanzas_before_login_are_not_authorized():
    client = Raw(deployment.port).open()
    client.features()
    client.send("<message to='romeo@localhost'><body>hi</body></message>")
    _stream_error(client, 'not-authorized')


def one_byte_at_a_time_is_as_good():
    client = Raw(deployment.port).login('romeo', 'secret')
    for byte in f"<message to='{client.jid}' id='slow'><body>a &amp; b</body></message>":
        client.send(byte)
        time.sleep(0.001)
    assert body(client.expect('message', id='slow')) == 'a & b'
    client.close()


def a_client_killed_amid_a_stanza_disturbs_nobody():
    for cut in range(1, 60, 7):
        client = Raw(deployment.port).login('romeo', 'secret')
        client.send(f"<message to='{client.jid}'><body>a text that never ends"[:cut])
        client.socket.close()
    _others_chat()


def ten_thousand_nested_elements_are_too_many():
    for logged_in in (False, True):
        client = Raw(deployment.port)
        if logged_in:
            client.login('romeo', 'secret')
        else:
            client.open().features()
        try:
            client.send('<message>' + '<x>' * 10000)
        except OSError:
            pass
        _stream_error(client, 'policy-violation')
    _others_chat()


def a_gigabyte_of_attribute_is_cut_short():
    for logged_in in (False, True):
        client = Raw(deployment.port)
        if logged_in:
            client.login('romeo', 'secret')
        else:
            client.open().features()
        before = _rss()
        client.send("<message to='romeo@localhost' id='")
        sent = 0
        try:
            while sent < 1 << 30:
                client.send(b'a' * 65536)
                sent += 65536
        except OSError:
            pass
        assert sent < 64 << 20, f'{sent} bytes were taken'
        assert _rss() - before < 16 << 20, (before, _rss())
        client.socket.close()
    _others_chat()


def bad_addresses_and_iqs_get_stanza_errors():
    client = Raw(deployment.port).login('romeo', 'secret')
    for stanza, condition in (("<message to='@@' id='e'><body>x</body></message>", 'jid-malformed'),
                              ("<iq type='get' id='e'/>", 'bad-request'),
                              ("<iq type='wrong' id='e'><a xmlns='b'/></iq>", 'bad-request'),
                              ("<iq type='get' id='e' to='localhost'><a xmlns='b'/></iq>", 'service-unavailable'),
                              ("<iq type='get' id='e'><a xmlns='b'/></iq>", 'service-unavailable'),
                              ("<message to='nobody@localhost' id='e'><body>x</body></message>", 'service-unavailable')):
        client.send(stanza)
        while True:
            error = client.receive()
            assert error is not None, stanza
            if error.get('id') == 'e':
                break
        assert error.get('type') == 'error', (stanza, error.attrib)
        assert error.find(f'{{{CLIENT}}}error/{{urn:ietf:params:xml:ns:xmpp-stanzas}}{condition}') is not None, stanza
    client.close()


def a_forged_sender_is_stamped_over():
    client = Raw(deployment.port).login('romeo', 'secret')
    client.send(f"<message from='juliet@localhost/forged' to='{client.jid}' id='f'><body>x</body></message>")
    assert client.expect('message', id='f').get('from') == client.jid
    client.close()


if __name__ == '__main__':
    with Deployment() as deployment:
        deployment.start()
        for user in ('romeo', 'juliet'):
            deployment.add_user(user, 'secret')
        scenarios(an_unknown_host_is_said_to_be_unknown, malformed_xml_is_not_well_formed,
                  what_xmpp_forbids_is_restricted, a_doctype_is_refused, another_root_is_refused,
                  stanzas_before_login_are_not_authorized, one_byte_at_a_time_is_as_good,
                  a_client_killed_amid_a_stanza_disturbs_nobody, ten_thousand_nested_elements_are_too_many,
                  a_gigabyte_of_attribute_is_cut_short, bad_addresses_and_iqs_get_stanza_errors,
                  a_forged_sender_is_stamped_over)
