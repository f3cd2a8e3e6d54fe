/* SPDX-License-Identifier: MIT */
/* A host with two workers and a listener; a client by hand; a step that is called until it is
 * content. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "conn/conn.h"
#include "mio/budget.h"
#include "sx/plugins.h"

struct room {
	struct mio_host *host;
	struct conn_env *envs[2];
	struct mio_listener *listener;
	struct conn_options options;
	struct sx_sasl_server_conf sasl;
	const void *plugin_conf[1];
	struct mio_timer timer;
	bool (*step)(struct room *room); /* on worker 0; true: done */
	int steps;
	bool late;  /* gave up */
	bool proxied; /* connections begin with a PROXY header */
	struct budget *budget; /* or NULL */
	bool moves; /* a connection goes to worker 1 behind its login */
	void (*on_packet)(struct room *room, struct conn *conn, struct nad *nad);
	struct conn *conn;	    /* the last one accepted */
	struct conn *conns[4];	    /* the first ones, until they are closed */
	struct buf heard;	    /* "stream open packet:NAME closed:KIND " */
	unsigned accepted;
	int fault, packets, worker; /* of the last closed(); of packet(); where it ran */
	enum sx_refusal refusal;    /* of the last closed() */
	int client;		    /* a plain socket */
	struct buf got;		    /* what it was sent */
	bool eof;
};

void room_open(struct room *room);
/* Starts the host, calls step every 10 ms until it returns true; fails after 8 s. */
void room_run(struct room *room, bool (*step)(struct room *room));
void room_close(struct room *room);

void room_connect(struct room *room);
void room_say(struct room *room, const char *text);
bool room_got(struct room *room, const char *text); /* reads what there is first */
const char *room_heard(struct room *room);

#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "     \
	"xmlns='jabber:client' version='1.0'>"
#define AUTH                                                                                       \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFubgBzZWNyZXQ=</auth>"
