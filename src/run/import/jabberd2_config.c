/* SPDX-License-Identifier: MIT */
/* The keys of jabberd2 that have a counterpart. */
#include "run/import/jabberd2_config.h"

#include <string.h>
#include "run/import/jabberd2_file.h"
#include "xml/nad.h"

#define PORT_CLIENT "5222"
#define PORT_ROUTER "5347"

/* -- values -- */

static struct slice text_of(const struct jabberd2_config *config, enum jabberd2_part file,
			    const char *path, const char *preset)
{
	struct slice text = jabberd2_text(config->files[file], path);

	return text.len ? text : slice_of(preset);
}

void jabberd2_toml(struct buf *out, struct slice text)
{
	buf_append_char(out, '"');
	for (size_t at = 0; at < text.len; at++) {
		unsigned char c = (unsigned char)text.data[at];

		if (c == '"' || c == '\\')
			buf_append_char(out, '\\');
		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_char(out, (char)c);
	}
	buf_append_char(out, '"');
}

/* "0.0.0.0" and "::" are all addresses; one of IPv6 stands in brackets. */
static void append_address(struct buf *out, struct slice ip, struct slice port)
{
	AUTO(buf_fini) struct buf address = {0};
	bool any = !ip.len || slice_is(ip, "0.0.0.0") || slice_is(ip, "::");
	bool six = !any && memchr(ip.data, ':', ip.len);

	buf_append_text(&address, six ? "[" : "");
	if (!any)
		buf_append_slice(&address, ip);
	buf_append_text(&address, six ? "]:" : ":");
	buf_append_slice(&address, port);
	jabberd2_toml(out, buf_slice(&address));
}

/* For each <id/> of a file's <local/>. */
static int first_id(const struct nad *nad)
{
	int local = jabberd2_find(nad, 0, "local");

	return local < 0 ? -1 : nad_find_child(nad, local, NULL, "id");
}

static struct slice id_text(const struct nad *nad, int id)
{
	return jabberd2_trim(nad_cdata(nad, id));
}

static bool any_id_has(const struct nad *nad, const char *attr)
{
	struct slice value;

	for (int id = first_id(nad); id >= 0; id = nad_find_next(nad, id, NULL, "id")) {
		if (nad_attr(nad, id, NULL, attr, &value))
			return true;
	}
	return false;
}

static bool all_ids_have(const struct nad *nad, const char *attr)
{
	struct slice value;
	int id = first_id(nad);

	if (id < 0)
		return false;
	for (; id >= 0; id = nad_find_next(nad, id, NULL, "id")) {
		if (!nad_attr(nad, id, NULL, attr, &value))
			return false;
	}
	return true;
}

/* -- sections -- */

static bool has_id(const struct nad *nad, struct slice domain, int until)
{
	for (int id = first_id(nad); id >= 0 && id != until;
	     id = nad_find_next(nad, id, NULL, "id")) {
		if (slice_equal(id_text(nad, id), domain))
			return true;
	}
	return false;
}

/* Those of sm, which serves them, and of c2s, which may know more. */
static void append_domains(const struct jabberd2_config *config, struct buf *out)
{
	const struct nad *sm = config->files[JABBERD2_SM], *c2s = config->files[JABBERD2_C2S];
	const char *comma = "";

	buf_append_text(out, "domains = [");
	for (unsigned file = 0; file < 2; file++) {
		const struct nad *nad = file ? c2s : sm;

		for (int id = first_id(nad); id >= 0; id = nad_find_next(nad, id, NULL, "id")) {
			struct slice domain = id_text(nad, id);

			if (!domain.len || has_id(nad, domain, id) ||
			    (file && has_id(sm, domain, -1)))
				continue;
			buf_append_text(out, comma);
			jabberd2_toml(out, domain);
			comma = ", ";
		}
	}
	if (!*comma)
		jabberd2_toml(out, text_of(config, JABBERD2_SM, "id", "sm"));
	buf_append_text(out, "]\n");
}

static void append_pem(struct buf *out, struct slice pem, struct slice domain)
{
	static const char *const ends[] = {"crt", "key"};

	for (size_t at = 0; at < countof(ends); at++)
		buf_printf(out, "#   install -m 600 %.*s /etc/jackdaw/certs/%.*s.%s\n",
			   (int)pem.len, pem.data, (int)domain.len, domain.data, ends[at]);
}

static void append_tls(const struct jabberd2_config *config, struct buf *out)
{
	const struct nad *c2s = config->files[JABBERD2_C2S];
	struct slice all = jabberd2_text(c2s, "local/pemfile");
	bool required = all_ids_have(c2s, "require-starttls");

	buf_append_text(out, "\n[tls]\n"
			     "# A directory; without a certificate for a domain a self-signed one "
			     "is made.\n");
	if (all.len || any_id_has(c2s, "pemfile"))
		buf_append_text(out, "# A pemfile has certificate and key, and serves as both:\n");
	for (int id = first_id(c2s); id >= 0; id = nad_find_next(c2s, id, NULL, "id")) {
		struct slice pem = nad_attr_value(c2s, id, "pemfile");

		if (pem.len || all.len)
			append_pem(out, pem.len ? pem : all, id_text(c2s, id));
	}
	buf_append_text(out, "certificates = \"/etc/jackdaw/certs\"\n");
	if (!required)
		buf_append_text(out, "# As require-starttls was not said; true is better: no login "
				     "without TLS.\n");
	buf_printf(out, "required = %s\n", required ? "true" : "false");
}

/* A router on all addresses is one that only its own machine needs, when its parts find it there.
 */
static void append_router_address(const struct jabberd2_config *config, struct buf *out)
{
	struct slice ip = text_of(config, JABBERD2_ROUTER, "local/ip", "0.0.0.0");
	struct slice port = text_of(config, JABBERD2_ROUTER, "local/port", PORT_ROUTER);
	bool local = true;

	for (unsigned file = 0; file < JABBERD2_FILES; file++) {
		if (file != JABBERD2_ROUTER)
			local = local && slice_is(text_of(config, (enum jabberd2_part)file,
							  "router/ip", "127.0.0.1"),
						  "127.0.0.1");
	}
	if (local && slice_is(ip, "0.0.0.0")) {
		buf_append_text(out, "# router.xml has 0.0.0.0; all parts find it at 127.0.0.1\n");
		ip = SLICE("127.0.0.1");
	}
	buf_append_text(out, "router = [");
	append_address(out, ip, port);
	buf_append_text(out, "]\n");
}

static void append_listen(const struct jabberd2_config *config, struct buf *out)
{
	struct slice ip = text_of(config, JABBERD2_C2S, "local/ip", "0.0.0.0");
	struct slice port = text_of(config, JABBERD2_C2S, "local/port", PORT_CLIENT);
	struct slice tls = text_of(config, JABBERD2_C2S, "local/ssl-port", "0");

	buf_append_text(out, "\n[listen]\nclient = [");
	if (!slice_is(port, "0"))
		append_address(out, ip, port);
	buf_append_text(out, "]\nclient_tls = [");
	if (!slice_is(tls, "0"))
		append_address(out, ip, tls);
	buf_append_text(out, "]\n");
	append_router_address(config, out);
}

static void append_router(const struct jabberd2_config *config, struct buf *out)
{
	struct slice user = text_of(config, JABBERD2_C2S, "router/user", "jabberd");
	struct slice password = text_of(config, JABBERD2_C2S, "router/pass", "secret");
	AUTO(buf_fini) struct buf connect = {0};

	buf_append_text(out, "\n[router]\n# As single parts of ours find jabberd2's router, or "
			     "jabberd2's parts ours.\nconnect = ");
	append_address(&connect, text_of(config, JABBERD2_C2S, "router/ip", "127.0.0.1"),
		       text_of(config, JABBERD2_C2S, "router/port", PORT_ROUTER));
	buf_append_slice(out, buf_slice(&connect));
	buf_append_text(out, "\nuser = ");
	jabberd2_toml(out, user);
	buf_append_text(out, "\npassword = ");
	jabberd2_toml(out, password);
	buf_append_char(out, '\n');
	for (unsigned file = JABBERD2_SM; file < JABBERD2_FILES; file++) {
		enum jabberd2_part part = (enum jabberd2_part)file;

		if (part != JABBERD2_ROUTER &&
		    (!slice_equal(user, text_of(config, part, "router/user", "jabberd")) ||
		     !slice_equal(password, text_of(config, part, "router/pass", "secret"))))
			buf_printf(out, "# %s has another user or password: see [[router.login]]\n",
				   part == JABBERD2_SM ? "sm.xml" : "s2s.xml");
	}
	jabberd2_convert_router(config, user, out);
}

static void append_accounts(const struct jabberd2_config *config, struct buf *out)
{
	bool drop = jabberd2_find(config->files[JABBERD2_SM], 0, "offline/dropmessages") >= 0;

	buf_printf(out, "\n[accounts]\nregistration = \"%s\"\n",
		   any_id_has(config->files[JABBERD2_C2S], "register-enable") ? "open" : "closed");
	if (drop)
		buf_append_text(out, "\n[messages]\noffline = \"off\"\n");
}

static void append_limits(const struct jabberd2_config *config, struct buf *out)
{
	const struct nad *c2s = config->files[JABBERD2_C2S];
	int elem = jabberd2_find(c2s, 0, "io/limits/bytes");
	struct slice seconds = elem < 0 ? SLICE("") : nad_attr_value(c2s, elem, "seconds");
	long rate = jabberd2_number(text_of(config, JABBERD2_C2S, "io/limits/bytes", "0"));
	long stanza = jabberd2_number(text_of(config, JABBERD2_C2S, "io/limits/stanzasize", "0"));
	long per = jabberd2_number(seconds);

	buf_append_text(out, "\n[limits]\n");
	if (rate > 0)
		buf_printf(out, "client_rate = \"%ld B/s\"\n", rate / (per > 0 ? per : 1) + 1);
	else
		buf_append_text(out, "client_rate = \"off\"\n");
	/* Below 16384 jabberd2 itself might not work; of above, our burst must hold one. */
	if (stanza >= 16384 && stanza <= 512 << 10)
		buf_printf(out, "stanza = \"%ld B\"\n", stanza);
}

/* XEP-0114: jabberd2 has one secret for whatever name. */
static void append_components(const struct jabberd2_config *config, struct buf *out)
{
	struct slice secret = jabberd2_text(config->files[JABBERD2_ROUTER], "local/secret");

	if (!secret.len)
		return;
	buf_append_text(
		out, "\n# Bridges and bots, XEP-0114. jabberd2 has one secret for all of them and\n"
		     "# does not say their names; ours wants both, for each:\n"
		     "# [[component]]\n# name = \"irc.example.com\"\n# secret = ");
	jabberd2_toml(out, secret);
	buf_append_char(out, '\n');
}

void jabberd2_convert(const struct jabberd2_config *config, struct buf *out)
{
	buf_printf(out, "# Converted from jabberd2's files in %s. It has secrets: mode 0600.\n",
		   config->dir);
	append_domains(config, out);
	buf_append_text(out, "\n[data]\n# Users of jabberd2's database come in by: jackdaw import "
			     "jabberd2 DIR\ndir = \"/var/lib/jackdaw\"\n");
	append_tls(config, out);
	append_listen(config, out);
	append_router(config, out);
	append_accounts(config, out);
	append_limits(config, out);
	append_components(config, out);
}
