/* SPDX-License-Identifier: MIT */
/* Packets: making, owning, answering; the ids of sessions. */
#include "link/packet.h"

#include <stddef.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/stanza.h"

void session_id_set(struct session_id *id, uint64_t slot)
{
	id->place = (uint32_t)(slot >> 32);
	id->generation = (uint32_t)slot;
	id->len = SESSION_ID_OURS;
}

/* Hexadecimal without leading zeros: what crosses to another process has its ids printed, so not by printf. */
static char *print_hex(char *out, uint32_t value)
{
	unsigned shift = value ? (31 - (unsigned)__builtin_clz(value)) / 4 * 4 : 0;

	for (;; shift -= 4) {
		*out++ = "0123456789abcdef"[value >> shift & 15];
		if (!shift)
			return out;
	}
}

struct slice session_id_text(const struct session_id *id, char room[SESSION_ID_MAX])
{
	char *out = room;

	if (id->len != SESSION_ID_OURS)
		return (struct slice){id->text, id->len};
	out = print_hex(out, id->place >> 24);
	*out++ = '.';
	out = print_hex(out, id->place & 0xffffff);
	*out++ = '.';
	out = print_hex(out, id->generation);
	return (struct slice){room, (size_t)(out - room)};
}

/* One hexadecimal field as it is printed, up to its end sign; -1 when it is none or larger than max. */
static int64_t field(const char **at, const char *end, char stop, uint64_t max)
{
	uint64_t value = 0;
	const char *from = *at;

	for (; *at < end && **at != stop; (*at)++) {
		char c = **at;
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | (unsigned)digit;
		if (value > max)
			return -1;
	}
	if (*at == from || (stop && *at == end) || (*from == '0' && *at - from > 1))
		return -1;
	if (stop)
		(*at)++;
	return (int64_t)value;
}

static bool read_slot(struct slice text, uint64_t *slot)
{
	const char *at = text.data, *end = text.data + text.len;
	int64_t worker = field(&at, end, '.', 0xff);
	int64_t number = worker < 0 ? -1 : field(&at, end, '.', 0xffffff);
	int64_t generation = number < 0 ? -1 : field(&at, end, 0, 0xffffffff);

	*slot = (uint64_t)worker << 56 | (uint64_t)number << 32 | (uint64_t)generation;
	return generation >= 0;
}

bool session_id_take(struct session_id *id, struct slice text)
{
	uint64_t slot;

	if (text.len > SESSION_ID_MAX)
		return false;
	if (text.len && read_slot(text, &slot)) {
		session_id_set(id, slot);
		return true;
	}
	if (text.len)
		memcpy(id->text, text.data, text.len);
	id->len = (uint8_t)text.len;
	return true;
}

bool session_id_equal(const struct session_id *a, const struct session_id *b)
{
	if (a->len != b->len)
		return false;
	if (a->len == SESSION_ID_OURS)
		return session_id_slot(a) == session_id_slot(b);
	return memcmp(a->text, b->text, a->len) == 0;
}

static size_t size_of(enum packet_kind kind)
{
	switch (kind) {
	case PACKET_SESSION:
		return offsetof(struct packet, session) + sizeof(((struct packet *)NULL)->session);
	case PACKET_ACCOUNT:
		return offsetof(struct packet, account) + sizeof(((struct packet *)NULL)->account);
	case PACKET_MARKS:
		return sizeof(struct packet);
	default:
		return offsetof(struct packet, session);
	}
}

struct packet *packet_new(enum packet_kind kind, struct str *from, struct str *to)
{
	struct packet *packet = mem_zalloc(MEM_PACKET, size_of(kind));

	packet->kind = kind;
	packet->from = str_ref(from);
	packet->to = str_ref(to);
	return packet;
}

struct packet *packet_stanza(struct str *from, struct str *to, struct stanza **stanza)
{
	struct packet *packet = packet_new(PACKET_STANZA, from, to);

	packet->stanza = *stanza;
	*stanza = NULL;
	return packet;
}

struct packet *packet_session(struct str *from, struct str *to, enum session_action action)
{
	struct packet *packet = packet_new(PACKET_SESSION, from, to);

	packet->session.action = action;
	return packet;
}

static void free_session(struct packet *packet)
{
	jid_free(&packet->session.target);
	str_free(&packet->session.id);
	str_free(&packet->session.rest);
	str_free(&packet->session.end);
	buf_fini(&packet->session.text);
	str_free(&packet->session.resume.key);
}

static void free_account(struct packet *packet)
{
	jid_free(&packet->account.user);
	buf_wipe(&packet->account.keys);
}

void packet_free(struct packet **taken)
{
	struct packet *packet = *taken;

	*taken = NULL;
	if (!packet)
		return;
	str_free(&packet->from);
	str_free(&packet->to);
	str_free(&packet->via);
	stanza_free(&packet->stanza);
	if (packet->kind == PACKET_SESSION)
		free_session(packet);
	else if (packet->kind == PACKET_ACCOUNT)
		free_account(packet);
	mem_free(packet);
}

size_t packet_weight(const struct packet *packet)
{
	size_t weight = size_of(packet->kind);

	if (packet->stanza)
		weight += stanza_weight(packet->stanza);
	if (packet->kind == PACKET_SESSION)
		weight += str_slice(packet->session.id).len + str_slice(packet->session.rest).len + buf_used(&packet->session.text);
	else if (packet->kind == PACKET_ACCOUNT)
		weight += buf_used(&packet->account.keys);
	return weight;
}

void packet_pack(struct packet **packet)
{
	struct packet *from = *packet, *packed;
	size_t size = size_of(from->kind);

	if (!from->stanza)
		return;
	packed = mem_alloc(MEM_PACKET, size + stanza_packed_size(from->stanza));
	memcpy(packed, from, size);
	packed->stanza = stanza_pack(from->stanza, (char *)packed + size);
	stanza_free(&from->stanza);
	mem_free(from);
	*packet = packed;
}

void packet_unpack(struct packet **packet)
{
	struct packet *packed = *packet, *own;
	size_t size = size_of(packed->kind);

	if (!packed->stanza)
		return;
	own = mem_alloc(MEM_PACKET, size);
	memcpy(own, packed, size);
	own->stanza = stanza_unpack(packed->stanza);
	mem_free(packed);
	*packet = own;
}

static void answer_session(const struct packet *packet, struct packet *answer)
{
	answer->session.action = packet->session.action;
	answer->session.target = jid_ref(packet->session.target);
	answer->session.id = str_ref(packet->session.id);
	answer->session.rest = str_ref(packet->session.rest);
}

static void answer_account(const struct packet *packet, struct packet *answer)
{
	answer->account.verb = packet->account.verb;
	answer->account.user = jid_ref(packet->account.user);
	answer->account.token = packet->account.token;
	answer->account.answer = true;
}

struct packet *packet_answer(const struct packet *packet)
{
	struct packet *answer = packet_new(packet->kind, packet->to, packet->from);

	answer->c2s = packet->c2s;
	answer->sm = packet->sm;
	answer->ours = packet->ours;
	if (packet->kind == PACKET_SESSION)
		answer_session(packet, answer);
	else if (packet->kind == PACKET_ACCOUNT)
		answer_account(packet, answer);
	return answer;
}
