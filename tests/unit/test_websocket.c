#include "broker/websocket.h"
#include "broker/websocket_frame.h"
#include "data/secret.h"
#include "net/http.h"
#include "unit/http_peer.h"
#include "unit/unit.h"

/* What the client was told. */
static struct told {
	bool is_open, is_closed;
	char why[200];
	int texts;
	size_t bytes;
	char all[200];           /* their beginnings, one after the other */
} told;
static struct websocket *w;

static void opened(void *arg)
{
	(void)arg;
	told.is_open = true;
}

static void text(void *arg, struct span message)
{
	(void)arg;
	told.texts++;
	told.bytes += message.len;
	size_t n = strlen(told.all);
	(void)snprintf(told.all + n, sizeof told.all - n, "%.*s|", (int)(message.len < 20 ? message.len : 20), message.at);
}

static void closed(void *arg, const char *why)
{
	(void)arg;
	ck_assert(!told.is_closed);
	told.is_closed = true;
	(void)snprintf(told.why, sizeof told.why, "%s", why);
	websocket_free(w);
	w = NULL;
}

static void begin(void (*serve)(struct conn *c))
{
	char url[100];

	told = (struct told){ 0 };
	ck_assert_int_eq(secret_setup(), OK);
	ck_assert_int_eq(http_setup(), OK);
	ck_assert_int_eq(loop_new(&l), OK);
	p = http_peer_new(serve);
	(void)snprintf(url, sizeof url, "ws://127.0.0.1:%d/link?ticket=t&x=1", p->port);
	w = websocket_new(&(struct websocket_options){ .loop = l, .url = url, .is_plain_fine = true, .opened = opened, .text = text, .closed = closed });
}

static void finish(void)
{
	websocket_free(w);
	w = NULL;
	http_peer_free(p);
	loop_free(l);
}

/* The server's half of the handshake; false: the request is not what a client must send. */
static bool upgrade(struct conn *c, const char *more)
{
	char key[WEBSOCKET_KEY_SIZE], accept[WEBSOCKET_ACCEPT_SIZE], answer[500];
	const char *at;

	if (!conn_request(c) || !(at = strstr(c->head, "\r\nSec-WebSocket-Key: ")) || strncmp(c->head, "GET /link?ticket=t&x=1 HTTP/1.1\r\n", 33) ||
	    !conn_header_is(c, "\r\nHost: 127.0.0.1:") || !conn_header_is(c, "\r\nUpgrade: websocket\r\n") ||
	    !conn_header_is(c, "\r\nConnection: Upgrade\r\n") || !conn_header_is(c, "\r\nSec-WebSocket-Version: 13\r\n"))
		return false;
	(void)snprintf(key, sizeof key, "%.24s", at + 21);
	websocket_accept(key, accept);
	int n = snprintf(answer, sizeof answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s", accept, more);
	conn_send(c, answer, (size_t)n);
	return true;
}

/* The payload of the next frame of the client, unmasked; its opcode. -1: the end, or it is not masked. */
static int next_frame(struct conn *c, char out[126])
{
	unsigned char *at;

	while (c->in.len < 6 || c->in.len < 6 + ((unsigned char)c->in.data[1] & 0x7fu))
		if (!conn_read_more(c))
			return -1;
	at = (unsigned char *)c->in.data;
	size_t n = at[1] & 0x7fu;
	if (!(at[1] & 0x80) || n > 125)
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(at[6 + i] ^ at[2 + i % 4]);
	out[n] = '\0';
	int opcode = at[0] & 0x0f;
	buf_consume(&c->in, 6 + n);
	return opcode;
}

#define SEND(c, literal) conn_send(c, literal, sizeof(literal) - 1)

static void serve_conversation(struct conn *c)
{
	char said[126];

	if (!upgrade(c, "\x81\x05hello"))      /* a frame right behind the answer */
		return;
	if (next_frame(c, said) != WEBSOCKET_TEXT || strcmp(said, "hi") != 0)
		return;
	SEND(c, "\x01\x03" "Hel" "\x89\x02pi" "\x80\x02lo");
	if (next_frame(c, said) != WEBSOCKET_PONG || strcmp(said, "pi") != 0)
		return;
	SEND(c, "\x81\x04" "done" "\x88\x02\x03\xe8");
	if (next_frame(c, said) == WEBSOCKET_CLOSE)
		atomic_fetch_add(&c->peer->arrivals, 100);
}

START_TEST(a_conversation)
{
	begin(serve_conversation);
	TURN_UNTIL(told.texts == 1);
	ck_assert_str_eq(told.all, "hello|");
	ck_assert(told.is_open);
	ck_assert(websocket_send(w, SPAN("hi")));
	TURN_UNTIL(told.is_closed);
	ck_assert_str_eq(told.all, "hello|Hello|done|");
	ck_assert_str_eq(told.why, "the server closed it");
	while (atomic_load(&p->closed) == 0)
		(void)usleep(1000);
	ck_assert_int_eq(atomic_load(&p->arrivals), 101);
	finish();
}
END_TEST

static void serve_long(struct conn *c)
{
	static char frame[10 + WEBSOCKET_MAX_FRAME] = "\x81\x7f\0\0\0\0\0\x10";

	memset(frame + 10, 'x', WEBSOCKET_MAX_FRAME);
	if (!upgrade(c, ""))
		return;
	for (int i = 0; i < 4; i++)
		conn_send(c, frame, sizeof frame);
	conn_wait_closed(c);
}

START_TEST(long_messages_arrive_whole)
{
	begin(serve_long);
	TURN_UNTIL(told.texts == 4);
	ck_assert_uint_eq(told.bytes, 4 * WEBSOCKET_MAX_FRAME);
	finish();
}
END_TEST

static const char *bad_frames;
static size_t bad_size;
static void serve_bad(struct conn *c)
{
	if (upgrade(c, ""))
		conn_send(c, bad_frames, bad_size);
	conn_wait_closed(c);
}

START_TEST(a_server_that_breaks_the_protocol_is_left)
{
#define BAD(literal, why) { literal, sizeof(literal) - 1, why }
	static const struct { const char *bytes; size_t n; const char *why; } bad[] = {
		BAD("\x81\x85\0\0\0\0Hello", "a server's frame is masked"),
		BAD("\x82\x01x", "a message is not text"),
		BAD("\x80\x01x", "a message begins inside another, or goes on without a beginning"),
		BAD("\x01\x01x\x81\x01y", "a message begins inside another, or goes on without a beginning"),
		BAD("\x81\x02\xc3\x28", "a message is not UTF-8"),
		BAD("\x81\x7f\0\0\0\0\x10\0\0\0", "a frame is larger than 1 MiB"),
	};

	bad_frames = bad[_i].bytes;
	bad_size = bad[_i].n;
	begin(serve_bad);
	TURN_UNTIL(told.is_closed);
	ck_assert_str_eq(told.why, bad[_i].why);
	ck_assert_int_eq(told.texts, 0);
	finish();
}
END_TEST

static void serve_pieces_without_end(struct conn *c)
{
	static char piece[4 + 60000] = "\x01\x7e\xea\x60";

	memset(piece + 4, 'x', 60000);
	if (!upgrade(c, ""))
		return;
	for (int i = 0; i < 20; i++) {
		conn_send(c, piece, sizeof piece);
		piece[0] = 0;
	}
	conn_wait_closed(c);
}

START_TEST(a_message_of_many_pieces_is_capped_too)
{
	begin(serve_pieces_without_end);
	TURN_UNTIL(told.is_closed);
	ck_assert_str_eq(told.why, "a message is larger than 1 MiB");
	finish();
}
END_TEST

static void serve_cut(struct conn *c)
{
	(void)upgrade(c, "\x81\x7e"); /* and hangs up */
}

static void serve_refusal(struct conn *c)
{
	if (conn_request(c))
		conn_answer(c, "403 Forbidden", "no");
}

START_TEST(hanging_up_and_refusing_are_told)
{
	begin(serve_cut);
	TURN_UNTIL(told.is_closed);
	ck_assert(told.is_open);
	ck_assert(strncmp(told.why, "the connection ", 15) == 0);
	finish();
	begin(serve_refusal);
	TURN_UNTIL(told.is_closed);
	ck_assert(!told.is_open);
	ck_assert_str_eq(told.why, "it does not take the upgrade to WebSocket");
	finish();
}
END_TEST

START_TEST(addresses_that_are_not_ours_to_use_are_refused)
{
	static const char *const bad[] = { "http://127.0.0.1:1/", "ws://127.0.0.1:1/", "wss://", "file:///etc/passwd", "" };

	begin(serve_refusal);
	TURN_UNTIL(told.is_closed);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		told = (struct told){ 0 };
		w = websocket_new(&(struct websocket_options){ .loop = l, .url = bad[i], .opened = opened, .text = text, .closed = closed });
		TURN_UNTIL(told.is_closed);
		ck_assert_str_eq(told.why, "its address cannot be used");
	}
	finish();
}
END_TEST

START_TEST(nobody_there_is_told)
{
	begin(serve_refusal);
	TURN_UNTIL(told.is_closed);
	told = (struct told){ 0 };
	w = websocket_new(&(struct websocket_options){ .loop = l, .url = "ws://127.0.0.1:1/", .is_plain_fine = true, .opened = opened, .text = text, .closed = closed });
	TURN_UNTIL(told.is_closed);
	ck_assert_str_eq(told.why, "no connection could be made");
	w = websocket_new(&(struct websocket_options){ .loop = l, .url = "ws://127.0.0.1:1/", .is_plain_fine = true, .opened = opened, .text = text, .closed = closed });
	finish(); /* freed while it connects */
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("websocket");
	TCase *t = tcase_create("websocket");

	tcase_add_test(t, a_conversation);
	tcase_add_test(t, long_messages_arrive_whole);
	tcase_add_loop_test(t, a_server_that_breaks_the_protocol_is_left, 0, 6);
	tcase_add_test(t, a_message_of_many_pieces_is_capped_too);
	tcase_add_test(t, hanging_up_and_refusing_are_told);
	tcase_add_test(t, addresses_that_are_not_ours_to_use_are_refused);
	tcase_add_test(t, nobody_there_is_told);
	suite_add_tcase(s, t);
	return s;
}
