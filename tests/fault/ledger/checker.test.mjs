// The checker itself: a sound ledger passes, and each rule is found broken in a ledger forged to break it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check } from './checker.mjs';

const rules = { limits: [{ tool: 'limited', window_ms: 1000, max_count: 2 }], queue: { tool: 'queued' }, approval: { tool: 'asked' } };

/** A call that went well: sent, arrived, answered, on record. */
function call(key, at, { tool = 'echo', took = 5, args = { key }, shim = 's1', agent = 'one', seq = at, fails = false, ...intent } = {}) {
  return [
    { what: 'sent', at, key, shim, agent, tool, args },
    { what: 'arrived', at: at + took, key, tool, args, fails },
    { what: 'answered', at: at + took + 1, key, verdict: fails ? 'failed' : 'done', executed: 'yes' },
    { what: 'intent', call: `call-${key}`, key, seq, ...intent },
    { what: 'outcome', call: `call-${key}`, verdict: fails ? 'failed' : 'succeeded' },
  ];
}

const sound = () => [
  ...call('a', 0, { tool: 'limited' }), ...call('b', 10, { tool: 'limited' }), ...call('c', 1006, { tool: 'limited' }),
  ...call('q1', 20, { tool: 'queued', took: 100, ticket: 1 }), { what: 'queued', at: 25, key: 'q1' },
  ...call('q2', 30, { tool: 'queued', took: 200, ticket: 2 }),
  { what: 'granted', asked_at: 50, at: 60, approval: 'APR-1', args: { key: 'p' } },
  ...call('p', 40, { tool: 'asked', took: 30 }),
  { what: 'approval', id: 'APR-1', state: 'CONSUMED', args: { key: 'p' }, consumed_by: 'call-p' },
];

const without = (events, fits) => events.filter((e) => !fits(e));
const changed = (events, fits, change) => events.map((e) => (fits(e) ? { ...e, ...change } : e));
const is = (what, key) => (e) => e.what === what && e.key === key;

describe('the checker', () => {
  test('finds nothing in a sound ledger', () => {
    assert.deepEqual(check(sound(), rules), []);
    assert.deepEqual(check([], rules), []);
    assert.deepEqual(check(sound(), {}), []);
  });

  const forged = {
    'one call too many in a window': ['limit', [...sound(), ...call('d', 500, { tool: 'limited' })]],
    'one too many across the middle of two windows': ['limit', changed(sound(), (e) => e.key === 'c' && e.what === 'arrived', { at: 990 })],
    'a call answered with "unknown" counts': ['limit', [...sound(), ...changed(call('d', 500, { tool: 'limited' }), (e) => e.what === 'answered', { verdict: 'unknown', executed: 'unknown' })]],
    'two arrivals of one request': ['effect', [...sound(), { what: 'arrived', at: 90, key: 'a', tool: 'echo', args: { key: 'a' } }, { what: 'intent', call: 'x', key: 'a', seq: 9 }, { what: 'outcome', call: 'x', verdict: 'succeeded' }]],
    'an arrival nobody sent': ['effect', without(sound(), is('sent', 'a'))],
    '"not executed" of what arrived': ['lie', changed(sound(), is('answered', 'a'), { verdict: 'refused', executed: 'no' })],
    'an arrival without intent': ['intent', without(sound(), (e) => e.call === 'call-a')],
    'an outcome that says not sent of what arrived': ['intent', changed(sound(), (e) => e.what === 'outcome' && e.call === 'call-a', { verdict: 'not_sent' })],
    'an intent without outcome': ['outcome', without(sound(), (e) => e.what === 'outcome' && e.call === 'call-b')],
    'an answer without any record': ['outcome', without(sound(), (e) => e.call === 'call-b' || is('arrived', 'b')(e))],
    'a later call that starts first': ['order', changed(sound(), is('arrived', 'q2'), { at: 100 })],
    'tickets that start out of order': ['order', changed(sound(), is('intent', 'q2'), { seq: 3 })],
    'a call without approval': ['approval', without(sound(), (e) => e.what === 'granted')],
    'a call before its approval': ['approval', changed(sound(), (e) => e.what === 'granted', { asked_at: 71 })],
    'an approval for other arguments': ['approval', changed(sound(), (e) => e.what === 'granted', { args: { key: 'other' } })],
    'an approval used for other arguments': ['approval', changed(sound(), (e) => e.what === 'approval', { args: { key: 'other' } })],
    'an approval used twice': ['approval', [...sound(), ...call('p', 80, { tool: 'asked', took: 30 })]],
    'two approvals used by one call': ['approval', [...sound(), { what: 'approval', id: 'APR-2', state: 'CONSUMED', args: { key: 'p' }, consumed_by: 'call-p' }]],
    'an approval used by nobody': ['approval', changed(sound(), (e) => e.what === 'approval', { consumed_by: '' })],
    'an approval used by a call that never committed': ['approval', changed(sound(), (e) => e.what === 'approval', { consumed_by: 'call-none' })],
    'a hold of the dead': ['left', [...sound(), { what: 'left', table: 'limit_entry', owner: 7 }]],
    'a count that is wrong': ['state', [...sound(), { what: 'broken', text: 'a window' }]],
  };
  for (const [what, [rule, events]] of Object.entries(forged)) {
    test(`finds ${what}`, () => assert.ok(check(events, rules).some((v) => v.rule === rule), JSON.stringify(check(events, rules))));
  }

  const allowed = {
    'a call that provably failed gives its place back': [...sound(), ...call('d', 500, { tool: 'limited', fails: true })],
    'a call that may have left long before it arrived': [...without(sound(), (e) => e.key === 'b'), ...call('d', 500, { tool: 'limited' }), ...call('b', -600, { tool: 'limited', took: 1100 })],
    'a limit of another agent': [...sound(), ...call('d', 500, { tool: 'other', agent: 'two' })],
    'who was stopped loses its turn': [...changed(sound(), is('arrived', 'q2'), { at: 100 }), { what: 'stopped', at: 40, shim: 's1' }],
    'who was deferred is in no order': [...changed(changed(sound(), is('arrived', 'q2'), { at: 100 }), is('intent', 'q2'), { seq: 3 }), { what: 'parked', at: 40, key: 'q1' }, { what: 'parked', at: 40, key: 'q2' }],
    'a call repeated after a refusal': [{ what: 'sent', at: -9, key: 'a', shim: 's1', agent: 'one', tool: 'limited', args: { key: 'a' } }, { what: 'answered', at: -8, key: 'a', verdict: 'refused', executed: 'no' }, ...without(sound(), (e) => e.key === 'c' || e.key === 'b')],
    'two approvals for two calls with the same arguments': [...sound(), { what: 'granted', asked_at: 75, at: 76, approval: 'APR-2', args: { key: 'p' } }, ...call('p', 80, { tool: 'asked', took: 30 })],
  };
  for (const [what, events] of Object.entries(allowed)) {
    test(`allows: ${what}`, () => assert.deepEqual(check(events, rules), []));
  }
});
