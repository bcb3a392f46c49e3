#include "broker/slack_call.h"
#include <ctype.h>
#include <stdio.h>
#include "base/xalloc.h"
#include "data/secret.h"

#define MAX_TOKEN 4096

bool slack_member(struct json_value o, const char *key, char *out, size_t size)
{
	CLEANUP(free_charp) char *text = json_text(json_get(o, key), size - 1);

	(void)snprintf(out, size, "%s", text ? text : "");
	return text != NULL;
}

/* A word of Slack's, as far as it is one: it is shown to operators. */
static void copy_word(char out[64], struct span text)
{
	size_t n = 0;

	while (n < text.len && n < 63 && (isalnum((unsigned char)text.at[n]) || text.at[n] == '_'))
		n++;
	(void)snprintf(out, 64, "%.*s", (int)n, n ? text.at : "");
}

enum slack_outcome slack_answer_read(struct span body, struct json_value *answer, char error[64])
{
	CLEANUP(free_charp) char *word = NULL;

	error[0] = '\0';
	if (jsonscan_check(body, answer, NULL) != JSONSCAN_OK || answer->kind != JSON_OBJECT)
		return SLACK_UNHEARD;
	enum json_kind ok = json_get(*answer, "ok").kind;
	if (ok == JSON_TRUE)
		return SLACK_DONE;
	word = json_text(json_get(*answer, "error"), 200);
	copy_word(error, span_of(word ? word : ""));
	return ok == JSON_FALSE && error[0] ? SLACK_REFUSED : SLACK_UNHEARD;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------------------- */

static void method_done(struct post *p)
{
	struct slack_call *c = p->arg;

	c->outcome = SLACK_UNHEARD;
	c->error[0] = '\0';
	if (p->status > 0 && !p->cause[0] && (p->status < 300 || p->status == 429))
		c->outcome = slack_answer_read(buf_span(&p->answer), &c->answer, c->error);
	c->done(c);
}

static void hook_done(struct post *p)
{
	struct slack_call *c = p->arg;

	c->outcome = p->status >= 200 && p->status < 300 ? SLACK_DONE : SLACK_UNHEARD;
	copy_word(c->error, c->outcome == SLACK_DONE ? SPAN("") : buf_span(&p->answer));
	if (p->status >= 400 && p->status < 500 && p->status != 429 && c->error[0])
		c->outcome = SLACK_REFUSED;
	c->done(c);
}

static void start(struct slack_call *c, struct broker *b, const char *url, struct http_headers *headers, struct buf *body, void (*done)(struct post *))
{
	post_cancel(&c->post);
	c->answer = (struct json_value){ 0 };
	c->post = (struct post){ .broker = b, .method = "POST", .url = url, .headers = headers, .body = *body, .done = done, .arg = c };
	*body = (struct buf){ 0 };
	post_start(&c->post);
}

static struct http_headers *headers_for(const char *token)
{
	struct http_headers *h = http_headers_new();
	char line[MAX_TOKEN + 16];
	bool is_set = http_headers_add(h, "Content-Type", "application/json; charset=utf-8") == OK;

	(void)snprintf(line, sizeof line, "Bearer %s", token);
	if (is_set && token[0])
		is_set = http_headers_add(h, "Authorization", line) == OK; /* not with a control character: Slack says invalid_auth then */
	secret_wipe(line, sizeof line);
	return h;
}

void slack_call_start(struct slack_call *c, struct broker *b, const char *base_url, const char *token, const char *method, struct buf *body)
{
	CLEANUP(free_charp) char *url = xasprintf("%s/api/%s", base_url, method);

	start(c, b, url, headers_for(token), body, method_done);
}

void slack_call_hook(struct slack_call *c, struct broker *b, const char *url, struct buf *body)
{
	start(c, b, url, headers_for(""), body, hook_done);
}

void slack_call_cancel(struct slack_call *c)
{
	post_cancel(&c->post);
	c->answer = (struct json_value){ 0 };
}

/* ---- what it means ------------------------------------------------------------------------------------------------------------------- */

#define NEW_TOKEN  "put a valid one where approval.slack.bot_token points, then aegisctl config reload"
#define NEW_HOOK   "put a valid one where approval.slack.webhook_url points, then aegisctl config reload"

static const struct word {
	const char *error;
	enum message_result result;
	const char *said;                /* NULL: error alone */
} words[] = {
	{ "channel_not_found", MESSAGE_GIVEN_UP, "Slack knows no such channel, or the bot may not see it: check approval.slack.channel (its id) and /invite the bot there" },
	{ "not_in_channel", MESSAGE_GIVEN_UP, "the bot is not in the channel: /invite it there, or give it the scope chat:write.public" },
	{ "is_archived", MESSAGE_GIVEN_UP, "the channel is archived: name another in approval.slack.channel" },
	{ "channel_is_archived", MESSAGE_GIVEN_UP, "the webhook's channel is archived: " NEW_HOOK },
	{ "restricted_action", MESSAGE_GIVEN_UP, "the workspace's settings do not let the bot post in this channel" },
	{ "invalid_auth", MESSAGE_GIVEN_UP, "Slack does not take the bot token: " NEW_TOKEN },
	{ "not_authed", MESSAGE_GIVEN_UP, "Slack does not take the bot token: " NEW_TOKEN },
	{ "token_revoked", MESSAGE_GIVEN_UP, "the bot token was revoked: " NEW_TOKEN },
	{ "token_expired", MESSAGE_GIVEN_UP, "the bot token has expired: " NEW_TOKEN },
	{ "account_inactive", MESSAGE_GIVEN_UP, "the bot's account was switched off: install the app again, then " NEW_TOKEN },
	{ "missing_scope", MESSAGE_GIVEN_UP, "the bot lacks the scope chat:write: add it under OAuth & Permissions and install the app again" },
	{ "not_allowed_token_type", MESSAGE_GIVEN_UP, "approval.slack.bot_token is no bot token: it begins with xoxb-" },
	{ "message_not_found", MESSAGE_OK, "somebody deleted the message" },
	{ "cant_update_message", MESSAGE_GIVEN_UP, "the message is another bot's by now" },
	{ "edit_window_closed", MESSAGE_GIVEN_UP, "the workspace's settings do not let messages be changed so late" },
	{ "invalid_blocks", MESSAGE_GIVEN_UP, NULL },
	{ "invalid_payload", MESSAGE_GIVEN_UP, NULL },
	{ "msg_too_long", MESSAGE_GIVEN_UP, NULL },
	{ "no_service", MESSAGE_GIVEN_UP, "the webhook was removed or switched off: " NEW_HOOK },
	{ "no_active_hooks", MESSAGE_GIVEN_UP, "the webhook was removed or switched off: " NEW_HOOK },
	{ "invalid_token", MESSAGE_GIVEN_UP, "Slack does not take the webhook: " NEW_HOOK },
	{ "no_team", MESSAGE_GIVEN_UP, "the webhook's workspace is gone: " NEW_HOOK },
	{ "action_prohibited", MESSAGE_GIVEN_UP, "the workspace's settings do not let the webhook post" },
	{ "posting_to_general_channel_denied", MESSAGE_GIVEN_UP, "the workspace's settings do not let the webhook post in its channel" },
};

/* ratelimited, internal_error, fatal_error, and words we do not know: later it may go. */
static const struct word other = { "", MESSAGE_RETRY, NULL };

static const struct word *word_of(const char *error)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].error, error) == 0)
			return &words[i];
	return &other;
}

void slack_call_judge(const struct slack_call *c, struct delivered *out, char *said, size_t size)
{
	if (c->outcome == SLACK_UNHEARD) {
		post_judge(&c->post, out, said, size);
		if (out->result != MESSAGE_OK)
			return;
		*out = (struct delivered){ .result = MESSAGE_RETRY, .is_maybe_out = true, .said = said };
		(void)snprintf(said, size, "what answered is not Slack: HTTP %d with something else than its JSON", c->post.status);
		return;
	}
	*out = (struct delivered){ .result = MESSAGE_OK, .said = said };
	said[0] = '\0';
	if (c->outcome == SLACK_DONE)
		return;
	const struct word *w = word_of(c->error);
	out->result = w->result;
	out->is_maybe_out = strcmp(c->error, "internal_error") == 0 || strcmp(c->error, "fatal_error") == 0; /* "some aspect may have succeeded" */
	if (out->result == MESSAGE_RETRY && c->post.retry_after_ms > 0)
		out->retry_after_ms = c->post.retry_after_ms;
	(void)snprintf(said, size, "Slack: %s%s%s", c->error, w->said ? ": " : "", w->said ? w->said : "");
}
