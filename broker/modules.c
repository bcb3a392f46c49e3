/* modules - what lives as long as the process, in the order of its opening. */
#include "broker/broker.h"
#include "broker/doors.h"
#include "broker/housekeeping.h"

const struct broker_module broker_modules[] = {
	{ "housekeeping", housekeeping_open, NULL, housekeeping_look, NULL, housekeeping_stop, housekeeping_close },
	{ "doors", doors_open, doors_rules_changed, NULL, doors_is_busy, doors_stop, doors_close },      /* last: its routes ask all others */
	{ 0 },
};
