/* channel_notify - each event of an approval to approval.notify.command: the JSON of payload.h, without links that decide, on its stdin.
 * Exit code 0: told. 75 (EX_TEMPFAIL of sysexits.h): try again, as long as give_up lets. Another, or none within 30 s: try a few times. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/xalloc.h"
#include "broker/channels.h"
#include "broker/payload.h"
#include "broker/runner.h"

#define EXIT_TRY_AGAIN 75
#define FEW_ATTEMPTS   5
#define INPUT_MAX      ((size_t)32 * 1024 * 1024)

struct notify {
	struct channel channel;
	char **argv;                             /* NULL at the end */
};
struct job {                                     /* one run, of a delivery or a test */
	struct notify *channel;
	struct delivery *delivery;               /* or */
	struct channel_test *test;
	struct runner runner;
};

static struct job *job_new(struct channel *c, void (*done)(struct runner *r))
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->channel = container_of(c, struct notify, channel);
	j->runner = (struct runner){ .broker = c->broker, .argv = j->channel->argv, .done = done, .arg = j };
	buf_init(&j->runner.input, INPUT_MAX);
	return j;
}

static void job_free(struct job *j)
{
	runner_cancel(&j->runner);
	buf_release(&j->runner.input);
	free(j);
}

/* How it went, as a sentence. */
static void describe_end(const struct runner *r, char *out, size_t size)
{
	const char *colon = r->said[0] ? ": " : "";

	if (!r->has_started)
		(void)snprintf(out, size, "the command cannot be started%s%s", colon, r->said);
	else if (r->has_timed_out)
		(void)snprintf(out, size, "the command was ended after 30 seconds%s%s", colon, r->said);
	else if (r->exit_code < 0)
		(void)snprintf(out, size, "the command was ended by a signal%s%s", colon, r->said);
	else
		(void)snprintf(out, size, "the command exited with code %d%s%s", r->exit_code, colon, r->said);
}

/* ---- deliveries ----------------------------------------------------------------------------------------------------------------- */

static enum message_result result_of(const struct job *j)
{
	const struct runner *r = &j->runner;

	if (r->has_started && !r->has_timed_out && r->exit_code == 0)
		return MESSAGE_OK;
	if (r->has_started && r->exit_code == EXIT_TRY_AGAIN)
		return MESSAGE_RETRY;
	return j->delivery->notice.attempts + 1 < FEW_ATTEMPTS ? MESSAGE_RETRY : MESSAGE_GIVEN_UP;
}

static void delivered(struct runner *r)
{
	struct job *j = r->arg;
	struct delivery *d = j->delivery;
	char said[280];
	struct delivered how = { .result = result_of(j), .is_maybe_out = r->has_started, .said = said };

	describe_end(r, said, sizeof(said));
	job_free(j);
	delivery_end(d, &how);
}

static void notify_deliver(struct channel *c, struct delivery *d)
{
	struct job *j = job_new(c, delivered);

	j->delivery = d;
	if (!payload_write(&j->runner.input, &(struct payload){ .notice = &d->notice, .now_ms = clock_wall_ms() }) ||
		!buf_append_char(&j->runner.input, '\n')) {
		job_free(j);
		delivery_end(d, &(struct delivered){ .result = MESSAGE_GIVEN_UP, .said = "the message is too large" });
		return;
	}
	d->own = j;
	runner_start(&j->runner);
}

static void notify_cancel(struct channel *c, struct delivery *d)
{
	(void)c;
	job_free(d->own);
}

/* ---- a test ------------------------------------------------------------------------------------------------------------------------- */

static void tested(struct runner *r)
{
	struct job *j = r->arg;
	struct channel_test *t = j->test;
	bool is_ok = r->has_started && !r->has_timed_out && r->exit_code == 0;
	char said[280];

	describe_end(r, said, sizeof(said));
	job_free(j);
	t->step(t, is_ok, said);
	t->done(t, is_ok);
}

static void notify_test(struct channel *c, struct channel_test *t)
{
	static const char input[] = "{\"event\":\"test\",\"text\":\"This is a test of Aegis. Nothing is asked, nothing needs to be decided.\"}\n";
	struct job *j = job_new(c, tested);
	char said[200];

	j->test = t;
	t->own = j;
	(void)snprintf(said, sizeof(said), "%.150s is started with a test message on its stdin", j->channel->argv[0]);
	t->step(t, true, said);
	(void)!buf_append_text(&j->runner.input, input);
	runner_start(&j->runner);
}

static void notify_test_cancel(struct channel *c, struct channel_test *t)
{
	(void)c;
	job_free(t->own);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */

static void notify_close(struct channel *c)
{
	struct notify *n = container_of(c, struct notify, channel);

	for (char **arg = n->argv; *arg; arg++)
		free(*arg);
	free(n->argv);
	free(n);
}

static enum err notify_open(struct broker *b, struct channel **out, struct problem *why)
{
	const struct config_list *command = &b->config->approval.notify.command;

	(void)why;
	if (command->n == 0)
		return ERR_NOT_FOUND;
	struct notify *n = xcalloc(1, sizeof(*n));
	n->channel = (struct channel){ &channel_notify, b };
	n->argv = xcalloc(command->n + 1, sizeof(*n->argv));
	for (size_t i = 0; i < command->n; i++)
		n->argv[i] = xstrdup(command->v[i]);
	*out = &n->channel;
	return OK;
}

static bool notify_describe(const struct channel *c, struct buf *out)
{
	return buf_printf(out, "runs %.200s", container_of(c, const struct notify, channel)->argv[0]);
}

const struct channel_kind channel_notify = {
	.name = "notify", .tells_each = true, .open = notify_open, .deliver = notify_deliver, .cancel = notify_cancel, .test = notify_test,
	.test_cancel = notify_test_cancel, .close = notify_close, .describe = notify_describe,
};
