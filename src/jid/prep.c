/* SPDX-License-Identifier: MIT */
/* Nodeprep, nameprep with IDNA and resourceprep: ASCII by table, the rest by libidn. */
#include "jid/prep.h"

#include <arpa/inet.h>
#include <idn-free.h>
#include <idna.h>
#include <stringprep.h>

enum { LABEL_MAX = 63 };

/* What ASCII becomes, 16 characters a row; a blank is refused. */
static const char local_map[] = "                                "
				" ! #$%  ()*+,-. 0123456789 ; = ?"
				" abcdefghijklmnopqrstuvwxyz[\\]^_"
				"`abcdefghijklmnopqrstuvwxyz{|}~ ";
static const char domain_map[] = "                                "
				 "             -. 0123456789      "
				 " abcdefghijklmnopqrstuvwxyz     "
				 " abcdefghijklmnopqrstuvwxyz     ";

enum ascii { ASCII_DONE, ASCII_REFUSED, ASCII_NOT };

/* Maps text into out, which has room for it. */
static enum ascii map_ascii(struct slice text, const char *map, char *out)
{
	for (size_t at = 0; at < text.len; at++) {
		unsigned char c = (unsigned char)text.data[at];

		if (c >= 0x80)
			return ASCII_NOT;
		if (map[c] == ' ')
			return ASCII_REFUSED;
		out[at] = map[c];
	}
	return ASCII_DONE;
}

/*
 * Stringprep maps and normalises once, which some texts need twice (Unicode PR 29 is one reason).
 * Two addresses must not become equal by being prepared again, so what does not settle at once is
 * refused.
 */
static size_t prep_wide(struct slice text, const Stringprep_profile *profile, char out[PREP_ROOM])
{
	char again[PREP_ROOM];

	if (text.len > JID_PART_MAX || memchr(text.data, '\0', text.len))
		return 0;
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	if (stringprep(out, PREP_ROOM, 0, profile) != STRINGPREP_OK)
		return 0;
	memcpy(again, out, strlen(out) + 1);
	if (stringprep(again, PREP_ROOM, 0, profile) != STRINGPREP_OK || strcmp(out, again) != 0)
		return 0;
	return strlen(out);
}

size_t prep_local(struct slice text, char out[PREP_ROOM])
{
	enum ascii rc;

	if (text.len == 0 || text.len > JID_PART_MAX)
		return 0;
	rc = map_ascii(text, local_map, out);
	if (rc == ASCII_NOT)
		return prep_wide(text, stringprep_xmpp_nodeprep, out);
	return rc == ASCII_DONE ? text.len : 0;
}

size_t prep_resource(struct slice text, char out[PREP_ROOM])
{
	if (text.len == 0 || text.len > JID_PART_MAX)
		return 0;
	for (size_t at = 0; at < text.len; at++) {
		unsigned char c = (unsigned char)text.data[at];

		if (c >= 0x80)
			return prep_wide(text, stringprep_xmpp_resourceprep, out);
		if (c < ' ' || c == 0x7f)
			return 0;
	}
	memcpy(out, text.data, text.len);
	return text.len;
}

/* IP-literals, in the one form that inet_ntop gives them. */
static size_t prep_ipv6(struct slice text, char out[PREP_ROOM])
{
	char inside[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = text.len - 2;

	if (text.len < 4 || len >= sizeof(inside) || text.data[text.len - 1] != ']')
		return 0;
	memcpy(inside, text.data + 1, len);
	inside[len] = '\0';
	if (strlen(inside) != len || inet_pton(AF_INET6, inside, &address) != 1)
		return 0;
	inet_ntop(AF_INET6, &address, inside, sizeof(inside));
	len = strlen(inside);
	out[0] = '[';
	memcpy(out + 1, inside, len);
	out[len + 1] = ']';
	return len + 2;
}

/* The labels of a mapped ASCII name, STD3 rules. *ace is set when one is in punycode. */
static bool labels_fit(const char *name, size_t len, bool *ace)
{
	size_t start = 0;

	for (size_t at = 0; at <= len; at++) {
		if (at < len && name[at] != '.')
			continue;
		if (at == start || at - start > LABEL_MAX || name[start] == '-' ||
		    name[at - 1] == '-')
			return false;
		*ace = *ace || (at - start > 4 && memcmp(name + start, "xn--", 4) == 0);
		start = at + 1;
	}
	return true;
}

/* name, mapped ASCII, in Unicode; checked to lead back to itself. */
static size_t decode(const char *name, char out[PREP_ROOM])
{
	char *wide = NULL, *back = NULL;
	size_t len = 0;

	if (idna_to_unicode_8z8z(name, &wide, 0) == IDNA_SUCCESS &&
	    idna_to_ascii_8z(wide, &back, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS &&
	    strcmp(name, back) == 0)
		len = strlen(wide);
	if (len > JID_PART_MAX)
		len = 0;
	if (len)
		memcpy(out, wide, len);
	idn_free(back);
	idn_free(wide);
	return len;
}

size_t prep_ascii(struct slice domain, char out[PREP_ROOM])
{
	char name[PREP_ROOM], *ascii = NULL;
	size_t len = 0;

	if (domain.len > JID_PART_MAX || memchr(domain.data, '\0', domain.len))
		return 0;
	memcpy(name, domain.data, domain.len);
	name[domain.len] = '\0';
	if (idna_to_ascii_8z(name, &ascii, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS)
		len = strlen(ascii);
	if (len > PREP_ROOM)
		len = 0;
	if (len)
		memcpy(out, ascii, len);
	idn_free(ascii);
	return len;
}

/* Through punycode and back, so that a name in Unicode and the same in punycode are one. */
static size_t prep_idn(struct slice text, char out[PREP_ROOM])
{
	char name[PREP_ROOM], ascii[PREP_ROOM];
	size_t len = prep_ascii(text, ascii);
	bool ace = false;

	if (len > 0 && ascii[len - 1] == '.')
		len--;
	if (len > JID_PART_MAX ||
	    map_ascii((struct slice){ascii, len}, domain_map, name) != ASCII_DONE)
		len = 0;
	name[len] = '\0';
	return len && labels_fit(name, len, &ace) ? decode(name, out) : 0;
}

size_t prep_domain(struct slice text, char out[PREP_ROOM])
{
	bool ace = false;
	enum ascii rc;

	if (text.len > 1 && text.data[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > JID_PART_MAX)
		return 0;
	if (text.data[0] == '[')
		return prep_ipv6(text, out);
	rc = map_ascii(text, domain_map, out);
	if (rc == ASCII_NOT)
		return prep_idn(text, out);
	if (rc == ASCII_REFUSED || !labels_fit(out, text.len, &ace))
		return 0;
	return ace ? prep_idn(text, out) : text.len;
}
