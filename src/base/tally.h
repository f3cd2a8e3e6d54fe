/* SPDX-License-Identifier: MIT */
/*
 * How many each of many keys has now, such as connections of an address: a fixed table that all threads share without a
 * lock. It never grows; when more keys are there than it has room for, one with the fewest is forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"

struct tally;

/* Room for so many keys, 8 bytes each; none may have more than limit. Any thread. */
struct tally *tally_new(struct hash_key seed, uint64_t keys, uint32_t limit);
void tally_set(struct tally *tally, uint32_t limit); /* for the next; who has more keeps them */
void tally_free(struct tally **tally);

bool tally_add(struct tally *tally, struct slice key); /* false, and nothing is counted: it has its limit */
void tally_del(struct tally *tally, struct slice key); /* of what tally_add() counted */
uint32_t tally_of(struct tally *tally, struct slice key);
