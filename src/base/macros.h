/* SPDX-License-Identifier: MIT */
/* The few compiler extensions we use, all in one place. */
#pragma once

#include <stddef.h>

/* Calls fn(&variable) when the variable leaves its scope; fn takes a T ** and accepts NULL. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* The owner of an embedded member. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define countof(array) (sizeof(array) / sizeof((array)[0]))

/* Rarely called: kept out of those who call it. */
#define COLD __attribute__((noinline, cold))

#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
