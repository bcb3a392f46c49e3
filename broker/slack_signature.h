/* slack_signature - is a callback really Slack's? Signing scheme v0 (docs.slack.dev/authentication/verifying-requests-from-slack):
 * HMAC-SHA-256 over "v0:TIMESTAMP:RAW BODY" under the app's signing secret. Pure. */
#pragma once
#include <stdint.h>
#include "base/span.h"

#define SLACK_SIGNATURE_WINDOW_S 300

enum slack_signature {
	SLACK_SIGNED,
	SLACK_NOT_SIGNED,                /* a header is missing, or is not what Slack sends */
	SLACK_OUT_OF_TIME,               /* signed too long ago, or too far in the future; told only where the signature is right */
	SLACK_FORGED,
};
/* timestamp, signature: X-Slack-Request-Timestamp and X-Slack-Signature, NULL when absent. body: as received. Constant time. */
enum slack_signature slack_signature_check(
	struct span secret, const char *timestamp, const char *signature, struct span body, int64_t now_s);
/* "v0=" and 64 lower-case hex digits. */
void slack_signature_write(struct span secret, const char *timestamp, struct span body, char out[68]);
