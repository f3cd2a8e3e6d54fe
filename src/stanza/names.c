/* SPDX-License-Identifier: MIT */
/* The words of stanzas: types, errors, their classes and codes. */
#include "stanza/names.h"

static const char *const type_names[] = {
	[STANZA_ERROR] = "error",
	[STANZA_NORMAL] = "normal",
	[STANZA_CHAT] = "chat",
	[STANZA_GROUPCHAT] = "groupchat",
	[STANZA_HEADLINE] = "headline",
	[STANZA_UNAVAILABLE] = "unavailable",
	[STANZA_SUBSCRIBE] = "subscribe",
	[STANZA_SUBSCRIBED] = "subscribed",
	[STANZA_UNSUBSCRIBE] = "unsubscribe",
	[STANZA_UNSUBSCRIBED] = "unsubscribed",
	[STANZA_PROBE] = "probe",
	[STANZA_GET] = "get",
	[STANZA_SET] = "set",
	[STANZA_RESULT] = "result",
	[STANZA_TYPE_BAD] = NULL,
};

/* Code is jabberd2's (XEP-0086); of equal codes the first row answers stanza_error_of_code(). */
static const struct {
	const char *name, *class;
	int code;
} errors[STANZA_ERRORS] = {
	[STANZA_BAD_REQUEST] = {"bad-request", "modify", 400},
	[STANZA_CONFLICT] = {"conflict", "cancel", 409},
	[STANZA_FEATURE_NOT_IMPLEMENTED] = {"feature-not-implemented", "cancel", 501},
	[STANZA_FORBIDDEN] = {"forbidden", "auth", 403},
	[STANZA_GONE] = {"gone", "cancel", 302},
	[STANZA_INTERNAL_SERVER_ERROR] = {"internal-server-error", "wait", 500},
	[STANZA_ITEM_NOT_FOUND] = {"item-not-found", "cancel", 404},
	[STANZA_JID_MALFORMED] = {"jid-malformed", "modify", 400},
	[STANZA_NOT_ACCEPTABLE] = {"not-acceptable", "modify", 406},
	[STANZA_NOT_ALLOWED] = {"not-allowed", "cancel", 405},
	[STANZA_NOT_AUTHORIZED] = {"not-authorized", "auth", 401},
	[STANZA_POLICY_VIOLATION] = {"policy-violation", "modify", 405},
	[STANZA_RECIPIENT_UNAVAILABLE] = {"recipient-unavailable", "wait", 404},
	[STANZA_REDIRECT] = {"redirect", "modify", 302},
	[STANZA_REGISTRATION_REQUIRED] = {"registration-required", "auth", 407},
	[STANZA_REMOTE_SERVER_NOT_FOUND] = {"remote-server-not-found", "cancel", 404},
	[STANZA_REMOTE_SERVER_TIMEOUT] = {"remote-server-timeout", "wait", 504},
	[STANZA_RESOURCE_CONSTRAINT] = {"resource-constraint", "wait", 500},
	[STANZA_SERVICE_UNAVAILABLE] = {"service-unavailable", "cancel", 503},
	[STANZA_SUBSCRIPTION_REQUIRED] = {"subscription-required", "auth", 407},
	[STANZA_UNDEFINED_CONDITION] = {"undefined-condition", "cancel", 500},
	[STANZA_UNEXPECTED_REQUEST] = {"unexpected-request", "wait", 400},
};

const char *stanza_kind_name(enum stanza_kind kind)
{
	static const char *const names[] = {"*", "message", "presence", "iq", "iq", "iq"};

	return names[kind];
}

const char *stanza_type_name(enum stanza_type type)
{
	return type_names[type];
}

static bool type_fits(enum stanza_kind kind, enum stanza_type type)
{
	if (type == STANZA_ERROR)
		return true;
	if (kind == STANZA_MESSAGE)
		return type >= STANZA_NORMAL && type <= STANZA_HEADLINE;
	if (kind == STANZA_PRESENCE)
		return type >= STANZA_UNAVAILABLE && type <= STANZA_PROBE;
	return type >= STANZA_GET && type <= STANZA_RESULT;
}

enum stanza_type stanza_type_of(enum stanza_kind kind, struct slice text)
{
	if (!text.len)
		return kind == STANZA_IQ ? STANZA_TYPE_BAD : STANZA_NONE;
	for (enum stanza_type type = STANZA_ERROR; type < STANZA_TYPE_BAD; type++) {
		if (slice_is(text, type_names[type]) && type_fits(kind, type))
			return type;
	}
	return kind == STANZA_MESSAGE ? STANZA_NORMAL : STANZA_TYPE_BAD;
}

const char *stanza_error_name(enum stanza_error error)
{
	return errors[error].name;
}

const char *stanza_error_class(enum stanza_error error)
{
	return errors[error].class;
}

int stanza_error_code(enum stanza_error error)
{
	return errors[error].code;
}

enum stanza_error stanza_error_of_code(int code)
{
	for (enum stanza_error error = 0; error < STANZA_ERRORS; error++) {
		if (errors[error].code == code)
			return error;
	}
	return STANZA_UNDEFINED_CONDITION;
}
