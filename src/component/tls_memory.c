/* SPDX-License-Identifier: MIT */
/* OpenSSL's memory: the system's allocator has it, and we count it. */
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include "base/mem.h"
#include "component/tls.h"

static void *counted_malloc(size_t size, const char *file, int line)
{
	void *memory = malloc(size);

	mem_count_openssl((int64_t)malloc_usable_size(memory));
	return memory;
}

static void *counted_realloc(void *memory, size_t size, const char *file, int line)
{
	int64_t before = (int64_t)malloc_usable_size(memory);
	void *moved = realloc(memory, size);

	if (moved)
		mem_count_openssl((int64_t)malloc_usable_size(moved) - before);
	return moved;
}

static void counted_free(void *memory, const char *file, int line)
{
	if (!memory) /* more than every second one */
		return;
	mem_count_openssl(-(int64_t)malloc_usable_size(memory));
	free(memory);
}

void tls_count_memory(void)
{
	CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free);
}
