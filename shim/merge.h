/* merge - several backends behind one client. Towards each part it is the client: it hands lines to the part's session and takes the
 * part's lines (part_say), so that each part judges, limits and records as if it were alone, by its backend's own names. Towards the
 * client it is one server: names carry their backend, lists are put together, a backend that is away is a missing part.
 *
 *   merge        what each message of the client sets off
 *   merge_route  which backend is meant, and by what name it knows the thing
 *   merge_part   what each message of a part sets off
 *   merge_open   the handshake with all, and with those that come later
 *   merge_list   requests that go to several at once
 *   merge_modern, merge_listen   a client of 2026-07-28
 *   merge_asks   the backends' requests to the client, whose ids may clash
 *   merge_text, merge_names   pure
 *
 * The client's ids stay as they are; only ids of the backends' requests are replaced. */
#pragma once
#include "net/loop.h"
#include "shim/held.h"
#include "shim/inbound.h"
#include "shim/merge_asks.h"

#define MERGE_WAIT_MS  5000                  /* for a backend's part of an answer; what comes later is told by list_changed */
#define MERGE_MAX_PARTS 64

struct shim;
struct part;
struct merge;

enum merge_offer {                           /* what a backend declares, as far as it matters here */
	OFFER_TOOLS = 1, OFFER_PROMPTS = 2, OFFER_RESOURCES = 4, OFFER_LOGGING = 8, OFFER_TASKS = 16,
};

enum member_phase { MEMBER_AWAY, MEMBER_OPENING, MEMBER_OPEN };

struct member {
	struct merge *merge;
	struct part *part;
	enum member_phase phase;
	unsigned offers;                     /* enum merge_offer */
	bool is_confirmed;                   /* it has our notifications/initialized */
	bool is_silent;                      /* open, but its part was missing in a list; asked again until it answers */
	bool is_hopeless;                    /* it can never be opened: its configuration cannot be carried out */
	struct buf opened;                   /* its answer to initialize, until ours is written */
	struct loop_timer again;
	int64_t wait_ms, tried_us;
};

enum merge_phase { MERGE_NEW, MERGE_OPENING, MERGE_OPEN };

struct merge {
	struct shim *shim;
	struct member *members;              /* as shim->parts */
	size_t n;
	enum merge_phase phase;
	bool is_confirmed;                   /* the client has sent notifications/initialized */
	bool has_batches, is_ending;
	bool is_modern;                      /* OPEN without a handshake: every backend speaks 2026-07-28, and so does the client */
	bool is_older;                       /* not every one does */
	struct buf initialize, level;        /* the client's line; the level of logging/setLevel, raw */
	struct loop_timer timer;             /* of the handshake */
	struct held held, unnamed;           /* during the handshake; calls by a name that was cut, until the list is there */
	struct inbounds inbounds;            /* requests to several */
	struct list fans, listens;
	struct merge_asks asks;
	struct map *cut;                     /* shown name -> own name, char * */
	struct map *uris;                    /* URI of a resource that was shown -> struct member; the merge itself = several have it */
	struct map *tasks;                   /* id of a task -> struct part */
	unsigned changed;                    /* enum merge_offer: lists the client must be told of */
	char id_prefix[40];                  /* of our own requests */
	unsigned asked;
};

/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares its variable */
#define for_each_member(b, m) for (struct member *b = (m)->members; b < (m)->members + (m)->n; b++)

struct merge *merge_new(struct shim *shim);
void merge_free(struct merge *m);

void merge_line(struct merge *m, struct span line);                          /* of the client */
void merge_from_part(struct merge *m, struct part *p, char *text, size_t n); /* for the client; takes text over */
bool merge_may_take(const struct merge *m);
bool merge_is_idle(const struct merge *m);
void merge_go_on(struct merge *m);           /* once a loop turn */
void merge_end(struct merge *m);             /* the session ends: nothing is begun any more */

/* ---- inside merge ------------------------------------------------------------------------------------------------------------- */
void merge_say(struct merge *m, struct buf *line);
void merge_say_error(struct merge *m, struct json_value id, int code, const char *text);
void merge_hand(struct member *b, const struct buf *line);                   /* to the part's session */
void merge_hand_on(struct member *b, const struct jsonrpc *rpc);             /* the client's message as it is */
void merge_hand_edited(struct member *b, const struct jsonrpc *rpc, struct json_value old, struct span text);   /* one value replaced */
/* Our own request to a part; its answer is dropped, but shows that it is there. params may be empty. */
void merge_request_own(struct member *b, const char *method, struct span params);
bool merge_is_away(const struct jsonrpc *answer);                            /* an error of ours: the backend was not reached */

/* merge_open */
void merge_open_init(struct merge *m);
void merge_initialize(struct merge *m, const struct jsonrpc *rpc);
void merge_initialized(struct merge *m);
void merge_opened(struct member *b, const struct jsonrpc *answer);           /* a part's answer to initialize */
void merge_hurry(struct member *b);          /* somebody asks for it: if it is away it is tried again now, at most once a second */
void merge_is_back(struct member *b);        /* it has answered; its lists may have changed */
void merge_try_later(struct member *b);      /* ... after a pause that grows */
void merge_fell_silent(struct member *b, const char *what, const char *why);

void merge_note_offers(struct member *b);    /* from b->opened */
MUST_USE bool merge_write_names(struct merge *m, struct buf *out);
MUST_USE bool merge_write_capabilities(struct merge *m, struct buf *out);    /* from what all members' opened say, as are ... */
MUST_USE bool merge_write_instructions(struct merge *m, struct buf *out);

/* merge_modern */
void merge_discover(struct merge *m, const struct jsonrpc *rpc);
bool merge_holds_for_era(struct merge *m, const struct jsonrpc *rpc);        /* true: taken; it goes on when the eras are known */
bool merge_admits(struct merge *m, const struct jsonrpc *request);           /* false: its revision is not spoken here, and it was told so */
void merge_discovered(struct merge *m, const struct jsonrpc *asked, const struct span *answers);     /* as members; empty: none */

/* merge_listen */
struct merge_listen;
void merge_listen(struct merge *m, const struct jsonrpc *rpc);
struct merge_listen *merge_listen_find(struct merge *m, struct json_value id);
bool merge_listen_over(struct merge_listen *l, struct member *b, const struct jsonrpc *answer);      /* true: the answer is the client's */
void merge_listen_acknowledged(struct member *b, const struct jsonrpc *rpc);
void merge_listen_say_changed(struct merge *m, unsigned changed);            /* enum merge_offer */
void merge_listen_drop(struct merge *m, struct json_value id);               /* the client wants no more */
void merge_listen_free_all(struct merge *m);

/* merge_list */
struct fan;
void merge_fan(struct merge *m, const struct jsonrpc *rpc);                  /* a list, or logging/setLevel */
struct fan *merge_fan_find(struct merge *m, struct json_value id);
void merge_fan_take(struct fan *f, struct member *b, const struct jsonrpc *answer);
void merge_fan_drop(struct fan *f);          /* the client wants no answer any more; legal on NULL */
void merge_fan_free_all(struct merge *m);

/* merge_route */
bool merge_is_own_id(const struct merge *m, struct json_value id);           /* of our own requests */
/* Whose resource it is, and how that one calls it. NULL: nobody's, or several have it. */
struct member *merge_uri_owner(struct merge *m, struct span shown, struct span *own);
struct member *merge_member(struct merge *m, const struct part *p);
void merge_route_tool(struct merge *m, const struct jsonrpc *rpc);           /* tools/call */
void merge_route_prompt(struct merge *m, const struct jsonrpc *rpc);         /* prompts/get */
void merge_route_resource(struct merge *m, const struct jsonrpc *rpc);       /* whatever has a uri */
void merge_route_completion(struct merge *m, const struct jsonrpc *rpc);
void merge_route_task(struct merge *m, const struct jsonrpc *rpc);           /* whatever has a taskId */
void merge_note_task(struct member *b, const struct jsonrpc *answer);        /* an answer of b that may have made one */
/* The name or URI of an item as the client sees it, quoted. False: it has none that could be used. */
MUST_USE bool merge_show_name(struct member *b, struct json_value name, struct buf *out);
MUST_USE bool merge_show_uri(struct member *b, struct json_value uri, struct buf *out);
