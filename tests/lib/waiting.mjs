// waiting - calls that wait for a person or their turn: what decides them, what their client sees.
import assert from 'node:assert/strict';
import { until } from './until.mjs';

async function ctlJson(place, args) {
  const { code, stdout, stderr } = await place.ctl([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

export const approvals = (place) => ctlJson(place, ['approvals', 'list']);

/** The undecided approvals, once there are n. */
export async function pending(place, n = 1) {
  return until(async () => {
    const all = (await approvals(place)).filter((one) => one.state === 'PENDING');
    return all.length >= n && all;
  }, { what: `${n} pending approvals`, every: 50 });
}

export async function approve(place, id) {
  const { code, stderr } = await place.ctl(['approvals', 'approve', id]);
  assert.equal(code, 0, stderr);
}

export async function reject(place, id, reason = 'not today') {
  const { code, stderr } = await place.ctl(['approvals', 'reject', id, '--reason', reason]);
  assert.equal(code, 0, stderr);
}

/** The answer to a call that waits longer than its client does: a tool result that says so; returns its _meta. */
export function assertDeferred(answer, status) {
  const { result } = answer;
  assert.ok(result, `expected a deferral, got ${answer.line?.slice(0, 500)}`);
  assert.equal(result.isError, true, answer.line);
  assert.equal('structuredContent' in result, false, answer.line);
  assert.equal(result._meta?.['aegis/status'], status, answer.line);
  assert.equal(result.content.length, 1);
  assert.match(result.content[0].text, /the call has NOT been executed/i);
  assert.match(result.content[0].text, /repeat exactly the same call/);
  return result._meta;
}

/** The progress notifications a raw client has got under a token, in order: their params. */
export const progressOf = (shim, token) =>
  shim.messages.filter((m) => m.method === 'notifications/progress' && m.params.progressToken === token).map((m) => m.params);

/** At least n of them. */
export const progress = (shim, token, n = 1) =>
  until(() => {
    const seen = progressOf(shim, token);
    return seen.length >= n && seen;
  }, { what: `${n} progress notifications under ${JSON.stringify(token)}` });

export function assertRising(seen) {
  for (let i = 1; i < seen.length; i++) {
    assert.ok(seen[i].progress > seen[i - 1].progress, `${seen.map((one) => one.progress).join(', ')}`);
  }
}

export const withToken = (progressToken) => ({ params: { _meta: { progressToken } } });
