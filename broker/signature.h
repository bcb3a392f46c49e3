/* signature - X-Aegis-Signature of the generic webhook: "t=SECONDS,v1=HEX", HMAC-SHA-256 over SECONDS "." BODY. Pure. */
#pragma once
#include <stdint.h>
#include "base/span.h"

#define SIGNATURE_SIZE 96

void signature_write(char out[SIGNATURE_SIZE], struct span secret, int64_t wall_s, struct span body);
