/* SPDX-License-Identifier: MIT */
/* The caller's side of the control socket. */
#include "ctl/client.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 }; /* of the input in a line: escaped it stays below 1 MB */

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

struct asking {
	int fd;
	const struct ctl_source *input;
	struct buf ahead; /* read, and not sent yet: the beginning of a character */
	const struct ctl_sink *sink;
	int *code;
};

static int send_request(const struct asking *asking, const char *const *words, size_t count,
			bool json)
{
	AUTO(buf_fini) struct buf line = {0};

	buf_append_text(&line, "{\"command\": [");
	for (size_t i = 0; i < count; i++) {
		buf_append_text(&line, i ? ", " : "");
		ctl_json_text(&line, slice_of(words[i]));
	}
	buf_printf(&line, "], \"json\": %s, \"more\": true}\n", json ? "true" : "false");
	return send_all(asking->fd, &line);
}

/* Without the character that is cut at the end. */
static size_t whole_characters(struct slice text)
{
	size_t len = text.len;

	while (len && text.len - len < 3 && ((unsigned char)text.data[len - 1] & 0xc0) == 0x80)
		len--;
	return len && (unsigned char)text.data[len - 1] >= 0xc0 ? len - 1 : text.len;
}

/* The next piece of input; at its end what is left, and then nothing. */
static int read_chunk(struct asking *asking, struct slice *chunk)
{
	ssize_t got = asking->input ? asking->input->read(asking->input->arg,
							  buf_reserve(&asking->ahead, CHUNK), CHUNK)
				    : 0;

	if (got < 0)
		return (int)got;
	buf_added(&asking->ahead, (size_t)got);
	*chunk = buf_slice(&asking->ahead);
	if (got)
		chunk->len = whole_characters(*chunk);
	return is_utf8(*chunk) ? 0 : -EILSEQ;
}

static int send_input(struct asking *asking)
{
	AUTO(buf_wipe) struct buf line = {0};
	struct slice chunk;
	int rc = read_chunk(asking, &chunk);

	if (rc)
		return rc;
	if (chunk.len) {
		buf_append_text(&line, "{\"input\": ");
		ctl_json_text(&line, chunk);
		buf_append_text(&line, "}\n");
	} else {
		buf_append_text(&line, "{\"end\": true}\n");
	}
	buf_skip(&asking->ahead, chunk.len);
	return send_all(asking->fd, &line);
}

static struct slice text_of(const json_t *string)
{
	return (struct slice){json_string_value(string), json_string_length(string)};
}

/* A fault, or 0; *last: the line was the last one. */
static int take_line(struct asking *asking, struct slice line, bool *last)
{
	const struct ctl_sink *sink = asking->sink;
	json_t *json = json_loadb(line.data, line.len, 0, NULL);
	const json_t *out = json_object_get(json, "out");
	const json_t *err = json_object_get(json, "err");
	const json_t *progress = json_object_get(json, "progress");
	const json_t *end = json_object_get(json, "exit");
	int rc = 0;

	if (json_is_string(out))
		sink->print(sink->arg, false, text_of(out));
	if (json_is_string(err))
		sink->print(sink->arg, true, text_of(err));
	if (json_is_string(progress) && sink->progress)
		sink->progress(sink->arg, text_of(progress));
	if (json_is_true(json_object_get(json, "want")))
		rc = send_input(asking);
	*last = json_is_integer(end);
	if (*last)
		*asking->code = (int)json_integer_value(end);
	json_decref(json);
	return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* it may have said why */
}

static int take_lines(struct asking *asking, struct buf *in, bool *last)
{
	int rc = 0;

	while (!rc && !*last) {
		struct slice text = buf_slice(in);
		const char *newline = text.len ? memchr(text.data, '\n', text.len) : NULL;

		if (!newline)
			break;
		text.len = (size_t)(newline - text.data);
		rc = take_line(asking, text, last);
		buf_skip(in, text.len + 1);
	}
	return rc;
}

static int receive(struct asking *asking)
{
	AUTO(buf_fini) struct buf in = {0};
	bool last = false;
	int rc = 0;

	while (!rc && !last) {
		ssize_t got = read(asking->fd, buf_reserve(&in, 65536), 65536);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EPIPE;
		buf_added(&in, (size_t)got);
		rc = take_lines(asking, &in, &last);
	}
	return rc;
}

int ctl_ask(const char *path, const char *const *words, size_t count, bool json,
	    const struct ctl_source *input, const struct ctl_sink *sink, int *code)
{
	struct asking asking = {.input = input, .sink = sink, .code = code};
	int rc;

	for (size_t i = 0; i < count; i++) {
		if (!is_utf8(slice_of(words[i])))
			return -EILSEQ;
	}
	asking.fd = connect_to(path);
	if (asking.fd < 0)
		return asking.fd;
	rc = send_request(&asking, words, count, json);
	rc = rc && rc != -EPIPE ? rc : receive(&asking); /* a server that refused has said why */
	buf_wipe(&asking.ahead);
	close(asking.fd);
	return rc;
}
