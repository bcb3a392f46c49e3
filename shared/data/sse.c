/* sse - lines are gathered, fields looked at, events handed out. */
#include "data/sse.h"

#define SHORT_BYTES 4096 /* type and id: no stream has need of more */

void sse_init(struct sse *s, size_t cap_bytes)
{
	size_t short_cap = cap_bytes < SHORT_BYTES ? cap_bytes : SHORT_BYTES;

	*s = (struct sse){ .retry_ms = -1 };
	buf_init(&s->line, cap_bytes);
	buf_init(&s->data, cap_bytes);
	buf_init(&s->type, short_cap);
	buf_init(&s->last_id, short_cap);
}

void sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->data);
	buf_release(&s->type);
	buf_release(&s->last_id);
}

static bool set(struct buf *b, struct span value)
{
	buf_clear(b);
	return buf_append_span(b, value);
}

static void add_head(struct sse *s, struct span part)
{
	size_t room = SSE_HEAD_BYTES - s->head_len, n = part.len < room ? part.len : room;

	if (n)
		memcpy(s->head + s->head_len, part.at, n);
	s->head_len += n;
}

/* The last bytes of what came so far, and of part. */
static bool keep_tail(struct sse *s, struct span part)
{
	size_t room = s->data.cap_bytes < SSE_TAIL_BYTES ? s->data.cap_bytes : SSE_TAIL_BYTES;
	size_t old = part.len < room ? room - part.len : 0;
	char tail[SSE_TAIL_BYTES];

	old = s->data.len < old ? s->data.len : old;
	if (old)
		memcpy(tail, s->data.data + s->data.len - old, old);
	if (!s->is_oversize) {
		s->head_len = 0;
		add_head(s, buf_span(&s->data));
		buf_release(&s->data);
	}
	add_head(s, part);
	buf_clear(&s->data);
	s->is_oversize = true;
	part = part.len > room ? (struct span){ part.at + part.len - room, room } : part;
	return buf_append(&s->data, tail, old) && buf_append_span(&s->data, part);
}

static bool add_data(struct sse *s, struct span part)
{
	if (!s->is_oversize && buf_append_span(&s->data, part))
		return true;
	return s->skips_oversize && keep_tail(s, part);
}

/* A second data field of an event starts a new line of its data. */
static bool begin_data(struct sse *s)
{
	bool fits = !s->has_data || add_data(s, SPAN("\n"));

	s->has_data = s->has_fields = true;
	return fits;
}

/* Digits only, else the field is ignored. */
static void set_retry(struct sse *s, struct span value)
{
	int64_t ms = 0;

	if (value.len == 0 || value.len > 15)
		return;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return;
		ms = ms * 10 + (value.at[i] - '0');
	}
	s->retry_ms = ms;
	s->has_fields = true;
}

/* False: too large. */
static bool take_field(struct sse *s, struct span name, struct span value)
{
	if (span_is(name, "data"))
		return begin_data(s) && add_data(s, value);
	if (span_is(name, "event")) {
		s->has_fields = true;
		return set(&s->type, value);
	}
	if (span_is(name, "id") && !(value.len && memchr(value.at, '\0', value.len))) {
		s->has_fields = true;
		return set(&s->last_id, value);
	}
	if (span_is(name, "retry"))
		set_retry(s, value);
	return true;
}

static bool take_line(struct sse *s, struct span line)
{
	const char *colon = memchr(line.at, ':', line.len);

	if (colon == line.at) /* a comment */
		return true;
	if (colon == NULL)
		return take_field(s, line, (struct span){ line.at, 0 });
	struct span name = { line.at, (size_t)(colon - line.at) };
	struct span value = { colon + 1, line.len - name.len - 1 };
	if (value.len && value.at[0] == ' ')
		value = (struct span){ value.at + 1, value.len - 1 };
	return take_field(s, name, value);
}

static bool dispatch(struct sse *s, sse_event_fn *fn, void *arg)
{
	struct sse_event event = {
		.type = s->type.len ? buf_span(&s->type) : SPAN("message"),
		.data = buf_span(&s->data),
		.last_id = buf_span(&s->last_id),
		.retry_ms = s->retry_ms,
		.is_oversize = s->is_oversize,
		.head = { s->head, s->is_oversize ? s->head_len : 0 },
	};
	bool goes_on = !s->has_fields || fn(arg, &event);

	buf_clear(&s->data);
	buf_clear(&s->type);
	s->retry_ms = -1;
	s->has_data = s->has_fields = s->is_oversize = false;
	return goes_on;
}

/* A line without its break. */
static enum sse_answer end_line(struct sse *s, struct span line, sse_event_fn *fn, void *arg)
{
	if (!s->is_started && line.len >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0)
		line = (struct span){ line.at + 3, line.len - 3 };
	s->is_started = true;
	if (line.len == 0)
		return dispatch(s, fn, arg) ? SSE_MORE : SSE_STOPPED;
	return take_line(s, line) ? SSE_MORE : SSE_TOO_LARGE;
}

/* Moves up to n bytes from part to the end of b. */
static bool move(struct buf *b, size_t n, struct span *part)
{
	n = n < part->len ? n : part->len;
	if (!buf_append(b, part->at, n))
		return false;
	*part = (struct span){ part->at + n, part->len - n };
	return true;
}

/* "data:" and one byte more, which may be the blank that is no part of the value. */
#define DATA_HEAD_BYTES 6

static bool switch_to_data(struct sse *s)
{
	if (s->line.len != DATA_HEAD_BYTES || memcmp(s->line.data, "data:", 5) != 0)
		return true;
	char first = s->line.data[5];
	buf_clear(&s->line);
	s->is_in_data = true;
	return begin_data(s) && (first == ' ' || add_data(s, (struct span){ &first, 1 }));
}

/* A part of a line that does not stand in one chunk. A value of data goes straight to its place, so
 * that it is not held twice. */
static bool keep_part(struct sse *s, struct span part)
{
	if (!s->is_in_data && s->line.len < DATA_HEAD_BYTES &&
		(!move(&s->line, DATA_HEAD_BYTES - s->line.len, &part) || !switch_to_data(s)))
		return false;
	return s->is_in_data ? add_data(s, part) : buf_append_span(&s->line, part);
}

/* The last part of a line. */
static enum sse_answer take_end(struct sse *s, struct span part, sse_event_fn *fn, void *arg)
{
	if (s->line.len == 0 &&
		!s->is_in_data) { /* the cap must not depend on where the chunks end */
		bool is_long = part.len > s->line.cap_bytes && memcmp(part.at, "data:", 5) != 0;

		return is_long ? SSE_TOO_LARGE : end_line(s, part, fn, arg);
	}
	if (!keep_part(s, part))
		return SSE_TOO_LARGE;
	if (s->is_in_data) {
		s->is_in_data = false;
		s->is_started = true;
		return SSE_MORE;
	}
	enum sse_answer answer = end_line(s, buf_span(&s->line), fn, arg);
	buf_clear(&s->line);
	return answer;
}

enum sse_answer sse_feed(struct sse *s, struct span bytes, sse_event_fn *fn, void *arg)
{
	while (bytes.len > 0) {
		if (s->was_cr && bytes.at[0] == '\n') {
			bytes = (struct span){ bytes.at + 1, bytes.len - 1 };
			s->was_cr = false;
			continue;
		}
		size_t n = span_line_length(bytes);
		struct span part = { bytes.at, n };
		s->was_cr = false;
		if (n == bytes.len)
			return keep_part(s, part) ? SSE_MORE : SSE_TOO_LARGE;
		enum sse_answer answer = take_end(s, part, fn, arg);
		if (answer != SSE_MORE)
			return answer;
		s->was_cr = bytes.at[n] == '\r';
		bytes = (struct span){ bytes.at + n + 1, bytes.len - n - 1 };
	}
	return SSE_MORE;
}
