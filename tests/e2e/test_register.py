#!/usr/bin/python3
"""In-band registration, XEP-0077: accounts made, changed and removed from a client, and what is refused."""
import os
import subprocess
import xml.etree.ElementTree as ElementTree

from harness import BINARY, CLIENT, Deployment, Raw, scenarios
from stream_management import Counting

REGISTER = 'jabber:iq:register'
FEATURE = '{http://jabber.org/features/iq-register}register'
STANZAS = '{urn:ietf:params:xml:ns:xmpp-stanzas}'


def ask(client, payload, kind='set', to=''):
    client.send(f"<iq type='{kind}' id='a'{to}><query xmlns='{REGISTER}'>{payload}</query></iq>")
    return client.expect('iq', id='a')


def account(name, password='secret'):
    return f'<username>{name}</username><password>{password}</password>'


def refused(answer, condition):
    error = answer.find(f'{{{CLIENT}}}error')
    assert answer.get('type') == 'error' and error.find(STANZAS + condition) is not None, ElementTree.tostring(answer)
    return error


def done(answer):
    assert answer.get('type') == 'result', ElementTree.tostring(answer)


def stranger(deployment):
    client = Raw(deployment.port).open()
    client.features()
    return client


def logs_in(deployment, name, password):
    try:
        Raw(deployment.port).login(name, password).close()
        return True
    except AssertionError:
        return False


def only_so_many_come_from_one_address():
    extra = '[limits]\nregistrations = "3 per hour"\nunlimited_from = []\n'
    with Deployment(registration='open', extra=extra).start() as deployment:
        for number in range(3):
            done(ask(stranger(deployment), account(f'early{number}')))
        error = refused(ask(stranger(deployment), account('late')), 'resource-constraint')
        assert error.get('type') == 'wait'
        other = Raw(deployment.port, source='127.0.0.2').open()
        other.features()
        done(ask(other, account('elsewhere')))
        assert logs_in(deployment, 'early2', 'secret') and logs_in(deployment, 'elsewhere', 'secret')
        assert not logs_in(deployment, 'late', 'secret')
        assert 'limits.registrations' in deployment.processes['run'].text()


def what_is_wrong_does_not_count():
    extra = '[limits]\nregistrations = "1 per hour"\nunlimited_from = ["127.0.0.0/30"]\n'
    with Deployment(registration='open', extra=extra).start() as deployment:
        client = Raw(deployment.port, source='127.0.0.9').open()
        client.features()
        for _ in range(3):
            refused(ask(client, '<username>x</username>'), 'not-acceptable')
            refused(ask(client, account('a@b')), 'jid-malformed')
        done(ask(client, account('first')))
        refused(ask(client, account('second')), 'resource-constraint')
        for number in range(5):
            done(ask(stranger(deployment), account(f'near{number}')))


def a_closed_server_says_so():
    with Deployment().start() as deployment:
        client = Raw(deployment.port).open()
        assert client.features().find(FEATURE) is None
        refused(ask(client, '', 'get'), 'not-allowed')
        refused(ask(client, account('someone')), 'not-allowed')
        assert not logs_in(deployment, 'someone', 'secret')


def nobody_registers_in_clear_where_tls_is_required():
    with Deployment(registration='open', required=True).start() as deployment:
        client = Raw(deployment.port).open()
        assert client.features().find(FEATURE) is None
        refused(ask(client, account('someone')), 'not-allowed')


def odd_names_and_passwords_are_refused():
    with Deployment(registration='open').start() as deployment:
        for name in ('', 'a b', 'a/b', '@', 'x' * 1024, '\N{SNOWMAN}' * 400):
            refused(ask(stranger(deployment), account(name)), 'jid-malformed')
        for password in ('', 'a\N{ARABIC LETTER BEH}', 'tab\there'):
            refused(ask(stranger(deployment), account('odd', password)), 'not-acceptable')
        done(ask(stranger(deployment), account('Straße', 'p\N{LATIN SMALL LETTER U WITH DIAERESIS}')))
        refused(ask(stranger(deployment), account('STRASSE')), 'conflict')
        assert logs_in(deployment, 'strasse', 'pu\N{COMBINING DIAERESIS}')


def one_changes_the_own_password_only():
    with Deployment(registration='open').start() as deployment:
        for name in ('romeo', 'juliet'):
            done(ask(stranger(deployment), account(name)))
        romeo = Raw(deployment.port).login('romeo', 'secret')
        facts = ask(romeo, '', 'get', " to='localhost'")
        assert facts.find(f'.//{{{REGISTER}}}registered') is not None
        assert facts.find(f'.//{{{REGISTER}}}username').text == 'romeo'
        refused(ask(romeo, account('juliet', 'stolen')), 'not-allowed')
        refused(ask(romeo, account('romeo', '')), 'bad-request')
        done(ask(romeo, account('romeo', 'new one')))
        assert logs_in(deployment, 'romeo', 'new one') and not logs_in(deployment, 'romeo', 'secret')
        assert logs_in(deployment, 'juliet', 'secret')
        romeo.no_message()


def a_removed_account_leaves_nothing():
    with Deployment(registration='open').start() as deployment:
        for name in ('romeo', 'juliet'):
            done(ask(stranger(deployment), account(name)))
        romeo, phone = Raw(deployment.port).login('romeo', 'secret'), Raw(deployment.port).login('romeo', 'secret')
        juliet = Raw(deployment.port).login('juliet', 'secret')
        romeo.send("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='juliet@localhost'/></query></iq>")
        done(romeo.expect('iq', id='r'))
        juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        done(juliet.expect('iq', id='r'))
        romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
        juliet.expect('presence', type='subscribe')
        done(ask(romeo, '<remove/>'))
        for client in (romeo, phone):
            while client.receive() is not None:
                pass
            assert b'not-authorized' in client.raw
        juliet.expect('presence', type='unsubscribe', **{'from': 'romeo@localhost'})
        assert not logs_in(deployment, 'romeo', 'secret')
        refused(ask(stranger(deployment), account('romeo', 'another')), 'conflict')
        deployment.command('user', 'add', 'romeo@localhost', '--unlock', '--password-file', '-', input='another\n')
        romeo = Raw(deployment.port).login('romeo', 'another')
        romeo.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        assert len(romeo.expect('iq', id='r')[0]) == 0


def who_counts_stanzas_hears_of_the_removal_too():
    """From a c2s that is a process of its own as well."""
    for parts in (('run',), ('router', 'sm', 'c2s')):
        with Deployment(registration='open').start(*parts) as deployment:
            done(ask(stranger(deployment), account('romeo')))
            done(ask(stranger(deployment), account('juliet')))
            other = Raw(deployment.port).login('romeo', 'secret')
            client = Counting(deployment.port, 'romeo').begin()
            client.send(f"<iq type='set' id='a'><query xmlns='{REGISTER}'><remove/></query></iq>")
            done(client.expect('iq', id='a'))
            while not (element := client.receive()).tag.endswith('}error'):
                pass
            assert element[0].tag.endswith('}not-authorized'), ElementTree.tostring(element)
            while other.receive() is not None:
                pass
            assert b'not-authorized' in other.raw and not logs_in(deployment, 'romeo', 'secret')
            assert logs_in(deployment, 'juliet', 'secret')


def invitations_are_not_in_this_version():
    with Deployment(registration='invite') as deployment:
        result = subprocess.run([BINARY, 'check', 'config', '--config', deployment.config], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == 1 and 'not in this version' in result.stdout + result.stderr, result
        assert os.path.basename(deployment.config) in result.stdout + result.stderr


if __name__ == '__main__':
    scenarios(only_so_many_come_from_one_address, what_is_wrong_does_not_count, a_closed_server_says_so,
              nobody_registers_in_clear_where_tls_is_required, odd_names_and_passwords_are_refused,
              one_changes_the_own_password_only, a_removed_account_leaves_nothing,
              who_counts_stanzas_hears_of_the_removal_too, invitations_are_not_in_this_version)
