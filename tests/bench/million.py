#!/usr/bin/python3
"""A million sessions on one machine: router, sm and as many c2s as descriptors ask for, with presence; then one of a hundred chats.

usage: million.py [--jackdaw build/jackdaw] [--sessions 1000000]
Prints what each process and the kernel hold, in all and a session. Stops by itself, and gives up when memory is short. Exits with 1
when a session costs our processes more than 4 KiB.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
os.environ.setdefault('JACKDAW', 'build/jackdaw')
import harness  # noqa: E402  (it lives beside the end-to-end tests)
from loads import build, cpu, pss  # noqa: E402
from works import Load  # noqa: E402

EACH = 19000  # sessions of a process of 20,000 descriptors
NEEDED, SPARE = 14 << 10, 1 << 30  # bytes a session, the kernel's and the load's included; what must be left
TARGET = 4 << 10
AT_ONCE = 4  # loads that log in side by side
CHAT_S = 10
SETTINGS = '''[limits]
client_rate = "off"
connections = 0
connections_per_address = 0
[log]
level = "warn"
[sessions]
ping = "off"
[messages]
archive = "off"
'''


def say(text):
    print(f'million: {text}', flush=True)


def meminfo(name):
    with open('/proc/meminfo', encoding='ascii') as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ':'))


def kernel():
    """What the kernel has for sockets and all its small things."""
    with open('/proc/net/sockstat', encoding='ascii') as lines:
        pages = next(int(line.split()[-1]) for line in lines if line.startswith('TCP:'))
    return meminfo('Slab') + pages * resource.getpagesize()


class Shortage(Exception):
    pass


def gibibytes(count):
    return f'{count / 2**30:.1f} GiB'


def check_room(sessions):
    needed, there = sessions * NEEDED + SPARE, meminfo('MemAvailable')
    if there < needed:
        raise Shortage(f'{sessions} sessions need {gibibytes(needed)} of memory, {gibibytes(there)} are available; --sessions takes fewer')
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < EACH + 500:
        raise Shortage(f'a process may open {most} files here, {EACH + 500} are needed: ulimit -n')
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Million:
    def __init__(self, tools, sessions):
        self.tools, self.sessions = tools, sessions
        self.deployment = harness.Deployment(connect=False, extra=SETTINGS)
        self.fronts, self.loads = [], []

    def start(self):
        begin = time.time()
        self.deployment.import_keys(f'user{number}' for number in range(self.sessions))
        say(f'{self.sessions} accounts made in {time.time() - begin:.0f} s')
        self.deployment.start('router', 'sm', 'c2s')
        self.fronts = [(self.deployment.port, 'c2s')]
        while len(self.fronts) * EACH < self.sessions:
            name = f'c2s-{len(self.fronts)}'
            self.fronts.append((self.deployment.start_second(name), name))
        self.empty = self.sizes()
        self.kernel_before = kernel()

    def sizes(self):
        return {name: pss([part.process.pid]) for name, part in self.deployment.processes.items()}

    def log_in(self):
        begin, coming = time.time(), []
        for at, (port, _) in enumerate(self.fronts):
            if len(coming) == AT_ONCE:
                self.bound(coming.pop(0), begin)
            if meminfo('MemAvailable') < SPARE:
                raise Shortage(f'only {gibibytes(meminfo("MemAvailable"))} are left with {at * EACH} sessions')
            front = argparse.Namespace(port=port, pids=[], name='jackdaw')
            coming.append(Load(self.tools, 'load', front, mode='idle', first=at * EACH, mechanism='SCRAM-SHA-1',
                               count=min(EACH, self.sessions - at * EACH), seconds=CHAT_S))
            self.loads.append(coming[-1])
        while coming:
            self.bound(coming.pop(0), begin)

    def bound(self, load, begin):
        load.idle()
        there = min(self.sessions, (self.loads.index(load) + 1) * EACH)
        say(f'{there} sessions after {time.time() - begin:.0f} s, {gibibytes(meminfo("MemAvailable"))} left')

    def report(self):
        time.sleep(5)  # what is let go of a while after the last word is gone
        after, kernel_after = self.sizes(), kernel()
        groups = {'router': ['router'], 'sm': ['sm'], 'c2s': [name for name in after if name.startswith('c2s')]}
        for group, names in groups.items():
            now, before = sum(after[name] for name in names), sum(self.empty[name] for name in names)
            say(f'{group:7}{len(names):3} process{"es" if len(names) > 1 else "  "}  empty {before / 2**20:9,.1f} MiB   '
                f'now {now / 2**20:9,.1f} MiB   {(now - before) / self.sessions:7,.0f} bytes a session')
        each = (sum(after.values()) - sum(self.empty.values())) / self.sessions
        held = (kernel_after - self.kernel_before) / self.sessions
        say(f'a session costs our processes {each:,.0f} bytes, target {TARGET}; the kernel {held:,.0f} for both ends')
        print(json.dumps({'sessions': self.sessions, 'bytes_a_session': round(each), 'kernel_bytes_a_session': round(held)}))
        return each

    def chat(self):
        pids = [part.process.pid for part in self.deployment.processes.values()]
        before = cpu(pids)
        for load in self.loads:
            load.process.stdin.write('chat\n')
            load.process.stdin.flush()
        results = [load.measure() for load in self.loads]
        messages = sum(result['messages'] for result in results)
        say(f'one of a hundred chats: {messages} messages in {statistics.mean(result["seconds"] for result in results):.0f} s, none lost, '
            f'{1e6 * (cpu(pids) - before) / messages:.1f} us of CPU each, warming up included')

    def end(self):
        for load in self.loads:
            load.process.kill()
            load.process.wait()
        for part in self.deployment.processes.values():
            part.kill()
        self.deployment.processes.clear()
        self.deployment.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jackdaw', default='build/jackdaw')
    parser.add_argument('--sessions', type=int, default=1000000)
    args = parser.parse_args()
    harness.BINARY = os.path.abspath(args.jackdaw)
    with tempfile.TemporaryDirectory(prefix='jackdaw-bench-') as tools:
        build(tools, 'load', source=HERE)
        try:
            check_room(args.sessions)
        except Shortage as short:
            say(short)
            return 1
        million = Million(tools, args.sessions)
        try:
            million.start()
            million.log_in()
            each = million.report()
            million.chat()
            return 1 if each > TARGET else 0
        except Shortage as short:
            say(f'{short}: given up')
            return 1
        finally:
            million.end()


if __name__ == '__main__':
    sys.exit(main())
