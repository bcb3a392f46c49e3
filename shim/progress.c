#include "shim/progress.h"
#include <float.h>
#include <math.h>
#include "base/xalloc.h"
#include "shim/call.h"
#include "shim/merge_text.h"
#include "shim/reply.h"
#include "shim/shim.h"

#define STEP            0.001
#define MAX_TOKEN_BYTES 1024
#define LINE_CAP        (16 * 1024)

struct told_token { double last; };               /* what the client saw last */

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */
double progress_above(double last)
{
	double next = last + STEP;

	return next > last ? next : last + fabs(last) * DBL_EPSILON;
}

double progress_shown(double last, double theirs)
{
	return theirs > last ? theirs : progress_above(last);
}

void progress_number(char out[PROGRESS_NUMBER_SIZE], double value)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, PROGRESS_NUMBER_SIZE, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
}

/* False for what is no number, or none a double can hold. */
static bool read_number(struct json_value v, double *out)
{
	char text[400];

	if (v.kind != JSON_NUMBER || v.text.len >= sizeof(text))
		return false;
	memcpy(text, v.text.at, v.text.len);
	text[v.text.len] = '\0';
	*out = strtod(text, NULL);
	return isfinite(*out);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------------------ */
static struct json_value token_of(const struct call *c)
{
	return json_get(c->in.rpc.meta, "progressToken");
}

/* Key of the table: 1 and 1.0 are one token, and "1" another. */
static bool token_key(struct json_value token, struct buf *key)
{
	char number[PROGRESS_NUMBER_SIZE];
	double value;

	buf_init(key, MAX_TOKEN_BYTES);
	if (token.kind == JSON_STRING)
		return json_canonical(token, key);
	if (!read_number(token, &value))
		return false;
	progress_number(number, value);
	return buf_append_text(key, number);
}

static bool has_same_token(const struct call *c, struct span key)
{
	CLEANUP(buf_release) struct buf other = { 0 };

	return token_key(token_of(c), &other) && span_equal(buf_span(&other), key);
}

/* A token that two requests share, against the protocol: the one of which it is not known what the client has seen. */
static bool is_spoken_for(const struct call *c, struct span key)
{
	list_for_each(other, &c->shim->calls, struct call, node)
		if (other != c && call_is_in_flight(other) && has_same_token(other, key))
			return true;
	return false;
}

static struct told_token *token_open(struct call *c, struct span key)
{
	struct map *tokens = c->shim->progress.tokens;
	struct told_token *t = map_get(tokens, key);

	if (t || is_spoken_for(c, key))
		return t;
	t = xcalloc(1, sizeof(*t));
	map_set(tokens, key, t);
	return t;
}

bool progress_is_wanted(const struct call *c)
{
	CLEANUP(buf_release) struct buf key = { 0 };
	return token_key(token_of(c), &key);
}

void progress_end(struct call *c)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	if (!c->waiting.has_token || !token_key(token_of(c), &key))
		return;
	c->waiting.has_token = false;
	list_for_each(other, &c->shim->calls, struct call, node)
		if (other != c && !other->is_replied && has_same_token(other, buf_span(&key))) {
			other->waiting.has_token = true;
			return;
		}
	free(map_remove(c->shim->progress.tokens, buf_span(&key)));
}

/* ---- saying ------------------------------------------------------------------------------------------------------------------------- */
static bool write_beat(struct json_value token, double value, const char *message, struct buf *out)
{
	CLEANUP(buf_release) struct buf params = { 0 };
	char number[PROGRESS_NUMBER_SIZE];

	buf_init(&params, LINE_CAP);
	progress_number(number, value);
	return buf_append_text(&params, "{\"progressToken\":") && buf_append_span(&params, token.text) &&
	       buf_printf(&params, ",\"progress\":%s,\"message\":", number) && json_quote(&params, span_of(message)) &&
	       buf_append_char(&params, '}') &&
	       jsonrpc_write_call(out, (struct json_value){ 0 }, "notifications/progress", buf_span(&params));
}

bool progress_beat(struct call *c, const char *message)
{
	CLEANUP(buf_release) struct buf key = { 0 }, line = { 0 };
	struct told_token *t = token_key(token_of(c), &key) ? token_open(c, buf_span(&key)) : NULL;

	if (!t)
		return false;
	double value = progress_above(t->last);
	buf_init(&line, LINE_CAP);
	if (!isfinite(value) || !write_beat(token_of(c), value, message, &line))
		return false;
	t->last = value;
	c->waiting.has_token = true;
	reply_buf(c->part, &line);
	return true;
}

static struct told_token *token_find(const struct progress *p, struct json_value token)
{
	CLEANUP(buf_release) struct buf key = { 0 };

	return map_size(p->tokens) > 0 && token_key(token, &key) ? map_get(p->tokens, buf_span(&key)) : NULL;
}

/* The total goes with it where it would be below. */
static bool write_above(const struct jsonrpc *rpc, double value, struct buf *out)
{
	struct json_value total = json_get(rpc->params, "total");
	struct merge_pair of_value = { json_get(rpc->params, "progress"), { 0 } }, of_total = { { 0 }, { 0 } };
	char number[PROGRESS_NUMBER_SIZE];
	double all;

	progress_number(number, value);
	of_value.text = span_of(number);
	if (read_number(total, &all) && all < value)
		of_total = (struct merge_pair){ total, of_value.text };
	return merge_edit_two(rpc->root.text, of_value, of_total, out);
}

static bool relay_above(struct part *p, const struct jsonrpc *rpc, double value)
{
	CLEANUP(buf_release) struct buf flat = { 0 }, line = { 0 };
	struct jsonrpc same;

	buf_init(&flat, HOST_MAX_LINE_BYTES);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (!json_append_line(rpc->root, &flat))
		return false;
	jsonrpc_read(buf_span(&flat), &same);
	if (!write_above(&same, value, &line))
		return false;
	reply_buf(p, &line);
	return true;
}

bool progress_relay(struct part *p, const struct jsonrpc *rpc)
{
	struct told_token *t = token_find(&p->shim->progress, json_get(rpc->params, "progressToken"));
	double theirs, shown;

	if (!t || !read_number(json_get(rpc->params, "progress"), &theirs))
		return reply_message(p, rpc->root);
	shown = progress_shown(t->last, theirs);
	if (shown > theirs && !isfinite(shown))
		return reply_message(p, rpc->root);
	t->last = shown;
	return shown == theirs ? reply_message(p, rpc->root) : relay_above(p, rpc, shown);
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */
void progress_init(struct progress *p)
{
	p->tokens = map_new();
}

void progress_release(struct progress *p)
{
	map_free(p->tokens, free);
	p->tokens = NULL;
}
