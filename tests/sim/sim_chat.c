/* SPDX-License-Identifier: MIT */
/*
 * Whole deployments in the simulator: one process or three that meet at the Unix socket or over TCP, two workers each, with
 * kills of every part and without. Each seed
 * runs twice and both traces must be equal. usage: sim_chat [--seeds N] [--seed S] [--verbose]
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "c2s/c2s.h"
#include "component/component.h"
#include "jid/jid.h"
#include "people.h"
#include "router/router.h"
#include "sim_guard.h"
#include "sm/sm_component.h"

enum { PEOPLE = 4, ROUNDS = 8, OFFLINE = 12, ROUTER_KILLS = 6, ROUTER_ROUNDS = 150 };

#define CONFIG                                                                                                           \
	"domains = [\"localhost\"]\n"                                                                                   \
	"[data]\ndir = \"/sim\"\n"                                                                                     \
	"[tls]\nrequired = false\n"                                                                                     \
	"[listen]\nclient = [\"127.0.0.1:5222\"]\nclient_tls = []\n"                                                   \
	"[router]\npassword = \"secret\"\n"
#define OVER_TCP "connect = \"127.0.0.1:5347\"\n"

static const struct component *const all_parts[] = {&router_component, &sm_component, &c2s_component, NULL};
static const struct component *const router_part[] = {&router_component, NULL};
static const struct component *const sm_part[] = {&sm_component, NULL};
static const struct component *const c2s_part[] = {&c2s_component, NULL};
static const struct component *const no_part[] = {NULL};

struct part {
	const char *name;
	const struct component *const *components;
	bool uplink;
	struct mio_host *host;
	struct process *process;
};

struct world {
	struct sim *sim;
	struct settings settings;
	struct conf *conf;
	struct part part[3];
	unsigned parts;
	struct people people;
	struct log_writer *logs; /* NULL: silent */
	bool kills; /* parts die by kill -9; else they stop and start in good order */
	bool tight; /* mailboxes are full from the first byte */
	bool cuts;  /* the wires between the parts are cut for a while */
	unsigned rounds;  /* of talk */
	bool router_dies; /* again and again, but no other part: nobody may notice */
};

static void fail(const struct world *world, const char *what)
{
	printf("# %s at %lld ms, step %llu\n", what, (long long)sim_now_ms(world->sim),
	       (unsigned long long)sim_steps(world->sim));
	exit(1);
}

static void start_part(struct world *world, struct part *part)
{
	struct process_options options = {.name = part->name, .settings = &world->settings, .components = part->components,
					  
					  .logs = world->logs, .uplink = part->uplink, .workers = part->components == router_part ? 1 : 2};
	struct buf why = {0};

	part->host = options.host = sim_host(world->sim, part->name);
	if (world->tight)
		mio_mailbox_mark(part->host, 1);
	if (process_start(&options, &part->process, &why)) {
		printf("# %s: %s\n", part->name, buf_text(&why));
		fail(world, "a part does not start");
	}
}

static void kill_part(struct world *world, struct part *part)
{
	sim_kill(world->sim, &part->host);
	part->process = NULL;
}

static bool has_stopped(void *arg)
{
	return sim_stopped(arg);
}

/* SIGTERM: the part drains, stops by itself, and gives back all that it took. */
static void stop_part(struct world *world, struct part *part)
{
	process_drain(part->process);
	sim_run(world->sim, 10000, has_stopped, part->host);
	if (!sim_stopped(part->host))
		fail(world, "a part does not stop");
	process_free(&part->process);
	mio_host_free(&part->host);
	if (sim_left_behind(world->sim))
		fail(world, "a part that stopped in good order left memory behind");
}

/* -- accounts, before anything else ----------------------------------------------------------------- */

static void make_keys(struct auth_account *account)
{
	struct auth_key *key = &account->keys[AUTH_SHA1];
	unsigned char salted[20], client[20];
	unsigned len;

	key->present = true;
	key->rounds = 4096;
	key->salt_len = 16;
	memset(key->salt, 7, key->salt_len);
	PKCS5_PBKDF2_HMAC("secret", 6, key->salt, key->salt_len, 4096, EVP_sha1(), sizeof(salted), salted);
	HMAC(EVP_sha1(), salted, sizeof(salted), (const unsigned char *)"Client Key", 10, client, &len);
	EVP_Digest(client, sizeof(client), key->stored, &len, EVP_sha1(), NULL);
	HMAC(EVP_sha1(), salted, sizeof(salted), (const unsigned char *)"Server Key", 10, key->server, &len);
}

static void stored(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	*(int *)arg = result ? result : 1;
}

static bool is_set(void *arg)
{
	return *(int *)arg != 0;
}

static void make_accounts(struct world *world)
{
	struct part setup = {.name = "setup", .components = no_part};
	struct process_options options = {.name = "setup", .settings = &world->settings, .components = no_part,
					  .open_storage = true, .workers = 1};
	struct store_txn *txn = store_txn_new();
	struct auth_account account = {0};
	struct buf why = {0};
	int done = 0;

	setup.host = options.host = sim_host(world->sim, "setup");
	if (process_start(&options, &setup.process, &why))
		fail(world, "no storage");
	make_keys(&account);
	for (unsigned at = 0; at < PEOPLE; at++) {
		char text[64];
		struct jid *user;

		snprintf(text, sizeof(text), "user%u@localhost", at);
		user = jid_parse(slice_of(text));
		auth_account_rows(txn, user, &account, "2026-11-22T06:21:29Z");
		jid_free(&user);
		for (unsigned other = 0; other < PEOPLE; other++) {
			char contact[64], item[160];

			snprintf(contact, sizeof(contact), "user%u@localhost", other);
			snprintf(item, sizeof(item), "<item xmlns='jabber:iq:roster' jid='%s' subscription='both'/>", contact);
			if (other != at)
				store_put(txn, STORE_ROSTER, slice_of(text), slice_of(contact), slice_of(item));
		}
	}
	storage_run(setup.process->storage, mio_host_loop(setup.host, 0), &txn, stored, &done, 0);
	sim_run(world->sim, 60000, is_set, &done);
	if (done != 1)
		fail(world, "accounts were not stored");
	kill_part(world, &setup);
}

/* -- what must hold --------------------------------------------------------------------------------- */

/* Each sender's messages in order; without kills, or with those of the router alone, also none twice and none lost. */
static void check_heard(const struct world *world, const struct person *person, unsigned expected)
{
	unsigned count[PEOPLE] = {0};
	int last[PEOPLE] = {-1, -1, -1, -1};

	for (unsigned at = 0; at < person->heard_count; at++) {
		const struct heard *heard = &person->heard[at];

		if (heard->sender >= PEOPLE)
			fail(world, "a message of nobody");
		if ((int)heard->number <= last[heard->sender] && !world->kills)
			fail(world, "a message twice or out of order");
		last[heard->sender] = (int)heard->number;
		count[heard->sender]++;
	}
	for (unsigned at = 0; at < PEOPLE && !world->kills; at++) {
		if (at != person->number && count[at] != expected)
			fail(world, "a message was lost");
	}
}

static bool all_heard(void *arg)
{
	struct world *world = arg;
	unsigned all = 0;

	for (unsigned at = 0; at < PEOPLE; at++)
		all += world->people.person[at].heard_count;
	return all >= PEOPLE * (PEOPLE - 1) * world->rounds;
}

static bool all_see_all(void *arg)
{
	struct world *world = arg;

	for (unsigned at = 0; at < PEOPLE; at++) {
		for (unsigned other = 0; other < PEOPLE; other++) {
			if (other != at && world->people.person[at].online && !world->people.person[at].seen[other])
				return false;
		}
	}
	return people_all_online(&world->people);
}

/* -- the play --------------------------------------------------------------------------------------- */

static void come_all(struct world *world)
{
	for (unsigned at = 0; at < PEOPLE; at++)
		person_come(&world->people.person[at]);
	sim_run(world->sim, 60000, people_all_online, &world->people);
	if (!people_all_online(&world->people))
		fail(world, "not everybody could log in");
}

static void chat(struct world *world)
{
	for (unsigned at = 0; at < PEOPLE; at++)
		person_talk(&world->people.person[at], world->rounds);
	if (world->kills) {
		for (unsigned kill = 0; kill < 3; kill++) {
			struct part *part = &world->part[sim_random(world->sim) % world->parts];

			sim_run(world->sim, (int64_t)(sim_random(world->sim) % 400), NULL, NULL);
			kill_part(world, part);
			sim_run(world->sim, (int64_t)(sim_random(world->sim) % 400), NULL, NULL);
			start_part(world, part);
		}
	}
	for (unsigned kill = 0; kill < ROUTER_KILLS && world->router_dies; kill++) {
		sim_run(world->sim, (int64_t)(sim_random(world->sim) % 500), NULL, NULL);
		kill_part(world, &world->part[0]);
		sim_run(world->sim, (int64_t)(sim_random(world->sim) % 1500), NULL, NULL);
		start_part(world, &world->part[0]);
	}
	if (world->cuts && world->parts > 1) {
		struct part *part = &world->part[1 + sim_random(world->sim) % 2];

		sim_partition(world->sim, world->part[0].host, part->host, true);
		sim_run(world->sim, 200 + (int64_t)(sim_random(world->sim) % 2000), NULL, NULL);
		sim_partition(world->sim, world->part[0].host, part->host, false);
	}
	sim_run(world->sim, 60000, people_all_said, &world->people);
	if (!people_all_said(&world->people))
		fail(world, "somebody could not speak any more");
	sim_run(world->sim, world->kills ? 3000 : 60000, all_heard, world);
	for (unsigned at = 0; at < PEOPLE; at++) {
		check_heard(world, &world->people.person[at], world->rounds);
		if (world->people.person[at].logins != 1 && !world->kills)
			fail(world, "a stream ended");
	}
}

static bool has_left(void *arg)
{
	const struct person *person = arg;

	return !person->conn;
}

struct commits {
	struct world *world;
	uint64_t wanted;
};

static uint64_t committed(const struct world *world)
{
	uint64_t count = 0;

	for (unsigned at = 0; at < world->parts; at++) {
		if (world->part[at].process)
			count += (uint64_t)process_metric(world->part[at].process, METRIC_OFFLINE_STORED);
	}
	return count;
}

static bool has_committed(void *arg)
{
	struct commits *commits = arg;

	return committed(commits->world) >= commits->wanted;
}

/* Messages of user 0 from a number on that were kept for a person, each behind the one before it. */
static unsigned count_kept(const struct person *person, unsigned heard_before, unsigned next)
{
	unsigned count = 0;

	for (unsigned at = heard_before; at < person->heard_count; at++) {
		const struct heard *heard = &person->heard[at];

		if (heard->sender != 0 || !heard->delayed || heard->number < next)
			continue;
		next = heard->number + 1;
		count++;
	}
	return count;
}

/* User 1 is away; user 0 writes; whatever was said to be stored is there at the next login, in order, with its time. */
static void offline(struct world *world)
{
	struct person *away = &world->people.person[1], *writer = &world->people.person[0];
	uint64_t before, wanted = world->kills ? sim_random(world->sim) % OFFLINE : OFFLINE;
	struct part *keeper = &world->part[world->parts > 1 ? 1 : 0]; /* who has the database */
	struct commits commits = {world, 0};
	unsigned heard_before[PEOPLE], first = writer->said, found = 0;

	person_leave(away);
	sim_run(world->sim, 20000, has_left, away);
	sim_run(world->sim, 2000, NULL, NULL);
	before = committed(world);
	for (unsigned at = 0; at < PEOPLE; at++)
		heard_before[at] = world->people.person[at].heard_count;
	commits.wanted = before + wanted;
	person_talk(writer, OFFLINE);
	sim_run(world->sim, 30000, has_committed, &commits);
	if (!has_committed(&commits))
		fail(world, "messages for who is away were not stored");
	wanted = committed(world) - before;
	if (world->kills)
		kill_part(world, keeper);
	else
		stop_part(world, keeper);
	start_part(world, keeper);
	person_come(away);
	sim_run(world->sim, 30000, people_all_online, &world->people);
	sim_run(world->sim, 4000, NULL, NULL);
	/* Who lost a session to a kill has messages kept too; what a cut connection swallowed never was. */
	for (unsigned at = 0; at < PEOPLE; at++)
		found += count_kept(&world->people.person[at], heard_before[at], first);
	if (found < wanted)
		fail(world, "a stored message was lost");
}

static void set_parts(struct world *world, bool three)
{
	static const struct part one[] = {{.name = "run", .components = all_parts}};
	static const struct part separate[] = {{.name = "router", .components = router_part},
					       {.name = "sm", .components = sm_part, .uplink = true},
					       {.name = "c2s", .components = c2s_part, .uplink = true}};

	world->parts = three ? 3 : 1;
	memcpy(world->part, three ? separate : one, world->parts * sizeof(struct part));
}

static uint64_t run_seed(uint64_t seed, bool verbose)
{
	struct sim_options options = {.seed = seed, .partial_percent = (unsigned)(seed % 3) * 20};
	struct world world = {.kills = seed % 2, .tight = seed % 5 == 0, .cuts = seed % 3 == 0};
	struct slice config = seed / 4 % 2 ? SLICE(CONFIG OVER_TCP) : SLICE(CONFIG);
	struct conf_error error;
	uint64_t trace;

	world.router_dies = !world.kills && seed / 2 % 2 && seed / 4 % 2;
	world.rounds = world.router_dies ? ROUTER_ROUNDS : ROUNDS;
	world.logs = verbose ? log_writer_new(1, LOG_DEBUG, LOG_TEXT, false) : NULL;
	world.sim = sim_new(&options);
	sim_guard_use(world.sim);
	if (settings_parse("simulation", config, &world.settings, &world.conf, &error)) {
		printf("# %s:%u:%u: %s\n", error.file, error.line, error.column, error.text);
		exit(1);
	}
	set_parts(&world, seed / 2 % 2);
	make_accounts(&world);
	for (unsigned at = 0; at < world.parts; at++)
		start_part(&world, &world.part[at]);
	people_start(&world.people, world.sim, "127.0.0.1:5222", PEOPLE);
	come_all(&world);
	sim_run(world.sim, 20000, all_see_all, &world);
	if (!all_see_all(&world))
		fail(&world, "somebody does not see a contact");
	chat(&world);
	come_all(&world);
	offline(&world);
	for (unsigned at = world.parts; at-- > 0;)
		(world.kills ? kill_part : stop_part)(&world, &world.part[at]);
	people_stop(&world.people);
	trace = sim_trace(world.sim);
	sim_guard_use(NULL);
	sim_free(&world.sim);
	conf_free(&world.conf);
	log_writer_free(&world.logs);
	return trace;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, count = 100;
	bool verbose = false;

	for (int at = 1; at < argc; at++) {
		if (strcmp(argv[at], "--seeds") == 0 && at + 1 < argc)
			count = strtoull(argv[++at], NULL, 10);
		else if (strcmp(argv[at], "--seed") == 0 && at + 1 < argc)
			from = strtoull(argv[++at], NULL, 10);
		if (strcmp(argv[at], "--verbose") == 0)
			verbose = true;
		if (strcmp(argv[at - 1], "--seed") == 0)
			count = 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (uint64_t seed = from; seed < from + count; seed++) {
		uint64_t first, second;

		printf("# seed %llu\n", (unsigned long long)seed);
		first = run_seed(seed, verbose);
		second = run_seed(seed, verbose);
		if (first != second) {
			printf("not ok - seed %llu: two runs differ\n", (unsigned long long)seed);
			return 1;
		}
		printf("# trace %016llx\n", (unsigned long long)first);
	}
	printf("ok - %llu seeds, each twice with equal traces\n", (unsigned long long)count);
	return 0;
}
