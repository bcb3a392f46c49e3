#include "broker/ctl/operator.h"
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static void say_why(struct operator *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say_why(struct operator *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->why, sizeof o->why, fmt, ap);
	va_end(ap);
	o->may_decide = false;
}

static bool has(const struct config_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

static const struct config_person *person_of(const struct config *c, uid_t uid)
{
	for (size_t i = 0; i < c->people_n; i++)
		if (c->people[i].uid == (int64_t)uid)
			return &c->people[i];
	return NULL;
}

static void find_person(const struct config *c, struct operator *o)
{
	const struct config_person *p = person_of(c, o->uid);

	if (!p) {
		say_why(o, "the rules name the people who decide, and none of them has uid %u", (unsigned)o->uid);
		return;
	}
	snprintf(o->name, sizeof o->name, "%s", p->name);
	if (c->approval.approvers.n > 0 && !has(&c->approval.approvers, p->name))
		say_why(o, "%s is not among approval.approvers", p->name);
	else if (c->approval.approvers.n == 0 && !has(&p->roles, "approver") && !has(&p->roles, "superuser"))
		say_why(o, "%s has not the role approver", p->name);
	else
		o->may_decide = true;
}

static void name_user(struct operator *o)
{
	const struct passwd *user = getpwuid(o->uid);

	if (user)
		snprintf(o->name, sizeof o->name, "%s", user->pw_name);
	else
		snprintf(o->name, sizeof o->name, "uid %u", (unsigned)o->uid);
}

static void find_owner(const struct place *place, struct operator *o)
{
	struct stat folder;

	o->may_decide = stat(place->state_dir, &folder) == 0 && folder.st_uid == o->uid;
	if (!o->may_decide)
		say_why(o, "only the owner of %s decides, since the rules name no people", place->state_dir);
}

void operator_find(const struct place *p, struct operator *out)
{
	const char *terminal = ttyname(STDIN_FILENO);

	*out = (struct operator){ .uid = getuid() };
	snprintf(out->origin, sizeof out->origin, "uid %u%s%s", (unsigned)out->uid, terminal ? " " : "", terminal ? terminal : "");
	name_user(out);
	if (p->config && p->config->people_n > 0)
		find_person(p->config, out);
	else
		find_owner(p, out);
}

static bool may_decide_for_oneself(const struct config *c)
{
	if (!c || c->approval.self_approve == TRISTATE_AUTO)
		return !c || c->mode == MODE_COOPERATIVE;
	return c->approval.self_approve == TRISTATE_TRUE;
}

bool operator_may_decide_for(const struct place *p, struct operator *o, uid_t agent_uid)
{
	if (o->may_decide && o->uid == agent_uid && !may_decide_for_oneself(p->config))
		say_why(o, "the agent runs as the same user, and the rules let nobody approve for oneself (approval.self_approve)");
	return o->may_decide;
}
