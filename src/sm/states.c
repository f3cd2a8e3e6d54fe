/* SPDX-License-Identifier: MIT */
/* The modules of a worker: their states, in sm, in each user, in each session. */
#include <stdlib.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { STATE_ALIGN = 16 };

static size_t lay_out(size_t *size, size_t added)
{
	size_t offset = *size;

	*size += (added + STATE_ALIGN - 1) & ~(size_t)(STATE_ALIGN - 1);
	return offset;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_features(struct sm *sm, enum sm_entity entity)
{
	size_t max = sm->module_count * SM_FEATURES_MAX, count = 0, unique = 0;
	const char **names = mem_zalloc(MEM_SESSION, max * sizeof(*names));

	for (unsigned at = 0; at < sm->module_count; at++) {
		const struct sm_module *module = sm_modules[at];
		const char *const *features = entity == SM_DOMAIN ? module->features : module->account_features;

		if (module->is_on && !module->is_on(sm))
			continue;
		for (unsigned i = 0; i < SM_FEATURES_MAX && features[i]; i++)
			names[count++] = features[i];
	}
	qsort(names, count, sizeof(*names), by_text);
	for (size_t at = 0; at < count; at++) {
		if (unique == 0 || strcmp(names[at], names[unique - 1]) != 0)
			names[unique++] = names[at];
	}
	sm->features[entity] = names;
	sm->feature_counts[entity] = unique;
}

int modules_start(struct sm *sm)
{
	int rc = 0;

	while (sm_modules[sm->module_count])
		sm->module_count++;
	sm->modules = mem_zalloc(MEM_SESSION, sm->module_count * sizeof(*sm->modules));
	sm->user_offsets = mem_zalloc(MEM_SESSION, sm->module_count * sizeof(*sm->user_offsets));
	sm->session_offsets =
		mem_zalloc(MEM_SESSION, sm->module_count * sizeof(*sm->session_offsets));
	for (unsigned at = 0; at < sm->module_count && rc == 0; at++) {
		const struct sm_module *module = sm_modules[at];

		sm->modules[at] = mem_zalloc(MEM_SESSION, module->size);
		sm->user_offsets[at] = lay_out(&sm->user_size, module->user_size);
		sm->session_offsets[at] = lay_out(&sm->session_size, module->session_size);
		if (module->start)
			rc = module->start(sm->modules[at], sm, sm->worker->settings);
	}
	collect_features(sm, SM_DOMAIN);
	collect_features(sm, SM_ACCOUNT);
	return rc;
}

void modules_stop(struct sm *sm)
{
	for (unsigned at = sm->module_count; at-- > 0;) {
		if (sm->modules[at] && sm_modules[at]->stop)
			sm_modules[at]->stop(sm->modules[at]);
		mem_free(sm->modules[at]);
	}
	mem_free(sm->modules);
	mem_free(sm->user_offsets);
	mem_free(sm->session_offsets);
	for (unsigned at = 0; at < SM_ENTITIES; at++)
		mem_free(sm->features[at]);
}

static unsigned index_of(const struct sm *sm, const struct sm_module *module)
{
	unsigned at = 0;

	while (at < sm->module_count - 1 && sm_modules[at] != module)
		at++;
	return at;
}

void *sm_module_state(const struct sm *sm, const struct sm_module *module)
{
	return sm->modules[index_of(sm, module)];
}

void *sm_user_state(const struct user *user, const struct sm_module *module)
{
	return (unsigned char *)user->states + user->sm->user_offsets[index_of(user->sm, module)];
}

void *sm_session_state(const struct session *session, const struct sm_module *module)
{
	const struct sm *sm = session->user->sm;

	return (unsigned char *)session->states + sm->session_offsets[index_of(sm, module)];
}

void modules_offer(const struct sm *sm, struct buf *out)
{
	AUTO(nad_free) struct nad *features = nad_new();

	nad_append_elem(features, -1, "features", 0);
	for (unsigned at = 0; at < sm->module_count; at++) {
		if (sm_modules[at]->offer)
			sm_modules[at]->offer(sm->modules[at], sm, features);
	}
	nad_print(features, 0, NULL, out);
}

void modules_user_free(struct user *user)
{
	for (unsigned at = 0; at < user->sm->module_count; at++) {
		if (sm_modules[at]->user_free)
			sm_modules[at]->user_free(user->sm->modules[at], user);
	}
}

size_t modules_user_weight(const struct user *user)
{
	size_t weight = 0;

	for (unsigned at = 0; at < user->sm->module_count; at++) {
		if (sm_modules[at]->user_weight)
			weight += sm_modules[at]->user_weight(user->sm->modules[at], user);
	}
	return weight;
}

void modules_user_delete(struct user *user)
{
	for (unsigned at = 0; at < user->sm->module_count; at++) {
		if (sm_modules[at]->user_delete)
			sm_modules[at]->user_delete(user->sm->modules[at], user);
	}
}

void modules_session_start(struct session *session)
{
	struct sm *sm = session->user->sm;

	for (unsigned at = 0; at < sm->module_count; at++) {
		if (sm_modules[at]->session_start)
			sm_modules[at]->session_start(sm->modules[at], session);
	}
}

void modules_session_bind(struct session *session, const struct nad *request)
{
	struct sm *sm = session->user->sm;

	for (unsigned at = 0; at < sm->module_count; at++) {
		if (sm_modules[at]->session_bind)
			sm_modules[at]->session_bind(sm->modules[at], session, request);
	}
}

void modules_session_waits(struct session *session, const struct stanza *stanza)
{
	struct sm *sm = session->user->sm;

	watch_see(&sm->watch, WATCH_WAITS, session, stanza);
	for (unsigned at = 0; at < sm->module_count; at++) {
		if (sm_modules[at]->session_waits)
			sm_modules[at]->session_waits(sm->modules[at], session, stanza);
	}
}

void modules_session_end(struct session *session)
{
	struct sm *sm = session->user->sm;

	for (unsigned at = 0; at < sm->module_count; at++) {
		if (sm_modules[at]->session_end)
			sm_modules[at]->session_end(sm->modules[at], session);
	}
}

/* "NAME LENGTH\n" and so many bytes, for each module; then an empty line. */
void modules_session_save(const struct session *session, struct buf *out)
{
	struct sm *sm = session->user->sm;

	for (unsigned at = 0; at < sm->module_count; at++) {
		AUTO(buf_fini) struct buf text = {0};

		if (!sm_modules[at]->session_save || sm_modules[at]->session_save(sm->modules[at], session, &text))
			continue;
		buf_printf(out, "%s %zu\n", sm_modules[at]->name, buf_used(&text));
		buf_append_slice(out, buf_slice(&text));
	}
	buf_append_char(out, '\n');
}

static bool load_one(struct session *session, struct slice name, struct slice text)
{
	struct sm *sm = session->user->sm;

	for (unsigned at = 0; at < sm->module_count; at++) {
		if (slice_is(name, sm_modules[at]->name) && sm_modules[at]->session_load)
			return sm_modules[at]->session_load(sm->modules[at], session, text) == 0;
	}
	return true; /* of a module that there was in another version */
}

bool modules_session_load(struct session *session, struct slice *in)
{
	while (in->len) {
		struct slice line = slice_line(in);
		const char *blank = memchr(line.data, ' ', line.len);
		struct slice name = {line.data, blank ? (size_t)(blank - line.data) : line.len};
		uint64_t len;

		if (!line.len)
			return true;
		if (!blank || !slice_to_u64((struct slice){blank + 1, line.len - name.len - 1}, &len) || len > in->len ||
		    !load_one(session, name, (struct slice){in->data, len}))
			return false;
		in->data += len;
		in->len -= len;
	}
	return false; /* it was cut */
}

const struct settings *sm_settings(const struct sm *sm)
{
	return sm->worker->settings;
}

int64_t sm_wall_ms(const struct sm *sm)
{
	return mio_wall_ms(sm->mio);
}

bool sm_is_stopping(const struct sm *sm)
{
	return sm->stopping;
}

struct mio *sm_mio(const struct sm *sm)
{
	return sm->mio;
}

const char *const *sm_features(const struct sm *sm, enum sm_entity entity, size_t *count)
{
	*count = sm->feature_counts[entity];
	return sm->features[entity];
}

uint64_t sm_random(struct sm *sm)
{
	uint64_t value;

	do
		mio_random(sm->mio, &value, sizeof(value));
	while (!value);
	return value;
}

void sm_fresh_id(struct sm *sm, struct buf *out)
{
	buf_printf(out, "sm-%llx", (unsigned long long)++sm->fresh);
}

bool sm_is_domain(const struct sm *sm, struct slice domain)
{
	return table_get(&sm->domains, domain) != NULL;
}

void sm_count_offline(struct sm *sm)
{
	metric_add(sm->process, METRIC_OFFLINE_STORED, 1);
}

void sm_stanza_print(const struct stanza *stanza, struct buf *out)
{
	stanza_print_route(stanza, (struct slice){NULL, 0}, out);
}

/* A stream of our own that never ends: its parser is there already, which is most of the work. */
static bool open_reader(struct sm *sm)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 16 << 20, .depth = 1000, .attributes = 1000};
	AUTO(nad_free) struct nad *header = NULL;
	size_t used;

	if (sm->reader)
		return true;
	sm->reader = xml_reader_new(sm->parsers, &limits);
	return xml_read(sm->reader, SLICE("<stored xmlns='" NS_CLIENT "'>"), &used, &header) ==
	       XML_HEADER;
}

struct nad *sm_element_parse(struct sm *sm, struct slice text)
{
	struct nad *nad = NULL;
	size_t used = 0;

	if (text.len == 0)
		return NULL;
	if (open_reader(sm) && xml_read(sm->reader, text, &used, &nad) == XML_ELEMENT && used == text.len)
		return nad;
	nad_free(&nad);
	xml_reader_free(&sm->reader);
	return NULL;
}

struct stanza *sm_stanza_parse(struct sm *sm, struct slice text)
{
	struct nad *nad = sm_element_parse(sm, text);
	struct stanza *stanza = NULL;

	if (nad)
		stanza_from_nad(&nad, &stanza);
	return stanza;
}

struct stanza *sm_stanza_of_row(struct sm *sm, const struct store_row *row)
{
	struct stanza *stanza = sm_stanza_parse(sm, row->value);

	if (!stanza)
		return NULL;
	stanza->delay_ms = row->stamp_ms;
	stanza->origin = (struct origin){.count = row->count, .key = row->session};
	stanza->archived = row->archived;
	return stanza;
}
