/* loop: descriptors, timers and turns. Transfers are tested with http. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "net/loop.h"
#include "unit/unit.h"

static struct loop *l;

static void setup(void)
{
	ck_assert_int_eq(loop_new(&l), OK);
}

static void teardown(void)
{
	loop_free(l);
}

struct watcher {
	struct loop_source source;
	short wants, got;
	int calls;
	void (*and_then)(struct watcher *w);
	struct watcher *other;
};

static short watcher_wants(struct loop_source *s)
{
	return container_of(s, struct watcher, source)->wants;
}

static void watcher_ready(struct loop_source *s, short events)
{
	struct watcher *w = container_of(s, struct watcher, source);

	w->got = events;
	w->calls++;
	if (w->and_then)
		w->and_then(w);
}

static void watch(struct watcher *w, int fd, short wants)
{
	*w = (struct watcher){ .source = { .fd = fd, .want = watcher_wants, .ready = watcher_ready }, .wants = wants };
	loop_add(l, &w->source);
}

struct alarm {
	struct loop_timer timer;
	int fired;
	int *order, place;
	bool is_again;
};

static void alarm_fires(struct loop_timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	a->fired++;
	if (a->order)
		a->place = ++*a->order;
	if (a->is_again)
		loop_timer_set(l, t, 0);
}

static void alarm_set(struct alarm *a, int64_t in_ms)
{
	*a = (struct alarm){ .fired = 0 };
	loop_timer_init(&a->timer, alarm_fires);
	loop_timer_set(l, &a->timer, in_ms);
}

START_TEST(a_readable_descriptor_is_told)
{
	int ends[2];
	struct watcher w;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&w, ends[0], POLLIN);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_turn(l);
	ck_assert_int_eq(w.calls, 1);
	ck_assert_int_eq(w.got, POLLIN);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_hangup_is_told_as_readable)
{
	int ends[2];
	struct watcher w;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	watch(&w, ends[0], POLLIN);
	close(ends[1]);
	loop_turn(l);
	ck_assert_int_eq(w.got & POLLIN, POLLIN);
	close(ends[0]);
}
END_TEST

START_TEST(a_reader_gone_is_told_to_the_writer)
{
	int ends[2];
	struct watcher w;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&w, ends[1], POLLOUT);
	close(ends[0]);
	loop_turn(l);
	ck_assert_int_eq(w.got & POLLOUT, POLLOUT);
	close(ends[1]);
}
END_TEST

START_TEST(who_wants_nothing_is_told_nothing)
{
	int ends[2];
	struct watcher w;
	struct alarm a;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&w, ends[0], 0);
	close(ends[1]); /* hung up: the kernel would tell it unasked */
	alarm_set(&a, 5);
	loop_turn(l);
	ck_assert_int_eq(w.calls, 0);
	ck_assert_int_eq(a.fired, 1);
	close(ends[0]);
}
END_TEST

START_TEST(a_regular_file_is_always_ready)
{
	char path[] = "/tmp/test_loop.XXXXXX";
	int fd = mkstemp(path);
	struct watcher w;

	ck_assert_int_ge(fd, 0);
	unlink(path);
	watch(&w, fd, POLLIN);
	loop_turn(l);
	ck_assert_int_eq(w.got, POLLIN);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_polled_is_ready_for_what_it_wants)
{
	int ends[2];
	struct watcher w;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&w, ends[0], POLLIN);
	close(ends[0]);
	close(ends[1]); /* POLLNVAL, as of /dev/null on macOS */
	loop_turn(l);
	ck_assert_int_eq(w.got, POLLIN);
}
END_TEST

START_TEST(descriptors_above_1024_work)
{
	struct rlimit limit;
	int ends[2], high = 2000;
	struct watcher w;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[0], high), high);
	watch(&w, high, POLLIN);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_turn(l);
	ck_assert_int_eq(w.calls, 1);
	close(high);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static void removes_other(struct watcher *w)
{
	loop_remove(&w->other->source);
}

START_TEST(a_source_removed_by_another_is_not_called)
{
	int ends[2];
	struct watcher a, b;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&a, ends[0], POLLIN);
	watch(&b, ends[0], POLLIN);
	a.other = &b;
	b.other = &a;
	a.and_then = b.and_then = removes_other;
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_turn(l);
	ck_assert_int_eq(a.calls + b.calls, 1);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static void goes_away(struct watcher *w)
{
	loop_remove(&w->source);
	free(w);
}

START_TEST(a_source_may_free_itself)
{
	int ends[2];
	struct watcher *gone = xcalloc(1, sizeof(*gone)), stays;

	ck_assert_int_eq(pipe(ends), 0);
	watch(gone, ends[0], POLLIN);
	gone->and_then = goes_away;
	watch(&stays, ends[0], POLLIN);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_turn(l);
	loop_turn(l);
	ck_assert_int_eq(stays.calls, 2);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static void adds_other(struct watcher *w)
{
	loop_add(l, &w->other->source);
	w->and_then = NULL;
}

START_TEST(a_source_added_while_others_are_called_is_polled_next_turn)
{
	int ends[2];
	struct watcher a, b;

	ck_assert_int_eq(pipe(ends), 0);
	watch(&b, ends[0], POLLIN);
	loop_remove(&b.source);
	watch(&a, ends[0], POLLIN);
	a.other = &b;
	a.and_then = adds_other;
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_turn(l);
	ck_assert_int_eq(b.calls, 0);
	loop_turn(l);
	ck_assert_int_eq(b.calls, 1);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(removing_what_was_never_added_is_legal)
{
	struct loop_source s = { .fd = -1 };
	struct loop_timer t = { .due_us = 0 };

	loop_remove(&s);
	loop_timer_clear(&t);
}
END_TEST

START_TEST(a_timer_ends_the_sleep_and_is_never_early)
{
	struct alarm a;
	int64_t began_us = clock_mono_us();

	alarm_set(&a, 20);
	loop_turn(l); /* one turn: it sleeps until the timer is due */
	ck_assert_int_eq(a.fired, 1);
	ck_assert_int_ge(clock_mono_us() - began_us, 20 * 1000);
}
END_TEST

START_TEST(timers_fire_in_order_of_their_times)
{
	struct alarm a[4];
	int order = 0;

	alarm_set(&a[0], 4);
	alarm_set(&a[1], 1);
	alarm_set(&a[2], 3);
	alarm_set(&a[3], 2);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i].order = &order;
	while (order < 4)
		loop_turn(l);
	ck_assert_int_eq(a[1].place, 1);
	ck_assert_int_eq(a[3].place, 2);
	ck_assert_int_eq(a[2].place, 3);
	ck_assert_int_eq(a[0].place, 4);
}
END_TEST

START_TEST(a_timer_set_again_is_moved)
{
	struct alarm moved, last;

	alarm_set(&moved, 0);
	alarm_set(&last, 10);
	loop_timer_set(l, &moved.timer, 60 * 1000);
	loop_turn(l);
	ck_assert_int_eq(moved.fired, 0);
	ck_assert_int_eq(last.fired, 1);
	loop_timer_clear(&moved.timer);
}
END_TEST

START_TEST(a_cleared_timer_does_not_fire)
{
	struct alarm cleared, last;

	alarm_set(&cleared, 0);
	alarm_set(&last, 5);
	loop_timer_clear(&cleared.timer);
	loop_turn(l);
	ck_assert_int_eq(cleared.fired, 0);
	ck_assert_int_eq(last.fired, 1);
}
END_TEST

START_TEST(a_timer_that_sets_itself_fires_once_a_turn)
{
	struct alarm a;

	alarm_set(&a, 0);
	a.is_again = true;
	loop_turn(l);
	ck_assert_int_eq(a.fired, 1);
	loop_turn(l);
	ck_assert_int_eq(a.fired, 2);
	loop_timer_clear(&a.timer);
}
END_TEST

START_TEST(hurry_makes_one_poll_return_at_once)
{
	struct alarm a;

	alarm_set(&a, 20);
	loop_hurry(l);
	loop_turn(l);
	ck_assert_int_eq(a.fired, 0);
	loop_turn(l);
	ck_assert_int_eq(a.fired, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_readable_descriptor_is_told);
	tcase_add_test(t, a_hangup_is_told_as_readable);
	tcase_add_test(t, a_reader_gone_is_told_to_the_writer);
	tcase_add_test(t, who_wants_nothing_is_told_nothing);
	tcase_add_test(t, a_regular_file_is_always_ready);
	tcase_add_test(t, a_descriptor_that_cannot_be_polled_is_ready_for_what_it_wants);
	tcase_add_test(t, descriptors_above_1024_work);
	tcase_add_test(t, a_source_removed_by_another_is_not_called);
	tcase_add_test(t, a_source_may_free_itself);
	tcase_add_test(t, a_source_added_while_others_are_called_is_polled_next_turn);
	tcase_add_test(t, removing_what_was_never_added_is_legal);
	tcase_add_test(t, a_timer_ends_the_sleep_and_is_never_early);
	tcase_add_test(t, timers_fire_in_order_of_their_times);
	tcase_add_test(t, a_timer_set_again_is_moved);
	tcase_add_test(t, a_cleared_timer_does_not_fire);
	tcase_add_test(t, a_timer_that_sets_itself_fires_once_a_turn);
	tcase_add_test(t, hurry_makes_one_poll_return_at_once);
	suite_add_tcase(s, t);
	return s;
}
