#!/usr/bin/python3
"""CPU of messages and logins, latency, and memory of sessions, beside peers in the same run: ratios, not absolute times.

usage: bench.py --jackdaw BINARY [--peers "jabberd2 ejabberd prosody"] [--works "memory chat login_tls"] [--plots FOLDER] [--quick]
A line of JSON a figure, then a table with our targets. Rounds go from server to server; of each the median counts. Chat, the
open loop and logins in clear run beside a relay too, that only reads, parses and writes: the floor.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
os.environ.setdefault('JACKDAW', 'build/jackdaw')
import harness  # noqa: E402  (it lives beside the end-to-end tests)
from loads import build  # noqa: E402
from peers import SERVERS, Relay  # noqa: E402
import works  # noqa: E402

# What a figure is of, its unit, and how much of the best peer's it may be; or so many bytes.
FIGURES = {
    'chat': ('CPU a message, closed loop', 'us', 1 / 5),
    'chat_tls': ('the same over TLS', 'us', 1 / 4),
    'open': ('CPU a message, 1,000 a second', 'us', 1 / 5),
    'open_p50': ('latency of that, p50', 'us', 1 / 2),
    'open_p99': ('latency of that, p99', 'us', 1 / 2),
    'archive': ('CPU a message, archived and synced', 'us', 1 / 20),
    'login_plain': ('CPU a login, PLAIN', 'us', None),
    'login_scram': ('CPU a login, SCRAM-SHA-1', 'us', 1 / 8),
    'login_tls': ('CPU a login, SCRAM-SHA-1 over TLS', 'us', 1 / 3),
    'login_tls_alone': ('the same, one at a time', 'us', 1 / 3),
    'storm': ('CPU a login, 20 contacts online', 'us', 1 / 6),
    'presence': ('CPU of a presence delivered', 'us', 1 / 6),
    'store': ('CPU of a message stored for later', 'us', 1 / 4),
    'drain': ('CPU of one delivered then', 'us', 1 / 4),
    'empty': ('memory before the first session', 'bytes', 10 << 20),
    'idle': ('memory of an idle session', 'bytes', 4 << 10),
    'idle_tls': ('memory of one under TLS', 'bytes', None),
    'idle_told': ('jackdaw memory knows of it', '%', None),
    'idle_tls_told': ('and of that under TLS', '%', None),
}
FLOOR = 1.5  # times the relay, a message
OF_RELAY = 'chat', 'login_scram', 'open'
TLS_BYTES = 15 << 10  # beyond a plain session


def say(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def in_rounds(names, chosen, tools, seconds, rounds, found, archive=False):
    """All servers are there at once, and take turns."""
    table = works.KEPT if archive else works.WORKS
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(SERVERS[name](works.SESSIONS, tools, archive)) for name in names]
        if works.OF_FRIENDS.intersection(chosen):
            for server in servers:
                works.befriend(tools, server)
        for at in range(rounds):
            for work in chosen:
                say(f'round {at + 1} of {rounds}: {work}')
                for server in servers:
                    keep(found, server.name, table[work](tools, server, seconds))
                if work in OF_RELAY:
                    with Relay(tools) as relay:
                        keep(found, relay.name, table[work](tools, relay, seconds))


def keep(found, server, figures):
    for figure, value in figures.items():
        found.setdefault(figure, {}).setdefault(server, []).append(value)


def judged(figure, medians):
    """The best peer, what ours is of it, whether that is what it should be; each may be missing."""
    ours, target = medians.get('jackdaw'), FIGURES[figure][2]
    peers = {name: value for name, value in medians.items() if name not in ('jackdaw', 'relay')}
    if ours is None:
        return None, None, None
    if FIGURES[figure][1] == '%':
        return None, None, 90 <= ours <= 110
    if FIGURES[figure][1] == 'bytes':
        return None, None, ours <= target if target else None
    if not peers:
        return None, None, None
    best = min(peers, key=peers.get)
    ratio = ours / peers[best]
    return best, ratio, ratio <= target if target else None


def print_all(found):
    """JSON first; then a table for people."""
    medians = {figure: {server: statistics.median(rounds) for server, rounds in servers.items()}
               for figure, servers in found.items()}
    for figure in FIGURES:
        for server, rounds in found.get(figure, {}).items():
            print(json.dumps({'figure': figure, 'server': server, 'unit': FIGURES[figure][1],
                              'median': round(medians[figure][server], 1), 'rounds': [round(one, 1) for one in rounds]}))
    names = [name for name in ('jackdaw', *SERVERS, 'relay') if any(name in row for row in medians.values())]
    names = list(dict.fromkeys(names))
    print('\n' + f"{'':40}" + ''.join(f'{name:>12}' for name in names) + '   ours of the best   target')
    for figure, (text, unit, target) in FIGURES.items():
        if figure not in medians:
            continue
        best, ratio, met = judged(figure, medians[figure])
        line = f"{text + ', ' + unit:40}" + ''.join(
            f'{medians[figure][name]:>12,.1f}' if name in medians[figure] else ' ' * 12 for name in names)
        line += f'   1/{1 / ratio:<5.1f}{best:10}' if ratio else ' ' * 19
        if target:
            line += f'   1/{1 / target:.0f}' if unit == 'us' else f'   {target:,.0f}'
        print(line + ('' if met is None else '   met' if met else '   MISSED'))
    chat, late, login, tls = (medians.get(figure, {}) for figure in ('chat', 'open_p50', 'login_scram', 'idle_tls'))
    if 'relay' in chat:
        times = chat['jackdaw'] / chat['relay']
        print(f"\na message costs {times:.2f} times what the relay with expat needs; target {FLOOR}{'' if times <= FLOOR else '   MISSED'}")
    if 'relay' in late:
        print(f"a message arrives after {late['jackdaw'] / late['relay']:.2f} times what it takes through the relay, p50")
    if 'relay' in login:
        print(f"a login costs {login['jackdaw'] / login['relay']:.2f} times what the relay needs, who proves nothing and knows nobody")
    if 'jackdaw' in tls:
        beyond = tls['jackdaw'] - medians['idle']['jackdaw']
        print(f"TLS adds {beyond:,.0f} bytes to an idle session; target {TLS_BYTES:,}{'' if beyond <= TLS_BYTES else '   MISSED'}")
    return medians


def plot(medians, folder):
    """A picture a unit: each figure's servers beside each other."""
    os.makedirs(folder, exist_ok=True)
    for unit in ('us', 'bytes'):
        figures = [figure for figure in FIGURES if figure in medians and FIGURES[figure][1] == unit]
        names = [name for name in SERVERS if any(name in medians[figure] for figure in figures)]
        if not figures:
            continue
        rows = ['figure ' + ' '.join(names)]
        rows += [figure.replace('_', '-') + ' ' + ' '.join(str(medians[figure].get(name, '?')) for name in names) for figure in figures]
        script = [f'set terminal svg size 1100,420; set output "{os.path.join(folder, unit)}.svg"',
                  'set datafile missing "?"; set style data histograms; set style fill solid; set logscale y; set grid y',
                  f'set ylabel "{unit}"; set xtics rotate by -30; set key top left horizontal',
                  '$rows << END', *rows, 'END',
                  'plot ' + ', '.join(f'$rows using {at + 2}:xtic(1) title columnheader({at + 2})' for at in range(len(names)))]
        subprocess.run(['gnuplot'], input='\n'.join(script), text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jackdaw', default='build/jackdaw')
    parser.add_argument('--peers', default='')
    parser.add_argument('--works', default=' '.join(('memory', *works.WORKS, *works.KEPT)))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=int, default=8)
    parser.add_argument('--plots', help='where pictures go')
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    harness.BINARY = os.path.abspath(args.jackdaw)
    rounds, seconds = (1, 3) if args.quick else (args.rounds, args.seconds)
    names, found = ['jackdaw'] + args.peers.split(), {}
    chosen = [work for work in works.WORKS if work in args.works.split()]
    with tempfile.TemporaryDirectory(prefix='jackdaw-bench-') as tools:
        for program in ('load', 'friends', 'mailbox', 'relay'):
            build(tools, program, source=HERE)
        for name in names if 'memory' in args.works.split() else ():
            count = works.SESSIONS if name != 'jackdaw' else 1000 if args.quick else 3000
            say(f'memory of {name}')
            with SERVERS[name](count, tools) as server:
                keep(found, name, works.memory(tools, server, count))
        if chosen:
            in_rounds(names, chosen, tools, seconds, rounds, found)
        if 'archive' in args.works.split():
            archiving = [name for name in names if SERVERS[name].archives]
            in_rounds(archiving, ['archive'], tools, seconds, rounds, found, archive=True)
    medians = print_all(found)
    if args.plots:
        plot(medians, args.plots)


if __name__ == '__main__':
    main()
