/* annotate - the prefix of a tool's description (DESIGN.md section 3): "[Rate:3/1h|GlobalRate:10/1d|ApprovalRequired] ".
 * Nothing for a tool without restriction. */
#pragma once
#include "domain/limits.h"

struct annotate_facts { const struct config *config; const struct config_agent *agent; const struct config_grant *grant; struct span tool; };
/* Appends the prefix with its trailing blank, or nothing. False: cap passed. */
MUST_USE bool annotate_prefix(const struct annotate_facts *f, struct buf *b);
