/* SPDX-License-Identifier: MIT */
/* Between ends of ours: once and in order, whatever the router does (docs/protocol/ends.md). */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

#define JD " xmlns:jd='urn:jackdaw:link:0'"

static void send_some(struct house *house, unsigned from, unsigned to)
{
	for (unsigned number = from; number <= to; number++)
		house_send(house, 0, number);
}

static void expect_said(const struct house *house, const char *text)
{
	if (!strstr(buf_text((struct buf *)&house->said), text))
		fail_msg("no %s in %s", text, buf_text((struct buf *)&house->said));
}

static void numbers_and_names_are_on_the_wire(void **state)
{
	struct wire *wire = *state;

	house_send(&wire->c2s, 1, 5);
	wire_run(wire, 10);
	expect_said(&wire->c2s, "from='c2s' to='sm'");
	expect_said(&wire->c2s, "jd:from='11' jd:to='21' jd:ack='1' jd:seq='1'");
	house_send(&wire->sm, 1, 6);
	wire_run(wire, 10);
	expect_said(&wire->sm, "from='sm' to='c2s'");
	expect_said(&wire->sm, "jd:from='21' jd:to='11' jd:ack='1' jd:seq='2' jd:as='a.example'");
	house_expect(&wire->sm, "1:5 ");
	house_expect(&wire->c2s, "1:6 ");
}

static void at_rest_nothing_is_sent(void **state)
{
	struct wire *wire = *state;
	uint64_t c2s, sm;

	send_some(&wire->c2s, 1, 3);
	wire_run(wire, 1000);
	c2s = wire->c2s.routes;
	sm = wire->sm.routes;
	wire_run(wire, 100000);
	assert_true(wire->c2s.routes == c2s && wire->sm.routes == sm);
}

static void many_are_acknowledged_by_one(void **state)
{
	struct wire *wire = *state;
	uint64_t sm = wire->sm.routes;

	send_some(&wire->c2s, 1, 500);
	wire_run(wire, 10000);
	assert_in_range(wire->sm.routes - sm, 1, 3);
}

static void what_is_not_ours_is_not_numbered(void **state)
{
	struct wire *wire = *state;

	house_send_to(&wire->c2s, 0, 1, "sm", false);
	wire_run(wire, 10);
	assert_null(strstr(buf_text(&wire->c2s.said), NS_JACKDAW));
	house_expect(&wire->sm, "0:1 ");
}

static void what_the_router_loses_is_sent_again(void **state)
{
	struct wire *wire = *state;

	wire->lose = 3;
	send_some(&wire->c2s, 1, 5);
	wire_run(wire, 500);
	house_expect(&wire->sm, "0:1 0:2 0:3 0:4 0:5 ");
	assert_int_equal(wire->lose, 0);
}

static void the_last_one_is_missed_too(void **state)
{
	struct wire *wire = *state;

	wire->lose = 1;
	house_send(&wire->sm, 0, 1);
	wire_run(wire, 1000);
	house_expect(&wire->c2s, "");
	wire_run(wire, 3000);
	house_expect(&wire->c2s, "0:1 ");
}

static void a_lost_acknowledgement_repeats_nothing(void **state)
{
	struct wire *wire = *state;

	house_send(&wire->c2s, 0, 1);
	wire_run(wire, 10);
	house_expect(&wire->sm, "0:1 ");
	wire->lose = 2;
	wire_run(wire, 20000);
	send_some(&wire->c2s, 2, 3);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:2 0:3 ");
}

static void what_comes_twice_is_heard_once(void **state)
{
	struct wire *wire = *state;

	wire->repeat = 2;
	send_some(&wire->c2s, 1, 3);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:1 0:2 0:3 ");
}

static void what_is_sent_without_a_router_waits(void **state)
{
	struct wire *wire = *state;

	wire_router(wire, false);
	send_some(&wire->c2s, 1, 3);
	house_send(&wire->sm, 1, 4);
	wire_run(wire, 600000);
	house_expect(&wire->sm, "");
	wire_router(wire, true);
	wire_run(wire, 200);
	house_expect(&wire->sm, "0:1 0:2 0:3 ");
	house_expect(&wire->c2s, "1:4 ");
}

static void what_went_down_with_the_router_is_sent_again(void **state)
{
	struct wire *wire = *state;

	wire->holds = true;
	send_some(&wire->c2s, 1, 3);
	wire_run(wire, 10);
	wire_router(wire, false);
	wire->holds = false;
	wire_router(wire, true);
	wire_run(wire, 200);
	house_expect(&wire->sm, "0:1 0:2 0:3 ");
}

static void who_comes_back_later_than_we_is_waited_for(void **state)
{
	struct wire *wire = *state;

	house_connect(&wire->sm, false);
	send_some(&wire->c2s, 1, 3);
	wire_run(wire, 25000);
	house_expect(&wire->c2s, "");
	house_connect(&wire->sm, true);
	wire_run(wire, 200);
	house_expect(&wire->sm, "0:1 0:2 0:3 ");
	house_expect(&wire->c2s, "");
}

static void while_nobody_has_the_name_it_is_asked_for_once_a_second(void **state)
{
	struct wire *wire = *state;
	uint64_t before;

	house_connect(&wire->sm, false);
	house_send(&wire->c2s, 0, 1);
	wire_run(wire, 500);
	before = wire->c2s.routes;
	for (unsigned number = 2; number < 100; number++) {
		house_send(&wire->c2s, 0, number);
		wire_run(wire, 100);
	}
	assert_in_range(wire->c2s.routes - before, 5, 24);
}

static void after_the_grace_all_comes_back_in_order(void **state)
{
	struct wire *wire = *state;

	house_connect(&wire->sm, false);
	send_some(&wire->c2s, 1, 2);
	wire_run(wire, 29000);
	house_send(&wire->c2s, 1, 3);
	house_expect(&wire->c2s, "");
	wire_run(wire, 5000);
	house_expect(&wire->c2s, "0:1!404 0:2!404 0:+sm/0 1:3!404 1:+sm/0 ");
	/* From now on the router says at once that nobody is there. */
	house_send(&wire->c2s, 0, 4);
	wire_run(wire, 100);
	house_expect(&wire->c2s, "0:4!404 ");
}

static void who_is_away_is_missed_also_when_nothing_is_said(void **state)
{
	struct wire *wire = *state;

	house_send(&wire->c2s, 0, 1);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:1 ");
	house_connect(&wire->sm, false);
	wire_run(wire, 29000);
	house_expect(&wire->c2s, "");
	wire_run(wire, 3000);
	house_expect(&wire->c2s, "0:+sm/0 1:+sm/0 ");
}

static void who_did_not_come_back_to_a_new_router_is_missed(void **state)
{
	struct wire *wire = *state;

	wire_router(wire, false);
	wire->is_up = true;
	house_connect(&wire->c2s, true);
	wire_run(wire, 40000);
	house_expect(&wire->c2s, "0:+sm/0 1:+sm/0 ");
}

static void who_comes_back_in_time_is_not_missed(void **state)
{
	struct wire *wire = *state;

	house_connect(&wire->sm, false);
	wire_run(wire, 20000);
	house_connect(&wire->sm, true);
	wire_run(wire, 60000);
	house_expect(&wire->c2s, "");
}

static void who_was_given_up_may_come_back(void **state)
{
	struct wire *wire = *state;

	house_connect(&wire->sm, false);
	send_some(&wire->c2s, 1, 3);
	wire_run(wire, 40000);
	buf_clear(&wire->c2s.heard);
	house_connect(&wire->sm, true);
	wire_greet(wire);
	house_expect(&wire->c2s, "");
	house_send(&wire->c2s, 1, 4);
	wire_run(wire, 500);
	/* It hears that something of before will not come. */
	house_expect(&wire->sm, "0:+c2s/0 1:+c2s/0 1:4 ");
	house_send(&wire->c2s, 0, 5);
	wire_run(wire, 500);
	house_expect(&wire->sm, "0:5 ");
	house_expect(&wire->c2s, "");
}

static void a_new_life_gets_nothing_of_the_old(void **state)
{
	struct wire *wire = *state;

	wire->holds = true;
	for (unsigned number = 1; number < 5; number++)
		house_send(&wire->c2s, number % 2, number);
	wire_run(wire, 10);
	house_restart(&wire->sm);
	wire->holds = false;
	wire_run(wire, 3000);
	/* On each worker: what came back, then the news. */
	assert_non_null(strstr(buf_text(&wire->c2s.heard), "0:2!404 0:4!404 0:+sm/22 "));
	assert_non_null(strstr(buf_text(&wire->c2s.heard), "1:1!404 1:3!404 1:+sm/22 "));
	buf_clear(&wire->c2s.heard);
	house_expect(&wire->sm, "");
	house_send(&wire->c2s, 1, 5);
	house_send(&wire->sm, 0, 6);
	wire_run(wire, 100);
	house_expect(&wire->sm, "1:5 ");
	house_expect(&wire->c2s, "0:6 ");
}

static void a_name_that_is_back_is_known_to_be_new(void **state)
{
	struct wire *wire = *state;

	house_restart(&wire->c2s);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:+c2s/12 1:+c2s/12 ");
	house_send(&wire->c2s, 0, 1);
	house_send(&wire->sm, 0, 2);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:1 ");
	house_expect(&wire->c2s, "0:2 ");
}

static void packets_for_another_life_are_answered_once(void **state)
{
	static const char stray[] =
		"<route from='c2s' to='sm'><message xmlns='jabber:client' id='9'" JD
		" jd:from='11' jd:to='7' jd:ack='0' jd:seq='1'/></route>";
	struct wire *wire = *state;
	uint64_t before = wire->sm.routes;

	for (unsigned at = 0; at < 50; at++)
		house_hear(&wire->sm, stray);
	wire_run(wire, 200);
	house_expect(&wire->sm, "");
	assert_int_equal(wire->sm.routes - before, 1);
	expect_said(&wire->sm, "action='jackdaw-ack'");
	expect_said(&wire->sm, "jd:from='21' jd:to='11'");
}

static void one_that_a_filter_refuses_does_not_hold_up_the_rest(void **state)
{
	struct wire *wire = *state;

	wire->refuse = "id='2'";
	wire->refuse_error = 403;
	send_some(&wire->c2s, 1, 4);
	wire_run(wire, 1000);
	house_expect(&wire->sm, "0:1 0:3 0:4 ");
	house_expect(&wire->c2s, "0:2!403 ");
	wire_run(wire, 60000);
	house_expect(&wire->c2s, "");
}

static void a_filter_may_even_say_that_nobody_is_there(void **state)
{
	struct wire *wire = *state;

	house_send(&wire->c2s, 0, 1);
	wire_run(wire, 100);
	wire->refuse = "id='2'";
	wire->refuse_error = 404;
	send_some(&wire->c2s, 2, 4);
	wire_run(wire, 10000);
	house_expect(&wire->sm, "0:1 0:3 0:4 ");
	house_expect(&wire->c2s, "0:2!404 ");
	wire_run(wire, 60000);
	house_expect(&wire->c2s, "");
}

static void what_may_wait_is_bounded(void **state)
{
	struct wire *wire = *state;
	struct heap *before = heap_enter(mio_heap(mio_host_loop(wire->c2s.host, 0)));
	AUTO(buf_fini) struct buf text = {0};
	unsigned returned = 0;

	memset(buf_reserve(&text, 1 << 20), 'x', 1 << 20);
	buf_added(&text, 1 << 20);
	wire_router(wire, false);
	for (unsigned number = 0; number < 70; number++) {
		AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("sm"));
		struct stanza *stanza = stanza_new(STANZA_MESSAGE, STANZA_NONE, SLICE("1"));
		struct packet *packet;

		nad_append_text(stanza->payload, NS_CLIENT, "body", 1, buf_slice(&text));
		packet = packet_stanza(from, to, &stanza);
		packet->ours = true;
		session_id_take(&packet->c2s, SLICE("0.1.1"));
		link_send(wire->c2s.links[0], &packet);
	}
	heap_enter(before);
	wire_run(wire, 100);
	for (const char *at = buf_text(&wire->c2s.heard); (at = strstr(at, "!404")); at++)
		returned++;
	assert_in_range(returned, 6, 69);
	wire_router(wire, true);
	wire_run(wire, 10000);
	assert_int_equal(buf_used(&wire->sm.heard) / 4, 70 - returned);
}

/* -- everything at once ------------------------------------------------------------------------ */

/* What a house heard is 1 2 3 ... on each worker. */
static void expect_all(struct house *house, const unsigned *sent)
{
	unsigned next[WIRE_WORKERS] = {1, 1};
	const char *at = buf_text(&house->heard);
	unsigned worker, number;
	int used;

	for (; sscanf(at, "%u:%u %n", &worker, &number, &used) == 2; at += used) {
		assert_in_range(worker, 0, WIRE_WORKERS - 1);
		assert_int_equal(number, next[worker]++);
	}
	assert_string_equal(at, "");
	for (worker = 0; worker < WIRE_WORKERS; worker++)
		assert_int_equal(next[worker], sent[worker] + 1);
}

static void trouble(struct wire *wire)
{
	switch (sim_random(wire->sim) % 12) {
	case 0:
		wire_router(wire, false);
		break;
	case 1:
		house_connect(&wire->c2s, false);
		break;
	case 2:
		house_connect(&wire->sm, false);
		break;
	case 3:
		wire->holds = true;
		break;
	case 4:
		wire->lose = (unsigned)(sim_random(wire->sim) % 20);
		break;
	case 5:
		wire->repeat = (unsigned)(sim_random(wire->sim) % 20);
		break;
	default:
		wire->holds = false;
		if (!wire->is_up)
			wire_router(wire, true);
		house_connect(&wire->c2s, true);
		house_connect(&wire->sm, true);
	}
}

static void play(uint64_t seed)
{
	enum { PACKETS = 10000 };
	unsigned from_c2s[WIRE_WORKERS] = {0}, from_sm[WIRE_WORKERS] = {0};
	struct wire wire;

	wire_open(&wire, seed, false);
	wire_greet(&wire);
	for (unsigned at = 0; at < PACKETS; at++) {
		unsigned worker = (unsigned)(sim_random(wire.sim) % WIRE_WORKERS);

		if (sim_random(wire.sim) % 2)
			house_send(&wire.c2s, worker, ++from_c2s[worker]);
		else
			house_send(&wire.sm, worker, ++from_sm[worker]);
		if (sim_random(wire.sim) % 20 == 0)
			trouble(&wire);
		if (sim_random(wire.sim) % 10 == 0)
			wire_run(&wire, (int64_t)(sim_random(wire.sim) % 100));
	}
	wire.holds = false;
	wire.lose = 0;
	if (!wire.is_up)
		wire_router(&wire, true);
	house_connect(&wire.c2s, true);
	house_connect(&wire.sm, true);
	wire_run(&wire, 60000);
	expect_all(&wire.sm, from_c2s);
	expect_all(&wire.c2s, from_sm);
	wire_close(&wire);
}

static void order_outlives_every_trouble(void **state)
{
	for (uint64_t seed = 1; seed <= 3; seed++)
		play(seed);
}

/* -- the router is in the same process --------------------------------------------------------- */

static void a_part_inside_the_router_is_an_end_too(void **state)
{
	struct wire *wire = *state;

	send_some(&wire->c2s, 1, 2);
	house_send(&wire->sm, 1, 3);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:1 0:2 ");
	house_expect(&wire->c2s, "1:3 ");
	wire_router(wire, false);
	send_some(&wire->c2s, 4, 5);
	house_send(&wire->sm, 1, 6);
	wire_run(wire, 2500);
	wire_router(wire, true);
	wire_run(wire, 3000);
	house_expect(&wire->sm, "0:4 0:5 ");
	house_expect(&wire->c2s, "1:6 ");
}

static void a_part_inside_the_router_gives_up_too(void **state)
{
	struct wire *wire = *state;

	house_connect(&wire->c2s, false);
	house_connect(&wire->sm, false);
	house_send(&wire->sm, 0, 1);
	wire_run(wire, 40000);
	house_expect(&wire->sm, "0:1!404 0:+c2s/0 1:+c2s/0 ");
}

#define on_wire(test) cmocka_unit_test_setup_teardown(test, wire_set_up, wire_tear_down)
#define at_router(test) cmocka_unit_test_setup_teardown(test, wire_set_up_direct, wire_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_wire(numbers_and_names_are_on_the_wire),
		on_wire(at_rest_nothing_is_sent),
		on_wire(many_are_acknowledged_by_one),
		on_wire(what_is_not_ours_is_not_numbered),
		on_wire(what_the_router_loses_is_sent_again),
		on_wire(the_last_one_is_missed_too),
		on_wire(a_lost_acknowledgement_repeats_nothing),
		on_wire(what_comes_twice_is_heard_once),
		on_wire(what_is_sent_without_a_router_waits),
		on_wire(what_went_down_with_the_router_is_sent_again),
		on_wire(who_comes_back_later_than_we_is_waited_for),
		on_wire(while_nobody_has_the_name_it_is_asked_for_once_a_second),
		on_wire(after_the_grace_all_comes_back_in_order),
		on_wire(who_is_away_is_missed_also_when_nothing_is_said),
		on_wire(who_did_not_come_back_to_a_new_router_is_missed),
		on_wire(who_comes_back_in_time_is_not_missed),
		on_wire(who_was_given_up_may_come_back),
		on_wire(a_new_life_gets_nothing_of_the_old),
		on_wire(a_name_that_is_back_is_known_to_be_new),
		on_wire(packets_for_another_life_are_answered_once),
		on_wire(one_that_a_filter_refuses_does_not_hold_up_the_rest),
		on_wire(a_filter_may_even_say_that_nobody_is_there),
		on_wire(what_may_wait_is_bounded),
		cmocka_unit_test(order_outlives_every_trouble),
		at_router(a_part_inside_the_router_is_an_end_too),
		at_router(a_part_inside_the_router_gives_up_too),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
