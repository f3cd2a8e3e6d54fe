/* SPDX-License-Identifier: MIT */
/*
 * The router part: the listeners for components (component-protocol.md). It accepts their streams on worker 0, proves who
 * they are (by DIGEST-MD5; at the Unix socket in data.dir by their user), and hands them to link, which has the table of
 * names. What opens a stream in XEP-0114's namespace
 * instead is one of the file's components and proves it by its secret.
 */
#pragma once

#include "component/component.h"

extern const struct component router_component;
