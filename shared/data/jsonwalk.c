/* jsonwalk - reading what jsonscan has checked: no byte is doubted here. */
#include "data/jsonscan.h"
#include "base/xalloc.h"
#include "data/jsontext.h"

/* ---- members -------------------------------------------------------------------------------- */

/* at: the opening quote. Returns what follows the closing one. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++;; at++) {
		at = jsontext_skip(at, end, false);
		if (*at == '"')
			return at + 1;
		if (*at == '\\')
			at++;
	}
}

static const char *skip_container(const char *at, const char *end)
{
	size_t depth = 0;

	do {
		switch (*at) {
		case '{':
		case '[': depth++; break;
		case '}':
		case ']': depth--; break;
		case '"': at = skip_string(at, end); continue;
		default: break;
		}
		at++;
	} while (depth > 0);
	return at;
}

static const char *skip_value(const char *at, const char *end)
{
	if (*at == '"')
		return skip_string(at, end);
	if (*at == '{' || *at == '[')
		return skip_container(at, end);
	return jsontext_skip_word(at, end);
}

struct json_iter json_iter(struct json_value container)
{
	struct json_iter it = { NULL, NULL, container.kind == JSON_OBJECT };

	if (container.kind != JSON_OBJECT && container.kind != JSON_ARRAY)
		return it;
	it.end = container.text.at + container.text.len - 1; /* the closing bracket */
	it.at = jsontext_skip_blanks(container.text.at + 1, it.end);
	return it;
}

bool json_next(struct json_iter *it, struct span *key, struct json_value *value)
{
	const char *at = it->at;

	if (at == it->end)
		return false;
	*key = (struct span){ NULL, 0 };
	if (it->is_object) {
		key->at = at;
		at = skip_string(at, it->end);
		key->len = (size_t)(at - key->at);
		at = jsontext_skip_blanks(at, it->end) + 1; /* the colon */
		at = jsontext_skip_blanks(at, it->end);
	}
	value->kind = jsontext_kind(*at);
	value->text.at = at;
	at = skip_value(at, it->end);
	value->text.len = (size_t)(at - value->text.at);
	at = jsontext_skip_blanks(at, it->end);
	it->at = *at == ',' ? jsontext_skip_blanks(at + 1, it->end) : at;
	return true;
}

struct json_value json_get(struct json_value object, const char *key)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct span raw;

	while (it.is_object && json_next(&it, &raw, &value))
		if (json_key_is(raw, key))
			return value;
	return (struct json_value){ 0 };
}

/* ---- strings -------------------------------------------------------------------------------- */

static struct span inside_of(struct span quoted)
{
	return (struct span){ quoted.at + 1, quoted.len - 2 };
}

/* A quoted string against plain bytes. */
static bool string_equals(struct span quoted, struct span plain)
{
	struct span inside = inside_of(quoted);
	const char *at = inside.at, *end = inside.at + inside.len;
	char room[4];

	if (inside.len < plain.len) /* unescaping never lengthens */
		return false;
	while (at < end) {
		struct span piece = jsontext_piece(&at, end, room);

		if (piece.len > plain.len || memcmp(piece.at, plain.at, piece.len) != 0)
			return false;
		plain.at += piece.len;
		plain.len -= piece.len;
	}
	return plain.len == 0;
}

bool json_key_is(struct span raw_key, const char *plain)
{
	return raw_key.len >= 2 && string_equals(raw_key, span_of(plain));
}

bool json_string_is(struct json_value v, const char *plain)
{
	return v.kind == JSON_STRING && string_equals(v.text, span_of(plain));
}

bool json_unescape(struct json_value v, struct buf *b)
{
	size_t before = b->len;
	char room[4];

	if (v.kind != JSON_STRING)
		return false;
	struct span inside = inside_of(v.text);
	for (const char *at = inside.at, *end = at + inside.len; at < end;) {
		if (!buf_append_span(b, jsontext_piece(&at, end, room))) {
			buf_truncate(b, before);
			return false;
		}
	}
	return true;
}

char *json_text(struct json_value v, size_t cap_bytes)
{
	struct buf b;

	buf_init(&b, cap_bytes);
	if (!json_unescape(v, &b) || (b.len && memchr(b.data, '\0', b.len))) {
		buf_release(&b);
		return NULL;
	}
	return buf_take(&b);
}

bool json_to_i64(struct json_value v, int64_t *out)
{
	bool is_negative = v.kind == JSON_NUMBER && v.text.at[0] == '-';
	int64_t n = 0;

	if (v.kind != JSON_NUMBER)
		return false;
	for (size_t i = is_negative; i < v.text.len; i++) {
		/* Negative for the point, large for the exponent's letter. The sum is built
		 * downwards: INT64_MIN has no positive twin. */
		int digit = v.text.at[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
			__builtin_sub_overflow(n, digit, &n))
			return false;
	}
	if (!is_negative && n == INT64_MIN)
		return false;
	*out = is_negative ? n : -n;
	return true;
}

/* ---- case ----------------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Unescapes and folds into out; returns the length, or 0 when it is longer than out (then it is no
 * protocol key). */
static size_t fold(struct span raw_key, char *out, size_t size)
{
	struct span inside = inside_of(raw_key);
	const char *at = inside.at, *end = inside.at + inside.len;
	size_t n = 0, kept = 0;
	char room[4];

	while (at < end) {
		struct span piece = jsontext_piece(&at, end, room);

		if (piece.len > size - n)
			return 0;
		memcpy(out + n, piece.at, piece.len);
		n += piece.len;
	}
	for (size_t i = 0; i < n; kept++) {
		bool is_long_s = n - i >= 2 && memcmp(out + i, "\u017f", 2) == 0;
		bool is_kelvin = n - i >= 3 && memcmp(out + i, "\u212a", 3) == 0;

		out[kept] = is_long_s ? 's' : is_kelvin ? 'k' : lower(out[i]);
		i += is_long_s ? 2 : is_kelvin ? 3 : 1;
	}
	return kept;
}

static bool folds_to(struct span folded, const char *name)
{
	if (strlen(name) != folded.len)
		return false;
	for (size_t i = 0; i < folded.len; i++)
		if (lower(name[i]) != folded.at[i])
			return false;
	return true;
}

bool json_key_is_case_twin(struct span raw_key, const char *const *names, size_t n)
{
	char room[64]; /* longer than any protocol key */
	struct span folded = { room, fold(raw_key, room, sizeof(room)) };

	for (size_t i = 0; i < n && folded.len; i++)
		if (folds_to(folded, names[i]) && !json_key_is(raw_key, names[i]))
			return true;
	return false;
}

bool json_has_case_twin(
	struct json_value object, const char *const *names, size_t n, struct span *which)
{
	struct json_iter it = json_iter(object);
	struct json_value value;

	while (it.is_object && json_next(&it, which, &value))
		if (json_key_is_case_twin(*which, names, n))
			return true;
	return false;
}
