/* SPDX-License-Identifier: MIT */
/* The registry of commands, and the calls that are under way. */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/macros.h"
#include "base/mem.h"
#include "base/table.h"
#include "ctl/server.h"
#include "mio/mio.h"

enum { CTL_TABLES_MAX = 16, CTL_WORDS_MAX = 32, WHOLE_MAX_BYTES = 16 << 20 };

struct ctl {
	struct mio *mio;
	struct slots calls;
	struct {
		const struct ctl_command *commands;
		void *arg;
	} tables[CTL_TABLES_MAX];
	size_t table_count;
	struct ctl_server *server; /* NULL: no socket */
};

struct ctl_call {
	struct ctl *ctl;
	uint64_t id;
	struct mio_task go_on;
	char **words; /* all of them, NULL-terminated */
	size_t count, used;
	struct buf input;
	bool input_ended, json;
	ctl_more_fn *more; /* waits for input; NULL: nobody does */
	void *more_arg;
	struct ctl_sink sink;
	void *kept;
	void (*free_kept)(void *state);
};

struct ctl *ctl_new(struct mio *mio)
{
	struct ctl *ctl = mem_zalloc(MEM_OTHER, sizeof(*ctl));
	uint32_t generation;

	ctl->mio = mio;
	mio_random(mio, &generation, sizeof(generation));
	slots_init(&ctl->calls, (uint8_t)mio_worker(mio), generation);
	return ctl;
}

/* Ends the call's life in the registry; ended() is the caller's business. */
static void call_free(struct ctl_call *call)
{
	slots_del(&call->ctl->calls, call->id);
	mio_undefer(call->ctl->mio, &call->go_on);
	if (call->free_kept)
		call->free_kept(call->kept);
	for (size_t i = 0; i < call->count; i++)
		mem_free(call->words[i]);
	mem_free(call->words);
	buf_wipe(&call->input);
	mem_free(call);
}

void ctl_free(struct ctl **ctl)
{
	struct ctl_call *call;
	uint32_t at = 0;

	if (!*ctl)
		return;
	while ((call = slots_next(&(*ctl)->calls, &at))) {
		ctl_error(call, "the server stops");
		ctl_end(call, CTL_PROBLEM);
	}
	ctl_server_free(&(*ctl)->server);
	slots_fini(&(*ctl)->calls);
	mem_free(*ctl);
	*ctl = NULL;
}

int ctl_listen(struct ctl *ctl, const char *path)
{
	return ctl_server_new(ctl, ctl->mio, path, &ctl->server);
}

/* Tables are few and known when the program is written: a table too many is a mistake of ours. */
void ctl_add(struct ctl *ctl, const struct ctl_command *commands, void *arg)
{
	if (ctl->table_count == CTL_TABLES_MAX)
		return;
	ctl->tables[ctl->table_count].commands = commands;
	ctl->tables[ctl->table_count++].arg = arg;
}

/* How many of the words spell the name, 0 when they do not. */
static size_t name_words(const char *name, const char *const *words, size_t count)
{
	size_t used = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (used == count || !slice_equal((struct slice){name, len}, slice_of(words[used])))
			return 0;
		used++;
		name += len;
		name += *name == ' ';
	}
	return used;
}

static const struct ctl_command *find(const struct ctl *ctl, const char *const *words, size_t count,
				      size_t *used, void **arg)
{
	const struct ctl_command *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < ctl->table_count; i++) {
		for (const struct ctl_command *at = ctl->tables[i].commands; at->name; at++) {
			size_t found = name_words(at->name, words, count);

			if (found <= most)
				continue;
			best = at;
			most = found;
			*arg = ctl->tables[i].arg;
		}
	}
	*used = most;
	return best;
}

const struct ctl_command *ctl_find(const struct ctl *ctl, const char *const *words, size_t count,
				   size_t *used)
{
	void *arg;

	return find(ctl, words, count, used, &arg);
}

static void start_command(void *unused, struct ctl_call *call)
{
	const struct ctl_command *command;
	void *arg = NULL;

	command = find(call->ctl, (const char *const *)call->words, call->count, &call->used, &arg);
	if (!command) {
		ctl_error(call, "%s: this server has no such command",
			  call->count ? call->words[0] : "");
		ctl_end(call, CTL_USAGE);
	} else if (command->input == CTL_WHOLE && buf_used(&call->input) > WHOLE_MAX_BYTES) {
		ctl_error(call, "the input is longer than %d MB", WHOLE_MAX_BYTES >> 20);
		ctl_end(call, CTL_USAGE);
	} else if (command->input != CTL_WHOLE || !ctl_more(call, start_command, NULL)) {
		command->run(arg, call);
	}
}

/* The call begins, or goes on with more input. */
static void go_on(struct mio_task *task)
{
	struct ctl_call *call = container_of(task, struct ctl_call, go_on);
	ctl_more_fn *more = call->more;

	call->more = NULL;
	more(call->more_arg, call);
}

uint64_t ctl_run(struct ctl *ctl, const char *const *words, size_t count, bool json,
		 struct slice input, const struct ctl_sink *sink)
{
	struct ctl_call *call = mem_zalloc(MEM_OTHER, sizeof(*call));

	if (count > CTL_WORDS_MAX)
		count = 0;
	call->ctl = ctl;
	call->words = mem_zalloc(MEM_OTHER, (count + 1) * sizeof(*call->words));
	for (size_t i = 0; i < count; i++)
		call->words[i] = mem_strdup(MEM_TEXT, words[i]);
	call->count = count;
	call->json = json;
	call->sink = *sink;
	if (input.len)
		buf_append_slice(&call->input, input);
	call->id = slots_add(&ctl->calls, call);
	call->input_ended = !sink->more;
	call->more = start_command;
	call->go_on.run = go_on;
	mio_defer(ctl->mio, &call->go_on);
	return call->id;
}

void ctl_cancel(struct ctl *ctl, uint64_t id)
{
	struct ctl_call *call = slots_get(&ctl->calls, id);

	if (call)
		call_free(call);
}

uint64_t ctl_id(const struct ctl_call *call)
{
	return call->id;
}

struct ctl_call *ctl_call(struct ctl *ctl, uint64_t id)
{
	return slots_get(&ctl->calls, id);
}

struct ctl *ctl_of(const struct ctl_call *call)
{
	return call->ctl;
}

void ctl_keep(struct ctl_call *call, void *state, void (*free_state)(void *state))
{
	call->kept = state;
	call->free_kept = free_state;
}

void *ctl_kept(const struct ctl_call *call)
{
	return call->kept;
}

size_t ctl_args(const struct ctl_call *call)
{
	return call->count - call->used;
}

const char *ctl_arg(const struct ctl_call *call, size_t at)
{
	return at < ctl_args(call) ? call->words[call->used + at] : NULL;
}

struct slice ctl_input(const struct ctl_call *call)
{
	return buf_slice(&call->input);
}

void ctl_take(struct ctl_call *call, size_t len)
{
	buf_skip(&call->input, len);
}

bool ctl_more(struct ctl_call *call, ctl_more_fn *more, void *arg)
{
	if (call->input_ended)
		return false;
	call->more = more;
	call->more_arg = arg;
	call->sink.more(call->sink.arg);
	return true;
}

static void fed(struct ctl_call *call)
{
	if (call->more)
		mio_defer(call->ctl->mio, &call->go_on);
}

void ctl_feed(struct ctl *ctl, uint64_t id, struct slice input)
{
	struct ctl_call *call = slots_get(&ctl->calls, id);

	if (!call)
		return;
	buf_append_slice(&call->input, input);
	fed(call);
}

void ctl_feed_end(struct ctl *ctl, uint64_t id)
{
	struct ctl_call *call = slots_get(&ctl->calls, id);

	if (!call)
		return;
	call->input_ended = true;
	fed(call);
}

bool ctl_wants_json(const struct ctl_call *call)
{
	return call->json;
}

/* One line out of a format, without the newline at its end. */
static struct slice format_line(struct buf *line, const char *format, va_list args)
{
	struct slice text;

	buf_vprintf(line, format, args);
	text = buf_slice(line);
	if (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	return text;
}

void ctl_print(struct ctl_call *call, const char *format, ...)
{
	AUTO(buf_fini) struct buf line = {0};
	va_list args;

	va_start(args, format);
	call->sink.print(call->sink.arg, false, format_line(&line, format, args));
	va_end(args);
}

void ctl_error(struct ctl_call *call, const char *format, ...)
{
	AUTO(buf_fini) struct buf line = {0};
	va_list args;

	va_start(args, format);
	call->sink.print(call->sink.arg, true, format_line(&line, format, args));
	va_end(args);
}

void ctl_progress(struct ctl_call *call, const char *format, ...)
{
	AUTO(buf_fini) struct buf line = {0};
	va_list args;

	va_start(args, format);
	if (call->sink.progress)
		call->sink.progress(call->sink.arg, format_line(&line, format, args));
	va_end(args);
}

size_t ctl_unsent(const struct ctl_call *call)
{
	return call->sink.unsent ? call->sink.unsent(call->sink.arg) : 0;
}

void ctl_end(struct ctl_call *call, int code)
{
	struct ctl_sink sink = call->sink;

	call_free(call);
	sink.ended(sink.arg, code);
}

void ctl_json_text(struct buf *out, struct slice text)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '"' || c == '\\')
			buf_append_char(out, '\\');
		if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_char(out, (char)c);
	}
	buf_append_char(out, '"');
}
