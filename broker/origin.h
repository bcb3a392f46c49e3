/* origin - from which page a request over TCP may come: against DNS rebinding (Host) and forms of other sites (Origin, Sec-Fetch-Site).
 * Pure. There is no CORS: nobody else's script ever reads an answer. */
#pragma once
#include "domain/config.h"

/* Is this Host header, "name" or "name:port", one of ours: localhost, 127.0.0.1, [::1], the host of server.listen, of
 * approval.callback_base_url, one of server.allowed_hosts, or `here`, the numeric address that was called? NULL is not. */
bool origin_host_is_ours(const struct config *c, const char *host, const char *here);

struct origin_facts {
	const char *host, *origin, *fetch_site;  /* headers; NULL = absent */
	unsigned origins, fetch_sites;           /* how often they are there */
};
/* May a page that sends this change something? NULL: it may, or no page sent it; else why not. Origin must be http(s):// and exactly our
 * Host, or of callback_base_url; "null" is nobody's. Sec-Fetch-Site must be same-origin or none. */
const char *origin_fault(const struct config *c, const struct origin_facts *f);
