#include "shim/turn.h"
#include "shim/call.h"
#include "shim/shim.h"

void turn_open(struct turn *t, struct shim *shim)
{
	*t = (struct turn){ .shim = shim };
	list_init(&t->marked);
}

void turn_mark(struct turn *t, struct call *c)
{
	if (list_is_empty(&c->marked))
		list_append(&t->marked, &c->marked);
}

void turn_mark_all(struct shim *s)
{
	list_for_each(c, &s->calls, struct call, node)
		turn_mark(&s->turn, c);
}

bool turn_has_marked(const struct turn *t)
{
	return !list_is_empty(&t->marked);
}

void turn_judge(struct turn *t)
{
	struct call *c;

	while ((c = list_first(&t->marked, struct call, marked)) != NULL) {
		list_remove(&c->marked);
		if (!c->is_asking)
			call_advance(c);
	}
}

static void told(struct op *op)
{
	struct call *c = op->arg;

	c->is_asking = false;
	pipeline_told(c);
	call_advance(c);
}

void turn_add(struct turn *t, struct call *c)
{
	c->is_asking = true;
	c->op = (struct op){ .told = told, .arg = c };
	pipeline_ask(c, t->shim->state.store);
}
