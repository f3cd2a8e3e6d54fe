/* SPDX-License-Identifier: MIT */
/*
 * Of one device a user has one session: another that it begins ends those before it (XEP-0386 section 3.2). A device is what its
 * client says of itself, a user-agent's id (XEP-0388 section 2.3); nobody else is told.
 */
#include "base/mem.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "sm/present.h"
#include "sm/user.h"

struct device {
	struct str *id; /* NULL: it did not say */
};

static struct device *state_of(const struct session *session)
{
	return sm_session_state(session, &sm_device);
}

/* Another of the same device; NULL: there is none. */
static struct session *other_of(const struct session *one)
{
	struct session *session = NULL;

	while (state_of(one)->id && (session = user_next_session(one->user, session))) {
		if (session != one && state_of(session)->id && slice_equal(str_slice(state_of(session)->id), str_slice(state_of(one)->id)))
			break;
	}
	return session;
}

bool device_has_come_after(const struct user *user, struct slice id, uint32_t coming)
{
	struct session *session = NULL;

	while (id.len && (session = user_next_session(user, session))) {
		if (state_of(session)->id && slice_equal(str_slice(state_of(session)->id), id) && session_came_after(session, coming))
			return true;
	}
	return false;
}

bool device_has_a_later(const struct session *session)
{
	const struct session *other = other_of(session);

	return other && (other->coming || (int32_t)(other->turn - session->turn) > 0);
}

void device_begins(struct session *session, struct slice id)
{
	struct session *old;

	if (!id.len)
		return;
	state_of(session)->id = str_new(id);
	while ((old = other_of(session))) {
		if (present_is_open(old)) {
			session_tell(old, SESSION_REPLACED);
			session->user->told_over = true;
		}
		session_end(old, SESSION_TELL_REPLACED);
	}
}

static void session_end_state(void *state, struct session *session)
{
	str_free(&state_of(session)->id);
}

static int session_save(void *state, const struct session *session, struct buf *out)
{
	if (state_of(session)->id)
		buf_append_slice(out, str_slice(state_of(session)->id));
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	str_free(&state_of(session)->id);
	if (in.len)
		state_of(session)->id = str_new(in);
	return 0;
}

const struct sm_module sm_device = {
	.name = "device",
	.session_size = sizeof(struct device),
	.session_end = session_end_state,
	.session_save = session_save,
	.session_load = session_load,
};
