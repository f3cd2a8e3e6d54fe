/* SPDX-License-Identifier: MIT */
/* One end of a stream in memory: records what its owner hears, and is joined to another end by
 * hand. */
#pragma once

#include "sx/plugins.h"

struct peer {
	struct sx_env env;
	struct sx_options options;
	struct sx_handler handler;
	struct sx *sx;
	struct buf heard;  /* "header stream open packet:NAME closed:peer " */
	struct buf wire;   /* all that it ever sent, in clear when there is no TLS */
	struct buf packet; /* the last packet, printed */
	unsigned outputs;  /* calls of output() */
	uint8_t seed;
	const char *from;     /* what header() sets */
	enum sx_error refuse; /* what header() answers, unless NONE */
	void (*on_packet)(struct peer *peer, struct nad *nad);
	void (*on_open)(struct peer *peer);
};

/* plugins and conf are borrowed. ns and to may be NULL. */
void peer_init(struct peer *peer, enum sx_type type, const char *ns, const char *to,
	       const struct sx_plugin *const *plugins, const void *const *conf);
void peer_fini(struct peer *peer);

void peer_feed(struct peer *peer, const char *text);
/* The same, byte by byte. */
void peer_drip(struct peer *peer, const char *text);
/* Feeds the header and forgets what was said to it. */
void peer_greet(struct peer *peer, const char *header);
/* What it has sent since the last call; lives until the next. */
const char *peer_said(struct peer *peer);
const char *peer_heard(struct peer *peer); /* and forgets it */

/* Carries bytes both ways, so many at once, until there are none. */
void peers_talk(struct peer *a, struct peer *b, size_t chunk);

/* Logs in anybody by PLAIN: password "wrong" fails. Two-step when the mechanism is "TWO". */
extern const struct sx_sasl_server_conf peer_sasl;

#define HEADER(attributes)                                                                         \
	"<?xml version='1.0'?><stream:stream "                                                     \
	"xmlns:stream='http://etherx.jabber.org/streams' " attributes ">"
#define CLIENT_HEADER HEADER("xmlns='jabber:client' to='example.org' version='1.0'")
#define COMPONENT_HEADER HEADER("version='1.0'")
#define AUTH_PLAIN                                                                                 \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFubgBzZWNyZXQ=</auth>"
