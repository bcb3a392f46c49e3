#include "broker/ctl/decide.h"
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/approval_view.h"
#include "broker/ctl/term.h"

static void say(struct decision *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct decision *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->said, sizeof d->said, fmt, ap);
	va_end(ap);
}

static const char *done_text(enum approval_state s)
{
	switch (s) {
	case APPROVAL_PENDING:   return "waits";
	case APPROVAL_APPROVED:  return "was approved";
	case APPROVAL_REJECTED:  return "was refused";
	case APPROVAL_EXPIRED:   return "has expired";
	case APPROVAL_CANCELLED: return "was cancelled";
	case APPROVAL_CONSUMED:  return "was approved and used";
	}
	return "";
}

/* Who was first, when and why. */
static void say_standing(struct decision *d, const struct approval *a, const char *end)
{
	CLEANUP(buf_release) struct buf who = { 0 };

	buf_init(&who, 64 * 1024);
	bool is_whole = approval_write_decision(&who, a);
	say(d, "%s %s%s%s", a->short_id, done_text(a->state), is_whole && who.len ? who.data : "", end);
}

static enum ctl_exit tell(struct decision *d, const struct approval *a)
{
	CLEANUP(free_charp) char *tool = a->tool ? term_text(a->tool) : NULL;

	switch (d->answer) {
	case VOTE_DECIDED:
		say(d, "%s %s: %.256s for agent %s", a->short_id, d->is_approving ? "approved" : a->state == APPROVAL_CANCELLED ? "cancelled" : "refused",
		    tool, a->agent);
		return CTL_OK;
	case VOTE_COUNTED:
		say(d, "%s: your vote counts, %u of %u persons have agreed", a->short_id, a->votes, a->quorum);
		return CTL_WAITING;
	case VOTE_SECOND:
	case VOTE_REPLAYED:            /* only callbacks are */
		say_standing(d, a, "; your decision came later and changes nothing");
		return CTL_FAILED;
	case VOTE_TOO_LATE:
		say_standing(d, a, "; it cannot be decided any more");
		return CTL_FAILED;
	case VOTE_NO_SUCH:
		say(d, "there is no approval %.80s", d->approval);
		return CTL_FAILED;
	case VOTE_NOT_ALLOWED:
		say(d, "this vote does not count for %s: it asks for named persons, or is about other arguments than were shown", a->short_id);
		return CTL_DENIED;
	}
	return CTL_BROKEN;
}

static enum ctl_exit broken(struct decision *d, enum err e)
{
	say(d, "the decision could not be written: %s", err_text(e));
	return CTL_BROKEN;
}

static enum ctl_exit no_such(struct decision *d)
{
	struct approval none = { 0 };

	d->answer = VOTE_NO_SUCH;
	return tell(d, &none);
}

static enum ctl_exit vote(struct place *p, const struct operator *who, struct decision *d, const struct approval *about)
{
	struct op op = { 0 };
	struct vote v = {
		.approval = about->id,
		.is_approving = d->is_approving,
		.voter = who->name,
		.means = "cli",
		.origin = who->origin,
		.reason = d->reason,
		.is_named = true,
	};

	memcpy(v.args_hash, d->args_hash ? d->args_hash : about->args_hash, sizeof v.args_hash);
	store_approval_vote(p->store, &op, &v);
	enum err e = act_run(p->store, &op);
	d->answer = (enum vote_answer)op.answer;
	enum ctl_exit code = e == OK ? tell(d, &v.as_it_is) : broken(d, e);
	approval_release(&v.as_it_is);
	return code;
}

enum ctl_exit decide(struct place *p, const struct operator *who, struct decision *d)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	struct operator me = *who;

	enum err e = p->store ? store_approval_look(p->store, d->approval, &a) : ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND)
		return no_such(d);
	if (e != OK)
		return broken(d, e);
	if (!operator_may_decide_for(p, &me, a.uid)) {
		d->answer = VOTE_NOT_ALLOWED;
		say(d, "%s stays undecided by you: %s", a.short_id, me.why);
		return CTL_DENIED;
	}
	return vote(p, &me, d, &a);
}

enum ctl_exit decide_cancel(struct place *p, const struct operator *who, struct decision *d)
{
	struct op op = { 0 };
	struct approval_cancel c = { .approval = d->approval, .by = who->name, .reason = d->reason };

	if (!p->store)
		return no_such(d);
	if (!who->may_decide) {
		d->answer = VOTE_NOT_ALLOWED;
		say(d, "not cancelled: %s", who->why);
		return CTL_DENIED;
	}
	store_approval_cancel(p->store, &op, &c);
	enum err e = act_run(p->store, &op);
	d->answer = (enum vote_answer)op.answer;
	enum ctl_exit code = e == OK ? tell(d, &c.as_it_is) : broken(d, e);
	approval_release(&c.as_it_is);
	return code;
}
