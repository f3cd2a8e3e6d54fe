/* SPDX-License-Identifier: MIT */
#include "sm/script.h"

#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "sm/core.h"
#include "sm/sm_component.h"

struct script *script_new(struct sm *sm, bool json)
{
	struct script *script = mem_zalloc(MEM_OTHER, sizeof(*script));

	list_init(&script->link);
	script->home = sm;
	script->json = json;
	return script;
}

static void step_fini(struct script_step *step)
{
	while (step->count)
		mem_free(step->words[--step->count]);
	buf_fini(&step->out);
	buf_fini(&step->error);
}

void script_free(struct script **taken)
{
	struct script *script = *taken;

	if (!script)
		return;
	list_remove(&script->link);
	while (script->count)
		step_fini(&script->steps[--script->count]);
	mem_free(script->steps);
	buf_wipe(&script->input);
	mem_free(script);
	*taken = NULL;
}

static void add_word(struct script_step *step, struct slice word)
{
	if (step->count < SCRIPT_WORDS_MAX)
		step->words[step->count++] = mem_strndup(MEM_TEXT, word.data, word.len);
}

void script_add(struct script *script, const char *command, const char *word)
{
	struct slice rest = slice_of(command);
	struct script_step *step;

	script->steps = mem_realloc(MEM_OTHER, script->steps, (script->count + 1) * sizeof(*script->steps));
	step = &script->steps[script->count++];
	*step = (struct script_step){.code = CTL_ELSEWHERE};
	while (rest.len)
		add_word(step, slice_word(&rest));
	if (word)
		add_word(step, slice_of(word));
}

/* -- on worker 0 -- */

static struct worker *const *workers_of(const struct script *script)
{
	return script->home->process->workers;
}

static void came_back(struct mio *mio, struct mio_mail *mail)
{
	struct script *script = container_of(mail, struct script, mail);
	struct sm *sm = script->home;

	script->done(script);
	script_free(&script);
	sm_work(sm);
}

static void go_home(struct script *script)
{
	list_remove(&script->link);
	script->mail.run = came_back;
	mio_post(workers_of(script)[0]->mio, script->home->mio, MIO_CONTROL, &script->mail);
}

static void printed(void *arg, bool error, struct slice text)
{
	struct script *script = arg;
	struct script_step *step = &script->steps[script->at];
	struct buf *to = error ? &step->error : &step->out;

	buf_append_slice(to, text);
	buf_append_char(to, '\n');
}

static void ended(void *arg, int code)
{
	struct script *script = arg;

	script->steps[script->at++].code = code;
	mio_defer(workers_of(script)[0]->mio, &script->next);
}

static void run_next(struct mio_task *task)
{
	struct script *script = container_of(task, struct script, next);
	const struct ctl_sink sink = {.print = printed, .ended = ended, .arg = script};
	struct ctl *ctl = script->home->process->ctl;
	const struct script_step *step;

	if (!ctl || script->at == script->count) {
		go_home(script);
		return;
	}
	step = &script->steps[script->at];
	ctl_run(ctl, (const char *const *)step->words, step->count, script->json, buf_slice(&script->input), &sink);
}

static void arrived(struct mio *mio, struct mio_mail *mail)
{
	struct script *script = container_of(mail, struct script, mail);
	struct sm *sm = worker_state(workers_of(script)[0], &sm_component);

	list_append(&sm->scripts, &script->link);
	script->next.run = run_next;
	run_next(&script->next);
}

/* -- here -- */

void script_log(const struct script *script, const char *who, const char *what)
{
	for (unsigned at = 0; at < script->count; at++) {
		const struct script_step *step = &script->steps[at];

		log_info(&script->home->log, "%s as an administrator: %s %s", who, what,
			 step->count > 2 ? step->words[step->count - 1] : "");
	}
}

void script_go(struct script **taken, uint64_t token, void (*done)(struct script *script))
{
	struct script *script = *taken;

	*taken = NULL;
	script->token = token;
	script->done = done;
	script->mail.run = arrived;
	mio_post(script->home->mio, workers_of(script)[0]->mio, MIO_CONTROL, &script->mail);
}

void scripts_stop(struct sm *sm)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(sm->mio, arrived)) || (mail = mio_mail_take(sm->mio, came_back))) {
		struct script *script = container_of(mail, struct script, mail);

		script_free(&script);
	}
	while (!list_empty(&sm->scripts)) {
		struct script *script = container_of(sm->scripts.next, struct script, link);

		mio_undefer(sm->mio, &script->next);
		script_free(&script);
	}
}
