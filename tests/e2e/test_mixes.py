#!/usr/bin/python3
"""Our parts among jabberd2's: each of ours alone, and all but the router; cold, and while a side goes and comes back."""
import time
import xml.etree.ElementTree as ElementTree

from harness import Raw, scenarios
from mix import (PASSWORD, Mix, Person, ask_for_account, befriend, come_back, leave, outlives, refused, register, talk)

DELAY = '{urn:xmpp:delay}delay'


# -- what one and the same mix has to do


def contacts(mix):
    register(mix, 'alice', 'bob')
    alice, bob = Person(mix, 'alice', 'home', 'SCRAM-SHA-1'), Person(mix, 'bob', 'desk')
    assert (alice.offered.find('{urn:xmpp:caps}c') is not None) == ({'c2s', 'sm'} <= set(mix.ours)), 'who has it says so'
    befriend(alice, bob)
    talk(alice, bob)
    roster = alice.ask("<query xmlns='jabber:iq:roster'/>", type='get')
    assert [item.get('jid') for item in roster[0]] == ['bob@localhost'] and roster[0][0].get('subscription') == 'both'
    return alice, bob


def two_resources(mix, alice, bob):
    """Of one account on two streams: each sees the other, the contact both; the higher priority gets the messages."""
    phone = Person(mix, 'alice', 'phone', priority=5)
    for person in (alice, bob):
        person.want('presence', type=None, **{'from': phone.jid})
    phone.want('presence', type=None, **{'from': alice.jid})
    bob.message('alice@localhost', 'to the phone')
    phone.want('message', text='to the phone')
    leave(phone, alice)
    bob.want('presence', type='unavailable', **{'from': phone.jid})


def conflict(mix, alice, bob):
    newcomer = Person(mix, 'alice', alice.jid.split('/')[1])
    assert alice.ends() == 'conflict'
    bob.want('presence', type='unavailable', **{'from': newcomer.jid})
    bob.want('presence', type=None, **{'from': newcomer.jid})
    talk(newcomer, bob)
    return newcomer


def offline(mix, alice, bob):
    """What comes while bob is away waits for him, with the time at which it was sent; his contact saw him go."""
    leave(bob, alice)
    for number in range(3):
        alice.message('bob@localhost', f'later {number}')
    alice.ping()
    if 'sm' in mix.ours:
        mix.deployment.wait_stored(3)
    bob = Person(mix, 'bob', 'desk')
    for number in range(3):
        message = bob.want('message', text=f'later {number}')
        assert message.get('from') == alice.jid and message.find(DELAY) is not None, ElementTree.tostring(message)
    alice.want('presence', type=None, **{'from': bob.jid})
    return bob


def unknown(mix, alice):
    """Nobody of that name, and a domain that nobody serves: an error, not silence."""
    for to in ('nobody@localhost', 'someone@elsewhere.invalid'):
        alice.message(to, 'are you there', id=to)
        assert alice.want('message', id=to, type='error') is not None


def removal(mix, alice, bob):
    """The account goes, its sessions end; of jabberd2 its name can be had again, has nothing of before, ours is locked."""
    bob.send("<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>")
    assert bob.want('iq', id='gone').get('type') == 'result'
    bob.ends()
    alice.want('presence', type='unavailable', **{'from': bob.jid})
    assert refused(mix, 'bob', PASSWORD), 'a removed account still logs in'
    if mix.ours != ('router',):
        client = Person(mix, 'bob', bind=False)
        assert ask_for_account(client, 'bob').get('type') == 'error', 'the name of a removed account is free'
        client.close()
        return
    register(mix, 'bob')
    bob = Person(mix, 'bob', 'new')
    assert len(bob.ask("<query xmlns='jabber:iq:roster'/>", type='get')[0]) == 0
    bob.close()


def logins(mix, bob):
    for mechanism in mix.mechanisms():
        leave(Person(mix, 'alice', mechanism=mechanism), bob)
    assert refused(mix, 'alice', 'wrong') and refused(mix, 'nobody', PASSWORD)


def unbinding(mix, bob):
    """The only resource of a stream is given up: the contact sees it go, the stream ends without an error."""
    alice = Person(mix, 'alice', 'short')
    bob.want('presence', type=None, **{'from': alice.jid})
    assert alice.unbind('elsewhere', 'wrong').get('type') == 'error'
    assert alice.unbind('short').get('type') == 'result'
    assert alice.ends() is None
    bob.want('presence', type='unavailable', **{'from': alice.jid})


def two_resources_of_one_stream(mix, bob):
    """jabberd2's c2s: same id there, another at sm. Each speaks for itself and is ended alone (session-protocol.md 1)."""
    alice = Person(mix, 'alice', 'one')
    one, two = alice.jid, alice.bound(alice.bind('two', 'second'))
    alice.send(f"<presence from='{two}'/>")
    for jid in (one, two):
        bob.want('presence', type=None, **{'from': jid})
        alice.send(f"<message from='{jid}' to='{bob.jid}' type='chat'><body>from {jid}</body></message>")
        assert bob.want('message', text=f'from {jid}').get('from') == jid
        bob.message(jid, f'for {jid}')
        assert alice.want('message', text=f'for {jid}').get('to') == jid
    assert alice.unbind('one', 'u1').get('type') == 'result'
    bob.want('presence', type='unavailable', **{'from': one})
    bob.message(two, 'still there')
    alice.want('message', text='still there')
    assert alice.unbind('two', 'u2').get('type') == 'result'
    assert alice.ends() is None
    bob.want('presence', type='unavailable', **{'from': two})


def another_password(mix, bob):
    alice = Person(mix, 'alice', 'changes')
    change = "<query xmlns='jabber:iq:register'><username>alice</username><password>{}</password></query>"
    assert alice.ask(change.format('other'), to=" to='localhost'").get('type') == 'result'
    alice.message(alice.jid, 'the session stays')
    alice.want('message', text='the session stays', type='chat')
    assert refused(mix, 'alice', PASSWORD)
    leave(Person(mix, 'alice', password='other'), bob)
    assert alice.ask(change.format(PASSWORD), to=" to='localhost'").get('type') == 'result'
    leave(alice, bob)


def registering_and_logging_in_on_one_connection(mix):
    """jabberd2's c2s hangs there (session-protocol.md 6.2)."""
    carol = Person(mix, 'carol', bind=False)
    assert ask_for_account(carol, 'carol').get('type') == 'result'
    carol.log_in()
    carol.jid = carol.bound(carol.bind('first'))
    carol.ping()
    carol.close()


def failures_reach_the_client(mix):
    """What sm refuses, jabberd2's c2s says to the client; a refused account leaves nothing behind (6.1)."""
    register(mix, 'dave')
    mix.accounts('DELETE FROM authreg WHERE username = ?', 'dave')
    client = Person(mix, 'dave', bind=False)
    assert ask_for_account(client, 'dave').get('type') == 'error', 'sm has that user'
    client.close()
    assert mix.accounts('SELECT * FROM authreg WHERE username = ?', 'dave') == []
    mix.accounts('INSERT INTO authreg (username, realm, password) VALUES (?, ?, ?)', 'ghost', 'localhost', PASSWORD)
    ghost = Person(mix, 'ghost', bind=False)
    ghost.log_in()
    answer = ghost.bind('unknown')
    assert answer.get('type') == 'error', 'sm has no such user'
    ghost.close()


def host_gone(mix):
    """A domain that no sm serves: nobody can so much as begin. One of ours is waited for, between ours."""
    mix.stop('sm')
    end = time.time() + (60 if 'sm' in mix.ours and 'c2s' in mix.ours else 15)
    while True:
        client = Raw(mix.port).open()
        first = client.receive()
        client.socket.close()
        if first is not None and first.tag.endswith('}error'):
            assert first[0].tag.endswith('}host-gone'), ElementTree.tostring(first)
            break
        assert time.time() < end, 'the domain is still served'
        time.sleep(0.1)
    mix.start('sm')


def router_and_sm_die(mix):
    alice, bob = come_back(mix, 'alice', 'bob')
    for part in ('router', 'sm'):
        mix.stop(part, kill=True)
    for part in ('router', 'sm'):
        mix.start(part)
    return alice, bob


def sm_is_another(mix):
    """Router and sm die together, and nobody tells c2s; between ours no stream ends."""
    for person in router_and_sm_die(mix):
        assert outlives(person)
        person.close()


def sm_forgot(mix):
    """
    The same between jabberd2's and ours: at its first stanza each client hears that its session is over. A namespaced
    "failed" would make jabberd2's c2s leave the router, and end all sessions (6.3).
    """
    alice, bob = router_and_sm_die(mix)
    assert not outlives(alice)
    new = come_back(mix, 'alice')[0]
    assert not outlives(bob)
    new.message(new.jid, 'c2s stayed')
    new.want('message', text='c2s stayed', type='chat')
    new.close()


def left_meanwhile(mix):
    """Who leaves while the router is away has left when it is back: our c2s says it then."""
    alice, bob = come_back(mix, 'alice', 'bob')
    log, end = mix.deployment.processes['c2s'].text, time.time() + 15
    mix.stop('router', kill=True)
    while log().rfind('trying again') < log().rfind('bound at router'):
        assert time.time() < end, 'c2s does not notice'
        time.sleep(0.05)
    alice.close()
    mix.start('router')
    bob.want('presence', 30, type='unavailable', **{'from': alice.jid})
    bob.close()


def life(mix):
    """All of it, cold."""
    alice, bob = contacts(mix)
    logins(mix, bob)
    two_resources(mix, alice, bob)
    alice = conflict(mix, alice, bob)
    bob = offline(mix, alice, bob)
    unknown(mix, alice)
    unbinding(mix, bob)
    another_password(mix, bob)
    if 'c2s' in mix.ours:
        registering_and_logging_in_on_one_connection(mix)
    else:
        two_resources_of_one_stream(mix, bob)
    if 'sm' in mix.ours and 'c2s' not in mix.ours:
        failures_reach_the_client(mix)
    removal(mix, alice, bob)
    alice.close()
    host_gone(mix)


def went_through(mix, part, kill, alice, bob, kept):
    """The two, on again when their streams ended; kept: they must not."""
    for person in (alice, bob):
        person.kept.clear()
    mix.restart(part, kill)
    outlived = [outlives(person) for person in (alice, bob)]
    assert outlived == [kept, kept], f'{part} {"killed" if kill else "terminated"}: {outlived}'
    if kept:
        for person in (alice, bob):
            assert not any(element.get('type') == 'unavailable' for element in person.kept), (part, kill, person.raw)
    else:
        alice, bob = come_back(mix, 'alice', 'bob')
    talk(alice, bob)
    return alice, bob


def restarts(mix, kept):
    """Each part, killed and terminated, while two contacts are on; kept: (part, kill) that no stream ends with."""
    alice, bob = contacts(mix)
    for part in mix.names:
        for kill in (True, False):
            alice, bob = went_through(mix, part, kill, alice, bob, (part, kill) in kept)
    alice = conflict(mix, alice, bob)
    bob = offline(mix, alice, bob)
    alice.close()
    bob.close()
    if 'c2s' in mix.ours:
        left_meanwhile(mix)
    if {'sm', 'c2s'} <= set(mix.ours):
        sm_is_another(mix)
    elif mix.ours != ('router',):
        sm_forgot(mix)  # between two parts of jabberd2 the client is handed what came back, and never knows


# -- the mixes


def our_c2s():
    return Mix(('c2s',), ('router', 'sm'), auto_create=False)


def our_sm():
    return Mix(('sm',), ('router', 'c2s'))


def our_router():
    return Mix(('router',), ('sm', 'c2s', 's2s'))


def our_c2s_and_sm():
    return Mix(('sm', 'c2s'), ('router',))


def our_c2s_serves_clients_beside_jabberd2():
    with our_c2s() as mix:
        life(mix)


def our_sm_serves_the_clients_of_jabberd2():
    with our_sm() as mix:
        life(mix)


def our_router_joins_all_other_parts_of_jabberd2():
    with our_router() as mix:
        life(mix)


def our_c2s_and_sm_meet_at_the_router_of_jabberd2():
    with our_c2s_and_sm() as mix:
        life(mix)


def our_c2s_beside_jabberd2_outlives_restarts():
    with our_c2s() as mix:
        restarts(mix, {('router', True)})


def our_sm_beside_jabberd2_outlives_restarts():
    with our_sm() as mix:
        restarts(mix, {('router', True)})


def our_router_under_jabberd2_outlives_restarts():
    with our_router() as mix:
        restarts(mix, {(part, kill) for part in ('router', 's2s') for kill in (True, False)})


def our_c2s_and_sm_at_the_router_of_jabberd2_outlive_restarts():
    with our_c2s_and_sm() as mix:
        restarts(mix, {(part, kill) for part in ('router', 'sm') for kill in (True, False)})


if __name__ == '__main__':
    scenarios(our_c2s_serves_clients_beside_jabberd2,
              our_sm_serves_the_clients_of_jabberd2,
              our_router_joins_all_other_parts_of_jabberd2,
              our_c2s_and_sm_meet_at_the_router_of_jabberd2,
              our_c2s_beside_jabberd2_outlives_restarts,
              our_sm_beside_jabberd2_outlives_restarts,
              our_router_under_jabberd2_outlives_restarts,
              our_c2s_and_sm_at_the_router_of_jabberd2_outlive_restarts)
