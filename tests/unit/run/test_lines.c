/* SPDX-License-Identifier: MIT */
/* Files of accounts in the order of their addresses. */
#include "run/import/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* What comes out of a file with this content, read some bytes at a time. */
static void read_all(const char *content, size_t some, struct buf *out)
{
	char path[] = "/tmp/jackdaw-lines-XXXXXX";
	struct lines *lines = NULL;
	struct input input;
	char room[64];
	ssize_t got;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	assert_int_equal(input_open(&input, path), 0);
	if (*content) {
		assert_true(lines_new(&input, &lines));
	} else {
		assert_false(lines_new(&input, &lines));
	}
	while ((got = input.source.read(input.source.arg, room, some)) > 0)
		buf_append(out, room, (size_t)got);
	assert_int_equal(got, 0);
	assert_true(input.at >= input.total);
	lines_free(&lines);
	input_close(&input);
	unlink(path);
}

static void gives_lines_in_order_with_their_numbers(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	read_all("b@x\tone\n\na@x\ttwo\r\nb@x\tone\nB@x", 7, &out);
	assert_string_equal(buf_text(&out),
			    "2\t\n5\tB@x\n3\ta@x\ttwo\r\n1\tb@x\tone\n4\tb@x\tone\n");
}

static void leaves_a_sorted_file_as_it_is(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	read_all("a@x\tone\nb@x\ttwo\n", 64, &out);
	assert_string_equal(buf_text(&out), "1\ta@x\tone\n2\tb@x\ttwo\n");
}

static void an_empty_file_is_read_as_it_comes(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	read_all("", 64, &out);
	assert_int_equal(buf_used(&out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_lines_in_order_with_their_numbers),
		cmocka_unit_test(leaves_a_sorted_file_as_it_is),
		cmocka_unit_test(an_empty_file_is_read_as_it_comes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
