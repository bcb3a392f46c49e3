#include "domain/annotate.h"
#include "domain/acl.h"
#include "domain/pattern.h"
#include "domain/queue.h"

static bool write_separator(struct buf *b, size_t start)
{
	return buf_append_char(b, b->len == start ? '[' : '|');
}

static bool write_limits(struct buf *b, size_t start, const char *label, const struct config_limits *limits,
	struct span tool)
{
	for (size_t i = 0; i < limits->n; i++) {
		const struct config_tool_limits *entry = &limits->v[i];
		if (!pattern_match(entry->tool, tool))
			continue;
		for (size_t j = 0; j < entry->n; j++)
			if (!write_separator(b, start) || !buf_printf(b, "%s:%u/", label, entry->v[j].max_count) ||
				!limit_write_duration(b, entry->v[j].window_ms))
				return false;
	}
	return true;
}

static bool write_queue(struct buf *b, size_t start, const struct config_queue *q)
{
	return write_separator(b, start) && buf_append_text(b, "Queued:") &&
	       limit_write_duration(b, q->delay_min_ms) && buf_append_char(b, '-') &&
	       limit_write_duration(b, q->delay_max_ms);
}

static bool write_parts(const struct annotate_facts *f, struct buf *b, size_t start)
{
	const struct config_queue *q = config_queue(f->config, f->grant->backend);

	if (!write_limits(b, start, "Rate", &f->grant->rate_limits, f->tool) ||
		!write_limits(b, start, "Rate", &f->agent->rate_limits, f->tool))
		return false;
	if (q && !write_limits(b, start, "GlobalRate", &q->global_rate_limits, f->tool))
		return false;
	if (acl_approval_required(f->grant, f->tool, NULL) &&
		!(write_separator(b, start) && buf_append_text(b, "ApprovalRequired")))
		return false;
	if (q && f->agent->annotate == ANNOTATE_FULL && queue_governs(q, f->tool))
		return write_queue(b, start, q);
	return true;
}

bool annotate_prefix(const struct annotate_facts *f, struct buf *b)
{
	size_t start = b->len;

	if (f->agent->annotate == ANNOTATE_FALSE)
		return true;
	if (!write_parts(f, b, start)) {
		b->len = start;
		return false;
	}
	return b->len == start || buf_append_text(b, "] ");
}
