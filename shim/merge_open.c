/* merge_open - the handshake with every backend, one answer to the client, and those that come later or go away for a while. */
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "shim/merge.h"
#include "shim/merge_text.h"
#include "shim/shim.h"

#define FIRST_WAIT_MS    1000
#define MAX_WAIT_MS      30000
#define HURRY_US         (1000 * 1000)
#define ANSWER_CAP       (4 * 1024 * 1024)
#define INSTRUCTIONS_CAP (64 * 1024)           /* of one backend */
#define NEWEST           "2025-11-25"          /* said when no backend is there to say another */

#define LISTS (OFFER_TOOLS | OFFER_PROMPTS | OFFER_RESOURCES)

/* ---- trying again ---------------------------------------------------------------------------------------------------------------- */
void merge_try_later(struct member *b)
{
	if (b->is_hopeless || b->merge->is_ending)
		return;
	b->wait_ms = b->wait_ms == 0 ? FIRST_WAIT_MS : b->wait_ms * 2 > MAX_WAIT_MS ? MAX_WAIT_MS : b->wait_ms * 2;
	loop_timer_set(b->merge->shim->loop, &b->again, b->wait_ms);
}

static void open_again(struct member *b)
{
	struct merge *m = b->merge;
	CLEANUP(buf_release) struct buf line = { 0 }, id = { 0 };
	struct jsonrpc rpc;
	struct merge_edit e;

	buf_init(&id, 128);
	buf_init(&line, m->initialize.len + 256);
	jsonrpc_read(buf_span(&m->initialize), &rpc);
	if (!buf_printf(&id, "\"%s%u\"", m->id_prefix, ++m->asked))
		return;
	e = merge_edit_begin(rpc.root.text, &line);
	merge_edit_put(&e, rpc.id, buf_span(&id));
	if (!merge_edit_end(&e))
		return;
	b->phase = MEMBER_OPENING;
	b->part->is_late = false;
	loop_timer_set(m->shim->loop, &b->again, MERGE_WAIT_MS);
	merge_hand(b, &line);
}

static void try_now(struct member *b)
{
	loop_timer_clear(&b->again);
	b->tried_us = clock_mono_us();
	if (b->phase == MEMBER_AWAY)
		open_again(b);
	else if (b->phase == MEMBER_OPEN && b->is_silent)
		merge_request_own(b, "ping", (struct span){ 0 });
}

static void miss(struct member *b, const char *why);

/* Its handshake goes on, and it joins when it answers. Nothing waits for that. */
static void note_late(struct member *b)
{
	miss(b, "it has not answered initialize within 5 seconds");
	b->part->is_late = true;
	loop_hurry(b->merge->shim->loop);
}

static void again_due(struct loop_timer *t)
{
	struct member *b = container_of(t, struct member, again);

	if (b->phase == MEMBER_OPENING)
		note_late(b);
	else
		try_now(b);
}

void merge_hurry(struct member *b)
{
	bool is_missing = b->phase == MEMBER_AWAY || b->is_silent;

	if (is_missing && !b->is_hopeless && !b->merge->is_ending && b->merge->phase == MERGE_OPEN &&
	    clock_mono_us() - b->tried_us > HURRY_US)
		try_now(b);
}

/* ---- coming and going ------------------------------------------------------------------------------------------------------------ */
static void confirm(struct member *b)
{
	CLEANUP(buf_release) struct buf line = { 0 };

	if (b->is_confirmed)
		return;
	b->is_confirmed = true;
	buf_init(&line, 256);
	if (jsonrpc_write_call(&line, (struct json_value){ 0 }, "notifications/initialized", (struct span){ 0 }))
		merge_hand(b, &line);
}

static void replay_level(struct member *b)
{
	CLEANUP(buf_release) struct buf params = { 0 };

	buf_init(&params, 512);
	if (b->merge->level.len > 0 && (b->offers & OFFER_LOGGING) &&
	    buf_printf(&params, "{\"level\":%.*s}", SPAN_ARGS(buf_span(&b->merge->level))))
		merge_request_own(b, "logging/setLevel", buf_span(&params));
}

static void join(struct member *b)
{
	log_info("merge.joined", "backend=%s", b->part->name);
	if (b->merge->is_confirmed)
		confirm(b);
	replay_level(b);
	b->merge->changed |= b->offers & LISTS;
}

void merge_is_back(struct member *b)
{
	if (!b->is_silent)
		return;
	log_info("merge.back", "backend=%s", b->part->name);
	b->is_silent = false;
	b->wait_ms = 0;
	loop_timer_clear(&b->again);
	b->merge->changed |= b->offers & LISTS;
}

void merge_fell_silent(struct member *b, const char *what, const char *why)
{
	if (b->is_silent)
		return;
	log_warn("merge.missing", "backend=%s is missing in %s: %.300s", b->part->name, what, why);
	b->is_silent = true;
	b->wait_ms = 0;
	b->tried_us = clock_mono_us();
	merge_try_later(b);
}

static void miss(struct member *b, const char *why)
{
	if (strcmp(b->part->missing, why) != 0)
		log_warn("merge.missing", "backend=%s: %s", b->part->name, why);
	snprintf(b->part->missing, sizeof(b->part->missing), "%s", why);
}

/* ---- what they say of themselves --------------------------------------------------------------------------------------------------- */
static unsigned offers_of(struct json_value capabilities)
{
	static const struct { const char *key; unsigned offer; } keys[] = {
		{ "tools", OFFER_TOOLS },     { "prompts", OFFER_PROMPTS }, { "resources", OFFER_RESOURCES },
		{ "logging", OFFER_LOGGING }, { "tasks", OFFER_TASKS },
	};
	unsigned offers = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_get(capabilities, keys[i].key).kind == JSON_OBJECT)
			offers |= keys[i].offer;
	return offers;
}

static struct json_value result_of(const struct member *b)
{
	struct jsonrpc rpc;

	if (b->opened.len == 0)
		return (struct json_value){ 0 };
	jsonrpc_read(buf_span(&b->opened), &rpc);
	return rpc.result;
}

void merge_note_offers(struct member *b)
{
	b->offers = offers_of(json_get(result_of(b), "capabilities"));
}

/* ISO dates: the lowest revision is the smallest text. */
static void lowest_version(struct merge *m, char out[32])
{
	struct jsonrpc asked;

	jsonrpc_read(buf_span(&m->initialize), &asked);
	out[0] = '\0';
	for (size_t i = 0; i <= m->n; i++) {
		bool is_last = i == m->n;
		struct json_value from = is_last ? asked.params : result_of(&m->members[i]);
		char *version = json_text(json_get(from, "protocolVersion"), 31);
		bool is_usable = version && (is_last ? !out[0] && strcmp(version, NEWEST) <= 0 : !out[0] || strcmp(version, out) < 0);
		if (is_usable)
			snprintf(out, 32, "%s", version);
		free(version);
	}
	if (!out[0])
		snprintf(out, 32, "%s", NEWEST);
}

/* Lists change when backends come and go; whoever is away may bring any kind. */
static struct json_value own_capabilities(struct merge *m, struct buf *text)
{
	unsigned offers = OFFER_TOOLS;
	struct json_value v = { 0 };

	for_each_member(b, m)
		offers |= b->phase == MEMBER_OPEN ? b->offers : LISTS;
	if (buf_append_text(text, "{\"tools\":{\"listChanged\":true}") &&
	    (!(offers & OFFER_PROMPTS) || buf_append_text(text, ",\"prompts\":{\"listChanged\":true}")) &&
	    (!(offers & OFFER_RESOURCES) || buf_append_text(text, ",\"resources\":{\"listChanged\":true}")) && buf_append_char(text, '}'))
		v = (struct json_value){ JSON_OBJECT, buf_span(text) };
	return v;
}

bool merge_write_capabilities(struct merge *m, struct buf *out)
{
	struct json_value v[MERGE_MAX_UNITED];
	CLEANUP(buf_release) struct buf own = { 0 };
	size_t n = 0;

	buf_init(&own, 256);
	for_each_member(b, m)
		v[n++] = json_get(result_of(b), "capabilities");
	v[n++] = own_capabilities(m, &own);
	return merge_text_unite(v, n, out);
}

/* ---- instructions ------------------------------------------------------------------------------------------------------------------ */
bool merge_write_names(struct merge *m, struct buf *out)
{
	for_each_member(b, m)
		if (!buf_printf(out, "%s%s", b == m->members ? "" : ", ", b->part->name))
			return false;
	return true;
}

static bool write_missing(struct merge *m, struct buf *out)
{
	const char *before = "\nMissing at present: ";

	for_each_member(b, m) {
		if (b->phase == MEMBER_OPEN)
			continue;
		if (!buf_printf(out, "%s%s (%s)", before, b->part->name, b->part->missing))
			return false;
		before = ", ";
	}
	return *before != '\n' ? buf_append_text(out, "; what it offers is added to the lists when it answers.") : true;
}

static bool write_theirs(struct merge *m, struct buf *out)
{
	for_each_member(b, m) {
		CLEANUP(free_charp) char *text = json_text(json_get(result_of(b), "instructions"), INSTRUCTIONS_CAP);
		if (text && *text && !buf_printf(out, "\n\n%s:\n%s", b->part->name, text))
			return false;
	}
	return true;
}

bool merge_write_instructions(struct merge *m, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, ANSWER_CAP);
	return buf_append_text(&text, "Several backends in one server: ") && merge_write_names(m, &text) &&
	       buf_append_text(&text, ". Names of tools and prompts begin with their backend's name and __.") && write_missing(m, &text) &&
	       write_theirs(m, &text) && json_quote(out, buf_span(&text));
}

/* ---- one answer -------------------------------------------------------------------------------------------------------------------- */
static bool write_result(struct merge *m, const char *version, struct buf *out)
{
	return buf_printf(out, "{\"protocolVersion\":\"%s\",\"capabilities\":", version) && merge_write_capabilities(m, out) &&
	       buf_append_text(out, ",\"serverInfo\":{\"name\":\"aegis (") && merge_write_names(m, out) &&
	       buf_append_text(out, ")\",\"version\":\"" AEGIS_VERSION "\"},\"instructions\":") && merge_write_instructions(m, out) &&
	       buf_append_char(out, '}');
}

static void answer_client(struct merge *m)
{
	CLEANUP(buf_release) struct buf result = { 0 }, line = { 0 };
	struct jsonrpc rpc;
	char version[32];

	loop_timer_clear(&m->timer);
	m->phase = MERGE_OPEN;
	lowest_version(m, version);
	m->has_batches = strcmp(version, "2025-03-26") == 0;
	jsonrpc_read(buf_span(&m->initialize), &rpc);
	buf_init(&result, HOST_MAX_LINE_BYTES);
	buf_init(&line, HOST_MAX_LINE_BYTES);
	if (write_result(m, version, &result) && jsonrpc_write_result(&line, rpc.id, buf_span(&result)))
		merge_say(m, &line);
	else
		merge_say_error(m, rpc.id, -32603, "the answers of the backends are too long together");
	for_each_member(b, m)
		buf_release(&b->opened);
	loop_hurry(m->shim->loop);              /* for what was held back */
}

static void answer_if_all(struct merge *m)
{
	if (m->phase != MERGE_OPENING)
		return;
	for_each_member(b, m)
		if (b->phase == MEMBER_OPENING)
			return;
	answer_client(m);
}

static void waited_long_enough(struct loop_timer *t)
{
	struct merge *m = container_of(t, struct merge, timer);

	for_each_member(b, m)
		if (b->phase == MEMBER_OPENING)
			note_late(b);
	answer_client(m);
}

static void has_opened(struct member *b, const struct jsonrpc *answer)
{
	b->phase = MEMBER_OPEN;
	b->is_confirmed = b->is_silent = b->part->is_late = false;
	loop_timer_clear(&b->again);
	b->wait_ms = 0;
	b->part->missing[0] = '\0';
	b->offers = offers_of(json_get(answer->result, "capabilities"));
	if (b->merge->phase != MERGE_OPENING)
		join(b);
	else if (!buf_append_span(&b->opened, answer->root.text))
		log_warn("merge.opened", "backend=%s: its answer to initialize is too long to be passed on", b->part->name);
}

static void has_failed(struct member *b, const struct jsonrpc *answer)
{
	CLEANUP(free_charp) char *why = json_text(json_get(answer->error, "message"), sizeof(b->part->missing) - 1);

	b->phase = MEMBER_AWAY;
	b->part->is_late = false;
	miss(b, why ? why : "it refused initialize");
	merge_try_later(b);
}

void merge_opened(struct member *b, const struct jsonrpc *answer)
{
	if (answer->kind == JSONRPC_RESULT)
		has_opened(b, answer);
	else
		has_failed(b, answer);
	answer_if_all(b->merge);
}

/* ---- the client's side ----------------------------------------------------------------------------------------------------------- */
void merge_initialize(struct merge *m, const struct jsonrpc *rpc)
{
	if (m->phase != MERGE_NEW) {
		merge_say_error(m, rpc->id, -32600, "initialize was sent before in this session");
		return;
	}
	buf_init(&m->initialize, rpc->root.text.len);
	if (!buf_append_span(&m->initialize, rpc->root.text))
		return;                         /* cannot be: the cap is its length */
	m->phase = MERGE_OPENING;
	loop_timer_set(m->shim->loop, &m->timer, MERGE_WAIT_MS);
	for_each_member(b, m)
		if (!b->is_hopeless)
			b->phase = MEMBER_OPENING;
	for_each_member(b, m) {
		b->tried_us = clock_mono_us();
		if (!b->is_hopeless)
			merge_hand(b, &m->initialize);
	}
	answer_if_all(m);
}

void merge_initialized(struct merge *m)
{
	m->is_confirmed = true;
	for_each_member(b, m)
		if (b->phase == MEMBER_OPEN)
			confirm(b);
}

void merge_open_init(struct merge *m)
{
	loop_timer_init(&m->timer, waited_long_enough);
	for (size_t i = 0; i < m->n; i++) {
		struct member *b = &m->members[i];
		b->merge = m;
		b->part = &m->shim->parts[i];
		b->is_hopeless = b->part->missing[0] != '\0';
		buf_init(&b->opened, ANSWER_CAP);
		loop_timer_init(&b->again, again_due);
	}
}
