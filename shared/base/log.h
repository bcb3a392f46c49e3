/* log - one line an event: "<UTC time> <program>[<pid>]: level event key=value ...". To a descriptor (stderr unless told); a line
 * that would block is dropped, never waited for, and the next that gets through says lost=N. ids always, arguments and secrets
 * never. Not inside the write gate. main must ignore SIGPIPE. Any thread. */
#pragma once
#include <stdbool.h>
#include "base/attr.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* The only process-wide state of base: set once in main. Default: LOG_INFO, text, stderr, program name "aegis". */
struct log_options {
	const char *program;      /* static text */
	enum log_level level;
	enum log_format format;
	int fd;
};
void log_setup(const struct log_options *o);
bool log_level_parse(const char *text, enum log_level *out); /* error | warn | info | debug */

/* fmt: words key=value, values by %s %.*s %d %i %u %x %c %p %f (h l ll z j t; field widths and flags are passed over). A %s with
 * blanks, quotes or anything unprintable is written as a JSON string, NULL as "-", and cut at 1 KiB. Keeps errno. */
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
