/* SPDX-License-Identifier: MIT */
/* Addresses: one allocation holds the counts and the full text; the other forms are parts of it. */
#include "jid/jid.h"

#include <stdatomic.h>
#include "base/mem.h"
#include "jid/prep.h"

struct jid {
	_Atomic uint32_t refs;
	uint16_t local, user, full; /* lengths of these forms; all begin where the text does */
	char text[];
};

/* Where the text is put together: three parts, two signs and room for the preparation of the last.
 */
struct draft {
	size_t local, user, full;
	char text[JID_MAX + PREP_ROOM];
};

static struct jid *finish(const struct draft *draft)
{
	struct jid *jid = mem_alloc(MEM_JID, sizeof(*jid) + draft->full + 1);

	atomic_init(&jid->refs, 1);
	jid->local = (uint16_t)draft->local;
	jid->user = (uint16_t)draft->user;
	jid->full = (uint16_t)draft->full;
	memcpy(jid->text, draft->text, draft->full);
	jid->text[draft->full] = '\0';
	return jid;
}

/* The user part must stand in the draft. */
static bool add_resource(struct draft *draft, struct slice resource)
{
	size_t len = prep_resource(resource, draft->text + draft->user + 1);

	draft->text[draft->user] = '/';
	draft->full = draft->user + 1 + len;
	return len > 0;
}

struct jid *jid_make(struct slice local, struct slice domain, struct slice resource)
{
	struct draft draft;
	size_t at = 0, len;

	draft.local = 0;
	if (local.len) {
		draft.local = prep_local(local, draft.text);
		if (!draft.local)
			return NULL;
		at = draft.local + 1;
		draft.text[draft.local] = '@';
	}
	len = prep_domain(domain, draft.text + at);
	if (!len)
		return NULL;
	draft.user = draft.full = at + len;
	if (resource.len && !add_resource(&draft, resource))
		return NULL;
	return finish(&draft);
}

/* The resource begins behind the first slash, the domain behind the first at sign before that. */
struct jid *jid_parse(struct slice text)
{
	struct slice local = {NULL, 0}, domain = text, resource = {NULL, 0};
	const char *sign;

	if (text.len == 0)
		return NULL;
	sign = memchr(text.data, '/', text.len);
	if (sign) {
		domain.len = (size_t)(sign - text.data);
		resource = (struct slice){sign + 1, text.len - domain.len - 1};
		if (!resource.len)
			return NULL;
	}
	sign = domain.len ? memchr(domain.data, '@', domain.len) : NULL;
	if (sign) {
		local = (struct slice){domain.data, (size_t)(sign - domain.data)};
		domain = (struct slice){sign + 1, domain.len - local.len - 1};
		if (!local.len)
			return NULL;
	}
	return jid_make(local, domain, resource);
}

struct jid *jid_ref(struct jid *jid)
{
	if (jid)
		atomic_fetch_add_explicit(&jid->refs, 1, memory_order_relaxed);
	return jid;
}

void jid_free(struct jid **jid)
{
	struct jid *gone = *jid;

	*jid = NULL;
	if (!gone)
		return;
	/* The only holder need not write what nobody else reads. */
	if (atomic_load_explicit(&gone->refs, memory_order_acquire) == 1 ||
	    atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1)
		mem_free(gone);
}

size_t jid_packed_size(const struct jid *jid)
{
	return jid ? (sizeof(*jid) + jid->full + 1 + 7) & ~(size_t)7 : 0;
}

struct jid *jid_pack(const struct jid *jid, void *piece)
{
	struct jid *packed = jid ? piece : NULL;

	if (!packed)
		return NULL;
	atomic_init(&packed->refs, 1);
	packed->local = jid->local;
	packed->user = jid->user;
	packed->full = jid->full;
	memcpy(packed->text, jid->text, (size_t)jid->full + 1);
	return packed;
}

struct jid *jid_unpack(const struct jid *packed)
{
	return packed ? jid_pack(packed, mem_alloc(MEM_JID, sizeof(*packed) + packed->full + 1)) : NULL;
}

static void start_from(struct draft *draft, const struct jid *jid)
{
	draft->local = jid->local;
	draft->user = draft->full = jid->user;
	memcpy(draft->text, jid->text, jid->user);
}

struct jid *jid_bare(struct jid *jid)
{
	struct draft draft;

	if (jid_is_bare(jid))
		return jid_ref(jid);
	start_from(&draft, jid);
	return finish(&draft);
}

struct jid *jid_with_resource(const struct jid *jid, struct slice resource)
{
	struct draft draft;

	start_from(&draft, jid);
	if (resource.len && !add_resource(&draft, resource))
		return NULL;
	return finish(&draft);
}

struct slice jid_full(const struct jid *jid)
{
	return (struct slice){jid->text, jid->full};
}

struct slice jid_user(const struct jid *jid)
{
	return (struct slice){jid->text, jid->user};
}

struct slice jid_local(const struct jid *jid)
{
	return (struct slice){jid->text, jid->local};
}

struct slice jid_domain(const struct jid *jid)
{
	size_t at = jid->local ? jid->local + 1U : 0;

	return (struct slice){jid->text + at, jid->user - at};
}

struct slice jid_resource(const struct jid *jid)
{
	if (jid_is_bare(jid))
		return (struct slice){NULL, 0};
	return (struct slice){jid->text + jid->user + 1, jid->full - jid->user - 1U};
}

const char *jid_text(const struct jid *jid)
{
	return jid ? jid->text : "";
}

bool jid_is_bare(const struct jid *jid)
{
	return jid->user == jid->full;
}

/* Equal texts have their signs in the same places: parts hold no sign in front of them. */
bool jid_equal(const struct jid *a, const struct jid *b)
{
	if (!a || !b)
		return a == b;
	return slice_equal(jid_full(a), jid_full(b));
}

bool jid_equal_bare(const struct jid *a, const struct jid *b)
{
	if (!a || !b)
		return a == b;
	return slice_equal(jid_user(a), jid_user(b));
}

static bool append_part(struct buf *out, const char *part, size_t len)
{
	buf_append(out, part, len);
	return len > 0;
}

bool jid_prep_local(struct slice text, struct buf *out)
{
	char part[PREP_ROOM];

	return append_part(out, part, prep_local(text, part));
}

bool jid_prep_domain(struct slice text, struct buf *out)
{
	char part[PREP_ROOM];

	return append_part(out, part, prep_domain(text, part));
}

bool jid_domain_ascii(struct slice domain, struct buf *out)
{
	char part[PREP_ROOM];

	return append_part(out, part, prep_ascii(domain, part));
}

bool jid_prep_resource(struct slice text, struct buf *out)
{
	char part[PREP_ROOM];

	return append_part(out, part, prep_resource(text, part));
}
