/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what a peer says on a stream.
 *
 * The first byte says how: modulo 3, 0 is a client at our server, 1 a component at our router, 2 a
 * router at our component, which logs in with DIGEST-MD5; divided by 3, modulo 64 and plus one, it
 * is the size of the pieces in which the rest comes. A server lets everybody in, after a second
 * message when the mechanism is TWO, and answers late, with the next piece, when the first message
 * is empty.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sx/plugins.h"
#include "xml/nad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how { CLIENT, COMPONENT, ROUTER };

struct owner {
	struct sx *sx;
	bool owes; /* an answer to the SASL step */
	unsigned closed, opened;
};

static void zeroes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 7, len);
}

static void let_in(struct sx *sx)
{
	struct jid *jid = jid_parse(SLICE("ann@example.org"));
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL/PLAIN"};

	sx_sasl_answer(sx, &answer);
	jid_free(&jid);
}

static void offer_plain(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			void *to)
{
	offer(to, "PLAIN");
}

static void step(void *arg, struct sx *sx, const char *mechanism, bool initial,
		 struct slice message)
{
	struct owner *owner = arg;
	struct slice data = SLICE("challenge");
	struct sx_sasl_answer answer = {.outcome = SX_SASL_CHALLENGE, .data = &data};

	if (mechanism && strcmp(mechanism, "TWO") == 0)
		sx_sasl_answer(sx, &answer);
	else if (mechanism && message.len == 0)
		owner->owes = true;
	else
		let_in(sx);
}

static void dropped(void *arg, struct sx *sx)
{
	((struct owner *)arg)->owes = false;
}

static void opened(void *arg, struct sx *sx)
{
	struct owner *owner = arg;

	if (owner->opened++ || !sx_identity(sx))
		abort();
}

static void packet(void *arg, struct sx *sx, struct nad **nad)
{
	struct owner *owner = arg;

	if (owner->closed || sx_state(sx) < SX_STATE_STREAM || sx_state(sx) > SX_STATE_OPEN)
		abort();
	if (sx_type(sx) == SX_CLIENT && sx_state(sx) == SX_STATE_STREAM)
		sx_sasl_auth(sx, "jabberd-router", "DIGEST-MD5", "jabberd", "secret");
	else
		sx_send(sx, nad);
}

static void closed(void *arg, struct sx *sx, enum sx_end end)
{
	struct owner *owner = arg;

	if (owner->closed++ || sx_state(sx) != SX_STATE_CLOSED)
		abort();
}

static const struct sx_handler handler = {.open = opened, .packet = packet, .closed = closed};
static const struct sx_plugin *const server_plugins[] = {&sx_sasl_server, NULL};
static const struct sx_plugin *const client_plugins[] = {&sx_ack, &sx_sasl_client, NULL};
static const struct sx_sasl_server_conf sasl = {
	.mechanisms = offer_plain, .step = step, .dropped = dropped, .attempts = 3};
static const void *const server_conf[] = {&sasl};

static struct sx_options options_of(enum how how)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 4096, .depth = 20, .attributes = 20};

	return (struct sx_options){
		.type = how == ROUTER ? SX_CLIENT : SX_SERVER,
		.ns = how == CLIENT ? NS_CLIENT : NULL,
		.plugins = how == ROUTER ? client_plugins : server_plugins,
		.plugin_conf = how == ROUTER ? NULL : server_conf,
		.before_auth = limits,
		.after_auth = limits,
	};
}

static void feed(struct owner *owner, const uint8_t *data, size_t size, size_t piece)
{
	while (size) {
		size_t len = size < piece ? size : piece;
		bool owed = owner->owes;

		sx_feed(owner->sx, data, len);
		data += len;
		size -= len;
		if (owed && owner->owes) {
			owner->owes = false;
			let_in(owner->sx);
		}
		buf_fini(sx_output(owner->sx));
		sx_sent(owner->sx);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum how how = size ? data[0] % 3 : CLIENT;
	struct sx_options options = options_of(how);
	struct sx_env env = {.pool = xml_pool_new(), .random = zeroes, .host_name = "here"};
	struct owner owner = {0};

	if (size) {
		owner.sx = sx_new(&env, &options, &handler, &owner);
		sx_start(owner.sx);
		feed(&owner, data + 1, size - 1, data[0] / 3 % 64 + 1);
		sx_feed_end(owner.sx);
		if (!owner.closed && !owner.owes)
			abort();
		sx_free(&owner.sx);
	}
	xml_pool_free(&env.pool);
	return 0;
}
