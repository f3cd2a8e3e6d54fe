/* SPDX-License-Identifier: MIT */
/* The account commands, on a process with storage in memory and no parts. */
#include "component/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "auth/keys.h"
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

#define KEY                                                                                        \
	"SCRAM-SHA-1$4096:c2FsdHNhbHQ=$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="

struct fixture {
	struct mio_host *host;
	struct log_writer *logs;
	struct settings settings;
	struct conf *conf;
	struct process *process;
	struct accounts *accounts;
	struct buf out, err;
	const char *more; /* a word behind the others, or NULL */
	int ended, code;
};

static int setup(void **state)
{
	static const struct component *const none[] = {NULL};
	static const char file[] = "domains = [\"a.example\"]\n[storage]\nurl = \"memory:\"\n";
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));
	struct process_options options = {
		.name = "test",
		.settings = &fixture->settings,
		.components = none,
		.open_storage = true,
		.workers = 1,
	};
	struct conf_error error;
	struct buf why = {0};

	assert_int_equal(
		settings_parse("test", slice_of(file), &fixture->settings, &fixture->conf, &error),
		0);
	options.host = fixture->host = mio_host_new("test");
	options.logs = fixture->logs = log_writer_new(STDERR_FILENO, LOG_WARN, LOG_TEXT, false);
	assert_int_equal(process_start(&options, &fixture->process, &why), 0);
	fixture->process->ctl = ctl_new(fixture->process->workers[0]->mio);
	fixture->accounts = accounts_new(fixture->process->ctl, fixture->process);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	ctl_free(&fixture->process->ctl);
	accounts_free(&fixture->accounts);
	process_free(&fixture->process);
	log_writer_free(&fixture->logs);
	buf_fini(&fixture->out);
	buf_fini(&fixture->err);
	mio_host_free(&fixture->host);
	conf_free(&fixture->conf);
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

static uint64_t begin(struct fixture *fixture, const char *const *words, size_t count, const char *input)
{
	const struct ctl_sink sink = {.print = heard, .ended = ended, .arg = fixture};

	buf_clear(&fixture->out);
	buf_clear(&fixture->err);
	fixture->ended = 0;
	return ctl_run(fixture->process->ctl, words, count, false, slice_of(input), &sink);
}

/* Runs "user VERB ARG" to its end and returns its exit code. */
static int run(struct fixture *fixture, const char *verb, const char *arg, const char *input)
{
	const char *words[] = {"user", verb, arg, fixture->more};

	begin(fixture, words, !arg ? 2 : fixture->more ? 4 : 3, input);
	mio_host_run(fixture->host);
	assert_int_equal(fixture->ended, 1);
	return fixture->code;
}

static bool said(struct buf *where, const char *text)
{
	return strstr(buf_text(where), text) != NULL;
}

static void adds_an_account_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "add", "Bob@a.example", "secret\n"), CTL_OK);
	assert_int_equal(run(fixture, "add", "bob@a.example", "secret\n"), CTL_CONFLICT);
	assert_true(said(&fixture->err, "already"));
	assert_int_equal(run(fixture, "list", NULL, ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "bob@a.example\n");
}

static void refuses_what_is_no_account_of_ours(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "add", "bob@b.example", "secret"), CTL_PROBLEM);
	assert_int_equal(run(fixture, "add", "a.example", "secret"), CTL_PROBLEM);
	assert_int_equal(run(fixture, "add", "bob@a.example/desk", "secret"), CTL_PROBLEM);
	assert_int_equal(run(fixture, "add", "bob@a.example", ""), CTL_PROBLEM);
	assert_int_equal(run(fixture, "add", NULL, "secret"), CTL_USAGE);
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_PROBLEM);
	assert_int_equal(run(fixture, "passwd", "bob@a.example", "secret"), CTL_PROBLEM);
	assert_int_equal(run(fixture, "disable", "bob@a.example", ""), CTL_PROBLEM);
}

static void keeps_an_account_disabled_when_its_password_changes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "add", "bob@a.example", "secret"), CTL_OK);
	assert_int_equal(run(fixture, "disable", "bob@a.example", ""), CTL_OK);
	assert_int_equal(run(fixture, "passwd", "bob@a.example", "another"), CTL_OK);
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_OK);
	assert_true(said(&fixture->out, "disabled    yes"));
	assert_int_equal(run(fixture, "enable", "bob@a.example", ""), CTL_OK);
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_OK);
	assert_true(said(&fixture->out, "disabled    no"));
}

static void stop_there(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct fixture *fixture = arg;

	fixture->code = result;
	mio_host_stop(fixture->host);
}

/* As its own client asks for it: that may be on its way when the account is disabled. */
static void who_is_disabled_does_not_come_back_by_a_new_password(void **state)
{
	struct fixture *fixture = *state;
	struct auth *auth = fixture->process->workers[0]->auth;
	struct jid *bob = jid_parse(SLICE("bob@a.example"));
	struct auth_account account = {0};
	const uint8_t secret[32] = "another";

	assert_int_equal(run(fixture, "add", "bob@a.example", "secret"), CTL_OK);
	assert_int_equal(run(fixture, "disable", "bob@a.example", ""), CTL_OK);
	auth_key_fake(AUTH_SHA1, secret, SLICE("bob"), 4096, &account.keys[AUTH_SHA1]);
	auth_ask(auth, AUTH_CHANGE, &auth_source_storage, fixture->process->storage, bob, &account, stop_there, fixture, 0);
	mio_host_run(fixture->host);
	assert_int_equal(fixture->code, AUTH_OK);
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_OK);
	assert_true(said(&fixture->out, "disabled    yes"));
	jid_free(&bob);
}

struct leaving {
	struct mio_task task;
	struct ctl *ctl;
	uint64_t call;
};

static void leave(struct mio_task *task)
{
	struct leaving *leaving = container_of(task, struct leaving, task);

	ctl_cancel(leaving->ctl, leaving->call);
}

/* What an account lacks counts again, though its caller has pressed Ctrl-C. */
static void enabling_goes_on_without_its_caller(void **state)
{
	static const char *const enable[] = {"user", "enable", "ann@a.example"}, *const check[] = {"check", "accounts"};
	struct fixture *fixture = *state;
	struct leaving leaving = {.task = {.run = leave}, .ctl = fixture->process->ctl};
	bool lacks = false;

	assert_int_equal(run(fixture, "import", "file", "ann@a.example\t" KEY "\n"), CTL_OK);
	assert_int_equal(run(fixture, "disable", "ann@a.example", ""), CTL_OK);
	leaving.call = begin(fixture, enable, 3, "");
	mio_defer(fixture->process->workers[0]->mio, &leaving.task);
	for (unsigned tries = 0; tries < 20 && !lacks; tries++) {
		begin(fixture, check, 2, "");
		mio_host_run(fixture->host);
		lacks = said(&fixture->out, "ann@a.example has no key for SCRAM-SHA-256");
	}
	assert_true(lacks);
}

static void lock(struct fixture *fixture, const char *user)
{
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_LOCK, slice_of(user), SLICE("2999-01-01T00:00:00Z"), SLICE(""));
	assert_int_equal(storage_run_now(fixture->process->storage, txn), 0);
	store_txn_free(&txn);
}

static void the_name_of_a_deleted_account_is_locked(void **state)
{
	struct fixture *fixture = *state;

	lock(fixture, "bob@a.example");
	assert_int_equal(run(fixture, "add", "bob@a.example", "secret"), CTL_PROBLEM);
	assert_true(said(&fixture->err, "--unlock gives it all the same"));
	assert_int_equal(run(fixture, "import", "file", "bob@a.example\tsecret\nann@a.example\tsecret\n"), CTL_PROBLEM);
	assert_true(said(&fixture->err, "bob@a.example: such an account was deleted"));
	assert_string_equal(buf_text(&fixture->out), "1 added, 0 existed already, 1 wrong\n");
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_PROBLEM);
	assert_true(said(&fixture->err, "locked until 2999-01-01T00:00:00Z"));
	fixture->more = "unlock";
	assert_int_equal(run(fixture, "passwd", "bob@a.example", "secret"), CTL_USAGE);
	assert_int_equal(run(fixture, "add", "bob@a.example", "secret"), CTL_OK);
	fixture->more = NULL;
	assert_int_equal(run(fixture, "show", "bob@a.example", ""), CTL_OK);
}

static void imports_passwords_and_keys(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "import", "file",
			     "bob@a.example\tsecret\r\n\nann@a.example\t" KEY "\n"),
			 CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "2 added, 0 existed already, 0 wrong\n");
	assert_int_equal(run(fixture, "show", "ann@a.example", ""), CTL_OK);
	assert_true(said(&fixture->out, "logs in by  SCRAM-SHA-1\n"));
}

static void says_which_lines_are_wrong(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "import", "file",
			     "bob@a.example\tsecret\nbob\tx\nx@b.example\tx\nx@a.example\n"
			     "y@a.example\tSCRAM-SHA-1$1:x$y:z"),
			 CTL_PROBLEM);
	assert_true(said(&fixture->err, "line 2: "));
	assert_true(said(&fixture->err, "line 3: "));
	assert_true(said(&fixture->err, "line 4: "));
	assert_true(said(&fixture->err, "line 5: "));
	assert_string_equal(buf_text(&fixture->out), "1 added, 0 existed already, 4 wrong\n");
}

static void counts_what_exists_and_does_not_fail(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf file = {0};

	for (int i = 0; i < 1203; i++)
		buf_printf(&file, "u%d@a.example\t" KEY "\n", i);
	buf_append_text(&file, "u7@a.example\t" KEY "\nu1202@a.example\t" KEY "\n");
	assert_int_equal(run(fixture, "import", "file", buf_text(&file)), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "1203 added, 2 existed already, 0 wrong\n");
	assert_int_equal(run(fixture, "import", "file", buf_text(&file)), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "0 added, 1205 existed already, 0 wrong: nothing was changed\n");
	assert_int_equal(run(fixture, "list", NULL, ""), CTL_OK);
	assert_true(said(&fixture->out, "u1202@a.example\n"));
	assert_int_equal(run(fixture, "count", NULL, ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "1203 accounts, 0 of them disabled\n");
	assert_int_equal(run(fixture, "list", "limit=2", ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "u0@a.example\nu1000@a.example\n");
}

static void lists_those_who_are_disabled(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "import", "file", "a@a.example\t" KEY "\nb@a.example\t" KEY "\n"), CTL_OK);
	assert_int_equal(run(fixture, "list", "disabled", ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "");
	assert_int_equal(run(fixture, "disable", "b@a.example", ""), CTL_OK);
	assert_int_equal(run(fixture, "list", "disabled", ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "b@a.example\n");
	assert_int_equal(run(fixture, "count", NULL, ""), CTL_OK);
	assert_string_equal(buf_text(&fixture->out), "2 accounts, 1 of them disabled\n");
	assert_int_equal(run(fixture, "list", "online", ""), CTL_USAGE);
	assert_int_equal(run(fixture, "list", "limit=x", ""), CTL_USAGE);
	assert_int_equal(run(fixture, "count", "disabled", ""), CTL_USAGE);
}

struct soon {
	struct mio_host *host;
	struct mio_timer timer;
};

static void stop_soon(struct mio_timer *timer)
{
	mio_host_stop(container_of(timer, struct soon, timer)->host);
}

static void forgets_an_import_whose_caller_went_away(void **state)
{
	struct fixture *fixture = *state;
	const struct ctl_sink sink = {.print = heard, .ended = ended, .arg = fixture};
	const char *words[] = {"user", "import", "file"};
	struct soon soon = {.host = fixture->host};
	uint64_t id = ctl_run(fixture->process->ctl, words, 3, false,
			      SLICE("bob@a.example\tsecret\nann@a.example\tsecret\n"), &sink);

	mio_timer_init(&soon.timer, stop_soon);
	mio_timer_set(fixture->process->workers[0]->mio, &soon.timer, 8);
	mio_host_run(fixture->host);
	ctl_cancel(fixture->process->ctl, id);
	mio_timer_set(fixture->process->workers[0]->mio, &soon.timer, 200);
	mio_host_run(fixture->host);
	assert_null(ctl_call(fixture->process->ctl, id));
	assert_true(fixture->ended <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(adds_an_account_once, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_account_of_ours, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_is_disabled_does_not_come_back_by_a_new_password, setup, teardown),
		cmocka_unit_test_setup_teardown(enabling_goes_on_without_its_caller, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_an_account_disabled_when_its_password_changes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_name_of_a_deleted_account_is_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(imports_passwords_and_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(says_which_lines_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_what_exists_and_does_not_fail, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lists_those_who_are_disabled, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_an_import_whose_caller_went_away, setup,
						teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
