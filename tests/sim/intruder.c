/* SPDX-License-Identifier: MIT */
#include "intruder.h"

#include <stdarg.h>
#include <stdio.h>
#include "stanza/ns.h"
#include "sx/plugins.h"
#include "xml/nad.h"

#define NS_SM "urn:xmpp:sm:3"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"

enum { PAUSE_MIN_MS = 2000, PAUSE_MAX_MS = 40000 };

static void PRINTF_LIKE(2, 3) say(struct intruder *intruder, const char *format, ...)
{
	char text[512];
	struct slice part = {text, 0};
	va_list args;

	va_start(args, format);
	part.len = (size_t)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sx_send_parts(conn_sx(intruder->conn), &part, 1, SX_OTHER);
}

_Noreturn static void succeeded(const struct intruder *intruder, const char *with)
{
	scene_fail(intruder->people->scene, "an intruder succeeded with %s", with);
}

static struct device *victim_of(struct intruder *intruder)
{
	struct people *people = intruder->people;
	struct device *device;

	do
		device = &people->device[scene_pick(people->scene, people->users * DEVICES_OF_USER)];
	while (!device->exists);
	return device;
}

static void say_to_somebody(struct intruder *intruder, const char *from, const char *body)
{
	const struct client *to = &victim_of(intruder)->client;

	say(intruder, "<message%s to='user%u@localhost/d%u' type='chat'><body>%s</body></message>", from, to->user, to->number, body);
}

/* -- what he tries -------------------------------------------------------------------------------- */

static void before_login(struct intruder *intruder, struct sx *sx)
{
	AUTO(buf_fini) struct buf token = {0}, plain = {0};
	char name[24];

	snprintf(name, sizeof(name), "user%u", intruder->user);
	switch (intruder->intrusion) {
	case INTRUSION_NO_LOGIN:
		say_to_somebody(intruder, "", "never");
		break;
	case INTRUSION_PASSWORD:
		snprintf(name, sizeof(name), "user%u", victim_of(intruder)->client.user);
		sx_sasl_auth(sx, "xmpp", "PLAIN", name, "wrong");
		break;
	case INTRUSION_AUTHZID:
		buf_printf(&plain, "user%u@localhost%c%s%csecret", victim_of(intruder)->client.user, 0, name, 0);
		buf_append_base64(&token, buf_slice(&plain));
		say(intruder, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>%s</auth>", buf_text(&token));
		break;
	default:
		sx_sasl_auth(sx, "xmpp", "PLAIN", name, "secret");
	}
}

static void after_login(struct intruder *intruder)
{
	const struct client *victim = &victim_of(intruder)->client;

	switch (intruder->intrusion) {
	case INTRUSION_NOT_BOUND:
		say_to_somebody(intruder, "", "never");
		break;
	case INTRUSION_RESUME:
		say(intruder, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", victim->key[0] ? victim->key : "none", victim->in);
		break;
	case INTRUSION_FROM:
		say(intruder, "<iq type='set' id='bind'><bind xmlns='" NS_BIND "'><resource>d%u</resource></bind></iq>",
		    victim->number);
		break;
	default:
		succeeded(intruder, "a login");
	}
}

static void speak_as_another(struct intruder *intruder)
{
	const struct client *victim = &victim_of(intruder)->client, *to = &victim_of(intruder)->client;
	char from[64];

	snprintf(from, sizeof(from), " from='user%u@localhost/d%u'", victim->user, victim->number);
	say_to_somebody(intruder, from, "intruder");
	say(intruder, "<presence%s to='user%u@localhost/d%u' type='unavailable'/>", from, to->user, to->number);
	conn_close(intruder->conn, SX_ERROR_NONE, NULL);
}

/* -- the stream ----------------------------------------------------------------------------------- */

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct intruder *intruder = owner;

	if (nad_is(*nad, 0, NS_STREAM, "features") && sx_state(conn_sx(conn)) != SX_STATE_OPEN)
		before_login(intruder, conn_sx(conn));
	else if (nad_is(*nad, 0, NS_STREAM, "features"))
		after_login(intruder);
	else if (nad_is(*nad, 0, NS_SASL, "success") || nad_is(*nad, 0, NS_SM, "resumed"))
		succeeded(intruder, "a name or session of another");
	else if (slice_is(nad_attr_value(*nad, 0, "id"), "bind") && slice_is(nad_attr_value(*nad, 0, "type"), "result"))
		speak_as_another(intruder);
	else
		conn_close(conn, SX_ERROR_NONE, NULL);
	nad_free(nad);
}

static void again(struct intruder *intruder)
{
	mio_timer_set(intruder->mio, &intruder->next, scene_between(intruder->people->scene, PAUSE_MIN_MS, PAUSE_MAX_MS));
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct intruder *intruder = owner;

	intruder->conn = NULL;
	again(intruder);
}

static void on_refused(void *owner, struct sx *sx, const char *text)
{
	conn_close(conn_of(sx), SX_ERROR_NONE, NULL);
}

static const struct conn_handler handler = {.packet = on_packet, .closed = on_closed};

/* One connection after the other; one on which nothing came to an end is left. */
static void on_next(struct mio_timer *timer)
{
	struct intruder *intruder = container_of(timer, struct intruder, next);
	struct people *people = intruder->people;
	int fault;

	conn_kill(&intruder->conn);
	intruder->intrusion = (enum intrusion)scene_pick(people->scene, INTRUSIONS);
	intruder->tried++;
	intruder->conn = conn_connect(intruder->conns, deployment_address(people->deployment, intruder->tried),
				      &intruder->options, intruder, &fault);
	if (intruder->conn) {
		sx_sasl_on_failure(conn_sx(intruder->conn), on_refused);
		sx_start(conn_sx(intruder->conn));
	}
	again(intruder);
}

void intruder_start(struct intruder *intruder, struct people *people)
{
	intruder->people = people;
	intruder->conns = people->env[0].conns;
	intruder->mio = people->env[0].mio;
	intruder->options = people->env[0].options;
	intruder->options.handler = &handler;
	intruder->user = people->users;
	mio_timer_init(&intruder->next, on_next);
	again(intruder);
}
