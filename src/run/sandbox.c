/* SPDX-License-Identifier: MIT */
/* The settings' part in the sandbox: which files, which user, and what the log says. */
#include "run/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/macros.h"
#include "run/deployment.h"
#include "run/landlock.h"
#include "run/syscalls.h"

/* Libraries and their data, configuration (certificates are mostly there), what the C library asks
 * the kernel. */
static const char *const read_always[] = {
	"/usr",
	"/lib",
	"/lib64",
	"/etc",
	"/run/systemd/resolve",
	"/proc/self",
	"/proc/sys/kernel/random",
	"/proc/sys/vm",
	"/proc/meminfo",
	"/sys/devices/system/cpu",
	"/dev/null",
	"/dev/urandom",
	"/dev/random",
};

/* -- the user
 * --------------------------------------------------------------------------------------- */

/* A new data.dir is of the user, in a folder that may be root's. */
static int give_dir(const struct identity *identity, const char *dir, struct buf *why)
{
	int rc = 0;

	if (!identity->changes)
		return 0;
	if (mkdir(dir, 0700))
		rc = errno == EEXIST ? 0 : -errno;
	else if (chown(dir, identity->uid, identity->gid))
		rc = -errno;
	if (rc)
		buf_printf(why, "data.dir: %s: %s", dir, strerror(-rc));
	return rc;
}

int sandbox_become(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why)
{
	const struct settings *settings = &deployment->settings;
	const char *name = settings->process.user;
	int rc = identity_find(name, &sandbox->identity, why);

	if (!rc)
		rc = give_dir(&sandbox->identity, settings->data.dir, why);
	if (!rc)
		rc = identity_borrow(&sandbox->identity, name, why);
	if (!rc && sandbox->identity.changes && access(settings->data.dir, R_OK | W_OK | X_OK)) {
		rc = -errno;
		buf_printf(why, "data.dir: %s: %s for %s: chown -R %s it", settings->data.dir,
			   strerror(-rc), name, name);
	}
	if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		rc = -errno;
		buf_printf(why, "sandbox: no_new_privs: %s", strerror(-rc));
	}
	return rc;
}

/* -- files
 * ------------------------------------------------------------------------------------------ */

/* The folder of a file that the settings name: another may take its place there. */
static int allow_folder(struct landlock *landlock, const char *file, bool write, struct buf *why)
{
	const char *slash = strrchr(file, '/');
	AUTO(buf_fini) struct buf folder = {0};

	if (!*file)
		return 0;
	if (slash)
		buf_append(&folder, file, slash == file ? 1 : (size_t)(slash - file));
	else
		buf_append_char(&folder, '.');
	return landlock_allow(landlock, buf_text(&folder), write, why);
}

static int allow_reading(struct landlock *landlock, const struct conf_list *paths, struct buf *why)
{
	int rc = 0;

	for (size_t at = 0; !rc && at < paths->count; at++)
		rc = landlock_allow(landlock, paths->items[at], false, why);
	return rc;
}

/* Unix sockets are made, and removed at the end. */
static int allow_sockets(struct landlock *landlock, const struct conf_list *addresses,
			 struct buf *why)
{
	static const char local[] = "unix:";
	int rc = 0;

	for (size_t at = 0; !rc && at < addresses->count; at++) {
		const char *address = addresses->items[at];

		if (!strncmp(address, local, sizeof(local) - 1))
			rc = allow_folder(landlock, address + sizeof(local) - 1, true, why);
	}
	return rc;
}

static int allow_listening(struct landlock *landlock, const struct settings *settings,
			   struct buf *why)
{
	const struct conf_list *const lists[] = {
		&settings->listen.client, &settings->listen.client_tls, &settings->listen.router};
	int rc = 0;

	for (size_t at = 0; !rc && at < countof(lists); at++)
		rc = allow_sockets(landlock, lists[at], why);
	return rc;
}

/* A database with a whole path may stand elsewhere than in data.dir. */
static int allow_storage(struct landlock *landlock, const char *url, struct buf *why)
{
	const char *path = strchr(url, ':');

	return path && path[1] == '/' ? allow_folder(landlock, path + 1, true, why) : 0;
}

static int allow_files(struct landlock *landlock, const struct deployment *deployment,
		       struct buf *why)
{
	const struct settings *settings = &deployment->settings;
	int rc = 0;

	for (size_t at = 0; !rc && at < countof(read_always); at++)
		rc = landlock_allow(landlock, read_always[at], false, why);
	if (!rc)
		rc = allow_folder(landlock, deployment->file, false, why);
	if (!rc)
		rc = landlock_allow(landlock, settings->tls.certificates, false, why);
	if (!rc)
		rc = allow_folder(landlock, settings->tls.client_ca, false, why);
	if (!rc)
		rc = allow_folder(landlock, settings->router.ca, false, why);
	if (!rc)
		rc = landlock_allow(landlock, settings->data.dir, true, why);
	if (!rc)
		rc = allow_storage(landlock, settings->storage.url, why);
	if (!rc && *settings->log.file == '/') /* it is opened anew when it was moved away */
		rc = allow_folder(landlock, settings->log.file, true, why);
	if (!rc)
		rc = allow_listening(landlock, settings, why);
	return rc ? rc : allow_reading(landlock, &settings->process.readable, why);
}

int sandbox_enclose(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why)
{
	struct landlock landlock = {.fd = -1};
	int version, rc;

	if (!deployment->settings.process.sandbox)
		return 0;
	rc = landlock_open(&landlock);
	version = landlock.version;
	if (!rc)
		rc = allow_files(&landlock, deployment, why);
	if (!rc)
		rc = landlock_enter(&landlock);
	landlock_close(&landlock);
	if (rc && !buf_used(why))
		buf_printf(why, "sandbox: landlock: %s", strerror(-rc));
	sandbox->landlock = rc ? 0 : version;
	return rc;
}

/* -- the rest
 * --------------------------------------------------------------------------------------- */

/* A kernel without seccomp is gone on with, and said. */
static int filter_calls(struct sandbox *sandbox, struct buf *why)
{
	int rc = syscalls_filter();

	sandbox->seccomp = !rc && syscalls_can_filter();
	if (!rc || rc == -EINVAL || rc == -ENOSYS)
		return 0;
	buf_printf(why, "sandbox: seccomp: %s", strerror(-rc));
	return rc;
}

int sandbox_close(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why)
{
	int rc = identity_keep(&sandbox->identity, why);

	if (rc || !deployment->settings.process.sandbox)
		return rc;
	/* Others of the same user neither read our memory nor find it in a core file. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) {
		buf_printf(why, "sandbox: cannot be made undumpable: %s", strerror(errno));
		return -errno;
	}
	return filter_calls(sandbox, why);
}

bool sandbox_describe(const struct sandbox *sandbox, const struct deployment *deployment,
		      struct buf *out)
{
	const struct settings *settings = &deployment->settings;
	bool whole = sandbox->seccomp && sandbox->landlock && geteuid() != 0;

	if (!settings->process.sandbox)
		buf_append_text(out, "sandbox: off (process.sandbox)");
	else
		buf_printf(out, "sandbox: %s",
			   sandbox->seccomp	   ? "seccomp"
			   : syscalls_can_filter() ? "no seccomp (the kernel has none)"
						   : "no seccomp (built without libseccomp)");
	if (settings->process.sandbox && sandbox->landlock)
		buf_printf(out, ", landlock v%d", sandbox->landlock);
	else if (settings->process.sandbox)
		buf_append_text(out, ", no landlock (the kernel has none)");
	if (sandbox->identity.changes)
		buf_printf(out, ", user %s", settings->process.user);
	else if (geteuid() == 0)
		buf_append_text(out, ", user root (process.user names another to become)");
	else
		buf_printf(out, ", user %lu", (unsigned long)geteuid());
	return whole;
}
