/* SPDX-License-Identifier: MIT */
/* Fuzzes what is hashed of a disco#info result: what is inside its <query/>. The order in which it stands there counts for nothing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "stanza/caps.h"
#include "stanza/ns.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { CHILDREN_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nad *read_query(const uint8_t *data, size_t size)
{
	static const struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 20, .attributes = 20};
	AUTO(buf_fini) struct buf text = {0};

	buf_append_text(&text, "<query xmlns='" NS_DISCO_INFO "'>");
	buf_append(&text, data, size);
	buf_append_text(&text, "</query>");
	return xml_parse(buf_slice(&text), &limits);
}

static struct nad *turn_round(const struct nad *nad)
{
	struct nad *turned = nad_new();
	int children[CHILDREN_MAX];
	unsigned count = 0;

	for (int at = nad_first_child(nad, 0); at >= 0 && count < CHILDREN_MAX; at = nad_next_sibling(nad, at))
		children[count++] = at;
	nad_append(turned, NS_DISCO_INFO, "query", 0);
	while (count)
		nad_append_tree(turned, nad, children[--count], 1);
	return turned;
}

static void check(enum caps_version version, const struct nad *nad, const struct nad *turned)
{
	AUTO(buf_fini) struct buf text = {0}, other = {0}, hash = {0};
	int rc = caps_text(version, nad, 0, &text);

	if (caps_text(version, turned, 0, &other) != rc || !slice_equal(buf_slice(&text), buf_slice(&other)))
		abort();
	if (rc && buf_used(&text))
		abort();
	if (!caps_hash(version, SLICE("sha-256"), buf_slice(&text), &hash) || buf_used(&hash) != 44)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(nad_free) struct nad *nad = read_query(data, size), *turned = NULL;
	unsigned count = 0;

	if (!nad)
		return 0;
	for (int at = nad_first_child(nad, 0); at >= 0; at = nad_next_sibling(nad, at))
		count++;
	if (count > CHILDREN_MAX)
		return 0;
	turned = turn_round(nad);
	check(CAPS_1, nad, turned);
	check(CAPS_2, nad, turned);
	return 0;
}
