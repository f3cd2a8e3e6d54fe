#!/usr/bin/python3
"""What storage promises: each message to who is away is refused with an error to try again, or is given later, once."""
import concurrent.futures
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time

from harness import Deployment, Raw, body, mount_as_root, scenarios

STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'
AWAY = [f'away{number}' for number in range(4)]
PADDING = 'x' * 1500
# What is archived would be refused, too, whoever is there.
EXTRA = '[limits]\nclient_rate = "off"\n[messages]\narchive = "off"\n'

SHIM = '''
#include <errno.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* A sync writes nothing and fails as long as a file of this name is there. */
static int fails(void)
{
	if (access(getenv("FAIL_SYNC"), F_OK))
		return 0;
	errno = EIO;
	return 1;
}

int fsync(int fd)
{
	return fails() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
	return fails() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
'''


def _stored(deployment):
    """How many messages for who is away are committed."""
    answer = b''
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(30)
        control.connect(f'{deployment.dir}/data/control.sock')
        control.sendall(b'{"command": ["status"], "json": true}\n')
        while more := control.recv(65536):
            answer += more
    return json.loads(json.loads(answer.splitlines()[0])['out'])['offline_stored']


class Sender:
    """Knows of each message whether it was refused."""

    def __init__(self, deployment):
        self.client = Raw(deployment.port).login('romeo', 'secret')
        self.sent, self.refused, self.answered = [], set(), 0

    def send(self, count):
        for _ in range(count):
            name = str(len(self.sent))
            self.sent.append(name)
            self.client.send(f"<message id='{name}' to='{AWAY[len(self.sent) % len(AWAY)]}@localhost' type='chat'>"
                             f'<body>{name} {PADDING}</body></message>')

    def hear(self, until):
        """Errors, until the condition holds."""
        end = time.time() + 30
        while not until():
            assert time.time() < end, (len(self.sent), len(self.refused))
            try:
                element = self.client.receive(0.1)
            except TimeoutError:
                continue
            assert element is not None, 'the stream ended'
            if element.tag.endswith('}message') and element.get('type') == 'error':
                error = element.find('{jabber:client}error')
                assert error.get('type') == 'wait', error.attrib
                assert error.find(STANZAS + 'resource-constraint') is not None
                assert element.get('id') not in self.refused
                self.refused.add(element.get('id'))

    def send_until_all_answered(self, deployment, count):
        """Each is stored or refused; how many of these were refused."""
        before = len(self.refused)
        self.send(count)
        self.hear(lambda: _stored(deployment) + len(self.refused) == len(self.sent))
        return len(self.refused) - before

    def kept(self):
        return [name for name in self.sent if name not in self.refused]


def _people(deployment):
    deployment.import_users([(name, 'secret') for name in ['romeo', 'juliet', *AWAY]])


def _given_to(deployment, name):
    found = []
    client = Raw(deployment.port).login(name, 'secret')
    with contextlib.suppress(TimeoutError):
        while True:
            element = client.receive(2)
            if element.tag.endswith('}message'):
                found.append(body(element).split()[0])
    client.close()
    return found


def _given(deployment):
    """All that waited for those who were away, as they come."""
    with concurrent.futures.ThreadPoolExecutor(len(AWAY)) as pool:
        return [text for found in pool.map(lambda name: _given_to(deployment, name), AWAY) for text in found]


def _check_given(deployment, sender):
    given = _given(deployment)
    kept = sender.kept()
    assert len(given) == len(set(given)), 'something came twice'
    assert set(given) == set(kept), (set(kept) - set(given), set(given) - set(kept))


def _chat_goes_on(deployment, sender, juliet):
    for text in ('while', 'it', 'fails'):
        sender.client.send(f"<message to='{juliet.jid}' type='chat'><body>{text}</body></message>")
        assert body(juliet.expect('message')) == text
    # Who comes now is only read.
    Raw(deployment.port).login('juliet', 'secret', presence=False).close()


def _said(deployment, failed, again):
    """A line at the start and one at the end of each trouble."""
    text = deployment.processes['run'].text()
    assert text.count('storage fails') == failed and text.count('storage works again') == again, text


def _fail_and_recover(deployment, start_failing, stop_failing):
    sender = Sender(deployment)
    juliet = Raw(deployment.port).login('juliet', 'secret')
    assert sender.send_until_all_answered(deployment, 20) == 0
    start_failing()
    for _ in range(200):
        if sender.send_until_all_answered(deployment, 20) == 20:
            break
    _chat_goes_on(deployment, sender, juliet)
    assert sender.send_until_all_answered(deployment, 20) > 0
    _said(deployment, 1, 0)
    stop_failing()
    assert sender.send_until_all_answered(deployment, 20) == 0
    time.sleep(3.1)
    assert sender.send_until_all_answered(deployment, 20) == 0
    deployment.processes['run'].wait_for('storage works again')
    _said(deployment, 1, 1)
    juliet.close()
    return sender


@contextlib.contextmanager
def _small_disk(deployment, size):
    data = f'{deployment.dir}/data'
    os.mkdir(data, 0o700)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', data], check=True)
    try:
        yield data
        deployment.stop()
    finally:
        for part in deployment.processes.values():
            part.kill()
        subprocess.run(['umount', data], check=True)


def a_full_disk_refuses_and_recovers_by_itself():
    deployment = Deployment(extra=EXTRA)
    with _small_disk(deployment, '5m') as data:
        _people(deployment)
        deployment.start()
        ballast = f'{data}/ballast'

        def fill():
            with contextlib.suppress(OSError), open(ballast, 'wb', buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        sender = _fail_and_recover(deployment, fill, lambda: os.unlink(ballast))
        _check_given(deployment, sender)
    shutil.rmtree(deployment.dir)


def a_file_that_may_not_grow_is_a_full_disk():
    with Deployment(extra=EXTRA) as deployment:
        _people(deployment)
        deployment.start()
        pid = deployment.processes['run'].process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        # Less than one frame of the write-ahead log: a checkpoint, which starts it again at its head, frees no room.
        sender = _fail_and_recover(
            deployment, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1])),
            lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, limits))
        _check_given(deployment, sender)


class Syncs:
    """A deployment whose syncs fail on demand."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='jackdaw-shim-')
        self.flag, library = f'{self.folder}/fail', f'{self.folder}/shim.so'
        with open(f'{self.folder}/shim.c', 'w', encoding='ascii') as file:
            file.write(SHIM)
        subprocess.run(['cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', library, f'{self.folder}/shim.c', '-ldl'],
                       check=True)
        self.env = {'LD_PRELOAD': library, 'FAIL_SYNC': self.flag,
                    'ASAN_OPTIONS': 'verify_asan_link_order=0:' + os.environ.get('ASAN_OPTIONS', '')}

    def start(self, deployment):
        os.environ.update(self.env)
        try:
            deployment.start()
        finally:
            for name in ('LD_PRELOAD', 'FAIL_SYNC', 'ASAN_OPTIONS'):
                del os.environ[name]

    def fail(self):
        with open(self.flag, 'w', encoding='ascii'):
            pass

    def work(self):
        os.unlink(self.flag)


def a_failed_sync_refuses_and_recovers_by_itself():
    syncs = Syncs()
    with Deployment(extra=EXTRA) as deployment:
        _people(deployment)
        syncs.start(deployment)
        sender = _fail_and_recover(deployment, syncs.fail, syncs.work)
        deployment.processes.pop('run').kill()
        deployment.start()
        _check_given(deployment, sender)
    shutil.rmtree(syncs.folder)


def what_a_failed_sync_refused_does_not_come_back_after_a_kill():
    syncs = Syncs()
    with Deployment(extra=EXTRA) as deployment:
        _people(deployment)
        syncs.start(deployment)
        sender = Sender(deployment)
        assert sender.send_until_all_answered(deployment, 20) == 0
        syncs.fail()
        assert sender.send_until_all_answered(deployment, 20) == 20
        deployment.processes.pop('run').kill()
        deployment.start()
        _check_given(deployment, sender)
    shutil.rmtree(syncs.folder)


def _outlives_a_kill(durability):
    """What the counter had when the process was killed is there: it counts what is committed."""
    with Deployment(extra=f'[limits]\nclient_rate = "off"\n[storage]\ndurability = "{durability}"\n') as deployment:
        _people(deployment)
        deployment.start()
        sender = Sender(deployment)
        sender.send(400)
        stored = 0
        while not stored:
            stored = _stored(deployment)
        deployment.processes.pop('run').kill()
        deployment.start()
        given = _given(deployment)
        assert len(given) == len(set(given)) >= stored, (len(given), stored)
        # To each of them in order, without a gap.
        for number in range(len(AWAY)):
            sent, got = ([name for name in names if (int(name) + 1) % len(AWAY) == number]
                         for names in (sender.sent, given))
            assert got == sent[:len(got)], got


def what_was_committed_outlives_a_kill_at_full():
    _outlives_a_kill('full')


def what_was_committed_outlives_a_kill_at_process():
    _outlives_a_kill('process')


if __name__ == '__main__':
    mount_as_root()
    scenarios(a_full_disk_refuses_and_recovers_by_itself, a_file_that_may_not_grow_is_a_full_disk,
              a_failed_sync_refuses_and_recovers_by_itself, what_a_failed_sync_refused_does_not_come_back_after_a_kill,
              what_was_committed_outlives_a_kill_at_full, what_was_committed_outlives_a_kill_at_process)
