#include "broker/post.h"
#include <stdio.h>
#include "broker/outbox.h"

#define POST_CONNECT_MS    5000
#define POST_ALL_MS        10000
#define POST_MAX_ANSWER    ((size_t)256 * 1024)

static struct post *post_of(struct http_request *r)
{
	return container_of(r, struct post, request);
}

/* Feishu's own word for Retry-After, in whole seconds. */
static int64_t reset_after_ms(struct span value)
{
	int64_t s = 0;

	if (value.len == 0 || value.len > 6)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return -1;
		s = 10 * s + (value.at[i] - '0');
	}
	return s * 1000;
}

static struct buf *post_head(struct http_request *r)
{
	struct post *p = post_of(r);

	p->status = http_status(r);
	p->retry_after_ms = http_retry_after_ms(r);
	if (p->retry_after_ms < 0)
		p->retry_after_ms = reset_after_ms(http_header(r, "X-Ogw-Ratelimit-Reset"));
	return &p->answer;
}

static enum http_flow post_body(struct http_request *r, struct span bytes)
{
	(void)r, (void)bytes;
	return HTTP_GO_ON; /* never: all of it is collected */
}

/* http may not be freed from here: the timer does it, and tells. */
static void post_http_done(struct http_request *r, const struct http_end *end)
{
	struct post *p = post_of(r);

	p->has_left = r->has_left;
	p->cause = end->cause;
	p->is_over = true;
	loop_timer_set(p->broker->loop, &p->timer, 0);
}

static void post_let_go(struct post *p)
{
	if (p->has_timer)
		loop_timer_clear(&p->timer);
	p->has_timer = false;
	http_free(p->http);
	p->http = NULL;
	http_headers_drop(p->headers);
	p->headers = NULL;
	buf_release(&p->body);
}

/* Over, or out of time. */
static void post_fire(struct loop_timer *t)
{
	struct post *p = container_of(t, struct post, timer);

	if (!p->is_over) {
		p->has_left = p->request.has_left;
		p->cause = p->has_left ? "no answer came in time" : "connecting took too long";
	}
	post_let_go(p);
	p->done(p);
}

static bool post_aim(struct post *p)
{
	struct http_options o = {
		.loop = p->broker->loop, .url = p->url, .ca_file = "", .proxy = "", .connect_timeout_ms = POST_CONNECT_MS,
	};
	struct problem why;

	if (http_new(&o, &p->http, &why) == OK)
		return true;
	p->cause = "its address cannot be read";
	p->is_over = true;
	return false;
}

void post_start(struct post *p)
{
	if (!p->headers)
		p->headers = http_headers_new();
	p->status = 0;
	p->cause = "";
	p->has_left = p->is_over = false;
	p->retry_after_ms = -1;
	buf_release(&p->answer);
	buf_init(&p->answer, POST_MAX_ANSWER);
	loop_timer_init(&p->timer, post_fire);
	p->has_timer = true;
	loop_timer_set(p->broker->loop, &p->timer, POST_ALL_MS);
	if (!post_aim(p)) {
		loop_timer_set(p->broker->loop, &p->timer, 0);
		return;
	}
	/* A pooled connection could turn out dead with the request half gone: it has one of its own, and is sent once. */
	p->request = (struct http_request){
		.method = p->method, .headers = p->headers, .content = buf_span(&p->body), .is_once = true, .is_apart = true,
		.head = post_head, .body = post_body, .done = post_http_done,
	};
	http_start(p->http, &p->request);
}

void post_cancel(struct post *p)
{
	post_let_go(p);
	buf_release(&p->answer);
}

static enum message_result result_of(int status)
{
	if (status >= 200 && status < 300)
		return MESSAGE_OK;
	if (status == 0 || status == 408 || status == 425 || status == 429 || status >= 500)
		return MESSAGE_RETRY;
	return MESSAGE_GIVEN_UP;
}

void post_judge(const struct post *p, struct delivered *out, char *said, size_t size)
{
	*out = (struct delivered){ .result = result_of(p->status), .said = said };
	if (p->status)
		(void)snprintf(said, size, "it answered HTTP %d", p->status);
	else
		(void)snprintf(said, size, "no answer: %s", p->cause);
	/* Who refuses says that nothing was taken; a gateway's 5xx and silence say nothing. */
	out->is_maybe_out = p->status == 0 ? p->has_left : p->status >= 500;
	if (out->result == MESSAGE_RETRY && p->retry_after_ms > 0)
		out->retry_after_ms = p->retry_after_ms;
}
