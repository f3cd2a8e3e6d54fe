/* SPDX-License-Identifier: MIT */
/* check certs: what is in tls.certificates, and what is wrong with it. */
#include <stdio.h>
#include "component/certificate_check.h"
#include "ctl/ctl.h"
#include "mio/mio.h"
#include "run/deployment.h"
#include "run/identity.h"
#include "run/run.h"

struct saying {
	struct buf json; /* the list so far */
	bool wants_json, found;
};

static void add_member(struct buf *json, const char *name, struct slice text)
{
	buf_printf(json, ", \"%s\": ", name);
	ctl_json_text(json, text);
}

static void say_json(struct saying *saying, struct certificate_report *report)
{
	struct buf *json = &saying->json;
	struct slice problems = buf_slice(&report->problems);

	buf_printf(json, "%s{\"name\": ", buf_used(json) ? ", " : "");
	ctl_json_text(json, slice_of(report->name));
	add_member(json, "certificate", slice_of(report->certificate));
	add_member(json, "key", slice_of(report->key));
	add_member(json, "names", buf_slice(&report->names));
	if (report->read)
		buf_printf(json, ", \"days\": %lld", (long long)report->days);
	add_member(json, "chain", buf_slice(&report->chain));
	buf_append_text(json, ", \"problems\": [");
	for (unsigned at = 0; problems.len; at++) {
		buf_append_text(json, at ? ", " : "");
		ctl_json_text(json, slice_line(&problems));
	}
	buf_append_text(json, "]}");
}

static void say_text(struct certificate_report *report)
{
	struct slice problems = buf_slice(&report->problems);

	printf("%s\n", report->name);
	if (*report->certificate)
		printf("  certificate %s\n  key         %s\n", report->certificate, report->key);
	if (report->read)
		printf("  names       %s\n  days left   %lld\n  chain       %s\n",
		       buf_text(&report->names), (long long)report->days, buf_text(&report->chain));
	while (problems.len) {
		struct slice line = slice_line(&problems);

		printf("  problem     %.*s\n", (int)line.len, line.data);
	}
}

static void say(void *arg, struct certificate_report *report)
{
	struct saying *saying = arg;

	saying->found = saying->found || buf_used(&report->problems);
	if (saying->wants_json)
		say_json(saying, report);
	else
		say_text(report);
}

static void check(const struct settings *settings, struct saying *saying)
{
	struct mio_host *clock = mio_host_new("check");

	certificate_check(settings, mio_host_wall_ms(clock) / 1000, say, saying);
	mio_host_free(&clock);
	if (saying->wants_json)
		printf("{\"ok\": %s, \"certificates\": [%s]}\n", saying->found ? "false" : "true",
		       buf_text(&saying->json));
}

/* What root may read says nothing of what the server may. */
static int become_user(const struct settings *settings, struct buf *why)
{
	struct identity identity;
	int rc = identity_find(settings->process.user, &identity, why);

	rc = rc ? rc : identity_borrow(&identity, settings->process.user, why);
	return rc ? rc : identity_keep(&identity, why);
}

int verb_check_certs(const struct cli *cli)
{
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};
	struct saying saying = {.wants_json = cli->json};
	int rc = deployment_load(&deployment, cli, &why);

	rc = rc ? rc : become_user(&deployment.settings, &why);
	if (rc) {
		deployment_fini(&deployment);
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
		return EXIT_PROBLEM;
	}
	check(&deployment.settings, &saying);
	buf_fini(&saying.json);
	deployment_fini(&deployment);
	return saying.found ? EXIT_PROBLEM : EXIT_OK;
}
