/* SPDX-License-Identifier: MIT */
/* Certificates as an administrator looks at them: `jackdaw check certs`. */
#pragma once

#include <stdint.h>
#include "base/buf.h"

struct settings;

/* One pair of files of a name; valid while it is told. Both paths are empty when the name has none.
 */
struct certificate_report {
	const char *name;
	const char *certificate, *key; /* paths */
	struct buf names;	       /* that it is for, ", " between */
	struct buf chain;	       /* who signed it, in words */
	bool read;		       /* days, names and chain are known */
	int64_t days;		       /* left; negative: over */
	struct buf problems;	       /* a line each, with what to do about it */
};

enum { CERTIFICATE_SOON_DAYS = 14 }; /* less is a problem */

/*
 * Calls tell() for each pair of each domain, and of the router where router.tls asks for one. Makes
 * nothing. now_s: seconds since 1970.
 */
void certificate_check(const struct settings *settings, int64_t now_s,
		       void (*tell)(void *arg, struct certificate_report *report), void *arg);
