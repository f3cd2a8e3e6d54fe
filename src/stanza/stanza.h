/* SPDX-License-Identifier: MIT */
/*
 * A stanza: a small header over a counted payload. The payload is a nad whose root is the stanza as it was
 * parsed or built; once shared it is never changed. Header fields (kind, type, id, from, to, lang) win over
 * the root's attributes. Fan-out makes headers with stanza_copy() and shares the payload. RFC 6120 section 8.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "stanza/ns.h"

struct jid;
struct nad;

enum stanza_kind {
	STANZA_ANY, /* in tables: every kind */
	STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ,
	STANZA_IQ_GET, STANZA_IQ_SET, /* in tables only: an iq of that type */
};

enum stanza_type {
	STANZA_NONE, /* no type: available presence, normal message */
	STANZA_ERROR,
	STANZA_NORMAL, STANZA_CHAT, STANZA_GROUPCHAT, STANZA_HEADLINE,           /* message */
	STANZA_UNAVAILABLE, STANZA_SUBSCRIBE, STANZA_SUBSCRIBED, STANZA_UNSUBSCRIBE, STANZA_UNSUBSCRIBED, STANZA_PROBE,
	STANZA_GET, STANZA_SET, STANZA_RESULT,                                    /* iq */
	STANZA_TYPE_BAD,                                                          /* none that the kind allows */
};

/* RFC 6120 section 8.3.3 */
enum stanza_error {
	STANZA_BAD_REQUEST, STANZA_CONFLICT, STANZA_FEATURE_NOT_IMPLEMENTED, STANZA_FORBIDDEN, STANZA_GONE,
	STANZA_INTERNAL_SERVER_ERROR, STANZA_ITEM_NOT_FOUND, STANZA_JID_MALFORMED, STANZA_NOT_ACCEPTABLE,
	STANZA_NOT_ALLOWED, STANZA_NOT_AUTHORIZED, STANZA_POLICY_VIOLATION, STANZA_RECIPIENT_UNAVAILABLE, STANZA_REDIRECT,
	STANZA_REGISTRATION_REQUIRED, STANZA_REMOTE_SERVER_NOT_FOUND, STANZA_REMOTE_SERVER_TIMEOUT,
	STANZA_RESOURCE_CONSTRAINT, STANZA_SERVICE_UNAVAILABLE, STANZA_SUBSCRIPTION_REQUIRED,
	STANZA_UNDEFINED_CONDITION, STANZA_UNEXPECTED_REQUEST, STANZA_ERRORS
};

/* Which client stanza this comes from (design.md 5): the client's session and its inbound count; 0: none. */
struct origin {
	uint64_t session;
	uint32_t count;
	uint32_t mark; /* all of the session's up to this were settled when it came */
	uint64_t key;  /* the session's name in storage; 0: it has none */
	bool again;    /* it may have come before, to an earlier process */
};

/* "KEY.COUNT", and with a session "KEY.COUNT.MARK.SESSION"; false: it is none. */
void origin_print(const struct origin *origin, struct buf *out);
bool origin_read(struct slice text, struct origin *origin);

struct stanza {
	enum stanza_kind kind; /* MESSAGE, PRESENCE or IQ */
	enum stanza_type type;
	struct slice id;       /* borrowed from the payload or from behind this struct */
	struct slice lang;     /* the same */
	struct jid *from, *to; /* owned references; NULL: absent */
	struct origin origin;
	struct nad *payload;   /* owned reference; never NULL */
	int64_t delay_ms;      /* wall time of a delay stamp (XEP-0203) to print; 0: none */
	uint64_t archived;     /* its id in the archive of the account that it is to, to print (XEP-0359); 0: it is in none */
};

/*
 * Reads root's header; the nad is taken in every case. *stanza is made even when to or from is no address
 * (STANZA_BAD_TO, STANZA_BAD_FROM: the field is NULL) or the type is bad (type STANZA_TYPE_BAD, returned 0), so that an
 * error can be answered. Returns 0, STANZA_BAD_TO, STANZA_BAD_FROM; STANZA_NOT_ONE: no stanza in this namespace, *stanza
 * is NULL.
 */
enum { STANZA_BAD_TO = 1, STANZA_BAD_FROM, STANZA_NOT_ONE };
int stanza_from_nad(struct nad **nad, struct stanza **stanza);

/* A new one, payload a root with nothing inside, to be built with nad_append(stanza->payload, ..., 1). id is copied. */
struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type, struct slice id);
struct stanza *stanza_copy(const struct stanza *stanza); /* another header over the same payload, now shared */
void stanza_free(struct stanza **stanza);
void stanza_set_from(struct stanza *stanza, struct jid *from); /* references; NULL clears */
void stanza_set_to(struct stanza *stanza, struct jid *to);

/* Puts a copy of a tree in the place of a child of the payload, -1: of none, as the last one. */
void stanza_replace(struct stanza *stanza, int child, const struct nad *tree);

/*
 * Removes all ids (XEP-0359) that claim to be given by an account, whatever they are. Returns the first that is one as we print
 * them, 0: there is none.
 */
uint64_t stanza_take_ids(struct stanza *stanza, const struct jid *account);
bool stanza_id_read(struct slice text, uint64_t *id); /* false: it is none of ours */
enum { STANZA_ID_LEN = 17 };
struct slice stanza_id_print(char text[STANZA_ID_LEN], uint64_t id);

/* An answer to an iq, addresses swapped, same id and origin; an empty result to add a payload to. */
struct stanza *stanza_result(const struct stanza *request);
/*
 * The error to a stanza, addresses swapped, the offending payload kept. NULL where no error may be sent: to an error,
 * an iq result, unavailable presence or a probe.
 */
struct stanza *stanza_error_new(const struct stanza *stanza, enum stanza_error error, const char *text);
/* The same, of another class, with a condition of an application's beside the standard one (RFC 6120 8.3.4). */
struct stanza_condition {
	const char *class, *ns, *name; /* class: "cancel" ... */
	const char *text; /* for people; NULL: none */
};
struct stanza *stanza_error_with(const struct stanza *stanza, enum stanza_error error,
				 const struct stanza_condition *condition);

/* The element inside: the first child of an iq, -1 when there is none. */
int stanza_child(const struct stanza *stanza);
/* The first child so named, -1 when there is none. */
int stanza_find(const struct stanza *stanza, const char *ns, const char *name);
/* True when a table's row (kind, ns, name; NULLs match all) fits. */
bool stanza_matches(const struct stanza *stanza, enum stanza_kind kind, const char *ns, const char *name);

/* For another thread: as of a nad (xml/nad.h). */
size_t stanza_packed_size(const struct stanza *stanza);
struct stanza *stanza_pack(const struct stanza *stanza, void *piece);
struct stanza *stanza_unpack(const struct stanza *packed);
size_t stanza_weight(const struct stanza *stanza);

/* As it stands in a jabber:client stream. head holds the start tag and what stands before the shared inside. */
void stanza_print(const struct stanza *stanza, struct buf *out);
/* The same in the shape of an element of another stream: xmlns='jabber:client' and extra (attributes, with a leading
 * blank, already escaped) in the start tag. */
void stanza_print_route(const struct stanza *stanza, struct slice extra, struct buf *out);

/* The value of an attribute, escaped so that it reads back as it was: tabs and line ends too. */
void stanza_print_value(struct slice value, struct buf *out);

const char *stanza_kind_name(enum stanza_kind kind);
const char *stanza_type_name(enum stanza_type type); /* NULL for STANZA_NONE */
const char *stanza_error_name(enum stanza_error error);
int stanza_error_code(enum stanza_error error); /* the legacy code, jabberd2's table */
enum stanza_error stanza_error_of_code(int code);
