/* SPDX-License-Identifier: MIT */
/* From root to a user. The saved user id is root's until the second step, so that the kernel takes
 * the capabilities of every thread when setresuid() gives it up. */
#include "run/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the calling thread, and of those that it starts. */
static int hold_capabilities(uint32_t held)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = held, .permitted = held}};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int identity_find(const char *name, struct identity *identity, struct buf *why)
{
	const struct passwd *found;

	*identity = (struct identity){geteuid(), getegid(), false};
	if (!*name || geteuid() != 0)
		return 0;
	errno = 0;
	found = getpwnam(name);
	if (!found) {
		buf_printf(
			why,
			"process.user: there is no user %s: useradd --system %s, or name another",
			name, name);
		return -ENOENT;
	}
	*identity = (struct identity){found->pw_uid, found->pw_gid, found->pw_uid != 0};
	return 0;
}

int identity_borrow(const struct identity *identity, const char *name, struct buf *why)
{
	int rc = 0;

	if (!identity->changes)
		return 0;
	if (initgroups(name, identity->gid) ||
	    setresgid(identity->gid, identity->gid, identity->gid) ||
	    setresuid(identity->uid, identity->uid, 0))
		rc = -errno;
	else
		rc = hold_capabilities(1u << CAP_NET_BIND_SERVICE);
	if (rc)
		buf_printf(why, "process.user: cannot become %s: %s", name, strerror(-rc));
	return rc;
}

int identity_keep(const struct identity *identity, struct buf *why)
{
	uid_t uid = identity->uid, real, effective, saved;
	int rc = 0;

	if (!identity->changes)
		return 0;
	if (setresuid(uid, uid, uid) || getresuid(&real, &effective, &saved))
		rc = -errno;
	else if (real != uid || effective != uid || saved != uid || !setresuid(0, 0, 0))
		rc = -EPERM;
	if (rc)
		buf_printf(why, "process.user: root's rights cannot be given up: %s",
			   strerror(-rc));
	return rc;
}
