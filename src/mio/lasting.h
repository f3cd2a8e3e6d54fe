/* SPDX-License-Identifier: MIT */
/*
 * Memory that outlives the process, however it ends, but not the machine: whoever asks for the same path and size again finds what was
 * written to it; all zeros, when the machine was started since, or nobody asked before. A file there is its home, with room for all of
 * it from the start; nothing is synced. Shared by all loops; of one process at a time.
 */
#pragma once

#include <stddef.h>

struct mio_host;

/* Before the loops run; the memory is there until the host ends. Returns 0 or a fault. */
int mio_lasting(struct mio_host *host, const char *path, size_t bytes, void **memory);
