/* demo - what the demo server's parts share. The server is single-purpose: loopback, one endpoint, five tools, no configuration.
 * Threads: libmicrohttpd runs one per connection; everything in struct demo is touched under its lock, unless said otherwise. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/buf.h"
#include "base/id.h"
#include "base/map.h"
#include "data/jsonrpc.h"

#define DEMO_MAX_BODY     (4u * 1024 * 1024)  /* what SDK servers take too */
#define DEMO_MAX_ANSWER   (32u * 1024 * 1024) /* an echoed body, escaped again */
#define DEMO_MAX_SESSIONS 4096                /* the oldest goes */
#define DEMO_MAX_TOOLS    8
#define DEMO_MAX_POSTS    100
#define DEMO_MAX_TITLE    200
#define DEMO_MAX_CONTENT  4000

struct demo_post {
	char *title, *content;
};

struct demo {
	pthread_mutex_t lock;
	bool is_slow_offered;       /* fixed at start */
	atomic_bool is_stopping;
	struct map *sessions;       /* id -> the demo itself: only presence counts */
	struct demo_post posts[DEMO_MAX_POSTS];
	size_t posts_n;
	uint64_t arrivals[DEMO_MAX_TOOLS], unknown_tools; /* tools/call that got here, by row of the tool table */
	uint64_t sessions_opened, sessions_closed;
};
void demo_init(struct demo *d);
void demo_release(struct demo *d);

/* ---- tools.c: the table of tools; all under the lock ------------------------------------------ */
struct tool;
const struct tool *tool_find(struct demo *d, struct json_value name); /* counts the arrival; NULL: unknown */
bool tool_is_slow(const struct tool *t);
/* Appends the text of the answer. *is_error: the text says what was wrong with the arguments. False: too large. */
MUST_USE bool tool_run(const struct tool *t, struct demo *d, struct json_value arguments,
	struct buf *text, bool *is_error);
/* How long slow() is to take; -1: not a number from 0 to 600. */
int64_t tool_slow_ms(struct json_value arguments);
MUST_USE bool tools_write_list(const struct demo *d, struct buf *b);   /* result of tools/list */
MUST_USE bool tools_write_stats(const struct demo *d, struct buf *b);  /* body of GET /stats */
void posts_clear(struct demo *d);

/* ---- mcp.c: one POSTed message and its answer ------------------------------------------------- */
struct mcp_request {
	struct span body;
	const char *session, *version;      /* Mcp-Session-Id, MCP-Protocol-Version; NULL = absent */
};
struct mcp_answer {
	unsigned status;
	struct buf body;                    /* JSON, may be empty */
	char session[ID_SIZE];              /* set by initialize, else "" */
	struct slow *slow;                  /* instead of a body: an event stream; owned */
};
void mcp_answer(struct demo *d, const struct mcp_request *r, struct mcp_answer *out);
unsigned mcp_delete(struct demo *d, const char *session);  /* status */
MUST_USE bool mcp_write_tool_result(struct buf *b, struct span text, bool is_error);

/* ---- slow.c: a tool that takes its time, told in progress notifications ----------------------- */
struct slow *slow_new(struct demo *d, const struct jsonrpc *call, int64_t ms);
void slow_free(void *slow);
/* libmicrohttpd's content reader: naps until the next step is due, then gives its event. */
ssize_t slow_read(void *slow, uint64_t at, char *to, size_t room);

/* ---- stdio.c ---------------------------------------------------------------------------------- */
int stdio_serve(struct demo *d);           /* until stdin ends; the exit code */

/* ---- http.c ----------------------------------------------------------------------------------- */
struct http;
struct http *http_start(struct demo *d, uint16_t port); /* NULL: errno says why */
uint16_t http_port(struct http *h);
void http_stop(struct http *h);
