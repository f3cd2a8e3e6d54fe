/* SPDX-License-Identifier: MIT */
/* What differs between the settings in force and others, and what it takes. Pure. */
#pragma once

#include "component/settings.h"

struct changes {
	const struct settings *now, *next;
	const char *const
		*parts;	  /* that look, NULL-terminated: what none of them reads is left out */
	const char *part; /* who a restart would be of, "c2s-2"; NULL: all in one process */
};

/* For each key that differs, in the order of the table. at_once: it need not wait for a restart. */
typedef void change_fn(void *arg, const struct conf_option *option, bool at_once);
void changes_each(const struct changes *changes, change_fn *each, void *arg);

/* "limits.depth: 100 -> 50: at once", "...: needs a restart of c2s-2"; now: what "at once" is
 * called. */
void changes_print(const struct changes *changes, const struct conf_option *option, bool at_once,
		   const char *now, struct buf *out);
/* {"part": "run", "changes": [{"key": "limits.depth", "from": 100, "to": 50, "restart": false}]} */
void changes_json(const struct changes *changes, struct buf *out);
