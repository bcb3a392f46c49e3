#include "domain/evidence.h"
#include "data/secret.h"

const char *evidence_kind_text(enum evidence_kind k)
{
	static const char *const texts[] = {
		[EVIDENCE_INTENT] = "intent",     [EVIDENCE_OUTCOME] = "outcome",
		[EVIDENCE_REFUSED] = "refused",   [EVIDENCE_REQUEST] = "request",
		[EVIDENCE_DECISION] = "decision", [EVIDENCE_OPERATOR] = "operator",
		[EVIDENCE_PURGE] = "purge",       [EVIDENCE_BOOT] = "boot",
	};
	return texts[k];
}

const char *executed_text(enum executed e)
{
	static const char *const texts[] = {
		[EXECUTED_NO] = "no",
		[EXECUTED_YES] = "yes",
		[EXECUTED_UNKNOWN] = "unknown",
	};
	return texts[e];
}

static void put_u64(uint8_t out[8], uint64_t n)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(n >> (8 * i));
}

void evidence_seal(struct evidence *e)
{
	const char *const before[] = { e->call, evidence_kind_text(e->kind) };
	const char *const after[] = { e->agent, e->backend, e->tool, e->verdict };
	struct hash h;
	uint8_t at[8];

	put_u64(at, (uint64_t)e->at_ms);
	hash_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		hash_add_field(&h, span_of(before[i]));
	hash_add(&h, at, sizeof(at));
	for (size_t i = 0; i < ARRAY_LEN(after); i++)
		hash_add_field(&h, span_of(after[i]));
	hash_add_field(&h, e->body);
	hash_add(&h, e->args_hash, sizeof(e->args_hash));
	hash_done(&h, e->digest);
}

void evidence_chain(const uint8_t previous[32], uint64_t seq, const uint8_t digest[32], uint8_t out[32])
{
	struct hash h;
	uint8_t number[8];

	put_u64(number, seq);
	hash_init(&h);
	hash_add(&h, previous, 32);
	hash_add(&h, number, sizeof(number));
	hash_add(&h, digest, 32);
	hash_done(&h, out);
}
