/* channel_slack - approvals as messages in a Slack channel: a bot's cards, which are changed as things go on, or an incoming webhook's, which
 * cannot be: one more line says how it was decided. What people press comes by slack_action. */
#pragma once
#include "broker/outbox.h"
#include "broker/slack_settings.h"

struct slack_press;

extern const struct channel_kind channel_slack;

/* c: the open channel "slack". Borrowed until it is closed. */
const struct slack_settings *channel_slack_settings(const struct channel *c);
/* Somebody pressed the button of a test message. False: no such test waits. */
bool channel_slack_pressed(struct channel *c, const struct slack_press *press);

/* ---- for channel_slack_test.c ---------------------------------------------------------------------------------------------------------- */
struct slack_test;
struct slack {
	struct channel base;
	struct slack_settings settings;
	char host[256];
	struct slack_test *test;         /* the one under way; NULL: none */
};
struct slack *slack_of(const struct channel *c);
void channel_slack_test(struct channel *c, struct channel_test *t);
void channel_slack_test_cancel(struct channel *c, struct channel_test *t);
