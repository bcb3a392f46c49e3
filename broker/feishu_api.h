/* feishu_api - requests to Feishu or Lark. An app's carry a tenant_access_token: fetched once for all who wait for it, anew when it lives
 * less than 30 minutes more, and once more when the platform does not take it. A custom bot's carry nothing. */
#pragma once
#include "broker/feishu_answer.h"
#include "broker/post.h"

struct feishu_app {
	struct broker *broker;
	char *base_url, *app_id, *app_secret;    /* owned */
	char token[sizeof(((struct feishu_answer *)0)->token)];
	int64_t token_until_us;                  /* clock_mono_us: another one from then on */
	struct post fetch;
	bool is_fetching;
	struct list waiting;                     /* calls, for the token */
};
void feishu_app_init(struct feishu_app *app, struct broker *b);
void feishu_app_release(struct feishu_app *app);         /* no call is under way */

struct feishu_call {                             /* the caller fills in; embedded in its owner, zeroed to begin with */
	struct feishu_app *app;
	bool is_bare;                            /* a custom bot's: url is whole and a secret, no token */
	const char *method;                      /* static */
	char *url;                               /* taken over; a path below base_url unless is_bare */
	struct buf body;                         /* taken over */
	void (*done)(struct feishu_call *c);     /* once, never from inside feishu_call_start; then it may be started again */
	/* out: */
	struct feishu_answer answer;             /* AGAIN also when none came */
	bool is_maybe_done;                      /* not DONE: it may have been carried out all the same */
	int64_t retry_after_ms;                  /* 0 = not said */

	struct post post;
	struct list node;
	bool has_renewed;                        /* a second token was tried */
};
void feishu_call_start(struct feishu_call *c);
void feishu_call_cancel(struct feishu_call *c);          /* done is not called; frees what was taken over. Legal at any time */
