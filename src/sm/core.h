/* SPDX-License-Identifier: MIT */
/* Private to sm: the state of a worker, and what its files ask of each other. */
#pragma once

#include "base/log.h"
#include "base/table.h"
#include "component/component.h"
#include "link/link.h"
#include "mio/budget.h"
#include "sm/chain.h"
#include "sm/farewell.h"
#include "sm/saved.h"
#include "sm/settle.h"
#include "sm/sm.h"
#include "sm/unacked.h"
#include "sm/user.h"
#include "sm/watch.h"

enum {
	USERS_RESTING_BYTES = 8 << 20, /* of users without sessions that are kept, on a worker */
	LOAD_WAITING_MAX = 500,	  /* packets for a user being loaded */
	USER_HOLDS_MAX = 1000,
	SENDER_HOLDS_MAX = 100, /* of one, when more than half of them are used */
	C2S_AWAY_MAX_MS = 30000, /* a c2s that comes back to its router later has no sessions */
};

struct xml_pool;
struct xml_reader;

struct sm_domain { struct str *name; }; /* that we serve */

struct sm {
	struct worker *worker;
	struct process *process;
	struct mio *mio;
	struct link *link;
	struct log log;
	struct str *name; /* of our part */
	bool alone;	  /* no other sm may serve our users: what is for them stays here */
	struct link_part part;
	const char **domain_names; /* in the order of the file; NULL-terminated */
	size_t domain_count;
	struct table domains; /* of struct sm_domain */
	struct sm_domain *domain; /* the last that was found */

	struct chain chains[SM_CHAINS];
	unsigned module_count;
	void **modules; /* their states */
	size_t *user_offsets, *session_offsets, user_size, session_size;
	const char **features[SM_ENTITIES];
	size_t feature_counts[SM_ENTITIES];

	struct table users;  /* of struct user */
	struct list resting; /* users without sessions, the longest first */
	size_t resting_bytes;
	struct slots sessions; /* of struct session */
	struct slots waits;    /* of struct wait: what storage will answer, what a hook holds */

	struct xml_pool *parsers; /* for what was stored as text */
	struct xml_reader *reader;
	struct buf queue;    /* of struct stanza *: for users and domains of this worker */
	struct buf returned; /* the same, that was theirs before: it goes first */
	struct list reports; /* sessions with a settlement to tell */
	struct list owing;   /* sessions that are owed errors, and have a connection: for some seconds */
	struct mio_timer owing_timer;
	struct list goners;  /* goners.c */
	struct mio_timer goners_timer;
	struct list due;     /* deliveries that will be stored, the first first */
	struct mio_timer due_timer;
	struct list full;    /* sessions that end with this work */
	struct list errands, scripts; /* of administrators, that are here: sm/errand.h, sm/script.h */
	struct budget_member queues; /* of clients that are slow */
	struct saved saved;
	struct unacked unacked;
	struct farewells farewells;
	struct watch watch;
	bool draining;
	struct mio_task report;
	struct packet *marks[MIO_WORKERS_MAX]; /* settle.c: for other workers, until the part of the turn ends */
	uint64_t fresh; /* for ids of stanzas that we make */
	bool served; /* since the start of the process somebody came, or said something, on whatever worker */
	bool stopping;
};

/* What waits is named by a token, an id, and embeds one of these. */
enum wait_kind { WAIT_LOAD, WAIT_HOLD, WAIT_STORE };

struct wait {
	enum wait_kind kind;
	uint64_t token; /* 0: none */
};

/* After everything that came from outside: works off the queue, lets users go. Nothing of sm calls itself. */
void sm_work(struct sm *sm);
void sm_served(struct sm *sm); /* who is presented from now on may have been missed */
void sm_tell_workers(struct sm *sm, enum sm_news what); /* this one too, at once */

/* -- store.c -- */

void wait_add(struct sm *sm, struct wait *wait, enum wait_kind kind);
void wait_del(struct sm *sm, struct wait *wait);
struct wait *wait_get(const struct sm *sm, uint64_t token, enum wait_kind kind); /* NULL: gone, or of another kind */
/* Runs a transaction, taken; done(sm, token, ...) is called with the token of wait. */
void sm_run(struct sm *sm, struct store_txn **txn, storage_done_fn *done, const struct wait *wait);
/* Runs a transaction for a packet; both are taken, the packet is lent back, or taken again. */
typedef void packet_stored_fn(struct sm *sm, struct packet **packet, const struct store_txn *txn, int result);
void sm_store_packet(struct sm *sm, struct store_txn **txn, struct packet **packet, packet_stored_fn *stored);
void stores_drop(struct sm *sm); /* at the end */

/* -- states.c: the modules -- */

int modules_start(struct sm *sm); /* starts them all, lays out their states; 0 or the first fault */
void modules_stop(struct sm *sm);
void modules_offer(const struct sm *sm, struct buf *out); /* what stands in the features of a stream, inside an element */
void modules_user_free(struct user *user);
size_t modules_user_weight(const struct user *user);
void modules_session_start(struct session *session);
void modules_session_end(struct session *session);
void modules_session_bind(struct session *session, const struct nad *request);
void modules_session_waits(struct session *session, const struct stanza *stanza);
void modules_user_delete(struct user *user);
void modules_session_save(const struct session *session, struct buf *out);
bool modules_session_load(struct session *session, struct slice *in); /* takes its part off in */

/* -- user.c -- */

void users_init(struct sm *sm);
struct user *user_get(struct sm *sm, const struct jid *jid); /* in memory, or NULL */
struct user *user_need(struct sm *sm, struct jid *jid); /* in memory, or being loaded from now on */
void user_renew(struct user *user); /* one that is stale is loaded again */
/* Keeps a packet, taken, until the user is loaded. False: too many wait, it is not taken. */
bool user_wait(struct user *user, struct packet **packet);
void user_stale(struct user *user); /* what is in memory was never stored */
/* After a use: it may go at the end of sm_work() when nothing needs it. */
void user_rest(struct user *user);
void users_trim(struct sm *sm);
void users_drop(struct sm *sm); /* all, at the end */
void users_load_again(struct sm *sm); /* those that wait for saved sessions */

/* -- session.c -- */
void session_packet(struct sm *sm, struct packet **packet); /* an action; taken */
/* Of a user who is loaded; a start is lent, the others taken. */
void session_start(struct user *user, struct packet *packet);
void session_bind(struct user *user, struct packet **packet); /* bind.c */
void session_create(struct user *user, struct packet **packet);
void session_delete_user(struct user *user, struct packet **packet);
void session_allow_user(struct user *user, bool allowed); /* its account may be used again, or not any more */
void session_fail(struct sm *sm, const struct packet *packet); /* answers that it failed */
/* Ends it: presence goes unavailable, c2s is told or not, the session is freed. */
enum session_tell { SESSION_TELL_NOBODY, SESSION_TELL_ENDED, SESSION_TELL_REPLACED, SESSION_TELL_DISABLED, SESSION_TELL_SHED, SESSION_TELL_FULL, SESSION_TELL_KICKED, SESSION_TELL_CROWDED, SESSION_TELL_DELETED };
struct session *session_new(struct user *user, struct jid *full); /* of no c2s yet */
struct session *session_begin(struct user *user, const struct packet *packet); /* NULL: it may not, or was asked for before */
void session_place(struct session *session, const struct packet *packet); /* its c2s is who sent this */
uint32_t session_turn(struct user *user); /* the next */
bool session_came_after(const struct session *session, uint32_t coming); /* another question for one, of this user */
bool session_was_asked(const struct session *session, const struct packet *packet); /* this, before: c2s asks again */
void session_tell(struct session *session, enum session_action action); /* its c2s */
void session_send(struct session *session, const struct stanza *stanza); /* to its c2s */
void session_end(struct session *session, enum session_tell tell);
/* Those of a c2s that went away, ours or not: they end, or are detached. */
void sessions_end_of(struct sm *sm, struct slice c2s, bool ours);
void sessions_end_full(struct sm *sm);
void sessions_shed(struct budget_member *member, int class); /* those that have most */
void sessions_found(struct sm *sm, struct slice c2s);  /* their c2s is there (again) */
/* Its c2s was not there to take a stanza. True: it has been away for so long that the session is over. */
bool session_missed(struct session *session);
/* The session that a packet from c2s names, or NULL; *foreign: there is one, and it is not this client's. */
struct session *session_of_packet(struct sm *sm, const struct packet *packet, bool *foreign);
/* To the sender of a stanza for a session that is not. */
void session_tell_ended(struct sm *sm, const struct packet *packet);

/* -- route.c -- */

/* Where the chains end. Taken. */
void route_from_session(struct sm *sm, struct user *user, struct stanza **stanza);
void route_arrived(struct sm *sm, struct stanza **stanza);
void route_unhandled(struct sm *sm, struct stanza **stanza);
void route_to_session(struct sm *sm, struct session *session, struct stanza **stanza);
void route_leave(struct sm *sm, struct stanza **stanza);
void route_refuse(struct sm *sm, struct stanza **stanza, enum stanza_error error); /* with an error, if one may be sent */
void route_to_nobody(struct sm *sm, struct stanza **stanza); /* there is no such user */
/* From a session of ours, from the world, and one of ours that came back. Taken. */
void route_client_packet(struct sm *sm, struct packet **packet);
void route_world_packet(struct sm *sm, struct packet **packet);
void route_returned(struct sm *sm, struct packet **packet);
/* A packet that waited for its user, whom storage answered; or it failed, and all are told to try again. Taken. */
void route_loaded(struct sm *sm, struct user *user, struct packet **packet);
void route_not_loaded(struct sm *sm, struct packet **packet);
void route_home(struct sm *sm, struct stanza **stanza); /* to a user of this worker, whose it was already: before what waits */
bool route_take(struct sm *sm, struct stanza **stanza); /* the next that waits; false: nothing does */
void route_queue(struct sm *sm); /* works off the queue */
