/* SPDX-License-Identifier: MIT */
#include "sm/archive_request.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "storage/archive.h"
#include "xml/nad.h"

struct reading {
	const struct nad *nad;
	struct archive_request *request;
	enum stanza_error error;
};

static bool fail(struct reading *reading, enum stanza_error error)
{
	reading->error = error;
	return false;
}

/* -- ids -- */

static bool read_mark(struct reading *reading, struct slice text, uint64_t *id)
{
	if (!stanza_id_read(text, id))
		return fail(reading, STANZA_ITEM_NOT_FOUND);
	if (reading->request->mark_count == ARCHIVE_MARKS_MAX)
		return fail(reading, STANZA_BAD_REQUEST);
	reading->request->marks[reading->request->mark_count++] = *id;
	return true;
}

static bool read_after(struct reading *reading, struct slice text)
{
	uint64_t id;

	if (!read_mark(reading, text, &id))
		return false;
	if (id + 1 > reading->request->from)
		reading->request->from = id + 1;
	return true;
}

static bool read_before(struct reading *reading, struct slice text)
{
	uint64_t id;

	if (!read_mark(reading, text, &id))
		return false;
	if (id - 1 < reading->request->to)
		reading->request->to = id - 1;
	return true;
}

static bool has_id(const struct archive_request *request, uint64_t id)
{
	for (unsigned at = 0; at < request->id_count; at++) {
		if (request->ids[at] == id)
			return true;
	}
	return false;
}

static bool read_ids(struct reading *reading, int field)
{
	struct archive_request *request = reading->request;

	for (int at = nad_find_child(reading->nad, field, NS_DATA_FORM, "value"); at >= 0; at = nad_find_next(reading->nad, at, NS_DATA_FORM, "value")) {
		uint64_t id;

		if (!stanza_id_read(nad_cdata(reading->nad, at), &id))
			return fail(reading, STANZA_ITEM_NOT_FOUND);
		if (has_id(request, id))
			continue;
		if (request->id_count == ARCHIVE_IDS_MAX)
			return fail(reading, STANZA_POLICY_VIOLATION);
		request->ids = mem_realloc(MEM_SESSION, request->ids, (request->id_count + 1) * sizeof(*request->ids));
		request->ids[request->id_count++] = id;
	}
	return true;
}

/* -- the form -- */

/* What we show has milliseconds: an end is the last of its. */
static bool read_time(struct reading *reading, struct slice text, bool end)
{
	struct archive_request *request = reading->request;
	int64_t wall_ms;

	if (!stamp_parse(text, &wall_ms))
		return fail(reading, STANZA_BAD_REQUEST);
	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > INT64_MAX >> STORE_ID_BITS)
		wall_ms = INT64_MAX >> STORE_ID_BITS;
	if (end) {
		uint64_t last = (uint64_t)wall_ms << STORE_ID_BITS | ((1 << STORE_ID_BITS) - 1);

		request->to = last < request->to ? last : request->to;
	} else {
		uint64_t first = (uint64_t)wall_ms << STORE_ID_BITS;

		request->from = first > request->from ? first : request->from;
	}
	return true;
}

static bool read_with(struct reading *reading, struct slice text)
{
	jid_free(&reading->request->with);
	reading->request->with = jid_parse(text);
	return reading->request->with || fail(reading, STANZA_JID_MALFORMED);
}

static bool read_field(struct reading *reading, int field)
{
	struct slice var = nad_attr_value(reading->nad, field, "var");
	int value = nad_find_child(reading->nad, field, NS_DATA_FORM, "value");
	struct slice text = value < 0 ? SLICE("") : nad_cdata(reading->nad, value);

	if (slice_is(var, "FORM_TYPE"))
		return slice_is(text, NS_ARCHIVE) || fail(reading, STANZA_BAD_REQUEST);
	if (slice_is(var, "ids"))
		return read_ids(reading, field);
	if (!slice_is(var, "with") && !slice_is(var, "start") && !slice_is(var, "end") && !slice_is(var, "before-id") &&
	    !slice_is(var, "after-id"))
		return fail(reading, STANZA_FEATURE_NOT_IMPLEMENTED);
	if (!text.len)
		return true; /* left empty */
	if (slice_is(var, "with"))
		return read_with(reading, text);
	if (slice_is(var, "before-id"))
		return read_before(reading, text);
	if (slice_is(var, "after-id"))
		return read_after(reading, text);
	return read_time(reading, text, slice_is(var, "end"));
}

static bool read_form(struct reading *reading, int form)
{
	for (int at = nad_find_child(reading->nad, form, NS_DATA_FORM, "field"); at >= 0; at = nad_find_next(reading->nad, at, NS_DATA_FORM, "field")) {
		if (!read_field(reading, at))
			return false;
	}
	return true;
}

/* -- the page -- */

static bool read_max(struct reading *reading, int set)
{
	int max = nad_find_child(reading->nad, set, NS_RESULT_SET, "max");
	uint64_t number;

	if (max < 0)
		return true;
	if (!slice_to_u64(nad_cdata(reading->nad, max), &number))
		return fail(reading, STANZA_BAD_REQUEST);
	reading->request->max = number < ARCHIVE_PAGE_MAX ? (unsigned)number : ARCHIVE_PAGE_MAX;
	return true;
}

static bool read_set(struct reading *reading, int set)
{
	int after = nad_find_child(reading->nad, set, NS_RESULT_SET, "after");
	int before = nad_find_child(reading->nad, set, NS_RESULT_SET, "before");

	if (nad_find_child(reading->nad, set, NS_RESULT_SET, "index") >= 0)
		return fail(reading, STANZA_FEATURE_NOT_IMPLEMENTED);
	reading->request->backwards = before >= 0;
	if (after >= 0 && nad_cdata(reading->nad, after).len && !read_after(reading, nad_cdata(reading->nad, after)))
		return false;
	if (before >= 0 && nad_cdata(reading->nad, before).len && !read_before(reading, nad_cdata(reading->nad, before)))
		return false;
	return read_max(reading, set);
}

bool archive_request_read(const struct nad *nad, int elem, struct archive_request *request, enum stanza_error *error)
{
	struct reading reading = {.nad = nad, .request = request};
	int form = nad_find_child(nad, elem, NS_DATA_FORM, "x"), set = nad_find_child(nad, elem, NS_RESULT_SET, "set");
	struct slice node;
	bool ok;

	*request = (struct archive_request){.to = INT64_MAX, .max = ARCHIVE_PAGE};
	if (nad_attr(nad, elem, NULL, "queryid", &request->query_id) && request->query_id.len > ARCHIVE_QUERY_ID_MAX) {
		*error = STANZA_POLICY_VIOLATION;
		return false;
	}
	request->flip = nad_find_child(nad, elem, NS_ARCHIVE, "flip-page") >= 0;
	if (nad_attr(nad, elem, NULL, "node", &node)) {
		*error = STANZA_ITEM_NOT_FOUND;
		return false;
	}
	ok = form < 0 || read_form(&reading, form);
	request->count_from = request->from;
	request->count_to = request->to;
	ok = ok && (set < 0 || read_set(&reading, set));
	*error = reading.error;
	return ok;
}

void archive_request_fini(struct archive_request *request)
{
	jid_free(&request->with);
	mem_free(request->ids);
	request->ids = NULL;
}
