#include "store/sqlite.h"
#include "base/failpoint.h"
#include <unistd.h>

static void join_carry_out(struct store *s, struct op *op, void *request)
{
	const struct session *me = request;
	int64_t number = gate_number(s->gate);

	(void)op;
	reap(s);
	db_run(&s->db, SQL_SESSION_PUT,
		BIND(text(me->id), num(number), text(me->kind), text(me->agent),
			num(me->identity_level), num((int64_t)me->uid), text(me->tenant),
			text(me->client), text(me->client_version), text(me->backend),
			num((int64_t)getpid()), text(AEGIS_VERSION), num(s->now.wall_ms)));
	FAILPOINT(SESSION_JOINED);
}

/* The sockets come first: who finds the row may ring at once. Without them others still look once a
 * second. */
void store_session_join(struct store *s, struct op *op, const struct session *me)
{
	op->needs_full = false;
	snprintf(s->session, sizeof(s->session), "%s", me->id);
	enum err e = s->wake ? OK : wake_open(s->paths.state_dir, gate_number(s->gate), &s->wake);
	if (e == OK)
		e = presence_listen(s->presence);
	presence_sweep(s->presence);
	FAILPOINT(SESSION_LISTENING);
	turn_submit(s, op, e == OK ? join_carry_out : NULL, (void *)me);
	op->err = e;
}

static void leave_carry_out(struct store *s, struct op *op, void *request)
{
	(void)op;
	(void)request;
	queue_drop_of(s, gate_number(s->gate));
	holds_drop_of(s, gate_number(s->gate));
	approval_detach_all(s, gate_number(s->gate));
	db_run(&s->db, SQL_SESSION_DROP, BIND(num(gate_number(s->gate))));
	FAILPOINT(SESSION_LEFT);
}

void store_session_leave(struct store *s, struct op *op)
{
	op->needs_full = false;
	turn_submit(s, op, leave_carry_out, NULL);
}

uint32_t store_number(const struct store *s)
{
	return gate_number(s->gate);
}

int store_wake_fd(const struct store *s)
{
	return s->wake ? wake_fd(s->wake) : -1;
}

void store_wake_drain(struct store *s)
{
	if (s->wake)
		wake_drain(s->wake);
}

int store_watch_owner(struct store *s, const char *session_id)
{
	if (read_begin(s) != OK)
		return -1;
	int64_t number = db_number(&s->db, SQL_SESSION_NUMBER, -1, BIND(text(session_id)));
	if (read_end(s) != OK || number < 0)
		return -1;
	return presence_watch(s->presence, (uint32_t)number);
}

/* ---- who is here ---- */

static struct session_row session_row_of(sqlite3_stmt *q)
{
	return (struct session_row){
		.id = column_text(q, 0),
		.kind = column_text(q, 1),
		.agent = column_text(q, 2),
		.client = column_text(q, 3),
		.client_version = column_text(q, 4),
		.backend = column_text(q, 5),
		.tenant = column_text(q, 6),
		.program_version = column_text(q, 7),
		.number = (uint32_t)sqlite3_column_int64(q, 8),
		.identity_level = sqlite3_column_int(q, 9),
		.uid = (uid_t)sqlite3_column_int64(q, 10),
		.pid = (pid_t)sqlite3_column_int64(q, 11),
		.started_at_ms = sqlite3_column_int64(q, 12),
		.approvals = (uint32_t)sqlite3_column_int64(q, 13),
		.tickets = (uint32_t)sqlite3_column_int64(q, 14),
		.flights = (uint32_t)sqlite3_column_int64(q, 15),
	};
}

enum err store_session_list(struct store *s, session_row_fn *fn, void *arg)
{
	bool wants_more = true;

	enum err e = read_begin(s);
	if (e != OK)
		return e;
	CLEANUP(db_end) sqlite3_stmt *q = db_start(&s->db, SQL_SESSION_LIST, NO_BIND);
	while (wants_more && db_row(&s->db, q)) {
		struct session_row row = session_row_of(q);
		if (row.number == gate_number(s->gate) || presence_is_alive(s->presence, row.number, NULL))
			wants_more = fn(arg, &row);
	}
	return read_end(s);
}
