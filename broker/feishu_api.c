#include "broker/feishu_api.h"
#include <assert.h>
#include <json.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "data/secret.h"

#define MAX_BODY   ((size_t)64 * 1024)
#define RENEW_S    1800                  /* the platform gives another token when the last one lives no longer */
#define TOKEN_PATH "/open-apis/auth/v3/tenant_access_token/internal"

/* ---- what came back --------------------------------------------------------------------------------------------------------------------- */

static void hear(const struct post *p, struct feishu_answer *out)
{
	if (p->status && !*p->cause) {
		feishu_answer_read(p->status, buf_span(&p->answer), out);
		return;
	}
	*out = (struct feishu_answer){ .meaning = FEISHU_AGAIN, .code = -1 };
	snprintf(out->said, sizeof(out->said), "no answer: %s", p->cause);
}

/* A refusal says that nothing was done; silence, a fault of theirs and what is no answer at all say nothing. */
static bool is_in_doubt(const struct post *p, const struct feishu_answer *a)
{
	if (p->status == 0 || *p->cause)
		return p->has_left;
	return p->status >= 500 || (p->status < 300 && a->code == -1);
}

/* ---- the token -------------------------------------------------------------------------------------------------------------------------- */

static void send_it(struct feishu_call *c);

static void take_token(struct feishu_app *app, const struct feishu_answer *a)
{
	int64_t lives_s = a->token_lives_s < 86400 ? a->token_lives_s : 86400;
	int64_t use_s = lives_s > 2 * RENEW_S ? lives_s - RENEW_S : lives_s / 2;

	snprintf(app->token, sizeof(app->token), "%s", a->token);
	app->token_until_us = clock_mono_us() + use_s * 1000000;
}

static void end_waiting(struct feishu_call *c, const struct feishu_answer *a, int64_t retry_after_ms)
{
	list_remove(&c->node);
	c->answer = *a;
	c->is_maybe_done = false;
	c->retry_after_ms = retry_after_ms;
	c->done(c);
}

static void on_token(struct post *p)
{
	struct feishu_app *app = p->arg;
	int64_t retry_after_ms = p->retry_after_ms > 0 ? p->retry_after_ms : 0;
	struct feishu_answer a;
	struct list told;

	hear(p, &a);
	post_cancel(p);
	app->is_fetching = false;
	if (a.meaning == FEISHU_DONE && *a.token)
		take_token(app, &a);
	else if (a.meaning == FEISHU_DONE || a.meaning == FEISHU_TOKEN_OVER)
		a = (struct feishu_answer){ .meaning = FEISHU_AGAIN, .code = a.code, .said = "Feishu gave no token: is base_url right?" };
	list_init(&told);                       /* who is told may wait again */
	while (!list_is_empty(&app->waiting)) {
		struct list *first = app->waiting.next;

		list_remove(first);
		list_append(&told, first);
	}
	for (struct feishu_call *c; (c = list_first(&told, struct feishu_call, node));) {
		if (a.meaning != FEISHU_DONE) {
			end_waiting(c, &a, retry_after_ms);
			continue;
		}
		list_remove(&c->node);
		send_it(c);
	}
	secret_wipe(a.token, sizeof(a.token));
}

static struct buf token_body(const struct feishu_app *app)
{
	struct json_object *o = json_object_new_object();
	struct buf b;

	buf_init(&b, MAX_BODY);
	json_object_object_add(o, "app_id", json_object_new_string(app->app_id));
	json_object_object_add(o, "app_secret", json_object_new_string(app->app_secret));
	if (!buf_append_text(&b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)))
		buf_clear(&b);                  /* secrets that long are no secrets of theirs: refused */
	json_object_put(o);
	return b;
}

static struct http_headers *json_headers(const char *token)
{
	struct http_headers *h = http_headers_new();
	char *bearer = token ? xasprintf("Bearer %s", token) : NULL;
	enum err e = http_headers_add(h, "Content-Type", "application/json; charset=utf-8");

	if (bearer)
		e = http_headers_add(h, "Authorization", bearer);
	assert(e == OK);                        /* printable ASCII alone: feishu_answer.c */
	secret_free(bearer);
	return h;
}

static void fetch_token(struct feishu_app *app)
{
	CLEANUP(free_charp) char *url = xasprintf("%s%s", app->base_url, TOKEN_PATH);

	app->is_fetching = true;
	app->fetch.broker = app->broker;
	app->fetch.method = "POST";
	app->fetch.url = url;
	app->fetch.headers = json_headers(NULL);
	app->fetch.body = token_body(app);
	app->fetch.done = on_token;
	app->fetch.arg = app;
	post_start(&app->fetch);
}

/* ---- a call ------------------------------------------------------------------------------------------------------------------------------ */

static void start_with_token(struct feishu_call *c)
{
	struct feishu_app *app = c->app;

	if (*app->token && clock_mono_us() < app->token_until_us) {
		send_it(c);
		return;
	}
	list_append(&app->waiting, &c->node);
	if (!app->is_fetching)
		fetch_token(app);
}

static void on_answer(struct post *p)
{
	struct feishu_call *c = p->arg;

	hear(p, &c->answer);
	c->is_maybe_done = c->answer.meaning != FEISHU_DONE && is_in_doubt(p, &c->answer);
	c->retry_after_ms = p->retry_after_ms > 0 ? p->retry_after_ms : 0;
	post_cancel(p);
	if (c->answer.meaning == FEISHU_TOKEN_OVER && !c->is_bare && !c->has_renewed) {
		c->has_renewed = true;
		c->app->token[0] = '\0';
		start_with_token(c);
		return;
	}
	if (c->answer.meaning == FEISHU_TOKEN_OVER)
		c->answer.meaning = c->is_bare ? FEISHU_REFUSED : FEISHU_AGAIN;
	c->done(c);
}

static void send_it(struct feishu_call *c)
{
	CLEANUP(free_charp) char *url = c->is_bare ? xstrdup(c->url) : xasprintf("%s%s", c->app->base_url, c->url);
	struct buf body;

	buf_init(&body, MAX_BODY);
	if (!buf_append_span(&body, buf_span(&c->body)))
		buf_clear(&body);               /* never: it has the same cap */
	c->post.broker = c->app->broker;
	c->post.method = c->method;
	c->post.url = url;
	c->post.headers = json_headers(c->is_bare ? NULL : c->app->token);
	c->post.body = body;
	c->post.done = on_answer;
	c->post.arg = c;
	post_start(&c->post);
}

void feishu_call_start(struct feishu_call *c)
{
	c->has_renewed = false;
	list_init(&c->node);
	if (c->is_bare)
		send_it(c);
	else
		start_with_token(c);
}

void feishu_call_cancel(struct feishu_call *c)
{
	if (c->node.next)
		list_remove(&c->node);
	post_cancel(&c->post);
	buf_release(&c->body);
	secret_free(c->url);
	c->url = NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------- */

void feishu_app_init(struct feishu_app *app, struct broker *b)
{
	*app = (struct feishu_app){ .broker = b };
	list_init(&app->waiting);
}

void feishu_app_release(struct feishu_app *app)
{
	post_cancel(&app->fetch);
	secret_wipe(app->token, sizeof(app->token));
	free(app->base_url);
	free(app->app_id);
	secret_free(app->app_secret);
}
