/* SPDX-License-Identifier: MIT */
/* The stream reader: what is complete when, what is refused, and what it costs to be idle. */
#include "xml/parser.h"

#include "base/mem.h"
#include "trees.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"to='example.com'>"

static const struct xml_limits limits = {.stanza_bytes = 1000, .depth = 5, .attributes = 6};

struct fixture {
	struct xml_pool *pool;
	struct xml_reader *reader;
	struct nad *nad;
	size_t used;
};

static int set_up(void **state)
{
	struct fixture *made = mem_zalloc(MEM_OTHER, sizeof(*made));

	made->pool = xml_pool_new();
	made->reader = xml_reader_new(made->pool, &limits);
	*state = made;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *made = *state;

	nad_free(&made->nad);
	xml_reader_free(&made->reader);
	assert_true(xml_pool_parsers(made->pool) <= 8);
	xml_pool_free(&made->pool);
	mem_free(made);
	return 0;
}

static int read_text(struct fixture *fixture, const char *text)
{
	nad_free(&fixture->nad);
	return xml_read(fixture->reader, slice_of(text), &fixture->used, &fixture->nad);
}

/* Reads the usual header first. */
static int read_stanza(struct fixture *fixture, const char *text)
{
	xml_reader_reset(fixture->reader);
	assert_int_equal(read_text(fixture, HEADER), XML_HEADER);
	return read_text(fixture, text);
}

static void gives_the_header_without_children(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_text(fixture, "<?xml version='1.0'?>\n" HEADER "<a/>"), XML_HEADER);
	assert_int_equal(fixture->used, strlen("<?xml version='1.0'?>\n" HEADER));
	assert_true(nad_is(fixture->nad, 0, "http://etherx.jabber.org/streams", "stream"));
	assert_int_equal(nad_count(fixture->nad), 1);
	assert_true(nad_declares(fixture->nad, 0, "jabber:client"));
	assert_slice(nad_attr_value(fixture->nad, 0, "to"), "example.com");
	assert_true(xml_reader_at_rest(fixture->reader));
}

static void weighs_what_is_not_complete(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(xml_reader_weight(fixture->reader), 0);
	assert_int_equal(read_stanza(fixture, "<a><b>0123456789</b>"), XML_MORE);
	assert_in_range(xml_reader_weight(fixture->reader), 30, 3000);
	assert_int_equal(read_text(fixture, "</a>"), XML_ELEMENT);
	assert_int_equal(xml_reader_weight(fixture->reader), 0);
}

static void stops_behind_each_element(void **state)
{
	struct fixture *fixture = *state;
	const char *text = " <a/> \n<b x='>'>1<c/></b ><stream:d/>";

	assert_int_equal(read_stanza(fixture, text), XML_ELEMENT);
	assert_int_equal(fixture->used, 5);
	assert_true(nad_is(fixture->nad, 0, "jabber:client", "a"));
	assert_int_equal(read_text(fixture, text += fixture->used), XML_ELEMENT);
	assert_int_equal(fixture->used, strlen(" \n<b x='>'>1<c/></b >"));
	assert_int_equal(nad_count(fixture->nad), 2);
	assert_slice(nad_attr_value(fixture->nad, 0, "x"), ">");
	assert_int_equal(read_text(fixture, text + fixture->used), XML_ELEMENT);
	assert_true(nad_is(fixture->nad, 0, "http://etherx.jabber.org/streams", "d"));
	assert_true(nad_declares(fixture->nad, 0, "http://etherx.jabber.org/streams"));
}

static void never_looks_behind_an_element(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_stanza(fixture, "<a/>\xff<&</"), XML_ELEMENT);
	assert_int_equal(fixture->used, 4);
	assert_true(xml_reader_at_rest(fixture->reader));
}

static void reads_the_end_of_the_stream(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_stanza(fixture, " </stream:stream >x"), XML_END);
	assert_int_equal(fixture->used, strlen(" </stream:stream >"));
	assert_int_equal(read_text(fixture, " \n"), XML_MORE);
	assert_int_equal(read_text(fixture, "<a/>"), XML_NOT_WELL_FORMED);
	assert_int_equal(read_stanza(fixture, "</stream>"), XML_NOT_WELL_FORMED);
	assert_int_equal(read_stanza(fixture, "</a>"), XML_NOT_WELL_FORMED);
}

static void reads_a_stream_that_is_empty(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_text(fixture, "<open xmlns='urn:x'/> "), XML_HEADER);
	assert_int_equal(fixture->used, strlen("<open xmlns='urn:x'/>"));
	assert_int_equal(read_text(fixture, ""), XML_END);
	assert_int_equal(read_text(fixture, " "), XML_MORE);
}

/* Every split of a stream into two, and single bytes, give the same. */
static void does_not_care_how_bytes_come(void **state)
{
	static const char sound[] = "<?xml version='1.0' encoding='utf-8' ?>" HEADER
				    " <a b='>\"/' c=\"'>\"><![CDATA[</a>]] "
				    ">]]]>&lt;\xC3\xBC&#x20AC;<d/>t</a >\n\n<e  ><f/></e>"
				    "</stream:stream>";
	struct fixture *fixture = *state;

	for (size_t split = 0; split < sizeof(sound); split++) {
		AUTO(buf_fini) struct buf out = {0};
		size_t at = 0;
		int rc = XML_MORE;

		xml_reader_reset(fixture->reader);
		while (rc != XML_END) {
			size_t len = split == 0 ? 1 : (at < split ? split : sizeof(sound) - 1) - at;

			nad_free(&fixture->nad);
			rc = xml_read(fixture->reader, (struct slice){sound + at, len},
				      &fixture->used, &fixture->nad);
			assert_true(rc < XML_NOT_WELL_FORMED);
			assert_true(rc != XML_MORE || fixture->used == len);
			at += fixture->used;
			if (rc == XML_ELEMENT)
				nad_print(fixture->nad, 0, "jabber:client", &out);
		}
		assert_int_equal(at, sizeof(sound) - 1);
		assert_string_equal(buf_text(&out), "<a b='&gt;\"/' c='&apos;&gt;'>&lt;/a&gt;]] "
						    "&gt;]&lt;\xC3\xBC\xE2\x82\xAC<d/>t</a>"
						    "<e><f/></e>");
	}
}

static void refuses_what_is_not_well_formed(void **state)
{
	static const char *const texts[] = {
		"<a><b></a>",
		"<message>\n <body>No closing tag!\n</message>",
		"<a x='1' x='2'/>",
		"<a xmlns:p='u:1' xmlns:q='u:1' p:x='1' q:x='2'/>",
		"<p:a/>",
		"<a p:x='1'/>",
		"<a x=1/>",
		"<a x/>",
		"<a x='<'/>",
		"<a xmlns:p=''/>",
		"<a <b/>",
		"< a/>",
		"<>",
		"<a / >",
		"<a>&#0;</a>",
		"<a>&#xD800;</a>",
		"<a>\xC0\x80</a>",
		"<a>\xED\xA0\x80</a>",
		"<a>\x01</a>",
		"<a x='\xff'/>",
		"<a>]]></a>",
		"<a>& </a>",
		"<a><![cdata[x]]></a>",
		"<a:b:c xmlns:a='u:1'/>",
	};

	for (unsigned at = 0; at < countof(texts); at++) {
		int rc = read_stanza(*state, texts[at]);

		if (rc != XML_NOT_WELL_FORMED)
			fail_msg("%s gave %d", texts[at], rc);
		assert_int_equal(read_text(*state, "<a/>"), XML_NOT_WELL_FORMED);
	}
}

static void refuses_a_nul(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_stanza(fixture, "<a>"), XML_MORE);
	assert_int_equal(xml_read(fixture->reader, (struct slice){"\0</a>", 5}, &fixture->used,
				  &fixture->nad),
			 XML_NOT_WELL_FORMED);
}

static void refuses_what_xmpp_restricts(void **state)
{
	static const char *const texts[] = {
		"<!-- c -->",	       "<a><!-- c --></a>",   "<?php x?>",
		"<a><?php x?></a>",    "<a>&e;</a>",	      "<a x='&nbsp;'/>",
		"<!DOCTYPE a []><a/>", "<a><!DOCTYPE a></a>", "<?xml version='1.0'?>",
	};
	static const char *const prologs[] = {
		"<!DOCTYPE a [<!ENTITY e 'x'>]>" HEADER,
		"<!-- c -->" HEADER,
		"<?php x?>" HEADER,
		"<?xml version='1.0'?><?xml version='1.0'?>" HEADER,
		"<![CDATA[x]]>" HEADER,
	};

	for (unsigned at = 0; at < countof(texts); at++)
		assert_int_equal(read_stanza(*state, texts[at]), XML_RESTRICTED);
	for (unsigned at = 0; at < countof(prologs); at++) {
		xml_reader_reset(((struct fixture *)*state)->reader);
		assert_int_equal(read_text(*state, prologs[at]), XML_RESTRICTED);
	}
}

static int read_fresh(struct fixture *fixture, const char *bytes, size_t len)
{
	xml_reader_reset(fixture->reader);
	return xml_read(fixture->reader, (struct slice){bytes, len}, &fixture->used, &fixture->nad);
}

static void refuses_other_encodings(void **state)
{
	static const char latin[] = "<?xml version='1.0' encoding='ISO-8859-1'?><a>";
	static const char wide[] = "<?xml version='1.0' encoding='UTF-16'?><a>";
	static const char little[] = "<\0a\0>\0";

	assert_int_equal(read_fresh(*state, latin, sizeof(latin) - 1), XML_ENCODING);
	assert_int_equal(read_fresh(*state, wide, sizeof(wide) - 1), XML_ENCODING);
	assert_int_equal(read_fresh(*state, "\xff\xfe<\0a\0>\0", 8), XML_ENCODING);
	assert_int_equal(read_fresh(*state, "\xfe\xff\0<\0a\0>", 8), XML_ENCODING);
	assert_int_equal(read_fresh(*state, "\0<\0a\0>", 6), XML_ENCODING);
	assert_int_equal(read_fresh(*state, little, 6), XML_ENCODING);
	assert_int_equal(read_fresh(*state, "GET / HTTP/1.1\r\n", 16), XML_NOT_WELL_FORMED);
	assert_int_equal(read_fresh(*state, "\x16\x03\x01", 3), XML_NOT_WELL_FORMED);
}

static void refuses_text_between_stanzas(void **state)
{
	assert_int_equal(read_stanza(*state, "x"), XML_TEXT);
	assert_int_equal(read_stanza(*state, " \n&#32;"), XML_TEXT);
	assert_int_equal(read_stanza(*state, "<![CDATA[ ]]>"), XML_TEXT);
}

static void bounds_the_depth(void **state)
{
	assert_int_equal(read_stanza(*state, "<a><a><a><a><a/></a></a></a></a>"), XML_ELEMENT);
	assert_int_equal(read_stanza(*state, "<a><a><a><a><a></a></a></a></a></a>"), XML_ELEMENT);
	assert_int_equal(read_stanza(*state, "<a><a><a><a><a><a/>"), XML_TOO_DEEP);
	assert_int_equal(read_stanza(*state, "<a><a><a><a><a><a>"), XML_TOO_DEEP);
}

static void bounds_the_attributes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
		read_stanza(fixture, "<a a='' b='' c='' d='' xmlns='u:1' xmlns:e=\"u:2\"/>"),
		XML_ELEMENT);
	assert_int_equal(read_stanza(fixture, "<a a='' b='' c='' d='' e='' f='' g=''"),
			 XML_TOO_MANY);
	assert_int_equal(
		read_stanza(fixture, "<a a='' b='' c='' d='' e='' xmlns='' xmlns:g='u:1'/>"),
		XML_TOO_MANY);
	assert_int_equal(read_fresh(fixture, "<a a='' b='' c='' d='' e='' f='' g=''>", 39),
			 XML_TOO_MANY);
}

static void bounds_the_parts_of_a_stanza(void **state)
{
	const struct xml_limits few = {.stanza_bytes = 1000, .depth = 10, .attributes = 10, .parts = 5};
	struct fixture *fixture = *state;

	xml_reader_limits(fixture->reader, &few);
	assert_int_equal(read_stanza(fixture, "<a b='' c=''><d e=''/></a>"), XML_ELEMENT);
	assert_int_equal(read_stanza(fixture, "<a b='' c=''><d e=''/></a>"), XML_ELEMENT); /* of each */
	assert_int_equal(read_stanza(fixture, "<a b='' c=''><d e=''/><f/>"), XML_TOO_BIG);
}

static void bounds_the_namespaces_in_scope(void **state)
{
	const struct xml_limits wide = {.stanza_bytes = 100000, .depth = 1000, .attributes = 1000};
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf text = {0};

	xml_reader_limits(fixture->reader, &wide);
	for (int at = 0; at < 200; at++)
		buf_printf(&text, "<a xmlns:p%d='u:1'>", at);
	assert_int_equal(read_stanza(fixture, buf_text(&text)), XML_TOO_MANY);
	buf_clear(&text);
	buf_append_text(&text, "<a>");
	for (int at = 0; at < 1000; at++)
		buf_printf(&text, "<p:b xmlns:p='u:%d'/>", at);
	buf_append_text(&text, "</a>");
	assert_int_equal(read_stanza(fixture, buf_text(&text)), XML_ELEMENT);
}

/* One stanza of len bytes: a long value. */
static int read_long(struct fixture *fixture, size_t len, size_t piece)
{
	AUTO(buf_fini) struct buf text = {0};
	int rc = XML_MORE;

	buf_append_text(&text, "<a x='");
	while (buf_used(&text) < len - 3)
		buf_append_char(&text, '>');
	buf_append_text(&text, "'/>");
	assert_int_equal(read_stanza(fixture, " \n "), XML_MORE);
	while (rc == XML_MORE && buf_used(&text)) {
		struct slice bytes = buf_slice(&text);

		bytes.len = bytes.len < piece ? bytes.len : piece;
		rc = xml_read(fixture->reader, bytes, &fixture->used, &fixture->nad);
		buf_skip(&text, bytes.len);
	}
	return rc;
}

static void bounds_the_size_of_a_stanza(void **state)
{
	struct fixture *fixture = *state;

	for (size_t piece = 1; piece <= 2000; piece += 333) {
		assert_int_equal(read_long(fixture, limits.stanza_bytes, piece), XML_ELEMENT);
		assert_int_equal(read_long(fixture, limits.stanza_bytes + 1, piece), XML_TOO_BIG);
	}
}

static void bounds_the_header(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf text = {0};
	const struct xml_limits wide = {.stanza_bytes = 100000, .depth = 5, .attributes = 6};

	buf_append_text(&text, "<a xmlns='");
	for (int at = 0; at < 5000; at++)
		buf_append_char(&text, 'u');
	buf_append_text(&text, "'>");
	assert_int_equal(read_text(fixture, buf_text(&text)), XML_TOO_BIG);
	xml_reader_limits(fixture->reader, &wide);
	xml_reader_reset(fixture->reader);
	assert_int_equal(read_text(fixture, buf_text(&text)), XML_TOO_BIG); /* nobody keeps that */
}

static void append_inside(struct buf *text, const char *inside, unsigned number)
{
	if (inside[1] == 'n')
		buf_printf(text, "<n%u/>", number);
	else
		buf_append_text(text, inside);
}

/* Elements that grow in each way; whatever they are, the next one is read as usual. */
static void cuts_what_weighs_too_much_to_its_start_tag(void **state)
{
	static const char *const insides[] = {"<b/>", "<b a='1' c='2'/>", "text<b/>", "<b xmlns='u'/>", "<b>", "<n/>"};
	const struct xml_limits small = {
		.stanza_bytes = 1 << 20, .depth = 2000, .attributes = 6, .kept_bytes = 4096};
	struct fixture *fixture = *state;

	xml_reader_limits(fixture->reader, &small);
	for (size_t at = 0; at < countof(insides); at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_append_text(&text, "<a xmlns:p='q' p:x='1'>");
		for (unsigned i = 0; i < 1000; i++)
			append_inside(&text, insides[at], i);
		for (unsigned i = 0; i < 1000 && at == 4; i++)
			buf_append_text(&text, "</b>");
		buf_append_text(&text, "</a><next/>");
		assert_int_equal(read_stanza(fixture, buf_text(&text)), XML_ELEMENT);
		assert_int_equal(nad_count(fixture->nad), 1);
		assert_true(nad_is(fixture->nad, 0, "jabber:client", "a"));
		assert_int_equal(fixture->used, buf_used(&text) - strlen("<next/>"));
		assert_int_equal(read_text(fixture, "<next><b/></next>"), XML_ELEMENT);
		assert_int_equal(nad_count(fixture->nad), 2);
	}
}

static void refuses_to_hold_a_tag_that_is_larger_than_what_is_kept(void **state)
{
	const struct xml_limits small = {
		.stanza_bytes = 1 << 20, .depth = 5, .attributes = 6, .kept_bytes = 4096};
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf text = {0};

	xml_reader_limits(fixture->reader, &small);
	buf_append_text(&text, "<a b='");
	for (unsigned i = 0; i < 5000; i++)
		buf_append_char(&text, 'x');
	assert_int_equal(read_stanza(fixture, buf_text(&text)), XML_TOO_BIG);
}

static void reads_a_long_value_in_single_bytes_in_linear_time(void **state)
{
	const struct xml_limits wide = {.stanza_bytes = 300000, .depth = 5, .attributes = 6};
	struct fixture *fixture = *state;

	xml_reader_limits(fixture->reader, &wide);
	assert_int_equal(read_long(fixture, 300000, 1),
			 XML_ELEMENT); /* would take minutes if read again and again */
	assert_int_equal(nad_attr_value(fixture->nad, 0, "x").len, 300000 - 9);
}

static void ignores_white_space_without_a_parser(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_stanza(fixture, ""), XML_MORE);
	for (int at = 0; at < 3000; at++) {
		assert_int_equal(read_text(fixture, "\n"), XML_MORE);
		assert_int_equal(fixture->used, 1);
	}
	assert_true(xml_reader_at_rest(fixture->reader));
	assert_int_equal(read_text(fixture, "<a/>"), XML_ELEMENT);
}

static void shares_one_parser_among_like_streams(void **state)
{
	struct fixture *fixture = *state;
	struct xml_reader *readers[50];

	for (unsigned at = 0; at < countof(readers); at++) {
		readers[at] = xml_reader_new(fixture->pool, &limits);
		assert_int_equal(
			xml_read(readers[at], slice_of(HEADER), &fixture->used, &fixture->nad),
			XML_HEADER);
		nad_free(&fixture->nad);
	}
	assert_true(xml_pool_parsers(fixture->pool) <= 8);
	for (unsigned at = 0; at < countof(readers); at++)
		assert_int_equal(xml_read(readers[at], SLICE("<a>"), &fixture->used, &fixture->nad),
				 XML_MORE);
	assert_int_equal(xml_pool_parsers(fixture->pool), countof(readers));
	for (unsigned at = 0; at < countof(readers); at += 2) {
		assert_int_equal(
			xml_read(readers[at], SLICE("</a>"), &fixture->used, &fixture->nad),
			XML_ELEMENT);
		assert_true(nad_is(fixture->nad, 0, "jabber:client", "a"));
		nad_free(&fixture->nad);
	}
	assert_true(xml_pool_parsers(fixture->pool) <= 8 + countof(readers) / 2);
	for (unsigned at = 0; at < countof(readers); at++)
		xml_reader_free(&readers[at]);
	assert_true(xml_pool_parsers(fixture->pool) <= 8);
}

static void keeps_streams_with_other_headers_apart(void **state)
{
	struct fixture *fixture = *state;
	struct xml_reader *readers[40];
	char text[64];

	for (unsigned at = 0; at < countof(readers); at++) {
		snprintf(text, sizeof(text), "<p:s xmlns='u:%u' xmlns:p='v'>", at);
		readers[at] = xml_reader_new(fixture->pool, &limits);
		assert_int_equal(
			xml_read(readers[at], slice_of(text), &fixture->used, &fixture->nad),
			XML_HEADER);
		nad_free(&fixture->nad);
	}
	for (unsigned at = 0; at < countof(readers) * 3; at++) {
		assert_int_equal(
			xml_read(readers[at % 40], SLICE("<a/>"), &fixture->used, &fixture->nad),
			XML_ELEMENT);
		snprintf(text, sizeof(text), "u:%u", at % 40);
		assert_true(nad_is(fixture->nad, 0, text, "a"));
		nad_free(&fixture->nad);
	}
	assert_true(xml_pool_parsers(fixture->pool) <= 8);
	for (unsigned at = 0; at < countof(readers); at++)
		xml_reader_free(&readers[at]);
}

static void forgets_all_at_a_restart(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_stanza(fixture, "<a><b x='"), XML_MORE);
	assert_false(xml_reader_at_rest(fixture->reader));
	xml_reader_reset(fixture->reader);
	assert_true(xml_reader_at_rest(fixture->reader));
	assert_int_equal(read_text(fixture, "\n<?xml version='1.0'?><r xmlns='u:1'>"), XML_HEADER);
	assert_int_equal(read_text(fixture, "<a/>"), XML_ELEMENT);
	assert_true(nad_is(fixture->nad, 0, "u:1", "a"));
}

/* Where no more parsers are kept, a stream begins in one that has been another's: nothing of that one is left. */
static void begins_in_a_parser_of_another(void **state)
{
	struct fixture *fixture = *state;

	for (int at = 0; at < 100; at++) {
		xml_reader_reset(fixture->reader);
		assert_int_equal(read_text(fixture, "<p:r xmlns:p='u:p' xmlns='u:1' a='1'>"), XML_HEADER);
		assert_int_equal(read_text(fixture, "<a q='2'>te"), XML_MORE);
		assert_int_equal(read_text(fixture, "xt<p:b/></a>"), XML_ELEMENT);
		assert_slice(nad_cdata(fixture->nad, 0), "text");
		xml_reader_reset(fixture->reader);
		assert_int_equal(read_text(fixture, "<r>"), XML_HEADER);
		assert_true(nad_is(fixture->nad, 0, "", "r"));
		assert_int_equal(read_text(fixture, "<a/>"), XML_ELEMENT);
		assert_true(nad_is(fixture->nad, 0, "", "a"));
		xml_reader_reset(fixture->reader);
		assert_int_equal(read_text(fixture, "<p:r>"), XML_NOT_WELL_FORMED);
	}
}

/* Names that a peer makes up stay in expat for as long as the parser lives. */
static void does_not_grow_with_names(void **state)
{
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct xml_pool *pool = xml_pool_new();
	struct xml_reader *reader = xml_reader_new(pool, &limits);
	struct heap_usage usage;
	struct nad *nad = NULL;
	size_t used;

	assert_int_equal(xml_read(reader, slice_of(HEADER), &used, &nad), XML_HEADER);
	nad_free(&nad);
	for (int at = 0; at < 50000; at++) {
		char text[64];

		snprintf(text, sizeof(text), "<e%d a%d='' b%d=''/>", at, at, at);
		assert_int_equal(xml_read(reader, slice_of(text), &used, &nad), XML_ELEMENT);
		nad_free(&nad);
	}
	heap_usage(heap, &usage);
	assert_true(usage.bytes[MEM_PARSER] < 1 << 20);
	xml_reader_free(&reader);
	xml_pool_free(&pool);
	heap_usage(heap, &usage);
	assert_int_equal(
		usage.blocks[MEM_PARSER] + usage.blocks[MEM_STREAM] + usage.blocks[MEM_NAD], 0);
	heap_enter(before);
	heap_drop(&heap);
}

static void parses_whole_documents(void **state)
{
	static const char *const refused[] = {
		"",	 " ",	     "<a>",  "<a/><b/>",	  "<a/>x",
		"x<a/>", "<a/></a>", "</a>", "<a><!-- c --></a>", "<!DOCTYPE a><a/>",
	};
	AUTO(nad_free)
	struct nad *nad =
		xml_parse(SLICE("\xEF\xBB\xBF<?xml version='1.0'?>\n<a><b/>t</a>\n"), &limits);

	assert_non_null(nad);
	assert_int_equal(nad_count(nad), 2);
	for (unsigned at = 0; at < countof(refused); at++)
		assert_null(xml_parse(slice_of(refused[at]), &limits));
	assert_null(xml_parse(SLICE("<a><a><a><a><a><a><a/></a></a></a></a></a></a>"), &limits));
}

#define test_with_fixture(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		test_with_fixture(gives_the_header_without_children),
		test_with_fixture(weighs_what_is_not_complete),
		test_with_fixture(stops_behind_each_element),
		test_with_fixture(never_looks_behind_an_element),
		test_with_fixture(reads_the_end_of_the_stream),
		test_with_fixture(reads_a_stream_that_is_empty),
		test_with_fixture(does_not_care_how_bytes_come),
		test_with_fixture(refuses_what_is_not_well_formed),
		test_with_fixture(refuses_a_nul),
		test_with_fixture(refuses_what_xmpp_restricts),
		test_with_fixture(refuses_other_encodings),
		test_with_fixture(refuses_text_between_stanzas),
		test_with_fixture(bounds_the_depth),
		test_with_fixture(bounds_the_attributes),
		test_with_fixture(bounds_the_parts_of_a_stanza),
		test_with_fixture(bounds_the_namespaces_in_scope),
		test_with_fixture(bounds_the_size_of_a_stanza),
		test_with_fixture(bounds_the_header),
		test_with_fixture(reads_a_long_value_in_single_bytes_in_linear_time),
		test_with_fixture(ignores_white_space_without_a_parser),
		test_with_fixture(shares_one_parser_among_like_streams),
		test_with_fixture(keeps_streams_with_other_headers_apart),
		test_with_fixture(forgets_all_at_a_restart),
		test_with_fixture(cuts_what_weighs_too_much_to_its_start_tag),
		test_with_fixture(refuses_to_hold_a_tag_that_is_larger_than_what_is_kept),
		test_with_fixture(begins_in_a_parser_of_another),
		cmocka_unit_test(does_not_grow_with_names),
		cmocka_unit_test(parses_whole_documents),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("parser", tests, NULL, NULL);
}
