#!/usr/bin/python3
"""One domain on two sm and two c2s of ours, behind jabberd2's router: it chooses by a hash who serves whom."""
import hashlib
import struct
import time
import xml.etree.ElementTree as ElementTree

from harness import BINARY, Deployment, Process, scenarios
from jabberd2 import Jabberd2
from mix import Person, befriend, leave, outlives, talk

DELAY = '{urn:xmpp:delay}delay'


def index(user, count=2):
    """jabberd2's choice (component-protocol.md section 6): among those that serve a domain, in the order of their binds."""
    words = struct.unpack('=5I', hashlib.sha1(f'{user}@localhost'.encode()).digest())
    return ((words[1] ^ words[2] ^ words[3]) >> 2) % count


def _people(count=2):
    """So many for each sm."""
    found = [[], []]
    for number in range(1000):
        user = f'user{number}'
        if len(found[index(user)]) < count:
            found[index(user)].append(user)
    return found


class Part(Deployment):
    """A part with a name, a file and a data.dir of its own, at the router of all."""

    def __init__(self, verb, name, router_port):
        super().__init__(router_port=router_port)
        self.verb, self.name = verb, name

    def start(self):
        part = Process(self.name, [BINARY, self.verb, '--name', self.name, '--config', self.config]).start()
        self.processes[self.name] = part
        part.wait_for('jackdaw: ready in')
        return self

    def command(self, *words, **options):
        return super().command(*words, *(('--name', self.name) if words[0] == 'status' else ()), **options)


class Domain:
    def __init__(self):
        self.home = Deployment()
        port = self.home.router_port
        self.router = Jabberd2(self.home.dir, port, ('router',))
        self.managers = [Part('sm', name, port) for name in ('sm-1', 'sm-2')]
        self.fronts = [Part('c2s', name, port) for name in ('c2s-1', 'c2s-2')]
        self.users = _people()

    def __enter__(self):
        try:
            self.router.start()
            for manager in self.managers:
                manager.import_users([(user, 'secret') for side in self.users for user in side])
            for part in self.managers + self.fronts:
                part.start()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for part in self.fronts + self.managers:
            part.__exit__(kind, value, trace)
        self.router.__exit__(kind, value, trace)
        self.home.__exit__(kind, value, trace)

    def log_in(self, side, number, front, resource='desk'):
        return Person(self.fronts[front], self.users[side][number], resource)

    def sessions(self):
        return [manager.metric('sessions') for manager in self.managers]


def _back(domain, side, number, front, seconds=20):
    end = time.time() + seconds
    while True:
        try:
            return domain.log_in(side, number, front, 'again')
        except (AssertionError, OSError):
            assert time.time() < end
            time.sleep(0.1)


def people_of_two_managers_meet():
    with Domain() as domain:
        ann, bob = domain.log_in(0, 0, 0), domain.log_in(1, 0, 1)
        cid, dan = domain.log_in(0, 1, 1), domain.log_in(1, 1, 0)
        assert domain.sessions() == [2, 2], domain.sessions()
        befriend(ann, bob)
        befriend(cid, dan)
        for one, other in ((ann, bob), (ann, cid), (ann, dan), (bob, cid), (bob, dan), (cid, dan)):
            talk(one, other)
        leave(bob, ann)
        for number in range(3):
            ann.message(f'{bob.name}@localhost', f'later {number}')
        domain.managers[1].wait_stored(3)
        bob = domain.log_in(1, 0, 0)
        for number in range(3):
            message = bob.want('message', text=f'later {number}')
            assert message.find(DELAY) is not None, ElementTree.tostring(message)
        ann.want('presence', type=None, **{'from': bob.jid})


def who_is_on_twice_is_on_one_manager():
    """Two resources by two c2s see each other; the same resource by the other c2s ends the first."""
    with Domain() as domain:
        desk, phone = domain.log_in(1, 0, 0, 'desk'), domain.log_in(1, 0, 1, 'phone')
        assert domain.sessions() == [0, 2]
        desk.want('presence', type=None, **{'from': phone.jid})
        talk_to = domain.log_in(0, 0, 1)
        talk_to.message(desk.jid, 'for the desk')
        desk.want('message', text='for the desk')
        newcomer = domain.log_in(1, 0, 1, 'desk')
        assert desk.ends() == 'conflict'
        talk_to.message(newcomer.jid, 'for the other desk')
        newcomer.want('message', text='for the other desk')


def one_manager_goes_and_nobody_notices(kill):
    with Domain() as domain:
        ann, bob = domain.log_in(0, 0, 0), domain.log_in(1, 0, 1)
        cid, dan = domain.log_in(0, 1, 1), domain.log_in(1, 1, 0)
        befriend(ann, bob)
        domain.managers[1].restart('sm-2', kill)
        for person in (ann, bob, cid, dan):
            assert outlives(person)
        assert domain.sessions() == [2, 2]
        for one, other in ((ann, bob), (ann, cid), (cid, dan), (bob, dan)):
            talk(one, other)


def one_manager_dies_and_nobody_notices():
    one_manager_goes_and_nobody_notices(True)


def one_manager_stops_and_nobody_notices():
    one_manager_goes_and_nobody_notices(False)


def one_c2s_dies_and_only_its_people_notice():
    with Domain() as domain:
        ann, bob, cid = domain.log_in(0, 0, 0), domain.log_in(1, 0, 1), domain.log_in(0, 1, 1)
        befriend(ann, bob)
        domain.fronts[1].restart('c2s-2', True)
        ann.want('presence', type='unavailable', **{'from': bob.jid})
        assert outlives(ann) and not outlives(bob) and not outlives(cid)
        assert domain.sessions() == [1, 0]
        bob = _back(domain, 1, 0, 1)
        ann.want('presence', type=None, **{'from': bob.jid})
        talk(ann, bob)


if __name__ == '__main__':
    scenarios(people_of_two_managers_meet, who_is_on_twice_is_on_one_manager,
              one_manager_dies_and_nobody_notices, one_manager_stops_and_nobody_notices,
              one_c2s_dies_and_only_its_people_notice)
