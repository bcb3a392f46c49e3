/* feishu_crypto - the three things Feishu and Lark do with keys: signatures of callbacks, their encryption, signatures of a custom bot's
 * messages. Pure. (open.feishu.cn, "Encrypt Key encryption" and "Custom bot guide"; vectors in tests/unit/test_feishu_crypto.c) */
#pragma once
#include "base/buf.h"
#include "base/span.h"

#define FEISHU_SIGNATURE_SIZE 65         /* 64 lower-case hex digits and the NUL */

/* X-Lark-Signature: SHA-256 over timestamp, nonce, encrypt key and the body as it came. Not an HMAC: the key stands before what a
 * sender chooses, so nothing can be appended to a message that was seen, but for its end, and there it is JSON or refused. */
void feishu_signature(struct span timestamp, struct span nonce, struct span encrypt_key, struct span body, char out[FEISHU_SIGNATURE_SIZE]);

/* Appends the text inside a callback's "encrypt": base64 of IV and AES-256-CBC under SHA-256 of the key. False, leaving out as it was:
 * base64, length or padding is wrong, or out's cap would be passed. CBC proves nothing: check the signature first. */
MUST_USE bool feishu_decrypt(struct span encrypt_key, struct span base64, struct buf *out);

/* "sign" of a custom bot's message: base64 of HMAC-SHA-256 over nothing, under timestamp (s), a line end and the secret. */
MUST_USE bool feishu_bot_sign(int64_t timestamp_s, struct span secret, struct buf *out);
