#!/usr/bin/python3
"""Two people chat through one process: a real client library, STARTTLS, SCRAM."""
import asyncio
import logging
import ssl

import slixmpp
from harness import Deployment, Raw, body, romeo_and_juliet, scenarios

logging.disable(logging.CRITICAL)


class Person(slixmpp.ClientXMPP):
    def __init__(self, deployment, name, password, **options):
        super().__init__(f'{name}@localhost', password, sasl_mech=options.get('sasl_mech'))
        for plugin in ('xep_0030', 'xep_0092', 'xep_0199'):
            self.register_plugin(plugin)
        self.ca_certs = None
        self.ssl_context = ssl.create_default_context()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        # This library binds by tls-unique alone, which TLS 1.3 has not.
        self.ssl_context.maximum_version = options.get('version', ssl.TLSVersion.TLSv1_2)
        self.ready, self.failed = asyncio.Event(), asyncio.Event()
        self.messages, self.presences = asyncio.Queue(), asyncio.Queue()
        self.mechanism = None
        self.add_event_handler('session_start', self._start)
        self.add_event_handler('failed_auth', lambda event: self.failed.set())
        self.add_event_handler('message', self.messages.put_nowait)
        self.add_event_handler('presence', self.presences.put_nowait)
        self.connect(('127.0.0.1', deployment.port), disable_starttls=options.get('plain', False))

    async def _start(self, event):
        await self.get_roster()
        self.mechanism = self['feature_mechanisms'].mech.name
        self.send_presence()
        self.ready.set()

    async def next_presence(self, kind, who):
        while True:
            presence = await asyncio.wait_for(self.presences.get(), 15)
            if presence['type'] == kind and presence['from'].bare == who:
                return presence


def get_context(person):
    return person.ssl_context


Person.get_ssl_context = get_context


async def _log_in(deployment, name, password='secret', **options):
    person = Person(deployment, name, password, **options)
    await asyncio.wait_for(person.ready.wait(), 20)
    return person


def two_people_meet_and_chat_over_tls_with_scram():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        juliet = await _log_in(deployment, 'juliet')
        assert romeo.mechanism == 'SCRAM-SHA-256-PLUS', romeo.mechanism
        romeo.send_presence_subscription('juliet@localhost', ptype='subscribe')
        await juliet.next_presence('subscribe', 'romeo@localhost')
        await juliet.next_presence('subscribed', 'romeo@localhost')
        await romeo.next_presence('available', 'juliet@localhost')
        for text in ('one', 'two', 'three'):
            romeo.send_message('juliet@localhost', text, mtype='chat')
        for text in ('one', 'two', 'three'):
            assert (await asyncio.wait_for(juliet.messages.get(), 15))['body'] == text
        juliet.send_message(romeo.boundjid.full, 'back', mtype='chat')
        assert (await asyncio.wait_for(romeo.messages.get(), 15))['body'] == 'back'
        assert await romeo['xep_0199'].ping('localhost', timeout=10) >= 0
        info = await romeo['xep_0030'].get_info('localhost', timeout=10)
        assert 'urn:xmpp:ping' in info['disco_info']['features'], info
        version = await romeo['xep_0092'].get_version('localhost', timeout=10)
        assert version['software_version']['name'] == 'jackdaw', version
        await juliet.disconnect()
        await romeo.next_presence('unavailable', 'juliet@localhost')
        await romeo.disconnect()

    with romeo_and_juliet(required=True) as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def every_mechanism_of_the_file_logs_in():
    async def play(deployment):
        for mechanism in ('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS', 'PLAIN'):
            person = await _log_in(deployment, 'romeo', sasl_mech=mechanism)
            assert person.mechanism == mechanism
            await person.disconnect()
        person = await _log_in(deployment, 'romeo', version=ssl.TLSVersion.TLSv1_3)
        assert person.mechanism == 'PLAIN', 'what is bound in a way that there is not is refused, the stream goes on'
        await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def a_wrong_password_is_refused():
    async def play(deployment):
        person = Person(deployment, 'romeo', 'wrong')
        await asyncio.wait_for(person.failed.wait(), 20)
        assert not person.ready.is_set()
        await person.disconnect()

    with romeo_and_juliet() as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def messages_to_who_is_away_come_once_in_order_with_their_time():
    with romeo_and_juliet() as deployment:
        romeo = Raw(deployment.port).login('romeo', 'secret')
        for number in range(20):
            romeo.send(f"<message to='juliet@localhost' type='chat' id='m{number}'><body>{number}</body></message>")
        romeo.send("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.expect('iq', id='p')
        deployment.restart('run')
        juliet = Raw(deployment.port).login('juliet', 'secret')
        for number in range(20):
            message = juliet.expect('message')
            assert body(message) == str(number), (number, body(message))
            assert message.find('{urn:xmpp:delay}delay') is not None
            assert message.get('from').startswith('romeo@localhost/')
        juliet.no_message()
        juliet.close()
        Raw(deployment.port).login('juliet', 'secret').no_message()


def a_person_registers_and_chats():
    with Deployment(registration='open') as deployment:
        deployment.start()
        client = Raw(deployment.port).open()
        features = client.features()
        assert features.find('{http://jabber.org/features/iq-register}register') is not None
        client.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>")
        assert client.expect('iq', id='g').find('.//{jabber:iq:register}username') is not None
        register = ("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>nurse</username>"
                    "<password>herbs</password></query></iq>")
        client.send(register)
        assert client.expect('iq', id='r').get('type') == 'result'
        client.send(register)
        error = client.expect('iq', id='r')
        assert error.get('type') == 'error' and error.find('.//{urn:ietf:params:xml:ns:xmpp-stanzas}conflict') is not None
        Raw(deployment.port).login('nurse', 'herbs')


def a_person_changes_the_password_and_removes_the_account():
    with romeo_and_juliet() as deployment:
        romeo = Raw(deployment.port).login('romeo', 'secret')
        other = Raw(deployment.port).login('romeo', 'secret')
        query = "<query xmlns='jabber:iq:register'>"
        romeo.send(f"<iq type='get' id='g'>{query}</query></iq>")
        facts = romeo.expect('iq', id='g')
        assert facts.find('.//{jabber:iq:register}registered') is not None
        romeo.send(f"<iq type='set' id='n'>{query}<username>juliet</username><password>x</password></query></iq>")
        assert romeo.expect('iq', id='n').get('type') == 'error'
        romeo.send(f"<iq type='set' id='p'>{query}<username>romeo</username><password>other</password></query></iq>")
        assert romeo.expect('iq', id='p').get('type') == 'result'
        Raw(deployment.port).login('romeo', 'other').close()
        try:
            Raw(deployment.port).login('romeo', 'secret')
            raise RuntimeError('the old password still works')
        except AssertionError:
            pass
        romeo.send(f"<iq type='set' id='r'>{query}<remove/></query></iq>")
        assert romeo.expect('iq', id='r').get('type') == 'result'
        while other.receive() is not None:
            pass
        assert 'romeo@localhost' not in deployment.command('user', 'list').stdout


if __name__ == '__main__':
    scenarios(two_people_meet_and_chat_over_tls_with_scram, every_mechanism_of_the_file_logs_in,
              a_wrong_password_is_refused, messages_to_who_is_away_come_once_in_order_with_their_time,
              a_person_registers_and_chats, a_person_changes_the_password_and_removes_the_account)
