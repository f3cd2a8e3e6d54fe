/* SPDX-License-Identifier: MIT */
/* What makes files durable. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "storage/storage.h"

int storage_sync_file(int fd)
{
	return fsync(fd) ? -errno : 0;
}

int storage_sync_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO(buf_fini) struct buf directory = {0};
	int fd, rc;

	buf_append_text(&directory, slash ? "" : ".");
	buf_append(&directory, path, slash ? (size_t)(slash - path) + 1 : 0);
	fd = open(buf_text(&directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = storage_sync_file(fd);
	close(fd);
	return rc;
}
