#!/usr/bin/python3
"""CPU of messages and logins and memory of sessions, beside peers in the same run: ratios, not absolute times.

usage: bench.py --jackdaw BINARY [--load BINARY] [--peers "jabberd2 ejabberd prosody"] [--works "chat login storm presence idle"] [--archive] [--quick]
One line of JSON a server, then a table. Rounds go from server to server; of each the median counts.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
os.environ.setdefault('JACKDAW', 'build/jackdaw')
import harness  # noqa: E402  (it lives beside the end-to-end tests)
from loads import build, cpu, pss  # noqa: E402
from peers import SERVERS  # noqa: E402

SESSIONS = 500
FRIENDS = 300  # in storms, and whose presence changes
LOGGING_IN = 100  # who log in again and again: each has made his keys before it is measured


def _run(load, server, mode, count, *options):
    return subprocess.Popen([load, '--port', str(server.port), '--mode', mode, '--count', str(count), *map(str, options)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _friends(load):
    return os.path.join(os.path.dirname(load), 'friends')


def _measure(process, server):
    """What the load says of the measured part, and the seconds that the server spent in it."""
    assert process.stdout.readline() == 'measure\n'
    before = cpu(server.pids)
    line = process.stdout.readline()
    spent = cpu(server.pids) - before
    result = json.loads(line)
    process.communicate()
    assert process.returncode == 0, process.returncode
    return result, spent


def chat(load, server, seconds):
    result, spent = _measure(_run(load, server, 'chat', SESSIONS, '--seconds', seconds), server)
    assert result['lost'] == 0 and result['messages'] > 0, result
    return 1e6 * spent / result['messages'], result['messages'] / result['seconds']


def login(load, server, seconds):
    """SCRAM-SHA-1 over TLS, full handshakes, to a bound resource."""
    result, spent = _measure(_run(load, server, 'login', LOGGING_IN, '--seconds', seconds, '--tls', 'starttls', '--mechanism',
                                  'SCRAM-SHA-1'), server)
    assert result['logins'] and (server.name != 'jackdaw' or not result['failed']), result
    if result["failed"]:
        print(f"{server.name}: {result}", file=sys.stderr)
    return 1e6 * spent / result['logins'], result['logins'] / result['seconds']


def idle(load, server, count):
    before = pss(server.pids)
    process = _run(load, server, 'idle', count)
    assert process.stdout.readline() == 'idle\n'
    after = pss(server.pids)
    process.communicate('\n')
    return (after - before) / count


def storm(load, server, seconds):
    """Of FRIENDS who log in at once, with 20 mutual contacts each."""
    result, spent = _measure(_run(_friends(load), server, 'storm', FRIENDS, '--seconds', seconds, '--mechanism',
                                  'SCRAM-SHA-1'), server)
    return 1e6 * spent / result['logins'], result['logins'] / result['seconds']


def presence(load, server, seconds):
    """A change of presence that 20 contacts hear."""
    result, spent = _measure(_run(_friends(load), server, 'presence', FRIENDS, '--seconds', seconds), server)
    return 1e6 * spent / result['deliveries'], result['deliveries'] / result['seconds']


WORKS = {'chat': chat, 'login': login, 'storm': storm, 'presence': presence}
UNITS = {'chat': 'message', 'login': 'login', 'storm': 'login', 'presence': 'delivery'}
OF_FRIENDS = {'storm', 'presence'}


def _in_rounds(names, works, load, seconds, rounds, figures, archive):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(SERVERS[name](SESSIONS, load, archive)) for name in names]
        if OF_FRIENDS.intersection(works):
            for server in servers:
                _run(_friends(load), server, 'befriend', FRIENDS).communicate()
        rows = {(name, work): [] for name in names for work in works}
        for _ in range(rounds):
            for work in works:
                for server in servers:
                    rows[server.name, work].append(WORKS[work](load, server, seconds))
    for (name, work), measured in rows.items():
        figures[name][f'{work}_cpu_us'] = round(statistics.median(row[0] for row in measured), 1)
        figures[name][f'{work}_per_s'] = round(statistics.median(row[1] for row in measured))


def _print(figures, works):
    for name, row in figures.items():
        print(json.dumps({'server': name, **row}))
    for work in works:
        ours = figures['jackdaw'][f'{work}_cpu_us']
        print(f"\n{work:12}{'CPU a ' + UNITS[work]:>20}{'a second':>12}")
        for name, row in figures.items():
            theirs = row[f'{work}_cpu_us']
            ratio = '' if name == 'jackdaw' else f'   ours is 1/{theirs / ours:.1f} of it'
            print(f"{name:12}{theirs:>17.1f} us{row[f'{work}_per_s']:>12}{ratio}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--jackdaw', default='build/jackdaw')
    parser.add_argument('--load')
    parser.add_argument('--peers', default='')
    parser.add_argument('--works', default='idle chat login')
    parser.add_argument('--archive', action='store_true', help='what is chatted is archived, and not sent on before it is')
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    harness.BINARY = os.path.abspath(args.jackdaw)
    names, works = ['jackdaw'] + args.peers.split(), [work for work in WORKS if work in args.works.split()]
    figures = {name: {} for name in names}
    idlers = 1000 if args.quick else 3000
    with tempfile.TemporaryDirectory(prefix='jackdaw-bench-') as folder:
        load = args.load or build(folder, 'load', source=HERE)
        build(os.path.dirname(load), 'friends', source=HERE)
        for name in names if 'idle' in args.works.split() else ():
            users = idlers if name == 'jackdaw' else SESSIONS
            with SERVERS[name](users, load) as server:
                figures[name]['idle_bytes'] = round(idle(load, server, users))
        _in_rounds(names, works, load, 3 if args.quick else 8, 2 if args.quick else 3, figures, args.archive)
    _print(figures, works)


if __name__ == '__main__':
    main()
