/* SPDX-License-Identifier: MIT */
/* Logging in: what streams are offered, and logins that wait for their domain. */
#pragma once

#include "c2s/client.h"

struct nad;

struct client *client_new(struct c2s *c2s); /* without a connection yet */
extern const struct sx_sasl_server_conf login_conf;
void login_offer_bindings(struct client *client, struct nad *features); /* XEP-0440 */
/* XEP-0484: those by which its device could log in with a token on this stream. */
void login_offer_tokens(struct client *client, struct nad *features);
void login_token_mechanisms(struct client *client, void (*offer)(void *to, const char *name), void *to);
unsigned login_wanted_hashes(struct client *client); /* that its domain does not offer yet, a bit (1 << hash) each */
void login_go_on_accepting(struct client *client); /* one that succeeded: the next task, tokens, and it is accepted */
/* How a login that succeeded goes on, once its tokens are stored; or does not. */
void login_accept(struct client *client);
void login_refuse(struct client *client, enum auth_failure failure, const char *why);
void login_go_on(struct c2s *c2s, struct domain *domain); /* those that waited for the domain */
void login_fail_waiting(struct c2s *c2s, struct domain *domain);
const struct auth_source *login_source(struct c2s *c2s, const struct domain *domain, void **state);
