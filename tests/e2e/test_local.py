#!/usr/bin/python3
"""The socket in data.dir at which the parts of a deployment meet: who is let in, and that nothing else is needed."""
import os
import re
import signal
import socket
import stat
import subprocess

from harness import BINARY, STREAM, Deployment, Raw, body, scenarios

SASL = '{urn:ietf:params:xml:ns:xmpp-sasl}'
COMPONENT = 'http://jabberd.jabberstudio.org/ns/component/1.0'
STRANGER = 65534


def path_of(deployment):
    return f'{deployment.dir}/data/components.socket'


class Component(Raw):
    """A component by hand, at the socket or over TCP."""

    def __init__(self, deployment, local=True):
        self.socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        self.socket.connect(path_of(deployment) if local else ('127.0.0.1', deployment.router_port))
        self.reset()

    def open(self):
        self.reset()
        self.send(f"<stream:stream xmlns:stream='{STREAM}' version='1.0'>")
        return self

    def mechanisms(self):
        return [element.text for element in self.features().iter(SASL + 'mechanism')]

    def auth(self, mechanism, text='='):
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{text}</auth>")
        return self.receive().tag.replace(SASL, '')

    def bind(self, name):
        self.open().features()
        self.send(f"<bind xmlns='{COMPONENT}' name='{name}'/>")
        answer = self.expect('bind')
        assert answer.get('error') is None, answer.attrib
        return self


def _chat(*ports):
    romeo, juliet = Raw(ports[0]).login('romeo', 'secret'), Raw(ports[-1]).login('juliet', 'secret')
    for one, other in ((romeo, juliet), (juliet, romeo)):
        one.send(f"<message to='{other.jid}' type='chat'><body>to {other.jid}</body></message>")
        assert body(other.expect('message')) == f'to {other.jid}'
    romeo.close()
    juliet.close()


def _add_two(deployment):
    for user in ('romeo', 'juliet'):
        deployment.add_user(user, 'secret')


def _replace(path, *pairs):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for old, new in pairs:
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text


def three_processes_need_no_port_between_them():
    with Deployment(connect=False) as deployment:
        text = _replace(deployment.config, (f'router = ["127.0.0.1:{deployment.router_port}"]', 'router = []'))
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text)
        deployment.start('c2s', 'sm', ready=False)  # any order
        deployment.start('router')
        for part in ('sm', 'c2s'):
            deployment.processes[part].wait_for('jackdaw: ready in')
            assert 'by SASL/EXTERNAL' in deployment.processes['router'].text()
        _add_two(deployment)
        _chat(deployment.port)
        assert socket.socket().connect_ex(('127.0.0.1', deployment.router_port)) != 0


def a_second_c2s_joins_a_whole_server():
    with Deployment(connect=False) as deployment:
        deployment.start()
        _add_two(deployment)
        _chat(deployment.port, deployment.start_second())


def the_socket_is_its_owner_s_and_wants_no_password():
    with Deployment() as deployment:
        deployment.start('router')
        assert stat.S_IMODE(os.stat(path_of(deployment)).st_mode) == 0o600
        part = Component(deployment).open()
        assert part.mechanisms() == ['EXTERNAL']
        assert part.auth('DIGEST-MD5') == 'failure'
        assert part.auth('EXTERNAL', 'cm9vdA==') == 'failure'
        assert part.auth('EXTERNAL') == 'success'
        part.bind('sm').close()
        assert Component(deployment, local=False).open().mechanisms() == ['DIGEST-MD5']


def another_user_is_refused_even_where_the_path_is_open():
    """Who loosens the modes of data.dir has not let anybody in."""
    with Deployment() as deployment:
        deployment.start('router')
        for path, mode in ((deployment.dir, 0o711), (f'{deployment.dir}/data', 0o711), (path_of(deployment), 0o666)):
            os.chmod(path, mode)
        root = [] if os.geteuid() == 0 else ['sudo', '-n']
        guest = f'''
import socket
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(20)
peer.connect({path_of(deployment)!r})
try:
    peer.sendall(b"<stream:stream xmlns:stream='{STREAM}' version='1.0'>"
                 b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
except OSError:
    pass
said = b''
while True:
    try:
        data = peer.recv(65536)
    except ConnectionResetError:
        data = b''
    if not data:
        break
    said += data
print(said.decode())
'''
        result = subprocess.run([*root, 'setpriv', f'--reuid={STRANGER}', f'--regid={STRANGER}', '--clear-groups',
                                 '/usr/bin/python3', '-c', guest], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0 and '<not-authorized' in result.stdout, result
        assert 'success' not in result.stdout and 'mechanism' not in result.stdout, result
        deployment.processes['router'].logged(f'user {STRANGER}', 1)
        Component(deployment).open().features()


def a_socket_that_a_dead_router_left_is_replaced():
    with Deployment(connect=False) as deployment:
        deployment.start('router')
        deployment.processes['router'].kill()
        assert os.path.exists(path_of(deployment))
        deployment.processes['router'].start().wait_for('jackdaw: ready in')
        assert Component(deployment).open().mechanisms() == ['EXTERNAL']
        deployment.processes['router'].stop(signal.SIGTERM)
        assert not os.path.exists(path_of(deployment))


def a_second_router_in_one_data_dir_is_refused():
    with Deployment() as deployment:
        deployment.start('router')
        other = os.path.join(deployment.dir, 'second.toml')
        with open(other, 'w', encoding='utf-8') as file:
            file.write(_replace(deployment.config, (f'router = ["127.0.0.1:{deployment.router_port}"]', 'router = []')))
        result = subprocess.run([BINARY, 'router', '--name', 'second', '--config', other], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == 1 and re.search(r'data\.dir: .*components\.socket.*in use', result.stderr), result
        assert Component(deployment).open().mechanisms() == ['EXTERNAL']


def a_path_that_is_too_long_is_said_in_one_line():
    with Deployment() as deployment:
        text = _replace(deployment.config, (f'{deployment.dir}/data', f'{deployment.dir}/' + 'x' * 100))
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text)
        result = subprocess.run([BINARY, 'router', '--config', deployment.config], capture_output=True, text=True, timeout=60)
        lines = result.stderr.splitlines()
        assert result.returncode == 1 and len(lines) == 1, result
        assert 'data.dir' in lines[0] and 'components.socket' in lines[0] and '107 bytes' in lines[0], lines


if __name__ == '__main__':
    scenarios(three_processes_need_no_port_between_them, a_second_c2s_joins_a_whole_server,
              the_socket_is_its_owner_s_and_wants_no_password, another_user_is_refused_even_where_the_path_is_open,
              a_socket_that_a_dead_router_left_is_replaced, a_second_router_in_one_data_dir_is_refused,
              a_path_that_is_too_long_is_said_in_one_line)
