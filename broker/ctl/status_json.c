/* status_json - how it all stands, for programs. Every key is always there; null: not known. */
#include "base/clock.h"
#include "broker/ctl/status.h"
#include "domain/config_out.h"

static void put_known(struct out *o, const char *name, int64_t n)
{
	if (n < 0)
		out_raw(o, name, "null");
	else
		out_number(o, name, n);
}

static void put_time(struct out *o, const char *name, int64_t at_ms)
{
	char at[32];

	clock_format_utc(at_ms, at, sizeof at);
	if (at_ms > 0)
		out_text(o, name, at);
	else
		out_raw(o, name, "null");
}

static void put_text(struct out *o, const char *name, const char *text)
{
	if (text)
		out_text(o, name, text);
	else
		out_raw(o, name, "null");
}

static void put_broker(struct out *o, const struct status *s)
{
	static const char *const states[] = { [BROKER_ABSENT] = "absent", [BROKER_SILENT] = "silent", [BROKER_HERE] = "running" };
	bool is_here = s->broker.state == BROKER_HERE;

	out_open_map(o, "broker");
	out_text(o, "state", states[s->broker.state]);
	put_known(o, "pid", s->broker.pid > 0 ? s->broker.pid : -1);
	put_time(o, "since", s->broker.started_at_ms);
	put_text(o, "version", s->broker.version);
	put_text(o, "listening", s->broker.listening);
	if (is_here)
		out_bool(o, "auto_started", s->broker.is_auto_started);
	else
		out_raw(o, "auto_started", "null");
	put_known(o, "generation", s->broker.generation > 0 ? s->broker.generation : -1);
	put_text(o, "trouble", s->broker.state == BROKER_SILENT ? s->broker.why : s->broker.trouble);
	put_known(o, "resident_bytes", s->broker.resident_bytes);
	put_known(o, "share_bytes", s->broker.share_bytes);
	out_close_map(o);
}

static void put_shims(struct out *o, const struct status *s)
{
	out_open_list(o, "shims");
	for (size_t i = 0; i < s->shims.n; i++) {
		const struct status_shim *h = &s->shims.v[i];
		out_open_map(o, NULL);
		out_text(o, "agent", h->agent);
		out_text(o, "client", h->client);
		out_text(o, "backend", h->backend);
		out_number(o, "pid", h->pid);
		put_time(o, "since", h->started_at_ms);
		put_known(o, "resident_bytes", h->resident_bytes);
		put_known(o, "share_bytes", h->share_bytes);
		out_number(o, "waiting_for_person", h->approvals);
		out_number(o, "waiting_in_queue", h->tickets);
		out_number(o, "at_backend", h->flights);
		out_close_map(o);
	}
	out_close_list(o);
}

static void put_queues(struct out *o, const struct status *s)
{
	out_open_list(o, "queues");
	for (size_t i = 0; i < s->queues.n; i++) {
		const struct status_queue *q = &s->queues.v[i];
		out_open_map(o, NULL);
		out_text(o, "backend", q->backend);
		out_number(o, "waiting", q->waiting);
		out_number(o, "parked", q->parked);
		out_number(o, "running", q->running);
		out_number(o, "oldest_ms", q->oldest_ms);
		out_close_map(o);
	}
	out_close_list(o);
}

static void put_approvals(struct out *o, const struct status *s)
{
	bool has_pending = s->approvals.pending > 0, has_next = *s->approvals.next;

	out_open_map(o, "approvals");
	out_number(o, "pending", s->approvals.pending);
	out_number(o, "approved", s->approvals.approved);
	out_number(o, "frozen", s->approvals.frozen);
	put_text(o, "oldest", has_pending ? s->approvals.oldest : NULL);
	put_known(o, "oldest_ms", has_pending ? s->approvals.oldest_ms : -1);
	put_text(o, "next_to_expire", has_next ? s->approvals.next : NULL);
	put_known(o, "next_expires_in_ms", has_next ? s->approvals.next_ms : -1);
	out_close_map(o);
}

static void put_limits(struct out *o, const struct status *s)
{
	out_open_list(o, "limits");
	for (size_t i = 0; s->limits && i < s->claims.n; i++) {
		const struct limit_claim *c = &s->claims.v[i];
		const struct limit_row *row = &s->limits[i];
		if (!status_is_near(c, row))
			continue;
		out_open_map(o, NULL);
		out_text(o, "scope", limit_scope_text(c->scope));
		out_text(o, "who", c->who);
		out_text(o, "backend", c->backend);
		out_text(o, "tool", c->tool);
		out_number(o, "window_ms", c->window_ms);
		out_number(o, "used", row->used);
		out_number(o, "held", row->held);
		out_number(o, "max_count", c->max_count);
		out_bool(o, "is_closed", row->is_closed);
		put_known(o, "next_free_ms", row->next_free_ms);
		out_close_map(o);
	}
	out_close_list(o);
}

static void put_channels(struct out *o, const struct status *s)
{
	out_open_list(o, "channels");
	for (size_t i = 0; i < s->channels.n; i++) {
		const struct status_channel *c = &s->channels.v[i];
		out_open_map(o, NULL);
		out_text(o, "name", c->name);
		if (c->is_known)
			out_bool(o, "open", c->is_open);
		else
			out_raw(o, "open", "null");
		out_text(o, "about", c->about);
		out_number(o, "waiting", c->waiting);
		out_number(o, "failing", c->failing);
		out_number(o, "dead", c->dead);
		out_number(o, "oldest_ms", c->oldest_ms);
		out_text(o, "last_error", c->error);
		out_close_map(o);
	}
	out_close_list(o);
}

static void put_troubles(struct out *o, const struct status *s)
{
	out_open_list(o, "stopped");
	for (size_t i = 0; i < s->stops.n; i++) {
		out_open_map(o, NULL);
		out_text(o, "what", s->stops.v[i].what);
		out_text(o, "why", s->stops.v[i].why);
		put_known(o, "left_ms", s->stops.v[i].left_ms);
		out_close_map(o);
	}
	out_close_list(o);
	out_number(o, "unknown_outcomes", s->unknown);
	out_open_list(o, "errors");
	for (size_t i = 0; i < s->errors.n; i++) {
		out_open_map(o, NULL);
		put_time(o, "at", s->errors.v[i].at_ms);
		out_text(o, "what", s->errors.v[i].sentence);
		out_close_map(o);
	}
	out_close_list(o);
}

bool status_write_json(const struct status *s, struct buf *b)
{
	struct out o = out_begin(b, true);

	put_time(&o, "at", s->wall_ms);
	put_text(&o, "rules", s->place->config ? s->place->config->path : NULL);
	out_text(&o, "state_dir", s->place->state_dir);
	put_text(&o, "store_error", *s->store_why ? s->store_why : NULL);
	out_bool(&o, "is_new", s->is_new);
	put_broker(&o, s);
	put_shims(&o, s);
	put_queues(&o, s);
	put_approvals(&o, s);
	put_limits(&o, s);
	put_channels(&o, s);
	put_troubles(&o, s);
	return out_end(&o);
}
