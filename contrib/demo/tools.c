/* tools - the demo's tools. Answers are fixed, so that a transcript can be compared. */
#include "contrib/demo/demo.h"
#include "base/xalloc.h"

struct tool {
	const char *name, *definition;
	bool (*run)(struct demo *d, struct json_value arguments, struct buf *text, bool *is_error);
};

static bool complain(struct buf *text, bool *is_error, const char *sentence)
{
	*is_error = true;
	return buf_append_text(text, sentence);
}

static bool run_echo(struct demo *d, struct json_value arguments, struct buf *text, bool *is_error)
{
	struct json_value message = json_get(arguments, "message");

	(void)d;
	if (message.kind != JSON_STRING)
		return complain(text, is_error, "echo wants a string: message");
	return json_unescape(message, text);
}

static const struct weather {
	const char *city, *text;
} weathers[] = {
	{ "Tokyo", "sunny, 22 C" },
	{ "London", "rain, 14 C" },
	{ "New York", "cloudy, 18 C" },
	{ "Paris", "partly cloudy, 17 C" },
};

static bool run_weather(
	struct demo *d, struct json_value arguments, struct buf *text, bool *is_error)
{
	CLEANUP(free_charp) char *city = json_text(json_get(arguments, "city"), 200);
	const char *weather = "clear, 20 C";

	(void)d;
	if (!city)
		return complain(text, is_error, "get_weather wants a string of at most 200 bytes: city");
	for (size_t i = 0; i < ARRAY_LEN(weathers); i++)
		if (strcmp(weathers[i].city, city) == 0)
			weather = weathers[i].text;
	return buf_printf(text, "%s: %s", city, weather);
}

static bool run_list(struct demo *d, struct json_value arguments, struct buf *text, bool *is_error)
{
	(void)arguments;
	(void)is_error;
	if (d->posts_n == 0)
		return buf_append_text(text, "no posts");
	for (size_t i = 0; i < d->posts_n; i++)
		if (!buf_printf(text, "%s#%zu %s: %s", i ? "\n" : "", i + 1, d->posts[i].title,
			    d->posts[i].content))
			return false;
	return true;
}

static bool run_publish(
	struct demo *d, struct json_value arguments, struct buf *text, bool *is_error)
{
	CLEANUP(free_charp) char *title = json_text(json_get(arguments, "title"), DEMO_MAX_TITLE);
	CLEANUP(free_charp)
	char *content = json_text(json_get(arguments, "content"), DEMO_MAX_CONTENT);

	if (!title || !content)
		return complain(text, is_error,
			"publish_post wants two strings: title (200 bytes) and content (4000 bytes)");
	if (d->posts_n == DEMO_MAX_POSTS)
		return complain(text, is_error, "100 posts are enough; admin_reset empties the list");
	if (!buf_printf(text, "published #%zu: %s", d->posts_n + 1, title))
		return false;
	d->posts[d->posts_n++] = (struct demo_post){ title, content };
	title = content = NULL;
	return true;
}

static bool run_reset(struct demo *d, struct json_value arguments, struct buf *text, bool *is_error)
{
	(void)arguments;
	(void)is_error;
	posts_clear(d);
	return buf_append_text(text, "all posts are gone");
}

#define PROPERTIES(list) "\"inputSchema\":{\"type\":\"object\",\"properties\":{" list "}"
#define STRING(name)     "\"" name "\":{\"type\":\"string\"}"

static const struct tool tools[] = {
	{ "echo",
	  "{\"name\":\"echo\",\"description\":\"Gives the message back\","
	  PROPERTIES(STRING("message")) ",\"required\":[\"message\"]},"
	  "\"annotations\":{\"readOnlyHint\":true}}",
	  run_echo },
	{ "get_weather",
	  "{\"name\":\"get_weather\",\"description\":\"The weather in a city\","
	  PROPERTIES(STRING("city")) ",\"required\":[\"city\"]},"
	  "\"annotations\":{\"readOnlyHint\":true}}",
	  run_weather },
	{ "list_posts",
	  "{\"name\":\"list_posts\",\"description\":\"Lists what was published\","
	  PROPERTIES("") "},"
	  "\"annotations\":{\"readOnlyHint\":true}}",
	  run_list },
	{ "publish_post",
	  "{\"name\":\"publish_post\",\"description\":\"Publishes a post\","
	  PROPERTIES(STRING("title") "," STRING("content")) ",\"required\":[\"title\",\"content\"]},"
	  "\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":false}}",
	  run_publish },
	{ "admin_reset",
	  "{\"name\":\"admin_reset\",\"description\":\"Deletes every post\","
	  PROPERTIES("") "},"
	  "\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":true}}",
	  run_reset },
	{ "slow", /* the last one: only offered with --with-slow; its answer is a stream */
	  "{\"name\":\"slow\",\"description\":\"Takes its time and reports progress\","
	  PROPERTIES("\"seconds\":{\"type\":\"number\",\"minimum\":0,\"maximum\":600}")
	  ",\"required\":[\"seconds\"]},"
	  "\"annotations\":{\"readOnlyHint\":true}}",
	  NULL },
};
_Static_assert(ARRAY_LEN(tools) <= DEMO_MAX_TOOLS, "struct demo has a counter for every tool");

static size_t tools_offered(const struct demo *d)
{
	return ARRAY_LEN(tools) - (d->is_slow_offered ? 0 : 1);
}

const struct tool *tool_find(struct demo *d, struct json_value name)
{
	for (size_t i = 0; i < tools_offered(d); i++)
		if (json_string_is(name, tools[i].name)) {
			d->arrivals[i]++;
			return &tools[i];
		}
	d->unknown_tools++;
	return NULL;
}

bool tool_is_slow(const struct tool *t)
{
	return t->run == NULL;
}

bool tool_run(const struct tool *t, struct demo *d, struct json_value arguments, struct buf *text,
	bool *is_error)
{
	*is_error = false;
	return t->run(d, arguments, text, is_error);
}

int64_t tool_slow_ms(struct json_value arguments)
{
	struct json_value seconds = json_get(arguments, "seconds");
	char text[32];

	if (seconds.kind != JSON_NUMBER || seconds.text.len >= sizeof text)
		return -1;
	memcpy(text, seconds.text.at, seconds.text.len);
	text[seconds.text.len] = '\0';
	double value = strtod(text, NULL);
	return value >= 0 && value <= 600 ? (int64_t)(value * 1000) : -1;
}

bool tools_write_list(const struct demo *d, struct buf *b)
{
	bool is_whole = buf_append_text(b, "{\"tools\":[");

	for (size_t i = 0; is_whole && i < tools_offered(d); i++)
		is_whole = buf_printf(b, "%s%s", i ? "," : "", tools[i].definition);
	return is_whole && buf_append_text(b, "]}");
}

bool tools_write_stats(const struct demo *d, struct buf *b)
{
	bool is_whole = buf_append_text(b, "{\"tools\":{");

	for (size_t i = 0; is_whole && i < tools_offered(d); i++)
		is_whole = buf_printf(b, "%s\"%s\":%llu", i ? "," : "", tools[i].name,
			(unsigned long long)d->arrivals[i]);
	return is_whole &&
	       buf_printf(b,
		       "},\"unknown_tools\":%llu,\"sessions\":{\"opened\":%llu,\"closed\":%llu}}\n",
		       (unsigned long long)d->unknown_tools, (unsigned long long)d->sessions_opened,
		       (unsigned long long)d->sessions_closed);
}

void posts_clear(struct demo *d)
{
	for (size_t i = 0; i < d->posts_n; i++) {
		free(d->posts[i].title);
		free(d->posts[i].content);
	}
	d->posts_n = 0;
}
