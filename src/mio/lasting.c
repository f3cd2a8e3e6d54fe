/* SPDX-License-Identifier: MIT */
/*
 * Memory that outlives the process: a file that is mapped and shared. A power cut leaves of it what the system had written by
 * chance; so the file says of which start of the machine it is, and counts for nothing after the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mio/epoll.h"

enum { HEAD_BYTES = 4096 /* a page, of which the name of the start is used */, BOOT_BYTES = 36 };

struct lasting {
	struct list link;
	char *bytes;
	size_t len;
};

static int read_boot(char *boot)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, boot, BOOT_BYTES);
	close(fd);
	return got == BOOT_BYTES ? 0 : -EIO;
}

/* Of another size, or of an earlier start of the machine. */
static bool is_stale(int fd, const char *boot, size_t len)
{
	char says[BOOT_BYTES];
	struct stat stat;

	return fstat(fd, &stat) < 0 || (size_t)stat.st_size != len || pread(fd, says, BOOT_BYTES, 0) != BOOT_BYTES ||
	       memcmp(says, boot, BOOT_BYTES) != 0;
}

/* Where each write goes elsewhere, there may be no room for one to what is there already. */
static void stay_in_place(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL)) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags); /* most file systems know nothing of it, and need not */
	}
}

/* Room for all of it is there before it is written to: a disk that is full later does not matter. */
static int map(int fd, const char *boot, size_t len, char **bytes)
{
	void *memory;
	int rc;

	if (is_stale(fd, boot, len)) {
		if (ftruncate(fd, 0) < 0)
			return -errno;
		stay_in_place(fd);
	}
	rc = posix_fallocate(fd, 0, (off_t)len);
	if (rc)
		return -rc;
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*bytes = memory;
	memcpy(memory, boot, BOOT_BYTES);
	return 0;
}

static void remember(struct machine *machine, char *bytes, size_t len)
{
	struct heap *before = heap_enter(NULL);
	struct lasting *lasting = mem_zalloc(MEM_LOOP, sizeof(*lasting));

	lasting->bytes = bytes;
	lasting->len = len;
	list_append(&machine->lasting, &lasting->link);
	heap_enter(before);
}

int lasting_open(struct mio_host *host, const char *path, size_t bytes, void **memory)
{
	char boot[BOOT_BYTES], *at = NULL;
	int rc = read_boot(boot), fd;

	if (rc)
		return rc;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = map(fd, boot, HEAD_BYTES + bytes, &at);
	close(fd);
	if (rc)
		return rc;
	*memory = at + HEAD_BYTES;
	remember(container_of(host, struct machine, host), at, HEAD_BYTES + bytes);
	return 0;
}

void lasting_close_all(struct machine *machine)
{
	struct list *link;

	while ((link = list_shift(&machine->lasting))) {
		struct lasting *lasting = container_of(link, struct lasting, link);

		munmap(lasting->bytes, lasting->len);
		mem_free(lasting);
	}
}
