#!/usr/bin/python3
"""nbxmpp logs in, sends a message, prints the one that it gets. usage: ADDRESS PASSWORD PORT starttls|direct CA PEER TEXT"""
import sys

import gi

gi.require_version('Soup', '3.0')
from gi.repository import Gio, GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.protocol import Message, Presence
from nbxmpp.structs import StanzaHandler

address, password, port, tls, ca, peer, text = sys.argv[1:]
name, domain = address.split('@')
Gio.TlsBackend.get_default().set_default_database(Gio.TlsFileDatabase.new(ca))
loop = GLib.MainLoop()
heard = []


def _ended(client, signal):
    loop.quit()


def _connected(client, signal):
    client.send_stanza(Presence())
    client.send_stanza(Message(peer, text, typ='chat'))


def _arrived(client, stanza, properties):
    heard.append(properties.body)
    print(properties.body, flush=True)
    client.disconnect()


client = Client()
client.set_domain(domain)
client.set_username(name)
client.set_password(password)
client.set_custom_host(f'localhost:{port}', ConnectionProtocol.TCP,
                       ConnectionType.DIRECT_TLS if tls == 'direct' else ConnectionType.START_TLS)
client.subscribe('connected', _connected)
for event in ('disconnected', 'connection-failed'):
    client.subscribe(event, _ended)
client.register_handler(StanzaHandler(name='message', callback=_arrived))
client.connect()
GLib.timeout_add_seconds(60, loop.quit)
loop.run()
sys.exit(None if heard else f'not logged in: {client.get_error()}')
