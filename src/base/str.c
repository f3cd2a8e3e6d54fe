/* SPDX-License-Identifier: MIT */
/* Shared, immutable strings. */
#include <stdatomic.h>
#include "base/buf.h"
#include "base/mem.h"

struct str {
	_Atomic uint32_t refs;
	uint32_t len;
	char text[];
};

struct str *str_new(struct slice text)
{
	struct str *str = mem_alloc(MEM_TEXT, sizeof(*str) + text.len + 1);

	atomic_init(&str->refs, 1);
	str->len = (uint32_t)text.len;
	if (text.len)
		memcpy(str->text, text.data, text.len);
	str->text[text.len] = 0;
	return str;
}

struct str *str_ref(struct str *str)
{
	if (str)
		atomic_fetch_add_explicit(&str->refs, 1, memory_order_relaxed);
	return str;
}

void str_free(struct str **taken)
{
	struct str *str = *taken;

	*taken = NULL;
	if (str && atomic_fetch_sub_explicit(&str->refs, 1, memory_order_acq_rel) == 1)
		mem_free(str);
}

const char *str_text(const struct str *str)
{
	return str ? str->text : "";
}

struct slice str_slice(const struct str *str)
{
	return str ? (struct slice){str->text, str->len} : (struct slice){NULL, 0};
}
