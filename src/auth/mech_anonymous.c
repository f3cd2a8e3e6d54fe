/* SPDX-License-Identifier: MIT */
/*
 * The mechanism ANONYMOUS, RFC 4505, as XEP-0175 has it: whoever asks gets a name that nobody had before, and that no account
 * can have. What the client says of itself is for tracing alone, and there is nothing here to trace: it is checked and dropped.
 */
#include "auth/engine.h"

#include "base/utf8.h"
#include "jid/jid.h"
#include "mio/mio.h"

enum { TRACE_CHARACTERS_MAX = 255, UUID_BYTES = 16, UUID_LEN = 36 };

static const char prefix[] = "anonymous-";

/* Hyphens stand before these bytes of a UUID. */
static bool begins_group(unsigned byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

/* One of version 4, RFC 4122 section 4.4. */
static void append_uuid(struct mio *mio, struct buf *out)
{
	unsigned char bytes[UUID_BYTES];

	mio_random(mio, bytes, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (unsigned at = 0; at < UUID_BYTES; at++) {
		if (begins_group(at))
			buf_append_char(out, '-');
		buf_append_hex(out, &bytes[at], 1);
	}
}

static bool is_uuid(struct slice text)
{
	if (text.len != UUID_LEN)
		return false;
	for (size_t at = 0; at < UUID_LEN; at++) {
		char c = text.data[at];
		bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;

		if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

bool auth_is_anonymous(const struct jid *user)
{
	struct slice name = jid_local(user);
	size_t len = sizeof(prefix) - 1;

	return name.len > len && memcmp(name.data, prefix, len) == 0 &&
	       is_uuid((struct slice){name.data + len, name.len - len});
}

static bool is_trace(struct slice message)
{
	unsigned count = 0;

	while (message.len) {
		size_t len = utf8_first(message);

		if (!len || !*message.data || ++count > TRACE_CHARACTERS_MAX)
			return false;
		message.data += len;
		message.len -= len;
	}
	return true;
}

static void anonymous_step(struct auth_login *login, struct slice message)
{
	AUTO(buf_fini) struct buf name = {0};

	if (!is_trace(message)) {
		login_fail(login, AUTH_MALFORMED_REQUEST, "this is no message of ANONYMOUS");
		return;
	}
	buf_append_text(&name, prefix);
	append_uuid(login->auth->mio, &name);
	login->user = jid_make(buf_slice(&name), str_slice(login->domain), (struct slice){0});
	login_succeed(login, (struct slice){0});
}

/* It asks for no account. */
static void anonymous_found(struct auth_login *login, const struct auth_account *account)
{
}

static void anonymous_end(struct auth_login *login)
{
}

const struct auth_mechanism auth_anonymous = {
	.name = "ANONYMOUS",
	.how = "SASL/ANONYMOUS",
	.anonymous = true,
	.step = anonymous_step,
	.found = anonymous_found,
	.fini = anonymous_end,
};
