/* acl - may this agent use this backend, this tool? Pure: rules in, verdict out. Denylists win over allowlists. */
#pragma once
#include "domain/config.h"

enum acl_verdict { ACL_ALLOWED, ACL_UNKNOWN_AGENT, ACL_NO_BACKEND, ACL_DENIED, ACL_WRONG_USER };

struct acl_subject {
	const char *agent, *backend;
	int64_t uid;              /* of the process that asks; principals say which agents a uid may be */
};
/* rule: static or config-owned text naming what decided, e.g. "tool_denylist admin_*"; "" when allowed by default. */
struct acl_answer { enum acl_verdict verdict; const struct config_agent *agent; const struct config_grant *grant; const char *rule; };

struct acl_answer acl_backend(const struct config *c, const struct acl_subject *who);
struct acl_answer acl_tool(const struct config *c, const struct acl_subject *who, struct span tool);
bool acl_approval_required(const struct config_grant *g, struct span tool, const char **rule);
