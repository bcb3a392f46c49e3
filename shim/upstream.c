/* upstream - see upstream.h. One table entry per transport. */
#include "shim/translate.h"

static const struct upstream_kind *kind_of(const struct config_backend *b)
{
	if (b->command.n > 0)
		return &upstream_stdio;
	if (!b->url || !b->url[0])
		return NULL;
	return &upstream_http;              /* and its predecessor */
}

enum err upstream_new(const struct upstream_options *o, struct upstream **out, struct problem *why)
{
	const struct upstream_kind *kind = kind_of(o->backend);

	if (!kind) {
		problem_set(why, "backend %s: it has neither url nor command", o->backend->name);
		return ERR_UNSUPPORTED;
	}
	return translate_new(o, kind, out, why);
}

void upstream_free(struct upstream *u)
{
	if (u)
		u->kind->free(u);
}

void upstream_send(struct upstream *u, struct delivery *d)
{
	u->kind->send(u, d);
}

void upstream_cancel(struct upstream *u, struct delivery *d)
{
	u->kind->cancel(u, d);
}

void upstream_resume(struct upstream *u)
{
	u->kind->resume(u);
}

bool upstream_has_read(const struct upstream *u)
{
	return !u->kind->has_read || u->kind->has_read(u);
}

void upstream_find_era(struct upstream *u, struct era_question *q)
{
	translate_find_era(u, q);
}

void upstream_end(struct upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg)
{
	u->kind->end(u, budget_ms, ended, arg);
}
