#!/usr/bin/python3
"""CPU a message and memory a session, beside peers in the same run: ratios, not absolute times.

usage: bench.py --jackdaw BINARY [--load BINARY] [--peers "jabberd2"] [--quick]
One line of JSON a figure, then a table.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
os.environ.setdefault('JACKDAW', 'build/jackdaw')
import harness  # noqa: E402  (it lives beside the end-to-end tests)
import jabberd2  # noqa: E402
from harness import Deployment, free_port  # noqa: E402

TICK = os.sysconf('SC_CLK_TCK')


def cpu(pids):
    """User plus system seconds of processes."""
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss(pids):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as smaps:
            total += sum(int(line.split()[1]) for line in smaps if line.startswith('Pss:'))
    return total * 1024


class Jackdaw:
    name = 'jackdaw'

    def __init__(self, users):
        self.deployment = Deployment(workers=2, extra=(
            '[limits]\nclient_rate = "off"\nconnections_per_address = 0\n[log]\nlevel = "warn"\n'))
        self.deployment.import_users([(f'user{n}', 'secret') for n in range(users)])

    def __enter__(self):
        self.deployment.start()
        self.port = self.deployment.port
        self.pids = [self.deployment.processes['run'].process.pid]
        return self

    def __exit__(self, *error):
        self.deployment.stop()


class Jabberd2:
    """Debian's router, sm and c2s, with accounts registered in band."""
    name = 'jabberd2'

    def __init__(self, users):
        self.dir = tempfile.mkdtemp(prefix='jackdaw-bench-')
        self.peer = jabberd2.Jabberd2(self.dir, free_port(), ('router', 'sm', 'c2s'))
        self.port, self.users = self.peer.port, users

    def __enter__(self):
        self.peer.start()
        subprocess.run([LOAD, '--port', str(self.port), '--count', str(self.users), '--mode', 'register'], check=True,
                       timeout=280)
        self.pids = self.peer.pids()
        return self

    def __exit__(self, *error):
        self.peer.__exit__(None, None, None)
        shutil.rmtree(self.dir, ignore_errors=True)


SERVERS = {'jackdaw': Jackdaw, 'jabberd2': Jabberd2}


def chat(server, count, seconds):
    load = subprocess.Popen([LOAD, '--port', str(server.port), '--count', str(count), '--seconds', str(seconds)],
                            stdout=subprocess.PIPE, text=True)
    assert load.stdout.readline() == 'measure\n'
    before = cpu(server.pids)
    line = load.stdout.readline()
    after = cpu(server.pids)
    result = json.loads(line)
    assert load.wait() == 0 and result['lost'] == 0 and result['messages'] > 0, result
    return 1e6 * (after - before) / result['messages'], result['messages'] / result['seconds']


def idle(server, count):
    before = pss(server.pids)
    load = subprocess.Popen([LOAD, '--port', str(server.port), '--count', str(count), '--mode', 'idle'],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert load.stdout.readline() == 'idle\n'
    after = pss(server.pids)
    load.communicate('\n')
    return (after - before) / count


def build_load():
    path = os.path.join(tempfile.mkdtemp(prefix='jackdaw-bench-'), 'load')
    library = os.path.join(HERE, '..', 'lib')
    subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-I', library, '-o', path, os.path.join(HERE, 'load.c'),
                    os.path.join(library, 'stream.c')], check=True)
    return path


def main():
    global LOAD
    parser = argparse.ArgumentParser()
    parser.add_argument('--jackdaw', default='build/jackdaw')
    parser.add_argument('--load')
    parser.add_argument('--peers', default='')
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    harness.BINARY = os.path.abspath(args.jackdaw)
    LOAD = args.load or build_load()
    sessions, seconds, rounds, idlers = 500, 3 if args.quick else 8, 2 if args.quick else 3, 1000 if args.quick else 3000
    names = ['jackdaw'] + args.peers.split()
    figures = {name: {} for name in names}
    for name in names:
        users = idlers if name == 'jackdaw' else sessions
        with SERVERS[name](users) as server:
            figures[name]['idle_bytes'] = idle(server, users)
    servers = [SERVERS[name](sessions) for name in names]
    started = []
    try:
        for server in servers:
            started.append(server.__enter__())
        rows = {name: [] for name in names}
        for _ in range(rounds):
            for server in started:
                rows[server.name].append(chat(server, sessions, seconds))
    finally:
        for server in started:
            server.__exit__(None, None, None)
    for name in names:
        figures[name]['chat_cpu_us'] = statistics.median(row[0] for row in rows[name])
        figures[name]['chat_per_s'] = statistics.median(row[1] for row in rows[name])
        print(json.dumps({'server': name, **figures[name]}))
    print(f"\n{'':12}{'chat, CPU a message':>22}{'messages/s':>14}{'idle session':>16}")
    for name in names:
        row = figures[name]
        ratio = figures['jackdaw']['chat_cpu_us'] / row['chat_cpu_us']
        print(f"{name:12}{row['chat_cpu_us']:>19.1f} us{row['chat_per_s']:>14.0f}{row['idle_bytes']:>14.0f} B"
              f"{'' if name == 'jackdaw' else f'   ours is 1/{1 / ratio:.1f} of its CPU'}")


if __name__ == '__main__':
    main()
