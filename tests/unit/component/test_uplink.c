/* SPDX-License-Identifier: MIT */
/* What a component says to a router that offers this or that: the router is by hand, in the
 * simulator. */
#include "../mio/sim_peer.h"

#include <sys/mman.h>
#include <unistd.h>
#include "component/component.h"
#include "component/way.h"

#define NEAR "127.0.0.1:5347"
#define FAR "192.0.2.7:5347"
#define HEADER                                                                                     \
	"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='a'>"
#define FEATURES(what)                                                                             \
	"<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" what                   \
	"</stream:features>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define DIGEST "mechanism='DIGEST-MD5'"

static const struct component *const nothing[] = {NULL};

struct room {
	struct sim *sim;
	struct settings settings;
	struct conf *conf;
	struct mio_host *router, *part;
	struct mio_listener *listener;
	struct process *process;
	struct log_writer *logs;
	int log;
	unsigned came;
	struct peer peer; /* the connection that came last */
};

static void accepted(int given, void *arg)
{
	struct room *room = arg;

	peer_fini(&room->peer);
	room->peer = (struct peer){.connected = true};
	room->came++;
	mio_sock_take(mio_host_loop(room->router, 0), &room->peer.sock, given, &peer_handler, 0);
}

/* A router at the address (NULL: at the socket in data.dir), and a part that is to find it there.
 */
static struct room *open_room(const char *tls, const char *address)
{
	struct room *room = mem_zalloc(MEM_OTHER, sizeof(*room));
	struct sim_options options = {.seed = 1};
	struct process_options process = {.name = "part",
					  .settings = &room->settings,
					  .components = nothing,
					  .uplink = true,
					  .workers = 1};
	struct buf why = {0}, text = {0}, at = {0};
	struct conf_error error;

	room->sim = sim_new(&options);
	buf_printf(&text,
		   "domains = [\"localhost\"]\n[data]\ndir = \"/sim\"\n[router]\npassword = "
		   "\"secret\"\n"
		   "connect = \"%s\"\ntls = \"%s\"\n",
		   address ? address : "", tls);
	assert_int_equal(
		settings_parse("t", buf_slice(&text), &room->settings, &room->conf, &error), 0);
	if (address)
		buf_append_text(&at, address);
	else
		way_local(&room->settings, &at);
	room->router = sim_host(room->sim, "router");
	assert_int_equal(mio_host_start(room->router, 1, NULL, NULL), 0);
	assert_int_equal(mio_listen(room->router, buf_text(&at), &room->listener), 0);
	mio_accept(mio_host_loop(room->router, 0), room->listener, accepted, room);
	room->log = memfd_create("log", 0);
	room->logs = process.logs = log_writer_new(room->log, LOG_INFO, LOG_TEXT, false);
	room->part = process.host = sim_host(room->sim, "part");
	assert_int_equal(process_start(&process, &room->process, &why), 0);
	buf_fini(&text);
	buf_fini(&at);
	sim_run(room->sim, 500, NULL, NULL);
	assert_int_equal(room->came, 1);
	return room;
}

static void close_room(struct room *room)
{
	process_free(&room->process);
	mio_host_free(&room->part);
	log_writer_free(&room->logs);
	peer_fini(&room->peer);
	sim_kill(room->sim, &room->router);
	sim_free(&room->sim);
	conf_free(&room->conf);
	close(room->log);
	mem_free(room);
}

/* What the part answers; lives until the next call. */
static const char *says(struct room *room, const char *text)
{
	buf_clear(&room->peer.in);
	peer_say(&room->peer, text, strlen(text));
	sim_run(room->sim, 50, NULL, NULL);
	return buf_text(&room->peer.in);
}

/* How many lines of the log have the words. */
static unsigned logged(const struct room *room, const char *words)
{
	char text[8192];
	ssize_t len = pread(room->log, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	assert_true(len >= 0);
	text[len] = '\0';
	for (const char *at = text; (at = strstr(at, words)); at++)
		count++;
	return count;
}

/* Each connection gets the same answer; what came on the second. */
static const char *twice(struct room *room, const char *text)
{
	says(room, text);
	mio_close(&room->peer.sock);
	sim_run(room->sim, 3000, NULL, NULL);
	assert_int_equal(room->came, 2);
	return says(room, text);
}

static void nothing_is_asked_where_nothing_leaves_the_machine(void **state)
{
	struct room *room = open_room("off", NEAR);

	assert_non_null(strstr(twice(room, HEADER FEATURES("")), DIGEST));
	assert_int_equal(logged(room, "in clear"), 0);
	close_room(room);
}

static void a_login_in_clear_over_a_network_is_warned_of_once(void **state)
{
	struct room *room = open_room("off", FAR);

	assert_non_null(strstr(twice(room, HEADER FEATURES("")), DIGEST));
	assert_int_equal(logged(room, "in clear"), 1);
	close_room(room);
}

static void off_means_never(void **state)
{
	struct room *room = open_room("off", FAR);
	const char *answer = says(room, HEADER FEATURES(STARTTLS));

	assert_null(strstr(answer, "starttls"));
	assert_non_null(strstr(answer, DIGEST));
	close_room(room);
}

static void starttls_is_used_when_it_is_offered(void **state)
{
	struct room *room = open_room("starttls", FAR);
	const char *answer = says(room, HEADER FEATURES(STARTTLS));

	assert_non_null(strstr(answer, STARTTLS));
	assert_null(strstr(answer, "<auth"));
	assert_int_equal(logged(room, "in clear"), 0);
	close_room(room);
}

static void without_an_offer_it_goes_on_with_one_warning(void **state)
{
	struct room *room = open_room("starttls", FAR);

	assert_non_null(strstr(twice(room, HEADER FEATURES("")), DIGEST));
	assert_int_equal(
		logged(room,
		       "it offers no TLS: our login and all stanzas cross the network in clear"),
		1);
	close_room(room);
}

static void where_tls_is_required_nothing_is_said_without(void **state)
{
	struct room *room = open_room("required", NEAR);

	assert_string_equal(twice(room, HEADER FEATURES("")), "</stream:stream>");
	assert_int_equal(logged(room, "offers no TLS, and router.tls is \"required\""), 1);
	close_room(room);
}

static void no_login_follows_a_refused_starttls(void **state)
{
	struct room *room = open_room("starttls", NEAR);

	says(room, HEADER FEATURES(STARTTLS));
	assert_null(strstr(
		says(room, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" FEATURES("")),
		"<auth"));
	assert_int_equal(logged(room, "TLS was refused"), 1);
	close_room(room);
}

static void the_socket_in_data_dir_wants_no_password(void **state)
{
	struct room *room = open_room("required", NULL);

	assert_string_equal(
		says(room, HEADER FEATURES(STARTTLS)),
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
	close_room(room);
}

/* A router that was away comes back with another trouble: that is told too. */
static void each_trouble_is_told_once(void **state)
{
	struct room *room = open_room("off", NEAR);

	mio_close(&room->peer.sock);
	sim_run(room->sim, 3000, NULL, NULL);
	assert_int_equal(logged(room, "the stream ended; trying again"), 1);
	for (unsigned turn = 0; turn < 3; turn++) {
		says(room, HEADER FEATURES("") "<failure "
					       "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-"
					       "authorized/></failure>");
		mio_close(&room->peer.sock);
		sim_run(room->sim, 3000, NULL, NULL);
	}
	assert_int_equal(room->came, 5);
	assert_int_equal(logged(room, "refused our login as jabberd: not-authorized"), 1);
	close_room(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_asked_where_nothing_leaves_the_machine),
		cmocka_unit_test(a_login_in_clear_over_a_network_is_warned_of_once),
		cmocka_unit_test(off_means_never),
		cmocka_unit_test(starttls_is_used_when_it_is_offered),
		cmocka_unit_test(without_an_offer_it_goes_on_with_one_warning),
		cmocka_unit_test(where_tls_is_required_nothing_is_said_without),
		cmocka_unit_test(no_login_follows_a_refused_starttls),
		cmocka_unit_test(the_socket_in_data_dir_wants_no_password),
		cmocka_unit_test(each_trouble_is_told_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
