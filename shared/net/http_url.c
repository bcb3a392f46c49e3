/* http_url - see http_url.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include "base/attr.h"
#include "net/http_url.h"

static bool part_is_same(CURLU *a, CURLU *b, CURLUPart part)
{
	char *of_a = NULL, *of_b = NULL;
	bool has_both = curl_url_get(a, part, &of_a, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	                curl_url_get(b, part, &of_b, CURLU_DEFAULT_PORT) == CURLUE_OK;
	bool is_same = has_both && strcasecmp(of_a, of_b) == 0;

	curl_free(of_a);
	curl_free(of_b);
	return is_same;
}

static bool origin_is_same(CURLU *a, CURLU *b)
{
	return part_is_same(a, b, CURLUPART_SCHEME) && part_is_same(a, b, CURLUPART_HOST) && part_is_same(a, b, CURLUPART_PORT);
}

/* The name and password of the configured URL belong to its origin: what comes from outside neither drops nor sets them. */
static bool keep_credentials(CURLU *from, CURLU *to)
{
	static const CURLUPart parts[] = { CURLUPART_USER, CURLUPART_PASSWORD };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *value = NULL;
		(void)curl_url_get(from, parts[i], &value, 0);
		bool is_set = curl_url_set(to, parts[i], value, 0) == CURLUE_OK;
		curl_free(value);
		if (!is_set)
			return false;
	}
	return true;
}

char *http_url_within(CURLU *base, const char *reference)
{
	CURLU *to = curl_url_dup(base);
	char *text = NULL;

	if (!to)
		abort();
	if (curl_url_set(to, CURLUPART_URL, reference, 0) == CURLUE_OK && origin_is_same(base, to) && keep_credentials(base, to))
		(void)curl_url_get(to, CURLUPART_URL, &text, 0);
	curl_url_cleanup(to);
	return text;
}
