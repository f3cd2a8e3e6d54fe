/* SPDX-License-Identifier: MIT */
/* The memory driver, "memory:": a SQLite database without a file, so that it means the same to the
 * letter. */
#include "storage/drivers/sqlite.h"

#include <errno.h>

/* After a fault there is nothing to open again. */
static int memory_open(void *state, const struct storage_place *place, struct buf *why)
{
	if (place->again)
		return -EIO;
	return sqlite_open_file(state, place, ":memory:", why);
}

const struct storage_driver storage_memory = {
	.name = "memory",
	.size = sizeof(struct sqlite_db),
	.open = memory_open,
	.close = sqlite_close,
	.run = sqlite_run,
};
