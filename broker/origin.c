#include "broker/origin.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

/* Nothing is the same as nothing only by mistake. */
static bool is_same(struct span a, struct span b)
{
	return a.len > 0 && a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

/* "name:port", "[::1]:port", "name" -> name, without brackets. Empty: it is no such thing. */
static struct span host_of(struct span authority)
{
	if (authority.len > 0 && authority.at[0] == '[') {
		const char *end = memchr(authority.at, ']', authority.len);
		return end ? (struct span){ authority.at + 1, (size_t)(end - authority.at) - 1 } : (struct span){ "", 0 };
	}
	const char *colon = authority.len ? memchr(authority.at, ':', authority.len) : NULL;
	return (struct span){ authority.at, colon ? (size_t)(colon - authority.at) : authority.len };
}

static bool is_port(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	return s.len <= 5;
}

/* What follows the host is nothing, or a colon and digits. */
static bool is_authority(struct span a)
{
	struct span host = host_of(a);

	if (host.len == 0)
		return false;
	const char *rest = host.at + host.len + (a.at[0] == '[' ? 1 : 0);
	size_t left = (size_t)(a.at + a.len - rest);
	return left == 0 || (*rest == ':' && is_port((struct span){ rest + 1, left - 1 }));
}

/* scheme://authority of a URL; empty: it has none. */
static struct span origin_of(const char *url)
{
	const char *mark = strstr(url, "://");

	if (!mark)
		return (struct span){ "", 0 };
	return (struct span){ url, (size_t)(mark - url) + 3 + strcspn(mark + 3, "/?#") };
}

static struct span authority_of(struct span origin)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);
		if (origin.len > n && strncasecmp(origin.at, schemes[i], n) == 0)
			return (struct span){ origin.at + n, origin.len - n };
	}
	return (struct span){ "", 0 };
}

/* An entry of the list: "name" or "[::1]", whatever the port; with a port, only that. */
static bool is_allowed(const char *entry, struct span name, const char *host)
{
	struct span bare = host_of(span_of(entry));

	if (strcasecmp(entry, host) == 0)
		return true;
	bool has_port = strlen(entry) > bare.len + (entry[0] == '[' ? 2 : 0);
	return !has_port && is_same(bare, name);
}

bool origin_host_is_ours(const struct config *c, const char *host, const char *here)
{
	static const char *const loopback[] = { "localhost", "127.0.0.1", "::1" };

	if (!host || !is_authority(span_of(host)))
		return false;
	struct span name = host_of(span_of(host)), listen = host_of(span_of(c->server.listen));
	for (size_t i = 0; i < ARRAY_LEN(loopback); i++)
		if (is(name, loopback[i]))
			return true;
	struct span base = host_of(authority_of(origin_of(c->approval.callback_base_url)));
	if (is_same(name, listen) || is_same(name, base))
		return true;
	for (size_t i = 0; i < c->server.allowed_hosts.n; i++)
		if (is_allowed(c->server.allowed_hosts.v[i], name, host))
			return true;
	return here && is(name, here);
}

static bool is_our_page(const struct config *c, const struct origin_facts *f)
{
	struct span origin = span_of(f->origin), authority = authority_of(origin);
	struct span base = origin_of(c->approval.callback_base_url);

	return (f->host && is_same(authority, span_of(f->host))) || is_same(base, origin);
}

const char *origin_fault(const struct config *c, const struct origin_facts *f)
{
	if (f->origins > 1 || f->fetch_sites > 1)
		return "more than one Origin or Sec-Fetch-Site";
	if (f->origin && !is_our_page(c, f))
		return "pages of other origins may change nothing here";
	if (f->fetch_site && strcmp(f->fetch_site, "same-origin") != 0 && strcmp(f->fetch_site, "none") != 0)
		return "pages of other sites may change nothing here";
	return NULL;
}
