#include "broker/auth.h"
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "broker/slow.h"
#include "data/secret.h"
#include "domain/config_file.h"
#include "domain/token.h"

#define MAX_TOKEN      4096
#define MAX_HELD_BACK  256
#define USED_EVERY_MS  60000       /* what the store writes at most */

struct auth {
	struct broker *broker;
	bool has_token;
	uint8_t token_hash[32];
	char whereabouts[600];           /* of server.api_token, for a 401 */
	struct slow slow;
	struct list held;                /* of struct held_back */
	size_t held_n;
};

struct held_back {
	struct auth *auth;
	struct request *request;
	struct loop_timer timer;
	struct list node;
};

/* ---- server.api_token ---------------------------------------------------------------------------------------------------------- */

static void take_token(struct auth *a, const char *secret)
{
	token_hash(secret, a->token_hash);
	a->has_token = true;
}

static enum err make_token_file(struct auth *a, const char *path)
{
	uint8_t random[32];
	char secret[TOKEN_SECRET_SIZE], line[TOKEN_SECRET_SIZE + 1];

	random_bytes(random, sizeof(random));
	token_write_secret(TOKEN_API_PREFIX, random, secret);
	int n = snprintf(line, sizeof(line), "%s\n", secret);
	enum err e = path_write_private_file(path, (struct span){ line, (size_t)n });
	if (e == OK)
		take_token(a, secret);
	secret_wipe(random, sizeof(random));
	secret_wipe(secret, sizeof(secret));
	secret_wipe(line, sizeof(line));
	return e;
}

/* One word, at most one line end behind it. */
static bool take_line(struct auth *a, struct buf *text)
{
	size_t n = text->len ? strcspn(text->data, " \t\r\n") : 0;
	bool is_word = n > 0 && strspn(text->data + n, "\r\n") == text->len - n;

	if (is_word) {
		text->data[n] = '\0';
		take_token(a, text->data);
	}
	return is_word;
}

static void read_token_file(struct auth *a, const char *path)
{
	struct config_file f = { 0 };
	struct buf text;

	buf_init(&text, MAX_TOKEN);
	enum err e = config_file_read(path, O_NOFOLLOW, &text, &f);
	if (e == OK && (f.is_open_to_others || f.is_owned_by_others))
		log_error("auth.token", "file=%s why=%s", path, "others may read or write it, so it is not used: chmod 600, or remove it for a new one");
	else if (e == OK && !take_line(a, &text))
		log_error("auth.token", "file=%s why=%s", path, "it does not hold one word: remove it for a new one");
	else if (e == ERR_NOT_FOUND && (e = make_token_file(a, path)) != OK)
		log_error("auth.token", "file=%s why=%s", path, err_text(e));
	else if (e != OK)
		log_error("auth.token", "file=%s why=%s", path, f.why[0] ? f.why : err_text(e));
	if (text.data)
		secret_wipe(text.data, text.len);
	buf_release(&text);
}

static void read_configured(struct auth *a)
{
	struct problem why = { 0 };
	char *secret = NULL;

	snprintf(a->whereabouts, sizeof(a->whereabouts), "the rules name it (server.api_token)");
	if (config_secret_read(a->broker->config, &a->broker->config->server.api_token, &secret, &why) == OK)
		take_token(a, secret);
	else
		log_error("auth.token", "key=server.api_token why=%s", why.text);
	secret_free(secret);
}

void auth_read_token(struct auth *a, bool is_needed)
{
	CLEANUP(free_charp) char *path = path_join(a->broker->state_dir, AUTH_TOKEN_FILE);

	a->has_token = false;
	secret_wipe(a->token_hash, sizeof(a->token_hash));
	if (!is_needed)
		return;
	if (a->broker->config->server.api_token.source != SECRET_NONE) {
		read_configured(a);
		return;
	}
	snprintf(a->whereabouts, sizeof(a->whereabouts), "it stands in %s", path);
	read_token_file(a, path);
}

/* ---- who asks ----------------------------------------------------------------------------------------------------------------------- */

/* The token of the one Authorization header, NULL: there is none. RFC 9110 11.1: the scheme in any case. */
static const char *bearer(const struct httpd_request *r)
{
	static const char scheme[] = "Bearer ";
	const char *text = httpd_header(r, "Authorization");

	if (!text || httpd_header_count(r, "Authorization") != 1 || strncasecmp(text, scheme, strlen(scheme)) != 0)
		return NULL;
	text += strlen(scheme);
	text += strspn(text, " ");
	return *text && strlen(text) <= MAX_TOKEN ? text : NULL;
}

struct use { struct op op; struct token_used used; };

static void use_is_written(struct op *op)
{
	free(container_of(op, struct use, op));
}

static void note_use(struct store *s, const struct token *t)
{
	if (clock_wall_ms() - t->last_used_at_ms < USED_EVERY_MS)
		return;
	struct use *u = xcalloc(1, sizeof(*u));
	u->op.told = use_is_written;
	memcpy(u->used.id, t->id, sizeof(u->used.id));
	store_token_used(s, &u->op, &u->used);
}

static enum auth_answer find_token(const struct auth *a, const uint8_t hash[32], struct voter *out)
{
	CLEANUP(token_release) struct token t = { 0 };
	struct store *s = broker_store(a->broker);

	if (!s)
		return AUTH_NO_STORE;
	enum err e = store_token_find(s, hash, &t);
	if (e == ERR_NOT_FOUND || (e == OK && strcmp(t.kind, "api") != 0))
		return AUTH_UNPROVEN;
	if (e != OK)
		return AUTH_NO_STORE;
	if (!voter_of_token(a->broker->config, &t, out))
		return AUTH_NOBODY;
	note_use(s, &t);
	return AUTH_OK;
}

static enum auth_answer check_token(const struct auth *a, const uint8_t hash[32], struct voter *out)
{
	struct span ours = { (const char *)a->token_hash, sizeof(a->token_hash) }, theirs = { (const char *)hash, sizeof(a->token_hash) };

	if (!a->has_token || !secret_equal(ours, theirs))
		return find_token(a, hash, out);
	voter_of_server_token(out);
	return AUTH_OK;
}

static enum auth_answer check_user(const struct auth *a, uid_t uid, struct voter *out)
{
	const struct broker *b = a->broker;

	return uid == (uid_t)-1 || !voter_of_uid(b->config, b->state_dir, uid, out) ? AUTH_NOBODY : AUTH_OK;
}

void auth_credential(const struct request *r, struct credential *out)
{
	const char *secret = r->http->is_local ? NULL : bearer(r->http);

	*out = (struct credential){ .is_local = r->http->is_local, .uid = r->http->uid };
	if (secret)
		token_hash(secret, out->token_hash);
}

static enum auth_answer check(const struct auth *a, const struct credential *c, struct voter *out)
{
	return c->is_local ? check_user(a, c->uid, out) : check_token(a, c->token_hash, out);
}

bool auth_still_holds(struct auth *a, const struct credential *c, enum role role)
{
	struct voter v = { 0 };
	enum auth_answer answer = check(a, c, &v);

	return answer == AUTH_NO_STORE || (answer == AUTH_OK && (v.roles & role));
}

enum auth_answer auth_check(struct auth *a, struct request *r)
{
	struct credential c;

	if (!r->http->is_local && !bearer(r->http))
		return AUTH_UNPROVEN;
	auth_credential(r, &c);
	enum auth_answer answer = check(a, &c, &r->voter);
	if (r->http->is_local)
		r->voter.means = "api";
	else
		snprintf(r->voter.origin, sizeof(r->voter.origin), "%s", r->http->address);
	return answer;
}

/* ---- who could not prove himself ------------------------------------------------------------------------------------------------------- */

static void answer_unproven(struct auth *a, struct request *r)
{
	static const struct httpd_field fields[] = { { "WWW-Authenticate", "Bearer realm=\"aegis\"" }, { NULL, NULL } };

	reply_error_with(r, 401, fields,
		"this needs a token: send the header Authorization: Bearer TOKEN. The owner's: %s. Make another: aegisctl token create NAME --role viewer",
		a->whereabouts);
}

static void answer_held(struct held_back *h)
{
	list_remove(&h->node);
	loop_timer_clear(&h->timer);
	h->auth->held_n--;
	answer_unproven(h->auth, h->request);
	free(h);
}

static void time_is_up(struct loop_timer *t)
{
	answer_held(container_of(t, struct held_back, timer));
}

void auth_refuse(struct auth *a, struct request *r)
{
	int64_t delay_ms = slow_failure(&a->slow, r->http->address, clock_mono_us() / 1000);

	if (delay_ms == 0) {
		answer_unproven(a, r);
		return;
	}
	if (a->held_n >= MAX_HELD_BACK) {
		reply_error(r, 429, "too many requests without a valid token");
		return;
	}
	struct held_back *h = xcalloc(1, sizeof(*h));
	*h = (struct held_back){ .auth = a, .request = r };
	loop_timer_init(&h->timer, time_is_up);
	loop_timer_set(a->broker->loop, &h->timer, delay_ms);
	list_append(&a->held, &h->node);
	a->held_n++;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------- */

struct auth *auth_new(struct broker *b)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->broker = b;
	list_init(&a->held);
	return a;
}

void auth_answer_held(struct auth *a)
{
	struct held_back *h;

	while ((h = list_first(&a->held, struct held_back, node)))
		answer_held(h);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	auth_answer_held(a);
	secret_wipe(a->token_hash, sizeof(a->token_hash));
	free(a);
}
