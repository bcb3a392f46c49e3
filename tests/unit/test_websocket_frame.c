#include "unit/unit.h"
#include <stdio.h>
#include "broker/websocket_frame.h"

static const char *why;
static struct websocket_frame frame;

static enum websocket_reading reads(const char *bytes, size_t n)
{
	why = "";
	return websocket_frame_read((struct span){ bytes, n }, &frame, &why);
}
#define READS(literal) reads(literal, sizeof(literal) - 1)

START_TEST(frames_of_a_server_are_read) /* RFC 6455 5.7 */
{
	ck_assert_int_eq(READS("\x81\x05Hello\x89"), WEBSOCKET_WHOLE);
	ck_assert_int_eq(frame.opcode, WEBSOCKET_TEXT);
	ck_assert(frame.is_final && span_is(frame.payload, "Hello") && frame.size == 7);
	ck_assert_int_eq(READS("\x01\x03Hel"), WEBSOCKET_WHOLE);
	ck_assert(!frame.is_final);
	ck_assert_int_eq(READS("\x80\x02lo"), WEBSOCKET_WHOLE);
	ck_assert(frame.is_final && frame.opcode == WEBSOCKET_CONTINUATION);
	ck_assert_int_eq(READS("\x89\x05Hello"), WEBSOCKET_WHOLE);
	ck_assert_int_eq(frame.opcode, WEBSOCKET_PING);
	ck_assert_int_eq(READS("\x88\x00"), WEBSOCKET_WHOLE);
	ck_assert_int_eq(frame.opcode, WEBSOCKET_CLOSE);
}
END_TEST

START_TEST(long_frames_are_read_when_they_are_whole)
{
	static char bytes[WEBSOCKET_MAX_FRAME + 10] = "\x82\x7f\0\0\0\0\0\x10\0\0";

	memcpy(bytes, "\x82\x7e\x01\x00", 4);
	ck_assert_int_eq(reads(bytes, 4 + 255), WEBSOCKET_PARTIAL);
	ck_assert_int_eq(reads(bytes, 4 + 256), WEBSOCKET_WHOLE);
	ck_assert_uint_eq(frame.payload.len, 256);
	memcpy(bytes, "\x82\x7f\0\0\0\0\0\x10\0\0", 10);
	ck_assert_int_eq(reads(bytes, sizeof bytes - 1), WEBSOCKET_PARTIAL);
	ck_assert_int_eq(reads(bytes, sizeof bytes), WEBSOCKET_WHOLE);
	ck_assert_uint_eq(frame.payload.len, WEBSOCKET_MAX_FRAME);
	for (size_t n = 0; n < 10; n++)
		ck_assert_int_eq(reads(bytes, n), WEBSOCKET_PARTIAL);
}
END_TEST

START_TEST(what_breaks_the_protocol_is_refused)
{
	ck_assert_int_eq(READS("\x82\x7f\0\0\0\0\0\x10\0\1"), WEBSOCKET_BROKEN);
	ck_assert_str_eq(why, "a frame is larger than 1 MiB");
	ck_assert_int_eq(READS("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), WEBSOCKET_BROKEN);
	ck_assert_str_eq(why, "a server's frame is masked");
	ck_assert_int_eq(READS("\xc1\x00"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x83\x00"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x8b\x00"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x09\x00"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x89\x7e\x00\x7e"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x81\x7e\x00\x7d"), WEBSOCKET_BROKEN);
	ck_assert_int_eq(READS("\x81\x7f\0\0\0\0\0\0\xff\xff"), WEBSOCKET_BROKEN);
}
END_TEST

START_TEST(frames_of_ours_are_masked)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	CLEANUP(buf_release) struct buf b;
	static char big[70000];

	buf_init(&b, 100000);
	ck_assert(websocket_frame_write(&b, WEBSOCKET_TEXT, SPAN("Hello"), mask));
	ck_assert_uint_eq(b.len, 11);
	ck_assert_mem_eq(b.data, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	buf_clear(&b);
	ck_assert(websocket_frame_write(&b, WEBSOCKET_TEXT, (struct span){ big, 300 }, mask));
	ck_assert_mem_eq(b.data, "\x81\xfe\x01\x2c\x37\xfa\x21\x3d", 8);
	buf_clear(&b);
	ck_assert(websocket_frame_write(&b, WEBSOCKET_TEXT, (struct span){ big, sizeof big }, mask));
	ck_assert_mem_eq(b.data, "\x81\xff\0\0\0\0\0\x01\x11\x70\x37\xfa\x21\x3d", 14);
	ck_assert(!websocket_frame_write(&b, WEBSOCKET_TEXT, (struct span){ big, sizeof big }, mask));
}
END_TEST

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define GOOD "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static enum websocket_reading answers(const char *text)
{
	size_t size = 0;
	enum websocket_reading r = websocket_answer_read(span_of(text), KEY, &size, &why);

	if (r == WEBSOCKET_WHOLE)
		ck_assert_uint_eq(size, (size_t)(strstr(text, "\r\n\r\n") - text) + 4);
	return r;
}

START_TEST(the_known_key_and_its_answer) /* RFC 6455 1.3 */
{
	char out[WEBSOCKET_ACCEPT_SIZE], key[WEBSOCKET_KEY_SIZE];

	websocket_key((const uint8_t *)"the sample nonce", key);
	ck_assert_str_eq(key, KEY);
	websocket_accept(KEY, out);
	ck_assert_str_eq(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	ck_assert_int_eq(answers(GOOD ACCEPT "\r\n"), WEBSOCKET_WHOLE);
	ck_assert_int_eq(answers(GOOD ACCEPT "\r\n\x81\x05Hello"), WEBSOCKET_WHOLE);
	ck_assert_int_eq(answers("HTTP/1.1 101\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive , upgrade\r\n" ACCEPT "X: y\r\n\r\n"), WEBSOCKET_WHOLE);
}
END_TEST

START_TEST(an_answer_that_is_not_websockets_is_refused)
{
	static const char *const bad[] = {
		"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"HTTP/1.1 1010 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"HTTP/1.0 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		GOOD "\r\n",
		GOOD "Sec-WebSocket-Accept: AAAALMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		GOOD ACCEPT ACCEPT "\r\n",
		GOOD ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		GOOD ACCEPT "Sec-WebSocket-Protocol: x\r\n\r\n",
		GOOD ACCEPT "no header\r\n\r\n",
		"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n" ACCEPT "\r\n",
		"nonsense\r\n\r\n",
	};
	static char endless[WEBSOCKET_MAX_HEAD + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(answers(bad[i]) == WEBSOCKET_BROKEN, "%s", bad[i]);
	ck_assert_int_eq(answers(GOOD ACCEPT), WEBSOCKET_PARTIAL);
	memset(endless, 'a', sizeof endless - 1);
	ck_assert_int_eq(answers(endless), WEBSOCKET_BROKEN);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("websocket_frame");
	TCase *t = tcase_create("websocket_frame");

	tcase_add_test(t, frames_of_a_server_are_read);
	tcase_add_test(t, long_frames_are_read_when_they_are_whole);
	tcase_add_test(t, what_breaks_the_protocol_is_refused);
	tcase_add_test(t, frames_of_ours_are_masked);
	tcase_add_test(t, the_known_key_and_its_answer);
	tcase_add_test(t, an_answer_that_is_not_websockets_is_refused);
	suite_add_tcase(s, t);
	return s;
}
