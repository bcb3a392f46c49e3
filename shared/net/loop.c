/* loop - see loop.h. Works with libcurl >= 7.85; curl_multi_waitfds (8.8) is not needed. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "net/loop.h"

/* Idle connections kept for reuse: as many as calls are usually in flight. libcurl's own default is 4 per easy handle. */
#define LOOP_MAX_IDLE_CONNECTIONS 128L

struct loop {
	CURLM *multi;
	struct list sources;
	struct list timers;             /* by due_us, earliest first */
	struct list transfers;
	struct curl_waitfd *fds;
	size_t fds_room;
	bool is_hurried;
};

struct transfer {
	CURL *easy;
	loop_transfer_fn *done;
	void *arg;
	bool stays;                     /* in the multi, after done too */
	struct list node;
};

enum err loop_new(struct loop **out)
{
	CURLM *multi = curl_multi_init();

	if (!multi) {
		log_error("loop.new", "why=\"libcurl cannot start\"");
		return ERR_IO;
	}
	(void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, LOOP_MAX_IDLE_CONNECTIONS);
	(void)curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 0L);  /* calls never wait for each other */
	(void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 0L);

	struct loop *l = xcalloc(1, sizeof(*l));
	l->multi = multi;
	list_init(&l->sources);
	list_init(&l->timers);
	list_init(&l->transfers);
	*out = l;
	return OK;
}

static CURL *transfer_take(struct loop *l, struct transfer *t)
{
	CURL *easy = t->easy;
	CURLMcode code = curl_multi_remove_handle(l->multi, easy);

	assert(code == CURLM_OK);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
	list_remove(&t->node);
	free(t);
	return easy;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	list_for_each(t, &l->transfers, struct transfer, node)
		transfer_take(l, t);
	(void)curl_multi_cleanup(l->multi);
	free(l->fds);
	free(l);
}

void loop_add(struct loop *l, struct loop_source *s)
{
	s->got = 0;
	list_append(&l->sources, &s->node);
}

void loop_remove(struct loop_source *s)
{
	if (s->node.next)
		list_remove(&s->node);
}

/* ---- timers -------------------------------------------------------------------------------------------------------- */

void loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t))
{
	t->fire = fire;
	t->due_us = 0;
	list_init(&t->node);
}

static bool is_later(const struct list *node, int64_t due_us)
{
	return container_of(node, struct loop_timer, node)->due_us > due_us;
}

/* Most timers are either due at once or later than all others (equal timeouts, set in turn): both ends are looked at first. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t in_ms)
{
	struct list *before = &l->timers;

	assert(in_ms >= 0 && in_ms <= INT64_MAX / 4000);
	list_remove(&t->node);
	t->due_us = clock_mono_us() + in_ms * 1000;
	if (!list_is_empty(before) && is_later(before->next, t->due_us))
		before = before->next;
	else
		while (before->prev != &l->timers && is_later(before->prev, t->due_us))
			before = before->prev;
	list_append(before, &t->node);
}

void loop_timer_clear(struct loop_timer *t)
{
	if (t->node.next)
		list_remove(&t->node);
}

static int wait_ms(const struct loop *l)
{
	if (l->is_hurried)
		return 0;
	if (list_is_empty(&l->timers))
		return INT_MAX;
	int64_t left_us = container_of(l->timers.next, struct loop_timer, node)->due_us - clock_mono_us();
	if (left_us <= 0)
		return 0;
	int64_t left_ms = (left_us + 999) / 1000; /* up, so that it is due when poll returns */
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* Those due now are set apart first: one that sets itself again cannot keep the turn from ending. */
static void fire_due(struct loop *l)
{
	struct list due;

	if (list_is_empty(&l->timers))
		return;
	list_init(&due);
	int64_t now_us = clock_mono_us();
	while (!list_is_empty(&l->timers) && !is_later(l->timers.next, now_us)) {
		struct list *node = l->timers.next;
		list_remove(node);
		list_append(&due, node);
	}
	while (!list_is_empty(&due)) {
		struct loop_timer *t = list_first(&due, struct loop_timer, node);
		list_remove(&t->node);
		t->fire(t);
	}
}

/* ---- transfers ----------------------------------------------------------------------------------------------------- */

static enum err transfer_add(struct loop *l, struct transfer facts)
{
	struct transfer *t = xcalloc(1, sizeof(*t));
	CURL *easy = facts.easy;

	*t = facts;
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	CURLMcode code = curl_multi_add_handle(l->multi, easy);
	if (code != CURLM_OK) {
		log_error("loop.transfer", "why=%s", curl_multi_strerror(code));
		(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
		free(t);
		return ERR_IO;
	}
	list_append(&l->transfers, &t->node);
	return OK;
}

enum err loop_transfer_add(struct loop *l, CURL *easy, loop_transfer_fn *done, void *arg)
{
	return transfer_add(l, (struct transfer){ .easy = easy, .done = done, .arg = arg });
}

enum err loop_connect_add(struct loop *l, CURL *easy, loop_transfer_fn *done, void *arg)
{
	return transfer_add(l, (struct transfer){ .easy = easy, .done = done, .arg = arg, .stays = true });
}

static struct transfer *transfer_of(CURL *easy)
{
	char *private = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	return (struct transfer *)(void *)private;
}

void loop_transfer_drop(struct loop *l, CURL *easy)
{
	struct transfer *t = transfer_of(easy);

	if (t)
		transfer_take(l, t);
}

/* Says whether any transfer finished. libcurl is asked anew after each one: done may drop others, whose messages it takes back. */
static bool perform(struct loop *l)
{
	int running = 0, left = 0;
	bool has_finished = false;
	CURLMsg *m;

	(void)curl_multi_perform(l->multi, &running);
	while ((m = curl_multi_info_read(l->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		struct transfer *kept = transfer_of(m->easy_handle), t = *kept;
		CURLcode result = m->data.result;
		if (!kept->stays)
			transfer_take(l, kept);
		has_finished = true;
		t.done(t.arg, t.easy, result);
	}
	return has_finished;
}

static bool has_curl_work_due(const struct loop *l)
{
	long in_ms = -1;

	(void)curl_multi_timeout(l->multi, &in_ms);
	return in_ms == 0;
}

CURLM *loop_multi(struct loop *l)
{
	return l->multi;
}

/* ---- the turn ------------------------------------------------------------------------------------------------------ */

void loop_hurry(struct loop *l)
{
	l->is_hurried = true;
}

static unsigned collect_wants(struct loop *l)
{
	unsigned n = 0;

	list_for_each(s, &l->sources, struct loop_source, node) {
		short want = s->fd >= 0 ? s->want(s) : 0;

		s->got = want; /* until the poll has told */
		if (!want)
			continue;
		if (n == l->fds_room) {
			l->fds_room = l->fds_room ? 2 * l->fds_room : 16;
			l->fds = xreallocarray(l->fds, l->fds_room, sizeof(*l->fds));
		}
		l->fds[n++] = (struct curl_waitfd){
			.fd = s->fd,
			.events = (short)((want & POLLIN ? CURL_WAIT_POLLIN : 0) | (want & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
		};
	}
	return n;
}

/* libcurl passes on neither POLLNVAL nor that it was the reason to return. */
static bool cannot_be_polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLNVAL);
}

/* Stores in each source what it got. */
static void share_out(struct loop *l, bool is_unexplained)
{
	unsigned i = 0;

	list_for_each(s, &l->sources, struct loop_source, node) {
		short want = s->got;

		if (!want)
			continue;
		short told = l->fds[i++].revents;
		s->got = (short)((told & CURL_WAIT_POLLIN ? POLLIN : 0) | (told & CURL_WAIT_POLLOUT ? POLLOUT : 0));
		if (!s->got && is_unexplained && cannot_be_polled(s->fd))
			s->got = want;
	}
}

/* Waits, and says whether libcurl has something to do. */
static bool wait_for_news(struct loop *l)
{
	unsigned n = collect_wants(l);
	int ready = 0, wait = wait_ms(l);

	l->is_hurried = false;
	CURLMcode code = curl_multi_poll(l->multi, l->fds, n, wait, &ready);
	if (code != CURLM_OK) {
		log_error("loop.poll", "why=%s", curl_multi_strerror(code));
		ready = 0;
	}
	int told = 0;
	for (unsigned i = 0; i < n; i++)
		told += l->fds[i].revents != 0;
	share_out(l, ready > told && list_is_empty(&l->transfers));
	return ready > told || has_curl_work_due(l);
}

static void call_ready(struct loop *l)
{
	struct list round = l->sources;

	if (list_is_empty(&l->sources))
		return;
	round.next->prev = round.prev->next = &round;
	list_init(&l->sources);
	while (!list_is_empty(&round)) {
		struct loop_source *s = list_first(&round, struct loop_source, node);
		short got = s->got;
		list_remove(&s->node);
		list_append(&l->sources, &s->node);
		if (got)
			s->ready(s, got);
	}
}

void loop_turn(struct loop *l)
{
	if (has_curl_work_due(l) && perform(l)) /* new transfers leave before we sleep, */
		l->is_hurried = true;           /* and what ended is the host's to judge first */
	if (wait_for_news(l))
		(void)perform(l);
	call_ready(l);
	fire_due(l);
}
