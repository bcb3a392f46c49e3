#include "shim/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/record.h"
#include "shim/shim.h"

#define MAX_OPEN_ROWS 256
#define BODY_CAP      (32 * 1024)            /* a target of RECORD_TARGET_BYTES, escaped */

struct row {
	struct journal *journal;
	struct list node;
	struct op op;
	struct evidence evidence;
	struct buf body;
	char id[ID_SIZE];
	char *backend, *tool, *verdict;
};

static void row_free(struct row *row)
{
	row->journal->open--;
	list_remove(&row->node);
	buf_release(&row->body);
	free(row->backend);
	free(row->tool);
	free(row->verdict);
	free(row);
}

static void row_told(struct op *op)
{
	struct row *row = op->arg;

	if (op->err != OK)
		log_warn("audit.lost", "verdict=%s: %s", row->evidence.verdict, err_text(op->err));
	row_free(row);
}

static struct row *row_new(struct journal *j, const char *backend, const char *tool)
{
	struct row *row;

	if (j->open >= MAX_OPEN_ROWS) {
		log_warn("audit.lost", "tool=%.64s: the store does not take the rows", tool);
		return NULL;
	}
	row = xcalloc(1, sizeof(*row));
	row->journal = j;
	list_init(&row->node);
	j->open++;
	row->backend = xstrdup(backend);
	row->tool = xstrdup(tool);
	buf_init(&row->body, BODY_CAP);
	return row;
}

/* Takes the row over. has_body: false when its body passed the cap, which no row's does. */
static void row_add(struct row *row, bool has_body, enum evidence_kind kind, const char *verdict)
{
	struct journal *j = row->journal;
	int64_t now = clock_wall_ms();

	if (!has_body) {
		row_free(row);
		return;
	}
	id_new(row->id, now);
	row->verdict = xstrdup(verdict);
	row->evidence = (struct evidence){ .call = row->id, .agent = j->part->shim->agent, .backend = row->backend, .tool = row->tool,
		.verdict = row->verdict, .kind = kind, .at_ms = now, .body = buf_span(&row->body) };
	evidence_seal(&row->evidence);
	list_append(&j->waiting, &row->node);
}

void journal_go_on(struct journal *j)
{
	struct row *row;

	if (!j->part->shim->state.store)
		return;
	while ((row = list_first(&j->waiting, struct row, node)) != NULL) {
		list_remove(&row->node);
		row->op = (struct op){ .told = row_told, .arg = row, .is_kept = true };
		store_audit_append(j->part->shim->state.store, &row->op, &row->evidence);
		loop_hurry(j->part->shim->loop);
	}
}

/* ---- repetitions --------------------------------------------------------------------------------------------------------------- */
static void write_repeat(struct journal *j, const struct repeat *one)
{
	const struct repeat_kind *of = &one->of;
	bool is_call = of->method[0] == '\0' && of->kind == EVIDENCE_REFUSED;
	struct record_repeats r = { one->count, one->first_at_ms, one->last_at_ms, of->method, is_call ? "" : of->target };
	struct row *row = row_new(j, j->part->name, is_call ? of->target : "");

	if (row)
		row_add(row, record_repeated(&r, &row->body), of->kind, of->verdict);
}

static void write_due(struct journal *j, bool is_end)
{
	int64_t now = clock_wall_ms();
	struct repeat *one;

	while ((one = repeats_due(&j->repeats, now, is_end)) != NULL) {
		write_repeat(j, one);
		repeats_written(one, now);
	}
}

static void timer_due(struct loop_timer *t)
{
	struct journal *j = container_of(t, struct journal, timer);

	write_due(j, false);
	if (repeats_is_waiting(&j->repeats))
		loop_timer_set(j->part->shim->loop, t, REPEATS_EVERY_MS);
}

bool journal_is_first(struct journal *j, const struct repeat_kind *of)
{
	bool was_waiting = repeats_is_waiting(&j->repeats);
	bool is_first = repeats_is_first(&j->repeats, of, clock_wall_ms());

	if (!was_waiting)
		loop_timer_set(j->part->shim->loop, &j->timer, REPEATS_EVERY_MS);
	return is_first;
}

void journal_end(struct journal *j)
{
	write_due(j, true);
	journal_go_on(j);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------ */
void journal_blocked(struct journal *j, const char *method, const char *tool, const char *why)
{
	struct repeat_kind of = { EVIDENCE_REFUSED, method, "", "blocked" };
	struct row *row;

	log_warn("message.blocked", "method=%.64s: %s", method, why);
	(void)state_is_open(&j->part->shim->state);
	if (!journal_is_first(j, &of))
		return;
	row = row_new(j, j->part->name, tool);
	if (row)
		row_add(row, record_blocked(method, why, &row->body), EVIDENCE_REFUSED, "blocked");
}

void journal_request(struct journal *j, const struct record_request *r, const char *backend, const char *verdict, bool is_collapsed)
{
	struct repeat_kind of = { EVIDENCE_REQUEST, r->method, r->target ? r->target : "", verdict };
	struct row *row;

	if (is_collapsed && !journal_is_first(j, &of))
		return;
	row = row_new(j, backend, "");
	if (row)
		row_add(row, record_request(r, &row->body), EVIDENCE_REQUEST, verdict);
}

void journal_init(struct journal *j, struct part *part)
{
	*j = (struct journal){ .part = part };
	list_init(&j->waiting);
	repeats_init(&j->repeats);
	loop_timer_init(&j->timer, timer_due);
}

static void drop_waiting(struct journal *j)
{
	unsigned n = 0;
	struct row *row;

	for (; (row = list_first(&j->waiting, struct row, node)) != NULL; n++)
		row_free(row);
	if (n > 0 && j->part->shim->state.why[0])
		log_warn("audit.lost", "rows=%u: the store was never there to take them", n);
}

void journal_release(struct journal *j)
{
	loop_timer_clear(&j->timer);
	drop_waiting(j);
	repeats_release(&j->repeats);
}
