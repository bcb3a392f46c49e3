-- What people are told, and who may ask. A program that knows none of it would ask people without telling them: it may not write any more.
UPDATE meta SET min_writer = 4;

-- ---------------------------------------------------------------- what became of an approval, in order
CREATE TABLE approval_event (            -- written in the same operation as what it tells
  seq INTEGER PRIMARY KEY,               -- previous + 1 under the gate; the newest row is never purged, so a number is never given twice
  approval TEXT NOT NULL,
  what TEXT NOT NULL CHECK (what IN ('asked','voted','decided','expired','cancelled','executed')),
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX approval_event_of ON approval_event(approval, seq);
ALTER TABLE approval ADD COLUMN outcome TEXT NOT NULL DEFAULT '';     -- of the call that used it: '' (open, or none) | ok | failed | unknown | not_run
ALTER TABLE approval ADD COLUMN executed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX approval_untold ON approval(decided_at) WHERE state = 'CONSUMED' AND outcome = '';      -- whose call may never end
CREATE INDEX approval_before ON approval(backend, tool, created_tick);  -- the previous call of that tool
-- Which used approval a call runs under, '' = none: whoever writes down how it ended writes it there too. Also of one that goes once more,
-- or goes on, under an approval that an earlier flight used.
ALTER TABLE flight ADD COLUMN approval TEXT NOT NULL DEFAULT '';
ALTER TABLE unknown ADD COLUMN approval TEXT NOT NULL DEFAULT '';
UPDATE flight SET approval = ifnull((SELECT id FROM approval WHERE consumed_by = flight.call), '');
UPDATE unknown SET approval = ifnull((SELECT id FROM approval WHERE consumed_by = unknown.call), '');
-- Those that live were asked before anybody could be told: people who look find them, and the next call that attaches has them told.
INSERT INTO approval_event (approval, what, at)
  SELECT id, 'asked', created_at FROM approval WHERE state IN ('PENDING','APPROVED') ORDER BY id;

-- ---------------------------------------------------------------- outbox: one row per approval and channel, a copy that people see
CREATE TABLE message (
  approval TEXT NOT NULL, channel TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('DUE','SENDING','SENT','DROPPED','DEAD')),
  -- DUE: there is an event it does not tell yet, or it must be sent again. SENDING: an attempt is under way (after the broker's death
  -- nobody knows how it ended). SENT: tells all. DROPPED: was over before anybody was told. DEAD: given up.
  told_seq INTEGER NOT NULL DEFAULT 0,   -- the newest event it tells
  due_tick INTEGER NOT NULL,
  owed_tick INTEGER NOT NULL,            -- since then it has something to tell that it does not
  attempts INTEGER NOT NULL DEFAULT 0,   -- since it told something last
  tries INTEGER NOT NULL DEFAULT 0,      -- in all: numbers message_attempt
  is_maybe_out INTEGER NOT NULL DEFAULT 0,   -- an attempt may have arrived although nobody heard so
  ref TEXT NOT NULL DEFAULT '',          -- the channel's own name of the copy (Slack: channel:ts, Feishu: message_id); '' = none
  last_error TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL, sent_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (approval, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_due ON message(due_tick) WHERE state = 'DUE';
CREATE INDEX message_open ON message(state, approval) WHERE state IN ('SENDING','DEAD');
CREATE TABLE message_attempt (           -- every attempt, as it began and ended
  approval TEXT NOT NULL, channel TEXT NOT NULL, n INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,            -- up to which event it was to tell
  at INTEGER NOT NULL, took_ms INTEGER NOT NULL DEFAULT -1,   -- -1: not ended, or nobody knows
  result TEXT NOT NULL DEFAULT '',       -- '' | ok | retry | dead | dropped
  said TEXT NOT NULL DEFAULT '',         -- a sentence, without secrets
  PRIMARY KEY (approval, channel, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen_callback (             -- replay dedupe: Slack action_ts + user, Feishu event id
  channel TEXT NOT NULL, ref TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (channel, ref)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- who may ask over TCP
CREATE TABLE token (                     -- the secret itself is shown once and never stored
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('api','agent','room','login')),
  name TEXT NOT NULL,                    -- what people call it; unique among those of its kind that are not revoked
  role TEXT NOT NULL,                    -- api: viewer | operator | approver | superuser
  person TEXT NOT NULL DEFAULT '',       -- whom it speaks for, of `people:`; '' = nobody by name
  agent TEXT NOT NULL DEFAULT '', room TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL, created_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL DEFAULT 0, -- 0 = never
  revoked_at INTEGER NOT NULL DEFAULT 0, last_used_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX token_name ON token(kind, name) WHERE revoked_at = 0;
