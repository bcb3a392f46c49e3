#include "broker/feishu_callback.h"
#include <stdlib.h>
#include "base/xalloc.h"
#include "broker/feishu_crypto.h"
#include "data/jsonscan.h"
#include "data/secret.h"

#define MAX_BODY (256 * 1024)

static void refuse(struct feishu_callback *out, const char *why)
{
	*out = (struct feishu_callback){ .kind = FEISHU_CALLBACK_REFUSED, .why = why };
}

/* ---- whose it is ----------------------------------------------------------------------------------------------------------------------- */

static bool is_signed(const struct feishu_keys *k, const struct feishu_headers *h, struct span body)
{
	char expected[FEISHU_SIGNATURE_SIZE];

	if (!h->timestamp || !h->nonce || !h->signature)
		return false;
	feishu_signature(span_of(h->timestamp), span_of(h->nonce), span_of(k->encrypt_key), body, expected);
	return secret_equal(span_of(expected), span_of(h->signature));
}

/* Digits alone, in seconds. */
static bool is_fresh(const char *timestamp, int64_t wall_ms)
{
	size_t n = strspn(timestamp, "0123456789");

	if (n == 0 || n > 12 || timestamp[n] != '\0')
		return false;
	return llabs(wall_ms / 1000 - strtoll(timestamp, NULL, 10)) <= FEISHU_WINDOW_S;
}

/* plain: the object inside; it stays as long as text does. */
static bool open_envelope(const struct feishu_keys *k, struct span body, struct buf *text, struct json_value *plain)
{
	struct json_value root;

	if (body.len > MAX_BODY || jsonscan_check(body, &root, NULL) != JSONSCAN_OK)
		return false;
	CLEANUP(free_charp) char *base64 = json_text(json_get(root, "encrypt"), body.len);
	return base64 && feishu_decrypt(span_of(k->encrypt_key), span_of(base64), text) &&
	       jsonscan_check(buf_span(text), plain, NULL) == JSONSCAN_OK;
}

static bool is_secret(struct json_value v, const char *expected)
{
	CLEANUP(free_charp) char *text = json_text(v, 1000);

	return text && secret_equal(span_of(text), span_of(expected));
}

static bool take_text(struct json_value v, char *out, size_t size)
{
	CLEANUP(free_charp) char *text = json_text(v, size - 1);

	snprintf(out, size, "%s", text ? text : "");
	return text && *text;
}

/* ---- what it says ---------------------------------------------------------------------------------------------------------------------- */

static void read_check(const struct feishu_keys *k, struct json_value root, struct feishu_callback *out)
{
	if (!is_secret(json_get(root, "token"), k->verification_token))
		refuse(out, "a check of the address with another verification token");
	else if (!take_text(json_get(root, "challenge"), out->challenge, sizeof(out->challenge)))
		refuse(out, "a check of the address without a challenge");
	else
		out->kind = FEISHU_CALLBACK_CHECK;
}

static void read_press(struct json_value event, struct feishu_callback *out)
{
	struct json_value action = json_get(event, "action");

	if (!take_text(json_get(json_get(event, "operator"), "open_id"), out->open_id, sizeof(out->open_id))) {
		refuse(out, "a press without an open_id");
		return;
	}
	out->kind = FEISHU_CALLBACK_PRESS;
	out->is_ours = json_string_is(json_get(action, "tag"), "button") && feishu_press_read(json_get(action, "value"), &out->press);
}

static void read_event(const struct feishu_keys *k, struct json_value root, struct feishu_callback *out)
{
	struct json_value header = json_get(root, "header");

	if (!json_string_is(json_get(root, "schema"), "2.0"))
		refuse(out, "not an event of schema 2.0: subscribe card.action.trigger, the new callback of cards");
	else if (!is_secret(json_get(header, "token"), k->verification_token))
		refuse(out, "an event with another verification token");
	else if (!json_string_is(json_get(header, "app_id"), k->app_id))
		refuse(out, "an event of another app");
	else if (!json_string_is(json_get(header, "event_type"), "card.action.trigger"))
		refuse(out, "an event nobody asked for: subscribe card.action.trigger alone");
	else if (!take_text(json_get(header, "event_id"), out->event_id, sizeof(out->event_id)))
		refuse(out, "an event without an id");
	else
		read_press(json_get(root, "event"), out);
}

void feishu_callback_read(const struct feishu_keys *k, const struct feishu_headers *h, struct span body, int64_t wall_ms, struct feishu_callback *out)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct json_value root;
	bool has_signature = is_signed(k, h, body);

	*out = (struct feishu_callback){ 0 };
	buf_init(&text, MAX_BODY);
	if (!open_envelope(k, body, &text, &root))
		refuse(out, has_signature ? "its body cannot be read" : "neither its signature nor its body fits the encrypt key");
	else if (json_string_is(json_get(root, "type"), "url_verification"))
		read_check(k, root, out);
	else if (!has_signature)
		refuse(out, "the signature does not fit the encrypt key");
	else if (!is_fresh(h->timestamp, wall_ms))
		refuse(out, "it is more than 5 minutes old or ahead: is the clock of this machine right?");
	else
		read_event(k, root, out);
}
