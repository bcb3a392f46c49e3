/* cmd_approvals - aegisctl approvals list, show: what agents ask people for. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/approval_history.h"
#include "broker/ctl/approval_view.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/place.h"
#include "broker/ctl/table.h"

#define SHOWN_BYTES 60   /* of the arguments, in the table */

static enum ctl_exit open_place(const struct ctl *c, struct place *p)
{
	enum ctl_exit code = place_find_state(c, p);

	return code == CTL_OK ? place_open_store(p) : code;
}

static enum ctl_exit cannot_read(enum err e)
{
	ctl_say("the approvals cannot be read: %s", err_text(e));
	return CTL_BROKEN;
}

/* ---- list ---- */
struct listing {
	struct table table;
	struct buf text;         /* of one */
	int64_t wall_ms;
	size_t n;
	bool is_broken;
};

static bool print_json_row(void *arg, const struct approval *a)
{
	struct listing *l = arg;

	buf_clear(&l->text);
	l->is_broken = !approval_write_json(&l->text, a, l->wall_ms);
	if (!l->is_broken)
		printf("%s\n%s", l->n++ ? "," : "", l->text.data);
	return !l->is_broken;
}

/* A character is never cut in two: the rest is bytes the table shows as such, so the cut stands at a whole one. */
static void cut(struct buf *b)
{
	size_t n = SHOWN_BYTES;

	if (b->len <= SHOWN_BYTES)
		return;
	while (n > 0 && ((unsigned char)b->data[n] & 0xc0) == 0x80)
		n--;
	buf_truncate(b, n);
	if (!buf_append_text(b, " ..."))
		buf_truncate(b, n);
}

#define HURRY_MS 60000   /* what expires sooner is shown so */

static void add_expiry(struct listing *l, const struct approval *a)
{
	buf_clear(&l->text);
	if (a->state != APPROVAL_PENDING && a->state != APPROVAL_APPROVED)
		table_add(&l->table, "-");
	else if (a->is_frozen)
		table_add(&l->table, "paused");
	else
		table_add(&l->table, approval_write_duration(&l->text, a->expires_in_ms) ? l->text.data : "");
	if (a->state == APPROVAL_PENDING && !a->is_frozen && a->expires_in_ms < HURRY_MS)
		table_colour(&l->table, TERM_RED);
}

static bool add_table_row(void *arg, const struct approval *a)
{
	struct listing *l = arg;

	table_add(&l->table, a->short_id);
	table_add(&l->table, approval_state_text(a->state));
	table_colour(&l->table, approval_colour(a->state));
	table_add(&l->table, a->agent);
	table_add(&l->table, a->backend);
	table_add(&l->table, a->tool);
	add_expiry(l, a);
	table_addf(&l->table, "%u", a->waiting);
	buf_clear(&l->text);
	l->is_broken = !approval_write_arguments(&l->text, a);
	cut(&l->text);
	table_add(&l->table, l->text.len ? l->text.data : "");
	l->n++;
	return !l->is_broken;
}

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->text);
}

static enum err look(const struct ctl *c, struct place *p, uint32_t limit, struct listing *l)
{
	struct approval_filter filter = {
		.is_live_only = !ctl_value(c, "all"),
		.agent = ctl_value(c, "agent"),
		.limit = ctl_value(c, "all") ? limit : 0,
	};

	return p->store ? store_approval_list(p->store, &filter, c->is_json ? print_json_row : add_table_row, l) : OK;
}

enum ctl_exit cmd_approvals_list(const struct ctl *c)
{
	static const char *const headings[] = { "approval", "state", "agent", "backend", "tool", "expires in", "waiting", "arguments" };
	struct place place CLEANUP(place_release) = { 0 };
	struct listing l CLEANUP(listing_release) = { .wall_ms = clock_wall_ms() };
	long limit = 0;

	if (!ctl_number(c, "limit", 1, 1000000, 100, &limit))
		return CTL_USAGE;
	enum ctl_exit code = open_place(c, &place);
	if (code != CTL_OK)
		return code;
	buf_init(&l.text, APPROVAL_VIEW_MAX_BYTES);
	table_init(&l.table, headings, ARRAY_LEN(headings));
	l.table.is_coloured = ctl_is_coloured(c);
	if (c->is_json)
		fputs("[", stdout);
	enum err e = look(c, &place, (uint32_t)limit, &l);
	if (c->is_json)
		fputs("\n]\n", stdout);
	if (e != OK || l.is_broken)
		return cannot_read(e != OK ? e : ERR_TOO_LARGE);
	if (!c->is_json && l.n == 0)
		fputs(ctl_value(c, "all") ? "no approvals\n" : "nobody waits for an approval\n", stderr);
	else if (!c->is_json)
		table_print(&l.table, stdout);
	return CTL_OK;
}

/* ---- show ---- */
static enum err write_json(struct buf *b, struct store *s, const struct approval *a)
{
	if (!approval_write_json(b, a, clock_wall_ms()))
		return ERR_TOO_LARGE;
	buf_truncate(b, b->len - 1);             /* its last brace: there is more */
	enum err e = approval_history_json(b, s, a);
	return e == OK && !buf_append_text(b, "}\n") ? ERR_TOO_LARGE : e;
}

static enum err write_text(struct buf *b, struct store *s, const struct approval *a)
{
	if (!approval_write_head(b, a))
		return ERR_TOO_LARGE;
	enum err e = approval_history_text(b, s, a);
	return e == OK && !approval_write_whole_arguments(b, a) ? ERR_TOO_LARGE : e;
}

enum ctl_exit cmd_approvals_show(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct approval a CLEANUP(approval_release) = { 0 };
	struct buf text CLEANUP(buf_release);

	buf_init(&text, APPROVAL_VIEW_MAX_BYTES);
	enum ctl_exit code = open_place(c, &place);
	if (code != CTL_OK)
		return code;
	enum err e = place.store ? store_approval_get(place.store, c->words[0], &a) : ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND) {
		ctl_say("there is no approval %s", c->words[0]);
		return CTL_FAILED;
	}
	if (e == OK)
		e = c->is_json ? write_json(&text, place.store, &a) : write_text(&text, place.store, &a);
	if (e != OK)
		return cannot_read(e);
	fwrite(text.data, 1, text.len, stdout);
	return CTL_OK;
}
