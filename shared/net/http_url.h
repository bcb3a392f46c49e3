/* http_url - where a reference that came from outside points, seen from a URL that was configured. Pure. */
#pragma once
#include <curl/curl.h>

/* The whole URL, for curl_free, with the name and password of base; NULL: another origin (scheme, host, port), or no URL. */
char *http_url_within(CURLU *base, const char *reference);
