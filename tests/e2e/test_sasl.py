#!/usr/bin/python3
"""Logging in over real TLS: every mechanism, every kind of channel binding, and what must not get in."""
import os

from harness import Deployment, Raw, scenarios
from scram import Scram, auth, bind, bindings, bound, mechanisms, plain
from tls import TLS_1_2, Certificate, secure

ALL = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']
SCRAMS = ALL[:3]
PLUS = [f'{name}-PLUS' for name in SCRAMS]


def _deployment(*users, certificate=None, **options):
    deployment = Deployment(extra='mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]', **options)
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


if __name__ == '__main__':
    scenarios(tls_1_3_binds_by_exporter_and_certificate, tls_1_2_binds_by_its_first_finished_message_too,
              without_an_extended_master_secret_nothing_is_exported, the_certificate_is_known_by_the_hash_of_its_signature,
              a_stream_in_clear_has_nothing_to_bind_to, what_is_between_client_and_server_does_not_get_in,
              what_was_offered_is_proven_to_the_client)
