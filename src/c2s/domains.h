/* SPDX-License-Identifier: MIT */
/* The domains of the file, and what serves each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct c2s;
struct nad;
struct packet;
struct str;

/* What c2s knows of the session manager of a domain. */
enum domain_state {
	DOMAIN_AWAY,    /* nobody serves it: streams to it get host-gone */
	DOMAIN_ASKING,  /* somebody does; whether it is one of ours is being asked, logins wait */
	DOMAIN_LOCAL,   /* the sm of this process */
	DOMAIN_OURS,    /* a jackdaw sm: it is asked for accounts */
	DOMAIN_FOREIGN, /* jabberd2's: accounts are our own */
};

struct domain {
	struct str *name;
	struct str *end; /* who answered our hello last, and in which life: worker 0 */
	enum domain_state state;
	uint32_t at;      /* among all */
	uint8_t hashes;   /* that it offers: all accounts have them */
	bool known;       /* that was answered once, or will not be */
	int64_t asked_ms; /* when it was asked for last */
	struct nad *offers; /* by its sm, to who logged in: the root's children; NULL: it said nothing */
	int64_t offers_ms; /* when this worker asked for them last */
	bool back; /* its sm is ours again, when that has all sessions of before: worker 0 */
};

void domains_init(struct c2s *c2s);
void domains_grow(struct c2s *c2s); /* adds those of the settings that it does not have yet */
void domains_fini(struct c2s *c2s);
struct domain *domain_get(struct c2s *c2s, struct slice name);
void domain_changed(struct c2s *c2s, struct slice name, bool available); /* a domain, or a session manager */
void domain_answered(struct c2s *c2s, const struct packet *packet); /* a hello's answer */
void domains_end_changed(struct c2s *c2s, struct slice manager, uint32_t epoch);
void domains_go_on(struct c2s *c2s); /* worker 0: the new sm has all sessions */
unsigned domain_hashes(struct c2s *c2s, struct domain *domain); /* as far as is known; asks again now and then */
const struct nad *domain_offers(struct c2s *c2s, struct domain *domain); /* the same; borrowed */
bool domains_ready(const struct c2s *c2s, struct buf *why);
