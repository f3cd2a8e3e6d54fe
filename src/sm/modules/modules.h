/* SPDX-License-Identifier: MIT */
/* The modules, and what they offer each other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "sm/sm.h"

struct jid;
struct nad;
struct roster;
struct roster_item;
struct session;
struct stanza;
struct store_txn;

extern const struct sm_module sm_session, sm_roster, sm_blocking, sm_presence, sm_subscribe, sm_delivery,
	sm_offline, sm_disco, sm_ping, sm_version, sm_private, sm_vcard, sm_last,
	sm_time, sm_anonymous, sm_caps, sm_csi, sm_device, sm_ad_hoc, sm_carbons, sm_archive, sm_archive_prefs,
	sm_archive_query, sm_retraction;

/* -- account -- */

bool account_is_own(const struct sm_event *event); /* in IN_SESS: about the session's own account */
/* In PKT_USER. That an account exists is for its owner and those who see its presence to know (XEP-0030 section 8). */
bool account_may_ask(const struct sm_event *event);
/*
 * A hook of IN_ROUTER: what is the owner's alone to ask is forbidden to all others, whether there is such an account or not. What the
 * owner asks comes there too, when it is not served.
 */
int account_forbid(void *state, const struct sm_event *event);

/* -- archive -- */

void archive_go_on(struct session *session); /* its client had some of its queue: a query that waits may go on */
bool archive_shows(const struct sm *sm, uint64_t id); /* there is one, and it does for an hour at least; id 0: there is none */
bool archive_reads(const struct session *session); /* its client reads it: what stands there finds no other way to it */
/* Asks how far a user's archive reaches; says so of what was read, inside an element, at depth; op is what was returned. */
unsigned archive_ask_metadata(struct store_txn *txn, const struct user *user);
void archive_append_metadata(const struct store_txn *txn, unsigned op, struct nad *nad, unsigned depth);

/* -- ad hoc -- */

/* In PKT_USER and PKT_SM: whoever asks may have the commands of administrators done there. */
bool ad_hoc_is_offered(const struct sm_event *event);

/* -- contact -- */

/* The form of whom to write to, into disco#info of a domain; without addresses none. */
void contact_append(const struct sm *sm, struct nad *nad);

/* -- csi -- */

void csi_set(struct session *session, bool inactive); /* its client says so */
/* Of an inactive session: the stanza waits in its outbox. False: it goes out, and before it what waits: csi_flush(). */
bool csi_holds(struct session *session, const struct stanza *stanza);
void csi_flush(struct session *session);
bool csi_lost(struct session *session); /* an earlier process died while presence waited for it; said once */
bool csi_is_chat_state(const struct stanza *stanza); /* and nothing else */

/* -- device -- */

void device_begins(struct session *session, struct slice id); /* a new session says of which it is; others of it end */

bool device_has_come_after(const struct user *user, struct slice id, uint32_t coming); /* with a session, session_came_after() */
bool device_has_a_later(const struct session *session); /* another session, which began after it */

/* -- disco -- */

void disco_append(const struct sm *sm, struct nad *nad); /* disco#info of a domain, into an element at depth 1 */

/* -- caps -- */

bool caps_is_node(struct slice node); /* that our hash names, or did */
bool caps_wants(const struct session *session, struct slice node); /* its client has the feature "NODE+notify", as far as is known */

/* -- roster -- */

struct roster *roster_of(const struct user *user);
bool roster_is_interested(
	const struct session *session); /* it asked for the roster: pushes go there */
/* SUBSCRIPTION_* of the item, 0 without one. */
unsigned roster_state(const struct user *user, const struct jid *contact);
/* With what changes an item in storage: the roster has another version when that is stored, and roster_push() is called. */
void roster_changed(struct store_txn *txn, struct user *user, struct jid *contact);
/* Adds or changes an item, taken, as its user wants it: what they are to each other stays. False: the roster is full. */
bool roster_change(struct store_txn *txn, struct user *user, struct roster_item **item);
/* Tells the interested sessions how the contact stands now: its item, or that it is gone. */
void roster_push(struct user *user, struct jid *contact);
/* A session whose sm died has another: its client is told what changed since what it knows, if anything did. */
void roster_stayed(struct session *session);
void roster_doubts(struct session *session); /* what its client was told last may be lost: it is told all */

/* -- blocking -- */

/* Stanzas from and to the address are refused. Never the user's own, and never the server itself. */
bool blocking_has(const struct user *user, const struct jid *jid);
/* It sees the user offline: it was told so, and hears nothing more of presence. */
bool blocking_hides(const struct user *user, const struct jid *jid);
/* As roster_stayed(): its client is told the whole list, if what it knows is another. */
void blocking_stayed(struct session *session);
void blocking_doubts(struct session *session);

/* -- presence -- */

struct presence {
	struct str *last; /* what was broadcast, as text; NULL: unavailable */
	int8_t priority;
	bool fresh; /* last is the first since it was unavailable */
	uint8_t directed_count;
	struct jid **directed; /* who else was told that we are here */
};

const struct presence *presence_of(const struct session *session);
bool presence_takes_messages(
	const struct session *session); /* available, and its priority is not negative */
/*
 * A session whose sm died has another, and what it and others said to each other just before may have been lost; or others
 * were asked, or told, before it was there. It is announced, and asks for its contacts, as if it came.
 */
void presence_stayed(struct session *session);
void presence_ask_all(struct session *session); /* its contacts, and the user's other sessions, how they are */
void presence_gone(struct user *user, struct jid *jid); /* a session that was there: its contacts and the user's other sessions are told */
/* Tells a contact of every available session of the user, or that they are gone. */
void presence_show(struct user *user, struct jid *contact);
void presence_hide(struct user *user, struct jid *contact);
/* Who was told directly that the session is here, or is a resource of theirs, hears that it is gone. */
void presence_withdraw(struct session *session, struct jid *jid);
void presence_ask(struct user *user, struct jid *contact); /* for all available sessions, how the contact is */

/* -- subscribe -- */

/* What a user and a contact are to each other, with SUBSCRIPTION_REQUEST. */
unsigned subscribe_state(const struct user *user, const struct jid *contact);
/*
 * Each sees the other from now on, as far as this user's side of it goes; nobody is told yet. False: the roster is full, nothing
 * was changed.
 */
bool subscribe_grant(struct store_txn *txn, struct user *user, struct jid *contact);
/* Sends one of the four types from a user, who needs no session, to a contact. */
void subscribe_send(struct user *user, struct jid *contact, enum stanza_type type);

/* The account ends with this transaction: what its contacts are to hear then, and those who asked. */
void subscribe_farewells(struct store_txn *txn, struct user *user);

/* -- delivery -- */

/* What becomes of a stanza to a user, RFC 6121 section 8.5. */
enum delivery_fate {
	DELIVERY_RESOURCE, /* to the one it names */
	DELIVERY_BEST,	   /* to those of the highest priority */
	DELIVERY_ALL,	   /* to all that take messages, or for presence: are available */
	DELIVERY_STORE,	   /* to the offline store, or refused */
	DELIVERY_REFUSE,   /* an error to the sender */
	DELIVERY_DROP,
};

struct delivery_case {
	enum stanza_kind kind;
	enum stanza_type type;
	bool full;   /* a resource is named */
	bool found;  /* and it is connected */
	bool takers; /* a resource is there that takes messages */
};

enum delivery_fate delivery_fate(const struct delivery_case *what);
bool delivery_takes(const struct user *user, const struct stanza *stanza); /* it is not refused or dropped */
bool delivery_gets(const struct session *session, const struct stanza *stanza); /* a message to the session's user, now */
/* Gives a message to the sessions that it is for; false when there are none now. */
bool delivery_message(struct user *user, const struct stanza *stanza);
/* It goes to sessions that would be given messages from storage too. */
bool delivery_is_for_best(const struct user *user, const struct stanza *stanza);

bool retraction_left(const struct stanza *message); /* it is what was left of one that was taken back */

/* -- offline -- */

struct store_txn;

/* The message, with its origin, as the first operation of a transaction of its own. */
void offline_append(struct store_txn *txn, struct user *user, const struct stanza *stanza);
void offline_appended(struct user *user, bool committed); /* what became of it */
void offline_forget(struct user *user, uint64_t row); /* somebody has it: it is deleted, soon */
void offline_forget_sent(struct user *user, uint64_t row, uint32_t unacked); /* and until then these records stay, sm/unacked.h */
void offline_forget_archived(struct user *user, const struct store_row *rows, size_t count); /* those that no session waits for */
bool offline_may_have(const struct user *user, const struct stanza *stanza); /* storage may, as long as there is room */
bool offline_takes(const struct user *user, const struct stanza *stanza); /* it is stored, or was of the moment */
bool offline_is_gone(const struct user *user, uint64_t row); /* it is being deleted */
void offline_let_go(struct user *user, uint64_t row); /* nobody waits for it any more: it is to be given again */
void offline_had(struct user *user, uint64_t row);    /* somebody has it, and another session waits for it */
void offline_load(struct user *user, struct sm_load *load); /* what is so since an earlier process, after the sessions */
/* Adds the deletion of what somebody has and a disk did not delete yet; false: there is nothing. */
bool offline_drop_gone(struct store_txn *txn, const struct user *user);
/* Gives what waits to the sessions that take messages, if there are any. */
void offline_give(struct user *user);
void offline_go_on(struct user *user); /* somebody has more room now */
