/* SPDX-License-Identifier: MIT */
/* The archive against a model of it: whatever is indexed, in memory, undone, forgotten or read back, pages are as the model's. */
#include "storage/archive.h"

#include <errno.h>
#include "fixture.h"

enum { OWNERS = 40, PEERS = 7, MESSAGES_MAX = 60000, ROWS_MAX = 2000 };

struct message {
	uint64_t id, session;
	uint32_t count, value;
	uint8_t owner, peer, resource;
	bool gone;
};

struct model {
	struct fixture *fixture;
	struct message *messages;
	unsigned count, asked; /* from asked on they have no ids yet */
	uint64_t random;
	uint32_t next_value;
	int result;
	struct store_row rows[ROWS_MAX]; /* of operation 0: numbers, values as numbers in count */
	size_t row_count;
	unsigned waiting;
};

static uint64_t draw(struct model *model, uint64_t most)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (model->random >> 33) % most;
}

static struct slice name(char text[32], const char *what, unsigned number)
{
	return (struct slice){text, (size_t)snprintf(text, 32, "%s%u@example.org", what, number)};
}

static uint32_t value_of(struct slice text)
{
	uint64_t number = 0;

	assert_true(!text.len || slice_to_u64(text, &number));
	return (uint32_t)number;
}

static void answered(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct model *model = arg;
	const struct store_row *rows = store_rows(txn, 0, &model->row_count);

	model->result = result;
	assert_true(model->row_count <= ROWS_MAX);
	for (size_t at = 0; at < model->row_count; at++) {
		model->rows[at] = rows[at];
		if (rows[at].value.len)
			model->rows[at].count = value_of(rows[at].value);
	}
	if (token && result == 0)
		model->messages[token - 1].id = rows[0].seq;
	else if (token)
		model->messages[token - 1].gone = true;
	if (--model->waiting == 0)
		mio_host_stop(model->fixture->host);
}

static void ask(struct model *model, struct store_txn *txn, uint64_t token)
{
	model->waiting++;
	storage_run(model->fixture->storage, model->fixture->mio, &txn, answered, model, token);
}

static void wait_for_all(struct model *model)
{
	if (model->waiting)
		assert_int_equal(mio_host_run(model->fixture->host), 0);
}

static void run_one(struct model *model, struct store_txn *txn)
{
	ask(model, txn, 0);
	wait_for_all(model);
}

/* -- doing -- */

static unsigned put_message(struct store_txn *txn, const struct message *message, bool again)
{
	char owner[32], peer[32], resource[32], value[16];

	snprintf(value, sizeof(value), "%u", message->value);
	return store_archive(txn, &(struct store_message){.owner = name(owner, "owner", message->owner),
							   .peer = name(peer, "owner", message->peer),
							   .resource = name(resource, "r", message->resource),
							   .session = message->session,
							   .count = message->count,
							   .again = again,
							   .random = message->value * 2654435761u,
							   .value = slice_of(value)});
}

static void add_one(struct model *model, bool fails)
{
	struct message *message = &model->messages[model->count++];
	struct store_txn *txn = store_txn_new();

	assert_true(model->count <= MESSAGES_MAX);
	*message = (struct message){.owner = (uint8_t)(draw(model, 2) ? draw(model, 3) : draw(model, OWNERS)),
				    .peer = (uint8_t)draw(model, PEERS),
				    .resource = (uint8_t)draw(model, 2),
				    .session = draw(model, 5),
				    .count = model->next_value,
				    .value = ++model->next_value};
	put_message(txn, message, draw(model, 2));
	if (fails)
		store_need(txn, STORE_USER, SLICE("nobody"), SLICE("nothing"));
	ask(model, txn, model->count);
}

static void add_some(struct model *model)
{
	for (unsigned left = 1 + (unsigned)draw(model, 40); left; left--)
		add_one(model, draw(model, 8) == 0);
	wait_for_all(model);
}

static void add_again(struct model *model)
{
	struct message *message = model->count ? &model->messages[model->count - 1 - draw(model, model->count < 100 ? model->count : 100)] : NULL;
	struct store_txn *txn = store_txn_new();

	if (!message || message->gone || !message->session) {
		store_txn_free(&txn);
		return;
	}
	put_message(txn, message, true);
	run_one(model, txn);
	assert_int_equal(model->result, 0);
	assert_true(model->rows[0].seq == message->id);
	assert_int_equal(model->rows[0].count, 1);
}

static void change_one(struct model *model)
{
	struct message *message = model->count ? &model->messages[draw(model, model->count)] : NULL;
	struct store_txn *txn = store_txn_new();
	char owner[32], other[32], value[16];

	if (message) {
		snprintf(value, sizeof(value), "%u", ++model->next_value);
		store_message_put(txn, name(other, "owner", message->owner + 1u), message->id, SLICE("0"));
		store_message_put(txn, name(owner, "owner", message->owner), message->id, slice_of(value));
		message->value = model->next_value;
	}
	run_one(model, txn);
}

static void clear_one(struct model *model)
{
	unsigned owner = (unsigned)draw(model, OWNERS);
	struct store_txn *txn = store_txn_new();
	char text[32];

	store_clear(txn, STORE_ARCHIVE, name(text, "owner", owner));
	run_one(model, txn);
	assert_int_equal(model->result, 0);
	for (unsigned at = 0; at < model->count; at++)
		model->messages[at].gone |= model->messages[at].owner == owner;
}

static void prune_some(struct model *model, uint64_t before)
{
	do {
		struct store_txn *txn = store_txn_new();

		store_prune(txn, before);
		run_one(model, txn);
		assert_true(model->result == 0 || model->result == STORE_MORE);
	} while (model->result == STORE_MORE);
}

static void open_again(struct model *model)
{
	struct buf why = {0};

	storage_close(&model->fixture->storage);
	assert_int_equal(fixture_open(model->fixture, &why), 0);
}

/* -- comparing -- */

static bool is_of(const struct message *message, const struct store_page *page, unsigned owner, unsigned peer, unsigned resource)
{
	return !message->gone && message->owner == owner && (!page->peer.len || message->peer == peer) &&
	       (!page->resource.len || message->resource == resource) && message->id >= page->from && message->id <= page->to;
}

static void compare_page(struct model *model)
{
	char names[3][32];
	unsigned owner = (unsigned)(draw(model, 2) ? draw(model, 3) : draw(model, OWNERS)), peer = (unsigned)draw(model, PEERS + 1);
	unsigned resource = (unsigned)draw(model, 2), found = 0, total = 0;
	struct store_page page = {.owner = name(names[0], "owner", owner), .to = INT64_MAX, .max = 1 + (uint32_t)draw(model, 60)};
	struct store_txn *txn = store_txn_new();

	page.backwards = draw(model, 2);
	if (draw(model, 2))
		page.peer = name(names[1], "owner", peer);
	if (page.peer.len && draw(model, 3) == 0)
		page.resource = name(names[2], "r", resource);
	if (model->count && draw(model, 2))
		page.from = model->messages[draw(model, model->count)].id;
	if (model->count && draw(model, 2))
		page.to = model->messages[draw(model, model->count)].id;
	store_page(txn, &page);
	run_one(model, txn);
	assert_int_equal(model->result, 0);
	for (unsigned step = 0; step < model->count; step++) {
		const struct message *message = &model->messages[page.backwards ? model->count - 1 - step : step];

		if (!is_of(message, &page, owner, peer, resource))
			continue;
		total++;
		if (found == page.max)
			continue;
		assert_true(found < model->row_count);
		assert_true(model->rows[found].seq == message->id);
		assert_int_equal(model->rows[found].count, message->value);
		found++;
	}
	assert_int_equal(model->row_count, found);
	txn = store_txn_new();
	page.max = draw(model, 2) ? 0 : 1 + (uint32_t)draw(model, 20);
	store_page_count(txn, &page);
	run_one(model, txn);
	assert_int_equal(model->rows[0].seq, page.max && total > page.max ? page.max : total);
}

static void compare_message(struct model *model)
{
	const struct message *message = model->count ? &model->messages[draw(model, model->count)] : NULL;
	struct store_txn *txn = store_txn_new();
	char owner[32];

	if (message)
		store_message(txn, name(owner, "owner", message->owner), message->id);
	run_one(model, txn);
	assert_int_equal(model->row_count, message && !message->gone);
	if (model->row_count)
		assert_int_equal(model->rows[0].count, message->value);
}

static void compare(struct model *model, unsigned times)
{
	while (times--) {
		compare_page(model);
		compare_message(model);
	}
}

/* -- tests -- */

static struct model *model_new(void **state, uint64_t seed)
{
	struct model *model = mem_zalloc(MEM_OTHER, sizeof(*model));

	model->fixture = *state;
	model->random = seed;
	model->messages = mem_zalloc(MEM_OTHER, MESSAGES_MAX * sizeof(*model->messages));
	return model;
}

static void model_free(struct model *model)
{
	mem_free(model->messages);
	mem_free(model);
}

static void a_page_is_as_the_model_says(void **state)
{
	struct model *model = model_new(state, 1);
	bool file = strncmp(model->fixture->url, "sqlite", 6) == 0;

	for (unsigned step = 0; step < 600; step++) {
		add_some(model);
		add_again(model);
		if (draw(model, 10) == 0)
			change_one(model);
		if (draw(model, 60) == 0)
			clear_one(model);
		if (file && draw(model, 40) == 0)
			open_again(model);
		compare(model, 2);
	}
	model_free(model);
}

/* What is pruned is in no page, and what it leaves is all there. */
static void forgets_what_is_old_and_who_is_gone(void **state)
{
	struct model *model = model_new(state, 2);
	uint64_t before;

	for (unsigned step = 0; step < 200; step++)
		add_some(model);
	clear_one(model);
	before = model->messages[model->count / 3].id;
	prune_some(model, before);
	for (unsigned at = 0; at < model->count; at++)
		model->messages[at].gone |= model->messages[at].id < before;
	compare(model, 200);
	prune_some(model, INT64_MAX);
	for (unsigned at = 0; at < model->count; at++)
		model->messages[at].gone = true;
	add_some(model);
	compare(model, 200);
	model_free(model);
}

/* More than memory takes: the oldest are indexed, and read back when it is opened. */
static void indexes_what_is_too_much_for_memory(void **state)
{
	struct model *model = model_new(state, 3);

	while (model->count < 42000) {
		for (unsigned left = 100; left; left--) {
			struct message *message = &model->messages[model->count++];
			struct store_txn *txn = store_txn_new();

			*message = (struct message){.owner = (uint8_t)(model->count % 250), .peer = (uint8_t)(model->count % PEERS), .value = model->count};
			put_message(txn, message, false);
			ask(model, txn, model->count);
		}
		wait_for_all(model);
	}
	compare(model, 100);
	open_again(model);
	compare(model, 100);
	model_free(model);
}

static unsigned index_of(const struct model *model, uint64_t id)
{
	unsigned at = 0;

	while (at < model->count && model->messages[at].id != id)
		at++;
	return at;
}

#define SELDOM .owner = SLICE("owner0@example.org"), .peer = SLICE("owner1@example.org"), .resource = SLICE("r1@example.org")

static void expect_of_resource(struct model *model, bool backwards, uint64_t from, uint64_t to, const char *numbers)
{
	struct store_page page = {SELDOM, .max = 10};
	struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf found = {0};

	page.from = from;
	page.to = to;
	page.backwards = backwards;
	store_page(txn, &page);
	run_one(model, txn);
	for (unsigned at = 0; at < model->row_count; at++) {
		const struct store_row *row = &model->rows[at];

		if (row->seq == STORE_CUT)
			buf_printf(&found, "cut at %u", index_of(model, row->archived));
		else
			buf_printf(&found, "%u ", index_of(model, row->seq));
	}
	assert_string_equal(buf_text(&found), numbers);
}

/* Who was seldom there is looked for in steps; the count of that is not told. */
static void looks_for_a_resource_in_steps(void **state)
{
	struct model *model = model_new(state, 5);
	struct store_page page = {SELDOM, .to = INT64_MAX};
	struct store_txn *txn;

	while (model->count < 12000) {
		struct message *message = &model->messages[model->count++];

		txn = store_txn_new();
		*message = (struct message){.peer = 1, .resource = model->count == 3 || model->count == 11990, .value = model->count};
		put_message(txn, message, false);
		ask(model, txn, model->count);
		if (model->count % 100 == 0)
			wait_for_all(model);
	}
	expect_of_resource(model, false, 0, INT64_MAX, "2 cut at 999");
	expect_of_resource(model, false, model->messages[4999].id + 1, INT64_MAX, "cut at 5999");
	expect_of_resource(model, false, model->messages[11000].id + 1, INT64_MAX, "11989 ");
	expect_of_resource(model, true, model->messages[20].id, model->messages[9000].id, "cut at 8001");
	expect_of_resource(model, true, 0, model->messages[900].id, "2 ");
	for (unsigned from = 0; from <= 11500; from += 11500) {
		page.from = model->messages[from].id;
		txn = store_txn_new();
		store_page_count(txn, &page);
		run_one(model, txn);
		assert_true(model->rows[0].seq == (from ? 1 : STORE_CUT));
	}
	model_free(model);
}

static void a_log_has_the_value_of_a_message(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct store_message message = {.owner = SLICE("ann@example.org"), .peer = SLICE("b@c"), .value = SLICE("<m/>")};
	unsigned archived = store_archive(txn, &message);
	struct answer *answer;

	store_append_archived(txn, STORE_OFFLINE, message.owner, 5, 0, 0, archived);
	store_append(txn, STORE_OFFLINE, message.owner, 6, 0, 0, SLICE("<n/>"));
	store_list(txn, STORE_OFFLINE, message.owner);
	store_part(txn, STORE_OFFLINE, message.owner, &(struct store_part){.from = 1, .to = 1, .bytes = 100});
	store_keys(txn, STORE_OFFLINE, message.owner);
	answer = run(fixture, txn);
	assert_int_equal(answer->result, 0);
	assert_rows(answer, 3, "1:<m/>@5;2:<n/>@6;");
	assert_rows(answer, 4, "1:<m/>@5;");
	assert_rows(answer, 5, "1:@5;2:@6;");
}

#define FILE_AND_MEMORY(test)                                                                                              \
	{#test " (sqlite)", test, fixture_setup, fixture_teardown, (void *)"sqlite:t.db"},                                 \
	{#test " (memory)", test, fixture_setup, fixture_teardown, (void *)"memory:"}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FILE_AND_MEMORY(a_page_is_as_the_model_says),
		FILE_AND_MEMORY(forgets_what_is_old_and_who_is_gone),
		{"indexes_what_is_too_much_for_memory", indexes_what_is_too_much_for_memory, fixture_setup, fixture_teardown, (void *)"sqlite:t.db"},
		FILE_AND_MEMORY(looks_for_a_resource_in_steps),
		FILE_AND_MEMORY(a_log_has_the_value_of_a_message),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
