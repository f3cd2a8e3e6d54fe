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

struct settings_login {
	const char *name, *password;
	struct conf_list may; /* "bind", "default-route", "log", "all" */
};

struct settings_alias {
	const char *name, *target;
};

struct settings_rule {
	const char *from, *to, *what, *error, *redirect;
	bool log;
};

enum settings_router_tls { ROUTER_TLS_OFF, ROUTER_TLS_STARTTLS, ROUTER_TLS_REQUIRED };

struct settings {
	struct conf_list domains, admins;
	struct {
		const char *dir;
	} data;
	struct {
		const char *certificates, *client_ca;
		bool required, client_email;
		int minimum; /* index into "1.2 1.3" */
	} tls;
	struct {
		struct conf_list client, client_tls, server, server_tls, https, http, router,
			trusted_proxies;
	} listen;
	struct {
		int64_t workers;
		bool split, sandbox;
		const char *user; /* whom root becomes; "": nobody else */
		struct conf_list readable;
	} process;
	struct {
		const char *connect, *user, *password, *ca;
		int tls;
		struct conf_tables logins, aliases, rules;
		int64_t rate, burst;
		struct conf_per_time connects;
		struct conf_list allow;
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
		const char *file;
		int to, level, format, addresses; /* enum log_to and its like */
	} log;
	struct {
		struct conf_list listen;
	} metrics;
	struct {
		int64_t resume_ms, ping_ms, ping_inactive_ms, ping_timeout_ms;
		struct conf_queue resume_queue;
	} sessions;
	struct {
		struct conf_list abuse, admin, feedback, sales, security, status, support;
	} contact;
	struct conf_tables components;
};

enum { REGISTRATION_CLOSED, REGISTRATION_INVITE, REGISTRATION_OPEN };

enum { SETTINGS_WORKERS_MAX = 64, SETTINGS_FILE_MAX = 1 << 20, SETTINGS_MEMORY_MIN = 1 << 20 };
enum { SETTINGS_DEPTH_MIN = 4, SETTINGS_ATTRIBUTES_MIN = 8 }; /* a roster item, a stream header */

extern const struct conf_option settings_options[];

/* conf_parse() and conf_load() over the table, and what a table cannot check. */
int settings_parse(const char *name, struct slice text, struct settings *settings,
		   struct conf **conf, struct conf_error *error);
int settings_load(const char *path, struct settings *settings, struct conf **conf,
		  struct conf_error *error);

/*
 * What stands together, of settings that come from two files: those of a reload and, of what needs
 * a restart, those in force. Only the text of *error is filled.
 */
int settings_check(const struct settings *settings, struct conf_error *error);

/* The condition of a rule, an enum stanza_error; -1 when there is none of that name. */
int settings_condition(const char *name);

/* The address of an entry of metrics.listen, "sm 127.0.0.1:9101"; *name is whose it is, "" everybody's. */
const char *settings_metrics_address(const char *entry, struct slice *name);

bool settings_serves(const struct settings *settings, struct slice domain);
bool settings_is_admin(const struct settings *settings, struct slice account); /* a bare address; it is in admins */
bool settings_offers(const struct settings *settings, const char *mechanism); /* it is in accounts.mechanisms */
