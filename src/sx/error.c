/* SPDX-License-Identifier: MIT */
/* The names of stream errors. */
#include "sx/error.h"

#include <stddef.h>

static const char *const names[SX_ERRORS] = {
	[SX_ERROR_NONE] = "",
	[SX_BAD_FORMAT] = "bad-format",
	[SX_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
	[SX_CONFLICT] = "conflict",
	[SX_CONNECTION_TIMEOUT] = "connection-timeout",
	[SX_HOST_GONE] = "host-gone",
	[SX_HOST_UNKNOWN] = "host-unknown",
	[SX_IMPROPER_ADDRESSING] = "improper-addressing",
	[SX_INTERNAL_SERVER_ERROR] = "internal-server-error",
	[SX_INVALID_FROM] = "invalid-from",
	[SX_INVALID_NAMESPACE] = "invalid-namespace",
	[SX_INVALID_XML] = "invalid-xml",
	[SX_NOT_AUTHORIZED] = "not-authorized",
	[SX_NOT_WELL_FORMED] = "not-well-formed",
	[SX_POLICY_VIOLATION] = "policy-violation",
	[SX_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
	[SX_RESET] = "reset",
	[SX_RESOURCE_CONSTRAINT] = "resource-constraint",
	[SX_RESTRICTED_XML] = "restricted-xml",
	[SX_SEE_OTHER_HOST] = "see-other-host",
	[SX_SYSTEM_SHUTDOWN] = "system-shutdown",
	[SX_UNDEFINED_CONDITION] = "undefined-condition",
	[SX_UNSUPPORTED_ENCODING] = "unsupported-encoding",
	[SX_UNSUPPORTED_FEATURE] = "unsupported-feature",
	[SX_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
	[SX_UNSUPPORTED_VERSION] = "unsupported-version",
};

const char *sx_error_name(enum sx_error error)
{
	return (unsigned)error < SX_ERRORS ? names[error] : "";
}
