/* SPDX-License-Identifier: MIT */
/*
 * How a native component proves who it is. Over TCP by DIGEST-MD5 with router.user and
 * router.password, as jabberd2's do. At a Unix socket the kernel has said whose process it is:
 * EXTERNAL, and no password exists that could be known there.
 */
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "jid/jid.h"
#include "router/access.h"
#include "router/stream.h"

#define REALM "jabberd-router"
enum { LOGINS_MAX = 10 };

static const char *mechanism_of(const struct stream *stream)
{
	return stream->local ? "EXTERNAL" : "DIGEST-MD5";
}

static void offer_mechanism(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			    void *to)
{
	offer(to, mechanism_of(conn_owner(conn_of(sx))));
}

static const struct settings *settings_of(const struct stream *stream)
{
	return stream->router->worker->settings;
}

static const char *password_of(void *arg, const char *user)
{
	return access_password(settings_of(arg), user);
}

static void refuse(struct sx *sx, enum sx_sasl_failure failure, const char *text)
{
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_FAILURE, .failure = failure, .text = text};

	sx_sasl_answer(sx, &answer);
}

/* The identity is user@realm; access control looks at the user alone (section 2). data NULL: none.
 */
static void accept_login(struct sx *sx, const char *user, const struct slice *data, const char *how)
{
	AUTO(jid_free)
	struct jid *identity = jid_make(slice_of(user), SLICE(REALM), (struct slice){NULL, 0});
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .data = data, .identity = identity, .how = how};

	if (identity)
		sx_sasl_answer(sx, &answer);
	else
		refuse(sx, SX_SASL_NOT_AUTHORIZED, "the user name is no address");
}

/* -- EXTERNAL, RFC 4422 appendix A ----------------------------------------------------------------
 */

/* Our own user's parts are what router.user is over TCP. They have no other name to ask for. */
static void external_step(const struct stream *stream, struct sx *sx, bool asks,
			  struct slice message)
{
	struct slice nothing = SLICE("");
	struct sx_sasl_answer challenge = {.outcome = SX_SASL_CHALLENGE, .data = &nothing};

	if (asks)
		sx_sasl_answer(sx, &challenge);
	else if (message.len)
		refuse(sx, SX_SASL_INVALID_AUTHZID, "leave the authorization identity empty");
	else
		accept_login(sx, settings_of(stream)->router.user, NULL, "SASL/EXTERNAL");
}

bool router_knows_user(struct stream *stream)
{
	uid_t uid = 0;
	bool known = conn_peer_uid(stream->conn, &uid);

	stream->local = known && (uid == geteuid() || uid == 0);
	if (stream->local)
		return true;
	log_warn(&stream->router->log,
		 "user %u came to the Unix socket in data.dir: only user %u, whose router this is, "
		 "and root may",
		 (unsigned)uid, (unsigned)geteuid());
	conn_close(stream->conn, SX_NOT_AUTHORIZED,
		   "this socket is for parts that run as the router's user");
	return false;
}

/* -- DIGEST-MD5 -----------------------------------------------------------------------------------
 */

static void digest_step(struct stream *stream, struct sx *sx, bool first, struct slice message)
{
	struct mio_host *host = stream->router->worker->process->host;
	struct sx_sasl_answer challenge = {.outcome = SX_SASL_CHALLENGE};
	const char *text = NULL;
	struct slice data;

	if (first) {
		auth_digest_free(&stream->digest);
		stream->digest = auth_digest_new(REALM, REALM, host, password_of, stream);
	}
	switch (auth_digest_step(stream->digest, message, &data, &text)) {
	case AUTH_CHALLENGE:
		challenge.data = &data;
		sx_sasl_answer(sx, &challenge);
		break;
	case AUTH_SUCCESS:
		accept_login(sx, auth_digest_user(stream->digest), &data, "SASL/DIGEST-MD5");
		auth_digest_free(&stream->digest);
		break;
	case AUTH_FAILURE:
		log_warn(&stream->router->log, "a component from %s failed to log in: %s",
			 conn_peer(stream->conn), text ? text : "");
		auth_digest_free(&stream->digest);
		refuse(sx, SX_SASL_NOT_AUTHORIZED, text);
		break;
	}
}

/* -- the exchange ---------------------------------------------------------------------------------
 */

static void step(void *owner, struct sx *sx, const char *mechanism, bool initial,
		 struct slice message)
{
	struct stream *stream = conn_owner(conn_of(sx));

	if (stream->external || (mechanism && strcasecmp(mechanism, mechanism_of(stream)) != 0))
		refuse(sx, SX_SASL_INVALID_MECHANISM, NULL);
	else if (mechanism && ++stream->logins > LOGINS_MAX)
		conn_refuse(stream->conn, SX_REFUSED_FAILURES);
	else if (stream->local)
		external_step(stream, sx, mechanism && !initial, message);
	else
		digest_step(stream, sx, mechanism != NULL, message);
}

static void dropped(void *owner, struct sx *sx)
{
	struct stream *stream = conn_owner(conn_of(sx));

	auth_digest_free(&stream->digest);
}

const struct sx_sasl_server_conf router_login_conf = {
	.mechanisms = offer_mechanism, .step = step, .dropped = dropped, .attempts = LOGINS_MAX};
