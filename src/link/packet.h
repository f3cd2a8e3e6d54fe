/* SPDX-License-Identifier: MIT */
/*
 * What parts say to each other: one typed packet. Parts never see a route element; link turns packets into the form
 * that the way needs (a pointer within a process, route XML with jabberd2's session attributes between processes).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "mio/mio.h"

struct jid;
struct link;
struct stanza;
struct str;

#define NS_COMPONENT "http://jabberd.jabberstudio.org/ns/component/1.0"
#define NS_LINK_SESSION "http://jabberd.jabberstudio.org/ns/session/1.0"
#define NS_JACKDAW "urn:jackdaw:link:0"

/*
 * The id of a session at one of its two parts: a slot's of ours, which is text only on its way to another process, or a jabberd2
 * part's opaque text.
 */
enum { SESSION_ID_MAX = 43, SESSION_ID_OURS = 0xff };
struct session_id {
	uint8_t len; /* of the text; 0: none; SESSION_ID_OURS: a slot's */
	union {
		struct {
			uint32_t place, generation; /* worker and slot, of slots_add() */
		};
		char text[SESSION_ID_MAX];
	};
};

void session_id_set(struct session_id *id, uint64_t slot);
bool session_id_take(struct session_id *id, struct slice text); /* false when too long */
bool session_id_equal(const struct session_id *a, const struct session_id *b);
/* "worker.slot.generation", printed into room, or the text as it was taken: good as long as both are. */
struct slice session_id_text(const struct session_id *id, char room[SESSION_ID_MAX]);

/* 0 when it is none of ours. */
static inline uint64_t session_id_slot(const struct session_id *id)
{
	return id->len == SESSION_ID_OURS ? (uint64_t)id->place << 32 | id->generation : 0;
}

enum packet_kind {
	PACKET_STANZA,   /* with the ids of a session, or without: from or to the world outside */
	PACKET_SESSION,  /* a session action */
	PACKET_ACCOUNT,  /* between our own c2s and sm: a request to accounts, or its answer */
	PACKET_SETTLED,  /* between our own: all stanzas of a session up to a count are settled */
	PACKET_MARKS,    /* between the workers of one sm: single stanzas of its sessions are settled */
	PACKET_TAKEN,    /* c2s to sm, between our own: its client has the next count stanzas of those sent to it */
};

/*
 * session-protocol.md section 2; those behind REPLACED are ours (design.md 5). ACK is link's alone. ENABLE: the client counts
 * stanzas from now on (XEP-0198), ENABLED: and so does sm. DETACH: its connection is gone, the session waits. RESUME: another
 * connection has it from now on, RESUMED. SNAPSHOT: what c2s is to keep of a session for the death of sm. PRESENT: a session
 * that the new sm is to have, PRESENTED: it has; ATTACH: c2s has said all that it kept of it. DISABLE, ALLOW: an account may not
 * be used any more, may again; within a process only. DISABLED: therefore a session ended. SHED: for want of memory.
 * KICKED: an administrator ended it. CROWDED: its account has as many as it may, and this one was the oldest. REACH: sm asks whether c2s has what was sent before, REACHED: it has.
 * ACTIVE, INACTIVE: its client says so (XEP-0352). BIND: a START with more in it (XEP-0386), BOUND: its answer.
 * FULL: more waits for its client to acknowledge than may.
 */
enum session_action {
	SESSION_START, SESSION_STARTED, SESSION_END, SESSION_ENDED, SESSION_CREATE, SESSION_CREATED, SESSION_DELETE,
	SESSION_DELETED, SESSION_REPLACED, SESSION_HELLO, SESSION_ACK, SESSION_ENABLE, SESSION_ENABLED, SESSION_DETACH,
	SESSION_RESUME, SESSION_RESUMED, SESSION_SNAPSHOT, SESSION_PRESENT, SESSION_PRESENTED, SESSION_ATTACH, SESSION_DISABLE,
	SESSION_ALLOW, SESSION_DISABLED, SESSION_SHED, SESSION_KICKED, SESSION_CROWDED, SESSION_REACH, SESSION_REACHED,
	SESSION_ACTIVE, SESSION_INACTIVE, SESSION_BIND, SESSION_BOUND, SESSION_FULL,
	SESSION_UNKNOWN,
	SESSION_ACTIONS
};

/* Its place between two ends of ours, docs/protocol/ends.md. Link's: parts neither set nor read it. */
struct packet_end {
	uint64_t seq, ack;   /* 0: not numbered */
	uint32_t from, to;   /* epochs of the ends; 0: not said */
	bool again, skip;
};

/* What ENABLE, ENABLED, RESUME, RESUMED, PRESENT, ATTACH, REACH and BOUND say beyond other actions; the counts are modulo 2^32. */
struct packet_resume {
	struct str *key;  /* owned: the id that a client resumes by; NULL: it cannot */
	uint32_t seconds; /* how long it may be away: what the client would like, what it gets; 0: it says nothing, it may not */
	uint32_t in;      /* stanzas of the client before it enabled. ATTACH: of what was kept, so much is from before */
	uint32_t settled; /* RESUMED, PRESENT: stanzas of the client that are settled, those before it enabled among them */
	uint64_t window;  /* and of the 64 behind them: a bit each, the next one's is the lowest */
	uint32_t handled; /* RESUME, RESUMED, PRESENT: what the client handled since it enabled. A RESUME that failed: what we did.
			     REACH: sm's mark, which REACHED gives back */
	bool known;       /* a RESUME that failed: there was such a session, and handled is true. PRESENT, BOUND: its client enabled */
	bool later;       /* a RESUME that failed: nobody could look, the session may be there */
	bool fresh;       /* PRESENT: its snapshot is of a moment ago, and what it says may not have reached others */
	bool over;        /* PRESENT: the client has left, all that is wanted is the end of the session */
};

/* A stanza of a session, by its slot, that is settled. */
struct packet_mark {
	uint64_t session;
	uint32_t count;
};

enum { PACKET_MARKS_MAX = 32 };

/* What each message asks of its packets comes first, and of the ids what ours have: fewer lines of the cache. */
struct packet {
	struct mio_mail mail; /* link's, as are the next two */
	struct packet *next;
	struct link *at;
	enum packet_kind kind : 8;
	bool failed;           /* session: the request failed. stanza: the session is unknown */
	bool ours;             /* speak our own attributes: the other end is known to be ours */
	bool relayed;          /* came from another process */
	bool home;             /* our own, for a domain that we serve, back from the router */
	bool answer;           /* a stanza from c2s to sm: c2s's own answer to its client, to be sent back in its turn */
	bool held;             /* a stanza from c2s to sm: one of an earlier sm, which the client does not have yet */
	uint16_t error;        /* a routing error: this is our own packet, come back (400, 401, 404, ...) */
	uint32_t count;        /* PACKET_SETTLED: modulo 2^32; PACKET_TAKEN; PACKET_MARKS: so many */
	struct stanza *stanza; /* owned; PACKET_STANZA */
	struct str *from, *to; /* owned: names of parts, or domains */
	struct str *via;       /* owned: the part whose domain "from" is, when it comes or goes between ends; or NULL */
	struct session_id c2s, sm;
	struct packet_end end;
	uint64_t window;       /* PACKET_SETTLED: as that of a resumption */
	/* Packets of other kinds, which are most, have no memory behind here. */
	union {
		struct { /* PACKET_SESSION */
			enum session_action action;
			struct jid *target;     /* owned */
			struct str *id;         /* owned: of the request */
			struct str *rest;       /* owned; from another process: attributes that mean nothing to us, for the answer */
			struct str *end;        /* owned; HELLO's answer: "name/worker/epoch" of our own sm */
			struct buf text;        /* SNAPSHOT, STARTED: a snapshot. PRESENT, RESUMED: a line of origins of what the client was sent, and one.
						   BIND: a line that names the device, and what is asked for as an element. BOUND: a line of elements, and a snapshot.
						   HELLO's answer: an element with what the sm offers in the features of a stream */
			struct packet_resume resume;
		} session;
		struct { /* PACKET_ACCOUNT */
			unsigned verb;          /* an enum auth_verb; link only carries it */
			bool answer;
			int result;             /* of an answer: an outcome or a fault */
			struct jid *user;       /* owned */
			uint64_t token;         /* the asker's, with its worker in the top byte */
			struct buf keys;        /* RFC 5803 strings, one a line; wiped when freed */
		} account;
		struct packet_mark marks[PACKET_MARKS_MAX]; /* PACKET_MARKS */
	};
};

/* from and to are referenced. */
struct packet *packet_new(enum packet_kind kind, struct str *from, struct str *to);
struct packet *packet_stanza(struct str *from, struct str *to, struct stanza **stanza);
struct packet *packet_session(struct str *from, struct str *to, enum session_action action);
void packet_free(struct packet **packet);
size_t packet_weight(const struct packet *packet);
/*
 * To another worker a stanza goes as a copy of one piece with its packet, and is copied again there: so each worker reads the other's
 * memory once, in a row, and gives one block back. What is packed is only posted and unpacked.
 */
void packet_pack(struct packet **packet);
void packet_unpack(struct packet **packet);
/* A new one of the same kind to where this one came from: with its ids, and what a session action or a request to accounts is about. */
struct packet *packet_answer(const struct packet *packet);
