/* SPDX-License-Identifier: MIT */
/*
 * Upgrade tasks, XEP-0480: a client that logged in makes keys of a hash that its account lacks, for its server cannot: it does not know the
 * password. So a domain whose accounts came with old keys comes to offer better ones.
 */
#pragma once

#include <stdbool.h>

struct client;
struct nad;
struct sx;

void upgrade_offer(void *owner, struct sx *sx, struct nad *features);
/* Its login succeeded. True: it is told to go on with a task that it asked for, and login_go_on_accepting() follows. */
bool upgrade_begin(struct client *client);
void upgrade_task(void *owner, struct sx *sx, struct nad *nad); /* what it says of it */
