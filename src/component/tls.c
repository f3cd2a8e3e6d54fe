/* SPDX-License-Identifier: MIT */
/* Certificates as they are shown: sets that are frozen, and the views of the workers. */
#include "component/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/client_ca.h"
#include "component/self_signed.h"
#include "component/settings.h"
#include "component/tls_private.h"
#include "sx/plugins.h"

#define ROUTER "router"
#define PROTOCOL "\x0bxmpp-client" /* for ALPN, XEP-0368 */

/* -- a context ---------------------------------------------------------------------------- */

/* Who names protocols must name ours; who names none is one of ours anyway. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *len,
			   const unsigned char *offered, unsigned offered_len, void *arg)
{
	static const unsigned char ours[] = PROTOCOL;
	unsigned char *match;

	if (SSL_select_next_proto(&match, len, ours, sizeof(ours) - 1, offered, offered_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = match;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(const struct settings *settings)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context,
				      settings->tls.minimum ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_cipher_list(context, "ECDHE+aECDSA+AESGCM:ECDHE+aECDSA+CHACHA20:"
					 "ECDHE+aRSA+AESGCM:ECDHE+aRSA+CHACHA20");
	/* Tickets carry the state: a cache would hold memory for sessions that never come back. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

static int serve_clients(const struct settings *settings, SSL_CTX *context, struct buf *why)
{
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	tickets_use(context);
	sx_tls_remembers(context);
	return client_ca_use(settings, context, why);
}

/* -- a name's certificate ----------------------------------------------------------------- */

static void free_context(void *context)
{
	SSL_CTX_free(context);
}

static struct tls_shown *shown_new(struct mio_host *host, const char *name, SSL_CTX *context)
{
	struct tls_shown *shown = mem_zalloc(MEM_TLS, sizeof(*shown));

	atomic_init(&shown->refs, 1);
	shown->host = host;
	shown->name = mem_strdup(MEM_TLS, name);
	shown->context = context;
	mio_foreign_add(host, context, free_context);
	return shown;
}

static struct tls_shown *shown_ref(struct tls_shown *shown)
{
	atomic_fetch_add_explicit(&shown->refs, 1, memory_order_relaxed);
	return shown;
}

void tls_shown_free(struct tls_shown **freed)
{
	struct tls_shown *shown = *freed;

	*freed = NULL;
	if (!shown || atomic_fetch_sub_explicit(&shown->refs, 1, memory_order_acq_rel) != 1)
		return;
	mio_foreign_del(shown->host, shown->context);
	SSL_CTX_free(shown->context);
	mem_free(shown->name);
	mem_free(shown);
}

static int make_one(const struct tls_loading *loading, struct certificate *certificate)
{
	const struct settings *settings = loading->settings;
	struct certificate_pair *pair = &certificate->pairs[0];
	AUTO(buf_fini) struct buf dir = {0};
	int rc;

	buf_printf(&dir, "%s/certs", settings->data.dir);
	if (mkdir(buf_text(&dir), 0700) && errno != EEXIST) {
		rc = -errno;
		buf_printf(loading->why, "%s: cannot be made: %s", buf_text(&dir), strerror(-rc));
		return rc;
	}
	certificate_place_made(settings, certificate);
	buf_printf(loading->note, "%s: self-signed certificate %s, for want of one in %s\n",
		   loading->name, buf_text(&pair->certificate), settings->tls.certificates);
	if (!access(buf_text(&pair->certificate), F_OK) && !access(buf_text(&pair->key), F_OK))
		return 0;
	return self_signed_make(loading->host, loading->name,
				loading->is_router ? &settings->listen.router : NULL,
				buf_text(&pair->certificate), buf_text(&pair->key), loading->why);
}

static int find_or_make(const struct tls_loading *loading, struct certificate *certificate)
{
	int rc = certificate_find(loading->settings, certificate, loading->why);

	if (rc != CERTIFICATE_NONE)
		return rc;
	if (loading->makes)
		return make_one(loading, certificate);
	buf_printf(loading->why, "%s: its certificate is gone from %s: put it back", loading->name,
		   loading->settings->tls.certificates);
	return -ENOENT;
}

static int load_into(const struct tls_loading *loading, struct certificate *certificate,
		     SSL_CTX *context)
{
	int64_t now_s = mio_host_wall_ms(loading->host) / 1000;
	int rc = certificate_load(certificate, now_s, context, loading->note, loading->why);

	if (!rc && loading->is_router)
		tickets_refuse(context);
	else if (!rc)
		rc = serve_clients(loading->settings, context, loading->why);
	return rc;
}

static int64_t days_until(struct mio_host *host, int64_t until_s)
{
	int64_t left_s = until_s - mio_host_wall_ms(host) / 1000;

	return left_s >= 0 ? left_s / 86400 : -1 + left_s / 86400;
}

static int load_name(const struct tls_loading *loading, struct tls_shown **shown,
		     struct tls_entry *entry)
{
	struct certificate certificate = {.name = loading->name, .is_domain = !loading->is_router};
	SSL_CTX *context = NULL;
	int rc = find_or_make(loading, &certificate);

	if (!rc) {
		context = new_context(loading->settings);
		rc = context ? load_into(loading, &certificate, context) : -ENOMEM;
	}
	certificate_fini(&certificate);
	if (rc) {
		SSL_CTX_free(context);
		return rc;
	}
	*shown = shown_new(loading->host, loading->name, context);
	entry->made = certificate.made;
	entry->problem = certificate.problem;
	entry->until_s = certificate.until_s;
	/* That it has expired stands among the notes already. */
	entry->said_days = certificate.problem == CERTIFICATE_EXPIRED ? days_until(loading->host, certificate.until_s)
								      : INT64_MAX;
	return 0;
}

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
		made->shown[other] = other == at ? *shown : shown_ref(set->shown[other]);
	if (shown)
		*shown = NULL;
	made->tickets = set->tickets;
	return made;
}

static SSL_CTX *set_context(const struct tls_set *set, const char *name)
{
	if (!*name)
		return set->count ? set->shown[0]->context : NULL;
	for (size_t at = 0; at < set->count; at++) {
		if (!strcasecmp(set->shown[at]->name, name))
			return set->shown[at]->context;
	}
	return NULL;
}

/* -- loading all -------------------------------------------------------------------------- */

static const char *name_at(const struct settings *settings, bool is_router, size_t at)
{
	return is_router ? ROUTER : settings->domains.items[at];
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

/* A problem that was not there before is a reason to keep what was. */
static int refuse_worse(const struct tls_entry *old, const struct tls_entry *fresh,
			const struct tls_loading *loading)
{
	struct slice notes = buf_slice(loading->note);

	if (!old || !fresh->problem || fresh->problem == old->problem)
		return 0;
	buf_append_slice(loading->why, slice_line(&notes));
	return -EINVAL;
}

/* One name, which must not be worse than what it had. */
int tls_shown_load(const struct tls_loading *loading, const struct tls_entry *old,
		   struct tls_shown **shown, struct tls_entry *entry)
{
	AUTO(buf_fini) struct buf said = {0};
	struct tls_loading aside = *loading;
	int rc;

	aside.note = &said;
	aside.makes = !old || old->made;
	rc = load_name(&aside, shown, entry);
	if (!rc)
		rc = refuse_worse(old, entry, &aside);
	if (rc)
		tls_shown_free(shown);
	else
		buf_append_slice(loading->note, buf_slice(&said));
	return rc;
}

static int load_all(struct tls_store *store, const struct settings *settings, struct tls_set *set,
		    struct tls_entry *entries, struct tls_loading *loading)
{
	int rc = 0;

	for (size_t at = 0; !rc && at < set->count; at++) {
		loading->name = name_at(settings, store->is_router, at);
		rc = tls_shown_load(loading, entry_of(store, loading->name), &set->shown[at], &entries[at]);
	}
	return rc;
}

/* The stamps are of before the files were read: what changes meanwhile is seen. */
static void keep_stamps(struct tls_entry *entries, const struct tls_look *look)
{
	for (size_t at = 0; at < look->count; at++)
		entries[at].stamp = entries[at].seen = look->names[at].stamp;
}

int tls_store_reload(struct tls_store *store, const struct settings *settings, struct buf *note,
		     struct buf *why)
{
	size_t count = store->is_router ? 1 : settings->domains.count;
	struct tls_loading loading = {.host = store->host, .settings = settings,
				      .is_router = store->is_router, .note = note, .why = why};
	struct tls_set *set = set_new(count);
	struct tls_entry *entries = mem_zalloc(MEM_TLS, count * sizeof(*entries));
	struct tls_look *look = tls_look_new(store, settings);
	uint64_t ca_stamp = tls_ca_stamp(store, settings);
	int rc;

	tls_look_run(look);
	rc = load_all(store, settings, set, entries, &loading);
	if (rc) {
		tls_look_free(&look);
		mem_free(entries);
		set_free(&set);
		return rc;
	}
	keep_stamps(entries, look);
	/* What was sealed under other settings is not believed under these. */
	tickets_turn(NULL, store->host, &set->tickets);
	mem_free(store->entries);
	store->entries = entries;
	store->settings = settings;
	store->ca_stamp = ca_stamp;
	if (store->look != store->looking)
		tls_look_free(&store->look);
	store->look = look;
	tls_store_show(store, &set);
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
	return days_until(store->host, store->entries[at].until_s);
}

/* -- views -------------------------------------------------------------------------------- */

/* A set on its way to a worker. */
struct news {
	struct mio_mail mail;
	struct tls_view *view;
	struct tls_set *set;
};

static void view_take(struct tls_view *view, struct tls_set **set)
{
	set_free(&view->set);
	view->set = *set;
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
	struct mio *first = mio_host_loop(view->store->host, 0);
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
	view->set = set_ref(store->set);
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
	set_free(&view->set);
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

const struct tickets *tls_view_tickets(const struct tls_view *view)
{
	return &view->set->tickets;
}

/* -- the router's, looked at -------------------------------------------------------------- */

int tls_check_router(const struct settings *settings, struct buf *why)
{
	AUTO(buf_fini) struct buf note = {0};
	AUTO(certificate_fini) struct certificate certificate = {.name = ROUTER};
	SSL_CTX *context = new_context(settings);
	int rc = certificate_find(settings, &certificate, why);

	if (!rc) {
		rc = context ? certificate_load(&certificate, 0, context, &note, why) : -ENOMEM;
	} else if (rc == CERTIFICATE_NONE) {
		rc = access(settings->data.dir, W_OK) && errno != ENOENT ? -errno : 0;
		if (rc)
			buf_printf(why,
				   "router.tls: no certificate for the router in %s, and none can "
				   "be made in %s: %s",
				   settings->tls.certificates, settings->data.dir, strerror(-rc));
	}
	SSL_CTX_free(context);
	return rc;
}

bool tls_router_certificate(const struct settings *settings, struct buf *path)
{
	AUTO(buf_fini) struct buf ignored = {0};
	AUTO(certificate_fini) struct certificate certificate = {.name = ROUTER};
	struct buf *file = &certificate.pairs[0].certificate;
	bool found;

	if (certificate_find(settings, &certificate, &ignored))
		certificate_place_made(settings, &certificate);
	found = !access(buf_text(file), R_OK);
	if (found)
		buf_append_slice(path, buf_slice(file));
	return found;
}
