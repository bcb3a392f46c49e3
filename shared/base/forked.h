/* forked - what a new process does between fork and exec to have nothing of ours. Async-signal-safe, every function. */
#pragma once

void forked_close_from(int first);       /* every descriptor from this number on */
void forked_reset_signals(void);         /* default actions, nothing blocked */
