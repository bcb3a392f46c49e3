/* url - looks at a URL through the parser of libcurl, which will use it: what is judged is what is connected to. Pure. */
#pragma once
#include <stdbool.h>

struct url_facts {
	bool is_valid;         /* scheme://host..., any scheme */
	bool is_http;          /* http or https */
	bool is_encrypted;     /* https */
	bool is_loopback;      /* localhost, 127.0.0.0/8 or ::1, however it is written */
	bool has_credentials;  /* user or password */
};
struct url_facts url_look(const char *text);
