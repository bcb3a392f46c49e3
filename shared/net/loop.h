/* loop - one thread's event loop: curl_multi_poll over libcurl's transfers and our own descriptors. Nothing stays registered with the
 * kernel: each source says anew every turn what it waits for, so back-pressure is "do not ask". Regular files work as stdin. */
#pragma once
#include <stdint.h>
#include <curl/curl.h>
#include "base/err.h"
#include "base/list.h"

struct loop;
MUST_USE enum err loop_new(struct loop **out);
void loop_free(struct loop *l);          /* last: sources and timers of owners that are gone already are not touched */

/* Embedded in its owner, zeroed but for fd and functions. fd may change between turns; -1 = not polled. A hang-up is told as POLLIN,
 * an error as both; a descriptor the kernel cannot poll (macOS: /dev/null) as ready for whatever was wanted. */
struct loop_source {
	int fd;
	short (*want)(struct loop_source *s);                /* POLLIN, POLLOUT or 0 */
	void (*ready)(struct loop_source *s, short events);  /* may add and remove sources, itself included */
	short got;                                           /* internal */
	struct list node;
};
void loop_add(struct loop *l, struct loop_source *s);
void loop_remove(struct loop_source *s);                     /* legal when not added */

/* Embedded in its owner. A timer set inside fire comes in a later turn, one set by ready or a finished transfer in the same. */
struct loop_timer {
	void (*fire)(struct loop_timer *t);
	int64_t due_us;                                      /* clock_mono_us; internal */
	struct list node;
};
void loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t));
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t in_ms);   /* again: moves it */
void loop_timer_clear(struct loop_timer *t);

/* One turn: starts new transfers, polls until something is ready or due, performs transfers, then calls ready and fire.
 * Timer-free and idle: sleeps without limit. */
void loop_turn(struct loop *l);
void loop_hurry(struct loop *l);                             /* the next poll of this loop does not wait */
CURLM *loop_multi(struct loop *l);
/* A finished transfer is handed to the function stored by loop_transfer_add with its CURLcode; it was removed from the multi before.
 * Uses CURLOPT_PRIVATE of easy. Neither function may be called from inside a callback of libcurl. */
typedef void loop_transfer_fn(void *arg, CURL *easy, CURLcode result);
MUST_USE enum err loop_transfer_add(struct loop *l, CURL *easy, loop_transfer_fn *done, void *arg);
/* The same for CURLOPT_CONNECT_ONLY: afterwards easy stays, because its connection lives only as long as it is in the multi, until
 * loop_transfer_drop. */
MUST_USE enum err loop_connect_add(struct loop *l, CURL *easy, loop_transfer_fn *done, void *arg);
void loop_transfer_drop(struct loop *l, CURL *easy);         /* aborts; done is not called */
