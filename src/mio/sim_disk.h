/* SPDX-License-Identifier: MIT */
/*
 * The simulator's disk: files of two images, what is read now and what a power cut leaves, that
 * differ in sectors written since the last sync. And the file system that SQLite sees, one for each
 * host, so that a kill finds the host's files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"

struct sim;
struct sim_vfs;

enum { SIM_SECTOR = 512, SIM_SHM_LOCKS = 8 };

struct sim_disk {
	struct sim *sim;
	struct list files, lasting;
	bool full, power_stays;
	unsigned number; /* the last that was given to a file */
};

struct sim_image {
	char *bytes; /* zeroes from len to cap */
	size_t len, cap;
};

struct sim_file {
	struct sim_disk *disk;
	struct list link;
	char *path; /* NULL: a temporary file without a name */
	unsigned number, handles;
	struct sim_vfs *vfs;	 /* that opened it last */
	bool exists, was_synced; /* the name is there; it is there after a power cut */
	struct sim_image now, durable;
	bool *dirty; /* by sector of now or durable, the longer */
	size_t dirty_cap;

	/* Locks; the owners are handles (sim_vfs.c). */
	unsigned shared;
	const void *writer;
	bool pending;
	char **regions; /* the shared memory: never durable */
	unsigned region_count, mappings;
	unsigned region_shared[SIM_SHM_LOCKS];
	unsigned region_exclusive; /* a bit for each lock */
};

void sim_disk_init(struct sim_disk *disk, struct sim *sim);
struct sim_file *sim_file_find(struct sim_disk *disk, const char *path); /* that exists, or NULL */
struct sim_file *sim_file_new(struct sim_disk *disk, const char *path);
void sim_file_unref(struct sim_file *file); /* a handle was closed */
/* durably: the name does not come back after a power cut. */
void sim_file_unlink(struct sim_file *file, bool durably);
size_t sim_file_read(const struct sim_file *file, void *bytes, size_t len, size_t at);
/* Returns 0 or -ENOSPC. */
int sim_file_write(struct sim_file *file, const void *bytes, size_t len, size_t at);
void sim_file_truncate(struct sim_file *file, size_t len);
/* Returns 0, or -EIO: what was written may be lost, though it can be read and a later sync
 * succeeds. */
int sim_file_sync(struct sim_file *file);
/* A power cut: unsynced sectors of the host's files, which nobody has open, are lost, kept or torn.
 */
void sim_disk_cut(struct sim_disk *disk, const struct sim_vfs *vfs);
/* Memory that a kill leaves: of one path always the same, zeroed by a power cut of the host that had it last. */
void *sim_lasting(struct sim_disk *disk, const char *path, size_t bytes, const struct sim_vfs *vfs);
void sim_disk_disown(struct sim_disk *disk, const struct sim_vfs *vfs);

/* -- sim_vfs.c -- */

struct sim_vfs *sim_vfs_new(struct sim_disk *disk);
const char *sim_vfs_name(const struct sim_vfs *vfs);
void sim_vfs_kill(struct sim_vfs *vfs);	 /* from now on every call fails */
void sim_vfs_free(struct sim_vfs **vfs); /* cuts the power when it was killed */
