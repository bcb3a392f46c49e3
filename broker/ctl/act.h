/* act - what an operator changes in the shared state: who does it, the row that says so, and one operation carried through. */
#pragma once
#include "base/buf.h"
#include "broker/ctl/place.h"

#define ACT_MAX_TEXT 150        /* bytes of a reason: agents and the audit are told */

/* Up to n - 1 pairs of the body besides "by" and "uid", in the order of their keys. Texts are borrowed. */
struct act_pair { const char *key, *text; };

struct act {
	char id[ID_SIZE];       /* of its row, where it concerns no call */
	char by[80];            /* struct voter's name */
	struct buf body;
	struct evidence row;
};
void act_init(struct act *a, const struct place *place);
void act_release(struct act *a);

/* Fills row; about holds call, agent, backend, tool and verdict, any of them NULL. Pairs must be sorted by key; those whose text is
 * NULL or "" are left out. */
void act_describe(struct act *a, const struct evidence *about, const struct act_pair *pairs, size_t n);

/* Carries out what was submitted with op, and waits for the gate as long as the store does. The op's error is the result. */
MUST_USE enum err act_run(struct store *s, struct op *op);

/* True: 1 to most bytes of whole characters that show what they are. Else says on stderr what is wrong with it. */
MUST_USE bool act_text_is_plain(const char *what, const char *text, size_t most);
