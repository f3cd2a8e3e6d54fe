/* SPDX-License-Identifier: MIT */
/* The table of names, and who is chosen among several. */
#include "room.h"

#include <openssl/evp.h>
#include <stdio.h>
#include "base/mem.h"

static struct route *name_with_peers(struct room *room, struct link_peer *peers, unsigned count)
{
	struct route *route = route_make(room->links[0], SLICE("m.example"));

	for (unsigned at = 0; at < count; at++)
		assert_true(route_add_peer(route, &peers[at]));
	return route;
}

static void chooses_as_jabberd2_did(void **state)
{
	/* captures/router-core.txt: A, B serve m.example; messages to u0 to u3, a session action
	 * with target u1. */
	static const unsigned chosen[] = {1, 1, 1, 0};
	struct link_peer peers[2] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 2);
	for (unsigned at = 0; at < countof(chosen); at++) {
		char text[32];

		snprintf(text, sizeof(text), "u%u@m.example", at);
		assert_ptr_equal(route_choose(room.links[0], route, slice_of(text)),
				 &peers[chosen[at]]);
		snprintf(text, sizeof(text), "U%u@M.Example/any where", at);
		assert_ptr_equal(route_choose(room.links[0], route, slice_of(text)),
				 &peers[chosen[at]]);
	}
	room_close(&room);
}

static unsigned index_of(const char *bare, unsigned count)
{
	uint32_t words[5];

	EVP_Digest(bare, strlen(bare), (unsigned char *)words, NULL, EVP_sha1(), NULL);
	return ((words[1] ^ words[2] ^ words[3]) >> 2) % count;
}

static void chooses_by_the_documented_formula(void **state)
{
	struct link_peer peers[7] = {0};
	unsigned used[7] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 7);
	for (unsigned at = 0; at < 500; at++) {
		struct link_peer *peer;
		char text[32];

		snprintf(text, sizeof(text), "user%u@m.example", at);
		peer = route_choose(room.links[0], route, slice_of(text));
		assert_ptr_equal(peer, &peers[index_of(text, 7)]);
		used[peer - peers]++;
	}
	for (unsigned at = 0; at < 7; at++)
		assert_true(used[at] > 20);
	room_close(&room);
}

static void anyone_will_do_for_nobody_in_particular(void **state)
{
	static const char *const texts[] = {"", "m.example", "@@", "m.example/x"};
	struct link_peer peers[2] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 2);
	for (unsigned at = 0; at < countof(texts); at++) {
		bool seen[2] = {false, false};

		for (unsigned times = 0; times < 64; times++)
			seen[route_choose(room.links[0], route, slice_of(texts[at])) - peers] =
				true;
		assert_true(seen[0] && seen[1]);
	}
	room_close(&room);
}

static void one_alone_is_always_chosen(void **state)
{
	struct link_peer peers[2] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = route_make(room.links[0], SLICE("m.example"));
	assert_null(route_choose(room.links[0], route, SLICE("u0@m.example")));
	assert_true(route_add_peer(route, &peers[0]));
	assert_ptr_equal(route_choose(room.links[0], route, SLICE("u0@m.example")), &peers[0]);
	room_close(&room);
}

static void the_last_takes_the_place_of_who_leaves(void **state)
{
	struct link_peer peers[3] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 3);
	assert_false(route_add_peer(route, &peers[1]));
	assert_true(route_del_peer(route, &peers[0]));
	assert_false(route_del_peer(route, &peers[0]));
	assert_int_equal(route->count, 2);
	assert_ptr_equal(route->peers[0], &peers[2]);
	assert_ptr_equal(route->peers[1], &peers[1]);
	assert_false(route_has_peer(route, &peers[0]));
	room_close(&room);
}

static void finds_a_name_by_the_domain_of_an_address(void **state)
{
	struct link_peer peers[1] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 1);
	assert_ptr_equal(route_get(room.links[0], SLICE("m.example")), route);
	assert_null(route_get(room.links[0], SLICE("M.example")));
	assert_ptr_equal(route_find(room.links[0], SLICE("M.example")), route);
	assert_ptr_equal(route_find(room.links[0], SLICE("user@m.example/res")), route);
	assert_null(route_find(room.links[0], SLICE("other.example")));
	assert_null(route_find(room.links[0], SLICE("")));
	assert_null(route_find(room.links[0], SLICE("@m.example")));
	assert_ptr_equal(route_make(room.links[0], SLICE("m.example")), route);
	room_close(&room);
}

static void a_name_goes_when_nobody_serves_it(void **state)
{
	struct link_peer peers[1] = {0};
	struct room room;
	struct route *route;

	room_open(&room, false);
	route = name_with_peers(&room, peers, 1);
	room.links[0]->default_route = route;
	route_drop(room.links[0], route);
	assert_ptr_equal(route_get(room.links[0], SLICE("m.example")), route);
	route_del_peer(route, &peers[0]);
	route_drop(room.links[0], route);
	assert_null(route_get(room.links[0], SLICE("m.example")));
	assert_null(room.links[0]->default_route);
	route = route_get(room.links[0], SLICE("sm"));
	route_drop(room.links[0], route); /* a part's stays */
	assert_ptr_equal(route_get(room.links[0], SLICE("sm")), route);
	room_close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_as_jabberd2_did),
		cmocka_unit_test(chooses_by_the_documented_formula),
		cmocka_unit_test(anyone_will_do_for_nobody_in_particular),
		cmocka_unit_test(one_alone_is_always_chosen),
		cmocka_unit_test(the_last_takes_the_place_of_who_leaves),
		cmocka_unit_test(finds_a_name_by_the_domain_of_an_address),
		cmocka_unit_test(a_name_goes_when_nobody_serves_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
