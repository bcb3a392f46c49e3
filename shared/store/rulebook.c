#include "store/rulebook.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/xalloc.h"

#define MAX_LOST_RACES 5

struct ruleset *ruleset_keep(struct ruleset *r)
{
	r->users++;
	return r;
}

void ruleset_drop(struct ruleset *r)
{
	if (!r || --r->users > 0)
		return;
	config_free(r->config);
	free(r);
}

enum err rulebook_find(const char *given, struct rulebook_found *out)
{
	CLEANUP(free_charp) char *path = NULL;

	*out = (struct rulebook_found){ 0 };
	enum err e = config_find(given, &path, &out->why);
	if (e != OK) {
		if (!out->why.text[0])
			problem_set(&out->why, "no rules were found; `aegisctl config init` writes a first file");
		return e;
	}
	if (out->why.text[0])
		log_warn("rules.find", "%s", out->why.text);
	out->why = (struct problem){ 0 };
	rulebook_mark_read(path, &out->mark);       /* before the file is read, so that a later change is seen */
	e = config_load(path, &out->config, &out->report);
	if (e == ERR_INVALID && config_report_errors(&out->report) == 0)
		problem_set(&out->why, "the rules cannot be used");
	else if (e != OK && e != ERR_INVALID)
		problem_set(&out->why, "%s: %s; `aegisctl config init` writes a first one", path, err_text(e));
	return e;
}

static struct ruleset *ruleset_new(struct config *c)
{
	struct ruleset *r = xcalloc(1, sizeof(*r));
	*r = (struct ruleset){ .config = c, .users = 1 };
	return r;
}

static void offer(struct rulebook *r, struct ruleset *set)
{
	ruleset_drop(r->offered);
	r->offered = set;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------- */
void rulebook_mark_read(const char *path, struct rulebook_mark *out)
{
	struct stat st;

	*out = (struct rulebook_mark){ 0 };
	if (stat(path, &st) != 0)
		return;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
#ifdef __APPLE__
	out->changed = st.st_ctimespec;
	out->modified = st.st_mtimespec;
#else
	out->changed = st.st_ctim;
	out->modified = st.st_mtim;
#endif
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_mark(const struct rulebook_mark *a, const struct rulebook_mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && is_same_time(a->changed, b->changed) &&
	       is_same_time(a->modified, b->modified);
}

static void note_fault(struct rulebook *r, const struct config_report *report, enum err e)
{
	size_t errors = config_report_errors(report);

	snprintf(r->why, sizeof(r->why), "%s: %s", r->path, err_text(e));
	for (size_t i = 0; i < report->n; i++) {
		const struct config_remark *m = &report->v[i];
		if (!m->is_error)
			continue;
		log_error("rules.invalid", "%s:%d:%d: %s", r->path, m->problem.line, m->problem.column, m->problem.text);
		if (errors > 0)
			snprintf(r->why, sizeof(r->why), "%s:%d:%d: %.300s", r->path, m->problem.line, m->problem.column,
			         m->problem.text);
		errors = 0;
	}
	log_warn("rules.kept", "generation=%llu: the rules file changed but cannot be used (%s)",
	         (unsigned long long)r->current->generation, err_text(e));
}

/* Reads the file. True: it holds rules other than ours, now offered. */
static bool read_file(struct rulebook *r, const struct rulebook_mark *mark)
{
	struct config_report report = { 0 };
	struct config *c = NULL;
	enum err e = config_load(r->path, &c, &report);

	r->seen = *mark;
	r->is_reread = false;
	if (e != OK) {
		note_fault(r, &report, e);
		r->is_behind = r->must_read;
	} else if (memcmp(c->hash, r->current->config->hash, sizeof(c->hash)) == 0) {
		config_free(c);
		if (r->must_read)
			offer(r, ruleset_keep(r->current));
	} else {
		offer(r, ruleset_new(c));
	}
	config_report_release(&report);
	return r->offered != NULL;
}

/* ---- agreeing with everybody else ---------------------------------------------------------------------------------------------- */
static void put_in_force(struct rulebook *r, uint64_t generation)
{
	struct ruleset *before = r->current;
	bool is_change = before != r->offered;

	FAILPOINT(RULES_IN_FORCE);
	r->offered->generation = generation;
	r->current = r->offered;
	r->offered = NULL;
	r->must_read = r->is_behind = false;
	r->lost_races = 0;
	log_info("rules.in_force", "generation=%llu", (unsigned long long)generation);
	ruleset_drop(before);
	if (is_change && r->changed)
		r->changed(r);
}

static void put_told(struct op *op)
{
	struct rulebook *r = op->arg;

	r->put_err = op->err;
	if (op->err != OK)
		log_warn("rules.put", "%s", err_text(op->err));
	else if (r->put.is_in_force)
		put_in_force(r, r->put.generation);
	else
		r->must_read = true;            /* another process was first: see what the file holds now */
	if (r->answered)
		r->answered(r);
}

/* The store decides whose content comes next: compare-and-set on the generation we have seen. */
static enum rulebook_answer agree(struct rulebook *r, struct store *store)
{
	uint64_t generation = 0;
	uint8_t hash[32];
	enum err e = store_config_get(store, r->path, &generation, hash);

	if (e != OK && e != ERR_NOT_FOUND) {
		log_warn("rules.get", "%s", err_text(e));
		return RULES_READY;             /* the commit point will meet the same failure, and refuse */
	}
	if (e == OK && memcmp(hash, r->offered->config->hash, sizeof(hash)) == 0) {
		put_in_force(r, generation);
		return RULES_READY;
	}
	if (r->lost_races++ >= MAX_LOST_RACES) {
		snprintf(r->why, sizeof(r->why), "%s changes faster than it can be read", r->path);
		r->lost_races = 0;
		r->is_behind = true;
		return RULES_BEHIND;
	}
	r->put = (struct config_put){ .path = r->path, .seen_generation = generation };
	memcpy(r->put.hash, r->offered->config->hash, sizeof(r->put.hash));
	r->op = (struct op){ .told = put_told, .arg = r };
	store_config_put(store, &r->op, &r->put);
	return RULES_WAIT;
}

enum rulebook_answer rulebook_look(struct rulebook *r, struct store *store)
{
	struct rulebook_mark mark;

	if (r->op.is_submitted)
		return RULES_WAIT;
	if (r->put_err != OK) {
		r->put_err = OK;
		return RULES_FAILED;
	}
	rulebook_mark_read(r->path, &mark);
	if (!is_same_mark(&mark, &r->seen) || r->is_reread || (r->must_read && !r->is_behind)) {
		offer(r, NULL);
		if (!read_file(r, &mark))
			r->must_read = r->is_behind;
	}
	if (!store)
		return r->is_behind ? RULES_BEHIND : RULES_READY;
	if (!r->offered && r->current->generation == 0)
		offer(r, ruleset_keep(r->current));
	if (r->offered)
		return agree(r, store);
	return r->is_behind ? RULES_BEHIND : RULES_READY;
}

void rulebook_moved_on(struct rulebook *r)
{
	if (!r->is_behind)
		r->must_read = true;
}

enum err rulebook_reread(struct rulebook *r, struct config_report *report)
{
	struct config *c = NULL;
	enum err e = config_load(r->path, &c, report);

	config_free(c);
	r->is_reread = true;
	return e;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */
void rulebook_init(struct rulebook *r, struct config *config, const struct rulebook_mark *seen)
{
	*r = (struct rulebook){ .path = xstrdup(config->path), .seen = *seen };
	r->current = ruleset_new(config);
}

void rulebook_release(struct rulebook *r)
{
	ruleset_drop(r->offered);
	ruleset_drop(r->current);
	free(r->path);
}
