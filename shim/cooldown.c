#include "shim/cooldown.h"
#include <inttypes.h>
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/shim.h"

#define HTTP_TOO_MANY_REQUESTS   429
#define HTTP_SERVICE_UNAVAILABLE 503

static int64_t asked_ms(const struct delivery_end *end)
{
	if (end->http_status == HTTP_TOO_MANY_REQUESTS)
		return end->retry_after_ms >= 0 ? end->retry_after_ms : COOLDOWN_UNSAID_MS;
	return end->http_status == HTTP_SERVICE_UNAVAILABLE && end->retry_after_ms > 0 ? end->retry_after_ms : 0;
}

struct cooldown_wish cooldown_wish_of(const struct delivery_end *end, int64_t max_ms)
{
	struct cooldown_wish w = { .ms = asked_ms(end) };

	if (w.ms > max_ms)
		w.ms = max_ms;
	if (w.ms > 0 && end->retry_after_ms > 0)
		snprintf(w.cause, sizeof(w.cause), "it answered HTTP %d and asked for %" PRId64 " s", end->http_status,
		         (end->retry_after_ms + 999) / 1000);
	else if (w.ms > 0)
		snprintf(w.cause, sizeof(w.cause), "it answered HTTP %d", end->http_status);
	return w;
}

struct note {
	struct op op;
	struct cooldown_set set;
	struct cooldown_wish wish;
	char *backend;
};

static void note_told(struct op *op)
{
	struct note *n = op->arg;

	if (op->err != OK)
		log_warn("backend.cooldown", "backend=%s: %s", n->backend, err_text(op->err));
	free(n->backend);
	free(n);
}

void cooldown_note(struct part *p, const struct delivery_end *end)
{
	const struct config_backend *b = part_backend(p);
	struct cooldown_wish wish = cooldown_wish_of(end, b ? b->cooldown_max_ms : 0);
	struct store *store = p->shim->state.store;

	if (wish.ms <= 0 || !store)
		return;
	log_info("backend.cooldown", "backend=%s ms=%" PRId64 ": %s", p->name, wish.ms, wish.cause);
	struct note *n = xcalloc(1, sizeof(*n));
	n->wish = wish;
	n->backend = xstrdup(p->name);
	n->set = (struct cooldown_set){ .backend = n->backend, .cause = n->wish.cause, .for_ms = wish.ms };
	n->op = (struct op){ .told = note_told, .arg = n };
	store_cooldown_set(store, &n->op, &n->set);
	loop_hurry(p->shim->loop);
}
