/* SPDX-License-Identifier: MIT */
/*
 * Bind 2, XEP-0386: a session begins with all that its client asks for, and hears how far the archive of its account reaches at that
 * very moment. What waits for who is away, and stands there, it will read there: that is forgotten.
 *
 * While a question waits for storage, its session.resume has the id of the session (key), for how long it can be resumed (seconds),
 * whether the archive is read (known), and the user's comings (in): a session that has its address or device since then came behind it,
 * and stays.
 */
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/archive.h"
#include "sm/modules/modules.h"
#include "sm/present.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { OP_METADATA, OP_OFFLINE = 2 };

/* XEP-0198 section 9.1; false: it does not want that. */
static bool reads_enable(const struct nad *request, uint32_t *seconds)
{
	int enable = nad_find_child(request, 0, NS_STREAM_MANAGEMENT, "enable");
	struct slice resume = enable < 0 ? SLICE("") : nad_attr_value(request, enable, "resume");
	uint64_t max;

	*seconds = 0;
	if (enable < 0)
		return false;
	if (slice_is(resume, "true") || slice_is(resume, "1"))
		*seconds = slice_to_u64(nad_attr_value(request, enable, "max"), &max) && max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
	return true;
}

static void answer(struct session *session, const struct packet *packet, const struct nad *inside)
{
	struct sm *sm = session->user->sm;
	struct packet *made = packet_answer(packet);

	made->session.action = SESSION_BOUND;
	str_free(&made->from);
	made->from = str_ref(sm->name);
	session_id_set(&made->sm, session->id);
	made->session.resume.known = session->enabled;
	made->session.resume.key = str_ref(session->key);
	made->session.resume.seconds = session->seconds;
	buf_clear(&made->session.text);
	if (inside)
		nad_print(inside, 0, NULL, &made->session.text);
	buf_append_char(&made->session.text, '\n');
	if (session->kept)
		present_snapshot(session, &made->session.text);
	link_send(sm->link, &made);
}

static struct nad *request_of(struct sm *sm, const struct packet *packet, struct slice *device)
{
	struct slice text = buf_slice(&packet->session.text);

	*device = slice_line(&text);
	return sm_element_parse(sm, text);
}

static bool is_overtaken(const struct user *user, const struct packet *packet, struct slice device)
{
	uint32_t coming = packet->session.resume.in;
	const struct session *session = user_find_session(user, packet->session.target);

	return (session && session_came_after(session, coming)) || device_has_come_after(user, device, coming);
}

/* txn: what was read of storage; NULL: there is no archive. */
static void begin(struct user *user, const struct packet *packet, const struct store_txn *txn)
{
	struct slice device;
	AUTO(nad_free) struct nad *request = request_of(user->sm, packet, &device), *inside = NULL;
	struct session *session = NULL;
	const struct store_row *rows;
	uint32_t seconds;
	size_t count;

	if (is_overtaken(user, packet, device))
		session_fail(user->sm, packet);
	else
		session = session_begin(user, packet);
	if (!session)
		return;
	session->coming = packet->session.resume.in;
	if (txn) {
		inside = nad_new();
		archive_append_metadata(txn, OP_METADATA, inside, 0);
		rows = store_rows(txn, OP_OFFLINE, &count);
		offline_forget_archived(user, rows, count);
	}
	modules_session_bind(session, request);
	if (session->ours && reads_enable(request, &seconds))
		resume_begin(session, seconds, packet->session.resume.key);
	device_begins(session, device);
	answer(session, packet, inside);
	sm_served(user->sm);
}

static bool reads_archive(const struct user *user)
{
	return archive_is_on(user->sm) && !user_is_anonymous(user);
}

static void ask(struct user *user, struct packet **packet, uint32_t seconds);

/* Where nothing can be written it begins all the same: only behind a kill nobody knows its id. */
static void asked(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	struct packet *packet = *lent;
	struct user *user = user_get(sm, packet->session.target);

	if (user && result && packet->session.resume.seconds) {
		ask(user, lent, 0);
	} else if (!user || result) {
		session_fail(sm, packet);
	} else {
		begin(user, packet, packet->session.resume.known ? txn : NULL);
	}
	if (user) {
		if (*lent)
			resume_reserved(user, packet->session.resume.key);
		user->pins--;
		user_rest(user);
	}
}

/* seconds: it can be resumed for so long, and its id is stored before anybody hears it; 0: no id is to be stored. */
static void ask(struct user *user, struct packet **packet, uint32_t seconds)
{
	struct store_txn *txn = store_txn_new();

	(*packet)->session.resume.known = reads_archive(user);
	if ((*packet)->session.resume.known) {
		archive_ask_metadata(txn, user);
		store_keys(txn, STORE_OFFLINE, jid_user(user->jid));
	}
	if (seconds)
		(*packet)->session.resume.key = resume_reserve(user, seconds, txn);
	(*packet)->session.resume.seconds = seconds;
	user->pins++;
	sm_store_packet(user->sm, &txn, packet, asked);
}

void session_bind(struct user *user, struct packet **packet)
{
	struct slice device;
	AUTO(nad_free) struct nad *request = request_of(user->sm, *packet, &device);
	uint32_t seconds = 0;

	str_free(&(*packet)->session.resume.key);
	(*packet)->session.resume.in = ++user->comings;
	if (request && (*packet)->ours)
		reads_enable(request, &seconds);
	if (!request || !user_is_allowed(user))
		session_fail(user->sm, *packet);
	else if (seconds || reads_archive(user))
		ask(user, packet, seconds);
	else
		begin(user, *packet, NULL);
	user_rest(user);
}
