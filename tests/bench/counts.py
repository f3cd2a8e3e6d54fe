#!/usr/bin/python3
"""Figures that do not drift: instructions, allocations and bytes, of counts.c in the simulator.

usage: counts.py PROGRAM [--write]
Compares them with counts.txt, within five percent; --write puts them there. Instructions are callgrind's, of our own code and of
the XML parser: not the simulator's, not those of hashing passwords.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'counts.txt')
TOLERANCE = 0.05
USERS, ROUNDS = 20, 100
IDLE = 100, 500
NOT_OURS = re.compile(r'(^|/)tests/|/src/mio/sim')


def _named(names, text):
    """callgrind names a thing in full once, behind a number."""
    number, _, name = text.partition(' ')
    if name:
        names[number] = name
    return names.get(number, number)


def instructions(path):
    """Of each source file and object, without what they call."""
    files, objects = {}, {}
    totals, file, object_, called = collections.Counter(), '', '', False
    with open(path, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            key, equals, value = line.rstrip('\n').partition('=')
            if equals and key in ('fl', 'fi', 'fe'):
                file = _named(files, value)
            elif equals and key == 'ob':
                object_ = _named(objects, value)
            elif equals and key in ('cfi', 'cfl'):
                _named(files, value)
            elif equals and key == 'cob':
                _named(objects, value)
            elif equals and key == 'calls':
                called = True
            elif line[:1] in '+-*0123456789' and not equals:
                if not called:
                    totals[file, object_] += int(line.split()[1])
                called = False
    return totals


def counted(program, *words):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'out')
        subprocess.run(['valgrind', '--tool=callgrind', f'--callgrind-out-file={path}', program, *map(str, words)], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=280)
        return sum(count for (file, object_), count in instructions(path).items()
                   if 'libexpat' in object_ or ('/src/' in file and not NOT_OURS.search(file)))


def figures(program, *words):
    return json.loads(subprocess.run([program, *map(str, words)], check=True, capture_output=True, timeout=280).stdout)


def measured(program):
    none, some, more = counted(program, USERS, 0), counted(program, USERS, ROUNDS), counted(program, USERS * 2, 0)
    quiet, busy = figures(program, USERS, ROUNDS), figures(program, USERS, 2 * ROUNDS)
    few, many = figures(program, IDLE[0], 0), figures(program, IDLE[1], 0)
    messages = USERS * ROUNDS
    return {
        'instructions_a_message': (some - none) / messages,
        'instructions_a_login': (more - none) / USERS,
        'allocations_a_message': (busy['allocations'] - quiet['allocations']) / messages,
        'system_calls_for_memory_a_message': (busy['system_calls'] - quiet['system_calls']) / messages,
        'bytes_an_idle_session': (many['bytes'] - few['bytes']) / (IDLE[1] - IDLE[0]),
    }


def main():
    now = measured(os.path.abspath(sys.argv[1]))
    if '--write' in sys.argv:
        with open(FILE, 'w', encoding='ascii') as file:
            file.writelines(f'{name} {value:.1f}\n' for name, value in now.items())
        return 0
    with open(FILE, encoding='ascii') as file:
        kept = {name: float(value) for name, value in (line.split() for line in file)}
    worse = 0
    print(f'1..{len(now)}')
    for at, (name, value) in enumerate(now.items()):
        fine = abs(value - kept[name]) <= TOLERANCE * kept[name] + 0.05
        worse += not fine
        print(f"{'ok' if fine else 'not ok'} {at + 1} - {name} {value:.1f}, {kept[name]:.1f} in counts.txt")
    if worse:
        print(f'# if that is meant: {os.path.relpath(__file__)} {sys.argv[1]} --write, and say why in the commit')
    return 1 if worse else 0


if __name__ == '__main__':
    sys.exit(main())
