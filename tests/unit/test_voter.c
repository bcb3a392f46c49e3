/* Whose word it is, and what the rules let them decide. */
#include "unit/config_kit.h"
#include <unistd.h>
#include "broker/voter.h"
#include "unit/scratch.h"

#define PEOPLE                                                                       \
	"people:\n"                                                                   \
	"  alice: { uid: 70001, slack: T1/U1, feishu: ou_a, roles: [approver] }\n"    \
	"  bob: { slack: T1/U2, roles: [viewer] }\n"                                  \
	"  carol: { feishu: ou_c, roles: [superuser] }\n"                             \
	"  dave: { uid: 70004 }\n"

/* extra: of agent "one". Enforced rules stand in the system's file alone. */
static struct rules given(const char *extra, const char *more)
{
	char text[4096];

	snprintf(text, sizeof text, "backends: { b: { url: 'http://127.0.0.1:1' } }\n"
		"agents: { one: { %s backends: { b: { allowed: true } } } }\n%s\n", extra, more);
	return rules_parse_span(strstr(more, "enforced") ? "/etc/aegis/aegis.yaml" : "f", span_of(text), OK);
}

/* ---- roles ---- */

START_TEST(a_role_contains_the_weaker_ones)
{
	static const char *const names[] = { "viewer", "operator", "approver", "superuser" };
	unsigned bits = 0, before = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ck_assert(role_parse(names[i], &bits));
		ck_assert_uint_eq(bits & before, before);
		ck_assert_uint_ne(bits, before);
		ck_assert_str_eq(role_text(bits), names[i]);
		before = bits;
	}
	ck_assert(!role_parse("root", &bits));
	ck_assert(!role_parse("", &bits));
	ck_assert(!role_parse("Approver", &bits));
	ck_assert_str_eq(role_text(0), "none");
}
END_TEST

/* ---- who is it? ---- */

START_TEST(a_person_is_one_name_by_every_identity)
{
	struct rules r = given("", PEOPLE);
	struct token t = { .kind = (char *)"api", .name = (char *)"ci", .role = (char *)"superuser", .person = (char *)"alice" };
	struct voter v[4];

	ck_assert(voter_of_uid(r.config, "/", 70001, &v[0]));
	ck_assert(voter_of_slack(r.config, "T1", "U1", &v[1]));
	ck_assert(voter_of_feishu(r.config, "ou_a", &v[2]));
	ck_assert(voter_of_token(r.config, &t, &v[3]));
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert_str_eq(v[i].name, "alice");
		ck_assert(v[i].is_person);
		ck_assert_str_eq(role_text(v[i].roles), "approver");
	}
	rules_release(&r);
}
END_TEST

START_TEST(an_account_the_rules_do_not_name_is_nobody)
{
	static const struct { const char *team, *user; } slack[] = {
		{ "T1", "U3" }, { "T2", "U1" }, { "T1/U1", "" }, { "", "T1/U1" }, { "T1", "U1x" }, { "T", "1/U1" }, { "T1", "" }, { "", "" },
	};
	static const char *const feishu[] = { "ou_b", "OU_A", "ou_", "" };
	struct rules r = given("", PEOPLE);
	struct voter v;

	for (size_t i = 0; i < ARRAY_LEN(slack); i++) {
		ck_assert(!voter_of_slack(r.config, slack[i].team, slack[i].user, &v));
		ck_assert(!v.is_person && v.roles == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(feishu); i++) {
		ck_assert(!voter_of_feishu(r.config, feishu[i], &v));
		ck_assert(!v.is_person && v.roles == 0);
	}
	ck_assert(!voter_of_slack(r.config, "T1", "U9", &v));
	ck_assert_ptr_nonnull(strstr(v.why, "T1/U9"));
	rules_release(&r);
}
END_TEST

START_TEST(without_people_the_owner_of_the_state_folder_has_every_role)
{
	char *folder = scratch_new();
	struct rules r = given("", "");
	struct voter v;

	ck_assert(voter_of_uid(r.config, folder, getuid(), &v));
	ck_assert(v.is_person);
	ck_assert_str_eq(role_text(v.roles), "superuser");
	ck_assert(voter_of_uid(NULL, folder, getuid(), &v));
	ck_assert(v.is_person);
	ck_assert(!voter_of_uid(r.config, folder, getuid() + 1, &v));
	ck_assert(!v.is_person && v.roles == 0);
	ck_assert_ptr_nonnull(strstr(v.why, "only the owner"));
	ck_assert(!voter_of_uid(r.config, "/nowhere/at/all", getuid(), &v));
	rules_release(&r);
	scratch_remove(folder);
}
END_TEST

START_TEST(where_people_are_named_the_owner_operates_and_decides_nothing)
{
	char *folder = scratch_new();
	struct rules r = given("", PEOPLE);
	struct approval a = { .agent = (char *)"one", .quorum = 1, .uid = 4711 };
	struct voter v;

	ck_assert(voter_of_uid(r.config, folder, getuid(), &v));
	ck_assert(!v.is_person);
	ck_assert_str_eq(role_text(v.roles), "operator");
	ck_assert(!voter_may_decide(r.config, &v, &a));
	ck_assert_ptr_nonnull(strstr(v.why, "none of them has uid"));
	ck_assert(!voter_of_uid(r.config, folder, 70002, &v));
	ck_assert_uint_eq(v.roles, 0);
	rules_release(&r);
	scratch_remove(folder);
}
END_TEST

START_TEST(in_enforced_mode_owning_the_folder_is_nothing_and_root_is_a_person)
{
	char *folder = scratch_new();
	struct rules r = given("", "mode: enforced");
	struct voter v;

	ck_assert(voter_of_uid(r.config, folder, 0, &v));
	ck_assert(v.is_person);
	if (getuid() != 0) {
		ck_assert(!voter_of_uid(r.config, folder, getuid(), &v));
		ck_assert_ptr_nonnull(strstr(v.why, "aegis-admin"));
	}
	ck_assert(!voter_of_uid(r.config, folder, 70001, &v));
	rules_release(&r);
	scratch_remove(folder);
}
END_TEST

START_TEST(a_token_gives_no_more_than_its_person_has)
{
	static const struct { const char *kind, *role, *person, *expected; bool is_known, is_person; } table[] = {
		{ "api",   "superuser", "",      "superuser", true,  false },
		{ "api",   "approver",  "",      "approver",  true,  false },
		{ "api",   "viewer",    "alice", "viewer",    true,  true },
		{ "api",   "superuser", "alice", "approver",  true,  true },
		{ "api",   "superuser", "bob",   "viewer",    true,  true },
		{ "api",   "approver",  "dave",  "none",      true,  true },
		{ "api",   "superuser", "eve",   "none",      false, false },
		{ "api",   "root",      "",      "none",      false, false },
		{ "agent", "superuser", "alice", "none",      false, false },
		{ "room",  "superuser", "",      "none",      false, false },
	};
	struct rules r = given("", PEOPLE);

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct token t = { .kind = (char *)table[i].kind, .name = (char *)"x", .role = (char *)table[i].role,
			.person = (char *)table[i].person };
		struct voter v;

		ck_assert_msg(voter_of_token(r.config, &t, &v) == table[i].is_known, "row %zu", i);
		ck_assert_msg(v.is_person == table[i].is_person, "row %zu", i);
		ck_assert_msg(strcmp(role_text(v.roles), table[i].expected) == 0, "row %zu: %s", i, role_text(v.roles));
	}
	rules_release(&r);
}
END_TEST

/* ---- may it decide? ---- */

enum who { ALICE_CLI, ALICE_SLACK, ALICE_TOKEN, BOB_SLACK, CAROL_FEISHU, SERVER_TOKEN, NAMELESS_TOKEN, ALICE_VIEWER_TOKEN, VIEWER_TOKEN, LINK };

static struct voter voter(const struct config *c, enum who who)
{
	struct token t = { .kind = (char *)"api", .name = (char *)"ci", .role = (char *)"approver", .person = (char *)"" };
	struct voter v = { 0 };
	bool is_known = true;

	switch (who) {
	case ALICE_CLI:      is_known = voter_of_uid(c, "/", 70001, &v); break;
	case ALICE_SLACK:    is_known = voter_of_slack(c, "T1", "U1", &v); break;
	case BOB_SLACK:      is_known = voter_of_slack(c, "T1", "U2", &v); break;
	case CAROL_FEISHU:   is_known = voter_of_feishu(c, "ou_c", &v); break;
	case SERVER_TOKEN:   voter_of_server_token(&v); break;
	case LINK:           voter_of_link("127.0.0.1", &v); break;
	case ALICE_TOKEN:    t.person = (char *)"alice"; is_known = voter_of_token(c, &t, &v); break;
	case ALICE_VIEWER_TOKEN: t.person = (char *)"alice"; t.role = (char *)"viewer"; is_known = voter_of_token(c, &t, &v); break;
	case VIEWER_TOKEN:   t.role = (char *)"viewer"; is_known = voter_of_token(c, &t, &v); break;
	case NAMELESS_TOKEN: is_known = voter_of_token(c, &t, &v); break;
	}
	ck_assert(is_known);
	return v;
}

struct row { const char *rules; enum who who; struct approval a; bool may; const char *why; };

static const struct row decides[] = {
	/* anyone with the role; a bearer is enough */
	{ "", ALICE_CLI,      { .quorum = 1 }, true,  "" },
	{ "", ALICE_SLACK,    { .quorum = 1 }, true,  "" },
	{ "", ALICE_TOKEN,    { .quorum = 1 }, true,  "" },
	{ "", CAROL_FEISHU,   { .quorum = 1 }, true,  "" },
	{ "", SERVER_TOKEN,   { .quorum = 1 }, true,  "" },
	{ "", NAMELESS_TOKEN, { .quorum = 1 }, true,  "" },
	{ "", LINK,           { .quorum = 1 }, true,  "" },
	{ "", BOB_SLACK,      { .quorum = 1 }, false, "bob has not the role approver" },
	{ "", VIEWER_TOKEN,   { .quorum = 1 }, false, "has not the role approver" },
	/* named persons, as the rules ask now or asked then */
	{ "approval: { approver_auth: required }", ALICE_SLACK,    { .quorum = 1 }, true,  "" },
	{ "approval: { approver_auth: required }", ALICE_TOKEN,    { .quorum = 1 }, true,  "" },
	{ "approval: { approver_auth: required }", SERVER_TOKEN,   { .quorum = 1 }, false, "token names nobody" },
	{ "approval: { approver_auth: required }", NAMELESS_TOKEN, { .quorum = 1 }, false, "token names nobody" },
	{ "approval: { approver_auth: required }", LINK,           { .quorum = 1 }, false, "a link names nobody" },
	{ "", LINK,         { .quorum = 1, .is_auth_required = true }, false, "a link names nobody" },
	{ "", SERVER_TOKEN, { .quorum = 1, .is_auth_required = true }, false, "token names nobody" },
	{ "", ALICE_CLI,    { .quorum = 1, .is_auth_required = true }, true,  "" },
	{ "", LINK,         { .quorum = 2 }, false, "persons they know by name" },
	{ "", SERVER_TOKEN, { .quorum = 2 }, false, "persons they know by name" },
	{ "", ALICE_SLACK,  { .quorum = 2 }, true,  "" },
	/* approvers: nobody else, whatever the role; and no role besides is needed */
	{ "approval: { approvers: [bob] }", BOB_SLACK,    { .quorum = 1 }, true,  "" },
	{ "approval: { approvers: [bob] }", ALICE_SLACK,  { .quorum = 1 }, false, "alice is not among approval.approvers" },
	{ "approval: { approvers: [bob] }", CAROL_FEISHU, { .quorum = 1 }, false, "carol is not among approval.approvers" },
	{ "approval: { approvers: [bob] }", SERVER_TOKEN, { .quorum = 1 }, false, "token names nobody" },
	{ "approval: { approvers: [bob] }", LINK,         { .quorum = 1 }, false, "a link names nobody" },
	{ "approval: { approvers: [alice] }", ALICE_VIEWER_TOKEN, { .quorum = 1 }, false, "has not the role approver" },
	/* for oneself */
	{ "", ALICE_CLI, { .quorum = 1, .uid = 70001 }, true, "" },
	{ "approval: { self_approve: false }", ALICE_CLI,    { .quorum = 1, .uid = 70001 }, false, "runs as the same user" },
	{ "approval: { self_approve: false }", ALICE_SLACK,  { .quorum = 1, .uid = 70001 }, false, "runs as the same user" },
	{ "approval: { self_approve: false }", ALICE_TOKEN,  { .quorum = 1, .uid = 70001 }, false, "runs as the same user" },
	{ "approval: { self_approve: false }", ALICE_CLI,    { .quorum = 1, .uid = 70009 }, true,  "" },
	{ "approval: { self_approve: false }", CAROL_FEISHU, { .quorum = 1, .uid = 70001 }, true,  "" },
	{ "approval: { self_approve: false }", CAROL_FEISHU, { .quorum = 1, .uid = (uid_t)-1 }, true, "" },
	{ "mode: enforced", ALICE_CLI, { .quorum = 1, .uid = 70001 }, false, "runs as the same user" },
	{ "mode: enforced\napproval: { self_approve: true }", ALICE_CLI, { .quorum = 1, .uid = 70001 }, true, "" },
};

static const struct row decides_of_alice[] = {
	{ "mode: enforced", ALICE_SLACK,  { .quorum = 1, .uid = 70009 }, false, "owned by alice" },
	{ "mode: enforced", CAROL_FEISHU, { .quorum = 1, .uid = 70009 }, true,  "" },
	{ "mode: enforced\napproval: { approvers: [alice] }", ALICE_SLACK, { .quorum = 1, .uid = 70009 }, false, "owned by alice" },
	{ "", ALICE_SLACK, { .quorum = 1, .uid = 70009 }, true, "" },
};

static void judged(const char *agent, const struct row *row, size_t i)
{
	char more[2048];
	snprintf(more, sizeof more, PEOPLE "%s\n", row->rules);
	struct rules r = given(agent, more);
	struct voter v = voter(r.config, row->who);
	struct approval a = row->a;

	a.agent = (char *)"one";
	bool may = voter_may_decide(r.config, &v, &a);
	ck_assert_msg(may == row->may, "row %zu: %s", i, v.why);
	ck_assert_msg(may || strstr(v.why, row->why), "row %zu: %s", i, v.why);
	rules_release(&r);
}

START_TEST(the_rules_say_who_may_decide)
{
	for (size_t i = 0; i < ARRAY_LEN(decides); i++)
		judged("", &decides[i], i);
}
END_TEST

START_TEST(an_owner_does_not_decide_for_the_own_agent_unless_that_is_allowed)
{
	for (size_t i = 0; i < ARRAY_LEN(decides_of_alice); i++)
		judged("owner: alice,", &decides_of_alice[i], i);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("voter");
	TCase *t = tcase_create("voter");

	tcase_add_test(t, a_role_contains_the_weaker_ones);
	tcase_add_test(t, a_person_is_one_name_by_every_identity);
	tcase_add_test(t, an_account_the_rules_do_not_name_is_nobody);
	tcase_add_test(t, without_people_the_owner_of_the_state_folder_has_every_role);
	tcase_add_test(t, where_people_are_named_the_owner_operates_and_decides_nothing);
	tcase_add_test(t, in_enforced_mode_owning_the_folder_is_nothing_and_root_is_a_person);
	tcase_add_test(t, a_token_gives_no_more_than_its_person_has);
	tcase_add_test(t, the_rules_say_who_may_decide);
	tcase_add_test(t, an_owner_does_not_decide_for_the_own_agent_unless_that_is_allowed);
	suite_add_tcase(s, t);
	return s;
}
