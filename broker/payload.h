/* payload - what programs are told of an approval: the JSON of the generic webhook and of approval.notify.command. Its first keys are those of
 * Aegis for Go, field for field. Pure.
 *
 *   event          approval_request | approval_decided | approval_expired | approval_cancelled | approval_executed
 *   id             the same in all events of an approval
 *   agent_id, tool_name, arguments (a string: the whole canonical JSON), created_at (RFC 3339, UTC, seconds)
 *   approve_url, reject_url   of approval_request, where a plain GET may decide
 *   short_id, backend, rule, arguments_hash (BLAKE2b-256 of arguments, hex), state (as it is now), at (of the event), approval_url (the page),
 *   expires_at (of approval_request), message_id
 *   decision (approved | rejected), decided_by, decided_means, decided_at, reason      of approval_decided; without decision of _cancelled
 *   outcome (ok | failed | unknown | not_run), executed_at                              of approval_executed
 *   text, content  the same sentence twice, for chats that show one of them: of URLs only approval_url, of foreign text only names */
#pragma once
#include "broker/outbox.h"

struct payload {
	const struct notice *notice;
	int64_t now_ms;                          /* wall */
	const char *approve_url, *reject_url;    /* "" or NULL: left out */
};
/* False: out's cap. */
MUST_USE bool payload_write(struct buf *out, const struct payload *p);
/* The sentence of text and content alone. */
MUST_USE bool payload_text(struct buf *out, const struct notice *n);
