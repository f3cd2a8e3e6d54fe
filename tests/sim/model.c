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
}

/* Whether it is certain who of a user was there for a message from when it was said until now. */
static bool is_certain(const struct model *model, const struct message *message)
{
	if (deployment_was_without_sm(model->deployment, message->said_ms))
		return false;
	for (unsigned at = 0; at < DEVICES_OF_USER; at++) {
		const struct standing *standing = standing_of(model, message->to_user, at);

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

void model_promised(struct model *model, unsigned number)
{
	struct message *message = &model->messages[number];

	message->promised = true;
	model->promised++;
	message->excused |= !message->receipts && is_lossy(model, message->to_user);
	if (is_certain(model, message) && !message->refused)
		find_hearers(model, message);
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

static bool has_heard(const struct message *message, unsigned device, unsigned session, unsigned sender_session)
{
	for (unsigned at = 0; at < message->receipts; at++) {
		const struct receipt *receipt = &message->receipt[at];

		if (receipt->device == device && receipt->session == session &&
		    (!sender_session || receipt->sender_session == sender_session))
			return true;
	}
	return false;
}

void model_told(struct model *model, unsigned device, unsigned session)
{
	model->told[device] = session;
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

void model_heard(struct model *model, unsigned device, unsigned session, const struct words *words)
{
	struct message *message;

	if (words->message >= model->count)
		scene_fail(model->scene, "d%u heard m%u that nobody said", device, words->message);
	message = &model->messages[words->message];
	if (message->from != words->device || message->to_user != user_of(device))
		scene_fail(model->scene, "d%u heard m%u of d%u, that is from d%u for user%u", device, words->message, words->device,
			   message->from, message->to_user);
	if (has_heard(message, device, session, words->session) && !may_be_left(model, message, words))
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
		message->receipt[message->receipts++] = (struct receipt){
			.device = (uint8_t)device, .session = (uint16_t)session, .sender_session = (uint16_t)words->session};
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

static bool is_missing(const struct model *model, const struct message *message, bool online)
{
	if (!message->promised || message->refused || message->excused)
		return false;
	return has_deaf(model, message) || (online && !message->receipts && !message->read);
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
