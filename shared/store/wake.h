/* wake - "look again", by a byte to the other process's UNIX datagram socket (run/N.wake). Lost bytes are legal: whoever waits also
 * looks once a second. Never blocks. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct wake;
MUST_USE enum err wake_open(const char *state_dir, uint32_t number, struct wake **out);
void wake_close(struct wake *w);              /* unlinks our socket */
int wake_fd(const struct wake *w);            /* readable: someone changed something for us */
void wake_drain(struct wake *w);
void wake_send(struct wake *w, uint32_t number);
/* The same from a process that has no socket of its own and waits for nobody: an operator's command. */
void wake_ring(const char *state_dir, const uint32_t *numbers, size_t n);
