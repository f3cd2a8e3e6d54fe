/* SPDX-License-Identifier: MIT */
/*
 * A simulated process of two workers with a link on each, two parts that write down what they get,
 * and peers without sockets: streams that are OPEN as soon as they begin.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "link/policy.h"
#include "link/table.h"
#include "sx/sx.h"

enum { ROOM_WORKERS = 2 };

struct room {
	bool uplink;
	struct sim *sim;
	struct mio_host *host;
	struct link *links[ROOM_WORKERS];
	struct recorder *recorders;
	struct buf heard;	  /* "sm/1 404 <route .../>\n", "sm/0 name +\n" */
	struct buf told;	  /* names that came and went: "+name -name ", by sm on worker 1 */
	struct packet *last;	  /* what a part got last */
	const char *forbidden;	  /* a name that no peer may bind */
	bool no_default;	  /* nor a default route */
	bool no_log, no_accounts; /* nor a log sink; nor ask for accounts */
};

/* conn's part is played by this: link asks it for its stream alone. */
struct conn {
	struct sx *sx;
};

struct remote {
	struct conn conn;
	struct sx_env env;
	struct sx_options options;
	struct room *room;
	enum link_role role;
	struct link_peer *peer;
	unsigned answers, error; /* UP: what bound() was called with */
	struct buf heard;
};

void room_open(struct room *room, bool uplink);
void room_close(struct room *room);
void room_set_policy(struct room *room,
		     const struct link_policy *policy); /* before anything happens */
void room_settle(struct room *room);
void room_send(struct room *room, unsigned worker, struct packet **packet);
/* All that parts got since the last call. */
void room_expect(struct room *room, const char *text);
/* The names that came and went, as worker 1 was told. */
void room_expect_told(struct room *room, const char *text);

/* EXTERNAL: it is e.example. */
void remote_open(struct remote *remote, struct room *room, enum link_role role);
void remote_close(struct remote *remote);
/* Elements; those without a namespace are in the component namespace. */
void remote_say(struct remote *remote, const char *text);
/* All that was sent to it since the last call, without the declaration of the component namespace.
 */
const char *remote_heard(struct remote *remote);
void remote_expect(struct remote *remote, const char *text);

/* Fails unless the part stands so often in the text. */
void count_is(const char *text, const char *part, unsigned count);
/* A message between these addresses, as a part sends it. */
struct packet *make_message(const char *from, const char *to);
struct packet *read_route(struct room *room, const char *text);
