/* SPDX-License-Identifier: MIT */
/*
 * Private to link: a channel joins a part of this process to one of another process of ours, each
 * named by its part and the epoch of its start (docs/protocol/ends.md). Worker 0.
 */
#pragma once

#include "link/table.h"

struct channel {
	struct link *link;
	unsigned part; /* index of ours */
	struct str *ours, *theirs;
	uint32_t epoch; /* theirs */
	/* To them. acked <= sent <= queued; sent falls back when what was under way may be lost,
	 * most never. */
	uint64_t acked, sent, most, queued;
	struct packet *first, **last;
	struct packet *next; /* the first of those beyond sent */
	size_t bytes, flying;
	int64_t waits_ms; /* since when the first waits, or one before it was acknowledged */
	bool probing, gone, slow;
	int64_t away_ms;  /* since when nobody has the name; 0: somebody does */
	uint64_t doubted; /* what came back as if nobody had the name, last */
	unsigned doubts;  /* so often, and they were heard each time */
	bool heard;	  /* since then */
	unsigned overdue;
	uint64_t acked_before; /* when the timer was set */
	struct mio_timer timer;
	/* From them. */
	uint64_t received;
	bool owes;
	struct mio_timer ack;
	uint64_t asked; /* what was received when we asked again */
	int64_t asked_ms, told_ms;
};

/* NULL: there are too many. */
struct channel *channel_new(struct link *link, unsigned part, struct str *theirs);
void channel_free(struct channel *channel);

/* The part hears of it, on every worker: behind what came back, before what comes next. */
void channel_tell(struct channel *channel, uint32_t epoch);
void channel_drop_news(struct link *link); /* that this worker did not hear before its loop ended */
/* They started again: what they had not acknowledged comes back, the part is told, numbers begin
 * anew. */
void channel_begin_anew(struct channel *channel, uint32_t epoch);

bool channel_is_full(const struct channel *channel, size_t more);
void channel_append(struct channel *channel,
		    struct packet **packet);	  /* of a weight in mail.bytes; taken */
void channel_pump(struct channel *channel);	  /* sends what may be under way */
void channel_start_over(struct channel *channel); /* the way may be there again */
void channel_away(struct channel *channel);	  /* nobody has the name, as far as is known */
/* They are back: one who is not who they were will say so. */
void channel_ask(struct channel *channel);
bool channel_is_idle(const struct channel *channel); /* nothing would find out whether somebody has */
void channel_take_ack(struct channel *channel, uint64_t ack);
void channel_send_again(struct channel *channel, uint64_t ack); /* they miss what is behind it */
/* One that a router would not carry comes back; an empty one takes its place, so that the rest can
 * follow. */
void channel_refuse(struct channel *channel, uint64_t seq, unsigned error);

/* Nothing but what it says about the channel. seq: of what they have, or with skip of what they
 * will not get; 0: none. */
void channel_say(struct channel *channel, uint64_t seq, bool again, bool skip);
void channel_owe(struct channel *channel); /* an acknowledgement, soon */
/* At most so often: what it answers to comes in swarms. */
bool channel_is_time(const struct channel *channel, int64_t *last_ms);
