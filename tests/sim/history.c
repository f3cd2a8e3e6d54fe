/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "stanza/ns.h"
#include "xml/nad.h"

enum { PAGE = 30 };

bool history_reads(const struct device *device)
{
	const struct people *people = device->people;

	return people->habits.secure && people->deployment->plan.archive && (device->client.kind == CLIENT_RESUMING || people->habits.day);
}

/* -- reading -------------------------------------------------------------------------------------- */

void history_ask(struct device *device)
{
	struct history *history = &device->history;
	char after[64] = "";

	if (!history_reads(device) || history->asks || device->client.state != CLIENT_ON)
		return;
	history->asks = true;
	history->pending = 0;
	if (history->count)
		snprintf(after, sizeof(after), "<after>%llx</after>", (unsigned long long)history->entries[history->count - 1].id);
	client_say(&device->client, SENT_OTHER, 0,
		   "<iq type='set' id='mam-%u'><query xmlns='" NS_ARCHIVE "' queryid='%u'><set xmlns='" NS_RESULT_SET "'><max>%u</max>%s</set></query></iq>",
		   history->page + 1, history->page + 1, PAGE, after);
	history->page++;
	scene_say(device->people->scene, "d%u: asks for page %u%s", device_number(device), history->page, after);
}

void history_anew(struct device *device)
{
	device->history.asks = false;
	history_ask(device);
}

static struct history_entry *last_of(struct history *history)
{
	return history->count + history->pending ? &history->entries[history->count + history->pending - 1] : NULL;
}

static void add(struct history *history, const struct history_entry *entry)
{
	if (history->count + history->pending == history->cap) {
		history->cap = history->cap ? history->cap * 2 : 64;
		history->entries = realloc(history->entries, history->cap * sizeof(*entry));
	}
	history->entries[history->count + history->pending++] = *entry;
}

/* Of its user, from a device to a user that there are. */
static void read_one(struct device *device, const struct nad *nad, int result)
{
	struct history *history = &device->history;
	int forwarded = nad_find_child(nad, result, NS_FORWARD, "forwarded");
	int message = forwarded < 0 ? -1 : nad_find_child(nad, forwarded, NS_CLIENT, "message");
	int body = message < 0 ? -1 : nad_find_child(nad, message, NS_CLIENT, "body");
	struct history_entry entry = {0};
	char id[32];

	snprintf(id, sizeof(id), "%.*s", (int)nad_attr_value(nad, result, "id").len, nad_attr_value(nad, result, "id").data);
	entry.id = strtoull(id, NULL, 16);
	if (!entry.id || message < 0)
		scene_fail(device->people->scene, "d%u was told of nothing in its archive", device_number(device));
	if (body >= 0 && text_numbers(nad_cdata(nad, body), "%u:%u:%u:%u", &entry.message, &entry.device, &entry.session, &entry.sequence) != 4)
		entry.message = UINT32_MAX; /* somebody else's */
	while (history->pending && entry.id <= last_of(history)->id)
		history->pending--; /* its manager died, and the next one begins this page again */
	if (last_of(history) && entry.id <= last_of(history)->id)
		scene_fail(device->people->scene, "d%u was told of %llx behind %llx", device_number(device), (unsigned long long)entry.id,
			   (unsigned long long)last_of(history)->id);
	add(history, &entry);
	if (entry.message != UINT32_MAX)
		model_read(&device->people->model, device_number(device), entry.message);
}

static void read_end(struct device *device, const struct nad *nad)
{
	struct history *history = &device->history;
	int fin = nad_find_child(nad, 0, NS_ARCHIVE, "fin");
	bool last = fin >= 0 && slice_is(nad_attr_value(nad, fin, "complete"), "true");

	history->asks = false;
	scene_say(device->people->scene, "d%u: page %u has %zu, %s", device_number(device), history->page, history->pending,
		  last ? "the last" : fin < 0 ? "an error" : "and there is more");
	if (fin < 0 && nad_find_child(nad, nad_find_child(nad, 0, NS_CLIENT, "error"), NS_STANZA_ERROR, "item-not-found") >= 0)
		history->count = 0; /* it was forgotten */
	if (fin < 0)
		return;
	history->count += history->pending;
	history->pending = 0;
	history->whole |= last;
	if (!last)
		history_ask(device);
}

bool history_takes(struct device *device, const struct nad *nad)
{
	int result = nad_find_child(nad, 0, NS_ARCHIVE, "result");
	unsigned page;

	if (result >= 0) {
		if (text_numbers(nad_attr_value(nad, result, "queryid"), "%u", &page, NULL, NULL, NULL) == 1 && page == device->history.page &&
		    device->history.asks)
			read_one(device, nad, result);
		return true;
	}
	if (text_numbers(nad_attr_value(nad, 0, "id"), "mam-%u", &page, NULL, NULL, NULL) != 1)
		return false;
	if (page == device->history.page)
		read_end(device, nad);
	return true;
}

void history_free(struct device *device)
{
	free(device->history.entries);
	device->history = (struct history){0};
}

/* -- at the end of a round -------------------------------------------------------------------------- */

static bool is_reader(const struct device *device)
{
	return device->exists && device->wanted && history_reads(device);
}

void histories_refresh(struct people *people)
{
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		struct device *device = &people->device[at];

		device->history.whole = false;
		if (is_reader(device))
			history_ask(device);
	}
}

bool histories_whole(void *arg)
{
	struct people *people = arg;
	bool all = true;

	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		struct device *device = &people->device[at];

		if (!is_reader(device) || device->history.whole)
			continue;
		history_ask(device);
		all = false;
	}
	return all;
}

static int by_origin(const void *a, const void *b)
{
	const struct history_entry *first = a, *second = b;

	if (first->device != second->device)
		return first->device < second->device ? -1 : 1;
	if (first->session != second->session)
		return first->session < second->session ? -1 : 1;
	return (first->sequence > second->sequence) - (first->sequence < second->sequence);
}

static void check_once(const struct device *device)
{
	const struct history *history = &device->history;
	struct history_entry *sorted = malloc((history->count + 1) * sizeof(*sorted));

	if (history->count)
		memcpy(sorted, history->entries, history->count * sizeof(*sorted));
	qsort(sorted, history->count, sizeof(*sorted), by_origin);
	for (size_t at = 1; at < history->count; at++) {
		if (sorted[at].message != UINT32_MAX && by_origin(&sorted[at - 1], &sorted[at]) == 0)
			scene_fail(device->people->scene, "the archive of d%u has m%u of d%u, number %u of session %u, twice", device_number(device),
				   sorted[at].message, sorted[at].device, sorted[at].sequence, sorted[at].session);
	}
	free(sorted);
}

static void check_ids(const struct device *device)
{
	const struct history *history = &device->history;

	for (size_t at = 0; at < history->count; at++)
		model_check_id(&device->people->model, device_number(device), history->entries[at].message, history->entries[at].session,
			       history->entries[at].id);
}

/* Whether there is a message behind so many: strangers may have said something since the other one read. */
static bool came_behind(const struct history *history, size_t count)
{
	for (size_t at = count; at < history->count; at++) {
		if (history->entries[at].message != UINT32_MAX)
			return true;
	}
	return false;
}

static void check_alike(const struct device *device, const struct device *other)
{
	const struct history *one = &device->history, *two = &other->history;

	for (size_t at = 0; at < one->count && at < two->count; at++) {
		if (one->entries[at].id != two->entries[at].id)
			scene_fail(device->people->scene, "d%u has m%u as number %zu of %zu, %llx, d%u has m%u of %zu, %llx", device_number(device),
				   one->entries[at].message, at, one->count, (unsigned long long)one->entries[at].id, device_number(other),
				   two->entries[at].message, two->count, (unsigned long long)two->entries[at].id);
	}
	if (came_behind(one, two->count) || came_behind(two, one->count))
		scene_fail(device->people->scene, "d%u has read %zu messages, d%u %zu", device_number(device), one->count, device_number(other),
			   two->count);
}

static void check_promised(const struct device *device)
{
	const struct history *history = &device->history;
	const struct model *model = &device->people->model;
	bool *read = calloc(model->count + 1, sizeof(*read));

	for (size_t at = 0; at < history->count; at++) {
		if (history->entries[at].message < model->count)
			read[history->entries[at].message] = true;
	}
	for (unsigned at = 0; at < model->count; at++) {
		const struct message *message = &model->messages[at];
		bool own = message->from / DEVICES_OF_USER == device->client.user || message->to_user == device->client.user;

		if (own && message->promised && !message->refused && !read[at])
			scene_fail(device->people->scene, "m%u was acknowledged, and is not in the archive that d%u has read", at,
				   device_number(device));
	}
	free(read);
}

void histories_check(const struct people *people)
{
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		const struct device *device = &people->device[at], *first = NULL;

		if (!is_reader(device))
			continue;
		for (unsigned other = at - at % DEVICES_OF_USER; other < at && !first; other++)
			first = is_reader(&people->device[other]) ? &people->device[other] : NULL;
		if (first)
			check_alike(device, first);
		check_once(device);
		check_ids(device);
		if (!people->deployment->clock_ever_jumped)
			check_promised(device);
	}
}
