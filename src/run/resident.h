/* SPDX-License-Identifier: MIT */
/* What the system knows of the memory of this process: beside what the heaps know. */
#pragma once

#include <stdint.h>

struct resident {
	uint64_t allocator;	 /* bytes that its allocator gave to libraries, and to the heaps but for their chunks */
	uint64_t allocator_free; /* that it keeps for later */
	uint64_t files;		 /* our share of what is mapped from files: the program, libraries, data.dir/unacknowledged */
	uint64_t all;		 /* proportional set size: what the machine would have more of without us; 0: the system does not say */
};

void resident_read(struct resident *resident);
