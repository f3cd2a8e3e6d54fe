#!/usr/bin/python3
"""What grows with a deployment, and should not: a message's cost with more sessions and with a second worker, a start with more accounts.

usage: scale.py [--jackdaw build/jackdaw] [--rounds 3] [--seconds 8] [--accounts 1000000] [--only "online sessions workers start"]
Ratios of medians of rounds in turns, in one run. Exits with 1 when one is beyond its target. Talks to 127.0.0.1 only.
"""
import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
os.environ.setdefault('JACKDAW', 'build/jackdaw')
import harness  # noqa: E402  (it lives beside the end-to-end tests)
from loads import build  # noqa: E402
from peers import Jackdaw  # noqa: E402
import works  # noqa: E402

FEW, MANY, FLAT = 1000, 15000, 1.2
SECOND_WORKER = 1.18
START_MS = 100
SETTINGS = '''[limits]
client_rate = "off"
connections_per_address = 0
[log]
level = "warn"
[messages]
archive = "off"
'''


def say(text):
    print(f'scale: {text}', file=sys.stderr, flush=True)


class Server(Jackdaw):
    """With as many accounts as sessions, made without hashing, and so many workers. talking: of the sessions, so many chat; None: all."""

    def __init__(self, sessions, workers, talking=None):
        self.sessions, self.talking, self.others = sessions, talking or sessions, None
        self.deployment = harness.Deployment(workers=workers, extra=SETTINGS)
        self.deployment.import_keys(f'user{number}' for number in range(sessions))

    def cost(self, tools, seconds):
        """CPU of a message, one in flight for each who chats."""
        if self.talking < self.sessions and not self.others:
            self.others = works.Load(tools, 'load', self, mode='idle', first=self.talking, count=self.sessions - self.talking,
                                     mechanism='SCRAM-SHA-1')
            self.others.idle()
        load = works.Load(tools, 'load', self, mode='chat', count=self.talking, seconds=seconds, mechanism='SCRAM-SHA-1')
        result = load.measure()
        load.end()
        return 1e6 * result['cpu'] / result['messages']

    def __exit__(self, *error):
        if self.others:
            self.others.end()
        super().__exit__(*error)


def compare(tools, args, servers):
    """Medians of each, in turns."""
    found = {name: [] for name in servers}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(server) for name, server in servers.items()}
        for at in range(args.rounds):
            for name, server in running.items():
                say(f'round {at + 1} of {args.rounds}: {name}')
                found[name].append(server.cost(tools, args.seconds))
    for name, rounds in found.items():
        print(json.dumps({'server': name, 'unit': 'us', 'median': round(statistics.median(rounds), 2), 'rounds': [round(one, 2) for one in rounds]}))
    few, many = (statistics.median(found[name]) for name in servers)
    return many / few


def judge(text, value, target):
    print(f"{text}: {value:.2f}, target {target}{'' if value <= target else '   MISSED'}", flush=True)
    return value <= target


def sessions(tools, args):
    """Two workers and the generator share two cores and their caches; with one worker each has its own."""
    met = []
    for workers in ('one worker', 'two workers'):
        servers = {f'{count} sessions, all chat, {workers}': Server(count, 1 + (workers != 'one worker')) for count in (FEW, MANY)}
        ratio = compare(tools, args, servers)
        met.append(judge(f'a message with {MANY} sessions, all of which chat, {workers}, costs times one with {FEW}', ratio, FLAT))
    return all(met)


def online(tools, args):
    ratio = compare(tools, args, {f'{count} sessions, {FEW} chat': Server(count, 2, FEW) for count in (FEW, MANY)})
    return judge(f'a message with {MANY} sessions, of which {FEW} chat, costs times one with {FEW}', ratio, FLAT)


def workers(tools, args):
    ratio = compare(tools, args, {f'{count} worker{"s" * (count > 1)}': Server(works.SESSIONS, count) for count in (1, 2)})
    return judge('with two workers a message costs times one with one', ratio, SECOND_WORKER)


def connected(port):
    end = time.time() + 20
    while True:
        try:
            return harness.Raw(port)
        except ConnectionRefusedError:
            assert time.time() < end
            time.sleep(0.001)


def start(tools, args):
    """From the exec to the end of the first login."""
    times = []
    begin = time.time()
    server = Server(args.accounts, 2)
    say(f'{args.accounts} accounts made in {time.time() - begin:.0f} s')
    for _ in range(5):
        begin = time.perf_counter()
        server.deployment.start(ready=False)
        client = connected(server.deployment.port).login(f'user{args.accounts - 1}', 'secret')
        times.append(1000 * (time.perf_counter() - begin))
        client.close()
        server.deployment.processes.pop('run').stop()
    server.deployment.stop()
    print(json.dumps({'accounts': args.accounts, 'unit': 'ms', 'rounds': [round(one) for one in times]}))
    return judge(f'ms to the first login with {args.accounts} accounts', statistics.median(times), START_MS)


PARTS = {'online': online, 'sessions': sessions, 'workers': workers, 'start': start}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jackdaw', default='build/jackdaw')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=int, default=8)
    parser.add_argument('--accounts', type=int, default=1000000)
    parser.add_argument('--only', default=' '.join(PARTS))
    args = parser.parse_args()
    harness.BINARY = os.path.abspath(args.jackdaw)
    with tempfile.TemporaryDirectory(prefix='jackdaw-bench-') as tools:
        build(tools, 'load', source=HERE)
        return 0 if all([PARTS[name](tools, args) for name in args.only.split()]) else 1


if __name__ == '__main__':
    sys.exit(main())
