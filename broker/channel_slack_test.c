/* channel_slack_test - `aegisctl channel test slack`: who the bot is, a message, a press of its button, the message changed. */
#include <stdio.h>
#include "base/id.h"
#include "base/xalloc.h"
#include "broker/channel_slack.h"
#include "broker/slack_block.h"
#include "broker/slack_call.h"
#include "broker/slack_press.h"
#include "broker/slack_socket.h"
#include "broker/voter.h"

#define PRESS_MS 60000
#define MAX_BODY ((size_t)16 * 1024)

struct slack_test {
	struct slack *slack;
	struct channel_test *told;
	struct slack_call call;
	struct loop_timer timer;         /* nobody presses */
	char nonce[ID_SIZE], channel[60], ts[40];
	bool is_good;                    /* what its end will be */
	struct slack_press early;        /* pressed before we were told the message is there */
	bool has_early;
};

static void finish(struct slack_test *t, bool is_good)
{
	struct channel_test *told = t->told;

	channel_slack_test_cancel(&t->slack->base, told);
	told->done(told, is_good);
}

static void PRINTF_LIKE(3, 4) step(struct slack_test *t, bool is_good, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	t->told->step(t->told, is_good, text);
}

/* True: Slack did it. Else the test is over. */
static bool has_worked(struct slack_test *t, const char *what)
{
	struct delivered how;
	char said[400];

	if (t->call.outcome == SLACK_DONE)
		return true;
	slack_call_judge(&t->call, &how, said, sizeof said);
	step(t, false, "%s: %s", what, said);
	finish(t, false);
	return false;
}

static void call(struct slack_test *t, const char *method, struct json_object *o, void (*done)(struct slack_call *))
{
	const struct slack_settings *s = &t->slack->settings;
	struct buf body;

	buf_init(&body, MAX_BODY);
	if (!slack_json(o, &body))
		buf_clear(&body);
	t->call.done = done;
	slack_call_start(&t->call, t->slack->base.broker, s->base_url, s->bot_token, method, &body);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------------- */

static struct json_object *message(const struct slack_test *t, const char *text, bool has_button)
{
	struct json_object *o = json_object_new_object(), *blocks = json_object_new_array();

	(void)json_object_array_add(blocks, slack_section(text));
	if (has_button) {
		struct json_object *actions = slack_actions(t->nonce);
		(void)slack_button(actions, "aegis_test", "It works", t->nonce, "primary");
		(void)json_object_array_add(blocks, actions);
	}
	slack_put(o, "text", text);
	(void)json_object_object_add(o, "unfurl_links", json_object_new_boolean(false));
	(void)json_object_object_add(o, "blocks", blocks);
	return o;
}

static void updated(struct slack_call *c)
{
	struct slack_test *t = c->arg;

	if (!has_worked(t, "the message cannot be changed"))
		return;
	step(t, true, "the message was changed");
	finish(t, t->is_good);
}

static void update(struct slack_test *t, const char *text)
{
	struct json_object *o = message(t, text, false);

	slack_put(o, "channel", t->channel);
	slack_put(o, "ts", t->ts);
	call(t, "chat.update", o, updated);
}

/* ---- the press -------------------------------------------------------------------------------------------------------------------------------- */

static void nobody_pressed(struct loop_timer *timer)
{
	struct slack_test *t = container_of(timer, struct slack_test, timer);
	CLEANUP(buf_release) struct buf state = { 0 };

	buf_init(&state, 1000);
	if (t->slack->settings.app_token[0])
		step(t, false, "no press of the button came within %d s; Socket Mode: %s", PRESS_MS / 1000,
			slack_socket_describe(t->slack->base.broker->slack_socket, &state) ? state.data : "?");
	else
		step(t, false, "no press of the button came within %d s: Interactivity of the app must be on, with the Request URL "
			"https://.../callback/slack that leads to server.listen", PRESS_MS / 1000);
	t->is_good = false;
	t->nonce[0] = '\0';
	update(t, "Aegis: nobody pressed the button of this test message.");
}

bool channel_slack_pressed(struct channel *c, const struct slack_press *press)
{
	struct slack_test *t = slack_of(c)->test;
	struct voter v;

	if (!t || !t->nonce[0] || strcmp(t->nonce, press->value) != 0)
		return false;
	t->early = *press;
	t->has_early = true;
	if (!t->ts[0])
		return true;
	loop_timer_clear(&t->timer);
	t->nonce[0] = '\0';
	if (voter_of_slack(c->broker->config, press->team, press->user, &v))
		step(t, true, "the button was pressed by %s/%s, whom the rules know as %s (%s)", press->team, press->user, v.name,
			v.roles ? role_text(v.roles) : "no role");
	else
		step(t, true, "the button was pressed by %s/%s, but could not decide anything: %s", press->team, press->user, v.why);
	update(t, "Aegis: this was a test, and it worked.");
	return true;
}

static void posted(struct slack_call *c)
{
	struct slack_test *t = c->arg;

	if (!has_worked(t, "no message can be written"))
		return;
	if (!slack_member(c->answer, "channel", t->channel, sizeof t->channel) || !slack_member(c->answer, "ts", t->ts, sizeof t->ts)) {
		step(t, false, "Slack did not name the message it wrote");
		finish(t, false);
		return;
	}
	step(t, true, "a message was written to %s", t->channel);
	if (!t->slack->settings.has_buttons) {
		step(t, true, "without signing_secret and server.listen, or app_token, it has no button to press: people decide on the page");
		update(t, "Aegis: this was a test, and it worked.");
		return;
	}
	step(t, true, "press its button within %d s", PRESS_MS / 1000);
	loop_timer_set(t->slack->base.broker->loop, &t->timer, PRESS_MS);
	if (t->has_early)
		(void)channel_slack_pressed(&t->slack->base, &t->early);
}

static void authed(struct slack_call *c)
{
	struct slack_test *t = c->arg;
	char user[80] = "", team[80] = "", team_id[40] = "";

	if (!has_worked(t, "Slack does not know the bot"))
		return;
	bool is_whole = slack_member(c->answer, "user", user, sizeof user) && slack_member(c->answer, "team", team, sizeof team) &&
	                slack_member(c->answer, "team_id", team_id, sizeof team_id);
	step(t, true, "the bot is %s in the workspace %s (%s)", is_whole ? user : "known", team, team_id);
	struct json_object *o = message(t, "Aegis: this is a test message. No agent asks for anything.", t->slack->settings.has_buttons);
	slack_put(o, "channel", t->slack->settings.channel);
	call(t, "chat.postMessage", o, posted);
}

static void hooked(struct slack_call *c)
{
	struct slack_test *t = c->arg;

	if (!has_worked(t, "the webhook does not take a message"))
		return;
	step(t, true, "the webhook took a message; it has no buttons, people decide on the page");
	finish(t, true);
}

static void test_hook(struct slack_test *t)
{
	struct buf body;

	buf_init(&body, MAX_BODY);
	if (!slack_json(message(t, "Aegis: this is a test message. No agent asks for anything.", false), &body))
		buf_clear(&body);
	t->call.done = hooked;
	slack_call_hook(&t->call, t->slack->base.broker, t->slack->settings.webhook_url, &body);
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------------- */

void channel_slack_test(struct channel *c, struct channel_test *told)
{
	struct slack *s = slack_of(c);

	if (s->test) {
		told->step(told, false, "another test of this channel is under way");
		told->done(told, false);
		return;
	}
	struct slack_test *t = s->test = xcalloc(1, sizeof *t);
	uint8_t nonce[16];
	random_bytes(nonce, sizeof nonce);
	hex_encode(t->nonce, nonce, sizeof nonce);
	t->slack = s;
	t->told = told;
	t->call.arg = t;
	t->is_good = true;
	told->own = t;
	loop_timer_init(&t->timer, nobody_pressed);
	if (s->settings.bot_token[0])
		call(t, "auth.test", json_object_new_object(), authed);
	else
		test_hook(t);
}

void channel_slack_test_cancel(struct channel *c, struct channel_test *told)
{
	struct slack_test *t = told->own;

	if (!t)
		return;
	told->own = NULL;
	slack_of(c)->test = NULL;
	loop_timer_clear(&t->timer);
	slack_call_cancel(&t->call);
	free(t);
}
