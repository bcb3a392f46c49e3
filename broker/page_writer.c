#include "broker/page_writer.h"
#include <inttypes.h>
#include <stdarg.h>
#include "base/clock.h"

void page_put(struct page *p, const char *html)
{
	p->ok = p->ok && buf_append_text(p->b, html);
}

void page_put_f(struct page *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->ok = p->ok && buf_vprintf(p->b, fmt, ap);
	va_end(ap);
}

void page_put_span(struct page *p, struct span text)
{
	p->ok = p->ok && html_text(p->b, text);
}

void page_put_text(struct page *p, const char *text)
{
	page_put_span(p, span_of(text));
}

/* The two largest units that are there. */
void page_put_duration(struct page *p, int64_t ms)
{
	static const struct { int64_t s; const char *name; } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	int64_t s = ms > 0 ? (ms + 999) / 1000 : 0;
	size_t i = 0;

	while (i < 3 && s < units[i].s)
		i++;
	page_put_f(p, "%" PRId64 " %s", s / units[i].s, units[i].name);
	s %= units[i].s;
	if (i < 3 && s >= units[i + 1].s)
		page_put_f(p, " %" PRId64 " %s", s / units[i + 1].s, units[i + 1].name);
}

void page_put_time(struct page *p, int64_t wall_ms)
{
	char at[32];

	clock_format_utc(wall_ms, at, sizeof at);
	page_put_f(p, "<time datetime=\"%s\">%.10s %.8s UTC</time>", at, at, at + 11);
}
