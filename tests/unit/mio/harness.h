/* SPDX-License-Identifier: MIT */
/* Runs a host on the real machine for a test, with a watchdog that fails it after ten seconds. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/macros.h"
#include "base/mem.h"
#include "mio/backend.h"

struct harness {
	struct mio_host *host;
	struct mio *mio; /* worker 0 */
	struct mio_timer watchdog;
	bool barked;
};

static inline void harness_bark(struct mio_timer *timer)
{
	struct harness *harness = container_of(timer, struct harness, watchdog);

	harness->barked = true;
	mio_host_stop(harness->host);
}

static inline void harness_start(struct harness *harness, unsigned workers,
				 int (*start)(struct mio *mio, void *arg), void *arg)
{
	memset(harness, 0, sizeof(*harness));
	harness->host = mio_host_new("test");
	mio_timer_init(&harness->watchdog, harness_bark);
	assert_int_equal(mio_host_start(harness->host, workers, start, arg), 0);
	harness->mio = mio_host_loop(harness->host, 0);
}

/* Until mio_host_stop(). */
static inline void harness_run(struct harness *harness)
{
	mio_timer_set(harness->mio, &harness->watchdog, 10000);
	assert_int_equal(mio_host_run(harness->host), 0);
	mio_timer_stop(&harness->watchdog);
	assert_false(harness->barked);
}

static inline void harness_free(struct harness *harness)
{
	mio_host_free(&harness->host);
	assert_null(harness->host);
}

/* A blocking connection from outside the loop. */
static inline int harness_dial(const char *address)
{
	struct sockaddr_storage to;
	socklen_t len;
	int fd;

	assert_int_equal(mio_address_parse(address, &to, &len), 0);
	fd = socket(to.ss_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&to, len) == 0)
		return fd;
	close(fd);
	return -1;
}
