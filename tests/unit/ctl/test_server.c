/* SPDX-License-Identifier: MIT */
/* The control socket, spoken to from a thread of its own as the command line does. */
#include "ctl/client.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "mio/mio.h"

struct fixture {
	struct mio_host *host;
	struct ctl *ctl;
	char dir[64], path[96];
	void (*talk)(struct fixture *fixture);
	struct buf out, err;
	size_t progress;
	size_t counted, most; /* of a stream: all, and at once */
	int rc, code;
	int held; /* calls that wait for ever */
	int gone;
};

/* -- the server's commands
 * --------------------------------------------------------------------------- */

static void echo(void *arg, struct ctl_call *call)
{
	for (size_t i = 0; i < ctl_args(call); i++)
		ctl_print(call, "%s", ctl_arg(call, i));
	ctl_progress(call, "half");
	ctl_error(call, "%zu bytes%s", ctl_input(call).len, ctl_wants_json(call) ? ", json" : "");
	ctl_end(call, CTL_PROBLEM);
}

static void flood(void *arg, struct ctl_call *call)
{
	for (int i = 0; i < 20000; i++)
		ctl_print(call, "a line that is repeated until the socket takes no more of it: %d",
			  i);
	ctl_end(call, CTL_OK);
}

static void gone(void *kept)
{
	struct fixture *fixture = kept;

	fixture->gone++;
}

static void count_more(void *arg, struct ctl_call *call)
{
	struct fixture *fixture = arg;
	size_t len = ctl_input(call).len;

	fixture->counted += len;
	if (len > fixture->most)
		fixture->most = len;
	ctl_take(call, len);
	if (ctl_more(call, count_more, fixture))
		return;
	ctl_print(call, "counted");
	ctl_end(call, CTL_OK);
}

static void hold(void *arg, struct ctl_call *call)
{
	struct fixture *fixture = arg;

	fixture->held++;
	ctl_print(call, "held");
	ctl_keep(call, fixture, gone);
}

static const struct ctl_command commands[] = {
	{"echo", "", "", "", CTL_WHOLE, echo},
	{"flood", "", "", "", CTL_NOTHING, flood},
	{"count", "", "", "", CTL_STREAMED, count_more},
	{"hold", "", "", "", CTL_NOTHING, hold},
	{.name = NULL},
};

/* -- the fixture
 * ------------------------------------------------------------------------------------- */

static int no_start(struct mio *mio, void *arg)
{
	return 0;
}

static int setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/jackdaw-ctl-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->path, sizeof(fixture->path), "%s/control.sock", fixture->dir);
	fixture->host = mio_host_new("test");
	assert_int_equal(mio_host_start(fixture->host, 1, no_start, NULL), 0);
	fixture->ctl = ctl_new(mio_host_loop(fixture->host, 0));
	ctl_add(fixture->ctl, commands, fixture);
	assert_int_equal(ctl_listen(fixture->ctl, fixture->path), 0);
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
	unlink(fixture->path);
	rmdir(fixture->dir);
	mem_free(fixture);
	return 0;
}

static void *talking(void *arg)
{
	struct fixture *fixture = arg;

	fixture->talk(fixture);
	mio_host_stop(fixture->host);
	return NULL;
}

/* Runs the server here and what talks to it there. */
static void serve(struct fixture *fixture, void (*talk)(struct fixture *fixture))
{
	pthread_t thread;

	fixture->talk = talk;
	assert_int_equal(pthread_create(&thread, NULL, talking, fixture), 0);
	mio_host_run(fixture->host);
	pthread_join(thread, NULL);
}

static void heard(void *arg, bool error, struct slice text)
{
	struct fixture *fixture = arg;
	struct buf *to = error ? &fixture->err : &fixture->out;

	buf_append_slice(to, text);
	buf_append_char(to, '\n');
}

static void progressed(void *arg, struct slice text)
{
	struct fixture *fixture = arg;

	fixture->progress++;
}

/* Reads at most 1000 bytes at once, so that characters are cut. */
static ssize_t read_some(void *arg, char *room, size_t len)
{
	struct slice *input = arg;
	size_t some = input->len < 1000 ? input->len : 1000;

	memcpy(room, input->data, some);
	input->data += some;
	input->len -= some;
	return (ssize_t)some;
}

static void ask(struct fixture *fixture, const char *const *words, size_t count, struct slice input)
{
	const struct ctl_sink sink = {.print = heard, .progress = progressed, .arg = fixture};
	const struct ctl_source source = {read_some, &input};

	fixture->rc = ctl_ask(fixture->path, words, count, true, &source, &sink, &fixture->code);
}

static int connect_raw(const struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	return fd;
}

/* Sends the text and reads until the server closes. */
static void say_raw(struct fixture *fixture, const char *text, size_t len)
{
	int fd = connect_raw(fixture);
	char bytes[4096];
	ssize_t got;

	while (len) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		text += sent;
		len -= (size_t)sent;
	}
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		buf_append(&fixture->out, bytes, (size_t)got);
	close(fd);
}

/* -- tests
 * ------------------------------------------------------------------------------------------- */

static void talk_echo(struct fixture *fixture)
{
	const char *words[] = {"echo", "o\"ne", "two"};

	ask(fixture, words, 3, SLICE("secret"));
}

static void runs_a_command_for_a_caller(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_echo);
	assert_int_equal(fixture->rc, 0);
	assert_int_equal(fixture->code, CTL_PROBLEM);
	assert_string_equal(buf_text(&fixture->out), "o\"ne\ntwo\n");
	assert_string_equal(buf_text(&fixture->err), "6 bytes, json\n");
	assert_int_equal(fixture->progress, 1);
}

static void talk_long(struct fixture *fixture)
{
	AUTO(buf_fini) struct buf input = {0};
	const char *words[] = {"echo"};

	while (buf_used(&input) < 5000000)
		buf_append_text(&input, "\xc3\xa9t\xc3\xa9\t\"\n");
	ask(fixture, words, 1, buf_slice(&input));
	fixture->progress = buf_used(&input);
}

static void takes_a_long_input_in_pieces(void **state)
{
	struct fixture *fixture = *state;
	char wanted[64];

	serve(fixture, talk_long);
	snprintf(wanted, sizeof(wanted), "%zu bytes, json\n", fixture->progress);
	assert_int_equal(fixture->rc, 0);
	assert_string_equal(buf_text(&fixture->err), wanted);
}

static void talk_stream(struct fixture *fixture)
{
	AUTO(buf_fini) struct buf input = {0};
	const char *words[] = {"count"};

	while (buf_used(&input) < 3000000)
		buf_append_text(&input, "caf\xc3\xa9 caf\xc3\xa9 caf\xc3\xa9\n");
	ask(fixture, words, 1, buf_slice(&input));
	fixture->progress = buf_used(&input);
}

static void streams_an_input_that_is_never_there_as_a_whole(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_stream);
	assert_int_equal(fixture->code, CTL_OK);
	assert_int_equal(fixture->counted, fixture->progress);
	assert_true(fixture->most <= 1 << 20);
}

/* Who does not wait to be asked is read as the command takes it. */
static void talk_unasked(struct fixture *fixture)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_append_text(&text, "{\"command\": [\"count\"], \"more\": true}\n");
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "{\"input\": \"%0*d\"}\n", 1000, i);
	buf_append_text(&text, "{\"end\": true}\n");
	say_raw(fixture, buf_text(&text), buf_used(&text));
}

static void reads_who_sends_unasked_as_the_command_takes_it(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_unasked);
	assert_int_equal(fixture->counted, 5000 * 1000);
	assert_int_equal(fixture->most, 1000);
	assert_non_null(strstr(buf_text(&fixture->out), "\"exit\": 0"));
}

static void talk_junk_input(struct fixture *fixture)
{
	const char *words[] = {"echo"};

	ask(fixture, words, 1, SLICE("\xff\xfe"));
}

static void says_that_input_is_not_utf8(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_junk_input);
	assert_int_equal(fixture->rc, -EILSEQ);
}

static void talk_flood(struct fixture *fixture)
{
	const char *words[] = {"flood"};

	ask(fixture, words, 1, SLICE(""));
}

static void writes_more_than_the_socket_takes_at_once(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_flood);
	assert_int_equal(fixture->rc, 0);
	assert_int_equal(fixture->code, CTL_OK);
	assert_true(buf_used(&fixture->out) > 20000 * 60);
}

static void talk_junk(struct fixture *fixture)
{
	static const char *const junk[] = {"\n",
					   "[]\n",
					   "{}\n",
					   "{\"command\": []}\n",
					   "{\"command\": [1]}\n",
					   "\xff{\n",
					   "{\"command\": {\"a\": 1}}\n",
					   "{\"command\": [\"echo\"], \"more\": true}\n{\n"};
	char *text = mem_alloc(MEM_TEXT, 3 << 20);

	for (size_t i = 0; i < countof(junk); i++)
		say_raw(fixture, junk[i], strlen(junk[i]));
	memset(text, '[', 3 << 20);
	say_raw(fixture, text, 3 << 20);
	mem_free(text);
}

static void answers_junk_with_an_error(void **state)
{
	struct fixture *fixture = *state;
	size_t answers = 0;

	serve(fixture, talk_junk);
	for (const char *at = buf_text(&fixture->out); (at = strstr(at, "\"exit\": 2")); at++)
		answers++;
	assert_true(answers >= 8);
}

static void talk_vanish(struct fixture *fixture)
{
	static const char request[] = "{\"command\": [\"hold\"]}\n";
	char bytes[64];
	int fd = connect_raw(fixture);

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
	    read(fd, bytes, sizeof(bytes)) < 0)
		abort();
	close(fd);
	fd = connect_raw(fixture);
	if (send(fd, request, 10, MSG_NOSIGNAL) < 0)
		abort();
	close(fd);
	talk_echo(fixture); /* the server has seen both ends by then */
}

static void forgets_a_caller_that_vanishes(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, talk_vanish);
	assert_int_equal(fixture->held, 1);
	assert_int_equal(fixture->gone, 1);
	assert_int_equal(fixture->rc, 0);
}

static void tells_that_no_server_is_there(void **state)
{
	struct fixture *fixture = *state;

	ctl_free(&fixture->ctl);
	talk_echo(fixture);
	assert_true(fixture->rc == -ENOENT || fixture->rc == -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_a_command_for_a_caller, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_a_long_input_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_an_input_that_is_never_there_as_a_whole,
						setup, teardown),
		cmocka_unit_test_setup_teardown(reads_who_sends_unasked_as_the_command_takes_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(says_that_input_is_not_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_more_than_the_socket_takes_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(answers_junk_with_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_a_caller_that_vanishes, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_that_no_server_is_there, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
