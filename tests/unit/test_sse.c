#include "unit/unit.h"
#include "base/xalloc.h"
#include "data/sse.h"

/* Events written one after the other as "type|data|last id|retry;". */
static bool note(void *arg, const struct sse_event *e)
{
	return buf_printf(arg, "%.*s|%.*s|%.*s|%d;", SPAN_ARGS(e->type), SPAN_ARGS(e->data), SPAN_ARGS(e->last_id),
		(int)e->retry_ms);
}

static char *events_in_steps(struct span stream, size_t step)
{
	struct buf seen;
	struct sse s;

	buf_init(&seen, 10000);
	sse_init(&s, 1000);
	for (size_t at = 0; at < stream.len; at += step) {
		struct span part = { stream.at + at, stream.len - at < step ? stream.len - at : step };

		ck_assert_int_eq(sse_feed(&s, part, note, &seen), SSE_MORE);
	}
	sse_release(&s);
	return buf_take(&seen);
}

static const struct {
	const char *stream, *events;
} cases[] = {
	{ "data: hello\n\n", "message|hello||-1;" },
	{ "data: hello\r\n\r\n", "message|hello||-1;" },
	{ "data: hello\r\r", "message|hello||-1;" },
	{ "data: a\r\ndata: b\rdata: c\n\r\n", "message|a\nb\nc||-1;" },
	{ "data:hello\n\n", "message|hello||-1;" },
	{ "data:  hello\n\n", "message| hello||-1;" },
	{ "\xef\xbb\xbf"
	  "data: x\n\n",
		"message|x||-1;" },
	{ "data: x\n\n\xef\xbb\xbf"
	  "data: y\n\n",
		"message|x||-1;" },
	{ "event: ping\ndata: 1\n\ndata: 2\n\n", "ping|1||-1;message|2||-1;" },
	{ "event: a\nevent:\ndata: 1\n\n", "message|1||-1;" },
	{ "id: 7\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n", "message|1|7|-1;message|2|7|-1;message|3||-1;" },
	{ "id: 7\ndata: \n\n", "message||7|-1;" },
	{ "id: 8\n\n", "message||8|-1;" },
	{ "retry: 1500\n\n", "message|||1500;" },
	{ "retry: 1500\ndata: x\n\ndata: y\n\n", "message|x||1500;message|y||-1;" },
	{ "retry: 1s\ndata: x\n\n", "message|x||-1;" },
	{ "retry: -5\nretry:\nretry: 99999999999999999999\ndata: x\n\n", "message|x||-1;" },
	{ ": comment\n\n:\n\ndata: x\n:data: y\n\n", "message|x||-1;" },
	{ "\n\n\r\n\r\r\n", "" },
	{ "data\n\n", "message|||-1;" },
	{ "data\ndata\n\n", "message|\n||-1;" },
	{ "data:\ndata: x\n\n", "message|\nx||-1;" },
	{ "data: a:b: c\n\n", "message|a:b: c||-1;" },
	{ "Data: x\ndatax: y\n data: z\nfoo\nfoo: bar\n\n", "" },
	{ "data: x", "" },
	{ "data: x\n", "" },
	{ "data: x\n\ndata: y\n", "message|x||-1;" },
	{ "data: {\"a\":\"a rather long value of a data field that is cut into pieces\"}\nid: 1\ndata: more\n\ndata: z\n\n",
		"message|{\"a\":\"a rather long value of a data field that is cut into pieces\"}\nmore|1|-1;message|z|1|-1;" },
};

START_TEST(events_are_those_of_the_standard_whatever_the_chunks)
{
	struct span stream = span_of(cases[_i].stream);

	for (size_t step = 1; step <= stream.len; step++) {
		CLEANUP(free_charp) char *events = events_in_steps(stream, step);

		ck_assert_msg(strcmp(events, cases[_i].events) == 0, "%s in steps of %zu: %s", cases[_i].stream, step, events);
	}
}
END_TEST

START_TEST(an_id_with_nul_is_ignored)
{
	CLEANUP(free_charp) char *events = events_in_steps(SPAN("id: 1\ndata: x\n\nid: a\0b\ndata: y\n\n"), 1000);

	ck_assert_str_eq(events, "message|x|1|-1;message|y|1|-1;");
}
END_TEST

static bool refuse(void *arg, const struct sse_event *e)
{
	return !note(arg, e);
}

START_TEST(the_receiver_can_stop)
{
	struct buf seen;
	struct sse s;

	buf_init(&seen, 100);
	sse_init(&s, 100);
	ck_assert_int_eq(sse_feed(&s, SPAN("data: 1\n\ndata: 2\n\n"), refuse, &seen), SSE_STOPPED);
	ck_assert_str_eq(seen.data, "message|1||-1;");
	sse_release(&s);
	buf_release(&seen);
}
END_TEST

/* What n copies of a piece lead to. */
static enum sse_answer endless(const char *head, const char *piece, size_t step)
{
	enum sse_answer answer = SSE_MORE;
	struct buf seen, stream;
	struct sse s;
	bool fits;

	buf_init(&seen, 100);
	buf_init(&stream, 10000);
	sse_init(&s, 100);
	fits = buf_append_text(&stream, head);
	while (stream.len < 1000)
		fits = fits && buf_append_text(&stream, piece);
	ck_assert(fits);
	for (size_t at = 0; at + step <= stream.len && answer == SSE_MORE; at += step)
		answer = sse_feed(&s, (struct span){ stream.data + at, step }, note, &seen);
	ck_assert_uint_le(s.line.room + s.data.room + s.type.room + s.last_id.room, 400);
	sse_release(&s);
	buf_release(&stream);
	buf_release(&seen);
	return answer;
}

START_TEST(endless_lines_and_events_are_too_large)
{
	static const size_t steps[] = { 1, 7, 1000 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		ck_assert_int_eq(endless("", "x", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless("data: ", "x", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless("", "data: x\n", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless(":", "x", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless("id: ", "x", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless("", ":a comment, complete, and longer than the cap of one hundred bytes, which holds for comments "
					     "as it does for fields\n", steps[i]), SSE_TOO_LARGE);
		ck_assert_int_eq(endless("", ":x\n", steps[i]), SSE_MORE);
		ck_assert_int_eq(endless("", "id: 1\nevent: x\n", steps[i]), SSE_MORE);
	}
}
END_TEST

START_TEST(an_event_may_fill_the_cap)
{
	static const size_t splits[] = { 0, 3, 500, 1006 };

	for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
		struct buf seen, stream;
		struct sse s;

		buf_init(&seen, 10000);
		buf_init(&stream, 10000);
		sse_init(&s, 1000);
		ck_assert(buf_printf(&stream, "data: %01000d\n\n", 0));
		struct span head = { stream.data, splits[i] }, tail = { stream.data + splits[i], stream.len - splits[i] };
		ck_assert_int_eq(sse_feed(&s, head, note, &seen), SSE_MORE);
		ck_assert_int_eq(sse_feed(&s, tail, note, &seen), SSE_MORE);
		ck_assert_uint_eq(seen.len, 1000 + strlen("message|||-1;"));
		sse_release(&s);
		buf_release(&stream);
		buf_release(&seen);
	}
}
END_TEST

static bool note_tail(void *arg, const struct sse_event *e)
{
	return buf_printf(arg, "%d:%zu:%.*s;", e->is_oversize, e->data.len, e->data.len < 8 ? (int)e->data.len : 8,
		e->data.at + (e->data.len < 8 ? 0 : e->data.len - 8));
}

START_TEST(an_owner_may_go_on_past_an_event_above_the_cap)
{
	static const size_t steps[] = { 1, 7, 100, 100000 };
	struct buf stream, seen;

	buf_init(&stream, 100000);
	for (int i = 0; i < 300; i++)
		ck_assert(buf_append_text(&stream, i % 2 ? "data: x\ndata: yyyyyyyyyy\n" : "data:0123456789\n"));
	ck_assert(buf_append_text(&stream, "data: the end\nid: 5\n\ndata: next\n\n"));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct sse s;

		buf_init(&seen, 1000);
		sse_init(&s, 1000);
		s.skips_oversize = true;
		for (size_t at = 0; at < stream.len; at += steps[i]) {
			size_t n = stream.len - at < steps[i] ? stream.len - at : steps[i];
			ck_assert_int_eq(sse_feed(&s, (struct span){ stream.data + at, n }, note_tail, &seen), SSE_MORE);
		}
		ck_assert_uint_le(s.data.room, 2048);
		sse_release(&s);
		ck_assert_str_eq(seen.data, "1:256:\nthe end;0:4:next;");
		buf_release(&seen);
	}
	buf_release(&stream);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sse");
	TCase *t = tcase_create("sse");

	tcase_add_loop_test(t, events_are_those_of_the_standard_whatever_the_chunks, 0, ARRAY_LEN(cases));
	tcase_add_test(t, an_id_with_nul_is_ignored);
	tcase_add_test(t, the_receiver_can_stop);
	tcase_add_test(t, an_owner_may_go_on_past_an_event_above_the_cap);
	tcase_add_test(t, endless_lines_and_events_are_too_large);
	tcase_add_test(t, an_event_may_fill_the_cap);
	suite_add_tcase(s, t);
	return s;
}
