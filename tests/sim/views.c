/* SPDX-License-Identifier: MIT */
/* When nobody does anything any more, what each device sees and has heard must be what is. */
#include <stdio.h>
#include "people.h"

static bool is_there(const struct device *device)
{
	return device->exists && device->wanted;
}

static unsigned device_count(const struct people *people)
{
	return people->users * DEVICES_OF_USER;
}

/* -- settled -------------------------------------------------------------------------------------- */

static bool is_settled(const struct people *people, unsigned number)
{
	const struct device *device = &people->device[number];

	if (!is_there(device))
		return !device->client.line;
	return device->client.state == CLIENT_ON && list_empty(&device->client.unsettled) && !device->client.asked_ms &&
	       people->model.standing[number].known == KNOWN_PRESENT;
}

/* A connection whose session went on at another. Whose address is another since may have one that nobody asks for. */
static const struct line *find_ghost(const struct people *people)
{
	for (unsigned at = 0; at < people->hosts; at++) {
		const struct list *ghosts = &people->env[at].ghosts;

		for (const struct list *ghost = ghosts->next; ghost != ghosts; ghost = ghost->next) {
			const struct line *line = container_of(ghost, const struct line, link);

			if (!people->device[line->number].client.moves)
				return line;
		}
	}
	return NULL;
}

bool people_settled(void *arg)
{
	const struct people *people = arg;

	for (unsigned at = 0; at < device_count(people); at++) {
		if (!is_settled(people, at))
			return false;
	}
	return !find_ghost(people);
}

void people_blame_unsettled(const struct people *people)
{
	for (unsigned at = 0; at < device_count(people); at++) {
		const struct client *client = &people->device[at].client;

		if (!is_settled(people, at))
			scene_fail(people->scene, "d%u does not get to rest: state %d, %s%s, acknowledged %u of session %u, not settled: %s",
				   at, (int)client->state, client->asked_ms ? "asked, " : "",
				   people->model.standing[at].known == KNOWN_PRESENT ? "present" : "not present", client->acked,
				   client->session, list_empty(&client->unsettled) ? "nothing" : container_of(client->unsettled.next, struct sent, link)->text);
	}
	if (find_ghost(people))
		scene_fail(people->scene, "a connection that d%u forgot stays open, and its session has another", find_ghost(people)->number);
}

bool people_gone(void *arg)
{
	const struct people *people = arg;

	for (unsigned at = 0; at < device_count(people); at++) {
		if (people->device[at].client.line)
			return false;
	}
	return true;
}

uint64_t people_connected_ms(const struct people *people)
{
	int64_t now_ms = sim_now_ms(people->scene->sim), sum_ms = 0;

	for (unsigned at = 0; at < device_count(people); at++) {
		if (people->device[at].client.on_ms)
			sum_ms += now_ms - people->device[at].client.on_ms;
	}
	return (uint64_t)sum_ms;
}

/* -- views ---------------------------------------------------------------------------------------- */

/*
 * A separate sm that died had alone what a session without a client had shown itself to: nobody can say that it is gone. Its
 * contacts hear of the next. So had the one process, when a disk kept a session that went on behind its death.
 */
static bool may_be_stale(const struct people *people, const struct device *device)
{
	return people->deployment->sm_gone_ms > device->client.began_ms || people->deployment->sessions_lost_ms > device->client.began_ms;
}

/* Contacts and one's own devices are seen when and only when they are there; who is no contact, if he shows himself. */
static bool sees_right(const struct people *people, unsigned one, unsigned other)
{
	const struct device *device = &people->device[one], *seen_device = &people->device[other];
	const struct seen *seen = &device->seen[other];
	bool there = is_there(seen_device), right = seen->session == seen_device->client.session;

	if (device->client.user != seen_device->client.user &&
	    !users_are_friends(people->deployment, device->client.user, seen_device->client.user))
		return !seen->available || (there && right) || may_be_stale(people, device);
	return seen->available == there && (!there || (right && seen->version == seen_device->version));
}

/* Of a connection that was given up: nobody knows when it is read, and the device has gone on. */
static bool may_be_late(const struct device *device, unsigned name)
{
	return name > device->roster_late && name <= device->roster_later;
}

/* All devices of a user see the same: what was taken, or something newer. */
static bool knows_roster(const struct people *people, unsigned number)
{
	const struct device *first = &people->device[number / DEVICES_OF_USER * DEVICES_OF_USER];

	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		unsigned name = people->device[number].roster[at];

		if ((name < first[at].roster_settled && !may_be_late(&first[at], name)) || name > first[at].roster_said)
			return false;
		for (unsigned other = 0; other < DEVICES_OF_USER; other++) {
			if (is_there(&first[other]) && first[other].roster[at] != name)
				return false;
		}
	}
	return true;
}

static bool find_wrong_view(const struct people *people, unsigned *one, unsigned *other)
{
	for (*one = 0; *one < device_count(people); ++*one) {
		if (!is_there(&people->device[*one]))
			continue;
		for (*other = 0; *other < device_count(people); ++*other) {
			if (people->device[*other].exists && !sees_right(people, *one, *other))
				return true;
		}
		if (!knows_roster(people, *one))
			return true;
	}
	return false;
}

bool people_agree(void *arg)
{
	unsigned one, other;

	return !find_wrong_view(arg, &one, &other);
}

static void blame_roster(const struct people *people, unsigned number)
{
	const struct device *first = &people->device[number / DEVICES_OF_USER * DEVICES_OF_USER];

	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		if (first[at].exists)
			printf("#   %s d%ld sees %u %u %u; took %u, said %u\n", is_there(&first[at]) ? "there:" : "away:",
			       (long)(&first[at] - people->device), first[at].roster[0], first[at].roster[1], first[at].roster[2],
			       first[at].roster_settled, first[at].roster_said);
	}
	scene_fail(people->scene, "d%u sees a roster that is not", number);
}

void people_blame_views(struct people *people)
{
	unsigned one, other;
	const struct device *device;
	const struct seen *seen;

	if (!find_wrong_view(people, &one, &other))
		return;
	device = &people->device[one];
	if (other == device_count(people))
		blame_roster(people, one);
	seen = &device->seen[other];
	scene_fail(people->scene, "d%u sees d%u %s, presence %u of session %u; it is %s, presence %u of session %u", one, other,
		   seen->available ? "available" : "away", seen->version, seen->session,
		   is_there(&people->device[other]) ? "available" : "away", people->device[other].version,
		   people->device[other].client.session);
}

/* -- messages ------------------------------------------------------------------------------------- */

/* Users with a device that takes messages. */
static void find_takers(const struct people *people, bool *takes)
{
	for (unsigned at = 0; at < device_count(people); at++) {
		if (is_there(&people->device[at]) && !people->device[at].negative)
			takes[at / DEVICES_OF_USER] = true;
	}
}

static int missing(struct people *people)
{
	bool takes[USERS_MAX] = {false};

	find_takers(people, takes);
	return model_missing(&people->model, takes);
}

bool people_heard_all(void *arg)
{
	return missing(arg) < 0;
}

void people_blame_unheard(struct people *people)
{
	int message = missing(people);

	if (message >= 0)
		model_blame(&people->model, (unsigned)message);
}

/* Each has had one session. */
static int find_ended(const struct people *people)
{
	for (unsigned at = 0; at < device_count(people); at++) {
		if (people->device[at].exists && people->device[at].client.session != 1)
			return (int)at;
	}
	return -1;
}

static int find_lost(const struct people *people)
{
	bool takes[USERS_MAX] = {false};

	find_takers(people, takes);
	for (unsigned at = 0; at < people->model.count; at++) {
		const struct message *message = &people->model.messages[at];

		if (takes[message->to_user] && ((!message->receipts && !message->read) || message->refused))
			return (int)at;
	}
	return -1;
}

bool people_steady(void *arg)
{
	return find_ended(arg) >= 0 || find_lost(arg) < 0;
}

void people_blame_unsteady(const struct people *people)
{
	int ended = find_ended(people), lost = find_lost(people);

	if (ended >= 0)
		scene_fail(people->scene, "the stream of d%d ended", ended);
	if (lost >= 0)
		scene_fail(people->scene, "m%d from d%u to user%u was lost", lost, people->model.messages[lost].from,
			   people->model.messages[lost].to_user);
}
