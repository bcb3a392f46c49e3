/* desk - the approvals on a person's screen: which are there, which one is meant, what may be done with it now. It knows no terminal and
 * no store: rows and keys go in, a picture and wishes come out.
 *
 * Nothing is approved that was not shown: where the arguments did not fit into their line, the details must have been read to their end.
 * A key means the row that was on the screen: when that one goes, nothing is meant until another is chosen. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

#define DESK_REASON_BYTES 600

enum desk_mode { DESK_LIST, DESK_DETAILS, DESK_REASON };
enum desk_wish { DESK_STAY, DESK_APPROVE, DESK_REJECT, DESK_QUIT };

struct desk {
	struct approval *rows;           /* owned; oldest first */
	size_t n;
	int height, width;               /* of the screen */
	enum desk_mode mode, before;     /* before: where the reason was asked for */
	char meant[ID_SIZE];             /* "" = none */
	bool is_cut;                     /* the line of the one meant, as it was drawn last */
	char read_whole[ID_SIZE];        /* whose details were read to the end */
	struct buf details;
	size_t top, lines;               /* of the details: first line on the screen, how many there are */
	char reason[DESK_REASON_BYTES + 8];
	size_t reason_len;
	char message[1400];
};
void desk_release(struct desk *d);

/* The rows as they are now; takes over the approvals. True: another row is meant than before, keys typed before it was seen must not count. */
bool desk_fill(struct desk *d, struct approval *rows, size_t n);
void desk_resize(struct desk *d, int height, int width);
const struct approval *desk_meant(const struct desk *d);         /* NULL: none */

/* A key of screen.h. APPROVE, REJECT: of the one meant, with reason. */
enum desk_wish desk_key(struct desk *d, int key);
void desk_say(struct desk *d, const char *text);                 /* until the next key */

/* The whole picture. False: it does not fit into memory caps. */
MUST_USE bool desk_draw(struct desk *d, struct buf *frame);
