#!/usr/bin/python3
"""
aioxmpp logs in, sends a message, prints the one that it gets. usage: bound|unbound ADDRESS PASSWORD PORT starttls|direct CA PEER TEXT

By itself it binds to no channel; bound: by what its own aiosasl has for that.
"""
import asyncio
import sys

import aiosasl
import aiosasl.channel_binding
import aioxmpp
from aioxmpp.connector import STARTTLSConnector, XMPPOverTLSConnector
from aioxmpp.sasl import SASLXMPPInterface

binding, address, password, port, tls, ca, peer, text = sys.argv[1:]


class Bound(aioxmpp.security_layer.SASLProvider):
    async def execute(self, client_jid, features, xmlstream, tls_transport):
        async def credentials():
            return client_jid.localpart, password
        channel = aiosasl.channel_binding.TLSServerEndPoint(tls_transport.get_extra_info('ssl_object'))
        kind, token = self._find_supported(features, [aiosasl.SCRAMPLUS])
        return kind is not None and await self._execute(SASLXMPPInterface(xmlstream), kind(credentials, channel), token)


def _context():
    context = aioxmpp.security_layer.default_ssl_context()
    context.load_verify_locations(ca)
    return context


async def main():
    security = aioxmpp.make_security_layer(password, ssl_context_factory=_context)
    if binding == 'bound':
        security = security._replace(sasl_providers=(Bound(),))
    connector = XMPPOverTLSConnector() if tls == 'direct' else STARTTLSConnector()
    client = aioxmpp.PresenceManagedClient(aioxmpp.JID.fromstr(address), security,
                                           override_peer=[('127.0.0.1', int(port), connector)], max_initial_attempts=1)
    arrived = asyncio.get_running_loop().create_future()
    dispatcher = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    dispatcher.register_callback(aioxmpp.MessageType.CHAT, None, arrived.set_result)
    async with client.connected() as stream:
        message = aioxmpp.Message(to=aioxmpp.JID.fromstr(peer), type_=aioxmpp.MessageType.CHAT)
        message.body[None] = text
        await stream.send(message)
        print((await asyncio.wait_for(arrived, 60)).body.any(), flush=True)


asyncio.run(main())
