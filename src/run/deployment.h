/* SPDX-License-Identifier: MIT */
/* What a verb knows before it does anything: the settings, and the data directory with its locks
 * and secrets. */
#pragma once

#include "component/settings.h"

struct cli;
struct mio_host;

enum { DEPLOYMENT_LOCKS_MAX = 4, DEPLOYMENT_SECRET = 32 };

struct deployment {
	struct settings settings;
	struct conf *conf;
	const char *file; /* of the settings; borrowed; "": --demo has none */
	struct buf router_password;	   /* when the file has none */
	uint8_t secret[DEPLOYMENT_SECRET]; /* of the installation: makes unknown users' salts */
	int locks[DEPLOYMENT_LOCKS_MAX];
	size_t lock_count;
};

/* Reads the settings of --config or --demo. A fault has its line in *why. */
int deployment_load(struct deployment *deployment, const struct cli *cli, struct buf *why);
/* The same into other settings than its own. */
int deployment_read(const struct cli *cli, struct settings *settings, struct conf **conf,
		    struct buf *why);
/* Where --config is, or would be. */
const char *deployment_path(const struct cli *cli);
/* "FILE:LINE:COLUMN: text". */
void deployment_explain(const struct conf_error *error, struct buf *why);
/* Makes data.dir and takes the locks (NULL-terminated). */
int deployment_lock(struct deployment *deployment, const char *const *locks, struct buf *why);
/* The same, and reads or makes the secrets. */
int deployment_own(struct deployment *deployment, struct mio_host *host, const char *const *locks,
		   struct buf *why);
int deployment_make_dir(const struct deployment *deployment, struct buf *why);
void deployment_fini(struct deployment *deployment); /* a zeroed one is fine */

/* A small file of data.dir, private to its owner: read, or written once with what is in text. The
 * first of two wins. */
int deployment_file(const struct deployment *deployment, const char *name, struct buf *text,
		    struct buf *why);
