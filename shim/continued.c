#include "shim/continued.h"
#include "base/clock.h"
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/shim.h"

static void continuation_free(struct continuation *k)
{
	if (!k)
		return;
	list_remove(&k->node);
	free(k->tool);
	free(k);
}

/* ---- those that wait for their client ---------------------------------------------------------------------------------------------- */
static void forget(struct continued *t, struct continuation *k)
{
	t->n--;
	continuation_free(k);
}

static void keep(struct continued *t, struct continuation *k)
{
	if (t->n >= CONTINUED_MAX)
		forget(t, list_first(&t->all, struct continuation, node));
	list_append(&t->all, &k->node);
	t->n++;
}

static void forget_old(struct continued *t)
{
	int64_t now = clock_mono_us();
	struct continuation *k;

	while ((k = list_first(&t->all, struct continuation, node)) != NULL && k->until_us < now)
		forget(t, k);
}

void continued_init(struct continued *t)
{
	*t = (struct continued){ 0 };
	list_init(&t->all);
}

void continued_release(struct continued *t)
{
	struct continuation *k;

	while ((k = list_first(&t->all, struct continuation, node)) != NULL)
		forget(t, k);
}

/* ---- a call that may be the rest of one --------------------------------------------------------------------------------------------- */
static bool is_rest_of(const struct call *c, const struct continuation *k, struct json_value state)
{
	uint8_t hash[32];

	if (k->has_state != (state.kind != JSON_NONE) || strcmp(k->tool, c->tool) != 0 ||
	    memcmp(k->args_hash, c->facts.args_hash, sizeof(k->args_hash)) != 0)
		return false;
	json_canonical_hash(state, hash);
	return memcmp(k->state_hash, hash, sizeof(hash)) == 0;
}

void continued_begin(struct call *c)
{
	struct continued *t = &c->part->continued;
	struct json_value state, answers;

	if (t->n == 0 || !c->tool)
		return;
	state = json_get(c->in.rpc.params, "requestState");
	answers = json_get(c->in.rpc.params, "inputResponses");
	if (state.kind == JSON_NONE && answers.kind != JSON_OBJECT)
		return;
	forget_old(t);
	list_for_each(k, &t->all, struct continuation, node) {
		if (!is_rest_of(c, k, state))
			continue;
		list_remove(&k->node);
		t->n--;
		c->continues = k;
		return;
	}
}

bool continued_is_approved(const struct call *c)
{
	const struct continuation *k = c->continues;

	return k && k->approval[0] && memcmp(k->tool_hash, c->facts.tool_hash, sizeof(k->tool_hash)) == 0 &&
	       memcmp(k->fingerprint, c->facts.fingerprint, sizeof(k->fingerprint)) == 0;
}

struct claim_set continued_holds(const struct call *c)
{
	return !c->continues ? c->claims : (struct claim_set){ 0 };
}

/* ---- a call that stops ------------------------------------------------------------------------------------------------------------------ */
static const char *approval_of(const struct call *c)
{
	return c->approval[0] || !c->continues ? c->approval : c->continues->approval;
}

void continued_stopped(struct call *c, const struct jsonrpc *answer)
{
	struct json_value state = json_get(answer->result, "requestState");
	unsigned rounds = c->continues ? c->continues->rounds + 1 : 1;
	struct continuation *k;

	if (c->is_dropped || rounds > CONTINUED_ROUNDS)
		return;                         /* nobody reads the state; or it never ends: the next is a call of its own */
	k = xcalloc(1, sizeof(*k));
	list_init(&k->node);
	snprintf(k->first, sizeof(k->first), "%s", c->continues ? c->continues->first : c->facts.id);
	snprintf(k->use, sizeof(k->use), "%s", c->facts.id);
	snprintf(k->approval, sizeof(k->approval), "%s", approval_of(c));
	memcpy(k->tool_hash, c->facts.tool_hash, sizeof(k->tool_hash));
	memcpy(k->fingerprint, c->facts.fingerprint, sizeof(k->fingerprint));
	memcpy(k->args_hash, c->facts.args_hash, sizeof(k->args_hash));
	json_canonical_hash(state, k->state_hash);
	k->has_state = state.kind != JSON_NONE;
	k->tool = xstrdup(c->tool);
	k->rounds = rounds;
	c->stops = k;
}

void continued_forget(struct call *c)
{
	continuation_free(c->stops);
	c->stops = NULL;
}

/* From here on the uses stand under this call. */
void continued_settled(struct call *c)
{
	struct continuation *k = c->stops ? c->stops : c->continues;

	if (!k || !c->flight.is_committed)
		return;
	snprintf(k->use, sizeof(k->use), "%s", c->facts.id);
	k->use_tick = c->settle.use_tick;
	if (!c->stops)
		return;
	k->until_us = clock_mono_us() + CONTINUED_MS * 1000LL;
	keep(&c->part->continued, k);
	c->stops = NULL;
}

static bool was_at_the_backend(const struct call *c)
{
	return c->flight.is_committed && c->outcome.kind != OUTCOME_NOT_SENT && c->outcome.kind != OUTCOME_REJECTED;
}

void continued_end(struct call *c)
{
	continued_forget(c);
	if (c->continues && !was_at_the_backend(c))
		keep(&c->part->continued, c->continues);
	else
		continuation_free(c->continues);
	c->continues = NULL;
}
