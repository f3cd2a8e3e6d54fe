#!/usr/bin/python3
"""Stream management, XEP-0198: acknowledgements, resumption, and what becomes of what nobody took."""
import itertools
import random
import signal
import socket
import threading
import time
import xml.etree.ElementTree as ElementTree

from harness import CLIENT, STREAM, Deployment, Raw, body, scenarios, with_people
from stream_management import SM, Counting

STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'
CONDITIONS = '{urn:ietf:params:xml:ns:xmpp-streams}'
DELAY = '{urn:xmpp:delay}delay'


def with_server(*functions):
    return with_people(*functions, users=('romeo', 'juliet'))


def configured(text):
    def mark(function):
        function.extra = text
        return function
    return mark


def failed(answer, condition, h=None):
    assert answer.tag == f'{{{SM}}}failed' and answer.find(STANZAS + condition) is not None, ElementTree.tostring(answer)
    assert answer.get('h') == (None if h is None else str(h)), ElementTree.tostring(answer)


def offered_after_login_and_enabled_once_bound(deployment):
    client = Counting(deployment.port, 'romeo').authenticate()
    assert client.offered.find(f'{{{SM}}}sm') is not None
    client.send(f"<enable xmlns='{SM}'/>")
    failed(client.receive(), 'unexpected-request')
    client.bind().enable(extra='')
    assert client.key is None and client.enabled.get('resume') is None
    client.send(f"<enable xmlns='{SM}'/>")
    while client.receive() is not None:
        pass


def each_r_is_answered_with_what_was_handled(deployment):
    client = Counting(deployment.port, 'romeo').authenticate().bind()
    client.send("<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.expect('iq', id='p')
    client.enable()
    client.handled = 0
    assert client.ask().wait(lambda e: e.tag == f'{{{SM}}}a').get('h') == '0'
    for number in range(1, 6):
        client.say(f"<iq type='get' id='p{number}'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.wait_acknowledged()
    assert client.acked == 5
    client.say("<iq type='get' id='facts'><query xmlns='jabber:iq:register'/></iq>")
    client.say("<message to='@'/>")
    client.say("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.wait(lambda e: e.get('id') == 'facts')
    client.wait_acknowledged()
    assert client.acked == 8


def acknowledging_too_much_ends_the_stream(deployment):
    client = Counting(deployment.port, 'romeo').begin()
    client.silent = True
    client.send(f"<a xmlns='{SM}' h='77'/>")
    error = client.wait(lambda e: e.tag == f'{{{STREAM}}}error')
    assert error.find(CONDITIONS + 'undefined-condition') is not None
    high = error.find(f'{{{SM}}}handled-count-too-high')
    assert high is not None and high.get('h') == '77' and int(high.get('send-count')) <= 5, ElementTree.tostring(error)


def a_lost_connection_is_resumed_where_it_was(deployment):
    romeo = Counting(deployment.port, 'romeo', resource='orchard').begin()
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo.message('juliet@localhost', 'before')
    juliet.wait_message('before')
    romeo.wait_acknowledged()
    romeo.drop()
    for number in range(3):
        juliet.message(romeo.jid, f'away {number}')
    juliet.message('romeo@localhost', 'to the account')
    juliet.wait_acknowledged()
    romeo.queue_out += ["<message to='juliet@localhost' type='chat'><body>never sent</body></message>"]
    romeo.come_back(deployment.port)
    juliet.wait_message('never sent')
    romeo.wait_message('to the account')
    assert [text for text in romeo.bodies()] == ['away 0', 'away 1', 'away 2', 'to the account']
    romeo.wait_acknowledged()
    juliet.message(romeo.jid, 'after')
    romeo.wait_message('after')
    assert not [e for e in juliet.heard if e.get('type') == 'unavailable']


def what_was_refused_meanwhile_is_heard_and_the_stream_goes_on(deployment):
    romeo = Counting(deployment.port, 'romeo').begin()
    for number in range(5):
        romeo.message(f'nobody{number}@localhost', 'anybody?', id=f'refused{number}')
        romeo.drop()
        romeo.come_back(deployment.port)
        romeo.wait(lambda e, id=f'refused{number}': e.get('id') == id and e.get('type') == 'error')
        romeo.say(f"<iq type='get' id='on{number}'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.wait(lambda e, id=f'on{number}': e.get('id') == id)
        romeo.wait_acknowledged()


def what_was_not_acknowledged_is_sent_again_and_only_that(deployment):
    romeo, juliet = Counting(deployment.port, 'romeo').begin(), Counting(deployment.port, 'juliet').begin()
    for number in range(3):
        juliet.message(romeo.jid, str(number))
    romeo.wait_message('2')
    romeo.silent = True
    for number in (3, 4):
        juliet.message(romeo.jid, str(number))
    romeo.wait_message('4')
    romeo.handled -= 2
    del romeo.heard[-2:]
    juliet.message(romeo.jid, '5')
    romeo.drop().come_back(deployment.port)
    romeo.silent = False
    romeo.wait_message('5')
    assert romeo.bodies() == [str(number) for number in range(6)], romeo.bodies()


def who_is_still_there_gets_a_conflict(deployment):
    romeo = Counting(deployment.port, 'romeo').begin()
    other = Counting(deployment.port, 'romeo').authenticate()
    other.queue_out = list(romeo.queue_out)
    answer = other.resume(romeo.key, romeo.handled)
    assert answer.tag == f'{{{SM}}}resumed'
    while True:
        element = romeo.receive()
        assert element is not None
        if element.tag == f'{{{STREAM}}}error':
            assert element.find(CONDITIONS + 'conflict') is not None
            break
    other.say("<iq type='get' id='me' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert other.wait(lambda e: e.get('id') == 'me').get('to').startswith('romeo@localhost/')


def nobody_resumes_what_is_not_theirs(deployment):
    romeo = Counting(deployment.port, 'romeo').begin().drop()
    juliet = Counting(deployment.port, 'juliet').authenticate()
    failed(juliet.resume(romeo.key, 0), 'item-not-found')
    failed(juliet.resume('0' * 32, 0), 'item-not-found')
    juliet.send(f"<resume xmlns='{SM}' previd='x'/>")
    failed(juliet.receive(), 'bad-request')
    juliet.bind().enable()
    juliet.send(f"<resume xmlns='{SM}' previd='{juliet.key}' h='0'/>")
    failed(juliet.receive(), 'unexpected-request')


def a_closed_stream_is_over_and_tells_what_was_handled(deployment):
    romeo = Counting(deployment.port, 'romeo').begin()
    for number in range(4):
        romeo.message('juliet@localhost', str(number))
    romeo.wait_acknowledged()
    romeo.close()
    time.sleep(0.3)
    again = Counting(deployment.port, 'romeo').authenticate()
    failed(again.resume(romeo.key, 0), 'item-not-found', 5)
    again.bind()


@configured('[sessions]\nresume_queue = "2000 stanzas, 1 MB"\n[limits]\nclient_rate = "off"\n')
def what_is_stored_takes_no_room_while_its_client_is_away(deployment):
    """More than may wait in memory; and again behind an orderly end."""
    romeo, juliet = (Counting(deployment.port, name).begin() for name in ('romeo', 'juliet'))
    for person in (romeo, juliet):
        person.wait_acknowledged()
    for round in range(2):
        romeo.drop()
        for number in range(100):
            juliet.message('romeo@localhost', f'{round} {number} ' + 'x' * 20000)
            if number % 5 == 4:
                juliet.wait_acknowledged()
        if round:
            deployment.restart('run')
        romeo.come_back(deployment.port)
        romeo.wait(lambda e: (e.findtext(f'{{{CLIENT}}}body') or '').startswith(f'{round} 99 '))
        came = [text[:-20000].strip() for text in romeo.bodies()]
        assert came == [f'{earlier} {number}' for earlier in range(round + 1) for number in range(100)], came
        romeo.wait_acknowledged()
        ping = f"<iq type='get' id='p{round}'><ping xmlns='urn:xmpp:ping'/></iq>"
        romeo.say(ping)
        romeo.wait(lambda e: e.get('id') == f'p{round}')


@configured('[sessions]\nresume = "2 s"\n')
def who_stays_away_too_long_is_gone(deployment):
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo = Counting(deployment.port, 'romeo', resource='orchard').begin()
    assert romeo.enabled.get('max') == '2'
    romeo.wait_acknowledged()
    romeo.drop()
    time.sleep(0.3)
    juliet.message('romeo@localhost/orchard', 'chat')
    juliet.say("<message to='romeo@localhost/orchard'><body>normal</body></message>")
    juliet.say("<message to='romeo@localhost/orchard' type='chat'><composing xmlns='x'/></message>")
    juliet.say("<message to='romeo@localhost/orchard' type='headline'><body>news</body></message>")
    juliet.say("<message to='romeo@localhost/orchard' type='groupchat' id='room'><body>room</body></message>")
    juliet.say("<iq to='romeo@localhost/orchard' type='get' id='ask'><query xmlns='jabber:iq:version'/></iq>")
    juliet.wait_acknowledged()
    errors = {}
    while len(errors) < 2:
        element = juliet.wait(lambda e: e.get('type') == 'error', 10)
        errors[element.get('id')] = element.find(f'{{{CLIENT}}}error')[0].tag.split('}')[1]
    assert errors == {'room': 'recipient-unavailable', 'ask': 'service-unavailable'}, errors
    again = Counting(deployment.port, 'romeo').authenticate()
    failed(again.resume(romeo.key, 0), 'item-not-found', 1)
    again.bind().enable()
    again.say('<presence/>')
    for text in ('chat', 'normal'):
        assert again.wait_message(text).find(DELAY) is not None
    again.wait_acknowledged()
    assert again.bodies() == ['chat', 'normal'], again.bodies()
    again.close()
    time.sleep(0.3)
    Raw(deployment.port).login('romeo', 'secret').no_message()


@configured('[sessions]\nresume = "1 s"\n')
def another_resource_gets_what_the_lost_one_did_not(deployment):
    juliet = Counting(deployment.port, 'juliet').begin()
    phone = Counting(deployment.port, 'romeo', resource='phone').authenticate().bind().enable()
    phone.say('<presence><priority>5</priority></presence>')
    phone.wait_acknowledged()
    desk = Counting(deployment.port, 'romeo', resource='desk').begin()
    desk.wait_acknowledged()
    phone.drop()
    time.sleep(0.3)
    for number in range(3):
        juliet.message('romeo@localhost', str(number))
    juliet.wait_acknowledged()
    for number in range(3):
        desk.wait_message(str(number))
    assert desk.bodies() == ['0', '1', '2'], desk.bodies()


def a_silent_resource_lets_the_sender_go_on_in_a_second(deployment):
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.wait_acknowledged()
    romeo.silent = True
    for number in range(200):
        juliet.message(romeo.jid, str(number))
    juliet.wait_acknowledged(30)
    while len(romeo.bodies()) < 200:
        romeo.element()
    assert romeo.bodies() == [str(number) for number in range(200)]
    romeo.silent = False
    romeo.send(f"<a xmlns='{SM}' h='{romeo.handled}'/>")
    romeo.say("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.wait(lambda e: e.get('id') == 'p')
    romeo.close()
    time.sleep(0.5)
    Raw(deployment.port).login('romeo', 'secret').no_message()


def who_comes_anew_gets_what_waited_in_its_order(deployment):
    """Also when so much waits for one session that some of it is stored at once."""
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo = Counting(deployment.port, 'romeo', resource='orchard').begin()
    romeo.wait_acknowledged()
    romeo.drop()
    time.sleep(0.3)
    for number in range(60):
        juliet.message('romeo@localhost', str(number))
    time.sleep(0.3)
    again = Counting(deployment.port, 'romeo', resource='orchard').begin()
    while len(again.bodies()) < 60:
        again.element()
    assert again.bodies() == [str(number) for number in range(60)], again.bodies()
    juliet.wait_acknowledged()


@configured('[sessions]\nresume_queue = "20 stanzas, 4 MB"\n')
def a_queue_has_an_end(deployment):
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.wait_acknowledged()
    romeo.drop()
    time.sleep(0.3)
    for number in range(30):
        juliet.message('romeo@localhost', str(number))
    juliet.wait_acknowledged(30)
    again = Counting(deployment.port, 'romeo').authenticate()
    failed(again.resume(romeo.key, romeo.handled), 'item-not-found', 1)
    again.bind().enable()
    again.say('<presence/>')
    again.wait_message('29')
    assert sorted(map(int, again.bodies())) == list(range(30)), again.bodies()


@configured('[sessions]\nping = "1 s"\nping_timeout = "1 s"\n')
def who_does_not_answer_is_detached_not_ended(deployment):
    juliet = Counting(deployment.port, 'juliet').begin()
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.wait_acknowledged()
    romeo.silent = True
    while romeo.element(10) is not None:
        pass
    assert not [e for e in juliet.heard if e.get('type') == 'unavailable']
    romeo.silent = False
    romeo.come_back(deployment.port)
    plain = Raw(deployment.port).login('juliet', 'secret')
    assert plain.expect('iq', type='get', seconds=10)[0].tag == '{urn:xmpp:ping}ping'


@configured('[sessions]\nping = "1 s"\nping_timeout = "forever"\n')
def who_does_not_answer_is_waited_for_as_long_as_is_said(deployment):
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.wait_acknowledged()
    romeo.silent = True
    time.sleep(4)  # a ping and any timeout would be over
    romeo.silent = False
    Counting(deployment.port, 'juliet').begin().message(romeo.jid, 'still there')
    romeo.wait_message('still there')


def everybody_resumes_after_an_orderly_end(deployment):
    people = [Counting(deployment.port, 'romeo', resource=f'r{number}').begin() for number in range(6)]
    juliet = Counting(deployment.port, 'juliet').begin()
    for person in people:
        juliet.message(person.jid, 'before')
    for person in people:
        person.wait_message('before')
        person.wait_acknowledged()
    people[0].drop()
    time.sleep(0.2)
    juliet.message(people[0].jid, 'while away')
    juliet.wait_acknowledged()
    assert deployment.processes['run'].stop() == 0
    for person in people[1:] + [juliet]:
        while (element := person.element()) is not None:
            assert element.tag != f'{{{STREAM}}}error', ElementTree.tostring(element)
        assert b'</stream:stream>' not in person.raw
    people[1].queue_out.append("<message to='juliet@localhost' type='chat'><body>meanwhile</body></message>")
    deployment.start()
    juliet.come_back(deployment.port)
    for person in people:
        person.come_back(deployment.port)
    juliet.wait_message('meanwhile')
    people[0].wait_message('while away')
    for person in people:
        juliet.message(person.jid, 'after')
        person.wait_message('after')
        person.wait_acknowledged()
    assert people[0].bodies() == ['before', 'while away', 'after']
    assert all(person.bodies() == ['before', 'after'] for person in people[1:])
    assert not [e for e in juliet.heard if e.get('type') == 'unavailable'], juliet.heard


def after_a_crash_the_client_learns_what_was_stored(deployment):
    romeo = Counting(deployment.port, 'romeo').begin()
    for number in range(7):
        romeo.message('juliet@localhost', str(number))
    romeo.wait_acknowledged()
    assert romeo.acked == 8
    deployment.restart('run', kill=True)
    again = Counting(deployment.port, 'romeo').authenticate()
    failed(again.resume(romeo.key, romeo.handled), 'item-not-found', 8)
    juliet = Counting(deployment.port, 'juliet').begin()
    juliet.wait_message('6')
    assert juliet.bodies() == [str(number) for number in range(7)]


def _after_a_crash(deployment, client):
    client.reconnect(deployment.port)
    return client.authenticate().resume()


def _begins_anew(client):
    client.queue_out, client.acked, client.handled = [], 0, 0
    client.bind().enable().say('<presence/>')
    client.ask().wait_acknowledged()


def who_had_it_is_not_given_it_again_after_a_crash(deployment):
    """Stored for her, given to her, and not acknowledged; or said to her a moment before, and not acknowledged to him."""
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.wait_acknowledged()
    for number in range(3):
        romeo.message('juliet@localhost', f'stored {number}')
    romeo.wait_acknowledged()
    juliet = Counting(deployment.port, 'juliet')
    juliet.silent = True
    juliet.begin()
    juliet.wait_message('stored 2')
    romeo.message('juliet@localhost', 'had')
    juliet.wait_message('had')
    romeo.message('juliet@localhost', 'not had')
    juliet.wait_message('not had')
    deployment.restart('run', kill=True)
    failed(_after_a_crash(deployment, romeo), 'item-not-found', len(romeo.queue_out) + romeo.acked)
    juliet.reconnect(deployment.port)
    failed(juliet.authenticate().resume(h=juliet.handled - 1), 'item-not-found', 1)
    juliet.heard, juliet.silent = [], False
    _begins_anew(juliet)
    juliet.wait_message('not had')
    assert juliet.bodies() == ['not had'], juliet.bodies()
    _begins_anew(romeo)
    romeo.message('juliet@localhost', 'after')
    juliet.wait_message('after')
    assert juliet.bodies() == ['not had', 'after'], juliet.bodies()


def _comes_anew_again_and_again(deployment, rounds=25):
    """Juliet writes all the time; each time his connection is lost, romeo binds the same resource again."""
    juliet, over = Raw(deployment.port).login('juliet', 'secret'), threading.Event()
    sent, heard = itertools.count(), []

    def write():
        while not over.is_set():
            juliet.send(f"<message to='romeo@localhost' type='chat'><body>{next(sent)}</body></message>")
            time.sleep(0.0015)

    def listen(romeo, seconds):
        end = time.time() + seconds
        while time.time() < end:
            try:
                assert romeo.element(0.02) is not None
            except TimeoutError:
                pass
        romeo.send(f"<a xmlns='{SM}' h='{romeo.handled}'/>")
        heard.extend(int(text) for text in romeo.bodies() if text)
        romeo.socket.shutdown(socket.SHUT_WR)  # what is unread at close() would cost the server that <a/>
        romeo.socket.settimeout(15)
        while romeo.socket.recv(65536):
            pass
        romeo.drop()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(rounds):
            listen(Counting(deployment.port, 'romeo', resource='orchard').begin(), random.uniform(0.05, 0.3))
            time.sleep(random.uniform(0, 0.06))
    finally:
        over.set()
        writer.join()
    listen(Counting(deployment.port, 'romeo', resource='orchard').begin(), 2)
    late = [number for before, number in zip(heard, heard[1:]) if number < before]
    assert not late, f'{len(late)} times one of an earlier time came, the first time {late[0]}'
    assert heard == list(range(next(sent))), 'lost or doubled'


def who_comes_anew_while_he_is_written_to_gets_all_in_order(deployment):
    _comes_anew_again_and_again(deployment)


def who_comes_anew_gets_all_in_order_from_a_manager_of_its_own():
    with Deployment() as deployment:
        _three_processes(deployment)
        _comes_anew_again_and_again(deployment)


@configured('[sessions]\nresume_queue = "200 stanzas, 4 MB"\n[limits]\nclient_rate = "off"\n')
def what_is_too_much_for_a_mailbox_overtakes_nothing(deployment):
    """More waits for romeo than is kept: each comes in its order, or is refused, while he reads slowly and after."""
    juliet = Counting(deployment.port, 'juliet').begin()
    heard, refused, sent = [], [], itertools.count()

    def say(count):
        for number in itertools.islice(sent, count):
            juliet.message('romeo@localhost', str(number))
        juliet.wait_acknowledged(30)

    def read(client, found, seconds):
        try:
            while True:
                element = client.element(seconds)
                if element.tag == f'{{{CLIENT}}}message':
                    found.append(int(body(element)))
        except TimeoutError:
            return

    say(990)
    romeo = Counting(deployment.port, 'romeo').begin()
    romeo.silent = True
    read(romeo, heard, 1)
    say(50)
    for _ in range(20):
        romeo.send(f"<a xmlns='{SM}' h='{romeo.handled}'/>")
        say(20)
        read(romeo, heard, 0.05)
    romeo.silent = False
    romeo.send(f"<a xmlns='{SM}' h='{romeo.handled}'/>")
    read(romeo, heard, 2)
    read(juliet, [], 0.5)
    refused = [int(body(element)) for element in juliet.heard if element.get('type') == 'error']
    late = [number for before, number in zip(heard, heard[1:]) if number < before]
    assert not late, f'{len(late)} times one of an earlier time came, the first time {late[0]}'
    assert refused and sorted(heard + refused) == list(range(next(sent))), (refused, 'lost or doubled')


def _three_processes(deployment):
    deployment.start('router', 'sm', 'c2s')
    for user in ('romeo', 'juliet'):
        deployment.add_user(user, 'secret')


def a_manager_that_hangs_withholds_no_answer():
    with Deployment() as deployment:
        _three_processes(deployment)
        romeo, juliet = (Counting(deployment.port, name).begin() for name in ('romeo', 'juliet'))
        for person in (romeo, juliet):
            person.wait_acknowledged()
        manager = deployment.processes['sm'].process
        manager.send_signal(signal.SIGSTOP)
        try:
            romeo.answers.clear()
            before = romeo.acked
            for number in range(10):
                romeo.message(juliet.jid, str(number))
                romeo.ask().wait(lambda element: element.tag == f'{{{SM}}}a', 5)
                time.sleep(0.3)
            assert romeo.answers == [before] * 10, romeo.answers
        finally:
            manager.send_signal(signal.SIGCONT)
        romeo.wait(lambda element: element.tag == f'{{{SM}}}a')
        assert romeo.answers[10:] == [before + 10], romeo.answers
        juliet.wait_message('9')
        assert juliet.bodies() == [str(number) for number in range(10)]


def a_session_moves_to_another_c2s_when_its_own_is_killed():
    with Deployment() as deployment:
        _three_processes(deployment)
        romeo, juliet = (Counting(deployment.port, name).begin() for name in ('romeo', 'juliet'))
        for person in (romeo, juliet):
            person.wait_acknowledged()
        romeo.message(juliet.jid, 'before')
        juliet.wait_message('before')
        romeo.wait_acknowledged()
        deployment.restart('c2s', kill=True)
        for person in (romeo, juliet):
            person.drop().come_back(deployment.port)
        juliet.message(romeo.jid, 'after')
        romeo.wait_message('after')
        assert juliet.bodies() == ['before'] and romeo.bodies() == ['after']


def who_cannot_be_asked_for_a_session_has_not_said_that_it_is_gone():
    with Deployment() as deployment:
        _three_processes(deployment)
        romeo = Counting(deployment.port, 'romeo').begin()
        romeo.wait_acknowledged()
        romeo.drop()
        again = Counting(deployment.port, 'romeo').authenticate()
        deployment.processes['router'].kill()
        time.sleep(0.3)
        answer = again.resume(romeo.key, romeo.handled)
        assert answer.tag == f'{{{STREAM}}}error', ElementTree.tostring(answer)
        assert answer.find(CONDITIONS + 'remote-connection-failed') is not None, ElementTree.tostring(answer)
        deployment.processes['router'].start().wait_for('jackdaw: ready in')
        end = time.time() + 15
        while True:
            try:
                romeo.come_back(deployment.port)
                break
            except AssertionError:
                assert time.time() < end
                time.sleep(0.1)


if __name__ == '__main__':
    scenarios(a_manager_that_hangs_withholds_no_answer, a_session_moves_to_another_c2s_when_its_own_is_killed,
              who_cannot_be_asked_for_a_session_has_not_said_that_it_is_gone,
              who_comes_anew_gets_all_in_order_from_a_manager_of_its_own,
              *with_server(offered_after_login_and_enabled_once_bound, each_r_is_answered_with_what_was_handled,
                           acknowledging_too_much_ends_the_stream, a_lost_connection_is_resumed_where_it_was,
                           what_was_refused_meanwhile_is_heard_and_the_stream_goes_on, what_was_not_acknowledged_is_sent_again_and_only_that, who_is_still_there_gets_a_conflict,
                           nobody_resumes_what_is_not_theirs, a_closed_stream_is_over_and_tells_what_was_handled,
                           who_stays_away_too_long_is_gone, another_resource_gets_what_the_lost_one_did_not,
                           a_silent_resource_lets_the_sender_go_on_in_a_second,
                           who_comes_anew_gets_what_waited_in_its_order,
                           what_is_too_much_for_a_mailbox_overtakes_nothing,
                           who_comes_anew_while_he_is_written_to_gets_all_in_order, a_queue_has_an_end,
                           what_is_stored_takes_no_room_while_its_client_is_away,
                           who_does_not_answer_is_detached_not_ended,
              who_does_not_answer_is_waited_for_as_long_as_is_said, everybody_resumes_after_an_orderly_end,
                           after_a_crash_the_client_learns_what_was_stored,
                           who_had_it_is_not_given_it_again_after_a_crash))
