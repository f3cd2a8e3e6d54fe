/* SPDX-License-Identifier: MIT */
/* Entity capabilities, XEP-0115 and XEP-0390: hashes of what the domains have, in the features of streams. */
#include "stanza/caps.h"

#include "sm/modules/modules.h"
#include "xml/nad.h"

#define NODE "urn:jackdaw"

static void append_first(struct nad *features, const struct nad *info, int query)
{
	AUTO(buf_fini) struct buf text = {0}, hash = {0};

	if (caps_text(CAPS_1, info, query, &text))
		return;
	caps_hash(CAPS_1, SLICE("sha-1"), buf_slice(&text), &hash);
	nad_append(features, NS_CAPS, "c", 1);
	nad_append_attr(features, -1, "hash", SLICE("sha-1"));
	nad_append_attr(features, -1, "node", SLICE(NODE));
	nad_append_attr(features, -1, "ver", buf_slice(&hash));
}

static void append_second(struct nad *features, const struct nad *info, int query)
{
	static const char *const algorithms[] = {"sha-256", "sha3-256"};
	AUTO(buf_fini) struct buf text = {0};

	if (caps_text(CAPS_2, info, query, &text))
		return;
	nad_append(features, NS_CAPS2, "c", 1);
	for (unsigned at = 0; at < countof(algorithms); at++) {
		AUTO(buf_fini) struct buf hash = {0};

		caps_hash(CAPS_2, slice_of(algorithms[at]), buf_slice(&text), &hash);
		nad_append(features, NS_HASHES, "hash", 2);
		nad_append_attr(features, -1, "algo", slice_of(algorithms[at]));
		nad_append_cdata(features, buf_slice(&hash), 3);
	}
}

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	AUTO(nad_free) struct nad *info = nad_new();
	int query;

	nad_append(info, NS_CLIENT, "iq", 0);
	query = nad_append(info, NS_DISCO_INFO, "query", 1);
	disco_append(sm, info);
	append_first(features, info, query);
	append_second(features, info, query);
}

static bool begins_with(struct slice text, struct slice begin)
{
	return text.len > begin.len && slice_equal((struct slice){text.data, begin.len}, begin);
}

/* An earlier one too: a settings file may have been read again since the client saw it, and the answer is checked by who asks. */
bool caps_is_node(struct slice node)
{
	return begins_with(node, SLICE(NODE "#")) || begins_with(node, SLICE(NS_CAPS2 "#"));
}

const struct sm_module sm_caps = {
	.name = "caps",
	.features = {NS_CAPS, NS_CAPS2},
	.offer = offer,
};
