/* SPDX-License-Identifier: MIT */
/* A file as the tests of the router write it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "component/settings.h"

static inline struct conf *parse(struct settings *settings, const char *text)
{
	AUTO(buf_fini) struct buf whole = {0};
	struct conf_error error;
	struct conf *conf = NULL;

	memset(settings, 0, sizeof(*settings));
	buf_printf(&whole, "domains = [\"b.example\"]\n%s", text);
	if (settings_parse("test.toml", buf_slice(&whole), settings, &conf, &error))
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
	return conf;
}
