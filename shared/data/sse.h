/* sse - parser of text/event-stream (WHATWG HTML, section "Server-sent events"). Pure: bytes in, events out.
 * \n, \r\n, \r; a BOM; comments; multi-line data; ids with NUL ignored; chunk borders anywhere. An event with empty data is
 * delivered too (its id and retry count); the caller drops it. Memory is bounded by the cap. */
#pragma once
#include <stdint.h>
#include "base/buf.h"

#define SSE_HEAD_BYTES 256
#define SSE_TAIL_BYTES 256

struct sse_event {
	struct span type;                  /* "message" when the stream named none */
	struct span data;
	struct span last_id;               /* the stream's last event id so far; empty = none */
	int64_t retry_ms;                  /* -1 = not said */
	bool is_oversize;                  /* data is its last SSE_TAIL_BYTES at the most, and head its first SSE_HEAD_BYTES */
	struct span head;
};
typedef bool sse_event_fn(void *arg, const struct sse_event *event);  /* false: stop feeding, the rest is dropped */

enum sse_answer { SSE_MORE, SSE_STOPPED, SSE_TOO_LARGE };

struct sse {
	struct buf line;                   /* the part of a line that came so far, unless it is the value of a data field */
	struct buf data, type, last_id;
	int64_t retry_ms;
	bool skips_oversize;               /* the owner's wish: data above the cap is no end, only its two ends are kept */
	bool is_oversize;
	char head[SSE_HEAD_BYTES];         /* of data that is oversize */
	size_t head_len;
	bool was_cr, is_started, is_in_data, has_data, has_fields;
};
void sse_init(struct sse *s, size_t cap_bytes);  /* cap of one event's data and of one line; type and id have 4 KiB at most */
void sse_release(struct sse *s);
/* After SSE_STOPPED or SSE_TOO_LARGE only sse_release is legal. */
MUST_USE enum sse_answer sse_feed(struct sse *s, struct span bytes, sse_event_fn *fn, void *arg);
