#!/usr/bin/python3
"""Logging in over real TLS: every mechanism, every kind of channel binding, and what must not get in."""
import json
import os
import time

from harness import Deployment, Raw, scenarios
from scram import SASL, Scram, answer, auth, bind, bindings, bound, encode, mechanisms, plain, respond
from tls import TLS_1_2, TLS_1_3, Certificate, address, secure

ALL = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']
SCRAMS = ALL[:3]
PLUS = [f'{name}-PLUS' for name in SCRAMS]


def _deployment(*users, certificate=None, limits='', **options):
    deployment = Deployment(extra=f'mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]\n[limits]\n{limits}\n',
                            **options)
    if certificate:
        os.makedirs(f'{deployment.dir}/certs')
        Certificate(f'{deployment.dir}/certs', 'localhost', **certificate)
    deployment.start()
    for name in users or ('romeo',):
        deployment.add_user(name, 'secret')
    return deployment


def _log(deployment):
    return deployment.processes['run']


# -- channel binding


def tls_1_3_binds_by_exporter_and_certificate():
    with _deployment() as deployment:
        for direct in (False, True):
            client = secure(deployment, direct)
            features = client.features()
            assert mechanisms(features) == PLUS + ALL, mechanisms(features)
            assert bindings(features) == ['tls-exporter', 'tls-server-end-point'], bindings(features)
            client.close()
            for kind in ('tls-exporter', 'tls-server-end-point'):
                for mechanism in PLUS:
                    client = secure(deployment, direct)
                    client.features()
                    assert bound(client, mechanism, kind, 'romeo', 'secret')[0] == 'success', (mechanism, kind)
                    assert bind(client) == 'romeo@localhost/here'
                    client.close()
                    _log(deployment).wait_for(f'login romeo@localhost by SASL/{mechanism}, TLSv1.3, {kind} ')


def tls_1_2_binds_by_its_first_finished_message_too():
    with _deployment() as deployment:
        client = secure(deployment, version=TLS_1_2)
        assert bindings(client.features()) == ['tls-exporter', 'tls-unique', 'tls-server-end-point']
        session = client.socket.session()
        client.close()
        for kind in ('tls-exporter', 'tls-unique', 'tls-server-end-point'):
            for resumes in (None, session):
                client = secure(deployment, version=TLS_1_2, session=resumes)
                assert client.socket.resumed() == bool(resumes)
                client.features()
                assert bound(client, 'SCRAM-SHA-256-PLUS', kind, 'romeo', 'secret')[0] == 'success', (kind, resumes)
                assert bind(client) == 'romeo@localhost/here'
                client.close()


def without_an_extended_master_secret_nothing_is_exported():
    with _deployment() as deployment:
        client = secure(deployment, version=TLS_1_2, extended=False)
        assert bindings(client.features()) == ['tls-unique', 'tls-server-end-point']
        assert bound(client, 'SCRAM-SHA-1-PLUS', 'tls-exporter', 'romeo', 'secret') == ('failure', 'not-authorized')
        assert bound(client, 'SCRAM-SHA-1-PLUS', 'tls-unique', 'romeo', 'secret')[0] == 'success'
        client.close()


def the_certificate_is_known_by_the_hash_of_its_signature():
    for key, digest in ((('ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'), 'sha384'), (('rsa:2048', '-sha1'), 'sha256')):
        with _deployment(certificate={'key': key}) as deployment:
            client = secure(deployment)
            client.features()
            data = client.socket.end_point(digest)
            assert bound(client, 'SCRAM-SHA-256-PLUS', 'tls-server-end-point', 'romeo', 'secret', data)[0] == 'success', digest
            client.close()
    with _deployment(certificate={'key': ('ed25519',)}) as deployment:
        client = secure(deployment)
        assert bindings(client.features()) == ['tls-exporter'], 'a signature without a hash has no such binding'
        client.close()


def a_stream_in_clear_has_nothing_to_bind_to():
    with _deployment() as deployment:
        client = Raw(deployment.port).open()
        features = client.features()
        assert mechanisms(features) == ALL and not bindings(features)
        assert b'sasl-cb' not in client.raw
        assert auth(client, 'SCRAM-SHA-256-PLUS', 'p=tls-exporter,,n=romeo,r=x') == ('failure', 'invalid-mechanism')
        assert Scram('SCRAM-SHA-256', 'romeo', 'secret', 'y,,').run(client)[0] == 'success'
        client.close()


def what_is_between_client_and_server_does_not_get_in():
    with _deployment() as deployment:
        client, other = secure(deployment), secure(deployment)
        client.features()
        theirs = other.socket.exporter()
        for kind, data, condition in (('tls-exporter', theirs, 'not-authorized'), ('tls-exporter', b'', 'not-authorized'),
                                      ('tls-server-end-point', theirs, 'not-authorized'),
                                      ('tls-unique', client.socket.unique(), 'not-authorized'),
                                      ('tls-sunshine', b'', 'not-authorized'), ('', b'', 'malformed-request')):
            assert bound(client, 'SCRAM-SHA-256-PLUS', kind, 'romeo', 'secret', data) == ('failure', condition), kind
        for mechanism, header, condition in (('SCRAM-SHA-256', 'y,,', 'not-authorized'), ('SCRAM-SHA-256-PLUS', 'n,,', 'malformed-request'),
                                             ('SCRAM-SHA-256', 'p=tls-exporter,,', 'malformed-request')):
            assert Scram(mechanism, 'romeo', 'secret', header).run(client) == ('failure', condition), header
        _log(deployment).wait_for('login refused to romeo@localhost by SASL/SCRAM-SHA-256-PLUS, TLSv1.3: not-authorized: bound to another')
        _log(deployment).wait_for('channel binding is offered, but the client did not see it')
        assert Scram('SCRAM-SHA-256', 'romeo', 'secret').run(client)[0] == 'success', 'who cannot bind says n'
        for stream in (client, other):
            stream.close()


def what_is_refused_before_a_guess_is_not_counted_as_one():
    """Some clients try every way to be bound before they log in by one that they can."""
    with _deployment(limits='unlimited_from = []\nlogin_attempts = "1 per hour"') as deployment:
        for _ in range(4):
            client = secure(deployment)
            client.features()
            for mechanism in SCRAMS:
                assert Scram(f'{mechanism}-PLUS', 'romeo', 'secret', 'p=tls-unique,,').run(client) == ('failure', 'not-authorized')
                assert Scram(mechanism, 'romeo', 'secret', 'y,,').run(client) == ('failure', 'not-authorized')
            assert plain(client, 'romeo', 'secret')[0] == 'success'
            client.close()


def what_was_offered_is_proven_to_the_client():
    with _deployment() as deployment:
        for client in (Raw(deployment.port).open(), secure(deployment), secure(deployment, version=TLS_1_2)):
            features = client.features()
            for mechanism in SCRAMS:
                scram = Scram(mechanism, 'romeo', 'secret')
                scram.begin(client)
                assert not scram.is_downgraded(features)
                assert scram.finish(client)[0] == 'success' if mechanism == SCRAMS[-1] else True
            removed = next(m for m in features.iter() if m.text == 'SCRAM-SHA-256')
            removed.text = 'SCRAM-SHA-3'
            assert scram.is_downgraded(features)
            client.close()


# -- messages


def plain_takes_nothing_but_its_message():
    with _deployment('romeo', 'juliet') as deployment:
        wrong = [(f'{message}', 'malformed-request')
                 for message in ('', 'romeo', '\0romeo', 'romeo\0secret', '\0romeo\0', '\0\0secret', '\0romeo\0secret\0',
                                 '\0romeo\0secret\0more', '\0romeo\0sec\0ret')]
        wrong += [(f'{authzid}\0romeo\0secret', 'invalid-authzid')
                  for authzid in ('juliet@localhost', 'romeo@localhost/home', 'romeo@example.org', 'localhost', 'romeo', '@')]
        wrong += [('\0romeo\0Secret', 'not-authorized'), ('\0romeo\0' + 'x' * 2000, 'not-authorized'),
                  ('\0juli\0secret', 'not-authorized'), ('\0romeo@localhost\0secret', 'not-authorized'), ('\0ro meo\0secret', 'not-authorized')]
        for message, condition in wrong:
            client = secure(deployment)
            client.features()
            kind, said = auth(client, 'PLAIN', message)
            if message == '':
                assert (kind, said) == ('challenge', b''), 'what is empty is asked for once'
                kind, said = respond(client, '')
            assert (kind, said) == ('failure', condition), message
            assert plain(client, 'romeo', 'secret', 'romeo@localhost' if len(message) % 2 else '')[0] == 'success', 'the stream is usable'
            client.close()


def what_is_no_base64_is_refused():
    with _deployment() as deployment:
        right = encode('\0romeo\0secret')
        for text in (' ' + right, right + '\n', right[:8] + ' ' + right[8:], right.rstrip('='), right[:-3] + 'B==', '==', '====', 'A=AA',
                     right[:4] + '*' + right[5:]):
            client = secure(deployment)
            client.features()
            for element in (f"<auth xmlns='{SASL}' mechanism='PLAIN'>{text}</auth>", f"<auth xmlns='{SASL}' mechanism='PLAIN'/>"):
                client.send(element)
                if element.endswith('/>'):
                    assert answer(client) == ('challenge', b'')
                    client.send(f"<response xmlns='{SASL}'>{text}</response>")
                assert answer(client) == ('failure', 'incorrect-encoding'), text
            client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'/>")
            assert answer(client) == ('challenge', b'')
            client.send(f"<abort xmlns='{SASL}'/>")
            assert answer(client) == ('failure', 'aborted')
            assert plain(client, 'romeo', 'secret')[0] == 'success'
            client.close()


# -- too many at once


def _niceness(process):
    """Of each of its threads."""
    folder = f'/proc/{process.process.pid}/task'
    values = []
    for thread in os.listdir(folder):
        with open(f'{folder}/{thread}/stat', encoding='ascii') as file:
            values.append(int(file.read().rsplit(')', 1)[1].split()[16]))
    return values


def more_passwords_than_can_wait_are_told_so():
    with _deployment() as deployment:
        clients = [Raw(deployment.port).open() for _ in range(200)]
        for client in clients:
            client.features()
        token = encode('\0romeo\0secret')
        for client in clients:
            client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
        results = [answer(client) for client in clients]
        busy = [client for client, result in zip(clients, results) if result == ('failure', 'temporary-auth-failure')]
        done = sum(kind == 'success' for kind, _ in results)
        assert done >= 64 and busy and done + len(busy) == len(clients), results
        _log(deployment).wait_for('temporary-auth-failure: too many passwords wait')
        assert plain(busy[0], 'romeo', 'secret')[0] == 'success', 'a little later there is room'
        niceness, usual = _niceness(_log(deployment)), os.getpriority(os.PRIO_PROCESS, 0)
        nicer = min(usual + 10, 19)
        assert set(niceness) == {usual, nicer} and niceness.count(nicer) == max(1, os.cpu_count() // 2), niceness
        for client in clients:
            client.close()


# -- certificates


class Certified(Deployment):
    """romeo and juliet have accounts; whom the CA signs may log in."""

    def __init__(self):
        super().__init__()
        self.made = 0
        self.ca = Certificate(self.dir, 'people')
        self.edit('[tls]', f'[tls]\nclient_ca = "{self.ca.crt}"')
        self.start()
        for name in ('romeo', 'juliet'):
            self.add_user(name, 'secret')

    def edit(self, old, new):
        with open(self.config, encoding='utf-8') as file:
            text = file.read()
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(text.replace(old, new))

    def certificate(self, *names, **options):
        self.made += 1
        return Certificate(self.dir, 'client', address(*names) if names else None, options.pop('ca', self.ca),
                           file=f'client{self.made}', **options)


def who_has_a_certificate_needs_no_password():
    with Certified() as deployment:
        certificate = deployment.certificate('romeo@localhost')
        for version in (TLS_1_2, TLS_1_3):
            for direct in (False, True):
                for message in ('', 'romeo@localhost', None):
                    client = secure(deployment, direct, version=version, certificate=certificate)
                    assert mechanisms(client.features())[0] == 'EXTERNAL'
                    kind, said = auth(client, 'EXTERNAL', message)
                    if message is None:
                        assert (kind, said) == ('challenge', b'')
                        kind, said = respond(client, '')
                    assert kind == 'success' and said == b'', (kind, said)
                    assert bind(client) == 'romeo@localhost/here'
                    client.close()
        _log(deployment).wait_for('login romeo@localhost by SASL/EXTERNAL, TLSv1.3')


def a_certificate_lets_in_whom_it_names_and_nobody_else():
    with Certified() as deployment:
        both = deployment.certificate('romeo@localhost', 'juliet@localhost', 'romeo@example.org')
        client = secure(deployment, certificate=both)
        assert 'EXTERNAL' in mechanisms(client.features())
        for message in ('', 'mercutio@localhost', 'romeo@example.org', 'romeo@localhost/home', 'localhost'):
            assert auth(client, 'EXTERNAL', message) == ('failure', 'invalid-authzid'), message
        assert auth(client, 'EXTERNAL', 'juliet@localhost')[0] == 'success'
        assert bind(client) == 'juliet@localhost/here'
        client.close()
        stranger = secure(deployment, certificate=deployment.certificate('nobody@localhost'))
        stranger.features()
        assert auth(stranger, 'EXTERNAL', '') == ('failure', 'not-authorized')
        assert Scram('SCRAM-SHA-256', 'romeo', 'secret').run(stranger)[0] == 'success'
        stranger.close()
        deployment.command('user', 'disable', 'romeo@localhost')
        client = secure(deployment, certificate=deployment.certificate('romeo@localhost'))
        client.features()
        assert auth(client, 'EXTERNAL', '') == ('failure', 'account-disabled')
        client.close()


def an_email_address_counts_when_it_is_asked_for():
    with Certified() as deployment:
        mail, both, other, upper = (Certificate(deployment.dir, 'client', names, deployment.ca, file=f'mail{at}') for at, names in enumerate((
            'email:romeo@localhost', f"email:romeo@localhost,{address('juliet@localhost')}",
            f"email:romeo@localhost,{address('juliet@example.org')}", 'email:Romeo@LOCALHOST,email:romeo@example.org')))
        client = secure(deployment, certificate=mail)
        assert 'EXTERNAL' not in mechanisms(client.features()), 'by default it counts for nothing'
        client.close()
        deployment.edit('[tls]', '[tls]\nclient_email = true')
        deployment.command('reload')
        for certificate, name in ((mail, 'romeo'), (both, 'juliet'), (upper, 'romeo')):
            client = secure(deployment, certificate=certificate)
            assert mechanisms(client.features())[0] == 'EXTERNAL'
            assert auth(client, 'EXTERNAL', '')[0] == 'success'
            assert bind(client) == f'{name}@localhost/here'
            client.close()
        client = secure(deployment, certificate=other)
        assert 'EXTERNAL' not in mechanisms(client.features()), 'who has an address of XMPP is nobody else'
        client.close()


def a_certificate_that_is_not_believed_costs_nothing():
    with Certified() as deployment:
        other = Certificate(deployment.dir, 'other')
        for certificate, why in (
                (None, 'no certificate was given'), (deployment.certificate('romeo@localhost', expired=True), 'certificate has expired'),
                (deployment.certificate('romeo@localhost', ca=other), 'unable to verify the first certificate'),
                (Certificate(deployment.dir, 'alone', address('romeo@localhost')), 'self-signed certificate'),
                (deployment.certificate('romeo@example.org'), 'the mechanism is not offered'),
                (deployment.certificate(), 'the mechanism is not offered')):
            for version in (TLS_1_2, TLS_1_3):
                client = secure(deployment, version=version, certificate=certificate)
                assert 'EXTERNAL' not in mechanisms(client.features())
                assert auth(client, 'EXTERNAL', 'romeo@localhost') == ('failure', 'invalid-mechanism')
                _log(deployment).wait_for(f'invalid-mechanism: {why}')
                assert bound(client, 'SCRAM-SHA-256-PLUS', 'tls-exporter', 'romeo', 'secret')[0] == 'success'
                assert bind(client) == 'romeo@localhost/here'
                client.close()


def who_resumes_a_session_of_tls_is_still_certified():
    with Certified() as deployment:
        certificate = deployment.certificate('romeo@localhost')
        client = secure(deployment, version=TLS_1_2, certificate=certificate)
        client.features()
        session = client.socket.session()
        client.close()
        client = secure(deployment, version=TLS_1_2, certificate=certificate, session=session)
        assert client.socket.resumed() and 'EXTERNAL' in mechanisms(client.features())
        assert auth(client, 'EXTERNAL', '')[0] == 'success'
        client.close()


def a_ca_that_cannot_be_used_is_said():
    with Certified() as deployment:
        assert deployment.command('check', 'config').returncode == 0
        deployment.edit(deployment.ca.crt, '/dev/null')
        assert 'tls.client_ca: /dev/null' in deployment.command('check', 'config', code=1).stderr
    with _deployment() as deployment:
        client = secure(deployment, certificate=Certificate(deployment.dir, 'alone', address('romeo@localhost')))
        assert 'EXTERNAL' not in mechanisms(client.features()), 'nobody asked for it'
        client.close()


# -- keys


KEY = 'SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE='  # of "pencil"


def _offers(deployment, names, seconds=10):
    """Within a second or two, on new streams."""
    end = time.time() + seconds
    while True:
        client = secure(deployment)
        offered = mechanisms(client.features())
        client.close()
        if offered == [f'{name}-PLUS' for name in names] + names + ['PLAIN']:
            return
        assert time.time() < end, offered
        time.sleep(0.2)


def a_hash_is_offered_when_all_accounts_have_its_key():
    with _deployment() as deployment:
        _offers(deployment, SCRAMS)
        stream = secure(deployment)
        features = stream.features()
        path = os.path.join(deployment.dir, 'old.tsv')
        with open(path, 'w', encoding='ascii') as file:
            file.write(f'juliet@localhost\t{KEY}\n')
        deployment.command('user', 'import', path)
        _offers(deployment, ['SCRAM-SHA-1'])
        scram = Scram('SCRAM-SHA-512', 'romeo', 'secret')
        scram.begin(stream)
        assert not scram.is_downgraded(features) and scram.finish(stream)[0] == 'success', 'a stream keeps its offer'
        stream.close()
        client = secure(deployment)
        client.features()
        assert auth(client, 'SCRAM-SHA-256', 'n,,n=romeo,r=x') == ('failure', 'invalid-mechanism')
        assert Scram('SCRAM-SHA-1', 'juliet', 'pencil').run(client)[0] == 'success'
        client.close()
        lines = deployment.command('check', 'accounts', code=1).stdout.splitlines()
        assert lines[:2] == [f'juliet@localhost has no key for SCRAM-SHA-{bits}' for bits in (256, 512)], lines
        found = json.loads(deployment.command('check', 'accounts', '--json', code=1).stdout)
        assert found[0] == {'jid': 'juliet@localhost', 'lacks': 'SCRAM-SHA-256'} and len(found) == 2, found
        status = json.loads(deployment.command('status', '--json').stdout)
        assert status['not_offered'] == 'SCRAM-SHA-256 at localhost, SCRAM-SHA-512 at localhost', status
        deployment.command('user', 'disable', 'juliet@localhost')
        _offers(deployment, SCRAMS)
        deployment.command('user', 'enable', 'juliet@localhost')
        _offers(deployment, ['SCRAM-SHA-1'])
        deployment.restart('run')
        _offers(deployment, ['SCRAM-SHA-1'], seconds=0)
        deployment.command('user', 'passwd', 'juliet@localhost', '--password-file', '-', input='secret\n')
        _offers(deployment, SCRAMS)
        assert 'all accounts' in deployment.command('check', 'accounts').stdout
        deployment.command('user', 'import', path)  # it exists: nothing is changed
        _offers(deployment, SCRAMS, seconds=0)


def parts_that_ask_another_for_accounts_offer_the_same():
    deployment = Deployment(extra='mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]')
    with deployment:
        path = os.path.join(deployment.dir, 'old.tsv')
        with open(path, 'w', encoding='ascii') as file:
            file.write(f'juliet@localhost\t{KEY}\n')
        deployment.command('user', 'import', path)
        deployment.start('router', 'sm', 'c2s')
        _offers(deployment, ['SCRAM-SHA-1'])
        client = secure(deployment)
        client.features()
        assert bound(client, 'SCRAM-SHA-1-PLUS', 'tls-exporter', 'juliet', 'pencil')[0] == 'success'
        client.close()


def who_is_unknown_looks_like_who_is_not():
    with _deployment() as deployment:
        seen = {}
        for restart in (False, True):
            if restart:
                deployment.restart('run')
            client = secure(deployment)
            client.features()
            for mechanism in SCRAMS:
                for name in ('romeo', 'nobody', 'nemo'):
                    scram = Scram(mechanism, name, 'wrong')
                    assert scram.begin(client)[0] == 'challenge'
                    facts = scram.facts()
                    assert facts['i'] == '10000' and len(facts['s']) == 24, facts
                    assert seen.setdefault((mechanism, name), facts['s']) == facts['s'], 'a salt stays as it is'
                    if mechanism == SCRAMS[0]:
                        assert scram.finish(client) == ('failure', 'not-authorized')
            client.close()
        assert len(set(seen.values())) == len(seen), 'each has a salt of its own'


if __name__ == '__main__':
    scenarios(tls_1_3_binds_by_exporter_and_certificate, tls_1_2_binds_by_its_first_finished_message_too,
              without_an_extended_master_secret_nothing_is_exported, the_certificate_is_known_by_the_hash_of_its_signature,
              a_stream_in_clear_has_nothing_to_bind_to, what_is_between_client_and_server_does_not_get_in,
              what_is_refused_before_a_guess_is_not_counted_as_one, what_was_offered_is_proven_to_the_client,
              plain_takes_nothing_but_its_message, what_is_no_base64_is_refused,
              more_passwords_than_can_wait_are_told_so, who_has_a_certificate_needs_no_password,
              a_certificate_lets_in_whom_it_names_and_nobody_else, an_email_address_counts_when_it_is_asked_for,
              a_certificate_that_is_not_believed_costs_nothing, who_resumes_a_session_of_tls_is_still_certified,
              a_ca_that_cannot_be_used_is_said,
              a_hash_is_offered_when_all_accounts_have_its_key, parts_that_ask_another_for_accounts_offer_the_same,
              who_is_unknown_looks_like_who_is_not)
