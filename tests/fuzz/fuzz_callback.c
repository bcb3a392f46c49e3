/* What strangers send to /callback/feishu and /callback/slack, as bytes and, behind a signature that fits, as what is inside; what the platforms
 * answer, a WebSocket's frames among it; and what agents put into a card: it is always the card's own JSON, and fits. The first byte says which
 * of these. */
#include <assert.h>
#include <openssl/evp.h>
#include "base/base64.h"
#include "base/xalloc.h"
#include "broker/feishu_answer.h"
#include "broker/feishu_callback.h"
#include "broker/feishu_crypto.h"
#include "broker/slack_call.h"
#include "broker/slack_card.h"
#include "broker/slack_press.h"
#include "broker/slack_signature.h"
#include "broker/urlform.h"
#include "broker/websocket_frame.h"
#include "data/jsonscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define MAX ((size_t)8 * 1024 * 1024)
#define NOW "1700000000"

static const struct feishu_keys keys = { "key", "vt", "cli_1" };

/* ---- Feishu ---- */

static void feishu_take(struct span body)
{
	char sign[FEISHU_SIGNATURE_SIZE];
	struct feishu_callback c;

	feishu_signature(SPAN(NOW), SPAN("n"), SPAN("key"), body, sign);
	feishu_callback_read(&keys, &(struct feishu_headers){ NOW, "n", sign }, body, INT64_C(1700000000000), &c);
	assert(c.kind != FEISHU_CALLBACK_REFUSED || c.why);
	assert(c.kind != FEISHU_CALLBACK_PRESS || (*c.open_id && *c.event_id));
	assert(!c.is_ours || strlen(c.press.approval) == ID_SIZE - 1);
	feishu_callback_read(&keys, &(struct feishu_headers){ NOW, "n", NULL }, body, INT64_C(1700000000000), &c);
	assert(c.kind != FEISHU_CALLBACK_PRESS);
}

/* As the platform encrypts it. */
static void feishu_take_inside(struct span text)
{
	unsigned char key[32], iv[16] = "0123456789abcde", *blob = xmalloc(text.len + 64);
	int first = 0, rest = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	struct buf body;

	assert(EVP_Digest("key", 3, key, NULL, EVP_sha256(), NULL) == 1);
	memcpy(blob, iv, sizeof(iv));
	assert(EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, iv) == 1);
	assert(EVP_EncryptUpdate(c, blob + 16, &first, (const unsigned char *)text.at, (int)text.len) == 1);
	assert(EVP_EncryptFinal_ex(c, blob + 16 + first, &rest) == 1);
	EVP_CIPHER_CTX_free(c);
	buf_init(&body, MAX);
	assert(buf_append_text(&body, "{\"encrypt\":\"") &&
	       base64_append(&body, (struct span){ (const char *)blob, (size_t)(16 + first + rest) }) && buf_append_text(&body, "\"}"));
	feishu_take(buf_span(&body));
	buf_release(&body);
	free(blob);
}

static void feishu_hear(struct span body)
{
	struct feishu_answer a;

	for (int status = 200; status <= 500; status += 100)
		feishu_answer_read(status, body, &a);
}

static void feishu_show(struct span text)
{
	CLEANUP(free_charp) char *foreign = span_dup(text);
	struct approval a = { .id = "0123456789abcdef0123456789abcdef", .short_id = "APR-7F3K", .quorum = 1, .agent = foreign, .client = foreign,
		.backend = foreign, .tool = foreign, .rule = foreign, .args = foreign, .reason = foreign };
	struct feishu_card c = { .approval = &a, .standing = foreign, .host = "box", .page_url = "https://a/b", .has_buttons = true };
	struct json_value root;
	struct buf card, quoted;

	for (int state = APPROVAL_PENDING; state <= APPROVAL_CONSUMED; state++) {
		a.state = (enum approval_state)state;
		buf_init(&card, MAX);
		buf_init(&quoted, MAX);
		assert(feishu_card_write(&c, FEISHU_MAX_BOT_CARD, &card) && json_quote(&quoted, buf_span(&card)));
		assert(quoted.len <= FEISHU_MAX_BOT_CARD && jsonscan_check(buf_span(&card), &root, NULL) == JSONSCAN_OK);
		buf_release(&card);
		buf_release(&quoted);
	}
}

/* ---- Slack ---- */

static void slack_take_inside(struct span payload)
{
	struct json_value root;
	struct slack_press p;

	if (jsonscan_check(payload, &root, NULL) != JSONSCAN_OK || !slack_press_read(root, &p))
		return;
	assert(*p.user && *p.team);
	assert((p.kind != SLACK_PRESS_APPROVE && p.kind != SLACK_PRESS_REJECT) || *p.id);
}

static void slack_take(struct span body)
{
	char sign[68];
	struct buf payload;

	slack_signature_write(SPAN("secret"), NOW, body, sign);
	assert(slack_signature_check(SPAN("secret"), NOW, sign, body, 1700000000) == SLACK_SIGNED);
	assert(slack_signature_check(SPAN("another"), NOW, sign, body, 1700000000) != SLACK_SIGNED);
	buf_init(&payload, MAX);
	if (urlform_field(body, "payload", &payload) == URLFORM_FOUND)
		slack_take_inside(buf_span(&payload));
	buf_release(&payload);
}

static void slack_hear(struct span body)
{
	struct json_value answer;
	char error[64];

	enum slack_outcome outcome = slack_answer_read(body, &answer, error);
	assert(outcome != SLACK_REFUSED || *error);
}

/* Who was not shown all of it has no button to approve it with. */
static void slack_show(struct span text)
{
	CLEANUP(free_charp) char *foreign = span_dup(text);
	struct approval a = { .id = "0123456789abcdef0123456789abcdef", .short_id = "APR-7F3K", .quorum = 1, .agent = foreign, .client = foreign,
		.tenant = foreign, .backend = foreign, .tool = foreign, .rule = foreign, .args = foreign, .reason = foreign };
	struct slack_card c = { .approval = &a, .standing = foreign, .host = "box", .page_url = "https://a/b", .message_id = "m", .channel = "C1",
		.ts = "", .expires_at_ms = 1700000000000, .has_buttons = true };
	struct json_value root;
	struct buf card;

	for (int state = APPROVAL_PENDING; state <= APPROVAL_CONSUMED; state++) {
		a.state = (enum approval_state)state;
		buf_init(&card, SLACK_MAX_CARD);
		assert(slack_card_write(&c, &card) && jsonscan_check(buf_span(&card), &root, NULL) == JSONSCAN_OK);
		assert(!strstr(card.data, "\"action_id\":\"aegis_approve\"") == (state != APPROVAL_PENDING || !slack_card_is_whole(&a)));
		buf_clear(&card);
		assert(slack_card_write_end(&c, &card) && jsonscan_check(buf_span(&card), &root, NULL) == JSONSCAN_OK);
		buf_release(&card);
	}
}

/* ---- WebSocket ---- */

static void websocket_hear(struct span bytes)
{
	const char *why = "";
	struct websocket_frame f;

	while (websocket_frame_read(bytes, &f, &why) == WEBSOCKET_WHOLE) {
		assert(f.size <= bytes.len && f.payload.len < f.size && f.payload.at + f.payload.len == bytes.at + f.size);
		bytes.at += f.size;
		bytes.len -= f.size;
	}
}

static void websocket_upgrade(struct span bytes)
{
	const char *why = "";
	size_t size = 0;

	if (websocket_answer_read(bytes, "dGhlIHNhbXBsZSBub25jZQ==", &size, &why) == WEBSOCKET_WHOLE)
		assert(size <= bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static void (*const ways[])(struct span) = { feishu_take, feishu_take_inside, feishu_hear, feishu_show, slack_take, slack_take_inside,
		slack_hear, slack_show, websocket_hear, websocket_upgrade };

	if (n > 0)
		ways[(size_t)(bytes[0] - '0') % ARRAY_LEN(ways)]((struct span){ (const char *)bytes + 1, n - 1 });
	return 0;
}
