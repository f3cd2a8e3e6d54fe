/* SPDX-License-Identifier: MIT */
/* The memory driver, "memory:": a SQLite database without a file, so that it means the same to the
 * letter. */
#include "storage/drivers/sqlite.h"

static int memory_open(void *state, const struct storage_place *place, struct buf *why)
{
	return sqlite_open_file(state, place, ":memory:", why);
}

/* In one step: without a log, every commit would make a copy start over. */
static int memory_copy(void *state, const char *path, struct store_copied *copied)
{
	return sqlite_copy_pages(state, path, -1, copied);
}

const struct storage_driver storage_memory = {
	.name = "memory",
	.size = sizeof(struct sqlite_db),
	.open = memory_open,
	.close = sqlite_close,
	.run = sqlite_run,
	.copy = memory_copy,
	.copy_stop = sqlite_copy_stop,
	.held = sqlite_held,
};
