/* SPDX-License-Identifier: MIT */
/* What is known not to hold yet. Each of these is to become true, and then to go. */
#pragma once

#include <stdbool.h>

/* What a separate sm has acknowledged and handed to the router, on its way to another user of its own, outlives its death. */
static const bool handed_on_outlives_sm = true;
