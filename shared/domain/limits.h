/* limits - which windows a call must pass, and under which keys they are counted. Pure arithmetic and naming; the counting is
 * the store's. Keys are scope, tenant and names joined by U+001F, never rule numbers, so an edited limit keeps its history. */
#pragma once
#include "domain/config.h"

#define LIMITS_MAX_CLAIMS 64          /* config refuses files that could need more for one call */
#define LIMITS_FULL_ABOVE_MS (10 * 60 * 1000)  /* calls under a longer window are on disk before they leave (durability FULL) */

enum limit_scope { LIMIT_AGENT_TOOL, LIMIT_AGENT, LIMIT_UID, LIMIT_GLOBAL, LIMIT_LOOP };
const char *limit_scope_text(enum limit_scope s);             /* "agent", "agent, all backends", "user", "global", "loop" */

struct limit_claim {
	char *key;                    /* owned by the set */
	enum limit_scope scope;
	const char *who, *backend;    /* agent or principal, backend; "" where the scope has none; the subject's or config's */
	const char *tool;             /* config's: the tool or glob of the rule */
	int64_t window_ms;
	uint32_t max_count;
};
struct claim_set { struct limit_claim *v; size_t n; };

struct limit_subject { const char *tenant, *agent, *backend; int64_t uid; struct span tool; };

/* Every window that applies to the call, in fixed order: agent+tool, agent, uid, global; file order inside. */
void claims_collect(const struct config *c, const struct limit_subject *who, struct claim_set *out);
/* loop.max_repeats: one window more, of calls with exactly these arguments; nothing when it is off. */
void claims_add_loop(const struct config *c, const struct limit_subject *who, const uint8_t args_hash[32], struct claim_set *set);
#define LIMITS_LOOP_PREFIX "loop\x1f"                          /* of these keys alone; no text lies between it and "loop " */
bool limit_is_loop(const char *key);                          /* counts whatever comes of the call: never given back */
/* Every window of the file, whatever the tool, for an operator's look; agent NULL: of all agents, else those that agent may meet. */
void claims_list(const struct config *c, const char *agent, struct claim_set *out);
void claims_release(struct claim_set *s);
bool claims_need_full(const struct claim_set *s);             /* a window > 10 min: durability FULL */

/* "3/1h": the largest of d, h, m, s that divides exactly; ms when nothing else does. */
MUST_USE bool limit_write_duration(struct buf *b, int64_t window_ms);
