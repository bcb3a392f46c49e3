/* route_slack - POST /callback/slack: interactions, signed by Slack. The signature is looked at before anything else. */
#include "base/clock.h"
#include "base/log.h"
#include "broker/channel_slack.h"
#include "broker/handlers.h"
#include "broker/slack_action.h"
#include "broker/slack_signature.h"
#include "broker/slack_socket.h"
#include "broker/urlform.h"

#define QUIET_MS 1000                    /* between two lines of the log about refused callbacks: anybody can send them */

/* Slack wants an empty body, or JSON for a form. */
static void answer(struct request *r, struct span body)
{
	reply_text(r, 200, body.len ? "application/json" : NULL, body);
}

static void answered(void *arg, enum slack_taken taken, struct span body)
{
	struct request *r = arg;

	switch (taken) {
	case SLACK_TAKEN:
		answer(r, body);
		break;
	case SLACK_MALFORMED:
		reply_error(r, 400, "this is no interaction Slack sends");
		break;
	case SLACK_NOT_NOW:
		reply_no_store(r);
	}
}

static void log_refused(const struct request *r, const char *why)
{
	struct slack_actions *as = slack_socket_actions(r->broker->slack_socket);
	int64_t now_ms = clock_wall_ms();

	if (now_ms < as->refused_at_ms + QUIET_MS && now_ms >= as->refused_at_ms)
		return;
	as->refused_at_ms = now_ms;
	log_warn("slack.callback", "from=%s why=%s", r->http->address, why);
}

/* False: answered. All that is not signed is answered alike. */
static bool is_signed(struct request *r, const struct slack_settings *s)
{
	enum slack_signature is = SLACK_NOT_SIGNED;

	if (s && s->signing_secret[0])
		is = slack_signature_check(span_of(s->signing_secret), httpd_header(r->http, "X-Slack-Request-Timestamp"),
			httpd_header(r->http, "X-Slack-Signature"), r->http->body, clock_wall_ms() / 1000);
	if (is == SLACK_SIGNED)
		return true;
	log_refused(r,
		!s || !s->signing_secret[0]  ? "approval.slack.signing_secret is not configured"
		: is == SLACK_OUT_OF_TIME    ? "signed more than 300 s away from this machine's clock"
		: is == SLACK_NOT_SIGNED     ? "not signed"
		                             : "the signature is not Slack's under approval.slack.signing_secret");
	reply_error(r, 401, "this is not signed by Slack, or not now");
	return false;
}

static void take(struct request *r)
{
	CLEANUP(buf_release) struct buf payload = { 0 }, probe = { 0 };
	struct json_value root;

	buf_init(&payload, HTTPD_MAX_BODY);
	buf_init(&probe, 16);
	if (urlform_field(r->http->body, "ssl_check", &probe) == URLFORM_FOUND && span_is(buf_span(&probe), "1"))
		answer(r, SPAN(""));
	else if (!urlform_is_type(httpd_header(r->http, "Content-Type")) || urlform_field(r->http->body, "payload", &payload) != URLFORM_FOUND ||
	         jsonscan_check(buf_span(&payload), &root, NULL) != JSONSCAN_OK)
		reply_error(r, 400, "this is no interaction Slack sends");
	else
		slack_action_take(slack_socket_actions(r->broker->slack_socket), root, answered, r);
}

void route_slack(struct request *r)
{
	struct channel *c = outbox_channel(r->broker->outbox, "slack");

	if (is_signed(r, c ? channel_slack_settings(c) : NULL))
		take(r);
}

/* Slack, and who puts a proxy before us, look whether somebody is there. */
void route_slack_probe(struct request *r)
{
	reply_text(r, 200, NULL, SPAN(""));
}
