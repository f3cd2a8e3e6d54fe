#!/usr/bin/python3
"""
A c2s dies with all of its clients, who speak TLS, and all come back at once; others log in as if nothing were.

usage: test_tls_storm.py [--full] [--clients N] [--at-once N] [SCENARIO ...]

Without --full all is small, for every run of the tests; with it, it has the size that is promised (make floods).
"""
import argparse
import json
import sys
import time

from crowd import PER_PROCESS, Crowd
from harness import Deployment, scenarios
from loads import cpu, rss
from strangers import Strangers

parser = argparse.ArgumentParser()
parser.add_argument('--full', action='store_true')
for option in ('clients', 'at-once'):
    parser.add_argument(f'--{option}', type=int)
size, sys.argv[1:] = parser.parse_known_args()
CLIENTS = size.clients or (10000 if size.full else 200)
AT_ONCE = size.at_once or (1000 if size.full else 100)  # logins under way; as many wait for their turn in the clients
BACK_S, LOGIN_MS = 30, 1000
PROBES = 10  # logins a second
MECHANISM = 'SCRAM-SHA-256'
LIMITS = '[limits]\nconnections_per_address = 0\n[log]\nlevel = "warn"\n'


def _probe(port, name):
    """Logs in all the time, over TLS too; each is a full handshake."""
    return Strangers('logins', port=port, user=name, password='secret', rate=PROBES, tls='starttls', mechanism=MECHANISM)


def _logins(what, prober):
    report = prober.report()
    print(f'# {what}: {json.dumps(report)}', flush=True)
    assert report['ends'].get('success', 0) >= PROBES, report
    return report


def all_come_back_and_others_log_in():
    deployment = Deployment(connect=False, extra=LIMITS)
    deployment.import_keys([f'user{number}' for number in range(CLIENTS)] + ['prober', 'returner'])
    with deployment.start('router', 'sm', 'c2s'):
        second = deployment.start_second()
        parts = -(-CLIENTS // PER_PROCESS)
        with Crowd([deployment.port], CLIENTS, '--tls', 'starttls', '--mechanism', MECHANISM, '--at-once',
                   str(AT_ONCE // parts)) as crowd:
            pids = {name: part.process.pid for name, part in deployment.processes.items()}
            print(f'# {CLIENTS} are there; c2s has {rss([pids["c2s"]]) >> 20} MB', flush=True)
            with _probe(second, 'prober') as calm:
                time.sleep(3)
                _logins('others, before', calm)
            _, resumed, bound, before = crowd.counts()
            with _probe(second, 'prober') as prober:
                begin = time.monotonic()
                deployment.restart('c2s', kill=True)
                pids['c2s'] = deployment.processes['c2s'].process.pid
                began = time.monotonic()
                spent = cpu(crowd.pids())
                with _probe(deployment.port, 'returner') as same:
                    while True:
                        ready, again, anew, tickets = crowd.counts()
                        if ready == CLIENTS and again + anew - resumed - bound >= CLIENTS:
                            break
                        assert time.monotonic() - begin < 4 * BACK_S, (ready, again, anew)
                        time.sleep(0.05)
                    seconds = time.monotonic() - begin
                    time.sleep(max(0, 2.5 - seconds))
                    print(f'# all are back after {seconds:.1f} s, {began - begin:.1f} s of them without c2s; {again - resumed} '
                          f'resumed, {anew - bound} bound anew, {tickets - before} by a ticket of TLS; CPU of c2s '
                          f'{cpu([pids["c2s"]]):.1f} s, of sm {cpu([pids["sm"]]):.1f} s, of the clients '
                          f'{cpu(crowd.pids()) - spent:.1f} s', flush=True)
                    _logins('at the same c2s, behind them', same)
                others = _logins('others, at another c2s', prober)
            assert seconds < BACK_S, seconds
            assert set(others['ends']) == {'success'} and others['ms']['max'] < LOGIN_MS, others
            assert again - resumed >= CLIENTS, (again, resumed)


if __name__ == '__main__':
    scenarios(all_come_back_and_others_log_in)
