/* slack_call - one method of Slack's Web API, and what its answer means (docs.slack.dev/apis/web-api): HTTP 200 does not say that it was
 * done, `ok` does. */
#pragma once
#include "broker/outbox.h"
#include "broker/post.h"
#include "broker/slack_settings.h"
#include "data/jsonscan.h"

enum slack_outcome {
	SLACK_DONE,
	SLACK_REFUSED,                   /* error is Slack's word for it */
	SLACK_UNHEARD,                   /* no answer of Slack's: the post says what else */
};
struct slack_call {                      /* embedded in its owner, zeroed to begin with */
	struct post post;
	void (*done)(struct slack_call *c);      /* the caller fills in done, arg; once, never from inside slack_call_start */
	void *arg;
	/* out, until the next start or cancel: */
	enum slack_outcome outcome;
	char error[64];
	struct json_value answer;        /* DONE: the object */
};
/* body: JSON, taken over. token: bot or app token. */
void slack_call_start(struct slack_call *c, struct broker *b, const char *base_url, const char *token, const char *method, struct buf *body);
/* A webhook or a response_url: no token; its answers are plain text, error is their first word. */
void slack_call_hook(struct slack_call *c, struct broker *b, const char *url, struct buf *body);
void slack_call_cancel(struct slack_call *c);    /* done is not called; frees what it holds */

/* The answer of a method: pure. */
enum slack_outcome slack_answer_read(struct span body, struct json_value *answer, char error[64]);
/* What it means for a message; said is filled in. */
void slack_call_judge(const struct slack_call *c, struct delivered *out, char *said, size_t size);
/* A text member of an object; false: it is none, or longer than size allows. */
MUST_USE bool slack_member(struct json_value o, const char *key, char *out, size_t size);
