#include "broker/ctl/decide.h"
#include <stdarg.h>
#include "broker/ctl/act.h"

#define SENTENCE_CAP (64 * 1024)

static void say(struct decision *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct decision *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->said, sizeof d->said, fmt, ap);
	va_end(ap);
}

static enum ctl_exit exit_of(enum vote_answer answer)
{
	switch (answer) {
	case VOTE_DECIDED:     return CTL_OK;
	case VOTE_COUNTED:     return CTL_WAITING;
	case VOTE_SECOND:
	case VOTE_TOO_LATE:
	case VOTE_REPLAYED:    /* only callbacks are */
	case VOTE_NO_SUCH:     return CTL_FAILED;
	case VOTE_NOT_ALLOWED: return CTL_DENIED;
	}
	return CTL_BROKEN;
}

static enum ctl_exit tell(struct decision *d, const struct approval *a)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init(&b, SENTENCE_CAP);
	if (!verdict_write(&b, d->answer, d->is_approving, a))
		return CTL_BROKEN;
	verdict_copy(d->said, sizeof d->said, buf_span(&b));
	return exit_of(d->answer);
}

static enum ctl_exit broken(struct decision *d, enum err e)
{
	say(d, "the decision could not be written: %s", err_text(e));
	return CTL_BROKEN;
}

static enum ctl_exit no_such(struct decision *d)
{
	d->answer = VOTE_NO_SUCH;
	say(d, "there is no approval %.80s", d->approval);
	return exit_of(d->answer);
}

static enum ctl_exit vote(struct place *p, const struct voter *who, struct decision *d, const struct approval *about)
{
	struct op op = { 0 };
	struct vote v = {
		.approval = about->id,
		.is_approving = d->is_approving,
		.voter = who->name,
		.means = who->means,
		.origin = who->origin,
		.reason = d->reason,
		.is_named = who->is_person,
	};

	memcpy(v.args_hash, d->args_hash ? d->args_hash : about->args_hash, sizeof v.args_hash);
	store_approval_vote(p->store, &op, &v);
	enum err e = act_run(p->store, &op);
	d->answer = (enum vote_answer)op.answer;
	enum ctl_exit code = e == OK ? tell(d, &v.as_it_is) : broken(d, e);
	approval_release(&v.as_it_is);
	return code;
}

enum ctl_exit decide(struct place *p, const struct voter *who, struct decision *d)
{
	CLEANUP(approval_release) struct approval a = { 0 };
	struct voter me = *who;

	enum err e = p->store ? store_approval_look(p->store, d->approval, &a) : ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND)
		return no_such(d);
	if (e != OK)
		return broken(d, e);
	if (!voter_may_decide(p->config, &me, &a)) {
		d->answer = VOTE_NOT_ALLOWED;
		say(d, "%s stays undecided by you: %s", a.short_id, me.why);
		return CTL_DENIED;
	}
	return vote(p, &me, d, &a);
}

enum ctl_exit decide_cancel(struct place *p, const struct voter *who, struct decision *d)
{
	struct op op = { 0 };
	struct approval_cancel c = { .approval = d->approval, .by = who->name, .reason = d->reason };

	if (!p->store)
		return no_such(d);
	if (!(who->roles & ROLE_OPERATOR)) {
		d->answer = VOTE_NOT_ALLOWED;
		say(d, "not cancelled: %s", *who->why ? who->why : "that asks for the role operator");
		return CTL_DENIED;
	}
	store_approval_cancel(p->store, &op, &c);
	enum err e = act_run(p->store, &op);
	d->answer = (enum vote_answer)op.answer;
	enum ctl_exit code = e == OK ? tell(d, &c.as_it_is) : broken(d, e);
	approval_release(&c.as_it_is);
	return code;
}
