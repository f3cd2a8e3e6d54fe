/* SPDX-License-Identifier: MIT */
#include "conn/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
	LINE_MAX_BYTES = 107, /* of version 1, with its end */
	SIGNATURE_BYTES = 12,
	FIXED_BYTES = 16, /* of version 2 */
	VERSION_2 = 2,
	COMMAND_LOCAL = 0,
	COMMAND_PROXY = 1,
	TCP_OVER_4 = 0x11,
	TCP_OVER_6 = 0x21,
};

static const char signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";

static bool may_begin_with(struct slice in, struct slice what)
{
	return memcmp(in.data, what.data, in.len < what.len ? in.len : what.len) == 0;
}

static void print_name(struct proxy_header *header, int family, const void *address, unsigned port)
{
	char host[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, address, host, sizeof(host));
	snprintf(header->name, sizeof(header->name), family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
}

/* -- version 1: a line ---------------------------------------------------------------------- */

/* Up to the next space or the end; *line goes on behind it. */
static struct slice next_word(struct slice *line)
{
	const char *space = line->len ? memchr(line->data, ' ', line->len) : NULL;
	struct slice word = {line->data, space ? (size_t)(space - line->data) : line->len};
	size_t used = word.len + (space ? 1 : 0);

	*line = (struct slice){line->data + used, line->len - used};
	return word;
}

static bool read_address(struct slice word, int family, struct in6_addr *address)
{
	char text[INET6_ADDRSTRLEN];

	if (!word.len || word.len >= sizeof(text) || memchr(word.data, '\0', word.len))
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return inet_pton(family, text, address) == 1;
}

static bool read_port(struct slice word, unsigned *port)
{
	uint64_t number;

	if (!slice_to_u64(word, &number) || number > UINT16_MAX || (word.len > 1 && word.data[0] == '0'))
		return false;
	*port = (unsigned)number;
	return true;
}

/* Behind "PROXY ". */
static bool read_line(struct slice line, struct proxy_header *header)
{
	struct slice protocol = next_word(&line);
	int family = slice_is(protocol, "TCP4") ? AF_INET : AF_INET6;
	struct in6_addr from, to;
	unsigned from_port, to_port;
	struct slice words[3];

	if (slice_is(protocol, "UNKNOWN")) {
		header->name[0] = '\0';
		return true;
	}
	if (family == AF_INET6 && !slice_is(protocol, "TCP6"))
		return false;
	for (size_t at = 0; at < countof(words); at++)
		words[at] = next_word(&line);
	if (!read_address(words[0], family, &from) || !read_address(words[1], family, &to) ||
	    !read_port(words[2], &from_port) || !read_port(line, &to_port))
		return false;
	print_name(header, family, &from, from_port);
	return true;
}

static int read_1(struct slice in, struct proxy_header *header)
{
	const struct slice begin = SLICE("PROXY ");
	struct slice some = {in.data, in.len < LINE_MAX_BYTES ? in.len : LINE_MAX_BYTES};
	const char *end = memchr(some.data, '\n', some.len);
	size_t len = end ? (size_t)(end - some.data) + 1 : 0;

	if (!end)
		return in.len < LINE_MAX_BYTES ? PROXY_MORE : PROXY_BAD;
	if (len < begin.len + 2 || end[-1] != '\r' ||
	    !read_line((struct slice){in.data + begin.len, len - begin.len - 2}, header))
		return PROXY_BAD;
	header->len = len;
	return 0;
}

/* -- version 2: bytes ----------------------------------------------------------------------- */

static unsigned read_u16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Both addresses, then both ports; what follows is not for us. */
static bool read_addresses(const uint8_t *bytes, size_t len, unsigned family, struct proxy_header *header)
{
	size_t size = family == TCP_OVER_4 ? 4 : 16;

	if (family != TCP_OVER_4 && family != TCP_OVER_6) {
		header->name[0] = '\0';
		return true;
	}
	if (len < 2 * size + 4)
		return false;
	print_name(header, family == TCP_OVER_4 ? AF_INET : AF_INET6, bytes, read_u16(bytes + 2 * size));
	return true;
}

static int read_2(struct slice in, struct proxy_header *header)
{
	const uint8_t *bytes = (const uint8_t *)in.data;
	unsigned command;
	size_t len;

	if (in.len > SIGNATURE_BYTES && bytes[SIGNATURE_BYTES] >> 4 != VERSION_2)
		return PROXY_BAD;
	if (in.len < FIXED_BYTES)
		return PROXY_MORE;
	command = bytes[SIGNATURE_BYTES] & 0xf;
	len = read_u16(bytes + FIXED_BYTES - 2);
	if (command > COMMAND_PROXY || len > PROXY_BYTES_MAX - FIXED_BYTES)
		return PROXY_BAD;
	if (in.len < FIXED_BYTES + len)
		return PROXY_MORE;
	if (!read_addresses(bytes + FIXED_BYTES, len, command == COMMAND_LOCAL ? 0 : bytes[SIGNATURE_BYTES + 1],
			    header))
		return PROXY_BAD;
	header->len = FIXED_BYTES + len;
	return 0;
}

int proxy_read(struct slice in, struct proxy_header *header)
{
	if (!in.len)
		return PROXY_MORE;
	if (may_begin_with(in, (struct slice){signature, sizeof(signature)}))
		return read_2(in, header);
	return may_begin_with(in, SLICE("PROXY ")) ? read_1(in, header) : PROXY_BAD;
}
