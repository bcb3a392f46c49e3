/* cmd_channel - aegisctl channel: where people are told of approvals, and whether a message gets there. The broker is asked, because it
 * alone sends; what waits and what was given up is read from the store. */
#include <stdlib.h>
#include "base/xalloc.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/local.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "domain/config_text.h"

#define WAIT_MS    60000
#define MAX_LINE   ((size_t)64 * 1024)
#define MAX_TEXT   4096
#define MAX_NAME   32

static enum ctl_exit say_unheard(const struct ctl *c, enum err e, const struct problem *why)
{
	ctl_say("%s", why->text);
	if (e == ERR_NOT_FOUND)
		ctl_say("only a running broker knows and sends (aegisctl status shows what waits); start it: aegis-broker%s%s%s%s &", c->config ? " --config " : "",
			c->config ? c->config : "", c->state_dir ? " --state-dir " : "", c->state_dir ? c->state_dir : "");
	return CTL_BROKEN;
}

static enum ctl_exit say_refused(const struct local_answer *a)
{
	CLEANUP(free_charp) char *why = local_error(a);

	ctl_say("%s", why);
	return a->status == 401 || a->status == 403 ? CTL_DENIED : a->status >= 500 ? CTL_BROKEN : CTL_FAILED;
}

/* ---- list ------------------------------------------------------------------------------------------------------------------ */

struct backlog { const char *channel; unsigned waiting, dead; char last_error[400]; };

static bool count_message(void *arg, const struct message *m)
{
	struct backlog *b = arg;

	if (strcmp(m->channel, b->channel) != 0)
		return true;
	b->waiting += m->state != MESSAGE_DEAD;
	b->dead += m->state == MESSAGE_DEAD;
	if (m->last_error[0])
		(void)snprintf(b->last_error, sizeof(b->last_error), "%s", m->last_error);
	return true;
}

static struct backlog backlog_of(struct store *s, const char *channel)
{
	struct backlog b = { .channel = channel };
	struct message_filter f = { .channel = channel, .is_open_only = true };

	if (s && store_messages(s, &f, count_message, &b) != OK)
		ctl_say("what waits cannot be read from the store");
	return b;
}

static bool print_json_row(struct buf *out, const char *name, const char *state, const char *said, const struct backlog *b)
{
	return buf_append_text(out, out->len ? ",{\"name\":" : "[{\"name\":") && term_quote(out, name) && buf_append_text(out, ",\"state\":") &&
	       term_quote(out, state) && buf_append_text(out, ",\"description\":") && term_quote(out, said) &&
	       buf_printf(out, ",\"waiting\":%u,\"dead\":%u,\"last_error\":", b->waiting, b->dead) && term_quote(out, b->last_error) &&
	       buf_append_char(out, '}');
}

static void add_row(struct table *t, const char *name, const char *state, const char *said, const struct backlog *b)
{
	table_add(t, name);
	table_add(t, state);
	table_colour(t, strcmp(state, "open") == 0 ? TERM_GREEN : strcmp(state, "broken") == 0 ? TERM_RED : TERM_DIM);
	table_addf(t, "%u", b->waiting);
	table_addf(t, "%u", b->dead);
	if (b->dead)
		table_colour(t, TERM_RED);
	table_add(t, b->last_error[0] ? b->last_error : said);
}

static bool add_channel(struct json_value one, struct store *s, struct table *t, struct buf *json)
{
	CLEANUP(free_charp) char *name = json_text(json_get(one, "name"), MAX_TEXT);
	CLEANUP(free_charp) char *state = json_text(json_get(one, "state"), MAX_TEXT);
	CLEANUP(free_charp) char *said = json_text(json_get(one, "description"), MAX_TEXT);

	if (!name || !state || !said)
		return false;
	struct backlog b = backlog_of(s, name);
	add_row(t, name, state, said, &b);
	return print_json_row(json, name, state, said, &b);
}

static bool add_channels(const struct local_answer *a, struct store *s, struct table *t, struct buf *json)
{
	struct json_value root, one;
	struct span key;

	if (jsonscan_check(buf_span(&a->body), &root, NULL) != JSONSCAN_OK || root.kind != JSON_ARRAY)
		return false;
	for (struct json_iter it = json_iter(root); json_next(&it, &key, &one);)
		if (!add_channel(one, s, t, json))
			return false;
	return true;
}

static enum ctl_exit print_list(const struct ctl *c, const struct local_answer *a, struct store *s)
{
	static const char *const headings[] = { "CHANNEL", "STATE", "WAITING", "DEAD", "WHAT IT IS, OR ITS LAST ERROR" };
	struct table t CLEANUP(table_release) = { 0 };
	struct buf json CLEANUP(buf_release) = { 0 };

	table_init(&t, headings, ARRAY_LEN(headings));
	t.is_coloured = ctl_is_coloured(c);
	buf_init(&json, LOCAL_MAX_ANSWER);
	if (!add_channels(a, s, &t, &json)) {
		ctl_say("the broker's answer cannot be understood; is it of another version?");
		return CTL_BROKEN;
	}
	if (c->is_json)
		printf("%s]\n", json.len ? json.data : "[");
	else if (json.len)
		table_print(&t, stdout);
	else
		printf("no channel: nobody is told of approvals; see approval.slack, feishu, generic and notify in the rules\n");
	return CTL_OK;
}

enum ctl_exit cmd_channel_list(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct local_answer answer CLEANUP(local_answer_release) = { 0 };
	const struct local_request r = { .method = "GET", .path = "/api/v1/channels" };
	struct problem why = { 0 };

	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	enum err e = local_ask(&place, &r, &answer, &why);
	if (e != OK)
		return say_unheard(c, e, &why);
	if (answer.status != 200)
		return say_refused(&answer);
	why.text[0] = '\0';
	place_try_store(&place, &why);
	if (why.text[0])
		ctl_say("what waits is not known: %s", why.text);
	return print_list(c, &answer, place.store);
}

/* ---- test ------------------------------------------------------------------------------------------------------------------ */

struct trial {
	const struct ctl *ctl;
	const struct local_answer *answer;
	struct buf line, refusal;
	bool is_done, is_ok;
};

static void print_step(const struct trial *t, bool is_ok, const char *what)
{
	CLEANUP(free_charp) char *shown = term_text(what);

	if (ctl_is_coloured(t->ctl))
		term_paint(stdout, is_ok ? TERM_GREEN : TERM_RED, is_ok ? "ok    " : "failed");
	else
		printf("%s", is_ok ? "ok    " : "failed");
	printf(" %s\n", shown);
	(void)fflush(stdout);
}

static void take_line(struct trial *t)
{
	struct json_value root;

	if (jsonscan_check(buf_span(&t->line), &root, NULL) != JSONSCAN_OK)
		return;
	bool is_ok = json_get(root, "ok").kind == JSON_TRUE;
	CLEANUP(free_charp) char *what = json_text(json_get(root, "what"), MAX_TEXT);
	if (t->ctl->is_json)
		printf("%.*s\n", SPAN_ARGS(buf_span(&t->line)));
	else if (what)
		print_step(t, is_ok, what);
	if (json_get(root, "done").kind == JSON_TRUE) {
		t->is_done = true;
		t->is_ok = is_ok;
	}
}

/* Lines as they come; of an answer that is none of ours, its body. */
static bool take(void *arg, struct span bytes)
{
	struct trial *t = arg;

	if (t->answer->status != 200)
		return buf_append_span(&t->refusal, bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.at[i] != '\n') {
			if (!buf_append_char(&t->line, bytes.at[i]))
				return false;
			continue;
		}
		take_line(t);
		buf_clear(&t->line);
	}
	return true;
}

static enum ctl_exit judge(struct trial *t, struct local_answer *answer, enum err e, const struct problem *why, int64_t wait_ms)
{
	if (e == ERR_UNSUPPORTED) {
		ctl_say("not over after %lld s; --wait lets it take longer", (long long)(wait_ms / 1000));
		return CTL_FAILED;
	}
	if (e != OK)
		return say_unheard(t->ctl, e, why);
	if (answer->status != 200) {
		buf_release(&answer->body);
		answer->body = t->refusal;
		t->refusal = (struct buf){ 0 };
		return say_refused(answer);
	}
	if (!t->is_done)
		ctl_say("the broker ended before the test did");
	return t->is_done && t->is_ok ? CTL_OK : t->is_done ? CTL_FAILED : CTL_BROKEN;
}

static bool read_words(const struct ctl *c, int64_t *wait_ms)
{
	const char *name = c->words[0], *wait = ctl_value(c, "wait");
	struct problem why = { 0 };

	*wait_ms = WAIT_MS;
	if (strlen(name) > MAX_NAME || name[strspn(name, "abcdefghijklmnopqrstuvwxyz")]) {
		ctl_say("no channel has such a name; see aegisctl channel list");
		return false;
	}
	if (!wait || (config_text_duration(wait, wait_ms, &why) && *wait_ms > 0))
		return true;
	ctl_say("--wait: %s", why.text[0] ? why.text : "it must be longer than nothing");
	return false;
}

enum ctl_exit cmd_channel_test(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct local_answer answer CLEANUP(local_answer_release) = { 0 };
	struct trial t = { .ctl = c, .answer = &answer };
	struct problem why = { 0 };
	char path[MAX_NAME + 32];
	int64_t wait_ms;

	if (!read_words(c, &wait_ms))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	(void)snprintf(path, sizeof(path), "/api/v1/channels/%s/test", c->words[0]);
	buf_init(&t.line, MAX_LINE);
	buf_init(&t.refusal, MAX_LINE);
	const struct local_request r = { .method = "POST", .path = path, .body = SPAN(""), .limit_ms = wait_ms, .take = take, .arg = &t };
	enum err e = local_ask(&place, &r, &answer, &why);
	code = judge(&t, &answer, e, &why, wait_ms);
	buf_release(&t.line);
	buf_release(&t.refusal);
	return code;
}
