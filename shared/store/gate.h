/* gate - the write gate: an exclusive flock on state_dir/gate (DESIGN.md section 4, "Write gate").
 * Everybody who writes aegis.db, opens or closes it or checkpoints its WAL does so inside. Inside: no log line, no write elsewhere, no wait.
 * Contended: a helper thread waits in flock and makes gate_fd readable; nothing blocks the caller. One gate per process, one thread.
 * While inside, those stop and termination signals that can be blocked are. The file also holds a counter that numbers processes;
 * who is inside is told by a lock on byte 0 of run/alive. A holder found stopped for > 100 ms is woken (SIGCONT), after 0.9 s in all
 * killed (SIGKILL). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define GATE_DEADLINE_MS 2000

struct gate;
struct presence;
/* Opens or creates state_dir/gate (0600, O_NOFOLLOW), takes the next process number and that byte of state_dir/run/alive.
 * ERR_STORE_BUSY, ERR_STORE_NETWORK_FS, ERR_STORE_READONLY, ERR_STORE_FULL, ERR_PERMISSION, ERR_IO. */
MUST_USE enum err gate_open(const char *state_dir, struct gate **out);
void gate_close(struct gate *g);                  /* leaves first if inside; NULL is legal */
uint32_t gate_number(const struct gate *g);       /* this process; never reused in this state folder; from 1 */
struct presence *gate_presence(const struct gate *g);            /* borrowed; holds our byte */

enum gate_answer {
	GATE_WON,                                 /* inside now */
	GATE_WAITING,                             /* the helper waits; gate_fd tells */
	GATE_LATE,                                /* deadline passed; the helper goes on waiting, gate_fd will tell when it is won after all */
};
enum gate_answer gate_try(struct gate *g);        /* outside, or after gate_fd became readable. One LOCK_NB when nobody waits */
int gate_fd(const struct gate *g);                /* readable: call gate_try again (won, late, or time to look at the holder) */
bool gate_is_late(const struct gate *g);          /* past its deadline and still not won */
MUST_USE enum err gate_enter(struct gate *g, int deadline_ms);   /* blocking form for open, close, operators: ERR_STORE_BUSY when late */
void gate_leave(struct gate *g);                  /* after gate_try = WON or gate_enter = OK */
bool gate_is_inside(const struct gate *g);

/* Inside: are state_dir/gate and run/alive still the files we hold? ERR_STORE_MOVED when replaced or removed. */
MUST_USE enum err gate_check(struct gate *g);

/* After ERR_STORE_MOVED: leaves, and opens what is there now. The number stays, unless another process has it there.
 * A FIFO of ours is made anew if there was one. On error gate_check goes on saying ERR_STORE_MOVED; reopen again later. */
MUST_USE enum err gate_reopen(struct gate *g);
