/* line - those who wait for the gate, in the order of their coming. A place in it is a byte of run/alive whose offset is the time of
 * joining, locked by who stands there: so nobody can be overtaken, and the dead are gone from it. Everybody waits for the place
 * just ahead; nobody is woken but who is next. Our own places are never seen by us: all questions are about other processes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int64_t line_join(int alive);                     /* at its end; the place */
void line_leave(int alive, int64_t place);
void line_wait(int alive, int64_t place);         /* blocks until nobody is ahead */
bool line_is_empty(int alive);
bool line_first(int alive, pid_t *pid);           /* who is first; false: nobody. pid 0: of another pid namespace */
