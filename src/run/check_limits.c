/* SPDX-License-Identifier: MIT */
/* check limits: what the machine must allow for so many sessions, and the command that allows it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "component/quotas.h"
#include "ctl/ctl.h"
#include "run/deployment.h"
#include "run/run.h"

enum {
	BACKLOG = 4096,			  /* connections that wait to be accepted */
	SESSION_BYTES = (4 + 15 + 5) << 10, /* ours, OpenSSL's and the kernel's, of one at rest under TLS */
	BASE_BYTES = 64 << 20,
};

struct saying {
	struct buf json; /* the list so far */
	bool wants_json, found;
};

static void PRINTF_LIKE(5, 6) say(struct saying *saying, const char *name, uint64_t is, uint64_t needed, const char *fix, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	bool fine = is >= needed;
	va_list args;

	saying->found |= !fine;
	va_start(args, fix);
	if (!fine)
		buf_vprintf(&text, fix, args);
	va_end(args);
	if (!saying->wants_json) {
		printf("%-8s %-30s %" PRIu64 ", %" PRIu64 " needed%s%s\n", fine ? "ok" : "problem", name, is, needed, fine ? "" : ": ",
		       fine ? "" : buf_text(&text));
		return;
	}
	buf_printf(&saying->json, "%s{\"name\": \"%s\", \"is\": %" PRIu64 ", \"needed\": %" PRIu64 ", \"ok\": %s, \"fix\": ",
		   buf_used(&saying->json) ? ", " : "", name, is, needed, fine ? "true" : "false");
	ctl_json_text(&saying->json, buf_slice(&text));
	buf_append_char(&saying->json, '}');
}

/* The number behind so many others of the first line that begins with name; false: this kernel has none. */
static bool read_number(const char *path, const char *name, unsigned others, uint64_t *number)
{
	FILE *file = fopen(path, "re");
	char line[256], *at = NULL, *end;

	while (!at && file && fgets(line, sizeof(line), file))
		at = strncmp(line, name, strlen(name)) == 0 ? line + strlen(name) : NULL;
	if (file)
		fclose(file);
	for (unsigned left = others + 1; at && left; left--) {
		*number = strtoull(at, &end, 10);
		at = end == at ? NULL : end;
	}
	return at;
}

static uint64_t descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : (uint64_t)limit.rlim_max;
}

static void check_descriptors(struct saying *saying, uint64_t sessions)
{
	uint64_t each = quotas_clients_of(descriptors());

	say(saying, "descriptors, from this shell", descriptors(), quotas_descriptors_for(sessions),
	    "LimitNOFILE=%" PRIu64 " in the unit, or %" PRIu64 " parts c2s", quotas_descriptors_for(sessions),
	    each ? (sessions + each - 1) / each : sessions);
}

static void check_kernel(struct saying *saying, uint64_t sessions)
{
	uint64_t is, sockets = sessions + sessions / 20 + 1000;

	if (read_number("/proc/sys/fs/file-max", "", 0, &is))
		say(saying, "fs.file-max", is, sockets, "sysctl -w fs.file-max=%" PRIu64, sockets);
	if (read_number("/proc/sys/net/core/somaxconn", "", 0, &is))
		say(saying, "net.core.somaxconn", is, BACKLOG, "sysctl -w net.core.somaxconn=%d", BACKLOG);
	if (read_number("/proc/sys/net/ipv4/tcp_max_syn_backlog", "", 0, &is))
		say(saying, "net.ipv4.tcp_max_syn_backlog", is, BACKLOG / 4, "sysctl -w net.ipv4.tcp_max_syn_backlog=%d", BACKLOG / 4);
	/* A page each: something waits for everybody when the network is slow. */
	if (read_number("/proc/sys/net/ipv4/tcp_mem", "", 2, &is))
		say(saying, "net.ipv4.tcp_mem, pages", is, sockets, "sysctl -w net.ipv4.tcp_mem='%" PRIu64 " %" PRIu64 " %" PRIu64 "'",
		    sockets / 2, sockets * 3 / 4, sockets);
	if (read_number("/proc/sys/net/netfilter/nf_conntrack_max", "", 0, &is))
		say(saying, "net.netfilter.nf_conntrack_max", is, sockets, "sysctl -w net.netfilter.nf_conntrack_max=%" PRIu64, sockets);
	if (read_number("/proc/meminfo", "MemTotal:", 0, &is))
		say(saying, "memory, bytes", is * 1024, sessions * SESSION_BYTES + BASE_BYTES, "another machine for some of them");
}

/* Sessions that are asked for, or that the file allows, or that there are descriptors for. */
static bool read_sessions(const struct cli *cli, const struct settings *settings, uint64_t *sessions)
{
	*sessions = settings->limits.connections ? (uint64_t)settings->limits.connections : quotas_clients_of(descriptors());
	return !cli->count || (cli->count == 1 && slice_to_u64(slice_of(cli->words[0]), sessions) && *sessions && *sessions <= UINT32_MAX);
}

int verb_check_limits(const struct cli *cli)
{
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};
	struct saying saying = {.wants_json = cli->json};
	uint64_t sessions;
	bool good;

	if (deployment_load(&deployment, cli, &why)) {
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
		return EXIT_PROBLEM;
	}
	good = read_sessions(cli, &deployment.settings, &sessions);
	deployment_fini(&deployment);
	if (!good) {
		fprintf(stderr, "jackdaw: check limits wants a number of sessions, such as 100000, or nothing\n");
		return EXIT_USAGE;
	}
	check_descriptors(&saying, sessions);
	check_kernel(&saying, sessions);
	if (saying.wants_json)
		printf("{\"ok\": %s, \"sessions\": %" PRIu64 ", \"limits\": [%s]}\n", saying.found ? "false" : "true", sessions,
		       buf_text(&saying.json));
	buf_fini(&saying.json);
	return saying.found ? EXIT_PROBLEM : EXIT_OK;
}
