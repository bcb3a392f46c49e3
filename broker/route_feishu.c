/* POST /callback/feishu: presses of buttons, and the platform's look at this address. Who cannot prove to be the platform learns nothing: one
 * answer for every fault. A press is written first and answered then, within the 3 s that the platform waits: a toast for who pressed
 * alone, and the card as the outbox will bring it to all. */
#include <json.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/ballot.h"
#include "broker/channel_feishu.h"
#include "broker/handlers.h"
#include "broker/links.h"
#include "broker/verdict.h"

#define TOAST_MOST  400                  /* bytes; a toast is a line or two */
#define MAX_CARD    ((size_t)64 * 1024)
#define QUIET_MS    1000                 /* between two lines of the log about refused callbacks: anybody can send them */

struct pressing {
	struct request *r;
	struct ballot ballot;
};

static void refuse(struct request *r, struct feishu *f, const char *why)
{
	int64_t now_ms = clock_wall_ms();

	if (!f) {
		log_debug("callback.refused", "channel=feishu from=%s why=%s", r->http->address, why);
	} else if (now_ms >= f->refused_at_ms + QUIET_MS || now_ms < f->refused_at_ms) {
		f->refused_at_ms = now_ms;
		log_warn("callback.refused", "channel=feishu from=%s why=%s", r->http->address, why);
	}
	reply_error(r, 403, "not accepted");
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------------------- */

static struct json_object *toast_of(const char *type, const char *text)
{
	struct json_object *toast = json_object_new_object();
	char content[TOAST_MOST];

	verdict_copy(content, sizeof(content), span_of(text));
	json_object_object_add(toast, "type", json_object_new_string(type));
	json_object_object_add(toast, "content", json_object_new_string(content));
	return toast;
}

static void answer(struct request *r, const char *type, const char *text, struct json_object *card)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "toast", toast_of(type, text));
	if (card) {
		struct json_object *raw = json_object_new_object();

		json_object_object_add(raw, "type", json_object_new_string("raw"));
		json_object_object_add(raw, "data", card);
		json_object_object_add(o, "card", raw);
	}
	reply_json(r, 200, o);
}

static const char *toast_type(const struct ballot *b)
{
	if (b->err != OK)
		return "error";
	switch (b->answer) {
	case VOTE_DECIDED: return "success";
	case VOTE_COUNTED:
	case VOTE_REPLAYED: return "info";
	case VOTE_SECOND:
	case VOTE_TOO_LATE: return "warning";
	case VOTE_NO_SUCH:
	case VOTE_NOT_ALLOWED: break;
	}
	return "error";
}

/* NULL: the card stays as it is. */
static struct json_object *card_of(const struct broker *b, const struct ballot *ballot)
{
	const struct feishu *f = feishu_for_callbacks(b);
	const struct approval *a = &ballot->as_it_is;
	CLEANUP(buf_release) struct buf standing = { 0 }, page = { 0 }, card = { 0 };

	if (!f || ballot->err != OK || ballot->answer == VOTE_NOT_ALLOWED || ballot->answer == VOTE_NO_SUCH)
		return NULL;
	buf_init(&standing, MAX_CARD);
	buf_init(&page, MAX_CARD);
	buf_init(&card, MAX_CARD);
	if (!verdict_write_standing(&standing, a))
		return NULL;
	bool has_page = b->links && links_write(b->links, LINK_PAGE, a, &page);
	struct feishu_card look = feishu_card_of(f, a, has_page ? page.data : "", standing.data);
	return feishu_card_write(&look, FEISHU_MAX_CARD, &card) ? json_tokener_parse(card.data) : NULL;
}

/* ---- a press ---------------------------------------------------------------------------------------------------------------------------- */

static void on_cast(struct ballot *b)
{
	struct pressing *p = b->arg;
	struct request *r = p->r;

	log_info("callback.press", "channel=feishu approval=%s voter=%s answer=%d err=%d", b->approval, b->voter.name, (int)b->answer, (int)b->err);
	answer(r, toast_type(b), b->said, card_of(b->broker, b));
	ballot_release(b);
	free(p);
}

static void press(struct request *r, const struct feishu_callback *c)
{
	struct broker *b = r->broker;
	struct voter voter;

	if (!c->is_ours) {
		answer(r, "error", "This is no card of Aegis, or one that it does not understand any more: nothing was decided.", NULL);
		return;
	}
	if (!voter_of_feishu(b->config, c->open_id, &voter)) {
		log_warn("callback.stranger", "channel=feishu open_id=%s", c->open_id);
		answer(r, "error", voter.why, NULL);
		return;
	}
	struct pressing *p = xcalloc(1, sizeof(*p));
	p->r = r;
	p->ballot = (struct ballot){ .broker = b, .is_approving = c->press.is_approving, .voter = voter, .has_args_hash = true,
		.seen_channel = "feishu", .done = on_cast, .arg = p };
	memcpy(p->ballot.approval, c->press.approval, sizeof(p->ballot.approval));
	memcpy(p->ballot.args_hash, c->press.args_hash, sizeof(p->ballot.args_hash));
	snprintf(p->ballot.seen_ref, sizeof(p->ballot.seen_ref), "%s", c->event_id);
	ballot_cast(&p->ballot);
}

static void answer_check(struct request *r, const char *challenge)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "challenge", json_object_new_string(challenge));
	reply_json(r, 200, o);
}

void route_feishu(struct request *r)
{
	struct feishu *f = feishu_for_callbacks(r->broker);
	struct feishu_callback c;

	if (!f) {
		refuse(r, NULL, "no app bot is configured");
		return;
	}
	struct feishu_keys keys = { f->encrypt_key, f->verification_token, f->app.app_id };
	struct feishu_headers headers = { httpd_header(r->http, "X-Lark-Request-Timestamp"), httpd_header(r->http, "X-Lark-Request-Nonce"),
		httpd_header(r->http, "X-Lark-Signature") };
	int64_t now_ms = clock_wall_ms();
	feishu_callback_read(&keys, &headers, r->http->body, now_ms, &c);
	switch (c.kind) {
	case FEISHU_CALLBACK_REFUSED:
		refuse(r, f, c.why);
		return;
	case FEISHU_CALLBACK_CHECK:
		answer_check(r, c.challenge);
		return;
	case FEISHU_CALLBACK_PRESS:
		f->pressed_at_ms = now_ms;
		press(r, &c);
		return;
	}
}
