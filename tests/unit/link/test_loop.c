/* SPDX-License-Identifier: MIT */
/* What goes to a domain of our own through the router is there once, also when the router dies. */
#include "wire.h"

#define JD " xmlns:jd='urn:jackdaw:link:0'"

static void send_home(struct wire *wire, unsigned number)
{
	house_send_to(&wire->sm, number % 2, number, "a.example", false);
}

static void what_is_on_its_way_home_outlives_the_router(void **state)
{
	struct wire *wire = *state;

	send_home(wire, 2);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:2 ");
	wire->holds = true;
	send_home(wire, 4);
	send_home(wire, 6);
	wire_run(wire, 10);
	house_expect(&wire->sm, "");
	wire_router(wire, false);
	send_home(wire, 8);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:4 0:6 0:8 ");
	wire->holds = false;
	wire_router(wire, true);
	send_home(wire, 10);
	wire_run(wire, 100);
	send_home(wire, 12);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:10 0:12 ");
}

static void what_came_home_does_not_come_again(void **state)
{
	static const char late[] =
		"<route from='sm' to='a.example'><message xmlns='jabber:client' id='2'" JD
		" jd:from='21' jd:seq='1'/></route>";
	struct wire *wire = *state;

	wire->holds = true;
	send_home(wire, 2);
	wire_run(wire, 10);
	wire_router(wire, false);
	wire->holds = false;
	wire_run(wire, 10);
	wire_router(wire, true);
	wire_run(wire, 10);
	house_hear(&wire->sm, late);
	wire_run(wire, 10);
	house_expect(&wire->sm, "0:2 ");
}

static void what_another_took_is_not_brought_home(void **state)
{
	struct wire *wire = *state;

	wire->lose = 1; /* to somebody else */
	send_home(wire, 2);
	send_home(wire, 4);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:2> 0:4 ");
	wire->lose = 1;
	send_home(wire, 6);
	house_expect(&wire->sm, "");
	wire_run(wire, 100);
	wire_router(wire, false);
	wire_run(wire, 100);
	house_expect(&wire->sm, "0:6> ");
}

static void what_does_not_come_home_in_time_went_to_another(void **state)
{
	struct wire *wire = *state;

	wire->lose = 1;
	send_home(wire, 2);
	wire_run(wire, 25000);
	house_expect(&wire->sm, "");
	wire_run(wire, 45000);
	house_expect(&wire->sm, "0:2> ");
	wire_router(wire, false);
	wire_run(wire, 100);
	house_expect(&wire->sm, "");
}

/* What came home, or never left, is settled by what becomes of it here: by its origin, which is believed. */
static void what_comes_home_is_known_as_our_own(void **state)
{
	static const char foreign[] = "<route from='sm' to='a.example'><message xmlns='jabber:client' id='8'/></route>";
	struct wire *wire = *state;

	send_home(wire, 2);
	wire_run(wire, 100);
	house_expect_home(&wire->sm, "2 ");
	wire->holds = true;
	send_home(wire, 4);
	wire_run(wire, 10);
	wire_router(wire, false);
	send_home(wire, 6);
	wire_run(wire, 100);
	house_expect_home(&wire->sm, "4 6 ");
	wire->holds = false;
	wire_router(wire, true);
	wire_run(wire, 10);
	house_hear(&wire->sm, foreign);
	wire_run(wire, 10);
	house_expect(&wire->sm, "0:2 0:4 0:6 0:8 ");
	house_expect_home(&wire->sm, "");
}

#define EARLIER(from, id, origin)                                                                                      \
	"<route from='" from "' to='a.example'><message xmlns='jabber:client' id='" id "'" JD                            \
	" jd:from='19' jd:seq='1'" origin "/></route>"

/*
 * Under way when the process died: c2s still has what a client of it sent, and sends it again. What nobody has is
 * delivered, as is what another sm of the domain sent.
 */
static void what_an_earlier_life_sent_is_dropped_when_it_comes_again_anyway(void **state)
{
	struct wire *wire = *state;

	house_hear(&wire->sm, EARLIER("sm", "2", " jd:o='ab.1.0.1'"));
	wire_run(wire, 10);
	house_expect(&wire->sm, "");
	house_hear(&wire->sm, EARLIER("sm", "4", ""));
	house_hear(&wire->sm, EARLIER("sm2", "6", " jd:o='ab.1.0.1'"));
	wire_run(wire, 10);
	house_expect(&wire->sm, "0:4 0:6 ");
	house_expect_home(&wire->sm, "");
}

#define on_wire(test) cmocka_unit_test_setup_teardown(test, wire_set_up, wire_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_wire(what_is_on_its_way_home_outlives_the_router),
		on_wire(what_came_home_does_not_come_again),
		on_wire(what_another_took_is_not_brought_home),
		on_wire(what_does_not_come_home_in_time_went_to_another),
		on_wire(what_comes_home_is_known_as_our_own),
		on_wire(what_an_earlier_life_sent_is_dropped_when_it_comes_again_anyway),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
