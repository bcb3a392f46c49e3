/* pipeline - the stages of a tools/call and the runner. The table stands in pipeline.c. */
#pragma once
#include "store/store.h"

struct call;

enum call_stage { STAGE_ACL, STAGE_POLICY, STAGE_LIMITS, STAGE_APPROVAL, STAGE_QUEUE, STAGE_FORWARD, STAGE_FINISH };

enum step {
	STEP_NEXT,       /* passed */
	STEP_STOP,       /* refused: the refusal stands in the call */
	STEP_STORE,      /* the stage's question goes to the store with this turn; the stage is told the answer */
	STEP_OVER,       /* what it was judged by has changed: back to the top */
	STEP_WAIT,       /* whoever wakes it marks the call; also the last word of finish, after which the call is gone */
};

const char *stage_name(enum call_stage s);
void pipeline_ask(struct call *c, struct store *store);
void pipeline_told(struct call *c);
void call_advance(struct call *c);

/* The stages. judge: pure but for the call itself. ask: submits c->op with its request. told: c->op has its answer. */
enum step acl_judge(struct call *c);
enum step policy_judge(struct call *c);
enum step limits_judge(struct call *c);
void limits_ask(struct call *c, struct store *store);
void limits_told(struct call *c);
enum step approval_judge(struct call *c);
void approval_ask(struct call *c, struct store *store);
void approval_told(struct call *c);
void approval_refuse(struct call *c, const char *approval);      /* refused by how that one ended */
enum step queue_judge(struct call *c);
void queue_ask(struct call *c, struct store *store);
void queue_told(struct call *c);
enum step forward_judge(struct call *c);
void forward_ask(struct call *c, struct store *store);
void forward_told(struct call *c);
enum step finish_judge(struct call *c);
void finish_ask(struct call *c, struct store *store);
void finish_told(struct call *c);
void finish_ends(struct call *c, const char *by);    /* the client ends a call that has come so far */
