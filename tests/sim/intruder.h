/* SPDX-License-Identifier: MIT */
/*
 * Somebody who wants to be taken for somebody else: speaks before he has logged in or bound, with a wrong password, in
 * another's name, and asks for sessions that are not his. Of what he says people hear nothing, or that it was him.
 */
#pragma once

#include "people.h"

enum intrusion {
	INTRUSION_NO_LOGIN,    /* a stanza before the login */
	INTRUSION_NOT_BOUND,   /* a stanza between login and binding */
	INTRUSION_PASSWORD,    /* a wrong one */
	INTRUSION_AUTHZID,     /* his own password, another's address */
	INTRUSION_RESUME,      /* a session of another */
	INTRUSION_FROM,	       /* another's address on his stanzas */
	INTRUSIONS
};

struct intruder {
	struct people *people;
	struct conn_options options;
	struct conn_env *conns;
	struct mio *mio;
	struct conn *conn;
	enum intrusion intrusion;
	struct mio_timer next;
	unsigned tried, user; /* userN is his own account */
};

/* On the first host of the people. What he says has the body "intruder" or, when nobody may hear it, "never". */
void intruder_start(struct intruder *intruder, struct people *people);
