/* SPDX-License-Identifier: MIT */
/* A router between its own parts and two components, a with x.example and b with y.example. */
#pragma once

#include "room.h"

#include "base/mem.h"

#define MESSAGE "<message xmlns='jabber:client' to='a@b' from='c@d'><body>x</body></message>"

struct fixture {
	struct room room;
	struct remote a, b;
};

static inline void forget(struct fixture *fixture)
{
	remote_heard(&fixture->a);
	remote_heard(&fixture->b);
	buf_clear(&fixture->room.told);
	buf_clear(&fixture->room.heard);
}

static inline int open_with(void **state, const struct link_policy *policy)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	room_open(&fixture->room, false);
	if (policy)
		room_set_policy(&fixture->room, policy);
	remote_open(&fixture->a, &fixture->room, LINK_DOWN);
	remote_open(&fixture->b, &fixture->room, LINK_DOWN);
	remote_say(&fixture->a, "<bind name='x.example'/>");
	remote_say(&fixture->b, "<bind name='y.example'/>");
	forget(fixture);
	*state = fixture;
	return 0;
}

static inline int close_room(void **state)
{
	struct fixture *fixture = *state;

	remote_close(&fixture->a);
	remote_close(&fixture->b);
	room_close(&fixture->room);
	mem_free(fixture);
	return 0;
}
