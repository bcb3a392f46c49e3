/* slack_block - the pieces of Block Kit that our cards are made of (docs.slack.dev/reference/block-kit). Each is owned by the caller until it
 * is put into another. Foreign text goes only into what has no markup: plain_text and rich_text. Pure. */
#pragma once
#include <json-c/json.h>
#include "base/buf.h"

/* docs.slack.dev/reference/block-kit: characters; we count bytes, which are never fewer. */
#define SLACK_MAX_HEADER        150
#define SLACK_MAX_BUTTON_URL    3000
#define SLACK_MAX_CONFIRM_TITLE 100
#define SLACK_MAX_CONFIRM_TEXT  300
#define SLACK_MAX_VALUE         2000
#define SLACK_MAX_SECTION       3000

struct json_object *slack_plain(const char *foreign, size_t most_bytes);   /* a text object; foreign text is cut to fit */
struct json_object *slack_mrkdwn(const char *ours);                        /* a text object of words that are all ours, or escaped */

struct json_object *slack_header(const char *foreign);
struct json_object *slack_section(const char *foreign);
struct json_object *slack_context(const char *ours);
struct json_object *slack_actions(const char *block_id);
/* Puts a button into actions. value, url, style: NULL = none. Returns it, borrowed. */
struct json_object *slack_button(
	struct json_object *actions, const char *action_id, const char *label, const char *value, const char *style);
void slack_button_confirm(struct json_object *button, const char *title, const char *foreign, const char *confirm);

/* A rich_text block: lines of a bold label and a text, and one text as it stands. */
struct json_object *slack_rich(void);
void slack_rich_line(struct json_object *rich, const char *label, const char *foreign, size_t most_bytes);
/* Returns how many bytes were left out. */
size_t slack_rich_verbatim(struct json_object *rich, struct span foreign, size_t most_bytes);

void slack_put(struct json_object *o, const char *key, const char *text);
/* o as JSON, appended; o is put. False: out's cap. */
MUST_USE bool slack_json(struct json_object *o, struct buf *out);
