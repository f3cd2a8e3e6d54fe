/* SPDX-License-Identifier: MIT */
/* Namespaces of what stanzas carry. */
#pragma once

#define NS_CLIENT "jabber:client"
#define NS_STANZA_ERROR "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_SASL_BINDING "urn:xmpp:sasl-cb:0"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION "urn:ietf:params:xml:ns:xmpp-session"
#define NS_ROSTER "jabber:iq:roster"
#define NS_REGISTER "jabber:iq:register"
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register"
#define NS_STREAM_LIMITS "urn:xmpp:stream-limits:0"
#define NS_VERSION "jabber:iq:version"
#define NS_PING "urn:xmpp:ping"
#define NS_DELAY "urn:xmpp:delay"
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_ROSTERVER "urn:xmpp:features:rosterver"
#define NS_PREAPPROVAL "urn:xmpp:features:pre-approval"
