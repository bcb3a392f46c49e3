/* Approvals at the store: every edge, who may take it, and what hangs on it. */
#include "unit/approval_kit.h"

static struct kit kit;
static struct asker a, b;

#define ONCE { "once", HOUR, 1 }

static void setup(void)
{
	kit_init(&kit);
	asker_init(&a, &kit, 0, LIMITS(ONCE));
	asker_init(&b, &kit, 0, LIMITS(ONCE));
}

static void teardown(void)
{
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_window AS w WHERE live <> (SELECT count(*)"
					   " FROM limit_entry AS e WHERE e.key = w.key AND e.tick > w.from_tick)"), 0);
	job_release(&a.job);
	job_release(&b.job);
	kit_release(&kit);
}

static int approve(const char *id)
{
	return vote_on(&kit, id, (struct ballot){ .voter = "alice", .is_approving = true }, NULL);
}

static int reject(const char *id)
{
	return vote_on(&kit, id, (struct ballot){ .voter = "bob", .reason = "no" }, NULL);
}

static int64_t holds(void)
{
	return file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775807");
}

/* ---- asking and attaching ---- */

START_TEST(a_call_asks_and_holds_in_one)
{
	struct approval shown;

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(holds(), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT owner FROM limit_entry"), -1);
	ck_assert_int_eq(store_approval_get(kit.store, a.approval, &shown), OK);
	ck_assert_int_eq(shown.state, APPROVAL_PENDING);
	ck_assert_str_eq(shown.args, "{\"x\":1}");
	ck_assert_str_eq(shown.rule, "publish_*");
	ck_assert_int_eq(shown.waiting, 1);
	ck_assert_int_eq(shown.expires_in_ms, TIMEOUT_MS);
	ck_assert_uint_eq(strlen(shown.short_id), 8);
	approval_release(&shown);
	ck_assert_int_eq(asker_commit(&a), COMMIT_APPROVAL_GONE);
}
END_TEST

START_TEST(an_identical_call_attaches_under_the_same_hold)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(asker_hold(&b), HELD_ATTACHED);
	ck_assert_int_eq(asker_hold(&b), HELD_ATTACHED);
	ck_assert_str_eq(a.approval, b.approval);
	ck_assert_int_eq(holds(), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_waiter"), 2);
	b.job.facts.args_hash[0] = 1;
	ck_assert_int_eq(asker_hold(&b), HOLD_LIMITED);
	ck_assert(b.job.why.is_held);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval"), 1);
}
END_TEST

START_TEST(only_exactly_this_call_attaches)
{
	const struct { const char *agent, *backend, *tool; uint8_t args; int level; } others[] = {
		{ "other", "backend", "tool", 0, 0 }, { "agent", "other", "tool", 0, 0 }, { "agent", "backend", "other", 0, 0 },
		{ "agent", "backend", "tool", 1, 0 }, { "agent", "backend", "tool", 0, 1 },
	};

	a.job.claims.n = b.job.claims.n = 0;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		b.job.facts.agent = others[i].agent;
		b.job.facts.backend = others[i].backend;
		b.job.facts.tool = others[i].tool;
		b.job.facts.args_hash[0] = others[i].args;
		b.job.facts.level = others[i].level;
		ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	}
	ck_assert_int_eq(file_number(&kit, "SELECT count(DISTINCT short) FROM approval"), 6);
}
END_TEST

START_TEST(another_definition_or_decision_ends_the_old_one_and_asks_anew)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	b.job.facts.tool_hash[31] = 1;
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_CANCELLED);
	ck_assert_int_eq(approve(b.approval), VOTE_DECIDED);
	struct asker c = b;
	c.job.facts.fingerprint[0] = 1;
	ck_assert_int_eq(asker_hold(&c), HELD_ASKED);
	ck_assert_int_eq(state_of(&kit, b.approval), APPROVAL_EXPIRED);
	ck_assert_int_eq(holds(), 1);
	ck_assert_int_eq(asker_commit(&b), COMMIT_APPROVAL_GONE);
}
END_TEST

START_TEST(caps_are_kept_and_say_when)
{
	a.job.claims.n = b.job.claims.n = 0;
	a.ask.max_pending = b.ask.max_pending = 1;
	b.job.facts.args_hash[0] = 1;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	hands_move(&kit.hands, MINUTE);
	ck_assert_int_eq(asker_hold(&b), HOLD_TOO_MANY_PENDING);
	ck_assert_int_eq(b.retry_after_ms, 9 * MINUTE);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	b.ask.max_per_hour = 1;
	ck_assert_int_eq(asker_hold(&b), HOLD_TOO_MANY_ASKS);
	ck_assert_int_eq(b.retry_after_ms, 59 * MINUTE);
	hands_move(&kit.hands, 59 * MINUTE);
	b.ask.cooldown_after_refusal_ms = 30 * SECOND;
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	b.ask.max_per_hour = 100;
	hands_move(&kit.hands, SECOND);
	ck_assert_int_eq(vote_on(&kit, b.approval, (struct ballot){ .voter = "bob", .args = 1 }, NULL), VOTE_DECIDED);
	hands_move(&kit.hands, 10 * SECOND);
	b.job.facts.args_hash[0] = 2;
	ck_assert_int_eq(asker_hold(&b), HOLD_REFUSED_RECENTLY);
	ck_assert_int_eq(b.retry_after_ms, 20 * SECOND);
	ck_assert_uint_eq(strlen(b.refused), ID_SIZE - 1);
	b.job.facts.tool = "other";
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	b.job.facts.tool = "tool";
	hands_move(&kit.hands, 20 * SECOND);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_DECIDED);
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
}
END_TEST

START_TEST(names_are_short_and_found_however_they_are_typed)
{
	struct approval shown;
	char low[16];

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(store_approval_get(kit.store, a.approval, &shown), OK);
	snprintf(low, sizeof(low), "%.8s", shown.short_id + 4);
	for (char *c = low; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 'a' - 'A');
	approval_release(&shown);
	ck_assert_int_eq(store_approval_get(kit.store, low, &shown), OK);
	ck_assert_str_eq(shown.id, a.approval);
	approval_release(&shown);
	for (const char *const *bad = (const char *const[]){ "", "APR-", "APR-2222222222222", "01234567890123456789012345678901", NULL }; *bad; bad++)
		ck_assert_int_eq(store_approval_get(kit.store, *bad, &shown), ERR_NOT_FOUND);
}
END_TEST

/* ---- deciding ---- */

START_TEST(what_is_approved_runs_once)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(asker_hold(&b), HELD_ATTACHED);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	ck_assert_int_eq(asker_commit(&b), COMMITTED);
	ck_assert_int_eq(asker_commit(&a), COMMIT_APPROVAL_USED);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_CONSUMED);
	ck_assert_int_eq(holds(), 0);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM limit_entry WHERE tick = 9223372036854775806"), 1);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_waiter"), 1);
	asker_release(&a);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_waiter"), 0);
	job_settle(&b.job, REFUND);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_CONSUMED); /* the limit is given back, the approval is not */
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
}
END_TEST

START_TEST(an_approval_lets_nothing_else_through)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	memcpy(b.approval, a.approval, sizeof(b.approval));
	for (int bit = 0; bit < 256; bit++) {
		b.job.facts.args_hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(asker_commit(&b), COMMIT_APPROVAL_GONE);
		b.job.facts.args_hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	b.job.facts.tool = "other";
	ck_assert_int_eq(asker_commit(&b), COMMIT_APPROVAL_GONE);
	b.job.facts.tool = "tool";
	b.job.facts.agent = "other";
	ck_assert_int_eq(asker_commit(&b), COMMIT_APPROVAL_GONE);
	b.job.facts.agent = "agent";
	b.job.facts.tool_hash[0] = 1;
	ck_assert_int_eq(asker_commit(&b), COMMIT_TOOL_CHANGED);
	b.job.facts.tool_hash[0] = 0;
	b.job.facts.fingerprint[0] = 1;
	ck_assert_int_eq(asker_commit(&b), COMMIT_TOOL_CHANGED);
	b.job.facts.fingerprint[0] = 0;
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM flight"), 0);
	ck_assert_int_eq(asker_commit(&b), COMMITTED);
}
END_TEST

START_TEST(a_refusal_ends_it_and_its_hold)
{
	struct approval shown;

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(reject(a.approval), VOTE_DECIDED);
	ck_assert_int_eq(holds(), 0);
	ck_assert_int_eq(asker_commit(&a), COMMIT_APPROVAL_GONE);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "alice", .is_approving = true }, &shown), VOTE_SECOND);
	ck_assert_int_eq(shown.state, APPROVAL_REJECTED);
	ck_assert_str_eq(shown.decided_by, "bob");
	ck_assert_str_eq(shown.reason, "no");
	ck_assert_int_eq(shown.decided_at_ms, kit.hands.wall_ms);
	approval_release(&shown);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_vote WHERE is_late = 1"), 1);
	ck_assert_int_eq(cancel_on(&kit, a.approval, "carol"), VOTE_SECOND);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit WHERE kind = 'decision'"), 3);
}
END_TEST

/* Whoever has a link could fill the audit. */
START_TEST(what_is_said_again_is_written_once)
{
	const struct ballot late = { .voter = "alice", .is_approving = true }, other = { .voter = "alice" };

	a.ask.quorum = 2;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(vote_on(&kit, a.approval, late, NULL), VOTE_COUNTED);
	int64_t rows = file_number(&kit, "SELECT count(*) FROM audit"), events = file_number(&kit, "SELECT count(*) FROM approval_event");
	ck_assert_int_eq(vote_on(&kit, a.approval, late, NULL), VOTE_COUNTED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit"), rows);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_event"), events);
	ck_assert_int_eq(vote_on(&kit, a.approval, other, NULL), VOTE_DECIDED);
	rows = file_number(&kit, "SELECT count(*) FROM audit");
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(vote_on(&kit, a.approval, i % 2 ? late : other, NULL), VOTE_SECOND);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "carol" }, NULL), VOTE_SECOND);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit"), rows + 2);
	hands_move(&kit.hands, 60001);
	ck_assert_int_eq(vote_on(&kit, a.approval, late, NULL), VOTE_SECOND);
	ck_assert_int_eq(vote_on(&kit, a.approval, late, NULL), VOTE_SECOND);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM audit"), rows + 3);
}
END_TEST

START_TEST(a_refusal_while_nobody_waited_is_told_to_the_same_call_once)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	asker_release(&a);
	ck_assert_int_eq(reject(a.approval), VOTE_DECIDED);
	hands_move(&kit.hands, 2 * MINUTE);
	b.job.facts.args_hash[0] = 1;
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	asker_release(&b);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_DECIDED);
	b.job.facts.args_hash[0] = 0;
	ck_assert_int_eq(asker_hold(&b), HOLD_REFUSED);
	ck_assert_str_eq(b.refused, a.approval);
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	ck_assert_int_eq(reject(b.approval), VOTE_DECIDED);
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED); /* somebody waited, and was told */
	asker_release(&a);
	ck_assert_int_eq(reject(a.approval), VOTE_DECIDED);
	hands_move(&kit.hands, REDEEM_MS);
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED); /* long ago */
}
END_TEST

START_TEST(a_quorum_counts_persons)
{
	struct ballot for_it = { .voter = "alice", .is_approving = true };
	struct approval shown;

	a.ask.quorum = 2;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(vote_on(&kit, a.approval, for_it, NULL), VOTE_COUNTED);
	ck_assert_int_eq(vote_on(&kit, a.approval, for_it, NULL), VOTE_COUNTED);
	for_it.voter = "link";
	for_it.is_nameless = true;
	ck_assert_int_eq(vote_on(&kit, a.approval, for_it, NULL), VOTE_NOT_ALLOWED);
	for_it.voter = "bob";
	for_it.is_nameless = false;
	ck_assert_int_eq(vote_on(&kit, a.approval, for_it, &shown), VOTE_DECIDED);
	ck_assert_str_eq(shown.decided_by, "alice, bob");
	ck_assert_int_eq(shown.votes, 2);
	approval_release(&shown);
	b.ask.quorum = 2;
	b.job.facts.args_hash[0] = 1;
	b.job.claims.n = 0;
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	for_it.args = 1;
	ck_assert_int_eq(vote_on(&kit, b.approval, for_it, NULL), VOTE_COUNTED);
	for_it.is_approving = false;
	ck_assert_int_eq(vote_on(&kit, b.approval, for_it, NULL), VOTE_DECIDED); /* and may think better of it */
	ck_assert_int_eq(state_of(&kit, b.approval), APPROVAL_REJECTED);
}
END_TEST

START_TEST(a_vote_about_other_arguments_or_without_a_name_where_one_is_needed_does_not_count)
{
	a.ask.is_auth_required = true;
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "alice", .is_approving = true, .args = 9 }, NULL), VOTE_NOT_ALLOWED);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "link", .is_approving = true, .is_nameless = true }, NULL), VOTE_NOT_ALLOWED);
	ck_assert_int_eq(vote_on(&kit, a.approval, (struct ballot){ .voter = "link", .is_nameless = true }, NULL), VOTE_NOT_ALLOWED);
	ck_assert_int_eq(vote_on(&kit, "APR-2222", (struct ballot){ .voter = "alice" }, NULL), VOTE_NO_SUCH);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_PENDING);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_vote"), 0);
}
END_TEST

START_TEST(the_schema_allows_no_other_edge)
{
	static const char *const edges[] = { "PENDING>CONSUMED", "APPROVED>PENDING", "APPROVED>REJECTED", "APPROVED>CANCELLED",
		"REJECTED>APPROVED", "EXPIRED>APPROVED", "CANCELLED>PENDING", "CONSUMED>APPROVED" };
	sqlite3 *db = NULL;
	CLEANUP(free_charp) char *path = kit_path(&kit, "aegis.db");

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA recursive_triggers=ON", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		const char *to = strchr(edges[i], '>') + 1;
		CLEANUP(free_charp) char *sql = xasprintf(
			"INSERT OR REPLACE INTO approval SELECT 'x', 'APR-XXXX', '%.*s', tenant, agent, level, uid, client, backend, 'x', args,"
			" args_hash, tool_hash, fingerprint, rule, quorum, is_auth_required, created_at, created_tick, expires_tick,"
			" redeem_ms, frozen_tick, decided_at, decided_tick, decided_by, decided_means, reason, consumed_by, owed_until_tick, keys, outcome, executed_at FROM approval"
			" WHERE id <> 'x'; UPDATE approval SET state = '%s' WHERE id = 'x'", (int)(to - 1 - edges[i]), edges[i], to);
		ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_CONSTRAINT, "%s: %s", edges[i], sqlite3_errmsg(db));
	}
	sqlite3_close(db);
}
END_TEST

/* ---- time ---- */

START_TEST(an_undecided_one_expires_and_so_does_an_unused_one)
{
	int64_t in_ms = 0;

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(store_approval_next_due(kit.store, &in_ms), OK);
	ck_assert_int_eq(in_ms, TIMEOUT_MS);
	hands_move(&kit.hands, TIMEOUT_MS - 1);
	ck_assert_int_eq(expire_all(&kit), 0);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	hands_move(&kit.hands, REDEEM_MS - 1);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_APPROVED);
	hands_move(&kit.hands, 1);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_EXPIRED); /* seen so before anybody writes it */
	ck_assert_int_eq(asker_commit(&a), COMMIT_APPROVAL_GONE);
	ck_assert_int_eq(expire_all(&kit), 1);
	ck_assert_int_eq(expire_all(&kit), 0);
	ck_assert_int_eq(holds(), 0);
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	hands_move(&kit.hands, TIMEOUT_MS);
	ck_assert_int_eq(approve(a.approval), VOTE_TOO_LATE);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval WHERE state = 'EXPIRED'"), 2);
	ck_assert_int_eq(store_approval_next_due(kit.store, &in_ms), OK);
	ck_assert_int_eq(in_ms, -1);
}
END_TEST

START_TEST(what_is_overdue_behind_many_others_is_neither_decided_nor_attached_to)
{
	struct asker one;
	char first[ID_SIZE];

	asker_init(&one, &kit, 0, NULL, 0);
	for (int i = 0; i < 600; i++) {
		one.job.facts.args_hash[1] = (uint8_t)i;
		one.job.facts.args_hash[2] = (uint8_t)(1 + i / 256);
		ck_assert_int_eq(asker_hold(&one), HELD_ASKED);
	}
	hands_move(&kit.hands, 1);
	memset(one.job.facts.args_hash, 0, sizeof(one.job.facts.args_hash));
	ck_assert_int_eq(asker_hold(&one), HELD_ASKED);
	memcpy(first, one.approval, sizeof(first));
	one.job.facts.args_hash[3] = 1;
	ck_assert_int_eq(asker_hold(&one), HELD_ASKED);
	hands_move(&kit.hands, TIMEOUT_MS);
	ck_assert_int_eq(asker_hold(&one), HELD_ASKED);
	ck_assert_int_eq(approve(first), VOTE_TOO_LATE);
	ck_assert_int_gt(file_number(&kit, "SELECT count(*) FROM approval WHERE state = 'PENDING'"), 1);
	job_release(&one.job);
}
END_TEST

START_TEST(an_approval_that_a_ticket_carries_does_not_expire)
{
	struct queue_terms terms = { .max_pending = 9, .concurrency = 1 };

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	struct queue_join j = { .call = &a.job.facts, .limits = a.job.claims, .queue = &terms, .approval = a.approval };
	struct op op = { 0 };
	store_queue_join(kit.store, &op, &j);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, HELD_QUEUED);
	hands_move(&kit.hands, 2 * REDEEM_MS);
	ck_assert_int_eq(expire_all(&kit), 0);
	ck_assert_int_eq(state_of(&kit, a.approval), APPROVAL_APPROVED);
	struct commit c = { .call = &a.job.facts, .limits = a.job.claims, .approval = a.approval, .ticket = j.ticket, .ticket_epoch = j.epoch,
		.deadline_ms = MINUTE, .intent = &a.job.intent };
	op = (struct op){ 0 };
	store_commit(kit.store, &op, &c);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.answer, COMMITTED);
	ck_assert_int_eq(holds(), 0);
}
END_TEST

static void brake(bool is_on)
{
	struct op op = { 0 };
	struct brake_set set = { .brake = { .scope = "agent", .subject = "agent", .by = "carol", .reason = "" }, .is_on = is_on };

	store_brake_set(kit.store, &op, &set);
	op_finish(kit.store, &op);
	ck_assert_int_eq(op.err, OK);
}

START_TEST(a_brake_stops_the_clock)
{
	struct approval shown;

	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	hands_move(&kit.hands, MINUTE);
	brake(true);
	hands_move(&kit.hands, 24 * HOUR);
	ck_assert_int_eq(expire_all(&kit), 0);
	ck_assert_int_eq(store_approval_get(kit.store, a.approval, &shown), OK);
	ck_assert(shown.is_frozen);
	ck_assert_int_eq(shown.expires_in_ms, 9 * MINUTE);
	approval_release(&shown);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	hands_move(&kit.hands, HOUR);
	brake(false);
	ck_assert_int_eq(store_approval_get(kit.store, a.approval, &shown), OK);
	ck_assert_int_eq(shown.expires_in_ms, REDEEM_MS);
	approval_release(&shown);
	hands_move(&kit.hands, REDEEM_MS);
	ck_assert_int_eq(expire_all(&kit), 1);
}
END_TEST

START_TEST(what_is_long_over_is_forgotten)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	ck_assert_int_eq(reject(a.approval), VOTE_DECIDED);
	hands_move(&kit.hands, 89 * 24 * HOUR);
	b.job.facts.args_hash[0] = 1;
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval"), 2);
	ck_assert_int_eq(cancel_on(&kit, b.approval, "carol"), VOTE_DECIDED);
	hands_move(&kit.hands, 2 * 24 * HOUR);
	ck_assert_int_eq(asker_hold(&b), HELD_ASKED);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval"), 2);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_vote"), 0);
}
END_TEST

/* ---- who waits ---- */

START_TEST(a_released_call_only_lets_go)
{
	ck_assert_int_eq(asker_hold(&a), HELD_ASKED);
	asker_release(&a);
	ck_assert_int_eq(file_number(&kit, "SELECT count(*) FROM approval_waiter"), 0);
	ck_assert_int_eq(holds(), 1);
	ck_assert_int_eq(approve(a.approval), VOTE_DECIDED);
	ck_assert_int_eq(asker_hold(&b), HELD_ATTACHED);
	ck_assert_int_eq(asker_commit(&b), COMMITTED);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("store_approval");
	TCase *t = tcase_create("approvals");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_call_asks_and_holds_in_one);
	tcase_add_test(t, an_identical_call_attaches_under_the_same_hold);
	tcase_add_test(t, only_exactly_this_call_attaches);
	tcase_add_test(t, another_definition_or_decision_ends_the_old_one_and_asks_anew);
	tcase_add_test(t, caps_are_kept_and_say_when);
	tcase_add_test(t, names_are_short_and_found_however_they_are_typed);
	tcase_add_test(t, what_is_approved_runs_once);
	tcase_add_test(t, an_approval_lets_nothing_else_through);
	tcase_add_test(t, a_refusal_ends_it_and_its_hold);
	tcase_add_test(t, a_refusal_while_nobody_waited_is_told_to_the_same_call_once);
	tcase_add_test(t, what_is_said_again_is_written_once);
	tcase_add_test(t, a_quorum_counts_persons);
	tcase_add_test(t, a_vote_about_other_arguments_or_without_a_name_where_one_is_needed_does_not_count);
	tcase_add_test(t, the_schema_allows_no_other_edge);
	tcase_add_test(t, an_undecided_one_expires_and_so_does_an_unused_one);
	tcase_add_test(t, what_is_overdue_behind_many_others_is_neither_decided_nor_attached_to);
	tcase_add_test(t, an_approval_that_a_ticket_carries_does_not_expire);
	tcase_add_test(t, a_brake_stops_the_clock);
	tcase_add_test(t, what_is_long_over_is_forgotten);
	tcase_add_test(t, a_released_call_only_lets_go);
	suite_add_tcase(s, t);
	return s;
}
