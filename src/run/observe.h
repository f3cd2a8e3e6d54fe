/* SPDX-License-Identifier: MIT */
/* metrics.listen: /metrics, the figures of this process, and /health, whether it can do its work.
 */
#pragma once

struct buf;
struct observe;
struct process;

/*
 * Listens at the addresses of the settings that are for this process; none is fine. Before the
 * loops run. A fault, with a line in why, when one cannot be had; a single part goes on without one
 * that is everybody's: another part may have it.
 */
int observe_new(struct process *process, struct observe **observe, struct buf *why);
void observe_free(struct observe **observe); /* before the process; NULL is fine */
