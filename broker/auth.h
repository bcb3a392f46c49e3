/* auth - who asks over HTTP (DESIGN.md sections 5, 6, 8). On the local socket the kernel says it; over TCP a token does: one of `aegisctl
 * token create`, or server.api_token, which stands for every role and nobody by name. Tokens of agents and rooms have no authority here. */
#pragma once
#include "broker/routes.h"

#define AUTH_TOKEN_FILE   "api_token"    /* in the state folder, 0600: made when server.api_token is not set and something listens */

struct auth;
struct auth *auth_new(struct broker *b);
void auth_free(struct auth *a);
void auth_answer_held(struct auth *a);           /* now: the broker ends */
/* Reads server.api_token, or the file, which it makes if it is not there. needed: false forgets it. Says in the log what is wrong. */
void auth_read_token(struct auth *a, bool is_needed);

enum auth_answer {
	AUTH_OK,                                 /* r->voter says who */
	AUTH_UNPROVEN,                           /* no token, or none of ours: auth_refuse */
	AUTH_NOBODY,                             /* r->voter.why: the kernel says who, and the rules give that user no role */
	AUTH_NO_STORE,                           /* tokens cannot be looked up now */
};
MUST_USE enum auth_answer auth_check(struct auth *a, struct request *r);
/* By what r was let in, for an answer that goes on longer than that may hold; and whether it still does, for that role. While the store
 * cannot be asked it does. */
struct credential { bool is_local; uid_t uid; uint8_t token_hash[32]; };
void auth_credential(const struct request *r, struct credential *out);
bool auth_still_holds(struct auth *a, const struct credential *c, enum role role);
/* Answers 401, and says how to get a token; held back (slow.h). Too many held back: 429. The same whatever was asked for and why. */
void auth_refuse(struct auth *a, struct request *r);
