#!/usr/bin/python3
"""Clients' TLS: what is spoken, which certificate is shown, and certificates that change while people are on."""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

from harness import Deployment, Raw, body, scenarios
from tls import TLS_1_2, TLS_1_3, Certificate, Tls, openssl, secure

EC = ('ec', '-pkeyopt', 'ec_paramgen_curve:P-256')
OTHER = 'other.example'
SOON = 5  # seconds in which a new certificate must be shown


class Domains(Deployment):
    """localhost and another, with a directory for their certificates."""

    def __init__(self, extra='', process=''):
        super().__init__(extra=extra, process=process)
        self.certs = f'{self.dir}/certs'
        os.makedirs(self.certs)
        with open(self.config, encoding='utf-8') as file:
            text = file.read().replace('domains = ["localhost"]', f'domains = ["localhost", "{OTHER}"]')
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(text)

    def certificate(self, name='localhost', file=None, dns=None, folder=None, **options):
        options.setdefault('key', EC)
        return Certificate(folder or self.certs, name, names=f'DNS:{dns or name}', file=file, **options)

    def ca(self):
        folder = f'{self.dir}/ca'
        os.makedirs(folder, exist_ok=True)
        return Certificate(folder, 'ca', key=EC)

    def start_with_people(self):
        """With tls.client_ca: that CA, and a certificate of it for romeo."""
        ca = self.ca()
        shutil.copy(ca.crt, f'{self.dir}/people.crt')
        with open(self.config, encoding='utf-8') as file:
            text = file.read().replace('[tls]\n', f'[tls]\nclient_ca = "{self.dir}/people.crt"\n')
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(text)
        self.start()
        self.add_user('romeo', 'secret')
        return ca, Certificate(self.dir, 'romeo', 'otherName:1.3.6.1.5.5.7.8.5;UTF8:romeo@localhost', ca, key=EC)

    def s_client(self, *words, direct=True, to='localhost'):
        """What openssl says of a connection, and whether it came about."""
        where = (['-connect', f'127.0.0.1:{self.tls_port}'] if direct else
                 ['-connect', f'127.0.0.1:{self.port}', '-starttls', 'xmpp', '-xmpphost', to])
        result = subprocess.run(['openssl', 's_client', *where, *words], input='', capture_output=True, text=True, timeout=30)
        return result.returncode == 0, result.stdout + result.stderr

    def shown(self, name='localhost'):
        """The serial number of the certificate that a client is shown now."""
        return serial(self.s_client('-servername', name)[1])

    def wait_shown(self, certificate, name='localhost'):
        end = time.time() + SOON
        while self.shown(name) != file_serial(certificate.crt):
            assert time.time() < end, self.processes['run'].text()
            time.sleep(0.2)

    def replace(self, certificate, name='localhost'):
        """As tools do: first the one file, then the other."""
        for kind in ('crt', 'key'):
            shutil.copy(getattr(certificate, kind), f'{self.certs}/{name}.new')
            os.replace(f'{self.certs}/{name}.new', f'{self.certs}/{name}.{kind}')

    def lines(self, pattern):
        return re.findall(pattern, self.processes['run'].text())


def serial(text):
    pem = re.search('-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', text, re.DOTALL)
    assert pem, text
    return subprocess.run(['openssl', 'x509', '-noout', '-serial'], input=pem.group(0), capture_output=True, text=True,
                          check=True).stdout


def file_serial(path):
    with open(path, encoding='ascii') as file:
        return serial(file.read())


# -- what is spoken


def only_tls_1_2_and_1_3_are_spoken():
    with Domains() as deployment:
        deployment.certificate()
        deployment.start()
        for direct in (True, False):
            for version in ('1_2', '1_3'):
                done, text = deployment.s_client(f'-tls{version}', direct=direct)
                assert done and f'TLSv{version.replace("_", ".")}' in text, text
            for version in ('1', '1_1'):
                done, text = deployment.s_client(f'-tls{version}', '-cipher', 'ALL@SECLEVEL=0', direct=direct)
                assert not done and 'protocol version' in text, text
            done, text = deployment.s_client('-tls1_2', '-cipher', 'AES128-SHA:ECDHE-ECDSA-AES128-SHA', direct=direct)
            assert not done and 'handshake failure' in text, text


def a_protocol_that_is_named_is_ours():
    with Domains() as deployment:
        deployment.certificate()
        deployment.start()
        for version in ('-tls1_2', '-tls1_3'):
            done, text = deployment.s_client(version, '-alpn', 'h2,xmpp-client')
            assert done and 'ALPN protocol: xmpp-client' in text, text
            done, text = deployment.s_client(version)
            assert done and 'No ALPN negotiated' in text, text
            done, text = deployment.s_client(version, '-alpn', 'xmpp-server')
            assert not done and 'no application protocol' in text, text
        assert deployment.s_client('-alpn', 'xmpp-client', direct=False)[0]


def what_is_said_behind_starttls_in_clear_is_not_heard():
    with Domains() as deployment:
        deployment.certificate()
        deployment.start()
        client = Raw(deployment.port).open()
        client.features()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' "
                    "version='1.0'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
        assert client.receive().tag.endswith('}proceed')
        client.socket = Tls(client.socket)
        client.open()
        assert client.features() is not None  # and no answer to what came before
        client.socket.settimeout(0.3)
        try:
            assert not client.socket.recv(100)
            raise AssertionError('something was heard')
        except socket.timeout:
            pass
        assert not deployment.lines('login')


# -- which certificate


def each_domain_has_its_own_certificate():
    with Domains() as deployment:
        one = deployment.certificate()
        os.makedirs(f'{deployment.dir}/archive')
        os.makedirs(f'{deployment.certs}/{OTHER}')
        other = deployment.certificate(OTHER, folder=f'{deployment.dir}/archive')
        for link, file in (('fullchain', other.crt), ('privkey', other.key)):  # as certbot has them
            os.symlink(file, f'{deployment.certs}/{OTHER}/{link}.pem')
        deployment.start()
        for name, certificate in (('localhost', one), (OTHER, other), ('nobody.example', one)):
            assert deployment.shown(name) == file_serial(certificate.crt), name
        for name, certificate in (('localhost', one), (OTHER, other)):
            text = deployment.s_client('-noservername', direct=False, to=name)[1]
            assert serial(text) == file_serial(certificate.crt), name


def who_can_read_an_ecdsa_certificate_is_shown_it():
    with Domains() as deployment:
        rsa = deployment.certificate(key=('rsa:2048',))
        ecdsa = deployment.certificate(file='localhost.ecdsa')
        shared = deployment.certificate('example', file='example.org', dns='*.example.org')
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read().replace(f'"{OTHER}"', '"chat.example.org"')
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text)
        deployment.start()
        for version in ('-tls1_2', '-tls1_3'):
            shown = [serial(deployment.s_client(version, '-servername', 'localhost', *words)[1])
                     for words in ((), ('-sigalgs', 'RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256'), ('-sigalgs', 'RSA-PSS+SHA256:RSA+SHA256'))]
            assert shown == [file_serial(part.crt) for part in (ecdsa, ecdsa, rsa)], version
        assert deployment.shown('chat.example.org') == file_serial(shared.crt)


# -- certificates that change


def a_new_certificate_is_shown_at_once_and_everybody_stays():
    with Domains() as deployment:
        deployment.certificate()
        deployment.import_users([(f'user{number}', 'secret') for number in range(100)])
        deployment.start()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def login(number, resource=None):
            client = Raw(deployment.tls_port)
            client.socket = context.wrap_socket(client.socket, server_hostname='localhost')
            return client.login(f'user{number}', 'secret', resource)

        clients = [login(number) for number in range(100)]
        folder = f'{deployment.dir}/new'
        os.makedirs(folder)
        fresh = deployment.certificate(folder=folder)
        deployment.replace(fresh)
        deployment.wait_shown(fresh)
        deployment.processes['run'].logged('certificate of localhost: read again', 1)
        assert deployment.metric('certificates_read') == 1
        for client, other in zip(clients, clients[1:] + clients[:1]):
            client.send(f"<message to='{other.jid}' type='chat'><body>still here</body></message>")
        for client in clients:
            assert body(client.expect('message')) == 'still here'
        late = login(0, 'late')  # and who comes now is let in
        for client in clients + [late]:
            client.close()


def a_bad_certificate_keeps_the_old_one():
    with Domains() as deployment:
        first = deployment.certificate()
        deployment.certificate(OTHER)
        deployment.start()
        folder = f'{deployment.dir}/new'
        os.makedirs(folder)
        ca = deployment.ca()
        bad = (
            (deployment.certificate(folder=folder, file='expired', ca=ca, expired=True), 'this certificate has expired'),
            (deployment.certificate('elsewhere.example', folder=folder), 'this certificate is not for localhost'),
            (deployment.certificate(folder=folder, file='misfit'), 'does not fit'),
            (deployment.certificate(folder=folder, file='junk'), 'is no certificate in PEM form'),
            (deployment.certificate(folder=folder, file='chain'), 'its certificates are not in order'),
        )
        shutil.copy(first.key, bad[2][0].key)
        with open(bad[3][0].crt, 'w', encoding='ascii') as file:
            file.write('nothing of the kind\n')
        with open(bad[4][0].crt, 'a', encoding='ascii') as file, open(ca.crt, encoding='ascii') as stranger:
            file.write(stranger.read())
        held = deployment.shown()
        for count, (certificate, reason) in enumerate(bad, 1):
            deployment.replace(certificate)
            deployment.processes['run'].wait_for(f'certificate of localhost: .*{reason}.*; the one in use stays', SOON)
            assert deployment.shown() == held and deployment.metric('certificates_refused') == count
        os.unlink(f'{deployment.certs}/localhost.crt')
        os.unlink(f'{deployment.certs}/localhost.key')
        deployment.processes['run'].wait_for('certificate of localhost: .*is gone.*; the one in use stays', SOON)
        time.sleep(2.5)  # looks that find nothing new say nothing
        assert len(deployment.lines('the one in use stays')) == len(bad) + 1, deployment.processes['run'].text()
        assert deployment.shown() == held and deployment.metric('certificate_problems') == 0
        # The other domain's does not wait for this one.
        fresh = deployment.certificate(OTHER)
        deployment.wait_shown(fresh, OTHER)
        fine = deployment.certificate(folder=folder, file='fine')
        deployment.replace(fine)
        deployment.wait_shown(fine)


def a_bad_certificate_keeps_nobody_else_from_being_served():
    with Domains() as deployment:
        first = deployment.certificate()
        other = deployment.certificate(OTHER)
        shutil.copy(first.key, other.key)
        deployment.start()
        assert deployment.shown() == file_serial(first.crt)
        # Its people are not shown what does not belong to them, and the rest is encrypted all the same.
        assert deployment.shown(OTHER) == file_serial(f'{deployment.dir}/data/certs/{OTHER}.crt')
        assert deployment.lines('does not fit') and deployment.lines(f'{OTHER}: self-signed certificate .*one that can be used')
        assert deployment.metric('certificate_problems') == 1
        fine = deployment.certificate(OTHER, ca=deployment.ca(), expired=True)  # better than none, as it is at a start
        deployment.wait_shown(fine, OTHER)
        fine = deployment.certificate(OTHER)
        deployment.wait_shown(fine, OTHER)
        time.sleep(1.5)  # it is counted each second
        assert deployment.metric('certificate_problems') == 0


def one_of_our_own_that_is_broken_is_made_anew():
    with Domains() as deployment:
        deployment.certificate()
        deployment.start()
        made = f'{deployment.dir}/data/certs/{OTHER}.crt'
        first = deployment.shown(OTHER)
        assert first == file_serial(made)
        deployment.processes['run'].stop()
        with open(made, 'w', encoding='ascii'):
            pass  # as a disk that was full leaves it
        deployment.start()
        assert deployment.lines(f'{made}: ') and deployment.metric('certificate_problems') == 0
        second = deployment.shown(OTHER)
        assert second == file_serial(made) != first
        deployment.processes['run'].stop()
        for path in made, f'{deployment.dir}/certs/{OTHER}.crt', f'{deployment.dir}/certs/{OTHER}.key':
            with open(path, 'w', encoding='ascii'):
                pass
        deployment.start()
        assert deployment.metric('certificate_problems') == 1
        assert deployment.shown(OTHER) == file_serial(made) != second


def a_new_ca_of_clients_counts_at_once():
    with Domains() as deployment:
        deployment.certificate()
        _, romeo = deployment.start_with_people()

        def offered(session=None):
            client = secure(deployment, direct=True, certificate=romeo, session=session)
            names = [mechanism.text for mechanism in client.features().iter() if mechanism.tag.endswith('}mechanism')]
            return 'EXTERNAL' in names, client

        external, client = offered()
        assert external
        kept = client.socket.session()
        client.close()
        external, client = offered(kept)
        assert external and client.socket.resumed()
        client.close()
        other = f'{deployment.dir}/others'
        os.makedirs(other)
        os.replace(Certificate(other, 'others', key=EC).crt, f'{deployment.dir}/people.crt')
        deployment.processes['run'].wait_for('certificate of localhost: read again', SOON)
        time.sleep(0.5)
        external, client = offered(kept)
        assert not external and not client.socket.resumed()
        client.close()


def where_the_certificate_has_to_stay_no_old_ca_is_believed():
    with Domains() as deployment:
        deployment.certificate()
        deployment.certificate(OTHER)
        ca, romeo = deployment.start_with_people()

        def offered():
            """To who asks for the other domain's certificate, and logs in at this one."""
            client = secure(deployment, direct=True, certificate=romeo, name=OTHER)
            names = [mechanism.text for mechanism in client.features().iter() if mechanism.tag.endswith('}mechanism')]
            client.close()
            return 'EXTERNAL' in names

        assert offered()
        with open(f'{deployment.certs}/{OTHER}.crt', 'w', encoding='ascii') as file:
            file.write('nothing of the kind\n')
        deployment.processes['run'].wait_for(f'certificate of {OTHER}: .*; the one in use stays\n', SOON)
        assert offered()
        other = f'{deployment.dir}/others'
        os.makedirs(other)
        os.replace(Certificate(other, 'others', key=EC).crt, f'{deployment.dir}/people.crt')
        deployment.processes['run'].wait_for(f"certificate of {OTHER}: .*; the one in use stays, and believes no client's certificate", SOON)
        assert not offered()
        fresh = deployment.certificate(OTHER)
        deployment.wait_shown(fresh, OTHER)
        shutil.copy(ca.crt, f'{deployment.dir}/people.crt')
        deployment.processes['run'].logged(f'certificate of {OTHER}: read again', 2)
        end = time.time() + SOON
        while not offered():  # the other worker hears of it by mail
            assert time.time() < end


# -- tickets


def a_session_is_resumed_by_its_ticket():
    """On whichever worker, also when the certificate is another by now."""
    with Domains() as deployment:
        deployment.certificate()
        deployment.start()
        for version in (TLS_1_2, TLS_1_3):
            client = secure(deployment, direct=True, version=version)
            assert client.features() is not None and not client.socket.resumed()
            session, end_point = client.socket.session(), client.socket.end_point()
            client.close()
            for _ in range(8):
                client = secure(deployment, direct=True, version=version, session=session)
                assert client.features() is not None and client.socket.resumed()
                client.close()
        before = deployment.metric('certificates_read')
        fresh = deployment.certificate()
        deployment.wait_shown(fresh)
        assert deployment.metric('certificates_read') == before + 1
        client = secure(deployment, direct=True, session=session)
        client.features()
        assert client.socket.resumed() and client.socket.end_point() == end_point
        client.close()
        # A new process has new keys: nothing is resumed, nobody is turned away.
        deployment.restart('run')
        client = secure(deployment, direct=True, session=session)
        assert client.features() is not None and not client.socket.resumed()
        client.close()


# -- what is said


def an_expired_certificate_is_said_and_shown_all_the_same():
    with Domains() as deployment:
        certificate = deployment.certificate(ca=deployment.ca(), expired=True)
        deployment.certificate(OTHER)
        deployment.start()
        deployment.processes['run'].logged('localhost.crt: this certificate has expired', 1)
        assert deployment.shown() == file_serial(certificate.crt)
        assert deployment.metric('certificate_problems') == 1
        facts = json.loads(deployment.command('status', '--json').stdout)
        assert facts['certificate_days']['localhost'] < -2000 and facts['certificate_days'][OTHER] in (1, 2), facts
        assert re.search(f'certificate_days +localhost -[0-9]+, {OTHER} [12]\n', deployment.command('status').stdout)
        deployment.processes['run'].logged(f'certificate of {OTHER}: 1 days left', 1)


def check_certs_says_what_is_wrong():
    with Domains() as deployment:
        ca = deployment.ca()
        os.environ['SSL_CERT_FILE'] = ca.crt
        fine = deployment.certificate(key=EC, ca=ca, days=90)
        result = deployment.command('check', 'certs', code=1)
        assert re.search(f'^{OTHER}\n  problem     {OTHER}: no certificate in .*: put {OTHER}.crt', result.stdout, re.M), result
        deployment.certificate(OTHER, days=90)
        result = deployment.command('check', 'certs')
        assert 'problem' not in result.stdout and re.search('days left   (89|90)\n', result.stdout), result
        assert re.search('localhost\n  certificate .*/localhost.crt\n  key         .*/localhost.key\n  names       localhost\n',
                         result.stdout), result
        assert 'up to CN=ca, a CA of this machine' in result.stdout and 'signed by itself' in result.stdout, result
        facts = json.loads(deployment.command('check', 'certs', '--json').stdout)
        assert facts['ok'] and [entry['name'] for entry in facts['certificates']] == ['localhost', OTHER], facts
        assert facts['certificates'][0]['days'] in (89, 90) and facts['certificates'][0]['problems'] == [], facts

        def problem(pattern):
            facts = json.loads(deployment.command('check', 'certs', '--json', code=1).stdout)
            found = [line for entry in facts['certificates'] for line in entry['problems']]
            assert not facts['ok'] and len(found) == 1 and re.search(pattern, found[0]), (pattern, found)

        os.chmod(fine.key, 0o644)
        problem('localhost.key: everybody can read this key: chmod .*localhost.key$')
        os.chmod(fine.key, 0o600)
        deployment.certificate()
        problem('localhost.crt: expires in [12] days: renew it')
        deployment.certificate('elsewhere.example', file='localhost', days=90)
        problem('localhost.crt: this certificate is not for localhost: get one')
        fine = deployment.certificate(days=90)
        with open(fine.crt, 'a', encoding='ascii') as file, open(ca.crt, encoding='ascii') as stranger:
            file.write(stranger.read())
        problem('localhost.crt: its certificates are not in order')
        deployment.certificate(ca=ca, expired=True)
        problem('localhost.crt: this certificate has expired: put a new one there')
        os.unlink(f'{deployment.certs}/localhost.key')
        problem('localhost.key: cannot be read')
        deployment.certificate(days=90)
        openssl('genpkey', '-algorithm', 'ed25519', '-out', f'{deployment.certs}/localhost.key')
        problem('localhost.key: is no private key .* for|localhost.key: does not fit')
        assert not os.path.exists(f'{deployment.dir}/data')


def a_chain_that_leads_nowhere_keeps_the_old_one():
    where = 'authorityInfoAccess=caIssuers;URI:http://ca.example/between.crt'
    with Domains() as deployment:
        deployment.certificate(OTHER)
        root = deployment.ca()

        def between(folder, **options):
            os.makedirs(f'{deployment.dir}/{folder}')
            return Certificate(f'{deployment.dir}/{folder}', 'between', key=EC, ca=root, is_ca=True, **options)

        def signed(ca, *chain, folder=None, **options):
            certificate = deployment.certificate(ca=ca, folder=folder, **options)
            with open(certificate.crt, 'a', encoding='ascii') as file:
                for part in chain:
                    with open(part.crt, encoding='ascii') as added:
                        file.write(added.read())
            return certificate

        fine, old, impostor = between('fine'), between('old', expired=True), between('impostor')
        signed(fine, fine, more=[where])
        deployment.start()
        held = deployment.shown()
        os.makedirs(f'{deployment.dir}/new')
        for count, (ca, chain, reason) in enumerate((
                (fine, (), 'the chain is incomplete: the certificate of CN=between is missing'),
                (old, (old,), 'one of those that follow this certificate has expired'),
                (fine, (impostor,), 'its certificates are not in order')), 1):
            deployment.replace(signed(ca, *chain, folder=f'{deployment.dir}/new', file=f'bad{count}', more=[where]))
            deployment.processes['run'].wait_for(f'certificate of localhost: .*{reason}.*; the one in use stays', SOON)
            assert deployment.shown() == held and deployment.metric('certificates_refused') == count
            facts = json.loads(deployment.command('check', 'certs', '--json', code=1).stdout)
            found = [line for entry in facts['certificates'] for line in entry['problems'] if 'expires in' not in line]
            assert len(found) == 1 and reason in found[0], found


def check_certs_looks_as_the_user_of_the_server():
    with open('/proc/self/uid_map', encoding='ascii') as uids:
        user = 'nobody' if int(uids.read().split()[2]) > 1 else 'root'
    with Domains(process=f'user = "{user}"') as deployment:
        ca = deployment.ca()
        os.environ['SSL_CERT_FILE'] = f'{deployment.certs}/ca.crt'
        shutil.copy(ca.crt, os.environ['SSL_CERT_FILE'])
        for name in ('localhost', OTHER):
            deployment.certificate(name, ca=ca, days=90)
        for folder in (deployment.dir, deployment.certs):
            os.chmod(folder, 0o755)
        for name in os.listdir(deployment.certs):
            shutil.chown(f'{deployment.certs}/{name}', user)
        deployment.command('check', 'certs')
        os.chown(f'{deployment.certs}/{OTHER}.key', 0, -1)
        result = deployment.command('check', 'certs', code=0 if user == 'root' else 1)
        assert user == 'root' or re.search(f'problem .*{OTHER}.key: .*Permission denied', result.stdout), result


def check_certs_finds_a_chain_that_is_incomplete():
    """What is missing need not be named by the certificate: few CAs of one's own say where theirs is to be had."""
    where = 'authorityInfoAccess=caIssuers;URI:http://ca.example/between.crt'
    with Domains() as deployment:
        deployment.certificate(OTHER, days=90)
        root = deployment.ca()
        between = Certificate(f'{deployment.dir}/ca', 'between', key=EC, ca=root, is_ca=True)

        def checked(code, *chain, known=None, more=()):
            certificate = deployment.certificate(key=EC, ca=between, days=90, more=more)
            for part in chain:
                with open(certificate.crt, 'a', encoding='ascii') as file, open(part.crt, encoding='ascii') as added:
                    file.write(added.read())
            os.environ['SSL_CERT_FILE'] = known.crt if known else '/dev/null'
            entry = json.loads(deployment.command('check', 'certs', '--json', code=code).stdout)['certificates'][0]
            assert len(entry['problems']) == code, entry
            return entry['problems'][0] if code else entry['chain']

        missing = r'localhost.crt: the chain is incomplete: the certificate of {} is missing: append it to the file \(.*\){}$'
        own = '; if it is a root of your own, add it to the CAs of this machine'
        for known in (None, root):
            assert re.search(missing.format('CN=between', own), checked(1, known=known))
            assert re.search(missing.format('CN=between', ''), checked(1, known=known, more=[where]))
        assert re.search(missing.format('CN=ca', own), checked(1, between))
        assert checked(0, between, known=root) == '2 in the file, up to CN=ca, a CA of this machine'
        assert checked(0, between, root) == '3 in the file, up to CN=ca, no CA of this machine'


if __name__ == '__main__':
    scenarios(only_tls_1_2_and_1_3_are_spoken, a_protocol_that_is_named_is_ours,
              what_is_said_behind_starttls_in_clear_is_not_heard, each_domain_has_its_own_certificate,
              who_can_read_an_ecdsa_certificate_is_shown_it, a_new_certificate_is_shown_at_once_and_everybody_stays,
              a_bad_certificate_keeps_the_old_one, a_bad_certificate_keeps_nobody_else_from_being_served,
              one_of_our_own_that_is_broken_is_made_anew, a_new_ca_of_clients_counts_at_once,
              where_the_certificate_has_to_stay_no_old_ca_is_believed, a_session_is_resumed_by_its_ticket,
              an_expired_certificate_is_said_and_shown_all_the_same, check_certs_says_what_is_wrong,
              a_chain_that_leads_nowhere_keeps_the_old_one, check_certs_looks_as_the_user_of_the_server,
              check_certs_finds_a_chain_that_is_incomplete)
