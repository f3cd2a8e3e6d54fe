/* SPDX-License-Identifier: MIT */
#include "faults.h"

enum { GENTLE_MS = 3000, GIVE_UP_MS = 25000, ALL_PERCENT = 10 };

static int64_t now(const struct faults *faults)
{
	return sim_now_ms(faults->scene->sim);
}

static struct part *any_part(struct faults *faults)
{
	struct deployment *deployment = faults->deployment;

	if (faults->gentle)
		return deployment_part(deployment, scene_chance(faults->scene, 50) ? PART_SM : PART_ROUTER);
	return &deployment->part[scene_pick(faults->scene, deployment->plan.parts)];
}

/* How long something lasts: most are short, some are long. */
static int64_t some_time(struct faults *faults, int64_t most_ms)
{
	int64_t most = faults->gentle ? GENTLE_MS : most_ms;

	return scene_between(faults->scene, 1, scene_chance(faults->scene, 70) ? most / 5 : most);
}

/* -- each of them --------------------------------------------------------------------------------- */

/* What a power cut leaves of a log whose syncs failed nobody can know (docs/decisions/0011). */
static void kill_part(struct faults *faults, struct part *part, bool all)
{
	bool power_stays = faults->count[FAULT_BAD_DISK] || scene_chance(faults->scene, 50);

	scene_say(faults->scene, "FAULT %s, the power %s", all ? "all" : part->name, power_stays ? "stays" : "goes with it");
	faults->deployment->power_stays = power_stays;
	for (unsigned at = 0; at < faults->deployment->plan.parts; at++) {
		if (all || part == &faults->deployment->part[at])
			part_kill(faults->deployment, &faults->deployment->part[at]);
	}
	faults->until_ms[FAULT_KILL] = now(faults) + some_time(faults, 10000);
}

static void kill_one(struct faults *faults)
{
	struct part *part = any_part(faults);

	kill_part(faults, part, !faults->gentle && scene_chance(faults->scene, ALL_PERCENT));
}

static void start_all(struct faults *faults)
{
	for (unsigned at = 0; at < faults->deployment->plan.parts; at++)
		part_start(faults->deployment, &faults->deployment->part[at]);
}

static void stop_one(struct faults *faults)
{
	struct part *part = any_part(faults);

	part_stop(faults->deployment, part);
	faults->until_ms[FAULT_KILL] = now(faults) + some_time(faults, 10000);
}

static void freeze_one(struct faults *faults)
{
	struct deployment *deployment = faults->deployment;
	struct part *part = faults->gentle ? &deployment->part[scene_pick(faults->scene, deployment->plan.parts)] : any_part(faults);

	part_freeze(deployment, part, true);
	faults->until_ms[FAULT_FREEZE] = now(faults) + some_time(faults, 15000);
}

static void thaw_all(struct faults *faults)
{
	for (unsigned at = 0; at < faults->deployment->plan.parts; at++)
		part_freeze(faults->deployment, &faults->deployment->part[at], false);
}

/* Between two parts, or people and c2s. */
static void cut(struct faults *faults)
{
	struct deployment *deployment = faults->deployment;
	struct part *one = &deployment->part[scene_pick(faults->scene, deployment->plan.parts)];
	struct part *other = deployment_part(deployment, PART_ROUTER);
	bool outside = one->role == PART_ALL || (one->role == PART_C2S && scene_chance(faults->scene, 50));

	if (!one->process || !other->process || (!outside && one == other))
		return;
	faults->cut[0] = one->host;
	faults->cut[1] = outside ? faults->people->host[scene_pick(faults->scene, faults->people->hosts)] : other->host;
	scene_say(faults->scene, "FAULT %s is cut from %s", one->name, outside ? "people" : other->name);
	sim_partition(faults->scene->sim, faults->cut[0], faults->cut[1], true);
	faults->until_ms[FAULT_CUT] = now(faults) + some_time(faults, scene_chance(faults->scene, 10) ? 45000 : 10000);
	if (outside || faults->until_ms[FAULT_CUT] - now(faults) < GIVE_UP_MS)
		return;
	deployment->apart_ms = now(faults);
	deployment->joined_ms = faults->until_ms[FAULT_CUT];
}

static bool is_host(const struct faults *faults, const struct mio_host *host)
{
	for (unsigned at = 0; at < faults->deployment->plan.parts; at++) {
		if (faults->deployment->part[at].process && faults->deployment->part[at].host == host)
			return true;
	}
	for (unsigned at = 0; at < faults->people->hosts; at++) {
		if (faults->people->host[at] == host)
			return true;
	}
	return false;
}

/* A host that has died has taken its cut along. */
static void join(struct faults *faults)
{
	scene_say(faults->scene, "FAULT the cut is healed");
	if (is_host(faults, faults->cut[0]) && is_host(faults, faults->cut[1]))
		sim_partition(faults->scene->sim, faults->cut[0], faults->cut[1], false);
}

static void slow_disk(struct faults *faults)
{
	int64_t most_us = scene_between(faults->scene, 20000, 1500000);

	scene_say(faults->scene, "FAULT the disk takes up to %lld ms", (long long)most_us / 1000);
	sim_drivers_take(faults->scene->sim, most_us / 4, most_us);
	faults->until_ms[FAULT_SLOW_DISK] = now(faults) + some_time(faults, 15000);
}

/* Half of them end with the death of who waits for them: what is not committed yet is not to be acknowledged. */
static void fast_disk(struct faults *faults)
{
	if (faults->weight[FAULT_KILL] && !faults->until_ms[FAULT_KILL] && scene_chance(faults->scene, 50))
		kill_part(faults, deployment_part(faults->deployment, PART_SM), false);
	scene_say(faults->scene, "FAULT the disk is fast again");
	sim_drivers_take(faults->scene->sim, 0, 0);
}

static void note_disk(struct faults *faults)
{
	faults->deployment->bad_disk = faults->until_ms[FAULT_FULL_DISK] || faults->until_ms[FAULT_BAD_DISK];
	faults->deployment->disk_failed_ms = now(faults);
	faults->people->model.disk_failed_ms = now(faults);
}

static void full_disk(struct faults *faults)
{
	scene_say(faults->scene, "FAULT the disk is full");
	sim_disk_full(faults->scene->sim, true);
	faults->until_ms[FAULT_FULL_DISK] = now(faults) + some_time(faults, 10000);
	note_disk(faults);
}

static void free_disk(struct faults *faults)
{
	scene_say(faults->scene, "FAULT the disk has room again");
	sim_disk_full(faults->scene->sim, false);
	note_disk(faults);
}

static void bad_disk(struct faults *faults)
{
	unsigned percent = 10 + scene_pick(faults->scene, 91);

	scene_say(faults->scene, "FAULT %u of 100 syncs fail", percent);
	sim_syncs_fail(faults->scene->sim, percent);
	faults->until_ms[FAULT_BAD_DISK] = now(faults) + some_time(faults, 6000);
	note_disk(faults);
}

static void good_disk(struct faults *faults)
{
	scene_say(faults->scene, "FAULT syncs work again");
	sim_syncs_fail(faults->scene->sim, 0);
	note_disk(faults);
}

static void jump(struct faults *faults)
{
	int64_t most = scene_chance(faults->scene, 50) ? 5000 : 86400000, ms = scene_between(faults->scene, -most, most);

	scene_say(faults->scene, "FAULT the wall clock jumps by %lld ms", (long long)ms);
	sim_wall_jump(faults->scene->sim, ms);
	faults->deployment->clock_jumped = faults->deployment->clock_ever_jumped = true;
}

static const struct {
	void (*begin)(struct faults *faults);
	void (*end)(struct faults *faults);
} table[FAULTS] = {
	[FAULT_KILL] = {kill_one, start_all},
	[FAULT_STOP] = {stop_one, start_all},
	[FAULT_FREEZE] = {freeze_one, thaw_all},
	[FAULT_CUT] = {cut, join},
	[FAULT_SLOW_DISK] = {slow_disk, fast_disk},
	[FAULT_FULL_DISK] = {full_disk, free_disk},
	[FAULT_BAD_DISK] = {bad_disk, good_disk},
	[FAULT_JUMP] = {jump, NULL},
};

/* -- one after the other -------------------------------------------------------------------------- */

static void end_one(struct faults *faults, enum fault fault)
{
	faults->until_ms[fault] = 0;
	table[fault].end(faults);
}

static void end_due(struct faults *faults)
{
	for (unsigned fault = 0; fault < FAULTS; fault++) {
		if (faults->until_ms[fault] && faults->until_ms[fault] <= now(faults))
			end_one(faults, (enum fault)fault);
	}
}

static void begin_one(struct faults *faults)
{
	unsigned all = 0, chosen, fault = 0;

	for (unsigned at = 0; at < FAULTS; at++)
		all += faults->weight[at];
	if (!all)
		return;
	for (chosen = scene_pick(faults->scene, all); chosen >= faults->weight[fault]; fault++)
		chosen -= faults->weight[fault];
	if (faults->until_ms[fault] || (fault == FAULT_STOP && faults->until_ms[FAULT_KILL]))
		return;
	faults->count[fault]++;
	table[fault].begin(faults);
}

static int64_t next_end(const struct faults *faults, int64_t end_ms)
{
	for (unsigned fault = 0; fault < FAULTS; fault++) {
		if (faults->until_ms[fault] && faults->until_ms[fault] < end_ms)
			end_ms = faults->until_ms[fault];
	}
	return end_ms;
}

static void run_until(struct faults *faults, int64_t end_ms)
{
	while (now(faults) < end_ms) {
		int64_t next_ms = next_end(faults, end_ms);

		if (next_ms > now(faults))
			sim_run(faults->scene->sim, next_ms - now(faults), NULL, NULL);
		end_due(faults);
	}
}

void faults_run(struct faults *faults, int64_t ms)
{
	int64_t end_ms = now(faults) + ms;

	while (now(faults) < end_ms) {
		int64_t next_ms = now(faults) + scene_between(faults->scene, 0, faults->pause_ms);

		run_until(faults, next_ms < end_ms ? next_ms : end_ms);
		if (next_ms < end_ms)
			begin_one(faults);
	}
	for (unsigned fault = FAULTS; fault-- > 0;) {
		if (faults->until_ms[fault])
			end_one(faults, (enum fault)fault);
	}
	start_all(faults);
}
