/* route_messages - what could not be told to people. GET /api/v1/messages/dead: those that were given up. POST /api/v1/messages/again with
 * {} or {"approval": id, "channel": name}: they are tried again; {"again": how many}. */
#include <json-c/json.h>
#include "base/xalloc.h"
#include "broker/handlers.h"
#include "broker/jsonput.h"

#define MAX_BODY (16 * 1024 * 1024)

static bool put_dead(void *arg, const struct message *m)
{
	struct jsonput *p = arg;

	if (m->state != MESSAGE_DEAD)
		return true;
	put_open(p, NULL, '{');
	put_text(p, "approval_id", m->approval);
	put_text(p, "channel", m->channel);
	put_text(p, "state", message_state_text(m->state));
	put_text(p, "last_error", m->last_error);
	put_number(p, "attempts", m->attempts);
	put_bool(p, "is_maybe_out", m->is_maybe_out);
	put_time(p, "created_at", m->created_at_ms);
	put_number(p, "age_ms", m->age_ms);
	put_close(p, '}');
	return p->ok;
}

void route_messages_dead(struct request *r)
{
	const struct message_filter f = { .is_open_only = true };
	CLEANUP(buf_release) struct buf b = { 0 };
	struct jsonput p = jsonput_begin(&b);
	struct store *s = request_store(r);

	if (!s)
		return;
	buf_init(&b, MAX_BODY);
	put_open(&p, NULL, '[');
	enum err e = store_messages(s, &f, put_dead, &p);
	put_close(&p, ']');
	if (e == OK)
		reply_put(r, 200, &p);
	else
		reply_err(r, e);
}

/* ---- once more ------------------------------------------------------------------------------------------------------------------------ */

struct once_more {
	struct request *request;
	struct op op;
	struct message_again again;
	char *approval, *channel;
};

static void once_more_free(struct once_more *m)
{
	free(m->approval);
	free(m->channel);
	free(m);
}

static void again_told(struct op *op)
{
	struct once_more *m = container_of(op, struct once_more, op);
	struct json_object *o;

	if (op->err != OK) {
		reply_err(m->request, op->err);
	} else {
		o = json_object_new_object();
		json_object_object_add(o, "again", json_object_new_int(op->answer));
		reply_json(m->request, 200, o);
	}
	once_more_free(m);
}

static bool read_one(const char *key, struct json_object *value, struct once_more *m)
{
	char **to = strcmp(key, "approval") == 0 ? &m->approval : strcmp(key, "channel") == 0 ? &m->channel : NULL;

	if (!to || !json_object_is_type(value, json_type_string))
		return false;
	*to = xstrdup(json_object_get_string(value));
	return true;
}

void route_messages_again(struct request *r)
{
	struct store *s = request_store(r);
	struct json_object *o = s ? request_json(r) : NULL;
	bool is_good = true;

	if (!o)
		return;
	struct once_more *m = xcalloc(1, sizeof(*m));
	json_object_object_foreach(o, key, value)
		is_good = is_good && read_one(key, value, m);
	json_object_put(o);
	if (!is_good) {
		reply_error(r, 400, "the body may hold approval and channel, both texts");
		once_more_free(m);
		return;
	}
	m->request = r;
	m->op.told = again_told;
	m->again = (struct message_again){ .approval = m->approval, .channel = m->channel };
	store_messages_again(s, &m->op, &m->again);
}
