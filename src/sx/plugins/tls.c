/* SPDX-License-Identifier: MIT */
/*
 * TLS, RFC 6120 section 5, and from the first byte (XEP-0368). OpenSSL reads and writes through a
 * BIO on the stream's own buffers, so nothing is copied between.
 *
 *   server: idle - starttls -> proceed, input is dropped -> handshake -> secure, new stream
 *   client: idle - feature -> starttls -> asked - proceed -> handshake -> secure, new stream
 */
#include "sx/plugins.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "base/mem.h"
#include "sx/plugins/internal.h"
#include "sx/stream.h"
#include "xml/nad.h"

enum {
	RECORD_MAX = 16384,
	HELLO_MAX = 16384, /* OpenSSL takes what a hello says that it is, up to 128 KB, before any of it has come */
	HANDSHAKE_BYTES = 48 << 10, /* that OpenSSL has for a handshake which is not over */
};

struct tls {
	struct sx *sx;
	const struct sx_tls_conf *conf;
	SSL *ssl;
	BIO_METHOD *method;
	struct buf *from, *to; /* of the filter that runs now */
	struct buf late;       /* written while reading: the handshake's answers */
	bool asked, done, broken, shut;
	bool awaits; /* the server of direct TLS, until bytes come: who says nothing costs no SSL */
	bool looked; /* at how long their hello is */
};

/* -- the BIO ------------------------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	buf_append(tls->to, bytes, (size_t)len);
	return len;
}

static int bio_read(BIO *bio, char *bytes, int len)
{
	struct tls *tls = BIO_get_data(bio);
	size_t have = tls->from ? buf_used(tls->from) : 0;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (!have) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (have > (size_t)len)
		have = (size_t)len;
	memcpy(bytes, buf_slice(tls->from).data, have);
	buf_skip(tls->from, have);
	return (int)have;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO *bio_new(struct tls *tls)
{
	BIO *bio;

	tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "sx");
	if (!tls->method)
		return NULL;
	BIO_meth_set_write(tls->method, bio_write);
	BIO_meth_set_read(tls->method, bio_read);
	BIO_meth_set_ctrl(tls->method, bio_ctrl);
	bio = BIO_new(tls->method);
	if (!bio)
		return NULL;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	return bio;
}

/* -- the SSL ------------------------------------------------------------------------------- */

static int distrust(const struct tls *tls)
{
	if (!tls->ssl || tls->done || SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE)
		return 0;
	return (int)SSL_get_verify_result(tls->ssl);
}

/* A call's result is judged by what stands in the thread's queue of complaints; emptying an empty one costs as much as a full one. */
static void forget_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

/* OpenSSL's oldest complaint, as the reason of the stream's end. Returns the fault. */
static int broken(struct tls *tls, const char *what)
{
	char reason[200] = "";
	unsigned long error = ERR_get_error();
	struct buf text = {0};

	if (distrust(tls))
		snprintf(reason, sizeof(reason), "%s",
			 X509_verify_cert_error_string(distrust(tls)));
	else if (error)
		ERR_error_string_n(error, reason, sizeof(reason));
	ERR_clear_error();
	buf_printf(&text, "%s%s%s", what, *reason ? ": " : "", reason);
	sx_set_end_text(tls->sx, buf_text(&text));
	buf_fini(&text);
	tls->broken = true;
	return -EPROTO;
}

static SSL_CTX *context_of(const struct tls *tls, struct slice name)
{
	char *text = mem_strndup(MEM_TLS, name.len ? name.data : "", name.len);
	SSL_CTX *context = tls->conf->context ? tls->conf->context(tls->conf->arg, text) : NULL;

	mem_free(text);
	return context;
}

/* The server has read the client's hello: the certificate for the name in it. */
static int choose_certificate(SSL *ssl, void *arg)
{
	struct tls *tls = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *context = name ? tls->conf->context(tls->conf->arg, name) : NULL;

	if (context && context != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, context);
	return 1;
}

/* Of the server, for its certificate; NULL: any. */
static const char *server_name(const struct tls *tls)
{
	return tls->conf->name ? tls->conf->name : tls->sx->options->to;
}

/* Addresses are not sent in a hello (RFC 6066 section 3). */
static bool is_address(const char *name)
{
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);

	ASN1_OCTET_STRING_free(address);
	forget_errors();
	return address != NULL;
}

static bool prepare(struct tls *tls)
{
	const char *name = server_name(tls);

	if (SSL_get_min_proto_version(tls->ssl) < TLS1_2_VERSION &&
	    !SSL_set_min_proto_version(tls->ssl, TLS1_2_VERSION))
		return false;
	if (sx_type(tls->sx) == SX_SERVER) {
		SSL_set_accept_state(tls->ssl);
		SSL_set_cert_cb(tls->ssl, choose_certificate, tls);
		return true;
	}
	SSL_set_connect_state(tls->ssl);
	if (!name || !*name) /* a check for no name would be none */
		return SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE;
	return (is_address(name) || SSL_set_tlsext_host_name(tls->ssl, name)) &&
	       SSL_set1_host(tls->ssl, name);
}

/* Makes the SSL and sends all bytes through it from now on. Returns 0 or a fault. */
static int start(struct tls *tls, SSL_CTX *context)
{
	BIO *bio;

	forget_errors();
	tls->ssl = SSL_new(context);
	bio = tls->ssl ? bio_new(tls) : NULL;
	if (!bio)
		return broken(tls, "TLS");
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_options(tls->ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_set_app_data(tls->ssl, tls->conf->arg);
	if (tls->conf->made)
		tls->conf->made(tls->conf->arg, tls->ssl);
	if (!prepare(tls))
		return broken(tls, "TLS name");
	sx_use_filters(tls->sx);
	return 0;
}

/* What to make of a call's result: 0 when it only wants more bytes, else a fault. */
static int judge(struct tls *tls, int result, const char *what)
{
	int error = SSL_get_error(tls->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return 0;
	return broken(tls, what);
}

static int handshake(struct tls *tls)
{
	int result;

	if (tls->done)
		return 0;
	forget_errors();
	result = SSL_do_handshake(tls->ssl);
	sx_hold_elsewhere(tls->sx, result == 1 ? 0 : HANDSHAKE_BYTES);
	if (result != 1)
		return judge(tls, result, "TLS handshake");
	tls->done = true;
	sx_set_secure(tls->sx, true);
	return 0;
}

/*
 * What a client's hello says that its length is (RFC 8446 section 4), from records that may cut it anywhere (5.1); -EAGAIN: that
 * has not come. 0: it is none, which is OpenSSL's to refuse.
 */
static long hello_length(struct slice bytes)
{
	enum { RECORD_HEAD = 5, HANDSHAKE = 22, CLIENT_HELLO = 1, HELLO_HEAD = 4 };
	const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.len;
	uint8_t head[HELLO_HEAD];
	unsigned have = 0;

	while (end - at >= RECORD_HEAD && at[0] == HANDSHAKE) {
		size_t length = (size_t)at[3] << 8 | at[4];

		if (!length)
			return 0;
		for (at += RECORD_HEAD; length && at < end && have < HELLO_HEAD; length--)
			head[have++] = *at++;
		if (have == HELLO_HEAD)
			return head[0] == CLIENT_HELLO ? (long)head[1] << 16 | (long)head[2] << 8 | head[3] : 0;
	}
	return at < end && at[0] != HANDSHAKE ? 0 : -EAGAIN;
}

/* Returns 0, -EAGAIN when too little has come to tell, or a fault. */
static int look_at_hello(struct tls *tls, const struct buf *in)
{
	long length = tls->looked || sx_type(tls->sx) != SX_SERVER ? 0 : hello_length(buf_slice(in));

	if (length == -EAGAIN)
		return -EAGAIN;
	tls->looked = true;
	return length > HELLO_MAX ? broken(tls, "TLS handshake: the hello is too long") : 0;
}

/* -- filters ------------------------------------------------------------------------------- */

/* Moves all of one buffer behind another. */
static void pass_on(struct buf *in, struct buf *out)
{
	if (buf_used(out)) {
		buf_append_slice(out, buf_slice(in));
		buf_fini(in);
		return;
	}
	buf_fini(out);
	*out = *in;
	*in = (struct buf){0};
}

static int decrypt(struct tls *tls, struct buf *in, struct buf *out)
{
	for (;;) {
		size_t room = buf_used(in) + (size_t)SSL_pending(tls->ssl) + 1;
		int got;

		if (room > RECORD_MAX)
			room = RECORD_MAX;
		forget_errors();
		got = SSL_read(tls->ssl, buf_reserve(out, room), (int)room);
		if (got <= 0 && SSL_get_error(tls->ssl, got) == SSL_ERROR_ZERO_RETURN) {
			buf_fini(in);
			sx_feed_end(tls->sx);
			return 0;
		}
		if (got <= 0)
			return judge(tls, got, "TLS");
		buf_added(out, (size_t)got);
		if (!buf_used(in) && !SSL_has_pending(tls->ssl))
			return 0; /* another look would find nothing, and costs as much */
	}
}

static int start_direct(struct tls *tls)
{
	const char *name = server_name(tls);
	SSL_CTX *context = context_of(tls, slice_of(name ? name : ""));

	tls->awaits = false;
	if (!context)
		sx_set_end_text(tls->sx, "TLS: no certificate");
	return context ? start(tls, context) : -EPROTO;
}

static int read_bytes(void *state, struct sx *sx, struct buf *in, struct buf *out)
{
	struct tls *tls = state;
	bool was_done = tls->done;
	int rc = tls->awaits ? start_direct(tls) : 0;

	if (rc)
		return rc;
	if (!tls->ssl) {
		pass_on(in, out);
		return 0;
	}
	rc = look_at_hello(tls, in);
	if (rc)
		return rc == -EAGAIN ? 0 : rc;
	tls->from = in;
	tls->to = &tls->late;
	rc = handshake(tls);
	if (!rc && tls->done)
		rc = decrypt(tls, in, out);
	tls->from = NULL;
	if (buf_used(&tls->late) || was_done != tls->done)
		sx_want_output(sx);
	return rc;
}

static int encrypt(struct tls *tls, struct buf *in)
{
	while (buf_used(in)) {
		size_t len = buf_used(in) < RECORD_MAX ? buf_used(in) : RECORD_MAX;
		int put;

		forget_errors();
		put = SSL_write(tls->ssl, buf_slice(in).data, (int)len);
		if (put <= 0)
			return judge(tls, put, "TLS");
		buf_skip(in, (size_t)put);
	}
	return 0;
}

/* close_notify, behind the last byte of the stream. */
static void shut(struct tls *tls)
{
	if (tls->shut || sx_state(tls->sx) != SX_STATE_CLOSED)
		return;
	tls->shut = true;
	SSL_shutdown(tls->ssl);
	forget_errors();
}

static int write_bytes(void *state, struct sx *sx, struct buf *in, struct buf *out)
{
	struct tls *tls = state;
	int rc = 0;

	if (tls->awaits)
		return 0;
	if (!tls->ssl) {
		pass_on(in, out);
		return 0;
	}
	if (buf_used(&tls->late))
		pass_on(&tls->late, out);
	if (tls->broken) {
		buf_wipe(in);
		return 0;
	}
	tls->to = out;
	if (sx_state(sx) != SX_STATE_CLOSED)
		rc = handshake(tls);
	if (!rc && tls->done)
		rc = encrypt(tls, in);
	if (!rc && tls->done)
		shut(tls);
	return rc;
}

/* -- STARTTLS ------------------------------------------------------------------------------ */

static void send_tls(struct sx *sx, const char *name)
{
	struct slice parts[] = {SLICE("<"), slice_of(name), SLICE(" xmlns='" NS_TLS "'/>")};

	sx_send_parts(sx, parts, countof(parts), SX_OTHER);
}

/* Nothing that was said in clear counts any more. */
static void secure(struct tls *tls, SSL_CTX *context)
{
	sx_drop_input(tls->sx);
	sx_set_identity(tls->sx, NULL, NULL);
	if (start(tls, context) < 0)
		sx_finish(tls->sx, SX_END_ERROR);
	else
		sx_restart(tls->sx);
}

static void starttls_came(struct tls *tls)
{
	struct sx *sx = tls->sx;
	SSL_CTX *context = NULL;

	if (tls->conf->offer && !tls->ssl && !sx_identity(sx))
		context = context_of(tls, sx_to(sx));
	if (context) {
		send_tls(sx, "proceed");
		secure(tls, context);
		return;
	}
	send_tls(sx, "failure");
	sx_close(sx);
}

static int features_came(struct tls *tls, const struct nad *nad)
{
	if (tls->ssl || sx_identity(tls->sx))
		return SX_PASS;
	if (tls->conf->offer && nad_find_child(nad, 0, NS_TLS, "starttls") >= 0) {
		tls->asked = true;
		send_tls(tls->sx, "starttls");
		return 0;
	}
	if (!tls->conf->require)
		return SX_PASS;
	sx_error(tls->sx, SX_POLICY_VIOLATION, "TLS is required");
	return 0;
}

static void proceed_came(struct tls *tls)
{
	const char *name = server_name(tls);
	SSL_CTX *context = tls->asked ? context_of(tls, slice_of(name ? name : "")) : NULL;

	tls->asked = false;
	if (context)
		secure(tls, context);
	else
		sx_error(tls->sx, SX_UNDEFINED_CONDITION, "TLS cannot start");
}

static int read_nad(void *state, struct sx *sx, struct nad **nad)
{
	struct tls *tls = state;
	bool server = sx_type(sx) == SX_SERVER;

	if (!tls->conf)
		return SX_PASS;
	if (!server && nad_is(*nad, 0, NS_STREAM, "features"))
		return features_came(tls, *nad);
	if (!slice_is(nad_ns(*nad, 0), NS_TLS))
		return SX_PASS;
	if (server && nad_is(*nad, 0, NS_TLS, "starttls"))
		starttls_came(tls);
	else if (!server && nad_is(*nad, 0, NS_TLS, "proceed"))
		proceed_came(tls);
	else if (!server && nad_is(*nad, 0, NS_TLS, "failure"))
		sx_error(sx, SX_UNDEFINED_CONDITION, "TLS was refused");
	return 0;
}

static void features(void *state, struct sx *sx, struct nad *nad)
{
	struct tls *tls = state;

	if (!tls->conf || !tls->conf->offer || tls->ssl || sx_identity(sx) ||
	    !context_of(tls, sx_to(sx)))
		return;
	nad_append(nad, NS_TLS, "starttls", 1);
	if (tls->conf->require)
		nad_append(nad, NS_TLS, "required", 2);
}

bool sx_tls_withholds(const struct sx *sx)
{
	const struct tls *tls = sx_plugin_state(sx, &sx_tls);

	return tls && tls->conf && tls->conf->require && !sx_is_secure(sx);
}

bool sx_tls_trusts(const struct sx *sx)
{
	const struct tls *tls = sx_plugin_state(sx, &sx_tls);

	return !tls->conf->trusts || tls->conf->trusts(tls->conf->arg, tls->ssl);
}

SSL *sx_tls_ssl(const struct sx *sx)
{
	const struct tls *tls = sx_plugin_state(sx, &sx_tls);

	return tls && tls->done ? tls->ssl : NULL;
}

int sx_tls_distrust(const struct sx *sx)
{
	const struct tls *tls = sx_plugin_state(sx, &sx_tls);

	return tls ? distrust(tls) : 0;
}

bool sx_tls_failed(const struct sx *sx)
{
	const struct tls *tls = sx_plugin_state(sx, &sx_tls);

	return tls && tls->broken && !tls->done;
}

/* -- life ---------------------------------------------------------------------------------- */

static void open_stream(void *state, struct sx *sx, const void *conf)
{
	struct tls *tls = state;

	tls->sx = sx;
	tls->conf = conf;
	if (!conf || !tls->conf->direct || tls->ssl)
		return;
	tls->awaits = sx_type(sx) == SX_SERVER;
	sx_use_filters(sx);
	if (!tls->awaits && start_direct(tls) < 0)
		sx_finish(sx, SX_END_ERROR);
}

static void moved(void *state, struct sx *sx)
{
	struct tls *tls = state;
	struct buf late = tls->late;

	tls->sx = sx;
	sx_move_buf(&tls->late, &late);
	if (!tls->ssl)
		return;
	BIO_set_data(SSL_get_rbio(tls->ssl), tls);
	if (sx_type(sx) == SX_SERVER)
		SSL_set_cert_cb(tls->ssl, choose_certificate, tls);
}

static void fini(void *state)
{
	struct tls *tls = state;

	if (tls->ssl && tls->conf->gone)
		tls->conf->gone(tls->conf->arg, tls->ssl);
	SSL_free(tls->ssl);
	BIO_meth_free(tls->method);
	buf_fini(&tls->late);
}

const struct sx_plugin sx_tls = {
	.name = "tls",
	.size = sizeof(struct tls),
	.open = open_stream,
	.fini = fini,
	.read_bytes = read_bytes,
	.write_bytes = write_bytes,
	.read_nad = read_nad,
	.features = features,
	.moved = moved,
};
