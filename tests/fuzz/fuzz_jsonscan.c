/* What the scanner accepts json-c accepts too; every walk stays inside the text; the canonical form is JSON, no longer than the text,
 * and its own canonical form. */
#include <assert.h>
#include <json.h>
#include "base/xalloc.h"
#include "data/jsonscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_json_c_agrees(struct span text)
{
	struct json_tokener *t = json_tokener_new_ex(JSONSCAN_MAX_DEPTH + 1);
	CLEANUP(free_charp) char *copy = span_dup(text); /* with a NUL: a number's end must be seen */

	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *tree = json_tokener_parse_ex(t, copy, (int)text.len + 1);
	assert(json_tokener_get_error(t) == json_tokener_success);
	json_object_put(tree);
	json_tokener_free(t);
}

static void check_found_by_key(struct json_value object, struct span raw_key, struct json_value member)
{
	CLEANUP(free_charp) char *key = json_text((struct json_value){ JSON_STRING, raw_key }, raw_key.len);

	assert(key && json_key_is(raw_key, key) && json_get(object, key).text.at == member.text.at);
}

static size_t walk(struct json_value v)
{
	struct json_iter it = json_iter(v);
	struct json_value member;
	struct span key;
	size_t n = 1;
	int64_t number;

	while (json_next(&it, &key, &member)) {
		assert(member.text.at >= v.text.at && member.text.at + member.text.len < v.text.at + v.text.len);
		if (key.at)
			check_found_by_key(v, key, member);
		n += walk(member);
	}
	free(json_text(v, 1000));
	if (json_to_i64(v, &number))
		assert(v.kind == JSON_NUMBER);
	return n;
}

static void check_canonical(struct json_value root)
{
	struct buf once, twice, line;
	struct json_value again;

	buf_init(&once, root.text.len);
	buf_init(&twice, root.text.len);
	buf_init(&line, root.text.len);
	assert(json_canonical(root, &once));
	assert(jsonscan_check(buf_span(&once), &again, NULL) == JSONSCAN_OK);
	assert(json_canonical(again, &twice) && span_equal(buf_span(&once), buf_span(&twice)));
	assert(json_append_line(root, &line) && jsonscan_check(buf_span(&line), &again, NULL) == JSONSCAN_OK);
	assert(walk(again) == walk(root) && span_line_length(buf_span(&line)) == line.len);
	buf_release(&once);
	buf_release(&twice);
	buf_release(&line);
}

static void check_quote(struct span text)
{
	struct json_value v;
	struct buf b;

	buf_init(&b, 6 * text.len + 2);
	assert(json_quote(&b, text));
	assert(jsonscan_check(buf_span(&b), &v, NULL) == JSONSCAN_OK && v.kind == JSON_STRING);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span text = { (const char *)bytes, n };
	struct json_value root;
	size_t offset = 0;

	check_quote(text);
	if (jsonscan_check(text, &root, &offset) != JSONSCAN_OK) {
		assert(offset <= n);
		return 0;
	}
	check_json_c_agrees(text);
	check_canonical(root);
	return 0;
}
