/* SPDX-License-Identifier: MIT */
/* Packets and the ids of sessions. */
#include "room.h"

#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

static uint64_t slot_of(const char *text)
{
	struct session_id id = {0};

	assert_true(session_id_take(&id, slice_of(text)));
	return session_id_slot(&id);
}

static void an_id_reads_back_as_its_slot(void **state)
{
	static const uint64_t slots[] = {1,
					 0x0100000000000000,
					 0x0000000100000000,
					 0xffffffffffffffff,
					 0x3f00001000000010,
					 0x00ffffff00000001,
					 0x1234567890abcdef};

	for (size_t at = 0; at < countof(slots); at++) {
		char room[SESSION_ID_MAX];
		struct session_id id = {0}, back = {0};
		struct slice text;

		session_id_set(&id, slots[at]);
		assert_true(session_id_slot(&id) == slots[at]);
		text = session_id_text(&id, room);
		assert_in_range(text.len, 5, SESSION_ID_MAX);
		assert_true(session_id_take(&back, text));
		assert_true(session_id_slot(&back) == slots[at]);
		assert_true(session_id_equal(&id, &back));
	}
}

static void an_id_is_worker_slot_and_generation(void **state)
{
	char room[SESSION_ID_MAX];
	struct session_id id;

	session_id_set(&id, 0x020000a100000c0f);
	assert_true(slice_is(session_id_text(&id, room), "2.a1.c0f"));
	session_id_set(&id, 0);
	assert_true(slice_is(session_id_text(&id, room), "0.0.0"));
}

static void foreign_ids_are_no_slots(void **state)
{
	static const char *const texts[] = {
		"",
		"12",
		"1.2",
		"1.2.",
		".1.2",
		"1..2",
		"..",
		"1.2.3.4",
		"1.2.g",
		"1.2.A",
		"-1.2.3",
		" 1.2.3",
		"1.2.3 ",
		"0x1.2.3",
		"100.0.1",
		"01.2.3",
		"1.00.3",
		"1.2.03",
		"0.1000000.1",
		"0.0.100000000",
		"ffffffffffffffffffff.1.1",
		"9bbc8ed3326af1d75d429d343a7e7d957c318e91",
	};

	for (size_t at = 0; at < countof(texts); at++) {
		if (slot_of(texts[at]))
			fail_msg("'%s' is a slot", texts[at]);
	}
	assert_int_equal(slot_of("ff.ffffff.ffffffff"), UINT64_MAX);
	assert_int_equal(slot_of("0.0.0"), 0);
}

/* Only what we would print ourselves is read as ours: another's id goes back as it came. */
static void what_is_not_ours_is_kept_as_it_is(void **state)
{
	static const char *const texts[] = {"17", "01.2.3", "0.0.0", "9bbc8ed3326af1d75d429d343a7e7d957c318e91"};

	for (size_t at = 0; at < countof(texts); at++) {
		char room[SESSION_ID_MAX];
		struct session_id id = {0}, other = {0};

		assert_true(session_id_take(&id, slice_of(texts[at])));
		assert_true(slice_is(session_id_text(&id, room), texts[at]));
		assert_true(session_id_take(&other, slice_of("18")));
		assert_false(session_id_equal(&id, &other));
		session_id_set(&other, 18);
		assert_false(session_id_equal(&id, &other));
	}
}

static void takes_43_bytes_and_no_more(void **state)
{
	static const char text[] = "0123456789012345678901234567890123456789012345";
	struct session_id id = {0};

	assert_true(session_id_take(&id, (struct slice){text, 43}));
	assert_int_equal(id.len, 43);
	assert_memory_equal(id.text, text, 43);
	assert_false(session_id_take(&id, (struct slice){text, 44}));
	assert_int_equal(id.len, 43);
	assert_true(session_id_take(&id, (struct slice){NULL, 0}));
	assert_int_equal(id.len, 0);
}

static void an_answer_goes_back_with_the_ids(void **state)
{
	AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("sm"));
	AUTO(packet_free) struct packet *packet = packet_session(from, to, SESSION_START);
	AUTO(packet_free) struct packet *answer = NULL;

	session_id_set(&packet->c2s, 7);
	session_id_set(&packet->sm, 8);
	packet->ours = true;
	packet->session.target = jid_parse(SLICE("ann@a.example/x"));
	packet->session.id = str_new(SLICE("i"));
	packet->relayed = packet->failed = true;
	answer = packet_answer(packet);
	assert_string_equal(str_text(answer->from), "sm");
	assert_string_equal(str_text(answer->to), "c2s");
	assert_int_equal(session_id_slot(&answer->c2s), 7);
	assert_int_equal(session_id_slot(&answer->sm), 8);
	assert_true(answer->ours);
	assert_false(answer->relayed || answer->failed);
	assert_int_equal(answer->session.action, SESSION_START);
	assert_string_equal(jid_text(answer->session.target), "ann@a.example/x");
	assert_string_equal(str_text(answer->session.id), "i");
}

static void an_accounts_answer_says_whose(void **state)
{
	AUTO(packet_free) struct packet *packet = packet_new(PACKET_ACCOUNT, NULL, NULL);
	AUTO(packet_free) struct packet *answer = NULL;

	packet->account.token = 9;
	packet->account.verb = 3;
	packet->account.user = jid_parse(SLICE("ann@a.example"));
	answer = packet_answer(packet);
	assert_int_equal(answer->kind, PACKET_ACCOUNT);
	assert_true(answer->account.answer);
	assert_int_equal(answer->account.token, 9);
	assert_int_equal(answer->account.verb, 3);
	assert_string_equal(jid_text(answer->account.user), "ann@a.example");
}

static void weighs_what_it_carries(void **state)
{
	AUTO(packet_free) struct packet *packet = packet_new(PACKET_ACCOUNT, NULL, NULL), *action = packet_session(NULL, NULL, SESSION_START);
	struct stanza *stanza = stanza_new(STANZA_IQ, STANZA_GET, SLICE("1"));
	AUTO(packet_free) struct packet *other = packet_stanza(NULL, NULL, &stanza), *bare = packet_new(PACKET_TAKEN, NULL, NULL);
	size_t empty = packet_weight(packet);
	char text[3000];

	assert_null(stanza);
	memset(text, 'x', sizeof(text));
	buf_append(&packet->account.keys, text, sizeof(text));
	assert_true(packet_weight(packet) >= empty + sizeof(text));
	empty = packet_weight(action);
	action->session.id = str_new((struct slice){text, sizeof(text)});
	assert_true(packet_weight(action) >= empty + sizeof(text));
	assert_true(packet_weight(other) > packet_weight(bare));
	assert_true(packet_weight(bare) < empty);
}

static void assert_stanza(const struct stanza *stanza, const char *text)
{
	AUTO(buf_fini) struct buf out = {0};

	stanza_print(stanza, &out);
	assert_string_equal(buf_text(&out), text);
}

static void a_stanza_crosses_in_one_piece(void **state)
{
	const char *text = "<iq type='get' id='1' to='a@b/c'><ping xmlns='urn:xmpp:ping'/></iq>";
	AUTO(str_free) struct str *name = str_new(SLICE("sm"));
	struct stanza *stanza = stanza_new(STANZA_IQ, STANZA_GET, SLICE("1"));
	AUTO(stanza_free) struct stanza *copy = NULL;
	AUTO(packet_free) struct packet *packet = packet_stanza(name, NULL, &stanza);

	nad_append(packet->stanza->payload, NS_PING, "ping", 1);
	packet->stanza->to = jid_parse(SLICE("a@b/c"));
	packet->stanza->origin = (struct origin){.session = 5, .count = 6};
	session_id_set(&packet->sm, 7);
	packet->home = true;
	copy = stanza_copy(packet->stanza);
	packet_pack(&packet);
	assert_stanza(packet->stanza, text);
	packet_unpack(&packet);
	assert_stanza(packet->stanza, text);
	assert_stanza(copy, text);
	assert_int_equal(packet->stanza->origin.session, 5);
	assert_int_equal(packet->stanza->origin.count, 6);
	assert_int_equal(session_id_slot(&packet->sm), 7);
	assert_true(packet->home);
	assert_string_equal(str_text(packet->from), "sm");
	stanza_set_to(packet->stanza, NULL);
	assert_string_equal(jid_text(copy->to), "a@b/c");
}

static void what_is_no_stanza_crosses_as_it_is(void **state)
{
	struct packet *action = packet_session(NULL, NULL, SESSION_START), *packet = action;

	packet_pack(&packet);
	assert_ptr_equal(packet, action);
	packet_unpack(&packet);
	assert_ptr_equal(packet, action);
	packet_free(&packet);
}

static void nothing_is_freed_twice(void **state)
{
	struct packet *packet = packet_new(PACKET_SETTLED, NULL, NULL);

	packet_free(&packet);
	assert_null(packet);
	packet_free(&packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_reads_back_as_its_slot),
		cmocka_unit_test(an_id_is_worker_slot_and_generation),
		cmocka_unit_test(foreign_ids_are_no_slots),
		cmocka_unit_test(what_is_not_ours_is_kept_as_it_is),
		cmocka_unit_test(takes_43_bytes_and_no_more),
		cmocka_unit_test(an_answer_goes_back_with_the_ids),
		cmocka_unit_test(an_accounts_answer_says_whose),
		cmocka_unit_test(weighs_what_it_carries),
		cmocka_unit_test(a_stanza_crosses_in_one_piece),
		cmocka_unit_test(what_is_no_stanza_crosses_as_it_is),
		cmocka_unit_test(nothing_is_freed_twice),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
