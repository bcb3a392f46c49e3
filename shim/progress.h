/* progress - the only writer of progress notifications: signs of life of a call that waits, and the backend's own under the same token,
 * which must never go backwards for the client (MCP 2025-11-25, basic/utilities/progress). Ours are small fractions, 0.001 apart; a
 * backend's value that is not above the last one said is said as one step more, any other passes with its very bytes, and so does
 * everything under a token of which we never spoke. Tokens are the client's, so one table serves all parts. */
#pragma once
#include "base/map.h"
#include "data/jsonrpc.h"

struct call;
struct part;

struct progress { struct map *tokens; };               /* those we spoke of, of open calls: struct token */

void progress_init(struct progress *p);
void progress_release(struct progress *p);

bool progress_is_wanted(const struct call *c);         /* its request carries a token */
bool progress_beat(struct call *c, const char *message);   /* false: not said, the token is in use by a call in flight */
void progress_end(struct call *c);                     /* the call is answered: nothing more is said of it */
/* A notification of the backend, as reply_message. False: too long for the client, nothing was sent. */
MUST_USE bool progress_relay(struct part *p, const struct jsonrpc *rpc);

/* Pure. The next value of ours above last; and the value to be said when a backend says theirs: theirs itself where it may pass. */
double progress_above(double last);
double progress_shown(double last, double theirs);
/* Shortest JSON number that reads back as value. */
#define PROGRESS_NUMBER_SIZE 32
void progress_number(char out[PROGRESS_NUMBER_SIZE], double value);
