/* SPDX-License-Identifier: MIT */
#include "sm/archiving.h"

#include "stanza/stanza.h"

struct kind {
	const char *ns, *name; /* NULL: any */
};

static const struct kind kept[] = {
	{NS_CLIENT, "body"},
	{NS_HINTS, "store"},
	{"urn:xmpp:receipts", "received"},
	{"urn:xmpp:chat-markers:0", "displayed"},
	{"urn:xmpp:chat-markers:0", "acknowledged"},
	{"urn:xmpp:message-correct:0", "replace"},
	{"urn:xmpp:message-retract:1", "retract"},
	{"urn:xmpp:message-retract:0", NULL},
	{"urn:xmpp:fasten:0", "apply-to"},
	{"urn:xmpp:reactions:0", "reactions"},
	{"eu.siacs.conversations.axolotl", "encrypted"},
	{"urn:xmpp:omemo:2", "encrypted"},
	{"urn:xmpp:openpgp:0", "openpgp"},
	{"jabber:x:encrypted", "x"},
	{"urn:xmpp:eme:0", "encryption"},
	{"jabber:x:conference", "x"},
	{"urn:xmpp:jingle-message:0", NULL},
	{"urn:xmpp:call-invites:0", NULL},
};

static bool refuses(const struct stanza *stanza)
{
	return stanza_find(stanza, NS_HINTS, "no-store") >= 0 || stanza_find(stanza, NS_HINTS, "no-permanent-store") >= 0 ||
	       stanza_find(stanza, NS_HINTS, "no-storage") >= 0;
}

bool archiving_wants(const struct stanza *stanza)
{
	if (stanza->kind != STANZA_MESSAGE || stanza->type == STANZA_ERROR || stanza->type == STANZA_GROUPCHAT ||
	    stanza->type == STANZA_HEADLINE || refuses(stanza))
		return false;
	for (unsigned at = 0; at < countof(kept); at++) {
		if (stanza_find(stanza, kept[at].ns, kept[at].name) >= 0)
			return true;
	}
	return false;
}
