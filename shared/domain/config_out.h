/* config_out - writes a tree of names, texts and numbers, as block YAML that is read back equal or as JSON. */
#pragma once
#include "base/buf.h"

struct out {
	struct buf *b;
	int depth;
	bool as_json;
	bool is_first;         /* nothing stands in the innermost map or list yet */
	bool is_after_dash;    /* YAML: the first key of a map in a list goes on in the line of the dash */
	bool has_failed;       /* b's cap was reached; everything after it is dropped */
};

struct out out_begin(struct buf *b, bool as_json);       /* the outermost map */
MUST_USE bool out_end(struct out *o);                    /* false: b's cap was reached */

/* name is NULL in a list. */
void out_open_map(struct out *o, const char *name);
void out_close_map(struct out *o);
void out_open_list(struct out *o, const char *name);
void out_close_list(struct out *o);
void out_text(struct out *o, const char *name, const char *text);   /* in quotes */
void out_raw(struct out *o, const char *name, const char *text);    /* as it is: a number, true, a word that is safe in YAML */
void out_number(struct out *o, const char *name, int64_t n);
void out_bool(struct out *o, const char *name, bool is_true);
