/* SPDX-License-Identifier: MIT */
/*
 * Memory that knows its part, its worker and its kind.
 *
 * A heap belongs to one worker of one process. mem_alloc() takes from the heap that the calling
 * thread has entered (the one thread-local of the project); with none entered it uses a heap of
 * last resort that belongs to no part. A block remembers its heap: it may be freed on any thread
 * and returns to the heap that made it, in batches, without a lock on the way. In the steady state
 * no call here reaches the system, but for blocks over 32 KB: heap_usage() counts those that do (under
 * sanitizers each block is one). Such a block goes back at once when it is freed; of smaller ones
 * the free chunks do, once most of the heap has been unused for a while (chunks.h).
 *
 * Allocation aborts the process when the system has no memory; it never returns NULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct heap;

enum mem_kind {
	MEM_OTHER,
	MEM_BUF,
	MEM_TABLE,
	MEM_TEXT,
	MEM_NAD,
	MEM_PARSER,
	MEM_JID,
	MEM_STANZA,
	MEM_PACKET,
	MEM_LOOP,
	MEM_CONN,
	MEM_STREAM,
	MEM_TLS,
	MEM_SASL,
	MEM_CLIENT,
	MEM_USER,
	MEM_SESSION,
	MEM_ROSTER,
	MEM_STORAGE,
	MEM_LINK,
	MEM_CONF,
	MEM_LOG,
	MEM_OPENSSL, /* by the system's allocator: mem_count_openssl() */
	MEM_KINDS
};

struct heap_usage {
	uint64_t bytes[MEM_KINDS];  /* in use now, as asked for */
	uint64_t blocks[MEM_KINDS]; /* in use now */
	uint64_t system_bytes;	    /* held from the system */
	uint64_t chunk_bytes;	    /* of these, in chunks; the rest the system's allocator has given */
	uint64_t system_calls;	    /* calls to the system's allocator since heap_new() */
	uint64_t allocations;	    /* calls to mem_alloc and its kin since heap_new() */
};

/* A name such as "sm/1" is copied. */
struct heap *heap_new(const char *name);

/* Frees all that was ever allocated from it and is not freed yet, and the heap; nothing runs. */
void heap_drop(struct heap **heap);

/*
 * Makes the heap current on this thread (NULL: none) and returns the one that was. A heap is
 * current on one thread at a time. Entering takes home what other threads have freed, so that its
 * figures are exact.
 */
struct heap *heap_enter(struct heap *heap);

const char *heap_name(const struct heap *heap);

/* Safe from any thread; figures of a heap at work are approximate. */
void heap_usage(const struct heap *heap, struct heap_usage *usage);
const char *mem_kind_name(enum mem_kind kind);

/* 16-byte aligned. size 0 is fine. */
void *mem_alloc(enum mem_kind kind, size_t size);
void *mem_zalloc(enum mem_kind kind, size_t size);

/* Keeps the block's kind; block NULL: kind counts. What must grow moves to the current heap. */
void *mem_realloc(enum mem_kind kind, void *block, size_t size);
void mem_free(void *block); /* NULL is fine */
char *mem_strdup(enum mem_kind kind, const char *text);
char *mem_strndup(enum mem_kind kind, const char *text, size_t len);

/*
 * Asks the cache for all of a block that is about to be used, or its first bytes: what is cold is then waited for once, not line
 * by line. Nothing is read, so NULL is fine, and so is what is behind the block.
 */
static inline void mem_fetch(const void *block, size_t size)
{
	enum { LINE = 64 };
	uintptr_t at = (uintptr_t)block, end = at + size;

	for (; at < end; at += LINE)
		__builtin_prefetch((const void *)at);
	__builtin_prefetch((const void *)(end - 1)); /* a block seldom begins where a line does */
}

/* OpenSSL has so many bytes more by the system's allocator, or fewer: they are only counted, for the heap that is current. */
void mem_count_openssl(int64_t bytes);

/* Overwrites memory in a way that the compiler keeps: for secrets. */
void mem_wipe(void *memory, size_t size);
