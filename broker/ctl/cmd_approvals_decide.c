/* cmd_approvals_decide - aegisctl approvals approve, reject, cancel. */
#include "broker/ctl/act.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/decide.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

static enum ctl_exit print_json(const struct decision *d, enum ctl_exit code)
{
	static const char *const answers[] = {
		[VOTE_DECIDED] = "decided", [VOTE_COUNTED] = "counted",   [VOTE_SECOND] = "second",
		[VOTE_TOO_LATE] = "too_late", [VOTE_NO_SUCH] = "no_such", [VOTE_NOT_ALLOWED] = "not_allowed",
	};
	struct buf b CLEANUP(buf_release);

	buf_init(&b, 64 * 1024);
	if (!buf_printf(&b, "{\"answer\":\"%s\",\"message\":", answers[d->answer]) || !term_quote(&b, d->said))
		return CTL_BROKEN;
	printf("%s}\n", b.data);
	return code;
}

typedef enum ctl_exit decide_fn(struct place *p, const struct voter *who, struct decision *d);

static enum ctl_exit run(const struct ctl *c, decide_fn *fn, bool is_approving)
{
	struct place place CLEANUP(place_release) = { 0 };
	const char *reason = ctl_value(c, "reason");
	struct decision d = { .approval = c->words[0], .reason = reason ? reason : "", .is_approving = is_approving };
	struct voter who;

	if (reason && !act_text_is_plain("a reason", reason, DECIDE_REASON_MAX_BYTES))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	(void)operator_find(&place, &who);
	code = fn(&place, &who, &d);
	if (c->is_json && code != CTL_BROKEN)
		return print_json(&d, code);
	if (code == CTL_OK)
		printf("%s\n", d.said);
	else if (code != CTL_BROKEN)
		ctl_say("%s", d.said);
	return code;
}

enum ctl_exit cmd_approvals_approve(const struct ctl *c)
{
	return run(c, decide, true);
}

enum ctl_exit cmd_approvals_reject(const struct ctl *c)
{
	return run(c, decide, false);
}

enum ctl_exit cmd_approvals_cancel(const struct ctl *c)
{
	return run(c, decide_cancel, false);
}
