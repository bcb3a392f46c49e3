/* secret - libsodium behind our own names. */
#include "data/secret.h"
#include <assert.h>
#include <sodium.h>

static_assert(sizeof(struct hash) >= sizeof(crypto_generichash_state),
	"struct hash holds libsodium's state");
static_assert(
	_Alignof(struct hash) >= _Alignof(crypto_generichash_state), "and is aligned like it");
static_assert(sizeof(struct mac) >= sizeof(crypto_auth_hmacsha256_state), "struct mac holds libsodium's state");
static_assert(_Alignof(struct mac) >= _Alignof(crypto_auth_hmacsha256_state), "and is aligned like it");

enum err secret_setup(void)
{
	return sodium_init() < 0 ? ERR_UNSUPPORTED : OK;
}

bool secret_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || sodium_memcmp(a.at, b.at, a.len) == 0);
}

void secret_wipe(void *at, size_t n)
{
	sodium_memzero(at, n);
}

void secret_free(char *text)
{
	if (text == NULL)
		return;
	sodium_memzero(text, strlen(text));
	free(text);
}

static crypto_generichash_state *state_of(struct hash *h)
{
	return (crypto_generichash_state *)(void *)h->state;
}

void hash_init(struct hash *h)
{
	*h = (struct hash){ { 0 } };
	int failed = crypto_generichash_init(state_of(h), NULL, 0, 32);

	assert(!failed);
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
	int failed = n ? crypto_generichash_update(state_of(h), bytes, n) : 0;

	assert(!failed);
}

void hash_add_field(struct hash *h, struct span s)
{
	uint8_t len[8];

	for (int i = 0; i < 8; i++)
		len[i] = (uint8_t)((uint64_t)s.len >> (8 * i));
	hash_add(h, len, sizeof(len));
	hash_add(h, s.at, s.len);
}

void hash_done(struct hash *h, uint8_t out[32])
{
	int failed = crypto_generichash_final(state_of(h), out, 32);

	assert(!failed);
}

static crypto_auth_hmacsha256_state *mac_state(struct mac *m)
{
	return (crypto_auth_hmacsha256_state *)(void *)m->state;
}

void mac_init(struct mac *m, struct span key)
{
	*m = (struct mac){ { 0 } };
	(void)crypto_auth_hmacsha256_init(mac_state(m), (const unsigned char *)key.at, key.len);
}

void mac_add(struct mac *m, const void *bytes, size_t n)
{
	if (n)
		(void)crypto_auth_hmacsha256_update(mac_state(m), bytes, n);
}

void mac_done(struct mac *m, uint8_t out[32])
{
	(void)crypto_auth_hmacsha256_final(mac_state(m), out);
	secret_wipe(m, sizeof(*m));
}

bool secret_from_hex(struct span text, uint8_t *out, size_t n)
{
	size_t got = 0;

	return text.len == 2 * n && sodium_hex2bin(out, n, text.at, text.len, NULL, &got, NULL) == 0 && got == n;
}
