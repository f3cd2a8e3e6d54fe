#!/usr/bin/python3
"""What jabberd2's c2s answered to a hand-made sm and to its own, asked of ours: the same, but for what is listed here."""
import base64
import re
import time

import transcript
from harness import Raw, scenarios
from transcript import Home, expect

# title: (why, as jabberd2 said it, as ours has to), by section of session-protocol.md
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
LIFECYCLE_C2S_DIFFERENCES = {
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
    """
    As RecordedManager: from the first account until c2s was killed and came back. The sm goes and comes as recorded. What
    follows is no element: the router was killed, and connections to it are refused.
    """

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
    script = transcript.Script('lifecycle.txt', LIFECYCLE_C2S_DIFFERENCES)
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


if __name__ == '__main__':
    scenarios(c2s_answers_an_sm_by_hand, c2s_lives_with_the_recorded_sm, c2s_lives_with_the_recorded_sm_to_the_end)
