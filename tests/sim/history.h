/* SPDX-License-Identifier: MIT */
/*
 * What a device has read in the archive of its user (XEP-0313), as real ones do: when a session begins, and now and then, page by page behind
 * the last that it has. What it says must be the same for all devices of a user, each message in it once, and nothing that was
 * acknowledged be missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct nad;
struct people;

struct history_entry {
	uint64_t id;
	unsigned message, device, session, sequence;
};

struct history {
	struct history_entry *entries;
	size_t count, pending, cap; /* behind count those of a page whose end did not come yet */
	unsigned page;		    /* the last that was asked for */
	bool asks;
	bool whole; /* it has been read to its end since history_refresh() */
};

bool history_reads(const struct device *device); /* it is one of those */
void history_ask(struct device *device);	 /* unless it does */
void history_anew(struct device *device);	 /* its session is another: nothing is under way */
bool history_takes(struct device *device, const struct nad *nad);
void history_free(struct device *device);

/* All that are there read to the end; then all of a user must have the same. */
void histories_refresh(struct people *people);
bool histories_whole(void *people);
void histories_check(const struct people *people);
