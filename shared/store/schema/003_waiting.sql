-- Calls that wait: queue, approvals, and what stops calls for a time. A program that knows none of it would let calls past: it may
-- not write any more.
UPDATE meta SET min_writer = 3;

-- ---------------------------------------------------------------- queue (DESIGN.md sections 2 and 4)
CREATE TABLE queue (                     -- one row per backend that has a queue; its terms are those of whoever joined last: who finds
  backend TEXT PRIMARY KEY,              -- an owner dead draws the delay by them, without any config
  next_number INTEGER NOT NULL, concurrency INTEGER NOT NULL, delay_min_ms INTEGER NOT NULL, delay_max_ms INTEGER NOT NULL,
  took_ms INTEGER NOT NULL DEFAULT -1    -- how long operations took lately, the newest for a quarter: for the guess how long it will be; -1 = none yet
) STRICT, WITHOUT ROWID;
CREATE TABLE queue_slot (                -- `concurrency` rows per backend
  backend TEXT NOT NULL, slot INTEGER NOT NULL,
  ready_us INTEGER NOT NULL,             -- Aegis clock in us, so that no delay is shorter than it was drawn: earliest next start: the end of the last operation + the draw made then, once (0 at first)
  number INTEGER,                        -- the ticket that is FORWARDING here, since ready_us; NULL = free
  PRIMARY KEY (backend, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE ticket (
  backend TEXT NOT NULL, number INTEGER NOT NULL,
  call TEXT NOT NULL UNIQUE,             -- whose hold it has, too; a PARKED one that is taken up again gets the new call's id, as its hold does
  owner INTEGER NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL, args_hash BLOB NOT NULL,
  approval TEXT NOT NULL DEFAULT '',     -- which it carries; that one does not expire meanwhile
  keys TEXT NOT NULL,                    -- limit keys of its hold, joined by U+001E: who removes it knows no config
  -- OR instead of IN: see audit.kind (001). PARKED: the call was answered "queued"
  state TEXT NOT NULL CHECK (state = 'WAITING' OR state = 'PARKED' OR state = 'FORWARDING'),
  epoch INTEGER NOT NULL DEFAULT 1,      -- bumped when passed over; a commit naming an older epoch fails
  keep_ms INTEGER NOT NULL DEFAULT 0,    -- PARKED: so long after its turn has come do number and hold stay (keep_place),
  keep_until_tick INTEGER,               -- and until when; NULL: its turn has not come
  aside_until_tick INTEGER NOT NULL DEFAULT 0,   -- not eligible until then (its own limit is full): blocks nobody, keeps its number;
                                         -- 2^63-1: passed over, its owner was stopped; at the end when it joins again
  joined_tick INTEGER NOT NULL,
  PRIMARY KEY (backend, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_parked ON ticket(tenant, agent, backend, tool, args_hash) WHERE state = 'PARKED';   -- the same call repeated

-- ---------------------------------------------------------------- approvals (DESIGN.md section 5)
CREATE TABLE approval (
  id TEXT PRIMARY KEY,
  short TEXT NOT NULL UNIQUE,            -- what people read, APR-7F3K; never given twice, so that an old message cannot mean a new one
  state TEXT NOT NULL CHECK (state = 'PENDING' OR state = 'APPROVED' OR state = 'REJECTED' OR state = 'EXPIRED' OR
                              state = 'CANCELLED' OR state = 'CONSUMED'),
  tenant TEXT NOT NULL, agent TEXT NOT NULL, level INTEGER NOT NULL, uid INTEGER NOT NULL, client TEXT NOT NULL,
  backend TEXT NOT NULL, tool TEXT NOT NULL,
  args TEXT NOT NULL,                    -- canonical JSON: all of it, for what cannot be shown cannot be approved
  args_hash BLOB NOT NULL, tool_hash BLOB NOT NULL, fingerprint BLOB NOT NULL,
  rule TEXT NOT NULL, quorum INTEGER NOT NULL, is_auth_required INTEGER NOT NULL,
  created_at INTEGER NOT NULL, created_tick INTEGER NOT NULL,
  expires_tick INTEGER NOT NULL,         -- while PENDING: the asking ends; while APPROVED: redeeming ends
  redeem_ms INTEGER NOT NULL,            -- redeem_within, counted from the decision
  frozen_tick INTEGER,                   -- since then a brake covers it: expires_tick moves on by that time when the brake goes
  decided_at INTEGER, decided_tick INTEGER, decided_by TEXT NOT NULL DEFAULT '', decided_means TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  consumed_by TEXT NOT NULL DEFAULT '',  -- the call
  owed_until_tick INTEGER NOT NULL DEFAULT 0,    -- refused while nobody waited: until then the same call repeated is told, once, instead of asking anew
  keys TEXT NOT NULL                     -- limit keys of its hold (entries with call = this id, owner = -1)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX approval_live ON approval(tenant, agent, level, backend, tool, args_hash) WHERE state IN ('PENDING','APPROVED');
CREATE INDEX approval_asks ON approval(agent, created_tick);                            -- caps: asks per hour,
CREATE INDEX approval_pending ON approval(agent) WHERE state = 'PENDING';               -- pending,
CREATE INDEX approval_refused ON approval(agent, tool, decided_tick) WHERE state = 'REJECTED';          -- cool-down
CREATE INDEX approval_owed ON approval(agent, tool) WHERE owed_until_tick > 0;
CREATE INDEX approval_due ON approval(expires_tick) WHERE state IN ('PENDING','APPROVED');
CREATE TABLE approval_waiter (           -- calls attached: whom to wake
  approval TEXT NOT NULL, call TEXT NOT NULL, owner INTEGER NOT NULL, joined_tick INTEGER NOT NULL,
  PRIMARY KEY (approval, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_waiter_of ON approval_waiter(owner);
CREATE TABLE approval_vote (             -- late: came after the decision; kept as evidence
  approval TEXT NOT NULL, voter TEXT NOT NULL, verdict TEXT NOT NULL CHECK (verdict IN ('approve','reject')),
  means TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, is_late INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (approval, voter, is_late)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER approval_edge BEFORE UPDATE OF state ON approval
WHEN NOT ((OLD.state = 'PENDING'  AND NEW.state IN ('APPROVED','REJECTED','EXPIRED','CANCELLED'))
       OR (OLD.state = 'APPROVED' AND NEW.state IN ('CONSUMED','EXPIRED')) OR OLD.state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'approval: no such edge'); END;

-- ---------------------------------------------------------------- what stops calls for a time
CREATE TABLE brake (                     -- subject: '' with scope all
  scope TEXT NOT NULL CHECK (scope IN ('all','agent','backend','tool','room')), subject TEXT NOT NULL,
  by TEXT NOT NULL, reason TEXT NOT NULL, since_at INTEGER NOT NULL, since_tick INTEGER NOT NULL,
  PRIMARY KEY (scope, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE cooldown (                  -- the backend asked to be left alone (429, Retry-After)
  backend TEXT PRIMARY KEY, until_tick INTEGER NOT NULL, cause TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- calls under way
ALTER TABLE flight ADD COLUMN unknown_hold_ms INTEGER NOT NULL DEFAULT 600000;   -- on_unknown_hold: who finds its owner dead knows no config
