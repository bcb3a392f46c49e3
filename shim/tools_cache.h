/* tools_cache - the tools as a backend listed them last (backends.B.tools_cache): from the store at the start of a session, so that its
 * first tools/list need not wait; to the store after every complete list. After the first fresh list of a session it answers no more. */
#pragma once
#include "data/jsonrpc.h"
#include "store/store.h"

struct part;

/* A list while its pages come in. */
struct tools_pages {
	struct tools_list list;
	size_t bytes;
	char *next;                          /* raw cursor of the page that must come */
	bool is_open;
};
/* cursor: of the request. True: the list is complete, in p->list, until the next call. */
bool tools_pages_add(struct tools_pages *p, struct json_value cursor, struct json_value result);
void tools_pages_release(struct tools_pages *p);   /* legal on a zeroed one */

enum tools_cache_phase { TOOLS_CACHE_UNTRIED, TOOLS_CACHE_WARM, TOOLS_CACHE_REFRESHED, TOOLS_CACHE_SPENT };

struct tools_cache {
	struct part *part;
	enum tools_cache_phase phase;
	bool was_served;
	struct tools_list warm;
	struct op op;
	struct tools_put put;
	struct tools_list writing;
};

void tools_cache_init(struct tools_cache *c, struct part *part);
void tools_cache_release(struct tools_cache *c);
bool tools_cache_is_on(const struct tools_cache *c);

/* Is there a list to begin with? Asks the store, which must be open, at most once a session. */
bool tools_cache_look(struct tools_cache *c);
/* The raw result for a request with this cursor; {0} = ask the backend. */
struct span tools_cache_page(struct tools_cache *c, struct json_value cursor);
/* Hands a fresh list over. True: the client was shown another one. is_own: its reader was not the client, who may still be turning the
 * pages of the old one. */
bool tools_cache_take(struct tools_cache *c, struct tools_list *list, bool is_own);
void tools_cache_drop(struct tools_cache *c);      /* the backend says its tools changed */
