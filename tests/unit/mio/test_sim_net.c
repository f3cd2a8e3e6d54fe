/* SPDX-License-Identifier: MIT */
/* Simulated sockets: order, flow, ends, faults, partitions, and how they move. */
#include <unistd.h>
#include "sim_peer.h"

struct net {
	struct sim *sim;
	struct mio_host *server, *client;
	struct mio *server_loop, *client_loop;
	struct mio_listener *listener;
	struct peer near, far; /* the client's, the server's */
	unsigned accepted;
	bool hold; /* do not take what is accepted */
	uint8_t flags;
	int given;
};

static void on_accepted(int given, void *arg)
{
	struct net *net = arg;

	net->accepted++;
	net->given = given;
	if (!net->hold)
		mio_sock_take(net->server_loop, &net->far.sock, given, &peer_handler, net->flags);
}

static void net_init(struct net *net, uint64_t seed, unsigned partial_percent)
{
	struct sim_options options = {.seed = seed, .partial_percent = partial_percent};

	memset(net, 0, sizeof(*net));
	net->sim = sim_new(&options);
	net->server = sim_host(net->sim, "server");
	net->client = sim_host(net->sim, "client");
	assert_int_equal(mio_host_start(net->server, 2, NULL, NULL), 0);
	assert_int_equal(mio_host_start(net->client, 1, NULL, NULL), 0);
	net->server_loop = mio_host_loop(net->server, 0);
	net->client_loop = mio_host_loop(net->client, 0);
}

static void net_join(struct net *net, const char *listen, const char *connect)
{
	assert_int_equal(mio_listen(net->server, listen, &net->listener), 0);
	mio_accept(net->server_loop, net->listener, on_accepted, net);
	assert_int_equal(mio_connect(net->client_loop, &net->near.sock, connect, &peer_handler, 0),
			 0);
	sim_run(net->sim, 100, NULL, NULL);
	assert_true(net->near.connected);
	assert_int_equal(net->accepted, 1);
}

/* The buffers were made while no heap was current. */
static void net_fini(struct net *net)
{
	if (net->client)
		mio_close(&net->near.sock);
	if (net->server)
		mio_close(&net->far.sock);
	peer_fini(&net->near);
	peer_fini(&net->far);
	sim_free(&net->sim);
}

static void run(struct net *net)
{
	sim_run(net->sim, 1000, NULL, NULL);
}

static struct buf pattern(size_t len)
{
	struct buf bytes = {0};

	for (size_t i = 0; i < len; i++)
		buf_append_char(&bytes, (char)(i * 7 + i / 251));
	return bytes;
}

static void keeps_bytes_in_order_however_they_are_cut(void **state)
{
	struct buf sent = pattern(300000);

	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct net net;

		net_init(&net, seed, 30);
		net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
		net.far.echo = true;
		peer_say(&net.near, buf_slice(&sent).data, buf_used(&sent));
		assert_true(buf_used(&net.near.out) > 0); /* the wire does not hold it all */
		sim_run(net.sim, 60000, NULL, NULL);
		assert_true(slice_equal(buf_slice(&net.near.in), buf_slice(&sent)));
		net_fini(&net);
	}
	buf_fini(&sent);
}

static void blocks_a_writer_until_the_reader_reads(void **state)
{
	struct buf sent = pattern(200000);
	struct net net;

	net_init(&net, 3, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	mio_pause(&net.far.sock, true);
	peer_say(&net.near, buf_slice(&sent).data, buf_used(&sent));
	run(&net);
	assert_int_equal(buf_used(&net.far.in), 0);
	assert_int_equal(buf_used(&net.near.out), 200000 - 65536);
	mio_pause(&net.far.sock, false);
	run(&net);
	assert_int_equal(buf_used(&net.near.out), 0);
	assert_true(slice_equal(buf_slice(&net.far.in), buf_slice(&sent)));
	net_fini(&net);
	buf_fini(&sent);
}

static void reads_what_was_sent_before_the_end(void **state)
{
	struct net net;

	net_init(&net, 4, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	peer_say(&net.near, "last words", 10);
	mio_close(&net.near.sock);
	run(&net);
	assert_true(slice_is(buf_slice(&net.far.in), "last words"));
	assert_true(net.far.ended);
	assert_int_equal(net.far.fault, 0);
	net_fini(&net);
}

static void resets_a_writer_whose_bytes_nobody_read(void **state)
{
	struct net net;

	net_init(&net, 5, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	mio_pause(&net.far.sock, true);
	peer_say(&net.near, "unread", 6);
	run(&net);
	mio_close(&net.far.sock);
	run(&net);
	assert_true(net.near.ended);
	assert_int_equal(net.near.fault, -ECONNRESET);
	net_fini(&net);
}

static void says_that_the_peer_is_gone_to_who_writes_on(void **state)
{
	struct net net;

	net_init(&net, 6, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	mio_pause(&net.near.sock, true);
	mio_close(&net.far.sock);
	run(&net);
	assert_int_equal(mio_write(&net.near.sock, "x", 1), 1);
	run(&net);
	assert_int_equal(mio_write(&net.near.sock, "x", 1), -ECONNRESET);
	assert_int_equal(mio_write(&net.near.sock, "x", 1), -EPIPE);
	assert_int_equal(net.near.turns, 0);
	net_fini(&net);
}

static void refuses_where_nobody_listens(void **state)
{
	struct net net;

	net_init(&net, 7, 0);
	assert_int_equal(
		mio_connect(net.client_loop, &net.near.sock, "127.0.0.1:1", &peer_handler, 0), 0);
	assert_false(net.near.connected);
	run(&net);
	assert_true(net.near.connected); /* writable() tells of both outcomes */
	assert_true(net.near.ended);
	assert_int_equal(net.near.fault, -ECONNREFUSED);
	assert_int_equal(net.near.turns, 1);
	assert_int_equal(
		mio_connect(net.client_loop, &net.near.sock, "unix:/nobody", &peer_handler, 0),
		-ECONNREFUSED);
	assert_int_equal(mio_connect(net.client_loop, &net.near.sock, "nonsense", &peer_handler, 0),
			 -EINVAL);
	net_fini(&net);
}

static void listens_once_at_an_address(void **state)
{
	struct mio_listener *second = NULL, *third = NULL;
	struct net net;

	net_init(&net, 8, 0);
	assert_int_equal(mio_listen(net.server, ":7000", &net.listener), 0);
	assert_string_equal(mio_listener_address(net.listener), ":7000");
	assert_int_equal(mio_listen(net.client, "127.0.0.1:7000", &second), -EADDRINUSE);
	assert_int_equal(mio_listen(net.client, "127.0.0.1:0", &second), 0);
	assert_int_equal(mio_listen(net.client, "127.0.0.1:0", &third), 0);
	assert_string_not_equal(mio_listener_address(second), mio_listener_address(third));
	mio_unlisten(&net.listener);
	assert_int_equal(mio_listen(net.client, "127.0.0.1:7000", &net.listener), 0);
	net_fini(&net);
}

static void finds_any_address_of_a_port(void **state)
{
	struct net net;
	char name[64];

	net_init(&net, 9, 0);
	net_join(&net, ":7000", "[::1]:7000");
	mio_peer_name(&net.near.sock, name, sizeof(name));
	assert_string_equal(name, "[::1]:7000");
	mio_peer_name(&net.far.sock, name, sizeof(name));
	assert_memory_equal(name, "127.0.0.1:", 10);
	net_fini(&net);
}

static void knows_the_user_behind_a_unix_socket(void **state)
{
	struct net net;
	char name[16];
	uid_t uid = 12345;

	net_init(&net, 10, 0);
	sim_user(net.client, 4711);
	net_join(&net, "unix:/run/test", "unix:/run/test");
	assert_true(mio_peer_uid(&net.far.sock, &uid));
	assert_int_equal(uid, 4711);
	assert_true(mio_peer_uid(&net.near.sock, &uid));
	assert_int_equal(uid, geteuid());
	mio_peer_name(&net.far.sock, name, sizeof(name));
	assert_string_equal(name, "unix");
	net_fini(&net);
}

static void holds_all_bytes_of_a_partition_until_it_heals(void **state)
{
	struct net net;

	net_init(&net, 11, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	sim_partition(net.sim, net.server, net.client, true);
	peer_say(&net.near, "one", 3);
	peer_say(&net.far, "two", 3);
	mio_close(&net.near.sock);
	sim_run(net.sim, 100000, NULL, NULL);
	assert_int_equal(buf_used(&net.far.in), 0);
	assert_false(net.far.ended);
	sim_partition(net.sim, net.server, net.client, false);
	run(&net);
	assert_true(slice_is(buf_slice(&net.far.in), "one"));
	assert_true(net.far.ended);
	net_fini(&net);
}

static void connects_after_a_partition_heals(void **state)
{
	struct net net;

	net_init(&net, 12, 0);
	sim_partition(net.sim, net.server, net.client, true);
	assert_int_equal(mio_listen(net.server, "127.0.0.1:7000", &net.listener), 0);
	mio_accept(net.server_loop, net.listener, on_accepted, &net);
	mio_connect(net.client_loop, &net.near.sock, "127.0.0.1:7000", &peer_handler, 0);
	run(&net);
	assert_false(net.near.connected);
	sim_partition(net.sim, net.server, net.client, false);
	run(&net);
	assert_true(net.near.connected);
	assert_int_equal(net.accepted, 1);
	net_fini(&net);
}

static void a_partition_ends_with_a_host(void **state)
{
	struct net net;

	net_init(&net, 17, 0);
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	sim_partition(net.sim, net.server, net.client, true);
	peer_say(&net.near, "one", 3);
	run(&net);
	net.far.sock.fd = 0;
	sim_kill(net.sim, &net.server);
	run(&net);
	assert_true(net.near.ended);
	net_fini(&net);
}

static void moves_a_socket_with_what_has_arrived(void **state)
{
	struct net net;
	int given;

	net_init(&net, 13, 0);
	net.flags = MIO_ENTRY;
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	given = mio_sock_give(&net.far.sock);
	assert_int_equal(net.far.sock.fd, 0);
	peer_say(&net.near, "meanwhile", 9);
	run(&net);
	mio_sock_take(mio_host_loop(net.server, 1), &net.far.sock, given, &peer_handler, 0);
	run(&net);
	assert_true(slice_is(buf_slice(&net.far.in), "meanwhile"));
	assert_ptr_equal(net.far.sock.mio, mio_host_loop(net.server, 1));
	net_fini(&net);
}

static void a_refused_connection_ends(void **state)
{
	struct net net;

	net_init(&net, 14, 0);
	net.hold = true;
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	mio_refuse(net.server_loop, net.given);
	run(&net);
	assert_true(net.near.ended);
	net_fini(&net);
}

static void wait_run(struct mio *mio, struct mio_mail *mail)
{
}

/* Worker 0 feeds worker 1 above its mark in its own turn: see the mailbox's rule in mio.h. */
static void flood(struct mio_task *task);

struct flood {
	struct mio_task task;
	struct mio_mail mail;
	struct net *net;
	unsigned bytes_then;
};

static void flood(struct mio_task *task)
{
	struct flood *self = container_of(task, struct flood, task);
	struct net *net = self->net;

	self->mail = (struct mio_mail){.run = wait_run, .bytes = 100};
	mio_post(net->server_loop, mio_host_loop(net->server, 1), MIO_DATA, &self->mail);
}

static void reads_entry_sockets_again_when_a_mailbox_is_low(void **state)
{
	struct flood self = {.task.run = flood};
	struct net net;

	net_init(&net, 15, 0);
	mio_mailbox_mark(net.server, 1);
	net.flags = MIO_ENTRY;
	net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
	self.net = &net;
	for (unsigned i = 0; i < 20; i++) {
		mio_defer(net.server_loop, &self.task);
		peer_say(&net.near, "x", 1);
		run(&net);
		assert_int_equal(mio_mailbox_bytes(mio_host_loop(net.server, 1)), 0);
		assert_int_equal(buf_used(&net.far.in), i + 1);
	}
	net_fini(&net);
}

static void a_kill_ends_what_the_peer_reads(void **state)
{
	unsigned resets = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct net net;

		net_init(&net, seed, 0);
		net_join(&net, "127.0.0.1:7000", "127.0.0.1:7000");
		peer_say(&net.far, "maybe", 5);
		net.far.sock.fd = 0; /* goes with its process */
		sim_kill(net.sim, &net.server);
		assert_null(net.server);
		run(&net);
		assert_true(net.near.ended);
		resets += net.near.fault == -ECONNRESET;
		assert_true(buf_used(&net.near.in) == 0 ||
			    slice_is(buf_slice(&net.near.in), "maybe"));
		net_fini(&net);
	}
	assert_in_range(resets, 1, 19);
}

static void a_killed_process_leaves_its_address_free(void **state)
{
	struct mio_listener *again = NULL;
	struct net net;

	net_init(&net, 16, 0);
	assert_int_equal(mio_listen(net.server, "127.0.0.1:7000", &net.listener), 0);
	mio_accept(net.server_loop, net.listener, on_accepted, &net);
	mio_connect(net.client_loop, &net.near.sock, "127.0.0.1:7000", &peer_handler, 0);
	while (!net.near.connected)
		assert_true(sim_step(net.sim));
	sim_kill(net.sim, &net.server);
	run(&net);
	assert_true(net.near.ended);
	assert_int_equal(mio_listen(net.client, "127.0.0.1:7000", &again), 0);
	net.far.sock.fd = 0;
	net_fini(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_bytes_in_order_however_they_are_cut),
		cmocka_unit_test(blocks_a_writer_until_the_reader_reads),
		cmocka_unit_test(reads_what_was_sent_before_the_end),
		cmocka_unit_test(resets_a_writer_whose_bytes_nobody_read),
		cmocka_unit_test(says_that_the_peer_is_gone_to_who_writes_on),
		cmocka_unit_test(refuses_where_nobody_listens),
		cmocka_unit_test(listens_once_at_an_address),
		cmocka_unit_test(finds_any_address_of_a_port),
		cmocka_unit_test(knows_the_user_behind_a_unix_socket),
		cmocka_unit_test(holds_all_bytes_of_a_partition_until_it_heals),
		cmocka_unit_test(connects_after_a_partition_heals),
		cmocka_unit_test(a_partition_ends_with_a_host),
		cmocka_unit_test(moves_a_socket_with_what_has_arrived),
		cmocka_unit_test(a_refused_connection_ends),
		cmocka_unit_test(reads_entry_sockets_again_when_a_mailbox_is_low),
		cmocka_unit_test(a_kill_ends_what_the_peer_reads),
		cmocka_unit_test(a_killed_process_leaves_its_address_free),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
