/* SPDX-License-Identifier: MIT */
/* The control socket. */
#pragma once

struct ctl;
struct ctl_server;
struct mio;

int ctl_server_new(struct ctl *ctl, struct mio *mio, const char *path, struct ctl_server **server);
void ctl_server_free(
	struct ctl_server **server); /* after the calls have ended; NULL in it is fine */
