/* SPDX-License-Identifier: MIT */
/* A stream changes its worker: what it had is in the new worker's memory, nothing is left in the
 * old one's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "peer.h"

#include "base/mem.h"
#include "jid/jid.h"

static const struct sx_plugin *const plugins[] = {&sx_tls, &sx_sasl_server, NULL};
static const struct sx_tls_conf no_tls = {.offer = false};
static const void *const conf[] = {&no_tls, &peer_sasl};

/* Blocks, but for those of the pool: it keeps a few parsers. */
static uint64_t in_use(const struct heap *heap)
{
	struct heap_usage usage;
	uint64_t blocks = 0;

	heap_usage(heap, &usage);
	for (int kind = 0; kind < MEM_KINDS; kind++)
		blocks += kind == MEM_PARSER ? 0 : usage.blocks[kind];
	return blocks;
}

static void goes_with_unparsed_input_and_unsent_output(void **test)
{
	struct peer from, to;
	struct sx_box *box;

	peer_init(&from, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	peer_init(&to, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	sx_free(&to.sx);
	peer_greet(&from, CLIENT_HEADER);
	peer_feed(&from, AUTH_PLAIN);
	sx_pause(from.sx, true);
	peer_feed(&from, CLIENT_HEADER "<message/><iq");
	box = sx_leave(&from.sx);
	assert_null(from.sx);
	to.sx = sx_arrive(&box, &to.env, &to.options, &to.handler, &to);
	assert_null(box);
	assert_string_equal(jid_text(sx_identity(to.sx)), "ann@example.org");
	assert_true(slice_is(sx_to(to.sx), "example.org"));
	assert_ptr_equal(sx_owner(to.sx), &to);
	assert_non_null(strstr(peer_said(&to), "<success "));
	assert_string_equal(peer_heard(&to), "");
	sx_pause(to.sx, false);
	assert_string_equal(peer_heard(&to), "header open packet:message ");
	peer_feed(&to, "/>");
	assert_string_equal(peer_heard(&to), "packet:iq ");
	assert_string_equal(peer_heard(&from), "");
	peer_fini(&from);
	peer_fini(&to);
}

static void leaves_nothing_in_the_old_memory(void **test)
{
	struct heap *old = heap_new("old"), *new = heap_new("new"), *before = heap_enter(old);
	struct peer from, to;
	struct sx_box *box;

	peer_init(&from, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	sx_free(&from.sx);
	from.sx = sx_new(&from.env, &from.options, &from.handler, &from);
	sx_feed(from.sx, CLIENT_HEADER AUTH_PLAIN, strlen(CLIENT_HEADER AUTH_PLAIN));
	sx_pause(from.sx, true);
	sx_feed(from.sx, "<x", 2);
	buf_fini(&from.heard);
	box = sx_leave(&from.sx);
	heap_enter(new);
	peer_init(&to, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	sx_free(&to.sx);
	to.sx = sx_arrive(&box, &to.env, &to.options, &to.handler, &to);
	heap_enter(old);
	assert_int_equal(in_use(old), 0);
	heap_enter(new);
	peer_fini(&to);
	heap_enter(old);
	peer_fini(&from);
	heap_enter(before);
	assert_int_equal(in_use(new), 0);
	assert_int_equal(in_use(old), 0);
	heap_drop(&old);
	heap_drop(&new);
}

static void a_closed_stream_stays_closed(void **test)
{
	struct peer peer;
	struct sx_box *box;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	peer_greet(&peer, CLIENT_HEADER);
	sx_error(peer.sx, SX_RESET, "text");
	box = sx_leave(&peer.sx);
	peer.sx = sx_arrive(&box, &peer.env, &peer.options, &peer.handler, &peer);
	assert_int_equal(sx_state(peer.sx), SX_STATE_CLOSED);
	assert_int_equal(sx_end_error(peer.sx), SX_RESET);
	assert_string_equal(sx_end_text(peer.sx), "text");
	assert_non_null(strstr(peer_said(&peer), "<reset "));
	peer_fini(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_with_unparsed_input_and_unsent_output),
		cmocka_unit_test(leaves_nothing_in_the_old_memory),
		cmocka_unit_test(a_closed_stream_stays_closed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
