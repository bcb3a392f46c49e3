/* route_status - GET /api/v1/status: the broker of itself: since when, under which rules, where it can be asked, whom it can tell. What
 * waits and what is wrong stands in the store; `aegisctl status` shows both. */
#include <unistd.h>
#include "base/procinfo.h"
#include "base/xalloc.h"
#include "broker/doors.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"
#include "broker/outbox.h"
#include "store/presence.h"

#define MAX_BODY (1024 * 1024)
#define MAX_LINE 8192

static bool put_channel(void *arg, const struct outbox_channel *c)
{
	CLEANUP(buf_release) struct buf about = { 0 };
	struct jsonput *p = arg;

	buf_init(&about, MAX_LINE);
	bool is_described = c->channel && c->channel->kind->describe && c->channel->kind->describe(c->channel, &about);
	put_open(p, NULL, '{');
	put_text(p, "name", c->name);
	put_bool(p, "open", c->channel != NULL);
	put_bool(p, "told", c->is_told);
	put_text(p, "about", is_described && about.len ? about.data : c->why_not);
	put_close(p, '}');
	return p->ok;
}

static void put_listening(struct jsonput *p, const struct broker *b)
{
	CLEANUP(free_charp) char *socket = NULL;

	put_open(p, "listening", '[');
	if (presence_admin_socket(b->config, b->state_dir, &socket) == OK)
		put_text(p, NULL, socket);
	if (doors_has_listener(b))
		put_text(p, NULL, doors_address(b));
	put_close(p, ']');
}

static void put_rules(struct jsonput *p, const struct broker *b)
{
	put_open(p, "config", '{');
	put_text(p, "path", b->config->path);
	put_number(p, "generation", (int64_t)b->generation);
	put_hash(p, "hash", b->config->hash);
	put_close(p, '}');
}

static const char *trouble_of(const struct broker *b)
{
	if (!broker_store(b))
		return b->state.why;
	return b->is_behind ? b->rules.why : doors_trouble(b);
}

void route_status(struct request *r)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct jsonput p = jsonput_begin(&body);
	struct broker *b = r->broker;
	struct procinfo_self self;

	procinfo_self(&self);
	buf_init(&body, MAX_BODY);
	put_open(&p, NULL, '{');
	put_text(&p, "version", AEGIS_VERSION);
	put_number(&p, "pid", getpid());
	put_time(&p, "started_at", self.started_at_ms);
	put_number(&p, "started_at_ms", self.started_at_ms);
	put_bool(&p, "auto_started", b->options.is_auto_started);
	put_text(&p, "state_dir", b->state_dir);
	put_listening(&p, b);
	put_text(&p, "trouble", trouble_of(b));
	put_rules(&p, b);
	put_open(&p, "channels", '[');
	outbox_channels(b->outbox, put_channel, &p);
	put_close(&p, ']');
	put_close(&p, '}');
	reply_put(r, 200, &p);
}
