/* feishu_kit - what Feishu would send: an encrypted and signed body. */
#pragma once
#include <openssl/evp.h>
#include "base/base64.h"
#include "broker/feishu_crypto.h"
#include "data/jsonscan.h"
#include "unit/unit.h"

static inline void feishu_encrypt(const char *key_text, struct span text, struct buf *base64)
{
	static const unsigned char iv[16] = "0123456789abcdef";
	unsigned char key[32], *blob = malloc(16 + text.len + 32);
	int n = 0, rest = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	EVP_Digest(key_text, strlen(key_text), key, NULL, EVP_sha256(), NULL);
	memcpy(blob, iv, sizeof(iv));
	EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, iv);
	EVP_EncryptUpdate(c, blob + 16, &n, (const unsigned char *)text.at, (int)text.len);
	EVP_EncryptFinal_ex(c, blob + 16 + n, &rest);
	EVP_CIPHER_CTX_free(c);
	ck_assert(base64_append(base64, (struct span){ (const char *)blob, (size_t)(16 + n + rest) }));
	free(blob);
}

/* {"encrypt":"..."} */
static inline void feishu_seal(const char *key, const char *text, struct buf *body)
{
	ck_assert(buf_append_text(body, "{\"encrypt\":\""));
	feishu_encrypt(key, span_of(text), body);
	ck_assert(buf_append_text(body, "\"}"));
}
