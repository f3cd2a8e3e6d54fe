/* SPDX-License-Identifier: MIT */
/* Certificates as they are shown: sets that are frozen, and the views of the workers. */
#include "component/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/tls_private.h"
#include "jid/jid.h"

/* -- sets --------------------------------------------------------------------------------- */

static struct tls_set *set_new(size_t count)
{
	struct tls_set *set = mem_zalloc(MEM_TLS, sizeof(*set) + count * sizeof(set->shown[0]));

	atomic_init(&set->refs, 1);
	set->count = count;
	return set;
}

static struct tls_set *set_ref(struct tls_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

static void set_free(struct tls_set **freed)
{
	struct tls_set *set = *freed;

	*freed = NULL;
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t at = 0; at < set->count; at++)
		tls_shown_free(&set->shown[at]);
	tickets_wipe(&set->tickets);
	mem_free(set);
}

struct tls_set *tls_set_with(const struct tls_set *set, size_t at, struct tls_shown **shown)
{
	struct tls_set *made = set_new(set->count);

	for (size_t other = 0; other < set->count; other++)
		made->shown[other] = other == at ? *shown : tls_shown_ref(set->shown[other]);
	if (shown)
		*shown = NULL;
	made->tickets = set->tickets;
	made->ca_stamp = set->ca_stamp;
	return made;
}

static SSL_CTX *context_named(const struct tls_set *set, const char *name)
{
	for (size_t at = 0; at < set->count; at++) {
		if (!strcasecmp(set->shown[at]->name, name))
			return set->shown[at]->context;
	}
	return NULL;
}

/* A hello names a domain as DNS does, a header as it likes. */
static SSL_CTX *set_context(const struct tls_set *set, const char *name)
{
	AUTO(buf_fini) struct buf prepared = {0};
	SSL_CTX *context;

	if (!*name)
		return set->count ? set->shown[0]->context : NULL;
	context = context_named(set, name);
	if (!context && jid_prep_domain(slice_of(name), &prepared))
		context = context_named(set, buf_text(&prepared));
	return context;
}

/* -- loading all -------------------------------------------------------------------------- */

static const char *name_at(const struct settings *settings, bool is_router, size_t at)
{
	return is_router ? TLS_ROUTER : settings->domains.items[at];
}

/* Of the entry of that name; NULL: there is none. */
static const struct tls_entry *entry_of(const struct tls_store *store, const char *name)
{
	for (size_t at = 0; store->set && at < store->set->count; at++) {
		if (!strcasecmp(store->set->shown[at]->name, name))
			return &store->entries[at];
	}
	return NULL;
}

/* It may have come since it was read. */
static enum certificate_problem problem_now(const struct tls_entry *entry, struct mio_host *host)
{
	return !entry->problem && tls_days_until(host, entry->until_s) < 0 ? CERTIFICATE_EXPIRED : entry->problem;
}

/* A problem that is not there already is a reason to keep what is. */
static int refuse_worse(const struct tls_entry *old, const struct tls_entry *fresh,
			const struct tls_loading *loading)
{
	struct slice notes = buf_slice(loading->note);

	if (!old || old->problem == CERTIFICATE_UNUSABLE || !fresh->problem || fresh->problem == problem_now(old, loading->host))
		return 0;
	buf_append_slice(loading->why, slice_line(&notes));
	return -EINVAL;
}

/* One name, which must not be worse than what it had. */
int tls_shown_again(const struct tls_loading *loading, const struct tls_entry *old,
		    struct tls_shown **shown, struct tls_entry *entry)
{
	AUTO(buf_fini) struct buf said = {0};
	struct tls_loading aside = *loading;
	int rc;

	aside.note = &said;
	aside.makes = !old || old->made;
	rc = tls_shown_load(&aside, shown, entry);
	if (!rc)
		rc = refuse_worse(old, entry, &aside);
	if (!rc && old && entry->pairs < old->pairs)
		buf_printf(&said, "%s: one of its two certificates is gone from %s, only the other is shown\n", loading->name,
			   loading->settings->tls.certificates);
	if (rc)
		tls_shown_free(shown);
	else
		buf_append_slice(loading->note, buf_slice(&said));
	return rc;
}

/* The first that cannot be is said, and how many others cannot. */
static int load_all(struct tls_store *store, const struct settings *settings, struct tls_set *set,
		    struct tls_entry *entries, struct tls_loading *loading)
{
	AUTO(buf_fini) struct buf other = {0};
	struct buf *why = loading->why;
	size_t others = 0;
	int first = 0;

	for (size_t at = 0; at < set->count; at++) {
		int rc;

		loading->name = name_at(settings, store->is_router, at);
		rc = tls_shown_again(loading, entry_of(store, loading->name), &set->shown[at],
				     &entries[at]);
		others += first && rc;
		first = first ? first : rc;
		loading->why = first ? &other : why;
	}
	loading->why = why;
	if (others)
		buf_printf(why, " (and %zu more cannot be used: jackdaw check certs)", others);
	return first;
}

/* The stamps are of before the files were read: what changes meanwhile is seen. */
static void keep_stamps(struct tls_entry *entries, const struct tls_look *look)
{
	for (size_t at = 0; at < look->count; at++)
		entries[at].stamp = entries[at].seen = look->names[at].stamp;
}

static void count(struct tls_store *store, enum metric metric)
{
	if (store->process)
		metric_add(store->process, metric, 1);
}

/* Such have changed the directory themselves: that is no news. */
static bool made_some(const struct tls_store *store, const struct tls_entry *entries, size_t count)
{
	bool made = false;

	for (size_t at = 0; !store->set && at < count; at++)
		made = made || entries[at].made;
	return made;
}

int tls_store_reload(struct tls_store *store, const struct settings *settings, struct buf *note,
		     struct buf *why)
{
	size_t names = store->is_router ? 1 : settings->domains.count;
	struct tls_loading loading = {.host = store->host,
				      .settings = settings,
				      .is_router = store->is_router,
				      .stands_in = !store->set && !store->is_router,
				      .ca_stamp = tls_ca_stamp(store, settings),
				      .note = note,
				      .why = why};
	struct tls_set *set = set_new(names);
	struct tls_entry *entries = mem_zalloc(MEM_TLS, names * sizeof(*entries));
	struct tls_look *look = tls_look_new(store, settings);
	int rc;

	tls_look_run(look);
	rc = load_all(store, settings, set, entries, &loading);
	if (!rc && made_some(store, entries, names))
		tls_look_run(look);
	if (rc) {
		count(store, METRIC_CERTIFICATES_REFUSED);
		tls_look_free(&look);
		mem_free(entries);
		set_free(&set);
		return rc;
	}
	keep_stamps(entries, look);
	/* What was sealed under other settings is not believed under these. */
	tickets_turn(NULL, store->host, &set->tickets);
	set->ca_stamp = loading.ca_stamp;
	mem_free(store->entries);
	store->entries = entries;
	store->settings = settings;
	if (store->look != store->looking)
		tls_look_free(&store->look);
	store->look = look;
	tls_store_show(store, &set);
	count(store, METRIC_CERTIFICATES_READ);
	return 0;
}

static int store_load(struct mio_host *host, const struct settings *settings, bool is_router,
		      struct tls_store **store, struct buf *note, struct buf *why)
{
	struct tls_store *made = mem_zalloc(MEM_TLS, sizeof(*made));
	int rc;

	made->host = host;
	made->is_router = is_router;
	rc = tls_store_reload(made, settings, note, why);
	if (rc)
		tls_store_free(&made);
	else
		*store = made;
	return rc;
}

int tls_store_load(struct mio_host *host, const struct settings *settings, struct tls_store **store,
		   struct buf *note, struct buf *why)
{
	return store_load(host, settings, false, store, note, why);
}

int tls_store_load_router(struct mio_host *host, const struct settings *settings,
			  struct tls_store **store, struct buf *note, struct buf *why)
{
	return store_load(host, settings, true, store, note, why);
}

void tls_store_free(struct tls_store **freed)
{
	struct tls_store *store = *freed;

	*freed = NULL;
	if (!store)
		return;
	set_free(&store->set);
	tls_look_free(&store->look);
	mem_free(store->entries);
	mem_free(store);
}

SSL_CTX *tls_store_context(const struct tls_store *store, const char *name)
{
	return set_context(store->set, name);
}

size_t tls_store_count(const struct tls_store *store)
{
	return store->set->count;
}

const char *tls_store_name(const struct tls_store *store, size_t at)
{
	return store->set->shown[at]->name;
}

int64_t tls_store_days(const struct tls_store *store, size_t at)
{
	return tls_days_until(store->host, store->entries[at].until_s);
}

/* -- views -------------------------------------------------------------------------------- */

/* A set on its way to a worker. */
struct news {
	struct mio_mail mail;
	struct tls_view *view;
	struct tls_set *set;
};

static void close_set(void *handle)
{
	struct tls_set *set = handle;

	set_free(&set);
}

static void view_drop(struct tls_view *view)
{
	mio_foreign_del(mio_host_of(view->mio), view->set);
	set_free(&view->set);
}

/* A set is of no worker's heap alone: a process that is killed lets go of it all the same. */
static void view_hold(struct tls_view *view, struct tls_set *set)
{
	mio_foreign_add(mio_host_of(view->mio), set, close_set);
	view->set = set;
}

static void view_take(struct tls_view *view, struct tls_set **set)
{
	view_drop(view);
	view_hold(view, *set);
	*set = NULL;
}

static void news_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct news *news = container_of(mail, struct news, mail);

	view_take(news->view, &news->set);
	mem_free(news);
}

static void tell(struct tls_view *view, struct tls_set *set)
{
	struct mio *first = view->store->views[0]->mio;
	struct news *news;

	set_ref(set);
	if (view->mio == first) {
		view_take(view, &set);
		return;
	}
	news = mem_zalloc(MEM_TLS, sizeof(*news));
	news->mail.run = news_arrived;
	news->view = view;
	news->set = set;
	mio_post(first, view->mio, MIO_CONTROL, &news->mail);
}

void tls_store_show(struct tls_store *store, struct tls_set **set)
{
	set_free(&store->set);
	store->set = *set;
	*set = NULL;
	for (unsigned at = 0; at < MIO_WORKERS_MAX && store->views[at]; at++)
		tell(store->views[at], store->set);
}

struct tls_view *tls_view_new(struct tls_store *store, struct mio *mio)
{
	struct tls_view *view;

	if (!store)
		return NULL;
	view = mem_zalloc(MEM_TLS, sizeof(*view));
	view->mio = mio;
	view->store = store;
	view_hold(view, set_ref(store->set));
	store->views[mio_worker(mio)] = view;
	return view;
}

void tls_view_free(struct tls_view **freed)
{
	struct tls_view *view = *freed;
	struct mio_mail *mail;

	*freed = NULL;
	if (!view)
		return;
	/* News that came too late, of whichever store. */
	while ((mail = mio_mail_take(view->mio, news_arrived))) {
		struct news *news = container_of(mail, struct news, mail);

		set_free(&news->set);
		mem_free(news);
	}
	view->store->views[mio_worker(view->mio)] = NULL;
	view_drop(view);
	mem_free(view);
}

SSL_CTX *tls_view_context(void *view, const char *name)
{
	return set_context(((const struct tls_view *)view)->set, name);
}

SSL_CTX *tls_view_only(void *view, const char *name)
{
	return view ? tls_view_context(view, "") : NULL;
}

bool tls_view_trusts(void *view, const SSL *ssl)
{
	return tls_shown_ca(SSL_get_SSL_CTX(ssl)) == ((const struct tls_view *)view)->set->ca_stamp;
}

const struct tickets *tls_view_tickets(const struct tls_view *view)
{
	return &view->set->tickets;
}
