#include "broker/slack_action.h"
#include <stdio.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/ballot.h"
#include "broker/channel_slack.h"
#include "broker/slack_call.h"
#include "broker/slack_block.h"
#include "broker/slack_press.h"
#include "broker/slack_text.h"
#include "broker/voter.h"
#include "data/secret.h"

#define MAX_BODY ((size_t)16 * 1024)

struct slack_action {
	struct slack_actions *owner;
	struct list node;
	struct slack_press press;
	slack_answer_fn *answer;         /* NULL: answered */
	void *arg;
	struct ballot ballot;
	struct slack_call call;
	char *base_url, *bot_token;      /* the channel may be closed meanwhile */
	bool may_use_response_url;
	char ref[128];
	struct seen_put seen;
	struct op op;
	char said[1400];                 /* what only this person sees */
};

/* ---- its end ------------------------------------------------------------------------------------------------------------------------------ */

static void answer_with(struct slack_action *a, enum slack_taken taken, struct span body)
{
	slack_answer_fn *fn = a->answer;

	a->answer = NULL;
	if (fn)
		fn(a->arg, taken, body);
}

static void finish(struct slack_action *a)
{
	answer_with(a, SLACK_TAKEN, SPAN(""));
	list_remove(&a->node);
	slack_call_cancel(&a->call);
	loop_timer_clear(&a->ballot.later);
	ballot_release(&a->ballot);
	free(a->base_url);
	secret_free(a->bot_token);
	free(a);
}

/* ---- what only this person sees ------------------------------------------------------------------------------------------------------------ */

static bool write_private(const struct slack_action *a, bool is_hook, struct buf *out)
{
	struct json_object *o = json_object_new_object(), *blocks = json_object_new_array();
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 8000);
	(void)slack_text(&text, span_of(a->said), 3000, SLACK_MRKDWN);
	(void)json_object_array_add(blocks, slack_section(a->said));   /* no markup, no links, whatever others wrote */
	if (is_hook) {
		slack_put(o, "response_type", "ephemeral");
		(void)json_object_object_add(o, "replace_original", json_object_new_boolean(false));
	} else {
		slack_put(o, "channel", a->press.channel);
		slack_put(o, "user", a->press.user);
		slack_put(o, "parse", "none");
	}
	slack_put(o, "text", text.len ? text.data : " ");
	(void)json_object_object_add(o, "blocks", blocks);
	return slack_json(o, out);
}

static void private_told(struct slack_call *c)
{
	struct slack_action *a = c->arg;

	if (c->outcome != SLACK_DONE)
		log_warn("slack.private", "user=%s why=%s", a->press.user, c->error[0] ? c->error : c->post.cause);
	finish(a);
}

static void say_by_hook(struct slack_action *a)
{
	struct buf body;

	buf_init(&body, MAX_BODY);
	if (a->may_use_response_url && write_private(a, true, &body)) {
		a->call.done = private_told;
		slack_call_hook(&a->call, a->owner->broker, a->press.response_url, &body);
		return;
	}
	buf_release(&body);
	finish(a);
}

static void private_answered(struct slack_call *c)
{
	struct slack_action *a = c->arg;

	if (c->outcome == SLACK_DONE)
		finish(a);
	else /* the bot may not be in the channel */
		say_by_hook(a);
}

static void say_privately(struct slack_action *a)
{
	struct buf body;

	if (!a->bot_token[0] || !a->press.channel[0]) {
		say_by_hook(a);
		return;
	}
	buf_init(&body, MAX_BODY);
	if (!write_private(a, false, &body)) {
		buf_release(&body);
		finish(a);
		return;
	}
	a->call.done = private_answered;
	slack_call_start(&a->call, a->owner->broker, a->base_url, a->bot_token, "chat.postEphemeral", &body);
}

/* A form is answered in its place; else what was pressed is answered with nothing, and the person is told. */
static void tell(struct slack_action *a, bool is_again)
{
	CLEANUP(buf_release) struct buf body = { 0 };

	if (a->press.kind != SLACK_PRESS_REASON) {
		answer_with(a, is_again ? SLACK_NOT_NOW : SLACK_TAKEN, SPAN(""));
		say_privately(a);
		return;
	}
	buf_init(&body, MAX_BODY);
	answer_with(a, SLACK_TAKEN, slack_form_answer(a->said, is_again, &body) ? buf_span(&body) : SPAN(""));
	finish(a);
}

/* ---- remembering what no vote remembers ------------------------------------------------------------------------------------------------- */

/* Notes this press under a name of its own for that use; told when it is written. False: the store is not there. */
static bool remember(struct slack_action *a, const char *use, void (*told)(struct op *op))
{
	struct store *s = broker_store(a->owner->broker);

	if (!s)
		return false;
	(void)snprintf(a->ref, sizeof a->ref, "%s:%s:%s:%s", use, a->press.name, a->press.user, a->press.id);
	a->seen = (struct seen_put){ .channel = "slack", .ref = a->ref };
	a->op = (struct op){ .told = told, .arg = a };
	store_seen_put(s, &a->op, &a->seen);
	return true;
}

static void refusal_remembered(struct op *op)
{
	struct slack_action *a = op->arg;

	if (op->err == OK && op->answer == 0) /* replayed */
		finish(a);
	else
		tell(a, false);
}

/* Nothing is written of it but that it was said, so that a replay does not say it again. */
static void refuse(struct slack_action *a, const char *why)
{
	(void)snprintf(a->said, sizeof a->said, "%s", why);
	if (a->press.kind == SLACK_PRESS_REASON || !remember(a, "no", refusal_remembered))
		tell(a, false);
}

/* ---- the vote ----------------------------------------------------------------------------------------------------------------------------- */

static void voted(struct ballot *b)
{
	struct slack_action *a = b->arg;

	if (b->err != OK) {
		(void)snprintf(a->said, sizeof a->said, "%s", b->said);
		tell(a, true);
		return;
	}
	switch (b->answer) {
	case VOTE_DECIDED:
	case VOTE_COUNTED:               /* the card says it */
	case VOTE_REPLAYED:
		finish(a);
		break;
	case VOTE_NO_SUCH:
	case VOTE_NOT_ALLOWED:
		refuse(a, b->said);
		break;
	case VOTE_SECOND:
	case VOTE_TOO_LATE:
		(void)snprintf(a->said, sizeof a->said, "%s", b->said);
		tell(a, false);
	}
}

static void cast(struct slack_action *a, const struct voter *v)
{
	struct ballot *b = &a->ballot;

	*b = (struct ballot){
		.broker = a->owner->broker, .is_approving = a->press.kind == SLACK_PRESS_APPROVE, .voter = *v, .has_args_hash = true,
		.seen_channel = "slack", .done = voted, .arg = a,
	};
	memcpy(b->approval, a->press.id, sizeof b->approval);
	memcpy(b->args_hash, a->press.args_hash, sizeof b->args_hash);
	(void)snprintf(b->reason, sizeof b->reason, "%s", a->press.reason);
	(void)snprintf(b->seen_ref, sizeof b->seen_ref, "%s:%s:%s", a->press.name, a->press.user, a->press.id);
	ballot_cast(b);
}

/* ---- asking why ---------------------------------------------------------------------------------------------------------------------------- */

static bool recognise(struct slack_action *a, struct voter *v)
{
	return voter_of_slack(a->owner->broker->config, a->press.team, a->press.user, v);
}

/* What cannot ask why still does what the button says. */
static void form_opened(struct slack_call *c)
{
	struct slack_action *a = c->arg;
	struct voter v;

	if (c->outcome == SLACK_DONE) {
		finish(a);
		return;
	}
	log_warn("slack.form", "why=%s: rejected without asking for a reason", c->error[0] ? c->error : c->post.cause);
	if (recognise(a, &v))
		cast(a, &v);
	else
		finish(a);
}

static bool write_form(struct slack_action *a, struct buf *out)
{
	struct approval about = { 0 };
	struct store *s = broker_store(a->owner->broker);
	bool is_written = false;
	CLEANUP(buf_release) struct buf text = { 0 };

	if (!s || store_approval_look(s, a->press.id, &about) != OK)
		return false;
	buf_init(&text, 4096);
	is_written = buf_printf(&text, "%s: ", about.short_id) && slack_text_line(&text, about.tool, 200, SLACK_LITERAL) &&
	             buf_append_text(&text, " for agent ") && slack_text_line(&text, about.agent, 200, SLACK_LITERAL) &&
	             slack_form_write(&a->press, text.data, out);
	approval_release(&about);
	return is_written;
}

/* The trigger lives for 3 s from the press. */
static void reject_remembered(struct op *op)
{
	struct slack_action *a = op->arg;
	struct buf body;

	if (op->err == OK && op->answer == 0) { /* replayed */
		finish(a);
		return;
	}
	answer_with(a, SLACK_TAKEN, SPAN(""));
	buf_init(&body, MAX_BODY);
	if (!write_form(a, &body)) {
		buf_release(&body);
		finish(a);
		return;
	}
	a->call.done = form_opened;
	slack_call_start(&a->call, a->owner->broker, a->base_url, a->bot_token, "views.open", &body);
}

/* True: this person may end it now, and can be asked why. */
static bool is_worth_asking(struct slack_action *a, struct voter *v)
{
	struct approval about = { 0 };
	struct store *s = broker_store(a->owner->broker);
	enum err e = s ? store_approval_look(s, a->press.id, &about) : ERR_STORE_BUSY;
	bool is_open = e == OK && about.state == APPROVAL_PENDING && memcmp(about.args_hash, a->press.args_hash, 32) == 0 &&
	               voter_may_decide(a->owner->broker->config, v, &about);

	if (e == OK)
		approval_release(&about);
	return is_open && a->press.trigger[0] && a->bot_token[0];
}

/* ---- taking it ----------------------------------------------------------------------------------------------------------------------------- */

static void go(struct slack_action *a)
{
	struct voter v;

	if (!recognise(a, &v)) {
		log_info("slack.stranger", "team=%s user=%s approval=%s", a->press.team, a->press.user, a->press.id);
		refuse(a, v.why);
	} else if (a->press.kind != SLACK_PRESS_REJECT || !is_worth_asking(a, &v) || !remember(a, "form", reject_remembered)) {
		cast(a, &v);             /* which says what is in the way, too */
	}
}

static struct slack_action *action_new(struct slack_actions *as, const struct slack_press *press, slack_answer_fn *answer, void *arg)
{
	struct slack_action *a = xcalloc(1, sizeof *a);
	struct channel *c = outbox_channel(as->broker->outbox, "slack");
	const struct slack_settings *settings = c ? channel_slack_settings(c) : NULL;

	a->owner = as;
	a->press = *press;
	a->answer = answer;
	a->arg = arg;
	a->call.arg = a;
	a->base_url = xstrdup(settings ? settings->base_url : "");
	a->bot_token = xstrdup(settings ? settings->bot_token : "");
	a->may_use_response_url = settings && slack_settings_owns(settings, press->response_url);
	loop_timer_init(&a->ballot.later, NULL);
	list_append(&as->all, &a->node);
	return a;
}

void slack_action_take(struct slack_actions *as, struct json_value payload, slack_answer_fn *answer, void *arg)
{
	struct slack_press press;
	struct channel *c = outbox_channel(as->broker->outbox, "slack");

	if (!slack_press_read(payload, &press) || (as->app[0] && press.app[0] && strcmp(as->app, press.app) != 0)) {
		answer(arg, SLACK_MALFORMED, SPAN(""));
		return;
	}
	if (press.kind == SLACK_PRESS_TEST && c)
		(void)channel_slack_pressed(c, &press);
	if (press.kind == SLACK_PRESS_TEST || press.kind == SLACK_PRESS_NOTHING)
		answer(arg, SLACK_TAKEN, SPAN(""));
	else
		go(action_new(as, &press, answer, arg));
}

void slack_actions_know_app(struct slack_actions *as, const char *app)
{
	(void)snprintf(as->app, sizeof as->app, "%s", app);
}

void slack_actions_init(struct slack_actions *as, struct broker *b)
{
	as->broker = b;
	list_init(&as->all);
}

void slack_actions_release(struct slack_actions *as)
{
	while (as->all.next && !list_is_empty(&as->all)) {
		struct slack_action *a = list_first(&as->all, struct slack_action, node);
		answer_with(a, SLACK_NOT_NOW, SPAN(""));
		finish(a);
	}
}
