/* SPDX-License-Identifier: MIT */
/* Whom to write to about the service: a form in the domain's disco#info, XEP-0157. */
#include <stddef.h>
#include "component/settings.h"
#include "sm/modules/modules.h"
#include "xml/nad.h"

#define FORM_TYPE "http://jabber.org/network/serverinfo"

static const struct {
	const char *var;
	size_t offset; /* of the list in the settings */
} fields[] = {
	{"abuse-addresses", offsetof(struct settings, contact.abuse)},
	{"admin-addresses", offsetof(struct settings, contact.admin)},
	{"feedback-addresses", offsetof(struct settings, contact.feedback)},
	{"sales-addresses", offsetof(struct settings, contact.sales)},
	{"security-addresses", offsetof(struct settings, contact.security)},
	{"status-addresses", offsetof(struct settings, contact.status)},
	{"support-addresses", offsetof(struct settings, contact.support)},
};

static const struct conf_list *list_of(const struct settings *settings, size_t field)
{
	return (const struct conf_list *)((const char *)settings + fields[field].offset);
}

static bool is_any(const struct settings *settings)
{
	size_t count = 0;

	for (size_t at = 0; at < countof(fields); at++)
		count += list_of(settings, at)->count;
	return count;
}

static void append_field(struct nad *nad, const char *var, const char *const *values, size_t count)
{
	nad_append(nad, NS_DATA_FORM, "field", 3);
	nad_append_attr(nad, -1, "var", slice_of(var));
	if (!strcmp(var, "FORM_TYPE"))
		nad_append_attr(nad, -1, "type", SLICE("hidden"));
	for (size_t at = 0; at < count; at++)
		nad_append_text(nad, NS_DATA_FORM, "value", 4, slice_of(values[at]));
}

void contact_append(const struct sm *sm, struct nad *nad)
{
	static const char *const type[] = {FORM_TYPE};
	const struct settings *settings = sm_settings(sm);

	if (!is_any(settings))
		return;
	nad_append(nad, NS_DATA_FORM, "x", 2);
	nad_append_attr(nad, -1, "type", SLICE("result"));
	append_field(nad, "FORM_TYPE", type, 1);
	for (size_t at = 0; at < countof(fields); at++) {
		const struct conf_list *list = list_of(settings, at);

		if (list->count)
			append_field(nad, fields[at].var, list->items, list->count);
	}
}
