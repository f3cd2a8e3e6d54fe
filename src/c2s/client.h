/* SPDX-License-Identifier: MIT */
/* Private to c2s: a client's stream, and what the parts of c2s share. */
#pragma once

#include "base/list.h"
#include "base/network.h"
#include "c2s/ack.h"
#include "c2s/c2s.h"
#include "c2s/domains.h"
#include "c2s/keep.h"
#include "c2s/notes.h"
#include "c2s/sasl2.h"
#include "stanza/stanza.h"
#include "sx/plugins.h"

enum { C2S_LISTENERS_MAX = 32 };

struct c2s {
	struct worker *worker;
	struct log log;
	struct str *name;
	struct slots clients;
	struct domain **domains; /* in the order of the file; only more are added */
	uint32_t domain_count;
	uint64_t hello_id; /* the slot that answers to our hellos come to */
	struct mio_timer hello_timer;
	struct account_asker asker;
	struct list removals; /* of accounts, under way */
	struct list ends;     /* of sessions, that nobody took */
	unsigned end_count;
	struct keeper keeper;
	size_t unsettled_bytes; /* of all clients, and how many have any */
	unsigned unsettled_clients;
	struct mio_timer share_timer;
	struct mio_timer look_timer; /* for silent clients */
	int64_t let_go_ms; /* draining: when nobody waits for settlements any more */
	struct link_part part;
	struct sx_tls_conf tls, direct_tls;
	const void *plugin_conf[4], *direct_plugin_conf[4];
	struct conn_options options, direct_options;
	struct mio_listener *listeners[C2S_LISTENERS_MAX]; /* opened by worker 0, shared by all */
	bool listener_is_direct[C2S_LISTENERS_MAX];
	unsigned listener_count;
	struct buf scratch;
	struct notes notes; /* of what strangers make us write */
	struct networks proxies; /* who begins with a PROXY header */
	bool draining;
};

/*
 *   LOGIN - SASL - OPEN: UNBOUND - bind, start sent: STARTING - started: ACTIVE - ended, closed
 *                            ^------------ failed ------'
 */
enum client_state { CLIENT_LOGIN, CLIENT_UNBOUND, CLIENT_STARTING, CLIENT_ACTIVE };

/* Stanzas of sm that went into the stream together, and the kernel has not all of them yet. */
struct untaken {
	uint32_t count, bytes;
};

struct client {
	/* What each stanza touches comes first. */
	struct c2s *c2s;
	struct conn *conn;
	uint64_t id;               /* its slot: the c2s id of its session */
	enum client_state state;
	uint32_t received;         /* stanzas that came in: the count of their origins (design.md 5) */
	uint32_t settled;
	uint32_t unsettled_bytes;  /* of those that came since all were settled, about */
	uint64_t window;	   /* of the 64 behind settled: those that are, too, a bit each; told of by an sm that may die alone */
	struct ack *ack;           /* NULL: it counts nothing */
	struct keep *keep;         /* NULL: its sm is of this process, or not ours */
	struct jid *jid;           /* full, once bound */
	struct str *sm_name;       /* who started it: later packets go there */
	size_t untaken_bytes;      /* of all that is untaken */
	struct untaken untaken;    /* of this turn; without stream management */
	bool awaiting, crowded;    /* why nothing more is parsed: an answer is due; too much is not settled */
	bool held;                 /* nothing more is parsed */
	bool resuming;             /* STARTING: an earlier session */
	bool counted, placed;      /* among the connections; among those of its address */
	bool inactive;             /* it says so, XEP-0352 */
	bool probed;               /* it was silent for long, and was asked to say something */
	struct session_id sm;      /* once started */
	uint8_t hashes;            /* that it was offered when its stream began */
	struct buf backlog;        /* of struct untaken: of earlier turns, the first first */
	struct str *request;       /* id of the start or create under way */
	struct buf iq_id;          /* of the client's bind or registration under way */
	struct pending *pending;   /* what is needed until it is ACTIVE; NULL later */
	struct sasl2 *sasl2;       /* what it asked for with its login, until that is answered; NULL: it did not */
	struct mio_task move_task;
};

/* While a client logs in, registers or starts its session. */
struct pending {
	struct client *client;
	struct mio_timer timer; /* until an answer must be there */
	struct auth_login *login;
	struct domain *domain;
	bool waits;           /* for the domain's sm to say what it is */
	bool unbinds;         /* it asked for its session to end */
	bool removes, removed; /* it asked for its account to end; its session has ended with it */
	bool enables;         /* it asked for stream management; */
	uint32_t seconds;     /* and would be away for so long */
	struct str *key;      /* it resumes the session of this key, */
	uint32_t handled;     /* of which it handled so much */
	bool initial;
	struct buf mechanism, message;
	struct jid *user;     /* of a registration */
};

/* client.c */
extern const struct conn_handler client_handler;
struct client *client_get(struct c2s *c2s, uint64_t id); /* NULL when gone */
struct domain *client_domain(struct client *client);     /* that its stream is to; NULL: none of ours */
void client_free(struct client **client);
struct pending *client_pending(struct client *client);
void client_forget_pending(struct client *client);
/* One question at a time: what the client sends meanwhile waits, until the pending state is forgotten or time is up. */
void client_await(struct client *client);
void client_go_on(struct client *client); /* there is an answer */
size_t client_write(struct client *client, const struct stanza *stanza); /* into the stream; how many bytes it is */
/* An answer of our own, taken. Where sm numbers what goes out, by way of it. */
void client_send(struct client *client, struct stanza **stanza);
void client_send_error(struct client *client, const struct stanza *stanza, enum stanza_error error);
void client_settled(struct client *client, uint32_t count, uint64_t window); /* of its stanzas all up to this are, and those */
void client_settled_one(struct client *client, uint32_t count); /* one of them is */
bool client_is_settled(const struct client *client, uint32_t count);
uint32_t client_unsettled(const struct client *client);     /* how many are not */
void client_share(struct mio_timer *timer); /* c2s->share_timer: who waited for others may not have to any more */
bool client_is_ours(struct client *client);                 /* the sm of its session, or its domain, is */
struct packet *client_packet_to_sm(struct client *client, enum session_action action); /* of its session */
/* A client that closed its stream is gone for good; one that can resume may come back. */
void client_end_session(struct client *client, bool for_good);

/* session.c */
/* The sm of its user is about to be asked, with an id to be told from others: the state is STARTING, the answer awaited. */
void client_await_user(struct client *client);
struct packet *client_ask_user(struct client *client, enum session_action action);
void client_ask_again(struct client *client); /* STARTING: who was asked died */
/* RFC 6120 section 7: nothing more is parsed until the session manager has answered. */
void client_start(struct client *client, const struct stanza *stanza, struct slice wanted);
void client_fail_login(struct client *client); /* by SASL2: what it asked for along with it cannot be done */
void client_unanswered(struct mio_timer *timer);             /* of its pending state: there was time enough */
void client_packet(struct c2s *c2s, struct packet **packet); /* from link, taken */
void client_lose_session(struct client *client); /* its session is over */
void client_end(struct client *client, enum sx_error error); /* closes its stream; its session is over already */

/* taken.c */
void client_deliver(struct client *client, const struct stanza *stanza); /* of its session */
void client_written(void *owner, struct conn *conn);
void client_taken(struct client *client, uint32_t count); /* it has the next of what sm sent: sm is told */

/* csi.c */
bool csi_take(struct client *client, const struct nad *nad); /* false: not for it */
void client_tell_state(struct client *client); /* sm, whether it is active */

/* leave.c */
/* The server ends: its session waits for the next start, if it can be resumed. False: it cannot. */
bool client_let_go(struct client **client, bool now);
void client_probe(struct client *client); /* if it is silent for long; one that does not answer is gone */

/* register.c; account.h has what people do with their accounts */
bool register_take(struct client *client, struct stanza *stanza); /* false: not for registration */
bool register_offered(const struct client *client);
void register_created(struct client *client, bool failed);
/* Answers the iq under way (client->iq_id) and lets the client go on. */
void register_answer(struct client *client, bool ok, enum stanza_error error);
void register_unanswered(struct client *client); /* nor will it be: the stream ends */

/* unbind.c */
bool unbind_take(struct client *client, const struct stanza *stanza); /* false: it is not about its resource */
void unbind_answered(struct client *client, bool ok); /* its session is over, or who knows; fine when it asked for nothing */

/* ends.c */
void ends_keep(struct c2s *c2s, const struct packet *packet); /* an end that came back */
/* A session manager is there: it hears of its ends. Or it went: its sessions went with it. */
void ends_tell(struct c2s *c2s, struct slice manager, bool available);
/* The session of a client that is kept ends, or is detached for so long: if its sm dies before, the next is to hear of it. */
void ends_over(struct client *client, int64_t ms);
void ends_mark(struct c2s *c2s, struct slice manager); /* this one died */
void ends_tell_over(struct c2s *c2s);                  /* to the next, which has all other sessions */
void ends_drop(struct c2s *c2s); /* at the end */

/* features.c */
extern const struct sx_plugin c2s_features;
