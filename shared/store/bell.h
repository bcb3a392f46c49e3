/* bell - a descriptor that becomes readable when its time has come. Ringing it is setting that time to now, which any thread may do;
 * the last setting counts. One system call each, no thread: timerfd on Linux, kqueue on macOS. Close it with close(2). */
#pragma once
#include <stdint.h>

#define BELL_NOW   0
#define BELL_NEVER (-1)

int bell_open(void);                              /* -1 when there are no descriptors left; errno tells */
void bell_set(int bell, int64_t in_ms);           /* silent until then */
void bell_set_us(int bell, int64_t in_us);
