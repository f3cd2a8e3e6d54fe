/* SPDX-License-Identifier: MIT */
#include "deployment.h"

#include <stdio.h>
#include <string.h>
#include "auth/keys.h"
#include "base/mem.h"
#include "c2s/c2s.h"
#include "component/tls.h"
#include "jid/jid.h"
#include "router/router.h"
#include "sm/sm_component.h"

enum { STOP_MAX_MS = 15000, PATIENCE_MS = 4000 /* of who stops with a slow disk */, UNDER_WAY_MS = 1000, PRESENT_MS = 15000 };

static const char *const addresses[FRONTS_MAX] = {"127.0.0.1:5222", "127.0.0.1:5223"};

/* As data.dir/auth.secret: of it addresses of devices are made. */
static const uint8_t secret[32] = "all processes have the same one";

static const struct component *const all_parts[] = {&router_component, &sm_component, &c2s_component, NULL};
static const struct component *const router_part[] = {&router_component, NULL};
static const struct component *const sm_part[] = {&sm_component, NULL};
static const struct component *const c2s_part[] = {&c2s_component, NULL};
static const struct component *const no_part[] = {NULL};

/* -- processes ------------------------------------------------------------------------------------ */

/* A new sm is not there before its router. */
static void note_start(struct deployment *deployment, const struct part *part)
{
	if (part->role == PART_SM || (part->role == PART_ROUTER && deployment_was_without_sm(deployment, deployment->router_gone_ms)))
		deployment->sm_back_ms = sim_now_ms(deployment->scene->sim);
}

/* Of a kill nothing is left but what its heap had. */
static void load_certificates(struct deployment *deployment, struct part *part)
{
	AUTO(buf_fini) struct buf note = {0}, why = {0};
	struct heap *before;

	if (part->role != PART_ALL && part->role != PART_C2S)
		return;
	part->heap = heap_new("certificates");
	before = heap_enter(part->heap);
	if (tls_store_load(part->host, part->settings, &part->tls, &note, &why))
		scene_fail(deployment->scene, "no certificates: %s", buf_text(&why));
	heap_enter(before);
}

static void drop_certificates(struct part *part)
{
	part->tls = NULL;
	if (part->heap)
		heap_drop(&part->heap);
}

void part_start(struct deployment *deployment, struct part *part)
{
	struct scene *scene = deployment->scene;
	struct process_options options = {.name = part->name, .settings = part->settings, .components = part->components,
					  .logs = deployment->logs, .secret = secret, .uplink = part->role == PART_SM || part->role == PART_C2S,
					  .workers = part->role == PART_ROUTER ? 1 : 2};
	AUTO(buf_fini) struct buf why = {0};

	if (part->process)
		return;
	note_start(deployment, part);
	deployment->careless = deployment->bad_disk;
	part->host = options.host = sim_host(scene->sim, part->name);
	if (deployment->plan.tight)
		mio_mailbox_mark(part->host, 1);
	load_certificates(deployment, part);
	options.tls = part->tls;
	if (process_start(&options, &part->process, &why)) {
		if (!deployment->bad_disk)
			scene_fail(scene, "%s does not start: %s", part->name, buf_text(&why));
		part->process = NULL;
		sim_kill(scene->sim, &part->host);
		drop_certificates(part);
	}
	if (deployment->plan.tight && part->process && part->process->storage)
		storage_set_batch(part->process->storage, 2);
	scene_say(scene, "FAULT %s %s", part->name, part->process ? "is there" : "does not start");
}

/* What it had in memory is gone for its clients: sessions, and what of them is not stored. */
static void note_loss(struct deployment *deployment, const struct part *part, bool killed)
{
	int64_t now_ms = sim_now_ms(deployment->scene->sim);

	if (part->role == PART_SM)
		deployment->sm_gone_ms = now_ms;
	if (part->role == PART_ROUTER)
		deployment->router_gone_ms = now_ms;
	if (part->role != PART_ALL || !killed)
		return;
	deployment->sessions_lost_ms = now_ms;
	deployment->lost_careless = deployment->careless;
}

void part_kill(struct deployment *deployment, struct part *part)
{
	if (!part->process)
		return;
	scene_say(deployment->scene, "FAULT kill -9 %s", part->name);
	note_loss(deployment, part, true);
	if (!deployment->power_stays)
		deployment->power_cut_ms = sim_now_ms(deployment->scene->sim);
	sim_power_stays(deployment->scene->sim, deployment->power_stays);
	sim_kill(deployment->scene->sim, &part->host);
	drop_certificates(part);
	part->process = NULL;
	part->frozen = false;
}

static bool has_stopped(void *arg)
{
	return sim_stopped(arg);
}

void part_stop(struct deployment *deployment, struct part *part)
{
	struct scene *scene = deployment->scene;
	int64_t began_ms = sim_now_ms(scene->sim);

	if (!part->process)
		return;
	part_freeze(deployment, part, false);
	scene_say(scene, "FAULT SIGTERM to %s", part->name);
	note_loss(deployment, part, false);
	process_drain(part->process);
	sim_run(scene->sim, STOP_MAX_MS, has_stopped, part->host);
	if (!sim_stopped(part->host))
		scene_fail(scene, "%s does not stop", part->name);
	process_free(&part->process);
	tls_store_free(&part->tls);
	mio_host_free(&part->host);
	drop_certificates(part);
	note_loss(deployment, part, false);
	if (sim_now_ms(scene->sim) - began_ms >= PATIENCE_MS)
		deployment->disk_failed_ms = sim_now_ms(scene->sim);
	scene_say(scene, "FAULT %s has stopped", part->name);
	if (sim_left_behind(scene->sim))
		scene_fail(scene, "%s stopped in good order and left memory behind", part->name);
}

void part_freeze(struct deployment *deployment, struct part *part, bool frozen)
{
	if (!part->process || part->frozen == frozen)
		return;
	scene_say(deployment->scene, "FAULT %s %s", frozen ? "SIGSTOP to" : "SIGCONT to", part->name);
	part->frozen = frozen;
	sim_freeze(part->host, frozen);
}

bool deployment_was_without_sm(const struct deployment *deployment, int64_t since_ms)
{
	return deployment->sm_gone_ms >= since_ms || (deployment->sm_gone_ms && deployment->sm_back_ms + PRESENT_MS >= since_ms);
}

bool deployment_may_forget(const struct deployment *deployment, int64_t began_ms, int64_t gone_ms)
{
	bool lost = deployment->sessions_lost_ms + UNDER_WAY_MS >= began_ms ||
		    deployment->disk_failed_ms + UNDER_WAY_MS >= began_ms || deployment->bad_disk || deployment->clock_jumped;

	if (deployment->sm_gone_ms + UNDER_WAY_MS >= began_ms)
		lost |= deployment_was_without_sm(deployment, gone_ms);
	/* What its c2s could not present to the next sm in time: cut off before that sm was there, or soon after. */
	if (deployment->apart_ms && deployment_was_without_sm(deployment, deployment->apart_ms))
		lost |= gone_ms >= deployment->apart_ms && gone_ms <= deployment->joined_ms + UNDER_WAY_MS;
	return lost || sim_now_ms(deployment->scene->sim) - gone_ms > deployment->plan.resume_ms / 2;
}

bool deployment_killed_session(const struct deployment *deployment, int64_t began_ms, int64_t gone_ms)
{
	int64_t lost_ms = deployment->sessions_lost_ms;

	return deployment->plan.parts == 1 && lost_ms >= began_ms && lost_ms - gone_ms < deployment->plan.resume_ms / 2 &&
	       !deployment->clock_jumped && !deployment->lost_careless;
}

struct part *deployment_part(struct deployment *deployment, enum part_role role)
{
	for (unsigned at = 0; at < deployment->plan.parts; at++) {
		if (deployment->part[at].role == role || deployment->part[at].role == PART_ALL)
			return &deployment->part[at];
	}
	return NULL;
}

unsigned deployment_fronts(const struct deployment *deployment)
{
	return deployment->plan.parts == 4 ? 2 : 1;
}

const char *deployment_address(const struct deployment *deployment, unsigned number)
{
	return addresses[number % deployment_fronts(deployment)];
}

/* -- accounts, before anything else --------------------------------------------------------------- */

static void make_keys(struct auth_account *account)
{
	struct auth_key *key = &account->keys[AUTH_SHA1];

	key->present = true;
	key->rounds = 1; /* nobody attacks it */
	key->salt_len = 16;
	memset(key->salt, 7, key->salt_len);
	auth_key_derive(AUTH_SHA1, SLICE("secret"), key);
}

bool users_are_friends(const struct deployment *deployment, unsigned one, unsigned other)
{
	unsigned users = deployment->plan.users, apart = (one + users - other) % users;

	return one < users && other < users && one != other && (apart <= FRIENDS || users - apart <= FRIENDS);
}

static void make_user(const struct deployment *deployment, struct store_txn *txn, const struct auth_account *account,
		      unsigned number)
{
	char text[64], contact[64], item[160];
	struct jid *user;

	snprintf(text, sizeof(text), "user%u@localhost", number);
	user = jid_parse(slice_of(text));
	auth_account_rows(txn, user, account, "2026-01-01T00:00:00Z");
	jid_free(&user);
	for (unsigned other = 0; other < deployment->plan.users; other++) {
		if (!users_are_friends(deployment, number, other))
			continue;
		snprintf(contact, sizeof(contact), "user%u@localhost", other);
		snprintf(item, sizeof(item), "<item xmlns='jabber:iq:roster' jid='%s' subscription='both'/>", contact);
		store_put(txn, STORE_ROSTER, slice_of(text), slice_of(contact), slice_of(item));
	}
}

static void stored(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	*(int *)arg = result ? result : 1;
}

static bool is_set(void *arg)
{
	return *(int *)arg != 0;
}

static void make_accounts(struct deployment *deployment)
{
	struct scene *scene = deployment->scene;
	struct part setup = {.name = "setup"};
	struct process_options options = {.name = "setup", .settings = &deployment->settings[0], .components = no_part,
					  .open_storage = true, .workers = 1};
	struct store_txn *txn = store_txn_new();
	struct auth_account account = {0};
	AUTO(buf_fini) struct buf why = {0};
	int done = 0;

	setup.host = options.host = sim_host(scene->sim, "setup");
	if (process_start(&options, &setup.process, &why))
		scene_fail(scene, "no storage: %s", buf_text(&why));
	make_keys(&account);
	for (unsigned at = 0; at <= deployment->plan.users; at++)
		make_user(deployment, txn, &account, at);
	storage_run(setup.process->storage, mio_host_loop(setup.host, 0), &txn, stored, &done, 0);
	sim_run(scene->sim, 60000, is_set, &done);
	if (done != 1)
		scene_fail(scene, "accounts were not stored");
	sim_kill(scene->sim, &setup.host);
}

/* -- the whole ------------------------------------------------------------------------------------ */

static void read_settings(struct deployment *deployment, unsigned front)
{
	const struct deployment_plan *plan = &deployment->plan;
	struct conf_error error;
	char text[1024];

	snprintf(text, sizeof(text),
		 "domains = [\"localhost\"]\n[data]\ndir = \"/sim\"\n[tls]\nrequired = false\ncertificates = \"" CERTIFICATES "\"\n"
		 "[listen]\nclient = [\"%s\"]\nclient_tls = []\n"
		 "[sessions]\nresume = \"%u s\"\n[messages]\narchive = \"%s\"\n"
		 "[router]\npassword = \"secret\"\n%s",
		 addresses[front], plan->resume_ms / 1000, plan->archive ? "30 days" : "off", plan->tcp ? "connect = \"127.0.0.1:5347\"\n" : "");
	if (settings_parse("soak", slice_of(text), &deployment->settings[front], &deployment->conf[front], &error))
		scene_fail(deployment->scene, "%s:%u:%u: %s", error.file, error.line, error.column, error.text);
}

static void set_parts(struct deployment *deployment)
{
	static const struct part one[] = {{.name = "run", .role = PART_ALL, .components = all_parts}};
	static const struct part separate[] = {
		{.name = "router", .role = PART_ROUTER, .components = router_part},
		{.name = "sm", .role = PART_SM, .components = sm_part},
		{.name = "c2s", .role = PART_C2S, .components = c2s_part},
		{.name = "c2s-2", .role = PART_C2S, .components = c2s_part},
	};

	memcpy(deployment->part, deployment->plan.parts > 1 ? separate : one, deployment->plan.parts * sizeof(struct part));
	for (unsigned at = 0; at < deployment->plan.parts; at++)
		deployment->part[at].settings = &deployment->settings[at == 3];
}

void deployment_init(struct deployment *deployment, struct scene *scene, const struct deployment_plan *plan)
{
	deployment->scene = scene;
	deployment->plan = *plan;
	for (unsigned at = 0; at < FRONTS_MAX; at++)
		read_settings(deployment, at);
	set_parts(deployment);
	make_accounts(deployment);
	for (unsigned at = 0; at < plan->parts; at++)
		part_start(deployment, &deployment->part[at]);
}

void deployment_fini(struct deployment *deployment)
{
	for (unsigned at = 0; at < FRONTS_MAX; at++)
		conf_free(&deployment->conf[at]);
	log_writer_free(&deployment->logs);
}
