#include "broker/ballot.h"
#include <stdio.h>
#include "broker/verdict.h"

#define SENTENCE_CAP (64 * 1024)

static void say_verdict(struct ballot *b)
{
	CLEANUP(buf_release) struct buf said = { 0 };

	buf_init(&said, SENTENCE_CAP);
	bool is_whole = verdict_write(&said, b->answer, b->is_approving, &b->as_it_is);
	verdict_copy(b->said, sizeof b->said, is_whole ? buf_span(&said) : SPAN("the decision was taken note of"));
}

static void fail(struct ballot *b, enum err e)
{
	b->err = e;
	snprintf(b->said, sizeof b->said, "your decision could not be written (%s); nothing has changed: try again in a moment", err_text(e));
}

static void told(struct op *op)
{
	struct ballot *b = op->arg;

	b->as_it_is = b->vote.as_it_is;
	b->vote.as_it_is = (struct approval){ 0 };
	b->answer = (enum vote_answer)op->answer;
	if (op->err == OK)
		say_verdict(b);
	else
		fail(b, op->err);
	b->done(b);
}

static void submit(struct ballot *b, struct store *s)
{
	b->vote = (struct vote){
		.approval = b->approval,
		.is_approving = b->is_approving,
		.voter = b->voter.name,
		.means = b->voter.means,
		.origin = b->voter.origin,
		.reason = b->reason,
		.is_named = b->voter.is_person,
		.seen_channel = *b->seen_channel ? b->seen_channel : NULL,
		.seen_ref = *b->seen_channel ? b->seen_ref : NULL,
	};
	memcpy(b->vote.args_hash, b->has_args_hash ? b->args_hash : b->as_it_is.args_hash, sizeof b->vote.args_hash);
	approval_release(&b->as_it_is);
	b->op = (struct op){ .told = told, .arg = b };
	store_approval_vote(s, &b->op, &b->vote);
}

/* What needs no writing is said in a turn of its own, for nobody expects it before ballot_cast has returned. */
static void say_later(struct loop_timer *t)
{
	struct ballot *b = container_of(t, struct ballot, later);

	b->done(b);
}

/* True: it may be written. */
static bool judge(struct ballot *b, struct store *s)
{
	enum err e = s ? store_approval_look(s, b->approval, &b->as_it_is) : ERR_STORE_BUSY;

	b->answer = VOTE_NO_SUCH;
	if (e == ERR_NOT_FOUND) {
		say_verdict(b);
		return false;
	}
	if (e != OK) {
		fail(b, e);
		return false;
	}
	memcpy(b->approval, b->as_it_is.id, sizeof b->approval);
	if (voter_may_decide(b->broker->config, &b->voter, &b->as_it_is))
		return true;
	b->answer = VOTE_NOT_ALLOWED;
	snprintf(b->said, sizeof b->said, "%s stays undecided by you: %s", b->as_it_is.short_id, b->voter.why);
	return false;
}

void ballot_cast(struct ballot *b)
{
	struct store *s = broker_store(b->broker);

	b->err = OK;
	b->as_it_is = (struct approval){ 0 };
	loop_timer_init(&b->later, say_later);
	if (judge(b, s))
		submit(b, s);
	else
		loop_timer_set(b->broker->loop, &b->later, 0);
}

void ballot_release(struct ballot *b)
{
	approval_release(&b->as_it_is);
}
