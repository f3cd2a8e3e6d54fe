/* SPDX-License-Identifier: MIT */
/* The message of PLAIN: authzid NUL user NUL password. */
#include "auth/plain.h"

/* Up to the next NUL, which is cut off too. */
static bool take_part(struct slice *text, struct slice *part)
{
	const char *end = text->len ? memchr(text->data, 0, text->len) : NULL;

	if (!end)
		return false;
	*part = (struct slice){text->data, (size_t)(end - text->data)};
	text->data += part->len + 1;
	text->len -= part->len + 1;
	return true;
}

bool plain_parse(struct slice message, struct plain_message *parsed)
{
	struct slice text = message;

	if (!take_part(&text, &parsed->authzid) || !take_part(&text, &parsed->user))
		return false;
	parsed->password = text;
	return parsed->user.len > 0 && text.len > 0 && !memchr(text.data, 0, text.len);
}
