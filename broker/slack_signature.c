#include "broker/slack_signature.h"
#include <stdio.h>
#include "base/id.h"
#include "data/secret.h"

void slack_signature_write(struct span secret, const char *timestamp, struct span body, char out[68])
{
	struct mac m;
	uint8_t digest[32];
	char hex[65];

	mac_init(&m, secret);
	mac_add(&m, "v0:", 3);
	mac_add(&m, timestamp, strlen(timestamp));
	mac_add(&m, ":", 1);
	mac_add(&m, body.at, body.len);
	mac_done(&m, digest);
	hex_encode(hex, digest, sizeof digest);
	(void)snprintf(out, 68, "v0=%s", hex);
}

/* Seconds since 1970, nothing but digits. */
static bool read_timestamp(const char *text, int64_t *out)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 12 || text[n])
		return false;
	*out = strtoll(text, NULL, 10);
	return true;
}

enum slack_signature slack_signature_check(
	struct span secret, const char *timestamp, const char *signature, struct span body, int64_t now_s)
{
	char wanted[68];
	int64_t at_s;

	if (!timestamp || !signature || secret.len == 0 || !read_timestamp(timestamp, &at_s))
		return SLACK_NOT_SIGNED;
	slack_signature_write(secret, timestamp, body, wanted);
	if (!secret_equal(span_of(wanted), span_of(signature)))
		return SLACK_FORGED;
	bool is_near = at_s >= now_s - SLACK_SIGNATURE_WINDOW_S && at_s <= now_s + SLACK_SIGNATURE_WINDOW_S;
	return is_near ? SLACK_SIGNED : SLACK_OUT_OF_TIME;
}
