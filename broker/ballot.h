/* ballot - one person's word on its way into the store, whoever brought it: page, link, Slack, Feishu, API. It asks voter_may_decide under
 * the rules in force; who has no say is told so (VOTE_NOT_ALLOWED) and nothing is written. */
#pragma once
#include "broker/broker.h"
#include "broker/voter.h"

#define BALLOT_REASON_MAX 1000           /* bytes */

struct ballot {                          /* the caller fills in: */
	struct broker *broker;
	char approval[ID_SIZE];          /* id or short name */
	bool is_approving;
	struct voter voter;
	char reason[BALLOT_REASON_MAX + 1];
	bool has_args_hash;              /* the voter was shown these arguments; else whatever it is about */
	uint8_t args_hash[32];
	char seen_channel[16], seen_ref[128];    /* "" or a callback's own name: VOTE_REPLAYED when it was taken before */
	void (*done)(struct ballot *b);  /* once, never from inside ballot_cast; then the ballot is the caller's again */
	void *arg;
	/* out: */
	enum err err;                    /* not OK: not written, answer means nothing */
	enum vote_answer answer;
	struct approval as_it_is;        /* after it; ballot_release */
	char said[1400];                 /* a sentence for the voter, true in every case, of plain text: escape it for your channel */

	struct op op;                    /* internal from here */
	struct vote vote;
	struct loop_timer later;
};
void ballot_cast(struct ballot *b);
void ballot_release(struct ballot *b);   /* not while it is being cast */
