/* SPDX-License-Identifier: MIT */
/* Building, reading, editing and sharing nads. */
#include "xml/nad.h"

#include "base/mem.h"
#include "trees.h"

static struct nad *chat(void)
{
	struct nad *nad = nad_new();

	nad_append(nad, "jabber:client", "message", 0);
	nad_append_attr(nad, -1, "to", SLICE("juliet@example.com"));
	nad_append_attr(nad, -1, "type", SLICE("chat"));
	nad_append_text(nad, "jabber:client", "body", 1,
			SLICE("Hello, this is a message of a usual length."));
	nad_append(nad, "http://jabber.org/protocol/chatstates", "active", 1);
	return nad;
}

static void reads_what_was_built(void **state)
{
	AUTO(nad_free) struct nad *nad = chat();
	struct slice value;

	assert_int_equal(nad_count(nad), 3);
	assert_true(nad_is(nad, 0, "jabber:client", "message"));
	assert_false(nad_is(nad, 0, NULL, "message"));
	assert_int_equal(nad_parent(nad, 0), -1);
	assert_int_equal(nad_first_child(nad, 0), 1);
	assert_int_equal(nad_next_sibling(nad, 1), 2);
	assert_int_equal(nad_next_sibling(nad, 2), -1);
	assert_int_equal(nad_first_child(nad, 1), -1);
	assert_int_equal(nad_depth(nad, 2), 1);
	assert_true(nad_attr(nad, 0, NULL, "type", &value));
	assert_slice(value, "chat");
	assert_false(nad_attr(nad, 0, "jabber:client", "type", &value));
	assert_int_equal(value.len, 0);
	assert_slice(nad_attr_value(nad, 0, "to"), "juliet@example.com");
	assert_true(nad_declares(nad, 0, "jabber:client"));
	assert_false(nad_declares(nad, 1, "jabber:client"));
}

static void takes_one_allocation_for_a_chat_message(void **state)
{
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct heap_usage usage;
	struct nad *nad = chat();

	heap_usage(heap, &usage);
	assert_int_equal(usage.allocations, 1);
	nad_free(&nad);
	heap_enter(before);
	heap_drop(&heap);
}

static void finds_children_by_namespace_and_name(void **state)
{
	AUTO(nad_free)
	struct nad *nad = read_tree(
		"<a xmlns='u:1'><x/><y xmlns='u:2'/><x xmlns='u:2'><x/></x><x xmlns=''/></a>");

	assert_int_equal(nad_find_child(nad, 0, "u:1", "x"), 1);
	assert_int_equal(nad_find_child(nad, 0, "u:2", NULL), 2);
	assert_int_equal(nad_find_child(nad, 0, "u:2", "x"), 3);
	assert_int_equal(nad_find_child(nad, 0, NULL, "x"), 5);
	assert_int_equal(nad_find_child(nad, 0, "*", "y"), 2);
	assert_int_equal(nad_find_child(nad, 0, "u:3", NULL), -1);
	assert_int_equal(nad_find_next(nad, 1, "*", "x"), 3);
	assert_int_equal(nad_find_next(nad, 3, NULL, "x"), 5);
	assert_int_equal(nad_find_next(nad, 5, "*", NULL), -1);
	assert_int_equal(nad_find_child(nad, 1, "*", NULL), -1);
}

static void keeps_text_in_its_places(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();
	AUTO(buf_fini) struct buf out = {0};

	nad_append(nad, NULL, "a", 0);
	nad_append_cdata(nad, SLICE("1"), 1);
	nad_append_cdata(nad, SLICE("2"), 1);
	nad_append(nad, NULL, "b", 1);
	nad_append_cdata(nad, SLICE("in"), 2);
	nad_append_cdata(nad, SLICE("3"), 1);
	nad_append(nad, NULL, "c", 1);
	nad_append_cdata(nad, SLICE("4"), 1);
	nad_append_cdata(nad, SLICE("5"), 1);
	assert_slice(nad_cdata(nad, 0), "12");
	nad_print(nad, 0, NULL, &out);
	assert_string_equal(buf_text(&out), "<a>12<b>in</b>3<c/>45</a>");
}

static void changes_adds_and_removes_attributes(void **state)
{
	AUTO(nad_free) struct nad *nad = read_tree("<a x='1' y='2' z='3'/>");
	AUTO(buf_fini) struct buf out = {0};

	nad_set_attr(nad, 0, NULL, "y", "two");
	nad_set_attr(nad, 0, NULL, "z", NULL);
	nad_set_attr(nad, 0, NULL, "none", NULL);
	nad_set_attr(nad, 0, XML_NS_URI, "lang", "en");
	nad_set_attr(nad, 0, NULL, "x", NULL);
	nad_set_attr(nad, 0, NULL, "w", "");
	nad_print(nad, 0, NULL, &out);
	assert_string_equal(buf_text(&out), "<a y='two' xml:lang='en' w=''/>");
}

static void appends_its_own_text_to_itself(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();

	nad_append_text(nad, NULL, "a", 0, SLICE("0123456789"));
	for (int round = 0; round < 10; round++)
		nad_append_cdata(nad, nad_cdata(nad, 0), 1);
	assert_int_equal(nad_cdata(nad, 0).len, 10240);
	for (int at = 0; at < 100; at++)
		nad_append_text(nad, "u:1", "b", 1, (struct slice){nad_cdata(nad, 0).data + 8, 4});
	assert_slice(nad_cdata(nad, 100), "8901");
	nad_append_attr(nad, -1, "all", nad_cdata(nad, 0));
	assert_int_equal(nad_attr_value(nad, 100, "all").len, 10240);
}

static void copies_any_subtree(void **state)
{
	for (uint64_t seed = 1; seed < 500; seed++) {
		AUTO(nad_free) struct nad *nad = random_tree(seed);

		for (int elem = 0; elem < (int)nad_count(nad); elem++) {
			AUTO(nad_free) struct nad *copy = nad_copy(nad, elem);

			assert_trees(nad, elem, copy, 0);
		}
	}
}

static void puts_a_tree_into_another_and_into_itself(void **state)
{
	AUTO(nad_free)
	struct nad *from = read_tree("<a xmlns='u:1' xmlns:p='u:2'>t<p:b p:x='1'/>u</a>");
	AUTO(nad_free) struct nad *nad = nad_new();
	AUTO(buf_fini) struct buf out = {0};

	nad_append(nad, "u:1", "root", 0);
	assert_int_equal(nad_append_tree(nad, from, 1, 1), 1);
	assert_int_equal(nad_append_tree(nad, nad, 0, 1), 2);
	nad_print(nad, 0, "u:1", &out);
	assert_string_equal(buf_text(&out), "<root><p:b xmlns:p='u:2' p:x='1'/>"
					    "<root><p:b xmlns:p='u:2' p:x='1'/></root></root>");
}

static void is_read_only_once_shared(void **state)
{
	struct nad *nad = chat(), *other;

	assert_false(nad_is_shared(nad));
	other = nad_ref(nad);
	assert_ptr_equal(nad, other);
	nad_free(&nad);
	assert_null(nad);
	assert_true(nad_is_shared(other));
	nad_free(&other);
	nad_free(&other);
}

static void assert_inside(const struct nad *nad, const char *text)
{
	AUTO(buf_fini) struct buf out = {0};

	nad_print_inside(nad, 0, &out);
	assert_string_equal(buf_text(&out), text);
}

static void what_is_shared_is_printed_once_for_many(void **state)
{
	const char *inside = "t<p:b xmlns:p='u:2'/><c>&lt;</c>";
	AUTO(nad_free)
	struct nad *nad = read_tree("<m xmlns='u:1' xmlns:p='u:2'>t<p:b/><c>&lt;</c></m>");
	AUTO(nad_free) struct nad *other = NULL;
	size_t weight = nad_weight(nad);

	assert_inside(nad, inside);
	assert_inside(nad, inside);
	nad_append_text(nad, "u:1", "d", 1, SLICE("more"));
	inside = "t<p:b xmlns:p='u:2'/><c>&lt;</c><d>more</d>";
	other = nad_ref(nad);
	assert_inside(other, inside);
	assert_int_equal(nad_weight(nad), weight);
	assert_inside(nad, inside);
	assert_true(nad_weight(nad) > weight);
	assert_inside(other, inside);
	nad_free(&other);
	assert_int_equal(nad_weight(nad), weight); /* one who is alone need not keep it */
	assert_inside(nad, inside);
	assert_inside(nad, inside);
	assert_int_equal(nad_weight(nad), weight);
}

static void nothing_inside_is_printed_as_often_as_wanted(void **state)
{
	AUTO(nad_free) struct nad *nad = read_tree("<m xmlns='u:1'/>");
	AUTO(nad_free) struct nad *other = nad_ref(nad);

	for (int at = 0; at < 3; at++)
		assert_inside(other, "");
}

static void assert_crosses(const char *text)
{
	AUTO(nad_free) struct nad *nad = read_tree(text);
	AUTO(nad_free) struct nad *own = NULL;
	size_t size = nad_packed_size(nad);
	char *piece = mem_alloc(MEM_OTHER, size);
	struct nad *packed = nad_pack(nad, piece);

	assert_int_equal(size % 8, 0);
	assert_trees(packed, 0, nad, 0);
	own = nad_unpack(packed);
	mem_free(piece);
	assert_trees(own, 0, nad, 0);
	assert_false(nad_is_shared(own));
	nad_append_text(own, "u:3", "more", 1, SLICE("x"));
	nad_append_attr(own, -1, "a", SLICE("b"));
	assert_int_equal(nad_count(own), nad_count(nad) + 1);
}

static void crosses_in_one_piece(void **state)
{
	AUTO(buf_fini) struct buf large = {0};

	assert_crosses("<m/>");
	assert_crosses("<m xmlns='u:1' xmlns:p='u:2' a='1' p:b='2' xml:lang='en'>t<p:b/>u<c>&lt;</c>v</m>");
	buf_append_text(&large, "<m>");
	for (int at = 0; at < 500; at++)
		buf_append_text(&large, "<a xmlns='u:1' b='c'>text</a>tail");
	buf_append_text(&large, "</m>");
	assert_crosses(buf_text(&large));
	buf_clear(&large);
	buf_append_text(&large, "<m>");
	for (int at = 0; at < 500; at++)
		buf_append_text(&large, "no namespace and no attribute ");
	buf_append_text(&large, "</m>");
	assert_crosses(buf_text(&large));
}

static void grows_far_beyond_its_room(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();
	AUTO(nad_free) struct nad *again = NULL;
	AUTO(buf_fini) struct buf out = {0};

	nad_append(nad, "u:1", "root", 0);
	for (int at = 0; at < 3000; at++) {
		nad_append(nad, at % 2 ? "u:1" : "u:2", "item", 1);
		nad_append_attr(nad, -1, "jid", SLICE("somebody@example.com"));
	}
	nad_print(nad, 0, NULL, &out);
	again = read_tree(buf_text(&out));
	assert_trees(nad, 0, again, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_built),
		cmocka_unit_test(takes_one_allocation_for_a_chat_message),
		cmocka_unit_test(finds_children_by_namespace_and_name),
		cmocka_unit_test(keeps_text_in_its_places),
		cmocka_unit_test(changes_adds_and_removes_attributes),
		cmocka_unit_test(appends_its_own_text_to_itself),
		cmocka_unit_test(copies_any_subtree),
		cmocka_unit_test(puts_a_tree_into_another_and_into_itself),
		cmocka_unit_test(is_read_only_once_shared),
		cmocka_unit_test(what_is_shared_is_printed_once_for_many),
		cmocka_unit_test(nothing_inside_is_printed_as_often_as_wanted),
		cmocka_unit_test(crosses_in_one_piece),
		cmocka_unit_test(grows_far_beyond_its_room),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nad", tests, NULL, NULL);
}
