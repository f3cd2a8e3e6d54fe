/* SPDX-License-Identifier: MIT */
/* Landlock by its three system calls: the C library has no functions for them. */
#include "run/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the headers of the oldest system that we build on do not have. */
#define ACCESS_TRUNCATE (1ULL << 14)  /* from version 3 */
#define ACCESS_IOCTL_DEV (1ULL << 15) /* from version 5 */

enum { VERSION_REFER = 2, VERSION_TRUNCATE = 3, VERSION_IOCTL_DEV = 5 };

#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES                                                                                     \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER |   \
	 ACCESS_TRUNCATE)
/* Handled and never allowed. */
#define NEVER                                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_IOCTL_DEV)
/* All that can be said of what is not a directory. */
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)

static uint64_t known(int version, uint64_t access)
{
	if (version < VERSION_REFER)
		access &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	if (version < VERSION_TRUNCATE)
		access &= ~ACCESS_TRUNCATE;
	if (version < VERSION_IOCTL_DEV)
		access &= ~ACCESS_IOCTL_DEV;
	return access;
}

int landlock_open(struct landlock *landlock)
{
	struct landlock_ruleset_attr attr = {0};
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	long fd;

	*landlock = (struct landlock){.fd = -1};
	if (version < 0) /* not built in, or not switched on */
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	attr.handled_access_fs = known((int)version, READS | WRITES | NEVER);
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return -errno;
	*landlock = (struct landlock){.version = (int)version, .fd = (int)fd};
	return 0;
}

int landlock_allow(struct landlock *landlock, const char *path, bool write, struct buf *why)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = known(landlock->version, write ? READS | WRITES : READS)};
	struct stat status;
	int rc = 0;

	if (!landlock->version)
		return 0;
	beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		rc = errno == ENOENT || errno == EACCES ? 0 : -errno;
	else if (fstat(beneath.parent_fd, &status))
		rc = -errno;
	else if (!S_ISDIR(status.st_mode))
		beneath.allowed_access &= OF_FILES;
	if (!rc && beneath.parent_fd >= 0 &&
	    syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
		rc = -errno;
	if (rc)
		buf_printf(why, "sandbox: %s: %s", path, strerror(-rc));
	if (beneath.parent_fd >= 0)
		close(beneath.parent_fd);
	return rc;
}

int landlock_enter(struct landlock *landlock)
{
	int rc = 0;

	if (landlock->version && syscall(SYS_landlock_restrict_self, landlock->fd, 0))
		rc = -errno;
	landlock_close(landlock);
	return rc;
}

void landlock_close(struct landlock *landlock)
{
	if (landlock->fd >= 0)
		close(landlock->fd);
	landlock->fd = -1;
}
