"""The servers that are measured, each on loopback ports of its own, with users user0 and so on, and the same certificate."""
import os
import shutil
import subprocess
import tempfile

import jabberd2
from harness import Deployment, Process, free_port


def certificate(folder):
    """P-256, for localhost: paths of it and its key."""
    paths = os.path.join(folder, 'localhost.crt'), os.path.join(folder, 'localhost.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-out', paths[0], '-keyout', paths[1]],
                   check=True, capture_output=True)
    for path in paths:
        os.chmod(path, 0o644)
    return paths


class Jackdaw:
    name = 'jackdaw'
    archives = True

    def __init__(self, users, tools, archive=False):
        kept = '30 days' if archive else 'off'
        self.deployment = Deployment(workers=2, extra=(
            '[limits]\nclient_rate = "off"\nconnections_per_address = 0\n[log]\nlevel = "warn"\n'
            f'[messages]\narchive = "{kept}"\n'))
        self.deployment.import_users([(f'user{n}', 'secret') for n in range(users)])
        certs = os.path.join(self.deployment.dir, 'certs')
        os.makedirs(certs)
        certificate(certs)

    def __enter__(self):
        self.deployment.start()
        self.port = self.deployment.port
        self.pids = [self.deployment.processes['run'].process.pid]
        return self

    def __exit__(self, *error):
        self.deployment.stop()


class Peer:
    """One of Debian's, with accounts registered in band. archive: what all write is kept, as that one does by itself."""
    archives = True

    def __init__(self, users, tools, archive=False):
        self.archive = archive
        self.dir, self.users, self.tools, self.port = tempfile.mkdtemp(prefix='jackdaw-bench-'), users, tools, free_port()
        os.chmod(self.dir, 0o755)
        self.certificate, self.key = certificate(self.dir)

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def _register(self):
        subprocess.run([os.path.join(self.tools, 'load'), '--port', str(self.port), '--count', str(self.users), '--mode', 'register'], check=True,
                       timeout=280)

    def _start(self, command, ready, env=None):
        self.process = Process(self.name, command, env).start()
        self.pids = [self.process.process.pid]
        try:
            self.process.wait_for(ready, 240)
            self._register()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Jabberd2(Peer):
    """Router, sm and c2s."""
    name = 'jabberd2'
    archives = False

    def __init__(self, users, tools, archive=False):
        super().__init__(users, tools)
        with open(self.certificate, encoding='ascii') as one, open(self.key, encoding='ascii') as other:
            pem = self._write('both.pem', one.read() + other.read())
        self.peer = jabberd2.Jabberd2(self.dir, free_port(), ('router', 'sm', 'c2s'), clients_pemfile=pem)
        self.port = self.peer.port

    def __enter__(self):
        self.peer.start()
        self._register()
        self.pids = self.peer.pids()
        return self

    def __exit__(self, *error):
        self.peer.__exit__(None, None, None)
        shutil.rmtree(self.dir, ignore_errors=True)


class Ejabberd(Peer):
    """Without a name of its own in Erlang's network, so that nothing but its port is opened."""
    name = 'ejabberd'

    def __enter__(self):
        config = self._write('ejabberd.yml', f'''
hosts: [localhost]
loglevel: warning
certfiles: ["{self.certificate}", "{self.key}"]
auth_method: [internal]
auth_password_format: scram
registration_timeout: infinity
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, shaper: none, max_stanza_size: 262144}}
acl: {{local: {{user_regexp: ""}}}}
modules:
  mod_register: {{access: all, ip_access: all}}
  mod_roster: {{}}
  mod_offline: {{}}
{'  mod_mam: {default: always, db_type: mnesia}' if self.archive else ''}
''')
        env = {'EJABBERD_CONFIG_PATH': config, 'EJABBERD_LOG_PATH': os.path.join(self.dir, 'log'), 'HOME': self.dir,
               'ERL_LIBS': '/usr/lib/x86_64-linux-gnu', 'ERL_CRASH_DUMP': os.path.join(self.dir, 'dump')}
        command = ['erl', '+K', 'true', '+P', '250000', '-noinput', '-mnesia', 'dir', f'"{self.dir}/db"', '-s', 'ejabberd', '-eval',
                   'case application:ensure_all_started(ejabberd) of {ok, _} -> io:format("bench: up~n"); E -> io:format("~p~n", [E]) end.']
        return self._start(command, 'bench: up', env)


class Prosody(Peer):
    name = 'prosody'

    def __enter__(self):
        config = self._write('prosody.cfg.lua', f'''
run_as_root = true
pidfile = "{self.dir}/prosody.pid"
data_path = "{self.dir}/data"
certificates = "{self.dir}"
plugin_paths = {{}}
network_backend = "epoll"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
s2s_ports = {{}}
modules_enabled = {{ "tls", "saslauth", "roster", "register_ibr", "disco", "offline"{', "mam"' if self.archive else ""} }}
modules_disabled = {{ "s2s", "limits" }}
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
storage = "internal"
log = {{ info = "*console" }}
default_archive_policy = true
VirtualHost "localhost"
    ssl = {{ certificate = "{self.certificate}"; key = "{self.key}" }}
''')
        os.makedirs(os.path.join(self.dir, 'data'))
        return self._start(['prosody', '-F', '--config', config], r"Activated service 'c2s'")


class Relay:
    """No server: tests/bench/relay.c."""
    name = 'relay'

    def __init__(self, tools, *words):
        self.command = [os.path.join(tools, 'relay'), *words]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port, self.pids = int(self.process.stdout.readline()), [self.process.pid]
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(10)


SERVERS = {one.name: one for one in (Jackdaw, Jabberd2, Ejabberd, Prosody)}
