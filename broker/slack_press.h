/* slack_press - what a person did in Slack: the payload of an interaction, the same by HTTP and by Socket Mode
 * (docs.slack.dev/reference/interaction-payloads). Pure; the payload passed the strict scanner. */
#pragma once
#include "data/jsonscan.h"
#include "store/store.h"

#define SLACK_MAX_ID     40              /* with the NUL; Slack's own have 11 or so */
#define SLACK_MAX_REASON 1000            /* bytes */

enum slack_press_kind {
	SLACK_PRESS_APPROVE, SLACK_PRESS_REJECT,
	SLACK_PRESS_REASON,              /* the form behind "reject" was sent */
	SLACK_PRESS_TEST,
	SLACK_PRESS_NOTHING,             /* a link button, a form put away, what we did not make: taken note of */
};
struct slack_press {
	enum slack_press_kind kind;
	char app[SLACK_MAX_ID], team[SLACK_MAX_ID], user[SLACK_MAX_ID];  /* team: the user's own; together they name a person, nothing else does */
	char channel[SLACK_MAX_ID];      /* where; "" = not said */
	char name[SLACK_MAX_ID];         /* Slack's own name of this press or form: the same when it comes again */
	char trigger[200], response_url[500];   /* "" = none */
	char value[200];                 /* TEST: the button's */
	char id[ID_SIZE];                /* APPROVE, REJECT, REASON: which approval, and the arguments that were shown */
	uint8_t args_hash[32];
	char reason[SLACK_MAX_REASON + 1];
};
/* False: it is not what Slack sends. */
MUST_USE bool slack_press_read(struct json_value payload, struct slack_press *out);

/* The body of views.open: a form that asks why. about: a sentence. */
MUST_USE bool slack_form_write(const struct slack_press *p, const char *about, struct buf *out);
/* What a form that was sent is answered instead of being closed: a sentence in its place; or, is_again, below the field, to be sent again. */
MUST_USE bool slack_form_answer(const char *said, bool is_again, struct buf *out);
