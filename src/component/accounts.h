/* SPDX-License-Identifier: MIT */
/* The account commands of administrators: user add, passwd, del, list, show, disable, enable,
 * import. */
#pragma once

struct accounts;
struct ctl;
struct process;

/* Adds the commands; as long as the process has no storage they end with CTL_ELSEWHERE. */
struct accounts *accounts_new(struct ctl *ctl, struct process *process);
void accounts_free(struct accounts **accounts); /* after the ctl; NULL in it is fine */
