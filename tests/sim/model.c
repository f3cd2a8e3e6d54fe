/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned user_of(unsigned device)
{
	return device / DEVICES_OF_USER;
}

static const struct standing *standing_of(const struct model *model, unsigned user, unsigned which)
{
	return &model->standing[user * DEVICES_OF_USER + which];
}

void model_init(struct model *model, struct scene *scene, const struct deployment *deployment)
{
	memset(model, 0, sizeof(*model));
	model->deployment = deployment;
	model->scene = scene;
}

void model_fini(struct model *model)
{
	free(model->messages);
	model->messages = NULL;
}

/* -- standings ------------------------------------------------------------------------------------ */

static void stand(struct model *model, unsigned device, enum presence_known known)
{
	struct standing *standing = &model->standing[device];

	model->change[user_of(device)]++;
	if (standing->known != known)
		standing->since_ms = sim_now_ms(model->scene->sim);
	standing->known = known;
}

void model_ghost(struct model *model, unsigned device, int64_t until_ms)
{
	model->standing[device].ghost_ms = until_ms;
}

void model_unsure(struct model *model, unsigned device)
{
	stand(model, device, KNOWN_UNSURE);
}

void model_present(struct model *model, unsigned device, unsigned session, int priority)
{
	stand(model, device, KNOWN_PRESENT);
	model->standing[device].session = session;
	model->standing[device].priority = priority;
	model->standing[device].lossy = false;
}

void model_absent(struct model *model, unsigned device)
{
	stand(model, device, KNOWN_ABSENT);
	model->standing[device].lossy = false;
}

static void excuse(struct model *model, int user)
{
	for (unsigned at = model->first; at < model->count; at++) {
		struct message *message = &model->messages[at];

		if (message->to_user == user && !message->receipts)
			message->excused = true;
	}
}

void model_lossy(struct model *model, unsigned device)
{
	model->standing[device].lossy = true;
	excuse(model, (int)user_of(device));
}

static bool is_lossy(const struct model *model, unsigned user)
{
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		if (standing_of(model, user, at)->lossy)
			return true;
	}
	return false;
}

void model_new_session(struct model *model, unsigned device)
{
	memset(model->order[device], 0, sizeof(model->order[device]));
	model->standing[device].copies = false;
}

void model_copies(struct model *model, unsigned device)
{
	model->standing[device].copies = true;
}

/* Whether it is certain who of a user was there for a message from when it was said until now. */
static bool is_certain(const struct model *model, const struct message *message, unsigned user)
{
	if (deployment_was_without_sm(model->deployment, message->said_ms))
		return false;
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		const struct standing *standing = standing_of(model, user, at);

		if (standing->known == KNOWN_UNSURE || standing->ghost_ms >= message->said_ms || (standing->since_ms >= message->said_ms && standing->since_ms))
			return false;
	}
	return true;
}

/* -- saying --------------------------------------------------------------------------------------- */

unsigned model_said(struct model *model, unsigned device, unsigned to_user, int to_device)
{
	struct message *message;

	if (model->count == model->cap) {
		model->cap = model->cap ? model->cap * 2 : 256;
		model->messages = realloc(model->messages, model->cap * sizeof(*message));
	}
	message = &model->messages[model->count];
	*message = (struct message){.from = (uint8_t)device, .to_user = (uint8_t)to_user, .to_device = (int8_t)to_device,
				    .said_ms = sim_now_ms(model->scene->sim), .excused = is_lossy(model, to_user)};
	return model->count++;
}

static bool is_sure(const struct model *model, unsigned user)
{
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		if (standing_of(model, user, at)->known == KNOWN_UNSURE)
			return false;
	}
	return true;
}

void model_said_again(struct model *model, unsigned number, unsigned session)
{
	struct message *message = &model->messages[number];

	message->session = (uint16_t)session;
	message->change = is_sure(model, message->to_user) ? model->change[message->to_user] : 0;
}

/* Who must hear it: those of the highest priority, or the one that it named. */
static void find_hearers(const struct model *model, struct message *message)
{
	int best = 0;

	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		const struct standing *standing = standing_of(model, message->to_user, at);

		if (standing->known == KNOWN_PRESENT && standing->priority > best)
			best = standing->priority;
	}
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		const struct standing *standing = standing_of(model, message->to_user, at);
		bool named = message->to_device == (int)(message->to_user * DEVICES_OF_USER + at);

		if (standing->known == KNOWN_PRESENT && (message->to_device < 0 ? standing->priority >= best : named))
			message->must[at] = (uint16_t)standing->session;
	}
}

/* A copy is made when the message is done, for the sessions that are there. */
static void find_owed(const struct model *model, unsigned user, unsigned from, uint16_t owed[DEVICES_OF_USER])
{
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		const struct standing *standing = standing_of(model, user, at);

		if (standing->known == KNOWN_PRESENT && standing->copies && user * DEVICES_OF_USER + at != from)
			owed[at] = (uint16_t)standing->session;
	}
}

/* Nobody who takes it is there: it is kept, and nothing is copied. */
static bool has_hearer(const struct message *message)
{
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		if (message->must[at])
			return true;
	}
	return false;
}

void model_promised(struct model *model, unsigned number)
{
	struct message *message = &model->messages[number];

	message->promised = true;
	model->promised++;
	message->excused |= !message->receipts && is_lossy(model, message->to_user);
	if (is_certain(model, message, message->to_user) && !message->refused)
		find_hearers(model, message);
	if (has_hearer(message))
		find_owed(model, message->to_user, message->from, message->owed[0]);
	if (message->to_user != user_of(message->from) && is_certain(model, message, user_of(message->from)))
		find_owed(model, user_of(message->from), message->from, message->owed[1]);
	scene_say(model->scene, "m%u is acknowledged; sessions %u %u %u of its user must hear it", number, message->must[0],
		  message->must[1], message->must[2]);
}

void model_refused(struct model *model, unsigned message)
{
	if (message < model->count)
		model->messages[message].refused = true;
}

/* -- hearing -------------------------------------------------------------------------------------- */

static bool disk_failed_since(const struct model *model, int64_t since_ms)
{
	return model->deployment->bad_disk || model->disk_failed_ms >= since_ms;
}

/*
 * What was for no device in particular and no disk took went to another device first: it comes once more. What was for another
 * device by name found it gone: order is between two addresses (RFC 6120 section 10.1), and this is not the one.
 */
static bool may_be_late(const struct model *model, const struct message *message, unsigned device)
{
	if (message->to_device < 0)
		return disk_failed_since(model, message->said_ms);
	return (unsigned)message->to_device != device;
}

static void check_live(struct model *model, unsigned device, struct heard_order *order, const struct words *words)
{
	if (model->addresses_change && model->messages[words->message].to_device >= 0)
		return;
	if (words->sequence <= order->live && may_be_late(model, &model->messages[words->message], device))
		return;
	if (words->sequence <= order->live)
		scene_fail(model->scene, "d%u heard m%u, number %u of session %u of d%u, behind number %u", device, words->message,
			   words->sequence, words->session, words->device, order->live);
	order->live = words->sequence;
}

static void check_kept(struct model *model, unsigned device, struct heard_order *order, const struct words *words)
{
	const struct message *message = &model->messages[words->message];

	if (!message->change || message->session != words->session || disk_failed_since(model, message->said_ms))
		return;
	if (order->kept_change == message->change && order->kept_to == message->to_device && words->sequence <= order->kept)
		scene_fail(model->scene, "d%u heard m%u, number %u of session %u of d%u, behind number %u; both were kept", device,
			   words->message, words->sequence, words->session, words->device, order->kept);
	order->kept_change = message->change;
	order->kept_to = message->to_device;
	order->kept = words->sequence;
}

static void check_order(struct model *model, unsigned device, const struct words *words)
{
	struct heard_order *order = &model->order[device][words->device];

	if (order->session != words->session)
		*order = (struct heard_order){.session = (uint16_t)words->session};
	if (words->kept)
		check_kept(model, device, order, words);
	else
		check_live(model, device, order, words);
}

static bool is_among(const struct receipt *receipts, unsigned count, unsigned device, unsigned session, unsigned sender_session)
{
	for (unsigned at = 0; at < count; at++) {
		const struct receipt *receipt = &receipts[at];

		if (receipt->device == device && receipt->session == session &&
		    (!sender_session || receipt->sender_session == sender_session))
			return true;
	}
	return false;
}

static bool has_heard(const struct message *message, unsigned device, unsigned session, unsigned sender_session)
{
	return is_among(message->receipt, message->receipts, device, session, sender_session);
}

static bool has_copy(const struct message *message, unsigned device, unsigned session, unsigned sender_session)
{
	return is_among(message->copy, message->copies, device, session, sender_session);
}

static struct receipt receipt_of(unsigned device, unsigned session, const struct words *words)
{
	return (struct receipt){.device = (uint8_t)device, .session = (uint16_t)session, .sender_session = (uint16_t)words->session, .id = words->id};
}

void model_told(struct model *model, unsigned device, unsigned session)
{
	model->told[device] = session;
}

void model_on(struct model *model, unsigned device)
{
	model->standing[device].on_ms = sim_now_ms(model->scene->sim);
}

/*
 * In a session that was killed with its process, and it told the next one what it had. A power cut, and a disk that fails, leave it to
 * chance; without an archive its sender says it again. What he says again because something before it was not done comes again.
 */
static bool was_had(const struct model *model, const struct message *message, unsigned device, unsigned sender_session)
{
	const struct deployment *deployment = model->deployment;

	return deployment->plan.archive && model->told[device] && has_heard(message, device, model->told[device], sender_session) &&
	       deployment->power_cut_ms < message->said_ms && !disk_failed_since(model, message->said_ms);
}

/* A row that a disk did not delete before its sm died is given once more (docs/decisions/0011). */
static bool may_be_left(const struct model *model, const struct message *message, const struct words *words)
{
	return words->kept && disk_failed_since(model, message->said_ms);
}

/*
 * One and the same, by its id. The next manager does what the one before had not settled for those whom it knows by then: who was given
 * the message may get a copy, and who got a copy the message.
 */
static bool may_be_both(const struct model *model, const struct message *message)
{
	return deployment_was_without_sm(model->deployment, message->said_ms);
}

/* What another device was given, and left, is for whoever is there. */
static bool was_given(const struct model *model, const struct message *message, unsigned device, unsigned session, const struct words *words)
{
	bool copied = has_copy(message, device, session, words->session);

	return has_heard(message, device, session, words->session) || (copied && !words->kept && !may_be_both(model, message));
}

/* Which copies it had knows the c2s that sent them: not the one at which it went on. */
static bool was_copied(const struct model *model, const struct message *message, unsigned device, unsigned session, const struct words *words)
{
	bool again = may_be_both(model, message), moved = model->standing[device].on_ms > message->said_ms;

	return (has_copy(message, device, session, words->session) && !(again && moved)) ||
	       (has_heard(message, device, session, words->session) && !again);
}

void model_heard(struct model *model, unsigned device, unsigned session, const struct words *words)
{
	struct message *message;

	if (words->message >= model->count)
		scene_fail(model->scene, "d%u heard m%u that nobody said", device, words->message);
	message = &model->messages[words->message];
	if (message->from != words->device || message->to_user != user_of(device))
		scene_fail(model->scene, "d%u heard m%u of d%u, that is from d%u for user%u", device, words->message, words->device,
			   message->from, message->to_user);
	if (was_given(model, message, device, session, words) && !may_be_left(model, message, words))
		scene_fail(model->scene, "d%u heard m%u of d%u twice in its session %u", device, words->message, words->device,
			   session);
	if (was_had(model, message, device, words->session))
		scene_fail(model->scene, "d%u heard m%u of d%u again, and said that it had it in its session %u", device, words->message,
			   words->device, model->told[device]);
	check_order(model, device, words);
	model->heard++;
	model->kept += words->kept;
	model->twice += message->receipts > 0;
	if (message->receipts < RECEIPTS_MAX)
		message->receipt[message->receipts++] = receipt_of(device, session, words);
}

static bool may_copy(const struct message *message, unsigned device, unsigned session, const struct words *words, bool received)
{
	bool own = device == words->device && session == words->session;

	return message->from == words->device && !own && (received ? message->to_user : user_of(message->from)) == user_of(device);
}

void model_copied(struct model *model, unsigned device, unsigned session, const struct words *words, bool received)
{
	struct message *message = words->message < model->count ? &model->messages[words->message] : NULL;

	if (!message || !may_copy(message, device, session, words, received))
		scene_fail(model->scene, "d%u got a copy of m%u of d%u that is not for it", device, words->message, words->device);
	if (was_copied(model, message, device, session, words))
		scene_fail(model->scene, "d%u got a copy of m%u of d%u, and had it already in its session %u", device, words->message,
			   words->device, session);
	model->copied++;
	if (message->copies < RECEIPTS_MAX)
		message->copy[message->copies++] = receipt_of(device, session, words);
}

void model_read(struct model *model, unsigned device, unsigned number)
{
	struct message *message;

	if (number >= model->count)
		scene_fail(model->scene, "d%u read m%u that nobody said", device, number);
	message = &model->messages[number];
	if (message->to_user != user_of(device) && user_of(message->from) != user_of(device))
		scene_fail(model->scene, "d%u read m%u, that is of others", device, number);
	message->read |= message->to_user == user_of(device);
}

static void check_ids(const struct model *model, const struct receipt *receipts, unsigned count, unsigned device, unsigned message,
		      unsigned sender_session, uint64_t id)
{
	for (unsigned at = 0; at < count; at++) {
		const struct receipt *receipt = &receipts[at];

		if (receipt->device == device && receipt->sender_session == sender_session && receipt->id && receipt->id != id)
			scene_fail(model->scene, "d%u heard m%u as %llx, and reads it as %llx", device, message,
				   (unsigned long long)receipt->id, (unsigned long long)id);
	}
}

void model_check_id(const struct model *model, unsigned device, unsigned number, unsigned sender_session, uint64_t id)
{
	const struct message *message = number < model->count ? &model->messages[number] : NULL;

	if (!message)
		return;
	check_ids(model, message->receipt, message->receipts, device, number, sender_session, id);
	check_ids(model, message->copy, message->copies, device, number, sender_session, id);
}

/* -- what must have been heard -------------------------------------------------------------------- */

/* Those that must hear it and did not; sessions that are over owe nothing. */
static bool has_deaf(const struct model *model, const struct message *message)
{
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		unsigned device = message->to_user * DEVICES_OF_USER + at;
		const struct standing *standing = &model->standing[device];

		if (message->must[at] && standing->known == KNOWN_PRESENT && standing->session == message->must[at] &&
		    !has_heard(message, device, message->must[at], 0))
			return true;
	}
	return false;
}

/* Whom a copy was lost for. What a manager had made died with it: who was there learns of it by the archive then. */
static bool has_owed(const struct model *model, const struct message *message)
{
	const unsigned users[2] = {message->to_user, user_of(message->from)};

	if (deployment_was_without_sm(model->deployment, message->said_ms))
		return false;
	for (unsigned at = 0; at < 2 * DEVICES_OF_USER; at++) {
		unsigned device = users[at / DEVICES_OF_USER] * DEVICES_OF_USER + at % DEVICES_OF_USER;
		unsigned session = message->owed[at / DEVICES_OF_USER][at % DEVICES_OF_USER];
		const struct standing *standing = &model->standing[device];

		if (session && standing->known == KNOWN_PRESENT && standing->session == session && !has_heard(message, device, session, 0) &&
		    !has_copy(message, device, session, 0))
			return true;
	}
	return false;
}

static bool is_missing(const struct model *model, const struct message *message, bool online)
{
	if (!message->promised || message->refused || message->excused)
		return false;
	return has_deaf(model, message) || has_owed(model, message) || (online && !message->receipts && !message->read);
}

int model_missing(struct model *model, const bool *online)
{
	for (unsigned at = model->first; at < model->count; at++) {
		struct message *message = &model->messages[at];

		if (message->done)
			continue;
		if (is_missing(model, message, online[message->to_user]))
			return (int)at;
		message->done = message->receipts || message->read || message->excused || message->refused;
		if (message->done && at == model->first)
			model->first++;
	}
	return -1;
}

void model_blame(const struct model *model, unsigned number)
{
	const struct message *message = &model->messages[number];

	scene_fail(model->scene, "m%u from d%u to %s%u, said at %lld ms, was acknowledged and is not heard%s", number, message->from,
		   message->to_device < 0 ? "user" : "d", message->to_device < 0 ? message->to_user : (unsigned)message->to_device,
		   (long long)message->said_ms - 1000000, message->receipts ? " by all who were there" : "");
}
