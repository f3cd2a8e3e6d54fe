/* SPDX-License-Identifier: MIT */
/*
 * Sessions that were presented as over, at the start of an sm: that they are gone is told at once to who is there, and once more
 * some seconds later, to those whose c2s was slower. Private to sm.
 */
#pragma once

struct session;
struct sm;

void goners_add(const struct session *session); /* it is about to end */
void goners_start(struct sm *sm);
void goners_stop(struct sm *sm); /* before users go */
