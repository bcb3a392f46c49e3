#include "broker/voter.h"
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "base/attr.h"
#include "base/shown.h"

#define ADMIN_GROUP  "aegis-admin"
#define GROUPS_MAX   1024
#define EVERY_ROLE   (ROLE_VIEWER | ROLE_OPERATOR | ROLE_APPROVER | ROLE_SUPERUSER)

static bool no(struct voter *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool no(struct voter *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, sizeof v->why, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- roles ---- */

/* Weakest first; each may do what those before it may. */
static const struct { const char *name; unsigned bits; } roles[] = {
	{ "viewer",    ROLE_VIEWER },
	{ "operator",  ROLE_VIEWER | ROLE_OPERATOR },
	{ "approver",  ROLE_VIEWER | ROLE_OPERATOR | ROLE_APPROVER },
	{ "superuser", EVERY_ROLE },
};

bool role_parse(const char *text, unsigned *out)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (strcmp(text, roles[i].name) == 0) {
			*out = roles[i].bits;
			return true;
		}
	}
	return false;
}

const char *role_text(unsigned set)
{
	for (size_t i = ARRAY_LEN(roles); i-- > 0;)
		if ((set & roles[i].bits) == roles[i].bits)
			return roles[i].name;
	return "none";
}

/* ---- persons of the rules ---- */

static bool has(const struct config_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

static const struct config_person *person_named(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->people_n; i++)
		if (strcmp(c->people[i].name, name) == 0)
			return &c->people[i];
	return NULL;
}

static const struct config_person *person_of_uid(const struct config *c, uid_t uid)
{
	for (size_t i = 0; i < c->people_n; i++)
		if (c->people[i].uid == (int64_t)uid)
			return &c->people[i];
	return NULL;
}

/* Whom approval.approvers names needs no role besides. */
static unsigned roles_of(const struct config *c, const struct config_person *p)
{
	unsigned set = 0, bits = 0;

	for (size_t i = 0; i < p->roles.n; i++)
		if (role_parse(p->roles.v[i], &bits))
			set |= bits;
	if (has(&c->approval.approvers, p->name) && role_parse("approver", &bits))
		set |= bits;
	return set;
}

static bool be_person(struct voter *v, const struct config *c, const struct config_person *p)
{
	snprintf(v->name, sizeof v->name, "%s", p->name);
	v->roles = roles_of(c, p);
	v->is_person = true;
	return true;
}

/* ---- by the kernel's word ---- */

static void name_user(struct voter *v)
{
	const struct passwd *user = getpwuid(v->uid);

	if (user)
		snprintf(v->name, sizeof v->name, "%s", user->pw_name);
	else
		snprintf(v->name, sizeof v->name, "uid %u", (unsigned)v->uid);
}

static bool is_in_group(uid_t uid, const char *name)
{
	const struct group *g = getgrnam(name);

	if (!g)
		return false;
	gid_t wanted = g->gr_gid;
	const struct passwd *user = getpwuid(uid);
	gid_t groups[GROUPS_MAX];
	int n = ARRAY_LEN(groups);
	if (!user || getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool owns(const char *state_dir, uid_t uid)
{
	struct stat folder;

	return stat(state_dir, &folder) == 0 && folder.st_uid == uid;
}

/* Who runs the machine's Aegis: in enforced mode the state folder belongs to a system user who is nobody. */
static bool is_keeper(const struct config *c, const char *state_dir, uid_t uid)
{
	if (c && c->mode == MODE_ENFORCED)
		return uid == 0 || is_in_group(uid, ADMIN_GROUP);
	return owns(state_dir, uid);
}

/* No person, but its machine: it may look and operate, and decides nothing. */
static bool be_keeper_among_people(struct voter *v)
{
	v->roles = ROLE_VIEWER | ROLE_OPERATOR;
	return true;
}

static bool be_keeper(struct voter *v)
{
	v->roles = EVERY_ROLE;
	v->is_person = true;
	return true;
}

bool voter_of_uid(const struct config *c, const char *state_dir, uid_t uid, struct voter *out)
{
	const struct config_person *p = c ? person_of_uid(c, uid) : NULL;
	bool names_people = c && c->people_n > 0;

	*out = (struct voter){ .means = "cli", .uid = uid, .has_uid = true };
	snprintf(out->origin, sizeof out->origin, "uid %u", (unsigned)uid);
	name_user(out);
	if (p)
		return be_person(out, c, p);
	if (is_keeper(c, state_dir, uid))
		return names_people ? be_keeper_among_people(out) : be_keeper(out);
	if (names_people)
		return no(out, "the rules name the people who decide, and none of them has uid %u", (unsigned)uid);
	if (c && c->mode == MODE_ENFORCED)
		return no(out, "only root and members of the group " ADMIN_GROUP " decide, since the rules name no people");
	return no(out, "only the owner of %.200s decides, since the rules name no people", state_dir);
}

/* ---- by another's word ---- */

bool voter_of_slack(const struct config *c, const char *team, const char *user, struct voter *out)
{
	*out = (struct voter){ .means = "slack" };
	snprintf(out->name, sizeof out->name, "%.36s/%.36s", team, user);
	snprintf(out->origin, sizeof out->origin, "slack %s", out->name);
	for (size_t i = 0; i < c->people_n; i++) {
		const char *id = c->people[i].slack, *slash = strchr(id, '/');
		if (slash && strlen(team) == (size_t)(slash - id) && memcmp(id, team, (size_t)(slash - id)) == 0 && strcmp(slash + 1, user) == 0)
			return be_person(out, c, &c->people[i]);
	}
	return no(out, "the rules know nobody by this Slack account: people: { NAME: { slack: \"%s\", roles: [approver] } } would", shown_of(out->name).text);
}

bool voter_of_feishu(const struct config *c, const char *open_id, struct voter *out)
{
	*out = (struct voter){ .means = "feishu" };
	snprintf(out->name, sizeof out->name, "%.79s", open_id);
	snprintf(out->origin, sizeof out->origin, "feishu %s", out->name);
	for (size_t i = 0; *open_id && i < c->people_n; i++)
		if (strcmp(c->people[i].feishu, open_id) == 0)
			return be_person(out, c, &c->people[i]);
	return no(out, "the rules know nobody by this account: people: { NAME: { feishu: \"%s\", roles: [approver] } } would", shown_of(out->name).text);
}

/* What both the token and the person may. */
static bool be_person_by_token(struct voter *v, const struct config *c, const struct token *t, unsigned bits)
{
	const struct config_person *p = person_named(c, t->person);

	if (!p)
		return no(v, "the token %.64s speaks for %.64s, whom the rules do not know", t->name, t->person);
	be_person(v, c, p);
	v->roles &= bits;
	return true;
}

bool voter_of_token(const struct config *c, const struct token *t, struct voter *out)
{
	unsigned bits = 0;

	*out = (struct voter){ .means = "api" };
	snprintf(out->name, sizeof out->name, "token %.64s", t->name);
	snprintf(out->origin, sizeof out->origin, "%s", out->name);
	if (strcmp(t->kind, "agent") == 0 || strcmp(t->kind, "room") == 0 || !role_parse(t->role, &bits))
		return no(out, "the token %.64s is an agent's: it opens nothing here", t->name);
	if (*t->person)
		return be_person_by_token(out, c, t, bits);
	out->roles = bits;
	return true;
}

void voter_of_server_token(struct voter *out)
{
	*out = (struct voter){ .means = "api", .name = "server token", .origin = "server.api_token", .roles = EVERY_ROLE };
}

void voter_of_link(const char *address, struct voter *out)
{
	*out = (struct voter){ .means = "page", .name = "link", .roles = ROLE_APPROVER };
	snprintf(out->origin, sizeof out->origin, "%s", address);
}

/* ---- may it decide? ---- */

bool voter_must_be_person(const struct config *c, const struct approval *a)
{
	if (a && (a->is_auth_required || a->quorum > 1))
		return true;
	return c && (c->approval.is_auth_required || c->approval.approvers.n > 0 || (!a && c->approval.quorum > 1));
}

static bool has_standing(const struct config *c, struct voter *v, const struct approval *a)
{
	if (v->roles == 0 && !v->is_person && *v->why)
		return false;                    /* nobody was recognised: that is why */
	if (!v->is_person && v->has_uid)
		return no(v, "the rules name the people who decide, and none of them has uid %u", (unsigned)v->uid);
	if (!v->is_person && voter_must_be_person(c, a))
		return no(v, "the rules ask for %s they know by name, and %s names nobody: a Slack or Feishu button, aegisctl approvals, "
			"or an API token made with --person can decide", a->quorum > 1 ? "persons" : "a person",
			strcmp(v->name, "link") == 0 ? "a link" : "this token");
	if (c && c->approval.approvers.n > 0 && !has(&c->approval.approvers, v->name))
		return no(v, "%s is not among approval.approvers", v->name);
	return (v->roles & ROLE_APPROVER) != 0 || no(v, "%s has not the role approver", v->name);   /* a token may stand for less than its person */
}

static bool may_decide_for_oneself(const struct config *c)
{
	if (!c || c->approval.self_approve == TRISTATE_AUTO)
		return !c || c->mode == MODE_COOPERATIVE;
	return c->approval.self_approve == TRISTATE_TRUE;
}

static bool runs_as(const struct config *c, const struct voter *v, uid_t agent)
{
	const struct config_person *p = v->is_person && c ? person_named(c, v->name) : NULL;

	return (v->has_uid && v->uid == agent) || (p && p->uid == (int64_t)agent);
}

static bool owns_agent(const struct config *c, const struct voter *v, const char *agent)
{
	const struct config_agent *a = c ? config_agent(c, agent) : NULL;

	return a && v->is_person && *a->owner && strcmp(a->owner, v->name) == 0;
}

bool voter_may_decide(const struct config *c, struct voter *v, const struct approval *a)
{
	if (!has_standing(c, v, a))
		return false;
	if (may_decide_for_oneself(c))
		return true;
	if (runs_as(c, v, a->uid))
		return no(v, "the agent runs as the same user, and the rules let nobody approve for oneself (approval.self_approve)");
	if (owns_agent(c, v, a->agent))
		return no(v, "the agent is owned by %s, and the rules let nobody approve for oneself (approval.self_approve)", v->name);
	return true;
}
