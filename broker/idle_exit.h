/* idle_exit - a broker that a shim has started ends by itself when for broker.idle_exit nothing was to be done: no module is busy, no shim
 * waits for a person or a backend, no approval is open and no message due; or when the state folder is gone. The next approval starts
 * another one. */
#pragma once
#include "broker/broker.h"

MUST_USE enum err idle_exit_open(struct broker *b, struct problem *why);
void idle_exit_rules_changed(struct broker *b);
void idle_exit_look(struct broker *b);
void idle_exit_close(struct broker *b);
