/* SPDX-License-Identifier: MIT */
/* Files of the simulator, with what of them is safe. */
#include "mio/sim_disk.h"

#include <errno.h>
#include "mio/sim_core.h"

enum { CUT_LOSES, CUT_TEARS, CUT_KEEPS, CUTS };

void sim_disk_init(struct sim_disk *disk, struct sim *sim)
{
	disk->sim = sim;
	list_init(&disk->files);
	list_init(&disk->lasting);
}

/* -- images -- */

static void image_resize(struct sim *sim, struct sim_image *image, size_t len)
{
	struct heap *before = heap_enter(sim->heap);
	size_t cap = image->cap ? image->cap : 4096;

	while (cap < len)
		cap *= 2;
	if (cap > image->cap) {
		image->bytes = mem_realloc(MEM_OTHER, image->bytes, cap);
		memset(image->bytes + image->cap, 0, cap - image->cap);
		image->cap = cap;
	}
	if (len < image->len)
		memset(image->bytes + len, 0, image->len - len);
	image->len = len;
	heap_enter(before);
}

/* Bytes that from has; the others of the sector stay. */
static void copy_sector(struct sim_image *to, const struct sim_image *from, size_t sector)
{
	size_t at = sector * SIM_SECTOR, end = at + SIM_SECTOR;

	if (end > from->len)
		end = from->len;
	if (end > to->len)
		end = to->len;
	if (at < end)
		memcpy(to->bytes + at, from->bytes + at, end - at);
}

static size_t sectors(size_t len)
{
	return (len + SIM_SECTOR - 1) / SIM_SECTOR;
}

static void make_dirty(struct sim_file *file, size_t from, size_t end)
{
	size_t needed = sectors(end);

	if (from >= end)
		return;
	if (needed > file->dirty_cap) {
		struct heap *before = heap_enter(file->disk->sim->heap);

		file->dirty = mem_realloc(MEM_OTHER, file->dirty, needed * 2 * sizeof(bool));
		memset(file->dirty + file->dirty_cap, 0,
		       (needed * 2 - file->dirty_cap) * sizeof(bool));
		file->dirty_cap = needed * 2;
		heap_enter(before);
	}
	memset(file->dirty + from / SIM_SECTOR, true, (needed - from / SIM_SECTOR) * sizeof(bool));
}

static void make_clean(struct sim_file *file)
{
	if (file->dirty)
		memset(file->dirty, 0, file->dirty_cap * sizeof(bool));
}

/* -- files -- */

struct sim_file *sim_file_find(struct sim_disk *disk, const char *path)
{
	for (struct list *link = disk->files.next; link != &disk->files; link = link->next) {
		struct sim_file *file = container_of(link, struct sim_file, link);

		if (file->exists && file->path && strcmp(file->path, path) == 0)
			return file;
	}
	return NULL;
}

static void file_free(struct sim_file *file)
{
	list_remove(&file->link);
	for (unsigned i = 0; i < file->region_count; i++)
		mem_free(file->regions[i]);
	mem_free(file->regions);
	mem_free(file->now.bytes);
	mem_free(file->durable.bytes);
	mem_free(file->dirty);
	mem_free(file->path);
	mem_free(file);
}

/* Neither seen now nor after a power cut, and open nowhere. */
static void free_if_gone(struct sim_file *file)
{
	if (!file->exists && !file->was_synced && !file->handles)
		file_free(file);
}

/* Names that were removed and could still come back: of one path, or of all (NULL). */
static void forget_removed(struct sim_disk *disk, const char *path)
{
	for (struct list *link = disk->files.next; link != &disk->files;) {
		struct sim_file *file = container_of(link, struct sim_file, link);

		link = link->next;
		if (file->exists || (path && file->path && strcmp(file->path, path) != 0))
			continue;
		file->was_synced = false;
		free_if_gone(file);
	}
}

struct sim_file *sim_file_new(struct sim_disk *disk, const char *path)
{
	struct sim_file *file = sim_zalloc(disk->sim, sizeof(*file));
	struct heap *before = heap_enter(disk->sim->heap);

	if (path)
		forget_removed(disk, path);
	file->disk = disk;
	file->path = path ? mem_strdup(MEM_OTHER, path) : NULL;
	file->number = ++disk->number;
	file->exists = path != NULL;
	list_append(&disk->files, &file->link);
	heap_enter(before);
	return file;
}

void sim_file_unref(struct sim_file *file)
{
	file->handles--;
	free_if_gone(file);
}

void sim_file_unlink(struct sim_file *file, bool durably)
{
	file->exists = false;
	if (durably)
		file->was_synced = false;
	free_if_gone(file);
}

size_t sim_file_read(const struct sim_file *file, void *bytes, size_t len, size_t at)
{
	size_t there = at < file->now.len ? file->now.len - at : 0,
	       part = len < there ? len : there;

	if (part)
		memcpy(bytes, file->now.bytes + at, part);
	return part;
}

int sim_file_write(struct sim_file *file, const void *bytes, size_t len, size_t at)
{
	struct sim *sim = file->disk->sim;

	if (at + len > file->now.len) {
		if (file->disk->full)
			return -ENOSPC;
		image_resize(sim, &file->now, at + len);
	}
	memcpy(file->now.bytes + at, bytes, len);
	make_dirty(file, at, at + len);
	sim_note(sim, SIM_NOTE_DISK, file->number, sim_hash(bytes, len) + at);
	return 0;
}

void sim_file_truncate(struct sim_file *file, size_t len)
{
	make_dirty(file, len, file->now.len);
	image_resize(file->disk->sim, &file->now, len);
}

/*
 * A failed sync: the system may have written some sectors, and holds all of them for written, as
 * Linux does.
 */
static int fail_sync(struct sim_file *file)
{
	struct sim *sim = file->disk->sim;

	if (file->durable.len < file->now.len)
		image_resize(sim, &file->durable, file->now.len);
	for (size_t i = 0; i < sectors(file->now.len) && i < file->dirty_cap; i++) {
		if (file->dirty[i] && sim_pick(sim, 2))
			copy_sector(&file->durable, &file->now, i);
	}
	make_clean(file);
	return -EIO;
}

int sim_file_sync(struct sim_file *file)
{
	struct sim *sim = file->disk->sim;

	if (sim_chance(sim, sim->options.sync_fail_percent))
		return fail_sync(file);
	image_resize(sim, &file->durable, file->now.len);
	for (size_t i = 0; i < sectors(file->now.len) && i < file->dirty_cap; i++) {
		if (file->dirty[i])
			copy_sector(&file->durable, &file->now, i);
	}
	make_clean(file);
	if (file->exists && !file->was_synced) { /* its directory is synced with it */
		file->was_synced = true;
		forget_removed(file->disk, NULL);
	}
	return 0;
}

/* -- power cuts -- */

static void cut_content(struct sim_file *file, unsigned how)
{
	struct sim *sim = file->disk->sim;
	size_t len = file->durable.len;

	if (how == CUT_KEEPS || (how == CUT_TEARS && sim_pick(sim, 2)))
		len = file->now.len;
	image_resize(sim, &file->durable, len);
	for (size_t i = 0; i < sectors(len) && i < file->dirty_cap; i++) {
		if (file->dirty[i] && (how == CUT_KEEPS || (how == CUT_TEARS && sim_pick(sim, 2))))
			copy_sector(&file->durable, &file->now, i);
	}
	image_resize(sim, &file->now, 0);
	image_resize(sim, &file->now, len);
	if (len)
		memcpy(file->now.bytes, file->durable.bytes, len);
	make_clean(file);
}

static void cut_file(struct sim_file *file)
{
	unsigned how = (unsigned)sim_pick(file->disk->sim, CUTS);
	bool stays = how == CUT_KEEPS || (how == CUT_TEARS && sim_pick(file->disk->sim, 2));

	cut_content(file, how);
	/* A name that was not synced shows what the directory had or would have had. */
	if (file->exists != file->was_synced && stays)
		file->was_synced = file->exists;
	file->exists = file->was_synced && file->path;
	file->vfs = NULL;
	free_if_gone(file);
}

struct lasting {
	struct list link;
	const struct sim_vfs *vfs;
	char *path;
	void *memory;
	size_t bytes;
};

static struct lasting *find_lasting(const struct sim_disk *disk, const char *path, size_t bytes)
{
	for (struct list *link = disk->lasting.next; link != &disk->lasting; link = link->next) {
		struct lasting *lasting = container_of(link, struct lasting, link);

		if (lasting->bytes == bytes && strcmp(lasting->path, path) == 0)
			return lasting;
	}
	return NULL;
}

void *sim_lasting(struct sim_disk *disk, const char *path, size_t bytes, const struct sim_vfs *vfs)
{
	struct lasting *lasting = find_lasting(disk, path, bytes);
	struct heap *before;

	if (!lasting) {
		before = heap_enter(disk->sim->heap);
		lasting = mem_zalloc(MEM_OTHER, sizeof(*lasting));
		lasting->path = mem_strdup(MEM_OTHER, path);
		lasting->bytes = bytes;
		lasting->memory = mem_zalloc(MEM_OTHER, bytes);
		list_append(&disk->lasting, &lasting->link);
		heap_enter(before);
	}
	lasting->vfs = vfs;
	return lasting->memory;
}

static void cut_lasting(struct sim_disk *disk, const struct sim_vfs *vfs)
{
	for (struct list *link = disk->lasting.next; link != &disk->lasting; link = link->next) {
		struct lasting *lasting = container_of(link, struct lasting, link);

		if (lasting->vfs == vfs)
			memset(lasting->memory, 0, lasting->bytes);
	}
}

void sim_disk_cut(struct sim_disk *disk, const struct sim_vfs *vfs)
{
	cut_lasting(disk, vfs);
	for (struct list *link = disk->files.next; link != &disk->files;) {
		struct sim_file *file = container_of(link, struct sim_file, link);

		link = link->next;
		if (file->vfs == vfs && !file->handles)
			cut_file(file);
	}
}

void sim_disk_disown(struct sim_disk *disk, const struct sim_vfs *vfs)
{
	for (struct list *link = disk->files.next; link != &disk->files; link = link->next) {
		struct sim_file *file = container_of(link, struct sim_file, link);

		if (file->vfs == vfs)
			file->vfs = NULL;
	}
}
