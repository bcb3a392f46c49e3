/* http_probe - a request whose every word is noted, and the fixture of the tests of http. */
#pragma once
#include "net/http.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

static struct http *h;
static struct http_headers *headers;

static inline struct http *http_to(const char *url)
{
	struct http_options o = { .loop = l, .url = url, .ca_file = "", .proxy = "", .connect_timeout_ms = 5000 };
	struct problem why;
	struct http *made = NULL;

	ck_assert_int_eq(http_new(&o, &made, &why), OK);
	return made;
}

static inline void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	headers = http_headers_new();
}

static inline void peer_serves(void (*serve)(struct conn *c))
{
	p = http_peer_new(serve);
	h = http_to(p->url);
}

static inline void teardown(void)
{
	http_free(h);
	http_headers_drop(headers);
	loop_free(l);
	if (p)
		http_peer_free(p);
	h = NULL;
	p = NULL;
}

/* ---- one request and what it was told --------------------------------------------------------------------------------- */

struct probe {
	struct http_request r;
	struct http_end end;
	struct buf body;
	char told[64];                 /* l(eft) h(ead) b(ody) d(one) */
	int status, asked;
	bool is_done, refuses, collects;
	enum http_flow flow;
	size_t body_calls;
	struct http_request *cancels;  /* in done */
};

static inline struct probe *of(struct http_request *r)
{
	return container_of(r, struct probe, r);
}

static inline void note(struct probe *q, const char *what)
{
	size_t n = strlen(q->told);

	if (n + 1 < sizeof(q->told) && !(n && q->told[n - 1] == what[0]))
		memcpy(q->told + n, what, 2);
}

static inline bool probe_may_leave(struct http_request *r)
{
	of(r)->asked++;
	return !of(r)->refuses;
}

static inline void probe_left(struct http_request *r)
{
	note(of(r), "l");
}

static inline struct buf *probe_head(struct http_request *r)
{
	note(of(r), "h");
	of(r)->status = http_status(r);
	return of(r)->collects ? &of(r)->body : NULL;
}

static inline enum http_flow probe_body(struct http_request *r, struct span bytes)
{
	struct probe *q = of(r);

	note(q, "b");
	q->body_calls++;
	ck_assert(buf_append_span(&q->body, bytes));
	return q->flow;
}

static inline void probe_done(struct http_request *r, const struct http_end *end)
{
	struct probe *q = of(r);

	note(q, "d");
	ck_assert(!q->is_done);
	q->is_done = true;
	q->end = *end;
	q->status = http_status(r);
	if (q->cancels)
		http_cancel(q->cancels);
}

static inline void probe_init(struct probe *q, struct span content)
{
	*q = (struct probe){ .r = { .method = content.at ? "POST" : "GET", .headers = headers, .content = content,
		.may_leave = probe_may_leave, .left = probe_left, .head = probe_head, .body = probe_body, .done = probe_done } };
	buf_init(&q->body, 64 << 20);
}

static inline void run(struct probe *q)
{
	http_start(h, &q->r);
	ck_assert(!q->is_done);
	TURN_UNTIL(q->is_done);
}

static inline void post(struct probe *q)
{
	probe_init(q, SPAN("{}"));
	run(q);
}

/* ---- two peers ---------------------------------------------------------------------------------------------------------- */

static inline void echoes(struct conn *c)
{
	while (conn_request(c))
		conn_answer(c, "200 OK", "%s", c->body);
}

static inline void never_answers(struct conn *c)
{
	if (conn_request(c))
		conn_wait_closed(c);
}
