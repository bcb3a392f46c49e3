/* jsonscan - the check. The state between two tokens is the position, the stack of open containers
 * and the keys of the open objects; functions that advance return the new position, or NULL with
 * the fault noted. */
#include "data/jsonscan.h"
#include <assert.h>
#include <sodium/crypto_shorthash.h>
#include "base/id.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "data/jsontext.h"

#define FEW_KEYS   16 /* up to here every pair is compared, above a table is made */
#define FIRST_KEYS 64 /* without an allocation */
#define OUTLINE_DEPTH 2

struct key_place { /* the inside of the quotes, as an offset: half the size of a span */
	uint32_t at, len;
};

struct level {
	size_t first_key; /* of the object, in scan.keys */
	char close;
	bool has_escaped_key;
};

struct slot {
	uint32_t key;  /* number in scan.keys + 1; 0 = free */
	uint32_t hash; /* the upper half; the lower chose the slot */
};

struct scan {
	const char *start, *end;
	size_t depth;
	struct level levels[JSONSCAN_MAX_DEPTH];
	struct key_place *keys, first_keys[FIRST_KEYS];
	size_t keys_n, keys_room;
	bool is_escaped;    /* the last string held a backslash */
	bool is_opened;     /* the last token opened a container that is not empty */
	struct slot *slots; /* of the objects with many keys, one after the other */
	size_t slots_room;
	unsigned char seed[crypto_shorthash_KEYBYTES];
	struct buf unescaped[2];
	enum jsonscan_fault fault; /* of the grammar: ends the scan */
	const char *fault_at;
	/* The first fault of a key, reported when the grammar has none. */
	enum jsonscan_fault key_fault;
	const char *key_fault_at;
	struct json_outline *outline; /* NULL: nobody asks */
	int open[OUTLINE_DEPTH + 1];  /* number of the member whose value is being scanned at that depth; -1 = none */
};

static void scan_init(struct scan *s, struct span text)
{
	s->start = text.at ? text.at : "";
	s->end = s->start + text.len;
	s->depth = 0;
	s->keys = s->first_keys;
	s->keys_n = 0;
	s->keys_room = FIRST_KEYS;
	s->is_opened = false;
	s->slots = NULL;
	s->slots_room = 0;
	buf_init(&s->unescaped[0], text.len);
	buf_init(&s->unescaped[1], text.len);
	s->fault = s->key_fault = JSONSCAN_OK;
}

static void scan_release(struct scan *s)
{
	if (s->keys != s->first_keys)
		free(s->keys);
	free(s->slots);
	buf_release(&s->unescaped[0]);
	buf_release(&s->unescaped[1]);
}

static const char *fail(struct scan *s, enum jsonscan_fault fault, const char *at)
{
	s->fault = fault;
	s->fault_at = at;
	return NULL;
}

static void note_key_fault(struct scan *s, enum jsonscan_fault fault, const char *at)
{
	if (s->key_fault)
		return;
	s->key_fault = fault;
	s->key_fault_at = at;
}

/* ---- strings -------------------------------------------------------------------------------- */

static const char *scan_escape(struct scan *s, const char *at)
{
	s->is_escaped = true;
	if (s->end - at >= 2 && at[1] && strchr("\"\\/bfnrt", at[1]))
		return at + 2;
	if (s->end - at < 6 || at[1] != 'u')
		return fail(s, JSONSCAN_SYNTAX, at);
	for (int i = 2; i < 6; i++)
		if (jsontext_hex(at[i]) < 0)
			return fail(s, JSONSCAN_SYNTAX, at);
	return at + 6;
}

static const char *scan_utf8(struct scan *s, const char *at)
{
	while (at < s->end && (unsigned char)*at >= 0x80) {
		uint32_t code;
		size_t n = utf8_decode(at, (size_t)(s->end - at), &code);

		if (n == 0)
			return fail(s, JSONSCAN_UTF8, at);
		at += n;
	}
	return at;
}

/* at: behind the opening quote. Returns the closing one. */
static inline const char *scan_string(struct scan *s, const char *at)
{
	while (at) {
		at = jsontext_skip(at, s->end, true);
		if (at == s->end)
			return fail(s, JSONSCAN_SYNTAX, at);
		if (*at == '"')
			return at;
		if (*at == '\\')
			at = scan_escape(s, at);
		else if ((unsigned char)*at >= 0x80)
			at = scan_utf8(s, at);
		else
			return fail(s, JSONSCAN_SYNTAX, at);
	}
	return NULL;
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* Neither NUL nor a surrogate without its other half. */
static void check_escaped_key(struct scan *s, const char *at, const char *end)
{
	while ((at = memchr(at, '\\', (size_t)(end - at)))) {
		size_t n;
		uint32_t code = jsontext_escape(at, end, &n);

		if (code == 0)
			note_key_fault(s, JSONSCAN_NUL_IN_KEY, at);
		if (jsontext_is_high(code) || jsontext_is_low(code))
			note_key_fault(s, JSONSCAN_SURROGATE_IN_KEY, at);
		at += n;
	}
}

static void grow_keys(struct scan *s)
{
	struct key_place *old = s->keys == s->first_keys ? NULL : s->keys;

	s->keys_room *= 2;
	s->keys = xreallocarray(old, s->keys_room, sizeof(*s->keys));
	if (old == NULL)
		memcpy(s->keys, s->first_keys, sizeof(s->first_keys));
}

/* ---- the outline ----------------------------------------------------------------------------- */

/* Members of the root and of the root's members are told apart by the depth. */
static inline bool is_outlined(const struct scan *s)
{
	return s->outline && s->depth >= 1 && s->depth <= OUTLINE_DEPTH;
}

/* key: with its quotes. Below an array, or below what found no place, nothing is kept. */
static void outline_key(struct scan *s, struct span key)
{
	struct json_outline *o = s->outline;
	int parent = s->depth == 1 ? -1 : s->open[1];

	s->open[s->depth] = -1;
	if (s->depth > 1 && parent < 0)
		return;
	if (o->n == JSON_OUTLINE_MEMBERS) {
		o->is_whole = false;
		return;
	}
	s->open[s->depth] = (int)o->n;
	o->members[o->n++] = (struct json_member){ .key = key, .parent = parent };
}

static void outline_begin(struct scan *s, const char *at)
{
	int number = s->open[s->depth];

	if (number >= 0)
		s->outline->members[number].value = (struct json_value){ jsontext_kind(*at), { at, 0 } };
}

static void outline_end(struct scan *s, const char *at)
{
	int number = s->open[s->depth];

	if (number < 0)
		return;
	struct span *text = &s->outline->members[number].value.text;
	text->len = (size_t)(at - text->at);
	s->open[s->depth] = -1;
}

/* A key and its colon. */
static inline const char *scan_key(struct scan *s, const char *at)
{
	at = jsontext_skip_blanks(at, s->end);
	if (at == s->end || *at != '"')
		return fail(s, JSONSCAN_SYNTAX, at);
	const char *inside = at + 1;
	s->is_escaped = false;
	at = scan_string(s, inside);
	if (at == NULL)
		return NULL;
	if (s->is_escaped) {
		check_escaped_key(s, inside, at);
		s->levels[s->depth - 1].has_escaped_key = true;
	}
	if (s->keys_n == s->keys_room)
		grow_keys(s);
	s->keys[s->keys_n++] =
		(struct key_place){ (uint32_t)(inside - s->start), (uint32_t)(at - inside) };
	if (is_outlined(s))
		outline_key(s, (struct span){ inside - 1, (size_t)(at - inside) + 2 });
	at = jsontext_skip_blanks(at + 1, s->end);
	return at < s->end && *at == ':' ? at + 1 : fail(s, JSONSCAN_SYNTAX, at);
}

/* ---- duplicate keys ------------------------------------------------------------------------- */

/* Equal for equal keys, and mostly different for others: the first and the last eight bytes. A
 * shorter key is taken with its closing quote, which no key holds unescaped, and is told by that
 * alone. */
static inline uint64_t key_print(const struct scan *s, struct key_place k)
{
	const char *at = s->start + k.at;
	uint64_t first = 0, last = 0;

	if (k.len >= 8) {
		memcpy(&first, at, 8);
		memcpy(&last, at + k.len - 8, 8);
		return (first ^ (last << 29 | last >> 35)) + k.len;
	}
	for (uint32_t i = 0; i <= k.len; i++)
		first = first << 8 | (unsigned char)at[i];
	return first;
}

static struct span raw_key(const struct scan *s, struct key_place k)
{
	return (struct span){ s->start + k.at, k.len };
}

/* For up to FEW_KEYS keys without escapes. */
static const char *find_twin_by_pairs(const struct scan *s, const struct key_place *keys, size_t n)
{
	uint64_t prints[FEW_KEYS];

	for (size_t i = 0; i < n; i++) {
		prints[i] = key_print(s, keys[i]);
		for (size_t j = 0; j < i; j++)
			if (prints[i] == prints[j] &&
				span_equal(raw_key(s, keys[i]), raw_key(s, keys[j])))
				return s->start + keys[i].at;
	}
	return NULL;
}

/* Borrowed from the text or from *unescaped. */
static struct span key_text(const struct scan *s, struct key_place k, struct buf *unescaped)
{
	struct span inside = raw_key(s, k);

	if (memchr(inside.at, '\\', inside.len) == NULL)
		return inside;
	buf_clear(unescaped);
	struct json_value quoted = { JSON_STRING, { inside.at - 1, inside.len + 2 } };
	bool fits = json_unescape(quoted, unescaped);
	assert(fits); /* its cap is the text's length, and unescaping never lengthens */
	return buf_span(unescaped);
}

static void clear_slots(struct scan *s, size_t n)
{
	if (s->slots_room < n) {
		if (s->slots_room == 0)
			random_bytes(s->seed, sizeof(s->seed));
		free(s->slots);
		s->slots = xcalloc(n, sizeof(*s->slots));
		s->slots_room = n;
		return;
	}
	memset(s->slots, 0, n * sizeof(*s->slots));
}

/* Puts key number i into the table; false when it stands there already. */
static bool take_slot(struct scan *s, size_t i, size_t room)
{
	struct span key = key_text(s, s->keys[i], &s->unescaped[0]);
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)key.at, key.len, s->seed);
	struct slot own = { .key = (uint32_t)(i + 1), .hash = (uint32_t)(hash >> 32) };
	struct slot *at = &s->slots[hash & (room - 1)];
	while (at->key) {
		struct key_place other = s->keys[at->key - 1];

		if (at->hash == own.hash && span_equal(key, key_text(s, other, &s->unescaped[1])))
			return false;
		at = at + 1 == s->slots + room ? s->slots : at + 1;
	}
	*at = own;
	return true;
}

/* Linear in the bytes of the keys; the seed keeps them from being chosen to collide. */
static const char *find_twin_by_hash(struct scan *s, size_t first, size_t n)
{
	size_t room = FEW_KEYS;

	while (room < n + n / 2)
		room *= 2;
	clear_slots(s, room);
	for (size_t i = first; i < first + n; i++)
		if (!take_slot(s, i, room))
			return s->start + s->keys[i].at;
	return NULL;
}

static void close_object(struct scan *s)
{
	const struct level *l = &s->levels[s->depth - 1];
	size_t n = s->keys_n - l->first_key;
	const char *twin = n <= FEW_KEYS && !l->has_escaped_key
				   ? find_twin_by_pairs(s, s->keys + l->first_key, n)
				   : find_twin_by_hash(s, l->first_key, n);

	s->keys_n = l->first_key;
	if (twin)
		note_key_fault(s, JSONSCAN_DUPLICATE_KEY, twin - 1);
}

/* ---- values --------------------------------------------------------------------------------- */

static inline const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

/* At least one digit. */
static const char *scan_digits(struct scan *s, const char *at)
{
	const char *behind = skip_digits(at, s->end);

	return behind > at ? behind : fail(s, JSONSCAN_SYNTAX, at);
}

static const char *scan_number(struct scan *s, const char *at)
{
	const char *end = s->end;

	if (*at == '-')
		at++;
	if (at < end && *at == '0')
		at++;
	else
		at = scan_digits(s, at);
	if (at && at < end && *at == '.')
		at = scan_digits(s, at + 1);
	if (at && at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits(s, at);
	}
	return at;
}

static const char *scan_word(struct scan *s, const char *at, struct span word)
{
	if ((size_t)(s->end - at) < word.len || memcmp(at, word.at, word.len) != 0)
		return fail(s, JSONSCAN_SYNTAX, at);
	return at + word.len;
}

/* An empty container is scanned like a scalar. */
static inline const char *scan_open(struct scan *s, const char *at, char close)
{
	if (s->depth == JSONSCAN_MAX_DEPTH)
		return fail(s, JSONSCAN_DEEP, at);
	at = jsontext_skip_blanks(at + 1, s->end);
	if (at < s->end && *at == close)
		return at + 1;
	s->levels[s->depth++] = (struct level){ s->keys_n, close, false };
	if (is_outlined(s))
		s->open[s->depth] = -1;
	s->is_opened = true;
	return at;
}

/* A scalar, an empty container or the bracket that opens one. */
static inline const char *scan_value(struct scan *s, const char *at)
{
	at = jsontext_skip_blanks(at, s->end);
	if (at == s->end)
		return fail(s, JSONSCAN_SYNTAX, at);
	if (is_outlined(s))
		outline_begin(s, at);
	switch (*at) {
	case '"': at = scan_string(s, at + 1); return at ? at + 1 : NULL;
	case '{': return scan_open(s, at, '}');
	case '[': return scan_open(s, at, ']');
	case 't': return scan_word(s, at, SPAN("true"));
	case 'f': return scan_word(s, at, SPAN("false"));
	case 'n': return scan_word(s, at, SPAN("null"));
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9': return scan_number(s, at);
	default: return fail(s, JSONSCAN_SYNTAX, at);
	}
}

/* What may follow a value: closing brackets, then a comma, or the end of the document. */
static inline const char *scan_behind(struct scan *s, const char *at)
{
	if (s->is_opened) {
		s->is_opened = false;
		return at;
	}
	while (s->depth > 0) {
		if (is_outlined(s))
			outline_end(s, at);
		at = jsontext_skip_blanks(at, s->end);
		if (at < s->end && *at == ',')
			return at + 1;
		if (at == s->end || *at != s->levels[s->depth - 1].close)
			return fail(s, JSONSCAN_SYNTAX, at);
		if (*at == '}')
			close_object(s);
		s->depth--;
		at++;
	}
	return at;
}

static const char *scan_document(struct scan *s)
{
	const char *at = jsontext_skip_blanks(s->start, s->end);

	if (at == s->end)
		return fail(s, JSONSCAN_EMPTY, at);
	do {
		if (s->depth && s->levels[s->depth - 1].close == '}')
			at = scan_key(s, at);
		if (at)
			at = scan_value(s, at);
		if (at)
			at = scan_behind(s, at);
	} while (at && s->depth > 0);
	if (at == NULL)
		return NULL;
	const char *rest = jsontext_skip_blanks(at, s->end);
	return rest == s->end ? at : fail(s, JSONSCAN_TRAILING, rest);
}

enum jsonscan_fault jsonscan_check(struct span text, struct json_value *root, size_t *offset)
{
	return jsonscan_outline(text, root, offset, NULL);
}

enum jsonscan_fault jsonscan_outline(
	struct span text, struct json_value *root, size_t *offset, struct json_outline *outline)
{
	struct scan s; /* its tables are large and need no zeroes */

	assert(text.len < UINT32_MAX); /* places of keys are kept in 32 bits */
	scan_init(&s, text);
	s.outline = outline;
	if (outline) {
		outline->n = 0;
		outline->is_whole = true;
	}
	const char *at = scan_document(&s);
	if (at) {
		const char *first = jsontext_skip_blanks(s.start, s.end);

		*root = (struct json_value){ jsontext_kind(*first),
			{ first, (size_t)(at - first) } };
		s.fault = s.key_fault;
		s.fault_at = s.key_fault_at;
	}
	if (s.fault && offset)
		*offset = (size_t)(s.fault_at - s.start);
	scan_release(&s);
	return s.fault;
}

const char *jsonscan_fault_text(enum jsonscan_fault f)
{
	switch (f) {
	case JSONSCAN_OK: return "no fault";
	case JSONSCAN_EMPTY: return "nothing but blanks";
	case JSONSCAN_SYNTAX: return "not JSON";
	case JSONSCAN_UTF8: return "invalid UTF-8";
	case JSONSCAN_DEEP: return "nested deeper than 64";
	case JSONSCAN_DUPLICATE_KEY: return "duplicate key";
	case JSONSCAN_NUL_IN_KEY: return "NUL in a key";
	case JSONSCAN_SURROGATE_IN_KEY: return "lone surrogate in a key";
	case JSONSCAN_TRAILING: return "bytes after the end";
	}
	return "unknown fault";
}
