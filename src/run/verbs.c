/* SPDX-License-Identifier: MIT */
/* Parses a command line over the table of verbs; help pages and the nearest name for a mistyped
 * one. */
#include "run/run.h"

#include <stdio.h>
#include <string.h>
#include "base/buf.h"

enum { WORDS_MAX = 16, NAME_MAX_LEN = 40, NEAR_MAX = 3 };

struct option {
	const char *name, *value;
	enum verb_option option;
	const char *text;
};

static const struct option options[] = {
	{"--config", "FILE", VERB_CONFIG, "instead of /etc/jackdaw/jackdaw.toml"},
	{"--demo", NULL, VERB_DEMO, "needs no file: localhost, data in ./var, two accounts"},
	{"--name", "NAME", VERB_NAME, "of the part, at the router and of its lock"},
	{"--password-file", "FILE", VERB_PASSWORD,
	 "the password is its first line; - for standard input"},
	{"--json", NULL, VERB_JSON, "prints facts as JSON"},
	{"--dry-run", NULL, VERB_DRY_RUN, "counts what would be done and writes nothing"},
	{"--name", "NAME", VERB_CONTACT, "of the contact; without it the name stays as it is"},
	{"--group", "GROUP", VERB_GROUP, "that the contact is in, may be given again; without it they stay as they are"},
	{"--unlock", NULL, VERB_UNLOCK, "though an account of that name was deleted in the last 30 days"},
	{"--user", "JID", VERB_USER, "only this account, or this session; without it all"},
	{"--stanzas", NULL, VERB_STANZAS, "what they send (in) and are sent (out) too; of text only how long it is"},
	{"--mutual", NULL, VERB_MUTUAL, "both are accounts here: each has the other and sees their presence"},
};

/* Promised, and not done yet: better said than guessed at. */
static const char *const later[] = {
	"restart", "upgrade", "s2s",
};

/* What argv holds; words of the verb are still among them. */
struct parsed {
	struct cli cli;
	const char *words[WORDS_MAX];
	size_t count;
	unsigned given;
	bool help, groups_lost;
};

/* -- reading
 * ----------------------------------------------------------------------------------------- */

static void set_option(struct parsed *parsed, enum verb_option option, const char *value)
{
	parsed->given |= option;
	if (option == VERB_CONFIG)
		parsed->cli.config = value;
	else if (option == VERB_NAME)
		parsed->cli.name = value;
	else if (option == VERB_PASSWORD)
		parsed->cli.password_file = value;
	else if (option == VERB_JSON)
		parsed->cli.json = true;
	else if (option == VERB_DRY_RUN)
		parsed->cli.dry_run = true;
	else if (option == VERB_GROUP && parsed->cli.group_count < CLI_GROUPS_MAX)
		parsed->cli.groups[parsed->cli.group_count++] = value;
	else if (option == VERB_GROUP)
		parsed->groups_lost = true;
	else if (option == VERB_MUTUAL)
		parsed->cli.mutual = true;
	else if (option == VERB_USER)
		parsed->cli.user = value;
	else if (option == VERB_STANZAS)
		parsed->cli.stanzas = true;
	else if (option == VERB_UNLOCK)
		parsed->cli.unlock = true;
	else
		parsed->cli.demo = true;
}

/* Reads argv[*at], moves over its value. False: said what is wrong. */
static bool read_option(struct parsed *parsed, int argc, char **argv, int *at)
{
	const char *text = argv[*at];
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < countof(options); i++) {
		const char *value = text[len] ? text + len + 1 : NULL;

		if (strlen(options[i].name) != len || memcmp(options[i].name, text, len) != 0)
			continue;
		if (options[i].value && !value && *at + 1 < argc)
			value = argv[++*at];
		if (!options[i].value != !value) {
			fprintf(stderr, "jackdaw: %s %s\n", options[i].name,
				options[i].value ? "needs a value behind it" : "takes no value");
			return false;
		}
		set_option(parsed, options[i].option, value);
		return true;
	}
	fprintf(stderr, "jackdaw: there is no option %s\n", text);
	return false;
}

static bool read_words(struct parsed *parsed, int argc, char **argv)
{
	bool only_words = false;

	for (int at = 1; at < argc; at++) {
		const char *text = argv[at];

		if (!only_words && !strcmp(text, "--")) {
			only_words = true;
		} else if (!only_words && (!strcmp(text, "--help") || !strcmp(text, "-h"))) {
			parsed->help = true;
		} else if (!only_words && !strcmp(text, "--version")) {
			parsed->words[parsed->count++] = "version";
		} else if (!only_words && text[0] == '-' && text[1]) {
			if (!read_option(parsed, argc, argv, &at))
				return false;
		} else {
			parsed->words[parsed->count++] = text;
		}
		if (parsed->count == WORDS_MAX) {
			fprintf(stderr, "jackdaw: too many words\n");
			return false;
		}
	}
	return true;
}

/* -- finding
 * ----------------------------------------------------------------------------------------- */

static size_t name_words(const char *name, const char *const *words, size_t count)
{
	size_t used = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (used == count || strlen(words[used]) != len ||
		    memcmp(words[used], name, len) != 0)
			return 0;
		used++;
		name += len;
		name += *name == ' ';
	}
	return used;
}

static const struct verb *find_verb(const struct verb *verbs, const struct parsed *parsed,
				    size_t *used)
{
	const struct verb *best = NULL;

	*used = 0;
	for (const struct verb *verb = verbs; verb->name; verb++) {
		size_t found = name_words(verb->name, parsed->words, parsed->count);

		if (found > *used) {
			best = verb;
			*used = found;
		}
	}
	return best;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance; names longer than ours are far from all. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1];
	size_t len = strlen(b);

	if (len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (unsigned at = 0; at <= len; at++)
		row[at] = at;
	for (; *a; a++) {
		unsigned corner = row[0]++;

		for (size_t at = 1; at <= len; at++) {
			unsigned changed = corner + (*a != b[at - 1]);

			corner = row[at];
			row[at] = least(changed, least(row[at], row[at - 1]) + 1);
		}
	}
	return row[len];
}

/* The verb most like the words; as many words are compared as its name has. */
static const struct verb *nearest(const struct verb *verbs, const struct parsed *parsed)
{
	const struct verb *best = NULL;
	unsigned best_distance = NEAR_MAX + 1;

	for (const struct verb *verb = verbs; verb->name; verb++) {
		char typed[2 * NAME_MAX_LEN + 2];
		bool two = strchr(verb->name, ' ') && parsed->count > 1;
		unsigned far;

		snprintf(typed, sizeof(typed), "%.*s%s%.*s", NAME_MAX_LEN, parsed->words[0],
			 two ? " " : "", NAME_MAX_LEN, two ? parsed->words[1] : "");
		far = distance(verb->name, typed);
		if (far < best_distance && far < strlen(verb->name)) {
			best = verb;
			best_distance = far;
		}
	}
	return best;
}

/* -- help
 * -------------------------------------------------------------------------------------------- */

static void print_line(FILE *to, const struct verb *verb)
{
	char usage[64];

	snprintf(usage, sizeof(usage), "%s%s%s", verb->name, *verb->args ? " " : "", verb->args);
	fprintf(to, "  jackdaw %-28s %s\n", usage, verb->text);
}

/* All verbs whose first word it is; NULL: all. Returns how many. */
static unsigned print_table(FILE *to, const struct verb *verbs, const char *first)
{
	unsigned count = 0;

	for (const struct verb *verb = verbs; verb->name; verb++) {
		size_t len = strcspn(verb->name, " ");

		if (verb->now ||
		    (first && (strlen(first) != len || memcmp(first, verb->name, len) != 0)))
			continue;
		if (!count++)
			fprintf(to, "jackdaw %s, an XMPP server\n\n", JACKDAW_VERSION);
		print_line(to, verb);
	}
	if (count)
		fprintf(to, "\njackdaw VERB --help says more, with an example.\n");
	return count;
}

static void print_page(const struct verb *verb)
{
	printf("jackdaw %s%s%s", verb->name, *verb->args ? " " : "", verb->args);
	for (size_t i = 0; i < countof(options); i++) {
		if (verb->options & options[i].option)
			printf(" [%s%s%s]", options[i].name, options[i].value ? " " : "",
			       options[i].value ? options[i].value : "");
	}
	printf("\n\n  %s\n", verb->text);
	if (verb->now)
		printf("  Here it is called: jackdaw %s\n", verb->now);
	for (size_t i = 0; i < countof(options); i++) {
		if (verb->options & options[i].option)
			printf("\n  %s %s\n      %s", options[i].name,
			       options[i].value ? options[i].value : "", options[i].text);
	}
	printf("\n\nExample:\n  %s\n\nExit codes: 0 fine, 1 a problem was found, 2 wrong usage.\n",
	       verb->example);
}

static int unknown(const struct verb *verbs, const struct parsed *parsed)
{
	const struct verb *near;

	for (size_t i = 0; i < countof(later); i++) {
		if (!name_words(later[i], parsed->words, parsed->count))
			continue;
		fprintf(stderr, "jackdaw: %s is not in this version\n", later[i]);
		return EXIT_PROBLEM;
	}
	/* "user" alone, or "user ad": the table of its verbs says it best. */
	if (parsed->count == 1 && print_table(stderr, verbs, parsed->words[0]))
		return EXIT_USAGE;
	near = nearest(verbs, parsed);
	fprintf(stderr, "jackdaw: there is no verb \"%s%s%s\"", parsed->words[0],
		parsed->count > 1 ? " " : "", parsed->count > 1 ? parsed->words[1] : "");
	if (near)
		fprintf(stderr, ", did you mean \"%s\"?\n", near->name);
	else
		fprintf(stderr, "; plain jackdaw prints them all\n");
	return EXIT_USAGE;
}

/* What is wrong with the options of a verb; false: it is said. */
static bool are_options_fine(struct parsed *parsed, const struct verb *verb)
{
	if (verb->options & VERB_CONTACT && parsed->given & VERB_NAME) {
		parsed->given ^= VERB_NAME;
		parsed->cli.contact_name = parsed->cli.name;
		parsed->cli.name = NULL;
	}
	if (parsed->given & ~(verb->options | VERB_CONFIG))
		fprintf(stderr, "jackdaw: %s has no such option; jackdaw %s --help\n", verb->name,
			verb->name);
	else if (parsed->cli.demo && parsed->cli.config)
		fprintf(stderr, "jackdaw: --demo needs no --config\n");
	else if (parsed->groups_lost)
		fprintf(stderr, "jackdaw: more than %d groups at once\n", CLI_GROUPS_MAX);
	else
		return true;
	return false;
}

int verbs_run(const struct verb *verbs, int argc, char **argv)
{
	struct parsed parsed = {.count = 0};
	const struct verb *verb;
	size_t used;

	if (!read_words(&parsed, argc, argv))
		return EXIT_USAGE;
	if (parsed.count && !strcmp(parsed.words[0], "help")) {
		parsed.help = true;
		memmove(parsed.words, parsed.words + 1, --parsed.count * sizeof(parsed.words[0]));
	}
	if (!parsed.count) {
		print_table(stdout, verbs, NULL);
		return EXIT_OK;
	}
	verb = find_verb(verbs, &parsed, &used);
	if (!verb) {
		if (parsed.help && print_table(stdout, verbs, parsed.words[0]))
			return EXIT_OK;
		return unknown(verbs, &parsed);
	}
	if (parsed.help) {
		print_page(verb);
		return EXIT_OK;
	}
	if (!are_options_fine(&parsed, verb))
		return EXIT_USAGE;
	if (verb->now)
		fprintf(stderr, "jackdaw: %s is called \"jackdaw %s\" here\n", verb->name,
			verb->now);
	if (!*verb->args && parsed.count > used) {
		fprintf(stderr, "jackdaw: %s takes no words, only options; jackdaw %s --help\n", verb->name, verb->name);
		return EXIT_USAGE;
	}
	parsed.cli.verb = verb;
	parsed.cli.words = parsed.words + used;
	parsed.cli.count = parsed.count - used;
	return verb->run(&parsed.cli);
}
