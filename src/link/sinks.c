/* SPDX-License-Identifier: MIT */
/*
 * Log sinks, component-protocol.md section 5: names whose peers get a copy of each unicast that
 * found its destination. They are on worker 0; the others are told how many there are, and while
 * there are some they send copies there. Requests for accounts are not copied: a log need not have
 * keys.
 */
#include "base/mem.h"
#include "link/policy.h"
#include "link/table.h"
#include "xml/nad.h"

struct sink {
	struct list link_entry;
	struct link_peer *peer;
	struct str *name;
};

/* To another worker: how many sinks there are now. */
struct news {
	struct mio_mail mail;
	struct link *at;
	unsigned count;
};

/* To worker 0: a printed copy. */
struct copy {
	struct mio_mail mail;
	struct link *at;
	struct buf text;
};

static void copy_arrived(struct mio *mio, struct mio_mail *mail);

static void copy_free(struct copy *copy)
{
	buf_fini(&copy->text);
	mem_free(copy);
}

bool link_is_watched(const struct link *link)
{
	return link->sink_count || (link->policy && link->policy->rule_count);
}

/* More are heeded at once; fewer when all that was sent until now is on its way. */
static void count_is(struct link *link, unsigned count)
{
	link->sinks_told = count;
	if (count > link->sink_count)
		link->sink_count = count;
	else
		mio_defer(link->mio, &link->task);
}

static void news_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct news *news = container_of(mail, struct news, mail);

	count_is(news->at, news->count);
	mem_free(news);
}

void sinks_drop_news(struct link *link)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(link->mio, news_arrived)))
		mem_free(container_of(mail, struct news, mail));
	while ((mail = mio_mail_take(link->mio, copy_arrived)))
		copy_free(container_of(mail, struct copy, mail));
}

static void count_changed(struct link *link, unsigned count)
{
	for (unsigned worker = 1; worker < link->options.workers; worker++) {
		struct news *news = mem_zalloc(MEM_LINK, sizeof(*news));

		news->at = link->options.all[worker];
		news->count = count;
		news->mail.run = news_arrived;
		mio_post(link->mio, news->at->mio, MIO_CONTROL, &news->mail);
	}
	count_is(link, count);
}

void sinks_add(struct link_peer *peer, struct str *name)
{
	struct sink *sink = mem_zalloc(MEM_LINK, sizeof(*sink));

	sink->peer = peer;
	sink->name = str_ref(name);
	list_append(&peer->link->sinks, &sink->link_entry);
	count_changed(peer->link, peer->link->sinks_told + 1);
}

static void sink_free(struct sink *sink)
{
	list_remove(&sink->link_entry);
	str_free(&sink->name);
	mem_free(sink);
}

void sinks_remove(struct link_peer *peer, const struct str *name)
{
	struct link *link = peer->link;

	for (struct list *at = link->sinks.next; at != &link->sinks; at = at->next) {
		struct sink *sink = container_of(at, struct sink, link_entry);

		if (sink->peer != peer || !slice_equal(str_slice(sink->name), str_slice(name)))
			continue;
		sink_free(sink);
		count_changed(link, link->sinks_told - 1);
		return;
	}
}

void sinks_drop(struct link *link)
{
	while (!list_empty(&link->sinks))
		sink_free(container_of(link->sinks.next, struct sink, link_entry));
}

/* -- copies -- */

/* One that pauses may miss some. */
static void to_all(struct link *link, struct slice printed)
{
	for (struct list *at = link->sinks.next; at != &link->sinks; at = at->next)
		peer_post_text(container_of(at, struct sink, link_entry)->peer, printed);
}

static void copy_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct copy *copy = container_of(mail, struct copy, mail);

	to_all(copy->at, buf_slice(&copy->text));
	copy_free(copy);
}

void sinks_copy_route(struct link *link, const struct nad *nad)
{
	AUTO(nad_free) struct nad *copy = NULL;
	AUTO(buf_fini) struct buf printed = {0};

	if (!link->sink_count || codec_is_account(nad))
		return;
	copy = nad_copy(nad, 0);
	nad_set_attr(copy, 0, NULL, "type", "log");
	nad_print(copy, 0, NULL, &printed);
	to_all(link, buf_slice(&printed));
}

void sinks_copy_packet(struct link *link, const struct packet *packet)
{
	struct copy *copy;

	if (!link->sink_count || packet->kind == PACKET_ACCOUNT)
		return;
	copy = mem_zalloc(MEM_LINK, sizeof(*copy));
	codec_print_log(packet, &copy->text);
	copy->at = link->options.all[0];
	copy->mail.run = copy_arrived;
	copy->mail.bytes = buf_used(&copy->text);
	if (mio_worker(link->mio))
		mio_post(link->mio, copy->at->mio, MIO_DATA, &copy->mail);
	else
		copy_arrived(link->mio, &copy->mail);
}
