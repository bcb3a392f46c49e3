/* cmd_config_reload - aegisctl config reload: new rules are in force now, not with the next look. The broker does it when one runs; else
 * aegisctl itself, as every shim would: the store makes them the next generation and wakes all sessions. */
#include "base/xalloc.h"
#include "broker/ctl/act.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/local.h"
#include "broker/ctl/term.h"
#include "data/jsonscan.h"

#define MAX_TEXT  4096
#define MAX_RACES 5

struct in_force {
	char *path, *hash;
	int64_t generation;
	const char *by;
};

static void in_force_release(struct in_force *f)
{
	free(f->path);
	free(f->hash);
}

static enum ctl_exit show(const struct ctl *c, const struct in_force *f)
{
	struct buf b CLEANUP(buf_release);
	CLEANUP(free_charp) char *path = term_text(f->path);

	buf_init(&b, 2u * MAX_TEXT * 8);
	if (!c->is_json) {
		printf("%s: generation %lld is in force (BLAKE2b %.16s), as the %s says\n", path, (long long)f->generation, f->hash, f->by);
		return CTL_OK;
	}
	if (!buf_append_text(&b, "{\"path\":") || !json_quote(&b, span_of(f->path)))
		return CTL_BROKEN;
	printf("%s,\"generation\":%lld,\"hash\":\"%s\",\"by\":\"%s\"}\n", b.data, (long long)f->generation, f->hash, f->by);
	return CTL_OK;
}

/* ---- by the broker ---- */

static void say_each(struct json_value list)
{
	struct json_iter it = json_iter(list);
	struct json_value one;
	struct span key;

	while (json_next(&it, &key, &one)) {
		CLEANUP(free_charp) char *line = json_text(one, MAX_TEXT);
		term_print(stderr, span_of(line ? line : ""), TERM_ONE_LINE);
		fputc('\n', stderr);
	}
}

static enum ctl_exit take_answer(const struct ctl *c, const struct place *place, const struct local_answer *a)
{
	struct in_force f CLEANUP(in_force_release) = { .by = "broker" };
	struct json_value root, now;

	if (jsonscan_check(buf_span(&a->body), &root, NULL) != JSONSCAN_OK || a->status != 200) {
		CLEANUP(free_charp) char *said = local_error(a);
		if (a->status == 422)
			say_each(json_get(root, "errors"));
		ctl_say("%s", said);
		return CTL_BROKEN;
	}
	now = json_get(root, "in_force");
	f.path = json_text(json_get(now, "path"), MAX_TEXT);
	f.hash = json_text(json_get(now, "hash"), MAX_TEXT);
	if (!f.path || !f.hash || !json_to_i64(json_get(now, "generation"), &f.generation)) {
		ctl_say("the broker's answer cannot be understood");
		return CTL_BROKEN;
	}
	if (strcmp(f.path, place->config->path) == 0)
		return show(c, &f);
	ctl_say("the broker goes by the rules of %s, not of %s; start it with those", f.path, place->config->path);
	return CTL_FAILED;
}

/* ---- without one ---- */

static enum err put(struct place *place, uint64_t *generation)
{
	struct config_put p = { .path = place->config->path };
	uint8_t hash[32];
	enum err e;

	memcpy(p.hash, place->config->hash, sizeof p.hash);
	for (int i = 0; i < MAX_RACES && !p.is_in_force; i++) {
		struct op op = { 0 };
		e = store_config_get(place->store, p.path, &p.seen_generation, hash);
		if (e != OK && e != ERR_NOT_FOUND)
			return e;
		if (e == ERR_NOT_FOUND)
			p.seen_generation = 0;
		store_config_put(place->store, &op, &p);
		e = act_run(place->store, &op);
		if (e != OK)
			return e;
	}
	*generation = p.generation;
	return p.is_in_force ? OK : ERR_STORE_BUSY;
}

static enum ctl_exit reload_here(const struct ctl *c, struct place *place)
{
	struct in_force f CLEANUP(in_force_release) = { .by = "store" };
	uint64_t generation = 0;
	char hex[65];

	enum ctl_exit code = place_open_to_write(place);
	if (code != CTL_OK)
		return code;
	enum err e = put(place, &generation);
	if (e != OK) {
		ctl_say("the rules are good, and could not be put in force: %s", err_text(e));
		return CTL_BROKEN;
	}
	hex_encode(hex, place->config->hash, 32);
	f.path = xstrdup(place->config->path);
	f.hash = xstrdup(hex);
	f.generation = (int64_t)generation;
	return show(c, &f);
}

enum ctl_exit cmd_config_reload(const struct ctl *c)
{
	const struct local_request r = { .method = "POST", .path = "/api/v1/config/reload" };
	struct place place CLEANUP(place_release) = { 0 };
	struct local_answer a CLEANUP(local_answer_release) = { 0 };
	struct problem why = { 0 };

	enum ctl_exit code = place_find_rules(c, &place);     /* says what is wrong with them, and where */
	if (code != CTL_OK)
		return code;
	enum err e = local_ask(&place, &r, &a, &why);
	if (e == OK)
		return take_answer(c, &place, &a);
	if (e == ERR_NOT_FOUND)
		return reload_here(c, &place);
	ctl_say("%s", why.text);
	return CTL_BROKEN;
}
