/* voter - whose word it is: how somebody was recognised, which person of the rules that is, and what the rules let that person do
 * (DESIGN.md section 5, "Deciders"). Pure but for voter_of_uid, which asks who owns the state folder. Used by aegis-broker and aegisctl. */
#pragma once
#include <sys/types.h>
#include "domain/config.h"
#include "store/store.h"

enum role { ROLE_VIEWER = 1, ROLE_OPERATOR = 2, ROLE_APPROVER = 4, ROLE_SUPERUSER = 8 };       /* a set of bits */
bool role_parse(const char *text, unsigned *out);                /* "approver": the bits it stands for, those it contains included */
const char *role_text(unsigned roles);                           /* the strongest */

struct voter {
	char name[80];           /* as decisions name it: of the person; else of the user, "token NAME", "link" */
	const char *means;       /* cli | api | slack | feishu | link | page; static text */
	char origin[120];        /* from where, for people */
	unsigned roles;
	uid_t uid;
	bool has_uid;
	bool is_person;          /* somebody the rules know by name */
	char why[300];           /* the sentence of the last "no" */
};

/* Each fills in out; false: why says that nobody is known by this name. */
bool voter_of_uid(const struct config *c, const char *state_dir, uid_t uid, struct voter *out);  /* c NULL: no rules */
bool voter_of_slack(const struct config *c, const char *team, const char *user, struct voter *out);
bool voter_of_feishu(const struct config *c, const char *open_id, struct voter *out);
bool voter_of_token(const struct config *c, const struct token *t, struct voter *out);           /* names a person where the token does */
void voter_of_server_token(struct voter *out);                   /* server.api_token: every role, nobody by name */
void voter_of_link(const char *address, struct voter *out);      /* a bearer link names nobody; its holder may decide where that is enough */

/* Do the rules, or that approval (NULL: any), ask for persons they know by name: approver_auth, approvers, quorum? Then a link decides nothing. */
bool voter_must_be_person(const struct config *c, const struct approval *a);

/* May this voter decide that approval: role, approvers, approver_auth and quorum, self_approve (also as the agent's owner, agents.A.owner)?
 * False: v->why says why, and what would. The store asks once more what concerns bearers. */
bool voter_may_decide(const struct config *c, struct voter *v, const struct approval *a);
