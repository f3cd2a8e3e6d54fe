#!/usr/bin/python3
"""slixmpp logs in, sends a message, prints the one that it gets. usage: ADDRESS PASSWORD PORT starttls|direct CA PEER TEXT"""
import sys

import slixmpp

address, password, port, tls, ca, peer, text = sys.argv[1:]
client = slixmpp.ClientXMPP(address, password)
client.ca_certs = ca


def _started(event):
    client.send_presence()
    client.send_message(peer, text, mtype='chat')


def _arrived(message):
    print(message['body'], flush=True)
    client.disconnect()


def _refused(why):
    client.cancel_connection_attempt()
    sys.exit(f'not logged in: {why}')


client.add_event_handler('session_start', _started)
client.add_event_handler('message', _arrived)
for event in ('connection_failed', 'ssl_invalid_chain', 'failed_all_auth'):
    client.add_event_handler(event, _refused)
client.connect(('127.0.0.1', int(port)), use_ssl=tls == 'direct', force_starttls=tls == 'starttls')
client.process(forever=False)
