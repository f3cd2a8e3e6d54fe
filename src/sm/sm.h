/* SPDX-License-Identifier: MIT */
/*
 * What a module of the session manager sees: chains of hooks, the event that it is offered, and
 * what it may do with one. A stanza passes these chains:
 *
 *   session ─ IN_SESS ─┬─ our user, here ──────── IN_ROUTER ─┬─ PKT_USER ─ OUT_SESS ─ session
 *                      ├─ our user, elsewhere ─ link         └─ PKT_SM
 *                      └─ the world ─ OUT_ROUTER ─ link
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "stanza/stanza.h"

struct mio;
struct nad;
struct conf_option;
struct session;
struct settings;
struct sm;
struct sm_load;
struct store_row;
struct store_txn;
struct user;

enum sm_chain {
	SM_IN_SESS,    /* from a session; from is its full address */
	SM_IN_ROUTER,  /* from the world or another user, to us */
	SM_PKT_USER,   /* to a user of ours; rows for IQ_GET and IQ_SET: to the bare address only */
	SM_PKT_SM,     /* to a domain of ours */
	SM_OUT_SESS,   /* to a session */
	SM_OUT_ROUTER, /* to the world */
	SM_CHAINS,
};

enum sm_order { SM_FIRST, SM_EARLY, SM_NORMAL, SM_LATE, SM_LAST };

/* What a hook returns besides 0 (mine, done) and a fault (the sender gets an error). */
enum {
	SM_PASS = 1, /* not mine, or not the end of it: ask the next */
	SM_HELD,     /* mine, the answer comes later: sm_hold() or sm_commit() was called */
};

enum { SM_FEATURES_MAX = 8 };

struct sm_event { /* borrowed: the chain frees the stanza, a hook never does */
	struct sm *sm;
	struct user *user; /* in PKT_USER and the SESS chains */
	struct session *session; /* in the SESS chains; NULL when it ended while the event was held */
	struct stanza *stanza; /* a hook may edit its header in place */
};

struct sm_hook {
	enum sm_chain chain;
	enum stanza_kind kind; /* or STANZA_ANY */
	const char *ns, *name; /* of the payload; NULL for any */
	enum sm_order order;
	int (*run)(void *state, const struct sm_event *event);
};

struct sm_module {
	const char *name;
	const char *features[SM_FEATURES_MAX], *account_features[SM_FEATURES_MAX]; /* in disco#info of a domain, of an account */
	bool (*is_on)(const struct sm *sm); /* whether it has those features; NULL: always */
	/* Adds to the features of the streams of who logged in. */
	void (*offer)(void *state, const struct sm *sm, struct nad *features);
	const struct conf_option *options;
	const struct sm_hook *hooks; /* the last has no run; NULL: none */
	size_t size, user_size, session_size; /* zeroed states; see sm_user_state(), sm_session_state() */
	int (*start)(void *state, struct sm *sm, const void *conf); /* conf is the process's struct settings */
	void (*stop)(void *state);
	/* Adds what it reads to the load. May be called again for a user in use: what is there is replaced. */
	void (*user_load)(void *state, struct user *user, struct sm_load *load);
	void (*user_free)(void *state, struct user *user);
	size_t (*user_weight)(void *state, const struct user *user); /* bytes that hang on its state, about; NULL: few */
	void (*user_delete)(void *state, struct user *user); /* the account ends: others may have to hear of it */
	void (*session_start)(void *state, struct session *session);
	void (*session_end)(void *state, struct session *session); /* frees what the state holds */
	/* It began by Bind 2 (XEP-0386): takes what is asked for inside the root. */
	void (*session_bind)(void *state, struct session *session, const struct nad *request);
	/*
	 * A message that is kept until its client has it waits for who does not look: the session is detached or inactive; or was sent it,
	 * and lost its connection before its client said that it has it. Once as it comes, and once as the connection is lost. stanza is
	 * borrowed; NULL: only storage has it.
	 */
	void (*session_waits)(void *state, struct session *session, const struct stanza *stanza);
	/* With session_size, both: a session outlives its process. */
	int (*session_save)(void *state, const struct session *session, struct buf *out);
	int (*session_load)(void *state, struct session *session, struct slice in);
};

/* All modules, NULL-terminated; hooks of equal order run in the order of this list. */
extern const struct sm_module *const sm_modules[];

/* -- states -- */

void *sm_module_state(const struct sm *sm, const struct sm_module *module);
void *sm_user_state(const struct user *user, const struct sm_module *module);
void *sm_session_state(const struct session *session, const struct sm_module *module);
/* What a module saves of a session is another now: whoever keeps it is to hear. */
void sm_session_changed(struct session *session);
const struct settings *sm_settings(const struct sm *sm);
int64_t sm_wall_ms(const struct sm *sm);
bool sm_is_stopping(const struct sm *sm); /* what ends now only ends in memory */
struct mio *sm_mio(const struct sm *sm);
uint64_t sm_random(struct sm *sm); /* unguessable, never 0 */
/* Of all modules, sorted. */
enum sm_entity { SM_DOMAIN, SM_ACCOUNT, SM_ENTITIES };
const char *const *sm_features(const struct sm *sm, enum sm_entity entity, size_t *count);
void sm_fresh_id(struct sm *sm, struct buf *out);		    /* for a stanza that we make */
bool sm_is_domain(const struct sm *sm, struct slice domain);	    /* one that we serve */
void sm_count_offline(struct sm *sm);				    /* a message was stored */
/* A stanza as a store keeps it, and back; NULL: it is none. */
void sm_stanza_print(const struct stanza *stanza, struct buf *out);
struct stanza *sm_stanza_parse(struct sm *sm, struct slice text);
struct stanza *sm_stanza_of_row(struct sm *sm, const struct store_row *row); /* of STORE_OFFLINE, with its delay and origin */
struct nad *sm_element_parse(struct sm *sm, struct slice text); /* any element */

/* Called with what was read when the user's transaction is answered. */
typedef void sm_load_fn(void *state, struct user *user, const struct store_row *rows, size_t count);
/* All rows of the user; or one row whose seq is their count. store is an enum store. Return the read's number in its transaction. */
unsigned sm_load_list(struct sm_load *load, int store, sm_load_fn *loaded);
unsigned sm_load_count(struct sm_load *load, int store, sm_load_fn *loaded);

/* -- answering -- */

/* These return 0, for a hook to return. */
int sm_reply(const struct sm_event *event, struct stanza **answer); /* taken; NULL inside is fine */
int sm_reply_result(const struct sm_event *event);
int sm_reply_error(const struct sm_event *event, enum stanza_error error);

/* To where stanza->to says, on a later turn of the work. Taken; without to it is dropped. */
void sm_route(struct sm *sm, struct stanza **stanza);
/* To a client, through SM_OUT_SESS. Taken. */
void sm_deliver(struct session *session, struct stanza **stanza);

/* -- waiting -- */

/*
 * Keeps the event's stanza: the hook returns SM_HELD and answers later, once, with the token.
 * What the same sender sends to the same recipient stays in order behind it, but for questions to servers. In
 * IN_SESS and PKT_USER only. Returns 0, or SM_FULL: too much is held for this user, nothing was
 * kept.
 */
enum { SM_FULL = 1 };
int sm_hold(const struct sm_event *event, uint64_t *token);
/*
 * result is what a hook returns, but SM_HELD. A token that is gone is fine. From what storage
 * answered, not from a hook.
 */
void sm_release(struct sm *sm, uint64_t token, int result);
/* The same, when more than that is to be said: answer() makes of what came how the event goes on. */
typedef int sm_answer_fn(void *state, const struct sm_event *event);
void sm_answer(struct sm *sm, uint64_t token, sm_answer_fn *answer, void *state);

/*
 * Holds the event until the transaction, taken, is committed; committed() then says how the event
 * goes on, as a hook would. note is the caller's to remember. On a fault the sender gets an error
 * to try again, and the user is read anew when stale is said: memory was changed before the commit.
 * Returns what the hook has to return.
 */
typedef int sm_committed_fn(void *state, const struct sm_event *event, unsigned note);
struct sm_commit {
	struct store_txn *txn;
	sm_committed_fn *committed;
	void *state;
	unsigned note;
	bool stale; /* read the user anew when it fails */
	bool loose; /* what follows need not wait: its order is kept otherwise */
};
int sm_commit(const struct sm_event *event, const struct sm_commit *commit);

/*
 * The same for a transaction that only reads, or writes what does not settle the event; answer() makes of what it read how the event goes on.
 */
typedef int sm_read_fn(void *state, const struct sm_event *event, const struct store_txn *txn);
int sm_read(const struct sm_event *event, struct store_txn **txn, sm_read_fn *answer, void *state);
/*
 * The same where every message of a way asks storage in this hook, which answers in order: those behind it may ask before it has its
 * answer. answer() only takes note: it returns SM_PASS.
 */
int sm_read_in_order(const struct sm_event *event, struct store_txn **txn, sm_read_fn *answer, void *state);
/* From a session: an earlier process committed it, and may not have come to tell others. */
bool sm_is_done(const struct sm_event *event);

/*
 * Runs a transaction, taken, for a user who is kept until it is answered; answered may be NULL. txn
 * is lent to it.
 */
typedef void sm_answered_fn(void *state, struct user *user, const struct store_txn *txn,
			    int result);
void sm_store(struct user *user, struct store_txn **txn, sm_answered_fn *answered, void *state);
/* The same for no user. */
typedef void sm_alone_fn(void *state, const struct store_txn *txn, int result);
void sm_store_alone(struct sm *sm, struct store_txn **txn, sm_alone_fn *answered, void *state);
