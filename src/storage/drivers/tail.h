/* SPDX-License-Identifier: MIT */
/*
 * The messages of the archive that no index has yet: of each owner the ids, in order. What one transaction of a batch adds
 * can be taken back, and so can all that a batch did.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "base/table.h"

struct tail_entry {
	uint64_t id, session;
	uint32_t count;
};

struct tail_owner {
	struct list link; /* by since */
	struct list changed;
	uint64_t since; /* no entry has a lesser id */
	uint64_t born;	/* how many were added ever, then */
	char *name;
	struct tail_entry *entries;
	unsigned count, cap;
	unsigned indexed; /* by this batch: the first so many */
	bool unsure;	  /* it was read back: an index may have the first of them */
};

struct tail {
	struct table owners;
	struct list order, changed; /* all owners; those that the batch's end is about */
	uint64_t added_ever;
	unsigned count, indexed; /* of all; those that this batch has indexed */
	struct tail_owner **added; /* by this batch, one by one */
	unsigned added_count, added_cap, kept;
};

struct tail *tail_new(void);
void tail_free(struct tail **tail);
struct tail_owner *tail_find(const struct tail *tail, struct slice owner); /* NULL: all of its messages are in the indexes */
void tail_add(struct tail *tail, struct slice owner, const struct tail_entry *entry);
void tail_undo(struct tail *tail); /* what was added since tail_keep() */
void tail_keep(struct tail *tail);
void tail_indexed(struct tail *tail, struct tail_owner *owner, unsigned count); /* its first so many, if the batch is committed */
void tail_end(struct tail *tail, bool committed); /* of the batch */
/* The oldest owner of whom there is more than this batch has indexed; NULL: none. */
struct tail_owner *tail_oldest(const struct tail *tail);
uint64_t tail_since(const struct tail *tail, uint64_t next); /* the least id that no index has, behind this batch; next: none is there */
