/* SPDX-License-Identifier: MIT */
/* People of a simulation: clients on a host of their own that log in, chat, and come back when they are cut off. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "conn/conn.h"
#include "mio/sim.h"

enum { PEOPLE_MAX = 8, HEARD_MAX = 4096 };

struct people;

/* One message that arrived: its text is "SENDER:NUMBER". */
struct heard {
	unsigned sender, number;
	bool delayed;
};

struct person {
	struct people *people;
	unsigned number;
	struct conn *conn;
	struct mio_timer again, say;
	bool wanted;  /* should be logged in */
	bool online;  /* bound, presence sent */
	bool seen[PEOPLE_MAX]; /* whose presence came */
	unsigned to_say, said; /* messages to each of the others */
	unsigned logins;
	struct heard heard[HEARD_MAX];
	unsigned heard_count;
};

struct people {
	struct sim *sim;
	struct mio_host *host;
	struct mio *mio;
	struct conn_env *conns;
	struct conn_options options;
	const char *address;
	unsigned count;
	struct person person[PEOPLE_MAX];
};

/* person N is userN@localhost with the password "secret". */
void people_start(struct people *people, struct sim *sim, const char *address, unsigned count);
void people_stop(struct people *people);
void person_come(struct person *person);
void person_leave(struct person *person);
/* Says "ME:K" to each of the others, for K from said on, one round at a time, at seeded moments. */
void person_talk(struct person *person, unsigned messages);
bool people_all_online(void *people);
bool people_all_said(void *people);
