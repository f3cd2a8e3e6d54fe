/* SPDX-License-Identifier: MIT */
#include "c2s/ack.h"

#include <stdio.h>
#include "base/mem.h"
#include "c2s/client.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

/* -- elements --------------------------------------------------------------------------------------- */

static void PRINTF_LIKE(2, 3) write_element(struct client *client, const char *format, ...)
{
	struct buf *scratch = &client->c2s->scratch;
	struct slice part;
	va_list args;

	buf_clear(scratch);
	va_start(args, format);
	buf_vprintf(scratch, format, args);
	va_end(args);
	part = buf_slice(scratch);
	if (client->sasl2)
		buf_append_slice(&client->sasl2->inside, part); /* it is part of the answer to its login */
	else
		sx_send_parts(conn_sx(client->conn), &part, 1, SX_OTHER);
}

static void write_failed(struct client *client, enum stanza_error error)
{
	write_element(client, "<failed xmlns='" NS_SM "'><%s xmlns='" NS_STANZA_ERROR "'/></failed>",
		      stanza_error_name(error));
}

static bool read_u32(const struct nad *nad, int elem, const char *name, uint32_t *number)
{
	uint64_t value;

	if (!slice_to_u64(nad_attr_value(nad, elem, name), &value) || value > UINT32_MAX)
		return false;
	*number = (uint32_t)value;
	return true;
}

static bool is_true(struct slice text)
{
	return slice_is(text, "true") || slice_is(text, "1");
}

/* -- what came in ------------------------------------------------------------------------------------- */

/* Stanzas of the client since it enabled that are settled. */
static uint32_t handled(const struct client *client)
{
	uint32_t count = client->settled - client->ack->in;

	return (int32_t)count > 0 ? count : 0;
}

static void write_answer(struct client *client)
{
	write_element(client, "<a xmlns='" NS_SM "' h='%u'/>", handled(client));
}

static void answer(struct client *client)
{
	struct ack *ack = client->ack;

	write_answer(client);
	ack->owes = client_unsettled(client) > 0;
	ack->owed = client->received;
}

void ack_settled(struct client *client)
{
	struct ack *ack = client->ack;

	if (!ack || !ack->owes || (int32_t)(client->settled - ack->owed) < 0)
		return;
	ack->owes = false;
	write_answer(client);
}

/* -- what went out ------------------------------------------------------------------------------------ */

void ack_request(struct client *client)
{
	client->ack->asked = true;
	write_element(client, "<r xmlns='" NS_SM "'/>");
}

void ack_sent(struct client *client)
{
	client->ack->sent++;
	if (!client->ack->asked)
		ack_request(client);
}

static void too_high(struct client *client, uint32_t count)
{
	char text[80];

	snprintf(text, sizeof(text), "<handled-count-too-high xmlns='" NS_SM "' h='%u' send-count='%u'/>", count,
		 client->ack->sent);
	sx_error_with(conn_sx(client->conn), SX_UNDEFINED_CONDITION, NULL, text);
}

static void acknowledged(struct client *client, const struct nad *nad)
{
	struct ack *ack = client->ack;
	uint32_t count, more;

	if (!read_u32(nad, 0, "h", &count)) {
		conn_close(client->conn, SX_POLICY_VIOLATION, "<a/> without its count");
		return;
	}
	more = count - ack->handled;
	if (more > ack->sent - ack->handled) {
		too_high(client, count);
		return;
	}
	ack->asked = false;
	ack->handled = count;
	if (more)
		client_taken(client, more);
	if (ack->handled != ack->sent)
		ack_request(client);
}

/* -- enabling ------------------------------------------------------------------------------------------- */

static void ask_to_enable(struct client *client)
{
	struct packet *packet = client_packet_to_sm(client, SESSION_ENABLE);

	packet->session.resume.seconds = client->pending->seconds;
	packet->session.resume.in = client->received;
	link_send(client->c2s->worker->link, &packet);
}

void ack_ask_again(struct client *client)
{
	if (client->state == CLIENT_ACTIVE && client->pending && client->pending->enables)
		ask_to_enable(client);
}

static void enable(struct client *client, const struct nad *nad)
{
	uint32_t wanted = UINT32_MAX;

	if (client->ack) {
		conn_close(client->conn, SX_POLICY_VIOLATION, "stream management is enabled already");
		return;
	}
	if (client->state != CLIENT_ACTIVE) {
		write_failed(client, STANZA_UNEXPECTED_REQUEST);
		return;
	}
	if (!client_is_ours(client)) {
		write_failed(client, STANZA_FEATURE_NOT_IMPLEMENTED);
		return;
	}
	read_u32(nad, 0, "max", &wanted);
	client_await(client);
	client->pending->enables = true;
	client->pending->seconds = is_true(nad_attr_value(nad, 0, "resume")) ? wanted : 0;
	if (!client->keep || !client->keep->presenting)
		ask_to_enable(client);
}

static struct ack *ack_new(struct client *client, const struct packet *packet)
{
	struct ack *ack = mem_zalloc(MEM_CLIENT, sizeof(*ack));

	ack->resumable = packet->session.resume.key != NULL;
	ack->key = str_ref(packet->session.resume.key);
	ack->seconds = packet->session.resume.seconds;
	client->ack = ack;
	return ack;
}

void ack_enabled(struct client *client, const struct packet *packet)
{
	if (client->ack)
		return;
	ack_new(client, packet)->in = client->received;
	if (client->ack->resumable)
		write_element(client, "<enabled xmlns='" NS_SM "' resume='true' id='%s' max='%u'/>", str_text(client->ack->key),
			      packet->session.resume.seconds);
	else
		write_element(client, "<enabled xmlns='" NS_SM "'/>");
}

/* -- resuming ------------------------------------------------------------------------------------------- */

bool ack_resume(struct client *client, const struct nad *nad, int elem)
{
	struct slice key = nad_attr_value(nad, elem, "previd");
	struct packet *packet;
	uint32_t count;

	if (client->state != CLIENT_UNBOUND) {
		write_failed(client, STANZA_UNEXPECTED_REQUEST);
		return false;
	}
	if (!key.len || !read_u32(nad, elem, "h", &count)) {
		write_failed(client, STANZA_BAD_REQUEST);
		return false;
	}
	packet = client_ask_user(client, SESSION_RESUME);
	packet->ours = true;
	packet->session.target = jid_ref(sx_identity(conn_sx(client->conn)));
	packet->session.resume.key = str_new(key);
	packet->session.resume.handled = count;
	client->resuming = true;
	client->pending->key = str_ref(packet->session.resume.key);
	client->pending->handled = count;
	link_send(client->c2s->worker->link, &packet);
	return true;
}

void ack_resumed(struct client *client, const struct packet *packet)
{
	const struct packet_resume *resume = &packet->session.resume;
	struct ack *ack = ack_new(client, packet);

	client->received = client->settled = resume->settled;
	client->window = resume->window;
	ack->in = resume->in;
	ack->sent = ack->handled = resume->handled;
	write_element(client, "<resumed xmlns='" NS_SM "' previd='%s' h='%u'/>", str_text(ack->key), handled(client));
}

void ack_resume_failed(struct client *client, const struct packet *packet)
{
	if (packet->session.resume.known)
		write_element(client, "<failed xmlns='" NS_SM "' h='%u'><item-not-found xmlns='" NS_STANZA_ERROR "'/></failed>",
			      packet->session.resume.handled);
	else
		write_failed(client, STANZA_ITEM_NOT_FOUND);
}

/* -- all of it ------------------------------------------------------------------------------------------ */

bool ack_take(struct client *client, const struct nad *nad)
{
	if (nad_is(nad, 0, NS_SM, "enable"))
		enable(client, nad);
	else if (nad_is(nad, 0, NS_SM, "resume"))
		ack_resume(client, nad, 0);
	else if (nad_is(nad, 0, NS_SM, "r") && client->ack)
		answer(client);
	else if (nad_is(nad, 0, NS_SM, "a") && client->ack)
		acknowledged(client, nad);
	else if (nad_is(nad, 0, NS_SM, "r") || nad_is(nad, 0, NS_SM, "a"))
		write_failed(client, STANZA_UNEXPECTED_REQUEST);
	else
		return false;
	return true;
}

void ack_free(struct client *client)
{
	if (!client->ack)
		return;
	str_free(&client->ack->key);
	mem_free(client->ack);
	client->ack = NULL;
}
