/* `aegisctl channel test feishu`: a message, changed as a decision changes it, and what is known of presses. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/channel_feishu.h"

struct feishu_trial {
	struct feishu *f;
	struct channel_test *t;
	struct feishu_call call;
	struct loop_timer later;                 /* what fails at once is not told from inside test */
};

static void let_go(struct feishu_trial *trial)
{
	trial->t->own = NULL;
	loop_timer_clear(&trial->later);
	feishu_call_cancel(&trial->call);
	free(trial);
}

static void end(struct feishu_trial *trial, bool is_ok)
{
	struct channel_test *t = trial->t;

	let_go(trial);
	t->done(t, is_ok);
}

static void fail(struct feishu_trial *trial, const char *what)
{
	char text[400];

	snprintf(text, sizeof(text), "%s: %s", what, trial->call.answer.said);
	trial->t->step(trial->t, false, text);
	end(trial, false);
}

static void tell_presses(struct feishu_trial *trial)
{
	const struct feishu *f = trial->f;
	char text[600], at[32];

	if (f->pressed_at_ms) {
		clock_format_utc(f->pressed_at_ms, at, sizeof(at));
		snprintf(text, sizeof(text), "a button was pressed last at %s: presses arrive", at);
	} else {
		snprintf(text, sizeof(text), "no button was pressed since the broker began; in the developer console, Events and callbacks, the request URL "
			"must be %s/callback/feishu, with the callback card.action.trigger",
			*f->callback_base_url ? f->callback_base_url : "the public address of server.listen and");
	}
	trial->t->step(trial->t, true, text);
}

static void on_changed(struct feishu_call *c)
{
	struct feishu_trial *trial = container_of(c, struct feishu_trial, call);

	if (c->answer.meaning != FEISHU_DONE) {
		fail(trial, "the test message could not be changed");
		return;
	}
	trial->t->step(trial->t, true, "the test message was changed: decisions will show");
	tell_presses(trial);
	end(trial, true);
}

static void change(struct feishu_trial *trial)
{
	CLEANUP(buf_release) struct buf card = { 0 };
	char message_id[sizeof(trial->call.answer.message_id)];

	buf_init(&card, FEISHU_MAX_CARD);
	snprintf(message_id, sizeof(message_id), "%s", trial->call.answer.message_id);
	trial->call.done = on_changed;
	if (*message_id && feishu_card_write_notice("Aegis: a test", "It has been changed: all is well.", &card) &&
	    feishu_patch_card(trial->f, &trial->call, buf_span(&card), message_id)) {
		feishu_call_start(&trial->call);
		return;
	}
	snprintf(trial->call.answer.said, sizeof(trial->call.answer.said), "Feishu gave it no message_id");
	fail(trial, "the test message cannot be changed");
}

static void on_sent(struct feishu_call *c)
{
	struct feishu_trial *trial = container_of(c, struct feishu_trial, call);
	char text[200];

	if (c->answer.meaning != FEISHU_DONE) {
		fail(trial, "the test message could not be sent");
		return;
	}
	if (!trial->f->is_app) {
		trial->t->step(trial->t, true, "the custom bot has taken the test message; what it wrote cannot be changed later");
		end(trial, true);
		return;
	}
	snprintf(text, sizeof(text), "the test message was sent to %.100s", trial->f->chat_id);
	trial->t->step(trial->t, true, text);
	change(trial);
}

static void cannot(struct loop_timer *timer)
{
	struct feishu_trial *trial = container_of(timer, struct feishu_trial, later);

	snprintf(trial->call.answer.said, sizeof(trial->call.answer.said), "chat_id or webhook_url is too long");
	fail(trial, "the test message could not be sent");
}

void feishu_test(struct channel *c, struct channel_test *t)
{
	struct feishu_trial *trial = xcalloc(1, sizeof(*trial));
	CLEANUP(buf_release) struct buf card = { 0 };
	char uuid[ID_SIZE];

	trial->f = container_of(c, struct feishu, channel);
	trial->t = t;
	t->own = trial;
	loop_timer_init(&trial->later, cannot);
	id_new(uuid, clock_wall_ms());
	buf_init(&card, FEISHU_MAX_CARD);
	trial->call.done = on_sent;
	bool is_whole = feishu_card_write_notice("Aegis: a test", "Requests for approval will come here. Nothing is asked of you now.", &card) &&
	                (trial->f->is_app ? feishu_post_card(trial->f, &trial->call, buf_span(&card), uuid)
	                                  : feishu_hook_card(trial->f, &trial->call, buf_span(&card)));
	if (is_whole)
		feishu_call_start(&trial->call);
	else
		loop_timer_set(c->broker->loop, &trial->later, 0);
}

void feishu_test_cancel(struct channel *c, struct channel_test *t)
{
	(void)c;
	if (t->own)
		let_go(t->own);
}
