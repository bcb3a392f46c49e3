/* feishu_answer - what the platform says to a request: HTTP status and a body {"code", "msg", "data"}; code counts also where the status is 200
 * (reference pages "Generic error codes", "Send message", "Custom bot guide"). Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/span.h"

enum feishu_meaning {
	FEISHU_DONE,
	FEISHU_AGAIN,                    /* later: too many, or their fault, or not theirs at all */
	FEISHU_TOKEN_OVER,               /* with a new token at once */
	FEISHU_GONE,                     /* the message cannot be changed any more */
	FEISHU_REFUSED,                  /* as long as nobody changes something */
};
struct feishu_answer {
	enum feishu_meaning meaning;
	int64_t code;
	char said[300];                  /* not DONE: a sentence for operators, with what to do */
	char message_id[100];            /* "" = none */
	char token[600];                 /* tenant_access_token; "" = none */
	int64_t token_lives_s;
};
/* status: as it came, not 0. */
void feishu_answer_read(int status, struct span body, struct feishu_answer *out);
