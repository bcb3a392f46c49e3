#include "shim/waiting.h"
#include <inttypes.h>
#include "base/clock.h"
#include "domain/pattern.h"
#include "shim/call.h"
#include "shim/shim.h"

#define FIRST_BEAT_MS 1500

/* ---- how long a client waits ----------------------------------------------------------------------------------------------------- */
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

/* Known clients by clientInfo.name (a glob); reference: measured or read in their sources, Nov 2026. ms: what is safe. */
static const struct { const char *client; struct waiting_patience patience; const char *limit; } clients[] = {
	{ "claude-code",             { 25 * MINUTE, true },       "30 min without a message; progress starts that anew" },
	{ "codex-mcp-client",        { 285 * SECOND, false },     "tool_timeout_sec, 300 s; progress does not count" },
	{ "gemini-cli-mcp-client*",  { 570 * SECOND, false },     "timeout, 600 s; progress does not count" },
	{ "Visual Studio Code*",     { WAITING_FOREVER, false },  "none" },
	{ "aegisctl",                { WAITING_FOREVER, false },  "none: a person ends it" },
	{ "cursor-vscode",           { 50 * SECOND, false },      "60 s, not documented" },
	{ "claude-ai",               { 50 * SECOND, false },      "Claude Desktop: 60 s or 240 s, by version" },
	{ "*",                       { 50 * SECOND, false },      "the SDKs' 60 s; resetTimeoutOnProgress is off unless asked for" },
};

/* An operator says what the client's limit is; the answer must leave, be written and be read before. */
static int64_t before(int64_t limit_ms)
{
	int64_t margin = limit_ms / 10;

	return limit_ms - (margin < 2 * SECOND ? margin : 2 * SECOND);
}

struct waiting_patience waiting_patience_of(const char *client, int64_t hold_max_ms)
{
	size_t i = 0;

	if (hold_max_ms != CONFIG_AUTO)
		return (struct waiting_patience){ before(hold_max_ms), false };
	while (!pattern_match(clients[i].client, span_of(client)))
		i++;
	return clients[i].patience;
}

static struct waiting_patience patience_of(const struct call *c)
{
	const struct config_agent *a = config_agent(c->rules->config, c->facts.agent);
	enum config_approval_mode mode = c->rules->config->approval.mode;

	if (mode == APPROVAL_MODE_HOLD)
		return (struct waiting_patience){ WAITING_FOREVER, false };
	if (mode == APPROVAL_MODE_DEFER && c->waiting.what == WAITING_APPROVAL)
		return (struct waiting_patience){ 0, false };
	return waiting_patience_of(c->record.client, a ? a->hold_max_ms : CONFIG_AUTO);
}

static void patience_ends(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, waiting.patience);

	c->waiting.is_over = true;
	turn_mark(&c->shim->turn, c);
}

static void be_patient(struct call *c)
{
	struct waiting *w = &c->waiting;
	struct waiting_patience p = patience_of(c);
	int64_t from_us = p.is_renewed && w->beaten_us ? w->beaten_us : c->began_us;
	int64_t until_us = from_us + p.ms * 1000, left_us = until_us - clock_mono_us();

	w->is_over = p.ms != WAITING_FOREVER && left_us <= 0;
	if (p.ms == WAITING_FOREVER || w->is_over)
		loop_timer_clear(&w->patience);
	else if (until_us != w->patient_until_us)
		loop_timer_set(c->shim->loop, &w->patience, (left_us + 999) / 1000);
	w->patient_until_us = until_us;
}

/* ---- signs of life ---------------------------------------------------------------------------------------------------------------- */
static void beat_due(struct loop_timer *t)
{
	struct call *c = container_of(t, struct call, waiting.beat);

	c->waiting.is_beat_due = true;
	turn_mark(&c->shim->turn, c);
}

static void start_beating(struct call *c)
{
	struct waiting *w = &c->waiting;
	int64_t every_ms = c->rules->config->approval.heartbeat_ms, first_ms = every_ms < FIRST_BEAT_MS ? every_ms : FIRST_BEAT_MS;

	if (w->is_beating || !progress_is_wanted(c))
		return;
	w->is_beating = true;
	loop_timer_set(c->shim->loop, &w->beat, first_ms);
}

static void describe(const struct call *c, char *out, size_t size)
{
	const struct waiting *w = &c->waiting;
	char eta[REFUSAL_WAIT_SIZE], about[60] = "";

	if (w->eta_ms >= 0) {
		refusal_wait_text(eta, w->eta_ms);
		snprintf(about, sizeof(about), ", about %s", eta);
	}
	switch (w->what) {
	case WAITING_NOTHING:
		*out = '\0';
		break;
	case WAITING_APPROVAL:
		snprintf(out, size, "waiting for approval %s, %" PRId64 " s", w->name, (clock_mono_us() - w->since_us) / 1000000);
		break;
	case WAITING_QUEUE:
		snprintf(out, size, "waiting in the queue of backend %s: position %" PRIu32 "%s", c->facts.backend, w->position, about);
		break;
	case WAITING_BRAKE:
		snprintf(out, size, "paused by an operator%s%s", w->reason[0] ? ": " : "", w->reason);
		break;
	case WAITING_COOLDOWN:
		snprintf(out, size, "backend %s asked to be left alone for a while%s", c->facts.backend, about);
		break;
	}
}

void waiting_show(struct call *c)
{
	struct waiting *w = &c->waiting;
	char text[320];

	if (!w->is_beat_due || w->what == WAITING_NOTHING)
		return;
	w->is_beat_due = false;
	describe(c, text, sizeof(text));
	if (host_has_room(&c->shim->host) && progress_beat(c, text)) {
		w->beaten_us = clock_mono_us();
		be_patient(c);
	}
	loop_timer_set(c->shim->loop, &w->beat, c->rules->config->approval.heartbeat_ms);
}

/* ---- beginning and end -------------------------------------------------------------------------------------------------------------- */
void waiting_init(struct waiting *w)
{
	*w = (struct waiting){ .eta_ms = -1 };
	loop_timer_init(&w->patience, patience_ends);
	loop_timer_init(&w->beat, beat_due);
}

void waiting_begin(struct call *c, enum waiting_for what)
{
	struct waiting *w = &c->waiting;

	if (w->what != what) {
		w->what = what;
		w->since_us = clock_mono_us();
		w->reason[0] = '\0';
		w->position = 0;
		w->eta_ms = -1;
	}
	be_patient(c);
	start_beating(c);
}

void waiting_end(struct call *c)
{
	struct waiting *w = &c->waiting;

	loop_timer_clear(&w->patience);
	loop_timer_clear(&w->beat);
	w->what = WAITING_NOTHING;
	w->patient_until_us = 0;
	w->is_over = w->is_beat_due = w->is_beating = false;
}

bool waiting_is_over(const struct call *c)
{
	return c->waiting.is_over;
}
