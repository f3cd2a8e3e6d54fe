/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes a whole deployment in the simulator: what several connections say, in turns, beside a user
 * who listens.
 *
 * The first byte is '1' or '3', the number of processes. Then lines, each an act of one connection.
 * The first byte of a line is the connection: '0' to '3' are clients, '4' is a component at the
 * router's port; the second says what:
 *
 *   h  the stream header           a  the right password of the connection's own user, PLAIN
 *   w  a wrong password of user0   z  the own password, for user0
 *   b  binding                     e  stream management, with resumption
 *   p  presence                    m  a message to user0, who listens
 *   f  a message in user0's name   r  resuming the session of another connection
 *   t  nothing, for a second       c  the connection is lost
 *   s  a component's header        n  a route to user0, in user1's name
 *   .  the rest of the line, as it is
 *
 * Connection N owns userN+1. Nobody hears anything from a user whose connection has not proven that
 * it is theirs, and there are no more logins than passwords were right. At the end everything stops
 * in good order.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "deployment.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"to='localhost' version='1.0'>"
#define COMPONENT_HEADER                                                                           \
	"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
#define NS_SM "urn:xmpp:sm:3"

enum {
	CLIENTS = 4,
	LINES = CLIENTS + 1,
	LISTENER = LINES,
	ALL_LINES,
	ACTS_MAX = 48,
	ACT_MS = 40,
	WAIT_MS = 1000,
	KEY_MAX = 64
};

struct talk {
	struct mio_sock sock;
	struct buf out, in; /* in: of this connection, to its end */
	struct jid *jid;    /* whose it is, with the resource of the binding */
	unsigned user;
	bool proven, open;
};

struct stage {
	struct scene scene;
	struct deployment deployment;
	struct mio *mio;
	struct talk talks[ALL_LINES];
	unsigned right; /* passwords that were, or may have been */
};

/* -- connections -- */

static void flush(struct talk *talk)
{
	while (buf_used(&talk->out)) {
		ssize_t put =
			mio_write(&talk->sock, buf_slice(&talk->out).data, buf_used(&talk->out));

		if (put <= 0)
			return;
		buf_skip(&talk->out, (size_t)put);
	}
}

static void hang_up(struct talk *talk)
{
	mio_close(&talk->sock);
	buf_fini(&talk->out);
	talk->open = talk->proven = false;
}

static void on_readable(struct mio_sock *sock)
{
	struct talk *talk = container_of(sock, struct talk, sock);
	char bytes[4096];
	ssize_t got = mio_read(sock, bytes, sizeof(bytes));

	if (got > 0)
		buf_append(&talk->in, bytes, (size_t)got);
	else if (got != -EAGAIN)
		hang_up(talk);
}

static void on_writable(struct mio_sock *sock)
{
	flush(container_of(sock, struct talk, sock));
}

static const struct mio_sock_handler on_sock = {.readable = on_readable, .writable = on_writable};

static void say(struct stage *stage, struct talk *talk, struct slice text)
{
	const char *address = talk == &stage->talks[CLIENTS]
				      ? "127.0.0.1:5347"
				      : deployment_address(&stage->deployment, 0);

	if (!talk->open) {
		buf_fini(&talk->in);
		talk->open = !mio_connect(stage->mio, &talk->sock, address, &on_sock, 0);
	}
	buf_append_slice(&talk->out, text);
	if (talk->open)
		flush(talk);
}

static void say_text(struct stage *stage, struct talk *talk, const char *text)
{
	say(stage, talk, slice_of(text));
}

/* -- acts -- */

static void say_auth(struct stage *stage, struct talk *talk, const char *as, unsigned user,
		     const char *password)
{
	AUTO(buf_fini) struct buf plain = {0}, element = {0};

	buf_printf(&plain, "%s%cuser%u%c%s", as, 0, user, 0, password);
	buf_append_text(&element,
			"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
	buf_append_base64(&element, buf_slice(&plain));
	buf_append_text(&element, "</auth>");
	say(stage, talk, buf_slice(&element));
}

static void log_in(struct stage *stage, struct talk *talk)
{
	talk->proven = true;
	stage->right++;
	say_auth(stage, talk, "", talk->user, "secret");
}

/* The id of a session that can be resumed, of a connection other than this. */
static void steal(struct stage *stage, struct talk *talk)
{
	AUTO(buf_fini) struct buf element = {0};
	struct slice id = SLICE("none");

	for (unsigned at = 0; at < CLIENTS; at++) {
		struct slice in = buf_slice(&stage->talks[at].in);
		const char *found = in.len ? memmem(in.data, in.len, "<enabled", 8) : NULL;
		const char *key =
			found ? memmem(found, (size_t)(in.data + in.len - found), " id='", 5)
			      : NULL;
		const char *end =
			key ? memchr(key + 5, '\'', (size_t)(in.data + in.len - key - 5)) : NULL;

		if (end && &stage->talks[at] != talk)
			id = (struct slice){key + 5, (size_t)(end - key - 5)};
	}
	buf_printf(&element, "<resume xmlns='" NS_SM "' h='0' previd='%.*s'/>",
		   (int)(id.len < KEY_MAX ? id.len : KEY_MAX), id.data);
	say(stage, talk, buf_slice(&element));
}

static void act(struct stage *stage, struct talk *talk, char kind, struct slice rest)
{
	switch (kind) {
	case 'h':
		say_text(stage, talk, HEADER);
		break;
	case 'a':
		log_in(stage, talk);
		break;
	case 'w':
		say_auth(stage, talk, "", 0, "wrong");
		break;
	case 'z':
		say_auth(stage, talk, "user0@localhost", talk->user, "secret");
		break;
	case 'b':
		say_text(stage, talk,
			 "<iq type='set' id='b'><bind xmlns='" NS_BIND
			 "'><resource>r</resource></bind></iq>");
		break;
	case 'e':
		say_text(stage, talk, "<enable xmlns='" NS_SM "' resume='true'/>");
		break;
	case 'p':
		say_text(stage, talk, "<presence/>");
		break;
	case 'm':
		say_text(stage, talk,
			 "<message to='user0@localhost' type='chat'><body>a</body></message>");
		break;
	case 'f':
		say_text(stage, talk,
			 "<message from='user0@localhost/r' to='user0@localhost' "
			 "type='chat'><body>a</body></message>");
		break;
	case 'r':
		steal(stage, talk);
		break;
	case 's':
		say_text(stage, talk, COMPONENT_HEADER);
		break;
	case 'n':
		say_text(stage, talk,
			 "<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' "
			 "to='localhost' from='c2s'>"
			 "<message xmlns='jabber:client' from='user1@localhost' "
			 "to='user0@localhost'><body>a</body></message>"
			 "</route>");
		break;
	case 'c':
		hang_up(talk);
		break;
	case '.':
		say(stage, talk, rest);
		break;
	default:
		break;
	}
	sim_run(stage->scene.sim, kind == 't' ? WAIT_MS : ACT_MS, NULL, NULL);
}

/* -- what must hold -- */

/* Whoever the text says that something is from: himself, the server, or whose password was said. */
static void check_sender(const struct stage *stage, struct slice from, const bool *proven)
{
	AUTO(jid_free) struct jid *jid = jid_parse(from);
	unsigned user = ALL_LINES;
	struct slice local = jid ? jid_local(jid) : (struct slice){0};

	if (!local.len)
		return;
	if (local.len == 5 && !memcmp(local.data, "user", 4))
		user = (unsigned)(local.data[4] - '0');
	if (user == 0)
		return;
	if (user >= ALL_LINES || !proven[user])
		scene_fail(&stage->scene, "user0 hears of %.*s, who has not logged in",
			   (int)from.len, from.data);
}

/* The next tag, from '<' to '>': what is in quotes ends none. An empty one at the end. */
static struct slice next_tag(struct slice *text)
{
	const char *begin = text->len ? memchr(text->data, '<', text->len) : NULL;
	const char *end = begin ? text->data + text->len : NULL;
	char quote = 0;

	for (const char *at = begin; at && at < end; at++) {
		if (*at == '>' && !quote) {
			*text = (struct slice){at + 1, (size_t)(end - at - 1)};
			return (struct slice){begin, (size_t)(at + 1 - begin)};
		}
		if (quote ? *at == quote : *at == '\'' || *at == '"')
			quote = quote ? 0 : *at;
	}
	return (struct slice){0};
}

static void check_tag(struct stage *stage, struct slice tag, const bool *proven)
{
	const char *from = memmem(tag.data, tag.len, " from='", 7), *end = NULL;

	if (from)
		end = memchr(from + 7, '\'', (size_t)(tag.data + tag.len - from - 7));
	if (end)
		check_sender(stage, (struct slice){from + 7, (size_t)(end - from - 7)}, proven);
}

/* The tags of stanzas; what is in them may say what it likes. */
static void check_heard(struct stage *stage, const bool *proven)
{
	struct slice in = buf_slice(&stage->talks[LISTENER].in), tag;
	unsigned depth = 1; /* the header was before */

	while ((tag = next_tag(&in)).len) {
		if (tag.data[1] == '?')
			continue;
		if (tag.len > 15 && !memcmp(tag.data, "<stream:stream ", 15))
			depth = 0;
		if (tag.data[1] == '/') {
			depth -= depth > 0;
			continue;
		}
		if (depth == 1)
			check_tag(stage, tag, proven);
		depth += tag.data[tag.len - 2] != '/';
	}
}

static void check_logins(struct stage *stage)
{
	const struct part *front = deployment_part(&stage->deployment, PART_C2S);
	int64_t logins = 0;

	for (unsigned at = 0; at < METRIC_MECHANISMS; at++)
		logins += atomic_load(&front->process->metrics[METRIC_LOGINS + at]);
	if (logins > (int64_t)stage->right)
		scene_fail(&stage->scene, "more logins than right passwords");
}

/* -- the play -- */

static void play(struct stage *stage, struct slice script)
{
	bool proven[ALL_LINES + 1] = {false};

	for (unsigned acts = 0; script.len && acts < ACTS_MAX; acts++) {
		const char *end = memchr(script.data, '\n', script.len);
		size_t len = end ? (size_t)(end - script.data) : script.len;

		if (len >= 2 && script.data[0] >= '0' && script.data[0] < '0' + LINES) {
			struct talk *talk = &stage->talks[script.data[0] - '0'];

			if (script.data[1] == 'a')
				proven[talk->user] = true;
			act(stage, talk, script.data[1], (struct slice){script.data + 2, len - 2});
			check_heard(stage, proven);
			check_logins(stage);
		}
		script.data += len + (end ? 1 : 0);
		script.len -= len + (end ? 1 : 0);
	}
	sim_run(stage->scene.sim, WAIT_MS, NULL, NULL);
	check_heard(stage, proven);
	check_logins(stage);
}

static void listen_as_user0(struct stage *stage)
{
	struct talk *talk = &stage->talks[LISTENER];
	static const char kinds[] = "hahbp";

	for (const char *kind = kinds; *kind; kind++)
		act(stage, talk, *kind, (struct slice){0});
	if (!memmem(buf_slice(&talk->in).data, buf_used(&talk->in), "user0@localhost/r", 17))
		scene_fail(&stage->scene, "user0 cannot log in");
	/* That nobody is there yet, in everybody's name. */
	sim_run(stage->scene.sim, WAIT_MS, NULL, NULL);
	buf_fini(&talk->in);
}

static int start_host(struct mio *mio, void *arg)
{
	((struct stage *)arg)->mio = mio;
	return 0;
}

static void end(struct stage *stage)
{
	for (unsigned at = 0; at < ALL_LINES; at++) {
		hang_up(&stage->talks[at]);
		buf_fini(&stage->talks[at].in);
	}
	sim_run(stage->scene.sim, WAIT_MS, NULL, NULL);
	for (unsigned at = stage->deployment.plan.parts; at-- > 0;)
		part_stop(&stage->deployment, &stage->deployment.part[at]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sim_options options = {.seed = 1};
	struct deployment_plan plan = {.users = CLIENTS + 1, .resume_ms = 60000};
	struct stage *stage;
	struct mio_host *host;

	setvbuf(stdout, NULL, _IOLBF, 0); /* what failed is said before libFuzzer ends us */
	if (size < 2 || (data[0] != '1' && data[0] != '3'))
		return 0;
	plan.parts = (unsigned)(data[0] - '0');
	stage = mem_zalloc(MEM_OTHER, sizeof(*stage));
	for (unsigned at = 0; at < ALL_LINES; at++)
		stage->talks[at].user = at == LISTENER ? 0 : at + 1;
	stage->scene.sim = sim_new(&options);
	stage->scene.seed = options.seed;
	deployment_init(&stage->deployment, &stage->scene, &plan);
	host = sim_host(stage->scene.sim, "people");
	if (mio_host_start(host, 1, start_host, stage))
		abort();
	sim_run(stage->scene.sim, WAIT_MS, NULL, NULL);
	listen_as_user0(stage);
	play(stage, (struct slice){(const char *)data + 1, size - 1});
	end(stage);
	sim_kill(stage->scene.sim, &host);
	sim_free(&stage->scene.sim);
	deployment_fini(&stage->deployment);
	mem_free(stage);
	return 0;
}
