#include "domain/token.h"
#include <assert.h>
#include <stdio.h>
#include "base/base64.h"
#include "data/secret.h"

void token_write_secret(const char *prefix, const uint8_t random[32], char out[TOKEN_SECRET_SIZE])
{
	struct buf text;

	buf_init(&text, TOKEN_SECRET_SIZE);
	bool fits = buf_append_text(&text, prefix) && base64url_append(&text, (struct span){ (const char *)random, 32 });
	assert(fits && text.len < TOKEN_SECRET_SIZE);
	snprintf(out, TOKEN_SECRET_SIZE, "%s", text.data);
	secret_wipe(text.data, text.len);
	buf_release(&text);
}

void token_hash(const char *secret, uint8_t out[32])
{
	struct hash h;

	hash_init(&h);
	hash_add(&h, secret, strlen(secret));
	hash_done(&h, out);
	secret_wipe(&h, sizeof(h));
}
