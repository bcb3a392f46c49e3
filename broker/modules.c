/* modules - what lives as long as the process, in the order of its opening. */
#include "broker/broker.h"
#include "broker/counters.h"
#include "broker/doors.h"
#include "broker/handlers.h"
#include "broker/health.h"
#include "broker/housekeeping.h"
#include "broker/idle_exit.h"
#include "broker/links.h"
#include "broker/outbox.h"
#include "broker/slack_socket.h"
#include "broker/streams.h"

const struct broker_module broker_modules[] = {
	{ "housekeeping", housekeeping_open, NULL, housekeeping_look, NULL, housekeeping_stop, housekeeping_close },
	{ "idle_exit", idle_exit_open, idle_exit_rules_changed, idle_exit_look, NULL, NULL, idle_exit_close },
	{ "counters", counters_open, NULL, counters_look, NULL, NULL, counters_close },
	{ "links", links_open, NULL, NULL, NULL, NULL, links_close },
	{ "outbox", outbox_open, outbox_rules_changed, outbox_look, outbox_is_busy, outbox_stop, outbox_close },
	{ "slack", slack_socket_open, slack_socket_look, slack_socket_look, slack_socket_is_busy, slack_socket_stop, slack_socket_close },
	{ "health", health_open, health_rules_changed, NULL, NULL, health_stop, health_close },
	{ "pending_list", pending_list_open, NULL, NULL, NULL, NULL, pending_list_close },
	{ "streams", streams_open, NULL, streams_look, NULL, streams_stop, streams_close },
	{ "doors", doors_open, doors_rules_changed, NULL, doors_is_busy, doors_stop, doors_close },      /* last: its routes ask all others */
	{ 0 },
};
