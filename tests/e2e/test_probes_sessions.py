#!/usr/bin/python3
"""What jabberd2's sm and c2s answered to hand-made peers, asked of ours: the same, but for the bugs that are listed here."""
import time

import transcript
from harness import Deployment, Raw, scenarios
from mix import Person

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
    'packet ok, self': [('RFC 6120 8.1.1: to whom it is', " type='result' ", " type='result' to='alice@localhost/r1' ")],
    'packet ok without c2s attr': [('RFC 6120 8.1.1', " type='result' ", " type='result' to='alice@localhost/r1' ")],
    'presence then session replaced by another start of the same jid': [
        ('RFC 6121 4.2.2: the resource itself hears it too', '(nothing)',
         """<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' from='localhost' to='fc'><presence """
         """xmlns='jabber:client' xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' s:c2s='A1' """
         """s:sm='cb3d180d334396cbd229310e66a2b05d07a1c6d9' from='alice@localhost/r1' to='alice@localhost/r1'/></route>""")],
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
            self.deployment.processes['router'].wait_for('jackdaw: ready in')
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
        part = transcript.Part(deployment.router_port, ('fc', False))
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
                    if not wanted and '<unbind' not in text:
                        number += 1
                        problems += [f'{title}: {transcript.text_of(more)}' for more in _silent(part, number)]
                elif receiver == 'c2s':
                    people[sender].send(text)
        assert not problems, '\n'.join(problems)


if __name__ == '__main__':
    scenarios(sm_answers_a_c2s_by_hand)
