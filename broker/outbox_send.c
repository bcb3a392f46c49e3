#include "broker/outbox_send.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "broker/counters.h"
#include "broker/links.h"

#define BACKOFF_FIRST_MS   1000
#define BACKOFF_MAX_MS     ((int64_t)300 * 1000)
#define RETRY_AFTER_MAX_MS ((int64_t)3600 * 1000)
#define PAGE_URL_MAX       4096

static struct send *send_of(struct delivery *d)
{
	return container_of(d, struct send, delivery);
}

int64_t send_backoff_ms(uint32_t attempts, uint32_t dice, int64_t retry_after_ms)
{
	int64_t ms = attempts < 9 ? (int64_t)BACKOFF_FIRST_MS << attempts : BACKOFF_MAX_MS;

	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	ms = ms * 4 / 5 + ms * 2 / 5 * (int64_t)(dice % 1001) / 1000;
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	return ms > retry_after_ms ? ms : retry_after_ms;
}

/* ---- its end ----------------------------------------------------------------------------------------------------------- */

static void log_end(const struct send *s)
{
	const struct message_end *e = &s->end;

	if (e->result == MESSAGE_OK && s->is_settled)
		log_debug("outbox.settled", "approval=%s channel=%s attempt=%u why=%s", s->id, e->channel, s->take.n, e->said);
	else if (e->result == MESSAGE_OK)
		log_info("outbox.sent", "approval=%s channel=%s event=%s attempt=%u ms=%lld", s->id, e->channel,
			approval_what_text(s->delivery.notice.what), s->take.n, (long long)e->took_ms);
	else if (e->result == MESSAGE_RETRY)
		log_warn("outbox.retry", "approval=%s channel=%s attempt=%u in_ms=%lld why=%s", s->id, e->channel, s->take.n,
			(long long)e->in_ms, e->said);
	else if (e->result == MESSAGE_GIVEN_UP)
		log_error("outbox.dead", "approval=%s channel=%s attempts=%u why=%s", s->id, e->channel, s->attempts + 1, e->said);
	else
		log_info("outbox.dropped", "approval=%s channel=%s why=%s", s->id, e->channel, e->said);
}

static void end_told(struct op *op)
{
	struct send *s = op->arg;
	struct outbox *o = s->outbox;

	if (op->err) {
		s->state = SEND_UNWRITTEN;
		return;
	}
	FAILPOINT(OUTBOX_ENDED);
	log_end(s);
	counters_delivery(o->broker, s->end.channel, s->end.result);
	send_free(s);
	if (!o->is_stopping)
		loop_timer_set(o->broker->loop, &o->timer, 0);
}

static void submit_end(struct send *s)
{
	struct store *store = broker_store(s->outbox->broker);

	s->state = SEND_UNWRITTEN;
	if (!store)
		return;
	s->state = SEND_ENDING;
	s->op = (struct op){ .told = end_told, .arg = s };
	store_message_end(store, &s->op, &s->end);
}

void send_write_again(struct send *s)
{
	if (s->state == SEND_UNWRITTEN)
		submit_end(s);
}

static bool is_out_of_patience(const struct send *s)
{
	return s->age_ms + s->end.took_ms >= s->outbox->broker->config->approval.give_up_ms && s->attempts + 1 >= OUTBOX_MIN_ATTEMPTS;
}

/* A peer that asks for a pause means all we send there. */
static void be_quiet(struct send *s, int64_t retry_after_ms)
{
	const struct store *store = broker_store(s->outbox->broker);
	int64_t ms = retry_after_ms < OUTBOX_QUIET_MS ? retry_after_ms : OUTBOX_QUIET_MS;
	struct now now;

	if (!store || ms <= 0)
		return;
	store_now(store, &now);
	if (now.tick_ms + ms > s->lane->quiet_until_tick)
		s->lane->quiet_until_tick = now.tick_ms + ms;
}

static void judge_end(struct send *s, const struct delivered *how)
{
	struct message_end *e = &s->end;
	uint32_t dice;

	e->result = how->result;
	e->is_maybe_out = how->is_maybe_out;
	e->said = s->said;
	if (how->said && how->said != s->said)
		(void)snprintf(s->said, sizeof(s->said), "%s", how->said);
	if (how->ref)
		e->ref = s->new_ref = xstrdup(how->ref);
	e->took_ms = (clock_mono_us() - s->started_us) / 1000;
	if (e->result != MESSAGE_RETRY)
		return;
	random_bytes(&dice, sizeof(dice));
	e->in_ms = send_backoff_ms(s->attempts, dice, how->retry_after_ms);
	be_quiet(s, how->retry_after_ms);
	if (is_out_of_patience(s))
		e->result = MESSAGE_GIVEN_UP;
}

void delivery_end(struct delivery *d, const struct delivered *how)
{
	struct send *s = send_of(d);

	loop_timer_clear(&s->deadline);
	judge_end(s, how);
	FAILPOINT(OUTBOX_SENT);
	submit_end(s);
}

static void cancel_delivery(struct send *s)
{
	loop_timer_clear(&s->deadline);
	s->delivery.channel->kind->cancel(s->delivery.channel, &s->delivery);
}

static void deadline_over(struct loop_timer *t)
{
	struct send *s = container_of(t, struct send, deadline);

	cancel_delivery(s);
	delivery_end(&s->delivery, &(struct delivered){ .result = MESSAGE_RETRY, .is_maybe_out = true, .said = "it took longer than a minute" });
}

void send_cancel(struct send *s, const char *why)
{
	if (s->state != SEND_OUT)
		return;
	cancel_delivery(s);
	judge_end(s, &(struct delivered){ .result = MESSAGE_RETRY, .is_maybe_out = true, .said = why });
	s->end.result = MESSAGE_RETRY;
	s->end.in_ms = 0; /* it was not the receiver's fault */
	submit_end(s);
}

/* ---- its beginning ------------------------------------------------------------------------------------------------------ */

static void take_told(struct op *op)
{
	struct send *s = op->arg;

	if (op->err || !op->answer) {
		send_free(s); /* look comes again */
		return;
	}
	FAILPOINT(OUTBOX_TAKEN);
	s->end.n = s->take.n;
	s->started_us = clock_mono_us();
	if (s->is_settled) {
		submit_end(s);
		return;
	}
	s->state = SEND_OUT;
	s->delivery.channel = s->lane->channel;
	if (s->outbox->is_stopping) {
		delivery_end(&s->delivery, &(struct delivered){ .result = MESSAGE_RETRY, .said = "aegis-broker ended before it was sent" });
		return;
	}
	if (!s->lane->channel) {
		delivery_end(&s->delivery, &(struct delivered){ .result = MESSAGE_RETRY, .said = s->lane->why });
		return;
	}
	loop_timer_set(s->outbox->broker->loop, &s->deadline, OUTBOX_DELIVERY_MS);
	s->lane->channel->kind->deliver(s->lane->channel, &s->delivery);
}

struct picked { bool tells_each, has_event; struct approval_event event; uint64_t newest; };

/* A vote that decides nothing is for those who see how it stands, not for those who are told each event. */
static bool pick_event(void *arg, const struct approval_event *e)
{
	struct picked *p = arg;

	p->newest = e->seq;
	if (p->tells_each && e->what == EVENT_VOTED)
		return true;
	p->event = *e;
	p->has_event = true;
	return !p->tells_each;
}

static void settle(struct send *s, enum message_result result, const char *said)
{
	s->is_settled = true;
	s->end.result = result;
	s->end.said = s->said;
	(void)snprintf(s->said, sizeof(s->said), "%s", said);
}

/* Which event this attempt tells, or that there is nothing to deliver. */
static enum err choose_event(struct send *s, struct store *store, const struct message *m)
{
	struct picked p = { .tells_each = s->lane->kind->tells_each, .newest = m->told_seq };
	struct approval_event_filter f = { .after_seq = m->told_seq, .approval = s->id };
	enum err e = store_approval_events(store, &f, pick_event, &p);

	if (e)
		return e;
	s->take.told_seq = s->end.told_seq = p.has_event ? p.event.seq : p.newest;
	s->delivery.notice.what = p.event.what;
	s->delivery.notice.what_at_ms = p.event.at_ms;
	if (!p.has_event)
		settle(s, MESSAGE_OK, "not told there: a vote that decides nothing");
	return OK;
}

/* The events are read first: what comes in between is shown, and told once more; never held for told and not shown. */
static enum err choose(struct send *s, struct store *store, const struct message *m)
{
	enum err e = choose_event(s, store, m);

	if (e == OK)
		e = store_approval_get(store, s->id, &s->approval);
	if (e == ERR_NOT_FOUND) {
		settle(s, MESSAGE_NOT_WORTH_IT, "the approval is no longer known");
		return OK;
	}
	if (e == OK && !s->lane->kind->tells_each && m->told_seq == 0 && !m->is_maybe_out && s->approval.state != APPROVAL_PENDING)
		settle(s, MESSAGE_NOT_WORTH_IT, "it was over before people there were asked");
	return e;
}

static void fill_notice(struct send *s, const struct message *m)
{
	struct notice *n = &s->delivery.notice;
	const struct links *links = s->outbox->broker->links;

	s->ref = xstrdup(m->ref);
	buf_init(&s->page_url, PAGE_URL_MAX);
	(void)snprintf(s->message_id, sizeof(s->message_id), "%s.%llu", s->id, (unsigned long long)s->take.told_seq);
	n->approval = &s->approval;
	n->ref = s->ref;
	n->is_maybe_out = m->is_maybe_out;
	n->attempts = s->attempts;
	n->message_id = s->message_id;
	n->page_url = links && s->approval.id[0] && links_write(links, LINK_PAGE, &s->approval, &s->page_url) ? s->page_url.data : "";
}

static struct send *send_new(struct outbox *o, struct lane *lane, const struct message *m)
{
	struct send *s = xcalloc(1, sizeof(*s));

	s->outbox = o;
	s->lane = lane;
	s->attempts = m->attempts;
	s->age_ms = m->age_ms;
	(void)snprintf(s->id, sizeof(s->id), "%s", m->approval);
	s->take = (struct message_take){ .approval = s->id, .channel = lane->kind->name };
	s->end = (struct message_end){ .approval = s->id, .channel = lane->kind->name };
	loop_timer_init(&s->deadline, deadline_over);
	list_append(&o->sends, &s->node);
	lane->sends++;
	o->under_way++;
	return s;
}

void send_free(struct send *s)
{
	s->lane->sends--;
	s->outbox->under_way--;
	list_remove(&s->node);
	loop_timer_clear(&s->deadline);
	approval_release(&s->approval);
	buf_release(&s->page_url);
	free(s->ref);
	free(s->new_ref);
	free(s);
}

bool send_start(struct outbox *o, struct lane *lane, const struct message *m)
{
	struct store *store = broker_store(o->broker);
	struct send *s = send_new(o, lane, m);

	if (choose(s, store, m) != OK) {
		send_free(s);
		return false;
	}
	fill_notice(s, m);
	s->op = (struct op){ .told = take_told, .arg = s };
	store_message_take(store, &s->op, &s->take);
	return true;
}
