/* yaml: what is read, what is refused, and that every refusal names the right place. */
#include "unit/unit.h"
#include "base/buf.h"
#include "base/xalloc.h"
#include "data/yaml.h"

static struct buf said;
static struct yaml_tree *tree;

static void hear(void *arg, const struct problem *p)
{
	(void)arg;
	ck_assert(buf_printf(&said, "%d:%d %s\n", p->line, p->column, p->text));
}

static enum err read_span(struct span text)
{
	return yaml_tree_read(text, hear, NULL, &tree);
}

static enum err read_text(const char *text)
{
	return read_span(span_of(text));
}

static void set_up(void)
{
	buf_init(&said, 100000);
	ck_assert(buf_append_text(&said, ""));
	tree = NULL;
}

static void tear_down(void)
{
	buf_release(&said);
	yaml_tree_free(tree);
}

START_TEST(a_tree_knows_kinds_texts_and_places)
{
	ck_assert_int_eq(read_text("a: 1\nb:\n  - x\n  - \"y\"\nc: {d: e}\n"), OK);
	const struct yaml_node *root = yaml_tree_root(tree);
	ck_assert_int_eq(root->kind, YAML_MAP);
	ck_assert_uint_eq(root->n, 3);
	const struct yaml_node *b = yaml_get(root, "b");
	ck_assert_int_eq(b->kind, YAML_LIST);
	ck_assert_uint_eq(b->n, 2);
	ck_assert_str_eq(b->key->text, "b");
	ck_assert_int_eq(b->first->line, 3);
	ck_assert_int_eq(b->first->column, 5);
	ck_assert(!b->first->is_quoted);
	ck_assert(b->first->next->is_quoted);
	ck_assert_str_eq(yaml_get(yaml_get(root, "c"), "d")->text, "e");
	ck_assert_ptr_null(yaml_get(root, "d"));
	ck_assert_ptr_null(yaml_get(b, "d"));
}
END_TEST

START_TEST(json_is_read_too)
{
	ck_assert_int_eq(read_text("{\"a\": [1, \"\\u00e9\"], \"b\": {}}"), OK);
	ck_assert_str_eq(yaml_get(yaml_tree_root(tree), "a")->first->next->text, "\xC3\xA9");
}
END_TEST

START_TEST(nothing_and_null_are_null_but_quoted_is_text)
{
	ck_assert_int_eq(read_text("[~, null, \"null\", \"\", x]\n"), OK);
	const struct yaml_node *n = yaml_tree_root(tree)->first;
	static const bool is_null[] = { true, true, false, false, false };
	for (size_t i = 0; i < ARRAY_LEN(is_null); i++, n = n->next)
		ck_assert_int_eq(yaml_is_null(n), is_null[i]);
}
END_TEST

START_TEST(an_empty_document_has_no_root)
{
	ck_assert_int_eq(read_text("# only a comment\n"), OK);
	ck_assert_ptr_null(yaml_tree_root(tree));
}
END_TEST

/* text, what is said, and whether the tree could still be built */
static const struct {
	const char *text, *says;
	bool has_tree;
} refusals[] = {
	{ "a: &x 1\n", "1:4 anchors (&name) are not read; put text that starts with & into quotes\n", true },
	{ "a: [*list_x]\n", "1:5 aliases are not read; put a pattern into quotes: \"*list_x\"\n", true },
	{ "a: !!str 1\n", "1:4 tags (!name) are not read; put text that starts with ! into quotes\n", true },
	{ "a: !x {b: c}\n", "1:4 tags (!name) are not read; put text that starts with ! into quotes\n", true },
	{ "a:\n  <<: {b: c}\n", "2:3 merge keys (<<) are not read: write the keys out\n", true },
	{ "a: 1\nb: 2\n\"a\": 3\na: 4\n", "3:1 a stands here twice: first in line 1\n4:1 a stands here twice: first in line 1\n", true },
	{ "\"a\\e[1m\xC3\xA4\": 1\n\"a\\e[1m\xC3\xA4\": 1\n", "2:1 a?[1m?? stands here twice: first in line 1\n", true },
	{ "? [a]\n: b\n", "1:3 a key must be plain text\n", true },
	{ "a: 1\n---\nb: 2\n", "2:1 a second document: only one is read\n", false },
	{ "a: \"x\\0y\"\n", "1:4 text must not hold a NUL character\n", true },
	{ "a:\n\tb: 1\n", "2:1 found character that cannot start any token; a tab cannot indent, use blanks\n", false },
	{ "a: @x\n", "1:4 found character that cannot start any token; put the text into quotes\n", false },
	{ "a: [*]\n", "1:6 did not find expected alphabetic or numeric character; put a pattern that starts with * into quotes\n", false },
	{ "a: [1,\nb: 2\n", "3:1 did not find expected ',' or ']' (while parsing a flow sequence that began in line 1)\n", false },
	{ "a: 1\nb: x\xFFy\n", "2:5 invalid leading UTF-8 octet\n", false },
	{ "a: \xC3\xA4\xC3\xA4\n# \xC3\xA4 \xE2\x82\n", "2:6 invalid trailing UTF-8 octet\n", false },
};

START_TEST(refusals_name_place_and_reason)
{
	enum err e = read_text(refusals[_i].text);

	ck_assert_str_eq(said.data, refusals[_i].says);
	ck_assert_int_eq(e, ERR_INVALID);
	ck_assert_int_eq(tree != NULL, refusals[_i].has_tree);
}
END_TEST

static char *repeat(const char *text, size_t n)
{
	size_t len = strlen(text);
	char *all = xmalloc(len * n + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(all + i * len, text, len);
	all[len * n] = '\0';
	return all;
}

START_TEST(sixty_four_levels_are_read)
{
	CLEANUP(free_charp) char *open = repeat("[", 64);
	CLEANUP(free_charp) char *shut = repeat("]", 64);
	CLEANUP(free_charp) char *text = xasprintf("%s%s", open, shut);

	ck_assert_int_eq(read_text(text), OK);
}
END_TEST

START_TEST(the_sixty_fifth_level_stops_the_reader)
{
	CLEANUP(free_charp) char *text = repeat("[", 200000);

	ck_assert_int_eq(read_text(text), ERR_INVALID);
	ck_assert_str_eq(said.data, "1:65 nested deeper than 64 levels\n");
	ck_assert_ptr_null(tree);
}
END_TEST

START_TEST(too_many_values_stop_the_reader)
{
	CLEANUP(free_charp) char *items = repeat("x,", YAML_MAX_NODES + 10);
	CLEANUP(free_charp) char *text = xasprintf("[%s]", items);

	ck_assert_int_eq(read_text(text), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(said.data, "more values than"));
}
END_TEST

START_TEST(more_than_a_mebibyte_is_not_looked_at)
{
	CLEANUP(free_charp) char *text = repeat("#", YAML_MAX_BYTES + 1);

	ck_assert_int_eq(read_text(text), ERR_TOO_LARGE);
	ck_assert_str_eq(said.data, "0:0 larger than 1048576 bytes\n");
	buf_clear(&said);
	ck_assert_int_eq(read_span((struct span){ text, YAML_MAX_BYTES }), OK);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("yaml");
	TCase *t = tcase_create("yaml");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_tree_knows_kinds_texts_and_places);
	tcase_add_test(t, json_is_read_too);
	tcase_add_test(t, nothing_and_null_are_null_but_quoted_is_text);
	tcase_add_test(t, an_empty_document_has_no_root);
	tcase_add_loop_test(t, refusals_name_place_and_reason, 0, ARRAY_LEN(refusals));
	tcase_add_test(t, sixty_four_levels_are_read);
	tcase_add_test(t, the_sixty_fifth_level_stops_the_reader);
	tcase_add_test(t, too_many_values_stop_the_reader);
	tcase_add_test(t, more_than_a_mebibyte_is_not_looked_at);
	suite_add_tcase(s, t);
	return s;
}
