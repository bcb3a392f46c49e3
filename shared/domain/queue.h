/* queue - does a call stand in its backend's queue? Pure. */
#pragma once
#include "domain/config.h"

/* False without a queue, with a disabled one (q may be NULL) and for tools that bypass it. */
bool queue_governs(const struct config_queue *q, struct span tool);
