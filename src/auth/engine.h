/* SPDX-License-Identifier: MIT */
/* The inside of the engine: what mechanisms see of an attempt, and what waits for a source. */
#pragma once

#include "auth/auth.h"
#include "auth/hashing.h"
#include "base/table.h"

enum {
	AUTH_MESSAGE_MAX = 8192, /* of a client's message, decoded */
	AUTH_MECHANISMS_MAX = 16,
};

struct auth_mechanism;

struct auth {
	struct mio *mio;
	struct hashing hashing;
	struct slots requests; /* each a struct auth_request */
	/* Best first; room for all that there are. */
	const struct auth_mechanism *mechanisms[AUTH_MECHANISMS_MAX];
	size_t mechanism_count;
	bool plain_insecure;
	uint32_t rounds;
	uint8_t secret[32];
	struct storage *storage; /* where tokens are, once some were written */
};

/* What a source was asked, named by a slot until it is answered. */
struct auth_request {
	uint64_t token; /* 0: nothing under way */
	void (*answered)(struct auth_request *request, int result,
			 const struct auth_account *account);
	void (*dropped)(struct auth_request *request); /* the auth ends first */
};

void auth_request_start(struct auth *auth, struct auth_request *request);
/* A late answer is forgotten. */
void auth_request_stop(struct auth *auth, struct auth_request *request);

struct auth_login {
	struct auth *auth;
	const struct auth_mechanism *mechanism;
	const struct auth_source *source;
	void *source_state;
	const struct auth_asker *asker;
	void *arg;
	uint64_t token;
	struct str *domain;
	struct auth_channel channel;
	const struct auth_binding *binding; /* of the channel, that the client is bound by */
	struct jid *user;
	struct auth_request request; /* the lookup */
	struct hash_job *job;	     /* the check of a password; the driver's */
	struct auth_key expected;    /* by that check */
	enum auth_hash hash;
	const char *wrong; /* what it is when the proof is wrong */
	uint64_t era; /* of the account */
	unsigned lacks; /* hashes that it has no key of */
	bool begun, over, disabled;
	bool keyless; /* the account has keys, but not this mechanism's: it was offered before that was known */
	_Alignas(16) char state[]; /* the mechanism's, zeroed */
};

/*
 * A mechanism asks for the account with login_lookup(), gets it in found(), and ends each of its
 * turns with one of the functions below. The login may be gone when it returns.
 */
struct auth_mechanism {
	const char *name, *how;
	bool clear; /* the password itself crosses the wire */
	bool binds; /* to the channel */
	bool hashes; /* needs a key of the hash below */
	bool certified; /* by TLS; its message may be empty */
	bool anonymous; /* whoever it is; no message is needed */
	bool tokens; /* by one of a device, that is looked up along */
	enum auth_hash hash;
	size_t size;
	void (*step)(struct auth_login *login, struct slice message);
	/* account is NULL when it is unknown. */
	void (*found)(struct auth_login *login, const struct auth_account *account);
	void (*fini)(struct auth_login *login);
};

/* The mechanism of that name when it may be used now, else NULL. */
const struct auth_mechanism *auth_usable(const struct auth *auth, const char *name,
					 const struct auth_channel *channel);

extern const struct auth_mechanism auth_scram_sha1, auth_scram_sha256, auth_scram_sha512,
	auth_scram_sha1_plus, auth_scram_sha256_plus, auth_scram_sha512_plus, auth_plain,
	auth_external, auth_anonymous;

/* The mechanism of that name for who says its device, when it may be used; else NULL. */
const struct auth_mechanism *ht_find(const char *name, const struct auth_channel *channel);
bool ht_is_usable(const struct auth_channel *channel, enum auth_token_mechanism mechanism);

void login_lookup(struct auth_login *login, struct slice user, struct slice authzid);
/* Succeeds or fails by the password, on the hashing driver. */
void login_check(struct auth_login *login, enum auth_hash hash, const struct auth_key *key,
		 struct slice password);
void login_challenge(struct auth_login *login, struct slice data);
void login_succeed(struct auth_login *login, struct slice data); /* without data when it is empty */
void login_fail(struct auth_login *login, enum auth_failure failure, const char *why);

void login_fail_proof(struct auth_login *login);

/* The key of the account, or one that nobody can have the password of. */
void login_key(struct auth_login *login, const struct auth_account *account, enum auth_hash hash,
	       struct auth_key *key);
