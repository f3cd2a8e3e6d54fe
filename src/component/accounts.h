/* SPDX-License-Identifier: MIT */
/* The account commands of administrators: user add, passwd, del, list, show, disable, enable, import. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct accounts;
struct ctl;
struct ctl_call;
struct jid;
struct process;

/* Adds the commands for a process with storage and hashing; without them they say who has the accounts. */
struct accounts *accounts_new(struct ctl *ctl, struct process *process);
void accounts_free(struct accounts **accounts); /* after the ctl; NULL in it is fine */
