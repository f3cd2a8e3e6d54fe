/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <openssl/ssl.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "sx/plugins.h"
#include "xml/nad.h"

#define NS_SM "urn:xmpp:sm:3"
#define NS_SASL2 "urn:xmpp:sasl:2"

enum { STALE_PERCENT = 20, LOGIN_MS = 12000, WATCH_MS = 2000, QUIET_MS = 25000 };

static void send_text(struct client *client, const char *text, enum sx_kind kind)
{
	struct slice part = slice_of(text);

	sx_send_parts(conn_sx(client->line->conn), &part, 1, kind);
}

static void watch_again(struct client *client, int64_t ms)
{
	mio_timer_set(client->env->mio, &client->watch, ms);
}

/* -- connections ---------------------------------------------------------------------------------- */

static void lost(struct client *client, bool answered)
{
	if (client->kind == CLIENT_RESUMING && client->state == CLIENT_ON && !client->key[0] && !answered)
		client->unheard_ms = mio_now_ms(client->env->mio);
	token_lost(&client->token, mio_now_ms(client->env->mio));
	client->exposed = client->kind == CLIENT_PLAIN || client->state == CLIENT_BIND || client->state == CLIENT_ENABLE;
	client->state = CLIENT_AWAY;
	client->line = NULL;
	client->asked_ms = 0;
	client->silent = client->owes = client->inactive = false;
	if (client->kind == CLIENT_PLAIN)
		client->enabled = false;
	mio_timer_stop(&client->watch);
	client->env->handler->gone(client);
}

static void line_free(struct line *line)
{
	list_remove(&line->link);
	mem_free(line);
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct line *line = owner;
	struct client *client = line->client;

	if (client && end == CONN_END_ERROR)
		scene_say(line->env->scene, "d%u: stream error %s", client->number, sx_error_name(sx_end_error(conn_sx(conn))));
	line_free(line);
	if (client)
		lost(client, end == CONN_END_PEER);
}

void client_drop(struct client *client)
{
	struct line *line = client->line;

	if (!line)
		return;
	conn_kill(&line->conn);
	line_free(line);
	lost(client, false);
}

void client_forget(struct client *client)
{
	struct line *line = client->line;

	if (!line)
		return;
	conn_pause(line->conn, false);
	line->client = NULL;
	list_append(&client->env->ghosts, &line->link);
	lost(client, false);
}

void client_leave(struct client *client)
{
	client->key[0] = '\0';
	if (client->line)
		conn_close(client->line->conn, SX_ERROR_NONE, NULL);
}

void client_pause(struct client *client, bool paused)
{
	if (client->line)
		conn_pause(client->line->conn, paused);
}

/* -- signs of life -------------------------------------------------------------------------------- */

void client_ask(struct client *client)
{
	char text[128];

	if (client->state != CLIENT_ON || client->asked_ms)
		return;
	client->asked_ms = mio_now_ms(client->env->mio);
	if (client->enabled) {
		send_text(client, "<r xmlns='" NS_SM "'/>", SX_OTHER);
	} else {
		snprintf(text, sizeof(text), "<iq type='get' to='localhost' id='life-%u-%u'><ping xmlns='" NS_PING "'/></iq>",
			 client->session, ++client->pings);
		send_text(client, text, SX_STANZA);
	}
}

/* Since before it had its connection: c2s answers an <r/> at once, whatever the others do. */
static bool is_undisturbed(const struct client *client)
{
	return client->enabled && client->env->calm_ms && client->on_ms >= client->env->calm_ms;
}

static void on_watch(struct mio_timer *timer)
{
	struct client *client = container_of(timer, struct client, watch);
	int64_t now_ms = mio_now_ms(client->env->mio);
	bool waits = !list_empty(&client->unsettled);

	if (client->asked_ms && now_ms - client->asked_ms > client->env->patience_ms) {
		if (is_undisturbed(client))
			scene_fail(client->env->scene, "d%u: nobody answers its <r/>, though nothing is disturbed", client->number);
		scene_say(client->env->scene, "d%u: nobody answers, gives up", client->number);
		client_drop(client);
		return;
	}
	watch_again(client, client->asked_ms || waits ? WATCH_MS : QUIET_MS);
	client_ask(client);
}

/* -- what the server has handled ------------------------------------------------------------------ */

static void take_acknowledged(struct client *client, uint32_t h)
{
	uint32_t count = h - client->acked;

	for (; count; count--) {
		struct list *first = list_shift(&client->unsettled);
		struct sent *sent = first ? container_of(first, struct sent, link) : NULL;

		if (!sent)
			scene_fail(client->env->scene, "d%u: h='%u', but it acknowledged %u and nothing is left", client->number, h,
				   client->acked);
		client->env->handler->settled(client, sent);
		mem_free(sent);
	}
	client->acked = h;
}

static bool read_h(const struct nad *nad, int elem, uint32_t *h)
{
	uint64_t value;

	if (!slice_to_u64(nad_attr_value(nad, elem, "h"), &value))
		return false;
	*h = (uint32_t)value;
	return true;
}

static void acknowledge(struct client *client)
{
	char text[64];

	client->owes = client->silent;
	if (client->silent)
		return;
	snprintf(text, sizeof(text), "<a xmlns='" NS_SM "' h='%u'/>", client->in);
	send_text(client, text, SX_OTHER);
}

void client_silence(struct client *client, bool silent)
{
	client->silent = silent;
	if (!silent && client->owes && client->state == CLIENT_ON && client->enabled)
		acknowledge(client);
}

void client_doze(struct client *client, bool inactive)
{
	if (client->state != CLIENT_ON || client->inactive == inactive)
		return;
	client->inactive = inactive;
	send_text(client, inactive ? "<inactive xmlns='" NS_CSI "'/>" : "<active xmlns='" NS_CSI "'/>", SX_OTHER);
}

/* -- sessions ------------------------------------------------------------------------------------- */

static void be_on(struct client *client)
{
	client->state = CLIENT_ON;
	client->asked_ms = 0;
	client->on_ms = mio_now_ms(client->env->mio);
	watch_again(client, WATCH_MS);
}

static void move_all(struct list *from, struct list *to)
{
	struct list *link;

	while ((link = list_shift(from)))
		list_append(to, link);
}

static void begin(struct client *client)
{
	move_all(&client->unsettled, &client->old);
	be_on(client);
	client->began_ms = client->on_ms;
	client->env->handler->began(client);
}

struct sent *client_next_old(struct client *client)
{
	struct list *link = list_shift(&client->old);

	return link ? container_of(link, struct sent, link) : NULL;
}

static void bind(struct client *client)
{
	char text[200];

	client->state = CLIENT_BIND;
	snprintf(client->resource, sizeof(client->resource), "d%u", client->number);
	client->enabled = false;
	client->key[0] = '\0';
	snprintf(text, sizeof(text),
		 "<iq type='set' id='bind'><bind xmlns='" NS_BIND "'><resource>d%u</resource></bind></iq>", client->number);
	send_text(client, text, SX_STANZA);
}

static void new_session(struct client *client)
{
	client->session++;
	memcpy(client->stale, client->refused, sizeof(client->stale));
	client->in = client->acked = 0;
	client->pings = client->pings_answered = 0;
}

static void bound(struct client *client, const struct nad *nad)
{
	if (!slice_is(nad_attr_value(nad, 0, "type"), "result")) {
		client_drop(client);
		return;
	}
	new_session(client);
	if (client->kind == CLIENT_PLAIN) {
		begin(client);
		return;
	}
	client->state = CLIENT_ENABLE;
	send_text(client, client->kind == CLIENT_RESUMING ? "<enable xmlns='" NS_SM "' resume='true'/>" : "<enable xmlns='" NS_SM "'/>",
		  SX_OTHER);
}

static void enabled(struct client *client, const struct nad *nad, int elem)
{
	struct slice key = nad_attr_value(nad, elem, "id");

	snprintf(client->key, sizeof(client->key), "%.*s", (int)key.len, key.data);
	client->enabled = true;
	begin(client);
}

static void resume(struct client *client, const char *key)
{
	char text[160];

	client->state = CLIENT_RESUME;
	snprintf(text, sizeof(text), "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", key, client->in);
	send_text(client, text, SX_OTHER);
}

static void begin_session(struct client *client)
{
	if (client->key[0])
		resume(client, client->key);
	else
		bind(client);
}

static void resumed(struct client *client, const struct nad *nad, int elem)
{
	uint32_t h = client->acked;

	if (client->tries_stale)
		scene_fail(client->env->scene, "d%u: resumed a session that was over", client->number);
	if (!read_h(nad, elem, &h))
		scene_fail(client->env->scene, "d%u: resumed without h", client->number);
	scene_say(client->env->scene, "d%u: resumed, h=%u of %u, has %u", client->number, h, client->acked, client->in);
	be_on(client);
	take_acknowledged(client, h);
	for (struct list *at = client->unsettled.next; at != &client->unsettled; at = at->next)
		send_text(client, container_of(at, struct sent, link)->text, SX_STANZA);
	client->env->handler->resumed(client);
	client_ask(client);
}

/* What the server knows of its session that is over: nothing, or how far it was. */
static void refused(struct client *client, const struct nad *nad, int elem)
{
	uint32_t h;

	snprintf(client->refused, sizeof(client->refused), "%s", client->key);
	if (read_h(nad, elem, &h) && (int32_t)(h - client->acked) > 0)
		take_acknowledged(client, h);
	client->env->handler->refused(client);
	client->key[0] = '\0';
}

/* Its session is over, or nobody can be asked now. */
static void failed(struct client *client, const struct nad *nad)
{
	if (client->state == CLIENT_ENABLE || nad_find_child(nad, 0, NS_STANZA_ERROR, "item-not-found") < 0) {
		client_drop(client);
		return;
	}
	if (client->state != CLIENT_RESUME)
		scene_fail(client->env->scene, "d%u: failed, but asked for nothing", client->number);
	if (client->tries_stale) {
		client->tries_stale = false;
		begin_session(client);
		return;
	}
	refused(client, nad, 0);
	bind(client);
}

static bool is_later(const struct nad *nad, int failed)
{
	return nad_find_child(nad, failed, NS_STANZA_ERROR, "item-not-found") < 0;
}

/* Bound along with the login. */
static void bound2(struct client *client, const struct nad *nad, int elem)
{
	int sm = nad_find_child(nad, elem, NS_SM, "enabled");

	if (sm < 0)
		scene_fail(client->env->scene, "d%u: bound without what it asked for", client->number);
	new_session(client);
	enabled(client, nad, sm);
}

static void name_oneself(struct client *client, struct sx *sx, struct slice address)
{
	AUTO(jid_free) struct jid *jid = jid_parse(address);

	if (!jid)
		scene_fail(client->env->scene, "d%u: no address", client->number);
	if (jid_resource(jid).len)
		snprintf(client->resource, sizeof(client->resource), "%.*s", (int)jid_resource(jid).len, jid_resource(jid).data);
	sx_set_identity(sx, jid, "SASL2");
	sx_open(sx);
}

static void succeeded(struct client *client, struct sx *sx, const struct nad *nad)
{
	int id = nad_find_child(nad, 0, NS_SASL2, "authorization-identifier");
	int again = nad_find_child(nad, 0, NS_SM, "resumed"), gone = nad_find_child(nad, 0, NS_SM, "failed");
	int fresh = nad_find_child(nad, 0, NS_BIND2, "bound");

	token_take(&client->token, nad, mio_now_ms(client->env->mio));
	name_oneself(client, sx, nad_cdata(nad, id));
	if (again >= 0) {
		resumed(client, nad, again);
		return;
	}
	if (gone >= 0 && is_later(nad, gone)) {
		client_drop(client);
		return;
	}
	if (gone >= 0)
		refused(client, nad, gone);
	if (fresh >= 0)
		bound2(client, nad, fresh);
}

/* It was told of it, so it is stored. */
static void denied(struct client *client, const struct nad *nad)
{
	if (client->by_token && nad_find_child(nad, 0, NS_SASL, "credentials-expired") >= 0) {
		if (!token_may_be_another(&client->token))
			scene_fail(client->env->scene, "d%u: its token is not known", client->number);
		client->token.text[0] = '\0';
	}
	client_drop(client);
}

/* Now, or not at all: it comes again. */
static void on_sasl2(struct client *client, struct sx *sx, const struct nad *nad)
{
	if (nad_is(nad, 0, NS_SASL2, "success"))
		succeeded(client, sx, nad);
	else
		denied(client, nad);
}

int text_numbers(struct slice text, const char *format, unsigned *a, unsigned *b, unsigned *c, unsigned *d)
{
	char copy[96];

	snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.data);
	return sscanf(copy, format, a, b, c, d);
}

/* -- what comes ----------------------------------------------------------------------------------- */

/* That it is who it says: by its token, or its password. */
static void prove(struct client *client, struct buf *proof)
{
	char name[16];

	snprintf(name, sizeof(name), "user%u", client->user);
	if (client->by_token) {
		token_prove(&client->token, conn_sx(client->line->conn), name, proof);
		return;
	}
	buf_append_char(proof, 0);
	buf_append_text(proof, name);
	buf_append_char(proof, 0);
	buf_append_text(proof, "secret");
}

/* All in one: who it is, which device, the session that it had, and the one that it wants if that is gone. */
static void authenticate(struct client *client)
{
	AUTO(buf_fini) struct buf text = {0}, proof = {0};

	prove(client, &proof);
	buf_printf(&text, "<authenticate xmlns='" NS_SASL2 "' mechanism='%s'><initial-response>", client->by_token ? TOKEN_MECHANISM : "PLAIN");
	buf_append_base64(&text, buf_slice(&proof));
	buf_printf(&text, "</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf8%04u'/>", client->number);
	if (client->key[0])
		buf_printf(&text, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", client->key, client->in);
	if (client->login == LOGIN_BIND2)
		buf_printf(&text, "<bind xmlns='" NS_BIND2 "'><tag>d%u</tag><enable xmlns='" NS_SM "' resume='true'/>%s</bind>", client->number,
			   client->copies ? "<enable xmlns='" NS_CARBONS "'/>" : "");
	if (client->tokens)
		token_request(&client->token, client->by_token, &text);
	buf_append_text(&text, "</authenticate>");
	client->state = CLIENT_LOGIN;
	send_text(client, buf_text(&text), SX_OTHER);
}

static void on_features(struct client *client, struct sx *sx)
{
	char name[16];

	snprintf(name, sizeof(name), "user%u", client->user);
	if (client->state == CLIENT_ON)
		return; /* behind a session that began with its login */
	if (sx_state(sx) != SX_STATE_OPEN && client->login != LOGIN_CLEAR)
		authenticate(client);
	else if (sx_state(sx) != SX_STATE_OPEN)
		sx_sasl_auth(sx, "xmpp", "PLAIN", name, "secret");
	else if (client->tries_stale)
		resume(client, client->stale);
	else
		begin_session(client);
}

static void on_stanza(struct client *client, const struct nad *nad)
{
	unsigned session, number;

	if (client->state == CLIENT_BIND && slice_is(nad_attr_value(nad, 0, "id"), "bind")) {
		bound(client, nad);
		return;
	}
	client->in += client->enabled;
	if (text_numbers(nad_attr_value(nad, 0, "id"), "life-%u-%u", &session, &number, NULL, NULL) == 2 && session == client->session) {
		if (number != ++client->pings_answered)
			scene_fail(client->env->scene, "d%u: ping %u answered, %u was next", client->number, number,
				   client->pings_answered);
		client->asked_ms = 0;
	}
	client->env->handler->heard(client, nad);
}

static void on_management(struct client *client, const struct nad *nad)
{
	uint32_t h;

	if (nad_is(nad, 0, NS_SM, "r")) {
		acknowledge(client);
	} else if (nad_is(nad, 0, NS_SM, "a") && read_h(nad, 0, &h)) {
		client->asked_ms = 0;
		take_acknowledged(client, h);
	} else if (nad_is(nad, 0, NS_SM, "enabled")) {
		enabled(client, nad, 0);
	} else if (nad_is(nad, 0, NS_SM, "resumed")) {
		resumed(client, nad, 0);
	} else if (nad_is(nad, 0, NS_SM, "failed")) {
		failed(client, nad);
	}
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct line *line = owner;
	struct client *client = line->client;

	if (client && nad_is(*nad, 0, NS_STREAM, "features"))
		on_features(client, conn_sx(conn));
	else if (client && slice_is(nad_ns(*nad, 0), NS_SASL2))
		on_sasl2(client, conn_sx(conn), *nad);
	else if (client && slice_is(nad_ns(*nad, 0), NS_SM))
		on_management(client, *nad);
	else if (client)
		on_stanza(client, *nad);
	nad_free(nad);
}

static void on_refused(void *owner, struct sx *sx, const char *text)
{
	struct line *line = conn_owner(conn_of(sx));

	if (line->client)
		scene_say(line->env->scene, "d%u: login refused: %s", line->client->number, text);
	conn_close(conn_of(sx), SX_ERROR_NONE, NULL);
}

/* -- life ----------------------------------------------------------------------------------------- */

static const struct conn_handler handler = {.packet = on_packet, .closed = on_closed};
static const struct sx_plugin *const plugins[] = {&sx_sasl_client, NULL};
static const struct sx_plugin *const secure_plugins[] = {&sx_tls, &sx_sasl_client, NULL};

static struct ssl_ctx_st *trust(void *arg, const char *name)
{
	return ((struct client_env *)arg)->trust;
}

static void free_trust(void *context)
{
	SSL_CTX_free(context);
}

static void trust_all(struct client_env *env)
{
	env->trust = SSL_CTX_new(TLS_client_method());
	mio_foreign_add(mio_host_of(env->mio), env->trust, free_trust);
	env->tls = (struct sx_tls_conf){.context = trust, .arg = env, .name = "localhost", .offer = true, .require = true};
	env->secure_conf[0] = &env->tls;
	env->secure_options = env->options;
	env->secure_options.stream.plugins = secure_plugins;
	env->secure_options.stream.plugin_conf = env->secure_conf;
}

void client_env_init(struct client_env *env, struct scene *scene, struct mio *mio, const struct client_handler *owner,
		     const char *(*address)(struct client_env *env), void *arg)
{
	struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 100, .attributes = 100};

	env->scene = scene;
	env->mio = mio;
	env->conns = conn_env_new(mio);
	env->handler = owner;
	env->address = address;
	env->arg = arg;
	list_init(&env->ghosts);
	env->options = (struct conn_options){
		.stream = {.type = SX_CLIENT, .ns = NS_CLIENT, .to = "localhost", .plugins = plugins, .before_auth = limits,
			   .after_auth = limits},
		.handler = &handler,
		.login_ms = LOGIN_MS,
	};
	trust_all(env);
}

void client_init(struct client *client, struct client_env *env, enum client_kind kind, unsigned user, unsigned number)
{
	*client = (struct client){.env = env, .kind = kind, .user = user, .number = number};
	snprintf(client->resource, sizeof(client->resource), "d%u", number);
	list_init(&client->unsettled);
	list_init(&client->old);
	mio_timer_init(&client->watch, on_watch);
}

void client_log_in_by(struct client *client, enum client_login login)
{
	client->moves |= client->login != login;
	client->login = login;
}

void client_come(struct client *client)
{
	struct client_env *env = client->env;
	struct line *line;
	int fault;

	if (client->line)
		return;
	line = mem_zalloc(MEM_OTHER, sizeof(*line));
	list_init(&line->link);
	line->env = env;
	line->client = client;
	line->number = client->number;
	line->conn = conn_connect(env->conns, env->address(env), client->login ? &env->secure_options : &env->options, line, &fault);
	client->line = line;
	client->state = CLIENT_LOGIN;
	client->tries_stale = client->login == LOGIN_CLEAR && !client->moves && client->stale[0] && scene_chance(env->scene, STALE_PERCENT);
	if (!line->conn) {
		line_free(line);
		lost(client, false);
		return;
	}
	client->asked_ms = mio_now_ms(env->mio); /* whatever comes next is long enough for both */
	watch_again(client, LOGIN_MS + env->patience_ms);
	sx_sasl_on_failure(conn_sx(line->conn), on_refused);
	sx_start(conn_sx(line->conn));
}

void client_say(struct client *client, unsigned kind, unsigned number, const char *format, ...)
{
	char text[512];
	struct sent *sent;
	va_list args;
	int len;

	if (client->state != CLIENT_ON)
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_text(client, text, SX_STANZA);
	if (!client->enabled)
		return;
	sent = mem_alloc(MEM_OTHER, sizeof(*sent) + (size_t)len + 1);
	sent->kind = kind;
	sent->number = number;
	memcpy(sent->text, text, (size_t)len + 1);
	list_append(&client->unsettled, &sent->link);
}
