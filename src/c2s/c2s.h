/* SPDX-License-Identifier: MIT */
/*
 * The client-facing part: sockets, streams, login, binding. It owns what a client is connected to and nothing of what it
 * means: every stanza goes to the session manager by link, everything for a client comes from there.
 */
#pragma once

#include "component/component.h"

extern const struct component c2s_component;
