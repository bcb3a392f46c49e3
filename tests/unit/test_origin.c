#include "broker/origin.h"
#include "base/attr.h"
#include "unit/unit.h"

static char *allowed[] = { "aegis.example.com", "[fd00::7]" };

static struct config rules(const char *listen, const char *base)
{
	struct config c = { .path = "" };

	c.server.listen = (char *)(uintptr_t)listen;
	c.server.allowed_hosts.v = allowed;
	c.server.allowed_hosts.n = ARRAY_LEN(allowed);
	c.approval.callback_base_url = (char *)(uintptr_t)base;
	return c;
}

START_TEST(a_host_is_ours_by_loopback_name_listen_base_list_or_the_address_that_was_called)
{
	static const struct { const char *host, *here; bool is_ours; } rows[] = {
		{ "localhost", "", true }, { "LOCALHOST:18070", "", true }, { "127.0.0.1:1", "", true }, { "[::1]:18070", "", true },
		{ "10.0.0.5:18070", "", true },                     /* listen */
		{ "Approve.Example.org", "", true },                /* base */
		{ "aegis.example.com:8443", "", true },             /* list */
		{ "[fd00::7]:9", "", true }, { "192.168.1.9:18070", "192.168.1.9", true }, { "192.168.1.9:18070", "192.168.1.8", false },
		{ "evil.example", "", false }, { "localhost.evil.example", "", false }, { "127.0.0.1.evil.example", "", false },
		{ "evil.example:18070", "127.0.0.1", false }, { "", "", false }, { NULL, "", false }, { ":18070", "", false },
		{ "localhost:", "", true }, { "localhost:x", "", false }, { "localhost:123456", "", false }, { "[::1", "", false },
		{ "[::1]x", "", false }, { "localhost@evil.example", "", false }, { "localhost/x", "", false },
	};
	struct config c = rules("10.0.0.5:18070", "https://approve.example.org/base/");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_msg(origin_host_is_ours(&c, rows[i].host, rows[i].here) == rows[i].is_ours, "%s", rows[i].host ? rows[i].host : "-");
}
END_TEST

START_TEST(without_rules_for_it_no_empty_name_is_ours)
{
	struct config c = rules("", "");

	c.server.allowed_hosts.n = 0;
	ck_assert(!origin_host_is_ours(&c, "", ""));
	ck_assert(!origin_host_is_ours(&c, ":1", ""));
	ck_assert(origin_host_is_ours(&c, "localhost", ""));
}
END_TEST

START_TEST(only_our_own_pages_may_change_something)
{
	static const struct { struct origin_facts f; bool may; } rows[] = {
		{ { .host = "localhost:1" }, true },                /* no browser */
		{ { .host = "localhost:1", .origin = "http://localhost:1", .origins = 1, .fetch_site = "same-origin", .fetch_sites = 1 }, true },
		{ { .host = "localhost:1", .origin = "http://localhost:2", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "http://localhost", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "null", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "file://localhost:1", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "https://approve.example.org", .origins = 1 }, true },
		{ { .host = "localhost:1", .origin = "http://approve.example.org", .origins = 1 }, false },
		{ { .host = "localhost:1", .origin = "https://approve.example.org.evil", .origins = 1 }, false },
		{ { .host = "localhost:1", .fetch_site = "cross-site", .fetch_sites = 1 }, false },
		{ { .host = "localhost:1", .fetch_site = "same-site", .fetch_sites = 1 }, false },
		{ { .host = "localhost:1", .fetch_site = "none", .fetch_sites = 1 }, true },
		{ { .host = "localhost:1", .origin = "http://localhost:1", .origins = 2 }, false },
		{ { .host = "localhost:1", .fetch_site = "none", .fetch_sites = 2 }, false },
	};
	struct config c = rules("localhost:1", "https://approve.example.org/base");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_msg((origin_fault(&c, &rows[i].f) == NULL) == rows[i].may, "row %zu", i);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("origin");
	TCase *t = tcase_create("origin");

	tcase_add_test(t, a_host_is_ours_by_loopback_name_listen_base_list_or_the_address_that_was_called);
	tcase_add_test(t, without_rules_for_it_no_empty_name_is_ours);
	tcase_add_test(t, only_our_own_pages_may_change_something);
	suite_add_tcase(s, t);
	return s;
}
