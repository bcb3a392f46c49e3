/* reply - how a handler answers (routes.h). */
#include <json-c/json.h>
#include <stdio.h>
#include "base/xalloc.h"
#include "broker/counters.h"
#include "broker/jsonput.h"
#include "broker/routes.h"
#include "data/jsonscan.h"

#define MAX_SENTENCE 2048

void reply(struct request *r, const struct httpd_answer *a)
{
	counters_callback(r->broker, r->http->path, a->status);
	httpd_answer(r->http, a);
	free(r);
}

void reply_json(struct request *r, unsigned status, struct json_object *o)
{
	size_t n = 0;
	const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	CLEANUP(free_charp) char *line = xasprintf("%.*s\n", (int)n, text);

	reply_text(r, status, "application/json", span_of(line));
	json_object_put(o);
}

void reply_put(struct request *r, unsigned status, struct jsonput *p)
{
	if (jsonput_end(p) && buf_append_char(p->b, '\n'))
		reply_text(r, status, "application/json", buf_span(p->b));
	else
		reply_error(r, 500, "the answer is larger than the broker makes any");
}

/* What was asked for may stand in it, and bytes that are no UTF-8: json_quote sees to that. */
static void PRINTF_LIKE(4, 0) say(struct request *r, unsigned status, const struct httpd_field *fields, const char *fmt, va_list ap)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	char sentence[MAX_SENTENCE];

	buf_init(&body, 16384);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	bool fits = buf_append_text(&body, "{\"error\":") && json_quote(&body, span_of(sentence)) && buf_append_text(&body, "}\n");
	if (!fits)
		buf_clear(&body);
	reply(r, &(struct httpd_answer){ status, "application/json", buf_span(&body), fields });
}

void reply_error(struct request *r, unsigned status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, status, NULL, fmt, ap);
	va_end(ap);
}

void reply_error_with(struct request *r, unsigned status, const struct httpd_field *fields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, status, fields, fmt, ap);
	va_end(ap);
}

void reply_text(struct request *r, unsigned status, const char *type, struct span body)
{
	reply(r, &(struct httpd_answer){ .status = status, .type = type, .body = body });
}

static const struct httpd_field soon[] = { { "Retry-After", "2" }, { NULL, NULL } };

void reply_no_store(struct request *r)
{
	const char *why = r->broker->state.why;

	if (r->http->is_local && why[0])
		reply_error_with(r, 503, soon, "the store cannot be asked now: %s", why);
	else
		reply_error_with(r, 503, soon, "the store cannot be asked now; the broker's log and aegisctl status say why");
}

void reply_err(struct request *r, enum err e)
{
	reply_error_with(r, 503, soon, "%s; nothing was changed", err_text(e));
}

void reply_html(struct request *r, unsigned status, const struct buf *page, const struct httpd_field *fields)
{
	/* Referrer-Policy same-origin, not no-referrer: with that browsers send "Origin: null" with our own forms. */
	struct httpd_field all[16] = {
		{ "Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "same-origin" },
		{ "X-Robots-Tag", "noindex, nofollow, noarchive" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	size_t n = 6;

	for (const struct httpd_field *f = fields; f && f->name && n < ARRAY_LEN(all) - 1; f++) {
		size_t i = 0;
		while (i < n && strcmp(all[i].name, f->name) != 0)
			i++;
		all[i] = *f;
		n += i == n;
	}
	reply(r, &(struct httpd_answer){ status, "text/html; charset=utf-8", buf_span(page), all });
}

struct httpd_stream *reply_stream(struct request *r, const char *type, void (*closed)(void *arg), void *arg)
{
	const struct httpd_stream_options o = { .type = type, .closed = closed, .arg = arg };

	if (request_is_head(r)) {
		reply_text(r, 200, type, (struct span){ "", 0 });
		return NULL;
	}
	struct httpd_stream *s = httpd_stream_begin(r->http, &o);
	if (s)
		free(r);
	else
		reply_error_with(r, 503, soon, "too many streams are open");
	return s;
}

struct store *request_store(struct request *r)
{
	struct store *s = broker_store(r->broker);

	if (!s)
		reply_no_store(r);
	return s;
}

bool request_is_head(const struct request *r)
{
	return strcmp(r->http->method, "HEAD") == 0;
}

struct json_object *request_json(struct request *r)
{
	struct json_value root = { 0 };
	struct span body = r->http->body;
	size_t offset = 0;

	if (body.len == 0)
		return json_object_new_object();
	enum jsonscan_fault fault = jsonscan_check(body, &root, &offset);
	if (fault != JSONSCAN_OK) {
		reply_error(r, 400, "the body is no JSON: %s at byte %zu", jsonscan_fault_text(fault), offset + 1);
		return NULL;
	}
	if (root.kind != JSON_OBJECT) {
		reply_error(r, 400, "the body must be a JSON object");
		return NULL;
	}
	struct json_tokener *t = json_tokener_new_ex(JSONSCAN_MAX_DEPTH + 1);
	struct json_object *o = json_tokener_parse_ex(t, root.text.at, (int)root.text.len);
	json_tokener_free(t);
	if (!o)
		reply_error(r, 400, "the body is no JSON that can be read");
	return o;
}
