/* evidence - one row of the audit before it is chained. Builders are pure: facts in, canonical JSON and digest out.
 * digest = BLAKE2b-256 over length-prefixed (call, kind, at_ms, agent, backend, tool, verdict, body, args_hash): what the row says,
 * without its number. The store continues the chain: BLAKE2b-256(previous chain || seq as 8 bytes little-endian || digest). */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "base/id.h"

enum evidence_kind { EVIDENCE_INTENT, EVIDENCE_OUTCOME, EVIDENCE_REFUSED, EVIDENCE_REQUEST, EVIDENCE_DECISION, EVIDENCE_OPERATOR,
                     EVIDENCE_PURGE, EVIDENCE_BOOT };
const char *evidence_kind_text(enum evidence_kind k);          /* "intent", ... */

enum executed { EXECUTED_NO, EXECUTED_YES, EXECUTED_UNKNOWN };
const char *executed_text(enum executed e);                    /* "no" "yes" "unknown" */

struct evidence {                                              /* strings are borrowed until appended */
	const char *call, *agent, *backend, *tool, *verdict;
	enum evidence_kind kind;
	int64_t at_ms;                                         /* wall, for people */
	struct span body;                                      /* canonical JSON object */
	uint8_t args_hash[32];
	uint8_t digest[32];
};
void evidence_seal(struct evidence *e);                        /* computes digest from the rest */
void evidence_chain(const uint8_t previous[32], uint64_t seq, const uint8_t digest[32], uint8_t out[32]);
