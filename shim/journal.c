#include "shim/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/record.h"
#include "shim/shim.h"

#define MAX_OPEN_ROWS 64
#define BODY_CAP      4096

struct row {
	struct journal *journal;
	struct op op;
	struct evidence evidence;
	struct buf body;
	char id[ID_SIZE];
	char *tool;
};

static void row_free(struct row *row)
{
	row->journal->open--;
	buf_release(&row->body);
	free(row->tool);
	free(row);
}

static void row_told(struct op *op)
{
	struct row *row = op->arg;

	if (op->err != OK)
		log_warn("audit.lost", "verdict=%s: %s", row->evidence.verdict, err_text(op->err));
	row_free(row);
}

static struct row *row_new(struct journal *j, const char *tool)
{
	struct row *row;

	if (!j->shim->state.store || j->open >= MAX_OPEN_ROWS) {
		log_warn("audit.lost", "tool=%.64s: the store is not there to take the row", tool);
		return NULL;
	}
	row = xcalloc(1, sizeof(*row));
	row->journal = j;
	j->open++;
	row->tool = xstrdup(tool);
	buf_init(&row->body, BODY_CAP);
	return row;
}

/* Takes the row over. has_body: false when its body passed the cap, which no row's does. */
static void row_submit(struct row *row, bool has_body, const char *verdict)
{
	struct shim *s = row->journal->shim;
	int64_t now = clock_wall_ms();

	if (!has_body) {
		row_free(row);
		return;
	}
	id_new(row->id, now);
	row->evidence = (struct evidence){ .call = row->id, .agent = s->agent, .backend = s->backend, .tool = row->tool,
		.verdict = verdict, .kind = EVIDENCE_REFUSED, .at_ms = now, .body = buf_span(&row->body) };
	evidence_seal(&row->evidence);
	row->op = (struct op){ .told = row_told, .arg = row };
	store_audit_append(s->state.store, &row->op, &row->evidence);
}

/* ---- repeated refusals ------------------------------------------------------------------------------------------------------- */
static void write_due(struct journal *j, bool is_end)
{
	int64_t now = clock_wall_ms();
	struct repeat *one;

	while ((one = repeats_due(&j->repeats, now, is_end)) != NULL) {
		struct record_repeats r = { one->count, one->first_at_ms, one->last_at_ms };
		struct row *row = row_new(j, one->tool);
		repeats_written(one, now);
		if (row)
			row_submit(row, record_repeated(&r, &row->body), refusal_reason_text(one->reason));
	}
}

static void timer_due(struct loop_timer *t)
{
	struct journal *j = container_of(t, struct journal, timer);

	write_due(j, false);
	if (repeats_is_waiting(&j->repeats))
		loop_timer_set(j->shim->loop, t, REPEATS_EVERY_MS);
}

bool journal_is_first(struct journal *j, const char *tool, bool is_known_tool, enum refusal_reason reason)
{
	bool was_waiting = repeats_is_waiting(&j->repeats);
	bool is_first = repeats_is_first(&j->repeats, tool, is_known_tool, reason, clock_wall_ms());

	if (!was_waiting)
		loop_timer_set(j->shim->loop, &j->timer, REPEATS_EVERY_MS);
	return is_first;
}

void journal_end(struct journal *j)
{
	write_due(j, true);
}

void journal_blocked(struct journal *j, const char *method, const char *tool, const char *why)
{
	struct row *row;

	log_warn("message.blocked", "method=%.64s: %s", method, why);
	if (!journal_is_first(j, method, true, REFUSED_INVALID))
		return;
	row = row_new(j, tool);
	if (row)
		row_submit(row, record_blocked(method, why, &row->body), "blocked");
}

void journal_init(struct journal *j, struct shim *shim)
{
	*j = (struct journal){ .shim = shim };
	repeats_init(&j->repeats);
	loop_timer_init(&j->timer, timer_due);
}

void journal_release(struct journal *j)
{
	loop_timer_clear(&j->timer);
	repeats_release(&j->repeats);
}
