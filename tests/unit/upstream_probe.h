/* upstream_probe - a delivery whose every word is noted, an MCP backend to talk to, and the fixture of the tests of upstream_http. */
#pragma once
#include "base/log.h"
#include "net/http.h"
#include "shim/upstream.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

static struct config config;
static struct config_backend backend;
static struct upstream *u;

/* ---- the client's side ------------------------------------------------------------------------------------------------ */

static char messages[4096];            /* events.message: one method a line */
static atomic_int messages_n;
static int forgotten;                  /* events.forgot */
static bool has_room;
static struct delivery *cancel_on_message;

static void (*tells)(void *arg, const struct jsonrpc *m);          /* the same, for the test itself */

static inline void on_message(void *arg, const struct jsonrpc *m)
{
	size_t n = strlen(messages);

	if (tells)
		tells(arg, m);
	(void)snprintf(messages + n, sizeof(messages) - n, "%s\n", m->method);
	atomic_fetch_add(&messages_n, 1);
	if (cancel_on_message)
		upstream_cancel(u, cancel_on_message);
	cancel_on_message = NULL;
}

static inline void on_forgot(void *arg)
{
	(void)arg;
	forgotten++;
}

static inline bool room(void *arg)
{
	(void)arg;
	return has_room;
}

struct sent {
	struct delivery d;
	struct jsonrpc m;
	char body[512], answer[4096], cause[256];
	char told[16];                 /* m(ay leave) l(eft) a(nswered) d(one) */
	size_t answer_len;
	struct delivery_end end;
	bool is_done, refuses;
	struct sent *then;             /* sent from done */
};

static inline struct sent *of(struct delivery *d)
{
	return container_of(d, struct sent, d);
}

static inline void note(struct sent *s, const char *what)
{
	size_t n = strlen(s->told);

	ck_assert_uint_lt(n + 1, sizeof(s->told));
	memcpy(s->told + n, what, 2);
}

static inline bool may_leave(struct delivery *d)
{
	note(of(d), "m");
	return !of(d)->refuses;
}

static inline void left(struct delivery *d)
{
	note(of(d), "l");
}

static inline void answered(struct delivery *d, const struct jsonrpc *response)
{
	note(of(d), "a");
	of(d)->answer_len = response->root.text.len;
	(void)snprintf(of(d)->answer, sizeof(of(d)->answer), "%.*s", SPAN_ARGS(response->root.text));
}

static inline void done(struct delivery *d, const struct delivery_end *end)
{
	struct sent *s = of(d);

	note(s, "d");
	ck_assert(!s->is_done);
	s->is_done = true;
	s->end = *end;
	(void)snprintf(s->cause, sizeof(s->cause), "%s", end->cause);
	if (s->then)
		upstream_send(u, &s->then->d);
}

static inline void sent_init(struct sent *s, const char *body)
{
	*s = (struct sent){ .d = { .may_leave = may_leave, .left = left, .answered = answered, .done = done } };
	(void)snprintf(s->body, sizeof(s->body), "%s", body);
	jsonrpc_read(span_of(s->body), &s->m);
	ck_assert_int_ne(s->m.kind, JSONRPC_INVALID);
	s->d.body = span_of(s->body);
	s->d.message = &s->m;
	s->d.timeout_ms = DEADLINE_MS;
	s->d.is_once = strcmp(s->m.method, "tools/call") == 0;
}

static inline void begin(struct sent *s, const char *body)
{
	sent_init(s, body);
	upstream_send(u, &s->d);
	ck_assert(!s->is_done);
}

static inline void finish(struct sent *s)
{
	TURN_UNTIL(s->is_done);
}

static inline void go(struct sent *s, const char *body)
{
	begin(s, body);
	finish(s);
}

#define CALL       "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}"
#define LIST       "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/list\"}"
#define INITIALIZE "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}"
#define INITIALIZED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"
#define OK_7       "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}"

/* ---- the backend's side ----------------------------------------------------------------------------------------------- */

static void (*answers_call)(struct conn *c);
static const char *negotiated;                 /* the version */
static const char *session_head;               /* header line of the answer to initialize */
static atomic_int sessions, initialized_n, deletes, calls;
static atomic_bool may_go_on;
static char heads[8][4096];                    /* of the first requests, in order of arrival */
static atomic_int heads_n;

static inline void wait_to_go_on(struct conn *c)
{
	while (!atomic_load(&may_go_on) && !atomic_load(&c->peer->is_over))
		usleep(200);
}

static inline void answers_ok(struct conn *c)
{
	const char *id = strstr(c->body, "\"id\":");

	conn_answer(c, "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}",
		id ? (int)strtol(id + 5, NULL, 10) : -1);
}

static inline void answers_initialize(struct conn *c)
{
	char head[512];

	atomic_fetch_add(&sessions, 1);
	(void)snprintf(head, sizeof(head), "200 OK\r\nContent-Type: application/json%s%s", session_head ? "\r\n" : "",
		session_head ? session_head : "");
	conn_answer(c, head, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"%s\"}}", negotiated);
}

/* The stream a backend may offer of itself; by default it does not. */
static void (*answers_get)(struct conn *c);
static atomic_int streams_asked;

static inline bool is_get(struct conn *c)
{
	if (strncmp(c->head, "GET ", 4) != 0)
		return false;
	atomic_fetch_add(&streams_asked, 1);
	if (answers_get)
		answers_get(c);
	else
		conn_answer(c, "405 Method Not Allowed", "%s", "");
	return true;
}

static inline void serves_mcp(struct conn *c)
{
	while (conn_request(c)) {
		if (is_get(c))
			continue;
		int n = atomic_fetch_add(&heads_n, 1);
		if (n < 8)
			memcpy(heads[n], c->head, 4096);
		if (strncmp(c->head, "DELETE", 6) == 0) {
			atomic_fetch_add(&deletes, 1);
			conn_answer(c, "200 OK", "bye");
		} else if (strstr(c->body, "\"initialize\"")) {
			answers_initialize(c);
		} else if (strstr(c->body, "notifications/initialized")) {
			atomic_fetch_add(&initialized_n, 1);
			conn_answer(c, "202 Accepted", "%s", "");
		} else {
			atomic_fetch_add(&calls, 1);
			answers_call(c);
		}
	}
}

#define SSE_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunk(struct conn *c, const char *text)
{
	char head[32];

	(void)snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
	conn_say(c, head);
	conn_say(c, text);
	conn_say(c, "\r\n");
}

static const char *streamed;
static inline void streams(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, streamed);
	chunk(c, "");
}

static inline void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	messages[0] = '\0';
	forgotten = 0;
	has_room = true;
	cancel_on_message = NULL;
	session_head = NULL;
	negotiated = "2025-06-18";
	answers_get = NULL;
	tells = NULL;
	atomic_store(&streams_asked, 0);
	atomic_store(&messages_n, 0);
	atomic_store(&sessions, 0);
	atomic_store(&initialized_n, 0);
	atomic_store(&deletes, 0);
	atomic_store(&calls, 0);
	atomic_store(&heads_n, 0);
	atomic_store(&may_go_on, false);
	backend = (struct config_backend){ .name = (char *)"b", .transport = TRANSPORT_AUTO, .ca_file = (char *)"", .proxy = (char *)"",
		.timeout_ms = DEADLINE_MS, .connect_timeout_ms = 5000, .max_body_bytes = 1 << 20 };
}

static inline void backend_is(void (*serve)(struct conn *c), void (*call)(struct conn *c))
{
	struct problem why;

	answers_call = call;
	p = http_peer_new(serve);
	backend.url = p->url;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend,
		.events = { .message = on_message, .forgot = on_forgot, .has_room = room } };
	ck_assert_int_eq(upstream_new(&o, &u, &why), OK);
}

static inline void mcp_backend(void (*call)(struct conn *c))
{
	backend_is(serves_mcp, call);
}

static inline void teardown(void)
{
	upstream_free(u);
	loop_free(l);
	if (p)
		http_peer_free(p);
	u = NULL;
	p = NULL;
}

static inline void open_session(void)
{
	struct sent s;

	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	go(&s, INITIALIZED);
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
}
