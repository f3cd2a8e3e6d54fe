#!/usr/bin/python3
"""Runs the tests of build folders and prints one line of counts.

usage: run.py BUILD[:SUITE] ...
"""
import json
import os
import subprocess
import sys


def run(build, suite):
    command = ['meson', 'test', '-C', build, '--no-rebuild', '--print-errorlogs', '--num-processes', '2']
    if suite:
        command += ['--suite', suite]
    log = os.path.join(build, 'meson-logs', 'testlog.json')
    if os.path.exists(log):
        os.unlink(log)
    subprocess.run(command, check=False)
    with open(log, encoding='utf-8') as lines:
        return [json.loads(line) for line in lines]


def main():
    passed = failed = skipped = 0
    for argument in sys.argv[1:]:
        build, _, suite = argument.partition(':')
        for test in run(build, suite):
            if test['result'] in ('OK', 'EXPECTEDFAIL'):
                passed += 1
            elif test['result'] == 'SKIP':
                skipped += 1
                print('skipped:', test['name'])
            else:
                failed += 1
                print('failed:', test['name'])
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
