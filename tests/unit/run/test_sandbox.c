/* SPDX-License-Identifier: MIT */
/* The sandbox from inside: a child enters it as a server does and tries what it should not. */
#include "run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "run/deployment.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { GATHERED_MAX = 4096, LOW_PORT = 1023 };

struct place {
	char root[64];
	struct deployment deployment;
	struct sandbox sandbox;
	struct buf said; /* by the child, on stderr */
	int status;	 /* the child's */
};

/* -- a child
 * ---------------------------------------------------------------------------------------- */

static const char *path_of(const struct place *place, const char *name)
{
	static _Thread_local char path[128];

	snprintf(path, sizeof(path), "%s/%s", place->root, name);
	return path;
}

static void write_file(const struct place *place, const char *name)
{
	int fd = open(path_of(place, name), O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "here\n", 5), 5);
	close(fd);
}

/* conf/jackdaw.toml, data, and outside/secret, which is nobody's business. */
static void make_place(struct place *place, const char *process)
{
	AUTO(buf_fini) struct buf text = {0};
	struct conf_error error;

	*place = (struct place){.root = "/tmp/jackdaw-sandbox-XXXXXX"};
	assert_non_null(mkdtemp(place->root));
	assert_int_equal(chmod(place->root, 0755), 0);
	assert_int_equal(mkdir(path_of(place, "conf"), 0755), 0);
	assert_int_equal(mkdir(path_of(place, "outside"), 0755), 0);
	write_file(place, "conf/jackdaw.toml");
	write_file(place, "outside/secret");
	buf_printf(&text, "domains = [\"localhost\"]\n[data]\ndir = \"%s/data\"\n[process]\n%s\n",
		   place->root, process);
	assert_int_equal(settings_parse("test", buf_slice(&text), &place->deployment.settings,
					&place->deployment.conf, &error),
			 0);
	place->deployment.file = strdup(path_of(place, "conf/jackdaw.toml"));
}

static void drop_place(struct place *place)
{
	AUTO(buf_fini) struct buf command = {0};

	buf_printf(&command, "rm -r '%s'", place->root);
	assert_int_equal(system(buf_text(&command)), 0);
	free((char *)place->deployment.file);
	conf_free(&place->deployment.conf);
	buf_fini(&place->said);
}

static void gather(int fd, struct buf *out)
{
	ssize_t got;

	while ((got = read(fd, buf_reserve(out, GATHERED_MAX), GATHERED_MAX)) > 0)
		buf_added(out, (size_t)got);
	close(fd);
}

static int enter(struct place *place, struct buf *why)
{
	int rc = sandbox_become(&place->sandbox, &place->deployment, why);

	if (!rc)
		rc = deployment_make_dir(&place->deployment, why);
	if (!rc)
		rc = sandbox_enclose(&place->sandbox, &place->deployment, why);
	return rc ? rc : sandbox_close(&place->sandbox, &place->deployment, why);
}

/* Runs in the child; the number of what went wrong, 0 for nothing. */
typedef int (*probe_fn)(struct place *place);

static void in_child(struct place *place, probe_fn probe)
{
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child) {
		dup2(ends[1], STDERR_FILENO);
		_exit(probe(place));
	}
	assert_true(child > 0);
	close(ends[1]);
	gather(ends[0], &place->said);
	assert_int_equal(waitpid(child, &place->status, 0), child);
}

/* In the sandbox first; 100 when that could not be entered. */
static int entered(struct place *place)
{
	AUTO(buf_fini) struct buf why = {0};

	if (!enter(place, &why))
		return 0;
	dprintf(STDERR_FILENO, "%s\n", buf_text(&why));
	return 100;
}

static void assert_said(const struct place *place, const char *text)
{
	if (!strstr(buf_text((struct buf *)&place->said), text))
		fail_msg("not said: %s; but: %s", text, buf_text((struct buf *)&place->said));
}

static void assert_fine(const struct place *place)
{
	if (!WIFEXITED(place->status) || WEXITSTATUS(place->status))
		fail_msg("status %x: %s", (unsigned)place->status,
			 buf_text((struct buf *)&place->said));
}

/* -- files
 * ------------------------------------------------------------------------------------------ */

static int opens(const struct place *place, const char *name, int flags)
{
	int fd = open(path_of(place, name), flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_files(struct place *place)
{
	int rc = entered(place), outside = place->sandbox.landlock ? EACCES : 0;

	if (rc)
		return rc;
	if (opens(place, "data/new", O_RDWR | O_CREAT) || unlink(path_of(place, "data/new")))
		return 1;
	if (opens(place, "conf/jackdaw.toml", O_RDONLY))
		return 2;
	if (opens(place, "conf/new", O_WRONLY | O_CREAT) != outside)
		return 3;
	return opens(place, "outside/secret", O_RDONLY) == outside ? 0 : 4;
}

static void files_of_the_settings_can_be_opened_and_no_others(void **state)
{
	struct place place;

	make_place(&place, "");
	in_child(&place, try_files);
	assert_fine(&place);
	drop_place(&place);
}

static int try_named_paths(struct place *place)
{
	int rc = entered(place), refused = place->sandbox.landlock ? EACCES : 0;

	if (rc)
		return rc;
	if (opens(place, "outside/secret", O_RDONLY))
		return 1;
	return opens(place, "outside/new", O_WRONLY | O_CREAT) == refused ? 0 : 2;
}

static void a_folder_may_be_made_readable(void **state)
{
	struct place place;
	AUTO(buf_fini) struct buf folder = {0};
	const char *list[1];

	make_place(&place, "");
	buf_printf(&folder, "%s/outside", place.root);
	list[0] = buf_text(&folder);
	place.deployment.settings.process.readable = (struct conf_list){list, countof(list)};
	in_child(&place, try_named_paths);
	assert_fine(&place);
	drop_place(&place);
}

/* -- system calls
 * ----------------------------------------------------------------------------------- */

static int try_to_execute(struct place *place)
{
	char *const words[] = {"true", NULL};
	int rc = entered(place);

	if (!rc)
		execv("/bin/true", words);
	return rc ? rc : 1;
}

static void who_starts_a_program_ends_with_a_line(void **state)
{
	struct place place;

	make_place(&place, "");
	in_child(&place, try_to_execute);
	assert_true(WIFSIGNALED(place.status));
	assert_int_equal(WTERMSIG(place.status), SIGSYS);
	assert_said(&place, "jackdaw: sandbox: refused system call ");
	assert_said(&place, "the server ends");
	drop_place(&place);
}

static int try_to_mount(struct place *place)
{
	int rc = entered(place);

	if (rc)
		return rc;
	if (syscall(SYS_mount, "none", "/", "tmpfs", 0UL, NULL) == 0 || errno != ENOSYS)
		return 1;
	if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != ENOSYS)
		return 2;
	if (kill(getppid(), 0) == 0 && !SANITIZED)
		return 3;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 4 : 0;
}

static void a_call_that_no_server_needs_fails_with_a_line(void **state)
{
	struct place place;

	make_place(&place, "");
	in_child(&place, try_to_mount);
	assert_fine(&place);
	assert_said(&place, "process.sandbox = false helps");
	drop_place(&place);
}

static int try_executable_memory(struct place *place)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc = entered(place);

	if (rc)
		return rc;
	if (mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0)
		return 1;
	return mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0
											     : 2;
}

/* The sanitizers map what they please: their build lets them. */
static void no_memory_becomes_executable(void **state)
{
	struct place place;

	make_place(&place, "");
	in_child(&place, try_executable_memory);
	assert_true(WIFEXITED(place.status));
	assert_int_equal(WEXITSTATUS(place.status), SANITIZED);
	drop_place(&place);
}

static int try_undumpable(struct place *place)
{
	int rc = entered(place);

	if (rc)
		return rc;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) || !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static void nobody_reads_its_memory_and_nothing_gains_rights(void **state)
{
	struct place place;

	make_place(&place, "");
	in_child(&place, try_undumpable);
	assert_fine(&place);
	drop_place(&place);
}

/* -- threads
 * ---------------------------------------------------------------------------------------- */

struct early {
	struct place *place;
	int ends[2];
	int result;
};

static void *wait_and_try(void *arg)
{
	struct early *early = arg;
	char byte;

	if (read(early->ends[0], &byte, 1) != 1)
		early->result = 1;
	else if (syscall(SYS_mount, "none", "/", "tmpfs", 0UL, NULL) == 0 || errno != ENOSYS)
		early->result = 2;
	else if (opens(early->place, "outside/secret", O_RDONLY) !=
		 (early->place->sandbox.landlock ? EACCES : 0))
		early->result = 3;
	else if (geteuid() != early->place->sandbox.identity.uid || setuid(0) == 0)
		early->result = geteuid() ? 4 : 0;
	return NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

/* As storage's: it is there before the system calls are filtered. And one that comes later. */
static int try_threads(struct place *place)
{
	AUTO(buf_fini) struct buf why = {0};
	struct early early = {.place = place};
	pthread_t thread, late;

	if (pipe(early.ends) || sandbox_become(&place->sandbox, &place->deployment, &why) ||
	    sandbox_enclose(&place->sandbox, &place->deployment, &why) ||
	    pthread_create(&thread, NULL, wait_and_try, &early) ||
	    sandbox_close(&place->sandbox, &place->deployment, &why))
		return 100;
	if (write(early.ends[1], "", 1) != 1 || pthread_join(thread, NULL))
		return 101;
	if (pthread_create(&late, NULL, nothing, NULL) || pthread_join(late, NULL))
		return 102;
	return early.result;
}

static void it_holds_in_threads_that_were_there_and_lets_new_ones_start(void **state)
{
	struct place place;

	make_place(&place, geteuid() ? "" : "user = \"nobody\"");
	in_child(&place, try_threads);
	assert_fine(&place);
	drop_place(&place);
}

/* -- the user
 * --------------------------------------------------------------------------------------- */

static bool binds(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr = {htonl(INADDR_LOOPBACK)},
				      .sin_port = htons((uint16_t)port)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static int try_user(struct place *place)
{
	AUTO(buf_fini) struct buf why = {0};
	bool root = geteuid() == 0;
	struct stat status;

	if (sandbox_become(&place->sandbox, &place->deployment, &why) ||
	    deployment_make_dir(&place->deployment, &why))
		return 100;
	if (root && (!binds(LOW_PORT) || geteuid() == 0))
		return 1;
	if (opens(place, "data/new", O_RDWR | O_CREAT) ||
	    stat(path_of(place, "data/new"), &status) || status.st_uid != geteuid())
		return 2;
	if (sandbox_close(&place->sandbox, &place->deployment, &why))
		return 101;
	if (root && (binds(LOW_PORT - 1) || seteuid(0) == 0 || getuid() == 0))
		return 3;
	return root == place->sandbox.identity.changes ? 0 : 4;
}

static void root_becomes_the_user_for_good_and_may_bind_low_ports_before(void **state)
{
	struct place place;

	make_place(&place, "user = \"nobody\"");
	in_child(&place, try_user);
	assert_fine(&place);
	drop_place(&place);
}

static void a_user_who_is_not_there_is_an_error(void **state)
{
	struct place place;
	AUTO(buf_fini) struct buf why = {0};
	int rc;

	make_place(&place, "user = \"jackdaw-nobody\"");
	rc = identity_find(place.deployment.settings.process.user, &place.sandbox.identity, &why);
	assert_int_equal(rc, geteuid() ? 0 : -ENOENT);
	if (rc)
		assert_string_equal(
			buf_text(&why),
			"process.user: there is no user jackdaw-nobody: useradd --system "
			"jackdaw-nobody, or name another");
	drop_place(&place);
}

/* -- without
 * ---------------------------------------------------------------------------------------- */

static int try_without(struct place *place)
{
	AUTO(buf_fini) struct buf text = {0};
	int rc = entered(place);

	if (rc)
		return rc;
	if (opens(place, "outside/secret", O_RDONLY) || opens(place, "conf/new", O_RDWR | O_CREAT))
		return 1;
	if (sandbox_describe(&place->sandbox, &place->deployment, &text) ||
	    !strstr(buf_text(&text), "sandbox: off"))
		return 2;
	execl("/bin/true", "true", NULL);
	return 3;
}

static void it_can_be_switched_off(void **state)
{
	struct place place;

	make_place(&place, "sandbox = false");
	in_child(&place, try_without);
	assert_fine(&place);
	drop_place(&place);
}

static int try_describe(struct place *place)
{
	AUTO(buf_fini) struct buf text = {0};
	int rc = entered(place);

	sandbox_describe(&place->sandbox, &place->deployment, &text);
	dprintf(STDERR_FILENO, "%s; landlock %d seccomp %d\n", buf_text(&text),
		place->sandbox.landlock, place->sandbox.seccomp);
	return rc;
}

static void it_says_what_holds_and_what_does_not(void **state)
{
	struct place place;
	bool seccomp, landlock;

	make_place(&place, "");
	in_child(&place, try_describe);
	assert_fine(&place);
	seccomp = strstr(buf_text(&place.said), "seccomp 1");
	landlock = !strstr(buf_text(&place.said), "landlock 0");
	assert_said(&place, seccomp ? "sandbox: seccomp" : "sandbox: no seccomp");
	assert_said(&place, landlock ? ", landlock v" : ", no landlock (the kernel has none)");
	assert_said(&place, geteuid() ? ", user " : ", user root (process.user names another");
	drop_place(&place);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_the_settings_can_be_opened_and_no_others),
		cmocka_unit_test(a_folder_may_be_made_readable),
		cmocka_unit_test(who_starts_a_program_ends_with_a_line),
		cmocka_unit_test(a_call_that_no_server_needs_fails_with_a_line),
		cmocka_unit_test(no_memory_becomes_executable),
		cmocka_unit_test(nobody_reads_its_memory_and_nothing_gains_rights),
		cmocka_unit_test(it_holds_in_threads_that_were_there_and_lets_new_ones_start),
		cmocka_unit_test(root_becomes_the_user_for_good_and_may_bind_low_ports_before),
		cmocka_unit_test(a_user_who_is_not_there_is_an_error),
		cmocka_unit_test(it_can_be_switched_off),
		cmocka_unit_test(it_says_what_holds_and_what_does_not),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
