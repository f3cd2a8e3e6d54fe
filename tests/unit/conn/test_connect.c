/* SPDX-License-Identifier: MIT */
/* Connections that we open. */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include "xml/nad.h"

/* The other end of the room's listener: logs in and sends one message. */
struct dialer {
	struct room *room;
	struct conn_options options;
	struct conn *conn;
	struct buf heard;
	int fault;
	char address[64];
};

static struct dialer dialer;

static const struct sx_plugin *const plugins[] = {&sx_sasl_client, NULL};
static const struct xml_limits limits = {.stanza_bytes = 100000, .depth = 50, .attributes = 50};

static void on_open(void *owner, struct conn *conn)
{
	buf_append_text(&dialer.heard, "open ");
	sx_send_parts(conn_sx(conn), &SLICE("<message/>"), 1, SX_STANZA);
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct slice name = nad_name(*nad, 0);

	buf_printf(&dialer.heard, "packet:%.*s ", (int)name.len, name.data);
	if (slice_is(name, "features") && sx_state(conn_sx(conn)) == SX_STATE_STREAM)
		assert_int_equal(sx_sasl_auth(conn_sx(conn), "xmpp", "PLAIN", "ann", "secret"), 0);
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	buf_printf(&dialer.heard, "closed:%d ", end);
	dialer.fault = conn_fault(conn);
	dialer.conn = NULL;
}

static const struct conn_handler handler = {
	.open = on_open, .packet = on_packet, .closed = on_closed};

static void dial(struct room *room, const char *address, int *fault)
{
	dialer.options = (struct conn_options){
		.stream = {.type = SX_CLIENT,
			   .ns = NS_CLIENT,
			   .to = "example.org",
			   .plugins = plugins,
			   .before_auth = limits,
			   .after_auth = limits},
		.handler = &handler,
	};
	dialer.conn = conn_connect(room->envs[0], address, &dialer.options, NULL, fault);
}

static void hang_up(struct room *room)
{
	conn_kill(&dialer.conn);
	buf_fini(&dialer.heard);
	dialer = (struct dialer){0};
	room_close(room);
}

static bool dial_the_room(struct room *room)
{
	int fault = 0;

	if (!dialer.conn)
		dial(room, mio_listener_address(room->listener), &fault);
	assert_int_equal(fault, 0);
	return strstr(buf_text(&dialer.heard), "packet:message") != NULL;
}

static void logs_in_over_a_connection_of_ours(void **test)
{
	struct room room;

	room_open(&room);
	room_run(&room, dial_the_room);
	assert_string_equal(buf_text(&dialer.heard),
			    "packet:features open packet:features packet:message ");
	assert_string_equal(room_heard(&room), "stream open packet:message ");
	hang_up(&room);
}

static bool dial_nobody(struct room *room)
{
	int fault = 0;

	if (room->steps == 1) {
		snprintf(dialer.address, sizeof(dialer.address), "%s",
			 mio_listener_address(room->listener));
		mio_accept_stop(mio_host_loop(room->host, 0), room->listener);
		mio_unlisten(&room->listener);
		dial(room, dialer.address, &fault);
		dialer.fault = fault;
	}
	return !dialer.conn;
}

static void a_refused_connection_is_a_fault(void **test)
{
	struct room room;

	room_open(&room);
	room_run(&room, dial_nobody);
	assert_int_equal(dialer.fault, -ECONNREFUSED);
	room.listener = NULL;
	assert_int_equal(mio_listen(room.host, "127.0.0.1:0", &room.listener), 0);
	hang_up(&room);
}

static bool dial_nonsense(struct room *room)
{
	int fault = 0;

	dial(room, "nowhere", &fault);
	assert_null(dialer.conn);
	assert_int_equal(fault, -EINVAL);
	return true;
}

static void a_bad_address_is_refused_at_once(void **test)
{
	struct room room;

	room_open(&room);
	room_run(&room, dial_nonsense);
	hang_up(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_in_over_a_connection_of_ours),
		cmocka_unit_test(a_refused_connection_is_a_fault),
		cmocka_unit_test(a_bad_address_is_refused_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
