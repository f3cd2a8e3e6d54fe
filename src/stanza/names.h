/* SPDX-License-Identifier: MIT */
/* The words of stanzas: types, errors, their classes and codes. */
#pragma once

#include "stanza/stanza.h"

#define NS_XML "http://www.w3.org/XML/1998/namespace"

/* STANZA_TYPE_BAD when the kind knows no such type; for messages an unknown type is normal (RFC 6121 5.2.2). */
enum stanza_type stanza_type_of(enum stanza_kind kind, struct slice text);
/* "cancel", "modify", "auth", "wait" */
const char *stanza_error_class(enum stanza_error error);
