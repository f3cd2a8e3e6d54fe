/* SPDX-License-Identifier: MIT */
/*
 * The router part: the listener for components (component-protocol.md). It accepts their streams on worker 0, proves who they
 * are by DIGEST-MD5, and hands them to link, which has the table of names.
 */
#pragma once

#include "component/component.h"

extern const struct component router_component;
