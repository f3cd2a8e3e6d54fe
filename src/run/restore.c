/* SPDX-License-Identifier: MIT */
/* restore: a backup in the place of a stopped server's database. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ctl/ctl.h"
#include "mio/mio.h"
#include "run/deployment.h"
#include "run/progress.h"
#include "run/run.h"
#include "run/sandbox.h"
#include "sm/unacked.h"
#include "storage/storage.h"

struct restoring {
	struct deployment *deployment;
	struct progress progress;
};

static bool goes_on(void *arg, const char *what, unsigned percent)
{
	struct restoring *restoring = arg;

	return progress_tell(&restoring->progress, what, percent);
}

/* What was under way to clients when another database was killed. */
static int forget_unacked(const struct deployment *deployment, struct buf *why)
{
	AUTO(buf_fini) struct buf path = {0};
	int rc;

	unacked_path(&deployment->settings, &path);
	rc = unlink(buf_text(&path)) && errno != ENOENT ? -errno : 0;
	if (rc)
		buf_printf(why, "%s: cannot be removed: %s", buf_text(&path), strerror(-rc));
	return rc;
}

/* FILE may be where only root may read; what is in data.dir is of process.user from the beginning. */
static int opened(void *arg, struct buf *why)
{
	/* Of whoever opens the database. */
	static const char *const locks[] = {"run", "sm", NULL};
	struct restoring *restoring = arg;
	struct sandbox sandbox = {.landlock = 0};
	int rc = sandbox_become(&sandbox, restoring->deployment, why);

	rc = rc ? rc : identity_keep(&sandbox.identity, why);
	rc = rc ? rc : deployment_lock(restoring->deployment, locks, why);
	return rc ? rc : forget_unacked(restoring->deployment, why);
}

static void say_done(const struct cli *cli, struct buf *kept)
{
	AUTO(buf_fini) struct buf json = {0};
	const char *file = cli->words[0];

	if (cli->json) {
		buf_append_text(&json, "{\"file\": ");
		ctl_json_text(&json, slice_of(file));
		buf_append_text(&json, ", \"kept\": ");
		if (buf_used(kept))
			ctl_json_text(&json, buf_slice(kept));
		else
			buf_append_text(&json, "null");
		printf("%s}\n", buf_text(&json));
		return;
	}
	printf("%s: restored\n", file);
	if (buf_used(kept))
		printf("%s: the database that was there before; remove it when all is well\n",
		       buf_text(kept));
}

static int restore(struct deployment *deployment, const struct cli *cli,
		   struct mio_host *host, struct buf *why)
{
	const struct storage_options options = {.url = deployment->settings.storage.url,
						.dir = deployment->settings.data.dir};
	struct restoring restoring = {.deployment = deployment};
	const struct storage_restore wanted = {
		.file = cli->words[0], .opened = opened, .goes_on = goes_on, .arg = &restoring};
	AUTO(buf_fini) struct buf kept = {0};
	int rc;

	progress_init(&restoring.progress, host);
	rc = storage_restore(host, &options, &wanted, &kept, why);
	progress_clear(&restoring.progress);
	if (!rc)
		say_done(cli, &kept);
	return rc;
}

int verb_restore(const struct cli *cli)
{
	struct deployment deployment = {.lock_count = 0};
	struct mio_host *host;
	AUTO(buf_fini) struct buf why = {0};
	int rc;

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: restore wants one file\n");
		return EXIT_USAGE;
	}
	progress_hold_signals();
	umask(077);
	host = mio_host_new("restore");
	rc = deployment_load(&deployment, cli, &why);
	rc = rc ? rc : restore(&deployment, cli, host, &why);
	if (rc)
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
	deployment_fini(&deployment);
	mio_host_free(&host);
	return rc ? EXIT_PROBLEM : EXIT_OK;
}
