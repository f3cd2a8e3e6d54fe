"""Drives strangers.c: floods of connections, of bad logins, and clients that stop reading."""
import json
import subprocess
import tempfile

from loads import build

_built = []


def _program():
    if not _built:
        _built.append(tempfile.TemporaryDirectory(prefix='jackdaw-strangers-'))
        build(_built[0].name, 'strangers')
    return f'{_built[0].name}/strangers'


class Strangers:
    """One generator of one kind; options as of strangers.c, without their dashes."""

    def __init__(self, kind, **options):
        command = [_program(), kind]
        for name, value in options.items():
            command += ['--' + name.replace('_', '-'), str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def wait(self):
        """Until all are there, or refused."""
        assert self.process.stdout.readline() == 'there\n'
        return self

    def report(self):
        print('report', file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, f'the generator ended with {self.process.wait()}'
        return json.loads(answer)
