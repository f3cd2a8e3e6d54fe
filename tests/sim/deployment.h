/* SPDX-License-Identifier: MIT */
/* The processes of a simulated deployment: one, three, or four with two c2s. They start, die, stop and start again. */
#pragma once

#include "component/component.h"
#include "component/settings.h"
#include "scene.h"

enum { PARTS_MAX = 4, FRONTS_MAX = 2, FRIENDS = 2 };

enum part_role { PART_ALL, PART_ROUTER, PART_SM, PART_C2S };

struct part {
	const char *name;
	enum part_role role;
	const struct component *const *components;
	const struct settings *settings;
	struct mio_host *host;
	struct process *process; /* NULL: it is down */
	struct heap *heap;	 /* of its certificates */
	struct tls_store *tls;
	bool frozen;
};

/* How it is set up; the rest is the seed's. */
struct deployment_plan {
	unsigned parts;	    /* 1, 3 or 4 */
	unsigned users;	    /* userN@localhost, password "secret", each a contact of FRIENDS before and behind; one more without */
	bool tcp;	    /* parts meet at the router's port, not at its Unix socket */
	bool tight;	    /* mailboxes are full from the first byte, and a commit has two transactions at most */
	bool archive;	    /* what is written is kept in archives */
	unsigned resume_ms; /* how long a session waits for its client */
};

struct deployment {
	struct scene *scene;
	struct deployment_plan plan;
	struct settings settings[FRONTS_MAX];
	struct conf *conf[FRONTS_MAX];
	struct part part[PARTS_MAX];
	struct log_writer *logs;
	bool bad_disk;		  /* the disk is full or fails: a part may not start */
	bool careless;		  /* the one process started so: behind a kill nobody knows what was under way, */
	bool lost_careless;	  /* nor of the last that was killed */
	int64_t disk_failed_ms;	  /* when it did last: what should be stored at an orderly end was not */
	int64_t sessions_lost_ms; /* when a process died that had sessions */
	bool power_stays;	  /* when the next one is killed */
	int64_t power_cut_ms;	  /* when it did not */
	int64_t apart_ms, joined_ms; /* parts were out of each other's reach for so long that they gave up */
	int64_t sm_gone_ms, sm_back_ms; /* a separate sm: what was detached died with it, what was attached it gets soon */
	int64_t router_gone_ms;
	bool clock_ever_jumped;
	bool clock_jumped;	  /* the wall clock is not where it was: sessions in storage may be over */
};

void deployment_init(struct deployment *deployment, struct scene *scene, const struct deployment_plan *plan);
void deployment_fini(struct deployment *deployment);

void part_start(struct deployment *deployment, struct part *part); /* down as before when the disk is bad */
void part_kill(struct deployment *deployment, struct part *part);
/* SIGTERM: it drains, stops by itself, and gives back all that it took. */
void part_stop(struct deployment *deployment, struct part *part);
void part_freeze(struct deployment *deployment, struct part *part, bool frozen);

struct part *deployment_part(struct deployment *deployment, enum part_role role); /* a PART_ALL has every role */
/* Where clients connect to. */
const char *deployment_address(const struct deployment *deployment, unsigned number);
unsigned deployment_fronts(const struct deployment *deployment);
/* Whether the server may know nothing of a session that began then, and lost its connection then. */
bool deployment_may_forget(const struct deployment *deployment, int64_t began_ms, int64_t gone_ms);
/* Whether it began, and was not over yet, when the one process was killed, and the next one knows what was under way. */
bool deployment_killed_session(const struct deployment *deployment, int64_t began_ms, int64_t gone_ms);
/* Whether a separate sm was not there since then, or had not all sessions again: two c2s present theirs one after the other. */
bool deployment_was_without_sm(const struct deployment *deployment, int64_t since_ms);
bool users_are_friends(const struct deployment *deployment, unsigned one, unsigned other);
