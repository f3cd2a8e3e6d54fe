/* SPDX-License-Identifier: MIT */
/* The account commands of administrators: user add, passwd, list, count, show, disable, enable,
 * import. */
#pragma once

#include "base/buf.h"

struct accounts;
struct ctl;
struct jid;
struct process;

/* A bare address of a domain that we serve, or NULL and a text that says why not. */
struct jid *account_jid(const struct process *process, struct slice text, const char **why);

/* Adds the commands; as long as the process has no storage they end with CTL_ELSEWHERE. */
struct accounts *accounts_new(struct ctl *ctl, struct process *process);
void accounts_free(struct accounts **accounts); /* after the ctl; NULL in it is fine */
