/* housekeeping - what nobody else may be there to do: the dead are buried, approvals expire on time, what nobody asks for any more is swept
 * out. Each of it any shim does too where it meets it; nothing depends on the broker. */
#pragma once
#include "broker/broker.h"

MUST_USE enum err housekeeping_open(struct broker *b, struct problem *why);
void housekeeping_look(struct broker *b);
void housekeeping_stop(struct broker *b);
void housekeeping_close(struct broker *b);
