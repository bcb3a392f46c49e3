#include "broker/signature.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/id.h"
#include "data/secret.h"

void signature_write(char out[SIGNATURE_SIZE], struct span secret, int64_t wall_s, struct span body)
{
	char at[24], hex[65];
	uint8_t digest[32];
	struct mac m;

	(void)snprintf(at, sizeof(at), "%" PRId64, wall_s);
	mac_init(&m, secret);
	mac_add(&m, at, strlen(at));
	mac_add(&m, ".", 1);
	mac_add(&m, body.at, body.len);
	mac_done(&m, digest);
	hex_encode(hex, digest, sizeof(digest));
	(void)snprintf(out, SIGNATURE_SIZE, "t=%s,v1=%s", at, hex);
}
