/* slack_text - foreign text made fit for Slack: what cannot be seen is shown (\u202E; \n, \t, \r; \xFF for bytes that are no UTF-8), and it
 * is cut between characters, after escaping, never inside an entity. Pure. */
#pragma once
#include "base/buf.h"

enum slack_carrier {
	SLACK_LITERAL,                   /* plain_text and rich_text objects: no markup, nothing to escape */
	SLACK_MRKDWN,                    /* the top-level text, and mrkdwn objects: & < > are escaped, no three backticks stay together
	                                  * (docs.slack.dev/messaging/formatting-message-text) */
};

/* Appends at most most_bytes bytes. Returns how many bytes of text were left out; 0 = all of it stands there. */
size_t slack_text(struct buf *out, struct span text, size_t most_bytes, enum slack_carrier carrier);
/* The same for a line of a card: where it was cut an ellipsis stands, within most_bytes too (at least 8). False: out's own cap. */
MUST_USE bool slack_text_line(struct buf *out, const char *text, size_t most_bytes, enum slack_carrier carrier);
