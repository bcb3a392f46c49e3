#include "shim/host.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"

#define READ_BYTES      (64 * 1024)
#define READS_A_TURN    16                 /* so that a flood of input delays nobody else */
#define KEEP_BYTES      (1024 * 1024)      /* a line buffer larger than this is given back when empty */
#define CHUNKS_A_WRITE  32
#define SMALL_WRITE     4096               /* a terminal may block on more than poll promised */

struct chunk {
	struct list node;
	char *bytes;
	size_t n, written;
};

/* ---- the two descriptors ------------------------------------------------------------------------------------------------ */
/* O_NONBLOCK belongs to the open file, which others may share: set on FIFOs only, and put back. */
static void end_open(struct host_end *e, int fd)
{
	struct stat st;

	*e = (struct host_end){ .fd = fd, .saved_flags = -1, .kind = HOST_OTHER, .source.fd = fd };
	list_init(&e->source.node);
	if (fstat(fd, &st) != 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		e->kind = HOST_SOCKET;
	} else if (S_ISREG(st.st_mode)) {
		e->kind = HOST_FILE;
	} else if (S_ISFIFO(st.st_mode)) {
		int flags = fcntl(fd, F_GETFL);
		e->kind = HOST_FIFO;
		if (flags >= 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
			e->saved_flags = flags;
	}
}

static void end_close(struct host_end *e)
{
	loop_remove(&e->source);
	if (e->saved_flags >= 0)
		(void)fcntl(e->fd, F_SETFL, e->saved_flags);
}

static ssize_t end_read(struct host_end *e, char *at, size_t n)
{
	ssize_t got;

	do
		got = e->kind == HOST_SOCKET ? recv(e->fd, at, n, MSG_DONTWAIT) : read(e->fd, at, n);
	while (got < 0 && errno == EINTR);
	return got;
}

static bool is_writable_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL));
}

static ssize_t end_write(struct host_end *e, struct iovec *v, int n)
{
	struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)n };

	assert(n > 0);
	switch (e->kind) {
	case HOST_SOCKET:
		return sendmsg(e->fd, &m, MSG_DONTWAIT);
	case HOST_FIFO:
	case HOST_FILE:
		return writev(e->fd, v, n);
	case HOST_OTHER:
		break;
	}
	if (!is_writable_now(e->fd)) {
		errno = EAGAIN;
		return -1;
	}
	return write(e->fd, v[0].iov_base, v[0].iov_len < SMALL_WRITE ? v[0].iov_len : SMALL_WRITE);
}

/* ---- input -------------------------------------------------------------------------------------------------------------- */
static void too_long(struct host *h)
{
	h->events.oversize(h->events.arg, h->max_line_bytes);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Not a byte more is read than there is room for: for its answer, and with those who take it. */
static bool may_take(const struct host *h)
{
	return h->is_reading && host_has_room(h) && h->events.may_take(h->events.arg);
}

static void hand_out(struct host *h, struct span line)
{
	while (line.len > 0 && is_blank(line.at[line.len - 1]))
		line.len--;
	if (line.len > h->max_line_bytes)
		too_long(h);
	else if (line.len > 0)
		h->events.line(h->events.arg, line);
}

/* Hands out the complete lines while there is room for their answers. An event may stop the reading. */
static void take_lines(struct host *h)
{
	size_t from = 0;

	while (may_take(h)) {
		size_t start = h->scanned > from ? h->scanned : from;
		const char *end = h->line.len > start ? memchr(h->line.data + start, '\n', h->line.len - start) : NULL;
		if (!end) {
			h->scanned = h->line.len;
			break;
		}
		size_t at = (size_t)(end - h->line.data);
		struct span line = { h->line.data + from, at - from };
		from = h->scanned = at + 1;
		if (h->is_discarding)
			h->is_discarding = false;
		else
			hand_out(h, line);
	}
	buf_consume(&h->line, from);
	h->scanned -= from;
}

/* What stands in the buffer now has no line end. */
static void discard_overlong(struct host *h)
{
	if (h->scanned < h->line.len)
		return;
	if (!h->is_discarding && h->line.len > h->max_line_bytes) {
		h->is_discarding = true;
		too_long(h);
	}
	if (h->is_discarding || (h->line.len == 0 && h->line.room > KEEP_BYTES)) {
		buf_release(&h->line);
		h->scanned = 0;
	}
}

static void input_ended(struct host *h)
{
	struct span rest = buf_span(&h->line);

	if (rest.len > 0 && !h->is_discarding)
		hand_out(h, rest);              /* a last line without its end */
	if (!h->is_reading)
		return;
	h->is_reading = false;
	h->events.ended(h->events.arg);
}

static void in_ready(struct loop_source *s, short events)
{
	struct host *h = container_of(s, struct host, in.source);

	(void)events;                           /* macOS answers POLLNVAL for some devices: the read decides */
	for (int i = 0; i < READS_A_TURN && may_take(h); i++) {
		char *at = buf_reserve(&h->line, READ_BYTES);
		if (!at)
			return;                 /* whole lines wait for room in the queue */
		ssize_t got = end_read(&h->in, at, READ_BYTES);
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got <= 0) {
			input_ended(h);
			return;
		}
		buf_added(&h->line, (size_t)got);
		take_lines(h);
		discard_overlong(h);
		if (h->in.kind == HOST_OTHER || h->in.kind == HOST_FILE || got < READ_BYTES)
			return;                 /* another read could block; poll will say */
	}
}

static short in_want(struct loop_source *s)
{
	struct host *h = container_of(s, struct host, in.source);
	return may_take(h) ? POLLIN : 0;
}

void host_pump(struct host *h)
{
	if (h->is_reading && h->line.len > h->scanned) {
		take_lines(h);
		discard_overlong(h);
	}
}

void host_stop_reading(struct host *h)
{
	h->is_reading = false;
	loop_remove(&h->in.source);
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */
static void chunk_free(struct host *h, struct chunk *c)
{
	h->queued_bytes -= c->n - c->written;
	list_remove(&c->node);
	free(c->bytes);
	free(c);
}

static void drop_queue(struct host *h)
{
	list_for_each(c, &h->queue, struct chunk, node)
		chunk_free(h, c);
}

static void client_is_gone(struct host *h)
{
	if (h->is_gone)
		return;
	h->is_gone = true;
	drop_queue(h);
	h->events.gone(h->events.arg);
}

void host_send(struct host *h, char *text, size_t n)
{
	struct chunk *c;

	if (h->is_gone) {
		free(text);
		return;
	}
	c = xmalloc(sizeof(*c));
	*c = (struct chunk){ .bytes = xreallocarray(text, n + 1, 1), .n = n + 1 };
	c->bytes[n] = '\n';
	list_append(&h->queue, &c->node);
	h->queued_bytes += c->n;
	h->was_full = h->was_full || !host_has_room(h);
}

static void written(struct host *h, size_t n)
{
	FAILPOINT(REPLY_WRITTEN);
	while (n > 0) {
		struct chunk *c = list_first(&h->queue, struct chunk, node);
		size_t left = c->n - c->written;
		size_t took = n < left ? n : left;
		c->written += took;
		h->queued_bytes -= took;
		n -= took;
		if (c->written == c->n)
			chunk_free(h, c);
	}
}

static int gather(struct host *h, struct iovec *v)
{
	int n = 0;

	list_for_each(c, &h->queue, struct chunk, node) {
		if (n == CHUNKS_A_WRITE)
			break;
		v[n++] = (struct iovec){ c->bytes + c->written, c->n - c->written };
	}
	return n;
}

void host_flush(struct host *h)
{
	while (!list_is_empty(&h->queue)) {
		struct iovec v[CHUNKS_A_WRITE];
		ssize_t n = end_write(&h->out, v, gather(h, v));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			log_info("host.gone", "errno=%d", errno);
			client_is_gone(h);
			return;
		}
		written(h, (size_t)n);
	}
	if (h->was_full && host_has_room(h)) {
		h->was_full = false;
		loop_hurry(h->loop);            /* lines may wait in the buffer */
		h->events.drained(h->events.arg);
	}
}

static void out_ready(struct loop_source *s, short events)
{
	struct host *h = container_of(s, struct host, out.source);

	if (events & POLLOUT)
		host_flush(h);
	else if (events & (POLLERR | POLLHUP))
		client_is_gone(h);
}

static short out_want(struct loop_source *s)
{
	struct host *h = container_of(s, struct host, out.source);
	return list_is_empty(&h->queue) ? 0 : POLLOUT;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */
void host_init(struct host *h, struct loop *loop, int in_fd, int out_fd, size_t max_line_bytes, const struct host_events *e)
{
	*h = (struct host){ .loop = loop, .events = *e, .is_reading = true, .max_line_bytes = max_line_bytes };
	list_init(&h->queue);
	buf_init(&h->line, max_line_bytes + 2 * READ_BYTES);
	end_open(&h->in, in_fd);
	end_open(&h->out, out_fd);
	h->in.source.want = in_want;
	h->in.source.ready = in_ready;
	h->out.source.want = out_want;
	h->out.source.ready = out_ready;
	loop_add(loop, &h->in.source);
	loop_add(loop, &h->out.source);
}

void host_release(struct host *h)
{
	drop_queue(h);
	end_close(&h->in);
	end_close(&h->out);
	buf_release(&h->line);
}

bool host_has_room(const struct host *h)
{
	return h->queued_bytes < HOST_MAX_QUEUE_BYTES;
}

bool host_is_flushed(const struct host *h)
{
	return list_is_empty(&h->queue);
}
