#!/usr/bin/python3
"""
Sessions at rest cost nothing between the parts, also when a part dies and comes back: nobody is probed, told or asked.

usage: test_rest.py [--full] [SCENARIO ...]        --full: 10,000 sessions (make kills)
"""
import contextlib
import json
import sys
import time

from crowd import LIMITS, Crowd
from harness import Deployment, free_port, scenarios
from relay import Relay

FULL = '--full' in sys.argv
if FULL:
    sys.argv.remove('--full')
SESSIONS, RETURN = (10000, 20) if FULL else (200, 5)  # and seconds behind a kill
REST = 11  # seconds: presence that is younger than ten when sm dies is said again

# How a part gets to the router, and the ends find each other.
MEETING = {'features', 'auth', 'challenge', 'response', 'success', 'bind', 'advertisement', 'session jackdaw-hello',
           'session jackdaw-ack'}
# Each session, once.
PRESENTING = {'session jackdaw-present', 'session jackdaw-presented', 'session jackdaw-attach'}


class Rest:
    """Sessions of three processes that meet at a relay, when all that their beginning caused has been said."""

    def __init__(self, relay, deployment, crowd):
        self.relay, self.deployment, self.crowd = relay, deployment, crowd
        assert crowd.settle()
        print(f'# {SESSIONS} sessions began with {json.dumps(relay.take())}', flush=True)
        self.before = crowd.report()

    def said(self, what, seconds):
        """By the parts; no client heard anything, and no stream ended."""
        time.sleep(seconds)
        said, report = self.relay.take(), self.crowd.report()
        print(f'# {what}: {json.dumps(said)}', flush=True)
        for count in ('others', 'strange', 'bound', 'resumed', 'ready'):
            assert report[count] == self.before[count], (count, report[count], self.before[count])
        return said


@contextlib.contextmanager
def at_rest():
    router_port = free_port()
    with Relay(router_port) as relay, \
            Deployment(connect=f'127.0.0.1:{relay.port}', router_port=router_port, extra=LIMITS) as deployment:
        deployment.import_users([(f'user{number}', 'secret') for number in range(SESSIONS)])
        deployment.start('router', 'sm', 'c2s')
        with Crowd([deployment.port], SESSIONS) as crowd:
            yield Rest(relay, deployment, crowd)


def sessions_at_rest_cause_nothing():
    with at_rest() as rest:
        assert not rest.said(f'{REST} s at rest', REST)
        rest.deployment.restart('router', kill=True)
        said = rest.said('the router was killed', RETURN)
        assert not set(said) - MEETING, said
        assert not rest.said('and at rest again', REST)


def a_manager_that_returns_is_told_of_its_sessions_and_nothing_else():
    with at_rest() as rest:
        assert not rest.said(f'{REST} s at rest', REST)
        rest.deployment.restart('sm', kill=True)
        said = rest.said('sm was killed', RETURN)
        assert not set(said) - MEETING - PRESENTING, said
        assert {said[kind] for kind in PRESENTING} == {2 * SESSIONS}, said  # to the router, and from it
        assert not rest.said('and at rest again', REST)


if __name__ == '__main__':
    scenarios(sessions_at_rest_cause_nothing, a_manager_that_returns_is_told_of_its_sessions_and_nothing_else)
