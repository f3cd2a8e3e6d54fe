/* SPDX-License-Identifier: MIT */
#include "sm/watch.h"

#include <string.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "base/utf8.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"
#include "sm/sm_component.h"

enum {
	CALLS_MAX = 8,
	LINE_MAX_BYTES = 2000,
	BATCH_MAX_BYTES = 64 * 1024, /* of a worker, between two batches */
	BATCH_MS = 100,
	UNSENT_MAX_BYTES = 1 << 20, /* what waits for who watches */
};

/* Whom a call watches. */
struct wish {
	uint64_t call;
	struct jid *jid; /* owned: a user, or a session; NULL: all */
	bool stanzas, json;
};

/* Of a worker. */
struct watcher {
	struct list link;
	struct sm *sm;
	struct wish wish;
	struct mio_timer timer; /* until the next batch leaves */
	struct buf lines;
	uint64_t left_out;
};

struct order {
	struct mio_mail mail;
	struct sm *to;
	bool over;
	struct wish wish;
};

struct batch {
	struct mio_mail mail;
	struct process *process;
	uint64_t call;
	struct buf lines;
	uint64_t left_out;
};

/* Of a call, on worker 0. */
struct watching {
	struct process *process;
	uint64_t call;
	uint64_t left_out; /* and not said yet */
};

/* -- text that is not shown -- */

/* Whose text says nothing but how somebody is. */
static bool may_show(struct slice tag)
{
	static const char *const names[] = {"show", "priority"};

	for (size_t at = 0; at < countof(names); at++) {
		if (slice_is(tag, names[at]))
			return true;
	}
	return false;
}

/* The tag that text begins with, to its ">", which may stand in an attribute too. */
static size_t tag_len(struct slice text)
{
	char quote = 0;

	for (size_t at = 1; at < text.len; at++) {
		char c = text.data[at];

		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return at + 1;
	}
	return text.len;
}

static size_t text_len(struct slice text)
{
	const char *tag = memchr(text.data, '<', text.len);

	return tag ? (size_t)(tag - text.data) : text.len;
}

static struct slice name_of(struct slice tag)
{
	size_t len = 0;

	while (1 + len < tag.len && !strchr(" />", tag.data[1 + len]))
		len++;
	return (struct slice){tag.data + 1, len};
}

/* An element that was printed, with the length of each text instead of it. */
static void append_without_text(struct buf *out, struct slice xml)
{
	struct slice name = SLICE("");

	while (xml.len) {
		bool is_tag = xml.data[0] == '<';
		struct slice part = {xml.data, is_tag ? tag_len(xml) : text_len(xml)};

		if (is_tag)
			name = name_of(part);
		if (is_tag || may_show(name))
			buf_append_slice(out, part);
		else
			buf_printf(out, "(%zu bytes)", part.len);
		xml.data += part.len;
		xml.len -= part.len;
	}
}

/* -- on a worker -- */

static void watcher_free(struct watcher *watcher)
{
	mio_timer_stop(&watcher->timer);
	list_remove(&watcher->link);
	jid_free(&watcher->wish.jid);
	buf_fini(&watcher->lines);
	mem_free(watcher);
}

static void print_batch(struct mio *mio, struct mio_mail *mail);

static void send_batch(struct mio_timer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, timer);
	struct sm *sm = watcher->sm;
	struct batch *batch = mem_zalloc(MEM_OTHER, sizeof(*batch));

	batch->process = sm->process;
	batch->call = watcher->wish.call;
	batch->left_out = watcher->left_out;
	buf_append_slice(&batch->lines, buf_slice(&watcher->lines));
	buf_clear(&watcher->lines);
	watcher->left_out = 0;
	batch->mail.run = print_batch;
	mio_post(sm->mio, sm->process->workers[0]->mio, MIO_CONTROL, &batch->mail);
}

static bool is_wished(const struct wish *wish, enum watch_event event, const struct session *session)
{
	if (event >= WATCH_IN && !wish->stanzas)
		return false;
	if (!wish->jid)
		return true;
	return jid_is_bare(wish->jid) ? jid_equal_bare(wish->jid, session->jid) : jid_equal(wish->jid, session->jid);
}

static void append_json(struct buf *out, const char *stamp, const char *event, const struct session *session, struct slice text)
{
	buf_printf(out, "{\"time\": \"%s\", \"event\": \"%s\", \"jid\": ", stamp, event);
	ctl_json_text(out, jid_full(session->jid));
	if (text.len) {
		buf_append_text(out, ", \"stanza\": ");
		ctl_json_text(out, text);
	}
	buf_append_text(out, "}\n");
}

static void append_plain(struct buf *out, const char *stamp, const char *event, const struct session *session, struct slice text)
{
	buf_printf(out, "%s %-8s ", stamp, event);
	command_append_plain(out, jid_full(session->jid));
	buf_append_text(out, text.len ? " " : "");
	command_append_plain(out, text);
	buf_append_char(out, '\n');
}

/* Whole characters of the beginning. */
static struct slice cut(struct slice text)
{
	if (text.len <= LINE_MAX_BYTES)
		return text;
	text.len = LINE_MAX_BYTES;
	while (text.len && ((unsigned char)text.data[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

static void tell(struct watcher *watcher, enum watch_event event, const struct session *session, struct slice text)
{
	static const char *const names[WATCH_EVENTS] = {"started", "ended", "detached", "resumed", "in", "out", "waits"};
	char stamp[STAMP_LEN];

	if (!is_wished(&watcher->wish, event, session))
		return;
	if (buf_used(&watcher->lines) > BATCH_MAX_BYTES) {
		watcher->left_out++;
		return;
	}
	stamp_print(stamp, sm_wall_ms(watcher->sm), true);
	if (watcher->wish.json)
		append_json(&watcher->lines, stamp, names[event], session, text);
	else
		append_plain(&watcher->lines, stamp, names[event], session, text);
	if (!mio_timer_is_set(&watcher->timer))
		mio_timer_set(watcher->sm->mio, &watcher->timer, BATCH_MS);
}

static bool is_wished_by_any(const struct watch *watch, enum watch_event event, const struct session *session)
{
	for (const struct list *at = watch->watchers.next; at != &watch->watchers; at = at->next) {
		if (is_wished(&container_of(at, struct watcher, link)->wish, event, session))
			return true;
	}
	return false;
}

void watch_tell(const struct watch *watch, enum watch_event event, const struct session *session, const struct stanza *stanza)
{
	AUTO(buf_fini) struct buf xml = {0}, text = {0};

	if (!is_wished_by_any(watch, event, session))
		return;
	if (stanza) {
		stanza_print(stanza, &xml);
		append_without_text(&text, buf_slice(&xml));
	}
	for (const struct list *at = watch->watchers.next; at != &watch->watchers; at = at->next)
		tell(container_of(at, struct watcher, link), event, session, cut(buf_slice(&text)));
}

static struct watcher *find(struct watch *watch, uint64_t call)
{
	for (struct list *at = watch->watchers.next; at != &watch->watchers; at = at->next) {
		struct watcher *watcher = container_of(at, struct watcher, link);

		if (watcher->wish.call == call)
			return watcher;
	}
	return NULL;
}

static void order_free(struct order *order)
{
	jid_free(&order->wish.jid);
	mem_free(order);
}

static void take_order(struct mio *mio, struct mio_mail *mail)
{
	struct order *order = container_of(mail, struct order, mail);
	struct sm *sm = order->to;
	struct watcher *watcher = find(&sm->watch, order->wish.call);

	if (order->over && watcher) {
		watcher_free(watcher);
	} else if (!order->over) {
		watcher = mem_zalloc(MEM_OTHER, sizeof(*watcher));
		watcher->sm = sm;
		watcher->wish = order->wish;
		order->wish.jid = NULL;
		mio_timer_init(&watcher->timer, send_batch);
		list_append(&sm->watch.watchers, &watcher->link);
	}
	order_free(order);
}

/* -- on worker 0 -- */

static void send_orders(struct process *process, const struct wish *wish, bool over)
{
	for (unsigned at = 0; at < process->worker_count; at++) {
		struct order *order = mem_zalloc(MEM_OTHER, sizeof(*order));

		order->to = worker_state(process->workers[at], &sm_component);
		order->over = over;
		order->wish = *wish;
		order->wish.jid = wish->jid ? jid_ref(wish->jid) : NULL;
		order->mail.run = take_order;
		mio_post(process->workers[0]->mio, process->workers[at]->mio, MIO_CONTROL, &order->mail);
	}
}

static void batch_free(struct batch *batch)
{
	buf_fini(&batch->lines);
	mem_free(batch);
}

static void say_left_out(struct watching *watching, struct ctl_call *call)
{
	if (watching->left_out)
		ctl_error(call, "%llu lines were left out: more than can be shown", (unsigned long long)watching->left_out);
	watching->left_out = 0;
}

/* Who reads too slowly misses whole batches. */
static void print_batch(struct mio *mio, struct mio_mail *mail)
{
	struct batch *batch = container_of(mail, struct batch, mail);
	struct ctl_call *call = batch->process->ctl ? ctl_call(batch->process->ctl, batch->call) : NULL;
	struct watching *watching = call ? ctl_kept(call) : NULL;
	struct slice lines = buf_slice(&batch->lines);
	bool has_room = call && ctl_unsent(call) < UNSENT_MAX_BYTES;

	if (has_room)
		say_left_out(watching, call);
	while (call && lines.len) {
		struct slice line = slice_line(&lines);

		if (has_room)
			ctl_print(call, "%.*s", (int)line.len, line.data);
		else
			watching->left_out++;
	}
	if (call)
		watching->left_out += batch->left_out;
	batch_free(batch);
}

static void watching_end(void *state)
{
	struct watching *watching = state;
	struct process *process = watching->process;
	struct sm *sm = worker_state(process->workers[0], &sm_component);

	sm->watch.calls--;
	send_orders(process, &(struct wish){.call = watching->call}, true);
	mem_free(watching);
}

static void begin(struct process *process, struct ctl_call *call, const struct wish *wish)
{
	struct watching *watching = mem_zalloc(MEM_OTHER, sizeof(*watching));
	struct sm *sm = worker_state(process->workers[0], &sm_component);

	watching->process = process;
	watching->call = wish->call;
	sm->watch.calls++;
	ctl_keep(call, watching, watching_end);
	send_orders(process, wish, false);
}

/* False: the call has ended. */
static bool read_words(const struct process *process, struct ctl_call *call, struct wish *wish)
{
	static const char user[] = "user=";

	for (size_t at = 0; at < ctl_args(call); at++) {
		const char *word = ctl_arg(call, at);

		if (strcmp(word, "stanzas") == 0) {
			wish->stanzas = true;
		} else if (strncmp(word, user, strlen(user)) == 0 && !wish->jid) {
			wish->jid = command_account(process, call, word + strlen(user), true);
			if (!wish->jid)
				return false;
		} else {
			ctl_error(call, "%s is not one of: --user JID, --stanzas", word);
			ctl_end(call, CTL_USAGE);
			return false;
		}
	}
	return true;
}

void watch_run(void *arg, struct ctl_call *call)
{
	struct process *process = arg;
	const struct sm *sm = worker_state(process->workers[0], &sm_component);
	struct wish wish = {.call = ctl_id(call), .json = ctl_wants_json(call)};

	if (!sm) {
		ctl_end(call, CTL_ELSEWHERE);
	} else if (sm->watch.calls == CALLS_MAX) {
		ctl_error(call, "%d watch already, no more may", CALLS_MAX);
		ctl_end(call, CTL_PROBLEM);
	} else if (read_words(process, call, &wish)) {
		begin(process, call, &wish);
	}
	jid_free(&wish.jid);
}

/* -- life -- */

void watch_init(struct watch *watch)
{
	list_init(&watch->watchers);
}

void watch_stop(struct sm *sm)
{
	struct mio_mail *mail;
	struct list *first;

	while ((first = list_shift(&sm->watch.watchers)))
		watcher_free(container_of(first, struct watcher, link));
	while ((mail = mio_mail_take(sm->mio, take_order)))
		order_free(container_of(mail, struct order, mail));
	while ((mail = mio_mail_take(sm->mio, print_batch)))
		batch_free(container_of(mail, struct batch, mail));
}
