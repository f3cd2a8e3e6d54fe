/* SPDX-License-Identifier: MIT */
/* Jobs of the hashing driver: keys of a password, made off the loop. */
#pragma once

#include "auth/auth.h"
#include "base/list.h"
#include "mio/mio.h"

/* Jobs that wait, of all workers; at the bound new ones are refused: who waits longer has gone. */
enum { HASHING_QUEUE_MAX = 64 };

struct hash_job {
	struct mio_job job;
	struct list link;			/* of the auth's jobs */
	struct mio_task refusal;		/* instead of the driver when its queue is full */
	void (*finished)(struct hash_job *job); /* on the loop; then the job is freed */
	bool forgotten; /* nobody waits any more: finished() is not called */
	void *arg;
	auth_made_fn *made; /* for auth_make_account() */
	uint64_t token;
	/* In: salt and rounds of the keys that are present. Out: the keys. */
	struct auth_account account;
	bool refused; /* the queue was full */
	bool good;    /* the keys are made: the password is allowed */
	uint64_t place; /* who shares a part of the queue; 0: nobody */
	size_t password_len;
	char password[];
};

struct hashing {
	struct mio *mio;
	struct mio_driver *driver;
	struct list jobs;
};

void hashing_init(struct hashing *hashing, struct mio *mio, struct mio_driver *driver);
void hashing_fini(struct hashing *hashing); /* the driver is gone: what was under way is freed */

/* Makes a job, to be filled and started; the password is copied, and wiped when it is used. */
struct hash_job *hash_job_new(struct slice password, void (*finished)(struct hash_job *job),
			      void *arg);
void hash_job_start(struct hashing *hashing, struct hash_job **job);
