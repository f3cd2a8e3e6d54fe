/* SPDX-License-Identifier: MIT */
/*
 * Two processes of two workers, c2s and sm, each with a link, and between them a router that can be
 * told to lose, to repeat, to refuse and to die; it never changes the order. Or no router: sm's
 * process is the router itself.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "link/table.h"
#include "mio/sim.h"
#include "sx/sx.h"

enum { WIRE_WORKERS = 2 };

/* conn's part is played by this: link asks it for its stream alone. */
struct conn {
	struct sx *sx;
};

struct house {
	struct wire *wire;
	const char *name;
	bool is_sm;
	uint32_t epoch;
	struct mio_host *host;
	struct link *links[WIRE_WORKERS];
	struct resident *residents; /* per worker, what its part was given */
	struct conn conn;
	struct sx_env env;
	struct sx_options options;
	struct link_peer *peer;
	struct xml_reader *reader; /* the router's, of what the house says */
	bool bound;		   /* the router has its names */
	struct buf heard; /* "0:7 1:8 0:9!404 1:+sm/5 0:9>": worker, number of a message, error; ends
			     that changed; what went to another */
	struct buf home;  /* "4 6 ": which of the messages are known to be its own */
	uint64_t routes;  /* that it sent */
	struct buf said;  /* the last of them */
};

struct wire {
	struct sim *sim;
	struct house c2s, sm;
	struct mio_host *clock; /* so that time passes when nobody does anything */
	struct mio_timer tick;
	struct list letters; /* at the router */
	bool is_up, direct;
	unsigned lose; /* so many of the next routes */
	unsigned repeat;
	const char *refuse; /* routes with this text in them come back */
	unsigned refuse_error;
	bool holds; /* what came to the router stays there */
};

/* Both houses are there and the router is up; nobody has said anything. */
void wire_open(struct wire *wire, uint64_t seed, bool direct);
void wire_close(struct wire *wire);
void wire_run(struct wire *wire, int64_t ms);
void wire_router(struct wire *wire, bool up);

void house_connect(struct house *house, bool connected);
void house_hear(struct house *house, const char *text); /* from the router */
void house_restart(struct house *house);		/* kill -9, and another start */
/* As parts do: c2s from its name to "sm", sm in the name of its domain to "c2s". */
void house_send(struct house *house, unsigned worker, unsigned number);
void house_send_to(struct house *house, unsigned worker, unsigned number, const char *to,
		   bool ours);
/* c2s says hello to the domain, sm answers: they know each other now. */
void wire_greet(struct wire *wire);
void house_expect(struct house *house, const char *heard);
void house_expect_home(struct house *house, const char *home);

/* For cmocka: *state is a wire, and both know each other. */
int wire_set_up(void **state);
int wire_set_up_direct(void **state); /* sm's process is the router */
int wire_tear_down(void **state);
