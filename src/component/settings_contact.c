/* SPDX-License-Identifier: MIT */
/* The addresses of [contact]: strangers are told them, so each must be one. */
#include <ctype.h>
#include <string.h>
#include "component/settings_private.h"

/* RFC 3986 section 3: a scheme, and something behind it without what stands in no URI. Those of other alphabets pass. */
static bool is_uri(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || !colon[1] || !isalpha((unsigned char)text[0]))
		return false;
	for (const char *at = text; at < colon; at++) {
		if (!isalnum((unsigned char)*at) && !strchr("+-.", *at))
			return false;
	}
	for (const char *at = colon; *at; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("<>\"{}|\\^`", *at))
			return false;
	}
	return true;
}

static int check_list(const struct conf_list *list, struct finding *finding)
{
	for (size_t at = 0; at < list->count; at++) {
		if (!is_uri(list->items[at]))
			return wrong(finding, "contact.%s: \"%.200s\" is no URI, such as \"mailto:%s@example.org\" or "
					      "\"xmpp:%s@example.org\"", finding->key, list->items[at], finding->key, finding->key);
	}
	return 0;
}

int settings_check_contact(const struct settings *settings, struct finding *finding)
{
	const struct {
		const char *key;
		const struct conf_list *list;
	} lists[] = {
		{"abuse", &settings->contact.abuse},	   {"admin", &settings->contact.admin},
		{"feedback", &settings->contact.feedback}, {"sales", &settings->contact.sales},
		{"security", &settings->contact.security}, {"status", &settings->contact.status},
		{"support", &settings->contact.support},
	};

	for (size_t at = 0; at < countof(lists); at++) {
		int rc;

		finding->key = lists[at].key;
		rc = check_list(lists[at].list, finding);
		if (rc)
			return rc;
	}
	return 0;
}
