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
	house_expect(&wire->sm, "0:4 ");
	wire->lose = 1;
	send_home(wire, 6);
	wire_run(wire, 100);
	wire_router(wire, false);
	wire_run(wire, 100);
	house_expect(&wire->sm, "");
}

static void what_does_not_come_home_in_time_went_to_another(void **state)
{
	struct wire *wire = *state;

	wire->lose = 1;
	send_home(wire, 2);
	wire_run(wire, 70000);
	wire_router(wire, false);
	wire_run(wire, 100);
	house_expect(&wire->sm, "");
}

#define on_wire(test) cmocka_unit_test_setup_teardown(test, wire_set_up, wire_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_wire(what_is_on_its_way_home_outlives_the_router),
		on_wire(what_came_home_does_not_come_again),
		on_wire(what_another_took_is_not_brought_home),
		on_wire(what_does_not_come_home_in_time_went_to_another),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
