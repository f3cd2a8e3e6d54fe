#!/usr/bin/python3
"""The router dies again and again under our c2s and sm: nothing is lost, doubled or out of order, and no stream ends."""
import threading
import time

from harness import Deployment, Raw, body, scenarios
from jabberd2 import Jabberd2
from test_component import COMPONENTS, External

PEOPLE, KILLS, RATE = 4, 20, 500


class Listener(threading.Thread):
    """Reads one client until it has all that it expects, or time is up."""

    def __init__(self, raw, expected):
        super().__init__(daemon=True)
        self.raw, self.expected = raw, expected
        self.numbers, self.problem, self.pause = [], None, 0
        self.start()

    def run(self):
        last, end = time.time(), None
        try:
            while self.expected.value is None or len(self.numbers) < self.expected.value:
                end = end or (self.expected.value is not None and time.time() + 60) or None
                assert not end or time.time() < end, f'{len(self.numbers)} of {self.expected.value} came'
                try:
                    element = self.raw.receive(1)
                except TimeoutError:
                    continue
                assert element is not None, 'a stream ended'
                if element.tag.endswith('}message'):
                    assert element.get('type') == 'chat', body(element)
                    self.numbers.append(int(body(element)))
                    self.pause, last = max(self.pause, time.time() - last), time.time()
            assert self.numbers == list(range(self.expected.value)), 'doubled or out of order'
        except Exception as error:  # told by the one who waits for this thread
            self.problem = error


class Expected:
    value = None


def _talk(people, done):
    """Each writes to the next, RATE messages a second in all; returns how many each wrote."""
    begin, number = time.time(), 0
    while not done.is_set():
        for at, raw in enumerate(people):
            raw.send(f"<message to='{people[(at + 1) % PEOPLE].jid}' type='chat'><body>{number}</body></message>")
        number += 1
        time.sleep(max(0, begin + number * PEOPLE / RATE - time.time()))
    return number


def _log_in(deployment, user, seconds=30):
    end = time.time() + seconds
    while True:
        try:
            return Raw(deployment.port).login(user, 'secret')
        except (AssertionError, OSError):
            if time.time() > end:
                raise
            time.sleep(0.1)


def _wait_for_messages(listeners, seconds=60):
    """Until what is written now reaches everybody: the next kill finds messages under way."""
    before, end = [len(listener.numbers) for listener in listeners], time.time() + seconds
    while any(len(listener.numbers) < count + 5 for listener, count in zip(listeners, before)):
        problems = [listener.problem for listener in listeners if listener.problem]
        assert not problems and time.time() < end, problems or 'no message came any more'
        time.sleep(0.01)


def _survive(deployment, kill_router):
    for at in range(PEOPLE):
        deployment.add_user(f'user{at}', 'secret')
    people = [_log_in(deployment, f'user{at}') for at in range(PEOPLE)]
    expected, done = Expected(), threading.Event()
    listeners = [Listener(raw, expected) for raw in people]
    wrote = []
    talker = threading.Thread(target=lambda: wrote.append(_talk(people, done)), daemon=True)
    talker.start()
    for kill in range(KILLS):
        _wait_for_messages(listeners)
        time.sleep(kill % 5 * 0.05)
        kill_router()
    _wait_for_messages(listeners)
    done.set()
    talker.join(30)
    expected.value = wrote[0]
    for listener in listeners:
        listener.join(90)
        assert not listener.is_alive() and not listener.problem, listener.problem
    print(f'# {wrote[0] * PEOPLE} messages, {KILLS} kills, the longest pause {max(l.pause for l in listeners):.2f} s')
    for raw in people:
        raw.no_message()
        raw.close()


def our_router_is_killed_under_a_chat():
    with Deployment() as deployment:
        deployment.start('router', ready=True)
        deployment.start('sm', 'c2s')
        _survive(deployment, lambda: deployment.restart('router', kill=True))


def the_router_of_jabberd2_is_killed_under_a_chat():
    with Deployment() as deployment, Jabberd2(deployment.dir, deployment.router_port, ('router',)) as theirs:
        deployment.start('sm', 'c2s')
        _survive(deployment, lambda: theirs.restart('router', kill=True))


ATTRIBUTES = (
    "xmlns:j='urn:jackdaw:link:0' j:from='1' j:to='1' j:ack='99' j:seq='1'",
    "xmlns:j='urn:jackdaw:link:0' j:from='1' j:seq='7' j:as='localhost' j:again='1' j:skip='1'",
    "xmlns:j='urn:jackdaw:link:0' j:n='4'",
    "xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' s:failed='1' s:c2s='0.0.1' s:sm='0.0.1'",
    "failed='1'",
)


def no_attribute_of_an_outsider_counts_between_ends():
    """Of a client, or of a component by XEP-0114."""
    with Deployment(extra=COMPONENTS) as deployment:
        deployment.start('router', ready=True)
        deployment.start('sm', 'c2s')
        for user in ('romeo', 'juliet'):
            deployment.add_user(user, 'secret')
        romeo, juliet = _log_in(deployment, 'romeo'), _log_in(deployment, 'juliet')
        bridge = External(deployment.router_port).enter()
        for number, attributes in enumerate(ATTRIBUTES):
            romeo.send(f"<message to='{juliet.jid}' type='chat' {attributes}><body>{number}</body></message>")
            assert body(juliet.expect('message')) == str(number)
            bridge.send(f"<message from='irc.localhost' to='{juliet.jid}' type='chat' {attributes}>"
                        f"<body>b{number}</body></message>")
            message = juliet.expect('message')
            assert body(message) == f'b{number}' and set(message.keys()) == {'from', 'to', 'type'}, message.keys()
        for raw in (romeo, juliet):
            raw.no_message()
            raw.close()
        bridge.close()


if __name__ == '__main__':
    scenarios(our_router_is_killed_under_a_chat, the_router_of_jabberd2_is_killed_under_a_chat,
              no_attribute_of_an_outsider_counts_between_ends)
