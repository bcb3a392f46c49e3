#include "broker/links.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "broker/doors.h"
#include "data/secret.h"

#define LINKS_KEYS       2
#define LINKS_TITLE      "aegis links 1\n"
#define LINKS_MAX_FILE   4096
#define LINKS_ROTATE_MS  ((int64_t)30 * 86400 * 1000)
#define LINKS_LOOK_MS    ((int64_t)86400 * 1000)   /* the wall clock may be set meanwhile */
#define LINKS_AGAIN_MS   ((int64_t)3600 * 1000)    /* after a rotation that failed */
#define LINKS_LABEL      "aegis-link-v1"

#define KID_BYTES    4
#define ID_BYTES     16
#define KEY_BYTES    32
#define MAC_BYTES    32
#define TOKEN_LEN    (BASE64URL_LEN(KID_BYTES) + 1 + BASE64URL_LEN(ID_BYTES) + 1 + BASE64URL_LEN(MAC_BYTES))
#define LINK_FORM    (LINK_REJECT + 1)

struct key { uint8_t kid[KID_BYTES], secret[KEY_BYTES]; int64_t born_ms; };
struct links {
	struct broker *broker;
	char *path;
	struct key keys[LINKS_KEYS];         /* newest first */
	size_t n;
	struct loop_timer timer;
};

/* ---- tokens ------------------------------------------------------------------------------------------------------------ */

struct token_parts { uint8_t kid[KID_BYTES], id[ID_BYTES], mac[MAC_BYTES]; };

static bool put_text(struct buf *out, const uint8_t *bytes, size_t n)
{
	return base64url_append(out, (struct span){ (const char *)bytes, n });
}

static bool get_text(const char **at, uint8_t *out, size_t n)
{
	struct span text = { *at, BASE64URL_LEN(n) };

	*at += text.len;
	return base64url_decode(out, n, text);
}

static bool get_dot(const char **at)
{
	return *(*at)++ == '.';
}

static bool token_read(const char *token, struct token_parts *out)
{
	const char *at = token;

	return strnlen(token, TOKEN_LEN + 1) == TOKEN_LEN && get_text(&at, out->kid, KID_BYTES) && get_dot(&at) &&
	       get_text(&at, out->id, ID_BYTES) && get_dot(&at) && get_text(&at, out->mac, MAC_BYTES);
}

static bool id_read(const char *id, uint8_t out[ID_BYTES])
{
	return secret_from_hex(span_of(id), out, ID_BYTES);
}

/* Every field has a length of its own, so nothing can be read in two ways. */
static void mac_of(const struct key *k, int kind, const uint8_t id[ID_BYTES], const struct approval *a, uint8_t out[MAC_BYTES])
{
	struct mac m;
	uint8_t head[9];

	head[0] = (uint8_t)kind;
	for (int i = 0; i < 8; i++)
		head[1 + i] = (uint8_t)((uint64_t)a->created_at_ms >> (8 * i));
	mac_init(&m, (struct span){ (const char *)k->secret, KEY_BYTES });
	mac_add(&m, LINKS_LABEL, sizeof(LINKS_LABEL));
	mac_add(&m, head, sizeof(head));
	mac_add(&m, id, ID_BYTES);
	mac_add(&m, a->args_hash, sizeof(a->args_hash));
	mac_done(&m, out);
}

static bool is_same(const uint8_t *a, const uint8_t *b, size_t n)
{
	return secret_equal((struct span){ (const char *)a, n }, (struct span){ (const char *)b, n });
}

static bool token_write(const struct links *l, int kind, const struct approval *a, struct buf *out)
{
	const struct key *k = &l->keys[0];
	uint8_t id[ID_BYTES], mac[MAC_BYTES];
	size_t before = out->len;

	if (!id_read(a->id, id))
		return false;
	mac_of(k, kind, id, a, mac);
	if (put_text(out, k->kid, KID_BYTES) && buf_append_char(out, '.') && put_text(out, id, ID_BYTES) && buf_append_char(out, '.') &&
		put_text(out, mac, MAC_BYTES))
		return true;
	buf_truncate(out, before);
	return false;
}

/* One MAC is made and compared whatever is wrong. */
static bool token_check(const struct links *l, int kind, const char *token, const struct approval *a)
{
	struct token_parts t;
	uint8_t id[ID_BYTES] = { 0 }, mac[MAC_BYTES];
	const struct key *k = NULL;

	if (!token_read(token, &t))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (memcmp(l->keys[i].kid, t.kid, KID_BYTES) == 0)
			k = &l->keys[i];
	bool is_known = k != NULL;
	bool has_id = id_read(a->id, id);
	mac_of(is_known ? k : &l->keys[0], kind, id, a, mac);
	bool is_ours = is_same(mac, t.mac, MAC_BYTES);
	bool is_about_it = is_same(id, t.id, ID_BYTES);
	return is_known && has_id && is_ours && is_about_it;
}

bool links_token(const struct links *l, enum link_kind kind, const struct approval *a, struct buf *out)
{
	return token_write(l, (int)kind, a, out);
}

bool links_id(const char *token, char id[ID_SIZE])
{
	struct token_parts t;

	if (!token_read(token, &t))
		return false;
	hex_encode(id, t.id, ID_BYTES);
	return true;
}

bool links_check(const struct links *l, enum link_kind kind, const char *token, const struct approval *a)
{
	return token_check(l, (int)kind, token, a);
}

bool links_form_token(const struct links *l, const struct approval *a, struct buf *out)
{
	return token_write(l, LINK_FORM, a, out);
}

bool links_form_check(const struct links *l, const struct approval *a, const char *form_token)
{
	return token_check(l, LINK_FORM, form_token, a);
}

bool links_write(const struct links *l, enum link_kind kind, const struct approval *a, struct buf *out)
{
	struct span base = span_of(l->broker->config->approval.callback_base_url);
	size_t before = out->len;

	while (base.len > 0 && base.at[base.len - 1] == '/')
		base.len--;
	if (base.len == 0 || !doors_has_listener(l->broker))
		return false;
	bool is_written = kind == LINK_PAGE ?
		buf_printf(out, "%.*s/a/", SPAN_ARGS(base)) :
		buf_printf(out, "%.*s/callback/approval?id=%s&action=%s&token=", SPAN_ARGS(base), a->id, kind == LINK_APPROVE ? "approve" : "reject");
	if (is_written && token_write(l, (int)kind, a, out))
		return true;
	buf_truncate(out, before);
	return false;
}

/* ---- keys on disk: a title, then "KID KEY BORN" a line, newest first ---------------------------------------------------- */

static void key_new(struct key *k)
{
	random_bytes(k->kid, sizeof(k->kid));
	random_bytes(k->secret, sizeof(k->secret));
	k->born_ms = clock_wall_ms();
}

static enum err keys_save(const struct links *l, const struct key *keys, size_t n, struct problem *why)
{
	char kid[2 * KID_BYTES + 1], secret[2 * KEY_BYTES + 1];
	struct buf text;

	buf_init(&text, LINKS_MAX_FILE);
	bool is_whole = buf_append_text(&text, LINKS_TITLE);
	for (size_t i = 0; i < n; i++) {
		hex_encode(kid, keys[i].kid, KID_BYTES);
		hex_encode(secret, keys[i].secret, KEY_BYTES);
		is_whole = is_whole && buf_printf(&text, "%s %s %lld\n", kid, secret, (long long)keys[i].born_ms);
	}
	enum err e = is_whole ? path_write_private_file(l->path, buf_span(&text)) : ERR_TOO_LARGE;
	if (e)
		problem_set(why, "%s cannot be written: %s", l->path, err_text(e));
	secret_wipe(secret, sizeof(secret));
	secret_wipe(text.data, text.room);
	buf_release(&text);
	return e;
}

static bool take_hex(const char **at, uint8_t *out, size_t n)
{
	struct span text = { *at, strnlen(*at, 2 * n) };

	if (!secret_from_hex(text, out, n))
		return false;
	*at += text.len;
	return *(*at)++ == ' ';
}

static bool take_key(const char **at, struct key *k)
{
	char *end;

	if (!take_hex(at, k->kid, KID_BYTES) || !take_hex(at, k->secret, KEY_BYTES) || **at < '0' || **at > '9')
		return false;
	k->born_ms = (int64_t)strtoll(*at, &end, 10);
	*at = end + 1;
	return *end == '\n';
}

static bool keys_parse(struct links *l, const char *text)
{
	const char *at = text + sizeof(LINKS_TITLE) - 1;

	if (strncmp(text, LINKS_TITLE, sizeof(LINKS_TITLE) - 1) != 0)
		return false;
	for (l->n = 0; *at; l->n++)
		if (l->n == LINKS_KEYS || !take_key(&at, &l->keys[l->n]))
			return false;
	return l->n > 0;
}

static enum err keys_load(struct links *l, struct problem *why)
{
	struct buf text;
	struct stat st;

	buf_init(&text, LINKS_MAX_FILE);
	enum err e = path_read_file(l->path, LINKS_MAX_FILE, &text);
	if (e == ERR_NOT_FOUND)
		return e;
	if (e) {
		problem_set(why, "%s cannot be read: %s", l->path, err_text(e));
	} else if (lstat(l->path, &st) != 0 || (st.st_mode & 077)) {
		problem_set(why, "%s can be opened by others: chmod 600, or remove it if somebody may have read it (links sent so far end then)", l->path);
		e = ERR_PERMISSION;
	} else if (strlen(text.data ? text.data : "") != text.len || text.len == 0 || !keys_parse(l, text.data)) {
		problem_set(why, "%s is damaged: put a copy of it back, or remove it (links sent so far end then)", l->path);
		e = ERR_INVALID;
	}
	if (text.data)
		secret_wipe(text.data, text.room);
	buf_release(&text);
	return e;
}

/* ---- rotation ---------------------------------------------------------------------------------------------------------------- */

enum err links_rotate(struct links *l, struct problem *why)
{
	struct key next[LINKS_KEYS];

	key_new(&next[0]);
	next[1] = l->keys[0];
	enum err e = keys_save(l, next, l->n ? LINKS_KEYS : 1, why);
	if (e == OK) {
		l->n = l->n ? LINKS_KEYS : 1;
		memcpy(l->keys, next, sizeof(next));
		log_info("links.rotated", "keys=%zu", l->n);
	}
	secret_wipe(next, sizeof(next));
	return e;
}

/* What the older key signed must outlive every approval it was sent for. */
static int64_t rotate_after_ms(const struct links *l)
{
	const struct config_approval *a = &l->broker->config->approval;
	int64_t longest_ms = a->timeout_ms + a->redeem_within_ms;

	return longest_ms > LINKS_ROTATE_MS ? longest_ms : LINKS_ROTATE_MS;
}

static void links_look(struct loop_timer *t)
{
	struct links *l = container_of(t, struct links, timer);
	int64_t left_ms = l->keys[0].born_ms + rotate_after_ms(l) - clock_wall_ms();
	struct problem why;

	if (left_ms <= 0)
		left_ms = links_rotate(l, &why) == OK ? rotate_after_ms(l) : LINKS_AGAIN_MS;
	loop_timer_set(l->broker->loop, t, left_ms < LINKS_LOOK_MS ? left_ms : LINKS_LOOK_MS);
}

static enum err keys_make(struct links *l, struct problem *why)
{
	CLEANUP(free_charp) char *folder = path_folder_of(l->path);
	enum err e = path_make_private_folder(folder);

	if (e)
		problem_set(why, "%s cannot be made: %s", folder, err_text(e));
	return e ? e : links_rotate(l, why);
}

enum err links_open(struct broker *b, struct problem *why)
{
	struct links *l = xcalloc(1, sizeof(*l));

	l->broker = b;
	l->path = xasprintf("%s/keys/links", b->state_dir);
	loop_timer_init(&l->timer, links_look);
	b->links = l;
	enum err e = keys_load(l, why);
	if (e == ERR_NOT_FOUND)
		e = keys_make(l, why);
	if (e == OK)
		links_look(&l->timer);
	return e;
}

void links_close(struct broker *b)
{
	struct links *l = b->links;

	b->links = NULL;
	if (!l)
		return;
	loop_timer_clear(&l->timer);
	secret_wipe(l->keys, sizeof(l->keys));
	free(l->path);
	free(l);
}
