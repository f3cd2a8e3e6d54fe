/* SPDX-License-Identifier: MIT */
/*
 * The certificate of one name: where its files are, what is wrong with them, and an SSL_CTX of
 * them. In tls.certificates, each with its key, the first that is there:
 *
 *   NAME.crt, NAME.key                     NAME/fullchain.pem, NAME/privkey.pem
 *   those of a domain above NAME, when that certificate is for NAME too (*.example.com)
 *   a NAME in Unicode, or as DNS has it (xn--...)
 *
 * and beside it one with an ECDSA key, shown to whoever can read it:
 *
 *   NAME.ecdsa.crt, NAME.ecdsa.key         NAME-ecdsa/fullchain.pem, NAME-ecdsa/privkey.pem
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"

struct settings;
struct ssl_ctx_st;
struct x509_st;

/* What does not keep a certificate from being shown, though nobody may believe it. */
enum certificate_problem {
	CERTIFICATE_FINE,
	CERTIFICATE_EXPIRED,
	CERTIFICATE_EARLY, /* it is not valid yet */
	CERTIFICATE_OTHER_NAME,
	CERTIFICATE_CHAIN, /* what follows it in its file did not sign it, */
	CERTIFICATE_CHAIN_OLD, /* or is not valid itself; */
	CERTIFICATE_ALONE, /* or nothing follows, and who signed it is no root */
	CERTIFICATE_UNUSABLE, /* one that was made is shown instead */
};

struct certificate_pair {
	struct buf certificate, key; /* paths */
};

enum { CERTIFICATE_PAIRS_MAX = 2 };

struct certificate {
	const char *name; /* borrowed */
	bool is_domain;	  /* it must be for the name; a router's is for addresses */
	struct certificate_pair pairs[CERTIFICATE_PAIRS_MAX];
	unsigned count;
	bool made; /* it is one of data.dir/certs */
	/* Known when it is loaded, of all pairs: the first problem, the earliest end in seconds
	 * since 1970. */
	enum certificate_problem problem;
	int64_t until_s;
};

void certificate_fini(struct certificate *certificate);

enum { CERTIFICATE_NONE = 1 };
/* Of the two above. Half of a pair counts: loading it says what is missing. Returns 0,
 * CERTIFICATE_NONE, or a fault with a line in *why. */
int certificate_find(const struct settings *settings, struct certificate *certificate,
		     struct buf *why);
/* Where the one that is made is, or will be: data.dir/certs. */
void certificate_place_made(const struct settings *settings, struct certificate *certificate);
bool certificate_is_there(struct certificate_pair *pair); /* either file */

/*
 * Reads all pairs into the context: readable, PEM, keys that fit. Returns 0, or a fault with a line
 * in *why. A problem is a line in *note, with what to do about it. On any thread.
 */
int certificate_load(struct certificate *certificate, int64_t now_s, struct ssl_ctx_st *context,
		     struct buf *note, struct buf *why);
/* Why others than the server can read or change its key, with the line to type; false: they cannot.
 */
bool certificate_key_is_open(const char *key_file, struct buf *why);

void certificate_add_issuer(const struct x509_st *certificate, struct buf *out); /* the name of who signed it */
/* That the file lacks who signed the last in it. */
void certificate_explain_incomplete(const char *file, const struct x509_st *last, struct buf *out);

/* Not a pipe, which would wait for somebody to write, nor a directory. */
bool certificate_is_file(const char *path);

/* Calls path() for each file whose coming, going or change may make another certificate of it. */
void certificate_watch(const struct settings *settings, const char *name,
		       void (*path)(void *arg, const char *path), void *arg);
/* Mixes into a stamp what shows that a file is another: a symlink is followed. On any thread; may
 * block. */
uint64_t certificate_stamp(uint64_t stamp, const char *path);
