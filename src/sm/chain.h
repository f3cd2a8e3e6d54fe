/* SPDX-License-Identifier: MIT */
/* The hooks of all modules that see a stanza on one of its ways (sm/sm.h), in their order. A hook may hold it, and it goes on later. */
#pragma once

#include "sm/sm.h"

enum { CHAIN_HOOKS_MAX = 64 };

/* What most hooks are for is one of these. */
enum chain_class { CHAIN_MESSAGE, CHAIN_PRESENCE, CHAIN_GET, CHAIN_SET, CHAIN_ANSWER, CHAIN_CLASSES };

struct chain_hook {
	const struct sm_hook *hook;
	void *state;
};

struct chain {
	struct chain_hook hooks[CHAIN_HOOKS_MAX];
	unsigned count;
	uint64_t takers[CHAIN_CLASSES]; /* a bit for each hook that may want it */
};

void chains_sort(struct sm *sm); /* those of all modules, which have started */
void chain_start(struct sm *sm, enum sm_chain chain, struct user *user, struct session *session, struct stanza **stanza); /* taken */
void holds_drop(struct user *user); /* at the end */
