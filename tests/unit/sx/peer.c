/* SPDX-License-Identifier: MIT */
/* One end of a stream in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "peer.h"

#include "jid/jid.h"
#include "xml/nad.h"

static const struct xml_limits limits = {.stanza_bytes = 10000, .depth = 50, .attributes = 50};

static void count_up(void *arg, void *bytes, size_t len)
{
	uint8_t *seed = arg, *out = bytes;

	for (size_t i = 0; i < len; i++)
		out[i] = (*seed)++;
}

static void on_header(void *owner, struct sx *sx)
{
	struct peer *peer = owner;

	buf_append_text(&peer->heard, "header ");
	if (peer->from)
		sx_set_from(sx, slice_of(peer->from));
	if (peer->refuse)
		sx_error(sx, peer->refuse, NULL);
}

static void on_stream(void *owner, struct sx *sx)
{
	buf_append_text(&((struct peer *)owner)->heard, "stream ");
	assert_int_equal(sx_state(sx), SX_STATE_STREAM);
}

static void on_open(void *owner, struct sx *sx)
{
	struct peer *peer = owner;

	buf_append_text(&peer->heard, "open ");
	assert_int_equal(sx_state(sx), SX_STATE_OPEN);
	if (peer->on_open)
		peer->on_open(peer);
}

static void on_packet(void *owner, struct sx *sx, struct nad **nad)
{
	struct peer *peer = owner;
	struct slice name = nad_name(*nad, 0);

	buf_printf(&peer->heard, "packet:%.*s ", (int)name.len, name.data);
	buf_fini(&peer->packet);
	nad_print(*nad, 0, peer->options.ns, &peer->packet);
	if (peer->on_packet)
		peer->on_packet(peer, *nad);
	nad_free(nad);
}

static void on_output(void *owner, struct sx *sx)
{
	((struct peer *)owner)->outputs++;
}

static void on_closed(void *owner, struct sx *sx, enum sx_end end)
{
	static const char *const ends[] = {"peer", "error", "gone"};
	struct peer *peer = owner;

	buf_printf(&peer->heard, "closed:%s", ends[end]);
	if (sx_end_error(sx))
		buf_printf(&peer->heard, ":%s", sx_error_name(sx_end_error(sx)));
	buf_append_char(&peer->heard, ' ');
	assert_int_equal(sx_state(sx), SX_STATE_CLOSED);
}

void peer_init(struct peer *peer, enum sx_type type, const char *ns, const char *to,
	       const struct sx_plugin *const *plugins, const void *const *conf)
{
	*peer = (struct peer){0};
	peer->env = (struct sx_env){.pool = xml_pool_new(),
				    .random = count_up,
				    .random_arg = &peer->seed,
				    .host_name = "here"};
	peer->options = (struct sx_options){.type = type,
					    .ns = ns,
					    .to = to,
					    .plugins = plugins,
					    .plugin_conf = conf,
					    .before_auth = limits,
					    .after_auth = limits};
	peer->handler = (struct sx_handler){.header = on_header,
					    .stream = on_stream,
					    .open = on_open,
					    .packet = on_packet,
					    .output = on_output,
					    .closed = on_closed};
	peer->sx = sx_new(&peer->env, &peer->options, &peer->handler, peer);
}

void peer_fini(struct peer *peer)
{
	sx_free(&peer->sx);
	xml_pool_free(&peer->env.pool);
	buf_fini(&peer->heard);
	buf_fini(&peer->wire);
	buf_fini(&peer->packet);
}

void peer_feed(struct peer *peer, const char *text)
{
	sx_feed(peer->sx, text, strlen(text));
}

void peer_drip(struct peer *peer, const char *text)
{
	for (; *text; text++)
		sx_feed(peer->sx, text, 1);
}

void peer_greet(struct peer *peer, const char *header)
{
	peer_feed(peer, header);
	peer_said(peer);
	peer_heard(peer);
}

static void take(struct peer *peer, size_t len)
{
	struct buf *out = sx_output(peer->sx);

	buf_append(&peer->wire, buf_slice(out).data, len);
	buf_skip(out, len);
	sx_sent(peer->sx);
}

const char *peer_said(struct peer *peer)
{
	buf_fini(&peer->wire);
	take(peer, buf_used(sx_output(peer->sx)));
	return buf_text(&peer->wire);
}

const char *peer_heard(struct peer *peer)
{
	static char heard[1000];
	size_t len = buf_used(&peer->heard);

	assert_true(len < sizeof(heard));
	memcpy(heard, buf_text(&peer->heard), len + 1);
	buf_fini(&peer->heard);
	return heard;
}

static bool carry(struct peer *from, struct peer *to, size_t chunk)
{
	struct buf *out = sx_output(from->sx);
	size_t len = buf_used(out) < chunk ? buf_used(out) : chunk;
	struct buf bytes = {0};

	if (!len)
		return false;
	buf_append(&bytes, buf_slice(out).data, len);
	take(from, len);
	sx_feed(to->sx, buf_slice(&bytes).data, len);
	buf_fini(&bytes);
	return true;
}

void peers_talk(struct peer *a, struct peer *b, size_t chunk)
{
	bool moved = true;

	while (moved) {
		moved = carry(a, b, chunk);
		moved = carry(b, a, chunk) || moved;
	}
}

static void offer_plain(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			void *to)
{
	offer(to, "PLAIN");
}

static void plain_step(void *owner, struct sx *sx, const char *mechanism, bool initial,
		       struct slice message)
{
	struct jid *jid = jid_parse(SLICE("ann@example.org"));
	struct slice data = SLICE("prove it");
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL/PLAIN"};

	if (mechanism && strcmp(mechanism, "TWO") == 0) {
		answer.outcome = SX_SASL_CHALLENGE;
		answer.data = &data;
	} else if (mechanism && strcmp(mechanism, "PLAIN") != 0) {
		answer.outcome = SX_SASL_FAILURE;
		answer.failure = SX_SASL_INVALID_MECHANISM;
	} else if (message.len >= 5 && memcmp(message.data + message.len - 5, "wrong", 5) == 0) {
		answer.outcome = SX_SASL_FAILURE;
		answer.failure = SX_SASL_NOT_AUTHORIZED;
	}
	sx_sasl_answer(sx, &answer);
	jid_free(&jid);
}

static void note_dropped(void *owner, struct sx *sx)
{
	buf_append_text(&((struct peer *)owner)->heard, "dropped ");
}

const struct sx_sasl_server_conf peer_sasl = {
	.mechanisms = offer_plain, .step = plain_step, .dropped = note_dropped, .attempts = 3};
