/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "stanza/ns.h"
#include "xml/nad.h"

enum { RESUME_PERCENT = 70, ANSWER_MS = 15000, LEISURE_TIMES = 8, OVER_MS = 20000 /* until all know that a session is */ };

static struct device *device_of(struct client *client)
{
	return container_of(client, struct device, client);
}

/* -- sessions ------------------------------------------------------------------------------------- */

/* It says so at once, as what is in a pocket does. */
static void doze_at_once(struct device *device)
{
	if (device->people->habits.day && device_number(device) == DOZING_DEVICE && !device->people->calm)
		client_doze(&device->client, true);
}

/* Before its presence: what comes then is copied. A session that began with the login has asked for it there. */
static void want_copies(struct device *device)
{
	struct client *client = &device->client;

	if (client->copies && client->login == LOGIN_BIND2)
		model_copies(&device->people->model, device_number(device));
	else if (client->copies)
		client_say(client, SENT_OTHER, 0, "<iq type='set' id='copies'><enable xmlns='" NS_CARBONS "'/></iq>");
}

static void on_began(struct client *client)
{
	struct device *device = device_of(client);
	struct people *people = device->people;
	struct sent *sent;

	scene_say(people->scene, "d%u: session %u", device_number(device), client->session);
	model_new_session(&people->model, device_number(device));
	memset(device->seen, 0, sizeof(device->seen));
	memset(device->roster, 0, sizeof(device->roster));
	device->version = device->sequence = device->asked = 0;
	device->answered[false] = device->answered[true] = 0;
	want_copies(device);
	client_say(client, SENT_OTHER, 0, "<iq type='get' id='all'><query xmlns='" NS_ROSTER "'/></iq>");
	if (device->roster_said != device->roster_settled)
		say_roster(device);
	say_presence(device);
	while ((sent = client_next_old(client))) {
		if (sent->kind == SENT_MESSAGE)
			say_message(device, sent->number);
		mem_free(sent);
	}
	history_anew(device);
	client_ask(client);
	doze_at_once(device);
}

static void on_resumed(struct client *client)
{
	model_on(&device_of(client)->people->model, device_number(device_of(client)));
	doze_at_once(device_of(client));
}

static void on_settled(struct client *client, const struct sent *sent)
{
	if (sent->kind == SENT_MESSAGE)
		model_promised(&device_of(client)->people->model, sent->number);
}

static void come_soon(struct device *device, int64_t most_ms)
{
	struct people *people = device->people;

	if (device->wanted)
		mio_timer_set(device->client.env->mio, &device->come, scene_between(people->scene, 50, most_ms));
}

/*
 * It left, and its session may be there for a while: nobody answered, or who did could not tell a session manager yet, and may be
 * stopped before there is one.
 */
static bool may_haunt(const struct people *people, const struct device *device, const struct client *client)
{
	if (client->unheard_ms == device->gone_ms)
		return true;
	return client->kind == CLIENT_RESUMING && !client->key[0] &&
	       (people->deployment->bad_disk || deployment_was_without_sm(people->deployment, device->gone_ms));
}

static void on_gone(struct client *client)
{
	struct device *device = device_of(client);
	struct people *people = device->people;

	scene_say(people->scene, "d%u: no connection any more", device_number(device));
	mio_timer_stop(&device->ease);
	if (client->on_ms) {
		device->gone_ms = mio_now_ms(client->env->mio);
		people->scene->client_ms += (uint64_t)(device->gone_ms - client->on_ms);
	}
	client->on_ms = 0;
	if (client->exposed)
		model_lossy(&people->model, device_number(device));
	if (!client->key[0]) {
		model_unsure(&people->model, device_number(device));
		device->roster_late = device->roster_settled;
		device->roster_later = device->roster_said;
	}
	if (people->habits.day && may_haunt(people, device, client))
		model_ghost(&people->model, device_number(device), device->gone_ms + people->deployment->plan.resume_ms + OVER_MS);
	come_soon(device, scene_chance(people->scene, 15) && !people->calm ? 20000 : 800);
}

/* A session that only lost its connection waits for its client, unless it died with its process. */
static void on_refused(struct client *client)
{
	struct device *device = device_of(client);
	struct people *people = device->people;

	scene_say(people->scene, "d%u: its session %u is over", device_number(device), client->session);
	model_unsure(&people->model, device_number(device));
	if (deployment_killed_session(people->deployment, client->began_ms, device->gone_ms))
		model_told(&people->model, device_number(device), client->session);
	if (people->habits.steady || !deployment_may_forget(people->deployment, client->began_ms, device->gone_ms))
		scene_fail(people->scene, "d%u could not resume session %u, lost at %lld ms", device_number(device), client->session,
			   (long long)device->gone_ms - 1000000);
}

static void on_heard(struct client *client, const struct nad *nad)
{
	hear(device_of(client), nad);
}

static const struct client_handler handler = {
	.began = on_began, .resumed = on_resumed, .heard = on_heard, .settled = on_settled, .gone = on_gone, .refused = on_refused};

/* -- doing ---------------------------------------------------------------------------------------- */

static void ease(struct mio_timer *timer)
{
	struct device *device = container_of(timer, struct device, ease);

	client_pause(&device->client, false);
	client_silence(&device->client, false);
}

static void be_slow(struct device *device)
{
	struct people *people = device->people;

	if (scene_chance(people->scene, 50))
		client_pause(&device->client, true);
	else
		client_silence(&device->client, true);
	mio_timer_set(device->client.env->mio, &device->ease, scene_between(people->scene, 200, 6000));
}

static void lose_connection(struct device *device)
{
	struct people *people = device->people;
	bool forgets = scene_chance(people->scene, 30);

	scene_say(people->scene, "d%u: %s its connection", device_number(device), forgets ? "forgets" : "loses");
	if (forgets)
		client_forget(&device->client);
	else
		client_drop(&device->client);
	if (scene_chance(people->scene, 30))
		come_soon(device, scene_chance(people->scene, 20) ? 200000 : 15000);
}

static void move(struct device *device)
{
	scene_say(device->people->scene, "d%u: leaves", device_number(device));
	client_leave(&device->client);
}

static void do_something(struct device *device)
{
	const struct people_habits *habits = &device->people->habits;
	unsigned what = scene_pick(device->people->scene, 100);

	if (habits->day && device_number(device) == AWAY_DEVICE && scene_chance(device->people->scene, 60))
		lose_connection(device);
	else if (what < habits->losses)
		lose_connection(device);
	else if ((what -= habits->losses) < habits->slow)
		be_slow(device);
	else if ((what -= habits->slow) < habits->moves)
		move(device);
	else if ((what -= habits->moves) < habits->dozes)
		client_doze(&device->client, !device->client.inactive);
	else
		say_something(device, what % 2);
}

/* The answer may have died with a separate sm. */
static bool may_wait_in_vain(const struct device *device)
{
	const struct standing *standing = &device->people->model.standing[device_number(device)];
	int64_t now_ms = mio_now_ms(device->client.env->mio);

	return device->people->deployment->sm_gone_ms && standing->known == KNOWN_UNSURE &&
	       now_ms - standing->since_ms > ANSWER_MS;
}

static void pause(struct device *device)
{
	struct people *people = device->people;
	int64_t ms = scene_between(people->scene, people->habits.pause_min_ms, people->habits.pause_max_ms);

	mio_timer_set(device->client.env->mio, &device->act, people->leisure ? ms * LEISURE_TIMES : ms);
}

static void on_act(struct mio_timer *timer)
{
	struct device *device = container_of(timer, struct device, act);
	struct people *people = device->people;

	pause(device);
	if (device->client.state != CLIENT_ON)
		return;
	if (may_wait_in_vain(device))
		say_known(device);
	else if (!people->calm)
		do_something(device);
}

/* Who has a token uses it, until it is forgotten; its password is asked for then. */
static void choose_proof(struct device *device)
{
	struct client *client = &device->client;

	if (client->token.text[0] && scene_chance(device->people->scene, 10))
		client->token.text[0] = '\0';
	client->by_token = client->login && client->token.text[0];
}

static void on_come(struct mio_timer *timer)
{
	struct device *device = container_of(timer, struct device, come);

	if (!device->wanted || device->client.line)
		return;
	if (device->people->habits.day && device->client.kind == CLIENT_RESUMING)
		client_log_in_by(&device->client, (enum client_login)scene_pick(device->people->scene, 3));
	choose_proof(device);
	if (!device->client.key[0])
		model_unsure(&device->people->model, device_number(device));
	client_come(&device->client);
}

/* -- life ----------------------------------------------------------------------------------------- */

static const char *address(struct client_env *env)
{
	struct people *people = env->arg;

	return deployment_address(people->deployment, scene_pick(people->scene, FRONTS_MAX));
}

static int start_host(struct mio *mio, void *arg)
{
	struct people *people = arg;

	client_env_init(&people->env[people->hosts], people->scene, mio, &handler, address, people);
	people->env[people->hosts].patience_ms = people->habits.steady ? 30000 : 8000;
	return 0;
}

/* One that is mostly away, one that is not looked at, one that knows nothing of all that. */
static enum client_kind kind_of_the_day(unsigned number)
{
	return number == PLAIN_DEVICE ? CLIENT_PLAIN : CLIENT_RESUMING;
}

static enum client_kind pick_kind(struct people *people, unsigned user)
{
	if (people->habits.steady)
		return scene_chance(people->scene, 50) ? CLIENT_RESUMING : CLIENT_PLAIN;
	if (user % 3 == 0)
		return (enum client_kind)scene_pick(people->scene, 3);
	return scene_chance(people->scene, RESUME_PERCENT) ? CLIENT_RESUMING : CLIENT_COUNTING;
}

/* Not by chance, of which others would have another then. */
static enum client_login pick_login(const struct people *people, unsigned number)
{
	return (enum client_login)((people->scene->seed / 3 + number) % 3);
}

static void make_device(struct people *people, unsigned number)
{
	struct device *device = &people->device[number];
	unsigned user = number / DEVICES_OF_USER, which = number % DEVICES_OF_USER;

	device->people = people;
	device->exists = which == 0 || scene_chance(people->scene, which == 1 ? 60 : 30) || (people->habits.day && user == 0);
	client_init(&device->client, &people->env[number % people->hosts],
		    people->habits.day ? kind_of_the_day(number) : pick_kind(people, user), user, number);
	device->client.copies = device->client.tokens = people->habits.day && device->client.kind == CLIENT_RESUMING;
	if (device->client.kind == CLIENT_RESUMING && people->habits.secure)
		client_log_in_by(&device->client, pick_login(people, number));
	mio_timer_init(&device->come, on_come);
	mio_timer_init(&device->act, on_act);
	mio_timer_init(&device->ease, ease);
	if (!device->exists)
		return;
	device->wanted = true;
	mio_timer_set(device->client.env->mio, &device->come, scene_between(people->scene, 0, 3000));
	mio_timer_set(device->client.env->mio, &device->act, scene_between(people->scene, 2000, 6000));
}

void people_start(struct people *people, struct scene *scene, struct deployment *deployment, const struct people_habits *habits,
		  unsigned hosts)
{
	memset(people, 0, sizeof(*people));
	people->scene = scene;
	people->deployment = deployment;
	people->habits = *habits;
	people->users = deployment->plan.users;
	model_init(&people->model, scene, deployment);
	people->model.addresses_change = habits->day;
	for (; people->hosts < hosts; people->hosts++) {
		people->host[people->hosts] = sim_host(scene->sim, "people");
		if (mio_host_start(people->host[people->hosts], 1, start_host, people))
			abort();
	}
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++)
		make_device(people, at);
}

void people_stop(struct people *people)
{
	for (unsigned at = 0; at < people->hosts; at++)
		sim_kill(people->scene->sim, &people->host[at]);
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++)
		history_free(&people->device[at]);
	model_fini(&people->model);
}

static bool is_there(const struct device *device)
{
	return device->exists && device->wanted;
}

void people_calm(struct people *people, bool calm)
{
	people->calm = calm;
	for (unsigned at = 0; at < people->hosts; at++)
		people->env[at].calm_ms = calm ? mio_now_ms(people->env[at].mio) : 0;
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		struct device *device = &people->device[at];

		if (!device->exists)
			continue;
		if (!device->wanted)
			model_absent(&people->model, at);
		device->wanted = true;
		if (mio_timer_is_set(&device->ease))
			mio_timer_set(device->client.env->mio, &device->ease, 1);
		client_doze(&device->client, false);
		if (!device->client.line)
			come_soon(device, 500);
	}
}

void people_leisure(struct people *people, bool leisure)
{
	people->leisure = leisure;
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		if (people->device[at].exists)
			pause(&people->device[at]);
	}
}

void people_leave(struct people *people, unsigned percent)
{
	for (unsigned at = 0; at < people->users * DEVICES_OF_USER; at++) {
		struct device *device = &people->device[at];

		if (!is_there(device) || !scene_chance(people->scene, percent))
			continue;
		device->wanted = false;
		scene_say(people->scene, "d%u: leaves", at);
		client_leave(&device->client);
	}
}
