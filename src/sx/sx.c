/* SPDX-License-Identifier: MIT */
/* The life of a stream: states, the loop that parses one thing at a time, sending and ending. */
#include "sx/sx.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "sx/stream.h"
#include "xml/nad.h"

static const char *const state_names[] = {
	[SX_STATE_NONE] = "NONE",
	[SX_STATE_STREAM_SENT] = "STREAM_SENT",
	[SX_STATE_STREAM_RECEIVED] = "STREAM_RECEIVED",
	[SX_STATE_STREAM] = "STREAM",
	[SX_STATE_OPEN] = "OPEN",
	[SX_STATE_CLOSING] = "CLOSING",
	[SX_STATE_CLOSED] = "CLOSED",
};

/* What each failure of the reader is on the wire. */
static const struct {
	enum sx_error error;
	const char *text;
	enum sx_refusal refusal;
} reader_errors[] = {
	[XML_NOT_WELL_FORMED] = {SX_NOT_WELL_FORMED},
	[XML_RESTRICTED] = {SX_RESTRICTED_XML},
	[XML_ENCODING] = {SX_UNSUPPORTED_ENCODING},
	[XML_TOO_BIG] = {.refusal = SX_REFUSED_STANZA},
	[XML_TOO_DEEP] = {.refusal = SX_REFUSED_DEPTH},
	[XML_TOO_MANY] = {.refusal = SX_REFUSED_ATTRIBUTES},
	[XML_TEXT] = {SX_BAD_FORMAT, "text between stanzas"},
};

static size_t state_size(const struct sx_plugin *plugin)
{
	return (plugin->size + 15) & ~(size_t)15;
}

bool sx_each(const struct sx *sx, struct sx_at *at)
{
	const struct sx_plugin *const *plugins = sx->options->plugins;

	at->state = at->plugin ? at->state + state_size(at->plugin) : (char *)sx->states;
	at->index = at->next++;
	at->plugin = plugins ? plugins[at->index] : NULL;
	return at->plugin != NULL;
}

unsigned sx_plugins(const struct sx *sx)
{
	unsigned count = 0;

	for (struct sx_at at = {0}; sx_each(sx, &at);)
		count++;
	return count;
}

size_t sx_size(const struct sx_options *options)
{
	size_t size = sizeof(struct sx);

	for (size_t i = 0; options->plugins && options->plugins[i]; i++)
		size += state_size(options->plugins[i]);
	return size;
}

struct sx *sx_new(const struct sx_env *env, const struct sx_options *options,
		  const struct sx_handler *handler, void *owner)
{
	struct sx *sx = mem_zalloc(MEM_STREAM, sx_size(options));

	sx->env = env;
	sx->options = options;
	sx->handler = handler;
	sx->owner = owner;
	sx->reader = xml_reader_new(env->pool, &options->before_auth);
	return sx;
}

static void tell_plugins_closed(struct sx *sx)
{
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->closed)
			at.plugin->closed(at.state, sx);
	}
}

void sx_free(struct sx **freed)
{
	struct sx *sx = *freed;

	if (!sx)
		return;
	*freed = NULL;
	sx_kill(sx);
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->fini)
			at.plugin->fini(at.state);
	}
	xml_reader_free(&sx->reader);
	sx_filter_fini(sx);
	buf_fini(&sx->input);
	buf_fini(&sx->output);
	jid_free(&sx->identity);
	mem_free(sx->words);
	mem_free(sx->end_text);
	mem_free(sx);
}

static void open_plugins(struct sx *sx)
{
	const void *const *conf = sx->options->plugin_conf;

	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->open)
			at.plugin->open(at.state, sx, conf ? conf[at.index] : NULL);
	}
}

/* A stream begins, for the first time or again. */
static void begin(struct sx *sx)
{
	sx->state = SX_STATE_NONE;
	sx->version = false;
	open_plugins(sx);
	if (sx->options->type != SX_CLIENT || sx->state == SX_STATE_CLOSED)
		return;
	sx->state = SX_STATE_STREAM_SENT;
	sx_header_print(sx, true);
	sx_want_output(sx);
}

void sx_start(struct sx *sx)
{
	if (sx->started)
		return;
	sx->started = true;
	begin(sx);
}

void sx_restart(struct sx *sx)
{
	if (sx->state >= SX_STATE_CLOSING)
		return;
	xml_reader_reset(sx->reader);
	begin(sx);
}

void sx_drop_input(struct sx *sx)
{
	buf_fini(&sx->input);
}

/* -- ending -------------------------------------------------------------------------------- */

void sx_kill(struct sx *sx)
{
	if (sx->state == SX_STATE_CLOSED)
		return;
	sx->state = SX_STATE_CLOSED;
	buf_fini(&sx->input);
	xml_reader_reset(sx->reader);
	tell_plugins_closed(sx);
}

void sx_finish(struct sx *sx, enum sx_end end)
{
	if (sx->state == SX_STATE_CLOSED)
		return;
	sx_kill(sx);
	if (sx->handler->closed)
		sx->handler->closed(sx->owner, sx, end);
}

void sx_set_end_text(struct sx *sx, const char *text)
{
	char *old = sx->end_text;

	sx->end_text = text ? mem_strdup(MEM_STREAM, text) : NULL;
	mem_free(old);
}

static void print_closing_tag(struct sx *sx)
{
	buf_append_text(sx_print_to(sx), "</stream:stream>");
}

void sx_close(struct sx *sx)
{
	if (sx->state >= SX_STATE_CLOSING)
		return;
	if (sx->state == SX_STATE_NONE || sx->state == SX_STATE_STREAM_RECEIVED) {
		sx_finish(sx, SX_END_PEER);
		return;
	}
	print_closing_tag(sx);
	sx->state = SX_STATE_CLOSING;
	sx_want_output(sx);
}

void sx_error(struct sx *sx, enum sx_error error, const char *text)
{
	sx_error_with(sx, error, text, "");
}

void sx_error_with(struct sx *sx, enum sx_error error, const char *text, const char *element)
{
	if (sx->state == SX_STATE_CLOSED)
		return;
	sx->error = error;
	sx_set_end_text(sx, text);
	if (sx->state != SX_STATE_CLOSING) {
		struct buf *out = sx_print_to(sx);

		if (sx->state == SX_STATE_NONE || sx->state == SX_STATE_STREAM_RECEIVED)
			sx_header_print(sx, sx->state == SX_STATE_NONE || sx->version);
		buf_printf(out, "<stream:error xmlns:stream='%s'><%s xmlns='%s'/>", NS_STREAM,
			   sx_error_name(error), NS_STREAM_ERROR);
		if (text) {
			buf_printf(out, "<text xmlns='%s'>", NS_STREAM_ERROR);
			buf_append_xml(out, slice_of(text));
			buf_append_text(out, "</text>");
		}
		buf_append_text(out, element);
		buf_append_text(out, "</stream:error>");
		print_closing_tag(sx);
		sx_want_output(sx);
	}
	sx_finish(sx, SX_END_ERROR);
}

/* </stream:stream> came. */
static void peer_closed(struct sx *sx)
{
	if (sx->state != SX_STATE_CLOSING) {
		print_closing_tag(sx);
		sx->state = SX_STATE_CLOSING;
		sx_want_output(sx);
	}
	sx_finish(sx, SX_END_PEER);
}

static enum sx_error error_named(struct slice name)
{
	for (int error = SX_ERROR_NONE + 1; error < SX_ERRORS; error++) {
		if (slice_is(name, sx_error_name(error)))
			return error;
	}
	/* its name in RFC 3920, which jabberd2 still sends */
	return slice_is(name, "xml-not-well-formed") ? SX_NOT_WELL_FORMED : SX_UNDEFINED_CONDITION;
}

/* <stream:error/> came. */
static void peer_error(struct sx *sx, const struct nad *nad)
{
	struct buf text = {0};

	sx->error = SX_UNDEFINED_CONDITION;
	for (int elem = nad_first_child(nad, 0); elem >= 0; elem = nad_next_sibling(nad, elem)) {
		if (!slice_is(nad_ns(nad, elem), NS_STREAM_ERROR))
			continue;
		if (slice_is(nad_name(nad, elem), "text"))
			buf_append_slice(&text, nad_cdata(nad, elem));
		else if (sx->error == SX_UNDEFINED_CONDITION)
			sx->error = error_named(nad_name(nad, elem));
	}
	sx_set_end_text(sx, buf_used(&text) ? buf_text(&text) : NULL);
	buf_fini(&text);
	if (sx->state != SX_STATE_CLOSING) {
		print_closing_tag(sx);
		sx_want_output(sx);
	}
	sx_finish(sx, SX_END_ERROR);
}

/* -- reading ------------------------------------------------------------------------------- */

static void handle_element(struct sx *sx, struct nad **nad)
{
	if (nad_is(*nad, 0, NS_STREAM, "error")) {
		peer_error(sx, *nad);
		return;
	}
	if (sx->state == SX_STATE_CLOSING)
		return; /* we said goodbye: only their closing tag matters */
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		int rc = at.plugin->read_nad ? at.plugin->read_nad(at.state, sx, nad) : SX_PASS;

		if (rc == SX_WAIT)
			sx->waiting = true;
		else if (rc < 0)
			sx_error(sx, SX_INTERNAL_SERVER_ERROR, NULL);
		if (rc != SX_PASS)
			return;
	}
	if (sx->handler->packet)
		sx->handler->packet(sx->owner, sx, nad);
}

static bool is_stray(const struct sx *sx, const struct nad *nad)
{
	return sx->options->drops_strays && sx->identity && sx->state == SX_STATE_NONE &&
	       !nad_is(nad, 0, NS_STREAM, "stream");
}

/* A root: the header, or an element that should have stood in the stream before. */
static void handle_root(struct sx *sx, const struct nad *nad)
{
	sx->stray = is_stray(sx, nad);
	if (sx->stray)
		xml_reader_limits(sx->reader, &sx->options->after_auth);
	else
		sx_header_read(sx, nad);
}

static void handle_end(struct sx *sx)
{
	if (!sx->stray) {
		peer_closed(sx);
		return;
	}
	sx->stray = false;
	xml_reader_reset(sx->reader);
}

/* Parses and handles one thing. Returns false when more bytes are needed. */
static bool read_one(struct sx *sx)
{
	AUTO(nad_free) struct nad *nad = NULL;
	size_t used = 0;
	int rc = xml_read(sx->reader, buf_slice(&sx->input), &used, &nad);

	buf_skip(&sx->input, used);
	switch (rc) {
	case XML_MORE:
		return false;
	case XML_HEADER:
		handle_root(sx, nad);
		return true;
	case XML_ELEMENT:
		if (!sx->stray)
			handle_element(sx, &nad);
		return true;
	case XML_END:
		handle_end(sx);
		return true;
	default:
		if (reader_errors[rc].refusal)
			sx_refuse(sx, reader_errors[rc].refusal);
		else
			sx_error(sx, reader_errors[rc].error, reader_errors[rc].text);
		return true;
	}
}

static bool may_parse(const struct sx *sx)
{
	return sx->state != SX_STATE_CLOSED && !sx->waiting && !sx->paused;
}

static void parse(struct sx *sx)
{
	if (sx->parsing)
		return;
	sx->parsing = true;
	while (may_parse(sx) && buf_used(&sx->input) && read_one(sx))
		;
	sx->parsing = false;
	if (!buf_used(&sx->input))
		buf_fini(&sx->input);
	if (sx->ended && may_parse(sx))
		sx_finish(sx, SX_END_GONE);
}

void sx_feed(struct sx *sx, const void *bytes, size_t len)
{
	sx_start(sx);
	if (sx->state == SX_STATE_CLOSED || sx->ended)
		return;
	if (sx->stages)
		sx_filter_in(sx, bytes, len);
	else
		buf_append(&sx->input, bytes, len);
	parse(sx);
}

void sx_feed_end(struct sx *sx)
{
	sx->ended = true;
	parse(sx);
}

bool sx_has_ended(const struct sx *sx)
{
	return sx->ended;
}

void sx_pause(struct sx *sx, bool paused)
{
	sx->paused = paused;
	parse(sx);
}

void sx_resume(struct sx *sx)
{
	parse(sx);
}

void sx_continue(struct sx *sx)
{
	if (!sx->waiting)
		return;
	sx->waiting = false;
	if (sx->handler->resume && !sx->parsing)
		sx->handler->resume(sx->owner, sx);
	else
		parse(sx);
}

/* -- writing ------------------------------------------------------------------------------- */

void sx_want_output(struct sx *sx)
{
	if (sx->told || !sx->handler->output)
		return;
	sx->told = true;
	sx->handler->output(sx->owner, sx);
}

struct buf *sx_output(struct sx *sx)
{
	if (sx->stages)
		sx_filter_out(sx);
	return &sx->output;
}

void sx_sent(struct sx *sx)
{
	sx->told = false;
	if (!buf_used(&sx->output))
		buf_fini(&sx->output);
}

static bool may_send(const struct sx *sx)
{
	return sx->state == SX_STATE_STREAM_SENT || sx->state == SX_STATE_STREAM ||
	       sx->state == SX_STATE_OPEN;
}

static void queued(struct sx *sx, enum sx_kind kind)
{
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->sent)
			at.plugin->sent(at.state, kind);
	}
	sx_want_output(sx);
}

static enum sx_kind kind_of(const struct sx *sx, const struct nad *nad)
{
	struct slice name = nad_name(nad, 0);
	const char *scope = sx_scope(sx);

	if (!scope || !slice_is(nad_ns(nad, 0), scope))
		return SX_OTHER;
	return slice_is(name, "message") || slice_is(name, "presence") || slice_is(name, "iq")
		       ? SX_STANZA
		       : SX_OTHER;
}

void sx_send(struct sx *sx, struct nad **nad)
{
	if (may_send(sx)) {
		enum sx_kind kind = kind_of(sx, *nad);

		nad_print(*nad, 0, sx_scope(sx), sx_print_to(sx));
		queued(sx, kind);
	}
	nad_free(nad);
}

void sx_send_parts(struct sx *sx, const struct slice *parts, size_t count, enum sx_kind kind)
{
	if (!may_send(sx))
		return;
	for (size_t i = 0; i < count; i++)
		buf_append_slice(sx_print_to(sx), parts[i]);
	queued(sx, kind);
}

/* -- what plugins and owners set and ask --------------------------------------------------- */

void sx_set_identity(struct sx *sx, struct jid *id, const char *how)
{
	struct jid *old = sx->identity;

	sx->identity = jid_ref(id);
	sx->how = id ? how : NULL;
	jid_free(&old);
}

void sx_set_secure(struct sx *sx, bool secure)
{
	sx->secure = secure;
}

void sx_become_open(struct sx *sx)
{
	sx->state = SX_STATE_OPEN;
	xml_reader_limits(sx->reader, &sx->options->after_auth);
}

void sx_options_changed(struct sx *sx)
{
	if (sx->state == SX_STATE_OPEN || sx->stray)
		xml_reader_limits(sx->reader, &sx->options->after_auth);
	else
		xml_reader_limits(sx->reader, &sx->options->before_auth);
}

void sx_tell_open(struct sx *sx)
{
	if (sx->opened)
		return;
	sx->opened = true;
	if (sx->handler->open)
		sx->handler->open(sx->owner, sx);
}

void sx_open(struct sx *sx)
{
	if (sx->state != SX_STATE_STREAM || !sx->identity)
		return;
	sx_become_open(sx);
	sx_tell_open(sx);
}

void *sx_plugin_state(const struct sx *sx, const struct sx_plugin *plugin)
{
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin == plugin)
			return at.state;
	}
	return NULL;
}

enum sx_state sx_state(const struct sx *sx)
{
	return sx->state;
}

enum sx_type sx_type(const struct sx *sx)
{
	return sx->options->type;
}

const char *sx_state_name(enum sx_state state)
{
	return (unsigned)state < countof(state_names) ? state_names[state] : "";
}

struct jid *sx_identity(const struct sx *sx)
{
	return sx->identity;
}

const char *sx_identity_how(const struct sx *sx)
{
	return sx->how;
}

bool sx_is_secure(const struct sx *sx)
{
	return sx->secure;
}

bool sx_has_version(const struct sx *sx)
{
	return sx->version;
}

enum sx_error sx_end_error(const struct sx *sx)
{
	return sx->error;
}

const char *sx_end_text(const struct sx *sx)
{
	return sx->end_text ? sx->end_text : "";
}

const struct sx_env *sx_env_of(const struct sx *sx)
{
	return sx->env;
}

void *sx_owner(const struct sx *sx)
{
	return sx->owner;
}
