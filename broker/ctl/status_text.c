/* status_text - how it all stands, for people: one screen in the normal case. */
#include <inttypes.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/status.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"

#define LABEL_CHARS 10

struct page {
	const struct status *s;
	FILE *to;
	bool is_coloured;
	size_t rows;
};

static void paint(const struct page *p, enum term_colour colour, const char *text)
{
	term_paint(p->to, p->is_coloured ? colour : TERM_PLAIN, text);
}

static void label(const struct page *p, const char *text)
{
	paint(p, TERM_BOLD, text);
	fprintf(p->to, "%*s", (int)(LABEL_CHARS > strlen(text) ? LABEL_CHARS - strlen(text) : 1), "");
}

/* Foreign text on one line, cut where it is too long. */
static void say(const struct page *p, const char *text, size_t most)
{
	CLEANUP(free_charp) char *shown = term_text(text);
	size_t n = 0, chars = 0;

	for (; shown[n] && chars < most; chars++)
		for (n++; ((unsigned char)shown[n] & 0xc0) == 0x80;)
			n++;
	fprintf(p->to, "%.*s%s", (int)n, shown, shown[n] ? "..." : "");
}

static void more(const struct page *p, size_t n)
{
	if (n > p->rows)
		fprintf(p->to, "%*s... and %zu more (--json shows all)\n", LABEL_CHARS, "", n - p->rows);
}

static void write_memory(char *out, size_t size, int64_t share, int64_t resident)
{
	int64_t bytes = share >= 0 ? share : resident;

	if (bytes < 0)
		snprintf(out, size, "?");
	else
		snprintf(out, size, "%.1f MB", (double)bytes / (1024 * 1024));
}

/* ---- the broker ---- */

static void print_here(const struct page *p)
{
	const struct status *s = p->s;
	char age[TERM_SPAN], memory[32];

	term_span(age, s->wall_ms - s->broker.started_at_ms);
	write_memory(memory, sizeof memory, s->broker.share_bytes, s->broker.resident_bytes);
	paint(p, TERM_GREEN, "running");
	fprintf(p->to, " for %s, pid %" PRId64 ", version %s, %s%s\n", age, s->broker.pid, s->broker.version, memory,
		s->broker.is_auto_started ? ", started by a shim" : "");
	fprintf(p->to, "%*slistens at ", LABEL_CHARS, "");
	say(p, *s->broker.listening ? s->broker.listening : "no door at all", 200);
	if (s->broker.generation > 0)
		fprintf(p->to, "; rules of generation %" PRId64, s->broker.generation);
	fputc('\n', p->to);
	if (s->broker.trouble && *s->broker.trouble) {
		fprintf(p->to, "%*s", LABEL_CHARS, "");
		paint(p, TERM_RED, "trouble: ");
		say(p, s->broker.trouble, 200);
		fputc('\n', p->to);
	}
}

static void print_broker(const struct page *p)
{
	const struct status *s = p->s;

	label(p, "broker");
	if (s->broker.state == BROKER_HERE) {
		print_here(p);
	} else if (s->broker.state == BROKER_SILENT) {
		paint(p, TERM_RED, "does not answer");
		if (s->broker.pid > 0)
			fprintf(p->to, ", pid %" PRId64, s->broker.pid);
		fprintf(p->to, "\n%*s", LABEL_CHARS, "");
		say(p, s->broker.why, 300);
		fputc('\n', p->to);
	} else {
		const struct config *c = s->place->config;
		bool comes = c && c->broker.autostart && c->mode == MODE_COOPERATIVE;
		paint(p, TERM_YELLOW, "not running");
		fprintf(p->to, ". Rules hold all the same; %s.\n%*sDecide here: aegisctl approvals watch. Start it: aegis-broker &\n",
			comes ? "a shim that asks for an approval starts it" : "nobody is told of approvals and nothing listens", LABEL_CHARS, "");
	}
}

/* ---- shims ---- */

static void write_waits(char *out, size_t size, const struct status_shim *h)
{
	const struct { uint32_t n; const char *what; } waits[] = {
		{ h->approvals, "a person" }, { h->tickets, "the queue" }, { h->flights, "the backend" },
	};
	size_t n = 0;

	snprintf(out, size, "-");
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		char count[16] = "";
		if (waits[i].n > 1)
			snprintf(count, sizeof count, " (%u)", waits[i].n);
		if (waits[i].n > 0 && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s%s", n ? ", " : "", waits[i].what, count);
	}
}

static void add_shim(struct table *t, const struct status *s, const struct status_shim *h)
{
	char age[TERM_SPAN], memory[32], waits[120];

	term_span(age, s->wall_ms - h->started_at_ms);
	write_memory(memory, sizeof memory, h->share_bytes, h->resident_bytes);
	write_waits(waits, sizeof waits, h);
	table_add(t, "");
	table_add(t, h->agent);
	table_addf(t, "%.24s", *h->client ? h->client : "?");
	table_addf(t, "%.40s", *h->backend ? h->backend : "all");
	table_addf(t, "%" PRId64, h->pid);
	table_add(t, age);
	table_add(t, memory);
	table_add(t, waits);
}

static void print_shims(const struct page *p)
{
	static const char *const headings[] = { "        ", "agent", "client", "backend", "pid", "age", "memory", "waits for" };
	const struct status *s = p->s;
	struct table t CLEANUP(table_release) = { 0 };

	label(p, "shims");
	if (s->shims.n == 0)
		fputs("none is at work\n", p->to);
	else
		fprintf(p->to, "%zu at work\n", s->shims.n);
	if (s->shims.n == 0)
		return;
	table_init(&t, headings, ARRAY_LEN(headings));
	for (size_t i = 0; i < s->shims.n && i < p->rows; i++)
		add_shim(&t, s, &s->shims.v[i]);
	table_print(&t, p->to);
	more(p, s->shims.n);
}

/* ---- what waits ---- */

static void print_approvals(const struct page *p)
{
	const struct status *s = p->s;
	char span[TERM_SPAN];

	label(p, "approvals");
	if (s->approvals.pending == 0) {
		fprintf(p->to, "none waits for a decision");
	} else {
		char text[40];
		snprintf(text, sizeof text, "%u pending", s->approvals.pending);
		paint(p, TERM_YELLOW, text);
		term_span(span, s->approvals.oldest_ms);
		fprintf(p->to, ", oldest %s (%s): ", s->approvals.oldest, span);
		say(p, s->approvals.oldest_tool, 24);
		fputs(" for ", p->to);
		say(p, s->approvals.oldest_agent, 24);
	}
	if (s->approvals.approved > 0)
		fprintf(p->to, "; %u approved and not used yet", s->approvals.approved);
	fputc('\n', p->to);
	if (*s->approvals.next) {
		term_span(span, s->approvals.next_ms);
		fprintf(p->to, "%*sthe next to expire is %s, in %s\n", LABEL_CHARS, "", s->approvals.next, span);
	}
}

static void print_queues(const struct page *p)
{
	const struct status *s = p->s;

	for (size_t i = 0; i < s->queues.n && i < p->rows; i++) {
		const struct status_queue *q = &s->queues.v[i];
		char oldest[TERM_SPAN];
		term_span(oldest, q->oldest_ms);
		label(p, i == 0 ? "queues" : "");
		fprintf(p->to, "%s: %u waiting", q->backend, q->waiting + q->parked);
		if (q->parked > 0)
			fprintf(p->to, " (%u of them parked)", q->parked);
		if (q->waiting + q->parked > 0)
			fprintf(p->to, ", the longest for %s", oldest);
		fprintf(p->to, ", %u running\n", q->running);
	}
	more(p, s->queues.n);
}

static void print_limit(const struct page *p, const struct limit_claim *c, const struct limit_row *row)
{
	bool is_full = row->is_closed || (uint64_t)row->used + row->held >= c->max_count;
	struct buf window CLEANUP(buf_release);
	char left[TERM_SPAN], count[64];

	buf_init(&window, 64);
	term_span(left, row->next_free_ms);
	snprintf(count, sizeof count, "%u of %u", row->used + row->held, c->max_count);
	paint(p, is_full ? TERM_RED : TERM_YELLOW, count);
	fprintf(p->to, " in %s: %s%s%s, %s", limit_write_duration(&window, c->window_ms) ? window.data : "", *c->who ? c->who : limit_scope_text(c->scope), *c->backend ? " at " : "", c->backend, c->tool);
	if (row->is_closed)
		fputs(" (records were lost)", p->to);
	if (is_full && row->next_free_ms >= 0)
		fprintf(p->to, "; next place in %s", left);
	fputc('\n', p->to);
}

static void print_limits(const struct page *p)
{
	const struct status *s = p->s;
	size_t n = 0;

	for (size_t i = 0; s->limits && i < s->claims.n; i++) {
		if (!status_is_near(&s->claims.v[i], &s->limits[i]) || ++n > p->rows)
			continue;
		label(p, n == 1 ? "limits" : "");
		print_limit(p, &s->claims.v[i], &s->limits[i]);
	}
	more(p, n);
}

/* ---- whom people hear from ---- */

static void print_channel(const struct page *p, const struct status_channel *c)
{
	bool is_bad = c->dead > 0 || c->failing > 0 || (c->is_known && !c->is_open);

	fprintf(p->to, "%s ", c->name);
	if (is_bad || c->is_known)
		paint(p, is_bad ? TERM_RED : TERM_GREEN, is_bad ? (c->is_known && !c->is_open ? "closed" : "failing") : "ok");
	else
		fputs("configured", p->to);
	if (c->waiting > 0)
		fprintf(p->to, ", %u not told yet", c->waiting);
	if (c->dead > 0)
		fprintf(p->to, ", %u given up", c->dead);
	if (is_bad && (*c->error || *c->about)) {
		fputs(": ", p->to);
		say(p, *c->error ? c->error : c->about, 100);
	} else if (*c->about) {
		fputs(" (", p->to);
		say(p, c->about, 56);
		fputc(')', p->to);
	}
	fputc('\n', p->to);
}

static void print_channels(const struct page *p)
{
	label(p, "channels");
	if (p->s->channels.n == 0)
		fputs("none is configured: nobody is told of approvals\n", p->to);
	for (size_t i = 0; i < p->s->channels.n; i++) {
		if (i > 0)
			label(p, "");
		print_channel(p, &p->s->channels.v[i]);
	}
}

/* ---- what is wrong ---- */

static void print_stops(const struct page *p)
{
	const struct status *s = p->s;

	for (size_t i = 0; i < s->stops.n && i < p->rows; i++) {
		const struct status_stop *stop = &s->stops.v[i];
		CLEANUP(free_charp) char *what = term_text(stop->what);
		char left[TERM_SPAN];
		term_span(left, stop->left_ms);
		label(p, i == 0 ? "stopped" : "");
		paint(p, TERM_RED, what);
		if (stop->left_ms >= 0)
			fprintf(p->to, " for %s more", left);
		fputs(", ", p->to);
		say(p, stop->why, 100);
		fputc('\n', p->to);
	}
	more(p, s->stops.n);
}

static void print_troubles(const struct page *p)
{
	const struct status *s = p->s;

	if (s->unknown > 0) {
		label(p, "unknown");
		fprintf(p->to, "what became of %u call%s is not known: aegisctl unknown list\n", s->unknown, s->unknown == 1 ? "" : "s");
	}
	for (size_t i = 0; i < s->errors.n; i++) {
		char at[TERM_SPAN];
		term_span(at, s->wall_ms - s->errors.v[i].at_ms);
		label(p, i == 0 ? "errors" : "");
		fprintf(p->to, "%s ago: ", at);
		say(p, s->errors.v[i].sentence, 100);
		fputc('\n', p->to);
	}
}

/* ---- the page ---- */

static void print_head(const struct page *p)
{
	const struct place *place = p->s->place;

	label(p, "rules");
	say(p, place->config ? place->config->path : "none were found", 100);
	if (place->config && place->config->mode == MODE_ENFORCED)
		fputs(" (enforced)", p->to);
	fputc('\n', p->to);
	label(p, "state");
	say(p, place->state_dir, 100);
	fputs(p->s->is_new ? ": nothing is stored there yet\n" : "\n", p->to);
	if (!*p->s->store_why)
		return;
	fprintf(p->to, "%*s", LABEL_CHARS, "");
	paint(p, TERM_RED, "cannot be read: ");
	say(p, p->s->store_why, 300);
	fputc('\n', p->to);
}

void status_print(const struct status *s, FILE *to, bool is_coloured, size_t rows)
{
	const struct page p = { s, to, is_coloured, rows };

	print_head(&p);
	print_broker(&p);
	print_stops(&p);
	if (s->place->store) {
		print_shims(&p);
		print_queues(&p);
		print_approvals(&p);
		print_limits(&p);
	}
	print_channels(&p);
	print_troubles(&p);
}

static void print_gist_of_shims(const struct status *s, FILE *to)
{
	for (size_t i = 0; i < s->shims.n; i++) {
		const struct status_shim *h = &s->shims.v[i];
		fprintf(to, "%" PRId64 " %u %u %u\n", h->pid, h->approvals, h->tickets, h->flights);
	}
}

void status_print_gist(const struct status *s, FILE *to)
{
	fprintf(to, "%d %" PRId64 " %s %s\n", s->broker.state, s->broker.pid, s->broker.trouble ? s->broker.trouble : "", s->store_why);
	print_gist_of_shims(s, to);
	for (size_t i = 0; i < s->queues.n; i++)
		fprintf(to, "%s %u %u %u\n", s->queues.v[i].backend, s->queues.v[i].waiting, s->queues.v[i].parked, s->queues.v[i].running);
	fprintf(to, "%u %u %s %s\n", s->approvals.pending, s->approvals.approved, s->approvals.oldest, s->approvals.next);
	for (size_t i = 0; s->limits && i < s->claims.n; i++)
		fprintf(to, "%u %u %d\n", s->limits[i].used, s->limits[i].held, s->limits[i].is_closed);
	for (size_t i = 0; i < s->channels.n; i++)
		fprintf(to, "%u %u %u %s\n", s->channels.v[i].waiting, s->channels.v[i].failing, s->channels.v[i].dead, s->channels.v[i].error);
	for (size_t i = 0; i < s->stops.n; i++)
		fprintf(to, "%s %s\n", s->stops.v[i].what, s->stops.v[i].why);
	fprintf(to, "%u\n", s->unknown);
	for (size_t i = 0; i < s->errors.n; i++)
		fprintf(to, "%" PRId64 " %s\n", s->errors.v[i].at_ms, s->errors.v[i].sentence);
}
