#include "data/url.h"
#include <curl/urlapi.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/attr.h"

static void url_cleanupp(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void url_freep(char **text)
{
	curl_free(*text);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	CLEANUP(url_freep) char *text = NULL;

	return curl_url_get(u, part, &text, 0) == CURLUE_OK && text;
}

static bool is_scheme(CURLU *u, const char *scheme)
{
	CLEANUP(url_freep) char *text = NULL;

	return curl_url_get(u, CURLUPART_SCHEME, &text, 0) == CURLUE_OK &&
	       strcasecmp(text, scheme) == 0;
}

/* libcurl has written numeric addresses in their usual form by now: 127.1 as 127.0.0.1. */
static bool is_loopback(CURLU *u)
{
	CLEANUP(url_freep) char *host = NULL;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	bool is_number = host[strspn(host, "0123456789.")] == '\0';
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (is_number && strncmp(host, "127.", 4) == 0);
}

struct url_facts url_look(const char *text)
{
	CLEANUP(url_cleanupp) CURLU *u = curl_url();
	struct url_facts f = { 0 };

	if (strpbrk(text, " \\") ||
		curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return f;
	f.is_valid = has_part(u, CURLUPART_HOST);
	f.is_encrypted = f.is_valid && is_scheme(u, "https");
	f.is_http = f.is_encrypted || (f.is_valid && is_scheme(u, "http"));
	f.is_loopback = f.is_valid && is_loopback(u);
	f.has_credentials = has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD);
	return f;
}

bool url_host(const char *text, char *out, size_t size)
{
	CLEANUP(url_cleanupp) CURLU *u = curl_url();
	CLEANUP(url_freep) char *host = NULL;

	if (strpbrk(text, " \\") || curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return false;
	return snprintf(out, size, "%s", host) < (int)size;
}
