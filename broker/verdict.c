#include "broker/verdict.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "broker/ctl/term.h"

static bool write_plain(struct buf *b, const char *text)
{
	return term_append(b, span_of(text), TERM_ONE_LINE);
}

static bool write_at(struct buf *b, int64_t wall_ms)
{
	char at[32];

	if (wall_ms <= 0)
		return true;
	clock_format_utc(wall_ms, at, sizeof at);
	return buf_printf(b, " at %s", at);
}

/* " by alice (slack) at ..." */
static bool write_who(struct buf *b, const struct approval *a)
{
	bool is_whole = !*a->decided_by || (buf_append_text(b, " by ") && write_plain(b, a->decided_by));

	if (*a->decided_by && *a->decided_means)
		is_whole = is_whole && buf_append_text(b, " (") && write_plain(b, a->decided_means) && buf_append_char(b, ')');
	return is_whole && write_at(b, a->decided_at_ms);
}

static bool write_why(struct buf *b, const char *reason)
{
	return !*reason || (buf_append_text(b, ": ") && write_plain(b, reason));
}

bool verdict_write_decider(struct buf *b, const struct approval *a)
{
	return write_who(b, a) && write_why(b, a->reason);
}

/* ---- how it stands ---- */

static bool write_waiting(struct buf *b, const struct approval *a)
{
	return buf_append_text(b, " waits for a decision") &&
	       (a->quorum <= 1 || buf_printf(b, ", %u of %u persons have agreed", a->votes, a->quorum)) &&
	       (!a->is_frozen || buf_append_text(b, "; its clock stands still"));
}

static bool write_expired(struct buf *b, const struct approval *a)
{
	if (*a->decided_by)
		return buf_append_text(b, " was approved") && write_who(b, a) && buf_append_text(b, ", but was not used in time: nothing was run");
	return buf_append_text(b, " has expired") && write_at(b, a->decided_at_ms) &&
	       write_why(b, *a->reason ? a->reason : "nobody decided in time, and nothing was run");
}

static const char *outcome_text(const char *outcome)
{
	static const struct { const char *outcome, *text; } table[] = {
		{ "ok",      "; the call succeeded" },
		{ "failed",  "; the call failed" },
		{ "unknown", "; the call was sent, whether it was carried out is not known" },
		{ "not_run", "; the call was not run" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].outcome, outcome) == 0)
			return table[i].text;
	return "";
}

static bool write_used(struct buf *b, const struct approval *a)
{
	return buf_append_text(b, " was approved") && verdict_write_decider(b, a) && buf_append_text(b, "; it has been used") &&
	       buf_append_text(b, outcome_text(a->outcome));
}

bool verdict_write_standing(struct buf *b, const struct approval *a)
{
	if (!buf_append_text(b, a->short_id))
		return false;
	switch (a->state) {
	case APPROVAL_PENDING:   return write_waiting(b, a);
	case APPROVAL_APPROVED:  return buf_append_text(b, " was approved") && verdict_write_decider(b, a);
	case APPROVAL_REJECTED:  return buf_append_text(b, " was refused") && verdict_write_decider(b, a);
	case APPROVAL_CANCELLED: return buf_append_text(b, " was cancelled") && verdict_write_decider(b, a);
	case APPROVAL_EXPIRED:   return write_expired(b, a);
	case APPROVAL_CONSUMED:  return write_used(b, a);
	}
	return false;
}

/* ---- what became of a decision ---- */

static bool write_decided(struct buf *b, bool is_approving, const struct approval *a)
{
	const char *done = is_approving ? "approved" : a->state == APPROVAL_CANCELLED ? "cancelled" : "refused";

	return buf_printf(b, "%s %s: ", a->short_id, done) && write_plain(b, a->tool) && buf_append_text(b, " for agent ") &&
	       write_plain(b, a->agent);
}

bool verdict_write(struct buf *b, enum vote_answer answer, bool is_approving, const struct approval *a)
{
	switch (answer) {
	case VOTE_DECIDED:
		return write_decided(b, is_approving, a);
	case VOTE_COUNTED:
		return buf_printf(b, "%s: your vote counts, %u of %u persons have agreed", a->short_id, a->votes, a->quorum);
	case VOTE_SECOND:
		return verdict_write_standing(b, a) && buf_append_text(b, "; your decision came later and changes nothing");
	case VOTE_TOO_LATE:
		return verdict_write_standing(b, a) && buf_append_text(b, "; it cannot be decided any more");
	case VOTE_REPLAYED:
		return buf_append_text(b, "this was taken before and changes nothing: ") && verdict_write_standing(b, a);
	case VOTE_NO_SUCH:
		return buf_append_text(b, "there is no such approval");
	case VOTE_NOT_ALLOWED:
		return buf_printf(b, "this vote does not count for %s: it asks for named persons, or is about other arguments than were shown",
			a->short_id);
	}
	return false;
}

/* ---- cutting ---- */

static size_t whole_characters(struct span text, size_t most)
{
	size_t n = 0;
	uint32_t code;

	while (n < text.len) {
		size_t step = utf8_decode(text.at + n, text.len - n, &code);
		step = step ? step : 1;
		if (n + step > most)
			break;
		n += step;
	}
	return n;
}

void verdict_copy(char *out, size_t size, struct span text)
{
	bool is_cut = text.len >= size;
	size_t n = is_cut ? whole_characters(text, size - sizeof "...") : text.len;

	if (n > 0)
		memcpy(out, text.at, n);
	snprintf(out + n, size - n, "%s", is_cut ? "..." : "");
}
