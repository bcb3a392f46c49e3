/* upstream_stdio_read - what a child writes: answers and messages on stdout, anything on stderr. See upstream_stdio.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/upstream_stdio.h"

#define READS_A_TURN   16                      /* so that a flood delays nobody else */
#define MAX_WAITING    4096                    /* a child that reads nothing is not read either, beyond this */
#define KEY_BYTES      (8 * JSONRPC_MAX_ID_BYTES)
#define SAID_A_SECOND  100                     /* lines of stderr that reach our log */
#define SECOND_US      (1000 * 1000)

/* One warning for each child; the rest is for who looks closer. */
static void complain(struct stdio_upstream *u, const char *why)
{
	if (u->has_complained)
		log_debug("upstream.answer", "backend=%s why=%s", u->o.backend->name, why);
	else
		log_warn("upstream.answer", "backend=%s why=%s", u->o.backend->name, why);
	u->has_complained = true;
}

/* ---- what the child asked ------------------------------------------------------------------------------------------------------- */
static bool key_of(struct json_value id, struct buf *key)
{
	buf_init(key, KEY_BYTES);
	return jsonrpc_id_key(id, key);
}

bool stdio_has_asked(const struct stdio_upstream *u, struct json_value id)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	return key_of(id, &key) && map_get(u->asked, buf_span(&key));
}

void stdio_was_answered(struct stdio_upstream *u, struct json_value id)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	if (key_of(id, &key))
		map_remove(u->asked, buf_span(&key));
}

static void note_asked(struct stdio_upstream *u, struct json_value id)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	if (key_of(id, &key))
		map_set(u->asked, buf_span(&key), u);
}

void stdio_void_asked(struct stdio_upstream *u)
{
	map_free(u->asked, NULL);
	u->asked = map_new();
	u->o.events.forgot(u->o.events.arg);
}

/* ---- messages --------------------------------------------------------------------------------------------------------------------- */
static struct outgoing *find(const struct stdio_upstream *u, struct json_value id)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	return key_of(id, &key) ? map_get(u->by_id, buf_span(&key)) : NULL;
}

/* It was cancelled in this very turn: its end is on the way, and its id is free again. */
static void release_id(struct outgoing *x)
{
	map_remove(x->u->by_id, buf_span(&x->key));
	buf_clear(&x->key);
}

static void answer(struct outgoing *x, const struct jsonrpc *response)
{
	struct delivery *d = x->d;

	if (response->kind == JSONRPC_RESULT && strcmp(d->message->method, "initialize") == 0)
		life_opened(x->u, d->message, response);
	if (d != &x->u->replay.delivery)
		setup_note(&x->u->setup, d->message, response);
	if (d->answered)
		d->answered(d, response);
	outgoing_finish(x, FATE_ANSWERED, "", false);
}

static void on_response(struct stdio_upstream *u, const struct jsonrpc *m)
{
	struct outgoing *x = find(u, m->id);

	if (!x)
		complain(u, "a response with a foreign id was dropped");
	else if (!x->d)
		outgoing_forget(x);
	else if (x == u->writing)
		complain(u, "a response to a request that it cannot have read was dropped");
	else if (x->is_cancelled)
		release_id(x);
	else
		answer(x, m);
}

/* ---- answers that cannot be read -------------------------------------------------------------------------------------------------- */
static bool is_of_id(char c, bool is_string)
{
	return is_string ? c != '"' && c != '\\' : c == '-' || (c >= '0' && c <= '9');
}

/* The id, if the text goes on with one: a string or a number, and then what stands in a list of members. */
static bool read_id(struct span text, struct json_value *id)
{
	size_t at = 0, n;
	bool is_string;

	while (at < text.len && (text.at[at] == ' ' || text.at[at] == ':'))
		at++;
	text.at += at;
	text.len -= at;
	is_string = text.len > 0 && *text.at == '"';
	for (n = is_string; n < text.len && is_of_id(text.at[n], is_string);)
		n++;
	n += is_string;
	if (n >= text.len || n > JSONRPC_MAX_ID_BYTES || n == 0 || !strchr(",} ", text.at[n]))
		return false;
	*id = (struct json_value){ is_string ? JSON_STRING : JSON_NUMBER, { text.at, n } };
	return true;
}

static struct outgoing *find_id(const struct stdio_upstream *u, struct span end, bool is_head)
{
	static const char name[] = "\"id\"";
	struct json_value id;
	struct outgoing *x = NULL;

	for (size_t i = 0; i + sizeof(name) - 1 < end.len && !(x && is_head); i++) {
		struct span rest = { end.at + i + sizeof(name) - 1, end.len - i - (sizeof(name) - 1) };
		if (memcmp(end.at + i, name, sizeof(name) - 1) == 0 && read_id(rest, &id))
			x = find(u, id);
	}
	return x && x->d && !x->is_cancelled && x != u->writing ? x : NULL;
}

static bool has(struct span text, const char *word)
{
	return memmem(text.at, text.len, word, strlen(word)) != NULL;
}

/* Whose answer a line may be, as far as its ends tell: servers write the id before the result or right after it. A guess, and one that
 * is wrong ends a request of the same server, as it could by a wrong answer, too. */
static struct outgoing *owner_of_unread(const struct stdio_upstream *u, struct span head, struct span tail)
{
	struct outgoing *x;

	if (head.len == 0 || *head.at != '{' || !(has(head, "\"result\"") || has(head, "\"error\"")))
		return NULL;
	x = find_id(u, head, true);
	return x ? x : find_id(u, tail, false);
}

static struct span first_of(struct span s)
{
	return (struct span){ s.at, s.len < LINES_END_BYTES ? s.len : LINES_END_BYTES };
}

static struct span last_of(struct span s)
{
	size_t n = first_of(s).len;

	return (struct span){ s.at + s.len - n, n };
}

static void on_unreadable(struct stdio_upstream *u, struct span line, const char *why)
{
	complain(u, "it writes lines on stdout that are no messages; log level debug shows them");
	log_debug("upstream.stdout", "backend=%s why=%s text=%.*s", u->o.backend->name, why, SPAN_ARGS(line));
	struct outgoing *x = owner_of_unread(u, first_of(line), last_of(line));
	if (x)
		outgoing_finish(x, FATE_UNKNOWN, "the answer cannot be read", false);
}

static void on_overlong(struct stdio_upstream *u)
{
	struct span head = { u->in.head, u->in.head_len }, tail = { u->in.tail, u->in.tail_len };
	struct outgoing *x = owner_of_unread(u, head, tail);
	struct json_value id;

	complain(u, "a line longer than max_body was thrown away");
	if (!x)
		return;
	x->is_large_result = jsonrpc_guess(head, &id) == JSONRPC_RESULT;
	outgoing_finish(x, FATE_UNKNOWN, "the answer is too large", false);
}

/* ---- messages, one by one -------------------------------------------------------------------------------------------------------- */
static void on_message(struct stdio_upstream *u, const struct jsonrpc *m);

static void on_batch(struct stdio_upstream *u, const struct jsonrpc *m)
{
	struct json_iter it = json_iter(m->root);
	struct json_value member;
	struct span key;

	if (!u->has_batches) {
		complain(u, "a batch was dropped: its revision has none");
		return;
	}
	while (json_next(&it, &key, &member)) {
		struct jsonrpc one;
		jsonrpc_classify(member, &one);
		if (one.kind != JSONRPC_BATCH)
			on_message(u, &one);
	}
}

static void on_message(struct stdio_upstream *u, const struct jsonrpc *m)
{
	u->has_spoken |= m->kind != JSONRPC_INVALID;
	switch (m->kind) {
	case JSONRPC_REQUEST:
		note_asked(u, m->id);
		u->o.events.message(u->o.events.arg, m);
		break;
	case JSONRPC_NOTIFICATION:
		u->o.events.message(u->o.events.arg, m);
		break;
	case JSONRPC_RESULT:
	case JSONRPC_ERROR:
		on_response(u, m);
		break;
	case JSONRPC_BATCH:
		on_batch(u, m);
		break;
	case JSONRPC_INVALID:
		on_unreadable(u, m->root.text, m->why);
		break;
	}
}

/* ---- stdout ------------------------------------------------------------------------------------------------------------------------ */
bool stdio_may_read(const struct stdio_upstream *u)
{
	return u->child.from >= 0 && u->waiting_n < MAX_WAITING && u->o.events.has_room(u->o.events.arg);
}

/* False: lines are left, and no room. */
static bool take_lines(struct stdio_upstream *u)
{
	struct jsonrpc m;
	struct span line;

	while (stdio_may_read(u)) {
		switch (lines_next(&u->in, &line)) {
		case LINES_NONE:
			return true;
		case LINES_LINE:
			jsonrpc_read(line, &m);
			if (m.kind == JSONRPC_INVALID)
				m.root.text = line;
			on_message(u, &m);
			break;
		case LINES_TOO_LONG:
			on_overlong(u);
			break;
		}
	}
	return false;
}

void stdio_read(struct stdio_upstream *u)
{
	for (int i = 0; take_lines(u) && i < READS_A_TURN; i++) { /* also after the last: nothing may wake us for it */
		switch (lines_read(&u->in, u->child.from)) {
		case LINES_MORE:
			break;
		case LINES_WAIT:
			return;
		case LINES_END:
			life_output_ended(u);
			return;
		}
	}
}

/* ---- stderr ------------------------------------------------------------------------------------------------------------------------ */
static void report_dropped(struct stdio_upstream *u)
{
	if (u->said_dropped > 0)
		log_warn("backend.stderr", "backend=%s dropped=%u", u->o.backend->name, u->said_dropped);
	u->said_dropped = 0;
}

static void said(struct stdio_upstream *u, struct span line)
{
	int64_t now_us = clock_mono_us();

	if (now_us - u->said_since_us >= SECOND_US) {
		report_dropped(u);
		u->said_since_us = now_us;
		u->said_lines = 0;
	}
	if (u->said_lines++ < SAID_A_SECOND)
		log_info("backend.stderr", "backend=%s text=%.*s", u->o.backend->name, SPAN_ARGS(line));
	else
		u->said_dropped++;
}

static void take_said(struct stdio_upstream *u)
{
	struct span line;

	for (;;) {
		switch (lines_next(&u->err, &line)) {
		case LINES_NONE:
			return;
		case LINES_LINE:
			said(u, line);
			break;
		case LINES_TOO_LONG:
			said(u, (struct span){ u->err.head, u->err.head_len });
			break;
		}
	}
}

static enum lines_read read_said(struct stdio_upstream *u)
{
	enum lines_read answer = lines_read(&u->err, u->child.said);

	take_said(u);
	if (answer == LINES_END && lines_rest(&u->err).len > 0)
		said(u, lines_rest(&u->err));
	return answer;
}

void stdio_read_said(struct stdio_upstream *u)
{
	if (read_said(u) == LINES_END)
		life_errors_ended(u);
}

/* Of a child that is gone: a bounded look at what the pipe still holds. */
void stdio_read_last_words(struct stdio_upstream *u)
{
	for (int i = 0; i < READS_A_TURN && u->child.said >= 0; i++)
		if (read_said(u) != LINES_MORE)
			break;
	report_dropped(u);
}
