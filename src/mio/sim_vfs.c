/* SPDX-License-Identifier: MIT */
/* The simulated disk as a file system of SQLite's. */
#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include "mio/sim_core.h"

enum { PATH_MAX_LEN = 512, NAME_LEN = 32, SECTOR_CLAIMED = 4096 };

/* The Julian day of 1970, in milliseconds. */
#define JULIAN_1970_MS INT64_C(210866760000000)

struct sim_vfs {
	sqlite3_vfs base;
	struct sim_disk *disk;
	char name[NAME_LEN];
	bool dead;
	struct list handles;
};

/* In SQLite's memory. */
struct handle {
	sqlite3_file base;
	struct list link;
	struct sim_vfs *vfs;
	struct sim_file *file;
	int lock;
	bool mapped, remove; /* remove: when it is closed */
	unsigned region_shared, region_exclusive;
};

static struct handle *handle_of(sqlite3_file *base)
{
	return container_of(base, struct handle, base);
}

/* NULL when its host is dead: all calls fail then, but those that give back. */
static struct sim_file *file_of(sqlite3_file *base)
{
	struct handle *handle = handle_of(base);

	return handle->vfs->dead ? NULL : handle->file;
}

/* -- shared memory -- */

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
	struct handle *handle = handle_of(base);
	struct sim_file *file = file_of(base);
	unsigned needed = (unsigned)region + 1;

	*out = NULL;
	if (!file)
		return SQLITE_IOERR;
	if (!handle->mapped)
		file->mappings++;
	handle->mapped = true;
	if (needed > file->region_count && extend) {
		struct heap *before = heap_enter(file->disk->sim->heap);

		file->regions = mem_realloc(MEM_OTHER, file->regions, needed * sizeof(char *));
		while (file->region_count < needed)
			file->regions[file->region_count++] = mem_zalloc(MEM_OTHER, (size_t)size);
		heap_enter(before);
	}
	if (needed <= file->region_count)
		*out = file->regions[region];
	return SQLITE_OK;
}

static void region_unlock(struct handle *handle, unsigned locks)
{
	struct sim_file *file = handle->file;

	for (unsigned i = 0; i < SIM_SHM_LOCKS; i++) {
		if (handle->region_shared & locks & 1u << i)
			file->region_shared[i]--;
	}
	file->region_exclusive &= ~(handle->region_exclusive & locks);
	handle->region_shared &= ~locks;
	handle->region_exclusive &= ~locks;
}

static int region_lock(struct handle *handle, unsigned locks, bool exclusive)
{
	struct sim_file *file = handle->file;

	if (file->region_exclusive & ~handle->region_exclusive & locks)
		return SQLITE_BUSY;
	for (unsigned i = 0; exclusive && i < SIM_SHM_LOCKS; i++) {
		unsigned own = handle->region_shared >> i & 1;

		if (locks & 1u << i && file->region_shared[i] > own)
			return SQLITE_BUSY;
	}
	if (exclusive) {
		file->region_exclusive |= locks;
		handle->region_exclusive |= locks;
		return SQLITE_OK;
	}
	for (unsigned i = 0; i < SIM_SHM_LOCKS; i++) {
		if (locks & ~handle->region_shared & 1u << i)
			file->region_shared[i]++;
	}
	handle->region_shared |= locks;
	return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
	struct handle *handle = handle_of(base);
	unsigned locks = ((1u << count) - 1) << offset;

	if (flags & SQLITE_SHM_LOCK && !file_of(base))
		return SQLITE_IOERR;
	if (flags & SQLITE_SHM_LOCK)
		return region_lock(handle, locks, flags & SQLITE_SHM_EXCLUSIVE);
	region_unlock(handle, locks);
	return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
}

static int shm_unmap(sqlite3_file *base, int delete)
{
	struct handle *handle = handle_of(base);
	struct sim_file *file = handle->file;

	if (!handle->mapped)
		return SQLITE_OK;
	region_unlock(handle, ~0u);
	handle->mapped = false;
	if (--file->mappings)
		return SQLITE_OK;
	while (file->region_count)
		mem_free(file->regions[--file->region_count]);
	return SQLITE_OK;
}

/* -- locks of the file -- */

static int file_unlock(sqlite3_file *base, int level)
{
	struct handle *handle = handle_of(base);
	struct sim_file *file = handle->file;

	if (handle->lock <= level)
		return SQLITE_OK;
	if (file->writer == handle) {
		file->writer = NULL;
		file->pending = false;
	}
	if (level == SQLITE_LOCK_NONE)
		file->shared--;
	handle->lock = level;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
	struct handle *handle = handle_of(base);
	struct sim_file *file = file_of(base);

	if (!file)
		return SQLITE_IOERR;
	if (handle->lock >= level)
		return SQLITE_OK;
	if (level == SQLITE_LOCK_SHARED) {
		if (file->pending)
			return SQLITE_BUSY;
		file->shared++;
		handle->lock = level;
		return SQLITE_OK;
	}
	if (file->writer && file->writer != handle)
		return SQLITE_BUSY;
	file->writer = handle;
	handle->lock = level;
	if (level == SQLITE_LOCK_RESERVED)
		return SQLITE_OK;
	file->pending = true;
	if (file->shared == 1)
		return SQLITE_OK;
	handle->lock = SQLITE_LOCK_PENDING;
	return SQLITE_BUSY;
}

static int check_reserved(sqlite3_file *base, int *out)
{
	const struct sim_file *file = file_of(base);

	*out = file && file->writer;
	return file ? SQLITE_OK : SQLITE_IOERR;
}

/* -- content -- */

/* Its file goes on without it. */
static void detach(struct handle *handle)
{
	struct sim_file *file = handle->file;

	shm_unmap(&handle->base, 0);
	file_unlock(&handle->base, SQLITE_LOCK_NONE);
	list_remove(&handle->link);
	handle->file = NULL;
	sim_file_unref(file);
}

static int file_close(sqlite3_file *base)
{
	struct handle *handle = handle_of(base);

	if (handle->remove && file_of(base) && handle->file->exists)
		sim_file_unlink(handle->file, false);
	detach(handle);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 at)
{
	const struct sim_file *file = file_of(base);
	size_t got;

	if (!file)
		return SQLITE_IOERR_READ;
	got = sim_file_read(file, bytes, (size_t)len, (size_t)at);
	if (got == (size_t)len)
		return SQLITE_OK;
	memset((char *)bytes + got, 0, (size_t)len - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
	struct sim_file *file = file_of(base);

	if (!file)
		return SQLITE_IOERR_WRITE;
	return sim_file_write(file, bytes, (size_t)len, (size_t)at) ? SQLITE_FULL : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
	struct sim_file *file = file_of(base);

	if (!file)
		return SQLITE_IOERR_TRUNCATE;
	if ((size_t)len < file->now.len)
		sim_file_truncate(file, (size_t)len);
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct sim_file *file = file_of(base);

	return !file || sim_file_sync(file) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
	const struct sim_file *file = file_of(base);

	if (!file)
		return SQLITE_IOERR_FSTAT;
	*out = (sqlite3_int64)file->now.len;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *base)
{
	return SECTOR_CLAIMED;
}

/* As the real one: a torn write does not harm its neighbours. */
static int traits(sqlite3_file *base)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = check_reserved,
	.xFileControl = file_control,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = traits,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* -- names -- */

static struct sim_vfs *vfs_of(sqlite3_vfs *base)
{
	return container_of(base, struct sim_vfs, base);
}

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *out, int flags,
		    int *out_flags)
{
	struct sim_vfs *vfs = vfs_of(base);
	struct handle *handle = handle_of(out);
	struct sim_file *file = path ? sim_file_find(vfs->disk, path) : NULL;

	memset(handle, 0, sizeof(*handle));
	if (vfs->dead || (path && !file && !(flags & SQLITE_OPEN_CREATE)) ||
	    (file && flags & SQLITE_OPEN_EXCLUSIVE))
		return SQLITE_CANTOPEN;
	if (!file)
		file = sim_file_new(vfs->disk, path);
	file->handles++;
	file->vfs = vfs;
	handle->base.pMethods = &methods;
	handle->vfs = vfs;
	handle->file = file;
	handle->remove = flags & SQLITE_OPEN_DELETEONCLOSE;
	list_append(&vfs->handles, &handle->link);
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync_directory)
{
	struct sim_vfs *vfs = vfs_of(base);
	struct sim_file *file = sim_file_find(vfs->disk, path);

	if (vfs->dead)
		return SQLITE_IOERR_DELETE;
	if (!file)
		return SQLITE_IOERR_DELETE_NOENT;
	sim_file_unlink(file, sync_directory);
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
	struct sim_vfs *vfs = vfs_of(base);
	const struct sim_file *file = sim_file_find(vfs->disk, path);

	*out = file && (flags != SQLITE_ACCESS_EXISTS || file->now.len);
	return vfs->dead ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *base, const char *path, int len, char *out)
{
	return snprintf(out, (size_t)len, "%s", path) < len ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *base, int len, char *out)
{
	sim_fill(vfs_of(base)->disk->sim, out, (size_t)len);
	return len;
}

static int vfs_sleep(sqlite3_vfs *base, int us)
{
	return us;
}

static int vfs_time_ms(sqlite3_vfs *base, sqlite3_int64 *out)
{
	*out = JULIAN_1970_MS + sim_wall_ms(vfs_of(base)->disk->sim);
	return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *base, double *out)
{
	*out = (double)(JULIAN_1970_MS + sim_wall_ms(vfs_of(base)->disk->sim)) / 86400000.0;
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *base, int len, char *out)
{
	return 0;
}

/* The first that SQLite does not have yet: it knows file systems by name, in all of the program. */
static void choose_name(struct sim_vfs *vfs)
{
	unsigned number = 0;

	do
		snprintf(vfs->name, sizeof(vfs->name), "sim-%u", ++number);
	while (sqlite3_vfs_find(vfs->name));
}

struct sim_vfs *sim_vfs_new(struct sim_disk *disk)
{
	struct sim_vfs *vfs = sim_zalloc(disk->sim, sizeof(*vfs));
	int code;

	vfs->disk = disk;
	list_init(&vfs->handles);
	choose_name(vfs);
	vfs->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct handle),
		.mxPathname = PATH_MAX_LEN,
		.zName = vfs->name,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
		.xCurrentTimeInt64 = vfs_time_ms,
	};
	code = sqlite3_vfs_register(&vfs->base, 0);
	assert(code == SQLITE_OK);
	(void)code;
	return vfs;
}

const char *sim_vfs_name(const struct sim_vfs *vfs)
{
	return vfs->name;
}

static void detach_all(struct sim_vfs *vfs)
{
	while (!list_empty(&vfs->handles))
		detach(container_of(vfs->handles.next, struct handle, link));
}

void sim_vfs_kill(struct sim_vfs *vfs)
{
	vfs->dead = true;
}

/* What a process has not synced that ended without a power cut, the system keeps until the next one. */
void sim_vfs_free(struct sim_vfs **taken)
{
	struct sim_vfs *vfs = *taken;

	*taken = NULL;
	detach_all(vfs);
	if (vfs->dead && !vfs->disk->power_stays)
		sim_disk_cut(vfs->disk, vfs);
	else
		sim_disk_disown(vfs->disk, vfs);
	sqlite3_vfs_unregister(&vfs->base);
	mem_free(vfs);
}
