"""A client under TLS through libssl itself: what Python's ssl does not tell of a connection, channels are bound to."""
import ctypes
import ctypes.util
import os
import socket
import struct
import subprocess

import harness

crypto = ctypes.CDLL('libcrypto.so.3')
libssl = ctypes.CDLL('libssl.so.3')
for name, result, *arguments in (
        ('TLS_client_method', ctypes.c_void_p), ('SSL_CTX_new', ctypes.c_void_p, ctypes.c_void_p),
        ('SSL_CTX_ctrl', ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p),
        ('SSL_ctrl', ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p),
        ('SSL_CTX_set_options', ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64),
        ('SSL_CTX_use_certificate_file', ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        ('SSL_CTX_use_PrivateKey_file', ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        ('SSL_CTX_free', None, ctypes.c_void_p), ('SSL_new', ctypes.c_void_p, ctypes.c_void_p),
        ('SSL_set_fd', ctypes.c_int, ctypes.c_void_p, ctypes.c_int), ('SSL_connect', ctypes.c_int, ctypes.c_void_p),
        ('SSL_free', None, ctypes.c_void_p), ('SSL_shutdown', ctypes.c_int, ctypes.c_void_p), ('SSL_get_error', ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
        ('SSL_read', ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
        ('SSL_write', ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        ('SSL_get_version', ctypes.c_char_p, ctypes.c_void_p), ('SSL_session_reused', ctypes.c_int, ctypes.c_void_p),
        ('SSL_get1_session', ctypes.c_void_p, ctypes.c_void_p), ('SSL_SESSION_free', None, ctypes.c_void_p),
        ('SSL_set_session', ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        ('SSL_get_finished', ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        ('SSL_get_peer_finished', ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        ('SSL_get1_peer_certificate', ctypes.c_void_p, ctypes.c_void_p),
        ('SSL_export_keying_material', ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p,
         ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)):
    function = getattr(libssl, name)
    function.restype, function.argtypes = result, arguments
for name, result, *arguments in (
        ('X509_digest', ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        ('EVP_get_digestbyname', ctypes.c_void_p, ctypes.c_char_p), ('X509_free', None, ctypes.c_void_p)):
    function = getattr(crypto, name)
    function.restype, function.argtypes = result, arguments

NAME = 55
MINIMUM, MAXIMUM, TLS_1_2, TLS_1_3 = 123, 124, 0x303, 0x304
NO_EXTENDED_MASTER_SECRET = 1
PEM = 1
WANT_READ, ZERO_RETURN = 2, 6


class Tls:
    """Looks like a socket. extended: an extended master secret is asked for; session: of an earlier one, to be resumed; name: in
    the hello."""

    def __init__(self, connection, version=TLS_1_3, extended=True, certificate=None, session=None, name=None):
        self.connection = connection
        connection.settimeout(None)
        self.settimeout(15)
        context = libssl.SSL_CTX_new(libssl.TLS_client_method())
        for bound in (MINIMUM, MAXIMUM):
            assert libssl.SSL_CTX_ctrl(context, bound, version, None) == 1
        if not extended:
            libssl.SSL_CTX_set_options(context, NO_EXTENDED_MASTER_SECRET)
        if certificate:
            assert libssl.SSL_CTX_use_certificate_file(context, certificate.crt.encode(), PEM) == 1
            assert libssl.SSL_CTX_use_PrivateKey_file(context, certificate.key.encode(), PEM) == 1
        self.ssl = libssl.SSL_new(context)
        libssl.SSL_CTX_free(context)
        if session:
            assert libssl.SSL_set_session(self.ssl, session) == 1
        if name:
            assert libssl.SSL_ctrl(self.ssl, NAME, 0, name.encode()) == 1
        libssl.SSL_set_fd(self.ssl, connection.fileno())
        if libssl.SSL_connect(self.ssl) != 1:
            raise ConnectionError('the handshake failed')

    def settimeout(self, seconds):
        whole = int(seconds)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                                   struct.pack('ll', whole, int((seconds - whole) * 1e6)))

    def sendall(self, data):
        assert libssl.SSL_write(self.ssl, data, len(data)) == len(data)

    def recv(self, size):
        room = ctypes.create_string_buffer(size)
        got = libssl.SSL_read(self.ssl, room, size)
        if got > 0:
            return room.raw[:got]
        if libssl.SSL_get_error(self.ssl, got) == WANT_READ:
            raise socket.timeout
        return b''

    def close(self):
        if self.ssl:
            libssl.SSL_shutdown(self.ssl)  # or its session could not be resumed
            libssl.SSL_free(self.ssl)
            self.ssl = None
        self.connection.close()

    # -- what it is bound to

    def resumed(self):
        return bool(libssl.SSL_session_reused(self.ssl))

    def session(self):
        return libssl.SSL_get1_session(self.ssl)

    def exporter(self):
        room = ctypes.create_string_buffer(32)
        label = b'EXPORTER-Channel-Binding'
        assert libssl.SSL_export_keying_material(self.ssl, room, 32, label, len(label), b'', 0, 1) == 1
        return room.raw

    def unique(self):
        room = ctypes.create_string_buffer(64)
        finished = libssl.SSL_get_peer_finished if self.resumed() else libssl.SSL_get_finished
        size = finished(self.ssl, room, 64)
        return room.raw[:size]

    def end_point(self, digest='sha256'):
        certificate = libssl.SSL_get1_peer_certificate(self.ssl)
        room, size = ctypes.create_string_buffer(64), ctypes.c_uint(0)
        assert crypto.X509_digest(certificate, crypto.EVP_get_digestbyname(digest.encode()), room, ctypes.byref(size)) == 1
        crypto.X509_free(certificate)
        return room.raw[:size.value]

    def binding(self, kind):
        return {'tls-exporter': self.exporter, 'tls-unique': self.unique, 'tls-server-end-point': self.end_point}[kind]()


def secure(deployment, direct=False, sender=None, **options):
    """A raw client at the client port, after STARTTLS, or at the one for direct TLS; its stream is open."""
    client = harness.Raw(deployment.tls_port if direct else deployment.port, deployment.domain)
    if not direct:
        client.open().features()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert client.receive().tag.endswith('}proceed')
    client.socket = Tls(client.socket, **options)
    return client.open(sender=sender)


# -- certificates


def openssl(*words):
    subprocess.run(['openssl', *words], check=True, capture_output=True)


class Certificate:
    """Of its own, or signed by another; pem: with its key, as jabberd2 wants it."""

    def __init__(self, folder, name, names=None, ca=None, key=('rsa:2048',), file=None, expired=False, days=2, more=(), is_ca=False):
        self.crt, self.key, self.pem = (os.path.join(folder, f'{file or name}.{kind}') for kind in ('crt', 'key', 'pem'))
        signed = ['-CA', ca.crt, '-CAkey', ca.key, '-addext', f'basicConstraints=critical,CA:{str(is_ca).upper()}'] if ca else []
        names = ['-addext', f'subjectAltName={names}'] if names else []
        names += [word for extension in more for word in ('-addext', extension)]
        openssl('req', '-x509', '-newkey', *key, '-nodes', '-days', str(days), '-subj', f'/CN={name}', '-keyout', self.key,
                '-out', self.crt, *signed, *names)
        if expired:
            self._expire(folder, ca)
        with open(self.pem, 'w', encoding='ascii') as pem:
            for path in (self.crt, self.key):
                with open(path, encoding='ascii') as part:
                    pem.write(part.read())

    def _expire(self, folder, ca):
        """The same, signed again by the CA, for a time that is over."""
        config = os.path.join(folder, 'expired.cnf')
        with open(config, 'w', encoding='ascii') as file:
            file.write(f'[ca]\ndefault_ca=d\n[d]\ndatabase={config}.db\nrand_serial=yes\nnew_certs_dir={folder}\npolicy=p\n'
                       'default_md=sha256\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n')
        with open(f'{config}.db', 'w', encoding='ascii'):
            pass
        openssl('x509', '-x509toreq', '-in', self.crt, '-key', self.key, '-copy_extensions', 'copy', '-out', f'{config}.csr')
        openssl('ca', '-batch', '-notext', '-config', config, '-in', f'{config}.csr', '-cert', ca.crt, '-keyfile', ca.key,
                '-startdate', '20200101000000Z', '-enddate', '20200201000000Z', '-out', self.crt)


def address(*names):
    """subjectAltName for addresses of people."""
    return ','.join(f'otherName:1.3.6.1.5.5.7.8.5;UTF8:{name}' for name in names)
