/* SPDX-License-Identifier: MIT */
/* The simulator's queue of events, its clock, its randomness, and what tests call. */
#include "mio/sim.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include "mio/sim_net.h"

enum { DELAY_MIN_US = 50, DELAY_MAX_US = 5000, DRIVER_MIN_US = 100, DRIVER_MAX_US = 20000 };

/* -- randomness: xoshiro256**, seeded by splitmix64 -- */

static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static void random_init(struct sim_random *random, uint64_t seed)
{
	for (unsigned i = 0; i < countof(random->state); i++)
		random->state[i] = mix(seed += UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t rotate(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

static uint64_t random_next(struct sim_random *random)
{
	uint64_t *s = random->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t sim_pick(struct sim *sim, uint64_t count)
{
	return random_next(&sim->order) % count;
}

int64_t sim_between(struct sim *sim, int64_t low, int64_t high)
{
	return high <= low ? low : low + (int64_t)sim_pick(sim, (uint64_t)(high - low) + 1);
}

/* Draws nothing for 0, so that an option that is off changes nothing else. */
bool sim_chance(struct sim *sim, unsigned percent)
{
	return percent && sim_pick(sim, 100) < percent;
}

void sim_fill(struct sim *sim, void *bytes, size_t len)
{
	char *at = bytes;

	while (len) {
		uint64_t drawn = random_next(&sim->content);
		size_t part = len < sizeof(drawn) ? len : sizeof(drawn);

		memcpy(at, &drawn, part);
		at += part;
		len -= part;
	}
}

uint64_t sim_random(struct sim *sim)
{
	return random_next(&sim->content);
}

/* -- the trace -- */

uint64_t sim_hash(const void *bytes, size_t len)
{
	return hash_bytes((struct hash_key){1, 2}, (struct slice){bytes, len});
}

void sim_note(struct sim *sim, enum sim_note note, uint64_t who, uint64_t what)
{
	uint64_t words[] = {(uint64_t)sim->now_us, note, who, what};

	for (unsigned i = 0; i < countof(words); i++)
		sim->trace = mix(sim->trace + UINT64_C(0x9e3779b97f4a7c15)) ^ mix(words[i]);
}

uint64_t sim_trace(const struct sim *sim)
{
	return sim->trace;
}

uint64_t sim_steps(const struct sim *sim)
{
	return sim->steps;
}

/* -- the queue -- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us;
	return a->tie != b->tie ? a->tie < b->tie : a->sequence < b->sequence;
}

static void put_at(struct sim *sim, unsigned place, struct sim_event *event)
{
	sim->queue[place] = event;
	event->place = place;
}

/* Lets the event find its place, upwards and then downwards. */
static void settle(struct sim *sim, struct sim_event *event)
{
	unsigned place = event->place;

	for (; place > 1 && earlier(event, sim->queue[place / 2]); place /= 2)
		put_at(sim, place, sim->queue[place / 2]);
	for (;;) {
		unsigned child = place * 2;

		if (child < sim->queued && earlier(sim->queue[child + 1], sim->queue[child]))
			child++;
		if (child > sim->queued || !earlier(sim->queue[child], event))
			break;
		put_at(sim, place, sim->queue[child]);
		place = child;
	}
	put_at(sim, place, event);
}

static void grow_queue(struct sim *sim)
{
	struct heap *before = heap_enter(sim->heap);

	sim->queue_cap = sim->queue_cap ? sim->queue_cap * 2 : 64;
	sim->queue = mem_realloc(MEM_OTHER, sim->queue, (sim->queue_cap + 1) * sizeof(*sim->queue));
	heap_enter(before);
}

void sim_schedule(struct sim *sim, struct sim_event *event, int64_t delay_us)
{
	event->time_us = sim->now_us + delay_us;
	event->tie = random_next(&sim->order);
	event->sequence = sim->sequence++;
	if (!event->place) {
		if (sim->queued == sim->queue_cap)
			grow_queue(sim);
		event->place = ++sim->queued;
	}
	settle(sim, event);
}

void sim_cancel(struct sim *sim, struct sim_event *event)
{
	struct sim_event *last;

	if (!event->place)
		return;
	last = sim->queue[sim->queued--];
	if (last != event) {
		last->place = event->place;
		settle(sim, last);
	}
	event->place = 0;
}

/* -- steps -- */

/* Before and after steps a test may call into a loop: its clock is right, its timers are seen. */
static void look_at_loops(struct sim *sim)
{
	for (struct list *link = sim->hosts.next; link != &sim->hosts; link = link->next) {
		struct sim_host *host = container_of(link, struct sim_host, link);

		for (unsigned i = 0; i < host->host.workers; i++) {
			sim_clock_set(host->host.loops[i]);
			sim_loop_plan(sim_loop_of(host->host.loops[i]));
		}
	}
}

static void fire_next(struct sim *sim)
{
	struct sim_event *event = sim->queue[1];

	sim_cancel(sim, event);
	sim->now_us = event->time_us;
	sim->steps++;
	sim->stepping = true;
	event->fire(sim, event);
	sim->stepping = false;
}

bool sim_step(struct sim *sim)
{
	assert(!sim->stepping);
	look_at_loops(sim);
	if (!sim->queued)
		return false;
	fire_next(sim);
	look_at_loops(sim);
	return true;
}

void sim_run(struct sim *sim, int64_t ms, bool (*done)(void *arg), void *arg)
{
	int64_t end_us = sim->now_us + ms * 1000;

	assert(!sim->stepping);
	look_at_loops(sim);
	while (!(done && done(arg)) && sim->queued) {
		if (sim->queue[1]->time_us > end_us) {
			sim->now_us = end_us;
			break;
		}
		fire_next(sim);
	}
	look_at_loops(sim);
}

int64_t sim_now_ms(const struct sim *sim)
{
	return SIM_NOW_START_MS + sim->now_us / 1000;
}

int64_t sim_wall_ms(const struct sim *sim)
{
	return SIM_WALL_START_MS + sim->now_us / 1000 + sim->wall_shift_ms;
}

void sim_wall_jump(struct sim *sim, int64_t ms)
{
	sim->wall_shift_ms += ms;
}

/* -- the whole -- */

void *sim_zalloc(struct sim *sim, size_t size)
{
	struct heap *before = heap_enter(sim->heap);
	void *memory = mem_zalloc(MEM_OTHER, size);

	heap_enter(before);
	return memory;
}

struct sim *sim_new(const struct sim_options *options)
{
	struct heap *before = heap_enter(NULL);
	struct sim *sim = mem_zalloc(MEM_OTHER, sizeof(*sim));

	heap_enter(before);
	sim->heap = heap_new("sim");
	sim->options = *options;
	if (!options->delay_min_us && !options->delay_max_us) {
		sim->options.delay_min_us = DELAY_MIN_US;
		sim->options.delay_max_us = DELAY_MAX_US;
	}
	if (!options->driver_min_us && !options->driver_max_us) {
		sim->options.driver_min_us = DRIVER_MIN_US;
		sim->options.driver_max_us = DRIVER_MAX_US;
	}
	sim_drivers_take(sim, 0, 0);
	random_init(&sim->order, options->seed);
	random_init(&sim->content, ~options->seed);
	list_init(&sim->hosts);
	list_init(&sim->listeners);
	list_init(&sim->wires);
	list_init(&sim->cuts);
	sim->next_port = 32768;
	sim_disk_init(&sim->disk, sim);
	/* SQLite has one generator for the process; it starts over, from this seed. */
	sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(options->seed % INT32_MAX) + 1,
			     (sqlite3 *)NULL);
	return sim;
}

void sim_free(struct sim **taken)
{
	struct sim *sim = *taken;

	if (!sim)
		return;
	*taken = NULL;
	while (!list_empty(&sim->hosts)) {
		struct mio_host *host = &container_of(sim->hosts.next, struct sim_host, link)->host;

		sim_kill(sim, &host);
	}
	sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 0, (sqlite3 *)NULL);
	heap_drop(&sim->heap);
	mem_free(sim);
}

void sim_kill(struct sim *sim, struct mio_host **taken)
{
	struct mio_host *host = *taken;

	if (!host)
		return;
	assert(!sim->stepping);
	*taken = NULL;
	sim_note(sim, SIM_NOTE_KILL, sim_host_of(host)->number, 0);
	sim_host_leave(sim_host_of(host), true);
	mio_host_fini(host);
	mem_free(host);
}

static struct sim_cut *find_cut(struct sim *sim, unsigned a, unsigned b)
{
	for (struct list *link = sim->cuts.next; link != &sim->cuts; link = link->next) {
		struct sim_cut *cut = container_of(link, struct sim_cut, link);

		if ((cut->a == a && cut->b == b) || (cut->a == b && cut->b == a))
			return cut;
	}
	return NULL;
}

bool sim_is_cut(struct sim *sim, unsigned a, unsigned b)
{
	return find_cut(sim, a, b) != NULL;
}

void sim_partition(struct sim *sim, struct mio_host *a, struct mio_host *b, bool cut)
{
	unsigned first = sim_host_of(a)->number, second = sim_host_of(b)->number;
	struct sim_cut *is_cut = find_cut(sim, first, second);

	if (cut && !is_cut) {
		is_cut = sim_zalloc(sim, sizeof(*is_cut));
		is_cut->a = first;
		is_cut->b = second;
		list_append(&sim->cuts, &is_cut->link);
	} else if (!cut && is_cut) {
		list_remove(&is_cut->link);
		mem_free(is_cut);
		sim_wires_heal(sim);
	}
}

/* The cuts of a host that is gone. */
void sim_cuts_drop(struct sim *sim, unsigned number)
{
	for (struct list *link = sim->cuts.next; link != &sim->cuts;) {
		struct sim_cut *cut = container_of(link, struct sim_cut, link);

		link = link->next;
		if (cut->a != number && cut->b != number)
			continue;
		list_remove(&cut->link);
		mem_free(cut);
	}
	sim_wires_heal(sim);
}

void sim_disk_full(struct sim *sim, bool full)
{
	sim->disk.full = full;
}

void sim_power_stays(struct sim *sim, bool stays)
{
	sim->disk.power_stays = stays;
}

void sim_syncs_fail(struct sim *sim, unsigned percent)
{
	sim->options.sync_fail_percent = percent;
}

void sim_drivers_take(struct sim *sim, int64_t min_us, int64_t max_us)
{
	bool usual = !min_us && !max_us;

	sim->driver_min_us = usual ? sim->options.driver_min_us : min_us;
	sim->driver_max_us = usual ? sim->options.driver_max_us : max_us;
}

uint64_t sim_left_behind(const struct sim *sim)
{
	return sim->left_behind;
}
