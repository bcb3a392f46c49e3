/* jsonput - writes JSON text member by member; long lists are cheaper this way than as trees. What passes the buffer's cap, or goes wrong
 * otherwise, is remembered: asked once, at the end. Characters that do not show become \u escapes: answers are read on terminals too. */
#pragma once
#include "base/buf.h"
#include "base/id.h"

#define JSONPUT_NAME_MOST      512                 /* bytes */
#define JSONPUT_ARGUMENTS_MOST (64 * 1024)
#define JSONPUT_LIST_MOST      (16 * 1024 * 1024)

struct jsonput {
	struct buf *b;
	bool ok, has_member;
};
struct jsonput jsonput_begin(struct buf *b);
MUST_USE bool jsonput_end(struct jsonput *p);                                        /* true: all of it is there */

/* key NULL: in a list, or the outermost value. */
void put_open(struct jsonput *p, const char *key, char bracket);                     /* '{' or '[' */
void put_close(struct jsonput *p, char bracket);                                     /* '}' or ']' */
void put_text(struct jsonput *p, const char *key, const char *text);                 /* NULL: null */
void put_span(struct jsonput *p, const char *key, struct span text);
/* A name that is an agent's word, such as a tool's: no answer may become too long to be made. */
void put_name(struct jsonput *p, const char *key, const char *name);
/* "arguments" of one of many: JSON in a string. Long ones, and those at the end of a long list, are left out: "(70000 bytes, left out here)", and
 * "arguments_left_out": true. */
void put_arguments(struct jsonput *p, struct span json);
void put_number(struct jsonput *p, const char *key, int64_t n);
void put_bool(struct jsonput *p, const char *key, bool is_true);
void put_null(struct jsonput *p, const char *key);
void put_json(struct jsonput *p, const char *key, struct span json);                 /* as it is */
void put_time(struct jsonput *p, const char *key, int64_t wall_ms);                  /* "2026-11-20T10:15:30.123Z"; 0: null */
void put_hash(struct jsonput *p, const char *key, const uint8_t hash[32]);           /* in hex */
