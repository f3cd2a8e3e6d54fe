/* SPDX-License-Identifier: MIT */
/*
 * Stream management of a client, XEP-0198. c2s counts what comes in and answers each <r/> at once with what is settled
 * (sm says how much that is); what goes out is numbered and kept by sm, which hears what the client has.
 *
 *   UNBOUND - resume, asked sm -> ACTIVE, counting        ACTIVE - enable, asked sm -> ACTIVE, counting
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "stanza/ns.h"

struct client;
struct nad;
struct packet;

#define NS_SM NS_STREAM_MANAGEMENT

enum { ACK_UNSETTLED_MAX = 64, ACK_UNSETTLED_BYTES_MAX = 256 << 10 };

struct ack {
	uint32_t in;      /* stanzas of the client before it enabled */
	uint32_t sent;    /* stanzas to the client since it enabled, and those of them that it has */
	uint32_t handled;
	uint32_t owed;    /* an <r/> was answered with less: <a/> follows when so many are settled */
	bool owes;
	bool asked;       /* our <r/> is not answered yet */
	bool resumable;
	uint32_t seconds; /* how long it may be away */
	struct str *key;
};

/* An element that is no stanza; false: it is not of stream management. */
bool ack_take(struct client *client, const struct nad *nad);
/* <resume/>, elem: asks sm; false: it was answered with <failed/>. */
bool ack_resume(struct client *client, const struct nad *nad, int elem);
void ack_enabled(struct client *client, const struct packet *packet);
void ack_resumed(struct client *client, const struct packet *packet);
void ack_resume_failed(struct client *client, const struct packet *packet);
void ack_ask_again(struct client *client); /* to enable, if that is under way: who was asked died */
void ack_settled(struct client *client); /* client->settled has changed */
void ack_request(struct client *client);
void ack_sent(struct client *client);    /* a stanza was written to the stream */
void ack_free(struct client *client);
