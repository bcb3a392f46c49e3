/* slow - one call of slow(): an event stream of ten steps, each told in a progress notification if the client gave a token,
 * else in a comment, so that a client that went away is noticed. */
#include "contrib/demo/demo.h"
#include <microhttpd.h>
#include <time.h>
#include "base/clock.h"
#include "base/xalloc.h"

#define STEPS  10
#define NAP_MS 20 /* how late a stop of the server may be noticed */

struct slow {
	struct demo *demo;
	char *id, *token;  /* JSON; token NULL = none */
	int64_t start_us, total_us;
	int step;
	struct buf out;
};

struct slow *slow_new(struct demo *d, const struct jsonrpc *call, int64_t ms)
{
	struct json_value token = json_get(json_get(call->params, "_meta"), "progressToken");
	struct slow *s = xcalloc(1, sizeof *s);

	s->demo = d;
	s->id = span_dup(call->id.text);
	s->token = token.kind == JSON_NONE ? NULL : span_dup(token.text);
	s->start_us = clock_mono_us();
	s->total_us = ms * 1000;
	buf_init(&s->out, 64u * 1024);
	return s;
}

void slow_free(void *slow)
{
	struct slow *s = slow;

	if (!s)
		return;
	buf_release(&s->out);
	free(s->id);
	free(s->token);
	free(s);
}

static bool wait_for_step(const struct slow *s)
{
	const struct timespec nap = { 0, NAP_MS * 1000000L };
	int64_t due_us = s->start_us + s->total_us * s->step / STEPS;

	while (clock_mono_us() < due_us) {
		if (atomic_load(&s->demo->is_stopping))
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

static bool write_step(struct slow *s)
{
	if (s->step < STEPS && !s->token)
		return buf_append_text(&s->out, ": working\n\n");
	if (s->step < STEPS)
		return buf_printf(&s->out,
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\","
			"\"params\":{\"progressToken\":%s,\"progress\":%d,\"total\":%d}}\n\n",
			s->token, s->step, STEPS);
	return buf_printf(&s->out, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", s->id) &&
	       mcp_write_tool_result(&s->out, SPAN("done at last"), false) &&
	       buf_append_text(&s->out, "}\n\n");
}

ssize_t slow_read(void *slow, uint64_t at, char *to, size_t room)
{
	struct slow *s = slow;

	(void)at;
	if (s->out.len == 0) {
		if (s->step == STEPS)
			return MHD_CONTENT_READER_END_OF_STREAM;
		s->step++;
		if (!wait_for_step(s) || !write_step(s))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	size_t n = s->out.len < room ? s->out.len : room;
	memcpy(to, s->out.data, n);
	buf_consume(&s->out, n);
	return (ssize_t)n;
}
