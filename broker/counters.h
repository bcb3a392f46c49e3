/* counters - what happened since this broker began, for /metrics: it follows the audit and the events of approvals from the place where they
 * ended then, a stretch at a time, and is told of deliveries and callbacks. Names that agents choose are capped; what is beyond is "other". */
#pragma once
#include "broker/broker.h"
#include "broker/prom.h"

enum err counters_open(struct broker *b, struct problem *why);           /* these: a row of broker_modules */
void counters_look(struct broker *b);
void counters_close(struct broker *b);

/* One stretch, 50 ms at the most. True: there may be more. */
bool counters_follow(struct broker *b);
void counters_write(const struct broker *b, struct prom *p);

void counters_delivery(struct broker *b, const char *channel, enum message_result how);
/* An answer of ours to path /callback/...; others are not counted. */
void counters_callback(struct broker *b, const char *path, unsigned status);
