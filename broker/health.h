/* health - how the backends are, by asking each one's health_url: at most once in 5 s, all at once, each with 2 s to answer; and GET /health,
 * which tells it. A 2xx is healthy. */
#pragma once
#include "broker/broker.h"

enum err health_open(struct broker *b, struct problem *why);     /* these: rows of broker_modules */
void health_rules_changed(struct broker *b);
void health_stop(struct broker *b);
void health_close(struct broker *b);
