/* lines - bytes of a pipe become lines of bounded length. Of a line that is longer only its two ends are kept. */
#pragma once
#include "base/buf.h"

#define LINES_END_BYTES 512

struct lines {
	struct buf b;
	size_t from, scanned, max_bytes;
	bool is_discarding;
	size_t head_len, tail_len;
	char head[LINES_END_BYTES], tail[LINES_END_BYTES];
};
void lines_init(struct lines *l, size_t max_bytes);
void lines_release(struct lines *l);           /* empty again, ready for use */

enum lines_read { LINES_MORE, LINES_WAIT, LINES_END };

/* One read(2) from a non-blocking descriptor; every line of the last one must have been taken. MORE: there may be more. */
enum lines_read lines_read(struct lines *l, int fd);

enum lines_answer { LINES_NONE, LINES_LINE, LINES_TOO_LONG };

/* The next whole line, without its end and blanks around it; never empty. Valid until the next call. TOO_LONG: its head and tail
 * are in l. */
enum lines_answer lines_next(struct lines *l, struct span *out);
struct span lines_rest(const struct lines *l); /* what stands behind the last line end; after NONE */
