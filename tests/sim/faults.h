/* SPDX-License-Identifier: MIT */
/* What happens to a deployment, at moments of the seed: its processes die, stop and stand still, its wires are cut, its disk is
 * slow, full or fails, its clock jumps. */
#pragma once

#include "deployment.h"
#include "people.h"

enum fault {
	FAULT_KILL,
	FAULT_STOP,   /* SIGTERM */
	FAULT_FREEZE, /* SIGSTOP */
	FAULT_CUT,
	FAULT_SLOW_DISK,
	FAULT_FULL_DISK,
	FAULT_BAD_DISK,
	FAULT_JUMP,
	FAULTS
};

struct faults {
	struct scene *scene;
	struct deployment *deployment;
	struct people *people;
	unsigned weight[FAULTS]; /* how often each happens; 0: never */
	bool gentle;		 /* only what nobody may notice */
	int64_t pause_ms;	 /* between two, at most */
	int64_t until_ms[FAULTS]; /* when it is over; 0: it is */
	struct mio_host *cut[2];
	unsigned count[FAULTS];
};

/* For so long; all is well again afterwards. */
void faults_run(struct faults *faults, int64_t ms);
