/* tools - which tools the backend has, and tools/list. The client's own lists pass through tools_page; a tool called before any list
 * makes the shim list for itself, and so does a name that stands in no recent list. The first list of a session may come from the
 * store (tools_cache); a fresh one is then fetched behind, and a difference told. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "data/jsonrpc.h"
#include "shim/tools_cache.h"

struct part;

struct tools {
	struct part *part;
	struct map *known;               /* names, to the hash of the definition as the backend listed it */
	struct map *fresh;               /* what our own listing has gathered so far; NULL = none is under way */
	struct list listings;            /* struct listing: on their way */
	struct tools_cache cache;
	struct tools_pages shown_pages, own_pages;   /* lists while they come in: the client's, ours */
	int64_t listed_us;               /* when known was complete last; 0 = never, or the backend said it changed */
	int64_t failed_us;               /* when our own listing failed last; 0 = it did not */
	int64_t own_began_us;            /* when the last listing of our own began; */
	int64_t own_listed_us;           /* ... the last that came in whole; 0 = none, or the backend said since that it changed */
	bool has_first_page, was_shown;
	char why[200];                   /* why it failed, a clause */
	char id_prefix[40];
	unsigned pages;
};

void tools_init(struct tools *t, struct part *part);
void tools_release(struct tools *t);

void tools_list(struct tools *t, const struct jsonrpc *rpc);     /* the client's tools/list */

/* WAIT: calls are marked when the list is there. FAILED: why says it. */
enum tools_answer { TOOLS_KNOWN, TOOLS_UNKNOWN, TOOLS_WAIT, TOOLS_FAILED };
enum tools_answer tools_look(struct tools *t, const char *name);

/* The hash of a tool's definition, from a list of our own that was begun after since_us: asked for when there is none. Answers as above. */
enum tools_answer tools_define(struct tools *t, const char *name, int64_t since_us, uint8_t hash[32]);
/* As far as is known now: no list that came in since, and no word of the backend, says otherwise. */
bool tools_is_defined_as(const struct tools *t, const char *name, const uint8_t hash[32]);

void tools_notice(struct tools *t, const struct jsonrpc *rpc);   /* a notification of the backend */
void tools_rules_changed(struct tools *t);                       /* tells the client to list again */
void tools_stop_own(struct tools *t);                            /* nobody needs our own listing any more */
void tools_give_up(struct tools *t);
bool tools_is_idle(const struct tools *t);
