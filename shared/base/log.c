/* log - a line is built from its format piece by piece, so that every %s is quoted when it must be:
 * a hostile name can neither begin a line of its own nor reach the terminal. Nothing is allocated.
 */
#include "base/log.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/span.h"
#include "base/utf8.h"

#define LINE_BYTES  4096 /* PIPE_BUF of Linux: such a line is written whole or not at all */
#define TAIL_BYTES  48   /* of them kept for what may end a line */
#define VALUE_BYTES 1024

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static struct log_options options = { "aegis", LOG_INFO, LOG_TEXT, STDERR_FILENO };
static _Atomic unsigned lost_lines;

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_setup(const struct log_options *o)
{
	options = *o;
}

bool log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* ---- a line under construction -------------------------------------------------------------- */

struct line {
	size_t len, cap;
	bool is_cut; /* something did not fit; from then on nothing is taken */
	char text[LINE_BYTES];
};

static void line_init(struct line *l, size_t cap) /* not its 4 KiB of text */
{
	l->len = 0;
	l->cap = cap;
	l->is_cut = false;
}

static void put(struct line *l, const char *bytes, size_t n)
{
	l->is_cut |= n > l->cap - l->len;
	if (l->is_cut)
		return;
	memcpy(l->text + l->len, bytes, n);
	l->len += n;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void put_format(struct line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put_format(struct line *l, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(l, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void put_escaped_char(struct line *l, uint32_t code)
{
	if (code == '"' || code == '\\')
		put_format(l, "\\%c", (int)code);
	else if (code < 0x10000)
		put_format(l, "\\u%04x", (unsigned)code);
	else
		put_format(l, "\\u%04x\\u%04x", 0xd7c0u + (unsigned)(code >> 10),
			0xdc00u + (unsigned)(code & 0x3ff));
}

/* As the inside of a JSON string, in text lines too. */
static void put_escaped(struct line *l, struct span s)
{
	for (size_t i = 0, n; i < s.len; i += n) {
		uint32_t code;

		n = utf8_decode(s.at + i, s.len - i, &code);
		if (n && code != '"' && code != '\\' && !utf8_is_hidden(code)) {
			put(l, s.at + i, n);
			continue;
		}
		put_escaped_char(l, n ? code : 0xfffd);
		n = n ? n : 1;
	}
}

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || s.at[i] == '"' || s.at[i] == '\\')
			return false;
	return s.len > 0;
}

/* ---- the arguments -------------------------------------------------------------------------- */

/* In a struct, so that its address means the same on every ABI. */
struct arguments {
	va_list ap;
};

static void put_value(struct line *l, struct span s, bool in_string)
{
	bool is_cut = s.len > VALUE_BYTES;

	if (is_cut)
		s.len = VALUE_BYTES;
	if (in_string || !is_plain(s)) {
		put_text(l, in_string ? "" : "\"");
		put_escaped(l, s);
		put_text(l, is_cut ? "..." : "");
		put_text(l, in_string ? "" : "\"");
	} else {
		put(l, s.at, s.len);
		put_text(l, is_cut ? "..." : "");
	}
}

static void put_string(struct line *l, struct arguments *a, int precision, bool in_string)
{
	const char *text = va_arg(a->ap, const char *);

	if (text == NULL)
		text = "-";
	put_value(l,
		(struct span){
			text, precision < 0 ? strlen(text) : strnlen(text, (size_t)precision) },
		in_string);
}

enum width { WIDTH_INT, WIDTH_LONG, WIDTH_LONG_LONG };
static_assert(sizeof(size_t) == sizeof(long) && sizeof(ptrdiff_t) == sizeof(long),
	"z and t are read as l");
static_assert(sizeof(intmax_t) == sizeof(long long), "j is read as ll");

static enum width read_width(const char **at)
{
	enum width width = WIDTH_INT;

	for (;; ++*at) {
		if (**at == 'j' || (**at == 'l' && width == WIDTH_LONG))
			width = WIDTH_LONG_LONG;
		else if (**at == 'l' || **at == 'z' || **at == 't')
			width = WIDTH_LONG;
		else if (**at != 'h')
			return width;
	}
}

static void put_signed(struct line *l, struct arguments *a, enum width width)
{
	long long n = width == WIDTH_INT    ? va_arg(a->ap, int)
		      : width == WIDTH_LONG ? va_arg(a->ap, long)
					    : va_arg(a->ap, long long);

	put_format(l, "%lld", n);
}

static void put_unsigned(struct line *l, struct arguments *a, enum width width, bool is_hex)
{
	unsigned long long n = width == WIDTH_INT    ? va_arg(a->ap, unsigned)
			       : width == WIDTH_LONG ? va_arg(a->ap, unsigned long)
						     : va_arg(a->ap, unsigned long long);

	put_format(l, is_hex ? "%llx" : "%llu", n);
}

/* One conversion. *at stands behind its '%'. Flags and field widths have no use in a log and are
 * passed over. */
static void put_argument(struct line *l, const char **at, struct arguments *a, bool in_string)
{
	int precision = -1;
	char c;

	*at += strspn(*at, "-+ #0123456789");
	if (**at == '.') {
		bool is_argument = (*at)[1] == '*';

		precision = is_argument ? va_arg(a->ap, int) : (int)strtol(*at + 1, NULL, 10);
		*at += 1 + strspn(*at + 1, "*0123456789");
	}
	enum width width = read_width(at);
	switch (*(*at)++) {
	case 's': put_string(l, a, precision, in_string); break;
	case 'd':
	case 'i': put_signed(l, a, width); break;
	case 'u': put_unsigned(l, a, width, false); break;
	case 'x': put_unsigned(l, a, width, true); break;
	case 'f':
		put_format(l, "%.*f", precision < 0 ? 3 : precision, va_arg(a->ap, double));
		break;
	case 'p': put_format(l, "%p", va_arg(a->ap, void *)); break;
	case 'c':
		c = (char)va_arg(a->ap, int);
		put_value(l, (struct span){ &c, 1 }, in_string);
		break;
	case '%': put_text(l, "%"); break;
	default: abort(); /* a conversion that log does not know */
	}
}

/* The format from *at to the next stop character, or its end. */
static void put_until(
	struct line *l, const char **at, char stop, struct arguments *a, bool in_string)
{
	while (**at && **at != stop) {
		struct span literal = { *at, strcspn(*at, (char[]){ '%', stop, '\0' }) };

		*at += literal.len;
		if (in_string)
			put_escaped(l, literal);
		else
			put(l, literal.at, literal.len);
		if (**at == '%') {
			++*at;
			put_argument(l, at, a, in_string);
		}
	}
}

/* ---- two shapes of a line ------------------------------------------------------------------- */

static void put_fields_as_text(struct line *l, const char *fmt, struct arguments *a)
{
	put_text(l, fmt[0] ? " " : "");
	put_until(l, &fmt, '\0', a, false);
	l->cap = LINE_BYTES - 1;
	if (l->is_cut) {
		l->is_cut = false;
		put_text(l, "... cut=true");
	}
}

static bool is_number(const char *conversion)
{
	size_t n = conversion[0] == '%' ? 1 + strspn(conversion + 1, "hljzt") : 0;

	return n && conversion[n] && strchr("diu", conversion[n]) &&
	       (conversion[n + 1] == ' ' || conversion[n + 1] == '\0');
}

static void put_member(struct line *l, const char **at, size_t key_len, struct arguments *a)
{
	const char *quote = is_number(*at + key_len + 1) ? "" : "\"";

	put_text(l, ",\"");
	put(l, *at, key_len);
	put_text(l, "\":");
	put_text(l, quote);
	*at += key_len + 1;
	put_until(l, at, ' ', a, true);
	put_text(l, quote);
}

static void put_words_without_key(struct line *l, const struct line *words)
{
	if (words->len == 0)
		return;
	put_text(l, ",\"text\":\"");
	put(l, words->text, words->len);
	put_text(l, "\"");
}

/* A word of the form key=value becomes a member; the other words together become the member "text".
 * A member that does not fit is left out. */
static void put_fields_as_json(struct line *l, const char *fmt, struct arguments *a)
{
	struct line words;
	line_init(&words, VALUE_BYTES);
	bool is_cut = false;
	size_t before = l->len;

	for (fmt += strspn(fmt, " "); *fmt; fmt += strspn(fmt, " "), before = l->len) {
		size_t key_len = strspn(fmt, "abcdefghijklmnopqrstuvwxyz_0123456789");

		if (key_len && fmt[key_len] == '=') {
			put_member(l, &fmt, key_len, a);
		} else {
			put_text(&words, words.len ? " " : "");
			put_until(&words, &fmt, ' ', a, true);
		}
		if (l->is_cut)
			l->len = before;
		is_cut |= l->is_cut;
		l->is_cut = false;
	}
	put_words_without_key(l, &words);
	if (l->is_cut)
		l->len = before;
	is_cut |= l->is_cut | words.is_cut;
	l->is_cut = false;
	l->cap = LINE_BYTES - 1;
	put_text(l, is_cut ? ",\"cut\":true" : "");
}

/* ---- out ------------------------------------------------------------------------------------ */

/* poll() says a pipe has room, but another process may take it first; where the kernel can (Linux,
 * pipes since 6.4) it is told not to wait. */
static bool write_unless_it_blocks(int fd, const char *text, size_t n)
{
	ssize_t written = send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (written >= 0 || errno != ENOTSOCK)
		return written > 0;
#ifdef RWF_NOWAIT
	struct iovec v = { (void *)(uintptr_t)text, n };

	if (pwritev2(fd, &v, 1, -1, RWF_NOWAIT) > 0)
		return true;
#endif
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, text, n) > 0;
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
	char now[32];

	clock_format_utc(clock_wall_ms(), now, sizeof(now));
	if (options.format == LOG_JSON)
		put_format(l,
			"{\"at\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"level\":\"%s\",\"event\":"
			"\"%s\"",
			now, options.program, (int)getpid(), level_names[level], event);
	else
		put_format(l, "%s %s[%d]: %s %s", now, options.program, (int)getpid(),
			level_names[level], event);
}

static void put_end(struct line *l, unsigned lost)
{
	bool is_json = options.format == LOG_JSON;

	if (lost)
		put_format(l, is_json ? ",\"lost\":%u" : " lost=%u", lost);
	put_text(l, is_json ? "}\n" : "\n");
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	struct line l;
	struct arguments a;
	int saved = errno;

	if (level > options.level)
		return;
	line_init(&l, LINE_BYTES - TAIL_BYTES);
	put_head(&l, level, event);
	va_start(a.ap, fmt);
	if (options.format == LOG_JSON)
		put_fields_as_json(&l, fmt, &a);
	else
		put_fields_as_text(&l, fmt, &a);
	va_end(a.ap);
	unsigned lost = atomic_exchange(&lost_lines, 0);
	put_end(&l, lost);
	if (!write_unless_it_blocks(options.fd, l.text, l.len))
		atomic_fetch_add(&lost_lines, lost + 1);
	errno = saved;
}
