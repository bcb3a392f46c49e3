#include "broker/channel_slack.h"
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/slack_action.h"
#include "broker/slack_call.h"
#include "broker/slack_card.h"
#include "broker/slack_socket.h"
#include "broker/verdict.h"

/* What a webhook's copies are called: Slack gives them no name. */
#define HOOK_ASKED   "webhook"
#define HOOK_DECIDED "webhook:decided"

/* One message on its way. */
struct sending {
	struct slack_call call;
	struct slack *slack;
	struct delivery *delivery;
	char said[400], ref[120];
	bool is_update;
};

struct slack *slack_of(const struct channel *c)
{
	return container_of(c, struct slack, base);
}

const struct slack_settings *channel_slack_settings(const struct channel *c)
{
	return &slack_of(c)->settings;
}

/* ---- how it ended ---------------------------------------------------------------------------------------------------------------------- */

static void sending_free(struct sending *s)
{
	slack_call_cancel(&s->call);
	free(s);
}

static void end(struct sending *s, const struct delivered *how)
{
	s->delivery->own = NULL;
	delivery_end(s->delivery, how);
	sending_free(s);
}

static void end_at_once(struct delivery *d, enum message_result result, const char *said)
{
	delivery_end(d, &(struct delivered){ .result = result, .said = said });
}

/* "CHANNEL:TS" of the message that was written. */
static bool read_ref(struct sending *s)
{
	char channel[60], ts[40];

	if (!slack_member(s->call.answer, "channel", channel, sizeof channel) || !slack_member(s->call.answer, "ts", ts, sizeof ts))
		return false;
	(void)snprintf(s->ref, sizeof s->ref, "%s:%s", channel, ts);
	return channel[0] && ts[0];
}

static void note_app(const struct sending *s)
{
	char app[40];

	if (slack_member(json_get(s->call.answer, "message"), "app_id", app, sizeof app))
		slack_actions_know_app(slack_socket_actions(s->slack->base.broker->slack_socket), app);
}

static void bot_done(struct slack_call *c)
{
	struct sending *s = c->arg;
	struct delivered how;

	slack_call_judge(c, &how, s->said, sizeof s->said);
	if (c->outcome == SLACK_DONE)
		note_app(s);
	if (c->outcome == SLACK_DONE && !s->is_update && read_ref(s))
		how.ref = s->ref;
	else if (c->outcome == SLACK_DONE && !s->is_update) /* it could never be changed */
		how = (struct delivered){ .result = MESSAGE_RETRY, .is_maybe_out = true, .said = "Slack did not name the message it wrote" };
	end(s, &how);
}

static void hook_done(struct slack_call *c)
{
	struct sending *s = c->arg;
	struct delivered how;

	slack_call_judge(c, &how, s->said, sizeof s->said);
	if (how.result == MESSAGE_OK)
		how.ref = s->ref;
	end(s, &how);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------------------- */

static struct slack_card card_of(const struct slack *s, const struct notice *n)
{
	return (struct slack_card){
		.approval = n->approval, .standing = "", .host = s->host, .page_url = n->page_url, .message_id = n->message_id,
		.channel = "", .ts = "", .expires_at_ms = clock_wall_ms() + n->approval->expires_in_ms,
	};
}

static bool write_card(struct slack_card *c, bool is_end, struct buf *out)
{
	CLEANUP(buf_release) struct buf standing = { 0 };

	buf_init(&standing, SLACK_MAX_CARD);
	bool is_whole = verdict_write_standing(&standing, c->approval);
	c->standing = is_whole && standing.len ? standing.data : "";
	return is_end ? slack_card_write_end(c, out) : slack_card_write(c, out);
}

static struct sending *sending_new(struct slack *slack, struct delivery *d, void (*done)(struct slack_call *))
{
	struct sending *s = xcalloc(1, sizeof *s);

	*s = (struct sending){ .slack = slack, .delivery = d, .call = { .done = done, .arg = s } };
	d->own = s;
	return s;
}

static void deliver_by_bot(struct slack *slack, struct delivery *d)
{
	const struct slack_settings *settings = &slack->settings;
	struct slack_card card = card_of(slack, &d->notice);
	char channel[60] = "";
	const char *colon = strrchr(d->notice.ref, ':');
	struct buf body;

	if (strcmp(d->notice.ref, HOOK_DECIDED) == 0) { /* told by the webhook that was there before */
		end_at_once(d, MESSAGE_OK, "a webhook's message cannot be changed");
		return;
	}
	if (colon)
		(void)snprintf(channel, sizeof channel, "%.*s", (int)(colon - d->notice.ref), d->notice.ref);
	card.channel = colon ? channel : settings->channel;
	card.ts = colon ? colon + 1 : "";
	card.has_buttons = settings->has_buttons;
	buf_init(&body, SLACK_MAX_CARD);
	if (!write_card(&card, false, &body)) {
		buf_release(&body);
		end_at_once(d, MESSAGE_GIVEN_UP, "the card became too large");
		return;
	}
	struct sending *s = sending_new(slack, d, bot_done);
	s->is_update = colon != NULL;
	slack_call_start(&s->call, slack->base.broker, settings->base_url, settings->bot_token, colon ? "chat.update" : "chat.postMessage", &body);
}

static bool is_over(const struct approval *a)
{
	return a->state != APPROVAL_PENDING;
}

static void deliver_by_hook(struct slack *slack, struct delivery *d)
{
	bool has_told = d->notice.ref[0] != '\0', is_decided = is_over(d->notice.approval);
	struct slack_card card = card_of(slack, &d->notice);
	struct buf body;

	if (has_told && (!is_decided || strcmp(d->notice.ref, HOOK_DECIDED) == 0)) {
		end_at_once(d, MESSAGE_OK, "a webhook's message cannot be changed");
		return;
	}
	buf_init(&body, SLACK_MAX_CARD);
	if (!write_card(&card, is_decided, &body)) {
		buf_release(&body);
		end_at_once(d, MESSAGE_GIVEN_UP, "the card became too large");
		return;
	}
	struct sending *s = sending_new(slack, d, hook_done);
	(void)snprintf(s->ref, sizeof s->ref, "%s", is_decided ? HOOK_DECIDED : HOOK_ASKED);
	slack_call_hook(&s->call, slack->base.broker, slack->settings.webhook_url, &body);
}

/* What may have arrived unheard is written again, with the same id in its metadata. */
static void deliver(struct channel *c, struct delivery *d)
{
	struct slack *slack = slack_of(c);
	const struct notice *n = &d->notice;

	if (is_over(n->approval) && !n->ref[0] && !n->is_maybe_out)
		end_at_once(d, MESSAGE_NOT_WORTH_IT, "it was over before anybody was told");
	else if (slack->settings.bot_token[0])
		deliver_by_bot(slack, d);
	else
		deliver_by_hook(slack, d);
}

static void cancel(struct channel *c, struct delivery *d)
{
	(void)c;
	if (d->own)
		sending_free(d->own);
	d->own = NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------- */

static void slack_close(struct channel *c)
{
	struct slack *s = slack_of(c);

	slack_settings_release(&s->settings);
	free(s);
}

static enum err slack_open(struct broker *b, struct channel **out, struct problem *why)
{
	struct slack *s = xcalloc(1, sizeof *s);
	enum err e = slack_settings_read(b->config, &s->settings, why);

	s->base = (struct channel){ &channel_slack, b };
	if (e != OK) {
		slack_close(&s->base);
		return e;
	}
	if (gethostname(s->host, sizeof s->host - 1) != 0)
		(void)snprintf(s->host, sizeof s->host, "unknown");
	if (b->slack_socket) /* the rules may name another app now */
		slack_actions_know_app(slack_socket_actions(b->slack_socket), "");
	*out = &s->base;
	return OK;
}

static bool describe(const struct channel *c, struct buf *out)
{
	const struct slack_settings *s = channel_slack_settings(c);

	if (!s->bot_token[0])
		return buf_append_text(out, "incoming webhook, links only");
	if (!buf_printf(out, "bot in %s, ", s->channel))
		return false;
	if (s->app_token[0])
		return buf_append_text(out, "buttons by Socket Mode, ") && slack_socket_describe(c->broker->slack_socket, out);
	return buf_append_text(out, s->has_buttons ? "buttons by /callback/slack" : "no buttons: neither app_token nor signing_secret with server.listen is there");
}

const struct channel_kind channel_slack = {
	.name = "slack",
	.open = slack_open,
	.deliver = deliver,
	.cancel = cancel,
	.test = channel_slack_test,
	.test_cancel = channel_slack_test_cancel,
	.close = slack_close,
	.describe = describe,
};
