/* SPDX-License-Identifier: MIT */
/* Packets as route XML, session-protocol.md: session attributes of jabberd2, and ours between our own. */
#include <stdio.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "link/table.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

static const char *const action_names[SESSION_ACTIONS] = {
	"start", "started", "end", "ended", "create", "created", "delete", "deleted", "replaced", "jackdaw-hello",
	"jackdaw-ack", "jackdaw-enable", "jackdaw-enabled", "jackdaw-detach", "jackdaw-resume", "jackdaw-resumed",
	"jackdaw-snapshot", "jackdaw-present", "jackdaw-presented", "jackdaw-attach", "jackdaw-disable", "jackdaw-allow",
	"jackdaw-disabled", "jackdaw-shed", "jackdaw-kicked", "jackdaw-crowded", "jackdaw-reach", "jackdaw-reached",
	"jackdaw-active", "jackdaw-inactive", "jackdaw-bind", "jackdaw-bound", "jackdaw-full", NULL,
};

#define ACTION_ACCOUNT "jackdaw-account"
#define ACTION_SETTLED "jackdaw-settled"
#define ACTION_TAKEN "jackdaw-taken"

/* -- printing -------------------------------------------------------------------------------------- */

static void attr(struct buf *out, const char *name, struct slice value)
{
	buf_append_char(out, ' ');
	buf_append_text(out, name);
	buf_append_text(out, "='");
	stanza_print_value(value, out);
	buf_append_char(out, '\'');
}

/* An action that nobody knows, on its way back (session-protocol.md section 5, row 6); row 1 comes first. */
static bool is_refused(const struct packet *packet)
{
	return packet->failed && packet->kind == PACKET_SESSION && packet->session.action == SESSION_UNKNOWN &&
	       packet->session.target;
}

static void print_ids(const struct packet *packet, struct buf *out)
{
	char room[SESSION_ID_MAX];

	if (packet->failed && !is_refused(packet))
		attr(out, "sc:failed", SLICE("1"));
	if (packet->sm.len)
		attr(out, "sc:sm", session_id_text(&packet->sm, room));
	if (packet->c2s.len)
		attr(out, "sc:c2s", session_id_text(&packet->c2s, room));
}

/* docs/protocol/ends.md */
static void print_end(const struct packet *packet, struct buf *out)
{
	const struct packet_end *end = &packet->end;

	if (end->from)
		buf_printf(out, " jd:from='%u'", end->from);
	if (end->to)
		buf_printf(out, " jd:to='%u' jd:ack='%llu'", end->to, (unsigned long long)end->ack);
	if (end->seq)
		buf_printf(out, " jd:seq='%llu'", (unsigned long long)end->seq);
	if (end->again)
		buf_append_text(out, " jd:again='1'");
	if (end->skip)
		buf_append_text(out, " jd:skip='1'");
	if (packet->via)
		attr(out, "jd:as", str_slice(packet->from));
}

static void print_stanza(const struct packet *packet, struct buf *out)
{
	AUTO(buf_fini) struct buf extra = {0};
	const struct origin *origin = &packet->stanza->origin;
	bool counted = packet->ours && origin->count && !origin->key;
	bool speaks = packet->ours || packet->end.from;

	if (packet->c2s.len || packet->sm.len) {
		buf_append_text(&extra, " xmlns:sc='" NS_LINK_SESSION "'");
		print_ids(packet, &extra);
	}
	if (speaks)
		buf_append_text(&extra, " xmlns:jd='" NS_JACKDAW "'");
	print_end(packet, &extra);
	if (counted)
		buf_printf(&extra, " jd:n='%u'", origin->count);
	else if (packet->ours && !packet->end.from)
		buf_append_text(&extra, " jd:ours='1'");
	if (origin->key && speaks) {
		buf_append_text(&extra, " jd:o='");
		origin_print(origin, &extra);
		buf_append_char(&extra, '\'');
	}
	if (speaks && packet->answer)
		buf_append_text(&extra, " jd:answer='1'");
	if (speaks && packet->held)
		buf_append_text(&extra, " jd:held='1'");
	stanza_print_route(packet->stanza, buf_slice(&extra), out);
}

static void open_session(const struct packet *packet, const char *action, struct buf *out)
{
	bool acts = packet->kind == PACKET_SESSION;

	buf_append_text(out, "<sc:session xmlns:sc='" NS_LINK_SESSION "'");
	if (acts && packet->session.id)
		attr(out, "id", str_slice(packet->session.id));
	if (acts && packet->session.target)
		attr(out, "target", jid_full(packet->session.target));
	if (action)
		attr(out, "action", slice_of(action));
	if (acts)
		buf_append_slice(out, str_slice(packet->session.rest));
	print_ids(packet, out);
	if (packet->ours || packet->end.from || (acts && packet->session.end))
		buf_append_text(out, " xmlns:jd='" NS_JACKDAW "'");
	if (packet->ours)
		buf_append_text(out, " jd:ours='1'");
	print_end(packet, out);
}

/* Of stream management: all that it may say is known. */
static bool is_ours(enum session_action action)
{
	return action >= SESSION_ENABLE && action < SESSION_UNKNOWN;
}

static void print_window(uint64_t window, struct buf *out)
{
	if (window)
		buf_printf(out, " window='%llu'", (unsigned long long)window);
}

static void print_resume(const struct packet_resume *resume, struct buf *out)
{
	if (resume->key)
		attr(out, "key", str_slice(resume->key));
	buf_printf(out, " seconds='%u' in='%u' settled='%u' handled='%u'", resume->seconds, resume->in, resume->settled,
		   resume->handled);
	print_window(resume->window, out);
	if (resume->known)
		attr(out, "known", SLICE("1"));
	if (resume->later)
		attr(out, "later", SLICE("1"));
	if (resume->fresh)
		attr(out, "fresh", SLICE("1"));
	if (resume->over)
		attr(out, "over", SLICE("1"));
}

/* To an end of ours. */
static bool has_text(enum session_action action)
{
	return action == SESSION_SNAPSHOT || action == SESSION_PRESENT || action == SESSION_STARTED || action == SESSION_RESUMED ||
	       action == SESSION_BIND || action == SESSION_BOUND || action == SESSION_HELLO;
}

static void print_text(const struct packet *packet, struct buf *out)
{
	buf_append_char(out, '>');
	if (has_text(packet->session.action))
		buf_append_xml(out, buf_slice(&packet->session.text));
	buf_append_text(out, "</sc:session>");
}

static void print_session(const struct packet *packet, struct buf *out)
{
	open_session(packet, action_names[packet->session.action], out);
	if (packet->session.end)
		attr(out, "jd:end", str_slice(packet->session.end));
	if (is_ours(packet->session.action))
		print_resume(&packet->session.resume, out);
	if (is_refused(packet))
		buf_append_text(out, " type='error'><error code='400' type='modify'><bad-request xmlns='" NS_STANZA_ERROR
				     "'/></error></sc:session>");
	else
		print_text(packet, out);
}

static void print_account(const struct packet *packet, struct buf *out)
{
	open_session(packet, ACTION_ACCOUNT, out);
	buf_printf(out, " verb='%u'", packet->account.verb);
	attr(out, "target", jid_full(packet->account.user)); /* a router that has several sm chooses by it, as for a start */
	buf_printf(out, " token='%llu'", (unsigned long long)packet->account.token);
	if (packet->account.answer)
		buf_printf(out, " result='%d'", packet->account.result);
	buf_append_char(out, '>');
	buf_append_xml(out, buf_slice(&packet->account.keys));
	buf_append_text(out, "</sc:session>");
}

static void print_count(const struct packet *packet, const char *action, struct buf *out)
{
	open_session(packet, action, out);
	buf_printf(out, " count='%u'", packet->count);
	print_window(packet->window, out);
	buf_append_text(out, "></sc:session>");
}

/* type: an attribute, with a leading blank. */
static void print_route(const struct packet *packet, const char *type, struct buf *out)
{
	struct str *from = packet->via ? packet->via : packet->from;

	buf_append_text(out, "<route xmlns='" NS_COMPONENT "'");
	buf_append_text(out, type);
	attr(out, "from", str_slice(from));
	attr(out, "to", str_slice(packet->to));
	buf_append_char(out, '>');
	switch (packet->kind) {
	case PACKET_STANZA:
		print_stanza(packet, out);
		break;
	case PACKET_SESSION:
		print_session(packet, out);
		break;
	case PACKET_ACCOUNT:
		print_account(packet, out);
		break;
	case PACKET_SETTLED:
		print_count(packet, ACTION_SETTLED, out);
		break;
	case PACKET_TAKEN:
		print_count(packet, ACTION_TAKEN, out);
		break;
	case PACKET_MARKS: /* stays within its process */
		break;
	}
	buf_append_text(out, "</route>");
}

void codec_print(const struct packet *packet, struct buf *out)
{
	print_route(packet, "", out);
}

void codec_print_log(const struct packet *packet, struct buf *out)
{
	print_route(packet, " type='log'", out);
}

/* -- reading --------------------------------------------------------------------------------------- */

static bool read_id(const struct nad *nad, int elem, const char *name, struct session_id *id)
{
	struct slice text;

	return !nad_attr(nad, elem, NS_LINK_SESSION, name, &text) || session_id_take(id, text);
}

static bool read_ids(const struct nad *nad, int elem, struct packet *packet)
{
	struct slice text;

	/* jabberd2's sm forgets the namespace of "failed" on stanzas (section 6.3); both forms say the same. */
	packet->failed = nad_attr(nad, elem, NS_LINK_SESSION, "failed", &text) || nad_attr(nad, elem, NULL, "failed", &text);
	packet->ours = nad_attr(nad, elem, NS_JACKDAW, "ours", &text) || nad_attr(nad, elem, NS_JACKDAW, "n", &text) ||
		       packet->end.to;
	packet->answer = nad_attr(nad, elem, NS_JACKDAW, "answer", &text);
	packet->held = nad_attr(nad, elem, NS_JACKDAW, "held", &text);
	return read_id(nad, elem, "c2s", &packet->c2s) && read_id(nad, elem, "sm", &packet->sm);
}

static bool read_stanza(const struct nad *nad, int elem, struct packet *packet)
{
	struct nad *copy = nad_copy(nad, elem);
	struct slice text;
	uint64_t count;

	if (stanza_from_nad(&copy, &packet->stanza) == STANZA_NOT_ONE)
		return false;
	if (nad_attr(nad, elem, NS_JACKDAW, "n", &text) && slice_to_u64(text, &count) && count <= UINT32_MAX)
		packet->stanza->origin = (struct origin){.session = session_id_slot(&packet->c2s), .count = (uint32_t)count};
	if (nad_attr(nad, elem, NS_JACKDAW, "o", &text) && !origin_read(text, &packet->stanza->origin))
		return false;
	return true;
}

static bool read_account(const struct nad *nad, int elem, struct packet *packet)
{
	struct slice result;
	uint64_t verb;

	packet->account.user = jid_parse(nad_attr_value(nad, elem, "target"));
	if (!packet->account.user || !slice_to_u64(nad_attr_value(nad, elem, "token"), &packet->account.token) ||
	    !slice_to_u64(nad_attr_value(nad, elem, "verb"), &verb) || verb > 255)
		return false;
	packet->account.verb = (unsigned)verb;
	if (nad_attr(nad, elem, NULL, "result", &result)) {
		bool fault = result.len && result.data[0] == '-';
		uint64_t number;

		result = fault ? (struct slice){result.data + 1, result.len - 1} : result;
		if (!slice_to_u64(result, &number) || number > 4095)
			return false;
		packet->account.answer = true;
		packet->account.result = fault ? -(int)number : (int)number;
	}
	buf_append_slice(&packet->account.keys, nad_cdata(nad, elem));
	return true;
}

/* An attribute that is a number; absent is 0. */
static bool read_u32(const struct nad *nad, int elem, const char *name, uint32_t *number)
{
	struct slice text;
	uint64_t value = 0;

	if (nad_attr(nad, elem, NULL, name, &text) && (!slice_to_u64(text, &value) || value > UINT32_MAX))
		return false;
	*number = (uint32_t)value;
	return true;
}

static bool read_window(const struct nad *nad, int elem, uint64_t *window)
{
	struct slice text;

	return !nad_attr(nad, elem, NULL, "window", &text) || slice_to_u64(text, window);
}

static bool read_count(const struct nad *nad, int elem, struct packet *packet)
{
	return nad_attr_value(nad, elem, "count").len && read_u32(nad, elem, "count", &packet->count) &&
	       read_window(nad, elem, &packet->window);
}

static bool read_resume(const struct nad *nad, int elem, struct packet_resume *resume)
{
	struct slice text;

	if (nad_attr(nad, elem, NULL, "key", &text))
		resume->key = str_new(text);
	resume->known = nad_attr(nad, elem, NULL, "known", &text);
	resume->later = nad_attr(nad, elem, NULL, "later", &text);
	resume->fresh = nad_attr(nad, elem, NULL, "fresh", &text);
	resume->over = nad_attr(nad, elem, NULL, "over", &text);
	return read_window(nad, elem, &resume->window) && read_u32(nad, elem, "seconds", &resume->seconds) && read_u32(nad, elem, "in", &resume->in) &&
	       read_u32(nad, elem, "settled", &resume->settled) && read_u32(nad, elem, "handled", &resume->handled);
}

static enum session_action action_of(struct slice name)
{
	for (enum session_action action = 0; action < SESSION_UNKNOWN; action++) {
		if (slice_is(name, action_names[action]))
			return action;
	}
	return SESSION_UNKNOWN;
}

static bool is_read(const struct packet *packet, struct slice name)
{
	if (slice_is(name, "action"))
		return packet->session.action != SESSION_UNKNOWN;
	if (slice_is(name, "target"))
		return packet->session.target != NULL;
	return slice_is(name, "id") || slice_is(name, "type");
}

/* jabberd2's sm gives back what it does not know (section 1). */
static struct str *read_rest(const struct nad *nad, int elem, const struct packet *packet)
{
	AUTO(buf_fini) struct buf out = {0};
	struct nad_attr other;

	for (int at = -1; nad_attr_next(nad, elem, &at, &other);) {
		AUTO(buf_fini) struct buf name = {0};

		if (other.uri.len || is_read(packet, other.name))
			continue;
		buf_append_slice(&name, other.name);
		attr(&out, buf_text(&name), other.value);
	}
	return buf_used(&out) ? str_new(buf_slice(&out)) : NULL;
}

static bool read_action(const struct nad *nad, int elem, struct packet *packet)
{
	struct slice text;

	if (nad_attr(nad, elem, NULL, "target", &text))
		packet->session.target = jid_parse(text);
	if (nad_attr(nad, elem, NULL, "id", &text))
		packet->session.id = str_new(text);
	if (nad_attr(nad, elem, NS_JACKDAW, "end", &text))
		packet->session.end = str_new(text);
	/* What jabberd2's sm makes of an action that it does not know (section 5, row 6). */
	if (slice_is(nad_attr_value(nad, elem, "type"), "error"))
		packet->failed = true;
	packet->session.action = action_of(nad_attr_value(nad, elem, "action"));
	if (has_text(packet->session.action))
		buf_append_slice(&packet->session.text, nad_cdata(nad, elem));
	if (!is_ours(packet->session.action))
		packet->session.rest = read_rest(nad, elem, packet);
	return !is_ours(packet->session.action) || read_resume(nad, elem, &packet->session.resume);
}

static enum packet_kind kind_of(const struct nad *nad, int elem)
{
	struct slice action;

	if (!nad_is(nad, elem, NS_LINK_SESSION, "session"))
		return PACKET_STANZA;
	action = nad_attr_value(nad, elem, "action");
	if (slice_is(action, ACTION_ACCOUNT))
		return PACKET_ACCOUNT;
	if (slice_is(action, ACTION_SETTLED))
		return PACKET_SETTLED;
	return slice_is(action, ACTION_TAKEN) ? PACKET_TAKEN : PACKET_SESSION;
}

static bool read_content(const struct nad *nad, int elem, struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_STANZA:
		return read_stanza(nad, elem, packet);
	case PACKET_ACCOUNT:
		return read_account(nad, elem, packet);
	case PACKET_SETTLED:
	case PACKET_TAKEN:
		return read_count(nad, elem, packet);
	default:
		return read_action(nad, elem, packet);
	}
}

/* The name that is bound there: of an address only the prepared domain counts. */
static struct str *read_name(struct link *link, const struct nad *nad, const char *attr)
{
	struct slice address = nad_attr_value(nad, 0, attr);
	struct route *route = route_find(link, address);

	return route ? str_ref(route->name) : str_new(address);
}

/* What comes back is an error, whatever the attribute says. */
static uint16_t read_error(const struct nad *nad)
{
	struct slice text;
	uint64_t error;

	if (!nad_attr(nad, 0, NULL, "error", &text))
		return 0;
	return slice_to_u64(text, &error) && error > 0 && error < 1000 ? (uint16_t)error : 500;
}

/* Any of them: who takes the first only is not the only one who reads. */
bool codec_is_account(const struct nad *route)
{
	for (int elem = nad_first_child(route, 0); elem >= 0; elem = nad_next_sibling(route, elem)) {
		if (nad_is(route, elem, NS_LINK_SESSION, "session") &&
		    slice_is(nad_attr_value(route, elem, "action"), ACTION_ACCOUNT))
			return true;
	}
	return false;
}

/* False when it is there and is none. */
static bool read_number(const struct nad *nad, int elem, const char *name, uint64_t max, uint64_t *number)
{
	struct slice text;

	return !nad_attr(nad, elem, NS_JACKDAW, name, &text) || (slice_to_u64(text, number) && *number <= max);
}

static bool read_end(struct link *link, const struct nad *nad, int elem, struct packet *packet)
{
	struct packet_end *end = &packet->end;
	uint64_t from = 0, to = 0;
	struct slice text;

	if (!read_number(nad, elem, "from", UINT32_MAX, &from) || !read_number(nad, elem, "to", UINT32_MAX, &to))
		return false;
	if (!from)
		return true;
	if (!read_number(nad, elem, "seq", UINT64_MAX - 1, &end->seq) ||
	    (to && !read_number(nad, elem, "ack", UINT64_MAX - 1, &end->ack)))
		return false;
	end->from = (uint32_t)from;
	end->to = (uint32_t)to;
	end->again = nad_attr(nad, elem, NS_JACKDAW, "again", &text);
	end->skip = nad_attr(nad, elem, NS_JACKDAW, "skip", &text);
	if (nad_attr(nad, elem, NS_JACKDAW, "as", &text)) {
		packet->via = packet->from;
		packet->from = link_name(link, text);
	}
	return true;
}

struct packet *codec_read(struct link *link, const struct nad *route)
{
	int elem = nad_first_child(route, 0);
	struct packet *packet;

	if (elem < 0)
		return NULL;
	packet = packet_new(kind_of(route, elem), NULL, NULL);
	packet->from = read_name(link, route, "from");
	packet->to = read_name(link, route, "to");
	packet->relayed = true;
	packet->error = read_error(route);
	if (!read_end(link, route, elem, packet) || !read_ids(route, elem, packet) || !read_content(route, elem, packet))
		packet_free(&packet);
	return packet;
}
