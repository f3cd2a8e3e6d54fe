/* SPDX-License-Identifier: MIT */
/* No time and no randomness but the simulation's: for libraries the seed's, for our own code none.
 */
#include "sim_guard.h"

#include <gsasl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "sim_peer.h"

/* -- our own code is refused -- */

static int64_t plant_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_nsec;
}

static int64_t plant_time(void)
{
	return time(NULL);
}

static int64_t plant_random(void)
{
	int64_t value = 0;

	return getrandom(&value, sizeof(value), 0) + value;
}

static int64_t plant_entropy(void)
{
	int64_t value = 0;

	return getentropy(&value, sizeof(value)) + value;
}

static int64_t plant_sleep(void)
{
	return usleep(1);
}

/* Runs it in a child; says whether that aborted and what it printed. */
static bool aborts(int64_t (*plant)(void), char *said, size_t size)
{
	int pipes[2], status = 0;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(pipes[1], STDERR_FILENO);
		_exit(plant() == 42 ? 1 : 0);
	}
	close(pipes[1]);
	got = read(pipes[0], said, size - 1);
	said[got > 0 ? got : 0] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void our_own_call_aborts_and_names_itself(void **state)
{
	static const struct {
		int64_t (*plant)(void);
		const char *name;
	} plants[] = {{plant_clock, "clock_gettime()"},
		      {plant_time, "time()"},
		      {plant_random, "getrandom()"},
		      {plant_entropy, "getentropy()"},
		      {plant_sleep, "usleep()"}};
	char said[512];

	for (unsigned i = 0; i < countof(plants); i++) {
		assert_true(aborts(plants[i].plant, said, sizeof(said)));
		assert_non_null(strstr(said, plants[i].name));
	}
}

static int64_t do_nothing(void)
{
	return 0;
}

static void other_code_runs_on(void **state)
{
	char said[512];

	assert_false(aborts(do_nothing, said, sizeof(said)));
	assert_string_equal(said, "");
}

/* -- libraries get what the seed gives -- */

static struct sim *new_sim(uint64_t seed)
{
	struct sim_options options = {.seed = seed};
	struct sim *sim = sim_new(&options);

	sim_guard_use(sim);
	return sim;
}

static void end_sim(struct sim **sim)
{
	sim_guard_use(NULL);
	sim_free(sim);
}

static void ssl_bytes_of(uint64_t seed, unsigned char out[32])
{
	struct sim *sim = new_sim(seed);

	assert_int_equal(RAND_bytes(out, 16), 1);
	assert_int_equal(RAND_priv_bytes(out + 16, 16), 1);
	end_sim(&sim);
}

static void openssl_draws_from_the_seed(void **state)
{
	unsigned char first[32], second[32], other[32];

	ssl_bytes_of(1, first);
	ssl_bytes_of(1, second);
	ssl_bytes_of(2, other);
	assert_memory_equal(first, second, sizeof(first));
	assert_memory_not_equal(first, other, sizeof(first));
}

/* The first bytes of a TLS client: its random, its session id, its key share. */
static int hello_of(uint64_t seed, char *out, int size)
{
	struct sim *sim = new_sim(seed);
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
	int len;

	SSL_set_bio(ssl, in, sent);
	SSL_connect(ssl);
	len = BIO_read(sent, out, size);
	SSL_free(ssl);
	SSL_CTX_free(context);
	end_sim(&sim);
	return len;
}

static void tls_says_the_same_hello(void **state)
{
	char first[2048], second[2048], other[2048];
	int len = hello_of(1, first, sizeof(first));

	assert_true(len > 100);
	assert_int_equal(hello_of(1, second, sizeof(second)), len);
	hello_of(2, other, sizeof(other));
	assert_memory_equal(first, second, (size_t)len);
	assert_memory_not_equal(first, other, (size_t)len);
}

static int no_property(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
	return GSASL_NO_CALLBACK;
}

/* The challenge of a DIGEST-MD5 server has its nonce. */
static char *challenge_of(uint64_t seed)
{
	struct sim *sim = new_sim(seed);
	Gsasl_session *session = NULL;
	Gsasl *context = NULL;
	char *challenge = NULL;
	size_t len = 0;
	int rc;

	assert_int_equal(gsasl_init(&context), GSASL_OK);
	gsasl_callback_set(context, no_property);
	assert_int_equal(gsasl_server_start(context, "DIGEST-MD5", &session), GSASL_OK);
	rc = gsasl_step(session, NULL, 0, &challenge, &len);
	assert_true(rc == GSASL_NEEDS_MORE || rc == GSASL_OK);
	gsasl_finish(session);
	gsasl_done(context);
	end_sim(&sim);
	return challenge;
}

static void digest_md5_makes_the_same_nonce(void **state)
{
	char *first = challenge_of(1), *second = challenge_of(1), *other = challenge_of(2);

	assert_non_null(strstr(first, "nonce="));
	assert_string_equal(first, second);
	assert_string_not_equal(first, other);
	gsasl_free(first);
	gsasl_free(second);
	gsasl_free(other);
}

static void openssl_reads_the_virtual_clock(void **state)
{
	struct sim *sim = new_sim(1);
	ASN1_TIME *now = ASN1_TIME_set(NULL, 1767225600);

	assert_int_equal(X509_cmp_current_time(now), -1); /* equal counts as past */
	ASN1_TIME_free(now);
	now = ASN1_TIME_set(NULL, 1767225601);
	assert_int_equal(X509_cmp_current_time(now), 1);
	ASN1_TIME_free(now);
	end_sim(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_call_aborts_and_names_itself),
		cmocka_unit_test(other_code_runs_on),
		cmocka_unit_test(openssl_draws_from_the_seed),
		cmocka_unit_test(tls_says_the_same_hello),
		cmocka_unit_test(digest_md5_makes_the_same_nonce),
		cmocka_unit_test(openssl_reads_the_virtual_clock),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
