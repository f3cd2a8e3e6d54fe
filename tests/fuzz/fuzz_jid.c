/* SPDX-License-Identifier: MIT */
/* Fuzzes addresses: whatever is accepted is in one piece, within its bounds, and is itself when
 * read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "jid/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_parts(const struct jid *jid)
{
	AUTO(jid_free)
	struct jid *made = jid_make(jid_local(jid), jid_domain(jid), jid_resource(jid));
	AUTO(jid_free) struct jid *moved = NULL;

	must(jid_local(jid).len <= JID_PART_MAX && jid_resource(jid).len <= JID_PART_MAX);
	must(jid_domain(jid).len > 0 && jid_domain(jid).len <= JID_PART_MAX);
	must(jid_full(jid).len <= JID_MAX && strlen(jid_text(jid)) == jid_full(jid).len);
	must(jid_equal(jid, made));
	moved = jid_with_resource(jid, SLICE("elsewhere"));
	must(moved && jid_equal_bare(jid, moved));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	AUTO(jid_free) struct jid *jid = jid_parse(text);
	AUTO(jid_free) struct jid *again = NULL, *bare = NULL, *user = NULL;

	if (!jid)
		return 0;
	check_parts(jid);
	again = jid_parse(jid_full(jid));
	must(again && jid_equal(jid, again));
	bare = jid_bare(jid);
	user = jid_parse(jid_user(jid));
	must(jid_is_bare(bare) && jid_equal(bare, user) && jid_equal_bare(bare, jid));
	return 0;
}
