/* slack_socket - the module "slack": presses by Socket Mode (docs.slack.dev/apis/events-api/using-socket-mode), for brokers no one can reach
 * from outside, and what is under way of them (slack_action). Runs while the channel is open and approval.slack.app_token is there:
 * apps.connections.open, the WebSocket it names, hello; each envelope is acknowledged when what it says is written. Asked to go elsewhere
 * (warning, refresh_requested) it opens the next socket first; cut off it tries again after 1 s doubling to 60 s, jittered. */
#pragma once
#include "broker/broker.h"

struct slack_actions;
struct slack_socket;

MUST_USE enum err slack_socket_open(struct broker *b, struct problem *why);
void slack_socket_look(struct broker *b);
bool slack_socket_is_busy(const struct broker *b);
void slack_socket_stop(struct broker *b);
void slack_socket_close(struct broker *b);

struct slack_actions *slack_socket_actions(struct slack_socket *s);
/* "connected", or why not. s may be NULL. */
MUST_USE bool slack_socket_describe(const struct slack_socket *s, struct buf *out);
