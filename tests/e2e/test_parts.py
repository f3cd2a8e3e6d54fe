#!/usr/bin/python3
"""router, c2s and sm as three processes that meet in data.dir; each may go and come back, and the others cope."""
import time

from harness import Deployment, Raw, body, scenarios


def _started(connect=False):
    deployment = Deployment(connect=connect)
    deployment.start('router', ready=True)
    deployment.start('sm', 'c2s')
    for user in ('romeo', 'juliet'):
        deployment.add_user(user, 'secret')
    return deployment


def _log_in(deployment, user, seconds=20):
    """A login that may have to wait until the parts have found each other."""
    end = time.time() + seconds
    while True:
        try:
            return Raw(deployment.port).login(user, 'secret')
        except (AssertionError, OSError):
            if time.time() > end:
                raise
            time.sleep(0.1)


def _chat(deployment):
    romeo, juliet = _log_in(deployment, 'romeo'), _log_in(deployment, 'juliet')
    for number in range(10):
        romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{number}</body></message>")
    for number in range(10):
        assert body(juliet.expect('message')) == str(number)
    juliet.send("<message to='romeo@localhost' type='chat'><body>to all of you</body></message>")
    assert body(romeo.expect('message')) == 'to all of you'
    romeo.close()
    juliet.close()


def two_people_chat_through_three_processes():
    with _started() as deployment:
        _chat(deployment)


def they_may_meet_over_tcp_too():
    with _started(connect=True) as deployment:
        _chat(deployment)
        deployment.restart('router', kill=True)
        _chat(deployment)


def each_part_may_stop_and_start_again():
    with _started() as deployment:
        for part in ('sm', 'c2s', 'router'):
            deployment.restart(part)
            _chat(deployment)


def each_part_may_be_killed():
    with _started() as deployment:
        for part in ('sm', 'c2s', 'router'):
            deployment.restart(part, kill=True)
            _chat(deployment)


def sessions_survive_the_death_of_the_router():
    with _started() as deployment:
        romeo, juliet = _log_in(deployment, 'romeo'), _log_in(deployment, 'juliet')
        deployment.restart('router', kill=True)
        end = time.time() + 15
        while True:
            romeo.send(f"<message to='{juliet.jid}' type='chat' id='after'><body>after</body></message>")
            try:
                assert body(juliet.expect('message', seconds=0.5)) == 'after'
                break
            except TimeoutError:
                assert time.time() < end
        romeo.close()
        juliet.close()


def offline_messages_wait_for_the_next_login():
    with _started() as deployment:
        romeo = _log_in(deployment, 'romeo')
        for number in range(5):
            romeo.send(f"<message to='juliet@localhost' type='chat'><body>{number}</body></message>")
        deployment.wait_stored(5)
        deployment.restart('sm', kill=True)
        juliet = _log_in(deployment, 'juliet')
        for number in range(5):
            message = juliet.expect('message')
            assert body(message) == str(number) and message.find('{urn:xmpp:delay}delay') is not None


if __name__ == '__main__':
    scenarios(two_people_chat_through_three_processes, they_may_meet_over_tcp_too, each_part_may_stop_and_start_again,
              each_part_may_be_killed, sessions_survive_the_death_of_the_router, offline_messages_wait_for_the_next_login)
