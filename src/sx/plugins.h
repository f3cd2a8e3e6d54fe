/* SPDX-License-Identifier: MIT */
/* The stream plugins and what their owners give them (plugin_conf). */
#pragma once

#include "sx/sx.h"

/* -- STARTTLS and direct TLS (1.2 and newer) on OpenSSL, through a BIO of our own on the stream's buffers -- */

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;	   /* and SSL */

struct sx_tls_conf {
	/* The server's context for a name (SNI, else the header's to; "" when neither), borrowed until the end of the turn;
	 * NULL: none for it. Only before the stream has moved to another worker. Client
	 * side: called with the name we connect to. */
	struct ssl_ctx_st *(*context)(void *arg, const char *name);
	void *arg;
	/* Client: the domain or numeric address that the certificate must be for, if the context asks for one; NULL: the header's
	 * to. */
	const char *name;
	bool offer, require; /* server: offered; withholds SASL until done. Client: use it if offered; insist on it */
	bool direct;         /* TLS from the first byte */
	/* Server: whether those are still believed whose certificates this connection's context has believed; NULL: yes. */
	bool (*trusts)(void *arg, const struct ssl_st *ssl);
	/* Told of each live SSL object (for the simulator's foreign handles); may be NULL. */
	void (*made)(void *arg, void *ssl);
	void (*gone)(void *arg, void *ssl);
};

extern const struct sx_plugin sx_tls; /* SSL_get_app_data() of a connection is conf's arg */

/* A server's context: its tickets say which certificate the client saw, so that SX_TLS_SERVER_END_POINT stays right when
 * it resumes after another was put in its place. */
void sx_tls_remembers(struct ssl_ctx_st *context);

/* Client: OpenSSL's X509_V_ERR_... for which the server's certificate was refused; 0: it was not. */
int sx_tls_distrust(const struct sx *sx);

/*
 * Server: calls name() for each address (id-on-xmppAddr, RFC 6120 section 13.7.1.4) in the client's certificate, if its context
 * trusts that; else returns why not. email: of one without such, for each e-mail address (rfc822Name) instead.
 */
const char *sx_tls_client(const struct sx *sx, bool email, void (*name)(void *to, struct slice name), void *to);
const char *sx_tls_version(const struct sx *sx); /* "TLSv1.3"; NULL: not secured by this plugin */
uint16_t sx_tls_number(const struct sx *sx); /* the same as on the wire, 0x0304; 0 */
bool sx_tls_failed(const struct sx *sx); /* its handshake did */

/* RFC 9266 (TLS 1.2 only with an extended master secret); RFC 5929 (TLS 1.2 only); RFC 5929. */
enum sx_tls_binding { SX_TLS_EXPORTER, SX_TLS_UNIQUE, SX_TLS_SERVER_END_POINT, SX_TLS_BINDINGS };

/* Appends what a stream can be bound to; false: it has none of this type. out may be NULL: that alone is asked, which is cheap. */
bool sx_tls_binding(const struct sx *sx, enum sx_tls_binding type, struct buf *out);

/* -- SASL, server side: the exchange is the plugin's, the mechanisms are the owner's -- */

enum sx_sasl_outcome { SX_SASL_CHALLENGE, SX_SASL_SUCCESS, SX_SASL_FAILURE, SX_SASL_CONTINUE, SX_SASL_TASK_DATA };

/* RFC 6120 section 6.5 */
enum sx_sasl_failure {
	SX_SASL_ABORTED, SX_SASL_ACCOUNT_DISABLED, SX_SASL_CREDENTIALS_EXPIRED, SX_SASL_ENCRYPTION_REQUIRED,
	SX_SASL_INCORRECT_ENCODING, SX_SASL_INVALID_AUTHZID, SX_SASL_INVALID_MECHANISM, SX_SASL_MALFORMED_REQUEST,
	SX_SASL_MECHANISM_TOO_WEAK, SX_SASL_NOT_AUTHORIZED, SX_SASL_TEMPORARY_AUTH_FAILURE, SX_SASL_FAILURES
};

const char *sx_sasl_failure_name(enum sx_sasl_failure failure); /* "not-authorized" */

struct sx_sasl_server_conf {
	/* Calls offer(mechanism, to) for each mechanism that this stream may use now, best first. */
	void (*mechanisms)(void *owner, struct sx *sx, void (*offer)(void *to, const char *name), void *to);
	/*
	 * A message of the peer: the first with the mechanism's name (initial: an initial response came, empty or not), later
	 * ones with mechanism NULL. Answer with sx_sasl_answer(), from within or on a later turn; until then the stream
	 * waits. owner is the stream's.
	 */
	void (*step)(void *owner, struct sx *sx, const char *mechanism, bool initial, struct slice message);
	void (*dropped)(void *owner, struct sx *sx); /* the exchange ended early: abort, a second auth, the stream's end */
	/*
	 * SASL2 (XEP-0388), on secured streams; NULL: there is none. Adds to its <inline/>, as children at depth 3. Before the first
	 * step: all that the client asks for, the element is the owner's.
	 */
	void (*inlines)(void *owner, struct sx *sx, struct nad *features);
	void (*asked)(void *owner, struct sx *sx, struct nad **authenticate);
	/* Adds upgrades that could be done (XEP-0480), at depth 2. */
	void (*upgrades)(void *owner, struct sx *sx, struct nad *features);
	/* Behind SX_SASL_CONTINUE: what its client says of its task: <next/> or <task-data/>, lent. Answered as a step is. */
	void (*task)(void *owner, struct sx *sx, struct nad *nad);
	/* A message was refused that step() was not asked about: it was badly encoded, in clear, out of place. */
	void (*refused)(void *owner, struct sx *sx, enum sx_sasl_failure failure);
	unsigned attempts; /* failures before the stream is closed with policy-violation; 0: no limit */
};

extern const struct sx_plugin sx_sasl_server;

/*
 * The answer to a step. CHALLENGE: data. SUCCESS: data may be NULL (none); identity is set, the stream restarts when the
 * peer has sent its header; how as in sx_set_identity(). FAILURE: the condition and an optional text.
 *
 * SASL2, CONTINUE: the mechanism succeeded, with data or without, and text names the task that comes first; TASK_DATA: text is printed
 * elements. SUCCESS sets the identity and nothing is said, nor read, until sx_sasl2_granted(): success with its data (NULL: none), the
 * client's address, and what is to stand behind that, printed; the stream is OPEN then, and says what it offers, if it is to.
 * sx_sasl2_denied(): what the client asked for cannot be done now; it has no identity.
 */
struct sx_sasl_answer {
	enum sx_sasl_outcome outcome;
	const struct slice *data;
	struct jid *identity;
	const char *how;
	enum sx_sasl_failure failure;
	const char *text;
};

void sx_sasl_answer(struct sx *sx, const struct sx_sasl_answer *answer);
void sx_sasl2_granted(struct sx *sx, const struct slice *data, struct slice address, struct slice inside, bool offers);
void sx_sasl2_denied(struct sx *sx);
bool sx_sasl_busy(const struct sx *sx); /* an exchange is under way */

/* -- SASL, client side, through libgsasl: the seed flow's sx_sasl_auth() -- */

extern const struct sx_plugin sx_sasl_client;

/* From STREAM state: starts the mechanism ("DIGEST-MD5" with service "jabberd-router", "PLAIN", "SCRAM-SHA-1" with
 * service "xmpp"); on success the stream restarts by itself. Returns 0, or -EINVAL when gsasl has no such
 * mechanism, or TLS is insisted on and not there yet. */
int sx_sasl_auth(struct sx *sx, const char *service, const char *mechanism, const char *user, const char *password);
/* Called on <failure/>, a wrong rspauth or a mechanism's fault: text says which; set before sx_start(). */
void sx_sasl_on_failure(struct sx *sx, void (*failed)(void *owner, struct sx *sx, const char *text));

/* -- ack: jabberd2's c2s declares this namespace in its header to the router, and nothing else -- */

#define NS_ACK "http://www.xmpp.org/extensions/xep-0198.html#ns"
extern const struct sx_plugin sx_ack;
