/* SPDX-License-Identifier: MIT */
/*
 * People of a simulation, each with up to three devices: they log in, write, change their presence and rosters, lose
 * connections and come back, are slow, and leave. What they hear goes to the model; what they see of others stands here.
 */
#pragma once

#include "client.h"
#include "deployment.h"
#include "history.h"
#include "model.h"

enum { HOSTS_MAX = 3 };

/* What a device sees of another. */
struct seen {
	bool available;
	char address[80]; /* a device may have another in its next session */
	unsigned session, version;
};

struct device {
	struct people *people;
	struct client client;
	bool exists;
	bool wanted;		/* should be connected */
	unsigned priority, version, sequence;
	bool negative;		/* its priority is -1: it takes no messages */
	int64_t gone_ms;	/* when it lost its connection */
	unsigned roster_said, roster_settled; /* names that it gave its item of the roster; the last that was taken */
	unsigned roster_late, roster_later; /* behind the former, up to the latter: may be done when a server that stood still reads them */
	struct mio_timer come, act, ease;
	struct seen seen[DEVICES_MAX];
	unsigned roster[DEVICES_OF_USER]; /* names of the items as it sees them, one of each device of the user */
	struct history history;
	uint64_t answered[2];	/* questions of this session: by an error, by a result */
	unsigned asked;
};

/* How they are. */
struct people_habits {
	int64_t pause_min_ms, pause_max_ms; /* between two things that somebody does */
	unsigned losses, slow, moves, dozes; /* how often they lose connections, are slow, leave, turn their backs or come again: of 100 things */
	bool steady;			    /* nobody may lose a session */
	bool secure;			    /* some log in under TLS, by SASL2 */
	bool day;			    /* they write to one with three devices, who log in now so, now so */
};

struct people {
	struct scene *scene;
	struct deployment *deployment;
	struct model model;
	struct people_habits habits;
	struct mio_host *host[HOSTS_MAX];
	struct client_env env[HOSTS_MAX];
	unsigned hosts, users;
	struct device device[DEVICES_MAX];
	bool calm; /* nobody does anything but come back */
	bool leisure;
};

void people_start(struct people *people, struct scene *scene, struct deployment *deployment, const struct people_habits *habits,
		  unsigned hosts);
void people_stop(struct people *people); /* all connections are cut, their memory is gone */
/* Nobody starts anything new; all who are slow or away come back. Or they go on. */
void people_calm(struct people *people, bool calm);
/* They take their time, as most people do most of the time; or they are busy again. */
void people_leisure(struct people *people, bool leisure);
/* Some leave, with </stream:stream>. */
void people_leave(struct people *people, unsigned percent);

/* All who want to be are connected, nothing of theirs is unsettled, no connection is left behind. */
bool people_settled(void *people);
void people_blame_unsettled(const struct people *people); /* says who is not, and fails */
bool people_gone(void *people); /* nobody is connected */
uint64_t people_connected_ms(const struct people *people); /* of those that are connected, together */

/* What devices see is as it is. */
bool people_agree(void *people);
void people_blame_views(struct people *people);
/* Nothing that was promised is missing. */
bool people_heard_all(void *people);
void people_blame_unheard(struct people *people);
/* Each has had one session, and heard all that was said, promised or not; or it is too late for that. */
bool people_steady(void *people);
void people_blame_unsteady(const struct people *people);
