/* SPDX-License-Identifier: MIT */
#include "c2s/keep.h"

#include <stdlib.h>
#include "base/mem.h"
#include "c2s/client.h"
#include "jid/jid.h"

enum { RING = 1 << 14, WRITTEN_MS = 60000, FRESH_MS = 10000, RECENT_BYTES_MAX = 64 << 10 };

struct kept {
	struct list link;
	struct stanza *stanza;
	bool answer;
};

struct written {
	uint64_t client, key;
	uint32_t count;
	int64_t at_ms;
};

/* -- one session ------------------------------------------------------------------------------------ */

void keep_start(struct client *client)
{
	client->keep = mem_zalloc(MEM_CLIENT, sizeof(*client->keep));
	list_init(&client->keep->in);
	list_init(&client->keep->out);
}

static void forget(struct kept *kept)
{
	list_remove(&kept->link);
	stanza_free(&kept->stanza);
	mem_free(kept);
}

static struct kept *first(const struct list *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct kept, link);
}

static struct kept *append(struct list *list, const struct stanza *stanza)
{
	struct kept *kept = mem_zalloc(MEM_CLIENT, sizeof(*kept));

	kept->stanza = stanza_copy(stanza);
	list_append(list, &kept->link);
	return kept;
}

static void all_have_it(struct c2s *c2s);

static void stop_presenting(struct client *client)
{
	struct c2s *c2s = client->c2s;

	if (!client->keep->presenting || client->keep->presented)
		return;
	client->keep->presented = true;
	if (c2s->keeper.presenting && --c2s->keeper.presenting == 0)
		all_have_it(c2s);
}

void keep_stop(struct client *client)
{
	struct keep *keep = client->keep;
	struct kept *kept;

	if (!keep)
		return;
	while ((kept = first(&keep->in)) || (kept = first(&keep->out)))
		forget(kept);
	stop_presenting(client);
	str_free(&keep->snapshot);
	buf_fini(&keep->recent);
	mem_free(keep);
	client->keep = NULL;
}

bool keep_in(struct client *client, const struct stanza *stanza, bool answer)
{
	if (!client->keep)
		return true;
	if (!client_is_settled(client, stanza->origin.count)) /* who resumed may say it again */
		append(&client->keep->in, stanza)->answer = answer;
	return !client->keep->presenting;
}

void keep_settled(struct client *client)
{
	struct list *at, *next;

	if (!client->keep)
		return;
	for (at = client->keep->in.next; at != &client->keep->in; at = next) {
		struct kept *kept = container_of(at, struct kept, link);

		next = at->next;
		if (client_is_settled(client, kept->stanza->origin.count))
			forget(kept);
		else if (!client->window)
			break;
	}
}

static void write_down(struct client *client, const struct origin *origin)
{
	struct c2s *c2s = client->c2s;
	struct keeper *keeper = &c2s->keeper;

	if (!origin->key)
		return;
	if (!keeper->ring)
		keeper->ring = mem_zalloc(MEM_CLIENT, RING * sizeof(*keeper->ring));
	keeper->ring[keeper->next++ % RING] = (struct written){.client = client->id,
							       .key = origin->key,
							       .count = origin->count,
							       .at_ms = mio_now_ms(c2s->worker->mio)};
	keeper->count += keeper->count < RING;
}

void keep_out(struct client *client, const struct stanza *stanza)
{
	if (!client->keep)
		return;
	append(&client->keep->out, stanza);
	client->keep->out_count++;
	write_down(client, &stanza->origin);
}

/* An error that answers what the client wrote: that it has it settles that. */
static bool settles(const struct client *client, const struct stanza *stanza)
{
	return stanza->kind == STANZA_MESSAGE && stanza->type == STANZA_ERROR && client->keep->key &&
	       stanza->origin.key == client->keep->key;
}

/* Or a question: who has the answer, or was asked himself, does not ask again. */
static bool is_answer(const struct client *client, const struct stanza *stanza)
{
	return settles(client, stanza) ||
	       (stanza->kind == STANZA_IQ && client->keep->key && stanza->origin.key == client->keep->key);
}

void keep_taken(struct client *client, uint32_t count)
{
	struct kept *kept;

	for (; client->keep && count && (kept = first(&client->keep->out)); count--) {
		if (is_answer(client, kept->stanza))
			client_settled_one(client, kept->stanza->origin.count);
		forget(kept);
		client->keep->out_count--;
	}
}

void keep_had(struct client *client, struct slice origins)
{
	struct origin origin;

	while (client->keep && origins.len) {
		if (origin_read(slice_word(&origins), &origin))
			write_down(client, &origin);
	}
}

/* The second line begins with it (sm/present.h). */
static uint64_t key_in(struct slice snapshot)
{
	AUTO(buf_fini) struct buf line = {0};

	slice_line(&snapshot);
	buf_append_slice(&line, slice_line(&snapshot));
	return strtoull(buf_text(&line), NULL, 16);
}

void keep_snapshot(struct client *client, struct slice snapshot)
{
	if (!client->keep || !snapshot.len)
		return;
	str_free(&client->keep->snapshot);
	client->keep->snapshot = str_new(snapshot);
	client->keep->key = key_in(snapshot);
	client->keep->snapshot_ms = mio_now_ms(client->c2s->worker->mio);
}

uint32_t keep_heard(const struct client *client)
{
	uint32_t settled = client->settled;

	for (const struct list *at = client->keep->out.next; at != &client->keep->out; at = at->next) {
		const struct stanza *stanza = container_of(at, const struct kept, link)->stanza;

		if (settles(client, stanza) && (int32_t)(stanza->origin.count - settled) <= 0)
			settled = stanza->origin.count - 1;
	}
	return settled;
}

static struct keeper *first_keeper(const struct c2s *c2s)
{
	return &((struct c2s *)worker_state(c2s->worker->process->workers[0], &c2s_component))->keeper;
}

void keep_apart(struct c2s *c2s)
{
	int64_t waits_ms;

	if (c2s->worker->process->workers[0] != c2s->worker || c2s->keeper.apart_ms)
		return;
	waits_ms = link_waits_ms(c2s->worker->link, &c2s->part);
	c2s->keeper.apart_ms = waits_ms ? waits_ms : mio_now_ms(c2s->worker->mio);
}

/* One that comes and goes before it has our sessions may have said of them that they are over. */
void keep_saw(struct c2s *c2s, bool available)
{
	struct keeper *keeper = &c2s->keeper;

	keeper->missed = keeper->missed || (!available && keeper->came);
	keeper->came = available && keeper->apart_ms;
}

void keep_lost_sight(struct c2s *c2s)
{
	c2s->keeper.missed = true;
	keep_apart(c2s);
}

void keep_together(struct c2s *c2s)
{
	c2s->keeper.apart_ms = 0;
	c2s->keeper.came = false;
	c2s->keeper.missed = false;
}

/* What was said shortly before then, by us or to us, may not have come. */
static int64_t parted_ms(const struct c2s *c2s)
{
	int64_t apart_ms = first_keeper(c2s)->apart_ms;

	return apart_ms ? apart_ms : mio_now_ms(c2s->worker->mio);
}

static bool is_fresh(const struct client *client)
{
	return first_keeper(client->c2s)->missed || parted_ms(client->c2s) - client->keep->snapshot_ms <= FRESH_MS;
}

struct packet *keep_describe(struct client *client)
{
	struct packet *packet = client_packet_to_sm(client, SESSION_PRESENT);
	struct packet_resume *resume = &packet->session.resume;

	packet->sm.len = 0;
	packet->session.target = jid_ref(client->jid);
	resume->settled = client->settled;
	resume->window = client->window;
	resume->fresh = client->keep->fresh = is_fresh(client);
	if (client->ack) {
		resume->known = true;
		resume->key = client->ack->resumable ? str_ref(client->ack->key) : NULL;
		resume->seconds = client->ack->seconds;
		resume->in = client->ack->in;
		resume->handled = client->ack->handled;
	}
	buf_append_char(&packet->session.text, '\n');
	buf_append_slice(&packet->session.text, str_slice(client->keep->snapshot));
	return packet;
}

/* -- presenting all of them ------------------------------------------------------------------------- */

static struct client *next(struct c2s *c2s, uint32_t *at)
{
	struct client *client;

	do
		client = slots_next(&c2s->clients, at);
	while (client && ((void *)client == c2s || !client->keep));
	return client;
}

static void mention(const struct origin *origin, const char *star, struct buf *out)
{
	if (!origin->key)
		return;
	if (buf_used(out))
		buf_append_char(out, ' ');
	buf_printf(out, "%llx.%x%s", (unsigned long long)origin->key, origin->count, star);
}

static bool is_words(const struct stanza *stanza)
{
	return stanza->kind == STANZA_MESSAGE && stanza->type != STANZA_ERROR && stanza->type != STANZA_GROUPCHAT &&
	       stanza_find(stanza, NS_CLIENT, "body") >= 0;
}

/* What the client does not have yet is said first: of the same origin the first counts. */
static void begin(struct client *client)
{
	struct keep *keep = client->keep;

	if (!keep->presenting || keep->presented)
		client->c2s->keeper.presenting++;
	keep->presenting = true;
	keep->presented = false;
	buf_clear(&keep->recent);
	for (struct list *at = keep->out.next; at != &keep->out; at = at->next) {
		const struct stanza *stanza = container_of(at, struct kept, link)->stanza;

		mention(&stanza->origin, "*", &keep->recent);
		if (is_words(stanza))
			mention(&stanza->origin, "=", &keep->recent);
	}
}

/* The newest first: there may be more than are of use. */
static void mention_written(struct c2s *c2s)
{
	struct keeper *keeper = &c2s->keeper;
	int64_t since_ms = parted_ms(c2s) - WRITTEN_MS;

	for (unsigned back = 1; back <= keeper->count; back++) {
		const struct written *written = &keeper->ring[(keeper->next - back) % RING];
		struct client *client = client_get(c2s, written->client);
		struct origin origin = {.key = written->key, .count = written->count};

		if (written->at_ms < since_ms)
			break;
		if (client && client->keep && client->keep->presenting && !client->keep->presented &&
		    buf_used(&client->keep->recent) < RECENT_BYTES_MAX)
			mention(&origin, "", &client->keep->recent);
	}
}

static void present(struct client *client)
{
	struct packet *packet = keep_describe(client);
	AUTO(buf_fini) struct buf snapshot = packet->session.text;

	packet->session.text = client->keep->recent;
	client->keep->recent = (struct buf){0};
	buf_append_slice(&packet->session.text, buf_slice(&snapshot));
	link_send(client->c2s->worker->link, &packet);
}

static bool is_at(const struct client *client, struct slice manager)
{
	return client->state == CLIENT_ACTIVE && slice_equal(str_slice(client->sm_name), manager);
}

void keep_presented(struct client *client, const struct packet *packet)
{
	if (!client->keep || !client->keep->presenting || client->keep->presented)
		return;
	client->sm = packet->sm;
	stop_presenting(client);
}

/* -- all have all ------------------------------------------------------------------------------------- */

static void send_kept(struct client *client, const struct kept *kept, bool held)
{
	struct stanza *copy = stanza_copy(kept->stanza);
	struct packet *packet = packet_stanza(client->c2s->name, client->sm_name, &copy);

	session_id_set(&packet->c2s, client->id);
	packet->sm = client->sm;
	packet->ours = true;
	packet->held = held;
	packet->answer = kept->answer;
	link_send(client->c2s->worker->link, &packet);
}

static void attach(struct client *client)
{
	struct keep *keep = client->keep;
	struct packet *packet;

	if (keep->fresh) /* this one may die before it has said so */
		keep->snapshot_ms = mio_now_ms(client->c2s->worker->mio);
	for (struct list *at = keep->out.next; at != &keep->out; at = at->next)
		send_kept(client, container_of(at, struct kept, link), true);
	packet = client_packet_to_sm(client, SESSION_ATTACH);
	packet->session.resume.settled = client->settled;
	packet->session.resume.window = client->window;
	if (client->ack) {
		packet->session.resume.in = keep->out_count - (client->ack->sent - client->ack->handled);
		packet->session.resume.handled = client->ack->handled;
	}
	link_send(client->c2s->worker->link, &packet);
	if (client->inactive)
		client_tell_state(client);
}

static void send_unsettled(struct client *client)
{
	struct keep *keep = client->keep;

	for (struct list *at = keep->in.next; at != &keep->in; at = at->next)
		send_kept(client, container_of(at, struct kept, link), false);
}

static void go_on(struct c2s *c2s)
{
	struct client *client;

	for (uint32_t at = 0; (client = next(c2s, &at));) {
		if (client->keep->presenting && client->keep->presented)
			attach(client);
	}
	for (uint32_t at = 0; (client = next(c2s, &at));) {
		if (!client->keep->presenting || !client->keep->presented)
			continue;
		client->keep->presenting = client->keep->presented = false;
		send_unsettled(client);
		ack_ask_again(client);
	}
	ends_tell_over(c2s);
}

/* Between the workers: each says when it is through, worker 0 says when all are. */
struct turn {
	struct mio_mail mail;
	struct c2s *to;
	uint32_t round;
};

static void post(struct c2s *c2s, unsigned worker, void (*run)(struct mio *mio, struct mio_mail *mail))
{
	struct worker *other = c2s->worker->process->workers[worker];
	struct turn *turn = mem_zalloc(MEM_CLIENT, sizeof(*turn));

	turn->to = worker_state(other, &c2s_component);
	turn->round = c2s->keeper.round;
	turn->mail.run = run;
	mio_post(c2s->worker->mio, other->mio, MIO_DATA, &turn->mail);
}

static void all_through(struct mio *mio, struct mio_mail *mail)
{
	struct turn *turn = container_of(mail, struct turn, mail);

	if (turn->round == turn->to->keeper.round)
		go_on(turn->to);
	mem_free(turn);
}

static void one_through(struct mio *mio, struct mio_mail *mail)
{
	struct turn *turn = container_of(mail, struct turn, mail);
	struct c2s *c2s = turn->to;

	if (turn->round == c2s->keeper.round && c2s->keeper.workers_busy && --c2s->keeper.workers_busy == 0) {
		for (unsigned at = 1; at < c2s->worker->process->worker_count; at++)
			post(c2s, at, all_through);
		go_on(c2s);
		domains_go_on(c2s);
	}
	mem_free(turn);
}

static void all_have_it(struct c2s *c2s)
{
	post(c2s, 0, one_through);
}

void keep_present(struct c2s *c2s, struct slice manager)
{
	struct client *client;

	c2s->keeper.round++;
	c2s->keeper.workers_busy = c2s->worker->process->worker_count;
	ends_mark(c2s, manager);
	for (uint32_t at = 0; (client = next(c2s, &at));) {
		if (is_at(client, manager))
			begin(client);
	}
	mention_written(c2s);
	for (uint32_t at = 0; (client = next(c2s, &at));) {
		if (is_at(client, manager))
			present(client);
	}
	if (!c2s->keeper.presenting)
		all_have_it(c2s);
}

bool keep_is_presenting(const struct c2s *c2s)
{
	return c2s->keeper.workers_busy > 0;
}

void keep_drop(struct c2s *c2s)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(c2s->worker->mio, all_through)) || (mail = mio_mail_take(c2s->worker->mio, one_through)))
		mem_free(container_of(mail, struct turn, mail));
	mem_free(c2s->keeper.ring);
	c2s->keeper.ring = NULL;
}
