#!/usr/bin/python3
"""The shape of src/: folders include only what layers.txt allows, headers and functions stay short,
nothing reaches around mio."""
import os
import re
import sys

HEADER_MAX, FUNCTION_MAX = 200, 100
# What only mio may call, and base's log and storage's files for what they are.
AROUND = re.compile(r'(?<![>.])\b(time|gettimeofday|clock_gettime|rand|random|getrandom|getentropy|nanosleep|usleep|sleep|'
                    r'socket|accept4?|epoll_wait|pthread_create|fsync|fdatasync)\(')
MAY = {'mio': AROUND, 'base/log.c': re.compile(r'pthread_create'), 'component/self_signed.c': re.compile('fsync'),
       'storage/files.c': re.compile('fsync'), 'ctl/client.c': re.compile(r'socket'),
       'run': re.compile(r'socket|f(data)?sync')}


def read_layers(path):
    direct = {}
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            names, _, below = line.split('#')[0].partition(':')
            for name in names.split():
                direct[name] = below.split()

    def closure(name):
        found = set()
        for below in direct[name]:
            found |= {below} | closure(below)
        return found

    return {name: closure(name) | {name} for name in direct}


def files(root):
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.join(folder, name)


def code_only(text):
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'', lambda m: re.sub(r'[^\n]', ' ', m.group()), text, flags=re.S)


def check(root):
    bad = []
    layers = read_layers(os.path.join(root, 'layers.txt'))
    for path in files(root):
        name = os.path.relpath(path, root)
        folder = name.split(os.sep)[0] if os.sep in name else None
        with open(path, encoding='utf-8') as source:
            text = source.read()
        if not text.startswith('/* SPDX-License-Identifier: MIT */'):
            bad.append(f'{name}: no licence line')
        if name.endswith('.h') and text.count('\n') > HEADER_MAX:
            bad.append(f'{name}: {text.count(chr(10))} lines, more than {HEADER_MAX}')
        for header in re.findall(r'^#include "([^"]+)"', text, re.M):
            to = header.split('/')[0]
            if folder and to not in layers.get(folder, set()):
                bad.append(f'{name}: includes {header}, but {folder} may not depend on {to}')
        code = code_only(text)
        for match in AROUND.finditer(code):
            allowed = MAY.get(folder) or MAY.get(name)
            if not (allowed and allowed.search(match.group())):
                line = code.count('\n', 0, match.start()) + 1
                bad.append(f'{name}:{line}: {match.group()}) reaches around mio')
        start = None
        for number, line in enumerate(code.split('\n'), 1):
            if line.startswith('{'):
                start = number
            elif line.startswith('}') and start:
                if number - start - 1 > FUNCTION_MAX:
                    bad.append(f'{name}:{start}: a function of {number - start - 1} lines')
                start = None
    return bad


def main():
    bad = check(sys.argv[1])
    print('\n'.join(bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
