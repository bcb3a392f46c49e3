/* acl - may this agent use this backend, and there this tool, resource or prompt? Pure: rules in, verdict out. Denylists win over
 * allowlists. Names and URIs are compared byte by byte as they were sent, unescaped; nothing is normalized. */
#pragma once
#include "domain/config.h"

enum acl_verdict { ACL_ALLOWED, ACL_UNKNOWN_AGENT, ACL_NO_BACKEND, ACL_DENIED, ACL_WRONG_USER };
enum acl_subject_kind { ACL_TOOL, ACL_RESOURCE, ACL_PROMPT };

struct acl_subject {
	const char *agent, *backend;
	int64_t uid;              /* of the process that asks; principals say which agents a uid may be */
};
/* rule: static or config-owned text naming what decided, e.g. "tool_denylist"; "" when allowed by default. */
struct acl_answer { enum acl_verdict verdict; const struct config_agent *agent; const struct config_grant *grant; const char *rule; };

struct acl_answer acl_backend(const struct config *c, const struct acl_subject *who);
struct acl_answer acl_named(const struct config *c, const struct acl_subject *who, enum acl_subject_kind kind, struct span name);
struct acl_answer acl_tool(const struct config *c, const struct acl_subject *who, struct span tool);
bool acl_restricts(const struct config_grant *g, enum acl_subject_kind kind);   /* some name of this kind may be denied */
bool acl_approval_required(const struct config_grant *g, struct span tool, const char **rule);
