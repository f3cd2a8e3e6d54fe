/* SPDX-License-Identifier: MIT */
/*
 * Fills the archive of a data directory whose server does not run: what years would.
 *
 *   archive_fill DIR USERS MESSAGES
 *
 * userN@localhost each have so many messages, of twenty contacts in turn, and user0 of rare@localhost a hundred among them, evenly.
 * Prints how long it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"
#include "mio/mio.h"
#include "storage/archive.h"

enum { BATCH = 2000, CONTACTS = 20, RARE = 100 };

static void add(struct store_txn *txn, unsigned user, unsigned number, unsigned count)
{
	bool rare = user == 0 && count >= RARE && number % (count / RARE) == count / RARE / 2;
	AUTO(buf_fini) struct buf owner = {0}, peer = {0}, value = {0};

	buf_printf(&owner, "user%u@localhost", user);
	if (rare)
		buf_append_text(&peer, "rare@localhost");
	else
		buf_printf(&peer, "contact%u@localhost", number % CONTACTS);
	buf_printf(&value,
		   "<message xmlns='jabber:client' type='chat' id='m%u' from='%s/phone' to='%s'><body>The %u. of many messages, as long as "
		   "people write them on a phone when they have time</body></message>",
		   number, buf_text(&peer), buf_text(&owner), number);
	store_archive(txn, &(struct store_message){.owner = buf_slice(&owner),
						   .peer = buf_slice(&peer),
						   .resource = SLICE("phone"),
						   .random = number * 2654435761u,
						   .value = buf_slice(&value)});
}

int main(int argc, char **argv)
{
	struct mio_host *host = mio_host_new("fill");
	unsigned users = argc > 3 ? (unsigned)atoi(argv[2]) : 0, messages = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	struct storage_options options = {.url = "sqlite:jackdaw.db", .dir = argc > 1 ? argv[1] : ".", .durability = DURABILITY_PROCESS};
	struct storage *storage;
	struct buf why = {0};
	time_t begin = time(NULL);

	if (!users || storage_open(host, &options, &storage, &why)) {
		fprintf(stderr, "archive_fill DIR USERS MESSAGES: %s\n", buf_text(&why));
		return 2;
	}
	for (unsigned number = 0; number < messages; number += BATCH / users) {
		struct store_txn *txn = store_txn_new();

		for (unsigned at = number; at < number + BATCH / users && at < messages; at++)
			for (unsigned user = 0; user < users; user++)
				add(txn, user, at, messages);
		if (storage_run_now(storage, txn)) {
			fprintf(stderr, "archive_fill: storage fails\n");
			return 1;
		}
		store_txn_free(&txn);
		if (number / (BATCH / users) % 500 == 0)
			fprintf(stderr, "%u of %u\n", number * users, messages * users);
	}
	storage_close(&storage);
	printf("%u messages in %ld s\n", users * messages, (long)(time(NULL) - begin));
	return 0;
}
