/* SPDX-License-Identifier: MIT */
/*
 * Linked into binaries of the simulator only: time and randomness of the system, as libraries see
 * them, are the simulation's; a call of our own code, which must go by mio, says who it was and
 * aborts.
 */
#pragma once

struct sim;

/* From now on this simulation's clock, and bytes from its seed; NULL: a fixed time and fixed bytes,
 * as at the start. */
void sim_guard_use(struct sim *sim);
