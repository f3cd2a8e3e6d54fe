/* SPDX-License-Identifier: MIT */
/* What devices hear, and whether it may be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "stanza/ns.h"
#include "xml/nad.h"

static void check_from(struct device *device, const struct nad *nad, unsigned from)
{
	struct slice said = nad_attr_value(nad, 0, "from");
	char wanted[64];
	int len = snprintf(wanted, sizeof(wanted), "user%u@localhost/d%u", from / DEVICES_OF_USER, from);
	bool begins = said.len >= (size_t)len && memcmp(said.data, wanted, (size_t)len) == 0;

	if (!begins || (said.len > (size_t)len && said.data[len] != '/'))
		scene_fail(device->people->scene, "d%u heard words of %s from %.*s", device_number(device), wanted, (int)said.len,
			   said.data);
}

/* He has one account more than people have. */
static void check_intruder(struct device *device, const struct nad *nad)
{
	struct slice from = nad_attr_value(nad, 0, "from");
	unsigned user;

	if (text_numbers(from, "user%u@localhost", &user, NULL, NULL, NULL) != 1 || user != device->people->users)
		scene_fail(device->people->scene, "d%u took an intruder for %.*s", device_number(device), (int)from.len, from.data);
}

/* Only one's own archive has a say. */
static uint64_t id_of(struct device *device, const struct nad *nad, int message)
{
	int at = nad_find_child(nad, message, NS_STANZA_ID, "stanza-id");
	char account[32], id[32];

	if (at < 0)
		return 0;
	snprintf(account, sizeof(account), "user%u@localhost", device->client.user);
	snprintf(id, sizeof(id), "%.*s", (int)nad_attr_value(nad, at, "id").len, nad_attr_value(nad, at, "id").data);
	if (!slice_is(nad_attr_value(nad, at, "by"), account) || nad_find_next(nad, at, NS_STANZA_ID, "stanza-id") >= 0)
		scene_fail(device->people->scene, "d%u was told an id that is not of its archive", device_number(device));
	return strtoull(id, NULL, 16);
}

/* It is from one's own account, or forged. */
static void hear_copy(struct device *device, const struct nad *nad, int copy, bool received)
{
	struct people *people = device->people;
	int message = nad_find_child(nad, nad_find_child(nad, copy, NS_FORWARD, "forwarded"), NS_CLIENT, "message");
	int body = message < 0 ? -1 : nad_find_child(nad, message, NS_CLIENT, "body");
	struct words words = {0};
	char account[32];

	snprintf(account, sizeof(account), "user%u@localhost", device->client.user);
	if (!slice_is(nad_attr_value(nad, 0, "from"), account) || body < 0)
		scene_fail(people->scene, "d%u got a copy of nothing, or a forged one", device_number(device));
	if (slice_is(nad_cdata(nad, body), "intruder"))
		return;
	if (text_numbers(nad_cdata(nad, body), "%u:%u:%u:%u", &words.message, &words.device, &words.session, &words.sequence) != 4)
		scene_fail(people->scene, "d%u got a copy of a message that nobody may send", device_number(device));
	words.id = id_of(device, nad, message);
	scene_say(people->scene, "d%u: a copy of m%u of d%u, number %u of its session %u", device_number(device), words.message,
		  words.device, words.sequence, words.session);
	model_copied(&people->model, device_number(device), device->client.session, &words, received);
}

static bool hears_copy(struct device *device, const struct nad *nad)
{
	int received = nad_find_child(nad, 0, NS_CARBONS, "received"), sent = nad_find_child(nad, 0, NS_CARBONS, "sent");

	if (received < 0 && sent < 0)
		return false;
	hear_copy(device, nad, received < 0 ? sent : received, received >= 0);
	return true;
}

static void hear_message(struct device *device, const struct nad *nad)
{
	struct people *people = device->people;
	int body = nad_find_child(nad, 0, NS_CLIENT, "body");
	struct words words = {.kept = nad_find_child(nad, 0, NS_DELAY, "delay") >= 0};
	unsigned number;

	if (slice_is(nad_attr_value(nad, 0, "type"), "error")) {
		if (text_numbers(nad_attr_value(nad, 0, "id"), "m%u", &number, NULL, NULL, NULL) == 1) {
			scene_say(people->scene, "d%u: m%u came back with an error", device_number(device), number);
			model_refused(&people->model, number);
		}
		return;
	}
	if (hears_copy(device, nad))
		return;
	if (body >= 0 && slice_is(nad_cdata(nad, body), "intruder")) {
		check_intruder(device, nad);
		return;
	}
	if (body < 0 || text_numbers(nad_cdata(nad, body), "%u:%u:%u:%u", &words.message, &words.device, &words.session,
				     &words.sequence) != 4)
		scene_fail(people->scene, "d%u heard a message that nobody may send", device_number(device));
	scene_say(people->scene, "d%u: heard m%u of d%u, number %u of its session %u%s", device_number(device), words.message,
		  words.device, words.sequence, words.session, words.kept ? ", kept" : "");
	check_from(device, nad, words.device);
	words.id = id_of(device, nad, 0);
	model_heard(&people->model, device_number(device), device->client.session, &words);
}

/* From the account: none of its resources is there. */
static void forget_user(struct device *device, unsigned user)
{
	for (unsigned at = 0; user < USERS_MAX && at < DEVICES_OF_USER; at++)
		device->seen[user * DEVICES_OF_USER + at].available = false;
}

/* Whose device has another address by now. */
static bool is_of_the_one_before(const struct seen *seen, const struct nad *nad)
{
	int status = nad_find_child(nad, 0, NS_CLIENT, "status");
	unsigned session;

	if (slice_is(nad_attr_value(nad, 0, "from"), seen->address) || !seen->available)
		return false;
	return status < 0 || text_numbers(nad_cdata(nad, status), "%u:", &session, NULL, NULL, NULL) != 1 || session < seen->session;
}

static void hear_presence(struct device *device, const struct nad *nad)
{
	int status = nad_find_child(nad, 0, NS_CLIENT, "status");
	struct slice type = nad_attr_value(nad, 0, "type");
	unsigned user, from;
	struct seen *seen;
	int parts = text_numbers(nad_attr_value(nad, 0, "from"), "user%u@localhost/d%u", &user, &from, NULL, NULL);

	if (parts == 1 && slice_is(type, "unavailable"))
		forget_user(device, user);
	if (parts != 2 || user == device->people->users || from >= DEVICES_MAX || (type.len && !slice_is(type, "unavailable")))
		return;
	seen = &device->seen[from];
	if (is_of_the_one_before(seen, nad))
		return;
	snprintf(seen->address, sizeof(seen->address), "%.*s", (int)nad_attr_value(nad, 0, "from").len, nad_attr_value(nad, 0, "from").data);
	seen->available = !type.len;
	if (!seen->available)
		scene_say(device->people->scene, "d%u: d%u is away", device_number(device), from);
	else if (status < 0 || text_numbers(nad_cdata(nad, status), "%u:%u", &seen->session, &seen->version, NULL, NULL) != 2)
		scene_fail(device->people->scene, "d%u sees d%u without a status", device_number(device), from);
	else
		scene_say(device->people->scene, "d%u: d%u is there, presence %u of session %u", device_number(device), from,
			  seen->version, seen->session);
}

static void hear_roster(struct device *device, const struct nad *nad)
{
	int query = nad_find_child(nad, 0, NS_ROSTER, "query"), item = nad_find_child(nad, query, NS_ROSTER, "item");
	unsigned which, name;

	for (; item >= 0; item = nad_find_next(nad, item, NS_ROSTER, "item")) {
		bool gone = slice_is(nad_attr_value(nad, item, "subscription"), "remove"); /* what was shown was not stored */

		if (text_numbers(nad_attr_value(nad, item, "jid"), "item%u@localhost", &which, NULL, NULL, NULL) != 1 ||
		    which >= DEVICES_OF_USER)
			continue;
		if (gone || text_numbers(nad_attr_value(nad, item, "name"), "n%u", &name, NULL, NULL, NULL) == 1)
			device->roster[which] = gone ? 0 : name;
	}
}

/* Who answered and went before the server heard that it had the question leaves an error behind too. */
static void hear_answer(struct device *device, const struct nad *nad, bool good)
{
	struct slice id = nad_attr_value(nad, 0, "id");
	unsigned session, number;

	if (text_numbers(id, "known-%u", &number, NULL, NULL, NULL) == 1 && number == device->version) {
		if (good)
			model_present(&device->people->model, device_number(device), device->client.session,
				      device->negative ? -1 : (int)device->priority);
		else
			say_presence(device);
	}
	if (slice_is(id, "copies") && good)
		model_copies(&device->people->model, device_number(device));
	if (text_numbers(id, "roster-%u", &number, NULL, NULL, NULL) == 1) {
		if (good)
			device->roster_settled = number;
	}
	if (text_numbers(id, "ask-%u-%u", &session, &number, NULL, NULL) != 2 || session < device->client.session)
		return;
	scene_say(device->people->scene, "d%u: answer to question %u: %s", device_number(device), number, good ? "good" : "error");
	if (number > device->asked || device->answered[good] >> number & 1)
		scene_fail(device->people->scene, "d%u heard an answer to question %u of session %u that it did not wait for",
			   device_number(device), number, session);
	device->answered[good] |= UINT64_C(1) << number;
}

static void hear_iq(struct device *device, const struct nad *nad)
{
	struct slice type = nad_attr_value(nad, 0, "type"), id = nad_attr_value(nad, 0, "id"),
		     from = nad_attr_value(nad, 0, "from");

	if (nad_find_child(nad, 0, NS_ROSTER, "query") >= 0 && !slice_is(type, "error"))
		hear_roster(device, nad);
	if (slice_is(type, "get") || slice_is(type, "set"))
		client_say(&device->client, SENT_OTHER, 0, "<iq type='result' id='%.*s'%s%.*s%s/>", (int)id.len, id.data,
			   from.len ? " to='" : "", (int)from.len, from.data, from.len ? "'" : "");
	else
		hear_answer(device, nad, slice_is(type, "result"));
}

void hear(struct device *device, const struct nad *nad)
{
	if (history_takes(device, nad))
		return;
	if (nad_is(nad, 0, NS_CLIENT, "message"))
		hear_message(device, nad);
	else if (nad_is(nad, 0, NS_CLIENT, "presence"))
		hear_presence(device, nad);
	else
		hear_iq(device, nad);
}
