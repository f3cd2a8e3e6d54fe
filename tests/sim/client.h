/* SPDX-License-Identifier: MIT */
/*
 * The stream of one simulated client, as real ones speak it: it logs in, counts stanzas (XEP-0198) and keeps its own until
 * they are acknowledged, resumes, and gives up a connection on which nobody answers.
 *
 *   AWAY ── client_come ──> LOGIN ── features ──> RESUMING ──resumed──> ON
 *                             │                      └──failed──> BINDING ──> ENABLING ──> ON
 *   any ── connection lost, given up, dropped ──> AWAY
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "conn/conn.h"
#include "scene.h"
#include "sx/plugins.h"
#include "token.h"

/* How it logs in: in clear, or under TLS by SASL2, with a session that it binds itself, or that begins with the login (XEP-0386). */
enum client_login { LOGIN_CLEAR, LOGIN_SASL2, LOGIN_BIND2 };
enum client_kind { CLIENT_PLAIN, CLIENT_COUNTING, CLIENT_RESUMING };
enum client_state { CLIENT_AWAY, CLIENT_LOGIN, CLIENT_RESUME, CLIENT_BIND, CLIENT_ENABLE, CLIENT_ON };

/* A stanza that was sent: what it was is the owner's. */
struct sent {
	struct list link;
	unsigned kind, number;
	char text[];
};

struct client;

struct client_handler {
	void (*began)(struct client *client); /* a new session; what the old one had not settled is in old */
	void (*resumed)(struct client *client);
	void (*heard)(struct client *client, const struct nad *nad);		/* a stanza */
	void (*settled)(struct client *client, const struct sent *sent);	/* the server says that it is handled */
	void (*gone)(struct client *client);					/* no connection any more */
	void (*refused)(struct client *client);					/* the server knows nothing of its session */
};

/* What the clients of a host share. */
struct client_env {
	struct scene *scene;
	struct mio *mio;
	struct conn_env *conns;
	struct conn_options options, secure_options;
	struct sx_tls_conf tls;
	struct ssl_ctx_st *trust; /* all servers */
	const void *secure_conf[2];
	const struct client_handler *handler;
	int64_t patience_ms; /* for an answer */
	int64_t calm_ms;     /* since when nothing is disturbed; 0: something may be */
	struct list ghosts; /* connections that their clients have forgotten */
	const char *(*address)(struct client_env *env); /* where to connect now */
	void *arg;
};

/* A connection; of a client, or a ghost. */
struct line {
	struct list link;
	struct client_env *env;
	struct conn *conn;
	struct client *client; /* NULL: a ghost */
	unsigned number;       /* of who had it */
};

struct client {
	struct client_env *env;
	enum client_kind kind;
	enum client_login login;
	char resource[80]; /* that it has, or had last */
	unsigned user, number; /* userN@localhost/dM */
	enum client_state state;
	struct line *line;
	unsigned session;  /* how many it has had */
	char key[48];	   /* to resume with; "": none */
	char refused[48], stale[48]; /* of one that was refused; and is over, for there is another */
	bool tries_stale;  /* asks for that one first */
	bool moves;	   /* its address is another in its next session: the one before may have come back, and wait */
	bool enabled;	   /* it counts */
	bool exposed;      /* when it lost its connection nothing counted: what was under way to it may be lost */
	bool inactive;	   /* so it says (XEP-0352) */
	bool silent;	   /* it does not say what it has */
	bool tokens, by_token; /* it asks for tokens; it logs in by the one that it has */
	struct token token;
	bool copies;	   /* it wants copies of what its user says and hears elsewhere (XEP-0280), in sessions that begin with a login too */
	bool owes;	   /* it was asked meanwhile */
	uint32_t in, acked;
	struct list unsettled, old;
	uint32_t pings, pings_answered;
	int64_t asked_ms; /* when it asked for a sign of life; 0: it did not, or was answered */
	struct mio_timer watch;
	int64_t on_ms, began_ms; /* since when it is on; has its session */
	int64_t unheard_ms; /* when it left, and nobody answered: its session may wait for it; 0: it never did */
};

void client_env_init(struct client_env *env, struct scene *scene, struct mio *mio, const struct client_handler *handler,
		     const char *(*address)(struct client_env *env), void *arg);
void client_init(struct client *client, struct client_env *env, enum client_kind kind, unsigned user, unsigned number);

void client_log_in_by(struct client *client, enum client_login login);
void client_come(struct client *client);
void client_leave(struct client *client);  /* </stream:stream> */
void client_drop(struct client *client);   /* the connection is cut, without a word */
void client_forget(struct client *client); /* it leaves its connection open and thinks no more of it */
void client_pause(struct client *client, bool paused); /* reads nothing */
void client_silence(struct client *client, bool silent);
void client_doze(struct client *client, bool inactive);

/* Sends and keeps a stanza. */
void client_say(struct client *client, unsigned kind, unsigned number, const char *format, ...) PRINTF_LIKE(4, 5);
/* Asks for a sign of life: <r/>, or a ping. */
void client_ask(struct client *client);
/* The stanzas of the last session that it never heard of again; the caller says them again or not. */
struct sent *client_next_old(struct client *client);
/* As sscanf() with up to four numbers; those that the format has not may be NULL. */
int text_numbers(struct slice text, const char *format, unsigned *a, unsigned *b, unsigned *c, unsigned *d);
