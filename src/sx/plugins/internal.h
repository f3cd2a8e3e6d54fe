/* SPDX-License-Identifier: MIT */
/* What one plugin asks another. */
#pragma once

#include <stdbool.h>

struct sx;

bool sx_tls_withholds(const struct sx *sx); /* TLS is required and not there yet */
