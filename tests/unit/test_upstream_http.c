/* upstream_http: deliveries over real connections to a backend that answers in every legal way and in many illegal ones. */
#include <fcntl.h>
#include "base/log.h"
#include "shim/upstream.h"
#include "net/http.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

#define DEADLINE_MS 20000

static struct loop *l;
static struct http_peer *p;
static struct config config;
static struct config_backend backend;
static struct upstream *u;

/* ---- the client's side ------------------------------------------------------------------------------------------------ */

static char messages[4096];            /* events.message: one method a line */
static atomic_int messages_n;
static bool has_room;
static struct delivery *cancel_on_message;

static void on_message(void *arg, const struct jsonrpc *m)
{
	size_t n = strlen(messages);

	(void)arg;
	(void)snprintf(messages + n, sizeof(messages) - n, "%s\n", m->method);
	atomic_fetch_add(&messages_n, 1);
	if (cancel_on_message)
		upstream_cancel(u, cancel_on_message);
	cancel_on_message = NULL;
}

static bool room(void *arg)
{
	(void)arg;
	return has_room;
}

struct sent {
	struct delivery d;
	struct jsonrpc m;
	char body[512], answer[4096], cause[128];
	char told[16];                 /* m(ay leave) l(eft) a(nswered) d(one) */
	size_t answer_len;
	struct delivery_end end;
	bool is_done, refuses;
	struct sent *then;             /* sent from done */
};

static struct sent *of(struct delivery *d)
{
	return container_of(d, struct sent, d);
}

static void note(struct sent *s, const char *what)
{
	size_t n = strlen(s->told);

	ck_assert_uint_lt(n + 1, sizeof(s->told));
	memcpy(s->told + n, what, 2);
}

static bool may_leave(struct delivery *d)
{
	note(of(d), "m");
	return !of(d)->refuses;
}

static void left(struct delivery *d)
{
	note(of(d), "l");
}

static void answered(struct delivery *d, const struct jsonrpc *response)
{
	note(of(d), "a");
	of(d)->answer_len = response->root.text.len;
	(void)snprintf(of(d)->answer, sizeof(of(d)->answer), "%.*s", SPAN_ARGS(response->root.text));
}

static void done(struct delivery *d, const struct delivery_end *end)
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

static void sent_init(struct sent *s, const char *body)
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

static void out_of_time(struct loop_timer *t)
{
	(void)t;
	ck_abort_msg("nothing happened in time");
}

#define TURN_UNTIL(condition)                                        \
	do {                                                         \
		struct loop_timer deadline;                          \
		loop_timer_init(&deadline, out_of_time);             \
		loop_timer_set(l, &deadline, DEADLINE_MS);           \
		while (!(condition)) {                               \
			loop_hurry(l); /* some look at the peer */   \
			loop_turn(l);                                \
		}                                                    \
		loop_timer_clear(&deadline);                         \
	} while (0)

static void begin(struct sent *s, const char *body)
{
	sent_init(s, body);
	upstream_send(u, &s->d);
	ck_assert(!s->is_done);
}

static void finish(struct sent *s)
{
	TURN_UNTIL(s->is_done);
}

static void go(struct sent *s, const char *body)
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
static const char *session_head;               /* header line of the answer to initialize */
static atomic_int sessions, initialized_n, deletes, calls;
static atomic_bool may_go_on;
static char heads[8][4096];                    /* of the first requests, in order of arrival */
static atomic_int heads_n;

static void wait_to_go_on(struct conn *c)
{
	while (!atomic_load(&may_go_on) && !atomic_load(&c->peer->is_over))
		usleep(200);
}

static void answers_ok(struct conn *c)
{
	const char *id = strstr(c->body, "\"id\":");

	conn_answer(c, "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}",
		id ? (int)strtol(id + 5, NULL, 10) : -1);
}

static void answers_initialize(struct conn *c)
{
	char head[512];

	atomic_fetch_add(&sessions, 1);
	(void)snprintf(head, sizeof(head), "200 OK\r\nContent-Type: application/json%s%s", session_head ? "\r\n" : "",
		session_head ? session_head : "");
	conn_answer(c, head, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\"}}");
}

static void serves_mcp(struct conn *c)
{
	while (conn_request(c)) {
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

static void setup(void)
{
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	messages[0] = '\0';
	has_room = true;
	cancel_on_message = NULL;
	session_head = NULL;
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

static void backend_is(void (*serve)(struct conn *c), void (*call)(struct conn *c))
{
	struct problem why;

	answers_call = call;
	p = http_peer_new(serve);
	backend.url = p->url;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend,
		.events = { .message = on_message, .has_room = room } };
	ck_assert_int_eq(upstream_new(&o, &u, &why), OK);
}

static void mcp_backend(void (*call)(struct conn *c))
{
	backend_is(serves_mcp, call);
}

static void teardown(void)
{
	upstream_free(u);
	loop_free(l);
	if (p)
		http_peer_free(p);
	u = NULL;
	p = NULL;
}

static void open_session(void)
{
	struct sent s;

	go(&s, INITIALIZE);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	go(&s, INITIALIZED);
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
}

/* ---- what is said and how it is answered ------------------------------------------------------------------------------ */

START_TEST(a_request_is_answered_with_the_backends_bytes)
{
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(s.end.http_status, 200);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nAccept: application/json, text/event-stream\r\n"));
}
END_TEST

START_TEST(session_and_version_are_sent_after_initialize_only)
{
	struct sent s;

	session_head = "mcp-session-id: abc-123";
	mcp_backend(answers_ok);
	open_session();
	go(&s, CALL);
	go(&s, INITIALIZE); /* a client may begin again */
	ck_assert_ptr_null(strcasestr(heads[0], "Mcp-Session-Id"));
	ck_assert_ptr_null(strcasestr(heads[0], "MCP-Protocol-Version"));
	for (int i = 1; i < 3; i++) {
		ck_assert_ptr_nonnull(strstr(heads[i], "\r\nMcp-Session-Id: abc-123\r\n"));
		ck_assert_ptr_nonnull(strstr(heads[i], "\r\nMCP-Protocol-Version: 2025-06-18\r\n"));
	}
	ck_assert_ptr_null(strcasestr(heads[3], "Mcp-Session-Id"));
}
END_TEST

START_TEST(a_session_id_that_is_not_visible_ascii_is_not_used_and_not_logged)
{
	struct sent s;
	char path[] = "/tmp/test_upstream.XXXXXX", said[4096] = "";
	int fd = mkstemp(path);

	log_setup(&(struct log_options){ .program = "test", .level = LOG_DEBUG, .fd = fd });
	session_head = "Mcp-Session-Id: caf\xc3\xa9-secret";
	mcp_backend(answers_ok);
	open_session();
	go(&s, CALL);
	ck_assert_ptr_null(strcasestr(heads[2], "Mcp-Session-Id"));
	ck_assert_ptr_nonnull(strstr(heads[2], "\r\nMCP-Protocol-Version: 2025-06-18\r\n"));
	ck_assert_int_gt(pread(fd, said, sizeof(said) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(said, "session id"));
	ck_assert_ptr_null(strstr(said, "secret"));
	log_setup(&(struct log_options){ .program = "test", .level = LOG_INFO, .fd = STDERR_FILENO });
	unlink(path);
	close(fd);
}
END_TEST

START_TEST(configured_headers_are_sent)
{
	struct sent s;
	struct config_named_secret header = { .name = (char *)"Authorization",
		.value = { .source = SECRET_PLAIN, .text = (char *)"Bearer t0ken" } };

	backend.headers = (struct config_secrets){ .v = &header, .n = 1 };
	mcp_backend(answers_ok);
	go(&s, CALL);
	ck_assert_ptr_nonnull(strstr(heads[0], "\r\nAuthorization: Bearer t0ken\r\n"));
}
END_TEST

START_TEST(a_header_that_breaks_lines_is_an_error_of_the_configuration)
{
	struct problem why;
	struct config_named_secret header = { .name = (char *)"X-Key",
		.value = { .source = SECRET_PLAIN, .text = (char *)"a\r\nEvil: 1" } };

	backend.headers = (struct config_secrets){ .v = &header, .n = 1 };
	backend.url = (char *)"http://127.0.0.1:1/";
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend };
	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "X-Key"));
	ck_assert_ptr_null(strstr(why.text, "Evil"));
}
END_TEST

START_TEST(transports_that_are_not_built_are_refused)
{
	struct problem why;
	struct upstream_options o = { .loop = l, .config = &config, .backend = &backend };

	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_UNSUPPORTED);
	backend.url = (char *)"http://127.0.0.1:1/";
	backend.transport = TRANSPORT_SSE;
	ck_assert_int_eq(upstream_new(&o, &u, &why), ERR_UNSUPPORTED);
}
END_TEST

static const char *accepted_as;
static void accepts(struct conn *c)
{
	conn_answer(c, accepted_as, "%s", "");
}

START_TEST(any_2xx_accepts_a_notification_or_response)
{
	static const char *const as[] = { "202 Accepted", "200 OK", "200 OK\r\nContent-Type: text/html" };
	struct sent s;

	mcp_backend(accepts);
	for (size_t i = 0; i < ARRAY_LEN(as); i++) {
		accepted_as = as[i];
		go(&s, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}");
		ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
		ck_assert_str_eq(s.told, "mld");
	}
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"result\":{}}");
	ck_assert_int_eq(s.end.fate, FATE_ACCEPTED);
}
END_TEST

/* ---- event streams ---------------------------------------------------------------------------------------------------- */

#define SSE_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunk(struct conn *c, const char *text)
{
	char head[32];

	(void)snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
	conn_say(c, head);
	conn_say(c, text);
	conn_say(c, "\r\n");
}

static void streams_with_progress(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, ": hello\n\nid: 1\ndata:\n\nevent: other\ndata: {}\n\n");
	chunk(c, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n");
	chunk(c, "event: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"method\":\"sampling/createMessage\"}\n\n");
	wait_to_go_on(c);
	chunk(c, "data: " OK_7 "\n\n");
	chunk(c, "");
}

START_TEST(what_streams_before_the_answer_arrives_at_once)
{
	struct sent s;

	mcp_backend(streams_with_progress);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) == 2);
	ck_assert_str_eq(messages, "notifications/progress\nsampling/createMessage\n");
	ck_assert(!s.is_done);
	atomic_store(&may_go_on, true);
	finish(&s);
	ck_assert_str_eq(s.answer, OK_7);
	ck_assert_str_eq(s.told, "mlad");
}
END_TEST

static void answers_and_stays(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, "data: " OK_7 "\n\n");
	conn_wait_closed(c);
}

START_TEST(a_stream_that_stays_open_after_the_answer_is_let_go)
{
	struct sent s;

	mcp_backend(answers_and_stays);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	TURN_UNTIL(atomic_load(&p->closed) == 1);
}
END_TEST

START_TEST(a_connection_is_used_again_after_a_stream)
{
	struct sent s;

	atomic_store(&may_go_on, true);
	mcp_backend(streams_with_progress);
	for (int i = 0; i < 5; i++) {
		go(&s, CALL);
		ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
		for (int n = 0; n < 5; n++) { /* the end of the stream is on its way */
			loop_hurry(l);
			loop_turn(l);
		}
	}
	ck_assert_int_le(atomic_load(&p->connections), 3);
}
END_TEST

static const char *streamed;
static void streams(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	chunk(c, streamed);
	chunk(c, "");
}

START_TEST(a_stream_without_the_answer_is_unknown)
{
	static const char *const without[] = {
		"",
		": only a comment\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}\n\n",
		"data: nonsense\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{},\"result\":{}}\n\n",
		"data: " OK_7 "\n",
		"event: other\ndata: " OK_7 "\n\n",
	};
	struct sent s;

	mcp_backend(streams);
	for (size_t i = 0; i < ARRAY_LEN(without); i++) {
		streamed = without[i];
		go(&s, CALL);
		ck_assert_msg(s.end.fate == FATE_UNKNOWN, "%s", without[i]);
		ck_assert_str_ne(s.cause, "");
		ck_assert_str_eq(s.told, "mld");
	}
}
END_TEST

START_TEST(garbage_in_a_stream_does_not_hide_the_answer)
{
	struct sent s;

	streamed = "data: nonsense\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_str_eq(s.answer, OK_7);
}
END_TEST

START_TEST(a_second_answer_is_dropped)
{
	struct sent s;

	streamed = "data: " OK_7 "\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_str_eq(s.told, "mlad");
}
END_TEST

START_TEST(a_stream_cut_before_the_answer_is_unknown)
{
	struct sent s;

	streamed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"jsonrpc\"";
	mcp_backend(streams);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
}
END_TEST

static void streams_for_ever(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	while (!atomic_load(&c->peer->is_over)) {
		chunk(c, ": still here\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n");
		usleep(1000);
	}
}

START_TEST(an_endless_stream_ends_with_the_timeout)
{
	struct sent s;

	mcp_backend(streams_for_ever);
	sent_init(&s, CALL);
	s.d.timeout_ms = 50;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert(s.end.has_timed_out);
}
END_TEST

static void streams_a_huge_event(struct conn *c)
{
	char filler[4097];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	conn_say(c, SSE_HEAD);
	chunk(c, "data: \"");
	for (int i = 0; i < 1024 && !atomic_load(&c->peer->is_over); i++)
		chunk(c, filler);
	conn_wait_closed(c);
}

START_TEST(a_huge_event_is_cut_at_max_body)
{
	struct sent s;

	mcp_backend(streams_a_huge_event);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.cause, "the answer is too large");
}
END_TEST

static void streams_much(struct conn *c)
{
	conn_say(c, SSE_HEAD);
	for (int i = 0; i < 20000 && !atomic_load(&c->peer->is_over); i++)
		chunk(c, "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n");
	chunk(c, "data: " OK_7 "\n\n");
	chunk(c, "");
}

START_TEST(a_client_without_room_pauses_the_stream)
{
	struct sent s, other;

	has_room = false;
	mcp_backend(streams_much);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&messages_n) > 0);
	int before = atomic_load(&messages_n);
	answers_call = answers_ok;
	go(&other, LIST); /* a JSON answer needs no room, and shows that the loop goes on */
	ck_assert_int_eq(other.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&messages_n), before);
	ck_assert_int_lt(before, 5000);
	has_room = true;
	upstream_resume(u);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&messages_n), 20000);
}
END_TEST

/* ---- JSON answers ----------------------------------------------------------------------------------------------------- */

static const char *json_head, *json_body;
static void says_json(struct conn *c)
{
	conn_answer(c, json_head, "%s", json_body);
}

START_TEST(an_answer_that_cannot_be_used_is_unknown)
{
	static const struct { const char *head, *body; } bad[] = {
		{ "200 OK\r\nContent-Type: application/json", "" },
		{ "200 OK\r\nContent-Type: application/json", "{" },
		{ "200 OK\r\nContent-Type: application/json", "null" },
		{ "200 OK\r\nContent-Type: application/json", "{}" },
		{ "200 OK\r\nContent-Type: application/json", OK_7 OK_7 },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":1,\"a\":2}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}" },
		{ "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}" },
		{ "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", OK_7 },
		{ "200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br", "data: " OK_7 "\n\n" },
		{ "200 OK\r\nContent-Type: text/html", OK_7 },
		{ "200 OK", OK_7 },
		{ "202 Accepted", "" },
		{ "302 Found\r\nLocation: /", "" },
	};
	struct sent s;

	mcp_backend(says_json);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_head = bad[i].head;
		json_body = bad[i].body;
		go(&s, CALL);
		ck_assert_msg(s.end.fate == FATE_UNKNOWN, "%s %s", bad[i].head, bad[i].body);
		ck_assert_str_ne(s.cause, "");
		ck_assert_str_eq(s.told, "mld");
	}
	ck_assert_int_eq(atomic_load(&calls), ARRAY_LEN(bad));
}
END_TEST

START_TEST(an_error_without_id_belongs_to_the_request_it_answers)
{
	static const char *const bodies[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no\"}}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"no\"}}",
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"no\"}}",
	};
	static const char *const heads_of[] = { "200 OK\r\nContent-Type: application/json",
		"400 Bad\r\nContent-Type: application/json; charset=utf-8", "500 Oops\r\nContent-Type: APPLICATION/JSON" };
	static const int statuses[] = { 200, 400, 500 };
	struct sent s;

	mcp_backend(says_json);
	for (size_t i = 0; i < ARRAY_LEN(bodies) * ARRAY_LEN(heads_of); i++) {
		json_body = bodies[i / ARRAY_LEN(heads_of)];
		json_head = heads_of[i % ARRAY_LEN(heads_of)];
		go(&s, CALL);
		ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
		ck_assert_int_eq(s.end.http_status, statuses[i % ARRAY_LEN(heads_of)]);
		ck_assert_str_eq(s.answer, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"no\"}}");
	}
}
END_TEST

START_TEST(a_status_says_whether_it_ran)
{
	static const struct { const char *head; enum fate fate; int status; } cases[] = {
		{ "400 Bad", FATE_REFUSED, 400 }, { "401 No", FATE_REFUSED, 401 }, { "403 No", FATE_REFUSED, 403 },
		{ "404 No", FATE_REFUSED, 404 }, { "413 Big", FATE_REFUSED, 413 }, { "429 Slow\r\nRetry-After: 3", FATE_REFUSED, 429 },
		{ "408 Late", FATE_UNKNOWN, 408 }, { "500 Oops", FATE_UNKNOWN, 500 }, { "502 Oops", FATE_UNKNOWN, 502 },
		{ "503 Busy\r\nRetry-After: 3", FATE_UNKNOWN, 503 }, { "307 There\r\nLocation: /x", FATE_REFUSED, 307 },
		{ "308 There\r\nLocation: /x", FATE_REFUSED, 308 }, { "301 There\r\nLocation: /x", FATE_UNKNOWN, 301 },
		{ "400 Bad\r\nContent-Type: application/json", FATE_REFUSED, 400 },
		{ "500 Bad\r\nContent-Type: application/json", FATE_UNKNOWN, 500 },
	};
	static const char *const sent_as[] = { CALL, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}" };
	struct sent s;

	json_body = "{\"message\":\"secret stack trace\"}";
	mcp_backend(says_json);
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		json_head = cases[i / 2].head;
		go(&s, sent_as[i % 2]);
		ck_assert_msg(s.end.fate == cases[i / 2].fate, "%s", json_head);
		ck_assert_int_eq(s.end.http_status, cases[i / 2].status);
		ck_assert_int_eq(s.end.retry_after_ms, strstr(json_head, "Retry-After") ? 3000 : -1);
		ck_assert_ptr_null(strstr(s.cause, "secret"));
	}
}
END_TEST

START_TEST(a_result_in_an_error_status_is_no_answer)
{
	struct sent s;

	json_head = "500 Oops\r\nContent-Type: application/json";
	json_body = OK_7;
	mcp_backend(says_json);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
}
END_TEST

static void answers_huge(struct conn *c)
{
	char filler[4096];

	memset(filler, ' ', sizeof(filler));
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
	for (int i = 0; i < 1024 && !atomic_load(&c->peer->is_over); i++)
		conn_send(c, filler, sizeof(filler));
	conn_say(c, OK_7);
	(void)shutdown(c->fd, SHUT_RDWR);
}

START_TEST(a_huge_answer_is_cut_at_max_body)
{
	struct sent s;

	mcp_backend(answers_huge);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.cause, "the answer is too large");
}
END_TEST

static void answers_with_the_others_id(struct conn *c)
{
	wait_to_go_on(c);
	int other = strstr(c->body, "\"id\":7") ? 8 : 7;
	conn_answer(c, "200 OK\r\nContent-Type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}", other);
}

START_TEST(an_answer_never_reaches_another_call)
{
	struct sent a, b;

	mcp_backend(answers_with_the_others_id);
	begin(&a, CALL);
	begin(&b, LIST);
	TURN_UNTIL(atomic_load(&calls) == 2);
	atomic_store(&may_go_on, true);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_UNKNOWN);
	ck_assert_int_eq(b.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(a.cause, "a response with a foreign id was dropped");
}
END_TEST

START_TEST(ids_are_compared_by_meaning)
{
	struct sent s;

	json_head = "200 OK\r\nContent-Type: application/json";
	json_body = "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\",\"result\":{}}";
	mcp_backend(says_json);
	go(&s, "{\"jsonrpc\":\"2.0\",\"id\":\"A\",\"method\":\"ping\"}");
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

/* ---- what left -------------------------------------------------------------------------------------------------------- */

START_TEST(without_leave_nothing_arrives)
{
	struct sent s;

	mcp_backend(answers_ok);
	sent_init(&s, CALL);
	s.refuses = true;
	upstream_send(u, &s.d);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "md");
	ck_assert_int_eq(atomic_load(&calls), 0);
}
END_TEST

START_TEST(a_backend_that_is_down_is_not_sent)
{
	struct sent s;
	char url[64];

	mcp_backend(answers_ok);
	(void)snprintf(url, sizeof(url), "%s", p->url);
	http_peer_free(p);
	p = NULL;
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "d");
	ck_assert_ptr_null(strstr(s.cause, "127"));
}
END_TEST

static void takes_and_dies(struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
}

START_TEST(a_call_on_a_connection_that_dies_arrives_once)
{
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, LIST); /* the connection is pooled */
	answers_call = takes_and_dies;
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
	ck_assert_int_eq(atomic_load(&calls), 2);
	answers_call = answers_ok;
	go(&s, CALL); /* the session lives */
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

static atomic_int arrivals_of[1000];
static void dies_at_random(struct conn *c)
{
	unsigned long id = strtoul(strstr(c->body, "\"id\":") + 5, NULL, 10);
	int n = atomic_load(&calls);

	atomic_fetch_add(&arrivals_of[id], 1);
	switch (n % 7) {
	case 2: takes_and_dies(c); break;
	case 4:
		answers_ok(c);
		takes_and_dies(c);
		break;
	case 5: conn_say(c, "HTTP/1.1 200 OK\r\nContent-"); takes_and_dies(c); break;
	default: answers_ok(c);
	}
}

START_TEST(no_call_arrives_twice_however_connections_die)
{
	enum { CALLS = 1000, AT_ONCE = 8 };
	struct sent *s = xcalloc(CALLS, sizeof(*s));
	char body[128];

	mcp_backend(dies_at_random);
	for (int i = 0; i < CALLS; i++) {
		(void)snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\"}", i);
		begin(&s[i], body);
		if (i >= AT_ONCE)
			finish(&s[i - AT_ONCE]);
	}
	int unknown = 0;
	for (int i = 0; i < CALLS; i++) {
		finish(&s[i]);
		int n = atomic_load(&arrivals_of[i]);
		ck_assert_int_le(n, 1);
		ck_assert(s[i].end.fate != FATE_NOT_SENT || n == 0);
		ck_assert(s[i].end.fate != FATE_ANSWERED || n == 1);
		unknown += s[i].end.fate == FATE_UNKNOWN;
	}
	ck_assert_int_gt(unknown, CALLS / 10); /* else connections did not die */
	free(s);
}
END_TEST

/* ---- cancelling ------------------------------------------------------------------------------------------------------- */

static void never_answers(struct conn *c)
{
	conn_wait_closed(c);
}

START_TEST(cancelled_before_it_left_it_never_arrives)
{
	struct sent s, next;

	mcp_backend(answers_ok);
	begin(&s, CALL);
	upstream_cancel(u, &s.d);
	ck_assert(!s.is_done);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	go(&next, LIST);
	ck_assert_int_eq(atomic_load(&calls), 1);
}
END_TEST

START_TEST(cancelled_after_it_left_is_unknown)
{
	struct sent s;

	mcp_backend(never_answers);
	begin(&s, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	upstream_cancel(u, &s.d);
	ck_assert(!s.is_done);
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
	TURN_UNTIL(atomic_load(&p->closed) == 1);
}
END_TEST

START_TEST(cancelled_by_what_its_own_stream_says_it_is_not_answered)
{
	struct sent s;

	streamed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\ndata: " OK_7 "\n\n";
	mcp_backend(streams);
	begin(&s, CALL);
	cancel_on_message = &s.d;
	finish(&s);
	ck_assert_int_eq(s.end.fate, FATE_UNKNOWN);
	ck_assert_str_eq(s.told, "mld");
}
END_TEST

START_TEST(done_may_send_the_next)
{
	struct sent s, next;

	mcp_backend(answers_ok);
	sent_init(&next, LIST);
	sent_init(&s, CALL);
	s.then = &next;
	upstream_send(u, &s.d);
	finish(&next);
	ck_assert(s.is_done);
	ck_assert_int_eq(next.end.fate, FATE_ANSWERED);
}
END_TEST

START_TEST(a_slow_call_delays_no_other)
{
	struct sent slow, s;

	mcp_backend(never_answers);
	begin(&slow, CALL);
	TURN_UNTIL(atomic_load(&calls) == 1);
	answers_call = answers_ok;
	for (int i = 0; i < 20; i++)
		go(&s, LIST);
	ck_assert(!slow.is_done);
	upstream_cancel(u, &slow.d);
	finish(&slow);
}
END_TEST

/* ---- sessions --------------------------------------------------------------------------------------------------------- */

static void serves_initialized_late(struct conn *c)
{
	while (conn_request(c)) {
		int n = atomic_fetch_add(&heads_n, 1);
		(void)snprintf(heads[n], sizeof(heads[n]), "%s", c->body);
		if (strstr(c->body, "notifications/initialized"))
			wait_to_go_on(c);
		if (strstr(c->body, "\"initialize\""))
			answers_initialize(c);
		else if (strstr(c->body, "\"id\""))
			answers_ok(c);
		else
			conn_answer(c, "202 Accepted", "%s", "");
	}
}

START_TEST(nothing_overtakes_initialize_and_initialized)
{
	struct sent a, b, c, d;

	backend_is(serves_initialized_late, NULL);
	begin(&a, INITIALIZE); /* all at once, as from a file on stdin */
	begin(&b, INITIALIZED);
	begin(&c, LIST);
	begin(&d, CALL);
	TURN_UNTIL(atomic_load(&heads_n) == 2);
	ck_assert(!c.is_done && !d.is_done);
	ck_assert_str_eq(c.told, "");
	atomic_store(&may_go_on, true);
	finish(&c);
	finish(&d);
	ck_assert_str_eq(heads[0], INITIALIZE);
	ck_assert_str_eq(heads[1], INITIALIZED);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ACCEPTED);
	ck_assert_int_eq(d.end.fate, FATE_ANSWERED);
}
END_TEST

START_TEST(what_waits_for_initialize_can_be_cancelled)
{
	struct sent a, b;

	backend_is(serves_initialized_late, NULL);
	begin(&a, INITIALIZED);
	begin(&b, CALL);
	TURN_UNTIL(atomic_load(&heads_n) == 1);
	upstream_cancel(u, &b.d);
	finish(&b);
	ck_assert_int_eq(b.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(b.told, "d");
	atomic_store(&may_go_on, true);
	finish(&a);
	ck_assert_int_eq(atomic_load(&heads_n), 1);
}
END_TEST

static bool is_session_current(const struct conn *c)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "Mcp-Session-Id: %d\r\n", atomic_load(&sessions));
	return conn_header_is(c, line);
}

static atomic_bool forgets_by_400, refuses_to_begin_again;

/* Its session ids count; the one of the first session is forgotten after two calls. */
static void serves_forgetful(struct conn *c)
{
	char head[128];

	while (conn_request(c)) {
		if (strstr(c->body, "\"initialize\"")) {
			int n = atomic_fetch_add(&sessions, 1) + 1;
			(void)snprintf(head, sizeof(head), "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: %d", n);
			if (n > 1 && atomic_load(&refuses_to_begin_again))
				conn_answer(c, "503 Busy", "%s", "");
			else
				conn_answer(c, head, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\"}}");
		} else if (!is_session_current(c) || (atomic_load(&sessions) == 1 && atomic_load(&calls) >= 2)) {
			if (atomic_load(&forgets_by_400))
				conn_answer(c, "400 Bad Request\r\nContent-Type: application/json",
					"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Bad Request: No valid session ID provided\"},\"id\":null}");
			else
				conn_answer(c, "404 Not Found\r\nContent-Type: application/json",
					"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,\"message\":\"Session not found\"},\"id\":null}");
		} else if (strstr(c->body, "notifications/initialized")) {
			atomic_fetch_add(&initialized_n, 1);
			conn_answer(c, "202 Accepted", "%s", "");
		} else {
			atomic_fetch_add(&calls, 1);
			answers_ok(c);
		}
	}
}

static void lose_session(bool by_400)
{
	struct sent s;

	atomic_store(&forgets_by_400, by_400);
	atomic_store(&refuses_to_begin_again, false);
	backend_is(serves_forgetful, NULL);
	open_session();
	go(&s, CALL);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
	ck_assert(!s.end.has_session_ended);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_REFUSED);
	ck_assert(s.end.has_session_ended);
	ck_assert_str_eq(s.told, "mld");
}

START_TEST(a_forgotten_session_is_opened_anew_for_the_next)
{
	struct sent a, b;

	lose_session(_i == 1);
	begin(&a, CALL);
	begin(&b, LIST);
	finish(&a);
	finish(&b);
	ck_assert_int_eq(a.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(b.end.fate, FATE_ANSWERED);
	ck_assert_int_eq(atomic_load(&sessions), 2);
	ck_assert_int_eq(atomic_load(&initialized_n), 2);
	ck_assert_int_eq(atomic_load(&calls), 4);
}
END_TEST

START_TEST(a_session_that_cannot_be_opened_anew_is_tried_again_later)
{
	struct sent s;

	lose_session(false);
	atomic_store(&refuses_to_begin_again, true);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_NOT_SENT);
	ck_assert_str_eq(s.told, "d");
	atomic_store(&refuses_to_begin_again, false);
	go(&s, CALL);
	ck_assert_int_eq(s.end.fate, FATE_ANSWERED);
}
END_TEST

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static void on_ended(void *arg)
{
	*(bool *)arg = true;
}

START_TEST(the_end_deletes_the_session)
{
	bool has_ended = false;

	session_head = "Mcp-Session-Id: abc";
	mcp_backend(answers_ok);
	open_session();
	upstream_end(u, 5000, on_ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	ck_assert_int_eq(atomic_load(&deletes), 1);
	ck_assert_ptr_nonnull(strstr(heads[2], "\r\nMcp-Session-Id: abc\r\n"));
}
END_TEST

START_TEST(without_a_session_the_end_says_nothing)
{
	bool has_ended = false;
	struct sent s;

	mcp_backend(answers_ok);
	go(&s, LIST);
	upstream_end(u, 5000, on_ended, &has_ended);
	ck_assert(!has_ended);
	TURN_UNTIL(has_ended);
	ck_assert_int_eq(atomic_load(&deletes), 0);
	ck_assert_int_eq(atomic_load(&p->arrivals), 1);
}
END_TEST

static void never_deletes(struct conn *c)
{
	while (conn_request(c)) {
		if (strncmp(c->head, "DELETE", 6) == 0)
			conn_wait_closed(c);
		else
			answers_initialize(c);
	}
}

START_TEST(a_silent_backend_does_not_hold_up_the_end)
{
	bool has_ended = false;
	struct sent s;

	session_head = "Mcp-Session-Id: abc";
	backend_is(never_deletes, NULL);
	go(&s, INITIALIZE);
	upstream_end(u, 50, on_ended, &has_ended);
	TURN_UNTIL(has_ended);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("upstream_http");
	TCase *t = tcase_create("upstream_http");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_request_is_answered_with_the_backends_bytes);
	tcase_add_test(t, session_and_version_are_sent_after_initialize_only);
	tcase_add_test(t, a_session_id_that_is_not_visible_ascii_is_not_used_and_not_logged);
	tcase_add_test(t, configured_headers_are_sent);
	tcase_add_test(t, a_header_that_breaks_lines_is_an_error_of_the_configuration);
	tcase_add_test(t, transports_that_are_not_built_are_refused);
	tcase_add_test(t, any_2xx_accepts_a_notification_or_response);
	tcase_add_test(t, what_streams_before_the_answer_arrives_at_once);
	tcase_add_test(t, a_stream_that_stays_open_after_the_answer_is_let_go);
	tcase_add_test(t, a_connection_is_used_again_after_a_stream);
	tcase_add_test(t, a_stream_without_the_answer_is_unknown);
	tcase_add_test(t, garbage_in_a_stream_does_not_hide_the_answer);
	tcase_add_test(t, a_second_answer_is_dropped);
	tcase_add_test(t, a_stream_cut_before_the_answer_is_unknown);
	tcase_add_test(t, an_endless_stream_ends_with_the_timeout);
	tcase_add_test(t, a_huge_event_is_cut_at_max_body);
	tcase_add_test(t, a_client_without_room_pauses_the_stream);
	tcase_add_test(t, an_answer_that_cannot_be_used_is_unknown);
	tcase_add_test(t, an_error_without_id_belongs_to_the_request_it_answers);
	tcase_add_test(t, a_status_says_whether_it_ran);
	tcase_add_test(t, a_result_in_an_error_status_is_no_answer);
	tcase_add_test(t, a_huge_answer_is_cut_at_max_body);
	tcase_add_test(t, an_answer_never_reaches_another_call);
	tcase_add_test(t, ids_are_compared_by_meaning);
	tcase_add_test(t, without_leave_nothing_arrives);
	tcase_add_test(t, a_backend_that_is_down_is_not_sent);
	tcase_add_test(t, a_call_on_a_connection_that_dies_arrives_once);
	tcase_add_test(t, no_call_arrives_twice_however_connections_die);
	tcase_add_test(t, cancelled_before_it_left_it_never_arrives);
	tcase_add_test(t, cancelled_after_it_left_is_unknown);
	tcase_add_test(t, cancelled_by_what_its_own_stream_says_it_is_not_answered);
	tcase_add_test(t, done_may_send_the_next);
	tcase_add_test(t, a_slow_call_delays_no_other);
	tcase_add_test(t, nothing_overtakes_initialize_and_initialized);
	tcase_add_test(t, what_waits_for_initialize_can_be_cancelled);
	tcase_add_loop_test(t, a_forgotten_session_is_opened_anew_for_the_next, 0, 2);
	tcase_add_test(t, a_session_that_cannot_be_opened_anew_is_tried_again_later);
	tcase_add_test(t, the_end_deletes_the_session);
	tcase_add_test(t, without_a_session_the_end_says_nothing);
	tcase_add_test(t, a_silent_backend_does_not_hold_up_the_end);
	suite_add_tcase(s, t);
	return s;
}
