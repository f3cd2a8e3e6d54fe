#!/usr/bin/python3
"""An administrator's client library has the server's commands done, and others find nothing of them."""
import asyncio
import re

from harness import Deployment, Raw, scenarios
from slixmpp.exceptions import IqError
from test_chat import Person

COMMANDS = 'http://jabber.org/protocol/commands'
ADMIN = 'http://jabber.org/protocol/admin#'
FORM = '{jabber:x:data}'


class Client(Person):
    def __init__(self, deployment, name, password='secret'):
        super().__init__(deployment, name, password)
        for plugin in ('xep_0004', 'xep_0050', 'xep_0133'):
            self.register_plugin(plugin)
        self.gone = asyncio.Event()
        self.add_event_handler('disconnected', lambda event: self.gone.set())

    async def announced(self, to):
        return (await self['xep_0030'].get_info(to, timeout=10))['disco_info']['features']

    async def nodes(self, to):
        items = (await self['xep_0133'].get_commands(to, timeout=10))['disco_items']['items']
        assert all(item[0] == to for item in items), items
        return {item[1] for item in items}

    def _next(self, answer):
        def next_or_error(iq, session):
            if iq['type'] == 'error':
                self['xep_0050'].terminate_command(session)
            answer.set_result((iq, session))
        return {'next': next_or_error, 'error': next_or_error}

    async def start(self, command, to='localhost'):
        """The first answer, as the library understands it, and its session."""
        answer = asyncio.get_event_loop().create_future()
        getattr(self['xep_0133'], command.replace('-', '_'))(to, self._next(answer))
        return await asyncio.wait_for(answer, 15)

    async def fill_in(self, session, **fields):
        form = self['xep_0004'].make_form(ftype='submit')
        form.add_field(var='FORM_TYPE', ftype='hidden', value=ADMIN[:-1])
        for var, value in fields.items():
            form.add_field(var=var.replace('_verify', '-verify'), value=value)
        answer = asyncio.get_event_loop().create_future()
        session.update(self._next(answer), payload=[form])
        self['xep_0050'].complete_command(session)
        return (await asyncio.wait_for(answer, 15))[0]

    async def run(self, command, to='localhost', **fields):
        iq, session = await self.start(command, to)
        if not fields:
            return iq
        assert iq['command']['status'] == 'executing', iq
        assert iq['command']['form']['type'] == 'form', iq
        return await self.fill_in(session, **fields)

    async def done(self, command, to='localhost', **fields):
        """The notes and the fields of what has completed."""
        iq = await self.run(command, to, **fields)
        assert iq['type'] == 'result' and iq['command']['status'] == 'completed', iq
        found = iq.xml.findall(f'.//{FORM}x/{FORM}field')
        values = {field.get('var'): [value.text for value in field.findall(f'{FORM}value')] for field in found}
        return dict(iq['command']['notes']), values

    async def refusal(self, command, to='localhost', **fields):
        iq = await self.run(command, to, **fields)
        assert iq['type'] == 'error', iq
        return iq['error']['condition']


async def _log_in(deployment, name, password='secret'):
    client = Client(deployment, name, password)
    await asyncio.wait_for(client.ready.wait(), 20)
    return client


def _deployment(admins='["alice@localhost"]', **options):
    deployment = Deployment(**options)
    with open(deployment.config, encoding='utf-8') as file:
        text = file.read()
    with open(deployment.config, 'w', encoding='utf-8') as file:
        file.write(f'admins = {admins}\n{text}')
    deployment.start()
    for name in ('alice', 'romeo', 'juliet'):
        deployment.add_user(name, 'secret')
    return deployment


def _play(play, **options):
    with _deployment(**options) as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def only_administrators_find_commands():
    async def play(deployment):
        alice, romeo = await _log_in(deployment, 'alice'), await _log_in(deployment, 'romeo')
        for to in ('localhost', 'alice@localhost'):
            assert COMMANDS in await alice.announced(to)
            nodes = await alice.nodes(to)
            assert len(nodes) == 16 and ADMIN + 'add-user' in nodes and ADMIN + 'get-user-password' not in nodes, nodes
            for node in nodes:
                info = (await alice['xep_0030'].get_info(to, node, timeout=10))['disco_info']
                assert ('automation', 'command-node') in [at[:2] for at in info['identities']], info
                assert {COMMANDS, 'jabber:x:data'} <= set(info['features']), info
        for to in ('localhost', 'romeo@localhost'):
            assert COMMANDS not in await romeo.announced(to)
            try:
                await romeo.nodes(to)
                raise RuntimeError('a list')
            except IqError as error:
                assert error.iq['error']['condition'] == 'item-not-found', error.iq
            assert await romeo.refusal('get-registered-users-num', to) == 'forbidden'
        for to in ('romeo@localhost', 'nobody@localhost'):
            assert await alice.refusal('get-registered-users-num', to) == 'service-unavailable'
        for client in (alice, romeo):
            await client.disconnect()

    _play(play)


def accounts_come_and_go():
    async def play(deployment):
        alice, romeo = await _log_in(deployment, 'alice'), await _log_in(deployment, 'romeo')
        notes, _ = await alice.done('add-user', accountjid='nurse@localhost', password='Ä secret', password_verify='Ä secret')
        assert notes == {'info': 'nurse@localhost: added'}, notes
        await (await _log_in(deployment, 'nurse', 'Ä secret')).disconnect()
        assert await alice.refusal('add-user', accountjid='nurse@localhost', password='x', password_verify='x') == 'conflict'
        assert await alice.refusal('add-user', accountjid='x@localhost', password='x', password_verify='y') == 'bad-request'
        notes, _ = await alice.done('change-user-password', accountjid='nurse@localhost', password='wherefore')
        assert notes == {'info': 'nurse@localhost: has its new password'}, notes
        await (await _log_in(deployment, 'nurse', 'wherefore')).disconnect()
        notes, _ = await alice.done('disable-user', 'alice@localhost', accountjids=['romeo@localhost', 'nobody@localhost'])
        assert notes['info'].startswith('romeo@localhost: disabled') and 'nobody@localhost' in notes['error'], notes
        await asyncio.wait_for(romeo.gone.wait(), 15)
        assert (await alice.done('get-disabled-users-num'))[1]['disabledusersnum'] == ['1']
        _, fields = await alice.done('get-disabled-users-list', max_items='25')
        assert fields['disableduserjids'] == ['romeo@localhost'], fields
        await alice.done('reenable-user', accountjids=['romeo@localhost'])
        romeo = await _log_in(deployment, 'romeo')
        notes, _ = await alice.done('end-user-session', accountjids=['romeo@localhost'])
        assert notes == {'info': 'romeo@localhost: 1 session ended'}, notes
        await alice.done('delete-user', accountjids=['romeo@localhost', 'nurse@localhost'])
        assert deployment.command('user', 'list').stdout == 'alice@localhost\njuliet@localhost\n'
        await alice.disconnect()
        log = deployment.processes['run'].text()
        assert 'as an administrator: delete-user romeo@localhost' in log, log
        assert 'secret' not in log and 'wherefore' not in log, log

    _play(play)


def administrators_see_who_is_there():
    async def play(deployment):
        alice, juliet = await _log_in(deployment, 'alice'), await _log_in(deployment, 'juliet')
        assert (await alice.done('get-registered-users-num'))[1]['registeredusersnum'] == ['3']
        assert (await alice.done('get-online-users-num'))[1]['onlineusersnum'] == ['2']
        _, fields = await alice.done('get-online-users-list', max_items='none')
        assert sorted(fields['onlineuserjids']) == ['alice@localhost', 'juliet@localhost'], fields
        notes, fields = await alice.done('get-registered-users-list', max_items='2')
        assert fields['registereduserjids'] == ['alice@localhost', 'juliet@localhost'] and 'warn' in notes, (notes, fields)
        deployment.command('roster', 'add', 'juliet@localhost', 'romeo@localhost', '--name', 'R & J', '--group', 'Friends')
        iq = await alice.run('get-user-roster', accountjids=['juliet@localhost'])
        item = iq.xml.find('.//{jabber:iq:roster}query/{jabber:iq:roster}item')
        assert item.attrib == {'jid': 'romeo@localhost', 'name': 'R & J', 'subscription': 'none'}, iq
        assert [group.text for group in item] == ['Friends'], iq
        _, fields = await alice.done('user-stats', accountjid='juliet@localhost')
        assert fields['rostersize'] == ['1'] and fields['onlineresources'] == [juliet.boundjid.resource], fields
        notes, fields = await alice.done('get-user-lastlogin', accountjids=['juliet@localhost'])
        assert fields['lastlogin'] == [] and notes == {'info': 'juliet@localhost is on.'}, (notes, fields)
        notes, _ = await alice.done('announce', announcement=['Soon', 'we restart.'])
        assert notes == {'info': 'sent to 2 sessions'}, notes
        message = await asyncio.wait_for(juliet.messages.get(), 15)
        assert (message['type'], message['body'], str(message['from'])) == ('headline', 'Soon\nwe restart.', 'localhost')
        await juliet.disconnect()
        while (await alice.done('get-online-users-num'))[1]['onlineusersnum'] != ['1']:
            await asyncio.sleep(0.05)
        await asyncio.sleep(6)  # who is back in five seconds was not away
        _, fields = await alice.done('get-user-lastlogin', accountjids=['juliet@localhost'])
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', fields['lastlogin'][0]), fields
        await alice.disconnect()

    _play(play)


def who_is_an_administrator_changes_with_the_file():
    async def play(deployment):
        alice = await _log_in(deployment, 'alice')
        assert await alice.refusal('get-registered-users-num') == 'forbidden'
        with open(deployment.config, encoding='utf-8') as file:
            text = file.read()
        with open(deployment.config, 'w', encoding='utf-8') as file:
            file.write(text.replace('admins = []', 'admins = ["alice@localhost"]'))
        deployment.command('reload')
        assert (await alice.done('get-registered-users-num'))[1]['registeredusersnum'] == ['3']
        await alice.disconnect()

    _play(play, admins='[]')


def nobody_registers_as_an_administrator():
    with _deployment(admins='["root@localhost"]', registration='open') as deployment:
        for name, answer in (('root', 'error'), ('nurse', 'result')):
            client = Raw(deployment.port).open()
            client.features()
            client.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>"
                        "<password>x</password></query></iq>")
            assert client.expect('iq', id='r').get('type') == answer
            client.close()
        assert 'root' not in deployment.command('user', 'list').stdout


if __name__ == '__main__':
    scenarios(only_administrators_find_commands, accounts_come_and_go, administrators_see_who_is_there,
              who_is_an_administrator_changes_with_the_file, nobody_registers_as_an_administrator)
