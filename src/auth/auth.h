/* SPDX-License-Identifier: MIT */
/*
 * Logging in as asynchronous steps. One struct auth per worker offers mechanisms and runs attempts; where accounts are
 * kept is a source: storage, or the sm of the domain asked over link. Only salts, rounds and derived keys are kept
 * (RFC 5802, 7677, strings of RFC 5803), never a password. PBKDF2 runs on the hashing driver, never on a loop.
 * Unknown users look like known ones: a stable salt of their own, the same work, the same failure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "auth/account.h"
#include "base/buf.h"

struct auth;
struct auth_login; /* one attempt */
struct jid;
struct mio;
struct mio_driver;
struct mio_host;
struct storage;

/* -- sources -------------------------------------------------------------------------------------- */

enum { AUTH_ALL_HASHES = (1 << AUTH_HASHES) - 1 };
/* Outcomes; faults are negative. REFUSED: no account can be so; LOCKED: an account of that name ended not long ago. */
enum { AUTH_OK, AUTH_EXISTS = 1, AUTH_UNKNOWN, AUTH_REFUSED, AUTH_LOCKED };

/* Answers a source's request, on the loop of the request's auth, on a later turn. account is lent; NULL unless a lookup's, or of tokens. */
void auth_source_answer(struct auth *auth, uint64_t token, int result, const struct auth_account *account);

struct auth_source {
	const char *name;
	/*
	 * Each ends in auth_source_answer(auth, token, ...). user is a bare JID, lent; with a resource, that names a device, the
	 * account has its tokens. To look a domain up is to ask what all have: a domain has a key, of no password, for each hash that no enabled account with a password lacks. A source that
	 * does not know says AUTH_UNKNOWN.
	 */
	void (*lookup)(void *state, struct auth *auth, struct jid *user, uint64_t token);
	void (*create)(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token);
	void (*change)(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token);
	void (*remove)(void *state, struct auth *auth, struct jid *user, uint64_t token);
	/*
	 * The tokens of a device, user's resource, are these from now on; the answer has them with their secrets. AUTH_UNKNOWN: its
	 * account has another era, or the token that was used is another, or there is none. NULL: it cannot.
	 */
	void (*tokens)(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token);
	/* Keys of the same password, beside those that it has; AUTH_UNKNOWN as above. NULL: it cannot. */
	void (*add_keys)(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token);
	/* Of what was just created, and never used: the name is not locked. NULL: it cannot. */
	void (*undo)(void *state, struct auth *auth, struct jid *user, uint64_t token);
};

extern const struct auth_source auth_source_storage; /* its state is a struct storage * */

/*
 * How accounts become rows, for who writes them in a transaction of its own (import). created: the time of a new
 * account, which must not exist; NULL: one that exists gets these keys instead of its own, and is disabled if it was.
 */
struct store_txn;
void auth_account_rows(struct store_txn *txn, struct jid *user, const struct auth_account *account,
		       const char *created);
void auth_tokens_end(struct store_txn *txn, struct jid *user, uint64_t era); /* all; era: another than before */
/* The account was written, or (NULL) removed, otherwise: keeps STORE_LACKING in step. */
void auth_account_lacks(struct store_txn *txn, struct jid *user, const struct auth_account *account);
/*
 * Whatever an account owns goes, in all stores, and nobody gets its name for 30 days: auth_account_unlocked() makes the
 * transaction end with STORE_FULL, or forgets a lock that is over.
 */
void auth_account_end(struct store_txn *txn, struct jid *user, int64_t wall_ms);
void auth_account_unlocked(struct store_txn *txn, struct jid *user, int64_t wall_ms);
const char *auth_locked_until(char *stamp, int64_t wall_ms); /* of an account that ends now; STAMP_LEN bytes */
/* Appends what owners of STORE_LACKING begin with, those of a hash in a domain; the user follows. */
void auth_lacking(enum auth_hash hash, struct slice domain, struct buf *out);
/* Asks for the hashes that a domain offers: they are read with the number of the operation, a bit (1 << hash) each. */
unsigned auth_census_ask(struct store_txn *txn, struct slice domain);
unsigned auth_census(const struct store_txn *txn, unsigned op);
bool auth_is_anonymous(const struct jid *user); /* a name that ANONYMOUS makes: no account can have it */
bool auth_password_allowed(struct slice password); /* SASLprep, and neither empty nor too long */

/* -- the engine ------------------------------------------------------------------------------------ */

struct auth_options {
	const char *const *mechanisms; /* of the file, best first, NULL-terminated; with SCRAM comes its -PLUS */
	bool plain_insecure;           /* PLAIN without TLS: tls.required = false */
	uint32_t rounds;               /* of new keys; 0: 10,000 */
	uint8_t secret[32];            /* of the installation: makes unknown users' salts */
};

/* What a stream can be bound to, best first: RFC 9266, RFC 5929. */
enum auth_binding_type { AUTH_TLS_EXPORTER, AUTH_TLS_UNIQUE, AUTH_TLS_SERVER_END_POINT, AUTH_BINDINGS };

struct auth_binding {
	uint8_t len; /* 0: the stream has none of this type */
	uint8_t data[64];
};

enum { AUTH_CERTIFIED_MAX = 8 };

/* The stream that somebody logs in on. */
struct auth_channel {
	bool secure;
	unsigned hashes; /* a bit (1 << hash) for each that its domain offers */
	bool anonymous;  /* its domain serves who has no account */
	uint16_t tls;    /* its version as on the wire, 0x0304; 0: none, or not known */
	char device[AUTH_DEVICE_LEN]; /* that the client says it is, to log in by a token; "": only otherwise */
	uint64_t place;  /* where the client is: of one place only so many passwords wait to be checked; 0: it is not counted */
	unsigned certified_count;
	struct jid *certified[AUTH_CERTIFIED_MAX]; /* of its domain: whom the client's certificate is for, bare */
	struct auth_binding bindings[AUTH_BINDINGS];
};

const char *auth_binding_name(enum auth_binding_type type); /* "tls-exporter" */
void auth_channel_certify(struct auth_channel *channel, struct jid *user); /* those beyond the bound are not known */
void auth_channel_fini(struct auth_channel *channel);
bool auth_channel_binds(const struct auth_channel *channel); /* to anything */

/* The driver for hashing: half the cores, at least one, of low priority; or all of them; shared by the workers. */
struct mio_driver *auth_hashing_new(struct mio_host *host, bool all_cores);
struct auth *auth_new(struct mio *mio, struct mio_driver *hashing, const struct auth_options *options);
/* Other mechanisms, and PLAIN without TLS or not, for logins that begin from now on. */
void auth_change(struct auth *auth, const struct auth_options *options);
void auth_free(struct auth **auth); /* after its logins were ended, the loops stopped and the driver was freed */

bool auth_offers(const struct auth *auth, const char *mechanism, const struct auth_channel *channel);
/* Calls offer() for each mechanism usable now, best first. */
void auth_mechanisms(const struct auth *auth, const struct auth_channel *channel, void (*offer)(void *to, const char *name), void *to);

enum auth_outcome { AUTH_CHALLENGE, AUTH_SUCCESS, AUTH_FAILURE };
enum auth_failure {
	AUTH_NOT_AUTHORIZED, AUTH_ACCOUNT_DISABLED, AUTH_INVALID_AUTHZID, AUTH_INVALID_MECHANISM, AUTH_MALFORMED_REQUEST,
	AUTH_MECHANISM_TOO_WEAK, AUTH_ENCRYPTION_REQUIRED, AUTH_TEMPORARY_FAILURE,
	AUTH_TOO_OFTEN, /* by the asker's may_try() */
	AUTH_CREDENTIALS_EXPIRED, /* no token that is known, whatever was wrong */
	AUTH_FAILURES
};

struct auth_answer {
	enum auth_outcome outcome;
	enum auth_failure failure;
	const char *why; /* of a failure, for the log: constant */
	bool has_data;
	struct slice data; /* lent for the call */
	struct jid *user;  /* on success, bare; lent for the call */
};

/* Who asks; called with the arg and token of auth_begin(). */
struct auth_asker {
	/* On a later turn or from within auth_step(). */
	void (*answer)(void *arg, uint64_t token, const struct auth_answer *answer);
	/* Before any work is done for the user, a bare JID, lent. False: the attempt is over. NULL: anybody may. */
	bool (*may_try)(void *arg, uint64_t token, struct jid *user);
};

/*
 * An attempt at a domain with a source (state is the source's); the channel is copied. Returns NULL when the mechanism is
 * not offered.
 */
struct auth_login *auth_begin(struct auth *auth, const char *mechanism, const struct auth_channel *channel,
			      struct slice domain, const struct auth_source *source, void *state, const struct auth_asker *asker,
			      void *arg, uint64_t token); /* asker: borrowed */
void auth_step(struct auth_login *login, struct slice message);
void auth_end(struct auth_login **login); /* at any time, an answer under way is forgotten; NULL is fine */
struct jid *auth_user(const struct auth_login *login); /* who it says to be; NULL: it did not say yet */
bool auth_needs_no_message(const struct auth_login *login); /* one that was not sent is like an empty one */
const char *auth_how(const struct auth_login *login); /* "SASL/SCRAM-SHA-256": constant */
const char *auth_bound_by(const struct auth_login *login); /* "tls-exporter"; NULL: to nothing */
/* The tokens of the device that a login by one of them, which succeeded, looked up; *used is that. NULL: it was no such login. */
const struct auth_token *auth_tokens_of(const struct auth_login *login, unsigned *used);
uint64_t auth_era(const struct auth_login *login); /* of the account that it looked up */
unsigned auth_lacks(const struct auth_login *login); /* of who proved a password that has some keys: the others, a bit (1 << hash) each */
/* Of the hashes of the file those that the channel's domain does not offer, for somebody lacks them. */
unsigned auth_wanted_hashes(const struct auth *auth, const struct auth_channel *channel);
uint32_t auth_rounds(const struct auth *auth); /* of new keys */
/* Calls offer() for each mechanism that tokens are for and this stream may use: those that bind first. */
void auth_token_mechanisms(const struct auth_channel *channel, void (*offer)(void *to, const char *name), void *to);

/*
 * Makes all keys of a password on the hashing driver: made(arg, token, AUTH_OK, account) on a later turn. AUTH_REFUSED: the
 * password is not allowed (SASLprep, empty); -EAGAIN: too much waits. The password is copied and wiped.
 */
typedef void auth_made_fn(void *arg, uint64_t token, int result, const struct auth_account *account);
void auth_make_account(struct auth *auth, struct slice password, auth_made_fn *made, void *arg, uint64_t token);

/* A request to a source made for somebody else than a login: done(arg, token, result, account). */
typedef void auth_asked_fn(void *arg, uint64_t token, int result, const struct auth_account *account);
enum auth_verb { AUTH_LOOKUP, AUTH_CREATE, AUTH_CHANGE, AUTH_REMOVE, AUTH_TOKENS_SET, AUTH_KEYS_ADD, AUTH_UNDO };
void auth_ask(struct auth *auth, enum auth_verb verb, const struct auth_source *source, void *state, struct jid *user,
	      const struct auth_account *account, auth_asked_fn *done, void *arg, uint64_t token);

/* -- DIGEST-MD5 towards components only (RFC 2831): pure steps through libgsasl, no source ---------- */

struct auth_digest;
/* password(arg, user) gives the secret of a user or NULL. realm and service are "jabberd-router". */
struct auth_digest *auth_digest_new(const char *service, const char *realm, struct mio_host *host,
				    const char *(*password)(void *arg, const char *user), void *arg);
void auth_digest_free(struct auth_digest **digest);
/* One message in (empty at first), *answer is lent until the next call. AUTH_SUCCESS: user() is proven. */
enum auth_outcome auth_digest_step(struct auth_digest *digest, struct slice message, struct slice *answer, const char **text);
const char *auth_digest_user(const struct auth_digest *digest);
