#!/usr/bin/python3
"""
Strangers flood the server, and those who use it notice nothing: connections that say nothing, bad logins, clients that do
not read.

usage: test_floods.py [--full] [SCENARIO ...]

Without --full all is small, for every run of the tests; with it, it has the size that is promised (make floods).
"""
import argparse
import json
import resource
import sys
import time

from crowd import Crowd
from harness import Deployment, scenarios
from loads import cpu, rss
from strangers import Strangers

parser = argparse.ArgumentParser()
parser.add_argument('--full', action='store_true')
size, sys.argv[1:] = parser.parse_known_args()
USERS, RATE = (1000, 500) if size.full else (60, 60)
HALF, MORE = (15000, 6000) if size.full else (300, 200)
COMING = 3000 if size.full else 500  # connections a second
CONNECTIONS = 0 if size.full else USERS + HALF + MORE // 2  # 0: what 20,000 descriptors allow
BAD_LOGINS = 500 if size.full else 50
DEAF, MEMORY_MB = (1000, 256) if size.full else (30, 8)
SECONDS = 10 if size.full else 1
LATE_MS, REFUSED_MS, ALICE_MS = (50, 1000, 1000) if size.full else (500, 2000, 2000)  # small: with sanitizers
GUESSES, UNDER_WAY = 500, 100
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
WINDOW = 2.5  # of a mark, crowd_facts.c
MB = 1 << 20

# Those above 127.0.0.127 are not counted: of them every guess is looked at.
LIMITS = f'''[limits]
connections = {CONNECTIONS}
connections_per_address = 0
unlimited_from = ["127.0.0.128/25"]
memory = "{MEMORY_MB} MB"
[log]
level = "warn"
'''


class Users:
    """A deployment with people who chat in it, and what they see while something else goes on."""

    def __init__(self, limits=LIMITS):
        self.deployment = Deployment(extra=limits)
        people = [f'user{number}' for number in range(USERS + DEAF)] + ['alice']
        self.deployment.import_keys(people)

    def __enter__(self):
        self.deployment.__enter__().start()
        self.port = self.deployment.port
        self.pids = [self.deployment.processes['run'].process.pid]
        self.crowd = Crowd([self.port], USERS, '--mechanism', 'SCRAM-SHA-256')
        self.before = self.facts()
        self.crowd.send(RATE)
        self.during('nothing')
        return self

    def __exit__(self, kind, *rest):
        self.crowd.__exit__()
        self.deployment.__exit__(kind, *rest)

    def facts(self):
        return json.loads(self.deployment.command('status', '--json').stdout)

    def counted(self, name):
        """By the server, since the flood began."""
        return self.facts()[name] - self.before[name]

    def until(self, name, value, seconds=20):
        end = time.monotonic() + seconds
        while self.facts()[name] != value:
            assert time.monotonic() < end, self.facts()
            time.sleep(0.05)

    def during(self, label, seconds=SECONDS):
        """What the users and the server do for some seconds."""
        begin, spent, own = time.monotonic(), cpu(self.pids), cpu(self.crowd.pids())
        while time.monotonic() - begin < seconds:
            self.crowd.mark(label)
            time.sleep(min(WINDOW, seconds))
        took = time.monotonic() - begin
        mark = self.crowd.report()['marks'][label]
        late, behind = mark['late_ms'], mark['behind_ms']
        print(f'# {label}: messages p50 {late["p50"]} ms, p99 {late["p99"]} ms, max {late["max"]} ms ({late["count"]}); their '
              f'generator behind p99 {behind["p99"]} ms, {100 * (cpu(self.crowd.pids()) - own) / took:.0f}% of a core; '
              f'server {100 * (cpu(self.pids) - spent) / took:.0f}% of a core, {rss(self.pids) / MB:.0f} MB', flush=True)
        assert not mark['closed'], mark['closed']
        return late

    def undisturbed(self, label, seconds=SECONDS):
        late = self.during(label, seconds)
        assert late['p99'] < LATE_MS, f'p99 is {late["p99"]} ms'


def _say(title, report):
    print(f'# {title}: {json.dumps(report)}', flush=True)


def connections_that_say_nothing_cost_users_nothing():
    with Users() as users, Strangers('half', port=users.port, count=HALF, rate=COMING, header='yes', addresses=100) as half:
        users.undisturbed('the first come', HALF / COMING)
        half.wait()
        first = half.report()
        assert first['open'] == HALF and not first['refused'], first
        with Strangers('half', port=users.port, count=MORE, rate=COMING, addresses=100) as more:
            users.undisturbed('more than there is room for', max(SECONDS / 2, MORE / COMING))
            more.wait()
            second = more.report()
            _say('of the second generator', second)
            most = CONNECTIONS or DESCRIPTORS - DESCRIPTORS // 25 - 64
            assert second['open'] == most - USERS - HALF and second['refused'] == MORE - second['open'], second
            assert second['ms']['p99'] < REFUSED_MS, second
            assert users.counted('refused_connections') == second['refused'], users.facts()
            users.undisturbed('they stay')


def _bad_logins(users, label, **options):
    """At the rate that is asked for, each answered; the server counts as many."""
    before = users.facts()
    with Strangers('logins', port=users.port, rate=BAD_LOGINS, **options) as strangers:
        users.undisturbed(label)
        report = strangers.report()
        _say(label, report)
        assert report['begun'] >= 0.95 * BAD_LOGINS * SECONDS and not report['late'], report
        facts = users.facts()
    answered = sum(report['ends'].values())
    failures = facts['login_failures'] - before['login_failures']
    # Some were under way when the last flood ended, and are when this one does.
    assert 'success' not in report['ends'] and answered <= failures <= report['begun'] + UNDER_WAY, (failures, report)


def bad_logins_cost_users_nothing():
    with Users() as users:
        _bad_logins(users, 'one account, one address', user='alice', addresses=1)
        _bad_logins(users, 'names nobody has', unknown='nobody', addresses=1, **{'from': 1})
        _bad_logins(users, 'passwords looked at', known=USERS, addresses=70, **{'from': 130})
        _bad_logins(users, 'SCRAM', known=USERS, addresses=70, mechanism='SCRAM-SHA-256', **{'from': 130})
        _bad_logins(users, 'over TLS', known=USERS, addresses=70, tls='starttls', **{'from': 130})


def _deaf(label, **options):
    """They say as much as they may and never read; then they are gone. Who has room to write leaves much to be read yet."""
    with Users() as users:
        before = rss(users.pids)
        with Strangers('deaf', port=users.port, count=DEAF, known=USERS, password='secret', mechanism='SCRAM-SHA-256',
                       **options) as deaf:
            deaf.wait()
            for _ in range(2):
                users.undisturbed(label)
            _say(label, deaf.report())
            facts = users.facts()
            _say('status', {name: facts[name] for name in ('connections', 'messages_routed', 'offline_stored', 'refused_unread',
                                                            'refused_memory', 'queue_bytes', 'memory_bytes')})
            assert facts['queue_bytes'] < MEMORY_MB * MB, facts
            print(f'# {rss(users.pids) / MB:.0f} MB, {before / MB:.0f} MB before', flush=True)
        users.undisturbed('they are gone')
        if 'to' not in options:
            users.until('connections', USERS)


def clients_that_do_not_read_cost_users_nothing():
    _deaf('each writes to himself')


def clients_that_are_written_to_and_do_not_read_cost_users_nothing():
    _deaf('every second writes to the next', to='next')


def clients_that_acknowledge_nothing_cost_users_nothing():
    _deaf('nothing is acknowledged', resume='yes')


def who_guesses_keeps_nobody_out():
    with Users() as users:
        with Strangers('logins', port=users.port, user='alice', rate=GUESSES) as bad:
            time.sleep(1000 / GUESSES)
            guesses = bad.report()
            _say('of who guesses', guesses)
            assert sum(guesses['ends'].values()) >= 950 and guesses['ends']['login: not-authorized error'] <= 10, guesses
            with Strangers('logins', port=users.port, user='alice', password='secret', rate=10, **{'from': 1}) as good:
                time.sleep(2)
                report = good.report()
                _say('of alice, elsewhere', report)
        assert set(report['ends']) == {'success'} and report['ms']['max'] < ALICE_MS, report


if __name__ == '__main__':
    scenarios(connections_that_say_nothing_cost_users_nothing, bad_logins_cost_users_nothing,
              clients_that_do_not_read_cost_users_nothing, clients_that_are_written_to_and_do_not_read_cost_users_nothing,
              clients_that_acknowledge_nothing_cost_users_nothing, who_guesses_keeps_nobody_out)
