#include "domain/config_check.h"
#include "base/xalloc.h"
#include "data/url.h"
#include "domain/channels.h"
#include "domain/limits.h"
#include "domain/pattern.h"

#define MIN_TOKEN_BYTES 16

static bool is_given(const struct place *at, const char *key)
{
	const struct yaml_node *n = yaml_get(at->node, key);

	return n && !yaml_is_null(n);
}

/* ---- backends -------------------------------------------------------------------------------- */
const char *config_backend_idle_key(const struct config_key *key, const void *object)
{
	const struct config_backend *b = object;

	if (b->url[0] && (key->flags & KEY_OF_COMMAND))
		return "has no effect beside url";
	if (b->command.n > 0 && (key->flags & KEY_OF_URL))
		return "has no effect beside command";
	return NULL;
}

static void check_url(struct loader *l, const struct place *at, const struct config_backend *b)
{
	struct place url = place_of(at, "url"), transport = place_of(at, "transport");
	struct url_facts facts = url_look(b->url);

	if (b->transport == TRANSPORT_STDIO)
		loader_error(
			l, &transport, "a url is reached by http or sse; stdio is for a command");
	if (!facts.is_encrypted && !facts.is_loopback)
		loader_warn(l, &url,
			"http without TLS to another machine: calls and credentials can be read on the way");
}

void config_check_backend(struct loader *l, const struct place *at, void *object)
{
	const struct config_backend *b = object;
	struct place command = place_of(at, "command"), transport = place_of(at, "transport");

	if (b->url[0] && b->command.n > 0)
		loader_error(l, &command, "either url or command, not both");
	else if (b->url[0])
		check_url(l, at, b);
	else if (b->command.n == 0)
		loader_error(l, at, "needs a url or a command");
	else if (b->transport == TRANSPORT_HTTP || b->transport == TRANSPORT_SSE)
		loader_error(
			l, &transport, "a command is reached by stdio; http and sse are for a url");
}

void config_check_queue(struct loader *l, const struct place *at, void *object)
{
	const struct config_queue *q = object;
	struct place where = place_of(at, is_given(at, "delay_max") ? "delay_max" : "delay_min");

	if (q->delay_max_ms < q->delay_min_ms)
		loader_error(l, &where,
			"delay_max (default 600s) must not be shorter than delay_min (default 60s)");
}

/* ---- agents and users ------------------------------------------------------------------------ */
void config_check_agent(struct loader *l, const struct place *at, void *object)
{
	struct config_agent *a = object;
	struct place token = place_of(at, "auth_token");

	if (a->display_name[0] == '\0') {
		free(a->display_name);
		a->display_name = xstrdup(a->name);
	}
	if (a->auth_token.source == SECRET_PLAIN && strlen(a->auth_token.text) < MIN_TOKEN_BYTES)
		loader_error(l, &token, "must have at least %d bytes", MIN_TOKEN_BYTES);
}

void config_check_principal(struct loader *l, const struct place *at, void *object)
{
	struct config_principal *p = object;

	(void)l;
	(void)at;
	if (p->name[0]) /* else it was refused; what is there has FORM_UID */
		p->uid = strtoll(p->name + strlen("uid:"), NULL, 10);
}

void config_check_person(struct loader *l, const struct place *at, void *object)
{
	const struct config_person *p = object;
	const char *slash = strchr(p->slack, '/');
	struct place slack = place_of(at, "slack");

	if (p->slack[0] && (!slash || slash == p->slack || !slash[1] || strchr(slash + 1, '/')))
		loader_error(l, &slack, "must be the ids of team and user, such as T0123/U0456");
}

/* ---- approval, broker, audit ----------------------------------------------------------------- */
static void check_listener(
	struct loader *l, const struct place *at, const struct config_approval *a)
{
	struct place slack = place_of(at, "slack"), feishu = place_of(at, "feishu"),
		     base = place_of(at, "callback_base_url");
	struct place signing = place_of(&slack, "signing_secret"),
		     app = place_of(&feishu, "app_id");

	if (l->config->server.listen[0])
		return;
	if (a->slack.signing_secret.source && !a->slack.app_token.source)
		loader_error(l, &signing,
			"buttons call back: set server.listen, or app_token for Socket Mode");
	if (a->feishu.app_id.source)
		loader_error(l, &app, "cards call back: set server.listen");
	if (a->callback_base_url[0])
		loader_warn(l, &base, "nothing listens behind these links: set server.listen");
}

/* Without encrypt key and token nobody could tell a press of a button from what anybody else sends. */
static void check_feishu(struct loader *l, const struct place *at, const struct config_approval *a)
{
	struct place feishu = place_of(at, "feishu"), app = place_of(&feishu, "app_id"), webhook = place_of(&feishu, "webhook_url"),
		     base = place_of(&feishu, "base_url");
	struct url_facts facts = url_look(a->feishu.base_url);
	const struct { const char *key; bool is_there; } needed[] = {
		{ "app_secret", a->feishu.app_secret.source != SECRET_NONE },
		{ "chat_id", a->feishu.chat_id[0] != '\0' },
		{ "encrypt_key", a->feishu.encrypt_key.source != SECRET_NONE },
		{ "verification_token", a->feishu.verification_token.source != SECRET_NONE },
	};

	if (!a->feishu.app_id.source)
		return;
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!needed[i].is_there)
			loader_error(l, &app, "an app bot needs %s: without it %s", needed[i].key,
				i == 0   ? "Feishu gives no access"
				: i == 1 ? "it does not know where to write"
					 : "a pressed button cannot be told from a forged one (it stands in the developer console)");
	if (facts.is_http && !facts.is_encrypted && !facts.is_loopback)
		loader_error(l, &base, "the app's secret would travel for all to read: use https");
	if (a->feishu.webhook_url.source)
		loader_warn(l, &webhook, "not used: the app bot, which can do more, writes to chat_id");
}

static void check_slack(struct loader *l, const struct place *at, const struct config_approval *a)
{
	struct place slack = place_of(at, "slack"), bot = place_of(&slack, "bot_token"), base = place_of(&slack, "base_url"),
		     webhook = place_of(&slack, "webhook_url");
	struct url_facts facts = url_look(a->slack.base_url);

	if (a->slack.bot_token.source && !a->slack.channel[0])
		loader_error(l, &bot, "the bot needs channel: the id of the channel it writes to");
	else if (a->slack.bot_token.source && !a->slack.app_token.source && !a->slack.signing_secret.source && !a->callback_base_url[0])
		loader_warn(l, &bot, "its messages can only be read: app_token or signing_secret gives them buttons, callback_base_url a link");
	if (a->slack.bot_token.source && facts.is_http && !facts.is_encrypted && !facts.is_loopback)
		loader_error(l, &base, "the bot's token would travel for all to read: use https");
	if (a->slack.bot_token.source && a->slack.webhook_url.source)
		loader_warn(l, &webhook, "not used: the bot, which can do more, writes to channel");
}

/* Those that stand in a file or a variable are looked at by who sends. Nothing of them is repeated: they are secrets. */
static void check_urls(struct loader *l, const struct place *at, const struct config_approval *a)
{
	const struct { const char *channel; const struct config_secret *url; } webhooks[] = {
		{ "slack", &a->slack.webhook_url }, { "feishu", &a->feishu.webhook_url }, { "generic", &a->generic.webhook_url },
	};
	struct place base = place_of(at, "callback_base_url");

	for (size_t i = 0; i < ARRAY_LEN(webhooks); i++) {
		struct place channel = place_of(at, webhooks[i].channel), url = place_of(&channel, "webhook_url");
		if (webhooks[i].url->source == SECRET_PLAIN && webhooks[i].url->text[0] && !url_look(webhooks[i].url->text).is_http)
			loader_error(l, &url, "expected a URL such as https://hooks.example.com/path");
	}
	if (strpbrk(a->callback_base_url, "?#"))
		loader_error(l, &base, "a path is put behind it: it ends before any ? or #");
}

void config_check_approval(struct loader *l, const struct place *at, void *object)
{
	const struct config_approval *a = &((struct config *)object)->approval;
	struct place channels = place_of(at, "channels");

	for (size_t i = 0; i < a->channels.n; i++)
		if (!channel_is_configured(a, a->channels.v[i]))
			loader_error(l, &channels, "%s is not configured: fill in approval.%s",
				a->channels.v[i], a->channels.v[i]);
	check_listener(l, at, a);
	check_feishu(l, at, a);
	check_slack(l, at, a);
	check_urls(l, at, a);
}

/* In enforced mode the service manager starts the broker. */
void config_check_broker(struct loader *l, const struct place *at, void *object)
{
	struct config *c = object;
	struct place autostart = place_of(at, "autostart");

	if (c->mode != MODE_ENFORCED || !c->broker.autostart)
		return;
	if (is_given(at, "autostart"))
		loader_error(l, &autostart,
			"in enforced mode the service manager starts the broker: write false");
	c->broker.autostart = false;
}

/* ---- the whole ------------------------------------------------------------------------------- */
/* The most windows of one map that a single call can have to pass: all globs, and the fullest of the plain names. */
static size_t windows_of(const struct config_limits *limits)
{
	size_t of_globs = 0, of_name = 0;

	for (size_t i = 0; i < limits->n; i++) {
		const struct config_tool_limits *t = &limits->v[i];
		if (pattern_is_glob(t->tool))
			of_globs += t->n;
		else if (t->n > of_name)
			of_name = t->n;
	}
	return of_globs + of_name;
}

static size_t windows_of_users(const struct config *c)
{
	size_t most = 0;

	for (size_t i = 0; i < c->principals_n; i++) {
		size_t n = windows_of(&c->principals[i].rate_limits);
		most = n > most ? n : most;
	}
	return most;
}

static void check_grant(
	struct loader *l, const struct place *at, const struct config_grant *g, size_t others)
{
	const struct config_queue *q = config_queue(l->config, g->backend);
	size_t n =
		others + windows_of(&g->rate_limits) + (q ? windows_of(&q->global_rate_limits) : 0);
	struct place here = place_of(at, g->backend);

	if (n > LIMITS_MAX_CLAIMS)
		loader_error(l, &here,
			"a call could have to pass %zu windows (with those of agent, users and queue), at most %d are possible",
			n, LIMITS_MAX_CLAIMS);
}

/* One identity is one person's, else nobody could say whose word it was. */
static void check_identities(struct loader *l, const struct place *people, const struct config_person *a, const struct config_person *b)
{
	const struct { const char *key; bool is_same; } identities[] = {
		{ "uid", a->uid >= 0 && a->uid == b->uid },
		{ "slack", a->slack[0] && strcmp(a->slack, b->slack) == 0 },
		{ "feishu", a->feishu[0] && strcmp(a->feishu, b->feishu) == 0 },
	};
	struct place here = place_of(people, b->name);

	for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
		struct place key = place_of(&here, identities[i].key);
		if (identities[i].is_same)
			loader_error(l, &key, "is %s's already: an identity belongs to one person", a->name);
	}
}

static bool lists(const struct config_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

static bool may_approve(const struct config *c, const struct config_person *p)
{
	if (c->approval.approvers.n > 0)
		return lists(&c->approval.approvers, p->name);
	return lists(&p->roles, "approver") || lists(&p->roles, "superuser");
}

static void check_people(struct loader *l, const struct place *at, const struct config *c)
{
	struct place people = place_of(at, "people"), approval = place_of(at, "approval"), quorum = place_of(&approval, "quorum");
	int64_t n = c->people_n == 0;            /* then the owner of the state folder is one */

	for (size_t i = 0; i < c->people_n; i++) {
		n += may_approve(c, &c->people[i]);
		for (size_t j = 0; j < i; j++)
			check_identities(l, &people, &c->people[j], &c->people[i]);
	}
	if (c->approval.quorum > n && c->approval.quorum > 1)
		loader_warn(l, &quorum, "so many persons can never agree: %lld may decide (people, approvers)", (long long)n);
}

/* The predecessor took any length, so that its file still loads. */
static void check_api_token(struct loader *l, const struct place *at, const struct config *c)
{
	const struct config_secret *token = &c->server.api_token;
	struct place server = place_of(at, "server"), here = place_of(&server, "api_token");

	if (token->source == SECRET_PLAIN && token->text[0] && strlen(token->text) < MIN_TOKEN_BYTES)
		loader_warn(l, &here, "shorter than %d bytes: it opens every route and can be guessed", MIN_TOKEN_BYTES);
}

void config_check_root(struct loader *l, const struct place *at, void *object)
{
	const struct config *c = object;
	size_t of_users = windows_of_users(c);
	struct place agents = place_of(at, "agents");

	for (size_t i = 0; i < c->agents_n; i++) {
		const struct config_agent *a = &c->agents[i];
		struct place agent = place_of(&agents, a->name),
			     grants = place_of(&agent, "backends");
		for (size_t j = 0; j < a->grants_n; j++)
			check_grant(
				l, &grants, &a->grants[j], of_users + windows_of(&a->rate_limits));
	}
	check_people(l, at, c);
	check_api_token(l, at, c);
}
