/* SPDX-License-Identifier: MIT */
/* Many seeds, in processes of a few each, so that one that fails ends none of the others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct seeds_options {
	bool told; /* the story of the seed is printed */
	bool log;  /* and the log of the server */
	bool stop; /* at the first that fails */
	bool day;  /* of somebody with three devices, instead */
};

struct seed_result {
	uint64_t trace, client_ms, steps, messages, heard, kept, copied;
};

typedef void run_seed_fn(uint64_t seed, const struct seeds_options *options, struct seed_result *result);

/* Takes the command line; returns the exit code. run exits with 1 when its seed fails. */
int seeds_main(int argc, char **argv, run_seed_fn *run);
