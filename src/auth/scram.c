/* SPDX-License-Identifier: MIT */
/*
 * SCRAM, server side.
 *
 *   C: n,,n=user,r=NONCE                    gs2 header, then the "bare" message
 *   S: r=NONCEnonce,s=SALT,i=ROUNDS,h=OFFERED,t=TLS     XEP-0474: the hash of what we offered; XEP-0515: under which TLS
 *   C: c=HEADER,r=NONCEnonce,p=PROOF        behind the header what the channel is known by
 *   S: v=SIGNATURE
 *
 * The header begins with "n": the client cannot bind to its channel, "y": it could, but believes
 * that we cannot, or "p=TYPE": it does.
 */
#include "auth/scram.h"

#include "auth/keys.h"
#include "base/mem.h"

void scram_fini(struct scram *scram)
{
	buf_fini(&scram->offered);
	buf_fini(&scram->client_first);
	buf_fini(&scram->user);
	buf_fini(&scram->authzid);
	buf_fini(&scram->server_first);
	mem_wipe(&scram->key, sizeof(scram->key));
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Takes "x=value" and the comma behind it off the front; something must follow a comma. "m" asks
 * for an extension that the server must know: we know none.
 */
static bool take_attribute(struct slice *text, char *name, struct slice *value)
{
	const char *comma = text->len ? memchr(text->data, ',', text->len) : NULL;
	size_t len = comma ? (size_t)(comma - text->data) : text->len;
	size_t used = len + (comma ? 1 : 0);

	if (len < 3 || !is_alpha(text->data[0]) || text->data[0] == 'm' || text->data[1] != '=')
		return false;
	if (comma && used == text->len)
		return false;
	*name = text->data[0];
	*value = (struct slice){text->data + 2, len - 2};
	text->data += used;
	text->len -= used;
	return true;
}

static bool take_named(struct slice *text, char wanted, struct slice *value)
{
	char name = 0;

	return take_attribute(text, &name, value) && name == wanted;
}

static bool skip_extensions(struct slice *text)
{
	struct slice value;
	char name;

	while (text->len > 0)
		if (!take_attribute(text, &name, &value))
			return false;
	return true;
}

/* A saslname: "=2C" is a comma, "=3D" an equals sign, no other "=" is allowed. */
static bool decode_name(struct slice name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		struct slice code = {name.data + i, name.len - i < 3 ? name.len - i : 3};

		if (name.data[i] != '=') {
			buf_append_char(out, name.data[i]);
			continue;
		}
		if (!slice_is(code, "=2C") && !slice_is(code, "=3D"))
			return false;
		buf_append_char(out, slice_is(code, "=2C") ? ',' : '=');
		i += 2;
	}
	return name.len > 0;
}

static bool is_nonce(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x21 || text.data[i] > 0x7e)
			return false;
	return text.len > 0;
}

static const struct auth_binding *find_binding(const struct auth_channel *channel,
					       struct slice name)
{
	for (unsigned type = 0; channel && type < AUTH_BINDINGS; type++)
		if (channel->bindings[type].len &&
		    slice_is(name, auth_binding_name((enum auth_binding_type)type)))
			return &channel->bindings[type];
	return NULL;
}

/* "n," or "y," or "p=TYPE,": cut off the front of text. */
static int take_binding_flag(struct scram *scram, struct slice *text)
{
	char flag = text->len ? text->data[0] : 0;
	struct slice type;

	if (scram->binds) {
		if (!take_named(text, 'p', &type))
			return SCRAM_MALFORMED;
		scram->binding = find_binding(scram->channel, type);
		return scram->binding ? 0 : SCRAM_UNBOUND;
	}
	if (text->len < 2 || (flag != 'n' && flag != 'y') || text->data[1] != ',')
		return SCRAM_MALFORMED;
	text->data += 2;
	text->len -= 2;
	if (flag == 'y' && scram->channel && auth_channel_binds(scram->channel))
		return SCRAM_STRIPPED;
	return 0;
}

/* "," or "a=NAME,": the rest of the header. */
static bool take_authzid(struct slice *text, struct buf *authzid)
{
	struct slice name;

	if (text->len && text->data[0] == ',') {
		text->data++;
		text->len--;
		return true;
	}
	return take_named(text, 'a', &name) && text->len > 0 && decode_name(name, authzid);
}

int scram_first(struct scram *scram, struct slice message)
{
	struct slice text, user, nonce;
	const char *start;
	int rc;

	if (message.len == 0 || memchr(message.data, 0, message.len))
		return SCRAM_MALFORMED;
	buf_append_slice(&scram->client_first, message);
	text = buf_slice(&scram->client_first);
	start = text.data;
	rc = take_binding_flag(scram, &text);
	if (rc)
		return rc;
	if (!take_authzid(&text, &scram->authzid))
		return SCRAM_MALFORMED;
	scram->gs2_len = (size_t)(text.data - start);
	if (!take_named(&text, 'n', &user) || !decode_name(user, &scram->user) ||
	    !take_named(&text, 'r', &nonce) || !is_nonce(nonce) || !skip_extensions(&text))
		return SCRAM_MALFORMED;
	scram->nonce_at = (size_t)(nonce.data - start);
	scram->nonce_len = nonce.len;
	return 0;
}

static void put_offered(struct scram *scram)
{
	uint8_t digest[64];

	if (!buf_used(&scram->offered))
		return;
	auth_digest_of(scram->hash, buf_slice(&scram->offered), digest);
	buf_append_text(&scram->server_first, ",h=");
	buf_append_base64(&scram->server_first,
			  (struct slice){(const char *)digest, auth_hash_size(scram->hash)});
}

static void put_tls(struct scram *scram)
{
	if (scram->channel && scram->channel->tls)
		buf_printf(&scram->server_first, ",t=%04x", scram->channel->tls);
}

struct slice scram_challenge(struct scram *scram, struct slice nonce, const struct auth_key *key)
{
	struct buf *out = &scram->server_first;

	scram->key = *key;
	buf_append_text(out, "r=");
	buf_append(out, buf_slice(&scram->client_first).data + scram->nonce_at, scram->nonce_len);
	buf_append_slice(out, nonce);
	scram->whole_nonce_len = scram->nonce_len + nonce.len;
	buf_append_text(out, ",s=");
	buf_append_base64(out, (struct slice){(const char *)key->salt, key->salt_len});
	buf_printf(out, ",i=%u", key->rounds);
	put_offered(scram);
	put_tls(scram);
	return buf_slice(out);
}

/* The AuthMessage; text is the client's final message up to the comma before its proof. */
static void put_auth_message(const struct scram *scram, struct slice text, struct buf *out)
{
	struct slice first = buf_slice(&scram->client_first);

	buf_append(out, first.data + scram->gs2_len, first.len - scram->gs2_len);
	buf_append_char(out, ',');
	buf_append_slice(out, buf_slice(&scram->server_first));
	buf_append_char(out, ',');
	buf_append_slice(out, text);
}

static bool proof_is_right(const struct scram *scram, struct slice auth_message, struct slice proof)
{
	size_t size = auth_hash_size(scram->hash);
	uint8_t client_key[64], digest[64];
	bool right;

	auth_hmac(scram->hash, (struct slice){(const char *)scram->key.stored, size}, auth_message,
		  client_key);
	for (size_t i = 0; i < size; i++)
		client_key[i] ^= (uint8_t)proof.data[i];
	auth_digest_of(scram->hash, (struct slice){(char *)client_key, size}, digest);
	right = slice_equal_secret((struct slice){(char *)digest, size},
				   (struct slice){(const char *)scram->key.stored, size});
	mem_wipe(client_key, sizeof(client_key));
	return right;
}

/* "c=", "r=" and what may follow, then "p=" at the end; unproven is the text before ",p=". */
static bool split_final(struct slice message, struct slice *binding, struct slice *nonce,
			struct slice *proof, struct slice *unproven)
{
	struct slice text = message;
	char name = 0;

	if (memchr(message.data, 0, message.len))
		return false;
	if (!take_named(&text, 'c', binding) || !take_named(&text, 'r', nonce))
		return false;
	while (name != 'p') {
		*unproven = (struct slice){message.data, (size_t)(text.data - message.data)};
		if (!take_attribute(&text, &name, proof))
			return false;
	}
	unproven->len--; /* the comma */
	return text.len == 0;
}

/* The header as it came, and what we know the channel by. */
static bool is_bound(const struct scram *scram, struct slice claimed)
{
	AUTO(buf_fini) struct buf wanted = {0};

	buf_append(&wanted, buf_slice(&scram->client_first).data, scram->gs2_len);
	if (scram->binding)
		buf_append(&wanted, scram->binding->data, scram->binding->len);
	return slice_equal_secret(claimed, buf_slice(&wanted));
}

int scram_final(struct scram *scram, struct slice message, struct buf *out)
{
	struct slice binding, nonce, proof, unproven;
	struct slice whole_nonce = {buf_slice(&scram->server_first).data + 2,
				    scram->whole_nonce_len};
	size_t size = auth_hash_size(scram->hash);
	AUTO(buf_fini) struct buf binding_bytes = {0}, proof_bytes = {0}, auth_message = {0};
	uint8_t signature[64];

	if (message.len == 0 || !split_final(message, &binding, &nonce, &proof, &unproven) ||
	    !buf_append_unbase64(&binding_bytes, binding) ||
	    !buf_append_unbase64(&proof_bytes, proof) || buf_used(&proof_bytes) != size)
		return SCRAM_MALFORMED;
	put_auth_message(scram, unproven, &auth_message);
	if (!is_bound(scram, buf_slice(&binding_bytes)))
		return SCRAM_UNBOUND;
	if (!slice_equal_secret(nonce, whole_nonce) ||
	    !proof_is_right(scram, buf_slice(&auth_message), buf_slice(&proof_bytes)))
		return SCRAM_WRONG;
	auth_hmac(scram->hash, (struct slice){(const char *)scram->key.server, size},
		  buf_slice(&auth_message), signature);
	buf_append_text(out, "v=");
	buf_append_base64(out, (struct slice){(char *)signature, size});
	return 0;
}
