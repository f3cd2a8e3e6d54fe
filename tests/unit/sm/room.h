/* SPDX-License-Identifier: MIT */
/*
 * A simulated process with the real sm, link and storage (in memory), a c2s that writes down what
 * it is told, and a part that stands for the world. Clients are called by their full address, which
 * is also their id at c2s.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct origin;
struct packet;
struct process;
struct room;
struct session;
struct settings;
struct stanza;

/*
 * Setup and teardown of a test; *state is the room. Two workers; room_open_one() has one;
 * room_open_apart() is a sm whose c2s may be other processes; in room_open_far() it is one.
 */
int room_open(void **state);
int room_open_one(void **state);
int room_open_apart(void **state);
int room_open_far(void **state);
int room_close(void **state);

/* Each of these lets everything settle before it returns. */
void room_account(struct room *room, const char *user);
void room_remove(struct room *room, const char *client, const char *user); /* its client asks for the end of its account */
void room_start(struct room *room, const char *client); /* only sends it */
void room_login(struct room *room, const char *client); /* and it must succeed */
void room_end(struct room *room, const char *client);
void room_send(struct room *room, const char *client, const char *xml);
/* Several at once, without time between them; ends with NULL. */
void room_send_all(struct room *room, const char *const *client_and_xml);
/* Its client has lost its connection before anything is answered. */
void room_send_and_detach(struct room *room, const char *client, const char *xml);
void room_from_world(struct room *room, const char *xml);
void room_post(struct room *room, struct packet **packet); /* and nothing happens yet */
void room_packet(struct room *room, struct packet **packet); /* from c2s, taken; the next two make one */
struct packet *room_make_action(struct room *room, const char *client, int action);
struct packet *room_make_stanza(struct room *room, const char *client, uint32_t count, const char *xml);
/* Whether clients do not have what they were sent, until they take it; at first they do at once. */
void room_keep(struct room *room, bool keeps);
void room_keep_only(struct room *room, const char *client); /* from now on */
void room_take(struct room *room, const char *client, uint32_t count);
void room_reached(struct room *room, const char *client); /* its c2s answers the last "reach" */
void room_action(struct room *room, const char *client, int action, const char *target);
void room_restart(
	struct room *room); /* an end and a new start; clients have no sessions then */
void room_kill(struct room *room, bool power_stays); /* as it stands, and a new start */
void room_kill_and_start(struct room *room, const char *name); /* kill -9; as this form of the server */
void room_save(struct room *room); /* before: sessions without a client are for the next start */
/* Every worker hears that the name of a part came or went. */
void room_hear_of(struct room *room, const char *name, bool available);
void room_lose(struct room *room, const char *name); /* every worker hears that this end of ours is gone */
void room_wait(struct room *room, int64_t ms);
#define ROOM_LOCK_MS (31ll * 24 * 3600 * 1000) /* after which the name of a deleted account can be had again */
/* From now on the session's c2s is a name that nobody serves. */
void room_hide_c2s_of(struct room *room, const char *client);
void room_archive(struct room *room, int64_t ms); /* messages.archive; restarts it */
void room_queue(struct room *room, uint32_t stanzas); /* sessions.resume_queue */
void room_offer(struct room *room, const char *mechanism); /* accounts.mechanisms: this alone */
void room_disk_full(struct room *room, bool full);

/* What a client ("world": the world) was told, each thing once, in order. */
const char *room_next(struct room *room, const char *client); /* NULL: nothing more */
void room_expect(struct room *room, const char *client, const char *part_of_it);
/* Takes all there is and wants one to have this in it, none to have that. */
void room_expect_among(struct room *room, const char *client, const char *part_of_it);
void room_expect_nothing(struct room *room, const char *client);
void room_expect_none_with(struct room *room, const char *client, const char *part_of_it);
void room_forget(struct room *room); /* all that was told so far */

uint32_t room_settled(struct room *room,
		      const char *client); /* the last settlement that c2s heard */
uint64_t room_window(struct room *room, const char *client); /* what it heard of those behind */
/* What c2s was last told to keep; "": nothing. */
const char *room_snapshot(struct room *room, const char *client);
/* Which stanza the last one that it was sent comes of. */
const struct origin *room_origin(struct room *room, const char *client);
uint32_t room_settled_before_snapshot(struct room *room, const char *client);
/* A command of an administrator, its words before a NULL; its exit code. */
int room_command(struct room *room, const char *const *words, bool json);
void room_command_leave(struct room *room, const char *const *words); /* its caller goes away while it is under way */
/* From now on there is the registry of commands, for the clients of an administrator; room_command() is not for then. */
void room_administer(struct room *room, const char *admin);
/* Sends it, and returns as soon as commands of it are being run. */
void room_send_and_leave(struct room *room, const char *client, const char *xml);
/* It goes on until room_command_over(): its caller goes away. What it said so far is said. */
void room_command_begin(struct room *room, const char *const *words, bool json);
void room_command_over(struct room *room);
const char *room_said(struct room *room); /* what it printed, errors too */
struct session *room_session(struct room *room, const char *client);
struct process *room_process(struct room *room);
struct settings *room_settings(struct room *room);
