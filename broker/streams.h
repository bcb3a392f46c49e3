/* streams - GET /api/v1/events: what happens, as it happens, to whoever listens (event_text.h). One reader serves all of them: each event is
 * read and written as text once. A stream that begins with an older Last-Event-ID, or
 * reads slowly, catches up by itself, then joins the others: little is kept for it meanwhile. Nothing is
 * looked at while nobody listens; while somebody does, the broker is woken by approvals and looks at the audit once a second. */
#pragma once
#include "broker/broker.h"

enum err streams_open(struct broker *b, struct problem *why);            /* these: a row of broker_modules */
void streams_look(struct broker *b);
void streams_stop(struct broker *b);
void streams_close(struct broker *b);
size_t streams_count(const struct broker *b);
