/* SPDX-License-Identifier: MIT */
/* Private to component: the checks of settings that no table says. */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "component/settings.h"

/* What is wrong, and at which key; item: of which of its tables, from 0; member: at which key
 * there, or NULL. */
struct finding {
	const char *section, *key;
	size_t item;
	struct conf_error *error;
	const char *member;
};

static inline int PRINTF_LIKE(2, 3) wrong(struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->error->text, sizeof(finding->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

bool settings_is_part(const char *name); /* what parts call themselves at the router */
bool settings_is_component(const struct settings *settings, const char *name);

extern const struct conf_option settings_login_options[], settings_alias_options[],
	settings_rule_options[];

int settings_check_networks(const struct conf_list *list, struct finding *finding);
int settings_check_logins(const struct settings *settings, struct finding *finding);
int settings_check_aliases(const struct settings *settings, struct finding *finding);
int settings_check_rules(const struct settings *settings, struct finding *finding);
int settings_check_contact(const struct settings *settings, struct finding *finding);
int settings_check_allow(const struct settings *settings, struct finding *finding);
