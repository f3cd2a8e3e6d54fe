/* SPDX-License-Identifier: MIT */
/* Hash tables: open addressing with linear probing, SipHash-1-3, deleted cells stay as marks until
 * the next resize. */
#include "base/table.h"

#include "base/mem.h"

enum { CELLS_MIN = 8, KEEP_EMPTY = 64 };

struct table_cell {
	void *entry;
	uint64_t hash;
};

/* Stands in a cell whose entry is gone: probing goes on past it. */
static const char gone;

static bool is_entry(const void *entry)
{
	return entry && entry != &gone;
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* What is left behind the last whole eight bytes. */
static uint64_t tail_of(struct slice bytes)
{
	unsigned rest = bytes.len % 8;
	uint64_t tail = 0;

	if (rest && bytes.len > 8) {
		memcpy(&tail, bytes.data + bytes.len - 8, 8);
		return tail >> (8 - rest) * 8;
	}
	for (unsigned at = 0; at < rest; at++)
		tail |= (uint64_t)(unsigned char)bytes.data[bytes.len - rest + at] << at * 8;
	return tail;
}

uint64_t hash_bytes(struct hash_key key, struct slice bytes)
{
	uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
			 key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
	uint64_t word, last = (uint64_t)bytes.len << 56 | tail_of(bytes);

	for (size_t at = 0; at + 8 <= bytes.len; at += 8) {
		memcpy(&word, bytes.data + at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_u64(struct hash_key key, uint64_t value)
{
	return hash_bytes(key, (struct slice){(const char *)&value, sizeof(value)});
}

void table_init(struct table *table, table_key_fn *key_of, struct hash_key seed)
{
	*table = (struct table){.key_of = key_of, .seed = seed};
}

void table_fini(struct table *table)
{
	mem_free(table->cells);
	table->cells = NULL;
	table->count = table->used = table->mask = 0;
}

/* The cell of a key, or the empty one where it would stand. The table has cells. */
static struct table_cell *find(const struct table *table, struct slice key, uint64_t hash)
{
	for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
		struct table_cell *cell = &table->cells[at];

		if (!cell->entry || (cell->entry != &gone && cell->hash == hash &&
				     slice_equal(table->key_of(cell->entry), key)))
			return cell;
	}
}

void *table_get(const struct table *table, struct slice key)
{
	return table->count ? find(table, key, hash_bytes(table->seed, key))->entry : NULL;
}

static void resize(struct table *table, uint32_t size)
{
	struct table_cell *old = table->cells;
	uint32_t old_size = old ? table->mask + 1 : 0;

	table->cells = mem_zalloc(MEM_TABLE, size * sizeof(*old));
	table->mask = size - 1;
	table->used = table->count;
	for (uint32_t from = 0; from < old_size; from++) {
		uint32_t at = (uint32_t)old[from].hash & table->mask;

		if (!is_entry(old[from].entry))
			continue;
		while (table->cells[at].entry)
			at = (at + 1) & table->mask;
		table->cells[at] = old[from];
	}
	mem_free(old);
}

/* Half full at most, so that a resize pays for itself; smaller again after many were deleted. */
static uint32_t size_for(uint32_t count)
{
	uint32_t size = CELLS_MIN;

	while (size < count * 2)
		size *= 2;
	return size;
}

void *table_put(struct table *table, void *entry)
{
	struct slice key = table->key_of(entry);
	uint64_t hash = hash_bytes(table->seed, key);
	struct table_cell *cell;
	void *old;

	if (!table->cells)
		resize(table, CELLS_MIN);
	else if ((table->used + 1) * 4 > (table->mask + 1) * 3)
		resize(table, size_for(table->count + 1));
	cell = find(table, key, hash);
	old = cell->entry;
	*cell = (struct table_cell){entry, hash};
	table->count += !old;
	table->used += !old;
	return old;
}

void *table_del(struct table *table, struct slice key)
{
	struct table_cell *cell =
		table->count ? find(table, key, hash_bytes(table->seed, key)) : NULL;
	void *entry;

	if (!cell || !cell->entry)
		return NULL;
	entry = cell->entry;
	cell->entry = (void *)&gone;
	if (!--table->count && table->mask + 1 > KEEP_EMPTY)
		table_fini(table);
	return entry;
}

void *table_next(const struct table *table, uint32_t *at)
{
	while (table->cells && *at <= table->mask) {
		void *entry = table->cells[(*at)++].entry;

		if (is_entry(entry))
			return entry;
	}
	return NULL;
}
