#!/usr/bin/python3
"""
The tables of RFC 6121 on real sockets: appendix A, each state of a subscription with each stanza that may change it, and
section 8.5.4, each type of a stanza with each address and each set of resources.
"""
from collections import Counter

from harness import CLIENT, Deployment, External, Raw, scenarios

ROSTER = 'jabber:iq:roster'
PEER = 'peer.example'
COMPONENT = f'[[component]]\nname = "{PEER}"\nsecret = "of the peer"\n'

# -- appendix A ------------------------------------------------------------------------------------------------------------

NONE, OUT, IN, OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH = STATES = (
    'none', 'none-out', 'none-in', 'none-out-in', 'to', 'to-in', 'from', 'from-out', 'both')

# How a user and a contact come to a state: what each says, > the user, < the contact.
WAYS = {
    NONE: '', OUT: '>subscribe', IN: '<subscribe', OUT_IN: '>subscribe <subscribe',
    TO: '>subscribe <subscribed', TO_IN: '>subscribe <subscribed <subscribe',
    FROM: '<subscribe >subscribed', FROM_OUT: '<subscribe >subscribed >subscribe',
    BOTH: '<subscribe >subscribed >subscribe <subscribed',
}

# For each state, in their order: whether the stanza goes on to the other, "+" or "-", and the state behind it.
A_2 = {  # the user sends
    'subscribe': '+none-out +none-out +none-out-in +none-out-in +to +to-in +from-out +from-out +both',
    'unsubscribe': '+none +none +none-in +none-in +none +none-in +from +from +from',
    'subscribed': '-none -none-out +from +from-out -to +both -from -from-out -both',
    'unsubscribed': '-none -none-out +none +none-out -to +to +none +none-out +to',
}
A_3 = {  # the contact sends
    'subscribe': '+none-in +none-out-in -none-in -none-out-in +to-in -to-in -from -from-out -both',
    'unsubscribe': '-none -none-out +none +none-out -to +to +none +none-out +to',
    'subscribed': '-none +to -none-in +to-in -to -to-in -from +both -both',
    'unsubscribed': '-none +none -none-in +none-in +none +none-in -from +from +from',
}


def _rows(table):
    for kind, text in table.items():
        for before, cell in zip(STATES, text.split(), strict=True):
            yield kind, before, cell[0] == '+', cell[1:]


def _contact(kind, state):
    return f'{kind}.{state}@{PEER}'


class Pair:
    """A user, and all contacts of all rows, who are of one component."""

    def __init__(self, deployment):
        self.user = Raw(deployment.port).login('romeo', 'secret', 'balcony', presence=False)
        self.user.send(f"<iq type='get' id='r'><query xmlns='{ROSTER}'/></iq><presence/>")
        self.user.expect('iq', id='r')
        self.user.expect('presence')
        self.peer = External(deployment.router_port)
        self.peer.enter(PEER, 'of the peer')
        self.barriers = 0

    def say(self, way, kind, contact):
        if way == '>':
            self.user.send(f"<presence type='{kind}' to='{contact}'/>")
        else:
            self.peer.send(f"<presence type='{kind}' from='{contact}' to='romeo@localhost'/>")

    def heard(self, way):
        """What came out at the other end of all that was said so: a request that is told apart comes behind it."""
        self.barriers += 1
        name, found = f'barrier{self.barriers}@{PEER}', Counter()
        self.say(way, 'subscribe', name)
        client, who = (self.peer, 'to') if way == '>' else (self.user, 'from')
        while (got := client.expect('presence')).get(who) != name:
            found[got.get('type'), got.get(who)] += 1
        return found

    def bring(self, steps):
        """Every contact goes its way, all together: first what the one says, then what the other does."""
        ways = {contact: WAYS[state].split() for contact, state in steps.items()}
        while any(ways.values()):
            for way in '><':
                for contact, left in ways.items():
                    if left and left[0][0] == way:
                        self.say(way, left.pop(0)[1:], contact)
                self.heard(way)

    def states(self):
        """Of each contact: its item, and whether its request comes again to who comes (section 3.1.3)."""
        self.user.send('<presence type="unavailable"/>')
        self.user.send(f"<presence/><iq type='get' id='s'><query xmlns='{ROSTER}'/></iq>")
        asked = set()
        while (got := self.user.receive()).get('id') != 's':
            if got.get('type') == 'subscribe':
                asked.add(got.get('from'))
        found = {contact: '-in' for contact in asked}
        for item in got[0]:
            found[item.get('jid')] = ('-out' if item.get('ask') else '') + found.get(item.get('jid'), '')
            found[item.get('jid')] = item.get('subscription') + found[item.get('jid')]
        return {contact: state if state[0] != '-' else 'none' + state for contact, state in found.items()}


def _follows(table, way):
    extra = COMPONENT
    with Deployment(extra=extra).start() as deployment:
        deployment.import_keys(['romeo'])
        pair, wrong = Pair(deployment), []
        pair.bring({_contact(kind, before): before for kind, before, *_ in _rows(table)})
        reached = pair.states()
        for kind, before, *_ in _rows(table):
            assert reached.get(_contact(kind, before), NONE) == before, (before, reached.get(_contact(kind, before)))
        pair.heard(way)
        for kind, before, *_ in _rows(table):
            pair.say(way, kind, _contact(kind, before))
        heard, after = pair.heard(way), pair.states()
        for kind, before, goes_on, wanted in _rows(table):
            contact = _contact(kind, before)
            if (heard[kind, contact] == 1) != goes_on or heard[kind, contact] > 1:
                wrong.append(f'{kind} in {before}: went on {heard[kind, contact]} times')
            if after.get(contact, NONE) != wanted:
                wrong.append(f'{kind} in {before}: now {after.get(contact, NONE)}, not {wanted}')
        assert not wrong, '\n'.join(wrong)
        return pair, heard


def what_a_user_sends_follows_appendix_a_2():
    _follows(A_2, '>')


def what_a_contact_sends_follows_appendix_a_3():
    _follows(A_3, '<')


def who_asks_again_and_is_subscribed_is_told_so():
    """Section 3.1.3: in the name of the user, who is not bothered."""
    with Deployment(extra=COMPONENT).start() as deployment:
        deployment.import_keys(['romeo'])
        pair = Pair(deployment)
        pair.bring({f'{state}@{PEER}': state for state in (FROM, FROM_OUT, BOTH)})
        for state in (FROM, FROM_OUT, BOTH):
            pair.say('<', 'subscribe', f'{state}@{PEER}')
        assert not [kind for kind, _ in pair.heard('<') if kind == 'subscribe']
        told = pair.heard('>')
        assert all(told['subscribed', f'{state}@{PEER}'] == 1 for state in (FROM, FROM_OUT, BOTH)), told


# -- section 8.5 -----------------------------------------------------------------------------------------------------------

# Priorities of an account's resources; None: it is connected and not available.
ACCOUNTS = {
    'nobody': None,  # there is no such account
    'absent': {},
    'silent': {'mute': None},
    'negative': {'low': -1},
    'one': {'only': 0},
    'many': {'high': 5, 'other': 5, 'middle': 1, 'low': -1, 'mute': None},
}

# Table 1. D: to that resource; M: to those of the highest priority; A: to all that are not negative; O: stored; E: an error to
# the sender; S: nobody hears it, but perhaps the sender of an error. Columns: normal, chat, groupchat, headline, error.
TYPES = ('normal', 'chat', 'groupchat', 'headline', 'error')
MESSAGES = {
    'nobody': {'bare': 'S S E S S', 'other': 'S S S S S'},
    'absent': {'bare': 'O O E S S', 'other': 'S O S S S'},
    'silent': {'bare': 'O O E S S', 'named': 'D D D D D', 'other': 'S O S S S'},
    'negative': {'bare': 'O O E S S', 'named': 'D D D D D', 'other': 'S O S S S'},
    'one': {'bare': 'M M E A S', 'named': 'D D D D D', 'other': 'S M S S S'},
    'many': {'bare': 'M M E A S', 'named': 'D D D D D', 'other': 'S M S S S'},
}


class Crowd:
    """All accounts with all their resources, and somebody who writes to them."""

    def __init__(self, deployment):
        deployment.import_keys(['romeo', *(name for name, resources in ACCOUNTS.items() if resources is not None)])
        self.port = deployment.port
        self.clients = {}
        for name, resources in ACCOUNTS.items():
            for resource, priority in (resources or {}).items():
                client = Raw(deployment.port).login(name, 'secret', resource, presence=False)
                if priority is not None:
                    client.send(f'<presence><priority>{priority}</priority></presence>')
                client.send("<iq type='get' id='there'><ping xmlns='urn:xmpp:ping'/></iq>")
                client.expect('iq', id='there')
                self.clients[name, resource] = client
        self.sender = Raw(deployment.port).login('romeo', 'secret', 'balcony')
        self.sender.expect('presence')

    def hear(self):
        """What each client heard of the stanzas whose ids are a case's, and what the sender did: errors."""
        for name, resource in self.clients:
            self.sender.send(f"<message to='{name}@localhost/{resource}' id='end'/>")
        heard = {at: Counter(got.get('id') for got in self._take(client)) for at, client in self.clients.items()}
        return heard, self._errors()

    def _errors(self):
        """What is refused in the name of an account, before a question that is refused at last."""
        left, errors = {f'last:{name}' for name in ACCOUNTS}, Counter()
        for name in ACCOUNTS:
            self.sender.send(f"<iq type='get' to='{name}@localhost' id='last:{name}'><last xmlns='urn:example:last'/></iq>")
        while left:
            got = self.sender.receive()
            left.discard(got.get('id'))
            errors[got.get('id')] += got.get('type') == 'error'
        return errors

    @staticmethod
    def _take(client):
        taken = []
        while (got := client.receive()).get('id') != 'end':
            taken.append(got)
        return taken


def _targets(name, row):
    if row == 'named':
        return [f'/{resource}' for resource in ACCOUNTS[name]]
    return [''] if row == 'bare' else ['/elsewhere']


def _recipients(name, letter, target):
    """The resources that a message is for."""
    taking = {resource: at for resource, at in (ACCOUNTS[name] or {}).items() if at is not None and at >= 0}
    if letter == 'D':
        return {target[1:]}
    if letter == 'A':
        return set(taking)
    return {resource for resource, at in taking.items() if at == max(taking.values())} if letter == 'M' else set()


def _cases():
    for name, rows in MESSAGES.items():
        for row, letters in rows.items():
            for target in _targets(name, row):
                for kind, letter in zip(TYPES, letters.split(), strict=True):
                    yield f'{name}{target}:{kind}:{row}', name, target, kind, letter


def _stored(crowd, name):
    """What is given to the first resource that takes messages."""
    client = crowd.clients.get((name, 'mute')) or crowd.clients.get((name, 'low')) or Raw(crowd.port).login(
        name, 'secret', 'late', presence=False)
    client.send('<presence/>')
    client.send(f"<message to='{client.jid}' id='end'/>")
    return {got.get('id') for got in Crowd._take(client) if got.tag == f'{{{CLIENT}}}message'}


def messages_follow_table_1():
    with Deployment().start() as deployment:
        crowd, wrong = Crowd(deployment), []
        for case, name, target, kind, _ in _cases():
            crowd.sender.send(f"<message to='{name}@localhost{target}' type='{kind}' id='{case}'><body>{case}</body></message>")
        heard, errors = crowd.hear()
        stored = {name: _stored(crowd, name) for name in ('absent', 'silent', 'negative')}
        for case, name, target, kind, letter in _cases():
            got = {resource for (who, resource), ids in heard.items() if ids[case] and who == name}
            if got != _recipients(name, letter, target):
                wrong.append(f'{case}: {letter}, and {sorted(got)} got it')
            if errors[case] != 1 if letter == 'E' else errors[case] and (letter != 'S' or kind == 'error'):
                wrong.append(f'{case}: {letter}, and the sender heard of {errors[case]} errors')
            if (case in stored.get(name, ())) != (letter == 'O'):
                wrong.append(f'{case}: {letter}, and was stored: {case in stored.get(name, ())}')
            if any(count > 1 for ids in heard.values() for at, count in ids.items() if at == case):
                wrong.append(f'{case}: came twice')
        assert not wrong, '\n'.join(wrong)


# The rest of 8.5: A: to all available resources, D: to that one, E: an error, -: nobody hears anything.
OTHERS = [
    # kind, type, account, target, what
    *(('presence', kind, 'many', '', 'A') for kind in ('', 'unavailable')),
    *(('presence', kind, 'many', '/middle', 'D') for kind in ('', 'unavailable')),
    *(('presence', kind, name, '/elsewhere', '-') for kind in ('', 'unavailable') for name in ('many', 'absent', 'nobody')),
    *(('presence', kind, name, '', '-') for kind in ('', 'unavailable') for name in ('absent', 'nobody', 'silent')),
    *(('presence', 'error', name, '', '-') for name in ('many', 'absent', 'nobody')),
    *(('iq', kind, name, '', 'E') for kind in ('get', 'set') for name in ('many', 'absent', 'nobody')),
    *(('iq', kind, name, '/elsewhere', 'E') for kind in ('get', 'set') for name in ('many', 'absent', 'nobody')),
    *(('iq', kind, 'many', f'/{at}', 'D') for kind in ('get', 'set', 'result', 'error') for at in ('high', 'low', 'mute')),
    *(('iq', kind, name, target, '-') for kind in ('result', 'error') for name in ('many', 'absent', 'nobody')
      for target in ('', '/elsewhere')),
]


def presence_and_requests_follow_section_8_5():
    with Deployment().start() as deployment:
        crowd, wrong = Crowd(deployment), []
        for number, (stanza, kind, name, target, _) in enumerate(OTHERS):
            typed = f" type='{kind}'" if kind else ''
            inside = "<question xmlns='urn:example:question'/>" if stanza == 'iq' and kind in ('get', 'set') else ''
            crowd.sender.send(f"<{stanza} to='{name}@localhost{target}'{typed} id='{number}'>{inside}</{stanza}>")
        heard, errors = crowd.hear()
        available = {resource for resource, at in ACCOUNTS['many'].items() if at is not None}
        for number, (stanza, kind, name, target, letter) in enumerate(OTHERS):
            case = f'{stanza} {kind} to {name}{target}'
            got = {(who, resource) for (who, resource), ids in heard.items() if ids[str(number)]}
            wanted = {'A': {(name, at) for at in available}, 'D': {(name, target[1:])}}.get(letter, set())
            if got != wanted:
                wrong.append(f'{case}: {letter}, and {sorted(got)} got it')
            if errors[str(number)] != (letter == 'E'):
                wrong.append(f'{case}: {letter}, and the sender heard of {errors[str(number)]} errors')
        assert not wrong, '\n'.join(wrong)


if __name__ == '__main__':
    scenarios(what_a_user_sends_follows_appendix_a_2, what_a_contact_sends_follows_appendix_a_3,
              who_asks_again_and_is_subscribed_is_told_so, messages_follow_table_1, presence_and_requests_follow_section_8_5)
