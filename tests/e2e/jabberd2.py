"""Debian's jabberd2 parts with configurations of their own, on loopback ports: any subset of them."""
import glob
import gzip
import os
import re
import shutil
import signal
import socket
import sqlite3
import time

from harness import Process, free_port

RETRY = '<retry><init>30</init><lost>30</lost><sleep>1</sleep></retry>'


def _write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def _sm_modules():
    """Where the modules are, and the chains that Debian configures."""
    with open('/etc/jabberd2/sm.xml', encoding='utf-8') as file:
        section = re.search(r'<modules>(.*?)</modules>', file.read(), re.S).group(1)
    path = re.search(r'<path>(.*?)</path>', section)
    chains = re.sub(r'<!--.*?-->', '', section.replace(path.group(), '') if path else section, flags=re.S)
    return path.group(1) if path else '/usr/lib/jabberd2', chains


class Jabberd2:
    """
    Parts out of router, sm, c2s and s2s, started in this order. Those that are not among them are the caller's, at the same
    router port; with a router of ours, make that ready first. pemfile: a certificate and its key, for TLS between them;
    clients_pemfile: for TLS of clients.
    """

    def __init__(self, folder, router_port, parts=('router', 'sm'), auto_create=True, password='secret', pemfile=None,
                 clients_pemfile=None):
        self.dir = os.path.join(folder, 'jabberd2')
        os.makedirs(os.path.join(self.dir, 'fs'))
        self.router_port, self.password, self.auto_create = router_port, password, auto_create
        self.pemfile = f'<pemfile>{pemfile}</pemfile>' if pemfile else ''
        self.for_clients = f"pemfile='{clients_pemfile}'" if clients_pemfile else ''
        self.port, self.server_port = free_port(), free_port()
        self.modules, self.chains = _sm_modules()
        self._make_tables()
        self.processes = {}
        for part in parts:
            _write(f'{self.dir}/{part}.xml', getattr(self, f'_{part}')())
            binary = shutil.which(f'jabberd2-{part}') or f'/usr/sbin/jabberd2-{part}'
            self.processes[part] = Process(f'jabberd2-{part}', [binary, '-c', f'{self.dir}/{part}.xml'])

    # -- configurations

    def _router(self):
        _write(f'{self.dir}/users.xml',
               f'<users><user><name>jabberd</name><secret>{self.password}</secret></user></users>')
        _write(f'{self.dir}/filter.xml', '<filter/>')
        return f"""<router><id>router</id><pidfile>{self.dir}/router.pid</pidfile><log type='stdout'/>
<local><ip>127.0.0.1</ip><port>{self.router_port}</port><users>{self.dir}/users.xml</users><secret>unused</secret>
{self.pemfile}</local>
<io><max_fds>1024</max_fds><limits><bytes>0</bytes><connects>0</connects></limits></io>
<aci><acl type='all'><user>jabberd</user></acl></aci>
<aci.filter>{self.dir}/filter.xml</aci.filter>
<check><interval>60</interval><keepalive>0</keepalive></check></router>"""

    def _uplink(self, part):
        return f"""<id>{part}</id><pidfile>{self.dir}/{part}.pid</pidfile>
<router><ip>127.0.0.1</ip><port>{self.router_port}</port><user>jabberd</user><pass>{self.password}</pass>{RETRY}
{self.pemfile}</router>
<log type='stdout'/>"""

    def _sqlite(self):
        return f'<sqlite><dbname>{self.dir}/sm.db</dbname><transactions/><busy-timeout>2000</busy-timeout></sqlite>'

    def _sm(self):
        create = '<auto-create/>' if self.auto_create else ''
        return f"""<sm>{self._uplink('sm')}<local><id>localhost</id></local>
<storage><path>{self.modules}</path><driver>sqlite</driver>{self._sqlite()}<fs><path>{self.dir}/fs</path></fs></storage>
<modules><path>{self.modules}</path>{self.chains}</modules><user>{create}</user></sm>"""

    def _c2s(self):
        return f"""<c2s>{self._uplink('c2s')}
<local><id register-enable='mu' password-change='mu' {self.for_clients}>localhost</id><ip>127.0.0.1</ip><port>{self.port}</port></local>
<io><max_fds>20000</max_fds><limits><bytes>0</bytes><connects>0</connects></limits></io>
<authreg><path>{self.modules}</path><module>sqlite</module>{self._sqlite()}<mechanisms>
<traditional><plain/></traditional><sasl><plain/><digest-md5/><scram-sha-1/></sasl></mechanisms></authreg></c2s>"""

    def _s2s(self):
        return f"""<s2s>{self._uplink('s2s')}<local><ip>127.0.0.1</ip><port>{self.server_port}</port></local>
<io><max_fds>1024</max_fds></io><lookup><srv>_xmpp-server._tcp</srv></lookup></s2s>"""

    def _make_tables(self):
        for name in glob.glob('/usr/share/doc/jabberd2/**/db-setup.sqlite*', recursive=True) + \
                glob.glob('/usr/share/jabberd2/**/db-setup.sqlite*', recursive=True):
            opener = gzip.open if name.endswith('.gz') else open
            with opener(name, 'rt', encoding='utf-8') as file:
                sqlite3.connect(f'{self.dir}/sm.db').executescript(file.read())
            return
        raise AssertionError('the tables of jabberd2 for SQLite were not found')

    # -- life

    def _wait_listening(self, process, port, seconds=20):
        end = time.time() + seconds
        while True:
            try:
                socket.create_connection(('127.0.0.1', port), timeout=1).close()
                return
            except OSError:
                assert process.process.poll() is None and time.time() < end, f'{process.name}:\n{process.text()}'
                time.sleep(0.02)

    def start(self, *parts):
        for part in parts or self.processes:
            process = self.processes[part].start()
            if part == 'router':
                self._wait_listening(process, self.router_port)
            else:
                process.wait_for('ready for (sessions|connections)')
            if part == 'c2s':
                self._wait_listening(process, self.port)
        return self

    def stop(self, part, kill=False):
        """jabberd2's parts may end with any code; what they leave to their peers is what counts."""
        self.processes[part].stop(signal.SIGKILL if kill else signal.SIGTERM, seconds=20)

    def restart(self, part, kill=False):
        self.stop(part, kill)
        self.start(part)

    def pids(self):
        return [process.process.pid for process in self.processes.values()]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind, value, trace):
        for process in self.processes.values():
            if kind and process.process:
                print(f'--- {process.name}\n{process.text()[-3000:]}')
            process.kill()
