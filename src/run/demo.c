/* SPDX-License-Identifier: MIT */
/*
 * The two accounts of --demo.
 *
 *   for each: user add --(it exists)--> user passwd; then both roster items; then they are printed
 */
#include "run/demo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "run/deployment.h"

enum { PASSWORD_LEN = 16, DEMO_ACCOUNTS = 2 };

static const char *const accounts[DEMO_ACCOUNTS] = {"romeo@localhost", "juliet@localhost"};

struct demo {
	struct process *process;
	struct buf passwords[DEMO_ACCOUNTS];
	size_t at;	    /* the account under way */
	bool again;	    /* it exists: its password is set */
	struct buf trouble; /* what the command under way said */
	void (*done)(void *arg);
	void *arg;
};

static void make_password(struct mio_host *host, struct buf *out)
{
	static const char letters[] =
		"abcdefghijkmnpqrstuvwxyz23456789"; /* 32 that look different */
	unsigned char bytes[PASSWORD_LEN];

	mio_host_random(host, bytes, sizeof(bytes));
	for (size_t i = 0; i < PASSWORD_LEN; i++)
		buf_append_char(out, letters[bytes[i] % 32]);
	mem_wipe(bytes, sizeof(bytes));
}

/* A line for each account: its address, a space, the password. */
static bool read_passwords(struct demo *demo, struct buf *text)
{
	const char *line = buf_text(text);

	for (size_t i = 0; i < DEMO_ACCOUNTS; i++) {
		size_t len = strlen(accounts[i]);

		if (strncmp(line, accounts[i], len) != 0 || line[len] != ' ')
			return false;
		line += len + 1;
		buf_append(&demo->passwords[i], line, strcspn(line, "\n"));
		line += strcspn(line, "\n");
		line += *line == '\n';
		if (!buf_used(&demo->passwords[i]))
			return false;
	}
	return true;
}

int demo_new(const struct deployment *deployment, struct mio_host *host, struct demo **demo,
	     struct buf *why)
{
	AUTO(buf_wipe) struct buf text = {0};
	struct demo *made;
	int rc;

	for (size_t i = 0; i < DEMO_ACCOUNTS; i++) {
		buf_printf(&text, "%s ", accounts[i]);
		make_password(host, &text);
		buf_append_char(&text, '\n');
	}
	rc = deployment_file(deployment, "demo.passwords", &text, why);
	if (rc)
		return rc;
	made = mem_zalloc(MEM_OTHER, sizeof(*made));
	if (!read_passwords(made, &text)) {
		buf_printf(why,
			   "%s/demo.passwords: is not as we wrote it; remove it, and new ones are "
			   "made",
			   deployment->settings.data.dir);
		demo_free(&made);
		return -EINVAL;
	}
	*demo = made;
	return 0;
}

void demo_free(struct demo **demo)
{
	if (!*demo)
		return;
	for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
		buf_wipe(&(*demo)->passwords[i]);
	buf_fini(&(*demo)->trouble);
	mem_free(*demo);
	*demo = NULL;
}

/* -- making them
 * ------------------------------------------------------------------------------------- */

static void print_accounts(struct demo *demo)
{
	fprintf(stderr, "jackdaw: two accounts, each on the other's roster; to log in, type into "
			"profanity, for example:\n");
	for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
		fprintf(stderr,
			"  /connect %-16s server 127.0.0.1 port 5222 tls trust    password: %s\n",
			accounts[i], buf_text(&demo->passwords[i]));
}

static void rosters_written(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct demo *demo = arg;

	if (result < 0)
		log_error(&demo->process->workers[0]->log, "demo: the rosters are not written: %s",
			  strerror(-result));
	print_accounts(demo);
	demo->done(demo->arg);
}

static void write_rosters(struct demo *demo)
{
	struct store_txn *txn = store_txn_new();

	for (size_t i = 0; i < DEMO_ACCOUNTS; i++) {
		const char *other = accounts[DEMO_ACCOUNTS - 1 - i];
		AUTO(buf_fini) struct buf item = {0};

		buf_printf(&item, "<item xmlns='jabber:iq:roster' jid='%s' subscription='both'/>",
			   other);
		store_add(txn, STORE_ROSTER, slice_of(accounts[i]), slice_of(other),
			  buf_slice(&item));
	}
	storage_run(demo->process->storage, demo->process->workers[0]->mio, &txn, rosters_written,
		    demo, 0);
}

static void heard(void *arg, bool error, struct slice text)
{
	struct demo *demo = arg;

	if (error)
		buf_append_slice(&demo->trouble, text);
}

static void ended(void *arg, int code);

static void run_command(struct demo *demo)
{
	const struct ctl_sink sink = {.print = heard, .ended = ended, .arg = demo};
	const char *words[] = {"user", demo->again ? "passwd" : "add", accounts[demo->at], "unlock"};

	buf_clear(&demo->trouble);
	ctl_run(demo->process->ctl, words, demo->again ? 3 : 4, false,
		buf_slice(&demo->passwords[demo->at]), &sink);
}

/* That the account exists is no trouble: it gets the password that we print. */
static void ended(void *arg, int code)
{
	struct demo *demo = arg;

	if (code && !demo->again) {
		demo->again = true;
		run_command(demo);
		return;
	}
	if (code)
		log_error(&demo->process->workers[0]->log, "demo: %s", buf_text(&demo->trouble));
	demo->again = false;
	if (++demo->at < DEMO_ACCOUNTS)
		run_command(demo);
	else
		write_rosters(demo);
}

void demo_start(struct demo *demo, struct process *process, void (*done)(void *arg), void *arg)
{
	demo->process = process;
	demo->done = done;
	demo->arg = arg;
	run_command(demo);
}
