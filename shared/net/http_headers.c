/* http_headers - the header lines of requests, see http.h. */
#include <ctype.h>
#include "base/xalloc.h"
#include "net/http.h"

struct http_headers {
	unsigned holders;
	struct curl_slist *lines;
};

static void append(struct http_headers *h, const char *line)
{
	struct curl_slist *lines = curl_slist_append(h->lines, line);

	if (!lines)
		abort();
	h->lines = lines;
}

static void wipe(char *text)
{
	volatile char *at = text;

	while (*at)
		*at++ = 0;
}

struct http_headers *http_headers_new(void)
{
	struct http_headers *h = xcalloc(1, sizeof(*h));

	h->holders = 1;
	append(h, "Expect:"); /* else libcurl waits a second for "100 Continue" before a long body */
	return h;
}

struct http_headers *http_headers_copy(const struct http_headers *h)
{
	struct http_headers *copy = xcalloc(1, sizeof(*copy));

	copy->holders = 1;
	for (const struct curl_slist *line = h->lines; line; line = line->next)
		append(copy, line->data);
	return copy;
}

struct http_headers *http_headers_hold(struct http_headers *h)
{
	h->holders++;
	return h;
}

void http_headers_drop(struct http_headers *h)
{
	if (!h || --h->holders > 0)
		return;
	for (struct curl_slist *line = h->lines; line; line = line->next)
		wipe(line->data);
	curl_slist_free_all(h->lines);
	free(h);
}

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("!#$%&'*+-.^_`|~", name[i]))
			return false;
	return n > 0;
}

static bool is_field_value(const char *value)
{
	for (; *value; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return false;
	return true;
}

enum err http_headers_add(struct http_headers *h, const char *name, const char *value)
{
	if (!is_token(name) || !is_field_value(value))
		return ERR_INVALID;
	/* libcurl's spelling of a header without value is "Name;"; "Name:" would take it out. */
	char *line = value[0] ? xasprintf("%s: %s", name, value) : xasprintf("%s;", name);
	append(h, line);
	wipe(line);
	free(line);
	return OK;
}

struct curl_slist *http_headers_list(const struct http_headers *h)
{
	return h->lines;
}
