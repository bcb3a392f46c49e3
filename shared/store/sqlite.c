#include "store/sqlite.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

/* For the gate, once, at the end of a process that must be gone within 1 s. */
#define CLOSE_WAIT_MS 300

/* ---- the machine's clocks ---- */

static int64_t machine_wall_ms(void *arg)
{
	(void)arg;
	return clock_wall_ms();
}

static int64_t machine_boot_ms(void *arg)
{
	(void)arg;
	return clock_boot_ms();
}

static int64_t machine_boot_us(void *arg)
{
	(void)arg;
	return clock_boot_us();
}

static int64_t machine_mono_ms(void *arg)
{
	(void)arg;
	return clock_mono_us() / 1000;
}

static void machine_boot_name(void *arg, char *out, size_t size)
{
	(void)arg;
	clock_boot_name(out, size);
}

static const struct store_clock machine_clock = {
	machine_wall_ms,
	machine_boot_ms,
	machine_mono_ms,
	machine_boot_name,
	NULL,
	machine_boot_us,
};

/* ---- life ---- */

static void store_free(struct store *s)
{
	wake_close(s->wake);
	file_close(s);
	wal_free(s->wal);
	if (s->gate)
		gate_close(s->gate);
	paths_release(&s->paths);
	free(s);
}

static struct store *store_new(const struct store_options *o)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->options = *o;
	s->clock = o->clock ? *o->clock : machine_clock;
	turn_init(s);
	s->wal = wal_new(s);
	return s;
}

static enum err open_gate(struct store *s, struct problem *why)
{
	enum err e = gate_open(s->paths.state_dir, &s->gate);
	if (e == OK)
		e = gate_enter(s->gate, GATE_DEADLINE_MS);
	if (e != OK)
		problem_set(why, "%s/gate: %s", s->paths.state_dir, err_text(e));
	return e;
}

enum err store_open(const struct store_options *o, struct store **out, struct problem *why)
{
	struct store *s = store_new(o);

	enum err e = paths_init(&s->paths, o->state_dir, why);
	s->options.state_dir = s->paths.state_dir;
	if (e == OK)
		e = open_gate(s, why);
	if (e == OK) {
		s->presence = gate_presence(s->gate);
		s->admitted_n = gate_number(s->gate);
		e = file_open(s, why);
		if (e != OK)
			file_close(s);
		gate_leave(s->gate);
	}
	if (e != OK) {
		store_free(s);
		return e;
	}
	*out = s;
	return OK;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	turn_last(s, CLOSE_WAIT_MS);
	store_free(s);
}
