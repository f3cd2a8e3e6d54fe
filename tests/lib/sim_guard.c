/* SPDX-License-Identifier: MIT */
/*
 * The system's clocks and randomness for a simulation. The functions have the names of the C
 * library's: the program's own come first for every library that it loads. They are handed nothing,
 * so the state is global here.
 */
#include "sim_guard.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* random methods have no successor that is as short */
#include <dlfcn.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "mio/sim.h"

#define START_MS INT64_C(1767225600000)

static struct sim *used;
static uint64_t drawn;

extern const char __executable_start, etext;

/* -- whose call it is -- */

static void refuse(const char *name, const char *caller)
{
	Dl_info info;
	char line[256];
	int len;

	if (!dladdr(caller, &info) || !info.dli_sname)
		info.dli_sname = "?";
	len = snprintf(line, sizeof(line),
		       "sim_guard: %s() called from our own code, at %#zx (%s)\n", name,
		       (size_t)(caller - &__executable_start), info.dli_sname);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		abort();
	abort();
}

static void check(const char *name, const void *return_address)
{
	const char *caller = return_address;

	if (caller >= &__executable_start && caller < &etext)
		refuse(name, caller);
}

/* -- what libraries get -- */

static int64_t wall_ms(void)
{
	return used ? sim_wall_ms(used) : START_MS;
}

static int64_t clock_ms(clockid_t clock)
{
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
		return wall_ms();
	return used ? sim_now_ms(used) : 1000000;
}

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t value = drawn += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static void fill(void *bytes, size_t len)
{
	char *at = bytes;

	while (len) {
		uint64_t value = draw();
		size_t part = len < sizeof(value) ? len : sizeof(value);

		memcpy(at, &value, part);
		at += part;
		len -= part;
	}
}

/* -- the C library's -- */

time_t time(time_t *out)
{
	time_t now = (time_t)(wall_ms() / 1000);

	check("time", __builtin_return_address(0));
	if (out)
		*out = now;
	return now;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int64_t now_ms = clock_ms(clock);

	check("clock_gettime", __builtin_return_address(0));
	out->tv_sec = (time_t)(now_ms / 1000);
	out->tv_nsec = (long)(now_ms % 1000) * 1000000;
	return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	int64_t now_ms = wall_ms();

	check("gettimeofday", __builtin_return_address(0));
	out->tv_sec = (time_t)(now_ms / 1000);
	out->tv_usec = (suseconds_t)(now_ms % 1000) * 1000;
	return 0;
}

/* A sleep takes no time: nothing happens in a simulation while code of a turn runs. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	check("nanosleep", __builtin_return_address(0));
	return 0;
}

int usleep(useconds_t us)
{
	check("usleep", __builtin_return_address(0));
	return 0;
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
	check("getrandom", __builtin_return_address(0));
	fill(bytes, len);
	return (ssize_t)len;
}

int getentropy(void *bytes, size_t len)
{
	check("getentropy", __builtin_return_address(0));
	fill(bytes, len);
	return 0;
}

uint32_t arc4random(void)
{
	check("arc4random", __builtin_return_address(0));
	return (uint32_t)draw();
}

void arc4random_buf(void *bytes, size_t len)
{
	check("arc4random_buf", __builtin_return_address(0));
	fill(bytes, len);
}

uint32_t arc4random_uniform(uint32_t bound)
{
	check("arc4random_uniform", __builtin_return_address(0));
	return bound ? (uint32_t)(draw() % bound) : 0;
}

/* -- OpenSSL's -- */

static int ssl_seed(const void *bytes, int len)
{
	return 1;
}

static int ssl_bytes(unsigned char *bytes, int len)
{
	fill(bytes, (size_t)len);
	return 1;
}

static int ssl_add(const void *bytes, int len, double entropy)
{
	return 1;
}

static int ssl_status(void)
{
	return 1;
}

static const RAND_METHOD method = {
	.seed = ssl_seed,
	.bytes = ssl_bytes,
	.add = ssl_add,
	.pseudorand = ssl_bytes,
	.status = ssl_status,
};

void sim_guard_use(struct sim *sim)
{
	used = sim;
	drawn = sim ? sim_random(sim) : 0;
	RAND_set_rand_method(&method);
}
