/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(const struct scene *scene, const char *format, va_list args)
{
	int64_t ms = sim_now_ms(scene->sim) - 1000000;

	printf("# %4lld.%03lld  ", (long long)ms / 1000, (long long)ms % 1000);
	vprintf(format, args);
	printf("\n");
}

void scene_say(const struct scene *scene, const char *format, ...)
{
	va_list args;

	if (!scene->told)
		return;
	va_start(args, format);
	say(scene, format, args);
	va_end(args);
}

_Noreturn void scene_fail(const struct scene *scene, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# VIOLATION, seed %llu:\n", (unsigned long long)scene->seed);
	say(scene, format, args);
	va_end(args);
	exit(1);
}

unsigned scene_pick(const struct scene *scene, unsigned count)
{
	return (unsigned)(sim_random(scene->sim) % count);
}

int64_t scene_between(const struct scene *scene, int64_t low, int64_t high)
{
	return low + (int64_t)(sim_random(scene->sim) % (uint64_t)(high - low + 1));
}

bool scene_chance(const struct scene *scene, unsigned percent)
{
	return percent && scene_pick(scene, 100) < percent;
}
