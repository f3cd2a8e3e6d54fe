/* SPDX-License-Identifier: MIT */
#include "token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include "sx/plugins.h"
#include "xml/nad.h"

#define NS_FAST "urn:xmpp:fast:0"

enum { LATE_MS = 60000 };

void token_prove(struct token *token, const struct sx *sx, const char *user, struct buf *out)
{
	AUTO(buf_fini) struct buf said = {0};
	unsigned char proof[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	buf_append_text(&said, "Initiator");
	if (!sx_tls_binding(sx, SX_TLS_EXPORTER, &said) ||
	    !HMAC(EVP_sha256(), token->text, (int)strlen(token->text), (const unsigned char *)buf_slice(&said).data, buf_used(&said), proof, &len))
		return;
	buf_append_text(out, user);
	buf_append_char(out, 0);
	buf_append(out, proof, len);
	token->count++;
}

void token_take(struct token *token, const struct nad *success, int64_t now_ms)
{
	int at = nad_find_child(success, 0, NS_FAST, "token");
	struct slice text = at < 0 ? SLICE("") : nad_attr_value(success, at, "token");

	token->asks = false;
	if (!text.len)
		return;
	snprintf(token->text, sizeof(token->text), "%.*s", (int)text.len, text.data);
	token->count = 0;
	token->told_ms = now_ms;
}

void token_lost(struct token *token, int64_t now_ms)
{
	if (token->asks)
		token->lost_ms = now_ms;
	token->asks = false;
}

bool token_may_be_another(const struct token *token)
{
	return token->lost_ms && token->lost_ms + LATE_MS > token->told_ms;
}

void token_request(struct token *token, bool used, struct buf *out)
{
	token->asks = !used;
	buf_append_text(out, "<request-token xmlns='" NS_FAST "' mechanism='" TOKEN_MECHANISM "'/>");
	if (used)
		buf_printf(out, "<fast xmlns='" NS_FAST "' count='%u'/>", token->count);
}
