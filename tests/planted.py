#!/usr/bin/python3
"""Plants bugs, one after the other, into a copy of the source, and lets the soak find each.

usage: planted.py [--seeds N] [--jobs J] [NAME ...]        names of tests/planted, without .patch; all by default
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATCHES = os.path.join(TOP, 'tests', 'planted')


def run(*command, directory, **options):
    return subprocess.run(command, cwd=directory, text=True, capture_output=True, **options)


def copy(to):
    names = run('git', 'ls-files', '-co', '--exclude-standard', directory=TOP, check=True).stdout
    tar = subprocess.Popen(['tar', '-c', '-T', '-'], cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    untar = subprocess.Popen(['tar', '-x'], cwd=to, stdin=tar.stdout)
    tar.stdin.write('\n'.join(name for name in names.splitlines() if os.path.exists(os.path.join(TOP, name))).encode())
    tar.stdin.close()
    if tar.wait() or untar.wait():
        sys.exit('the source could not be copied')


def build(directory, jobs):
    built = run('ninja', f'-j{jobs}', '-C', 'build', 'tests/sim/soak', directory=directory)
    if built.returncode:
        sys.exit(built.stdout)


def patch(directory, name, *options):
    patched = run('patch', '-p1', '--no-backup-if-mismatch', '-i', os.path.join(PATCHES, name + '.patch'), *options,
                  directory=directory)
    if patched.returncode:
        sys.exit(f'{name} does not apply:\n{patched.stdout}')


def find(directory, seeds, jobs):
    """The first seed that fails, and why; or None."""
    soaked = run('build/tests/sim/soak', '--seeds', str(seeds), '--jobs', str(jobs), '--stop', directory=directory)
    failed = re.search(r'# seed (\d+) failed', soaked.stdout)
    why = re.search(r'VIOLATION.*\n#\s+[\d.]+\s+(.*)', soaked.stdout)
    return failed and (int(failed[1]), why[1] if why else 'it crashed')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, default=2000)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('names', nargs='*')
    arguments = parser.parse_args()
    names = arguments.names or sorted(name[:-6] for name in os.listdir(PATCHES) if name.endswith('.patch'))
    print(f'1..{len(names)}')
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        copy(directory)
        run('meson', 'setup', 'build', '-Dbuildtype=release', directory=directory, check=True)
        for number, name in enumerate(names, 1):
            patch(directory, name)
            build(directory, arguments.jobs)
            began = time.time()
            found = find(directory, arguments.seeds, arguments.jobs)
            patch(directory, name, '-R')
            missed += not found
            print(f'{"ok" if found else "not ok"} {number} - {name}' +
                  (f': seed {found[0]}, after {time.time() - began:.0f} s: {found[1]}' if found else ': not found'), flush=True)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
