/* SPDX-License-Identifier: MIT */
/* The registry of commands and their calls. */
#include "ctl/ctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/mem.h"
#include "mio/mio.h"

struct fixture {
	struct mio_host *host;
	struct ctl *ctl;
	struct buf out, err;
	int ended, code;
	uint64_t slow;
	struct mio_timer timer;
	int kept_freed;
};

static int no_start(struct mio *mio, void *arg)
{
	return 0;
}

static int setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	fixture->host = mio_host_new("test");
	assert_int_equal(mio_host_start(fixture->host, 1, no_start, NULL), 0);
	fixture->ctl = ctl_new(mio_host_loop(fixture->host, 0));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	ctl_free(&fixture->ctl);
	buf_fini(&fixture->out); /* from the worker's heap */
	buf_fini(&fixture->err);
	mio_host_free(&fixture->host);
	mem_free(fixture);
	return 0;
}

static void heard(void *arg, bool error, struct slice text)
{
	struct fixture *fixture = arg;
	struct buf *to = error ? &fixture->err : &fixture->out;

	buf_append_slice(to, text);
	buf_append_char(to, '\n');
}

static void ended(void *arg, int code)
{
	struct fixture *fixture = arg;

	fixture->ended++;
	fixture->code = code;
	mio_host_stop(fixture->host);
}

static uint64_t run(struct fixture *fixture, const char *const *words, size_t count,
		    const char *input)
{
	const struct ctl_sink sink = {.print = heard, .ended = ended, .arg = fixture};

	return ctl_run(fixture->ctl, words, count, false, slice_of(input), &sink);
}

static void say(void *arg, struct ctl_call *call)
{
	ctl_print(call, "%s\n", (const char *)arg);
	for (size_t i = 0; i < ctl_args(call); i++)
		ctl_print(call, "%s", ctl_arg(call, i));
	ctl_end(call, CTL_OK);
}

static void echo_input(void *arg, struct ctl_call *call)
{
	ctl_print(call, "%.*s", (int)ctl_input(call).len, ctl_input(call).data);
	ctl_end(call, CTL_PROBLEM);
}

static void kept_gone(void *kept)
{
	struct fixture *fixture = kept;

	fixture->kept_freed++;
}

static void slow(void *arg, struct ctl_call *call)
{
	struct fixture *fixture = arg;

	fixture->slow = ctl_id(call);
	ctl_keep(call, fixture, kept_gone);
	mio_host_stop(fixture->host);
}

static const struct ctl_command short_commands[] = {
	{"user", "", "", "", CTL_NOTHING, say},
	{"input", "", "", "", CTL_WHOLE, echo_input},
	{.name = NULL},
};
static const struct ctl_command long_commands[] = {{"user add", "JID", "", "", CTL_NOTHING, say},
						   {.name = NULL}};
static const struct ctl_command slow_commands[] = {{"slow", "", "", "", CTL_NOTHING, slow},
						   {.name = NULL}};

static void add_commands(struct fixture *fixture)
{
	ctl_add(fixture->ctl, short_commands, "short");
	ctl_add(fixture->ctl, long_commands, "long");
	ctl_add(fixture->ctl, slow_commands, fixture);
}

static void takes_the_longest_name_that_fits(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"user", "add", "a@b"};
	size_t used;

	add_commands(fixture);
	assert_string_equal(ctl_find(fixture->ctl, words, 3, &used)->name, "user add");
	assert_int_equal(used, 2);
	assert_string_equal(ctl_find(fixture->ctl, words, 1, &used)->name, "user");
	words[0] = "use";
	assert_null(ctl_find(fixture->ctl, words, 3, &used));
	assert_null(ctl_find(fixture->ctl, words, 0, &used));
}

static void runs_behind_the_turn_and_ends_once(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"user", "add", "a@b", "more"};

	add_commands(fixture);
	run(fixture, words, 4, "");
	assert_int_equal(fixture->ended, 0);
	mio_host_run(fixture->host);
	assert_int_equal(fixture->ended, 1);
	assert_int_equal(fixture->code, CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "long\na@b\nmore\n");
}

static void refuses_a_command_it_does_not_know(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"usr"};

	add_commands(fixture);
	run(fixture, words, 1, "");
	mio_host_run(fixture->host);
	assert_int_equal(fixture->code, CTL_USAGE);
	assert_true(buf_used(&fixture->err) > 0);
}

static void refuses_no_words_at_all(void **state)
{
	struct fixture *fixture = *state;

	add_commands(fixture);
	run(fixture, NULL, 0, "");
	mio_host_run(fixture->host);
	assert_int_equal(fixture->code, CTL_USAGE);
}

static void hands_the_input_to_the_command(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"input"};

	add_commands(fixture);
	run(fixture, words, 1, "secret");
	mio_host_run(fixture->host);
	assert_string_equal(buf_text(&fixture->out), "secret\n");
	assert_int_equal(fixture->code, CTL_PROBLEM);
}

static void forgets_the_call_of_a_caller_that_went_away(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"slow"};
	uint64_t id;

	add_commands(fixture);
	id = run(fixture, words, 1, "");
	mio_host_run(fixture->host);
	assert_int_equal(fixture->slow, id);
	assert_non_null(ctl_call(fixture->ctl, id));
	ctl_cancel(fixture->ctl, id);
	assert_null(ctl_call(fixture->ctl, id));
	assert_int_equal(fixture->kept_freed, 1);
	assert_int_equal(fixture->ended, 0);
	ctl_cancel(fixture->ctl, id);
}

static void can_be_cancelled_before_it_starts(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"slow"};

	add_commands(fixture);
	ctl_cancel(fixture->ctl, run(fixture, words, 1, ""));
	words[0] = "user";
	run(fixture, words, 1, "");
	mio_host_run(fixture->host);
	assert_int_equal(fixture->slow, 0);
}

static void ends_what_is_under_way_when_the_server_stops(void **state)
{
	struct fixture *fixture = *state;
	const char *words[] = {"slow"};

	add_commands(fixture);
	run(fixture, words, 1, "");
	mio_host_run(fixture->host);
	ctl_free(&fixture->ctl);
	assert_int_equal(fixture->ended, 1);
	assert_int_equal(fixture->code, CTL_PROBLEM);
	assert_int_equal(fixture->kept_freed, 1);
}

static void writes_text_as_json(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	ctl_json_text(&out, SLICE("a\"b\\c\nd\x01\xc3\xa9"));
	assert_string_equal(buf_text(&out), "\"a\\\"b\\\\c\\u000ad\\u0001\xc3\xa9\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_the_longest_name_that_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(runs_behind_the_turn_and_ends_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_a_command_it_does_not_know, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_no_words_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(hands_the_input_to_the_command, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_the_call_of_a_caller_that_went_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(can_be_cancelled_before_it_starts, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_what_is_under_way_when_the_server_stops, setup,
						teardown),
		cmocka_unit_test(writes_text_as_json),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
