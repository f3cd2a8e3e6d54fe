#!/usr/bin/python3
"""
What components were recorded to say to jabberd2's router, said to ours and to jabberd2's own: the answers are the same.

jabberd2's router is asked so that the player is known to be right; DIFFERENT says where ours differs on purpose.
"""
import hashlib
import signal
import socket
import time

from harness import Deployment, free_port, scenarios
from jabberd2 import Jabberd2, _write
from transcript import ACCEPT, COMPONENT, HEADER, ROUTE, STREAM, Ear, Player, Wire, canonical, read, same

OURS = '''
[[router.login]]
name = "lim"
password = "secret"
[[router.alias]]
name = "alias.example"
target = "target.example"
[[component]]
name = "leg.example"
secret = "secret"
[[component]]
name = "v.example"
secret = "secret"
'''
RULES = '''
[[router.rule]]
from = "bad@x.example"
to = "*"
error = "forbidden"
[[router.rule]]
from = "*"
to = "old@b.example"
redirect = "new@b2.example"
[[router.rule]]
from = "*"
to = "*"
what = "message/body"
error = "not-acceptable"
'''
FILTER = '''<filter><rule from='bad@x.example' to='*' error='forbidden'/>
<rule from='*' to='old@b.example' redirect='new@b2.example'/>
<rule from='*' to='*' what='message/body' error='not-acceptable'/></filter>'''

ALIAS = '2.7.0 makes no route for an alias (component-protocol.md section 5); ours leads to its target'
XEP_0114 = 'ours does what XEP-0114 says where jabberd2 drops silently or does not swap addresses (section 9)'
DIFFERENT = {
    'router-core.txt': {
        'alias: route to alias.example (default is B)': ALIAS,
        'log sink S': ALIAS + ', and is advertised to who comes later',
        'XML error after open': 'the target of an alias stands there twice in 2.7.0 and is never told to be gone (section 5)',
    },
    'router-auth.txt': {'entity decl': 'a DTD is restricted-xml (RFC 6120 section 11.1), whatever the parser says of it'},
    'router-legacy-filter.txt': {
        'legacy sends from a wrong domain': XEP_0114,
        'legacy to unbound': XEP_0114,
        'legacy without to': XEP_0114,
        'legacy without from': XEP_0114,
        'legacy log in with version 1.0': 'the password of native parts opens nothing here: no SASL is offered',
    },
}


NAMELESS = {'A': 'jabberd', 'B': 'jabberd', 'C': 'jabberd', 'L': 'lim', 'S': 'jabberd'}


class Router(Jabberd2):
    """jabberd2's router alone, configured as it was when the transcripts were recorded."""

    def __init__(self, folder, router_port, rules=''):
        self.rules = rules
        super().__init__(folder, router_port, parts=('router',))

    def _router(self):
        text = super()._router()
        _write(f'{self.dir}/users.xml', '<users>' + ''.join(
            f'<user><name>{name}</name><secret>secret</secret></user>' for name in ('jabberd', 'lim')) + '</users>')
        _write(f'{self.dir}/filter.xml', self.rules or '<filter/>')
        return text.replace('<secret>unused</secret>', '<secret>secret</secret>').replace(
            '<aci>', "<aliases><alias name='alias.example' target='target.example'/></aliases><aci>")


def _enter_external(player, name='X'):
    """As a legacy component that is in: where it was thrown out before, for what follows in the transcript."""
    wire = player.wires.get(name)
    if wire and not wire.closed:
        return
    wire = player.wires[name] = Wire(player.port)
    header = f"<stream:stream xmlns='{ACCEPT}' xmlns:stream='{STREAM}' to='leg.example'>"
    wire.send(header)
    wire.told.feed(header)
    wire.until(lambda: wire.heard.id)
    wire.told.id = wire.heard.id

    wire.send(f"<handshake>{hashlib.sha1((wire.heard.id + 'secret').encode()).hexdigest()}</handshake>")
    wire.expect(f'{{{ACCEPT}}}handshake')
    wire.heard.take()
    wire.told.take()


def _close(*names):
    def close(player):
        for name in names:
            player.wires[name].close()
    return close


def _bind(name, *domains):
    def bind(player):
        wire = player.wire(name)
        for domain in domains:
            assert wire.bind(domain) is None
        wire.told.names = set(wire.heard.names)
    return bind


BEFORE = {
    'router-core.txt': {'default owner B drops (RST-less close)': _close('B')},
    'router-auth.txt': {},
    'router-legacy-filter.txt': {
        'legacy component, no to': _bind('A', 'a.example'),
        'legacy to unbound': _enter_external,
        'legacy without to': _enter_external,
        'legacy without from': _enter_external,
        'error route to legacy': _enter_external,
        'legacy closes': _close('X2', 'X3'),
        'FILTER': _bind('B', 'b.example', 'b2.example'),
    },
}


def _with_ours(run, extra=OURS):
    """run(port of the router, its process)"""
    with Deployment(extra=extra) as deployment:
        deployment.start('router')
        return run(deployment.router_port, deployment.processes['router'])


def _with_jabberd2(run, rules=''):
    with Deployment() as deployment:
        port = free_port()
        with Router(deployment.dir, port, rules) as jabberd2:
            return run(port, jabberd2.processes['router'])


def _compare(name, rules=False):
    theirs = _with_jabberd2(lambda port, _: Player(port, BEFORE[name], (), NAMELESS).play(name), FILTER if rules else '')
    assert not theirs, f'the transcript is played wrongly: {theirs}'
    expected = DIFFERENT[name]
    ours = _with_ours(lambda port, _: Player(port, BEFORE[name], expected, NAMELESS).play(name),
                      OURS + (RULES if rules else ''))
    unexpected = [(title, *ours[title]) for title in ours if title not in expected]
    assert not unexpected, '\n'.join(map(str, unexpected))
    assert set(ours) == set(expected), f'these are the same now: {set(expected) - set(ours)}'


def names_routes_and_sinks_are_as_recorded():
    _compare('router-core.txt')


def logins_are_as_recorded():
    _compare('router-auth.txt')


def legacy_components_and_the_filter_are_as_recorded():
    _compare('router-legacy-filter.txt', rules=True)


def _choices(port, count):
    """Which of so many components each of 200 users gets, with all of them and after the first has left."""
    wires = [Wire(port).login() for _ in range(count)]
    for wire in wires:
        assert wire.bind('m.example', 'multi') is None
    sender = Wire(port).login()
    assert sender.bind('sender.example') is None
    return [_choose(sender, wires), (wires.pop(0).close(), sender.sync(), _choose(sender, wires))[-1]]


def _choose(sender, wires):
    for number in range(200):
        sender.send(f"<route xmlns='{COMPONENT}' to='m.example' from='sender.example'><message xmlns='jabber:client' "
                    f"to='user{number}@M.example/r{number % 3}' id='{number}'/></route>")
    sender.sync()
    chosen = {}
    for index, wire in enumerate(wires):
        wire.sync()
        for route in wire.heard.take():
            if route.tag == ROUTE:
                chosen[route[0].get('id')] = index
    assert len(chosen) == 200
    return chosen


def users_are_spread_as_by_jabberd2():
    for count in (2, 3):
        ours, theirs = (ask(lambda port, _: _choices(port, count)) for ask in (_with_ours, _with_jabberd2))
        assert ours == theirs
        assert len(set(ours[0].values())) == count


# -- a router that goes and comes


class Parts(Player):
    """
    c2s, sm and s2s as they were recorded together. What the router says to one of them is compared before that says more: it
    may come earlier than it was recorded, in its order.
    """

    def lines(self, lines):
        self.begin('')
        for sender, receiver, text in lines:
            if receiver == 'router':
                self._settle(sender)
                self.say(sender, text)
            else:
                self.wires[receiver].told.feed(text)
        for name in self.wires:
            self._settle(name)
            self.wires[name].native = True
        for name, wire in self.wires.items():
            self.listen(wire, nothing=True)
            assert wire.heard.items == [], (name, wire.heard.items)
            assert wire.heard.names == wire.told.names, (name, wire.heard.names, wire.told.names)

    def _settle(self, name):
        if name not in self.wires:
            return
        wire = self.wires[name]
        wanted = wire.told.take()
        wire.until(lambda: len(wire.heard.items) >= len(wanted) and wire.heard.names >= wire.told.names)
        ours, wire.heard.items = wire.heard.items[:len(wanted)], wire.heard.items[len(wanted):]
        assert same(wanted, ours), (name, list(map(canonical, wanted)), list(map(canonical, ours)))

    def lost(self, names):
        """The router died."""
        for name in names:
            wire = self.wires.pop(name)
            while not wire.closed:
                assert wire.read(10) or wire.closed, f'{name} is still connected'
            assert wire.heard.items == [], (name, wire.heard.items)
            wire.close()

    def farewells(self):
        """[(who, of which names it heard that they are gone)], in the order in which the router ends the streams."""
        found, end = [], time.time() + 20
        while self.wires:
            for name, wire in list(self.wires.items()):
                wire.read(0.02)
                if not wire.heard.ended:
                    assert not wire.closed and time.time() < end, name
                    continue
                assert wire.heard.take() == ['end'], name
                assert not _is_listening(self.port)
                found.append((name, wire.told.names - wire.heard.names))
                wire.send('</stream:stream>')
                self.wires.pop(name).close()
        return found

    def recorded_farewells(self, lines):
        found, ears = [], {}
        for name, wire in self.wires.items():
            ears[name] = Ear()
            ears[name].feed(HEADER)
            ears[name].names = set(wire.told.names)
        for sender, receiver, text in lines:
            if sender == 'router' and text.startswith('<'):
                ears[receiver].feed(text)
                if ears[receiver].ended:
                    found.append((receiver, self.wires[receiver].told.names - ears[receiver].names))
        return found


def _is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def _start(process, port):
    process.start()
    end = time.time() + 20
    while not _is_listening(port):
        assert time.time() < end and process.process.poll() is None, process.text()
        time.sleep(0.02)


def _restarts(port, process):
    """As recorded, what is the same wherever it is; returns the ends of streams at SIGTERM, recorded and heard."""
    lines = [line for _, section in read('router-restart.txt') for line in section]
    begin = next(at for at, line in enumerate(lines) if line[2].startswith('<?xml'))
    end = next(at for at, line in enumerate(lines) if line[2] == '</stream:stream>')
    player = Parts(port, {})
    player.wires['fc'] = Wire(port).login()  # one more was there when it was killed
    player.lines(lines[begin:end])
    process.kill()
    player.lost(receiver for sender, receiver, _ in lines[:begin] if sender == 'router')
    _start(process, port)
    player.lines(lines[begin:end])
    recorded = player.recorded_farewells(lines[end:])
    process.process.send_signal(signal.SIGTERM)
    heard = player.farewells()
    process.process.wait(20)
    _start(process, port)
    player.lines(lines[begin:end])
    return recorded, heard


def _hear_of_those_before(farewells):
    own = {'c2s': {'c2s'}, 'sm': {'sm', 'localhost'}, 's2s': {'s2s'}}
    return [gone for _, gone in farewells] == [
        set().union(*(own[name] for name, _ in farewells[:at])) for at in range(len(farewells))]


def parts_come_back_to_a_router_as_recorded():
    """
    Different: at SIGTERM jabberd2's closes one after another, and tells the rest, who end sessions for it (session-protocol.md
    section 6.5). Ours closes all at once, and sessions stay.
    """
    recorded, theirs = _with_jabberd2(_restarts)
    assert _hear_of_those_before(recorded) and _hear_of_those_before(theirs), (recorded, theirs)
    _, ours = _with_ours(_restarts)
    assert sorted(ours) == [(name, set()) for name in ('c2s', 's2s', 'sm')], ours


if __name__ == '__main__':
    scenarios(names_routes_and_sinks_are_as_recorded, logins_are_as_recorded,
              legacy_components_and_the_filter_are_as_recorded, users_are_spread_as_by_jabberd2,
              parts_come_back_to_a_router_as_recorded)
