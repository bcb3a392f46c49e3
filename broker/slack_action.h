/* slack_action - what follows from what a person did in Slack, whichever way it came (callback, Socket Mode): a vote, a form that asks why,
 * a refusal only that person sees. Written first, then answered, within the 3 s Slack waits; messages are changed by the outbox, never
 * from here. Replayed, it is answered the same and does nothing. */
#pragma once
#include "base/list.h"
#include "broker/broker.h"
#include "data/jsonscan.h"

enum slack_taken {
	SLACK_TAKEN,
	SLACK_MALFORMED,                 /* it is not what Slack sends; why is a clause */
	SLACK_NOT_NOW,                   /* it could not be written; nothing has changed */
};
/* Once, also from inside slack_action_take. body: JSON for the form that was sent; empty otherwise. */
typedef void slack_answer_fn(void *arg, enum slack_taken taken, struct span body);

/* Those under way; belongs to slack_socket.c. */
struct slack_actions {
	struct broker *broker;
	struct list all;
	int64_t refused_at_ms;           /* wall; a callback that nobody signed was logged */
	char app[40];                    /* whose presses count; "" = not known yet: who can sign, or hold the socket, is the app */
};
void slack_actions_init(struct slack_actions *as, struct broker *b);
/* After the store's last turn: what was not answered is answered with NOT_NOW. */
void slack_actions_release(struct slack_actions *as);
/* The app the bot or the socket belongs to, as Slack named it; "" = another may come. */
void slack_actions_know_app(struct slack_actions *as, const char *app);
/* payload is only read now. */
void slack_action_take(struct slack_actions *as, struct json_value payload, slack_answer_fn *answer, void *arg);
