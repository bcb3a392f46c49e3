/* cmd_token - aegisctl token: secrets for programs that ask the broker over TCP. Each is shown once, on stdout alone; the store keeps its hash. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/operator.h"
#include "broker/ctl/table.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"
#include "data/secret.h"
#include "domain/config_text.h"
#include "domain/token.h"

#define KIND     "api"
#define NAME_MAX_BYTES 64

struct secret { char text[TOKEN_SECRET_SIZE]; uint8_t hash[32]; };

static void secret_make(struct secret *s)
{
	uint8_t random[32];

	random_bytes(random, sizeof random);
	token_write_secret(TOKEN_API_PREFIX, random, s->text);
	token_hash(s->text, s->hash);
	secret_wipe(random, sizeof random);
}

static void secret_release(struct secret *s)
{
	secret_wipe(s, sizeof *s);
}

/* ---- what is asked for ---- */

static bool is_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(name);

	if (n > 0 && n <= NAME_MAX_BYTES && strspn(name, letters) == n && name[0] != '-' && name[0] != '_')
		return true;
	ctl_say("a token's name is 1 to %d letters, digits, - and _, and begins with a letter or digit", NAME_MAX_BYTES);
	return false;
}

static bool is_role(const char *role)
{
	unsigned bits = 0;

	if (role && role_parse(role, &bits))
		return true;
	ctl_say("--role must be viewer, operator, approver or superuser");
	return false;
}

static bool is_person(const struct config *c, const char *person)
{
	for (size_t i = 0; person && c && i < c->people_n; i++)
		if (strcmp(c->people[i].name, person) == 0)
			return true;
	if (person)
		ctl_say("the rules name no person '%s' (people)", person);
	return person == NULL;
}

/* 0: never. */
static bool read_expiry(const struct ctl *c, int64_t *at_ms)
{
	const char *text = ctl_value(c, "expires");
	struct problem why = { 0 };
	int64_t ms = 0;

	*at_ms = 0;
	if (!text)
		return true;
	if (config_text_duration(text, &ms, &why) && ms > 0) {
		*at_ms = clock_wall_ms() + ms;
		return true;
	}
	ctl_say("--expires: %s", why.text[0] ? why.text : "it must be longer than nothing");
	return false;
}

/* Or it is not there yet, and will be ours. */
static bool owns_folder(const struct place *p)
{
	struct stat folder;

	return stat(p->state_dir, &folder) == 0 ? folder.st_uid == getuid() : errno == ENOENT;
}

/* Who makes tokens can make one that decides: the role superuser, or the owner of the state folder. */
static bool may_change(const struct place *p)
{
	struct voter me;

	bool is_known = operator_find(p, &me);
	if ((is_known && (me.roles & ROLE_SUPERUSER)) || owns_folder(p))
		return true;
	ctl_say("this needs the role superuser; %s", is_known ? "you have not" : me.why);
	return false;
}

/* ---- carrying it through ---- */

static enum ctl_exit say_failed(enum err e)
{
	ctl_say("nothing was changed: %s", err_text(e));
	return CTL_BROKEN;
}

static enum ctl_exit say_answer(int answer, const char *name)
{
	if (answer == TOKEN_DONE)
		return CTL_OK;
	if (answer == TOKEN_NAME_TAKEN)
		ctl_say("there is a token '%s' already; rotate or revoke it, or take another name", name);
	else
		ctl_say("there is no token '%s'; see aegisctl token list", name);
	return CTL_FAILED;
}

static const char *expiry_text(int64_t at_ms, char out[48])
{
	char at[32];

	if (at_ms > 0)
		clock_format_utc(at_ms, at, sizeof at);
	snprintf(out, 48, at_ms > 0 ? "expires at %s" : "never expires", at_ms > 0 ? at : "");
	return out;
}

static void print_secret(const struct ctl *c, const char *name, const char *role, const struct secret *s, int64_t expires_at_ms)
{
	char expiry[48], at[32];

	if (expires_at_ms > 0)
		clock_format_utc(expires_at_ms, at, sizeof at);
	if (c->is_json)
		printf("{\"name\":\"%s\",\"role\":\"%s\",\"token\":\"%s\",\"expires_at\":%s%s%s}\n", name, role, s->text,
			expires_at_ms > 0 ? "\"" : "", expires_at_ms > 0 ? at : "null", expires_at_ms > 0 ? "\"" : "");
	else
		printf("%s\n", s->text);
	ctl_say("token %s, role %s, %s. It is shown this once; send it as: Authorization: Bearer TOKEN", name, role,
		expiry_text(expires_at_ms, expiry));
}

/* ---- create ---- */

static enum err put(const struct place *place, const struct token *t, const struct secret *s, int *answer)
{
	struct act act CLEANUP(act_release);
	const struct act_pair pairs[] = { { "name", t->name }, { "person", t->person }, { "role", t->role } };
	struct evidence about = { .verdict = "token_created" };
	struct token made = *t;
	struct op op = { 0 };

	act_init(&act, place);
	act_describe(&act, &about, pairs, ARRAY_LEN(pairs));
	made.created_by = act.by;
	struct token_put p = { .token = &made, .evidence = &act.row };
	memcpy(p.hash, s->hash, sizeof p.hash);
	store_token_put(place->store, &op, &p);
	enum err e = act_run(place->store, &op);
	*answer = op.answer;
	return e;
}

enum ctl_exit cmd_token_create(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct secret secret CLEANUP(secret_release) = { 0 };
	char *name = c->words[0], none[] = "", kind[] = KIND;
	const char *role = ctl_value(c, "role"), *person = ctl_value(c, "person");
	struct token t = { .kind = kind, .name = name, .agent = none, .room = none };
	int answer = TOKEN_NO_SUCH;

	if (!is_name(name) || !is_role(role) || !read_expiry(c, &t.expires_at_ms))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, &place);
	if (code != CTL_OK)
		return code;
	if (!is_person(place.config, person))
		return CTL_FAILED;
	if (!may_change(&place))
		return CTL_DENIED;
	if ((code = place_open_to_write(&place)) != CTL_OK)
		return code;
	CLEANUP(free_charp) char *role_copy = xstrdup(role);
	CLEANUP(free_charp) char *person_copy = xstrdup(person ? person : "");
	t.role = role_copy;
	t.person = person_copy;
	id_new(t.id, clock_wall_ms());
	secret_make(&secret);
	enum err e = put(&place, &t, &secret, &answer);
	code = e == OK ? say_answer(answer, name) : say_failed(e);
	if (code == CTL_OK)
		print_secret(c, name, role, &secret, t.expires_at_ms);
	return code;
}

/* ---- rotate, revoke ---- */

struct wanted { const char *name; char role[16]; int64_t expires_at_ms; bool is_there; };

static bool match(void *arg, const struct token *t)
{
	struct wanted *w = arg;

	if (t->revoked_at_ms > 0 || strcmp(t->kind, KIND) != 0 || (strcmp(t->name, w->name) != 0 && strcmp(t->id, w->name) != 0))
		return true;
	w->is_there = true;
	w->expires_at_ms = t->expires_at_ms;
	snprintf(w->role, sizeof w->role, "%s", t->role);
	return false;
}

static enum ctl_exit find(const struct place *p, struct wanted *w)
{
	enum err e = p->store ? store_token_list(p->store, false, match, w) : OK;

	if (e != OK)
		return say_failed(e);
	return w->is_there ? CTL_OK : say_answer(TOKEN_NO_SUCH, w->name);
}

/* The place, open, with the token there, by somebody who may. */
static enum ctl_exit begin(const struct ctl *c, struct place *place, struct wanted *w)
{
	if (!is_name(w->name))
		return CTL_USAGE;
	enum ctl_exit code = place_find_state(c, place);
	if (code == CTL_OK && !may_change(place))
		return CTL_DENIED;
	if (code == CTL_OK)
		code = place_open_store(place);
	return code == CTL_OK ? find(place, w) : code;
}

static enum err renew_token(const struct place *place, const struct wanted *w, const struct secret *s, int *answer)
{
	struct act act CLEANUP(act_release);
	const struct act_pair pairs[] = { { "name", w->name }, { "role", w->role } };
	struct evidence about = { .verdict = "token_rotated" };
	struct op op = { 0 };

	act_init(&act, place);
	act_describe(&act, &about, pairs, ARRAY_LEN(pairs));
	struct token_rotate r = { .kind = KIND, .name = w->name, .expires_at_ms = w->expires_at_ms, .evidence = &act.row };
	memcpy(r.hash, s->hash, sizeof r.hash);
	store_token_rotate(place->store, &op, &r);
	enum err e = act_run(place->store, &op);
	*answer = op.answer;
	return e;
}

enum ctl_exit cmd_token_rotate(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct secret secret CLEANUP(secret_release) = { 0 };
	struct wanted w = { .name = c->words[0] };
	int64_t expires_at_ms = 0;
	int answer = TOKEN_NO_SUCH;

	if (!read_expiry(c, &expires_at_ms))
		return CTL_USAGE;
	enum ctl_exit code = begin(c, &place, &w);
	if (code != CTL_OK)
		return code;
	if (expires_at_ms > 0)
		w.expires_at_ms = expires_at_ms;
	if (w.expires_at_ms > 0 && w.expires_at_ms <= clock_wall_ms()) {
		ctl_say("token %s has expired; say how long the new one lasts: --expires 30d", w.name);
		return CTL_USAGE;
	}
	secret_make(&secret);
	enum err e = renew_token(&place, &w, &secret, &answer);
	code = e == OK ? say_answer(answer, w.name) : say_failed(e);
	if (code == CTL_OK)
		print_secret(c, w.name, w.role, &secret, w.expires_at_ms);
	return code;
}

static enum err end_token(const struct place *place, const struct wanted *w, int *answer)
{
	struct act act CLEANUP(act_release);
	const struct act_pair pairs[] = { { "name", w->name }, { "role", w->role } };
	struct evidence about = { .verdict = "token_revoked" };
	struct op op = { 0 };

	act_init(&act, place);
	act_describe(&act, &about, pairs, ARRAY_LEN(pairs));
	struct token_revoke r = { .kind = KIND, .name = w->name, .evidence = &act.row };
	store_token_revoke(place->store, &op, &r);
	enum err e = act_run(place->store, &op);
	*answer = op.answer;
	return e;
}

enum ctl_exit cmd_token_revoke(const struct ctl *c)
{
	struct place place CLEANUP(place_release) = { 0 };
	struct wanted w = { .name = c->words[0] };
	int answer = TOKEN_NO_SUCH;

	enum ctl_exit code = begin(c, &place, &w);
	if (code != CTL_OK)
		return code;
	enum err e = end_token(&place, &w, &answer);
	code = e == OK ? say_answer(answer, w.name) : say_failed(e);
	if (code == CTL_OK && c->is_json)
		printf("{\"name\":\"%s\",\"is_revoked\":true}\n", w.name);
	else if (code == CTL_OK)
		printf("token %s is revoked; whoever still sends it is told so at once\n", w.name);
	return code;
}

/* ---- list ---- */

struct listing { struct table table; struct buf json; size_t n; };

static void listing_release(struct listing *l)
{
	table_release(&l->table);
	buf_release(&l->json);
}

static void add_time(struct table *t, int64_t at_ms, const char *otherwise)
{
	char at[32];

	if (at_ms > 0)
		clock_format_utc(at_ms, at, sizeof at);
	table_add(t, at_ms > 0 ? at : otherwise);
}

static bool write_text(struct buf *b, const char *key, const char *text)
{
	return buf_printf(b, "%s\"%s\":", strcmp(key, "id") == 0 ? "" : ",", key) && term_quote(b, text);
}

static bool write_time(struct buf *b, const char *key, int64_t at_ms)
{
	char at[32];

	if (at_ms <= 0)
		return buf_printf(b, ",\"%s\":null", key);
	clock_format_utc(at_ms, at, sizeof at);
	return write_text(b, key, at);
}

static const char *state_of(const struct token *t)
{
	if (t->revoked_at_ms > 0)
		return "revoked";
	return t->expires_at_ms > 0 && t->expires_at_ms <= clock_wall_ms() ? "expired" : "live";
}

static bool list_one(void *arg, const struct token *t)
{
	struct listing *l = arg;

	if (strcmp(t->kind, KIND) != 0)
		return true;
	table_add(&l->table, t->name);
	table_add(&l->table, t->role);
	table_add(&l->table, *t->person ? t->person : "-");
	table_add(&l->table, state_of(t));
	add_time(&l->table, t->expires_at_ms, "never");
	add_time(&l->table, t->last_used_at_ms, "never");
	table_add(&l->table, t->created_by);
	l->n++;
	return buf_printf(&l->json, "%s\n{", l->n > 1 ? "," : "") && write_text(&l->json, "id", t->id) && write_text(&l->json, "name", t->name) &&
	       write_text(&l->json, "role", t->role) && write_text(&l->json, "person", t->person) && write_text(&l->json, "state", state_of(t)) &&
	       write_time(&l->json, "created_at", t->created_at_ms) && write_time(&l->json, "expires_at", t->expires_at_ms) &&
	       write_time(&l->json, "revoked_at", t->revoked_at_ms) && write_time(&l->json, "last_used_at", t->last_used_at_ms) &&
	       write_text(&l->json, "created_by", t->created_by) && buf_append_char(&l->json, '}');
}

enum ctl_exit cmd_token_list(const struct ctl *c)
{
	static const char *const headings[] = { "name", "role", "person", "state", "expires (UTC)", "last used (UTC)", "made by" };
	struct place place CLEANUP(place_release) = { 0 };
	struct listing l CLEANUP(listing_release) = { 0 };
	enum err e = OK;

	table_init(&l.table, headings, ARRAY_LEN(headings));
	buf_init(&l.json, 16u * 1024 * 1024);
	enum ctl_exit code = place_find_state(c, &place);
	if (code == CTL_OK)
		code = place_open_store(&place);
	if (code != CTL_OK)
		return code;
	if (place.store)
		e = store_token_list(place.store, ctl_value(c, "all") == NULL, list_one, &l);
	if (e != OK) {
		ctl_say("the tokens cannot be read: %s", err_text(e));
		return CTL_BROKEN;
	}
	if (c->is_json)
		printf("[%s\n]\n", l.json.len ? l.json.data : "");
	else if (l.n == 0)
		puts("there are no tokens");
	else
		table_print(&l.table, stdout);
	return CTL_OK;
}
