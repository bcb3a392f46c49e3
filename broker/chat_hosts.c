#include "broker/chat_hosts.h"
#include <string.h>
#include <strings.h>
#include "data/jsonscan.h"
#include "data/url.h"

/* Around the sentence, which is a JSON string. Sources: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks;
 * discord.com/developers/docs/resources/webhook; learn.microsoft.com "Create incoming webhooks" and "adaptive cards in workflows";
 * open.feishu.cn custom bot guide; open.dingtalk.com custom robot; developer.work.weixin.qq.com group robot; developers.google.com/chat. */
struct chat_shape { const char *before, *after; };
static const struct chat_shape text_only = { "{\"text\":", "}" };
static const struct chat_shape slack = { "{\"unfurl_links\":false,\"unfurl_media\":false,\"text\":", "}" };
static const struct chat_shape discord = { "{\"allowed_mentions\":{\"parse\":[]},\"flags\":4,\"content\":", "}" };
static const struct chat_shape feishu = { "{\"msg_type\":\"text\",\"content\":{\"text\":", "}}" };
static const struct chat_shape dingtalk = { "{\"msgtype\":\"text\",\"text\":{\"content\":", "}}" };
static const struct chat_shape teams = { "{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\",\"content\":"
	"{\"type\":\"AdaptiveCard\",\"version\":\"1.2\",\"body\":[{\"type\":\"TextBlock\",\"wrap\":true,\"text\":", "}]}}]}" };

/* The host, or the end of one that begins with a dot. */
struct chat_host { const char *host; const struct chat_shape *shape; };
static const struct chat_host hosts[] = {
	{ "hooks.slack.com", &slack },
	{ "hooks.slack-gov.com", &slack },
	{ "discord.com", &discord },
	{ ".discord.com", &discord },
	{ "discordapp.com", &discord },
	{ ".discordapp.com", &discord },
	{ ".webhook.office.com", &text_only },
	{ "outlook.office.com", &text_only },
	{ ".logic.azure.com", &teams },
	{ ".api.powerplatform.com", &teams },
	{ "open.feishu.cn", &feishu },
	{ "open.larksuite.com", &feishu },
	{ "oapi.dingtalk.com", &dingtalk },
	{ "qyapi.weixin.qq.com", &dingtalk },
	{ "chat.googleapis.com", &text_only },
};

static bool host_is(const char *host, const char *known)
{
	size_t n = strlen(host), k = strlen(known);

	return known[0] == '.' ? n > k && strcasecmp(host + n - k, known) == 0 : strcasecmp(host, known) == 0;
}

const struct chat_host *chat_host_of(const char *url)
{
	char host[256];

	if (!url_host(url, host, sizeof(host)))
		return NULL;
	size_t n = strlen(host);
	if (n > 0 && host[n - 1] == '.') /* the same host, spelled as a whole name */
		host[n - 1] = '\0';
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (host_is(host, hosts[i].host))
			return &hosts[i];
	return NULL;
}

bool chat_host_write(struct buf *out, const struct chat_host *h, struct span text)
{
	return buf_append_text(out, h->shape->before) && json_quote(out, text) && buf_append_text(out, h->shape->after);
}
