/* SPDX-License-Identifier: MIT */
/* Shell patterns: what fnmatch() says, and that no pattern takes long. */
#include "unit.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <time.h>
#include "base/pattern.h"

static void matches(const char *pattern, const char *text, bool wanted)
{
	assert_true(pattern_is_valid(slice_of(pattern)));
	if (pattern_match(slice_of(pattern), slice_of(text)) != wanted)
		fail_msg("\"%s\" and \"%s\"", pattern, text);
}

static void stars_take_any_text(void **state)
{
	matches("*", "", true);
	matches("*", "a@b.example/r", true);
	matches("", "", true);
	matches("", "a", false);
	matches("*@b.example", "a@b.example", true);
	matches("*@b.example", "a@b.example.org", false);
	matches("*@*.b.example", "a@c.b.example", true);
	matches("a*b*c", "axxbxxbxxc", true);
	matches("a*b*c", "axxbxxbxx", false);
	matches("**", "x", true);
}

static void a_question_mark_is_one_character(void **state)
{
	matches("?@b", "a@b", true);
	matches("?@b", "@b", false);
	matches("?@b", "aa@b", false);
	matches("?@b", "\xc3\xa4@b", true);
	matches("??@b", "\xc3\xa4@b", false);
}

static void sets_have_ranges_and_may_be_negated(void **state)
{
	matches("[abc]x", "bx", true);
	matches("[abc]x", "dx", false);
	matches("[a-c0-9]x", "7x", true);
	matches("[!a-c]x", "dx", true);
	matches("[^a-c]x", "bx", false);
	matches("[]]x", "]x", true);
	matches("[!]]x", "]x", false);
	matches("[a-]x", "-x", true);
	matches("[\\]]x", "]x", true);
	matches("[\xc3\xa0-\xc3\xbf]", "\xc3\xa4", true);
	matches("[\xc3\xa0-\xc3\xbf]", "z", false);
}

static void a_backslash_takes_what_follows_as_it_is(void **state)
{
	matches("\\*@b", "*@b", true);
	matches("\\*@b", "a@b", false);
	matches("a\\\\b", "a\\b", true);
}

static void refuses_what_has_no_end(void **state)
{
	static const char *const bad[] = {"[",	 "[a",	"x[a-",	       "[]",
					  "[!]", "a\\", "[[:alpha:]]", "[a\\]"};

	for (size_t at = 0; at < countof(bad); at++) {
		if (pattern_is_valid(slice_of(bad[at])))
			fail_msg("\"%s\"", bad[at]);
	}
}

static void fill(char *text, size_t size, const char *from)
{
	size_t len = (size_t)rand() % size;

	for (size_t at = 0; at < len; at++)
		text[at] = from[(size_t)rand() % strlen(from)];
	text[len] = '\0';
}

static void says_what_fnmatch_says(void **state)
{
	unsigned fit = 0;

	srand(5);
	for (unsigned at = 0; at < 300000; at++) {
		char pattern[9], text[9];
		bool wanted;

		fill(pattern, sizeof(pattern), "ab*?[]!\\a*");
		fill(text, sizeof(text), "abab]!\\");
		if (!pattern_is_valid(slice_of(pattern)))
			continue;
		wanted = fnmatch(pattern, text, 0) == 0;
		fit += wanted;
		matches(pattern, text, wanted);
	}
	assert_true(fit > 1000);
}

/* What takes a matcher with a way back for each star longer than there is time. */
static void takes_no_time_to_speak_of(void **state)
{
	char pattern[201], text[3001];
	clock_t start = clock();

	for (size_t at = 0; at < 200; at += 2)
		memcpy(pattern + at, "*a", 2);
	pattern[199] = 'b';
	pattern[200] = '\0';
	memset(text, 'a', 3000);
	text[3000] = '\0';
	matches(pattern, text, false);
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_take_any_text),
		cmocka_unit_test(a_question_mark_is_one_character),
		cmocka_unit_test(sets_have_ranges_and_may_be_negated),
		cmocka_unit_test(a_backslash_takes_what_follows_as_it_is),
		cmocka_unit_test(refuses_what_has_no_end),
		cmocka_unit_test(says_what_fnmatch_says),
		cmocka_unit_test(takes_no_time_to_speak_of),
	};

	return RUN(tests);
}
