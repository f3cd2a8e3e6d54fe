#!/usr/bin/python3
"""A backup is made while the server works, whole or not at all; a restore takes only what is one."""
import concurrent.futures
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

from harness import BINARY, Deployment, Raw, body, mount_as_root, scenarios

RATE, AWAY = 500, 10
# Where only root is known, in a name space of mount_as_root(), the server stays root.
with open('/proc/self/uid_map', encoding='ascii') as uids:
    OTHER_USER = 'nobody' if int(uids.read().split()[2]) > 1 else 'root'


def _file(deployment, name='backup.db'):
    return os.path.join(deployment.dir, name)


def _fails(deployment, *words, code=1):
    """One line, on standard error; it is returned."""
    result = deployment.command(*words, code=code)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and not result.stdout, result
    return lines[0]


def _left_beside(path):
    folder, name = os.path.split(path)
    return [entry for entry in os.listdir(folder) if entry.startswith(name + '.') or entry.startswith(name + '-')]


def _copy(deployment):
    """What the server makes; it is removed a moment after its caller went away."""
    return f'{deployment.dir}/data/backup.copy'


def _wait_for(path, seconds=20):
    end = time.time() + seconds
    while not os.path.exists(path):
        assert time.time() < end, path
        time.sleep(0.0005)


def _gone(*paths, seconds=20):
    end = time.time() + seconds
    while any(os.path.exists(path) for path in paths):
        assert time.time() < end, [path for path in paths if os.path.exists(path)]
        time.sleep(0.01)


def _messages(deployment, user):
    """What waited for a user: until nothing comes for a while."""
    client = Raw(deployment.port).login(user, 'secret')
    found = []
    try:
        while True:
            element = client.receive(3)
            if element.tag.endswith('}message'):
                found.append(body(element))
    except TimeoutError:
        client.close()
        return found


class Load:
    """Messages at a rate to people who are away. status' counter says how many are committed."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.client = Raw(deployment.port).login('sender', 'secret')
        self.sent, self.going, self.pauses = 0, True, []
        self.sender = threading.Thread(target=self._send)
        self.watcher = threading.Thread(target=self._watch)
        self.sender.start()
        self.watcher.start()

    def _send(self):
        begun = time.time()
        while self.going:
            due = int((time.time() - begun) * RATE)
            while self.sent < due:
                self.client.send(f"<message to='away{self.sent % AWAY}@localhost' type='chat'>"
                                 f'<body>{self.sent}</body></message>')
                self.sent += 1
            time.sleep(0.002)

    def _watch(self):
        """An account's change is answered when it is committed: the time that takes is the pause of a commit."""
        while self.going:
            begun = time.time()
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(30)
                control.connect(f'{self.deployment.dir}/data/control.sock')
                control.sendall(b'{"command": ["user", "enable", "sender@localhost"]}\n')
                while control.recv(4096):
                    pass
            self.pauses.append((begun, time.time() - begun))

    def stop(self):
        self.going = False
        self.sender.join()
        self.watcher.join()

    def longest(self, begin, end):
        return max((took for at, took in self.pauses if begin <= at <= end), default=0)


def _fill(deployment, rows=2000):
    """So much that a backup has something to copy: 4 MB for 1000."""
    with sqlite3.connect(f'{deployment.dir}/data/jackdaw.db') as database:
        database.executemany('INSERT INTO keyed VALUES (2, ?, ?, ?)',
                             ((f'old{n}@localhost'.encode(), b'x', os.urandom(3000)) for n in range(rows)))
    database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    database.close()


def _restored(deployment, file):
    """Another server with the backup."""
    other = Deployment(extra='[limits]\nclient_rate = "off"\n')
    result = other.command('restore', file)
    assert 'restored' in result.stdout, result
    other.start()
    return other


def a_backup_under_load_has_what_was_acknowledged_before_it_began():
    with Deployment(extra='[limits]\nclient_rate = "off"\n') as deployment:
        deployment.import_users([('sender', 'secret')] + [(f'away{n}', 'secret') for n in range(AWAY)])
        _fill(deployment, 15000)
        deployment.start()
        load = Load(deployment)
        time.sleep(2)
        stored, begin = deployment.metric('offline_stored'), time.time()
        result = deployment.command('backup', _file(deployment), '--json')
        end, during = time.time(), deployment.metric('offline_stored') - stored
        time.sleep(1)
        load.stop()
        facts = json.loads(result.stdout)
        assert facts['file'] == _file(deployment) and facts['bytes'] > 45e6, facts
        status = os.stat(_file(deployment))
        assert status.st_size == facts['bytes'] and status.st_mode & 0o777 == 0o600, status
        assert not _left_beside(_file(deployment))
        print(f'# backup of {facts["bytes"] >> 20} MB in {end - begin:.2f} s, {during} messages stored meanwhile; '
              f'longest wait for a commit {load.longest(begin, end) * 1000:.0f} ms, '
              f'without a backup {load.longest(0, begin) * 1000:.0f} ms')
        assert during > 0, 'no commit during the backup'
        deployment.processes.pop('run').kill()
        with _restored(deployment, _file(deployment)) as other:
            with concurrent.futures.ThreadPoolExecutor(AWAY) as pool:
                found = pool.map(lambda user: _messages(other, f'away{user}'), range(AWAY))
            got = {text for texts in found for text in texts}
            missing = [n for n in range(stored) if str(n) not in got]
            assert not missing, (stored, len(got), missing[:10])


def a_stopped_server_is_backed_up_and_restored():
    with Deployment() as deployment:
        deployment.add_user('before', 'secret')
        result = subprocess.run([BINARY, 'backup', 'here.db', '--config', deployment.config], cwd=deployment.dir,
                                capture_output=True, text=True, timeout=60, check=True)
        assert result.stdout.startswith(_file(deployment, 'here.db')), result
        deployment.add_user('after', 'secret')
        result = deployment.command('restore', _file(deployment, 'here.db'))
        kept = [name for name in os.listdir(f'{deployment.dir}/data') if 'before-restore' in name]
        assert len(kept) == 1 and kept[0] in result.stdout, (kept, result)
        assert deployment.command('user', 'list').stdout == 'before@localhost\n'
        deployment.start()
        Raw(deployment.port).login('before', 'secret').close()
        deployment.processes['run'].stop()
        # The way back is the same.
        facts = json.loads(deployment.command('restore', f'{deployment.dir}/data/{kept[0]}', '--json').stdout)
        assert 'before-restore' in facts['kept'], facts
        assert 'after@localhost' in deployment.command('user', 'list').stdout


def the_log_of_the_old_database_is_not_applied_to_the_restored_one():
    with Deployment() as deployment:
        deployment.add_user('before', 'secret')
        deployment.command('backup', _file(deployment))
        deployment.start()
        deployment.add_user('after', 'secret')
        deployment.processes.pop('run').kill()
        assert os.path.getsize(f'{deployment.dir}/data/jackdaw.db-wal') > 0
        left = f'{deployment.dir}/data/unacknowledged'  # to clients, by the database that was killed
        assert os.path.exists(left)
        deployment.command('restore', _file(deployment))
        assert not os.path.exists(left)
        assert deployment.command('user', 'list').stdout == 'before@localhost\n'
        # And what was in it is in what was kept.
        kept = [name for name in os.listdir(f'{deployment.dir}/data') if 'before-restore' in name]
        assert len(kept) == 1, kept
        deployment.command('restore', f'{deployment.dir}/data/{kept[0]}')
        assert deployment.command('user', 'list').stdout == 'after@localhost\nbefore@localhost\n'


def a_damaged_database_is_replaced_too():
    with Deployment() as deployment:
        deployment.add_user('before', 'secret')
        deployment.command('backup', _file(deployment))
        with open(f'{deployment.dir}/data/jackdaw.db', 'r+b') as database:
            database.write(b'no database at all')
        deployment.command('restore', _file(deployment))
        assert deployment.command('user', 'list').stdout == 'before@localhost\n'


def a_running_server_is_not_restored():
    with Deployment() as deployment:
        deployment.start()
        deployment.add_user('romeo', 'secret')
        deployment.command('backup', _file(deployment))
        line = _fails(deployment, 'restore', _file(deployment))
        assert f'pid {deployment.processes["run"].process.pid}' in line, line
        Raw(deployment.port).login('romeo', 'secret').close()


def parts_are_backed_up_by_who_has_the_database():
    with Deployment() as deployment:
        deployment.start('router', 'sm', 'c2s', ready=False)
        for part in deployment.processes.values():
            part.wait_for('jackdaw: ready in')
        deployment.add_user('romeo', 'secret')
        deployment.command('backup', _file(deployment))
        line = _fails(deployment, 'restore', _file(deployment))
        assert f'pid {deployment.processes["sm"].process.pid}' in line, line


def where_a_backup_cannot_be_is_said_in_a_line():
    with Deployment() as deployment:
        deployment.start()
        path = _file(deployment)
        deployment.command('backup', path)
        size = os.path.getsize(path)
        assert 'is there already' in _fails(deployment, 'backup', path)
        assert os.path.getsize(path) == size
        assert 'directory' in _fails(deployment, 'backup', deployment.dir)
        assert 'No such file' in _fails(deployment, 'backup', f'{deployment.dir}/none/backup.db')
        _fails(deployment, 'backup', code=2)
        _fails(deployment, 'backup', path, path, code=2)
        assert 'backup FILE' in deployment.command('backup', '--help').stdout


def a_backup_without_room_leaves_nothing():
    with Deployment() as deployment:
        small = f'{deployment.dir}/small'
        deployment.add_user('romeo', 'secret')
        _fill(deployment)
        os.mkdir(small)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], check=True)
        try:
            deployment.start()
            assert 'No space left' in _fails(deployment, 'backup', f'{small}/backup.db')
            assert not os.listdir(small)
            _gone(_copy(deployment))
            # The database is none the worse for it.
            deployment.add_user('juliet', 'secret')
            deployment.command('backup', _file(deployment))
            subprocess.run(['mount', '-o', 'remount,ro', small], check=True)
            assert 'Read-only' in _fails(deployment, 'backup', f'{small}/backup.db')
        finally:
            subprocess.run(['umount', small], check=True)


def a_backup_without_room_for_the_copy_leaves_nothing():
    with Deployment() as deployment:
        os.mkdir(f'{deployment.dir}/data', 0o700)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', f'{deployment.dir}/data'], check=True)
        try:
            deployment.add_user('romeo', 'secret')
            _fill(deployment)
            with open(f'{deployment.dir}/data/ballast', 'wb') as ballast:
                ballast.write(bytes(10 << 20))
            deployment.start()
            line = _fails(deployment, 'backup', _file(deployment))
            assert 'No space left' in line or 'disk is full' in line, line
            assert not os.path.exists(_copy(deployment)) and not os.path.exists(_file(deployment))
            deployment.add_user('juliet', 'secret')
            assert deployment.processes['run'].stop() == 0
        finally:
            subprocess.run(['umount', '-l', f'{deployment.dir}/data'], check=True)


def _elsewhere(deployment):
    """A folder on another file system than data.dir's."""
    folder = tempfile.mkdtemp(prefix='jackdaw-test-', dir='/dev/shm')
    assert os.stat(folder).st_dev != os.stat(deployment.dir).st_dev, deployment.dir
    return folder


def a_backup_goes_where_the_server_may_not_write():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        deployment.start()
        print('#', re.search('sandbox: .*', deployment.processes['run'].text()).group())
        beside, other = tempfile.mkdtemp(prefix='jackdaw-test-'), _elsewhere(deployment)
        try:
            for folder in (beside, other):
                facts = json.loads(deployment.command('backup', f'{folder}/backup.db', '--json').stdout)
                status = os.stat(facts['file'])
                assert os.listdir(folder) == ['backup.db'] and not os.path.exists(_copy(deployment)), os.listdir(folder)
                assert (status.st_mode & 0o777, status.st_nlink, status.st_size) == (0o600, 1, facts['bytes']), status
                with _restored(deployment, facts['file']) as restored:
                    assert restored.command('user', 'list').stdout == 'romeo@localhost\n'
        finally:
            shutil.rmtree(beside)
            shutil.rmtree(other)


def a_server_of_another_user_is_backed_up_to_a_folder_of_root():
    """Running and stopped: FILE is of who asked for it, and nothing in data.dir is."""
    with Deployment(extra='[limits]\nclient_rate = "off"\n', process=f'user = "{OTHER_USER}"') as deployment:
        os.chmod(deployment.dir, 0o711)
        deployment.add_user('romeo', 'secret')
        there, other = os.path.join(deployment.dir, 'root'), _elsewhere(deployment)
        os.mkdir(there, 0o700)
        try:
            for state in ('stopped', 'running'):
                if state == 'running':
                    deployment.start()
                for folder in (there, other):
                    path = f'{folder}/{state}.db'
                    deployment.command('backup', path)
                    status = os.stat(path)
                    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, os.getegid(), 0o600), (path, status)
                    assert 'is there already' in _fails(deployment, 'backup', path)
                    with _restored(deployment, path) as restored:
                        assert restored.command('user', 'list').stdout == 'romeo@localhost\n'
                    owners = {os.stat(f'{deployment.dir}/data/{name}').st_uid for name in os.listdir(f'{deployment.dir}/data')}
                    assert owners == {pwd.getpwnam(OTHER_USER).pw_uid} and not os.path.exists(_copy(deployment)), owners
        finally:
            shutil.rmtree(other)


def what_root_restores_is_of_the_user_of_the_server():
    """From a file that only root can read, over a database and where there is none."""
    user = pwd.getpwnam(OTHER_USER)
    with Deployment(process=f'user = "{OTHER_USER}"') as deployment:
        os.chmod(deployment.dir, 0o711)
        deployment.add_user('romeo', 'secret')
        there, data = os.path.join(deployment.dir, 'root'), f'{deployment.dir}/data'
        os.mkdir(there, 0o700)
        deployment.command('backup', f'{there}/backup.db')
        for before in ('a database', 'nothing'):
            if before == 'nothing':
                shutil.rmtree(data)
                os.mkdir(data, 0o700)
                os.chown(data, user.pw_uid, user.pw_gid)
            deployment.command('restore', f'{there}/backup.db')
            owners = {name: os.stat(f'{data}/{name}').st_uid for name in os.listdir(data)}
            assert 'jackdaw.db' in owners and set(owners.values()) == {user.pw_uid}, owners
            deployment.start()
            Raw(deployment.port).login('romeo', 'secret').close()
            deployment.add_user(f'after-{before.split()[-1]}', 'secret')
            line = _fails(deployment, 'restore', f'{there}/backup.db')
            assert f'pid {deployment.processes["run"].process.pid}' in line, line
            deployment.processes['run'].stop()
        assert os.stat(f'{there}/backup.db').st_uid == 0
        deployment.command('restore', f'{there}/none.db', code=1)
        assert deployment.command('user', 'list').stdout == 'after-nothing@localhost\nromeo@localhost\n'


def _interrupt(deployment, path, begun):
    """^C when the file begun is there."""
    command = subprocess.Popen([BINARY, 'backup', path, '--config', deployment.config], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _wait_for(begun)
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=30) != 0, command.returncode
    _gone(path + '.partial', _copy(deployment))
    assert not os.path.exists(path), os.listdir(deployment.dir)


def an_interrupted_backup_leaves_nothing():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        _fill(deployment, 15000)
        other = _elsewhere(deployment)
        try:
            for state in ('stopped', 'running'):
                if state == 'running':
                    deployment.start()
                _interrupt(deployment, _file(deployment, f'{state}.db'), _copy(deployment))
                _interrupt(deployment, f'{other}/{state}.db', f'{other}/{state}.db.partial')
            deployment.command('backup', _file(deployment))
        finally:
            shutil.rmtree(other)


def the_copy_of_a_killed_server_is_removed_by_the_next():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        _fill(deployment, 15000)
        deployment.start()
        command = subprocess.Popen([BINARY, 'backup', _file(deployment), '--config', deployment.config],
                                   stderr=subprocess.PIPE, text=True)
        _wait_for(_copy(deployment))
        deployment.processes['run'].kill()
        assert 'the server went away' in command.communicate(timeout=30)[1] and command.returncode == 1
        assert os.path.exists(_copy(deployment)) and not os.path.exists(_file(deployment))
        deployment.start()
        assert not os.path.exists(_copy(deployment))


def a_restore_refuses_what_is_no_whole_backup():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        good, bad = _file(deployment), _file(deployment, 'bad.db')
        _fill(deployment)
        deployment.command('backup', good)
        with open(good, 'rb') as file:
            content = file.read()

        def refused(bytes_of_it, *patterns):
            with open(bad, 'wb') as file:
                file.write(bytes_of_it)
            line = _fails(deployment, 'restore', bad)
            assert all(pattern in line for pattern in (bad, *patterns)), line

        refused(b'', 'empty')
        refused(os.urandom(5000), 'no backup of jackdaw')
        refused(b'short', 'no backup of jackdaw')
        refused(content[:len(content) // 2], 'cut short')
        refused(content[:-1], 'cut short')
        refused(content[:60] + (9999).to_bytes(4, 'big') + content[64:], 'newer version', '9999')
        middle = len(content) // 2 // 4096 * 4096
        refused(content[:middle] + os.urandom(4096) + content[middle + 4096:], 'damaged')
        os.unlink(bad)
        with sqlite3.connect(bad) as other:
            other.execute('CREATE TABLE notes (x)')
        other.close()
        assert 'another program' in _fails(deployment, 'restore', bad)
        assert 'directory' in _fails(deployment, 'restore', deployment.dir)
        assert 'No such file' in _fails(deployment, 'restore', _file(deployment, 'none.db'))
        _fails(deployment, 'restore', code=2)
        # Nothing was changed by any of them.
        names = os.listdir(f'{deployment.dir}/data')
        assert not [name for name in names if 'restor' in name], names
        assert 'romeo@localhost' in deployment.command('user', 'list').stdout
        deployment.command('restore', good)


def a_backup_of_the_first_version_is_upgraded_by_the_next_start():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        deployment.command('backup', _file(deployment))
        database = sqlite3.connect(_file(deployment))
        database.executescript('PRAGMA journal_mode=DELETE; PRAGMA application_id=0; PRAGMA user_version=1;'
                               'DROP INDEX log_archived; ALTER TABLE log DROP COLUMN archived;' +
                               ''.join(f'DROP TABLE archive{name};' for name in ('', '_party', '_entry', '_talk', '_floor')))
        database.close()
        deployment.command('restore', _file(deployment))
        deployment.start()
        Raw(deployment.port).login('romeo', 'secret').close()
        deployment.command('backup', _file(deployment, 'newer.db'))
        database = sqlite3.connect(_file(deployment, 'newer.db'))
        assert database.execute('PRAGMA user_version').fetchone()[0] > 1
        assert database.execute('PRAGMA application_id').fetchone()[0] != 0
        database.close()


if __name__ == '__main__':
    mount_as_root()
    scenarios(a_backup_under_load_has_what_was_acknowledged_before_it_began, a_stopped_server_is_backed_up_and_restored,
              the_log_of_the_old_database_is_not_applied_to_the_restored_one, a_damaged_database_is_replaced_too,
              a_running_server_is_not_restored, parts_are_backed_up_by_who_has_the_database,
              where_a_backup_cannot_be_is_said_in_a_line, a_backup_without_room_leaves_nothing,
              a_backup_without_room_for_the_copy_leaves_nothing, a_backup_goes_where_the_server_may_not_write,
              a_server_of_another_user_is_backed_up_to_a_folder_of_root,
              what_root_restores_is_of_the_user_of_the_server, an_interrupted_backup_leaves_nothing,
              the_copy_of_a_killed_server_is_removed_by_the_next, a_restore_refuses_what_is_no_whole_backup,
              a_backup_of_the_first_version_is_upgraded_by_the_next_start)
