/* SPDX-License-Identifier: MIT */
/* Memory that outlives the process, on the real machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mio/lasting.h"
#include "mio/mio.h"

enum { BYTES = 10000 };

struct place {
	char dir[64], path[96];
	struct mio_host *host;
};

static int open_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->dir, "/tmp/jackdaw-lasting-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/memory", place->dir);
	place->host = mio_host_new("test");
	*state = place;
	return 0;
}

static int close_place(void **state)
{
	struct place *place = *state;

	mio_host_free(&place->host);
	unlink(place->path);
	rmdir(place->dir);
	free(place);
	return 0;
}

static char *get(struct place *place, size_t bytes)
{
	void *memory = NULL;

	mio_host_free(&place->host);
	place->host = mio_host_new("test");
	assert_int_equal(mio_lasting(place->host, place->path, bytes, &memory), 0);
	return memory;
}

static void the_next_process_finds_what_was_written(void **state)
{
	char *memory = get(*state, BYTES);

	assert_int_equal(memory[0], 0);
	memset(memory, 7, BYTES);
	memory = get(*state, BYTES);
	assert_int_equal(memory[0], 7);
	assert_int_equal(memory[BYTES - 1], 7);
}

static void another_size_is_another_memory(void **state)
{
	memset(get(*state, BYTES), 7, BYTES);
	assert_int_equal(get(*state, BYTES + 1)[0], 0);
	assert_int_equal(get(*state, BYTES)[BYTES - 1], 0);
}

/* It begins with the name of that start. */
static void of_an_earlier_start_of_the_machine_it_is_nothing(void **state)
{
	struct place *place = *state;
	int fd;

	memset(get(place, BYTES), 7, BYTES);
	fd = open(place->path, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 3), 1);
	close(fd);
	assert_int_equal(get(place, BYTES)[BYTES - 1], 0);
}

static void nobody_else_may_read_it(void **state)
{
	struct place *place = *state;
	struct stat stat_of;

	get(place, BYTES);
	assert_int_equal(stat(place->path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0600);
	assert_true(stat_of.st_blocks * 512 >= BYTES); /* there is room for all of it */
}

static void what_cannot_be_had_is_a_fault(void **state)
{
	struct place *place = *state;
	void *memory;

	assert_int_equal(symlink("/dev/null", place->path), 0);
	assert_int_equal(mio_lasting(place->host, place->path, BYTES, &memory), -ELOOP);
	assert_int_equal(mio_lasting(place->host, "/nowhere/memory", BYTES, &memory), -ENOENT);
}

#define at_a_place(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		at_a_place(the_next_process_finds_what_was_written),
		at_a_place(another_size_is_another_memory),
		at_a_place(of_an_earlier_start_of_the_machine_it_is_nothing),
		at_a_place(nobody_else_may_read_it),
		at_a_place(what_cannot_be_had_is_a_fault),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
