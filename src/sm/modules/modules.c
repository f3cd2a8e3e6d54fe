/* SPDX-License-Identifier: MIT */
/* The list of modules. */
#include "sm/modules/modules.h"

#include <stddef.h>

const struct sm_module *const sm_modules[] = {
	&sm_anonymous, &sm_session, &sm_roster, &sm_blocking, &sm_subscribe, &sm_presence,
	&sm_archive_prefs, &sm_archive, &sm_carbons, &sm_archive_query, &sm_retraction, &sm_offline, &sm_delivery, &sm_disco, &sm_ping, &sm_version,
	&sm_private, &sm_vcard, &sm_last, &sm_time, &sm_caps, &sm_csi, &sm_device, &sm_ad_hoc, NULL,
};
