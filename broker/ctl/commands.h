/* commands - the functions behind the rows of the table in commands.c, one cmd_<name>.c each. */
#pragma once
#include "broker/ctl/ctl.h"

enum ctl_exit cmd_api(const struct ctl *c);
enum ctl_exit cmd_approvals_approve(const struct ctl *c);
enum ctl_exit cmd_approvals_cancel(const struct ctl *c);
enum ctl_exit cmd_approvals_list(const struct ctl *c);
enum ctl_exit cmd_approvals_reject(const struct ctl *c);
enum ctl_exit cmd_approvals_show(const struct ctl *c);
enum ctl_exit cmd_approvals_watch(const struct ctl *c);
enum ctl_exit cmd_audit_list(const struct ctl *c);
enum ctl_exit cmd_call(const struct ctl *c);
enum ctl_exit cmd_channel_list(const struct ctl *c);
enum ctl_exit cmd_channel_test(const struct ctl *c);
enum ctl_exit cmd_help(const struct ctl *c);
enum ctl_exit cmd_limits(const struct ctl *c);
enum ctl_exit cmd_pause(const struct ctl *c);
enum ctl_exit cmd_resume(const struct ctl *c);
enum ctl_exit cmd_queue(const struct ctl *c);
enum ctl_exit cmd_repair(const struct ctl *c);
enum ctl_exit cmd_completion(const struct ctl *c);
enum ctl_exit cmd_config_check(const struct ctl *c);
enum ctl_exit cmd_config_init(const struct ctl *c);
enum ctl_exit cmd_config_reload(const struct ctl *c);
enum ctl_exit cmd_config_schema(const struct ctl *c);
enum ctl_exit cmd_config_show(const struct ctl *c);
enum ctl_exit cmd_status(const struct ctl *c);
enum ctl_exit cmd_token_create(const struct ctl *c);
enum ctl_exit cmd_token_list(const struct ctl *c);
enum ctl_exit cmd_token_revoke(const struct ctl *c);
enum ctl_exit cmd_token_rotate(const struct ctl *c);
enum ctl_exit cmd_unknown_list(const struct ctl *c);
enum ctl_exit cmd_unknown_settle(const struct ctl *c);
enum ctl_exit cmd_version(const struct ctl *c);
