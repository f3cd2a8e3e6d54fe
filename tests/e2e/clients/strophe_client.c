/* SPDX-License-Identifier: MIT */
/* libstrophe logs in, sends a message, prints the one that it gets. usage: ADDRESS PASSWORD PORT
 * starttls|direct CA PEER TEXT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>

enum { ADDRESS = 1, PASSWORD, PORT, TLS, CA, PEER, TEXT, COUNT };

struct run {
	xmpp_ctx_t *ctx;
	char **words;
	int status; /* of the process */
};

static int arrived(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
	struct run *run = arg;
	char *text = xmpp_message_get_body(stanza);

	if (!text)
		return 1;
	puts(text);
	fflush(stdout);
	xmpp_free(run->ctx, text);
	run->status = EXIT_SUCCESS;
	xmpp_disconnect(conn);
	return 0;
}

static void begin(xmpp_conn_t *conn, struct run *run)
{
	xmpp_stanza_t *presence = xmpp_presence_new(run->ctx);
	xmpp_stanza_t *message = xmpp_message_new(run->ctx, "chat", run->words[PEER], "1");

	xmpp_handler_add(conn, arrived, NULL, "message", NULL, run);
	xmpp_send(conn, presence);
	xmpp_message_set_body(message, run->words[TEXT]);
	xmpp_send(conn, message);
	xmpp_stanza_release(presence);
	xmpp_stanza_release(message);
}

static void changed(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
		    xmpp_stream_error_t *stream_error, void *arg)
{
	struct run *run = arg;

	if (event == XMPP_CONN_CONNECT) {
		begin(conn, run);
		return;
	}
	if (run->status)
		fprintf(stderr, "not logged in: error %d\n", error);
	xmpp_stop(run->ctx);
}

int main(int argc, char **argv)
{
	struct run run = {.words = argv, .status = EXIT_FAILURE};
	xmpp_conn_t *conn;

	if (argc != COUNT)
		return 2;
	signal(SIGPIPE, SIG_IGN); /* its farewell in TLS may find that the server has closed */
	xmpp_initialize();
	run.ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_WARN));
	conn = xmpp_conn_new(run.ctx);
	xmpp_conn_set_flags(conn, strcmp(argv[TLS], "direct") ? XMPP_CONN_FLAG_MANDATORY_TLS
							      : XMPP_CONN_FLAG_LEGACY_SSL);
	xmpp_conn_set_cafile(conn, argv[CA]);
	xmpp_conn_set_jid(conn, argv[ADDRESS]);
	xmpp_conn_set_pass(conn, argv[PASSWORD]);
	if (xmpp_connect_client(conn, "127.0.0.1", (unsigned short)atoi(argv[PORT]), changed,
				&run) == XMPP_EOK)
		xmpp_run(run.ctx);
	xmpp_conn_release(conn);
	xmpp_ctx_free(run.ctx);
	xmpp_shutdown();
	return run.status;
}
