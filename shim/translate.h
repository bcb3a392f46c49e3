/* translate - between its owner and the transport stands one of these: what an owner says passes through it as it is while both speak the
 * same era; a client of the older revisions before a backend that knows only 2026-07-28 is translated. The parts its files share.
 *
 *   translate.c          which way a delivery goes; one request on its way, perhaps in several legs
 *   translate_words.c    ping, log level, cancellations and the like: what the backend has no word for
 *   translate_open.c     which era the backend speaks; initialize answered from server/discover
 *   translate_input.c    input_required: the backend's questions to the client, its answers, the next leg
 *   translate_steps.c    progress over several legs
 *   translate_listen.c   the listen stream in place of resources/subscribe and of lists that change
 *   translate_text.c     the bytes (pure); translate_schema.c: schemas in them
 *
 * A leg is a delivery of ours to the transport. However many legs a request needs, to its owner it is one delivery, with one end. */
#pragma once
#include "base/map.h"
#include "shim/translate_schema.h"
#include "shim/translate_text.h"
#include "shim/upstream_kind.h"

#define TRANSLATE_MAX_ROUNDS    10         /* of input_required, for one request */
#define TRANSLATE_MAX_QUESTIONS 32         /* in one of them */
#define TRANSLATE_ROUND_MS      600000     /* for the client's answers, which people give */
#define TRANSLATE_PACE_MS       250        /* before a leg that nobody was asked for */
#define TRANSLATE_MAX_STATE     (1024 * 1024)
#define TRANSLATE_MAX_ANSWERS   (10 * 1024 * 1024)  /* of the client, in one round */
#define TRANSLATE_MAX_URIS      1024       /* resources/subscribe */
#define TRANSLATE_MAX_URI       (16 * 1024)
#define TRANSLATE_MAX_ENVELOPE  (1024 * 1024)
#define TRANSLATE_FIND_MS       10000      /* for server/discover */
#define TRANSLATE_FIND_CHILD_MS 30000      /* ... to a child, which may have to be installed first (npx) */

enum passage_phase {
	PASSAGE_AWAY,              /* a leg is with the transport */
	PASSAGE_FINDING,           /* initialize was refused: the era is being asked for */
	PASSAGE_ASKING,            /* the client answers the backend's questions */
	PASSAGE_PACING,            /* soon the next leg */
	PASSAGE_SUBSCRIBING,       /* until the listen stream with its resource is there */
	PASSAGE_ANSWERED,          /* by us: line is the answer, or empty; told in the next turn */
};

/* One of the backend's questions in an input_required. */
struct question {
	struct passage *passage;
	char id[40];               /* ours, raw JSON */
	char *key;                 /* raw JSON: its name in inputRequests */
	char *answer;              /* raw JSON; NULL = not yet */
};

/* A delivery that does not simply pass. Stands in its translator's list until its end. */
struct passage {
	struct translator *t;
	struct list node;
	struct delivery *d;
	enum passage_phase phase, next;        /* next: what the answer to the leg under way leads to */
	struct delivery leg;
	struct buf line;                       /* of the leg; ANSWERED: of the answer */
	struct jsonrpc message;
	void (*answered)(struct passage *p, const struct jsonrpc *answer);     /* to the leg under way ... */
	void (*over)(struct passage *p, const struct delivery_end *end);       /* ... whose end this is */
	bool is_cancelled;
	const char *unusable;                  /* why the answer to the leg is none; static text */
	unsigned rounds;
	bool has_step;                         /* the client was told of progress, last ... */
	double last_step;
	struct loop_timer timer;
	struct era_question era;
	char *refusal;                         /* FINDING: the backend's answer to initialize; NULL: status and cause say it */
	struct delivery_end refused;
	char cause[192];
	char *state;                           /* requestState, raw JSON */
	struct question *questions;
	size_t questions_n, open_n;
	char *uri;                             /* SUBSCRIBING */
	unsigned listener;                     /* ... answered by this listen stream, or a later one */
};

/* A listen stream of ours. */
struct listener {
	struct translator *t;
	struct list node;
	unsigned n;
	char id[48];                           /* raw JSON */
	struct buf line;
	struct jsonrpc message;
	struct delivery delivery;
	bool is_old, is_empty;                 /* another one takes its place; nothing of what was wanted is granted */
	char *refusal;                         /* raw JSON error */
};

struct translator {
	struct upstream base;
	struct upstream *inner;
	struct upstream_options o;             /* events: the owner's */
	bool is_stdio;
	bool is_plain;                         /* a session with a handshake is open at the backend: all passes */
	bool is_translating;                   /* the client's handshake was answered by us */
	struct list passages;
	struct loop_timer settle;              /* work for the next turn: all callbacks come from there */
	unsigned numbered;                     /* ids of our own */
	struct buf envelope;
	char *client, *can, *level;            /* raw JSON: what the envelope is made of */
	struct map *wrapped;                   /* tools with results that are no objects */

	/* the era */
	enum era era;
	struct list asking;                    /* struct era_question */
	bool is_finding;
	struct { struct buf line; struct jsonrpc message; struct delivery delivery; } find;
	char *discovered;                      /* raw JSON: result of server/discover */

	/* questions of the backend */
	struct map *asked;                     /* raw id -> struct question */
	bool has_complained;

	/* listening */
	struct list listeners;
	struct map *uris;                      /* URI -> raw JSON, owned */
	unsigned listens;
	struct loop_timer again;
	int64_t pause_ms;
	bool is_ending;
	struct list notes;                     /* struct note: notifications of ours under way */
};

/* ---- translate.c ------------------------------------------------------------------------------------------------------------ */
void translate_find_era(struct upstream *u, struct era_question *q);
MUST_USE enum err translate_new(const struct upstream_options *o, const struct upstream_kind *transport, struct upstream **out,
                                struct problem *why);
struct passage *passage_new(struct translator *t, struct delivery *d);
void passage_send(struct passage *p);                                    /* a leg: its line */
void passage_pass(struct passage *p);                                    /* a leg: what its owner says, as it is */
void passage_tell(struct passage *p, const struct jsonrpc *answer);      /* to its owner */
void passage_answer(struct passage *p, struct span result);              /* in the next turn; empty: accepted */
void passage_refuse(struct passage *p, int code, const char *why);       /* an error, likewise */
void passage_finish(struct passage *p, const struct delivery_end *end);  /* p is gone */
void translate_settle_soon(struct translator *t);
bool translate_envelope_make(struct translator *t);                      /* from client, can and level */
void passage_cancel(struct passage *p);                                  /* its end follows */

/* ---- translate_words.c ------------------------------------------------------------------------------------------------------ */
void words_init(struct translator *t);
void words_release(struct translator *t);
bool words_say(struct translator *t, struct delivery *d);                /* false: it is only framed */
void words_taken(struct translator *t, struct delivery *d);              /* said to nobody */
void words_cancelled(struct translator *t, struct span id);              /* tells a child; id: raw, of a request of ours */

/* ---- translate_open.c ------------------------------------------------------------------------------------------------------- */
void open_init(struct translator *t);
void open_send(struct translator *t, struct delivery *d);                /* initialize */
void open_discover(struct translator *t, struct delivery *d);            /* the client's own server/discover */
bool open_can(const struct translator *t, const char *what, const char *part);    /* a capability of the backend; part: NULL or a flag in it */
void open_find(struct translator *t, struct era_question *q);
void open_tell(struct translator *t);                                    /* who asks, if it is known */
void open_release(struct translator *t);

/* ---- translate_input.c ------------------------------------------------------------------------------------------------------ */
bool input_is_required(const struct jsonrpc *answer);
void input_note(struct passage *p, const struct jsonrpc *answer);        /* the leg is not over yet */
void input_begin(struct passage *p);                                     /* it is: waits for the client, or a little */
void input_go_on(struct passage *p);                                     /* the next leg */
bool input_take(struct translator *t, struct delivery *d);               /* the client's answer; false: to no question of ours */
void input_forget(struct passage *p);                                    /* tells the client that nobody waits any more */
void input_settle(struct passage *p);                                    /* ASKING: goes on if all was answered */

/* ---- translate_steps.c ------------------------------------------------------------------------------------------------------ */
/* Progress that must be said with another value. False: m passes as it is. */
bool steps_write(struct translator *t, const struct jsonrpc *m, struct buf *out);

/* ---- translate_listen.c ----------------------------------------------------------------------------------------------------- */
void listen_init(struct translator *t);
void listen_release(struct translator *t);
void listen_begin(struct translator *t);                                 /* initialized */
void listen_subscribe(struct passage *p);
void listen_unsubscribe(struct passage *p);
void listen_forget(struct passage *p);                                   /* it ends before it was answered */
void listen_stop(struct translator *t);
/* A notification of the backend: false, it is for the client. */
bool listen_takes(struct translator *t, const struct jsonrpc *m);
