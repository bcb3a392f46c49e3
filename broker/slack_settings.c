#include "broker/slack_settings.h"
#include "base/xalloc.h"
#include "data/secret.h"
#include "data/url.h"

static char *without_slash(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return xstrndup(url, n);
}

enum err slack_settings_read(const struct config *c, struct slack_settings *out, struct problem *why)
{
	const struct config_secret *secrets[] = {
		&c->approval.slack.bot_token, &c->approval.slack.webhook_url, &c->approval.slack.signing_secret, &c->approval.slack.app_token,
	};
	char **texts[] = { &out->bot_token, &out->webhook_url, &out->signing_secret, &out->app_token };
	enum err e = OK;

	*out = (struct slack_settings){ .base_url = without_slash(c->approval.slack.base_url), .channel = xstrdup(c->approval.slack.channel) };
	if (!secrets[0]->source && !secrets[1]->source)
		return ERR_NOT_FOUND;
	for (size_t i = 0; e == OK && i < ARRAY_LEN(secrets); i++)
		e = config_secret_read(c, secrets[i], texts[i], why);
	if (e != OK)
		return e;
	if (out->bot_token[0] && !out->channel[0]) {
		problem_set(why, "approval.slack.channel is missing: the id of the channel the bot is to write to");
		return ERR_INVALID;
	}
	out->has_buttons = out->bot_token[0] && (out->app_token[0] || (out->signing_secret[0] && c->server.listen[0]));
	return OK;
}

void slack_settings_release(struct slack_settings *s)
{
	free(s->base_url);
	free(s->channel);
	secret_free(s->bot_token);
	secret_free(s->webhook_url);
	secret_free(s->signing_secret);
	secret_free(s->app_token);
	*s = (struct slack_settings){ 0 };
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

bool slack_settings_owns(const struct slack_settings *s, const char *response_url)
{
	struct url_facts facts = url_look(response_url);

	if (!facts.is_http || facts.has_credentials)
		return false;
	if (begins(response_url, "https://hooks.slack.com/") || begins(response_url, "https://hooks.slack-gov.com/"))
		return true;
	size_t n = strlen(s->base_url);
	bool is_slack = strcmp(s->base_url, "https://slack.com") == 0 || strcmp(s->base_url, "https://slack-gov.com") == 0;
	return !is_slack && begins(response_url, s->base_url) && response_url[n] == '/';
}
