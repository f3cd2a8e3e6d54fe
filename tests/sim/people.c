/* SPDX-License-Identifier: MIT */
/* People of a simulation. */
#include "people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "sx/plugins.h"
#include "xml/nad.h"

static void connect_now(struct person *person);

static void send_text(struct person *person, const char *text)
{
	struct slice part = slice_of(text);

	sx_send_parts(conn_sx(person->conn), &part, 1, SX_STANZA);
}

static void on_again(struct mio_timer *timer)
{
	struct person *person = container_of(timer, struct person, again);

	if (person->wanted && !person->conn)
		connect_now(person);
}

static void come_back(struct person *person)
{
	person->conn = NULL;
	person->online = false;
	if (person->wanted)
		mio_timer_set(person->people->mio, &person->again, 100 + (int64_t)(sim_random(person->people->sim) % 400));
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	come_back(owner);
}

static void on_features(struct person *person, struct sx *sx)
{
	char name[16];

	snprintf(name, sizeof(name), "user%u", person->number);
	if (sx_state(sx) == SX_STATE_OPEN)
		send_text(person, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
	else
		sx_sasl_auth(sx, "xmpp", "PLAIN", name, "secret");
}

static void on_message(struct person *person, const struct nad *nad)
{
	int body = nad_find_child(nad, 0, NS_CLIENT, "body");
	struct heard *heard = &person->heard[person->heard_count];
	char text[32] = "";

	if (body < 0 || slice_is(nad_attr_value(nad, 0, "type"), "error") || person->heard_count == HEARD_MAX)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)nad_cdata(nad, body).len, nad_cdata(nad, body).data);
	if (sscanf(text, "%u:%u", &heard->sender, &heard->number) != 2)
		return;
	heard->delayed = nad_find_child(nad, 0, "urn:xmpp:delay", "delay") >= 0;
	person->heard_count++;
}

static void on_presence(struct person *person, const struct nad *nad)
{
	struct slice from = nad_attr_value(nad, 0, "from");
	unsigned who;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)from.len, from.data);
	if (sscanf(text, "user%u@", &who) == 1 && who < PEOPLE_MAX)
		person->seen[who] = !slice_is(nad_attr_value(nad, 0, "type"), "unavailable");
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct person *person = owner;

	if (nad_is(*nad, 0, NS_STREAM, "features")) {
		on_features(person, conn_sx(conn));
	} else if (nad_is(*nad, 0, NS_CLIENT, "message")) {
		on_message(person, *nad);
	} else if (nad_is(*nad, 0, NS_CLIENT, "presence")) {
		on_presence(person, *nad);
	} else if (slice_is(nad_attr_value(*nad, 0, "id"), "bind")) {
		if (slice_is(nad_attr_value(*nad, 0, "type"), "result")) {
			person->online = true;
			person->logins++;
			send_text(person, "<presence/>");
		} else {
			conn_close(conn, SX_ERROR_NONE, NULL);
		}
	}
	nad_free(nad);
}

static const struct conn_handler handler = {.packet = on_packet, .closed = on_closed};
static const struct sx_plugin *const plugins[] = {&sx_sasl_client, NULL};

static void on_refused(void *owner, struct sx *sx, const char *text)
{
	conn_close(conn_of(sx), SX_ERROR_NONE, NULL);
}

static void connect_now(struct person *person)
{
	struct people *people = person->people;
	int fault;

	person->conn = conn_connect(people->conns, people->address, &people->options, person, &fault);
	if (!person->conn) {
		come_back(person);
		return;
	}
	sx_sasl_on_failure(conn_sx(person->conn), on_refused);
	sx_start(conn_sx(person->conn));
}

static void on_say(struct mio_timer *timer)
{
	struct person *person = container_of(timer, struct person, say);
	struct people *people = person->people;
	char text[160];

	if (person->said == person->to_say)
		return;
	mio_timer_set(people->mio, timer, (int64_t)(sim_random(people->sim) % 60));
	if (!person->online)
		return;
	for (unsigned to = 0; to < people->count; to++) {
		if (to == person->number)
			continue;
		snprintf(text, sizeof(text), "<message to='user%u@localhost' type='chat'><body>%u:%u</body></message>", to,
			 person->number, person->said);
		send_text(person, text);
	}
	person->said++;
}

static int start(struct mio *mio, void *arg)
{
	struct people *people = arg;
	struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 100, .attributes = 100};

	people->mio = mio;
	people->conns = conn_env_new(mio);
	people->options = (struct conn_options){
		.stream = {.type = SX_CLIENT, .ns = NS_CLIENT, .to = "localhost", .plugins = plugins, .before_auth = limits,
			   .after_auth = limits},
		.handler = &handler,
		.login_ms = 20000,
	};
	for (unsigned at = 0; at < people->count; at++) {
		struct person *person = &people->person[at];

		person->people = people;
		person->number = at;
		mio_timer_init(&person->again, on_again);
		mio_timer_init(&person->say, on_say);
	}
	return 0;
}

void people_start(struct people *people, struct sim *sim, const char *address, unsigned count)
{
	memset(people, 0, sizeof(*people));
	people->sim = sim;
	people->address = address;
	people->count = count;
	people->host = sim_host(sim, "people");
	if (mio_host_start(people->host, 1, start, people))
		abort();
}

void people_stop(struct people *people)
{
	sim_kill(people->sim, &people->host);
}

void person_come(struct person *person)
{
	person->wanted = true;
	if (!person->conn)
		mio_timer_set(person->people->mio, &person->again, (int64_t)(sim_random(person->people->sim) % 300));
}

void person_leave(struct person *person)
{
	person->wanted = false;
	person->online = false;
	if (person->conn)
		conn_close(person->conn, SX_ERROR_NONE, NULL);
}

void person_talk(struct person *person, unsigned messages)
{
	person->to_say += messages;
	mio_timer_set(person->people->mio, &person->say, (int64_t)(sim_random(person->people->sim) % 60));
}

bool people_all_online(void *arg)
{
	struct people *people = arg;

	for (unsigned at = 0; at < people->count; at++) {
		if (people->person[at].wanted && !people->person[at].online)
			return false;
	}
	return true;
}

bool people_all_said(void *arg)
{
	struct people *people = arg;

	for (unsigned at = 0; at < people->count; at++) {
		if (people->person[at].said < people->person[at].to_say)
			return false;
	}
	return true;
}
