/* SPDX-License-Identifier: MIT */
/* Mail between loops: order, lanes, and back pressure. */
#include "harness.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "mio/backend.h"

enum { LETTERS = 50000, RETURNS = 20000, WORKERS = 2 };

/* -- without threads: the test runs the loops' mail by hand -- */

struct letter {
	struct mio_mail mail;
	struct post_office *office;
	unsigned number;
};

struct post_office {
	struct harness harness;
	struct mio *a, *b;
	unsigned arrived[8], count;
};

static void arrives(struct mio *mio, struct mio_mail *mail)
{
	struct letter *letter = container_of(mail, struct letter, mail);
	struct post_office *office = letter->office;

	assert_ptr_equal(mio, office->b);
	office->arrived[office->count++] = letter->number;
}

static void open_office(struct post_office *office, size_t mark)
{
	memset(office, 0, sizeof(*office));
	harness_start(&office->harness, WORKERS, NULL, NULL);
	mio_mailbox_mark(office->harness.host, mark);
	office->a = mio_host_loop(office->harness.host, 0);
	office->b = mio_host_loop(office->harness.host, 1);
}

static void send_letter(struct post_office *office, struct letter *letter, unsigned number,
			enum mio_lane lane, size_t bytes)
{
	letter->office = office;
	letter->number = number;
	letter->mail.run = arrives;
	letter->mail.bytes = bytes;
	mio_post(office->a, office->b, lane, &letter->mail);
}

static void runs_control_before_data(void **state)
{
	static const unsigned expected[] = {2, 4, 1, 3};
	struct post_office office;
	struct letter letters[4];

	open_office(&office, 1000);
	send_letter(&office, &letters[0], 1, MIO_DATA, 10);
	send_letter(&office, &letters[1], 2, MIO_CONTROL, 10);
	send_letter(&office, &letters[2], 3, MIO_DATA, 20);
	send_letter(&office, &letters[3], 4, MIO_CONTROL, 10);
	assert_int_equal(mio_mailbox_bytes(office.b), 30);
	mio_mail_run(office.b);
	assert_int_equal(office.count, countof(expected));
	assert_memory_equal(office.arrived, expected, sizeof(expected));
	assert_int_equal(mio_mailbox_bytes(office.b), 0);
	assert_int_equal(letters[0].mail.from, 0);
	harness_free(&office.harness);
}

static void rests_entry_sockets_above_the_mark(void **state)
{
	struct post_office office;
	struct letter letters[3];

	open_office(&office, 100);
	send_letter(&office, &letters[0], 0, MIO_DATA, 100);
	assert_false(mio_entry_paused(office.a));
	send_letter(&office, &letters[1], 1, MIO_DATA, 1);
	assert_true(mio_entry_paused(office.a));
	assert_false(mio_entry_paused(office.b));
	send_letter(&office, &letters[2], 2, MIO_CONTROL, 1000);
	mio_mail_run(office.a);
	assert_true(mio_entry_paused(office.a));
	mio_mail_run(office.b);
	assert_true(mio_entry_paused(office.a));
	mio_mail_run(office.a);
	assert_false(mio_entry_paused(office.a));
	harness_free(&office.harness);
}

static void counts_what_a_worker_posts_to_itself(void **state)
{
	struct post_office office;
	struct letter letter;

	open_office(&office, 0);
	office.a = office.b;
	send_letter(&office, &letter, 1, MIO_DATA, 1);
	assert_int_equal(office.count, 0);
	assert_true(mio_entry_paused(office.b));
	mio_mail_run(office.b);
	assert_int_equal(office.count, 1);
	assert_true(mio_has_work(office.b));
	mio_mail_run(office.b);
	assert_false(mio_entry_paused(office.b));
	assert_false(mio_has_work(office.b));
	harness_free(&office.harness);
}

static void posts_again(struct mio *mio, struct mio_mail *mail)
{
	struct letter *letter = container_of(mail, struct letter, mail);

	letter->office->count++;
	mio_post(mio, mio, MIO_CONTROL, mail);
}

static void delivers_ones_own_mail_in_a_later_turn(void **state)
{
	struct post_office office;
	struct letter letter = {.office = &office, .mail.run = posts_again};

	open_office(&office, 100);
	mio_post(office.a, office.a, MIO_CONTROL, &letter.mail);
	mio_mail_run(office.a);
	assert_int_equal(office.count, 1);
	mio_mail_run(office.a);
	assert_int_equal(office.count, 2);
	harness_free(&office.harness);
}

static void posts_what_a_part_has_for_a_loop_at_the_parts_end(void **state)
{
	static const unsigned expected[] = {1, 2, 3};
	struct post_office office;
	struct letter letters[3];

	open_office(&office, 1000);
	mio_turn_begin(office.a);
	send_letter(&office, &letters[0], 1, MIO_DATA, 10);
	send_letter(&office, &letters[1], 2, MIO_DATA, 10);
	assert_false(mio_mail_waits(office.b));
	mio_part_end(office.a);
	assert_int_equal(mio_mailbox_bytes(office.b), 20);
	send_letter(&office, &letters[2], 3, MIO_DATA, 10);
	mio_turn_end(office.a);
	mio_mail_run(office.b);
	assert_int_equal(office.count, countof(expected));
	assert_memory_equal(office.arrived, expected, sizeof(expected));
	harness_free(&office.harness);
}

/* -- what many mails leave to do -- */

struct answered {
	struct mio_mail mail;
	struct desk *desk;
};

struct desk {
	struct mio_task task;
	struct answered mails[2 * MIO_PART + 1];
	unsigned opened, written[4], rounds;
};

static void write_answers(struct mio_task *task)
{
	struct desk *desk = container_of(task, struct desk, task);

	desk->written[desk->rounds++] = desk->opened;
}

static void open_mail(struct mio *mio, struct mio_mail *mail)
{
	struct desk *desk = container_of(mail, struct answered, mail)->desk;

	desk->opened++;
	mio_defer(mio, &desk->task);
}

static void writes_the_answers_to_much_mail_in_parts(void **state)
{
	struct harness harness;
	struct desk desk = {.task.run = write_answers};

	harness_start(&harness, 1, NULL, NULL);
	for (unsigned at = 0; at < countof(desk.mails); at++) {
		desk.mails[at] = (struct answered){{.run = open_mail}, &desk};
		mio_post(harness.mio, harness.mio, MIO_DATA, &desk.mails[at].mail);
	}
	mio_turn_begin(harness.mio);
	assert_int_equal(desk.opened, countof(desk.mails));
	mio_turn_end(harness.mio);
	assert_int_equal(desk.rounds, 3);
	assert_int_equal(desk.written[0], MIO_PART);
	assert_int_equal(desk.written[1], 2 * MIO_PART);
	assert_int_equal(desk.written[2], countof(desk.mails));
	harness_free(&harness);
}

/* -- with threads -- */

struct flood {
	struct harness harness;
	struct parcel *parcels[WORKERS];
	struct mio_task tasks[WORKERS];
	unsigned sent[WORKERS];
	unsigned next[WORKERS][WORKERS][MIO_LANES]; /* by receiver, sender, lane */
	unsigned next_number[WORKERS][MIO_LANES];
	unsigned received[WORKERS];
	_Atomic unsigned done;
};

struct parcel {
	struct mio_mail mail;
	struct flood *flood;
	unsigned number;
	enum mio_lane lane;
};

static void parcel_arrives(struct mio *mio, struct mio_mail *mail)
{
	struct parcel *parcel = container_of(mail, struct parcel, mail);
	struct flood *flood = parcel->flood;
	unsigned here = mio_worker(mio);

	assert_ptr_equal(heap_enter(mio_heap(mio)), mio_heap(mio));
	assert_int_equal(parcel->number, flood->next[here][mail->from][parcel->lane]++);
	if (++flood->received[here] == LETTERS && ++flood->done == WORKERS)
		mio_host_stop(flood->harness.host);
}

/* To the other worker, every eighth by the control lane. */
static void send_parcels(struct flood *flood, unsigned here, unsigned count)
{
	struct mio *mio = mio_host_loop(flood->harness.host, here);
	struct mio *other = mio_host_loop(flood->harness.host, !here);

	for (unsigned i = 0; i < count && flood->sent[here] < LETTERS; i++) {
		struct parcel *parcel = &flood->parcels[here][flood->sent[here]++];

		parcel->flood = flood;
		parcel->lane = flood->sent[here] % 8 == 0 ? MIO_CONTROL : MIO_DATA;
		parcel->number = flood->next_number[here][parcel->lane]++;
		parcel->mail.run = parcel_arrives;
		parcel->mail.bytes = 100;
		mio_post(mio, other, parcel->lane, &parcel->mail);
	}
}

static void floods(struct flood *flood, unsigned here)
{
	send_parcels(flood, here, 100);
	if (flood->sent[here] < LETTERS)
		mio_defer(mio_host_loop(flood->harness.host, here), &flood->tasks[here]);
}

static void floods_from_0(struct mio_task *task)
{
	floods(container_of(task, struct flood, tasks[0]), 0);
}

static void floods_from_1(struct mio_task *task)
{
	floods(container_of(task, struct flood, tasks[1]), 1);
}

static void open_flood(struct flood *flood, size_t mark)
{
	memset(flood, 0, sizeof(*flood));
	harness_start(&flood->harness, WORKERS, NULL, NULL);
	mio_mailbox_mark(flood->harness.host, mark);
	flood->tasks[0].run = floods_from_0;
	flood->tasks[1].run = floods_from_1;
	for (unsigned i = 0; i < WORKERS; i++)
		flood->parcels[i] = mem_zalloc(MEM_OTHER, LETTERS * sizeof(struct parcel));
}

static void run_flood(struct flood *flood)
{
	harness_run(&flood->harness);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(flood->received[i], LETTERS);
		mem_free(flood->parcels[i]);
	}
	for (unsigned i = 0; i < WORKERS * 2; i++) /* what was still on its way when they stopped */
		mio_mail_run(mio_host_loop(flood->harness.host, i % WORKERS));
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_false(mio_entry_paused(mio_host_loop(flood->harness.host, i)));
		assert_int_equal(mio_mailbox_bytes(mio_host_loop(flood->harness.host, i)), 0);
	}
	harness_free(&flood->harness);
}

static void flood_with_mark(size_t mark)
{
	struct flood flood;

	open_flood(&flood, mark);
	for (unsigned i = 0; i < WORKERS; i++)
		mio_defer(mio_host_loop(flood.harness.host, i), &flood.tasks[i]);
	run_flood(&flood);
}

static void keeps_the_order_of_each_sender(void **state)
{
	flood_with_mark((size_t)8 << 20);
}

static void keeps_going_with_a_mark_of_one(void **state)
{
	flood_with_mark(1);
}

/* -- sleeping and waking -- */

struct rally {
	struct harness harness;
	struct mio_mail ball;
	unsigned returns;
};

static void returned(struct mio *mio, struct mio_mail *mail)
{
	struct rally *rally = container_of(mail, struct rally, ball);

	if (++rally->returns == RETURNS)
		mio_host_stop(rally->harness.host);
	else
		mio_post(mio, mio_host_loop(rally->harness.host, !mio_worker(mio)), MIO_DATA, mail);
}

static void wakes_a_sleeper_each_time(void **state)
{
	struct rally rally;

	memset(&rally, 0, sizeof(rally));
	harness_start(&rally.harness, WORKERS, NULL, NULL);
	rally.ball.run = returned;
	mio_post(rally.harness.mio, mio_host_loop(rally.harness.host, 1), MIO_DATA, &rally.ball);
	harness_run(&rally.harness);
	assert_int_equal(rally.returns, RETURNS);
	harness_free(&rally.harness);
}

/* Who posts a little to a loop that sleeps runs it; what that loop is to do later is its own thread's. */
struct favour {
	struct harness harness;
	struct mio_timer begin, later;
	struct mio_mail mail;
	pthread_t ran, ran_later;
};

static void ran_later(struct mio_timer *timer)
{
	struct favour *favour = container_of(timer, struct favour, later);

	favour->ran_later = pthread_self();
	mio_host_stop(favour->harness.host);
}

static void run_favour(struct mio *mio, struct mio_mail *mail)
{
	struct favour *favour = container_of(mail, struct favour, mail);

	assert_ptr_equal(mio, mio_host_loop(favour->harness.host, 1));
	assert_ptr_equal(heap_enter(mio_heap(mio)), mio_heap(mio));
	favour->ran = pthread_self();
	mio_timer_set(mio, &favour->later, 20);
}

static void ask_favour(struct mio_timer *timer)
{
	struct favour *favour = container_of(timer, struct favour, begin);

	mio_post(favour->harness.mio, mio_host_loop(favour->harness.host, 1), MIO_DATA, &favour->mail);
}

static void who_posts_to_a_sleeper_runs_it(void **state)
{
	struct favour favour;

	memset(&favour, 0, sizeof(favour));
	harness_start(&favour.harness, WORKERS, NULL, NULL);
	favour.mail.run = run_favour;
	mio_timer_init(&favour.begin, ask_favour);
	mio_timer_init(&favour.later, ran_later);
	mio_timer_set(favour.harness.mio, &favour.begin, 200); /* by then it sleeps */
	harness_run(&favour.harness);
	assert_true(pthread_equal(favour.ran, pthread_self()));
	assert_false(pthread_equal(favour.ran_later, pthread_self()));
	harness_free(&favour.harness);
}

/* -- entry sockets under pressure -- */

struct pipe {
	struct mio_sock sock;
	struct flood *flood;
	int peer;
};

/* Each byte from outside makes a letter to the other worker; there is always a next byte. */
static void pipe_readable(struct mio_sock *sock)
{
	struct pipe *pipe = container_of(sock, struct pipe, sock);
	char byte;

	if (mio_read(sock, &byte, 1) != 1)
		return;
	send_parcels(pipe->flood, mio_worker(sock->mio), 1);
	assert_int_equal(write(pipe->peer, &byte, 1), 1);
}

static const struct mio_sock_handler pipe_handler = {pipe_readable, NULL};

static void lets_entries_in_with_a_mark_of_one(void **state)
{
	struct flood flood;
	struct pipe pipes[WORKERS] = {0};
	char bytes[100] = {0};

	open_flood(&flood, 1);
	for (unsigned i = 0; i < WORKERS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		pipes[i].flood = &flood;
		pipes[i].peer = pair[1];
		mio_sock_take(mio_host_loop(flood.harness.host, i), &pipes[i].sock, pair[0],
			      &pipe_handler, MIO_ENTRY);
		assert_int_equal(write(pair[1], bytes, sizeof(bytes)), sizeof(bytes));
	}
	run_flood(&flood);
	for (unsigned i = 0; i < WORKERS; i++)
		close(pipes[i].peer);
}

struct lobby {
	struct harness harness;
	struct mio_sock entry, link;
	struct mio_mail heavy;
	sem_t was_written;
	unsigned link_reads;
	int entry_peer, link_peer;
	bool written;
};

/* Makes room for the entry socket's writer when the link was read twice. */
static void link_readable(struct mio_sock *sock)
{
	struct lobby *lobby = container_of(sock, struct lobby, link);
	char bytes[4096];

	assert_int_equal(mio_read(sock, bytes, 1), 1);
	assert_true(mio_entry_paused(sock->mio));
	if (++lobby->link_reads == 1)
		assert_int_equal(write(lobby->link_peer, "2", 1), 1);
	else
		while (read(lobby->entry_peer, bytes, sizeof(bytes)) > 0)
			continue;
}

static void entry_writable(struct mio_sock *sock)
{
	struct lobby *lobby = container_of(sock, struct lobby, entry);

	assert_true(mio_entry_paused(sock->mio));
	assert_int_equal(lobby->link_reads, 2);
	assert_int_equal(mio_write(sock, "x", 1), 1);
	lobby->written = true;
	sem_post(&lobby->was_written);
}

static void entry_readable(struct mio_sock *sock)
{
	struct lobby *lobby = container_of(sock, struct lobby, entry);

	assert_false(mio_entry_paused(sock->mio));
	assert_true(lobby->written);
	mio_host_stop(lobby->harness.host);
}

static const struct mio_sock_handler link_handler = {link_readable, NULL};
static const struct mio_sock_handler entry_handler = {entry_readable, entry_writable};

/* Keeps its worker busy until the other one has read its link and written to its entry socket. */
static void heavy_arrives(struct mio *mio, struct mio_mail *mail)
{
	struct lobby *lobby = container_of(mail, struct lobby, heavy);

	while (sem_wait(&lobby->was_written) < 0)
		assert_int_equal(errno, EINTR);
}

static void reads_links_and_no_entries_above_the_mark(void **state)
{
	struct lobby lobby;
	struct mio *mio;
	int entry[2], link[2];

	memset(&lobby, 0, sizeof(lobby));
	sem_init(&lobby.was_written, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, entry), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, link), 0);
	lobby.entry_peer = entry[1];
	lobby.link_peer = link[1];
	harness_start(&lobby.harness, WORKERS, NULL, NULL);
	mio_mailbox_mark(lobby.harness.host, 1);
	mio = lobby.harness.mio;
	mio_sock_take(mio, &lobby.entry, entry[0], &entry_handler, MIO_ENTRY);
	mio_sock_take(mio, &lobby.link, link[0], &link_handler, 0);
	assert_int_equal(write(entry[1], "x", 1), 1);
	assert_int_equal(write(link[1], "1", 1), 1);
	while (mio_write(&lobby.entry, "full", 4) > 0)
		continue;
	lobby.heavy.run = heavy_arrives;
	lobby.heavy.bytes = 1000;
	mio_post(mio, mio_host_loop(lobby.harness.host, 1), MIO_DATA, &lobby.heavy);
	harness_run(&lobby.harness);
	assert_int_equal(lobby.link_reads, 2);
	mio_close(&lobby.entry);
	mio_close(&lobby.link);
	close(entry[1]);
	close(link[1]);
	sem_destroy(&lobby.was_written);
	harness_free(&lobby.harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_control_before_data),
		cmocka_unit_test(rests_entry_sockets_above_the_mark),
		cmocka_unit_test(counts_what_a_worker_posts_to_itself),
		cmocka_unit_test(delivers_ones_own_mail_in_a_later_turn),
		cmocka_unit_test(posts_what_a_part_has_for_a_loop_at_the_parts_end),
		cmocka_unit_test(writes_the_answers_to_much_mail_in_parts),
		cmocka_unit_test(keeps_the_order_of_each_sender),
		cmocka_unit_test(keeps_going_with_a_mark_of_one),
		cmocka_unit_test(wakes_a_sleeper_each_time),
		cmocka_unit_test(who_posts_to_a_sleeper_runs_it),
		cmocka_unit_test(lets_entries_in_with_a_mark_of_one),
		cmocka_unit_test(reads_links_and_no_entries_above_the_mark),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
