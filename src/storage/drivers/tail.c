/* SPDX-License-Identifier: MIT */
#include "storage/drivers/tail.h"

#include "base/mem.h"

static struct slice name_of(const void *entry)
{
	return slice_of(((const struct tail_owner *)entry)->name);
}

struct tail *tail_new(void)
{
	static const struct hash_key seed = {0x7461696c, 0}; /* names of accounts of ours */
	struct tail *tail = mem_zalloc(MEM_STORAGE, sizeof(*tail));

	table_init(&tail->owners, name_of, seed);
	list_init(&tail->order);
	list_init(&tail->changed);
	return tail;
}

static void owner_free(struct tail *tail, struct tail_owner *owner)
{
	table_del(&tail->owners, slice_of(owner->name));
	list_remove(&owner->link);
	list_remove(&owner->changed);
	mem_free(owner->name);
	mem_free(owner->entries);
	mem_free(owner);
}

void tail_free(struct tail **taken)
{
	struct tail *tail = *taken;
	struct tail_owner *owner;

	*taken = NULL;
	if (!tail)
		return;
	for (uint32_t at = 0; (owner = table_next(&tail->owners, &at));)
		owner_free(tail, owner);
	table_fini(&tail->owners);
	mem_free(tail->added);
	mem_free(tail);
}

struct tail_owner *tail_find(const struct tail *tail, struct slice owner)
{
	return table_get(&tail->owners, owner);
}

/* Ids grow, so this is the last place, or nearly. */
static void place(struct tail *tail, struct tail_owner *owner)
{
	struct list *at = tail->order.prev;

	while (at != &tail->order && container_of(at, struct tail_owner, link)->since > owner->since)
		at = at->prev;
	list_append(at->next, &owner->link);
}

static struct tail_owner *need(struct tail *tail, struct slice name, uint64_t id)
{
	struct tail_owner *owner = tail_find(tail, name);

	if (owner)
		return owner;
	owner = mem_zalloc(MEM_STORAGE, sizeof(*owner));
	owner->name = mem_strndup(MEM_STORAGE, name.data, name.len);
	owner->since = id;
	owner->born = tail->added_ever;
	list_init(&owner->changed);
	place(tail, owner);
	table_put(&tail->owners, owner);
	return owner;
}

void tail_add(struct tail *tail, struct slice name, const struct tail_entry *entry)
{
	struct tail_owner *owner = need(tail, name, entry->id);

	if (owner->count == owner->cap) {
		owner->cap = owner->cap ? owner->cap * 2 : 4;
		owner->entries = mem_realloc(MEM_STORAGE, owner->entries, owner->cap * sizeof(*owner->entries));
	}
	owner->entries[owner->count++] = *entry;
	tail->count++;
	tail->added_ever++;
	if (tail->added_count == tail->added_cap) {
		tail->added_cap = tail->added_cap ? tail->added_cap * 2 : 64;
		tail->added = mem_realloc(MEM_STORAGE, tail->added, tail->added_cap * sizeof(struct tail_owner *));
	}
	tail->added[tail->added_count++] = owner;
}

static void look_at(struct tail *tail, struct tail_owner *owner)
{
	if (list_empty(&owner->changed))
		list_append(&tail->changed, &owner->changed);
}

static void undo_to(struct tail *tail, unsigned most)
{
	while (tail->added_count > most) {
		struct tail_owner *owner = tail->added[--tail->added_count];

		owner->count--;
		if (owner->indexed > owner->count) { /* an account that was cleared with it */
			owner->indexed--;
			tail->indexed--;
		}
		tail->count--;
		look_at(tail, owner);
	}
}

void tail_undo(struct tail *tail)
{
	undo_to(tail, tail->kept);
}

void tail_keep(struct tail *tail)
{
	tail->kept = tail->added_count;
}

void tail_indexed(struct tail *tail, struct tail_owner *owner, unsigned count)
{
	tail->indexed += count - owner->indexed;
	owner->indexed = count;
	look_at(tail, owner);
}

static void drop_first(struct tail *tail, struct tail_owner *owner, unsigned count)
{
	owner->count -= count;
	tail->count -= count;
	memmove(owner->entries, owner->entries + count, owner->count * sizeof(*owner->entries));
}

static void settle_owner(struct tail *tail, struct tail_owner *owner, bool committed)
{
	list_remove(&owner->changed);
	if (committed)
		drop_first(tail, owner, owner->indexed);
	if (!owner->count) {
		owner_free(tail, owner);
		return;
	}
	if (committed && owner->indexed) {
		list_remove(&owner->link);
		owner->since = owner->entries[0].id;
		owner->born = tail->added_ever - owner->count; /* or before */
		place(tail, owner);
	}
	owner->indexed = 0;
}

void tail_end(struct tail *tail, bool committed)
{
	if (!committed)
		undo_to(tail, 0);
	while (!list_empty(&tail->changed)) {
		struct tail_owner *owner = container_of(tail->changed.next, struct tail_owner, changed);

		settle_owner(tail, owner, committed);
	}
	tail->added_count = tail->kept = tail->indexed = 0;
}

struct tail_owner *tail_oldest(const struct tail *tail)
{
	for (struct list *at = tail->order.next; at != &tail->order; at = at->next) {
		struct tail_owner *owner = container_of(at, struct tail_owner, link);

		if (owner->indexed < owner->count)
			return owner;
	}
	return NULL;
}

uint64_t tail_since(const struct tail *tail, uint64_t next)
{
	const struct tail_owner *oldest = tail_oldest(tail);

	return oldest ? oldest->since : next;
}
