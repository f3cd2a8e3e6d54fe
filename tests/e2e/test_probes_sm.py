#!/usr/bin/python3
"""What jabberd2's sm answered to a hand-made c2s and to its own, asked of ours: the same, but for what is listed here."""
import copy

import transcript
from harness import Raw, scenarios
from transcript import Home, expect

# title: (why, as jabberd2 said it, as ours has to), by section of session-protocol.md
SM_DIFFERENCES = {
    'start unknown user': [('6.1: without an sm attribute jabberd2 does not hear it', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'start in non-served domain, sent to sm': [('6.1', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'start without target': [('6.1', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'start bad jid': [('6.1', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'create existing user': [('6.1', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'create in non-served domain': [('6.1', " s:failed='1'", " s:failed='1' s:sm='none'")],
    'packet with unknown sm id': [
        ('6.3: jabberd2 hands what comes back to the client', """<message xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' """
         """xmlns='jabber:client' id='p1' to='bob@localhost' s:sm='deadbeef' s:c2s='A1' failed='1'><body>x</body></message>""",
         """<s:session xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' s:sm='deadbeef' s:c2s='A1' action='ended'/>""")],
    'packet without sm id': [
        ('6.3, and an end without an sm id says nothing', """<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' from='sm' """
         """to='fc'><message xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' xmlns='jabber:client' id='p2' """
         """to='bob@localhost' s:c2s='A1' failed='1'><body>x</body></message></route>""", '(nothing)')],
    'presence then session replaced by another start of the same jid': [
        ('RFC 6121 4.2.2: the resource itself hears it too', '(nothing)',
         """<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' from='localhost' to='fc'><presence """
         """xmlns='jabber:client' xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' s:c2s='A1' """
         """s:sm='cb3d180d334396cbd229310e66a2b05d07a1c6d9' from='alice@localhost/r1' to='alice@localhost/r1'/></route>""")],
}


# -- a c2s by hand before our sm


def _silent(part, number):
    """All that our sm had to say is here: it answers to one more question. Returns what came before that."""
    part.send(f"<route xmlns='{transcript.COMPONENT}' to='localhost' from='fc'><s:session xmlns:s='{transcript.SESSION}' "
              f"s:c2s='quiet{number}' action='end' s:sm='quiet'/></route>")
    came = []
    while True:
        route = part.route()
        assert route is not None
        if route[0].get(transcript.IDS[0]) == f'quiet{number}':
            return came
        came.append(route)


def sm_answers_a_c2s_by_hand():
    script = transcript.Script('sm-errors.txt', SM_DIFFERENCES)
    problems, names, number = [], transcript.Names(), 0
    with Home('router', 'sm', 'c2s') as deployment:
        deployment.processes['c2s'].wait_for('jackdaw: ready in')
        for user in ('alice', 'bob'):
            deployment.add_user(user, 'secret')
        part = transcript.Wire(deployment.router_port).login()
        assert part.bind('fc') is None
        people = {'bob': Raw(deployment.port).login('bob', 'secret', 'desk')}
        for title, lines in script.sections:
            for sender, receiver, text in lines:
                if sender == 'fakec2s':
                    part.send(names.translate(text))
                elif receiver == 'fakec2s':
                    wanted = [one for one in transcript.elements(text) if one.tag == transcript.ROUTE]
                    for one in wanted:
                        ours = part.route(5)
                        expect(problems, title, names, one, ours)
                        if ours is not None and transcript.speaks_ours(ours):
                            problems.append(f'{title}: ours is spoken: {transcript.text_of(ours)}')
                    if '<unbind' in text:
                        part.expect(f'{{{transcript.COMPONENT}}}unbind')
                    elif not wanted:
                        number += 1
                        problems += [f'{title}: {transcript.text_of(more)}' for more in _silent(part, number)]
                elif receiver == 'c2s':
                    people[sender].send(text)
                else:  # RFC 6121 8.5.3.2.1: nobody has the resource; jabberd2 keeps it for the account
                    assert not text
                    people[receiver].expect('message', id='q2', type='error')
        assert not problems, '\n'.join(problems)


# -- jabberd2's c2s as it was recorded, before our sm

# A part of what c2s said: why ours answers otherwise.
ANSWERED_OTHERWISE = {
    "to='@@@'": 'RFC 6120 8.3.3.8: jabberd2 takes an address that it cannot read for none, and the client hears itself',
    "type='bogus'": 'RFC 6120 8.2.3: an error, where jabberd2 is silent',
    'jabber:iq:version': 'each server names itself',
}
TO_ALICE = "from='bob@localhost/desk' to='alice@localhost/home' "
DELAY = "<delay xmlns='urn:xmpp:delay' stamp='2026-11-22T06:21:29Z' from='bob@localhost/desk'/>"
SESSION_DIFFERENCES = {'router port, both directions': [
    ('section 1: the route of a stanza for a client comes from its domain', "to='c2s' from='sm'><iq ",
     "to='c2s' from='localhost'><iq "),
    ('RFC 6121 3.1.6: to resources that asked for the roster, and this one did not', "type='subscribed' from='bob@localhost' ", None),
    ('as it was addressed', "to='bob@localhost/desk' type='subscribe' ", "to='bob@localhost' type='subscribe' "),
    ('as it was addressed', f"{TO_ALICE}sm:c2s='11'", f"{TO_ALICE.replace('/home', '')}sm:c2s='11'"),
    ('RFC 6121 4.3.2: what is so now has no delay', DELAY, '')]}
LIFECYCLE_SM_DIFFERENCES = {'router port, both directions, starting after the binds': [
    ('RFC 6120 8.1.2.1: an account answers with its bare address',
     "from='alice@localhost/home' to='alice@localhost/home'><error ", "from='alice@localhost' to='alice@localhost/home'><error "),
    ('RFC 6121 8.5.2.1.3: what an account does not know',
     "<error code='501' type='cancel'><feature-not-implemented ", "<error code='503' type='cancel'><service-unavailable ")]}


def is_of_itself(route):
    """A resource hears its own presence (RFC 6121 4.2.2), from jabberd2's sm it does not."""
    presence = route[0]
    return presence.tag == '{jabber:client}presence' and presence.get('from').split('/')[0] == presence.get('to').split('/')[0]


class Recorded:
    """Says what c2s said; what our sm says to it until the next is compared, in any order."""

    def __init__(self, router_port):
        self.names, self.problems, self.number = transcript.Names(), [], 0
        self.come(router_port)

    def come(self, router_port):
        self.part = transcript.Wire(router_port).login()
        assert self.part.bind('c2s') is None

    def _quiet(self):
        """What came before the answer to one more packet."""
        self.number += 1
        self.part.send(f"<route xmlns='{transcript.COMPONENT}' to='sm' from='c2s'><s:session "
                       f"xmlns:s='{transcript.SESSION}' s:c2s='quiet{self.number}' action='end' s:sm='quiet'/></route>")
        came = []
        while True:
            route = self.part.route()
            assert route is not None
            if route[0].get(transcript.IDS[0]) == f'quiet{self.number}':
                return came
            came.append(route)

    def _takes(self, missing, ours):
        for one in missing:
            names = copy.deepcopy(self.names)
            if names.difference(one, ours) is None:
                self.names = names
                missing.remove(one)
                return True
        return False

    def play(self, said, wanted):
        if said is not None:
            self.part.send(self.names.translate(said))
        excused = said is not None and any(part in said for part in ANSWERED_OTHERWISE)
        missing = [] if excused else wanted
        surplus = self.hear(missing)
        for _ in range(3):  # what sm sends to itself by the router takes a round more
            for ours in self._quiet():
                self._look(ours, missing, surplus)
        if not excused:
            self.problems += [f'missing after {said}: {transcript.text_of(one)}' for one in missing]
            self.problems += [f'not recorded after {said}: {transcript.text_of(one)}' for one in surplus]

    def hear(self, missing):
        """Takes what is missing as it comes; returns what came besides."""
        surplus = []
        while missing:
            ours = self.part.route(5)
            if ours is None:
                break
            self._look(ours, missing, surplus)
        return surplus

    def _look(self, ours, missing, surplus):
        if transcript.speaks_ours(ours):
            self.problems.append(f'ours is spoken: {transcript.text_of(ours)}')
        if not is_of_itself(ours) and not self._takes(missing, ours):
            surplus.append(ours)


def is_for_c2s(route):
    """jabberd2's sm asks each name what it is, for lists to browse."""
    return route.tag == transcript.ROUTE and 'disco#info' not in transcript.text_of(route)


def turns(script):
    """
    (what c2s said, or the part that left; what was said to c2s until the next) of the part of a capture that is about routes,
    until the router dies.
    """
    said, wanted, away = None, [], set()
    for _, lines in script.sections:
        for sender, receiver, text in lines:
            if text == '[FIN]' and sender == 'router' and receiver not in away:
                break
            if text.startswith('<?xml'):
                away.discard(sender)
            if receiver == 'router' and sender in ('c2s', 'sm') and text == '[FIN]':
                away.add(sender)
                yield said, wanted
                said, wanted = sender, []
            elif (sender, receiver) == ('c2s', 'router') and text.startswith('<route'):
                yield said, wanted
                said, wanted = text, []
            elif (sender, receiver) == ('router', 'c2s'):
                wanted += [one for one in transcript.elements(text) if is_for_c2s(one)]
    yield said, wanted


def play_recorded(name, differences=None, sessions=()):
    """sessions: (c2s id, sm id, resource) of alice that were there when the recording began."""
    with Home('router', 'sm') as deployment:
        deployment.processes['sm'].wait_for('jackdaw: ready in')
        recorded = Recorded(deployment.router_port)
        begin = f"<route xmlns='{transcript.COMPONENT}' {{}}><s:session xmlns:s='{transcript.SESSION}' {{}}/></route>"
        for user in ('alice', 'bob') if sessions else ():
            what = f"target='{user}@localhost' id='make' s:c2s='0' action="
            recorded.play(begin.format("from='c2s' to='localhost'", what + "'create'"), transcript.elements(
                begin.format("from='localhost' to='c2s'", what + "'created'")))
        for c2s, sm, full in sessions:
            what = f"target='{full}' id='begin{c2s}' s:c2s='{c2s}' "
            recorded.play(begin.format("from='c2s' to='localhost'", what + "action='start'"), transcript.elements(
                begin.format("from='sm' to='c2s'", what + f"s:sm='{sm}' action='started'")))
        played = 0
        for said, wanted in turns(transcript.Script(name, differences or {})):
            if said == 'sm':
                assert deployment.processes['sm'].stop() == 0
                recorded.problems += [f'not recorded: {transcript.text_of(one)}' for one in recorded.hear(wanted)]
                deployment.processes['sm'].start().wait_for('jackdaw: ready in')
            elif said == 'c2s':
                recorded.part.close()
                recorded.come(deployment.router_port)
            recorded.play(None if said in ('sm', 'c2s') else said, wanted)
            played += said is not None
        assert played > 1 and not recorded.problems, '\n'.join(recorded.problems)


def sm_lives_with_the_recorded_c2s():
    play_recorded('session.txt', SESSION_DIFFERENCES)


def sm_lives_with_the_recorded_c2s_to_the_end():
    play_recorded('lifecycle.txt', LIFECYCLE_SM_DIFFERENCES)


def sm_says_that_nobody_is_there():
    title = 'router, sm and c2s without s2s: no default route, so remote addresses bounce in the router'
    why = "RFC 6120 10.4; jabberd2's is the first of a table with code 404 (component-protocol.md 4.4)"
    play_recorded('no-default-route.txt', {title: [(why, '<item-not-found ', '<remote-server-not-found ')]},
                  [('11', 'c3dddaf7056ce5adb5c12d96bf19d16181cda43a', 'alice@localhost/h')])


# -- what a component may not


def nobody_speaks_in_another_s_name_or_takes_a_part_s(parts):
    """A component cannot send as a name that is not its own, nor bind the name of a part; what it tried comes back."""
    payload = "<message xmlns='jabber:client' from='alice@localhost/h' to='bob@localhost' id='forged'><body>x</body></message>"
    with Home(*parts) as deployment:
        deployment.processes[parts[-1]].wait_for('jackdaw: ready in')
        for user in ('alice', 'bob'):
            deployment.add_user(user, 'secret')
        bob = Raw(deployment.port).login('bob', 'secret', 'desk')
        stranger = transcript.Wire(deployment.router_port).login()
        assert stranger.bind('stranger.example') is None
        for name in ('sm', 'c2s', 'SM', 'x@c2s/y'):
            assert stranger.bind(name) == '409', name
        for name in ('sm', 'c2s', 'localhost') if parts == ('run',) else ():
            assert stranger.bind(name, 'multi') == '409', name  # among processes a name may be shared, as at jabberd2's router
        for name in ('sm', 'c2s', 'localhost', 'unknown.example', 'alice@localhost/h'):
            stranger.send(f"<route xmlns='{transcript.COMPONENT}' from='{name}' to='localhost'>{payload}</route>")
            back = stranger.route()
            assert back.get('error') == '401' and back.get('from') == name and back.get('to') == 'localhost', name
        bob.no_message()


def nobody_speaks_for_the_parts_of_one_process():
    nobody_speaks_in_another_s_name_or_takes_a_part_s(('run',))


def nobody_speaks_for_the_parts_of_other_processes():
    nobody_speaks_in_another_s_name_or_takes_a_part_s(('router', 'sm', 'c2s'))


if __name__ == '__main__':
    scenarios(sm_answers_a_c2s_by_hand, sm_lives_with_the_recorded_c2s, sm_lives_with_the_recorded_c2s_to_the_end,
              sm_says_that_nobody_is_there, nobody_speaks_for_the_parts_of_one_process,
              nobody_speaks_for_the_parts_of_other_processes)
