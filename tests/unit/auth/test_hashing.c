/* SPDX-License-Identifier: MIT */
/* Who waits for a password to be checked, and who is told to come back. */
#include "auth/hashing.h"

#include "fixture.h"

enum { GREEDY = 1, OTHER = 2, ROUNDS = 4000 };

struct tries {
	struct fixture *fixture;
	unsigned refused, checked;
};

static void finished(struct hash_job *job)
{
	struct tries *tries = job->arg;

	if (job->refused)
		tries->refused++;
	else
		tries->checked++;
	answered(tries->fixture);
}

static void try(struct hashing *hashing, struct tries *tries, uint64_t place)
{
	struct hash_job *job = hash_job_new(SLICE("pencil"), finished, tries);

	job->place = place;
	job->account.keys[AUTH_SHA512] = (struct auth_key){.present = true, .rounds = ROUNDS, .salt_len = 16};
	tries->fixture->waiting++;
	hash_job_start(hashing, &job);
}

static void one_place_leaves_room_for_others(void **state)
{
	struct fixture *fixture = *state;
	struct hashing hashing;
	struct tries greedy = {.fixture = fixture}, other = {.fixture = fixture}, uncounted = {.fixture = fixture};

	hashing_init(&hashing, fixture->mio, fixture->hashing);
	for (unsigned at = 0; at < 500; at++)
		try(&hashing, &greedy, GREEDY);
	try(&hashing, &other, OTHER);
	try(&hashing, &uncounted, 0);
	await(fixture);
	assert_int_equal(other.checked, 1);
	assert_int_equal(uncounted.checked, 1);
	assert_in_range(greedy.checked, HASHING_QUEUE_MAX / 2, HASHING_QUEUE_MAX - 4);
	assert_int_equal(greedy.checked + greedy.refused, 500);
	hashing_fini(&hashing);
}

/* As several workers have it: each knows its own. */
static void nor_do_several_loops_together_take_all(void **state)
{
	struct fixture *fixture = *state;
	struct hashing hashings[8];
	struct tries greedy = {.fixture = fixture}, other = {.fixture = fixture};

	for (unsigned at = 0; at < countof(hashings); at++)
		hashing_init(&hashings[at], fixture->mio, fixture->hashing);
	for (unsigned at = 0; at < 800; at++)
		try(&hashings[at % countof(hashings)], &greedy, GREEDY);
	try(&hashings[0], &other, OTHER);
	await(fixture);
	assert_int_equal(other.checked, 1);
	assert_true(greedy.checked >= 40);
	for (unsigned at = 0; at < countof(hashings); at++)
		hashing_fini(&hashings[at]);
}

static void who_comes_once_is_one_of_sixty_four(void **state)
{
	struct fixture *fixture = *state;
	struct hashing hashing;
	struct tries all = {.fixture = fixture};

	hashing_init(&hashing, fixture->mio, fixture->hashing);
	for (unsigned at = 0; at < HASHING_QUEUE_MAX; at++)
		try(&hashing, &all, 100 + at);
	await(fixture);
	assert_int_equal(all.checked, HASHING_QUEUE_MAX);
	for (unsigned at = 0; at < 500; at++)
		try(&hashing, &all, 100 + at);
	await(fixture);
	assert_true(all.refused > 0);
	hashing_fini(&hashing);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_place_leaves_room_for_others, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(nor_do_several_loops_together_take_all, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(who_comes_once_is_one_of_sixty_four, fixture_setup, fixture_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
