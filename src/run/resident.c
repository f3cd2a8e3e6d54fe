/* SPDX-License-Identifier: MIT */
#include "run/resident.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static void read_smaps(struct resident *resident)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	unsigned long long kilobytes;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Pss: %llu", &kilobytes) == 1)
			resident->all = kilobytes * 1024;
		else if (sscanf(line, "Pss_File: %llu", &kilobytes) == 1 || sscanf(line, "Pss_Shmem: %llu", &kilobytes) == 1)
			resident->files += kilobytes * 1024;
	}
	if (file)
		fclose(file);
}

void resident_read(struct resident *resident)
{
	struct mallinfo2 info = mallinfo2();

	*resident = (struct resident){.allocator = info.uordblks + info.hblkhd, .allocator_free = info.fordblks};
	read_smaps(resident);
}
