/* SPDX-License-Identifier: MIT */
/* What people say. */
#include <stdio.h>
#include "device.h"
#include "stanza/ns.h"

enum { TALK_MAX = 5 };

struct device *any_device(struct people *people)
{
	struct device *device;

	do
		device = &people->device[scene_pick(people->scene, people->users * DEVICES_OF_USER)];
	while (!device->exists);
	return device;
}

void say_message(struct device *device, unsigned number)
{
	struct people *people = device->people;
	const struct message *message = &people->model.messages[number];
	unsigned session = device->client.session, self = device_number(device);
	char to[128];

	model_said_again(&people->model, number, session);
	if (message->to_device < 0)
		snprintf(to, sizeof(to), "user%u@localhost", message->to_user);
	else
		snprintf(to, sizeof(to), "user%u@localhost/%s", message->to_user, people->device[message->to_device].client.resource);
	scene_say(people->scene, "d%u: m%u to %s, number %u of session %u", self, number, to, device->sequence + 1, session);
	client_say(&device->client, SENT_MESSAGE, number,
		   "<message to='%s' type='chat' id='m%u'><body>%u:%u:%u:%u</body></message>", to, number, number, self, session,
		   ++device->sequence);
}

static void talk(struct device *device)
{
	struct people *people = device->people;
	struct device *to = people->habits.day && device->client.user ? &people->device[scene_pick(people->scene, DEVICES_OF_USER)] : any_device(people);
	unsigned count = 1 + scene_pick(people->scene, TALK_MAX);
	bool named = scene_chance(people->scene, 40);

	while (count-- && device->client.state == CLIENT_ON)
		say_message(device, model_said(&people->model, device_number(device), to->client.user,
					       named ? (int)device_number(to) : -1));
	if (scene_chance(people->scene, 50))
		client_ask(&device->client);
}

void say_known(struct device *device)
{
	client_say(&device->client, SENT_OTHER, 0, "<iq type='get' to='localhost' id='known-%u'><ping xmlns='" NS_PING "'/></iq>",
		   device->version);
}

void say_presence(struct device *device)
{
	struct people *people = device->people;

	device->version++;
	device->priority = scene_pick(people->scene, 3);
	device->negative = scene_chance(people->scene, 10);
	model_unsure(&people->model, device_number(device));
	scene_say(people->scene, "d%u: presence %u of session %u, priority %d", device_number(device), device->version,
		  device->client.session, device->negative ? -1 : (int)device->priority);
	client_say(&device->client, SENT_OTHER, 0, "<presence><priority>%d</priority><status>%u:%u</status></presence>",
		   device->negative ? -1 : (int)device->priority, device->client.session, device->version);
	say_known(device);
}

static void say_directed(struct device *device)
{
	struct people *people = device->people;
	struct device *to = any_device(people);

	if (to->client.user == device->client.user || users_are_friends(people->deployment, to->client.user, device->client.user))
		return;
	scene_say(people->scene, "d%u: shows itself to d%u", device_number(device), device_number(to));
	client_say(&device->client, SENT_OTHER, 0,
		   "<presence to='user%u@localhost/%s'><status>%u:%u</status></presence>", to->client.user, to->client.resource,
		   device->client.session, device->version);
}

/* Each device has an item of its own in the roster, and gives it one name after the other. */
void say_roster(struct device *device)
{
	device->roster_said++;
	client_say(&device->client, SENT_OTHER, 0,
		   "<iq type='set' id='roster-%u'><query xmlns='" NS_ROSTER "'><item jid='item%u@localhost' name='n%u'/></query></iq>",
		   device->roster_said, device_number(device) % DEVICES_OF_USER, device->roster_said);
}

static void say_question(struct device *device)
{
	struct device *to = any_device(device->people);

	if (device->asked == 63)
		return;
	scene_say(device->people->scene, "d%u: question %u to d%u", device_number(device), device->asked + 1, device_number(to));
	client_say(&device->client, SENT_OTHER, 0, "<iq type='get' to='user%u@localhost/%s' id='ask-%u-%u'><ping xmlns='" NS_PING "'/></iq>",
		   to->client.user, to->client.resource, device->client.session, ++device->asked);
}

void say_something(struct device *device, bool small)
{
	static void (*const few[])(struct device *device) = {say_presence, say_directed, say_roster, say_question};
	struct people *people = device->people;

	if (small)
		few[scene_pick(people->scene, countof(few))](device);
	else
		talk(device);
}
