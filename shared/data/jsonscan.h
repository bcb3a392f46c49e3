/* jsonscan - our own strict JSON scanner, first reader of every line and body (DESIGN.md section 9).
 *
 * Accepts RFC 8259 in UTF-8 and nothing else: depth <= JSONSCAN_MAX_DEPTH, no duplicate key in any object (compared after
 * unescaping), no NUL and no lone surrogate in a key, no byte after the value. Values keep their spelling: lone surrogate
 * escapes and \u0000 inside string values pass, numbers are never converted. It copies nothing and yields spans of the input,
 * which must outlive them. Size is the caller's cap. One pass; stack and heap are bounded by the depth and the number of keys of
 * the objects open at once. */
#pragma once
#include <stdint.h>
#include "base/buf.h"

#define JSONSCAN_MAX_DEPTH 64

enum json_kind { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {               /* JSON_NONE = absent */
	enum json_kind kind;
	struct span text;         /* exact bytes, with quotes or brackets, no blanks around */
};

enum jsonscan_fault {
	JSONSCAN_OK = 0, JSONSCAN_EMPTY, JSONSCAN_SYNTAX, JSONSCAN_UTF8, JSONSCAN_DEEP, JSONSCAN_DUPLICATE_KEY,
	JSONSCAN_NUL_IN_KEY, JSONSCAN_SURROGATE_IN_KEY, JSONSCAN_TRAILING,
};

/* The members of the document's object and of the objects right below it, in order, as the check passes them: a large message needs no
 * second walk to be classified. Only what fits is kept; is_whole says whether all did. Meaningless unless the check said JSONSCAN_OK. */
#define JSON_OUTLINE_MEMBERS 24
struct json_outline {
	struct json_member {
		struct span key;          /* raw, with quotes */
		struct json_value value;
		int parent;               /* -1: a member of the root; else the number of the member it stands in */
	} members[JSON_OUTLINE_MEMBERS];
	size_t n;
	bool is_whole;
};

/* Checks one whole document. On JSONSCAN_OK *root is its value; otherwise *offset (may be NULL) is the byte at fault. The three
 * faults of keys are found only when the rest is in order; *root is then set too, so that a refusal can name the message's id. */
MUST_USE enum jsonscan_fault jsonscan_check(struct span text, struct json_value *root, size_t *offset);
/* The same, and fills the outline. */
MUST_USE enum jsonscan_fault jsonscan_outline(struct span text, struct json_value *root, size_t *offset, struct json_outline *outline);
const char *jsonscan_fault_text(enum jsonscan_fault f);    /* "duplicate key", ...; never NULL */

/* ---- walking what was checked: everything below takes values of a document that passed jsonscan_check -------------------- */
struct json_iter { const char *at, *end; bool is_object; };
struct json_iter json_iter(struct json_value container);   /* of no members when it is neither object nor array */
bool json_next(struct json_iter *it, struct span *key, struct json_value *value); /* key: raw with quotes, empty in an array */

struct json_value json_get(struct json_value object, const char *key);  /* JSON_NONE when absent or not an object */
bool json_key_is(struct span raw_key, const char *plain);               /* compares after unescaping */

/* Appends the unescaped string (WTF-8 for a lone surrogate). False when b's cap is passed or v is no string. */
MUST_USE bool json_unescape(struct json_value v, struct buf *b);
/* The string as C text, owned; NULL when it is no string, holds a NUL, or is longer than cap_bytes. */
char *json_text(struct json_value v, size_t cap_bytes);
bool json_string_is(struct json_value v, const char *plain);
bool json_to_i64(struct json_value v, int64_t *out);       /* plain integers that fit only: no fraction, no exponent */

/* True when the raw key differs from one of names[0..n) (lower and upper case as given) only by case: ASCII, and the
 * folds U+017F -> s, U+212A -> k, which Go's encoding/json takes for the same key. */
bool json_key_is_case_twin(struct span raw_key, const char *const *names, size_t n);
/* The same for the keys of an object. *which: the first such key, raw. */
bool json_has_case_twin(struct json_value object, const char *const *names, size_t n, struct span *which);

/* Appends the canonical form: no blanks, keys sorted by their unescaped bytes, strings unescaped and escaped again minimally,
 * numbers as written; never longer than v. False when v's own length would pass b's cap. Nothing for JSON_NONE. */
MUST_USE bool json_canonical(struct json_value v, struct buf *b);
/* BLAKE2b-256 of the canonical form; of "{}" for JSON_NONE. */
void json_canonical_hash(struct json_value v, uint8_t out[32]);

/* Appends text as a JSON string with quotes: controls, DEL, quote, backslash escaped; invalid UTF-8 becomes U+FFFD. */
MUST_USE bool json_quote(struct buf *b, struct span text);

/* One line for stdio: bytes of v without line breaks outside strings (a checked document has none inside). */
MUST_USE bool json_append_line(struct json_value v, struct buf *b);
