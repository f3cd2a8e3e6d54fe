/* SPDX-License-Identifier: MIT */
/* What the account commands share with the import. */
#pragma once

#include "base/buf.h"
#include "base/table.h"

struct ctl;
struct ctl_call;
struct jid;
struct process;

#define ACCOUNT_CREATED SLICE("created")
#define ACCOUNT_DISABLED SLICE("disabled")

struct accounts {
	struct process *process;
	struct ctl *ctl;
	struct slots hashing; /* the import's passwords under way */
};

/* A bare address of a domain that we serve, or NULL and a text that says why not. */
struct jid *account_jid(const struct process *process, struct slice text, const char **why);

void account_import(void *arg, struct ctl_call *call); /* "user import" */
void account_import_fini(struct accounts *accounts);
