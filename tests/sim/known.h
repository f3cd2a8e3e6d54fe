/* SPDX-License-Identifier: MIT */
/* What is known not to hold yet. Each of these is to become true, and then to go. */
#pragma once

#include <stdbool.h>

/*
 * No client's stream ends when a separate sm dies or stops, no session that was attached is lost, and none hears anything
 * twice or out of order.
 */
static const bool sessions_outlive_sm = false;
/* What a separate sm has acknowledged and handed to the router, on its way to another user of its own, outlives its death. */
static const bool handed_on_outlives_sm = true;
/*
 * After the death or stop of a separate sm devices see the presence and the roster that they would see without it. What comes
 * for a session without a client between its saving and the end of the process is lost; a push of the roster that was stored
 * and not sent is not sent by the next.
 */
static const bool views_outlive_sm = false;
