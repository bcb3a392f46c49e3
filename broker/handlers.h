/* handlers - the functions behind the rows of routes.c, by file. Each is said more of there. */
#pragma once
#include "broker/routes.h"

route_fn route_feishu;                                                               /* route_feishu.c */
route_fn route_slack, route_slack_probe;                                             /* route_slack.c */
route_fn route_mcp_gone;                                                             /* route_mcp.c */
route_fn route_health;                                                               /* route_health.c */
route_fn route_queue_status;                                                         /* route_queue.c */
route_fn route_agents, route_agent_limits;                                           /* route_agents.c */
route_fn route_approvals_pending, route_approval;                                    /* route_approvals.c */
route_fn route_approve, route_reject, route_cancel;                                  /* route_decide.c */
route_fn route_audit_logs;                                                           /* route_audit.c */
route_fn route_config, route_config_reload;                                          /* route_config.c */
route_fn route_messages_dead, route_messages_again;                                  /* route_messages.c */
route_fn route_channels, route_channel_test;                                         /* route_channels.c */
route_fn route_status;                                                               /* route_status.c */
route_fn route_page, route_page_decide;                                               /* route_page.c */
route_fn route_link;                                                                 /* route_link.c */
route_fn route_events;                                                               /* route_events.c */
route_fn route_metrics;                                                              /* route_metrics.c */

enum err pending_list_open(struct broker *b, struct problem *why);                   /* route_approvals.c: a row of broker_modules */
void pending_list_close(struct broker *b);
