#!/usr/bin/python3
"""
A router goes and comes back under 500 messages a second, jabberd2's c2s and sm around it: sessions stay, nothing is doubled,
order is kept, and lost is what was sent in the gap: no more with our router than with jabberd2's own.
"""
import collections
import re
import selectors
import signal
import time

from harness import scenarios
from mix import Mix, Person, register

PEOPLE, RATE = 20, 500
BEFORE, AFTER = 2.0, 5.0  # seconds of traffic around the restart
PARTS = ('router', 'sm', 'c2s')
BODY = re.compile(rb'<body>(\d+) (\d+)</body>')


class Traffic:
    """Each sends to the next, in turn; who got what, and when it was sent."""

    def __init__(self, mix, strict):
        self.strict, self.ended = strict, []
        names = [f'user{number}' for number in range(PEOPLE)]
        register(mix, *names)
        self.people = [Person(mix, name, 'load') for name in names]
        self.selector = selectors.DefaultSelector()
        for person in self.people:
            person.data = b''
            self.selector.register(person.socket, selectors.EVENT_READ, person)
        self.sent = []  # when, by number
        self.begin = time.monotonic()

    def _receive(self, seconds):
        heard = False
        for key, _ in self.selector.select(max(0, seconds)):
            data = key.fileobj.recv(1 << 16)
            key.data.data += data
            heard = True
            if not data:
                assert not self.strict, f'the stream of {key.data.name} ended: {key.data.data[-300:]}'
                self.selector.unregister(key.fileobj)
                self.ended.append(key.data)
        return heard

    def _send(self):
        number = len(self.sent)
        sender, receiver = (self.people[(number + next) % PEOPLE] for next in (0, 1))
        self.sent.append(time.monotonic())
        if sender in self.ended:
            return
        sender.message(receiver.jid, f'{number % PEOPLE} {number}', id=f'n{number}')

    def run(self, until):
        """Up to a time, and when until is a function, to when it says so."""
        end = time.monotonic() + until if isinstance(until, float) else None
        while time.monotonic() < end if end else not until():
            while len(self.sent) < (time.monotonic() - self.begin) * RATE:
                self._send()
            self._receive(1 / RATE)

    def settle(self):
        """Until nothing more comes."""
        end = time.monotonic() + 30
        quiet = time.monotonic()
        while time.monotonic() - quiet < 1.5 and time.monotonic() < end:
            if self._receive(0.1):
                quiet = time.monotonic()

    def lost(self):
        """The numbers that never arrived; all others once, in order."""
        arrived = collections.Counter()
        for person in self.people:
            errors = re.findall(rb"<message[^>]*type='error'.*?</message>", person.data)
            bounced = {int(number) for error in errors for _, number in BODY.findall(error)}
            numbers = [int(number) for _, number in BODY.findall(person.data) if int(number) not in bounced]
            assert numbers == sorted(numbers), f'{person.name}: out of order'
            arrived.update(numbers)
        assert not arrived or max(arrived.values()) == 1, 'doubled'
        return [number for number in range(len(self.sent)) if number not in arrived]


def restarted(ours, number):
    """How many were lost, and for how long."""
    with Mix(ours, tuple(part for part in PARTS if part not in ours)) as mix:
        traffic = Traffic(mix, strict=bool(ours))
        traffic.run(BEFORE)
        router = mix.side('router').processes['router']
        gone = time.monotonic()
        router.process.send_signal(number)
        traffic.run(lambda: router.process.poll() is not None)
        stopped = time.monotonic()
        mix.start('router')
        traffic.run(AFTER)
        traffic.settle()
        lost = traffic.lost()
        who = 'ours' if ours else "jabberd2's"
        when = [traffic.sent[number] - gone for number in lost]
        print(f'# {who}, {number.name}: {len(lost)} of {len(traffic.sent)} lost, '
              f'sent {min(when, default=0):.2f} to {max(when, default=0):.2f} s after it; gone in {stopped - gone:.2f} s; '
              f'{len(traffic.ended)} sessions ended', flush=True)
        if ours:
            assert min(when, default=0) > -0.5, 'what was sent before it went is lost'
            assert max(when, default=0) < AFTER - 1, 'it never came back'
        return len(lost)


def our_router_loses_no_more_than_that_of_jabberd2():
    theirs = restarted((), signal.SIGKILL)
    killed = restarted(('router',), signal.SIGKILL)
    stopped = restarted(('router',), signal.SIGTERM)
    allowed = theirs * 1.25 + 0.5 * RATE
    assert killed <= allowed and stopped <= allowed, (killed, stopped, theirs)


if __name__ == '__main__':
    scenarios(our_router_loses_no_more_than_that_of_jabberd2)
