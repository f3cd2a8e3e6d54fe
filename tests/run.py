#!/usr/bin/python3
"""Runs the tests of build folders and prints one line of counts.

usage: run.py BUILD[:FIRST,WORDS,OF,NAMES] ...
"""
import json
import os
import subprocess
import sys


def chosen(build, words):
    """The names of the tests that begin with one of the words."""
    listed = subprocess.run(['meson', 'test', '-C', build, '--no-rebuild', '--list'], capture_output=True, text=True,
                            check=True).stdout.splitlines()
    names = [line.split(' / ')[-1] for line in listed if ' / ' in line]
    return [name for name in names if any(name.startswith(word) for word in words)]


def run(build, words):
    command = ['meson', 'test', '-C', build, '--no-rebuild', '--print-errorlogs', '--num-processes', '3']
    if words:
        command += chosen(build, words)
    log = os.path.join(build, 'meson-logs', 'testlog.json')
    if os.path.exists(log):
        os.unlink(log)
    subprocess.run(command, check=False)
    with open(log, encoding='utf-8') as lines:
        return [json.loads(line) for line in lines]


def shown(test):
    """Its last words, and those of its scenarios that failed."""
    lines = [line for line in test.get('stdout', '').splitlines() if line.startswith('not ok')]
    return '\n  '.join([test['result'], *lines, *test.get('stderr', '').splitlines()[-6:]])


def main():
    passed, failed = 0, []
    for argument in sys.argv[1:]:
        build, _, words = argument.partition(':')
        for test in run(build, words.split(',') if words else []):
            if test['result'] in ('OK', 'EXPECTEDFAIL'):
                passed += 1
            else:
                failed.append(f'{test["name"]} in {build}: {shown(test)}')
    for test in failed:
        print(test)
    print(f'{passed} passed, {len(failed)} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
