"""Drives crowd.c: thousands of clients that speak XEP-0198, and know what became of each message."""
import json
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PER_PROCESS = 2500
LIMITS = '[limits]\nclient_rate = "off"\nconnections_per_address = 0\n[log]\nlevel = "warn"\n'


def _build(path):
    """Optimised, whatever the server is: it must not be what limits."""
    library = os.path.join(HERE, '..', 'lib')
    sources = [os.path.join(HERE, 'crowd.c'), os.path.join(HERE, 'crowd_facts.c'), os.path.join(library, 'stream.c')]
    subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-I', library, '-o', path, *sources], check=True)


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

    def __init__(self, ports, count, seconds=600):
        self.parts, self.dir = [], tempfile.mkdtemp(prefix='jackdaw-crowd-')
        path = os.path.join(self.dir, 'crowd')
        _build(path)
        for first in range(0, count, PER_PROCESS):
            command = [path, '--ports', ','.join(map(str, ports)), '--first', str(first), '--count',
                       str(min(PER_PROCESS, count - first)), '--seconds', str(seconds)]
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
