/* SPDX-License-Identifier: MIT */
#include "crowd_facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stream.h"

/* Lateness is counted for a mark in what is due within a time of it, and up to the next. */
enum { MARKS = 256, REASONS = 16, EXAMPLES = 3 };
static const uint64_t window_ns = 3000000000;
static const int64_t under_way_ns = 1000000000;

struct reason {
	char why[60];
	uint32_t count;
};

struct mark {
	char label[32];
	uint64_t at_ns;
	struct reason reasons[REASONS];
};

struct facts *facts_new(uint32_t first_client, uint32_t clients, uint32_t partners)
{
	struct facts *facts = calloc(1, sizeof(*facts));

	facts->last = calloc((size_t)clients * partners, sizeof(*facts->last));
	facts->first_client = first_client;
	facts->partners = partners;
	facts->marks = calloc(MARKS, sizeof(*facts->marks));
	facts_mark(facts, "begin");
	return facts;
}

void facts_mark(struct facts *facts, const char *label)
{
	struct mark *mark = &facts->marks[facts->mark_count < MARKS ? facts->mark_count++ : MARKS - 1];

	snprintf(mark->label, sizeof(mark->label), "%s", label);
	mark->at_ns = now_ns();
}

void facts_closed(struct facts *facts, const char *why)
{
	struct reason *reason = facts->marks[facts->mark_count - 1].reasons, *end = reason + REASONS - 1;

	while (reason < end && reason->count && strcmp(reason->why, why) != 0)
		reason++;
	snprintf(reason->why, sizeof(reason->why), "%s", why);
	reason->count++;
}

/* When it was, between two marks. */
static int print_when(const struct facts *facts, char *text, const char *what, uint64_t when_ns)
{
	uint32_t after = 0, before;

	while (after + 1 < facts->mark_count && facts->marks[after + 1].at_ns <= when_ns)
		after++;
	before = after + 1 < facts->mark_count ? after + 1 : after;
	return sprintf(text, " %s %.3f s after %s %u, %.3f s before %s %u", what, (double)(when_ns - facts->marks[after].at_ns) / 1e9,
		       facts->marks[after].label, after, ((double)facts->marks[before].at_ns - (double)when_ns) / 1e9,
		       facts->marks[before].label, before);
}

static void example(struct facts *facts, const char *what, uint32_t number)
{
	const struct message *message = &facts->messages[number];
	size_t len = strlen(facts->examples);

	if (len + 400 > sizeof(facts->examples))
		return;
	len += (size_t)sprintf(facts->examples + len, "%s%s %u-%u-%u", len ? "; " : "", what, message->from, number, message->to);
	len += (size_t)print_when(facts, facts->examples + len, "due", message->due_ns);
	if (message->arrivals)
		print_when(facts, facts->examples + len, "came", message->arrived_ns);
}

void facts_sent(struct facts *facts, uint32_t from, uint32_t to, uint32_t partner, uint64_t due_ns)
{
	if (facts->message_count == facts->room) {
		facts->room = facts->room * 2 + 1024;
		facts->messages = realloc(facts->messages, facts->room * sizeof(*facts->messages));
	}
	facts->messages[facts->message_count++] =
		(struct message){.due_ns = due_ns, .sent_ns = now_ns(), .from = from, .to = to, .partner = (uint16_t)partner};
}

const struct message *facts_written(struct facts *facts, uint32_t number, uint32_t generation)
{
	struct message *message = &facts->messages[number];

	message->resent |= message->written && message->written != generation;
	message->written = generation;
	return message;
}

void facts_acknowledged(struct facts *facts, uint32_t number)
{
	facts->messages[number].acknowledged = true;
}

void facts_refused(struct facts *facts, uint32_t number)
{
	facts->messages[number].refused = true;
}

/* Nobody could know yet that it had come when something died. */
static bool was_under_way(const struct facts *facts, const struct message *message)
{
	for (uint32_t at = 0; at < facts->mark_count; at++) {
		int64_t apart_ns = (int64_t)(message->arrived_ns - facts->marks[at].at_ns);

		if (apart_ns > -under_way_ns && apart_ns < under_way_ns)
			return true;
	}
	return false;
}

static void came_twice(struct facts *facts, uint32_t number, uint32_t generation)
{
	const struct message *message = &facts->messages[number];
	uint64_t *count = message->resent		      ? &facts->twice_resent
			  : message->generation != generation ? &facts->twice_across
							      : &facts->twice_in_session;

	facts->twice_early += !was_under_way(facts, message);
	if (++*count <= EXAMPLES)
		example(facts, message->resent ? "resent" : "twice", number);
}

void facts_arrived(struct facts *facts, uint32_t number, uint32_t generation)
{
	struct message *message = &facts->messages[number];
	uint32_t *last = &facts->last[(message->from - facts->first_client) * facts->partners + message->partner];

	if (message->arrivals++) {
		came_twice(facts, number, generation);
		return;
	}
	message->arrived_ns = now_ns();
	message->generation = generation;
	if (number < *last && message_is_to_resource(message))
		facts->overtaken++;
	else if (number < *last && ++facts->disorder <= EXAMPLES)
		example(facts, "order", number);
	*last = number + 1;
}

/* -- the report ------------------------------------------------------------------------------------------- */

static int by_value(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

static bool is_of(const struct facts *facts, const struct message *message, const char *label)
{
	for (uint32_t at = facts->mark_count; at--;) {
		const struct mark *mark = &facts->marks[at];

		if (message->due_ns >= mark->at_ns)
			return strcmp(mark->label, label) == 0 && message->due_ns < mark->at_ns + window_ns;
	}
	return false;
}

static uint64_t late_ns(const struct message *message)
{
	return message->arrived_ns - message->due_ns;
}

/* How late this process itself was: what is later than that is the server's. */
static uint64_t behind_ns(const struct message *message)
{
	return message->sent_ns - message->due_ns;
}

/* In milliseconds, of all messages that arrived, or of those due just behind marks of this label. */
static void print_times(const struct facts *facts, const char *label, const char *title,
			uint64_t (*time_ns)(const struct message *message))
{
	uint64_t *times = calloc(facts->message_count + 1, sizeof(*times));
	uint32_t count = 0;

	for (uint32_t at = 0; at < facts->message_count; at++) {
		const struct message *message = &facts->messages[at];

		if (message->arrivals && (!label || is_of(facts, message, label)))
			times[count++] = time_ns(message);
	}
	qsort(times, count, sizeof(*times), by_value);
	printf("\"%s\": {\"count\": %u", title, count);
	if (count)
		printf(", \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f", (double)times[count / 2] / 1e6,
		       (double)times[(uint64_t)count * 99 / 100] / 1e6, (double)times[(uint64_t)count * 999 / 1000] / 1e6,
		       (double)times[count - 1] / 1e6);
	printf("}");
	free(times);
}

static void print_late(const struct facts *facts, const char *label)
{
	print_times(facts, label, "late_ms", late_ns);
	printf(", ");
	print_times(facts, label, "behind_ms", behind_ns);
}

static bool is_new(const struct facts *facts, uint32_t mark)
{
	for (uint32_t at = 0; at < mark; at++)
		if (strcmp(facts->marks[at].label, facts->marks[mark].label) == 0)
			return false;
	return true;
}

static void add_reasons(struct facts *sum, const struct mark *mark)
{
	for (uint32_t at = 0; at < REASONS; at++)
		for (uint32_t count = 0; count < mark->reasons[at].count; count++)
			facts_closed(sum, mark->reasons[at].why);
}

static void print_label(const struct facts *facts, const char *label)
{
	struct mark sum = {.label = ""};
	struct facts of_sum = {.marks = &sum, .mark_count = 1};
	uint32_t times = 0;

	for (uint32_t at = 0; at < facts->mark_count; at++) {
		if (strcmp(facts->marks[at].label, label) != 0)
			continue;
		times++;
		add_reasons(&of_sum, &facts->marks[at]);
	}
	printf("\"%s\": {\"times\": %u, \"closed\": {", label, times);
	for (uint32_t at = 0; at < REASONS && sum.reasons[at].count; at++)
		printf("%s\"%s\": %u", at ? ", " : "", sum.reasons[at].why, sum.reasons[at].count);
	printf("}, ");
	print_late(facts, label);
	printf("}");
}

void facts_report(struct facts *facts, uint32_t ready)
{
	uint32_t acknowledged = 0, lost = 0, refused = 0, arrived = 0;

	for (uint32_t at = 0; at < facts->message_count; at++) {
		const struct message *message = &facts->messages[at];

		acknowledged += message->acknowledged;
		refused += message->refused;
		arrived += message->arrivals > 0;
		if (message->acknowledged && !message->arrivals && !message->refused) {
			if (++lost <= EXAMPLES)
				example(facts, "lost", at);
		}
	}
	printf("{\"ready\": %u, \"sent\": %u, \"acknowledged\": %u, \"arrived\": %u, \"lost\": %u, \"refused\": %u, ", ready,
	       facts->message_count, acknowledged, arrived, lost, refused);
	printf("\"twice_in_session\": %llu, \"twice_across\": %llu, \"twice_resent\": %llu, \"twice_early\": %llu, "
	       "\"disorder\": %llu, \"overtaken\": %llu, ",
	       (unsigned long long)facts->twice_in_session, (unsigned long long)facts->twice_across,
	       (unsigned long long)facts->twice_resent, (unsigned long long)facts->twice_early,
	       (unsigned long long)facts->disorder, (unsigned long long)facts->overtaken);
	printf("\"resumed\": %llu, \"failed_with_count\": %llu, \"failed_without\": %llu, \"bound\": %llu, ",
	       (unsigned long long)facts->resumed, (unsigned long long)facts->failed_with_count,
	       (unsigned long long)facts->failed_without, (unsigned long long)facts->bound);
	printf("\"bad_counts\": %llu, \"strange\": %llu, \"others\": %llu, \"examples\": \"%s\", ",
	       (unsigned long long)facts->bad_counts, (unsigned long long)facts->strange, (unsigned long long)facts->others,
	       facts->examples);
	print_late(facts, NULL);
	printf(", \"marks\": {");
	for (uint32_t at = 0, printed = 0; at < facts->mark_count; at++)
		if (is_new(facts, at)) {
			printf("%s", printed++ ? ", " : "");
			print_label(facts, facts->marks[at].label);
		}
	printf("}}\n");
}
