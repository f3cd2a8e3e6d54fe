/* SPDX-License-Identifier: MIT */
/*
 * Stream exchange: an XML stream (RFC 6120 section 4) without sockets. Bytes in by sx_feed(), bytes out by
 * sx_output(), plugins between the wire and the XML, elements to the owner. No I/O, no clock; randomness and the
 * worker's parsers come with the environment. Nothing behind an element is looked at before that element is handled:
 * what was pipelined behind SASL success must be a new stream, what was behind STARTTLS is never looked at.
 *
 *   client: NONE - header queued -> STREAM_SENT - header read -> STREAM - authenticated, restart -> OPEN
 *   server: NONE - header read -> STREAM_RECEIVED - header queued -> STREAM - authenticated, restart -> OPEN
 *   both:   -> CLOSING (our closing tag is queued) -> CLOSED (both tags seen, or an error)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "sx/error.h"
#include "sx/refusal.h"
#include "xml/parser.h"

struct jid;
struct nad;
struct sx;

enum sx_state {
	SX_STATE_NONE, SX_STATE_STREAM_SENT, SX_STATE_STREAM_RECEIVED, SX_STATE_STREAM, SX_STATE_OPEN,
	SX_STATE_CLOSING, SX_STATE_CLOSED
};
enum sx_type { SX_CLIENT, SX_SERVER };

/* What a plugin's read_nad says: 0: it was mine and is done with. */
enum { SX_PASS = 1, SX_WAIT };

/* Kinds of element that plugins may count. */
enum sx_kind { SX_STANZA, SX_OTHER };

/* How a stream ended. */
enum sx_end {
	SX_END_PEER,  /* </stream:stream> from the peer; ours was answered */
	SX_END_ERROR, /* a stream error, ours or theirs: sx_end_error() */
	SX_END_GONE,  /* the bytes ended (sx_feed_end()) */
};

/* The owner. It may call anything of sx from within, but not free it (see sx_free). NULL functions are skipped. */
struct sx_handler {
	/* A server: the peer's header is read; ours leaves after this returns. Set sx_set_from(), or sx_error(). */
	void (*header)(void *owner, struct sx *sx);
	void (*stream)(void *owner, struct sx *sx); /* both headers are exchanged: state STREAM */
	void (*open)(void *owner, struct sx *sx);   /* authenticated: state OPEN, once in a stream's life */
	/* An element that no plugin took, *nad is the owner's; features too, for a client. */
	void (*packet)(void *owner, struct sx *sx, struct nad **nad);
	void (*output)(void *owner, struct sx *sx); /* there are bytes in sx_output() */
	void (*closed)(void *owner, struct sx *sx, enum sx_end end); /* write what is left, then close */
	/* sx_continue() came on its own turn: call sx_resume() on a later one. NULL: parsing goes on at once. */
	void (*resume)(void *owner, struct sx *sx);
};

/* What a worker lends its streams. */
struct sx_env {
	struct xml_pool *pool;
	void (*random)(void *arg, void *bytes, size_t len);
	void *random_arg;
	const char *host_name; /* of the machine, for DIGEST-MD5's digest-uri */
	/* Told of what a library holds outside our heaps; close NULL: it is gone again. May be NULL. */
	void (*foreign)(void *arg, void *handle, void (*close)(void *handle));
	void *foreign_arg;
};

struct sx_options {
	enum sx_type type;
	const char *ns;     /* the content's default namespace, or NULL (components) */
	const char *to;     /* client: the header's to, or NULL */
	const struct sx_plugin *const *plugins; /* in the order of the wire, NULL-terminated */
	const void *const *plugin_conf;         /* one for each plugin, or NULL; outlives the stream */
	struct xml_limits before_auth, after_auth;
	/*
	 * Server: elements that were on their way when SASL succeeded belong to the stream that ended then. They are dropped
	 * up to the new header instead of being an error: jabberd2's c2s sends for its clients while it logs in.
	 */
	bool drops_strays;
};

/* A plugin: state is of size bytes, zeroed, one per stream. Reads run down the list, writes up; NULL is skipped. */
struct sx_plugin {
	const char *name;
	size_t size;
	void (*open)(void *state, struct sx *sx, const void *conf); /* at each stream restart too */
	void (*header)(void *state, struct buf *out);       /* before our stream header leaves: adds attributes */
	void (*stream)(void *state, struct sx *sx);         /* both headers are exchanged */
	void (*fini)(void *state);
	/* Byte filters: take from in, add to out. 0 or a fault (a fault ends the stream). */
	int (*read_bytes)(void *state, struct sx *sx, struct buf *in, struct buf *out);
	int (*write_bytes)(void *state, struct sx *sx, struct buf *in, struct buf *out);
	/* jabberd2's "process": 0 (mine, taken), SX_PASS, SX_WAIT (mine; nothing more is parsed until sx_continue()). */
	int (*read_nad)(void *state, struct sx *sx, struct nad **nad);
	void (*sent)(void *state, enum sx_kind kind);         /* an element was queued */
	void (*features)(void *state, struct sx *sx, struct nad *features); /* adds children at depth 1: what we offer now */
	void (*featured)(void *state, struct sx *sx, struct nad *features); /* adds what depends on those of all plugins */
	/* After sx_arrive(): the state was copied as it is; take what it points to into this worker's heap. */
	void (*moved)(void *state, struct sx *sx);
	void (*closed)(void *state, struct sx *sx); /* state CLOSED, before the owner hears of it */
};

/* env, options, handler are borrowed for the stream's life. */
struct sx *sx_new(const struct sx_env *env, const struct sx_options *options, const struct sx_handler *handler,
		  void *owner);
void sx_free(struct sx **sx); /* not from within its own handler: defer it to the end of the turn */

void sx_start(struct sx *sx); /* client: queues our header. Server: nothing; waits for theirs. */

/* Bytes from the wire. All are taken (kept where nothing may be parsed now). Calls the handler. */
void sx_feed(struct sx *sx, const void *bytes, size_t len);
void sx_feed_end(struct sx *sx);      /* the peer's bytes ended */
bool sx_has_ended(const struct sx *sx); /* they did, though not all of them may be handled yet */
size_t sx_input_waiting(const struct sx *sx); /* kept unparsed: the owner stops reading above its limit */
size_t sx_queued(const struct sx *sx); /* memory that holds what is not parsed, not complete or not sent */
void sx_pause(struct sx *sx, bool paused); /* parse nothing more until unpaused; may call the handler on unpausing */
void sx_resume(struct sx *sx); /* parses on, unless paused or waiting */

struct buf *sx_output(struct sx *sx); /* borrowed: send, then buf_skip() and sx_sent() */
void sx_sent(struct sx *sx);          /* the owner took bytes from the output */

/* Sending; silently nothing in CLOSING and CLOSED. */
void sx_send(struct sx *sx, struct nad **nad);
void sx_send_parts(struct sx *sx, const struct slice *parts, size_t count, enum sx_kind kind); /* one printed element */
void sx_close(struct sx *sx); /* queues </stream:stream>: CLOSING, then closed() when the peer's came */
/* A stream error (RFC 6120 section 4.9.3), text may be NULL, header first when there was none; then closes. */
void sx_error(struct sx *sx, enum sx_error error, const char *text);
/* The same with an element of the application's own in it (4.9.4), printed. */
void sx_error_with(struct sx *sx, enum sx_error error, const char *text, const char *element);
/* The same, and sx_end_refusal() says why. A peer that does not read hears nothing: the owner kills the stream. */
void sx_refuse(struct sx *sx, enum sx_refusal refusal);
void sx_kill(struct sx *sx);  /* CLOSED at once: nothing is queued, closed() is not called */

/* For plugins. */
void sx_continue(struct sx *sx);  /* what was SX_WAIT is answered: parse on */
/* Forget the parser's state, wait for (server) or send (client) a new header. Identity and unparsed input stay. */
void sx_restart(struct sx *sx);
void sx_drop_input(struct sx *sx);  /* what is unparsed came before TLS: never look at it */
void sx_offer(struct sx *sx); /* server: features, as they are now */
void sx_open(struct sx *sx);        /* OPEN without a restart, identity set: XEP-0114's handshake, dialback */
void sx_use_filters(struct sx *sx); /* from now on bytes run through read_bytes and write_bytes */
void sx_set_end_text(struct sx *sx, const char *text); /* a filter says why it is about to return a fault */
void sx_want_output(struct sx *sx); /* a filter has bytes to write */
/* The one place where a peer's identity is set (NULL clears): who it is, how it was proven. authenticated streams
 * become OPEN at their next header. id is referenced. how is a constant string ("SASL/SCRAM-SHA-1"). */
void sx_set_identity(struct sx *sx, struct jid *id, const char *how);
void *sx_plugin_state(const struct sx *sx, const struct sx_plugin *plugin); /* NULL when the stream has it not */
void sx_set_secure(struct sx *sx, bool secure);

enum sx_state sx_state(const struct sx *sx);
enum sx_type sx_type(const struct sx *sx);
const char *sx_state_name(enum sx_state state);
struct jid *sx_identity(const struct sx *sx);      /* borrowed; NULL before authentication */
const char *sx_identity_how(const struct sx *sx);
bool sx_is_secure(const struct sx *sx);            /* TLS */
bool sx_has_version(const struct sx *sx);          /* the peer's header said version='1.0' */
struct slice sx_to(const struct sx *sx);           /* of the peer's header; empty when absent */
struct slice sx_from(const struct sx *sx);
struct slice sx_lang(const struct sx *sx);
struct slice sx_id(const struct sx *sx);           /* the stream id: ours as server, theirs as client */
struct slice sx_peer_ns(const struct sx *sx);      /* the default namespace of the peer's header */
void sx_set_from(struct sx *sx, struct slice from); /* server: from of our header */
void sx_ignore_version(struct sx *sx); /* server, within header(): answer as before XMPP 1.0, without version and features */
enum sx_error sx_end_error(const struct sx *sx);   /* SX_ERROR_NONE when there was none */
enum sx_refusal sx_end_refusal(const struct sx *sx);
const char *sx_end_text(const struct sx *sx);      /* its text or a filter's; "" when there was none */
size_t sx_unsent(const struct sx *sx);             /* bytes of output, and of what filters did not take yet */
void sx_options_changed(struct sx *sx); /* limits in those that it borrows: they hold at once */
const struct sx_env *sx_env_of(const struct sx *sx);
void *sx_owner(const struct sx *sx);

/*
 * Takes the stream apart on its worker and builds it again, from copies, on the one that calls sx_arrive(): unparsed
 * input, unsent output, identity, states. Only where no parser holds anything: where a new header is awaited (behind SASL
 * success), or an element has been read and the next is not looked at; and not from within its handler. *sx is gone after sx_leave(); the box is memory
 * of the old worker, returned to it by sx_arrive(). options: of the new worker, with the same plugins. What is unparsed stays so until sx_pause(sx, false) or more bytes.
 */
struct sx_box;
struct sx_box *sx_leave(struct sx **sx);
struct sx *sx_arrive(struct sx_box **box, const struct sx_env *env, const struct sx_options *options,
		     const struct sx_handler *handler, void *owner);
