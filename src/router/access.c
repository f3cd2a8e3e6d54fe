/* SPDX-License-Identifier: MIT */
/* Who logs in at the router, and what it may. */
#include "router/access.h"

#include "jid/jid.h"

static const struct settings_login *find_login(const struct settings *settings, struct slice user)
{
	for (size_t at = 0; at < settings->router.logins.count; at++) {
		const struct settings_login *login = settings->router.logins.items[at];

		if (slice_is(user, login->name))
			return login;
	}
	return NULL;
}

const char *access_password(const struct settings *settings, const char *user)
{
	const struct settings_login *login = find_login(settings, slice_of(user));

	if (strcmp(user, settings->router.user) == 0)
		return settings->router.password;
	return login ? login->password : NULL;
}

static bool is_first(const struct settings *settings, struct slice user)
{
	AUTO(buf_fini) struct buf first = {0};

	return jid_prep_local(slice_of(settings->router.user), &first) &&
	       slice_equal(buf_slice(&first), user);
}

static bool has_right(const struct settings_login *login, const char *right)
{
	for (size_t at = 0; right && at < login->may.count; at++) {
		if (strcmp(login->may.items[at], right) == 0)
			return true;
	}
	return false;
}

bool access_permits(const struct settings *settings, struct slice user, enum link_permit what,
		    struct slice name)
{
	static const char *const rights[] = {
		[LINK_PERMIT_BIND] = "bind",
		[LINK_PERMIT_DEFAULT_ROUTE] = "default-route",
		[LINK_PERMIT_LOG] = "log",
		[LINK_PERMIT_ACCOUNTS] = NULL,
	};
	const struct settings_login *login = find_login(settings, user);

	if (is_first(settings, user))
		return true;
	if (!login)
		return false;
	if (what == LINK_PERMIT_BIND && slice_equal(name, user))
		return true;
	return has_right(login, "all") || has_right(login, rights[what]);
}
