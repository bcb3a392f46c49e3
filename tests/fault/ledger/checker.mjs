// checker - judges a ledger: events in, violations out. Pure: it has no clock, starts nothing, asks nobody; what it says can be repeated offline.
//
// Events (JSON objects; `at` in ms of one monotonic clock that all who record share; `key` marks one call and stands in its arguments):
//   {what:'sent', at, key, shim, agent, tool, args}       a client has asked; the same key again is the same call repeated
//   {what:'answered', at, key, verdict, executed}         verdict: done | failed | refused | unknown | deferred;  executed: yes | no | unknown
//   {what:'arrived', at, key, tool, args, fails}          the backend has it; fails: it answered so that the call provably did not succeed
//   {what:'queued', at, key}                              the client was told that the call waits in the queue
//   {what:'cancelled' | 'parked', at, key}                its client does not wait any more
//   {what:'stopped' | 'killed', at, shim}
//   {what:'granted', at, asked_at, approval, args}        a person has approved exactly these arguments; asked_at: before the command ran
//   and what the state folder holds when all is over:
//   {what:'intent', call, key, seq}   {what:'outcome', call, verdict}
//   {what:'approval', id, state, args, consumed_by}       consumed_by: a call
//   {what:'left', table, owner}                           a hold, ticket, flight or session whose owner is dead
//   {what:'broken', text}                                 counts that do not agree with what they count
//
// Rules: {limits: [{tool, agent, window_ms, max_count}], queue: {tool}, approval: {tool}}; a limit without tool or agent counts all.

const by = (name) => (a, b) => a[name] - b[name];
const of = (events, what) => events.filter((e) => e.what === what);

function groups(events, name = 'key') {
  const map = new Map();
  for (const e of events) {
    if (!map.has(e[name])) map.set(e[name], []);
    map.get(e[name]).push(e);
  }
  return map;
}

const say = (rule, text, events = []) => ({ rule, text, events });
const show = (args) => JSON.stringify(args);

/**
 * No window of length W holds more than max_count calls that left and were not provably failed. When a call left is only known to lie between
 * its being sent and its arrival, so what is said here is certain: all of them left within less than W.
 */
export function limitViolations(events, { limits = [] }) {
  const sent = new Map();
  for (const e of of(events, 'sent')) sent.set(e.key, Math.min(sent.get(e.key)?.at ?? Infinity, e.at) === e.at ? e : sent.get(e.key));
  return limits.flatMap((limit) => {
    const calls = of(events, 'arrived')
      .filter((a) => !a.fails && sent.has(a.key) && (!limit.tool || a.tool === limit.tool) && (!limit.agent || sent.get(a.key).agent === limit.agent))
      .map((a) => ({ from: sent.get(a.key).at, to: a.at, event: a }));
    const crowd = fullest(calls, limit);
    return crowd ? [say('limit', `${crowd.length} calls of ${limit.tool ?? 'all'} within ${(crowd.at(-1).to - Math.min(...crowd.map((c) => c.from))).toFixed(1)} ms, `
      + `${limit.max_count} are allowed in ${limit.window_ms}`, crowd.map((c) => c.event))] : [];
  });
}

/** max_count + 1 calls that certainly left within less than the window, or null. */
function fullest(calls, { window_ms, max_count }) {
  const arrivals = [...calls].sort(by('to'));
  let start = 0;
  for (const { from } of [...calls].sort(by('from'))) {
    const crowd = [];
    while (arrivals[start].to < from) start++;
    for (let i = start; i < arrivals.length; i++) {
      const c = arrivals[i];
      if (c.from < from) continue;
      if (c.to - from >= window_ms) break;
      crowd.push(c);
      if (crowd.length > max_count) return crowd;
    }
  }
  return null;
}

/** A request has its effect at most once, none comes from nowhere, and "not executed" is true. */
export function effectViolations(events) {
  const sent = groups(of(events, 'sent'));
  const answers = groups(of(events, 'answered'));
  return [...groups(of(events, 'arrived'))].flatMap(([key, arrivals]) => {
    const effects = arrivals.filter((a) => !a.fails).length;
    const asked = sent.get(key)?.length ?? 0;
    const denied = (answers.get(key) ?? []).filter((a) => a.executed === 'no').length;
    if (asked === 0) return [say('effect', `${key} arrived and nobody had sent it`, arrivals)];
    if (arrivals.length > asked) return [say('effect', `${key} was sent ${asked} times and arrived ${arrivals.length} times`, arrivals)];
    if (effects > asked - denied) return [say('lie', `${key}: "not executed" was said ${denied} times of ${asked}, and it arrived ${effects} times`, arrivals)];
    return [];
  });
}

/** Every arrival has its intent, every intent its outcome, and none says "not sent" of what arrived. */
export function evidenceViolations(events) {
  const intents = of(events, 'intent');
  const outcomes = groups(of(events, 'outcome'), 'call');
  const ofKey = groups(intents);
  const found = [];
  for (const [key, arrivals] of groups(of(events, 'arrived'))) {
    const rows = ofKey.get(key) ?? [];
    if (rows.length < arrivals.length) found.push(say('intent', `${key} arrived ${arrivals.length} times, ${rows.length} intents are on record`, arrivals));
    const left = rows.filter((row) => !(outcomes.get(row.call) ?? []).some((o) => o.verdict === 'not_sent'));
    if (rows.length >= arrivals.length && left.length < arrivals.length)
      found.push(say('intent', `${key} arrived ${arrivals.length} times, and of ${rows.length - left.length} of ${rows.length} intents it is said that nothing was sent`, arrivals));
  }
  for (const row of intents) {
    const n = outcomes.get(row.call)?.length ?? 0;
    if (n === 0) found.push(say('outcome', `call ${row.call} (${row.key}) has an intent and no outcome`, [row]));
  }
  for (const a of of(events, 'answered')) {
    if (a.verdict !== 'done' && a.verdict !== 'failed') continue;
    const has = (ofKey.get(a.key) ?? []).some((row) => outcomes.has(row.call));
    if (!has) found.push(say('outcome', `${a.key} was answered and has no outcome`, [a]));
  }
  return found;
}

/**
 * Who was told that it waits before another was even sent starts before that other, unless it went away, was deferred, or its process stood
 * still. With one operation at a time the order of arrivals is the order of starts.
 */
export function orderViolations(events, { queue }) {
  if (!queue) return [];
  const exempt = exemptKeys(events);
  const sent = groups(of(events, 'sent'));
  const arrived = new Map(of(events, 'arrived').filter((a) => a.tool === queue.tool).map((a) => [a.key, a]));
  const calls = of(events, 'queued').sort(by('at')).filter((q) => arrived.has(q.key) && !exempt.has(q.key) && sent.get(q.key)?.length === 1);
  const later = [...arrived.values()].filter((a) => sent.get(a.key)?.length === 1).map((a) => ({ sent: sent.get(a.key)[0], arrived: a })).sort((a, b) => a.arrived.at - b.arrived.at);
  let start = 0;
  const found = [];
  const told = new Set();
  for (const q of calls) {
    if (told.has(q.key)) continue;      // only when it was told first
    told.add(q.key);
    while (start < later.length && later[start].arrived.at <= q.at) start++;
    for (let i = start; i < later.length && later[i].arrived.at < arrived.get(q.key).at; i++) {
      const other = later[i];
      if (other.sent.at > q.at) found.push(say('order', `${q.key} waited when ${other.arrived.key} was sent, and that one started first`, [q, other.sent, other.arrived, arrived.get(q.key)]));
    }
  }
  return found;
}

/** Calls whose order is promised to nobody: their client went away, they were parked, or their process stood still while they waited. */
function exemptKeys(events) {
  const gone = new Set([...of(events, 'cancelled'), ...of(events, 'parked'), ...of(events, 'answered').filter((a) => a.verdict === 'deferred')].map((e) => e.key));
  const still = groups([...of(events, 'stopped'), ...of(events, 'killed')], 'shim');
  for (const s of of(events, 'sent')) if ((still.get(s.shim) ?? []).some((e) => e.at >= s.at)) gone.add(s.key);
  return gone;
}

/** Commits of the queue's calls go in the order of their tickets, among those that did not stand aside. */
export function ticketViolations(events, { queue }) {
  if (!queue) return [];
  const exempt = exemptKeys(events);
  const rows = of(events, 'intent').filter((i) => i.ticket > 0 && !exempt.has(i.key)).sort(by('seq'));
  const found = [];
  for (let i = 1; i < rows.length; i++)
    if (rows[i].ticket < rows[i - 1].ticket)
      found.push(say('order', `ticket ${rows[i].ticket} (${rows[i].key}) started after ticket ${rows[i - 1].ticket} (${rows[i - 1].key})`, [rows[i - 1], rows[i]]));
  return found;
}

/** Each approval is used at most once, for its own arguments, after it was given; nothing that needs one runs without. */
export function approvalViolations(events, { approval }) {
  if (!approval) return [];
  const found = [];
  const grants = groups(of(events, 'granted').map((g) => ({ ...g, shown: show(g.args) })), 'shown');
  const arrivals = of(events, 'arrived').filter((a) => a.tool === approval.tool).sort(by('at'));
  for (const [shown, same] of groups(arrivals.map((a) => ({ ...a, shown: show(a.args) })), 'shown')) {
    const given = (grants.get(shown) ?? []).map((g) => g.asked_at).sort((a, b) => a - b);
    same.forEach((a, n) => {
      if (!(given[n] <= a.at)) found.push(say('approval', `${a.key} arrived as number ${n + 1} with ${shown}, ${given.filter((at) => at <= a.at).length} approvals had been given`, [a]));
    });
  }
  const intents = new Map(of(events, 'intent').map((i) => [i.call, i]));
  const sent = groups(of(events, 'sent'));
  const users = new Map();
  for (const row of of(events, 'approval')) {
    if ((row.state === 'CONSUMED') !== Boolean(row.consumed_by)) found.push(say('approval', `${row.id} is ${row.state}, used by "${row.consumed_by}"`, [row]));
    if (!row.consumed_by) continue;
    if (users.has(row.consumed_by)) found.push(say('approval', `call ${row.consumed_by} has used ${row.id} and ${users.get(row.consumed_by)}`, [row]));
    users.set(row.consumed_by, row.id);
    const intent = intents.get(row.consumed_by);
    const args = sent.get(intent?.key)?.[0].args;
    if (!intent) found.push(say('approval', `${row.id} was used by ${row.consumed_by}, which has no intent`, [row]));
    else if (show(args) !== show(row.args)) found.push(say('approval', `${row.id} for ${show(row.args)} was used for ${show(args)}`, [row, intent]));
  }
  return found;
}

/** The dead leave nothing, and what is kept agrees with itself. */
export function leftoverViolations(events) {
  return [...of(events, 'left').map((e) => say('left', `${e.table} of the dead process ${e.owner} is still there`, [e])), ...of(events, 'broken').map((e) => say('state', e.text, [e]))];
}

const rulesOf = [limitViolations, effectViolations, evidenceViolations, orderViolations, ticketViolations, approvalViolations, leftoverViolations];

/** All violations: [{rule, text, events}]; none: the promises held. */
export function check(events, rules) {
  return rulesOf.flatMap((judge) => judge(events, rules));
}
