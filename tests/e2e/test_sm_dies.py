#!/usr/bin/python3
"""The session manager, a process of its own, dies or is replaced: clients notice nothing but a pause."""
import random
import threading
import time

from harness import CLIENT, Deployment, Raw, body, scenarios, with_people
from stream_management import SM, Counting

ROSTER = 'jabber:iq:roster'


def with_parts(*functions):
    return with_people(*functions, users=('romeo', 'juliet', 'nurse'), parts=('router', 'sm', 'c2s'))


def befriend(one, other):
    """Each sees the other's presence."""
    one.say(f"<presence to='{other.user}@localhost' type='subscribe'/>")
    other.wait(lambda e: e.get('type') == 'subscribe')
    other.say(f"<presence to='{one.user}@localhost' type='subscribed'/>")
    other.say(f"<presence to='{one.user}@localhost' type='subscribe'/>")
    one.wait(lambda e: e.get('type') == 'subscribe')
    one.say(f"<presence to='{other.user}@localhost' type='subscribed'/>")
    other.wait(lambda e: e.get('from') == one.jid and not e.get('type'))
    for person in (one, other):
        person.wait_acknowledged()


def people(deployment, *users):
    return [Counting(deployment.port, user).begin() for user in users]


def silent(client, seconds=1.0):
    """What a client hears without asking for anything."""
    heard, end = [], time.time() + seconds
    while time.time() < end:
        try:
            heard.append(client.element(end - time.time()))
        except TimeoutError:
            break
    return [element for element in heard if element is not None and element.tag.startswith(f'{{{CLIENT}}}')]


def ping(client, id):
    client.say(f"<iq type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.wait(lambda e: e.get('id') == id)


def sessions_outlive_their_manager(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    plain = Raw(deployment.port).login('nurse', 'secret')
    plain.send('<presence/>')
    for round in range(3):
        deployment.restart('sm', kill=round != 1)
        romeo.message(juliet.jid, f'to juliet {round}')
        juliet.wait_message(f'to juliet {round}')
        juliet.message('romeo@localhost', f'to romeo {round}')
        romeo.wait_message(f'to romeo {round}')
        romeo.message('nurse@localhost', f'to the nurse {round}')
        while body(plain.expect('message')) != f'to the nurse {round}':
            pass
        romeo.wait_acknowledged()
        juliet.wait_acknowledged()
    assert romeo.bodies() == [f'to romeo {round}' for round in range(3)]


def what_is_sent_while_it_is_away_arrives(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    deployment.processes['sm'].kill()
    time.sleep(0.3)
    for number in range(10):
        romeo.message(juliet.jid, str(number))
    romeo.ask()
    answer = romeo.wait(lambda e: e.tag == f'{{{SM}}}a')
    assert int(answer.get('h')) == romeo.acked, 'r is answered while sm is away'
    deployment.processes['sm'].start().wait_for('jackdaw: ready in')
    juliet.wait_message('9')
    assert juliet.bodies() == [str(number) for number in range(10)]
    romeo.wait_acknowledged()


def sessions_at_rest_hear_nothing_of_it(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    befriend(romeo, juliet)
    for person in (romeo, juliet):
        ping(person, 'rest')
    time.sleep(11)  # what was said a moment before is said again
    deployment.restart('sm', kill=True)
    for person in (romeo, juliet):
        assert not silent(person), [element.attrib for element in person.heard[-3:]]


def presence_roster_and_directed_presence_stay(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    befriend(romeo, juliet)
    nurse = Counting(deployment.port, 'nurse').begin()
    romeo.say(f"<presence to='{nurse.jid}'/>")
    nurse.wait(lambda e: (e.get('from') or '').startswith('romeo@'))
    romeo.say(f"<iq type='get' id='roster'><query xmlns='{ROSTER}'/></iq>")
    romeo.wait(lambda e: e.get('id') == 'roster')
    romeo.say("<presence><show>away</show><priority>-1</priority></presence>")
    juliet.wait(lambda e: e.findtext(f'{{{CLIENT}}}show') == 'away')
    romeo.wait_acknowledged()
    deployment.restart('sm', kill=True)
    ping(romeo, 'back')
    # A newcomer is told of his presence by the new one.
    second = Counting(deployment.port, 'juliet', resource='second').begin()
    second.wait(lambda e: (e.get('from') or '').startswith('romeo@') and e.findtext(f'{{{CLIENT}}}show') == 'away')
    # He takes no messages to his bare address, and hears of his roster.
    juliet.message('romeo@localhost', 'not now')
    juliet.wait_acknowledged()
    romeo.say(f"<iq type='set' id='set'><query xmlns='{ROSTER}'><item jid='nurse@localhost' name='n'/></query></iq>")
    romeo.wait(lambda e: e.find(f'{{{ROSTER}}}query') is not None and e.get('type') == 'set')
    assert 'not now' not in romeo.bodies()
    # Who was told directly hears that he leaves.
    romeo.send('</stream:stream>')
    for person in (nurse, juliet):
        person.wait(lambda e: e.get('from') == romeo.jid and e.get('type') == 'unavailable')


def a_client_that_leaves_meanwhile_is_gone(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    befriend(romeo, juliet)
    deployment.processes['sm'].kill()
    time.sleep(0.2)
    romeo.send('</stream:stream>')
    romeo.socket.close()
    time.sleep(0.2)
    deployment.processes['sm'].start().wait_for('jackdaw: ready in')
    juliet.wait(lambda e: e.get('from') == romeo.jid and e.get('type') == 'unavailable')


def a_lost_connection_is_resumed_after_it(deployment):
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    romeo.silent = True
    juliet.message(romeo.jid, 'one')
    romeo.wait_message('one')
    deployment.restart('sm', kill=True)
    ping(juliet, 'back')
    romeo.drop()
    juliet.message(romeo.jid, 'two')
    romeo.silent = False
    romeo.come_back(deployment.port)
    romeo.wait_message('two')
    assert romeo.bodies() == ['one', 'two'], romeo.bodies()
    juliet.wait_acknowledged()


def what_a_client_did_not_acknowledge_is_not_doubled(deployment):
    """Neither when it is stored meanwhile nor when the sender's c2s presents it again."""
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    juliet.silent = True
    for number in range(5):
        romeo.message(juliet.jid, f'early {number}')
    juliet.wait_message('early 4')
    romeo.wait_acknowledged()  # a second later: they are stored
    for number in range(5):
        romeo.message(juliet.jid, f'late {number}')
    juliet.wait_message('late 4')
    deployment.restart('sm', kill=True)
    juliet.silent = False
    juliet.send(f"<a xmlns='{SM}' h='{juliet.handled}'/>")
    romeo.wait_acknowledged()
    ping(juliet, 'here')
    assert juliet.bodies() == [f'{when} {number}' for when in ('early', 'late') for number in range(5)], juliet.bodies()
    juliet.wait_acknowledged()
    juliet.send('</stream:stream>')
    again = Counting(deployment.port, 'juliet').begin()
    ping(again, 'here')
    assert not [text for text in again.bodies() if text], again.bodies()


def die_at_any_moment(deployment, seed, silent):
    moments = random.Random(seed)
    romeo, juliet = people(deployment, 'romeo', 'juliet')
    crowd = [Counting(deployment.port, 'nurse', resource=str(number)).begin() for number in range(5)]
    manager = deployment.processes['sm']
    for round in range(12):
        romeo.silent = juliet.silent = silent and round < 11
        for number in range(5):
            romeo.message(juliet.jid, f'{round}.{number}')
            juliet.message('romeo@localhost', f'{round}.{number}')
        time.sleep(moments.uniform(0, 0.1))
        manager.kill()
        manager.start().wait_for('jackdaw: ready in')
        time.sleep(moments.uniform(0, 0.3))
        manager.kill()
        manager.start()
        if round % 3 == 2:
            for person in (romeo, juliet):
                person.wait_message(f'{round}.4')
    for person in (romeo, juliet):
        person.send(f"<a xmlns='{SM}' h='{person.handled}'/>")
    for person in (romeo, juliet):
        person.wait_acknowledged()
        assert person.bodies() == [f'{round}.{number}' for round in range(12) for number in range(5)], person.bodies()
    for person in crowd:
        ping(person, 'here')


def it_may_die_again_at_any_moment(deployment):
    """Also when its next has some of the sessions, or some of what they kept."""
    die_at_any_moment(deployment, 7, silent=False)


def also_while_nobody_acknowledges(deployment):
    die_at_any_moment(deployment, 2, silent=True)


def hear(client, seconds):
    try:
        while client.element(seconds) is not None:
            pass
        raise AssertionError(f'the stream of {client.user} ended')
    except TimeoutError:
        pass


def talk(client, to, end, count, failed):
    """Without a pause; now and then it does not acknowledge for a while."""
    try:
        while time.time() < end:
            client.silent = count[client] // 20 % 2
            if len(client.queue_out) < 40:
                client.message(to.jid, f'{client.jid} {count[client]}')
                count[client] += 1
            client.ask()
            hear(client, 0.01)
            if not client.silent:
                client.send(f"<a xmlns='{SM}' h='{client.handled}'/>")
        client.silent = False
        client.send(f"<a xmlns='{SM}' h='{client.handled}'/>")
        client.wait_acknowledged()
        hear(client, 2)
    except Exception as error:
        failed.append(repr(error))


def who_talks_all_the_while_notices_nothing(deployment):
    """Some stanza is always between the death of the one and the news of it."""
    moments = random.Random(3)
    crowd = people(deployment, 'romeo', 'juliet', 'nurse', 'romeo', 'juliet', 'nurse')
    end, count, failed = time.time() + 8, dict.fromkeys(crowd, 0), []
    threads = [threading.Thread(target=talk, args=(client, crowd[at - 1], end, count, failed))
               for at, client in enumerate(crowd)]
    for thread in threads:
        thread.start()
    while time.time() < end - 1:
        time.sleep(moments.uniform(0, 0.4))
        deployment.restart('sm', kill=True)
    for thread in threads:
        thread.join()
    assert not failed, failed
    for at, client in enumerate(crowd):
        assert crowd[at - 1].bodies() == [f'{client.jid} {number}' for number in range(count[client])], client.jid


def logins_wait_for_it(deployment):
    deployment.processes['sm'].kill()
    time.sleep(0.3)
    romeo = Raw(deployment.port)
    romeo.open()
    romeo.features()
    deployment.processes['sm'].start()
    Counting(deployment.port, 'juliet').begin()


if __name__ == '__main__':
    scenarios(*with_parts(sessions_outlive_their_manager, what_is_sent_while_it_is_away_arrives,
                          sessions_at_rest_hear_nothing_of_it, presence_roster_and_directed_presence_stay,
                          a_client_that_leaves_meanwhile_is_gone, a_lost_connection_is_resumed_after_it,
                          what_a_client_did_not_acknowledge_is_not_doubled, it_may_die_again_at_any_moment,
                          also_while_nobody_acknowledges,
                          who_talks_all_the_while_notices_nothing, logins_wait_for_it))
