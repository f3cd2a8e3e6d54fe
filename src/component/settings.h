/* SPDX-License-Identifier: MIT */
/* The configuration file as a struct, filled by the option table settings_options (product.md is
 * its contract). */
#pragma once

#include "base/conf.h"
#include "base/log.h"
#include "storage/storage.h"

struct settings_component {
	const char *name, *secret;
};

enum settings_router_tls { ROUTER_TLS_OFF, ROUTER_TLS_STARTTLS, ROUTER_TLS_REQUIRED };

struct settings {
	struct conf_list domains, admins;
	struct {
		const char *dir;
	} data;
	struct {
		const char *certificates, *client_ca;
		bool required;
		int minimum; /* index into "1.2 1.3" */
	} tls;
	struct {
		struct conf_list client, client_tls, server, server_tls, https, http, router,
			trusted_proxies;
	} listen;
	struct {
		int64_t workers;
		bool split;
	} process;
	struct {
		const char *connect, *user, *password, *ca;
		int tls;
	} router;
	struct {
		const char *url;
		int durability; /* index into "full process" */
	} storage;
	struct {
		const char *from;
		int registration; /* index into "closed invite open" */
		struct conf_list mechanisms;
	} accounts;
	struct {
		int64_t archive_ms, offline_ms;
	} messages;
	struct {
		int64_t client_rate, client_burst, stanza, stanza_before_auth, time_to_login_ms,
			depth, attributes, sessions;
		int64_t connections, connections_per_address, memory;
		struct conf_list unlimited_from;
		struct conf_per_time login_attempts, registrations;
	} limits;
	struct {
		const char *to;
		int level, format, addresses;
	} log;
	struct {
		struct conf_list listen;
	} metrics;
	struct {
		int64_t resume_ms, ping_ms, ping_inactive_ms, ping_timeout_ms;
		struct conf_queue resume_queue;
	} sessions;
	struct conf_tables components;
};

enum { REGISTRATION_CLOSED, REGISTRATION_INVITE, REGISTRATION_OPEN };

enum { SETTINGS_WORKERS_MAX = 64, SETTINGS_FILE_MAX = 1 << 20 };

extern const struct conf_option settings_options[];

/* conf_parse() and conf_load() over the table, and what a table cannot check. */
int settings_parse(const char *name, struct slice text, struct settings *settings,
		   struct conf **conf, struct conf_error *error);
int settings_load(const char *path, struct settings *settings, struct conf **conf,
		  struct conf_error *error);

bool settings_serves(const struct settings *settings, struct slice domain);
