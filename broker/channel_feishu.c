#include "broker/channel_feishu.h"
#include <inttypes.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/feishu_crypto.h"
#include "broker/verdict.h"
#include "data/jsonscan.h"
#include "data/secret.h"

#define MAX_BODY ((size_t)64 * 1024)

/* What a custom bot's copies were told, as their name: nothing can be asked of them. */
#define BOT_ASKED   "bot"
#define BOT_DECIDED "bot:decided"
#define BOT_OVER    "bot:over"

/* ---- requests --------------------------------------------------------------------------------------------------------------------------- */

/* By what the id begins with; an address of mail is one too. */
static const char *kind_of_chat(const char *id)
{
	if (strncmp(id, "ou_", 3) == 0)
		return "open_id";
	if (strncmp(id, "on_", 3) == 0)
		return "union_id";
	return strchr(id, '@') ? "email" : "chat_id";
}

/* The card stands in the body as a string. */
static bool begin_call(struct feishu *f, struct feishu_call *c, const char *method, char *url, bool is_bare)
{
	feishu_call_cancel(c);
	c->app = &f->app;
	c->is_bare = is_bare;
	c->method = method;
	c->url = url;
	buf_init(&c->body, MAX_BODY);
	return buf_append_char(&c->body, '{');
}

bool feishu_post_card(struct feishu *f, struct feishu_call *c, struct span card, const char *uuid)
{
	char *url = xasprintf("/open-apis/im/v1/messages?receive_id_type=%s", kind_of_chat(f->chat_id));
	struct buf *b = &c->body;

	return begin_call(f, c, "POST", url, false) && buf_append_text(b, "\"receive_id\":") && json_quote(b, span_of(f->chat_id)) &&
	       buf_append_text(b, ",\"msg_type\":\"interactive\",\"content\":") && json_quote(b, card) &&
	       buf_append_text(b, ",\"uuid\":") && json_quote(b, span_of(uuid)) && buf_append_char(b, '}');
}

bool feishu_patch_card(struct feishu *f, struct feishu_call *c, struct span card, const char *message_id)
{
	char *url = xasprintf("/open-apis/im/v1/messages/%s", message_id);
	struct buf *b = &c->body;

	return begin_call(f, c, "PATCH", url, false) && buf_append_text(b, "\"content\":") && json_quote(b, card) && buf_append_char(b, '}');
}

static bool sign_call(struct buf *b, const char *secret)
{
	int64_t now_s = clock_wall_ms() / 1000;

	return !*secret || (buf_printf(b, "\"timestamp\":\"%" PRId64 "\",\"sign\":\"", now_s) && feishu_bot_sign(now_s, span_of(secret), b) &&
	                    buf_append_text(b, "\","));
}

bool feishu_hook_card(struct feishu *f, struct feishu_call *c, struct span card)
{
	struct buf *b = &c->body;

	return begin_call(f, c, "POST", xstrdup(f->webhook_url), true) && sign_call(b, f->sign_secret) &&
	       buf_append_text(b, "\"msg_type\":\"interactive\",\"card\":") && buf_append_span(b, card) && buf_append_char(b, '}');
}

struct feishu_card feishu_card_of(const struct feishu *f, const struct approval *a, const char *page_url, const char *standing)
{
	return (struct feishu_card){
		.approval = a, .standing = standing, .host = f->host, .page_url = page_url, .has_buttons = f->is_app,
		.expires_at_ms = a->is_frozen ? 0 : clock_wall_ms() + a->expires_in_ms,
	};
}

/* ---- a delivery ------------------------------------------------------------------------------------------------------------------------- */

struct feishu_delivery {
	struct feishu *f;
	struct delivery *d;
	struct feishu_call call;
	bool is_new;                             /* the message is being sent, not changed */
	const char *next_ref;                    /* a custom bot's, once this is told */
	char ref[100];
};

static void let_go(struct feishu_delivery *fd)
{
	fd->d->own = NULL;
	feishu_call_cancel(&fd->call);
	free(fd);
}

static void end(struct feishu_delivery *fd, const struct delivered *how)
{
	struct delivery *d = fd->d;
	char said[sizeof(fd->call.answer.said)], ref[sizeof(fd->ref)];
	struct delivered copy = *how;

	snprintf(said, sizeof(said), "%s", how->said ? how->said : "");
	snprintf(ref, sizeof(ref), "%s", how->ref ? how->ref : "");
	copy.said = said;
	copy.ref = how->ref ? ref : NULL;
	let_go(fd);
	delivery_end(d, &copy);
}

/* As the answer says; ref: the copy's name, should it have one by now. */
static void end_by_answer(struct feishu_delivery *fd, const char *ref)
{
	static const enum message_result results[] = {
		[FEISHU_DONE] = MESSAGE_OK, [FEISHU_AGAIN] = MESSAGE_RETRY, [FEISHU_TOKEN_OVER] = MESSAGE_RETRY,
		[FEISHU_GONE] = MESSAGE_NOT_WORTH_IT, [FEISHU_REFUSED] = MESSAGE_GIVEN_UP,
	};
	const struct feishu_call *c = &fd->call;

	end(fd, &(struct delivered){ .result = results[c->answer.meaning], .is_maybe_out = c->is_maybe_done, .ref = ref, .said = c->answer.said,
		.retry_after_ms = c->retry_after_ms });
}

static void end_too_long(struct feishu_delivery *fd)
{
	end(fd, &(struct delivered){ .result = MESSAGE_GIVEN_UP, .said = "its card would be longer than Feishu takes" });
}

static bool write_card(struct feishu_delivery *fd, bool is_standing_only, struct buf *out)
{
	const struct notice *n = &fd->d->notice;
	CLEANUP(buf_release) struct buf standing = { 0 };

	buf_init(&standing, MAX_BODY);
	if (!verdict_write_standing(&standing, n->approval))
		return false;
	struct feishu_card card = feishu_card_of(fd->f, n->approval, n->page_url, standing.data);
	buf_init(out, MAX_BODY);
	return is_standing_only ? feishu_card_write_standing(&card, out)
	                        : feishu_card_write(&card, fd->f->is_app ? FEISHU_MAX_CARD : FEISHU_MAX_BOT_CARD, out);
}

/* ---- ... of an app bot ------------------------------------------------------------------------------------------------------------------ */

static void app_change(struct feishu_delivery *fd);

static void app_done(struct feishu_call *c)
{
	struct feishu_delivery *fd = container_of(c, struct feishu_delivery, call);
	bool was_new = fd->is_new;

	if (was_new && c->answer.meaning == FEISHU_DONE)
		snprintf(fd->ref, sizeof(fd->ref), "%s", c->answer.message_id);
	/* The platform may have had it from an earlier attempt, which said what was true then. */
	if (was_new && *fd->ref && fd->d->notice.is_maybe_out)
		app_change(fd);
	else
		end_by_answer(fd, *fd->ref ? fd->ref : NULL);
}

static void app_change(struct feishu_delivery *fd)
{
	CLEANUP(buf_release) struct buf card = { 0 };

	fd->is_new = false;
	fd->call.done = app_done;
	if (write_card(fd, false, &card) && feishu_patch_card(fd->f, &fd->call, buf_span(&card), fd->ref))
		feishu_call_start(&fd->call);
	else
		end_too_long(fd);
}

static void app_send(struct feishu_delivery *fd)
{
	CLEANUP(buf_release) struct buf card = { 0 };

	fd->is_new = true;
	fd->call.done = app_done;
	if (write_card(fd, false, &card) && feishu_post_card(fd->f, &fd->call, buf_span(&card), fd->d->notice.approval->id))
		feishu_call_start(&fd->call);
	else
		end_too_long(fd);
}

static void deliver_by_app(struct feishu_delivery *fd)
{
	const char *ref = fd->d->notice.ref;

	/* What a custom bot told is out of reach: people get a copy of their own. */
	if (*ref && strncmp(ref, BOT_ASKED, strlen(BOT_ASKED)) != 0) {
		snprintf(fd->ref, sizeof(fd->ref), "%s", ref);
		app_change(fd);
	} else {
		app_send(fd);
	}
}

/* ---- ... of a custom bot ---------------------------------------------------------------------------------------------------------------- */

static void hook_done(struct feishu_call *c)
{
	struct feishu_delivery *fd = container_of(c, struct feishu_delivery, call);

	end_by_answer(fd, c->answer.meaning == FEISHU_DONE ? fd->next_ref : NULL);
}

static const char *bot_ref_of(const struct approval *a)
{
	if (a->state == APPROVAL_PENDING)
		return BOT_ASKED;
	return a->state == APPROVAL_APPROVED || (a->state == APPROVAL_CONSUMED && !*a->outcome) ? BOT_DECIDED : BOT_OVER;
}

static void deliver_by_hook(struct feishu_delivery *fd)
{
	const struct notice *n = &fd->d->notice;
	CLEANUP(buf_release) struct buf card = { 0 };

	fd->next_ref = bot_ref_of(n->approval);
	fd->call.done = hook_done;
	if (*n->ref && (strcmp(n->ref, fd->next_ref) == 0 || strcmp(fd->next_ref, BOT_ASKED) == 0))
		end(fd, &(struct delivered){ .result = MESSAGE_OK });   /* a vote that was counted: nothing new under the card */
	else if (write_card(fd, *n->ref != '\0', &card) && feishu_hook_card(fd->f, &fd->call, buf_span(&card)))
		feishu_call_start(&fd->call);
	else
		end_too_long(fd);
}

static void deliver(struct channel *c, struct delivery *d)
{
	struct feishu_delivery *fd = xcalloc(1, sizeof(*fd));

	fd->f = container_of(c, struct feishu, channel);
	fd->d = d;
	d->own = fd;
	if (fd->f->is_app)
		deliver_by_app(fd);
	else
		deliver_by_hook(fd);
}

static void cancel(struct channel *c, struct delivery *d)
{
	(void)c;
	if (d->own)
		let_go(d->own);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------- */

static bool read_secret(const struct config *c, const struct config_secret *s, char **out, enum err *e, struct problem *why)
{
	if (*e == OK)
		*e = config_secret_read(c, s, out, why);
	return *e == OK;
}

static void close_channel(struct channel *c)
{
	struct feishu *f = container_of(c, struct feishu, channel);

	feishu_app_release(&f->app);
	secret_free(f->webhook_url);
	secret_free(f->sign_secret);
	secret_free(f->encrypt_key);
	secret_free(f->verification_token);
	free(f->chat_id);
	free(f->callback_base_url);
	free(f);
}

static char *without_slash(const char *url)
{
	size_t n = strlen(url);

	return xstrndup(url, n && url[n - 1] == '/' ? n - 1 : n);
}

static enum err read_app(struct feishu *f, const struct config *c, struct problem *why)
{
	enum err e = OK;

	f->is_app = true;
	f->chat_id = xstrdup(c->approval.feishu.chat_id);
	f->app.base_url = without_slash(c->approval.feishu.base_url);
	f->callback_base_url = without_slash(c->approval.callback_base_url);
	if (!read_secret(c, &c->approval.feishu.app_id, &f->app.app_id, &e, why) ||
	    !read_secret(c, &c->approval.feishu.app_secret, &f->app.app_secret, &e, why) ||
	    !read_secret(c, &c->approval.feishu.encrypt_key, &f->encrypt_key, &e, why) ||
	    !read_secret(c, &c->approval.feishu.verification_token, &f->verification_token, &e, why))
		return e;
	if (!*f->app.app_id || !*f->app.app_secret || !*f->encrypt_key || !*f->verification_token || !*f->chat_id) {
		problem_set(why, "an app bot needs app_id, app_secret, chat_id, encrypt_key and verification_token");
		return ERR_INVALID;
	}
	return OK;
}

static enum err read_hook(struct feishu *f, const struct config *c, struct problem *why)
{
	enum err e = OK;

	if (read_secret(c, &c->approval.feishu.webhook_url, &f->webhook_url, &e, why))
		(void)read_secret(c, &c->approval.feishu.sign_secret, &f->sign_secret, &e, why);
	return e;
}

static enum err open_channel(struct broker *b, struct channel **out, struct problem *why)
{
	const struct config *c = b->config;

	if (!c->approval.feishu.app_id.source && !c->approval.feishu.webhook_url.source)
		return ERR_NOT_FOUND;
	struct feishu *f = xcalloc(1, sizeof(*f));
	f->channel = (struct channel){ .kind = &channel_feishu, .broker = b };
	feishu_app_init(&f->app, b);
	if (gethostname(f->host, sizeof(f->host) - 1) != 0)
		snprintf(f->host, sizeof(f->host), "this machine");
	enum err e = c->approval.feishu.app_id.source ? read_app(f, c, why) : read_hook(f, c, why);
	if (e != OK) {
		close_channel(&f->channel);
		return e;
	}
	*out = &f->channel;
	return OK;
}

static bool describe(const struct channel *c, struct buf *out)
{
	const struct feishu *f = container_of(c, const struct feishu, channel);
	char at[32];

	if (!f->is_app)
		return buf_printf(out, "custom bot%s, its cards open the page", *f->sign_secret ? ", signed" : "");
	if (!f->pressed_at_ms)
		return buf_printf(out, "app bot in %s, buttons by /callback/feishu, none was pressed yet", f->chat_id);
	clock_format_utc(f->pressed_at_ms, at, sizeof(at));
	return buf_printf(out, "app bot in %s, buttons by /callback/feishu, last pressed at %s", f->chat_id, at);
}

struct feishu *feishu_for_callbacks(const struct broker *b)
{
	struct channel *c = b->outbox ? outbox_channel(b->outbox, channel_feishu.name) : NULL;
	struct feishu *f = c ? container_of(c, struct feishu, channel) : NULL;

	return f && f->is_app ? f : NULL;
}

const struct channel_kind channel_feishu = {
	.name = "feishu", .open = open_channel, .deliver = deliver, .cancel = cancel, .test = feishu_test, .test_cancel = feishu_test_cancel,
	.close = close_channel, .describe = describe,
};
