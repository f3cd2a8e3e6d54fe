#!/usr/bin/python3
"""
Parts die and stop under load, and nothing that was acknowledged is lost, nothing comes twice.

usage: test_kills.py [--full] [--clients N] [--rate N] [--kills N] [SCENARIO ...]

Without --full all is small, for every run of the tests; with it, it has the size that is promised (make kills).
"""
import argparse
import json
import random
import signal
import sys
import time

from crowd import LIMITS, Crowd
from harness import Deployment, scenarios
from stream_management import SM, Counting

parser = argparse.ArgumentParser()
parser.add_argument('--full', action='store_true')
for option in ('clients', 'rate', 'kills'):
    parser.add_argument(f'--{option}', type=int)
size, sys.argv[1:] = parser.parse_known_args()
CLIENTS, RATE = size.clients or (1000 if size.full else 60), size.rate or (500 if size.full else 100)
PART_KILLS, WHOLE_KILLS = size.kills or (30 if size.full else 4), size.kills or (20 if size.full else 2)
RESUMING, HANGING = size.clients or (10000 if size.full else 300), CLIENTS
BETWEEN = (4, 6) if size.full else (2, 3)  # seconds between one kill and the next
PAUSE_MS = 1000


def _deployment(clients, *parts):
    deployment = Deployment(connect=False, extra=LIMITS)
    deployment.import_users([(f'user{number}', 'secret') for number in range(clients)])
    return deployment.start(*parts)


def _say(title, report):
    print(f'# {title}: {json.dumps(report)}', flush=True)


def _nothing_lost(report):
    assert report['settled'] and report['acknowledged'] == report['sent'] > 0, 'not all was acknowledged'
    for what in ('lost', 'refused', 'twice_in_session', 'twice_early', 'disorder', 'bad_counts', 'strange'):
        assert report[what] == 0, (what, report['examples'])


def _nothing_twice(report):
    for what in ('twice_across', 'twice_resent'):
        assert report[what] == 0, (what, report['examples'])


def _nothing_noticed(report):
    """By who keeps his session."""
    for what in ('twice_across', 'twice_resent', 'overtaken', 'failed_with_count', 'failed_without'):
        assert report[what] == 0, (what, report['examples'])


def _no_stream_ended(report, label):
    """And who was written to then waited less than a second."""
    mark = report['marks'][label]
    assert not mark['closed'], (label, mark['closed'])
    assert mark['late_ms']['p99.9'] < PAUSE_MS, (label, mark['late_ms'])


def _kill_in_turn(deployment, crowd, parts, kills):
    moments = random.Random(kills)
    crowd.send(RATE)
    time.sleep(2)
    for number in range(kills):
        part = parts[number % len(parts)]
        crowd.mark('c2s' if part == 'second' else part)
        deployment.restart(part, kill=True)
        time.sleep(moments.uniform(*BETWEEN))
    return crowd.finish()


def _kill_parts(*parts):
    """Two c2s, of which each client has one: the other takes them when theirs is away."""
    with _deployment(CLIENTS, 'router', 'sm', 'c2s') as deployment:
        ports = [deployment.port, deployment.start_second()]
        with Crowd(ports, CLIENTS) as crowd:
            report = _kill_in_turn(deployment, crowd, parts, PART_KILLS)
        _say(f'{PART_KILLS} kills of {", ".join(parts)}', report)
        return report


def router_and_c2s_are_killed_in_turn():
    report = _kill_parts('router', 'c2s', 'router', 'second')
    _nothing_lost(report)
    _nothing_noticed(report)
    _no_stream_ended(report, 'router')


def sm_router_and_c2s_are_killed_in_turn():
    report = _kill_parts('sm', 'router', 'c2s')
    _nothing_lost(report)
    _nothing_noticed(report)
    _no_stream_ended(report, 'sm')
    _no_stream_ended(report, 'router')


def the_one_process_is_killed_again_and_again():
    """Its sessions are gone with it, and what was under way comes once all the same: clients say what they had."""
    with _deployment(CLIENTS) as deployment:
        with Crowd([deployment.port], CLIENTS) as crowd:
            report = _kill_in_turn(deployment, crowd, ['run'], WHOLE_KILLS)
        _say(f'{WHOLE_KILLS} kills of the one process', report)
        _nothing_lost(report)
        _nothing_twice(report)


def all_resume_after_an_orderly_end_of_the_one_process():
    with _deployment(RESUMING) as deployment:
        with Crowd([deployment.port], RESUMING) as crowd:
            crowd.send(RATE)
            time.sleep(3)
            crowd.mark('stop')
            before = crowd.report()
            begin = time.monotonic()
            assert deployment.processes['run'].stop(seconds=60) == 0
            stopped = time.monotonic()
            deployment.start()
            started = time.monotonic()
            time.sleep(5)
            report = crowd.finish()
        _say(f'{RESUMING} clients, stopped in {stopped - begin:.2f} s, started in {started - stopped:.2f} s', report)
        _nothing_lost(report)
        _nothing_noticed(report)
        assert report['resumed'] - before['resumed'] >= RESUMING


def a_manager_that_hangs_costs_nobody_his_answer_or_his_stream():
    with _deployment(HANGING + 1, 'router', 'sm', 'c2s') as deployment:
        with Crowd([deployment.port], HANGING) as crowd:
            client = Counting(deployment.port, f'user{HANGING}').begin()
            client.wait_acknowledged()
            crowd.send(RATE)
            time.sleep(2)
            manager = deployment.processes['sm'].process
            client.answers.clear()
            before = client.acked
            manager.send_signal(signal.SIGSTOP)
            crowd.mark('hang')
            try:
                for number in range(10):
                    client.message(f'user{HANGING}@localhost', str(number))
                    client.ask().wait(lambda element: element.tag == f'{{{SM}}}a', 5)
                    time.sleep(1)
            finally:
                manager.send_signal(signal.SIGCONT)
            crowd.mark('after')
            assert client.answers == [before] * 10, client.answers
            client.wait(lambda element: element.tag == f'{{{SM}}}a')
            assert client.answers[10:] == [before + 10], client.answers
            time.sleep(2)
            report = crowd.finish()
        _say('10 s without sm', report)
        _nothing_lost(report)
        _nothing_noticed(report)
        assert not report['marks']['hang']['closed'] and not report['marks']['after']['closed'], report['marks']


if __name__ == '__main__':
    scenarios(router_and_c2s_are_killed_in_turn, sm_router_and_c2s_are_killed_in_turn,
              the_one_process_is_killed_again_and_again, all_resume_after_an_orderly_end_of_the_one_process,
              a_manager_that_hangs_costs_nobody_his_answer_or_his_stream)
