/* SPDX-License-Identifier: MIT */
/* One run of a seed: its simulation, its story as lines when somebody reads it, and its failure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/macros.h"
#include "mio/sim.h"

struct scene {
	struct sim *sim;
	uint64_t seed;
	bool told; /* its story is printed */
	uint64_t client_ms; /* of all clients that had a session */
};

/* A line of the story, with its time. */
void scene_say(const struct scene *scene, const char *format, ...) PRINTF_LIKE(2, 3);
/* What must hold does not: says so and ends the process. */
_Noreturn void scene_fail(const struct scene *scene, const char *format, ...) PRINTF_LIKE(2, 3);

/* From the seed: below count; between both; true in so many of 100. */
unsigned scene_pick(const struct scene *scene, unsigned count);
int64_t scene_between(const struct scene *scene, int64_t low, int64_t high);
bool scene_chance(const struct scene *scene, unsigned percent);
