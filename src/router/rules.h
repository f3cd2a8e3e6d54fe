/* SPDX-License-Identifier: MIT */
/* What the file says about routes, in the form that link takes. */
#pragma once

#include "base/log.h"
#include "component/settings.h"
#include "link/policy.h"

/* settings and log are borrowed. */
void rules_init(struct link_policy *policy, const struct settings *settings, const struct log *log);
void rules_fini(struct link_policy *policy);
