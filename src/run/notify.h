/* SPDX-License-Identifier: MIT */
/* systemd's notification protocol, sd_notify(3). */
#pragma once

/* Tells the supervisor, when NOTIFY_SOCKET names one. */
void notify_supervisor(const char *state);
