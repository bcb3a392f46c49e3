/* config: what is shown loads again and means the same; the schema and the example are made of the same table. */
#include "unit/config_kit.h"
#include "data/jsonscan.h"
#include "domain/config_table.h"

static char *show(const struct config *c, bool as_json)
{
	struct buf b;

	buf_init(&b, 4u << 20);
	ck_assert(config_show(c, as_json, &b));
	return buf_take(&b);
}

static char *show_text(const char *text, bool as_json)
{
	struct rules r = rules_parse(text, OK);
	char *shown = show(r.config, as_json);

	rules_release(&r);
	return shown;
}

static void shows_the_same_again(const char *text)
{
	CLEANUP(free_charp) char *yaml = show_text(text, false);
	CLEANUP(free_charp) char *json = show_text(text, true);
	CLEANUP(free_charp) char *yaml_of_yaml = show_text(yaml, false);
	CLEANUP(free_charp) char *yaml_of_json = show_text(json, false);
	CLEANUP(free_charp) char *json_of_yaml = show_text(yaml, true);
	struct json_value root;

	ck_assert_str_eq(yaml_of_yaml, yaml);
	ck_assert_str_eq(yaml_of_json, yaml);
	ck_assert_str_eq(json_of_yaml, json);
	ck_assert_int_eq(jsonscan_check(span_of(json), &root, NULL), JSONSCAN_OK);
}

START_TEST(what_is_shown_loads_again_and_shows_the_same)
{
	CLEANUP(free_charp) char *text = rules_data("every_key.yaml");

	shows_the_same_again(text);
}
END_TEST

START_TEST(odd_texts_survive_being_shown)
{
	shows_the_same_again("backends: { null: { command: [\"a: b\", \"#\", \"\\\"\\\\\", \"x\\ny\\tz\", \"- a\", \" \", \"\\u00e4\\U0001F600\", \"{}\"] } }\n"
			     "agents:\n  \"1\": { display_name: \"yes\", backends: { \"null\": { rate_limits: { \"? *\": { window: 1500ms, max_count: 1 },\n"
			     "    \"a\\\"b\": { window: 1w, max_count: 2 }, \"\\ufeff\": [] }, tool_allowlist: [] } } }\n"
			     "principals: { \"uid:0\": { agents: [\"1\"] } }\n"
			     "policies: [ { name: p, mode: allow, when: \"a\\nb\" } ]\n");
}
END_TEST

START_TEST(secrets_are_shown_by_their_source_and_plain_ones_hidden)
{
	CLEANUP(free_charp) char *shown = show_text(
		"backends: { b: { url: \"https://h/\", headers: { X-A: geheim, X-B: { env: VAR }, X-C: { file: /f },"
		" X-D: { credential: c }, X-E: { command: [pass, it] } } } }\n"
		"approval: { generic: { webhook_url: \"https://geheim/\" } }\n", false);

	ck_assert_ptr_null(strstr(shown, "geheim"));
	ck_assert_ptr_nonnull(strstr(shown, "      X-A: \"(hidden)\"\n      X-B:\n        env: \"VAR\"\n      X-C:\n        file: \"/f\"\n"
					    "      X-D:\n        credential: \"c\"\n      X-E:\n        command:\n          - \"pass\"\n"));
	ck_assert_ptr_nonnull(strstr(shown, "  generic:\n    webhook_url: \"(hidden)\"\n"));
}
END_TEST

START_TEST(what_shows_a_hidden_secret_does_not_load)
{
	CLEANUP(free_charp) char *shown = show_text("backends: { b: { command: [x] } }\nserver: { api_token: geheim }\n", false);
	struct rules r = rules_parse(shown, ERR_INVALID);

	ck_assert_ptr_nonnull(strstr(r.said.data, "server.api_token: this is the output of `aegisctl config show`"));
	rules_release(&r);
}
END_TEST

START_TEST(an_absent_allowlist_stays_absent)
{
	CLEANUP(free_charp) char *shown = show_text("backends: { b: { command: [x] } }\nagents: { a: { backends: { b: } } }\n", false);

	ck_assert_ptr_null(strstr(shown, "allowlist"));
}
END_TEST

START_TEST(a_cap_that_is_reached_is_told)
{
	struct rules r = rules_parse("backends: { b: { command: [x] } }\n", OK);
	struct buf b;

	for (size_t cap = 0; cap < 1000; cap += 13) {
		buf_init(&b, cap);
		ck_assert(!config_show(r.config, cap % 2, &b));
		ck_assert(!config_schema(&b));
		ck_assert(!config_example(&b));
		buf_release(&b);
	}
	rules_release(&r);
}
END_TEST

/* ---- schema --------------------------------------------------------------------------------------------------------- */
static void has_properties(struct json_value schema, const struct config_table *table)
{
	struct json_value properties = json_get(schema, "properties");

	ck_assert_int_eq(properties.kind, JSON_OBJECT);
	ck_assert_int_eq(json_get(schema, "additionalProperties").kind, JSON_FALSE);
	for (size_t i = 0; i < table->n; i++) {
		const struct config_key *key = &table->keys[i];
		struct json_value property = json_get(properties, key->name);
		ck_assert_msg(property.kind == JSON_OBJECT, "%s is not in the schema", key->name);
		ck_assert_int_eq(json_get(property, "description").kind, JSON_STRING);
		if (key->type == CONFIG_SECTION)
			has_properties(property, key->table);
		else if (key->table)
			has_properties(json_get(property, key->type == CONFIG_MAP ? "additionalProperties" : "items"), key->table);
	}
}

START_TEST(the_schema_is_json_and_names_every_key)
{
	struct buf b;
	struct json_value root;

	buf_init(&b, 1u << 20);
	ck_assert(config_schema(&b));
	ck_assert_int_eq(jsonscan_check(buf_span(&b), &root, NULL), JSONSCAN_OK);
	ck_assert(json_string_is(json_get(root, "$schema"), "http://json-schema.org/draft-07/schema#"));
	has_properties(root, &config_root);
	buf_release(&b);
}
END_TEST

/* ---- example -------------------------------------------------------------------------------------------------------- */
static char *example(void)
{
	struct buf b;

	buf_init(&b, 1u << 20);
	ck_assert(config_example(&b));
	return buf_take(&b);
}

START_TEST(the_example_loads_without_a_word)
{
	CLEANUP(free_charp) char *text = example();
	struct rules r = rules_parse(text, OK);

	ck_assert_str_eq(r.said.data, "");
	ck_assert(config_grant(config_agent(r.config, "claude-code"), "demo")->is_allowed);
	rules_release(&r);
}
END_TEST

/* Takes the "#" of every key away; comments for people go on after "# ". */
static void uncomment(char *text)
{
	char *to = text;

	for (char *at = text; *at;) {
		size_t len = strcspn(at, "\n"), indent = strspn(at, " ");
		bool is_key = at[indent] == '#' && (at[indent + 1] != ' ' || at[indent + 2] == ' ');
		bool is_other_way = strncmp(at + indent, "#command: [npx", 14) == 0; /* either url or command */
		if (is_key && !is_other_way) {
			memmove(to, at, indent);
			to += indent;
			at += indent + 1;
			len -= indent + 1;
		}
		memmove(to, at, len + 1);
		to += len + 1;
		at += len + (at[len] == '\n');
	}
	*to = '\0';
}

START_TEST(every_line_of_the_example_is_right_when_it_is_used)
{
	CLEANUP(free_charp) char *text = example();

	uncomment(text);
	struct rules r = rules_parse(text, OK);
	ck_assert_uint_eq(r.config->policies_n, 1);
	ck_assert_str_eq(r.config->people[0].name, "alice");
	ck_assert_str_eq(r.config->approval.slack.channel, "C0123456789");
	ck_assert_uint_eq(config_agent(r.config, "claude-code")->rate_limits.n, 1);
	rules_release(&r);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config_show");
	TCase *t = tcase_create("config_show");

	tcase_add_test(t, what_is_shown_loads_again_and_shows_the_same);
	tcase_add_test(t, odd_texts_survive_being_shown);
	tcase_add_test(t, secrets_are_shown_by_their_source_and_plain_ones_hidden);
	tcase_add_test(t, what_shows_a_hidden_secret_does_not_load);
	tcase_add_test(t, an_absent_allowlist_stays_absent);
	tcase_add_test(t, a_cap_that_is_reached_is_told);
	tcase_add_test(t, the_schema_is_json_and_names_every_key);
	tcase_add_test(t, the_example_loads_without_a_word);
	tcase_add_test(t, every_line_of_the_example_is_right_when_it_is_used);
	suite_add_tcase(s, t);
	return s;
}
