/* SPDX-License-Identifier: MIT */
/*
 * Addresses, RFC 6122 (nodeprep, nameprep, resourceprep), immutable and counted. ASCII is prepared here, the
 * rest by libidn. Text forms are made once and NUL-terminated. The count is atomic: a jid may cross threads.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

enum { JID_PART_MAX = 1023, JID_MAX = 3071 };

struct jid;

/* NULL when the text is no address (RFC 6122), a part is empty behind its sign, or too long. */
struct jid *jid_parse(struct slice text);
/* local and resource may be empty slices: absent. */
struct jid *jid_make(struct slice local, struct slice domain, struct slice resource);
struct jid *jid_ref(struct jid *jid); /* NULL gives NULL */
void jid_free(struct jid **jid);      /* drops one reference */

struct jid *jid_bare(struct jid *jid);                              /* a reference, to itself when bare already */
struct jid *jid_with_resource(const struct jid *jid, struct slice resource); /* NULL when the resource is bad */

struct slice jid_full(const struct jid *jid);  /* local@domain/resource */
struct slice jid_user(const struct jid *jid);  /* local@domain: the bare text */
struct slice jid_local(const struct jid *jid); /* empty when absent */
struct slice jid_domain(const struct jid *jid);
struct slice jid_resource(const struct jid *jid);
const char *jid_text(const struct jid *jid);   /* full; NULL gives "" */

/* As of a nad (xml/nad.h); NULL packs into nothing and is NULL. */
size_t jid_packed_size(const struct jid *jid);
struct jid *jid_pack(const struct jid *jid, void *piece);
struct jid *jid_unpack(const struct jid *packed);

bool jid_is_bare(const struct jid *jid);
bool jid_equal(const struct jid *a, const struct jid *b);      /* NULL equals NULL only */
bool jid_equal_bare(const struct jid *a, const struct jid *b); /* without resources */

/* One part by itself, prepared into out. False when it is not allowed. */
bool jid_prep_local(struct slice text, struct buf *out);
bool jid_prep_domain(struct slice text, struct buf *out);
bool jid_domain_ascii(struct slice domain, struct buf *out); /* a prepared one, as DNS and certificates write it (RFC 5890) */
bool jid_prep_resource(struct slice text, struct buf *out);
