/* SPDX-License-Identifier: MIT */
/* A storage on a host of its own, in a directory of its own, with answers as text. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "mio/mio.h"
#include "storage/storage.h"

enum { ANSWERS_MAX = 32, OPS_SHOWN = 8 };

struct answer {
	int result;
	struct buf ops[OPS_SHOWN]; /* keyed: "item=value;" a log: "seq:value@stamp;" */
};

struct fixture {
	struct mio_host *host;
	struct mio *mio;
	struct storage *storage;
	const char *url;
	char dir[32];
	unsigned waiting, answered;
	struct answer answers[ANSWERS_MAX];
};

static inline int fixture_open(struct fixture *fixture, struct buf *why)
{
	struct storage_options options = {.url = fixture->url, .dir = fixture->dir};

	return storage_open(fixture->host, &options, &fixture->storage, why);
}

/* A process with one worker; *state is the url. */
static inline int fixture_setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));
	struct buf why = {0};

	fixture->url = *state;
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/storage.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	fixture->host = mio_host_new("test");
	if (mio_host_start(fixture->host, 1, NULL, NULL) || fixture_open(fixture, &why))
		return -1;
	fixture->mio = mio_host_loop(fixture->host, 0);
	*state = fixture;
	return 0;
}

static inline void fixture_forget(struct fixture *fixture)
{
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		for (size_t op = 0; op < OPS_SHOWN; op++)
			buf_fini(&fixture->answers[i].ops[op]);
	fixture->answered = 0;
}

static inline void fixture_remove_files(struct fixture *fixture)
{
	static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "t.db-journal"};
	char path[64];

	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->dir, names[i]);
		unlink(path);
	}
	rmdir(fixture->dir);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	storage_close(&fixture->storage);
	fixture_forget(fixture); /* the answers are of the loop's heap */
	mio_host_free(&fixture->host);
	fixture_remove_files(fixture);
	mem_free(fixture);
	return 0;
}

static inline void fixture_print(const struct store_row *row, struct buf *out)
{
	if (row->seq)
		buf_printf(out, "%llu:", (unsigned long long)row->seq);
	buf_append_slice(out, row->item);
	if (!row->seq && row->value.len)
		buf_append_char(out, '=');
	buf_append_slice(out, row->value);
	if (row->stamp_ms)
		buf_printf(out, "@%lld", (long long)row->stamp_ms);
	buf_append_char(out, ';');
}

static inline void fixture_done(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct fixture *fixture = arg;

	if (token < ANSWERS_MAX) {
		struct answer *answer = &fixture->answers[token];

		answer->result = result;
		for (unsigned op = 0; op < OPS_SHOWN; op++) {
			size_t count;
			const struct store_row *rows = store_rows(txn, op, &count);

			for (size_t i = 0; i < count; i++)
				fixture_print(&rows[i], &answer->ops[op]);
		}
	} else if (result) {
		fixture->answers[ANSWERS_MAX - 1].result = result;
	}
	fixture->answered++;
	if (--fixture->waiting == 0)
		mio_host_stop(fixture->host);
}

static inline void submit(struct fixture *fixture, struct store_txn *txn, uint64_t token)
{
	fixture->waiting++;
	storage_run(fixture->storage, fixture->mio, &txn, fixture_done, fixture, token);
}

static inline void await(struct fixture *fixture)
{
	assert_int_equal(mio_host_run(fixture->host), 0);
	assert_int_equal(fixture->waiting, 0);
}

/* Runs one and waits for its answer. */
static inline struct answer *run(struct fixture *fixture, struct store_txn *txn)
{
	fixture_forget(fixture);
	submit(fixture, txn, 0);
	await(fixture);
	return &fixture->answers[0];
}

#define assert_rows(answer, op, text) assert_string_equal(buf_text(&(answer)->ops[op]), text)
