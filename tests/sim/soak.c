/* SPDX-License-Identifier: MIT */
/*
 * The soak: deployments, people who use them, and what happens to both, by a seed. In rounds: an undisturbed while, in which
 * what is remembered for a minute is forgotten, faults while people are busy, then calm, in which everybody must come back,
 * see what is, and have heard what was promised. At last everything stops in good order and gives back its memory.
 *
 * usage: soak [--seeds N] [--from S] [--jobs J] [--stop] | --list FILE | --seed S [--log]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "faults.h"
#include "intruder.h"
#include "seeds.h"
#include "sim_guard.h"

/* Who leaves lets others answer pushes, and who answers asks within 25 s whether that arrived. */
enum { BACK_MAX_MS = 120000, NOTICE_MS = 100, AGREE_MAX_MS = 5000, HEARD_MAX_MS = 40000, LEAVE_MAX_MS = 30000, LEISURE_MAX_MS = 400000, DAY_ROUNDS_MAX = 40, DAY_MESSAGES = 1000 };

/* What a seed decides before anything happens. */
struct plan {
	struct sim_options sim;
	struct deployment_plan deployment;
	struct people_habits habits;
	unsigned rounds, hosts;
	bool gentle; /* nobody may notice anything */
};

struct stage {
	struct scene scene;
	struct plan plan;
	struct deployment deployment;
	struct people people;
	struct faults faults;
	struct intruder intruder;
};

static void make_plan(struct plan *plan, const struct scene *scene)
{
	static const unsigned forms[] = {1, 1, 3, 4};

	plan->gentle = scene_chance(scene, 15);
	plan->hosts = 1 + scene_pick(scene, HOSTS_MAX);
	plan->rounds = 1 + scene_pick(scene, 3);
	plan->deployment = (struct deployment_plan){
		.parts = plan->gentle ? 3 + scene_pick(scene, 2) : forms[scene_pick(scene, countof(forms))],
		.users = 4 + scene_pick(scene, USERS_MAX - 3),
		.tcp = scene_chance(scene, 30),
		.tight = scene_chance(scene, 20),
		.archive = scene->seed % 4 != 0,
		.resume_ms = 40000 + scene_pick(scene, 5) * 20000,
	};
	plan->habits = (struct people_habits){
		.pause_min_ms = 100,
		.pause_max_ms = scene_between(scene, 2000, 120000),
		.losses = plan->gentle ? 0 : scene_pick(scene, 15),
		.slow = plan->gentle ? 0 : scene_pick(scene, 10),
		.moves = plan->gentle ? 0 : scene_pick(scene, 8),
		.dozes = scene_pick(scene, 12),
		.steady = plan->gentle,
		.secure = scene->seed % 3 == 0,
	};
}

/*
 * Somebody with three devices: one is mostly away, one is not looked at, one knows nothing of stream management. A few others
 * write to them, a thousand messages.
 */
static void make_day(struct plan *plan)
{
	plan->gentle = false;
	plan->rounds = DAY_ROUNDS_MAX;
	plan->deployment.users = 4;
	plan->deployment.archive = true;
	plan->habits = (struct people_habits){.pause_min_ms = 100, .pause_max_ms = 10000, .losses = 8, .slow = 4, .moves = 3, .dozes = 5,
					      .secure = true, .day = true};
}

static void set_faults(struct stage *stage)
{
	struct faults *faults = &stage->faults;
	bool parts = stage->plan.deployment.parts > 1;

	*faults = (struct faults){.scene = &stage->scene, .deployment = &stage->deployment, .people = &stage->people,
				  .gentle = stage->plan.gentle};
	for (unsigned at = 0; at < FAULTS; at++)
		faults->weight[at] = scene_chance(&stage->scene, 60) ? 1 + scene_pick(&stage->scene, 4) : 0;
	faults->pause_ms = scene_between(&stage->scene, 1000, 30000);
	if (!faults->gentle)
		return;
	faults->weight[FAULT_FULL_DISK] = faults->weight[FAULT_BAD_DISK] = 0;
	faults->weight[FAULT_CUT] *= parts;
}

/* Everybody comes back, sees and hears; some are away by then. */
static void calm_down(struct stage *stage, bool last)
{
	struct scene *scene = &stage->scene;
	struct people *people = &stage->people;

	scene_say(scene, "CALM");
	people_calm(people, true);
	sim_run(scene->sim, NOTICE_MS, NULL, NULL); /* who lost a connection this moment knows it then */
	sim_run(scene->sim, BACK_MAX_MS, people_settled, people);
	if (!people_settled(people))
		people_blame_unsettled(people);
	if (!last && !stage->plan.gentle)
		people_leave(people, 20);
	sim_run(scene->sim, LEAVE_MAX_MS, people_settled, people);
	if (!people_settled(people))
		people_blame_unsettled(people);
	scene_say(scene, "CALM all are where they want to be");
	sim_run(scene->sim, AGREE_MAX_MS, people_agree, people);
	people_blame_views(people);
	scene_say(scene, "CALM all see the same");
	histories_refresh(people);
	sim_run(scene->sim, HEARD_MAX_MS, histories_whole, people);
	if (!histories_whole(people))
		scene_fail(scene, "an archive is not read to its end");
	histories_check(people);
	sim_run(scene->sim, HEARD_MAX_MS, people_heard_all, people);
	people_blame_unheard(people);
	scene_say(scene, "CALM all is heard");
	if (stage->plan.gentle) {
		sim_run(scene->sim, HEARD_MAX_MS, people_steady, people);
		people_blame_unsteady(people);
	}
	stage->deployment.clock_jumped = false;
	people_calm(people, false);
}

static void play(struct stage *stage)
{
	struct scene *scene = &stage->scene;

	sim_run(scene->sim, 6000, NULL, NULL);
	for (unsigned round = 0; round < stage->plan.rounds; round++) {
		bool last = round + 1 == stage->plan.rounds || (stage->plan.habits.day && stage->people.model.count >= DAY_MESSAGES);

		people_leisure(&stage->people, true);
		sim_run(scene->sim, scene_between(scene, 0, LEISURE_MAX_MS), NULL, NULL);
		people_leisure(&stage->people, false);
		faults_run(&stage->faults, scene_between(scene, 20000, 240000));
		calm_down(stage, last);
		if (last)
			break;
	}
}

static void end(struct stage *stage)
{
	struct scene *scene = &stage->scene;
	struct people *people = &stage->people;

	scene_say(scene, "END");
	people_calm(people, true);
	people_leave(people, 50);
	sim_run(scene->sim, 1000, NULL, NULL);
	for (unsigned at = stage->plan.deployment.parts; at-- > 0;)
		part_stop(&stage->deployment, &stage->deployment.part[at]);
	scene->client_ms += people_connected_ms(people);
	people_stop(people);
}

static void run_seed(uint64_t seed, const struct seeds_options *options, struct seed_result *result)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct scene *scene = &stage->scene;
	struct sim_options sim = {.seed = seed, .partial_percent = (unsigned)(seed % 3) * 20};

	scene->seed = seed;
	scene->told = options->told;
	scene->sim = sim_new(&sim);
	sim_guard_use(scene->sim);
	make_plan(&stage->plan, scene);
	if (options->day)
		make_day(&stage->plan);
	scene_say(scene, "seed %llu: %u processes, %u users%s", (unsigned long long)seed, stage->plan.deployment.parts,
		  stage->plan.deployment.users, stage->plan.gentle ? ", nobody may notice" : "");
	stage->deployment.logs = options->log ? log_writer_new(1, LOG_DEBUG, LOG_TEXT, false) : NULL;
	deployment_init(&stage->deployment, scene, &stage->plan.deployment);
	people_start(&stage->people, scene, &stage->deployment, &stage->plan.habits, stage->plan.hosts);
	intruder_start(&stage->intruder, &stage->people);
	set_faults(stage);
	play(stage);
	result->messages = stage->people.model.count;
	result->heard = stage->people.model.heard;
	result->kept = stage->people.model.kept;
	result->copied = stage->people.model.copied;
	end(stage);
	result->trace = sim_trace(scene->sim);
	result->client_ms = scene->client_ms;
	result->steps = sim_steps(scene->sim);
	sim_guard_use(NULL);
	sim_free(&scene->sim);
	deployment_fini(&stage->deployment);
	free(stage);
}

/* Each kill frees all that a process had, and the next takes as much: the kernel need not hear of that. */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 64 << 20);
}

int main(int argc, char **argv)
{
	keep_memory();
	return seeds_main(argc, argv, run_seed);
}
