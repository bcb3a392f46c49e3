/* channel_generic - each event of an approval as a signed POST to approval.generic.webhook_url.
 *
 *   Content-Type: application/json         the body of payload.h; to the webhook of a chat (chat_hosts.h) only a sentence
 *   X-Aegis-Delivery: MESSAGE_ID           the same at every attempt of an event: drop what you have seen
 *   X-Aegis-Signature: t=SECONDS,v1=HEX    when approval.generic.secret is set: HMAC-SHA-256 under it over SECONDS "." BODY. Refuse what is older
 *                                          than a few minutes. Vector: secret "s3cret", t=1763740800, body {"a":1} gives
 *                                          v1=df25bd16addea7fc90bf5c440a6299578284221d20a4127e114d1ac0d3ae069a */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/xalloc.h"
#include "broker/channels.h"
#include "broker/chat_hosts.h"
#include "broker/links.h"
#include "broker/payload.h"
#include "broker/post.h"
#include "broker/signature.h"
#include "broker/voter.h"
#include "data/jsonscan.h"
#include "data/secret.h"
#include "data/url.h"

#define MAX_BODY ((size_t)32 * 1024 * 1024)      /* arguments are at most max_body; escaping doubles them at worst for what JSON is made of */
#define MAX_LINK 4096

struct generic {
	struct channel channel;
	char *url, *secret;                      /* secret "": not signed */
	const struct chat_host *chat;            /* NULL: a program */
	bool get_decides;
};
struct job {                                     /* one POST, of a delivery or a test */
	struct generic *channel;
	struct delivery *delivery;               /* or */
	struct channel_test *test;
	struct post post;
	int64_t started_us;
};

static struct generic *generic_of(struct channel *c)
{
	return container_of(c, struct generic, channel);
}

/* ---- a POST ---------------------------------------------------------------------------------------------------------------- */

static bool add_headers(struct post *p, const struct generic *g, const char *message_id)
{
	char signature[SIGNATURE_SIZE];
	enum err e = http_headers_add(p->headers, "Content-Type", "application/json");

	if (e == OK)
		e = http_headers_add(p->headers, "X-Aegis-Delivery", message_id);
	if (e || !g->secret[0])
		return e == OK;
	signature_write(signature, span_of(g->secret), clock_wall_ms() / 1000, buf_span(&p->body));
	return http_headers_add(p->headers, "X-Aegis-Signature", signature) == OK;
}

static struct job *job_new(struct generic *g, void (*done)(struct post *p))
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->channel = g;
	j->post = (struct post){ .broker = g->channel.broker, .method = "POST", .url = g->url, .done = done, .arg = j };
	j->post.headers = http_headers_new();
	j->started_us = clock_mono_us();
	buf_init(&j->post.body, MAX_BODY);
	return j;
}

static void job_free(struct job *j)
{
	post_cancel(&j->post);
	free(j);
}

/* ---- deliveries ------------------------------------------------------------------------------------------------------------ */

static void delivered(struct post *p)
{
	struct job *j = p->arg;
	struct delivery *d = j->delivery;
	struct delivered how;
	char said[200];

	post_judge(p, &how, said, sizeof(said));
	job_free(j);
	delivery_end(d, &how);
}

/* A NULL: of the rules as they stand. */
static bool has_deciding_links(const struct generic *g, const struct approval *a)
{
	const struct config *c = g->channel.broker->config;

	return g->get_decides && !g->chat && c->approval.callback_base_url[0] && !voter_must_be_person(c, a);
}

/* Only to programs, of approvals whose vote may come from a nameless link. */
static void write_links(const struct generic *g, const struct notice *n, struct buf *approve, struct buf *reject)
{
	const struct links *links = g->channel.broker->links;

	if (!links || n->what != EVENT_ASKED || !has_deciding_links(g, n->approval))
		return;
	if (!links_write(links, LINK_APPROVE, n->approval, approve) || !links_write(links, LINK_REJECT, n->approval, reject))
		buf_clear(approve);
}

static bool write_chat(struct buf *out, const struct chat_host *chat, const struct notice *n)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 8192);
	return payload_text(&text, n) && chat_host_write(out, chat, buf_span(&text));
}

static bool write_body(struct buf *out, const struct generic *g, const struct notice *n)
{
	CLEANUP(buf_release) struct buf approve = { 0 };
	CLEANUP(buf_release) struct buf reject = { 0 };

	if (g->chat)
		return write_chat(out, g->chat, n);
	buf_init(&approve, MAX_LINK);
	buf_init(&reject, MAX_LINK);
	write_links(g, n, &approve, &reject);
	return payload_write(out, &(struct payload){ n, clock_wall_ms(), approve.len ? approve.data : "", approve.len ? reject.data : "" });
}

static void generic_deliver(struct channel *c, struct delivery *d)
{
	struct generic *g = generic_of(c);
	struct job *j = job_new(g, delivered);

	j->delivery = d;
	if (!write_body(&j->post.body, g, &d->notice) || !add_headers(&j->post, g, d->notice.message_id)) {
		job_free(j);
		delivery_end(d, &(struct delivered){ .result = MESSAGE_GIVEN_UP, .said = "the message is too large" });
		return;
	}
	d->own = j;
	post_start(&j->post);
}

static void generic_cancel(struct channel *c, struct delivery *d)
{
	(void)c;
	job_free(d->own);
}

/* ---- a test ------------------------------------------------------------------------------------------------------------------ */

static void tested(struct post *p)
{
	struct job *j = p->arg;
	struct channel_test *t = j->test;
	bool is_ok = p->status >= 200 && p->status < 300;
	char said[200];

	if (p->status)
		(void)snprintf(said, sizeof(said), "it answered HTTP %d after %d ms%s", p->status, (int)((clock_mono_us() - j->started_us) / 1000),
			is_ok ? "" : p->status >= 300 && p->status < 400 ? "; redirects are not followed: write the address it means" : "; a message is delivered when it answers 2xx");
	else
		(void)snprintf(said, sizeof(said), "no answer: %s", p->cause);
	job_free(j);
	t->step(t, is_ok, said);
	t->done(t, is_ok);
}

static bool write_test(struct buf *out, const struct generic *g, const char *id)
{
	static const char text[] = "This is a test of Aegis. Nothing is asked, nothing needs to be decided.";
	char at[32];

	if (g->chat)
		return chat_host_write(out, g->chat, SPAN(text));
	clock_format_utc(clock_wall_ms(), at, sizeof(at));
	return buf_printf(out, "{\"event\":\"test\",\"message_id\":\"%s\",\"at\":\"%.19sZ\",\"text\":\"%s\",\"content\":\"%s\"}", id, at, text, text);
}

static void generic_test(struct channel *c, struct channel_test *t)
{
	struct generic *g = generic_of(c);
	struct job *j = job_new(g, tested);
	char said[400], host[256], id[ID_SIZE];

	id_new(id, clock_wall_ms());
	j->test = t;
	t->own = j;
	(void)snprintf(said, sizeof(said), "a test message goes to %s%s%s", url_host(g->url, host, sizeof(host)) ? host : "the webhook",
		g->secret[0] ? ", signed" : ", not signed (approval.generic.secret is not set)", g->chat ? ", as a chat takes it" : "");
	t->step(t, true, said);
	if (write_test(&j->post.body, g, id) && add_headers(&j->post, g, id)) {
		post_start(&j->post);
		return;
	}
	job_free(j);
	t->done(t, false);
}

static void generic_test_cancel(struct channel *c, struct channel_test *t)
{
	(void)c;
	job_free(t->own);
}

/* ---- life --------------------------------------------------------------------------------------------------------------------- */

static void generic_close(struct channel *c)
{
	struct generic *g = generic_of(c);

	secret_free(g->url);
	secret_free(g->secret);
	free(g);
}

static enum err generic_open(struct broker *b, struct channel **out, struct problem *why)
{
	const struct config_approval *a = &b->config->approval;

	if (a->generic.webhook_url.source == SECRET_NONE)
		return ERR_NOT_FOUND;
	struct generic *g = xcalloc(1, sizeof(*g));
	g->channel = (struct channel){ &channel_generic, b };
	g->get_decides = a->generic.get_decides;
	enum err e = config_secret_read(b->config, &a->generic.webhook_url, &g->url, why);
	if (e == OK)
		e = config_secret_read(b->config, &a->generic.secret, &g->secret, why);
	if (e == OK && !url_look(g->url).is_http) {
		problem_set(why, "approval.generic.webhook_url is no http or https address");
		e = ERR_INVALID;
	}
	if (e) {
		generic_close(&g->channel);
		return e;
	}
	g->chat = chat_host_of(g->url);
	*out = &g->channel;
	return OK;
}

static bool generic_describe(const struct channel *c, struct buf *out)
{
	const struct generic *g = container_of(c, struct generic, channel);
	char host[256];

	return buf_printf(out, "POST to %s%s%s", url_host(g->url, host, sizeof(host)) ? host : "a webhook", g->secret[0] ? ", signed" : "",
		g->chat ? ", as a chat takes it" : has_deciding_links(g, NULL) ? ", with links that decide" : "");
}

const struct channel_kind channel_generic = {
	.name = "generic", .tells_each = true, .open = generic_open, .deliver = generic_deliver, .cancel = generic_cancel, .test = generic_test,
	.test_cancel = generic_test_cancel, .close = generic_close, .describe = generic_describe,
};
