#include "domain/channels.h"
#include <string.h>
#include "base/attr.h"

static const char *const known[CHANNELS_MAX] = { "slack", "feishu", "generic", "notify" };

bool channel_is_configured(const struct config_approval *a, const char *channel)
{
	if (strcmp(channel, "slack") == 0)
		return a->slack.webhook_url.source || a->slack.bot_token.source;
	if (strcmp(channel, "feishu") == 0)
		return a->feishu.webhook_url.source || a->feishu.app_id.source;
	if (strcmp(channel, "generic") == 0)
		return a->generic.webhook_url.source;
	return strcmp(channel, "notify") == 0 && a->notify.command.n > 0;
}

struct chosen { const char **v; size_t n; };

static void choose(struct chosen *all, const struct config_approval *a, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i], name) == 0)
			return;
	for (size_t i = 0; i < CHANNELS_MAX; i++)
		if (strcmp(known[i], name) == 0 && channel_is_configured(a, name))
			all->v[all->n++] = known[i];
}

size_t channels_of(const struct config *c, const char *out[CHANNELS_MAX])
{
	const struct config_approval *a = &c->approval;
	struct chosen all = { out, 0 };

	for (size_t i = 0; i < a->channels.n; i++)
		choose(&all, a, a->channels.v[i]);
	for (size_t i = 0; i < CHANNELS_MAX && a->channels.n == 0; i++)
		choose(&all, a, known[i]);
	if (all.n == 0 && c->mode == MODE_COOPERATIVE)
		out[all.n++] = "desktop";
	return all.n;
}
