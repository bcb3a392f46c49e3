/* A stream gives the same events in one piece, byte by byte and in pieces whose sizes the input chooses. */
#include <assert.h>
#include "data/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CAP 512

static bool note(void *arg, const struct sse_event *e)
{
	struct buf *seen = arg;
	bool fits = buf_printf(seen, "%zu %zu %zu %lld|", e->type.len, e->data.len, e->last_id.len, (long long)e->retry_ms) &&
		buf_append_span(seen, e->type) && buf_append_span(seen, e->data) && buf_append_span(seen, e->last_id);

	assert(fits && e->type.len > 0 && e->data.len <= CAP);
	return e->data.len != 3; /* now and then the receiver has enough */
}

static enum sse_answer feed(struct span stream, size_t step, bool skips, struct buf *seen)
{
	enum sse_answer answer = SSE_MORE;
	struct sse s;

	sse_init(&s, CAP);
	s.skips_oversize = skips;
	while (stream.len > 0 && answer == SSE_MORE) {
		size_t part = step < stream.len ? step : stream.len;

		answer = sse_feed(&s, (struct span){ stream.at, part }, note, seen);
		stream = (struct span){ stream.at + part, stream.len - part };
	}
	sse_release(&s);
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return 0;
	struct span stream = { (const char *)bytes + 1, n - 1 };
	size_t steps[] = { n, 1, 2 + bytes[0] };
	enum sse_answer answers[ARRAY_LEN(steps)];
	struct buf seen[ARRAY_LEN(steps)];

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		buf_init(&seen[i], 64 * n + 1000 * n);
		answers[i] = feed(stream, steps[i], bytes[0] & 1, &seen[i]);
		assert(answers[i] == answers[0]);
		assert(span_equal(buf_span(&seen[i]), buf_span(&seen[0])));
	}
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		buf_release(&seen[i]);
	return 0;
}
