/* doors - where the broker is asked: the admin socket always, TCP when server.listen is set. A port that is taken is said and tried again
 * every few seconds; the broker runs on without it. */
#pragma once
#include "broker/broker.h"

struct auth;

enum err doors_open(struct broker *b, struct problem *why);      /* these: rows of broker_modules */
void doors_rules_changed(struct broker *b);                      /* takes effect in the next turn */
bool doors_is_busy(const struct broker *b);
void doors_stop(struct broker *b);                               /* what comes now is answered with 503 */
void doors_close(struct broker *b);

bool doors_has_listener(const struct broker *b);                 /* something answers behind server.listen now */
/* Where: "127.0.0.1:18070", the port that is really ours; "" without. */
const char *doors_address(const struct broker *b);
const char *doors_trouble(const struct broker *b);               /* a sentence: why nothing listens although the rules say so; "" = none */
struct auth *doors_auth(const struct broker *b);
struct list *doors_waits(const struct broker *b);                /* of struct request_wait, routes.h */
