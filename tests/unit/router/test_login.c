/* SPDX-License-Identifier: MIT */
/* Who is let in at the router, and how: a component by hand against the part, in the simulator. */
#include "../mio/sim_peer.h"

#include <sys/stat.h>
#include <unistd.h>
#include "component/component.h"
#include "component/tls.h"
#include "component/way.h"
#include "router/router.h"

#define SASL "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define MECHANISM "<mechanism>"
#define HEADER "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
#define TCP "127.0.0.1:5347"

static const struct component *const parts[] = {&router_component, NULL};

struct room {
	struct sim *sim;
	struct settings settings;
	struct conf *conf;
	struct buf address; /* of the Unix socket */
	struct mio_host *router, *guest;
	struct process *process;
	struct peer peer;
	char dir[64]; /* of the certificate */
	struct mio_host *machine;
	struct tls_store *certificate;
};

static void make_certificate(struct room *room)
{
	struct settings settings = {.data.dir = room->dir, .tls.certificates = "/nowhere"};
	struct buf note = {0}, why = {0};

	snprintf(room->dir, sizeof(room->dir), "/tmp/jackdaw-router-XXXXXX");
	assert_non_null(mkdtemp(room->dir));
	room->machine = mio_host_new("test");
	assert_int_equal(
		tls_store_load_router(room->machine, &settings, &room->certificate, &note, &why),
		0);
	buf_fini(&note);
}

static void remove_certificate(struct room *room)
{
	static const char *const names[] = {"certs/router.crt", "certs/router.key", "certs", ""};

	tls_store_free(&room->certificate);
	mio_host_free(&room->machine);
	for (size_t at = 0; at < countof(names) && *room->dir; at++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%s", room->dir, names[at]);
		remove(path);
	}
}

static int open_with(void **state, const char *tls)
{
	struct room *room = mem_zalloc(MEM_OTHER, sizeof(*room));
	struct sim_options options = {.seed = 1};
	struct process_options process = {
		.name = "router", .settings = &room->settings, .components = parts, .workers = 1};
	struct buf why = {0}, text = {0};
	struct conf_error error;

	room->sim = sim_new(&options);
	buf_printf(&text,
		   "domains = [\"localhost\"]\n[data]\ndir = \"/sim\"\n[router]\npassword = "
		   "\"secret\"\n"
		   "tls = \"%s\"\n[[component]]\nname = \"irc.example\"\nsecret = \"of irc\"\n",
		   tls);
	assert_int_equal(
		settings_parse("t", buf_slice(&text), &room->settings, &room->conf, &error), 0);
	buf_fini(&text);
	if (strcmp(tls, "off") != 0)
		make_certificate(room);
	process.router_tls = room->certificate;
	way_local(&room->settings, &room->address);
	room->router = process.host = sim_host(room->sim, "router");
	assert_int_equal(process_start(&process, &room->process, &why), 0);
	room->guest = sim_host(room->sim, "guest");
	assert_int_equal(mio_host_start(room->guest, 1, NULL, NULL), 0);
	*state = room;
	return 0;
}

static int open_room(void **state)
{
	return open_with(state, "off");
}

static int open_offering(void **state)
{
	return open_with(state, "starttls");
}

static int open_requiring(void **state)
{
	return open_with(state, "required");
}

static int close_room(void **state)
{
	struct room *room = *state;

	peer_fini(&room->peer);
	sim_kill(room->sim, &room->router);
	sim_kill(room->sim, &room->guest);
	sim_free(&room->sim);
	conf_free(&room->conf);
	buf_fini(&room->address);
	remove_certificate(room);
	mem_free(room);
	return 0;
}

/* What the router answers; lives until the next call. */
static const char *says(struct room *room, const char *text)
{
	buf_clear(&room->peer.in);
	peer_say(&room->peer, text, strlen(text));
	sim_run(room->sim, 1000, NULL, NULL);
	return buf_text(&room->peer.in);
}

static const char *come_saying(struct room *room, const char *address, const char *header)
{
	assert_int_equal(mio_connect(mio_host_loop(room->guest, 0), &room->peer.sock, address,
				     &peer_handler, 0),
			 0);
	peer_say(&room->peer, header, strlen(header));
	sim_run(room->sim, 1000, NULL, NULL);
	return buf_text(&room->peer.in);
}

static const char *come(struct room *room, const char *address)
{
	return come_saying(room, address, HEADER);
}

/* Logged in: a new stream opens, and a name can be bound. */
static void assert_in(struct room *room, const char *answer)
{
	assert_string_equal(answer, "<success " SASL "></success>");
	assert_non_null(strstr(
		says(room, HEADER
		     "<bind xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' name='sm'/>"),
		"<bind xmlns='http://jabberd.jabberstudio.org/ns/component/1.0'/>"));
}

static void its_own_user_needs_no_password(void **state)
{
	struct room *room = *state;
	const char *header = come(room, buf_text(&room->address));

	assert_non_null(strstr(header, MECHANISM "EXTERNAL<"));
	assert_null(strstr(header, "DIGEST-MD5"));
	assert_in(room, says(room, "<auth " SASL " mechanism='EXTERNAL'>=</auth>"));
}

static void root_comes_in_too(void **state)
{
	struct room *room = *state;

	sim_user(room->guest, 0);
	come(room, buf_text(&room->address));
	assert_in(room, says(room, "<auth " SASL " mechanism='EXTERNAL'>=</auth>"));
}

static void any_other_user_is_sent_away(void **state)
{
	struct room *room = *state;

	sim_user(room->guest, geteuid() + 1);
	assert_non_null(strstr(come(room, buf_text(&room->address)), "<not-authorized "));
	assert_null(strstr(buf_text(&room->peer.in), MECHANISM));
	says(room, "<auth " SASL " mechanism='EXTERNAL'>=</auth>");
	assert_null(strstr(buf_text(&room->peer.in), "success"));
	assert_true(room->peer.ended);
}

static void who_says_nothing_first_is_asked(void **state)
{
	struct room *room = *state;

	come(room, buf_text(&room->address));
	assert_string_equal(says(room, "<auth " SASL " mechanism='EXTERNAL'/>"),
			    "<challenge " SASL "></challenge>");
	assert_in(room, says(room, "<response " SASL "/>"));
}

static void nobody_is_somebody_else(void **state)
{
	struct room *room = *state;

	come(room, buf_text(&room->address));
	assert_non_null(strstr(says(room, "<auth " SASL " mechanism='EXTERNAL'>cm9vdA==</auth>"),
			       "<invalid-authzid"));
	says(room, "<auth " SASL " mechanism='EXTERNAL'/>");
	assert_non_null(
		strstr(says(room, "<response " SASL ">cm9vdA==</response>"), "<invalid-authzid"));
	assert_in(room, says(room, "<auth " SASL " mechanism='external'>=</auth>"));
}

static void no_password_is_taken_at_the_socket(void **state)
{
	struct room *room = *state;

	come(room, buf_text(&room->address));
	assert_non_null(strstr(says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>"),
			       "<invalid-mechanism"));
}

static void over_tcp_there_is_digest_md5_alone(void **state)
{
	struct room *room = *state;
	const char *header = come(room, TCP);

	assert_non_null(strstr(header, MECHANISM "DIGEST-MD5<"));
	assert_null(strstr(header, "EXTERNAL"));
	assert_non_null(strstr(says(room, "<auth " SASL " mechanism='EXTERNAL'>=</auth>"),
			       "<invalid-mechanism"));
	assert_non_null(
		strstr(says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>"), "<challenge "));
}

/* -- TLS ------------------------------------------------------------------------------------------
 */

#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define EXTERNAL                                                                                   \
	"<stream:stream xmlns='jabber:component:accept' "                                          \
	"xmlns:stream='http://etherx.jabber.org/streams' to='irc.example'>"

static void without_tls_none_is_offered(void **state)
{
	struct room *room = *state;

	assert_null(strstr(come(room, TCP), "starttls"));
	assert_string_equal(says(room, STARTTLS), "");
	assert_non_null(
		strstr(says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>"), "<challenge "));
}

/* As jabberd2's router does (component-protocol.md section 1). */
static void tls_is_offered_before_the_mechanisms(void **state)
{
	struct room *room = *state;

	assert_non_null(
		strstr(come(room, TCP),
		       "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" STARTTLS
		       "<mechanisms " SASL ">" MECHANISM "DIGEST-MD5<"));
	assert_non_null(
		strstr(says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>"), "<challenge "));
}

static void what_is_behind_starttls_is_never_seen(void **state)
{
	struct room *room = *state;

	come(room, TCP);
	says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>");
	assert_string_equal(says(room, STARTTLS HEADER "<auth " SASL " mechanism='DIGEST-MD5'/>"),
			    PROCEED);
	says(room, HEADER);
	assert_true(room->peer.ended);
}

static void required_tls_withholds_the_mechanisms(void **state)
{
	struct room *room = *state;
	const char *header = come(room, TCP);

	assert_non_null(
		strstr(header,
		       "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"));
	assert_null(strstr(header, "mechanism"));
	assert_non_null(strstr(says(room, "<auth " SASL " mechanism='DIGEST-MD5'/>"),
			       "<encryption-required/>"));
}

static void required_tls_is_required_of_bridges_too(void **state)
{
	struct room *room = *state;

	assert_non_null(strstr(come_saying(room, TCP, EXTERNAL), "<policy-violation "));
	assert_true(room->peer.ended);
}

static void no_tls_is_needed_where_nothing_leaves_the_machine(void **state)
{
	struct room *room = *state;

	assert_null(strstr(come(room, buf_text(&room->address)), "starttls"));
	assert_in(room, says(room, "<auth " SASL " mechanism='EXTERNAL'>=</auth>"));
}

static void bridges_may_come_to_the_socket(void **state)
{
	struct room *room = *state;
	const char *header = come_saying(room, buf_text(&room->address), EXTERNAL);

	assert_non_null(strstr(header, "from='irc.example'"));
	assert_null(strstr(header, "<stream:error"));
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)
#define offering(test) cmocka_unit_test_setup_teardown(test, open_offering, close_room)
#define requiring(test) cmocka_unit_test_setup_teardown(test, open_requiring, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(its_own_user_needs_no_password),
		in_room(root_comes_in_too),
		in_room(any_other_user_is_sent_away),
		in_room(who_says_nothing_first_is_asked),
		in_room(nobody_is_somebody_else),
		in_room(no_password_is_taken_at_the_socket),
		in_room(over_tcp_there_is_digest_md5_alone),
		in_room(without_tls_none_is_offered),
		offering(tls_is_offered_before_the_mechanisms),
		offering(what_is_behind_starttls_is_never_seen),
		requiring(required_tls_withholds_the_mechanisms),
		requiring(required_tls_is_required_of_bridges_too),
		requiring(no_tls_is_needed_where_nothing_leaves_the_machine),
		requiring(bridges_may_come_to_the_socket),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
