/* SPDX-License-Identifier: MIT */
/* The session manager as a component: one struct sm on each worker. */
#pragma once

struct component;

extern const struct component sm_component;
