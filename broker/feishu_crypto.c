#include "broker/feishu_crypto.h"
#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include "base/base64.h"
#include "base/id.h"
#include "data/secret.h"

#define BLOCK 16
#define DIGEST 32

/* libcrypto fails here only without memory: as our own allocations, that ends the process. */
static void sha256(const struct span *parts, size_t n, unsigned char out[DIGEST])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool is_good = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; is_good && i < n; i++)
		is_good = EVP_DigestUpdate(c, parts[i].at, parts[i].len) == 1;
	is_good = is_good && EVP_DigestFinal_ex(c, out, NULL) == 1;
	EVP_MD_CTX_free(c);
	assert(is_good);
}

void feishu_signature(struct span timestamp, struct span nonce, struct span encrypt_key, struct span body, char out[FEISHU_SIGNATURE_SIZE])
{
	const struct span parts[] = { timestamp, nonce, encrypt_key, body };
	unsigned char digest[DIGEST];

	sha256(parts, ARRAY_LEN(parts), digest);
	hex_encode(out, digest, DIGEST);
}

static bool decrypt_blocks(const unsigned char key[DIGEST], struct span iv_and_blocks, struct buf *out)
{
	const unsigned char *iv = (const unsigned char *)iv_and_blocks.at;
	int n = 0, rest = 0, length = (int)(iv_and_blocks.len - BLOCK);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	char *to = buf_reserve(out, (size_t)length);
	bool is_good = c && to && EVP_DecryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, iv) == 1 &&
	               EVP_DecryptUpdate(c, (unsigned char *)to, &n, iv + BLOCK, length) == 1 &&
	               EVP_DecryptFinal_ex(c, (unsigned char *)to + n, &rest) == 1;   /* false: the padding is not all of it right */

	EVP_CIPHER_CTX_free(c);
	if (to)
		buf_added(out, is_good ? (size_t)(n + rest) : 0);
	return is_good;
}

bool feishu_decrypt(struct span encrypt_key, struct span base64, struct buf *out)
{
	CLEANUP(buf_release) struct buf blob = { 0 };
	unsigned char key[DIGEST];

	buf_init(&blob, base64.len);
	if (!base64_decode(&blob, base64) || blob.len < 2 * BLOCK || blob.len % BLOCK != 0)
		return false;
	sha256(&encrypt_key, 1, key);
	bool is_good = decrypt_blocks(key, buf_span(&blob), out);
	secret_wipe(key, sizeof(key));
	return is_good;
}

bool feishu_bot_sign(int64_t timestamp_s, struct span secret, struct buf *out)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	uint8_t sign[DIGEST];
	struct mac m;

	buf_init(&key, secret.len + 32);
	if (!buf_printf(&key, "%" PRId64 "\n", timestamp_s) || !buf_append_span(&key, secret))
		return false;
	mac_init(&m, buf_span(&key));
	mac_done(&m, sign);
	secret_wipe(key.data, key.len);
	return base64_append(out, (struct span){ (const char *)sign, DIGEST });
}
