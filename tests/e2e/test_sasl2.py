#!/usr/bin/python3
"""Logging in, in one go (XEP-0388): with a session begun (XEP-0386) or resumed (XEP-0198), in both forms of the server."""
import base64
import hashlib
import hmac
import os
import signal
import time
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, STREAM, Deployment, Raw, body, scenarios, with_people
from scram import Scram, encode, mechanisms
from test_sasl import KEY
from tls import Tls, secure

SASL2, BIND2, SM, CARBONS, CSI = 'urn:xmpp:sasl:2', 'urn:xmpp:bind:0', 'urn:xmpp:sm:3', 'urn:xmpp:carbons:2', 'urn:xmpp:csi:0'
FAST = 'urn:xmpp:fast:0'
PIPELINING = 'urn:xmpp:iap:0'
DEVICE = 'd4565fa7-4d72-4749-b3d3-740edbf87770'
ALL = (f"<bind xmlns='{BIND2}'><tag>Test</tag><enable xmlns='{CARBONS}'/><enable xmlns='{SM}' resume='true'/></bind>")
ARCHIVE = '[messages]\narchive = "30 days"\n'


def agent(device=DEVICE):
    return f"<user-agent id='{device}'><software>Test</software><device>phone</device></user-agent>"


def plain(user, password='secret'):
    return encode(f'\0{user}\0{password}')


def authenticate(client, mechanism, initial, inline=''):
    client.send(f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{initial}</initial-response>{inline}"
                '</authenticate>')
    return client.receive()


def log_in(deployment, user, inline='', password='secret'):
    """Success, of a stream whose features were read."""
    client = secure(deployment)
    client.offered = client.features()
    client.answer = authenticate(client, 'PLAIN', plain(user, password), inline)
    assert client.answer is not None and client.answer.tag == f'{{{SASL2}}}success', ElementTree.tostring(client.answer)
    client.jid = client.answer.findtext(f'{{{SASL2}}}authorization-identifier')
    client.bound = client.answer.find(f'{{{BIND2}}}bound')
    return client


def condition(failure):
    assert failure.tag == f'{{{SASL2}}}failure', ElementTree.tostring(failure)
    return failure[0].tag.split('}')[1]


def everywhere(*functions, extra=''):
    return with_people(*functions, users=('romeo', 'juliet', 'nurse', 'paris'), extra=extra) + \
        with_people(*functions, users=('romeo', 'juliet', 'nurse', 'paris'), parts=('router', 'sm', 'c2s'), extra=extra)


def it_is_offered_under_tls(deployment):
    clear = Raw(deployment.port).open()
    assert clear.features().find(f'{{{SASL2}}}authentication') is None
    clear.close()
    client = secure(deployment)
    features = client.features()
    offered = features.find(f'{{{SASL2}}}authentication')
    assert [element.text for element in offered.findall(f'{{{SASL2}}}mechanism')] == mechanisms(features)
    inline = offered.find(f'{{{SASL2}}}inline')
    assert inline.find(f'{{{SM}}}sm') is not None
    assert [element.get('var') for element in inline.iter(f'{{{BIND2}}}feature')] == [CARBONS, CSI, SM]
    client.close()


def a_login_alone_is_followed_by_features(deployment):
    for user in ('romeo', 'juliet', 'nurse', 'paris'):  # some of them live on another worker than the one that accepted them
        client = log_in(deployment, user)
        assert client.jid == f'{user}@localhost' and client.bound is None
        features = client.features()
        assert features.find('{urn:ietf:params:xml:ns:xmpp-bind}bind') is not None and features.find(f'{{{SASL2}}}authentication') is None
        client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
        assert client.expect('iq', id='b')[0][0].text == f'{user}@localhost/x'
        client.send('<presence/>')
        client.expect('presence')
        client.close()


def scram_proves_both_sides(deployment):
    client = secure(deployment)
    client.features()
    scram = Scram('SCRAM-SHA-256', 'romeo', 'secret')
    challenge = authenticate(client, 'SCRAM-SHA-256', encode(scram.header + scram.bare), ALL + agent())
    assert challenge.tag == f'{{{SASL2}}}challenge'
    kind, _ = scram.finish_with(client, challenge, SASL2)
    assert kind == 'success' and scram.facts()['t'] == '0304'  # XEP-0515
    client.close()


def what_is_asked_before_the_offer_is_seen_is_for_that_offer(deployment):
    """XEP-0509."""
    client = secure(deployment)
    version = client.features().find(f'{{{PIPELINING}}}config-version').get('value')
    client.close()
    client = secure(deployment)
    assert client.features().find(f'{{{PIPELINING}}}config-version').get('value') == version
    for _ in range(12):  # none of them counts
        failure = authenticate(client, 'PLAIN', plain('romeo', 'wrong'), f"<config-version xmlns='{PIPELINING}' scheme='opaque' value='old'/>")
        assert condition(failure) == 'aborted' and failure.find(f'{{{PIPELINING}}}config-version-mismatch') is not None
    success = authenticate(client, 'PLAIN', plain('romeo'), f"<config-version xmlns='{PIPELINING}' value='{version}'/>")
    assert success.tag == f'{{{SASL2}}}success'
    assert client.features().find(f'{{{PIPELINING}}}config-version') is None
    client.close()


def a_session_begins_with_all_that_it_asks_for(deployment):
    romeo = log_in(deployment, 'romeo', ALL + agent())
    assert romeo.jid.startswith('romeo@localhost/Test/') and DEVICE not in romeo.jid
    enabled = romeo.bound.find(f'{{{SM}}}enabled')
    assert enabled.get('resume') == 'true' and enabled.get('id')
    features = romeo.features()
    assert features.find('{urn:ietf:params:xml:ns:xmpp-bind}bind') is None and features.find(f'{{{SM}}}sm') is None
    assert features.find(f'{{{CSI}}}csi') is not None
    other = log_in(deployment, 'romeo', f"<bind xmlns='{BIND2}'/>")
    other.features()
    juliet = log_in(deployment, 'juliet', f"<bind xmlns='{BIND2}'/>")
    juliet.features()
    for client in (romeo, other, juliet):
        client.send('<presence/>')
        client.expect('presence')
    other.send("<message to='juliet@localhost' type='chat'><body>hail</body></message>")
    assert body(juliet.expect('message')) == 'hail'
    copied = romeo.expect('message')
    assert copied.find(f'{{{CARBONS}}}sent') is not None, ElementTree.tostring(copied)
    romeo.send(f"<r xmlns='{SM}'/>")
    while (answer := romeo.receive()).tag != f'{{{SM}}}a':
        pass
    assert answer.get('h') == '1'  # its presence
    romeo.socket.close()
    for client in (other, juliet):
        client.close()


def the_same_device_has_the_same_address_and_one_session(deployment):
    first = log_in(deployment, 'romeo', ALL + agent())
    first.features()
    second = log_in(deployment, 'romeo', f"<bind xmlns='{BIND2}'><tag>Other</tag></bind>" + agent())
    second.features()
    assert second.jid != first.jid
    while (error := first.receive()).tag != f'{{{STREAM}}}error':
        pass
    assert error[0].tag.endswith('}conflict')
    again = log_in(deployment, 'romeo', ALL + agent())
    assert again.jid == first.jid
    another = log_in(deployment, 'romeo', ALL + agent('11111111-4d72-4749-b3d3-740edbf87770'))
    assert another.jid != first.jid
    again.features()
    again.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    again.expect('iq', id='p')
    for client in (second, again, another):
        client.close()


def a_session_is_resumed_along_with_the_login(deployment):
    romeo = log_in(deployment, 'romeo', ALL + agent())
    romeo.features()
    key = romeo.bound.find(f'{{{SM}}}enabled').get('id')
    romeo.send('<presence/>')
    romeo.expect('presence')
    romeo.socket.close()
    juliet = log_in(deployment, 'juliet', f"<bind xmlns='{BIND2}'/>")
    juliet.features()
    juliet.send("<message to='romeo@localhost' type='chat'><body>hail</body></message>")
    resume = f"<resume xmlns='{SM}' previd='{key}' h='1'/>"
    again = log_in(deployment, 'romeo', resume + ALL + agent())
    assert again.jid == romeo.jid and again.bound is None
    resumed = again.answer.find(f'{{{SM}}}resumed')
    assert resumed.get('previd') == key and resumed.get('h') == '1'
    assert body(again.expect('message')) == 'hail'
    assert not any(element.tag == f'{{{STREAM}}}features' for element in again.queue)
    again.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert again.expect('iq', id='p').get('type') == 'result'
    again.socket.close()
    stale = log_in(deployment, 'romeo', f"<resume xmlns='{SM}' previd='nonsense' h='1'/>" + ALL)
    assert stale.answer.find(f'{{{SM}}}failed') is not None and stale.bound is not None and stale.jid != romeo.jid
    stale.features()
    for client in (juliet, stale):
        client.close()


def what_is_wrong_fails_and_may_be_tried_again(deployment):
    client = secure(deployment)
    client.features()
    assert condition(authenticate(client, 'PLAIN', plain('romeo', 'wrong'), ALL)) == 'not-authorized'
    assert condition(authenticate(client, 'PLAIN', 'no base64 !')) == 'incorrect-encoding'
    assert condition(authenticate(client, 'NONSENSE', plain('romeo'))) == 'invalid-mechanism'
    scram = Scram('SCRAM-SHA-256', 'romeo', 'secret')
    assert authenticate(client, 'SCRAM-SHA-256', encode(scram.header + scram.bare)).tag == f'{{{SASL2}}}challenge'
    client.send(f"<abort xmlns='{SASL2}'/>")
    assert condition(client.receive()) == 'aborted'
    assert authenticate(client, 'PLAIN', plain('romeo'), ALL).tag == f'{{{SASL2}}}success'
    client.features()
    again = authenticate(client, 'PLAIN', plain('juliet'))
    while again.tag != f'{{{STREAM}}}error':
        again = client.receive()
    client.close()


def who_says_to_be_somebody_else_is_not_let_in(deployment):
    client = secure(deployment, sender='juliet@localhost')
    client.features()
    assert condition(authenticate(client, 'PLAIN', plain('romeo'))) == 'invalid-authzid'
    assert authenticate(client, 'PLAIN', plain('juliet')).tag == f'{{{SASL2}}}success'
    client.close()


def what_waits_in_storage_is_read_in_the_archive(deployment):
    juliet = log_in(deployment, 'juliet', f"<bind xmlns='{BIND2}'/>")
    juliet.features()
    for text in ('one', 'two'):
        juliet.send(f"<message to='romeo@localhost' type='chat'><body>{text}</body></message>")
    juliet.send("<message to='romeo@localhost' type='chat'><body>three</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>")
    deployment.wait_stored(3)
    romeo = log_in(deployment, 'romeo', ALL + agent())
    metadata = romeo.bound.find('{urn:xmpp:mam:2}metadata')
    ends = [(end.tag.split('}')[1], end.get('id')) for end in metadata]
    assert [name for name, _ in ends] == ['start', 'end'] and ends[0][1] != ends[1][1], ElementTree.tostring(metadata)
    romeo.features()
    romeo.send('<presence/>')
    assert body(romeo.expect('message')) == 'three'
    romeo.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
    found = []
    while (element := romeo.receive()).get('id') != 'q':
        found += [text.text for text in element.iter(f'{{{CLIENT}}}body')]
    assert found == ['one', 'two'], found
    romeo.socket.close()
    juliet.close()


# -- upgrades

def offered_upgrades(client):
    return [element.text for element in client.offered.find(f'{{{SASL2}}}authentication').findall('{urn:xmpp:sasl:upgrade:0}upgrade')]


def stream(deployment):
    client = secure(deployment)
    client.offered = client.features()
    return client


def do_task(client, element, hash):
    """From <continue/> to what follows."""
    name = element.findtext(f'{{{SASL2}}}tasks/{{{SASL2}}}task')
    assert element.tag == f'{{{SASL2}}}continue' and name == f'UPGR-SCRAM-SHA-{hash[3:]}', ElementTree.tostring(element)
    client.send(f"<next xmlns='{SASL2}' task='{name}'/>")
    salt = client.receive().find('{urn:xmpp:scram-upgrade:0}salt')
    salted = hashlib.pbkdf2_hmac(hash, b'pencil', base64.b64decode(salt.text), int(salt.get('iterations')))
    client.send(f"<task-data xmlns='{SASL2}'><hash xmlns='urn:xmpp:scram-upgrade:0'>{encode(salted)}</hash></task-data>")
    return client.receive()


def old_keys_are_joined_by_better_ones(deployment):
    path = os.path.join(deployment.dir, 'old.tsv')
    with open(path, 'w', encoding='ascii') as file:
        file.write(f'old@localhost\t{KEY}\n')
    deployment.command('user', 'import', path)

    def offered():
        """Each worker learns of it when it asks again."""
        end = time.time() + 30
        while not offered_upgrades(client := stream(deployment)):
            client.close()
            assert time.time() < end
            time.sleep(0.3)
        return client
    client = offered()
    assert offered_upgrades(client) == ['UPGR-SCRAM-SHA-256', 'UPGR-SCRAM-SHA-512']
    wanted = ''.join(f"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>{name}</upgrade>" for name in offered_upgrades(client) + ['UPGR-X'])

    def begin(user, password, inline):
        client = offered()
        scram = Scram('SCRAM-SHA-1', user, password)
        challenge = authenticate(client, 'SCRAM-SHA-1', encode(scram.header + scram.bare), inline)
        scram.server_first = base64.b64decode(challenge.text).decode()
        return client, scram
    client, scram = begin('romeo', 'secret', wanted)
    assert scram.finish(client, SASL2)[0] == 'success', 'who has all keys is asked for none'
    client, scram = begin('old', 'pencil', wanted)
    assert scram.finish(client, SASL2)[0] == 'continue'
    client.send(f"<next xmlns='{SASL2}' task='UPGR-X'/>")
    assert condition(client.receive()) == 'malformed-request'
    client, scram = begin('old', 'pencil', wanted)
    assert scram.finish(client, SASL2)[0] == 'continue'
    client.send(f"<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-1'/>")  # XEP-0388 section 4.8
    error = client.receive()
    assert error.tag == f'{{{STREAM}}}error' and error[0].tag.endswith('}policy-violation'), ElementTree.tostring(error)
    token = give(deployment, 'old', password='pencil')
    client = token.log_in(deployment, wanted)
    client.close()
    assert client.answer.tag == f'{{{SASL2}}}success', 'who has a token may not know the password'
    client, scram = begin('old', 'pencil', wanted + ALL)
    scram.finish(client, SASL2)
    answer = do_task(client, client.answers[-1], 'sha256')
    answer = do_task(client, answer, 'sha512')
    assert answer.tag == f'{{{SASL2}}}success' and answer.find(f'{{{BIND2}}}bound') is not None
    client.features()
    client.close()
    assert deployment.command('check', 'accounts').returncode == 0
    end = time.time() + 30
    while 'SCRAM-SHA-512' not in mechanisms((client := stream(deployment)).offered):
        assert time.time() < end
        time.sleep(0.3)
    assert Scram('SCRAM-SHA-512', 'old', 'pencil').run(client)[0] == 'success'
    client.close()


old_keys_are_joined_by_better_ones.extra = 'mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]\n'


# -- tokens

class Token:
    """What a device keeps: XEP-0484, draft-schmaus-kitten-sasl-ht."""
    KINDS = {'EXPR': 'tls-exporter', 'ENDP': 'tls-server-end-point', 'NONE': None}

    def __init__(self, answer, user, kind, device=DEVICE):
        element = answer.find(f'{{{FAST}}}token')
        self.text, self.expiry = element.get('token'), element.get('expiry')
        self.user, self.kind, self.device = user, kind, device

    def proof(self, client, side, kind=None):
        binding = self.KINDS[kind or self.kind]
        data = client.socket.binding(binding) if binding else b''
        return hmac.digest(self.text.encode(), side.encode() + data, 'sha256')

    def authenticate(self, client, inline='', kind=None, fast='', device=None):
        client.features()
        kind = kind or self.kind
        initial = encode(self.user.encode() + b'\0' + self.proof(client, 'Initiator', kind))
        answer = authenticate(client, f'HT-SHA-256-{kind}', initial, f"<fast xmlns='{FAST}'{fast}/>" + inline + agent(device or self.device))
        if answer.tag == f'{{{SASL2}}}success':
            said = base64.b64decode(answer.findtext(f'{{{SASL2}}}additional-data'))
            assert said == self.proof(client, 'Responder', kind), 'the server does not know the token'
        return answer

    def log_in(self, deployment, *args, **options):
        client = secure(deployment)
        client.answer = self.authenticate(client, *args, **options)
        return client

    def works(self, deployment, *args, **options):
        client = self.log_in(deployment, *args, **options)
        client.close()
        if client.answer.tag == f'{{{SASL2}}}success':
            return True
        assert condition(client.answer) == 'credentials-expired', ElementTree.tostring(client.answer)
        return False


def give(deployment, user='romeo', kind='EXPR', device=DEVICE, password='secret'):
    client = log_in(deployment, user, f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-{kind}'/>" + agent(device), password)
    client.close()
    return Token(client.answer, user, kind, device)


def a_token_is_as_good_as_a_password(deployment):
    client = secure(deployment)
    offered = client.features().find(f'{{{SASL2}}}authentication/{{{SASL2}}}inline/{{{FAST}}}fast')
    assert [element.text for element in offered] == ['HT-SHA-256-EXPR', 'HT-SHA-256-ENDP', 'HT-SHA-256-NONE']
    client.close()
    for kind in Token.KINDS:
        for user in ('romeo', 'juliet'):
            token = give(deployment, user, kind)
            client = token.log_in(deployment, ALL)
            bound = client.answer.find(f'{{{BIND2}}}bound')
            assert bound is not None and client.answer.findtext(f'{{{SASL2}}}authorization-identifier').startswith(f'{user}@localhost/Test/')
            client.features()
            client.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
            client.expect('iq', id='p')
            client.close()
            assert client.answer.find(f'{{{FAST}}}token') is None, 'a fresh one need not be replaced'


def a_token_is_of_one_device_and_one_mechanism(deployment):
    token = give(deployment)
    other = give(deployment, kind='NONE', device='22222222-4d72-4749-b3d3-740edbf87770')
    assert token.works(deployment) and other.works(deployment)
    assert not token.works(deployment, device=other.device)
    assert not token.works(deployment, kind='NONE')
    client = secure(deployment)
    client.features()
    initial = encode(b'romeo\0' + token.proof(client, 'Initiator'))
    assert condition(authenticate(client, 'HT-SHA-256-EXPR', initial, agent())) == 'invalid-mechanism'
    for wrong in (b'romeo\0' + bytes(32), b'nobody\0' + bytes(32)):
        answer = authenticate(client, 'HT-SHA-256-EXPR', encode(wrong), f"<fast xmlns='{FAST}'/>" + agent())
        assert condition(answer) == 'credentials-expired'
    answer = authenticate(client, 'HT-SHA-256-EXPR', encode(b'romeo'), f"<fast xmlns='{FAST}'/>" + agent())
    assert condition(answer) == 'malformed-request'
    client.close()


def who_is_nobody_has_no_token(deployment):
    client = secure(deployment)
    client.features()
    answer = authenticate(client, 'ANONYMOUS', '', f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-NONE'/>" + agent())
    assert answer.tag == f'{{{SASL2}}}success' and answer.find(f'{{{FAST}}}token') is None, ElementTree.tostring(answer)
    client.close()


who_is_nobody_has_no_token.extra = 'mechanisms = ["SCRAM-SHA-256", "PLAIN", "ANONYMOUS"]\n'


def of_two_logins_at_once_none_ends_the_token(deployment):
    """The one that was given up, and the next: which of them is done first is not for the client to know."""
    token = give(deployment)
    asks = f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-EXPR'/>" + agent()
    for _ in range(10):
        clients = [secure(deployment) for _ in range(2)]
        for client in clients:
            client.features()
            initial = encode(b'romeo\0' + token.proof(client, 'Initiator'))
            client.initial = (f"<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-EXPR'><initial-response>{initial}</initial-response>"
                              f"<fast xmlns='{FAST}'/>{asks}</authenticate>")
        for client in clients:
            client.send(client.initial)
        for answer in [client.receive() for client in clients]:
            assert answer.tag == f'{{{SASL2}}}success' or condition(answer) == 'temporary-auth-failure', ElementTree.tostring(answer)
        for client in clients:
            client.close()
        assert token.works(deployment)


def the_next_token_ends_the_one_before_when_it_is_used(deployment):
    first = give(deployment)
    client = first.log_in(deployment, f"<request-token xmlns='{FAST}' mechanism='HT-SHA-256-ENDP'/>")
    client.close()
    second = Token(client.answer, 'romeo', 'ENDP')
    assert second.text != first.text and first.works(deployment)
    assert second.works(deployment) and second.works(deployment)
    assert not first.works(deployment)
    assert second.works(deployment, fast=" count='3'") and not second.works(deployment, fast=" count='3'")
    assert second.works(deployment, fast=" count='4'") and second.works(deployment)
    assert second.works(deployment, fast=" invalidate='true'") and not second.works(deployment)


def what_ends_tokens(deployment):
    def keeps():
        return give(deployment), give(deployment, 'juliet', 'NONE')
    romeo, juliet = keeps()
    assert deployment.command('user', 'revoke', 'romeo@localhost').returncode == 0
    assert not romeo.works(deployment) and juliet.works(deployment)
    deployment.command('user', 'revoke', 'nobody@localhost', code=1)
    romeo, juliet = keeps()
    deployment.command('user', 'passwd', 'romeo@localhost', '--password-file', '-', input='other\n')
    assert not romeo.works(deployment) and juliet.works(deployment)
    romeo = give(deployment, password='other')
    deployment.command('user', 'disable', 'romeo@localhost')
    assert not romeo.works(deployment)
    deployment.command('user', 'enable', 'romeo@localhost')
    assert not romeo.works(deployment)


def tokens_outlive_the_server_and_are_not_in_its_database(deployment):
    token = give(deployment)
    secret = token.text.encode()
    for name in deployment.processes:
        deployment.processes[name].kill()
    for folder, _, files in os.walk(deployment.dir):
        for file in files:
            if os.path.isfile(os.path.join(folder, file)):
                with open(os.path.join(folder, file), 'rb') as content:
                    assert secret not in content.read(), file
    deployment.start(*deployment.processes)
    assert token.works(deployment)


def one_round_trip_is_enough(deployment):
    """Behind TLS all is said at once; and all is answered."""
    token = give(deployment, kind='NONE')
    client = Raw(deployment.port).open()
    client.features()
    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert client.receive().tag.endswith('}proceed')
    client.socket = Tls(client.socket)
    client.reset()
    initial = encode(b'romeo\0' + token.proof(client, 'Initiator'))
    client.send(f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' to='localhost' from='romeo@localhost' "
                f"version='1.0'><authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-NONE'><initial-response>{initial}</initial-response>"
                f"{agent()}<fast xmlns='{FAST}'/>{ALL}</authenticate>")
    client.features()
    answer = client.receive()
    assert answer.tag == f'{{{SASL2}}}success' and answer.find(f'{{{BIND2}}}bound') is not None, ElementTree.tostring(answer)
    client.features()
    client.close()


def who_gives_up_while_he_is_let_in_has_no_session():
    """It would end the one that his device has begun since."""
    with Deployment() as deployment:
        deployment.start('router', 'sm', 'c2s')
        deployment.add_user('romeo', 'secret')
        log_in(deployment, 'romeo').close()
        client = secure(deployment)
        client.features()
        manager = deployment.processes['sm'].process
        manager.send_signal(signal.SIGSTOP)  # nobody can say whether the password is right
        try:
            client.send(f"<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{plain('romeo')}</initial-response>{ALL}{agent()}"
                        '</authenticate>')
            time.sleep(0.3)
            client.socket.close()
            time.sleep(0.3)
        finally:
            manager.send_signal(signal.SIGCONT)
        log_in(deployment, 'romeo').close()
        time.sleep(0.3)
        assert deployment.metric('sessions') == 0, deployment.command('status', '--json').stdout


if __name__ == '__main__':
    scenarios(*everywhere(it_is_offered_under_tls, a_login_alone_is_followed_by_features, scram_proves_both_sides,
                          what_is_asked_before_the_offer_is_seen_is_for_that_offer,
                          a_session_begins_with_all_that_it_asks_for, the_same_device_has_the_same_address_and_one_session,
                          a_session_is_resumed_along_with_the_login, what_is_wrong_fails_and_may_be_tried_again,
                          who_says_to_be_somebody_else_is_not_let_in, old_keys_are_joined_by_better_ones,
                          a_token_is_as_good_as_a_password, a_token_is_of_one_device_and_one_mechanism,
                          who_is_nobody_has_no_token, of_two_logins_at_once_none_ends_the_token, the_next_token_ends_the_one_before_when_it_is_used,
                          what_ends_tokens,
                          tokens_outlive_the_server_and_are_not_in_its_database, one_round_trip_is_enough),
              *everywhere(what_waits_in_storage_is_read_in_the_archive, extra=ARCHIVE),
              who_gives_up_while_he_is_let_in_has_no_session)
