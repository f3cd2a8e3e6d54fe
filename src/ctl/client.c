/* SPDX-License-Identifier: MIT */
/* The caller's side of the control socket. */
#include "ctl/client.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 }; /* of the input in a line: escaped it stays far below 1 MB */

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd, rc;

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int send_all(int fd, struct buf *out)
{
	while (buf_used(out)) {
		struct slice bytes = buf_slice(out);
		ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		if (sent > 0)
			buf_skip(out, (size_t)sent);
	}
	return 0;
}

static bool is_utf8(struct slice text)
{
	json_t *string = json_stringn(text.data ? text.data : "", text.len);
	bool is = string != NULL;

	json_decref(string);
	return is;
}

/* At most a chunk from the front, not in the middle of a character. */
static struct slice cut_chunk(struct slice *input)
{
	struct slice chunk = *input;

	if (chunk.len > CHUNK) {
		chunk.len = CHUNK;
		while (chunk.len > CHUNK - 4 &&
		       ((unsigned char)chunk.data[chunk.len] & 0xc0) == 0x80)
			chunk.len--;
	}
	input->data += chunk.len;
	input->len -= chunk.len;
	return chunk;
}

static int send_request(int fd, const char *const *words, size_t count, bool json,
			struct slice input)
{
	AUTO(buf_wipe) struct buf line = {0};
	int rc;

	buf_append_text(&line, "{\"command\": [");
	for (size_t i = 0; i < count; i++) {
		buf_append_text(&line, i ? ", " : "");
		ctl_json_text(&line, slice_of(words[i]));
	}
	buf_printf(&line, "], \"json\": %s, \"more\": true}\n", json ? "true" : "false");
	rc = send_all(fd, &line);
	while (!rc && input.len) {
		struct slice chunk = cut_chunk(&input);

		if (!is_utf8(chunk))
			return -EILSEQ;
		buf_append_text(&line, "{\"input\": ");
		ctl_json_text(&line, chunk);
		buf_append_text(&line, "}\n");
		rc = send_all(fd, &line);
	}
	buf_append_text(&line, "{\"end\": true}\n");
	return rc ? rc : send_all(fd, &line);
}

/* True when the line was the last one. */
static bool take_line(struct slice line, const struct ctl_sink *sink, int *code)
{
	json_t *json = json_loadb(line.data, line.len, 0, NULL);
	const json_t *out = json_object_get(json, "out");
	const json_t *err = json_object_get(json, "err");
	const json_t *progress = json_object_get(json, "progress");
	const json_t *end = json_object_get(json, "exit");
	bool last = json_is_integer(end);

	if (json_is_string(out))
		sink->print(sink->arg, false,
			    (struct slice){json_string_value(out), json_string_length(out)});
	if (json_is_string(err))
		sink->print(sink->arg, true,
			    (struct slice){json_string_value(err), json_string_length(err)});
	if (json_is_string(progress) && sink->progress)
		sink->progress(sink->arg, (struct slice){json_string_value(progress),
							 json_string_length(progress)});
	if (last)
		*code = (int)json_integer_value(end);
	json_decref(json);
	return last;
}

static bool take_lines(struct buf *in, const struct ctl_sink *sink, int *code)
{
	for (;;) {
		struct slice text = buf_slice(in);
		const char *newline = text.len ? memchr(text.data, '\n', text.len) : NULL;
		bool last;

		if (!newline)
			return false;
		text.len = (size_t)(newline - text.data);
		last = take_line(text, sink, code);
		buf_skip(in, text.len + 1);
		if (last)
			return true;
	}
}

static int receive(int fd, const struct ctl_sink *sink, int *code)
{
	AUTO(buf_fini) struct buf in = {0};

	for (;;) {
		ssize_t got = read(fd, buf_reserve(&in, 65536), 65536);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EPIPE;
		buf_added(&in, (size_t)got);
		if (take_lines(&in, sink, code))
			return 0;
	}
}

int ctl_ask(const char *path, const char *const *words, size_t count, bool json, struct slice input,
	    const struct ctl_sink *sink, int *code)
{
	int fd, rc;

	for (size_t i = 0; i < count; i++) {
		if (!is_utf8(slice_of(words[i])))
			return -EILSEQ;
	}
	fd = connect_to(path);
	if (fd < 0)
		return fd;
	rc = send_request(fd, words, count, json, input);
	if (rc != -EILSEQ)
		rc = receive(fd, sink, code); /* a server that refused early has said why */
	close(fd);
	return rc;
}
