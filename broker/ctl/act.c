#include "broker/ctl/act.h"
#include <assert.h>
#include <poll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/utf8.h"
#include "broker/ctl/operator.h"
#include "data/jsonscan.h"

#define BODY_CAP 8192

void act_init(struct act *a, const struct place *place)
{
	struct voter who;

	*a = (struct act){ 0 };
	id_new(a->id, clock_wall_ms());
	(void)operator_find(place, &who);
	snprintf(a->by, sizeof a->by, "%s", who.name);
	buf_init(&a->body, BODY_CAP);
}

void act_release(struct act *a)
{
	buf_release(&a->body);
}

static bool add_pair(struct buf *b, const struct act_pair *p)
{
	if (!p->text || !*p->text)
		return true;
	return buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", p->key) && json_quote(b, span_of(p->text));
}

/* Canonical JSON has its keys in order: "by" and "uid" find their places among the pairs. */
static bool write_body(struct act *a, const struct act_pair *pairs, size_t n)
{
	const struct act_pair by = { "by", a->by };
	size_t i = 0;

	bool fits = buf_append_char(&a->body, '{');
	for (; i < n && strcmp(pairs[i].key, "by") < 0; i++)
		fits = fits && add_pair(&a->body, &pairs[i]);
	fits = fits && add_pair(&a->body, &by);
	for (; i < n && strcmp(pairs[i].key, "uid") < 0; i++)
		fits = fits && add_pair(&a->body, &pairs[i]);
	fits = fits && buf_printf(&a->body, ",\"uid\":%lld", (long long)getuid());
	for (; i < n; i++)
		fits = fits && add_pair(&a->body, &pairs[i]);
	return fits && buf_append_char(&a->body, '}');
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

void act_describe(struct act *a, const struct evidence *about, const struct act_pair *pairs, size_t n)
{
	buf_clear(&a->body);
	bool fits = write_body(a, pairs, n);
	assert(fits); /* every text was capped before */
	a->row = (struct evidence){
		.call = about->call ? about->call : a->id,
		.agent = or_empty(about->agent),
		.backend = or_empty(about->backend),
		.tool = or_empty(about->tool),
		.verdict = or_empty(about->verdict),
		.kind = EVIDENCE_OPERATOR,
		.at_ms = clock_wall_ms(),
		.body = buf_span(&a->body),
	};
	memcpy(a->row.args_hash, about->args_hash, sizeof a->row.args_hash);
	evidence_seal(&a->row);
}

enum err act_run(struct store *s, struct op *op)
{
	store_turn_run(s);
	while (op->is_submitted) {
		struct pollfd gate = { .fd = store_gate_fd(s), .events = POLLIN };
		(void)poll(&gate, 1, 100);
		store_turn_run(s);
	}
	return op->err;
}

bool act_text_is_plain(const char *what, const char *text, size_t most)
{
	size_t n = strlen(text), step = 1;
	uint32_t code = 0;

	for (size_t i = 0; i < n && step > 0; i += step) {
		step = utf8_decode(text + i, n - i, &code);
		if (step > 0 && utf8_is_hidden(code))
			step = 0;
	}
	if (n > 0 && n <= most && step > 0)
		return true;
	ctl_say("%s must be 1 to %zu bytes of UTF-8 without control or invisible characters", what, most);
	return false;
}
