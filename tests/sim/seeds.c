/* SPDX-License-Identifier: MIT */
#include "seeds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TWICE_EVERY = 25, FAILED_MAX = 200, JOBS_MAX = 16, PROGRESS_EVERY = 500, LIST_MAX = 4096 };

/* A process of ours, in memory that it shares: how far it is, and what it has done. */
struct job {
	pid_t child;
	uint64_t place; /* of the seed that runs */
	uint64_t done;
	struct seed_result sum;
};

struct seeds {
	run_seed_fn *run;
	const char *program;
	struct seeds_options options;
	uint64_t from, count, failed[FAILED_MAX];
	uint64_t list[LIST_MAX]; /* instead of from on, when listed */
	bool listed;
	unsigned jobs, failed_count;
	struct job *job;
};

static uint64_t seed_at(const struct seeds *seeds, uint64_t place)
{
	return seeds->listed ? seeds->list[place] : seeds->from + place;
}

/* -- in a child ----------------------------------------------------------------------------------- */

static void add(struct seed_result *sum, const struct seed_result *result)
{
	sum->client_ms += result->client_ms;
	sum->messages += result->messages;
	sum->heard += result->heard;
	sum->kept += result->kept;
	sum->copied += result->copied;
	sum->steps += result->steps;
}

static void run_one(const struct seeds *seeds, uint64_t seed, struct seed_result *result)
{
	struct seed_result again = {0};

	seeds->run(seed, &seeds->options, result);
	if (seed % TWICE_EVERY)
		return;
	seeds->run(seed, &seeds->options, &again);
	if (again.trace == result->trace)
		return;
	printf("# VIOLATION, seed %llu: two runs differ\n", (unsigned long long)seed);
	exit(1);
}

_Noreturn static void run_job(struct seeds *seeds, struct job *job)
{
	for (; job->place < seeds->count; job->place += seeds->jobs) {
		struct seed_result result = {0};

		run_one(seeds, seed_at(seeds, job->place), &result);
		add(&job->sum, &result);
		if (++job->done % PROGRESS_EVERY == 0)
			printf("# %llu seeds of this process are done\n", (unsigned long long)job->done);
	}
	fflush(stdout);
	_exit(0);
}

/* -- in the parent -------------------------------------------------------------------------------- */

static void start_job(struct seeds *seeds, struct job *job)
{
	pid_t child;

	fflush(stdout);
	if (job->place >= seeds->count)
		return;
	child = fork();
	if (child < 0)
		abort();
	if (!child)
		run_job(seeds, job);
	job->child = child; /* in memory that both see: not by the child */
}

static struct job *job_of(struct seeds *seeds, pid_t child)
{
	for (unsigned at = 0; at < seeds->jobs; at++) {
		if (seeds->job[at].child == child)
			return &seeds->job[at];
	}
	return NULL;
}

static void stop_all(const struct seeds *seeds)
{
	for (unsigned at = 0; at < seeds->jobs; at++) {
		if (seeds->job[at].child > 0)
			kill(seeds->job[at].child, SIGTERM);
	}
}

/* The process has died in a seed: another goes on behind it. */
static void go_on(struct seeds *seeds, struct job *job)
{
	unsigned long long seed = seed_at(seeds, job->place);

	printf("# seed %llu failed; its story: %s%s --seed %llu\n", seed, seeds->program, seeds->options.day ? " --day" : "", seed);
	if (seeds->failed_count < FAILED_MAX)
		seeds->failed[seeds->failed_count++] = seed;
	job->place += seeds->jobs;
	job->child = 0;
	if (seeds->options.stop)
		stop_all(seeds);
	else if (seeds->failed_count < FAILED_MAX)
		start_job(seeds, job);
}

static void run_all(struct seeds *seeds)
{
	pid_t child;
	int status;

	seeds->job = mmap(NULL, seeds->jobs * sizeof(struct job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seeds->job == MAP_FAILED)
		abort();
	for (unsigned at = 0; at < seeds->jobs; at++) {
		seeds->job[at].place = at;
		start_job(seeds, &seeds->job[at]);
	}
	while ((child = wait(&status)) > 0) {
		struct job *job = job_of(seeds, child);

		if (job && status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
			go_on(seeds, job);
	}
}

static int64_t used_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static int report(const struct seeds *seeds)
{
	struct seed_result sum = {0};
	uint64_t done = 0;

	for (unsigned at = 0; at < seeds->jobs; at++) {
		add(&sum, &seeds->job[at].sum);
		done += seeds->job[at].done;
	}
	printf("# %llu client-hours, %.0f a minute of a core's time; %llu messages said, %llu heard, %llu of them kept, %llu copied, %llu steps\n",
	       (unsigned long long)sum.client_ms / 3600000, (double)sum.client_ms / 60 / (double)(used_ms() + 1),
	       (unsigned long long)sum.messages, (unsigned long long)sum.heard,
	       (unsigned long long)sum.kept, (unsigned long long)sum.copied, (unsigned long long)sum.steps);
	if (!seeds->failed_count) {
		printf("1..1\nok 1 - %llu seeds\n", (unsigned long long)done);
		return 0;
	}
	printf("# failed:");
	for (unsigned at = 0; at < seeds->failed_count; at++)
		printf(" %llu", (unsigned long long)seeds->failed[at]);
	printf("\n1..1\nnot ok 1 - %u seeds failed, %llu did not\n", seeds->failed_count, (unsigned long long)done);
	return 1;
}

/* -- the command line ----------------------------------------------------------------------------- */

/* A seed a line, and what it found. */
static void read_list(struct seeds *seeds, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	unsigned long long seed;

	seeds->listed = true;
	seeds->count = 0;
	if (!file) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llu", &seed) == 1 && seeds->count < LIST_MAX)
			seeds->list[seeds->count++] = seed;
	}
	fclose(file);
}

static void take_value(struct seeds *seeds, const char *name, const char *value)
{
	if (strcmp(name, "--seeds") == 0) {
		seeds->count = strtoull(value, NULL, 10);
	} else if (strcmp(name, "--from") == 0) {
		seeds->from = strtoull(value, NULL, 10);
	} else if (strcmp(name, "--jobs") == 0) {
		seeds->jobs = (unsigned)strtoul(value, NULL, 10);
	} else if (strcmp(name, "--list") == 0) {
		read_list(seeds, value);
	} else if (strcmp(name, "--seed") == 0) {
		seeds->from = strtoull(value, NULL, 10);
		seeds->count = 0;
	} else {
		fprintf(stderr, "unknown: %s\n", name);
		exit(2);
	}
}

static bool take_flag(struct seeds *seeds, const char *name)
{
	if (strcmp(name, "--log") == 0)
		seeds->options.log = true;
	else if (strcmp(name, "--stop") == 0)
		seeds->options.stop = true;
	else if (strcmp(name, "--day") == 0)
		seeds->options.day = true;
	else
		return false;
	return true;
}

int seeds_main(int argc, char **argv, run_seed_fn *run)
{
	static struct seeds seeds = {.from = 1, .count = 200, .jobs = 1};
	struct seed_result result = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	seeds.run = run;
	seeds.program = argv[0];
	for (int at = 1; at < argc; at++) {
		if (take_flag(&seeds, argv[at]))
			continue;
		take_value(&seeds, argv[at], at + 1 < argc ? argv[at + 1] : "");
		at++;
	}
	if (seeds.jobs < 1 || seeds.jobs > JOBS_MAX)
		seeds.jobs = 1;
	if (seeds.count || seeds.listed) {
		run_all(&seeds);
		return report(&seeds);
	}
	seeds.options.told = true;
	run(seeds.from, &seeds.options, &result);
	printf("# trace %016llx, %llu messages said, %llu heard\nok - seed %llu\n", (unsigned long long)result.trace,
	       (unsigned long long)result.messages, (unsigned long long)result.heard, (unsigned long long)seeds.from);
	return 0;
}
