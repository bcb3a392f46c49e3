/* url - looks at a URL through the parser of libcurl, which will use it: what is judged is what is connected to. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct url_facts {
	bool is_valid;         /* scheme://host..., any scheme */
	bool is_http;          /* http or https */
	bool is_encrypted;     /* https */
	bool is_loopback;      /* localhost, 127.0.0.0/8 or ::1, however it is written */
	bool has_credentials;  /* user or password */
};
struct url_facts url_look(const char *text);
/* The host alone, lower case not assured. False: text is no URL with a host, or it does not fit. */
bool url_host(const char *text, char *out, size_t size);
