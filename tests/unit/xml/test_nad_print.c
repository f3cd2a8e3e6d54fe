/* SPDX-License-Identifier: MIT */
/* Printing: namespaces where they belong, and whatever is printed reads back as what it was. */
#include "trees.h"

/* Reads text and prints its element elem within scope. */
static void assert_prints(const char *text, int elem, const char *scope, const char *want)
{
	AUTO(nad_free) struct nad *nad = read_tree(text);
	AUTO(buf_fini) struct buf out = {0};

	assert_non_null(nad);
	nad_print(nad, elem, scope, &out);
	assert_string_equal(buf_text(&out), want);
}

static void assert_prints_inside(const char *text, int elem, const char *want)
{
	AUTO(nad_free) struct nad *nad = read_tree(text);
	AUTO(buf_fini) struct buf out = {0};

	assert_non_null(nad);
	nad_print_inside(nad, elem, &out);
	assert_string_equal(buf_text(&out), want);
}

static void leaves_out_the_namespace_around(void **state)
{
	const char *text = "<message xmlns='jabber:client' to='a'><body>x</body></message>";

	assert_prints(text, 0, "jabber:client", "<message to='a'><body>x</body></message>");
	assert_prints(text, 0, NULL,
		      "<message xmlns='jabber:client' to='a'><body>x</body></message>");
	assert_prints(text, 0, "u:1",
		      "<message xmlns='jabber:client' to='a'><body>x</body></message>");
	assert_prints(text, 1, "jabber:client", "<body>x</body>");
	assert_prints(text, 1, NULL, "<body xmlns='jabber:client'>x</body>");
}

static void takes_a_default_namespace_back(void **state)
{
	const char *text = "<a xmlns='u:1'><b xmlns=''><c xmlns='u:1'/></b></a>";

	assert_prints(text, 0, NULL, text);
	assert_prints(text, 1, "u:1", "<b xmlns=''><c xmlns='u:1'/></b>");
	assert_prints(text, 1, NULL, "<b><c xmlns='u:1'/></b>");
}

static void declares_again_what_was_declared_outside(void **state)
{
	const char *text = "<m xmlns='u:1' xmlns:p='u:2' xmlns:q='u:3'><p:a p:x='1'><p:b "
			   "q:y='2'/></p:a><c/></m>";

	assert_prints(text, 0, "u:1",
		      "<m xmlns:p='u:2' xmlns:q='u:3'><p:a p:x='1'><p:b q:y='2'/></p:a><c/></m>");
	assert_prints(text, 1, NULL,
		      "<p:a xmlns:p='u:2' p:x='1'><p:b xmlns:q='u:3' q:y='2'/></p:a>");
	assert_prints_inside(text, 0,
			     "<p:a xmlns:p='u:2' p:x='1'><p:b xmlns:q='u:3' q:y='2'/></p:a><c/>");
	assert_prints_inside(text, 1, "<p:b xmlns:p='u:2' xmlns:q='u:3' q:y='2'/>");
}

static void never_declares_xml(void **state)
{
	const char *text = "<a xml:lang='en'><b xml:lang='de'/></a>";

	assert_prints(text, 0, NULL, text);
	assert_prints(text, 1, "u:1", "<b xmlns='' xml:lang='de'/>");
}

static void does_not_declare_twice(void **state)
{
	assert_prints("<a xmlns='u:1' xmlns:p='u:2'><b xmlns='u:1' xmlns:p='u:2'><p:c "
		      "xmlns:p='u:2'/></b></a>",
		      0, "u:1", "<a xmlns:p='u:2'><b><p:c/></b></a>");
}

static void finds_a_prefix_for_an_attribute_without(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();
	AUTO(buf_fini) struct buf out = {0};

	nad_append(nad, "u:1", "a", 0);
	nad_set_attr(nad, 0, "u:1", "x", "1");
	nad_set_attr(nad, 0, "u:2", "y", "2");
	nad_set_attr(nad, 0, "u:1", "z", "3");
	nad_print(nad, 0, "u:1", &out);
	assert_string_equal(buf_text(&out),
			    "<a xmlns:n='u:1' n:x='1' xmlns:nn='u:2' nn:y='2' n:z='3'/>");
}

static void escapes_so_that_it_reads_back(void **state)
{
	assert_prints(
		"<a x='&#9;&#10;&#13;&apos;&quot;&amp;&lt;&gt;'>&#13;\n\t'\"&amp;&lt;]]&gt;</a>", 0,
		NULL, "<a x='&#9;&#10;&#13;&apos;\"&amp;&lt;&gt;'>&#13;\n\t'\"&amp;&lt;]]&gt;</a>");
}

static void replaces_what_xml_cannot_carry(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();
	AUTO(buf_fini) struct buf out = {0};

	nad_append_text(nad, NULL, "a", 0, (struct slice){"1\0002\0013", 5});
	nad_print(nad, 0, NULL, &out);
	assert_string_equal(buf_text(&out), "<a>1\xEF\xBF\xBD"
					    "2\xEF\xBF\xBD"
					    "3</a>");
}

/* Wraps what the printer gives into a parent with this default namespace and reads it. */
static struct nad *read_within(struct slice scope, const struct buf *printed)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_append_text(&text, "<w xmlns='");
	tree_print_value(&text, scope);
	buf_append_text(&text, "'>");
	buf_append_slice(&text, buf_slice(printed));
	buf_append_text(&text, "</w>");
	return read_tree(buf_text(&text));
}

static void check_subtree(const struct nad *nad, int elem, const char *scope)
{
	AUTO(buf_fini) struct buf once = {0}, twice = {0};
	AUTO(nad_free) struct nad *again = NULL, *third = NULL;

	nad_print(nad, elem, scope, &once);
	again = read_within(slice_of(scope), &once);
	if (!again)
		fail_msg("not well-formed: %s", buf_text(&once));
	assert_trees(nad, elem, again, 1);
	nad_print(again, 1, scope, &twice);
	third = read_within(slice_of(scope), &twice);
	assert_non_null(third);
	assert_trees(nad, elem, third, 1);
}

static void check_inside(const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf inside = {0};
	AUTO(nad_free) struct nad *again = NULL;
	int child = nad_first_child(nad, elem), other;

	nad_print_inside(nad, elem, &inside);
	again = read_within(nad_ns(nad, elem), &inside);
	if (!again)
		fail_msg("not well-formed: %s", buf_text(&inside));
	assert_slices(nad_cdata(nad, elem), nad_cdata(again, 0));
	other = nad_first_child(again, 0);
	while (child >= 0 && other >= 0) {
		assert_trees(nad, child, again, other);
		assert_slices(tree_slice(nad, nad->elems[child].tail),
			      tree_slice(again, again->elems[other].tail));
		child = nad_next_sibling(nad, child);
		other = nad_next_sibling(again, other);
	}
	assert_int_equal(child, other);
}

static void reads_back_what_it_prints_of_random_trees(void **state)
{
	static const char *const scopes[] = {"", "jabber:client", "u:1"};

	for (uint64_t seed = 1; seed <= 1500; seed++) {
		AUTO(nad_free) struct nad *nad = random_tree(seed);

		for (int elem = 0; elem < (int)nad_count(nad); elem++) {
			check_subtree(nad, elem, scopes[seed % 3]);
			check_inside(nad, elem);
		}
	}
}

static void reads_back_a_deep_tree_with_many_prefixes(void **state)
{
	AUTO(nad_free) struct nad *nad = nad_new();

	for (unsigned depth = 0; depth < 100; depth++) {
		char prefix[16], uri[16];
		int ns;

		snprintf(prefix, sizeof(prefix), "p%u", depth);
		snprintf(uri, sizeof(uri), "u:%u", depth);
		ns = nad_add_namespace(nad, uri, prefix);
		nad_append_elem(nad, depth % 3 ? ns : -1, "x", depth);
	}
	check_subtree(nad, 0, "");
	check_inside(nad, 50);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_the_namespace_around),
		cmocka_unit_test(takes_a_default_namespace_back),
		cmocka_unit_test(declares_again_what_was_declared_outside),
		cmocka_unit_test(never_declares_xml),
		cmocka_unit_test(does_not_declare_twice),
		cmocka_unit_test(finds_a_prefix_for_an_attribute_without),
		cmocka_unit_test(escapes_so_that_it_reads_back),
		cmocka_unit_test(replaces_what_xml_cannot_carry),
		cmocka_unit_test(reads_back_what_it_prints_of_random_trees),
		cmocka_unit_test(reads_back_a_deep_tree_with_many_prefixes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nad print", tests, NULL, NULL);
}
