/* audit_log - calls as the Go predecessor's audit shows them, one row a call: intent and outcome, or the refusal, put together from rows of
 * the audit that come newest first. Requests that are no tools/call, decisions and operators' acts are left out. Pure. */
#pragma once
#include "broker/audit_time.h"
#include "broker/jsonput.h"
#include "domain/config.h"
#include "store/store.h"

struct audit_query {                     /* texts borrowed; NULL = whatever */
	const char *agent, *user, *room, *tenant, *backend, *tool, *verdict;     /* user: a uid; tool: a glob */
	int64_t since_ms, until_ms;      /* 0 = no bound; of the row's beginning */
};

struct audit_log;
struct audit_log *audit_log_new(const struct audit_query *q);        /* q must live as long */
void audit_log_free(struct audit_log *l);
/* True: this row completes a call that the query asks for; audit_log_put may be called until the next. */
bool audit_log_take(struct audit_log *l, const struct audit_row *row);
void audit_log_put(const struct audit_log *l, struct jsonput *p);
