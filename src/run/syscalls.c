/* SPDX-License-Identifier: MIT */
/* The filter of system calls, by libseccomp. The list is of what our code asks for, with what the C library may use in their
 * place on other kernels and machines. */
#include "run/syscalls.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "base/macros.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A name that a machine has not (open on aarch64) is passed over. */
static const char *const allowed[] = {
	/* files */
	"read",
	"readv",
	"pread64",
	"preadv",
	"write",
	"writev",
	"pwrite64",
	"pwritev",
	"lseek",
	"open",
	"openat",
	"close",
	"stat",
	"lstat",
	"fstat",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getcwd",
	"getdents64",
	"mkdir",
	"mkdirat",
	"unlink",
	"unlinkat",
	"rename",
	"renameat",
	"renameat2",
	"link",
	"linkat",
	"chmod",
	"fchmod",
	"fchmodat",
	"fchown",
	"umask",
	"truncate",
	"ftruncate",
	"fallocate",
	"fadvise64",
	"fsync",
	"fdatasync",
	"flock",
	"utimensat",
	"fcntl",
	"ioctl",
	"dup",
	"dup3",
	/* loops and sockets; socket() itself is below */
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"eventfd2",
	"signalfd4",
	"poll",
	"ppoll",
	"accept",
	"accept4",
	"bind",
	"listen",
	"connect",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"shutdown",
	/* memory; mmap() and mprotect() are below */
	"brk",
	"munmap",
	"mremap",
	"madvise",
	"membarrier",
	/* threads, signals, time */
	"futex",
	"set_robust_list",
	"rseq",
	"sched_yield",
	"sched_getaffinity",
	"getpriority",
	"setpriority",
	"gettid",
	"getpid",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack",
	"restart_syscall",
	"exit",
	"exit_group",
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	/* what is known of the process and the machine */
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getrandom",
	"getrlimit",
	"getrusage",
	"sysinfo",
	"uname",
	"prctl",
	"getcpu",
};

/* What the sanitizers' own code does in our process: it looks into its threads, and waits for who
 * does that. */
static const char *const sanitizers[] = {
	"clone",   "ptrace",	"wait4",       "kill",	"mmap",	     "mprotect", "getdents",
	"getppid", "prlimit64", "personality", "pipe2", "setrlimit", "mlock",	 "munlock",
};

static const struct conditional {
	const char *name;
	struct scmp_arg_cmp when;
} conditional[] = {
	{"mmap", {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
	{"mprotect", {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
	{"clone", {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD}},
	{"socket", {0, SCMP_CMP_EQ, AF_UNIX, 0}},
	{"socket", {0, SCMP_CMP_EQ, AF_INET, 0}},
	{"socket", {0, SCMP_CMP_EQ, AF_INET6, 0}},
	{"prlimit64", {0, SCMP_CMP_EQ, 0, 0}}, /* of ourselves */
};

/* -- what is refused
 * -------------------------------------------------------------------------------- */

static bool is_grave(int number)
{
	switch (number) {
	case SYS_execve:
	case SYS_execveat:
	case SYS_clone:
#ifdef SYS_fork
	case SYS_fork:
	case SYS_vfork:
#endif
	case SYS_ptrace:
	case SYS_process_vm_readv:
	case SYS_process_vm_writev:
		return true;
	default:
		return false;
	}
}

/* What the call gives back. False: not known how on this machine. */
static bool answer(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
	return true;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long)result;
	return true;
#else
	return false;
#endif
}

/* In a handler of signals stdio is not to be used. */
static void say(int number, bool ends)
{
	static const char before[] = "jackdaw: sandbox: refused system call ",
			  ended[] = ": the server ends; somebody may have broken into it\n",
			  failed[] = ": if something fails now, process.sandbox = false helps\n";
	char line[sizeof(before) + sizeof(failed) + sizeof(ended) + 12], digits[12];
	size_t len = sizeof(before) - 1, at = sizeof(digits);
	size_t rest = ends ? sizeof(ended) - 1 : sizeof(failed) - 1;

	memcpy(line, before, len);
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0 && at);
	memcpy(line + len, digits + at, sizeof(digits) - at);
	len += sizeof(digits) - at;
	memcpy(line + len, ends ? ended : failed, rest);
	(void)!write(STDERR_FILENO, line, len + rest);
}

static void refused(int signal_number, siginfo_t *info, void *context)
{
	int before = errno;
	bool ends = is_grave(info->si_syscall);

	say(info->si_syscall, ends);
	if (ends || !answer(context, -ENOSYS)) {
		signal(SIGSYS, SIG_DFL);
		raise(SIGSYS);
	}
	errno = before;
}

static int hear_refusals(void)
{
	struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL) ? -errno : 0;
}

/* -- the filter
 * ------------------------------------------------------------------------------------- */

static int allow(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *when)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number < 0)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, when ? 1 : 0, when);
}

static int allow_all(scmp_filter_ctx filter, const char *const *names, size_t count)
{
	int rc = 0;

	for (size_t at = 0; !rc && at < count; at++)
		rc = allow(filter, names[at], NULL);
	return rc;
}

static int fill(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp ourselves = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	int rc = allow_all(filter, allowed, countof(allowed));

	for (size_t at = 0; !rc && at < countof(conditional); at++)
		rc = allow(filter, conditional[at].name, &conditional[at].when);
	if (!rc)
		rc = allow(filter, "tgkill", &ourselves); /* abort() */
	/* Its flags are in memory, where a filter cannot look: the C library takes clone() then. */
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!rc && SANITIZED)
		rc = allow_all(filter, sanitizers, countof(sanitizers));
	return rc;
}

bool syscalls_can_filter(void)
{
	return true;
}

int syscalls_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int rc;

	if (!filter)
		return -ENOMEM;
	rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	if (!rc)
		rc = fill(filter);
	if (!rc)
		rc = hear_refusals();
	if (!rc)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

#else

bool syscalls_can_filter(void)
{
	return false;
}

int syscalls_filter(void)
{
	return 0;
}

#endif
