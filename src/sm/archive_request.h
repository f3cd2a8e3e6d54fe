/* SPDX-License-Identifier: MIT */
/* A query of an archive as a client sends it, XEP-0313 and 0059. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "stanza/stanza.h"

struct jid;
struct nad;

enum { ARCHIVE_PAGE_MAX = 250, ARCHIVE_PAGE = 50, ARCHIVE_MARKS_MAX = 4, ARCHIVE_IDS_MAX = 100, ARCHIVE_QUERY_ID_MAX = 256 };

struct archive_request {
	struct slice query_id; /* borrowed; no data: there is none */
	struct jid *with;      /* owned; NULL: everybody */
	uint64_t from, to;     /* ids, both included */
	uint64_t count_from, count_to; /* the same, without what only says which page */
	unsigned max;
	bool backwards, flip;
	uint64_t marks[ARCHIVE_MARKS_MAX]; /* ids that must be there */
	unsigned mark_count;
	uint64_t *ids; /* owned: these alone are asked for, each once; NULL: not */
	unsigned id_count;
};

/*
 * Reads <query/>; the request is to be freed in every case. False, with the error: it is wrong, asks for what there is not, or for an
 * id that is none of ours.
 */
bool archive_request_read(const struct nad *nad, int elem, struct archive_request *request, enum stanza_error *error);
void archive_request_fini(struct archive_request *request);
