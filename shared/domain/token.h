/* token - what a secret that is handed out once looks like, and what is kept of it. */
#pragma once
#include <stdint.h>
#include <stdbool.h>

#define TOKEN_SECRET_SIZE 64                     /* with the NUL */
#define TOKEN_API_PREFIX  "aegis_api_"           /* for people's programs; aegis_ag_ and aegis_rm_ are agents' and rooms' */

/* prefix and the bytes in base64url. The caller wipes it. */
void token_write_secret(const char *prefix, const uint8_t random[32], char out[TOKEN_SECRET_SIZE]);
/* BLAKE2b-256: under this the store knows it. */
void token_hash(const char *secret, uint8_t out[32]);
