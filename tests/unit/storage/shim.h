/* SPDX-License-Identifier: MIT */
/* A file system of SQLite's whose writes or syncs fail on demand. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include "base/macros.h"
#include "base/mem.h"

static int fail_write, fail_sync; /* the SQLite code to fail with, or 0 */
static int fail_after = -1;	  /* the write or sync from which on all fail; -1: none */
static unsigned unsynced;	  /* writes to databases, not to their logs, behind the last sync that succeeded */
static bool cut_too_early;	  /* a log was cut while there were some */

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this one */
	bool is_database;
};

static bool is_database(sqlite3_file *file)
{
	return container_of(file, struct shim_file, base)->is_database;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return container_of(file, struct shim_file, base)->real;
}

static bool shim_is_over(void)
{
	if (fail_after > 0)
		fail_after--;
	return fail_after == 0;
}

static int shim_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int shim_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	int fault = shim_is_over() ? SQLITE_IOERR_WRITE : fail_write;

	unsynced += is_database(file);
	return fault ? fault : real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	if (!is_database(file) && unsynced)
		cut_too_early = true;
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int shim_sync(sqlite3_file *file, int flags)
{
	int fault = shim_is_over() ? SQLITE_IOERR_FSYNC : fail_sync;

	if (!fault && is_database(file))
		unsynced = 0;
	return fault ? fault : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int shim_lock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int shim_unlock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int shim_reserved(sqlite3_file *file, int *reserved)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int shim_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int shim_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: without shared memory, which an exclusive lock must not need. */
static const sqlite3_io_methods shim_methods = {
	.iVersion = 1,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		     int *out_flags)
{
	sqlite3_vfs *real_vfs = vfs->pAppData;
	struct shim_file *shim = container_of(file, struct shim_file, base);
	int code;

	shim->base.pMethods = NULL;
	shim->real = (sqlite3_file *)(shim + 1);
	shim->is_database = flags & SQLITE_OPEN_MAIN_DB;
	code = real_vfs->xOpen(real_vfs, name, shim->real, flags, out_flags);
	if (code == SQLITE_OK)
		shim->base.pMethods = &shim_methods;
	return code;
}

/* The shim becomes the file system that is used when none is named. */
static inline sqlite3_vfs *shim_install(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	sqlite3_vfs *shim = mem_alloc(MEM_OTHER, sizeof(*shim));

	*shim = *real;
	shim->zName = "shim";
	shim->pAppData = real;
	shim->szOsFile = (int)sizeof(struct shim_file) + real->szOsFile;
	shim->xOpen = shim_open;
	sqlite3_vfs_register(shim, 1);
	return shim;
}
