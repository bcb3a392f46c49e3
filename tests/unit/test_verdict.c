/* What is said of a decision: true in every case, and never what could steer a reader. */
#include "unit/unit.h"
#include "broker/verdict.h"

#define AT     1700000000000LL
#define WHEN   "2023-11-14T22:13:20.000Z"

static struct approval approval(enum approval_state state)
{
	return (struct approval){
		.id = "01", .short_id = "APR-7F3K", .state = state, .tool = (char *)"publish_post", .agent = (char *)"claude",
		.decided_by = (char *)"", .decided_means = (char *)"", .reason = (char *)"", .quorum = 1,
	};
}

static struct approval decided(enum approval_state state, const char *by, const char *reason)
{
	struct approval a = approval(state);

	a.decided_by = (char *)by;
	a.decided_means = (char *)"slack";
	a.reason = (char *)reason;
	a.decided_at_ms = AT;
	return a;
}

static struct approval used(const char *outcome)
{
	struct approval a = decided(APPROVAL_CONSUMED, "bob", "");

	snprintf(a.outcome, sizeof a.outcome, "%s", outcome);
	a.executed_at_ms = *outcome ? AT : 0;
	return a;
}

static void stands(struct approval a, const char *expected)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 10000);
	ck_assert(verdict_write_standing(&b, &a));
	ck_assert_str_eq(b.data, expected);
}

static void says(enum vote_answer answer, bool is_approving, struct approval a, const char *expected)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, 10000);
	ck_assert(verdict_write(&b, answer, is_approving, &a));
	ck_assert_str_eq(b.data, expected);
}

START_TEST(it_says_how_an_approval_stands)
{
	struct approval two = approval(APPROVAL_PENDING), still = two;

	two.quorum = 2;
	two.votes = 1;
	still.is_frozen = true;
	stands(approval(APPROVAL_PENDING), "APR-7F3K waits for a decision");
	stands(two, "APR-7F3K waits for a decision, 1 of 2 persons have agreed");
	stands(still, "APR-7F3K waits for a decision; its clock stands still");
	stands(decided(APPROVAL_APPROVED, "bob", "fine"), "APR-7F3K was approved by bob (slack) at " WHEN ": fine");
	stands(decided(APPROVAL_REJECTED, "bob", "no"), "APR-7F3K was refused by bob (slack) at " WHEN ": no");
	stands(decided(APPROVAL_CANCELLED, "", "tool changed"), "APR-7F3K was cancelled at " WHEN ": tool changed");
	stands(decided(APPROVAL_EXPIRED, "", ""), "APR-7F3K has expired at " WHEN ": nobody decided in time, and nothing was run");
	stands(approval(APPROVAL_EXPIRED), "APR-7F3K has expired: nobody decided in time, and nothing was run");
	stands(decided(APPROVAL_EXPIRED, "bob", ""), "APR-7F3K was approved by bob (slack) at " WHEN ", but was not used in time: nothing was run");
	stands(used(""), "APR-7F3K was approved by bob (slack) at " WHEN "; it has been used");
	stands(used("ok"), "APR-7F3K was approved by bob (slack) at " WHEN "; it has been used; the call succeeded");
	stands(used("unknown"), "APR-7F3K was approved by bob (slack) at " WHEN "; it has been used; the call was sent, whether it was carried out is not known");
}
END_TEST

START_TEST(it_says_what_became_of_a_vote)
{
	struct approval two = approval(APPROVAL_PENDING);

	two.quorum = 3;
	two.votes = 2;
	says(VOTE_DECIDED, true, decided(APPROVAL_APPROVED, "bob", ""), "APR-7F3K approved: publish_post for agent claude");
	says(VOTE_DECIDED, false, decided(APPROVAL_REJECTED, "bob", ""), "APR-7F3K refused: publish_post for agent claude");
	says(VOTE_DECIDED, false, decided(APPROVAL_CANCELLED, "bob", ""), "APR-7F3K cancelled: publish_post for agent claude");
	says(VOTE_COUNTED, true, two, "APR-7F3K: your vote counts, 2 of 3 persons have agreed");
	says(VOTE_SECOND, true, decided(APPROVAL_REJECTED, "bob", "no"),
		"APR-7F3K was refused by bob (slack) at " WHEN ": no; your decision came later and changes nothing");
	says(VOTE_TOO_LATE, true, approval(APPROVAL_EXPIRED),
		"APR-7F3K has expired: nobody decided in time, and nothing was run; it cannot be decided any more");
	says(VOTE_NO_SUCH, true, (struct approval){ 0 }, "there is no such approval");
}
END_TEST

START_TEST(what_others_wrote_cannot_steer_who_reads_it)
{
	struct approval a = decided(APPROVAL_REJECTED, "b\033[2Job", "a\nb\342\200\256c");

	a.tool = (char *)"x\r\ny";
	stands(a, "APR-7F3K was refused by b<U+001B>[2Job (slack) at " WHEN ": a\\nb<U+202E>c");
	says(VOTE_DECIDED, true, a, "APR-7F3K approved: x\\r\\ny for agent claude");
}
END_TEST

START_TEST(a_cut_keeps_characters_whole_and_shows_itself)
{
	char out[8];

	verdict_copy(out, sizeof out, SPAN("1234567"));
	ck_assert_str_eq(out, "1234567");
	verdict_copy(out, sizeof out, SPAN("12345678"));
	ck_assert_str_eq(out, "1234...");
	verdict_copy(out, sizeof out, SPAN("123\303\26456789"));
	ck_assert_str_eq(out, "123...");
	verdict_copy(out, sizeof out, SPAN(""));
	ck_assert_str_eq(out, "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("verdict");
	TCase *t = tcase_create("verdict");

	tcase_add_test(t, it_says_how_an_approval_stands);
	tcase_add_test(t, it_says_what_became_of_a_vote);
	tcase_add_test(t, what_others_wrote_cannot_steer_who_reads_it);
	tcase_add_test(t, a_cut_keeps_characters_whole_and_shows_itself);
	suite_add_tcase(s, t);
	return s;
}
