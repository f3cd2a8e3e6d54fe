#!/usr/bin/python3
"""200 accounts on two workers send 100 messages each: none lost, none twice, each sender's in order. And what the
workers ask of the kernel meanwhile."""
import base64
import collections
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import time

from harness import BINARY, CLIENT, STREAM, Deployment, scenarios

USERS, MESSAGES = 200, 100


class Swarm:
    """Many raw clients in one loop."""

    def __init__(self, port, count, password):
        self.selector = selectors.DefaultSelector()
        self.clients = []
        for number in range(count):
            client = socket.create_connection(('127.0.0.1', port))
            self.clients.append(client)
            self._log_in(client, f'user{number}', password)
        for number, client in enumerate(self.clients):
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ, number)
        self.got = [b''] * count

    @staticmethod
    def _until(client, text):
        data = b''
        while text not in data:
            more = client.recv(65536)
            assert more, data
            data += more
        return data

    def _log_in(self, client, user, password):
        header = (f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' to='localhost' "
                  "version='1.0'>").encode()
        token = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
        client.sendall(header)
        self._until(client, b'</stream:features>')
        client.sendall(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>".encode())
        self._until(client, b'<success')
        client.sendall(header)
        self._until(client, b'</stream:features>')
        client.sendall(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>")
        self._until(client, b'</iq>')

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            data = key.fileobj.recv(1 << 20)
            assert data, f'client {key.data} was closed: {self.got[key.data][-300:]}'
            self.got[key.data] += data


def _deployment():
    deployment = Deployment(workers=2, extra='[limits]\nclient_rate = "off"\nconnections_per_address = 0\n')
    deployment.import_users([(f'user{n}', 'secret') for n in range(USERS)])
    deployment.start()
    return deployment


def _exchange(swarm):
    wanted = sum(data.count(b'<body>') for data in swarm.got) + USERS * MESSAGES
    for number in range(MESSAGES):
        for sender, client in enumerate(swarm.clients):
            to = (sender + 1 + number) % USERS
            text = f"<message to='user{to}@localhost' type='chat'><body>{sender}:{number}</body></message>".encode()
            while text:
                try:
                    text = text[client.send(text):]
                except BlockingIOError:
                    swarm.pump(0.01)
        swarm.pump(0)
    end = time.time() + 60
    while sum(data.count(b'<body>') for data in swarm.got) < wanted and time.time() < end:
        swarm.pump(0.2)


def nothing_is_lost_or_doubled_and_order_is_kept():
    with _deployment() as deployment:
        swarm = Swarm(deployment.port, USERS, 'secret')
        _exchange(swarm)
        seen = collections.Counter()
        for receiver, data in enumerate(swarm.got):
            last = collections.defaultdict(lambda: -1)
            for sender, number in re.findall(rb'<body>(\d+):(\d+)</body>', data):
                sender, number = int(sender), int(number)
                assert (sender + 1 + number) % USERS == receiver
                assert number > last[sender], f'{sender} to {receiver}: {number} behind {last[sender]}'
                last[sender] = number
                seen[sender, number] += 1
        assert len(seen) == USERS * MESSAGES, f'{USERS * MESSAGES - len(seen)} lost'
        assert max(seen.values()) == 1
        status = deployment.command('status').stdout
        assert str(USERS) in status, status


def workers_touch_no_file_no_name_service_and_no_log():
    assert shutil.which('strace'), 'strace is needed'
    with _deployment() as deployment:
        swarm = Swarm(deployment.port, USERS, 'secret')
        pid = deployment.processes['run'].process.pid
        trace = os.path.join(deployment.dir, 'trace')
        threads = _loop_threads(pid)
        strace = subprocess.Popen(['strace', '-q', '-o', trace] + [a for t in threads for a in ('-p', str(t))],
                                  stderr=subprocess.DEVNULL)
        time.sleep(1)
        _exchange(swarm)
        strace.terminate()
        strace.wait()
        with open(trace, encoding='ascii', errors='replace') as lines:
            calls = collections.Counter(match.group(1) for line in lines
                                        if (match := re.match(r'(?:\d+ +)?(\w+)\(', line)))
        allowed = {'epoll_wait', 'epoll_pwait', 'epoll_ctl', 'read', 'recv', 'recvfrom', 'write', 'send', 'sendto',
                   'sendmsg', 'recvmsg', 'writev', 'readv', 'futex', 'mmap', 'munmap', 'brk', 'madvise', 'getrandom',
                   'restart_syscall', 'mprotect'}
        if _is_sanitized():
            allowed.add('sched_yield')  # in the sanitizer's own locks
        assert calls['epoll_wait'] + calls['epoll_pwait'] > 0, calls
        assert not set(calls) - allowed, calls


def routing_takes_no_memory_from_the_system():
    """Counted by the server itself: blocks come from its own heaps. Not under sanitizers, where each is the system's."""
    with _deployment() as deployment:
        if _is_sanitized():
            return
        swarm = Swarm(deployment.port, USERS, 'secret')
        _exchange(swarm)
        _exchange(swarm)
        before = json.loads(deployment.command('memory', '--json').stdout)
        _exchange(swarm)
        after = json.loads(deployment.command('memory', '--json').stdout)
        calls = after['calls to the system'] - before['calls to the system']
        made = after['allocations'] - before['allocations']
        print(f'# {calls} calls to the system, {made / USERS / MESSAGES:.1f} blocks a message')
        assert made > USERS * MESSAGES and calls <= USERS * MESSAGES / 1000, (calls, made)


def _is_sanitized():
    with open(BINARY, 'rb') as binary:
        text = binary.read()
    return b'__asan_init' in text or b'__tsan_init' in text


def _loop_threads(pid):
    """The threads that wait in epoll: the workers."""
    found = []
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/wchan', encoding='ascii') as wchan, \
                open(f'/proc/{pid}/task/{thread}/comm', encoding='ascii') as comm:
            name = comm.read().strip()
            if 'poll' in wchan.read() or name.startswith('worker') or int(thread) == pid:
                found.append(thread)
    return found


if __name__ == '__main__':
    scenarios(nothing_is_lost_or_doubled_and_order_is_kept, workers_touch_no_file_no_name_service_and_no_log,
              routing_takes_no_memory_from_the_system)
