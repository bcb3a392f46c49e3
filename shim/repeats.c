#include "shim/repeats.h"
#include "base/xalloc.h"

#define KEY_CAP 1024

void repeats_init(struct repeats *r)
{
	r->by_kind = map_new();
}

static void repeat_free(void *p)
{
	struct repeat *one = p;
	free(one->tool);
	free(one);
}

void repeats_release(struct repeats *r)
{
	map_free(r->by_kind, repeat_free);
	r->by_kind = NULL;
}

static void kind_key(struct buf *key, const char *tool, enum refusal_reason reason)
{
	if (!buf_printf(key, "%s:%.512s", refusal_reason_text(reason), tool))
		buf_clear(key);
}

static struct repeat *find_or_make(struct repeats *r, const char *tool, enum refusal_reason reason, bool *is_new)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	struct repeat *one;

	buf_init(&key, KEY_CAP);
	kind_key(&key, tool, reason);
	one = map_get(r->by_kind, buf_span(&key));
	*is_new = !one;
	if (one)
		return one;
	one = xcalloc(1, sizeof(*one));
	*one = (struct repeat){ .tool = xstrdup(tool), .reason = reason };
	map_set(r->by_kind, buf_span(&key), one);
	return one;
}

bool repeats_is_first(struct repeats *r, const char *tool, bool is_known_tool, enum refusal_reason reason, int64_t now_ms)
{
	bool is_crowded = map_size(r->by_kind) >= REPEATS_MAX;
	bool is_new;
	struct repeat *one = find_or_make(r, is_known_tool && !is_crowded ? tool : "", reason, &is_new);

	if (is_new) {
		one->row_at_ms = now_ms;
		return true;
	}
	if (one->count++ == 0)
		one->first_at_ms = now_ms;
	one->last_at_ms = now_ms;
	return false;
}

struct repeat *repeats_due(struct repeats *r, int64_t now_ms, bool is_end)
{
	size_t pos = 0;
	struct span key;
	void *value;

	while (map_next(r->by_kind, &pos, &key, &value)) {
		struct repeat *one = value;
		bool is_old = now_ms - one->row_at_ms >= REPEATS_EVERY_MS;
		if (one->count > 0 && (is_old || is_end))
			return one;
		if (one->count == 0 && is_old)
			repeat_free(map_remove(r->by_kind, key));
	}
	return NULL;
}

void repeats_written(struct repeat *one, int64_t now_ms)
{
	one->count = 0;
	one->row_at_ms = now_ms;
}

bool repeats_is_waiting(const struct repeats *r)
{
	return map_size(r->by_kind) > 0;
}
