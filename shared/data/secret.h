/* secret - constant-time compare, BLAKE2b-256, HMAC-SHA-256, hex, wiping. Wraps libsodium. */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "base/span.h"

MUST_USE enum err secret_setup(void);                     /* sodium_init; once, in main */
bool secret_equal(struct span a, struct span b);          /* constant time for equal lengths */
void secret_wipe(void *at, size_t n);
void secret_free(char *text);                             /* wipes a C string, then frees it; NULL is legal */

struct hash { _Alignas(64) unsigned char state[384]; };   /* BLAKE2b-256, streaming */
void hash_init(struct hash *h);
void hash_add(struct hash *h, const void *bytes, size_t n);
void hash_add_field(struct hash *h, struct span s);       /* 8-byte little-endian length, then the bytes: no ambiguity */
void hash_done(struct hash *h, uint8_t out[32]);

struct mac { _Alignas(64) unsigned char state[512]; };    /* HMAC-SHA-256 (RFC 2104, FIPS 180-4), streaming */
void mac_init(struct mac *m, struct span key);
void mac_add(struct mac *m, const void *bytes, size_t n);
void mac_done(struct mac *m, uint8_t out[32]);            /* wipes m */

/* 2n hex digits, no more and no less. False: they are not that; out means nothing. */
MUST_USE bool secret_from_hex(struct span text, uint8_t *out, size_t n);
