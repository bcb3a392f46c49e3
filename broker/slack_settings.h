/* slack_settings - approval.slack of the rules, its secrets read. */
#pragma once
#include "domain/config.h"

struct slack_settings {                  /* all owned; "" = not configured */
	char *base_url;                  /* without a slash at its end */
	char *channel, *bot_token, *webhook_url, *signing_secret, *app_token;
	bool has_buttons;                /* the bot writes, and presses reach us by a listener or by Socket Mode */
};
/* ERR_NOT_FOUND: neither a bot nor a webhook is configured. Others: why. May block (config_secret_read). Released by the caller in any case. */
MUST_USE enum err slack_settings_read(const struct config *c, struct slack_settings *out, struct problem *why);
void slack_settings_release(struct slack_settings *s);

/* May a private answer go to this address, which came in a callback: a hook of Slack's own, or where base_url leads. */
bool slack_settings_owns(const struct slack_settings *s, const char *response_url);
