#!/usr/bin/python3
"""What jabberd2's sm and c2s answered to hand-made peers, asked of ours: the same, but for the bugs that are listed here."""
import base64
import copy
import re
import time

import transcript
from harness import Deployment, Raw, scenarios

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
ERROR = ("<iq xmlns='jabber:client' id='b1' type='error'><error type='wait' code='500'><internal-server-error "
         "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
         '<jid>u1@localhost/r</jid></bind></iq>')
END = ("<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' to='sm' from='c2s'><s:session "
       "xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' s:c2s='11' s:sm='S0' action='end'/></route>")
C2S_DIFFERENCES = {
    'failed start without sm attribute': [('6.1: jabberd2 lets the client wait for ever', '', ERROR)],
    'started with a wrong request id': [('6.4: sm is to forget the session that nobody has', '(nothing)', END)],
    'started, then a stanza with un-namespaced failed': [
        ('6.3: jabberd2 hands it to the client',
         "<message xmlns='jabber:client' to='x@localhost' failed='1'><body>bounced</body></message>", '</stream:stream>')],
    'started for an unknown connection': [
        ('1: of several sm of a domain the one that said it is meant', "to='localhost' from='c2s'", "to='sm' from='c2s'")],
    'stanza with namespaced failed (closes the router stream in 2.7.0)': [
        ('6.3: only this client is closed', '', '</stream:stream>')],
}


class Home:
    """Our router and the parts that are not played by hand."""

    def __init__(self, *parts):
        self.deployment = Deployment(workers=1, registration='open')
        self.parts = parts

    def __enter__(self):
        self.deployment.__enter__()
        try:
            self.deployment.start(*self.parts, ready=False)
            self.deployment.processes[self.parts[0]].wait_for('jackdaw: ready in')
        except BaseException as error:
            self.deployment.__exit__(type(error), error, None)
            raise
        return self.deployment

    def __exit__(self, *reason):
        self.deployment.__exit__(*reason)


def expect(problems, title, names, recorded, ours):
    found = names.difference(recorded, ours)
    if found:
        problems.append(f'{title}: {found}')


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
                else:
                    assert not text
                    people[receiver].no_message()
        assert not problems, '\n'.join(problems)


# -- an sm by hand before our c2s


class Manager(transcript.Wire):
    """Says of each hello of ours what jabberd2's sm says."""

    def route(self, seconds=15):
        route = super().route(seconds)
        if route is None or not transcript.is_hello(route):
            return route
        self.send(f"<route xmlns='{transcript.COMPONENT}' to='c2s' from='localhost'><s:session "
                  f"xmlns:s='{transcript.SESSION}' s:c2s='{route[0].get(transcript.IDS[0])}' action='jackdaw-hello' "
                  f"target='localhost' s:failed='1'/></route>")
        return self.route(seconds)

    def quiet(self, number):
        """What our c2s had to say, up to its answer to one more packet."""
        self.send(f"<route xmlns='{transcript.COMPONENT}' to='c2s' from='localhost'><s:session "
                  f"xmlns:s='{transcript.SESSION}' s:c2s='quiet' s:sm='quiet{number}' action='started' "
                  f"target='quiet@localhost/x'/></route>")
        came = []
        while True:
            route = self.route()
            assert route is not None
            if route[0].get(transcript.IDS[1]) == f'quiet{number}':
                return came
            came.append(route)


class Players:
    def __init__(self, deployment):
        self.deployment, self.problems, self.number = deployment, [], 0
        self.names, self.people, self.title = transcript.Names(learns=True), {}, ''
        self.early = []  # routes that came while a client was listened to
        self.passwords = {}
        self.come()

    def come(self):
        self.manager = Manager(self.deployment.router_port).login()
        for name, inside in (('sm', ''), ('localhost', 'multi')):
            assert self.manager.bind(name, inside) is None

    def await_ready(self):
        while 'jackdaw: ready in' not in self.deployment.processes['c2s'].text():
            self.manager.route(0.2)

    def problem(self, text):
        self.problems.append(f'{self.title}: {text}')

    def register(self, user):
        client = self.people[user] = Raw(self.deployment.port).open()
        client.features()
        client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{user}</username>"
                    f'<password>pw</password></query></iq>')

    def log_in(self, user):
        if user in self.people:
            self.people[user].socket.close()
        client = self.people[user] = Raw(self.deployment.port).open()
        client.features()
        token = base64.b64encode(f'\0{user}\0{self.passwords.get(user, "pw")}'.encode()).decode()
        client.send(f"<auth xmlns='{transcript.SASL}' mechanism='PLAIN'>{token}</auth>")
        assert client.receive().tag.endswith('}success')
        client.open().features()

    def route_came(self, text):
        wanted = [one for one in transcript.elements(text) if not one.tag.endswith('}presence')]
        for one in wanted:
            if one.tag != transcript.ROUTE:
                self.manager.expect(one.tag, **one.attrib)
                continue
            ours = self.early.pop(0) if self.early else self.manager.route(10)
            expect(self.problems, self.title, self.names, one, ours)
            if ours is not None and transcript.speaks_ours(ours):
                self.problem(f'ours is spoken: {transcript.text_of(ours)}')
        if '(nothing)' in text:
            self.nothing_more()

    def hear(self):
        self.number += 1
        self.early += self.manager.quiet(self.number)

    def nothing_more(self):
        self.hear()
        for more in self.early:
            self.problem(f'not recorded: {transcript.text_of(more)}')
        self.early = []

    def client_got(self, user, text):
        client, wanted = self.people[user], transcript.elements(text)
        for one in wanted:
            expect(self.problems, self.title, self.names, one, client.receive(10))
        if wanted:
            return
        self.hear()
        try:
            self.problem(transcript.text_of(client.receive(0.2)))
        except TimeoutError:
            pass

    def line(self, sender, receiver, text):
        if sender == 'fakesm':
            self.manager.send(self.names.translate(text))
        elif receiver == 'fakesm':
            self.route_came(text)
        elif receiver == 'c2s':
            if '<bind ' in text:
                self.log_in(sender)
            self.people[sender].send(text)
        else:
            self.client_got(receiver, text)


def c2s_answers_an_sm_by_hand():
    script = transcript.Script('c2s-errors.txt', C2S_DIFFERENCES)
    with Home('router', 'c2s') as deployment:
        players = Players(deployment)
        players.await_ready()
        for players.title, lines in script.sections:
            for sender, receiver, text in lines:
                if "action='create'" in text and receiver == 'fakesm':
                    players.register(re.search("target='([^@]*)", text).group(1))
                players.line(sender, receiver, text)
            players.nothing_more()
            for client in players.people.values() if not players.title else ():
                assert client.expect('iq', id='r').get('type') == 'result'
            if 'un-namespaced' in players.title:  # ours ended it: again, for those that follow
                for line in lines[:4]:
                    players.line(*line)
        assert not players.problems, '\n'.join(players.problems)


# -- jabberd2's sm as it was recorded, before our c2s


class RecordedManager(Players):
    """To each thing that our c2s says, compared, it answers what sm answered there."""

    def __init__(self, deployment, script):
        super().__init__(deployment)
        self.heard = {}  # of each client, the last element
        self.script = [line for _, lines in script.sections for line in lines
                       if set(line[:2]) == {'c2s', 'router'} and line[2].startswith('<route')]

    def pump(self, seconds):
        ours = self.manager.route(seconds)
        if ours is None:
            return
        if not self.script:
            self.problem(f'not recorded: {transcript.text_of(ours)}')
            return
        expect(self.problems, self.title, self.names, transcript.elements(self.script.pop(0)[2])[0], ours)
        while self.script and self.script[0][0] == 'router':
            self.answer(self.script.pop(0)[2])

    def answer(self, text):
        self.manager.send(self.names.translate(text))

    def client_got(self, user, text):
        client, wanted = self.people[user], transcript.elements(text)
        end = time.time() + (10 if wanted else 0.5)
        while time.time() < end and (wanted or text == ''):
            self.pump(0.05)
            try:
                ours = client.receive(0.05)
            except TimeoutError:
                continue
            self.heard[user] = ours.tag.split('}')[1] if ours is not None else None
            expect(self.problems, self.title, self.names, wanted.pop(0) if wanted else None, ours)
        for one in wanted:
            self.problem(f'{user} did not get {transcript.text_of(one)}')

    def line(self, sender, receiver, text):
        if receiver == 'c2s' and text.startswith('<?xml'):
            if self.heard.get(sender) != 'success':  # no restart: a new connection
                self.people[sender] = Raw(self.deployment.port)
            self.people[sender].open().features()
            self.heard[sender] = None
        elif receiver == 'c2s':
            self.people[sender].send(text)
        elif sender == 'c2s' and not text.startswith('<?xml'):
            self.client_got(receiver, text)

    def play(self, lines):
        for line in lines:
            if 'router' not in line[:2]:
                self.line(*line)

    def finish(self):
        """All that c2s was recorded to say was said, and nothing else."""
        end = time.time() + 10
        while self.script and time.time() < end:
            self.pump(0.2)
        self.nothing_more()
        self.problems += [f'never said: {text}' for sender, _, text in self.script if sender == 'c2s']
        assert not self.problems, '\n'.join(self.problems)


def c2s_lives_with_the_recorded_sm():
    """What each client hears, and what our c2s tells sm meanwhile."""
    script = transcript.Script('session.txt', {'register': [
        ('words for people', 'Enter a username and password to register with this server.',
         'Choose a username and a password for this server.')]})
    with Home('router', 'c2s') as deployment:
        players = RecordedManager(deployment, script)
        players.await_ready()
        for players.title, lines in script.sections:
            players.play(lines)
        players.people['bob'].close()
        players.finish()


ERROR_FROM_C2S = ("<{0} xmlns='jabber:client' {1} type='error'><error type='{2}' code='{3}'><{4} "
                  "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>{5}</{0}>")
HOME, MOBILE = 'bcc920b3dba933f0349ba6b8d130a7b4735e02d6', 'c887f03b08505c4f6673129c30453f1e825b6949'
ONE = 'RFC 6120 7: a stream has one resource'
LIFE_DIFFERENCES = {
    'second resource on the same stream': [
        (ONE, "<iq xmlns='jabber:client' id='b1' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
         '<jid>alice@localhost/mobile</jid></bind></iq>', ERROR_FROM_C2S.format(
             'iq', "id='b1'", 'cancel', 405, 'not-allowed',
             "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>mobile</resource></bind>")),
        ('so a stanza need not say of which it is', "id='nf'", None)],
    'unbind': [(ONE, "<iq xmlns='jabber:client' id='u1' type='result'></iq>", ERROR_FROM_C2S.format(
        'iq', "id='u1'", 'cancel', 404, 'item-not-found',
        "<unbind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>mobile</resource></unbind>"))],
    'invalid stanza in session': [
        ('RFC 6120 4.9.3.24: the stream ends with unsupported-stanza-type, and so would the script', '<foo/>', None),
        ('RFC 6120 8.2.3: an error, where jabberd2 is silent', ("<iq type='bogus' id='q'/>", ''),
         ERROR_FROM_C2S.format('iq', "id='q'", 'modify', 400, 'bad-request', '')),
        ('RFC 6120 8.3.3.8: jabberd2 takes an address that it cannot read for none, and the client hears itself',
         "<message xmlns='jabber:client' from='alice@localhost/home' to='alice@localhost/home'><body>x</body></message>",
         ERROR_FROM_C2S.format('message', '', 'modify', 400, 'jid-malformed', '<body>x</body>'))],
    'legacy auth carol': [
        ('README: there is no jabber:iq:auth', "<iq type='set' id='a1'><query xmlns='jabber:iq:auth'><username>carol</username>"
         '<password>pw</password><resource>old</resource></query></iq>',
         "<iq type='set' id='a1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>old</resource></bind></iq>"),
        ('as RFC 6120 7.6 has it', "<iq xmlns='jabber:client' id='a1' type='result'></iq>",
         "<iq xmlns='jabber:client' id='a1' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
         '<jid>carol@localhost/old</jid></bind></iq>')],
    'router port, both directions, starting after the binds': [
        (ONE, f"sc:sm='{MOBILE}' sc:c2s='11' id='wf'", f"sc:sm='{HOME}' sc:c2s='11' id='wf'"),
        (ONE, "target='alice@localhost/mobile'", None), (ONE, MOBILE, None),
        ('above', "type='bogus'", None), ('above', "to='@@@'", None), ('above', '<body>x</body>', None)],
}


class Lifetime(RecordedManager):
    """As RecordedManager: from the first account until c2s was killed and came back. The sm goes and comes as recorded."""

    SM_WENT = "<presence xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' type='unavailable' from='sm'></presence>"

    def __init__(self, deployment, script):
        super().__init__(deployment, script)
        recorded = [line for _, lines in script.sections for line in lines if set(line[:2]) == {'c2s', 'router'}]
        self.script = [line for line in recorded if line[2].startswith('<route') or line[2] == self.SM_WENT]
        self.inside = set()  # who has a session

    def answer(self, text):
        if text == self.SM_WENT:
            self.manager.close()
        elif not self.manager.closed:
            super().answer(text)

    def pump(self, seconds):
        if self.manager.closed:
            time.sleep(seconds)
        else:
            super().pump(seconds)

    def client_got(self, user, text):
        super().client_got(user, text)
        if '</stream:stream>' in text or '[EOF]' in text:
            self.inside.discard(user)

    def enter(self, user, resource):
        self.log_in(user)
        self.inside.add(user)
        self.people[user].send(f"<iq type='set' id='in'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}"
                               '</resource></bind></iq>')
        self.client_got(user, "<iq xmlns='jabber:client' id='in' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                              f'<jid>{user}@localhost/{resource}</jid></bind></iq>')

    def line(self, sender, receiver, text):
        if text == '<presence/>' and 'alice' not in self.inside:
            if self.manager.closed:
                self.come()
                self.hear()  # what it is asked first
            self.enter('alice', 'home')
            self.enter('bob', 'desk')
        if receiver == 'c2s' and '<bind ' in text and sender not in self.inside:
            self.log_in(sender)
            self.inside.add(sender)
        if text.startswith('<?xml') and receiver == 'c2s':
            self.people[sender] = Raw(self.deployment.port).open()
        elif '<stream:features' in text:  # each server offers its own
            self.people[receiver].features()
        elif text.startswith('<?xml'):
            self.client_got(receiver, text.split('>', 2)[2])
        else:
            super().line(sender, receiver, text)


def c2s_lives_with_the_recorded_sm_to_the_end():
    script = transcript.Script('lifecycle.txt', LIFE_DIFFERENCES)
    with Home('router', 'c2s') as deployment:
        players = Lifetime(deployment, script)
        players.await_ready()
        for user in ('alice', 'bob', 'carol'):
            players.register(user)
            players.client_got(user, "<iq xmlns='jabber:client' id='r' type='result'></iq>")
        for players.title, lines in script.sections:
            if players.title == 'c2s killed':
                deployment.processes['c2s'].kill()
                deployment.processes['c2s'].start()
                players.await_ready()
            players.play(lines)
            players.passwords['alice'] = 'pw3' if players.title == 'password change' else players.passwords.get('alice', 'pw')
        players.finish()


# -- jabberd2's c2s as it was recorded, before our sm

# A part of what c2s said: why ours answers otherwise.
ANSWERED_OTHERWISE = {
    "to='@@@'": 'RFC 6120 8.3.3.8: jabberd2 takes an address that it cannot read for none, and the client hears itself',
    "type='bogus'": 'RFC 6120 8.2.3: an error, where jabberd2 is silent',
}


def essence(route):
    """
    Actions and messages as they are. Presence and iqs say what RFC 6121 lets each server say in its own way: who says that he
    is there, to whom; which question is answered. None: a resource hears itself (4.2.2), from jabberd2 it does not.
    """
    route = copy.deepcopy(route)
    stanza = route[0]
    kind = stanza.tag.split('}')[1]
    if kind == 'presence':
        stanza.set('to', stanza.get('to').split('/')[0])
        for delay in stanza.findall('{urn:xmpp:delay}delay'):
            stanza.remove(delay)
        if stanza.get('from').split('/')[0] == stanza.get('to'):
            return None
    elif kind == 'iq':
        route.set('from', 'localhost')
        for address in ('from', 'to'):
            stanza.attrib.pop(address, None)
        for child in list(stanza):
            stanza.remove(child)
    return route


class Recorded:
    """Says what c2s said; what our sm says to it until the next is compared, in any order."""

    def __init__(self, router_port):
        self.part = transcript.Wire(router_port).login()
        assert self.part.bind('c2s') is None
        self.names, self.problems, self.number = transcript.Names(), [], 0

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
        missing = [] if excused else [one for one in map(essence, wanted) if one is not None]
        surplus = []
        while missing:
            ours = self.part.route(5)
            if ours is None:
                break
            self._look(ours, missing, surplus)
        for _ in range(3):  # what sm sends to itself by the router takes a round more
            for ours in self._quiet():
                self._look(ours, missing, surplus)
        if not excused:
            self.problems += [f'missing after {said}: {transcript.text_of(one)}' for one in missing]
            self.problems += [f'not recorded after {said}: {transcript.text_of(one)}' for one in surplus]

    def _look(self, ours, missing, surplus):
        if transcript.speaks_ours(ours):
            self.problems.append(f'ours is spoken: {transcript.text_of(ours)}')
        ours = essence(ours)
        if ours is not None and not self._takes(missing, ours):
            surplus.append(ours)


def is_for_c2s(route):
    """jabberd2's sm asks each name what it is, for lists to browse."""
    return route.tag == transcript.ROUTE and 'disco#info' not in transcript.text_of(route)


def turns(script):
    """(what c2s said, what was said to it until its next) of the part of a capture that is about routes."""
    said, wanted = None, []
    for _, lines in script.sections:
        for sender, receiver, text in lines:
            if '[FIN]' in text and receiver in ('router', 'sm'):
                yield said, wanted
                return
            if (sender, receiver) == ('c2s', 'router') and text.startswith('<route'):
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
            recorded.play(said, wanted)
            played += said is not None
        assert played > 1 and not recorded.problems, '\n'.join(recorded.problems)


def sm_lives_with_the_recorded_c2s():
    subscribed = ("<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' to='c2s' from='localhost'><presence "
                  "xmlns='jabber:client' xmlns:sm='http://jabberd.jabberstudio.org/ns/session/1.0' to='alice@localhost/home' "
                  "type='subscribed' from='bob@localhost' sm:c2s='11' sm:sm='d826040e8d0542d8d021439e292362378de5a9e8'>"
                  '</presence></route>')
    why = 'RFC 6121 3.1.6: to resources that asked for the roster, and this one did not'
    play_recorded('session.txt', {'router port, both directions': [(why, subscribed, '(nothing)')]})


def sm_lives_with_the_recorded_c2s_to_the_end():
    play_recorded('lifecycle.txt')


def sm_says_that_nobody_is_there():
    title = 'router, sm and c2s without s2s: no default route, so remote addresses bounce in the router'
    why = 'component-protocol.md 4.4: the first of jabberd2\'s table with code 404'
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
    scenarios(sm_answers_a_c2s_by_hand, c2s_answers_an_sm_by_hand, c2s_lives_with_the_recorded_sm,
              c2s_lives_with_the_recorded_sm_to_the_end, sm_lives_with_the_recorded_c2s,
              sm_lives_with_the_recorded_c2s_to_the_end, sm_says_that_nobody_is_there,
              nobody_speaks_for_the_parts_of_one_process, nobody_speaks_for_the_parts_of_other_processes)
