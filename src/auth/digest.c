/* SPDX-License-Identifier: MIT */
/* DIGEST-MD5 for components, through libgsasl. */
#include "auth/auth.h"

#include <gsasl.h>
#include "base/mem.h"
#include "mio/mio.h"

struct auth_digest {
	struct mio_host *host;
	Gsasl *library;
	Gsasl_session *session;
	const char *(*password)(void *arg, const char *user);
	void *arg;
	char *answer;
	char *user; /* NULL: not proven */
};

static void end_session(struct auth_digest *digest)
{
	if (digest->session)
		gsasl_finish(digest->session);
	digest->session = NULL;
}

/*
 * Our realm is set for the challenge only: afterwards the property is what the peer wrote. Any
 * realm will do, for it is part of the hash, but there must be one.
 */
static int give_property(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
	struct auth_digest *digest = gsasl_session_hook_get(session);
	const char *user = gsasl_property_fast(session, GSASL_AUTHID);
	const char *password;

	if (property != GSASL_PASSWORD)
		return GSASL_NO_CALLBACK;
	if (!user || !gsasl_property_fast(session, GSASL_REALM))
		return GSASL_NO_PASSWORD;
	password = digest->password(digest->arg, user);
	if (!password)
		return GSASL_NO_PASSWORD;
	return gsasl_property_set(session, GSASL_PASSWORD, password);
}

static void drop_answer(struct auth_digest *digest)
{
	gsasl_free(digest->answer);
	digest->answer = NULL;
}

/* What the library holds outside our heaps; also when a simulated process is killed. */
static void close_library(void *handle)
{
	struct auth_digest *digest = handle;

	drop_answer(digest);
	end_session(digest);
	if (digest->library)
		gsasl_done(digest->library);
}

struct auth_digest *auth_digest_new(const char *service, const char *realm, struct mio_host *host,
				    const char *(*password)(void *arg, const char *user), void *arg)
{
	struct auth_digest *digest = mem_zalloc(MEM_SASL, sizeof(*digest));

	digest->host = host;
	digest->password = password;
	digest->arg = arg;
	mio_foreign_add(host, digest, close_library);
	if (gsasl_init(&digest->library) != GSASL_OK)
		return digest; /* every step fails */
	gsasl_callback_set(digest->library, give_property);
	if (gsasl_server_start(digest->library, "DIGEST-MD5", &digest->session) != GSASL_OK)
		return digest;
	gsasl_session_hook_set(digest->session, digest);
	gsasl_property_set(digest->session, GSASL_SERVICE, service);
	gsasl_property_set(digest->session, GSASL_HOSTNAME, mio_host_name(host));
	gsasl_property_set(digest->session, GSASL_REALM, realm);
	return digest;
}

void auth_digest_free(struct auth_digest **taken)
{
	struct auth_digest *digest = *taken;

	*taken = NULL;
	if (!digest)
		return;
	mio_foreign_del(digest->host, digest);
	close_library(digest);
	mem_free(digest->user);
	mem_free(digest);
}

enum auth_outcome auth_digest_step(struct auth_digest *digest, struct slice message,
				   struct slice *answer, const char **text)
{
	size_t len = 0;
	int rc;

	drop_answer(digest);
	*answer = (struct slice){0};
	*text = "Error authenticating user";
	if (!digest->session)
		return AUTH_FAILURE;
	rc = gsasl_step(digest->session, message.data, message.len, &digest->answer, &len);
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
		*text = gsasl_strerror(rc);
		end_session(digest);
		return AUTH_FAILURE;
	}
	gsasl_property_set(digest->session, GSASL_REALM, NULL);
	*text = NULL;
	*answer = (struct slice){digest->answer, len};
	if (rc == GSASL_NEEDS_MORE)
		return AUTH_CHALLENGE;
	digest->user = mem_strdup(MEM_SASL, gsasl_property_fast(digest->session, GSASL_AUTHID));
	end_session(digest);
	return AUTH_SUCCESS;
}

const char *auth_digest_user(const struct auth_digest *digest)
{
	return digest->user;
}
