/* SPDX-License-Identifier: MIT */
/* Transactions: a list of operations and later their answers, all in one arena. */
#include "storage/archive.h"

#include <assert.h>
#include <endian.h>
#include "base/mem.h"
#include "storage/driver.h"

enum {
	FIRST_ROOM = 512, /* behind the transaction itself: enough for most */
	CHUNK_MIN = 2048,
	CHUNK_MAX = 64 * 1024, /* larger only for what is larger by itself */
	ALIGN = 8,
	OP_BYTES = 512, /* take as long to write and sync as an operation */
};

struct store_chunk {
	struct store_chunk *next;
	size_t size;
	char bytes[];
};

struct store_txn *store_txn_new(void)
{
	struct store_txn *txn = mem_alloc(MEM_STORAGE, sizeof(*txn) + FIRST_ROOM);

	*txn = (struct store_txn){.room = (char *)(txn + 1), .room_left = FIRST_ROOM};
	txn->last_op = &txn->ops;
	list_init(&txn->link);
	return txn;
}

void store_txn_free(struct store_txn **taken)
{
	struct store_txn *txn = *taken;
	struct store_chunk *next;

	*taken = NULL;
	if (!txn)
		return;
	for (struct store_chunk *chunk = txn->chunks; chunk; chunk = next) {
		next = chunk->next;
		mem_free(chunk);
	}
	mem_free(txn->rows);
	mem_free(txn);
}

static void add_chunk(struct store_txn *txn, size_t wanted)
{
	size_t size = txn->chunks ? txn->chunks->size * 2 : CHUNK_MIN;
	struct store_chunk *chunk;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < wanted)
		size = wanted;
	chunk = mem_alloc(MEM_STORAGE, sizeof(*chunk) + size);
	chunk->size = size;
	chunk->next = txn->chunks;
	txn->chunks = chunk;
	txn->room = chunk->bytes;
	txn->room_left = size;
}

static void *take(struct store_txn *txn, size_t size)
{
	void *taken;

	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (size > txn->room_left)
		add_chunk(txn, size);
	taken = txn->room;
	txn->room += size;
	txn->room_left -= size;
	return taken;
}

static struct slice copy(struct store_txn *txn, struct slice slice)
{
	char *bytes;

	if (slice.len == 0)
		return SLICE("");
	bytes = take(txn, slice.len);
	txn->bytes += slice.len;
	memcpy(bytes, slice.data, slice.len);
	return (struct slice){bytes, slice.len};
}

static const struct store_op *numbered(const struct store_txn *txn, unsigned number)
{
	const struct store_op *op = txn->ops;

	for (unsigned i = 0; op && i < number; i++)
		op = op->next;
	return op;
}

bool store_verb_is_archives(const struct store_op *op)
{
	return op->store == STORE_ARCHIVE;
}

unsigned store_weight(const struct store_txn *txn)
{
	return txn->op_count + (unsigned)(txn->bytes / OP_BYTES);
}

bool store_is_log(enum store store)
{
	return store == STORE_OFFLINE;
}

static struct store_op *add_op(struct store_txn *txn, enum store_verb verb, enum store store,
			       struct slice owner)
{
	struct store_op *op = take(txn, sizeof(*op));

	assert((unsigned)store < STORES);
	*op = (struct store_op){.verb = verb, .store = store, .owner = copy(txn, owner)};
	*txn->last_op = op;
	txn->last_op = &op->next;
	txn->op_count++;
	txn->writes += verb >= VERB_PUT;
	txn->appends += verb == VERB_APPEND;
	return op;
}

static struct store_op *add_keyed(struct store_txn *txn, enum store_verb verb, enum store store,
				  struct slice owner, struct slice item)
{
	struct store_op *op = add_op(txn, verb, store, owner);

	assert(!store_is_log(store));
	op->item = copy(txn, item);
	return op;
}

unsigned store_ops(const struct store_txn *txn)
{
	return txn->op_count;
}

void store_relax(struct store_txn *txn)
{
	txn->relaxed = true;
}

unsigned store_get(struct store_txn *txn, enum store store, struct slice owner, struct slice item)
{
	add_keyed(txn, VERB_GET, store, owner, item);
	return txn->op_count - 1;
}

unsigned store_list(struct store_txn *txn, enum store store, struct slice owner)
{
	add_op(txn, VERB_LIST, store, owner);
	return txn->op_count - 1;
}

unsigned store_owners(struct store_txn *txn, enum store store, struct slice after, unsigned max)
{
	add_op(txn, VERB_OWNERS, store, after)->number = max;
	return txn->op_count - 1;
}

unsigned store_count(struct store_txn *txn, enum store store, struct slice owner)
{
	add_op(txn, VERB_COUNT, store, owner);
	return txn->op_count - 1;
}

unsigned store_keys(struct store_txn *txn, enum store store, struct slice owner)
{
	assert(store_is_log(store));
	add_op(txn, VERB_KEYS, store, owner);
	return txn->op_count - 1;
}

unsigned store_part(struct store_txn *txn, enum store store, struct slice owner, const struct store_part *part)
{
	struct store_op *op = add_op(txn, VERB_PART, store, owner);

	assert(store_is_log(store));
	op->from = part->from;
	op->to = part->to;
	op->number = part->bytes;
	return txn->op_count - 1;
}

void store_put(struct store_txn *txn, enum store store, struct slice owner, struct slice item,
	       struct slice value)
{
	add_keyed(txn, VERB_PUT, store, owner, item)->value = copy(txn, value);
}

void store_add(struct store_txn *txn, enum store store, struct slice owner, struct slice item,
	       struct slice value)
{
	add_keyed(txn, VERB_ADD, store, owner, item)->value = copy(txn, value);
}

void store_need(struct store_txn *txn, enum store store, struct slice owner, struct slice item)
{
	add_keyed(txn, VERB_NEED, store, owner, item);
}

void store_same(struct store_txn *txn, enum store store, struct slice owner, struct slice item, struct slice value)
{
	add_keyed(txn, VERB_SAME, store, owner, item)->value = copy(txn, value);
}

void store_most(struct store_txn *txn, enum store store, struct slice owner, unsigned max)
{
	assert(!store_is_log(store));
	add_op(txn, VERB_MOST, store, owner)->number = max;
}

void store_del(struct store_txn *txn, enum store store, struct slice owner, struct slice item)
{
	add_keyed(txn, VERB_DEL, store, owner, item);
}

void store_del_up_to(struct store_txn *txn, enum store store, struct slice owner, struct slice item)
{
	add_keyed(txn, VERB_DEL_UP_TO, store, owner, item);
}

void store_clear(struct store_txn *txn, enum store store, struct slice owner)
{
	add_op(txn, VERB_CLEAR, store, owner);
}

unsigned store_append(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms,
		      uint64_t session, uint32_t count, struct slice value)
{
	struct store_op *op = add_op(txn, VERB_APPEND, store, owner);

	assert(store_is_log(store));
	op->stamp_ms = stamp_ms;
	op->session = session;
	op->count = count;
	op->value = copy(txn, value);
	return txn->op_count - 1;
}

static struct store_op *append_value_of(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms,
					uint64_t session, uint32_t count)
{
	unsigned number = store_append(txn, store, owner, stamp_ms, session, count, SLICE(""));

	return (struct store_op *)numbered(txn, number);
}

unsigned store_append_archived(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms, uint64_t session,
			       uint32_t count, unsigned archived)
{
	append_value_of(txn, store, owner, stamp_ms, session, count)->archived = numbered(txn, archived);
	return txn->op_count - 1;
}

unsigned store_append_message(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms, uint64_t session,
			      uint32_t count, uint64_t id)
{
	append_value_of(txn, store, owner, stamp_ms, session, count)->from = id;
	return txn->op_count - 1;
}

void store_trim(struct store_txn *txn, enum store store, struct slice owner, uint64_t up_to)
{
	assert(store_is_log(store));
	add_op(txn, VERB_TRIM, store, owner)->number = up_to;
}

void store_copy(struct store_txn *txn, const char *path)
{
	/* With the byte that ends it. */
	txn->copy = copy(txn, (struct slice){path, strlen(path) + 1}).data;
}

void store_copy_stop(struct store_txn *txn)
{
	store_copy(txn, "");
}

struct store_copied store_copied(const struct store_txn *txn)
{
	return txn->copied;
}

void store_drop(struct store_txn *txn, enum store store, struct slice owner, uint64_t seq)
{
	assert(store_is_log(store));
	add_op(txn, VERB_DEL, store, owner)->number = seq;
}

/* -- the archive -- */

unsigned store_archive(struct store_txn *txn, const struct store_message *message)
{
	struct store_op *op = add_op(txn, VERB_ARCHIVE, STORE_ARCHIVE, message->owner);

	op->peer = copy(txn, message->peer);
	op->resource = copy(txn, message->resource);
	op->value = copy(txn, message->value);
	op->session = message->session;
	op->count = message->count;
	op->again = message->again;
	op->number = message->random;
	return txn->op_count - 1;
}

static unsigned add_page(struct store_txn *txn, enum store_verb verb, const struct store_page *page)
{
	struct store_op *op = add_op(txn, verb, STORE_ARCHIVE, page->owner);

	op->peer = copy(txn, page->peer);
	op->resource = copy(txn, page->resource);
	op->from = page->from;
	op->to = page->to;
	op->number = page->max;
	op->again = page->backwards;
	return txn->op_count - 1;
}

unsigned store_page(struct store_txn *txn, const struct store_page *page)
{
	return add_page(txn, VERB_PAGE, page);
}

unsigned store_page_count(struct store_txn *txn, const struct store_page *page)
{
	return add_page(txn, VERB_PAGE_COUNT, page);
}

unsigned store_message(struct store_txn *txn, struct slice owner, uint64_t id)
{
	add_op(txn, VERB_MESSAGE, STORE_ARCHIVE, owner)->number = id;
	return txn->op_count - 1;
}

void store_message_put(struct store_txn *txn, struct slice owner, uint64_t id, struct slice value)
{
	struct store_op *op = add_op(txn, VERB_MESSAGE_PUT, STORE_ARCHIVE, owner);

	op->number = id;
	op->value = copy(txn, value);
}

void store_prune(struct store_txn *txn, uint64_t before)
{
	add_op(txn, VERB_PRUNE, STORE_ARCHIVE, SLICE(""))->number = before;
}

/* -- origins: the owner is the session, the item the count, the value the mark, in big endian so that they sort -- */

static struct slice session_owner(const uint64_t *big)
{
	return (struct slice){(const char *)big, sizeof(*big)};
}

static struct slice number_item(const uint32_t *big)
{
	return (struct slice){(const char *)big, sizeof(*big)};
}

static void write_origin(struct store_txn *txn, uint64_t session, uint32_t count, uint32_t mark,
			 void (*write)(struct store_txn *txn, enum store store, struct slice owner, struct slice item, struct slice value))
{
	uint64_t owner = htobe64(session);
	uint32_t item = htobe32(count), value = htobe32(mark);

	write(txn, STORE_ORIGIN, session_owner(&owner), number_item(&item), number_item(&value));
	store_del_up_to(txn, STORE_ORIGIN, session_owner(&owner), number_item(&value));
}

void store_origin(struct store_txn *txn, uint64_t session, uint32_t count, uint32_t mark)
{
	write_origin(txn, session, count, mark, store_add);
}

void store_origin_known(struct store_txn *txn, uint64_t session, uint32_t count, uint32_t mark)
{
	write_origin(txn, session, count, mark, store_put);
}

unsigned store_origins(struct store_txn *txn, uint64_t session)
{
	uint64_t owner = htobe64(session);

	return store_list(txn, STORE_ORIGIN, session_owner(&owner));
}

void store_origins_clear(struct store_txn *txn, uint64_t session)
{
	uint64_t owner = htobe64(session);

	store_clear(txn, STORE_ORIGIN, session_owner(&owner));
}

bool store_origin_row(const struct store_row *row, uint32_t *count, uint32_t *mark)
{
	uint32_t big;

	if (row->item.len != sizeof(big) || row->value.len != sizeof(big))
		return false;
	memcpy(&big, row->item.data, sizeof(big));
	*count = be32toh(big);
	memcpy(&big, row->value.data, sizeof(big));
	*mark = be32toh(big);
	return true;
}

void store_answer(struct store_txn *txn, struct store_op *op, const struct store_row *row)
{
	if (txn->row_count == txn->row_cap) {
		txn->row_cap = txn->row_cap ? txn->row_cap * 2 : 8;
		txn->rows = mem_realloc(MEM_STORAGE, txn->rows, txn->row_cap * sizeof(*txn->rows));
	}
	if (op->rows == 0)
		op->first_row = txn->row_count;
	txn->rows[txn->row_count] = *row;
	txn->rows[txn->row_count].item = copy(txn, row->item);
	txn->rows[txn->row_count].value = copy(txn, row->value);
	txn->row_count++;
	op->rows++;
}

void store_forget(struct store_txn *txn)
{
	for (struct store_op *op = txn->ops; op; op = op->next)
		op->rows = op->bytes = 0;
	txn->row_count = 0;
}

uint64_t store_answered_seq(const struct store_txn *txn, const struct store_op *op)
{
	return op->rows ? txn->rows[op->first_row].seq : 0;
}

struct slice store_asked(const struct store_txn *txn, unsigned number)
{
	const struct store_op *op = numbered(txn, number);

	return op ? op->owner : (struct slice){"", 0};
}

const struct store_row *store_rows(const struct store_txn *txn, unsigned number, size_t *count)
{
	const struct store_op *op = numbered(txn, number);

	*count = op ? op->rows : 0;
	return *count ? txn->rows + op->first_row : NULL;
}
