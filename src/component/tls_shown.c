/* SPDX-License-Identifier: MIT */
/* One name's certificate: found or made, and the context that shows it. */
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/client_ca.h"
#include "component/self_signed.h"
#include "component/settings.h"
#include "component/tls_private.h"
#include "sx/plugins.h"

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
	/* As strong as X25519 and P-256 are, and hashed at half the price. */
	SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
	/* Others that OpenSSL knows cost a stranger nothing and us milliseconds. */
	SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384");
	/* Tickets carry the state: a cache would hold memory for sessions that never come back. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(context, 0);
	/* What is shown is what the file has: no looking for the rest of a chain at each handshake. */
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

static int serve_clients(const struct tls_loading *loading, SSL_CTX *context)
{
	_Static_assert(sizeof(uintptr_t) == sizeof(loading->ca_stamp), "a stamp fits in place of a pointer");

	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	tickets_use(context);
	sx_tls_remembers(context);
	SSL_CTX_set_app_data(context, (void *)(uintptr_t)loading->ca_stamp);
	return client_ca_use(loading->settings, context, loading->why);
}

uint64_t tls_shown_ca(SSL_CTX *context)
{
	return (uint64_t)(uintptr_t)SSL_CTX_get_app_data(context);
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

struct tls_shown *tls_shown_ref(struct tls_shown *shown)
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

static int make_one(const struct tls_loading *loading, struct certificate *certificate, bool instead)
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
	buf_printf(loading->note, "%s: self-signed certificate %s, for want of %s in %s\n",
		   loading->name, buf_text(&pair->certificate), instead ? "one that can be used" : "one",
		   settings->tls.certificates);
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
		return make_one(loading, certificate, false);
	buf_printf(loading->why, "%s: its certificate is gone from %s: put it back", loading->name,
		   loading->settings->tls.certificates);
	return -ENOENT;
}

static int load_into(const struct tls_loading *loading, struct certificate *certificate,
		     SSL_CTX **context)
{
	int64_t now_s = mio_host_wall_ms(loading->host) / 1000;

	*context = new_context(loading->settings);
	return *context ? certificate_load(certificate, now_s, *context, loading->note, loading->why) : -ENOMEM;
}

static int serve(const struct tls_loading *loading, SSL_CTX *context)
{
	if (!loading->is_router)
		return serve_clients(loading, context);
	tickets_refuse(context);
	return 0;
}

/* That one cannot be used is this name's misfortune, and not that of all who would be served. One of our own is made anew. */
static int stand_in(const struct tls_loading *loading, struct certificate *certificate, SSL_CTX **context)
{
	struct certificate made = {.name = certificate->name, .is_domain = certificate->is_domain};
	bool anew = certificate->made, instead = !anew || certificate->problem == CERTIFICATE_UNUSABLE;
	int rc;

	if (anew) {
		unlink(buf_text(&certificate->pairs[0].certificate));
		unlink(buf_text(&certificate->pairs[0].key));
	}
	buf_append_slice(loading->note, buf_slice(loading->why));
	buf_append_char(loading->note, '\n');
	buf_clear(loading->why);
	SSL_CTX_free(*context);
	*context = NULL;
	certificate_fini(certificate);
	*certificate = made;
	rc = make_one(loading, certificate, instead);
	rc = rc ? rc : load_into(loading, certificate, context);
	if (instead)
		certificate->problem = CERTIFICATE_UNUSABLE;
	return rc;
}

/* What of ours is whole but cannot be read stays as it is. */
static bool may_stand_in(const struct tls_loading *loading, const struct certificate *certificate, int fault)
{
	return fault && loading->stands_in && (!certificate->made || fault == -EINVAL);
}

int64_t tls_days_until(struct mio_host *host, int64_t until_s)
{
	int64_t left_s = until_s - mio_host_wall_ms(host) / 1000;

	return left_s >= 0 ? left_s / 86400 : -1 + left_s / 86400;
}

int tls_shown_load(const struct tls_loading *loading, struct tls_shown **shown,
		   struct tls_entry *entry)
{
	struct certificate certificate = {.name = loading->name, .is_domain = !loading->is_router};
	SSL_CTX *context = NULL;
	int rc = find_or_make(loading, &certificate);

	rc = rc ? rc : load_into(loading, &certificate, &context);
	for (int tries = 0; tries < 2 && may_stand_in(loading, &certificate, rc); tries++)
		rc = stand_in(loading, &certificate, &context);
	rc = rc ? rc : serve(loading, context);
	certificate_fini(&certificate);
	if (rc) {
		SSL_CTX_free(context);
		return rc;
	}
	*shown = shown_new(loading->host, loading->name, context);
	entry->made = certificate.made;
	entry->pairs = certificate.count;
	entry->problem = certificate.problem;
	entry->until_s = certificate.until_s;
	/* That it has expired stands among the notes already. */
	entry->said_days = certificate.problem == CERTIFICATE_EXPIRED
				   ? tls_days_until(loading->host, certificate.until_s)
				   : INT64_MAX;
	return 0;
}

/* -- the router's, looked at -------------------------------------------------------------- */

int tls_check_router(const struct settings *settings, struct buf *why)
{
	AUTO(buf_fini) struct buf note = {0};
	AUTO(certificate_fini) struct certificate certificate = {.name = TLS_ROUTER};
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
	AUTO(certificate_fini) struct certificate certificate = {.name = TLS_ROUTER};
	struct buf *file = &certificate.pairs[0].certificate;
	bool found;

	if (certificate_find(settings, &certificate, &ignored))
		certificate_place_made(settings, &certificate);
	found = !access(buf_text(file), R_OK);
	if (found)
		buf_append_slice(path, buf_slice(file));
	return found;
}
