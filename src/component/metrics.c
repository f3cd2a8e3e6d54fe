/* SPDX-License-Identifier: MIT */
/* The names of the process's counters. */
#include "component/component.h"

const char *metric_name(enum metric metric)
{
	static const char *const names[METRICS] = {
		[METRIC_CONNECTIONS] = "connections",
		[METRIC_BOUND] = "bound",
		[METRIC_SESSIONS] = "sessions",
		[METRIC_DETACHED] = "detached",
		[METRIC_STANZAS_IN] = "stanzas_in",
		[METRIC_STANZAS_OUT] = "stanzas_out",
		[METRIC_MESSAGES_ROUTED] = "messages_routed",
		[METRIC_OFFLINE_STORED] = "offline_stored",
		[METRIC_LOGINS] = "logins",
		[METRIC_LOGIN_FAILURES] = "login_failures",
		[METRIC_STREAM_ERRORS] = "stream_errors",
		[METRIC_USERS_LOADED] = "users_loaded",
		[METRIC_PEERS] = "peers",
		[METRIC_REGISTRATIONS] = "registrations",
		[METRIC_CERTIFICATES_READ] = "certificates_read", /* again, after they changed */
		[METRIC_CERTIFICATES_REFUSED] = "certificates_refused",
		[METRIC_CERTIFICATE_PROBLEMS] = "certificate_problems", /* of those that are shown now */
	};

	return names[metric];
}

int64_t process_metric(const struct process *process, enum metric metric)
{
	return (int64_t)atomic_load_explicit(&process->metrics[metric], memory_order_relaxed);
}
