/* SPDX-License-Identifier: MIT */
/* The configuration files of jabberd2. */
#include "run/import/jabberd2_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "xml/nad.h"
#include "xml/parser.h"

enum { FILE_MAX = 1 << 20 };

static int read_whole(const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;
	int rc = fd < 0 ? -errno : 0;

	while (!rc && got > 0) {
		got = read(fd, buf_reserve(text, 65536), 65536);
		if (got > 0)
			buf_added(text, (size_t)got);
		if (got < 0 && errno != EINTR)
			rc = -errno;
		else if (buf_used(text) > FILE_MAX)
			rc = -EFBIG;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The end of what begins at text with start, behind its end; 0: it does not begin so. */
static size_t skipped(struct slice text, const char *start, const char *end)
{
	size_t len = strlen(start);
	const char *found;

	if (text.len < len || memcmp(text.data, start, len) != 0)
		return 0;
	found = memmem(text.data + len, text.len - len, end, strlen(end));
	return found ? (size_t)(found - text.data) + strlen(end) : text.len;
}

/* Streams have no comments, processing instructions and DOCTYPE, so our parser has not; files do.
 */
static void strip(struct slice text, struct buf *out)
{
	while (text.len) {
		size_t keep = skipped(text, "<![CDATA[", "]]>");
		size_t skip = skipped(text, "<!--", "-->");

		skip = skip ? skip : skipped(text, "<?", "?>");
		skip = skip ? skip : skipped(text, "<!DOCTYPE", ">");
		if (!skip) {
			keep = keep ? keep : 1;
			buf_append(out, text.data, keep);
		}
		text.data += skip ? skip : keep;
		text.len -= skip ? skip : keep;
	}
}

struct nad *jabberd2_file(const char *dir, const char *name, struct buf *why)
{
	static const struct xml_limits limits = {
		.stanza_bytes = FILE_MAX, .depth = 100, .attributes = 100};
	AUTO(buf_fini) struct buf path = {0};
	AUTO(buf_wipe) struct buf text = {0};
	AUTO(buf_wipe) struct buf stripped = {0};
	struct nad *nad = NULL;
	int rc;

	buf_printf(&path, "%s%s%s", *name == '/' ? "" : dir, *name == '/' ? "" : "/", name);
	rc = read_whole(buf_text(&path), &text);
	if (!rc) {
		strip(buf_slice(&text), &stripped);
		nad = xml_parse(jabberd2_trim(buf_slice(&stripped)), &limits);
	}
	if (rc == -ENOENT || rc == -ENOTDIR)
		buf_printf(why,
			   "%s: there is no such file: name the directory that has c2s.xml, "
			   "sm.xml, router.xml and s2s.xml, such as /etc/jabberd2",
			   buf_text(&path));
	else if (rc)
		buf_printf(why, "%s: %s", buf_text(&path), strerror(-rc));
	else if (!nad)
		buf_printf(why, "%s: is no well-formed XML; xmllint --noout %s shows where",
			   buf_text(&path), buf_text(&path));
	return nad;
}

int jabberd2_find(const struct nad *nad, int elem, const char *path)
{
	AUTO(buf_fini) struct buf name = {0};

	while (elem >= 0 && *path) {
		size_t len = strcspn(path, "/");

		buf_clear(&name);
		buf_append(&name, path, len);
		elem = nad_find_child(nad, elem, NULL, buf_text(&name));
		path += len;
		path += *path == '/';
	}
	return elem;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct slice jabberd2_trim(struct slice text)
{
	while (text.len && is_blank(text.data[0])) {
		text.data++;
		text.len--;
	}
	while (text.len && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

struct slice jabberd2_text(const struct nad *nad, const char *path)
{
	int elem = jabberd2_find(nad, 0, path);
	struct slice text = elem < 0 ? SLICE("") : jabberd2_trim(nad_cdata(nad, elem));

	return text.len ? text : SLICE("");
}

long jabberd2_number(struct slice text)
{
	char digits[16] = "";

	if (text.len && text.len < sizeof(digits))
		memcpy(digits, text.data, text.len);
	return atol(digits);
}
