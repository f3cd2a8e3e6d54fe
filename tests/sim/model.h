/* SPDX-License-Identifier: MIT */
/*
 * What each person must see. Every message is known by a number; here stands who said it, when the server took it over, and
 * who has heard it. A message is promised when the server acknowledged it: then each resource that certainly was there for
 * it must hear it as long as its session lasts, or else some resource of its user at last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "deployment.h"

enum { DEVICES_OF_USER = 3, USERS_MAX = 10, DEVICES_MAX = USERS_MAX * DEVICES_OF_USER, RECEIPTS_MAX = 12 };

enum presence_known { KNOWN_ABSENT, KNOWN_PRESENT, KNOWN_UNSURE };

/* What is certain of a resource as the server has it. */
struct standing {
	enum presence_known known;
	int64_t since_ms;
	int priority;
	unsigned session; /* its device's */
	int64_t ghost_ms; /* until then a session of it with another address may be there */
	bool lossy;	  /* a connection without acknowledgements is lost: what went there may be */
	bool copies;	  /* its session gets copies of what the user's others say and hear */
	int64_t on_ms;	  /* when it got its connection */
};

struct receipt {
	uint8_t device;
	uint16_t session, sender_session;
	uint64_t id; /* that it has in the archive; 0: none was said */
};

struct message {
	uint8_t from, to_user;
	int8_t to_device; /* -1: to the account */
	uint16_t session; /* the sender's, when it was said last */
	int64_t said_ms;  /* first */
	unsigned change;  /* of its user, when it was said last; 0: it was not certain who is there */
	bool promised, refused, excused, done, read;
	uint16_t must[DEVICES_OF_USER]; /* sessions that must hear it; 0: none */
	uint16_t owed[2][DEVICES_OF_USER]; /* sessions that must hear it or get a copy: of its user, of its sender's */
	uint8_t receipts, copies;
	struct receipt receipt[RECEIPTS_MAX], copy[RECEIPTS_MAX];
};

/*
 * The order in which a device hears another's session. What was kept may have waited in different places: only messages with
 * the same address, said while nothing changed about who is there, must come in their order then.
 */
struct heard_order {
	uint16_t session;
	uint32_t live, kept;
	unsigned kept_change;
	int kept_to;
};

struct model {
	struct scene *scene;
	unsigned devices;
	struct standing standing[DEVICES_MAX];
	unsigned change[USERS_MAX]; /* how often it changed who is there */
	struct heard_order order[DEVICES_MAX][DEVICES_MAX]; /* [who hears][who said] */
	bool addresses_change; /* of a device, from session to session: what names one is not for the other, and comes when it comes */
	unsigned told[DEVICES_MAX]; /* the session that died with its process, of which it said what it had; 0: none */
	struct message *messages;
	unsigned count, cap, first; /* those before first are done */
	const struct deployment *deployment; /* knows what it may forget */
	int64_t disk_failed_ms; /* what was stored while it did may be behind what came later */
	unsigned heard, promised, twice, kept, copied; /* for the figures */
};

/* What a message says of itself. */
struct words {
	unsigned message, device, session, sequence;
	bool kept; /* it was stored, or waited */
	uint64_t id; /* in the archive of who hears it; 0: none is said */
};

void model_init(struct model *model, struct scene *scene, const struct deployment *deployment);
void model_fini(struct model *model);

unsigned model_said(struct model *model, unsigned device, unsigned to_user, int to_device);
void model_said_again(struct model *model, unsigned message, unsigned session);
void model_promised(struct model *model, unsigned message);
void model_refused(struct model *model, unsigned message);
/* In the archive: somebody has it, when nobody was told. */
void model_read(struct model *model, unsigned device, unsigned message);
/* It has that id there: so it had when it was heard, or its copy. */
void model_check_id(const struct model *model, unsigned device, unsigned message, unsigned sender_session, uint64_t id);
void model_heard(struct model *model, unsigned device, unsigned session, const struct words *words);
/* A copy: of what was for its user, or of what another device of the user said. */
void model_copied(struct model *model, unsigned device, unsigned session, const struct words *words, bool received);

/* -- standings -- */
void model_ghost(struct model *model, unsigned device, int64_t until_ms);
void model_unsure(struct model *model, unsigned device);
void model_present(struct model *model, unsigned device, unsigned session, int priority);
void model_absent(struct model *model, unsigned device);
void model_copies(struct model *model, unsigned device); /* its session gets them from now on */
/* A connection without acknowledgements is gone: what was under way to its user may be lost. */
void model_lossy(struct model *model, unsigned device);
void model_new_session(struct model *model, unsigned device);
void model_told(struct model *model, unsigned device, unsigned session);
void model_on(struct model *model, unsigned device); /* it has another connection */

/* A message that should have been heard by now and was not, or -1. online: users with a resource that takes messages. */
int model_missing(struct model *model, const bool *online);
void model_blame(const struct model *model, unsigned message); /* fails for it */
