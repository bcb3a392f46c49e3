#include "shim/repeats.h"
#include "base/xalloc.h"

#define KEY_CAP 1024

void repeats_init(struct repeats *r)
{
	r->by_kind = map_new();
}

static char *own(const char *text)
{
	return xstrdup(text);
}

static void disown(const char *text)
{
	free((void *)(uintptr_t)text);
}

static void repeat_free(void *p)
{
	struct repeat *one = p;

	disown(one->of.method);
	disown(one->of.target);
	disown(one->of.verdict);
	free(one);
}

void repeats_release(struct repeats *r)
{
	map_free(r->by_kind, repeat_free);
	r->by_kind = NULL;
}

static void kind_key(struct buf *key, const struct repeat_kind *of)
{
	if (!buf_printf(key, "%d:%s:%.128s:%.512s", (int)of->kind, of->verdict, of->method, of->target))
		buf_clear(key);
}

static struct repeat *find_or_make(struct repeats *r, const struct repeat_kind *of, bool *is_new)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	struct repeat *one;

	buf_init(&key, KEY_CAP);
	kind_key(&key, of);
	one = map_get(r->by_kind, buf_span(&key));
	*is_new = !one;
	if (one)
		return one;
	one = xcalloc(1, sizeof(*one));
	one->of = (struct repeat_kind){ of->kind, own(of->method), own(of->target), own(of->verdict) };
	map_set(r->by_kind, buf_span(&key), one);
	return one;
}

bool repeats_is_first(struct repeats *r, const struct repeat_kind *of, int64_t now_ms)
{
	struct repeat_kind kind = *of;
	bool is_new;

	if (map_size(r->by_kind) >= REPEATS_MAX)
		kind.method = kind.target = "";
	struct repeat *one = find_or_make(r, &kind, &is_new);
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
