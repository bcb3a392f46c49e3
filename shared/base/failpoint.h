/* failpoint - named places on the path of a call where a test ends, stops, fails or delays the process.
 *
 * Only in builds with AEGIS_FAILPOINTS (dev, asan and the like): elsewhere FAILPOINT is nothing, FAILPOINT_FAILS is false, and no program
 * holds a name of these.
 *   AEGIS_FAILPOINT=NAME[:NTH]=ACTION   when NAME is reached for the NTH time (default 1); "NTH+": then and ever after. Several: by ","
 *       kill       SIGKILL to ourselves      error      FAILPOINT_FAILS is true
 *       stop       SIGSTOP to ourselves      delay/MS   sleeps so long
 *   AEGIS_FAILPOINT_LOG=FILE            the name of each place reached, one a line, is appended
 *   AEGIS_PATIENCE=N                    what waits for a peer to be quick (PATIENCE) waits N times as long: a loaded machine is not a slow peer
 * What cannot be understood aborts, so that no test passes because nothing was armed. Threads: any.
 *
 * tests/fault/ledger/failpoints.test.mjs reads this table and kills at each; a new name needs a scenario there. */
#pragma once
#include <stdbool.h>

#define FAILPOINTS(X)                              \
	/* the write gate */                       \
	X(GATE_NUMBERED, "gate/numbered")          \
	X(GATE_LINED, "gate/lined")                \
	X(GATE_TAKEN, "gate/taken")                \
	X(GATE_WAITED, "gate/waited")              \
	X(GATE_LEFT, "gate/left")                  \
	/* the database file */                    \
	X(FILE_MADE, "file/made")                  \
	X(FILE_MIGRATED, "file/migrated")          \
	X(FILE_MARKED, "file/marked")              \
	X(FILE_OPENED, "file/opened")              \
	X(FILE_CLOSED, "file/closed")              \
	/* one turn */                             \
	X(TURN_CHECKED, "turn/checked")            \
	X(TURN_BEGUN, "turn/begun")                \
	X(TURN_CARRIED_OUT, "turn/carried_out")    \
	X(TURN_COMMITTING, "turn/committing")      \
	X(TURN_COMMITTED, "turn/committed")        \
	X(TURN_TELLING, "turn/telling")            \
	X(TURN_TOLD, "turn/told")                  \
	/* on disk */                              \
	X(WAL_SYNC, "wal/sync")                    \
	X(WAL_SYNCED, "wal/synced")                \
	X(WAL_SYNC_NOW, "wal/sync_now")            \
	X(WAL_CHECKPOINT, "wal/checkpoint")        \
	X(WAL_CHECKPOINTED, "wal/checkpointed")    \
	X(CLOCK_MARKED, "clock/marked")            \
	/* who is alive */                         \
	X(SESSION_LISTENING, "session/listening")  \
	X(SESSION_JOINED, "session/joined")        \
	X(SESSION_LEFT, "session/left")            \
	X(REAP_HOLDS, "reap/holds")                \
	X(REAP_FLIGHT, "reap/flight")              \
	X(REAP_BURIED, "reap/buried")              \
	/* rules, tools, audit */                  \
	X(CONFIG_PUT, "config/put")                \
	X(RULES_IN_FORCE, "rules/in_force")   \
	X(TOOLS_PUT, "tools/put")                  \
	X(AUDIT_APPENDED, "audit/appended")        \
	/* limits, the commit point, its end */    \
	X(LIMITS_TAKING, "limits/taking")          \
	X(COMMIT_ADMITTED, "commit/admitted")      \
	X(COMMIT_INTENT, "commit/intent")          \
	X(COMMIT_FLIGHT, "commit/flight")          \
	X(STAMP_WRITTEN, "stamp/written")          \
	X(SETTLE_FLIGHT, "settle/flight")          \
	X(SETTLE_USES, "settle/uses")              \
	X(SETTLE_UNKNOWN, "settle/unknown")        \
	X(SETTLE_WRITTEN, "settle/written")        \
	/* calls that wait */                      \
	X(HOLD_TAKEN, "hold/taken")                \
	X(RELEASE_WRITTEN, "release/written")      \
	X(TICKET_ENTERED, "ticket/entered")        \
	X(TICKET_STARTED, "ticket/started")        \
	X(TICKET_ENDED, "ticket/ended")            \
	X(TICKET_PARKED, "ticket/parked")          \
	X(TICKET_TAKEN_UP, "ticket/taken_up")      \
	X(APPROVAL_ASKED, "approval/asked")        \
	X(APPROVAL_ATTACHED, "approval/attached")  \
	X(APPROVAL_MOVED, "approval/moved")        \
	X(APPROVAL_USED, "approval/used")          \
	X(VOTE_NOTED, "vote/noted")                \
	X(VOTE_WRITTEN, "vote/written")            \
	/* what people are told */                 \
	X(EVENT_WRITTEN, "event/written")          \
	X(MESSAGES_OPENED, "messages/opened")      \
	X(MESSAGES_OWED, "messages/owed")          \
	X(MESSAGE_TAKEN, "message/taken")          \
	X(MESSAGE_ENDING, "message/ending")        \
	X(MESSAGE_ENDED, "message/ended")          \
	X(OUTBOX_TAKEN, "outbox/taken")            \
	X(OUTBOX_SENT, "outbox/sent")              \
	X(OUTBOX_ENDED, "outbox/ended")            \
	X(MESSAGES_RECOVERED, "messages/recovered") \
	X(MESSAGES_AGAIN, "messages/again")        \
	X(CALLBACK_SEEN, "callback/seen")          \
	X(APPROVAL_FORGOTTEN, "approval/forgotten") \
	X(TOKEN_WRITTEN, "token/written")          \
	X(WAKE_SENDING, "wake/sending")            \
	X(WAKE_TAKEN, "wake/taken")                \
	/* what stops calls for a time */          \
	X(UNKNOWN_SETTLED, "unknown/settled")      \
	X(BRAKE_SET, "brake/set")                  \
	/* the shim's side of a call */            \
	X(FORWARD_ASKING, "forward/asking")        \
	X(FORWARD_TOLD, "forward/told")            \
	X(FORWARD_LAUNCHED, "forward/launched")    \
	X(FORWARD_PREREQ, "forward/prereq")        \
	X(FORWARD_LEAVING, "forward/leaving")      \
	X(FORWARD_LEFT, "forward/left")            \
	X(FORWARD_ANSWERED, "forward/answered")    \
	X(FORWARD_DONE, "forward/done")            \
	X(FINISH_ASKING, "finish/asking")          \
	X(FINISH_REFUSING, "finish/refusing")      \
	X(FINISH_RELEASING, "finish/releasing")    \
	X(FINISH_TOLD, "finish/told")              \
	X(REPLY_QUEUED, "reply/queued")            \
	X(REPLY_WRITTEN, "reply/written")          \
	X(SESSION_ENDING, "session/ending")  \
	/* aegisctl repair */                      \
	X(REPAIR_MADE, "repair/made")              \
	X(REPAIR_ASIDE, "repair/aside")            \
	X(REPAIR_PLACED, "repair/placed")

#ifdef AEGIS_FAILPOINTS
#define FAILPOINT_ENUM(id, name) FAILPOINT_##id,
enum failpoint { FAILPOINTS(FAILPOINT_ENUM) FAILPOINT_N };
#undef FAILPOINT_ENUM

/* True: the caller does as if what follows had failed. */
bool failpoint_reached(enum failpoint at);

#define FAILPOINT(id)       ((void)failpoint_reached(FAILPOINT_##id))
#define FAILPOINT_FAILS(id) failpoint_reached(FAILPOINT_##id)

int failpoint_patience(int ms);
#define PATIENCE(ms)        failpoint_patience(ms)
#else
#define FAILPOINT(id)       ((void)0)
#define FAILPOINT_FAILS(id) false
#define PATIENCE(ms)        (ms)
#endif
