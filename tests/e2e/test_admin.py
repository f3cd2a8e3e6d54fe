#!/usr/bin/python3
"""What an administrator does to who is on: sessions, contacts, announcements."""
import json
import re
import subprocess
import time

from harness import BINARY, Deployment, Raw, STREAM, body, scenarios, with_people
from stream_management import Counting

ROSTER = 'jabber:iq:roster'
PEOPLE = ('romeo', 'juliet', 'nurse', 'paris', 'tybalt')


def _json(deployment, *words):
    return json.loads(deployment.command(*words, '--json').stdout)


def _problem(deployment, *words, code=1, says=''):
    result = deployment.command(*words, code=code)
    assert not result.stdout and re.search(says, result.stderr), result
    assert len(result.stderr.splitlines()) == 1, result
    return result


def _on(deployment, name, resource='balcony'):
    """Its client is available and knows the roster."""
    client = Raw(deployment.port).login(name, 'secret', resource, presence=False)
    client.send(f"<iq type='get' id='roster'><query xmlns='{ROSTER}'/></iq><presence/>")
    client.expect('iq', id='roster')
    client.expect('presence', **{'from': client.jid})
    return client


def _item(client):
    """The next push."""
    return client.expect('iq', type='set').find(f'{{{ROSTER}}}query/{{{ROSTER}}}item')


def _stream_error(client):
    while True:
        element = client.receive()
        assert element is not None, 'the stream ended without an error'
        if element.tag == f'{{{STREAM}}}error':
            return element[0].tag.split('}')[1]


def sessions_are_listed(deployment):
    assert 'has no session' in deployment.command('user', 'sessions', 'romeo@localhost').stdout
    assert _json(deployment, 'user', 'sessions', 'romeo@localhost') == []
    plain = Raw(deployment.port).login('romeo', 'secret', 'orchard', presence=False)
    plain.send('<presence><show>away</show><priority>5</priority></presence>')
    plain.expect('presence')
    listed = _json(deployment, 'user', 'sessions', 'romeo@localhost')
    assert listed == [{'resource': 'orchard', 'attached': True, 'seconds_left': None, 'show': 'away', 'priority': 5,
                       'resumable': False, 'waiting': listed[0]['waiting']}], listed
    lines = deployment.command('user', 'sessions', 'romeo@localhost').stdout.splitlines()
    assert len(lines) == 1 and lines[0].startswith('orchard '), lines


def one_session_is_kicked_and_then_the_rest(deployment):
    first, second, third = (_on(deployment, 'romeo', resource) for resource in ('a', 'b', 'c'))
    other = _on(deployment, 'juliet')
    assert '1 session ended' in deployment.command('user', 'kick', 'romeo@localhost/b').stdout
    assert _stream_error(second) == 'policy-violation'
    assert second.receive() is None
    first.expect('presence', **{'from': 'romeo@localhost/b', 'type': 'unavailable'})
    assert [at['resource'] for at in _json(deployment, 'user', 'sessions', 'romeo@localhost')] == ['a', 'c']
    _problem(deployment, 'user', 'kick', 'romeo@localhost/b', says='romeo@localhost/b: there is no such session')
    assert _json(deployment, 'user', 'kick', 'romeo@localhost') == {'jid': 'romeo@localhost', 'ended': 2}
    assert [_stream_error(at) for at in (first, third)] == ['policy-violation'] * 2
    _problem(deployment, 'user', 'kick', 'romeo@localhost', says='no such session')
    other.no_message()
    _on(deployment, 'romeo', 'b').no_message()


def who_is_away_is_kicked_and_cannot_resume(deployment):
    client = Counting(deployment.port, 'nurse', resource='phone').begin().drop()
    end = time.time() + 10
    while not (listed := _json(deployment, 'user', 'sessions', 'nurse@localhost'))[0]['seconds_left']:
        assert time.time() < end, listed
    assert not listed[0]['attached'] and listed[0]['resumable'] and 0 < listed[0]['seconds_left'] <= 600, listed
    assert '1 session ended' in deployment.command('user', 'kick', 'nurse@localhost/phone').stdout
    assert _json(deployment, 'user', 'sessions', 'nurse@localhost') == []
    again = Counting(deployment.port, 'nurse').authenticate()
    assert again.resume(client.key, client.handled).tag.endswith('}failed')


def a_contact_is_pushed_to_who_is_on(deployment):
    client = _on(deployment, 'romeo')
    assert _json(deployment, 'roster', 'list', 'romeo@localhost') == []
    deployment.command('roster', 'add', 'romeo@localhost', 'Bob@example.net', '--name', 'Bob "B" <b>', '--group', 'Friends',
                       '--group=Näher')
    item = _item(client)
    assert (item.get('jid'), item.get('name'), item.get('subscription')) == ('bob@example.net', 'Bob "B" <b>', 'none')
    assert [group.text for group in item] == ['Friends', 'Näher']
    wanted = {'jid': 'bob@example.net', 'name': 'Bob "B" <b>', 'groups': ['Friends', 'Näher'], 'subscription': 'none',
              'ask': False, 'approved': False}
    assert _json(deployment, 'roster', 'list', 'romeo@localhost') == [wanted]
    added = _json(deployment, 'roster', 'add', 'romeo@localhost', 'bob@example.net', '--group', 'Work')
    assert added == {'jid': 'romeo@localhost', 'contact': 'bob@example.net', 'subscription': 'none'}
    assert [group.text for group in _item(client)] == ['Work']
    deployment.restart('run')
    assert _json(deployment, 'roster', 'list', 'romeo@localhost') == [dict(wanted, groups=['Work'])]
    assert 'bob@example.net' in deployment.command('roster', 'list', 'romeo@localhost').stdout
    assert _json(deployment, 'user', 'show', 'romeo@localhost')['contacts'] == 1


def two_who_are_made_contacts_see_each_other(deployment):
    """Wherever they live, of two workers: first they are told that they are contacts, then who is on."""
    clients = {name: _on(deployment, name) for name in PEOPLE[1:]}
    romeo = _on(deployment, 'romeo')
    for name, client in clients.items():
        contact = f'{name}@localhost'
        deployment.command('roster', 'add', 'romeo@localhost', contact, '--mutual', '--name', name)
        item = _item(client)
        assert (item.get('jid'), item.get('name'), item.get('subscription')) == ('romeo@localhost', None, 'both')
        client.expect('presence', **{'from': 'romeo@localhost/balcony'})
        item = _item(romeo)
        assert (item.get('jid'), item.get('name'), item.get('subscription')) == (contact, name, 'both')
        romeo.expect('presence', **{'from': f'{contact}/balcony'})
    romeo.close()
    for client in clients.values():
        client.expect('presence', **{'from': 'romeo@localhost/balcony', 'type': 'unavailable'})
    assert len(_json(deployment, 'roster', 'list', 'romeo@localhost')) == 4


def _befriended(deployment):
    """Romeo and Juliet, who are on and see each other."""
    romeo, juliet = _on(deployment, 'romeo'), _on(deployment, 'juliet')
    deployment.command('roster', 'add', 'romeo@localhost', 'juliet@localhost', '--mutual')
    juliet.expect('presence', **{'from': romeo.jid})
    romeo.expect('presence', **{'from': juliet.jid})
    return romeo, juliet


def _refused(deployment, name):
    try:
        Raw(deployment.port).login(name, 'secret').close()
        return False
    except AssertionError:
        return True


def _register(deployment, name):
    client = Raw(deployment.port).open()
    client.features()
    client.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'>"
                f'<username>{name}</username><password>new</password></query></iq>')
    return client.expect('iq', id='r').get('type')


def _nothing_left(deployment, name):
    """Its name is locked for all but an administrator, who makes it anew; nothing is there."""
    jid = f'{name}@localhost'
    _problem(deployment, 'user', 'show', jid, says=r'its name is locked until 20\d\d-')
    _problem(deployment, 'user', 'del', jid, says='there is no such account')
    assert jid not in deployment.command('user', 'list').stdout.split()
    assert 'locked' in deployment.command('user', 'add', jid, '--password-file', '-', input='new\n', code=1).stderr
    deployment.command('user', 'add', jid, '--unlock', '--password-file', '-', input='new\n')
    facts = _json(deployment, 'user', 'show', jid)
    assert (facts['contacts'], facts['messages']) == (0, 0), facts


def an_account_is_deleted_and_its_contacts_hear_of_it(deployment):
    romeo, juliet = _befriended(deployment)
    away = Counting(deployment.port, 'romeo', resource='phone').begin().drop()
    deleted = _json(deployment, 'user', 'del', 'romeo@localhost')
    assert deleted['jid'] == 'romeo@localhost' and re.match(r'20\d\d-\d\d-\d\dT', deleted['locked_until']), deleted
    assert _stream_error(romeo) == 'not-authorized'
    juliet.expect('presence', type='unavailable', **{'from': romeo.jid})
    juliet.expect('presence', type='unsubscribe', **{'from': 'romeo@localhost'})
    juliet.expect('presence', type='unsubscribed', **{'from': 'romeo@localhost'})
    assert _item(juliet).get('subscription') == 'none'
    juliet.send("<message to='romeo@localhost' id='late'><body>too late</body></message>")
    assert juliet.expect('message', id='late').get('type') == 'error'
    assert _refused(deployment, 'romeo') and _register(deployment, 'romeo') == 'error'
    _nothing_left(deployment, 'romeo')
    again = Counting(deployment.port, 'romeo', password='new').authenticate()
    assert again.resume(away.key, away.handled).tag.endswith('}failed')


an_account_is_deleted_and_its_contacts_hear_of_it.registration = 'open'


def an_account_of_a_stopped_server_is_deleted_too(deployment):
    """Its contact hears of it when the server is there again."""
    romeo, juliet = _befriended(deployment)
    romeo.close()
    juliet.expect('presence', type='unavailable', **{'from': romeo.jid})
    juliet.send("<message to='romeo@localhost'><body>never read</body></message>")
    deployment.wait_stored(1)
    assert deployment.processes['run'].stop() == 0
    assert 'romeo@localhost: deleted' in deployment.command('user', 'del', 'romeo@localhost').stdout
    _nothing_left(deployment, 'romeo')
    deployment.processes['run'].start().wait_for('jackdaw: ready in')
    juliet = _on(deployment, 'juliet')
    end = time.time() + 10
    while (listed := _json(deployment, 'roster', 'list', 'juliet@localhost'))[0]['subscription'] != 'none':
        assert time.time() < end, listed
    juliet.close()


def all_who_are_on_hear_an_announcement(deployment):
    assert 'nobody is on' in deployment.command('announce', 'too early').stdout
    clients = [_on(deployment, name, resource) for name in PEOPLE for resource in ('a', 'b')]
    silent = Raw(deployment.port).login('romeo', 'secret', 'c', presence=False)
    assert 'sent to 10 sessions' in deployment.command('announce', 'We restart at <noon> & soon').stdout
    for client in clients:
        message = client.expect('message')
        assert message.get('type') == 'headline' and message.get('from') == 'localhost', message.attrib
        assert message.get('to') == client.jid and body(message) == 'We restart at <noon> & soon'
        client.no_message()
    silent.no_message()
    assert _json(deployment, 'announce', 'once more') == {'sessions': 10, 'detached': 0}


def what_is_wrong_is_said_in_a_line(deployment):
    for words in (('user', 'del'), ('user', 'sessions'), ('user', 'kick'), ('roster', 'list')):
        _problem(deployment, *words, 'nobody@localhost', says='nobody@localhost: there is no such account')
        _problem(deployment, *words, '@localhost', says='no account')
        _problem(deployment, *words, 'romeo@elsewhere.example', says='not of a domain that is served here')
        _problem(deployment, *words, code=2, says='wanted')
        _problem(deployment, *words, 'romeo@localhost', 'juliet@localhost', code=2, says='wanted')
    _problem(deployment, 'user', 'sessions', 'romeo@localhost/a', says='no account')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', code=2, says='account and a contact')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'x@y/z', says='no address of a contact')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'nobody@localhost', '--mutual', says='no such account')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'x@example.net', '--mutual', says='not of a domain')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'x@example.net', '--name', 'x' * 1024, says='1023')
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'x@example.net', '--password-file', 'x', code=2)
    _problem(deployment, 'roster', 'add', 'romeo@localhost', 'x@example.net', *['--group=x'] * 11, code=2, says='10 groups')
    _problem(deployment, 'announce', code=2, says='in quotes')
    _problem(deployment, 'announce', 'a', 'b', code=2, says='in quotes')
    _problem(deployment, 'announce', '', says='empty')
    _problem(deployment, 'announce', '\x07', says='XML')
    assert deployment.command('roster', 'list', 'romeo@localhost').stdout.endswith('has no contacts\n')
    for verb in ('user del', 'user sessions', 'user kick', 'roster list', 'roster add', 'announce'):
        page = subprocess.run([BINARY, *verb.split(), '--help'], capture_output=True, text=True, timeout=20)
        assert page.returncode == 0 and f'Example:\n  jackdaw {verb} ' in page.stdout, page
        assert verb in subprocess.run([BINARY], capture_output=True, text=True, timeout=20).stdout


def a_server_of_parts_answers_too():
    with Deployment() as deployment:
        deployment.start('router', 'sm', 'c2s')
        for name in ('romeo', 'juliet'):
            deployment.add_user(name, 'secret')
        romeo, juliet = (_on(deployment, name) for name in ('romeo', 'juliet'))
        deployment.command('roster', 'add', 'romeo@localhost', 'juliet@localhost', '--mutual')
        juliet.expect('presence', **{'from': romeo.jid})
        romeo.expect('presence', **{'from': juliet.jid})
        assert 'sent to 2 sessions' in deployment.command('announce', 'hello').stdout
        assert body(romeo.expect('message')) == 'hello'
        assert '1 session ended' in deployment.command('user', 'kick', 'romeo@localhost').stdout
        assert _stream_error(romeo) == 'policy-violation'
        juliet.expect('presence', **{'from': romeo.jid, 'type': 'unavailable'})
        assert deployment.processes['sm'].stop() == 0
        _problem(deployment, 'user', 'sessions', 'juliet@localhost', says='no server that could do it runs')


def a_stopped_server_is_not_asked():
    with Deployment() as deployment:
        deployment.add_user('romeo', 'secret')
        for words in (('user', 'sessions', 'romeo@localhost'), ('roster', 'add', 'romeo@localhost', 'x@y'), ('announce', 'x')):
            _problem(deployment, *words, says='no server that could do it runs')


if __name__ == '__main__':
    scenarios(*with_people(sessions_are_listed, one_session_is_kicked_and_then_the_rest, who_is_away_is_kicked_and_cannot_resume,
                           a_contact_is_pushed_to_who_is_on, two_who_are_made_contacts_see_each_other,
                           an_account_is_deleted_and_its_contacts_hear_of_it, an_account_of_a_stopped_server_is_deleted_too,
                           all_who_are_on_hear_an_announcement, what_is_wrong_is_said_in_a_line, users=PEOPLE),
              a_server_of_parts_answers_too, a_stopped_server_is_not_asked)
