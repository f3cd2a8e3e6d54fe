#!/usr/bin/python3
"""aioxmpp's own calls: it is stricter than others about what it is answered. Two resources of romeo stay in step. slixmpp's are in the others."""
import asyncio
import contextlib

import aioxmpp
import aioxmpp.adhoc
import aioxmpp.blocking
import aioxmpp.private_xml
import aioxmpp.vcard
import lxml.etree as etree
from aioxmpp import xso
from aioxmpp.connector import STARTTLSConnector

from harness import Deployment, scenarios

ALICE, ROMEO, JULIET = (aioxmpp.JID.fromstr(f'{name}@localhost') for name in ('alice', 'romeo', 'juliet'))
DOMAIN = aioxmpp.JID.fromstr('localhost')
ADMIN = 'http://jabber.org/protocol/admin#'


@aioxmpp.IQ.as_payload_class
class LastActivity(xso.XSO):
    TAG = ('jabber:iq:last', 'query')
    seconds = xso.Attr('seconds', type_=xso.Integer(), default=None)
    status = xso.Text(default=None)


@aioxmpp.private_xml.Query.as_payload_class
class Notes(xso.XSO):
    TAG = ('urn:example:notes', 'notes')
    text = xso.Text(default=None)


class Person(aioxmpp.PresenceManagedClient):
    def __init__(self, deployment, address, resource):
        security = aioxmpp.make_security_layer('secret', no_verify=True)
        super().__init__(address.replace(resource=resource), security, max_initial_attempts=1,
                         override_peer=[('127.0.0.1', deployment.port, STARTTLSConnector())])
        self.roster = self.summon(aioxmpp.RosterClient)
        self.blocking = self.summon(aioxmpp.BlockingClient)
        self.vcard = self.summon(aioxmpp.vcard.VCardService)
        self.private = self.summon(aioxmpp.private_xml.PrivateXMLService)
        self.summon(aioxmpp.DiscoServer)
        self.summon(aioxmpp.PingService)
        self.disco = self.summon(aioxmpp.DiscoClient)
        self.commands = self.summon(aioxmpp.AdHocClient)
        self.others = self.summon(aioxmpp.PresenceClient)

    def next(self, signal):
        """What the signal tells next."""
        heard = asyncio.get_event_loop().create_future()

        def hear(*words, **more):
            if not heard.done():
                heard.set_result(words)
            return True  # once
        signal.connect(hear)
        return asyncio.wait_for(heard, 15)

    async def ask(self, to, payload, type_=aioxmpp.IQType.GET):
        return await asyncio.wait_for(self.send(aioxmpp.IQ(to=to, type_=type_, payload=payload)), 15)


async def _until(true):
    for _ in range(300):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError('it does not come to that')


def _play(play):
    """With all of them there: alice, romeo twice, juliet."""
    async def go(deployment):
        async with contextlib.AsyncExitStack() as stack:
            people = []
            for address, resource in ((ALICE, 'a'), (ROMEO, 'a'), (ROMEO, 'b'), (JULIET, 'j')):
                person = Person(deployment, address, resource)
                await stack.enter_async_context(person.connected())
                people.append(person)
            await play(deployment, *people)

    deployment = Deployment()
    with open(deployment.config, encoding='utf-8') as file:
        text = file.read()
    with open(deployment.config, 'w', encoding='utf-8') as file:
        file.write('admins = ["alice@localhost"]\n' + text)
    with deployment.start():
        for name in ('alice', 'romeo', 'juliet'):
            deployment.add_user(name, 'secret')
        asyncio.run(go(deployment))


def a_roster_and_its_subscriptions():
    async def play(deployment, alice, romeo, other, juliet):
        there = [person.next(person.roster.on_entry_added) for person in (romeo, other)]
        await romeo.roster.set_entry(JULIET, name='Juliet', add_to_groups={'Verona'})
        for entry in there:
            (item,) = await entry
            assert (item.jid, item.name, {group for group in item.groups}) == (JULIET, 'Juliet', {'Verona'}), item
        asked = juliet.next(juliet.roster.on_subscribe)
        romeo.roster.subscribe(JULIET)
        (request,) = await asked
        assert request.from_ == ROMEO, request
        allowed = [person.next(person.roster.on_subscribed) for person in (romeo, other)]
        juliet.roster.approve(ROMEO)
        juliet.roster.subscribe(ROMEO)
        for answer in allowed:
            assert (await answer)[0].from_ == JULIET
        romeo.roster.approve(JULIET)
        for person, whom in ((romeo, JULIET), (other, JULIET), (juliet, ROMEO)):
            await _until(lambda: whom in person.roster.items and person.roster.items[whom].subscription == 'both')
        await _until(lambda: set(juliet.others.get_peer_resources(ROMEO)) == {'a', 'b'})
        await _until(lambda: set(romeo.others.get_peer_resources(JULIET)) == {'j'})
        await other.roster.set_entry(JULIET, name='Giulietta', remove_from_groups={'Verona'})
        await _until(lambda: romeo.roster.items[JULIET].name == 'Giulietta' and not romeo.roster.items[JULIET].groups)
        gone = other.next(other.roster.on_entry_removed)
        await romeo.roster.remove_entry(JULIET)
        assert (await gone)[0].jid == JULIET
        await _until(lambda: juliet.roster.items[ROMEO].subscription == 'none')
        await _until(lambda: not juliet.others.get_peer_resources(ROMEO))

    _play(play)


def a_block_list():
    async def play(deployment, alice, romeo, other, juliet):
        await _until(lambda: romeo.blocking.blocklist == other.blocking.blocklist == frozenset())
        told = other.next(other.blocking.on_jids_blocked)
        await romeo.blocking.block_jids([JULIET, aioxmpp.JID.fromstr('tybalt.example')])
        assert (await told)[0] == {JULIET, aioxmpp.JID.fromstr('tybalt.example')}
        try:
            await juliet.ask(romeo.local_jid, aioxmpp.ping.Ping())
            raise RuntimeError('an answer')
        except aioxmpp.XMPPCancelError as error:
            assert error.condition == aioxmpp.ErrorCondition.SERVICE_UNAVAILABLE, error
        told = romeo.next(romeo.blocking.on_jids_unblocked)
        await other.blocking.unblock_jids([JULIET])
        assert (await told)[0] == {JULIET}
        await other.blocking.unblock_all()
        await _until(lambda: romeo.blocking.blocklist == frozenset())
        assert isinstance(await juliet.ask(romeo.local_jid, aioxmpp.ping.Ping()), aioxmpp.ping.Ping)

    _play(play)


def both_sides_of_a_conversation():
    async def play(deployment, alice, romeo, other, juliet):
        carbons = other.summon(aioxmpp.CarbonsClient)
        await carbons.enable()
        for sender, receiver, kind in ((juliet, romeo, 'received'), (romeo, juliet, 'sent')):
            copied = asyncio.get_running_loop().create_future()
            dispatcher = other.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
            dispatcher.register_callback(aioxmpp.MessageType.CHAT, ROMEO, copied.set_result)
            message = aioxmpp.Message(to=receiver.local_jid, type_=aioxmpp.MessageType.CHAT)
            message.body[None] = kind
            await sender.send(message)
            copy = await asyncio.wait_for(copied, 15)
            dispatcher.unregister_callback(aioxmpp.MessageType.CHAT, ROMEO)
            inside = getattr(copy, f'xep0280_{kind}').stanza
            assert copy.from_ == ROMEO and inside.body.any() == kind, copy
            assert (inside.from_, inside.to) == (sender.local_jid, receiver.local_jid), inside
        await carbons.disable()

    _play(play)


def what_is_kept_for_a_person():
    async def play(deployment, alice, romeo, other, juliet):
        assert not len((await romeo.vcard.get_vcard()).elements)
        card = aioxmpp.vcard.xso.VCard()
        element = etree.Element('{vcard-temp}FN')
        element.text = 'Romeo Montague'
        card.elements.append(element)
        await romeo.vcard.set_vcard(card)
        for person, whom in ((other, None), (juliet, ROMEO)):
            (read,) = (await person.vcard.get_vcard(whom)).elements
            assert (read.tag, read.text) == ('{vcard-temp}FN', 'Romeo Montague'), etree.tostring(read)
        notes = Notes()
        assert (await romeo.private.get_private_xml(Notes())).registered_payload.text is None
        notes.text = 'at the balcony'
        await romeo.private.set_private_xml(notes)
        assert (await other.private.get_private_xml(Notes())).registered_payload.text == 'at the balcony'
        assert (await juliet.private.get_private_xml(Notes())).registered_payload.text is None

    _play(play)


def how_long_somebody_is_silent():
    async def play(deployment, alice, romeo, other, juliet):
        assert (await romeo.ask(DOMAIN, LastActivity())).seconds >= 0
        assert (await romeo.ask(ROMEO, LastActivity())).seconds == 0
        try:
            await juliet.ask(ROMEO, LastActivity())
            raise RuntimeError('an answer')
        except aioxmpp.XMPPCancelError as error:  # as of an account that is not there
            assert error.condition == aioxmpp.ErrorCondition.SERVICE_UNAVAILABLE, error

    _play(play)


def what_is_found_where_clients_look():
    async def play(deployment, alice, romeo, other, juliet):
        server = await romeo.disco.query_info(DOMAIN)
        assert [(at.category, at.type_) for at in server.identities] == [('server', 'im')], server.identities
        assert {'urn:xmpp:blocking', 'jabber:iq:roster', 'jabber:iq:last', 'vcard-temp'} <= server.features, server.features
        own = await romeo.disco.query_info(ROMEO)
        assert ('account', 'registered') in [(at.category, at.type_) for at in own.identities], own.identities
        assert not (await romeo.disco.query_items(DOMAIN)).items
        theirs = await romeo.disco.query_info(other.local_jid)
        assert 'http://jabber.org/protocol/disco#info' in theirs.features, theirs.features
        try:
            await romeo.disco.query_info(JULIET)
            raise RuntimeError('an answer')
        except aioxmpp.XMPPCancelError as error:
            assert error.condition == aioxmpp.ErrorCondition.SERVICE_UNAVAILABLE, error

    _play(play)


def commands_for_an_administrator():
    async def play(deployment, alice, romeo, other, juliet):
        assert await alice.commands.supports_commands(DOMAIN) and not await romeo.commands.supports_commands(DOMAIN)
        names = {item.node: item.name for item in await alice.commands.get_commands(DOMAIN)}
        assert ADMIN + 'add-user' in names, names
        info = await alice.commands.get_command_info(DOMAIN, ADMIN + 'add-user')
        assert ('automation', 'command-node') in [(at.category, at.type_) for at in info.identities], info
        session = await alice.commands.execute(DOMAIN, ADMIN + 'add-user')
        assert session.status == aioxmpp.adhoc.CommandStatus.EXECUTING, session.response
        form = session.first_payload
        assert {'accountjid', 'password', 'password-verify'} <= {field.var for field in form.fields}, form
        for field in form.fields:
            if field.var in ('password', 'password-verify'):
                field.values[:] = ['wherefore']
            elif field.var == 'accountjid':
                field.values[:] = ['nurse@localhost']
        form.type_ = aioxmpp.forms.DataType.SUBMIT
        assert aioxmpp.adhoc.ActionType.COMPLETE in session.allowed_actions, session.allowed_actions
        await session.proceed(action=aioxmpp.adhoc.ActionType.COMPLETE, payload=form)
        assert session.status == aioxmpp.adhoc.CommandStatus.COMPLETED, session.response
        assert [note.body for note in session.response.notes] == ['nurse@localhost: added'], session.response.notes
        assert 'nurse@localhost' in deployment.command('user', 'list').stdout
        session = await alice.commands.execute(DOMAIN, ADMIN + 'add-user')
        await session.proceed(action=aioxmpp.adhoc.ActionType.CANCEL, payload=())
        assert session.status == aioxmpp.adhoc.CommandStatus.CANCELED, session.response

    _play(play)


if __name__ == '__main__':
    scenarios(a_roster_and_its_subscriptions, a_block_list, both_sides_of_a_conversation, what_is_kept_for_a_person, how_long_somebody_is_silent,
              what_is_found_where_clients_look, commands_for_an_administrator)
