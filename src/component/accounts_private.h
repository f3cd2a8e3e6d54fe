/* SPDX-License-Identifier: MIT */
/* What the account commands share with the import. */
#pragma once

#include "base/buf.h"
#include "base/list.h"

struct ctl;
struct ctl_call;
struct intakes;
struct process;

#define ACCOUNT_CREATED SLICE("created")
#define ACCOUNT_DISABLED SLICE("disabled")

struct accounts {
	struct process *process;
	struct ctl *ctl;
	struct intakes *intakes;
	struct list standings; /* accounts that are being disabled or enabled */
};

void accounts_check_commands(struct accounts *accounts); /* "check accounts" */
void account_list(void *arg, struct ctl_call *call);   /* "user list" */
void account_count(void *arg, struct ctl_call *call);  /* "user count" */
void account_import(void *arg, struct ctl_call *call); /* "user import" */
