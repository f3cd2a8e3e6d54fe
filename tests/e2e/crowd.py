"""Drives crowd.c: thousands of clients that speak XEP-0198, and know what became of each message."""
import json
import shutil
import subprocess
import tempfile

from loads import build

PER_PROCESS = 2500
LIMITS = '[limits]\nclient_rate = "off"\nconnections_per_address = 0\n[log]\nlevel = "warn"\n'


def _merged(one, other):
    """Counts are added; of lateness the worst is taken."""
    if isinstance(one, dict):
        late = 'p99' in one or 'p99' in other
        return {key: one[key] if key not in other else other[key] if key not in one else
                max(one[key], other[key]) if late and key != 'count' else _merged(one[key], other[key])
                for key in {**one, **other}}
    return '; '.join(filter(None, (one, other))) if isinstance(one, str) else one + other


class Crowd:
    """Clients user<0> to user<count - 1>, a bounded number of them in a process; those write to each other."""

    def __init__(self, ports, count, *options, seconds=600):
        self.parts, self.dir = [], tempfile.mkdtemp(prefix='jackdaw-crowd-')
        path = build(self.dir, 'crowd', 'crowd_facts')
        for first in range(0, count, PER_PROCESS):
            command = [path, '--ports', ','.join(map(str, ports)), '--first', str(first), '--count',
                       str(min(PER_PROCESS, count - first)), '--seconds', str(seconds), *options]
            self.parts.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self._hear('ready')

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for part in self.parts:
            part.stdin.close()
            part.wait(30)
            part.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _hear(self, *expected):
        answers = [part.stdout.readline().strip() for part in self.parts]
        assert not expected or set(answers) <= set(expected), (answers, expected)
        return answers

    def tell(self, line):
        for part in self.parts:
            print(line, file=part.stdin, flush=True)

    def send(self, rate):
        """Messages a second, of all."""
        self.tell(f'send {rate // len(self.parts)}')

    def mark(self, label):
        self.tell(f'mark {label}')

    def settle(self, seconds=120):
        self.tell(f'settle {seconds}')
        return set(self._hear('settled yes', 'settled no')) == {'settled yes'}

    def log_in_again(self):
        self.tell('relogin')
        self._hear('relogged')

    def counts(self):
        """Who is there, and of all logins so far how many resumed, how many bound anew, how many had a ticket of TLS."""
        self.tell('count')
        answers = [list(map(int, answer.split()[1:])) for answer in self._hear()]
        return [sum(column) for column in zip(*answers)]

    def pids(self):
        return [part.pid for part in self.parts]

    def report(self):
        self.tell('report')
        reports = [json.loads(answer) for answer in self._hear()]
        result = reports[0]
        for other in reports[1:]:
            result = _merged(result, other)
        return result

    def finish(self):
        """All is acknowledged, all log in anew and get what waits for them: what became of it."""
        self.send(0)
        self.mark('end')
        settled = self.settle()
        self.log_in_again()
        settled = self.settle() and settled
        report = self.report()
        report['settled'] = settled
        return report
