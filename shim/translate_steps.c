/* translate_steps - progress of a request that needs several legs: each leg counts from the beginning, but to the client it is one request,
 * whose values must rise (MCP 2025-11-25, basic/utilities/progress). See translate.h. */
#include <math.h>
#include <stdlib.h>
#include "shim/progress.h"
#include "shim/translate.h"

#define MAX_NUMBER 400

static struct passage *passage_of_token(struct translator *t, struct json_value token)
{
	list_for_each(p, &t->passages, struct passage, node)
		if (token.kind != JSON_NONE && span_equal(json_get(p->d->message->meta, "progressToken").text, token.text))
			return p;
	return NULL;
}

static bool read_value(struct json_value v, double *out)
{
	char text[MAX_NUMBER];

	if (v.kind != JSON_NUMBER || v.text.len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(v.text));
	*out = strtod(text, NULL);
	return isfinite(*out);
}

static bool write_step(const struct jsonrpc *m, struct json_value old, double value, struct buf *out)
{
	struct span all = m->root.text;
	const char *after = old.text.at + old.text.len;
	char number[PROGRESS_NUMBER_SIZE];

	progress_number(number, value);
	return buf_append(out, all.at, (size_t)(old.text.at - all.at)) && buf_append_text(out, number) &&
	       buf_append(out, after, (size_t)(all.at + all.len - after));
}

bool steps_write(struct translator *t, const struct jsonrpc *m, struct buf *out)
{
	struct json_value said = json_get(m->params, "progress");
	struct passage *p = NULL;
	double value, shown;

	if (strcmp(m->method, "notifications/progress") == 0 && read_value(said, &value))
		p = passage_of_token(t, json_get(m->params, "progressToken"));
	if (!p)
		return false;
	shown = p->rounds > 0 && p->has_step ? progress_shown(p->last_step, value) : value;
	p->has_step = true;
	p->last_step = shown;
	return shown > value && write_step(m, said, shown, out);
}
