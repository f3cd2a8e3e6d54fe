/* SPDX-License-Identifier: MIT */
/* The verbs that look at the file, and nothing else: check, config explain, version. */
#include <stdio.h>
#include <string.h>
#include "component/client_ca.h"
#include "component/tls.h"
#include "component/trust.h"
#include "ctl/ctl.h"
#include "run/deployment.h"
#include "run/run.h"

static bool loads(const struct cli *cli, struct deployment *deployment, struct buf *why)
{
	return deployment_load(deployment, cli, why) == 0;
}

static int report(const struct cli *cli, struct slice problem)
{
	AUTO(buf_fini) struct buf text = {0};

	ctl_json_text(&text, problem);
	if (cli->json)
		printf("{\"ok\": %s, \"problems\": [%s]}\n", problem.len ? "false" : "true",
		       problem.len ? buf_text(&text) : "");
	else if (problem.len)
		fprintf(stderr, "jackdaw: %.*s\n", (int)problem.len, problem.data);
	else
		printf("the configuration is fine\n");
	return problem.len ? EXIT_PROBLEM : EXIT_OK;
}

/* What router.tls needs is there, or will be. */
static void check_router(const struct settings *settings, struct buf *why)
{
	if (settings->router.tls != ROUTER_TLS_OFF && !tls_check_router(settings, why))
		trust_check(settings, why);
}

int verb_check(const struct cli *cli)
{
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};

	if (cli->count > 1 && strcmp(cli->words[0], "config") == 0) {
		fprintf(stderr, "jackdaw: check config takes no words; --config FILE names another file\n");
		return EXIT_USAGE;
	}
	if (cli->count && strcmp(cli->words[0], "config") != 0) {
		fprintf(stderr, "jackdaw: check %s is not in this version; check config, certs, accounts and limits are\n",
			cli->words[0]);
		return EXIT_USAGE;
	}
	if (loads(cli, &deployment, &why)) {
		if (!client_ca_check(&deployment.settings, &why))
			check_router(&deployment.settings, &why);
		deployment_fini(&deployment);
	}
	return report(cli, buf_slice(&why));
}

int verb_config_explain(const struct cli *cli)
{
	AUTO(buf_fini) struct buf text = {0};
	const char *near;

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: config explain wants one key, such as limits.stanza\n");
		return EXIT_USAGE;
	}
	if (conf_explain(settings_options, cli->words[0], &text)) {
		fwrite(buf_slice(&text).data, 1, buf_used(&text), stdout);
		return EXIT_OK;
	}
	near = conf_nearest(settings_options, cli->words[0]);
	fprintf(stderr, "jackdaw: there is no key \"%s\"%s%s%s\n", cli->words[0],
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return EXIT_PROBLEM;
}

int verb_version(const struct cli *cli)
{
	printf(cli->json ? "{\"version\": \"%s\"}\n" : "jackdaw %s\n", JACKDAW_VERSION);
	return EXIT_OK;
}
