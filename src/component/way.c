/* SPDX-License-Identifier: MIT */
#include "component/way.h"

#include <string.h>
#include "base/buf.h"
#include "component/settings.h"

void way_local(const struct settings *settings, struct buf *out)
{
	buf_printf(out, "unix:%s/components.socket", settings->data.dir);
}

bool way_is_local(const char *address)
{
	return strncmp(address, "unix:", 5) == 0;
}
