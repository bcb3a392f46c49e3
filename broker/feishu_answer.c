#include "broker/feishu_answer.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include "base/shown.h"
#include "base/xalloc.h"
#include "data/jsonscan.h"

#define TOKEN_OVER "Feishu does not take the token any more"

static const struct { int64_t code; enum feishu_meaning meaning; const char *text; } codes[] = {
	{ 9499, FEISHU_AGAIN, "too many messages to this custom bot, or Feishu could not read one" },
	{ 11232, FEISHU_AGAIN, "too many messages to this custom bot (5 a second, 100 a minute)" },
	{ 99991400, FEISHU_AGAIN, "too many requests of this app" },
	{ 230020, FEISHU_AGAIN, "too many messages to this chat" },
	{ 230049, FEISHU_AGAIN, "this message is being sent already" },
	{ 99991661, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 99991663, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 99991664, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 99991665, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 99991668, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 99991671, FEISHU_TOKEN_OVER, TOKEN_OVER },
	{ 230011, FEISHU_GONE, "the message was withdrawn in the chat" },
	{ 230031, FEISHU_GONE, "the message is older than 14 days and cannot be changed any more" },
	{ 10003, FEISHU_REFUSED, "app_id or app_secret is wrong: compare both with the developer console, Credentials" },
	{ 10014, FEISHU_REFUSED, "app_id or app_secret is wrong: compare both with the developer console, Credentials" },
	{ 10012, FEISHU_REFUSED, "the app is not available: publish a version of it in the developer console" },
	{ 19001, FEISHU_REFUSED, "Feishu does not know this webhook_url: copy it again from the settings of the custom bot" },
	{ 19021, FEISHU_REFUSED, "the signature does not fit: sign_secret must be that of the custom bot, and the clock of this machine must be right" },
	{ 19022, FEISHU_REFUSED, "the address of this machine is not in the custom bot's IP list: add it there" },
	{ 19024, FEISHU_REFUSED, "the custom bot wants a keyword: make it \"Aegis\" in its settings, or take it away" },
	{ 230002, FEISHU_REFUSED, "the bot is not in the chat: add it there, or correct chat_id" },
	{ 230006, FEISHU_REFUSED, "the app has no bot: turn that ability on in the developer console" },
	{ 230013, FEISHU_REFUSED, "the app is not available to this person: widen its availability in the developer console" },
	{ 230025, FEISHU_REFUSED, "Feishu says the card is too long" },
	{ 230027, FEISHU_REFUSED, "the app lacks a permission: give it im:message:send_as_bot and publish a version" },
	{ 230099, FEISHU_REFUSED, "Feishu does not take the card" },
	{ 99991401, FEISHU_REFUSED, "the address of this machine is not in the app's IP list: add it in the developer console" },
	{ 99991672, FEISHU_REFUSED, "the app lacks a permission: give it im:message:send_as_bot and publish a version" },
};

static void judge(int status, struct feishu_answer *out)
{
	bool is_busy = status == 429 || status >= 500 || status == 408 || status == 425;

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (codes[i].code == out->code) {
			out->meaning = codes[i].meaning;
			snprintf(out->said, sizeof(out->said), "%s (code %" PRId64 ")", codes[i].text, out->code);
			return;
		}
	out->meaning = is_busy ? FEISHU_AGAIN : FEISHU_REFUSED;
}

static void copy_text(struct json_value v, char *out, size_t size)
{
	CLEANUP(free_charp) char *text = json_text(v, size - 1);

	snprintf(out, size, "%s", text ? text : "");
}

/* It becomes part of a path. */
static void read_message_id(struct json_value v, char *out, size_t size)
{
	copy_text(v, out, size);
	for (const char *c = out; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') {
			out[0] = '\0';
			return;
		}
}

/* It becomes a header. */
static void read_token(struct json_value root, struct feishu_answer *out)
{
	copy_text(json_get(root, "tenant_access_token"), out->token, sizeof(out->token));
	for (const char *c = out->token; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f) {
			out->token[0] = '\0';
			return;
		}
	if (!json_to_i64(json_get(root, "expire"), &out->token_lives_s))
		out->token_lives_s = 0;
}

static bool read_code(struct json_value root, int64_t *code)
{
	return json_to_i64(json_get(root, "code"), code) || json_to_i64(json_get(root, "StatusCode"), code);
}

void feishu_answer_read(int status, struct span body, struct feishu_answer *out)
{
	bool is_fine = status >= 200 && status < 300;
	struct json_value root = { 0 };
	char msg[200];

	*out = (struct feishu_answer){ .code = -1 };
	if (jsonscan_check(body, &root, NULL) != JSONSCAN_OK || !read_code(root, &out->code)) {
		out->meaning = is_fine || status == 429 || status >= 500 ? FEISHU_AGAIN : FEISHU_REFUSED;
		snprintf(out->said, sizeof(out->said), "HTTP %d, and it is no answer of Feishu's: is base_url right?", status);
		return;
	}
	if (is_fine && out->code == 0) {
		out->meaning = FEISHU_DONE;
		read_message_id(json_get(json_get(root, "data"), "message_id"), out->message_id, sizeof(out->message_id));
		read_token(root, out);
		return;
	}
	copy_text(json_get(root, "msg"), msg, sizeof(msg));
	snprintf(out->said, sizeof(out->said), "Feishu answered HTTP %d, code %" PRId64 ": %s", status, out->code, shown_of(msg).text);
	judge(status, out);
}
