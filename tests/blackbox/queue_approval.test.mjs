// A call that needs a person's word and then its turn: the ticket is drawn once it is approved, and carries the approval.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { assertSaid, CODE, assertRefused } from '../lib/check.mjs';
import { HANG_MS, suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const queue = (keys) => `queue: { demo: { enabled: true, bypass_tools: [echo], ${keys} } }\n`;
const bound = { message: 'hello' };

const tickets = (place) => place.query('SELECT number, state, approval FROM ticket ORDER BY number');

/** Repeats a call whose client gives up early until it is more than asked for; whoever is asked says yes. */
async function approved(shim, person, args) {
  for (;;) {
    const answer = await shim.call('publish', args);
    if (answer.result?._meta?.['aegis/status'] !== 'require_approval') return answer;
    for (const a of await person.list()) if (a.state === 'PENDING') await person.decide('approve', a.short);
  }
}

describe('approval and queue', suite, () => {
  test('the ticket is drawn when the person has approved, not before; both are used once', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t, { more: queue('delay_min: 0s, delay_max: 0s') });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    assert.deepEqual(await tickets(place), []);
    await person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
    assert.deepEqual(await tickets(place), []);
    const [used] = await person.list('--all');
    assert.equal(used.state, 'CONSUMED');
    const intent = (await place.storedRows()).find((r) => r.kind === 'intent');
    assert.equal(intent.body.approval, asked.id);
    assert.equal(intent.body.queue_position, 1);
  });

  test('an approval does not run out while its call stands in the queue; deferred there, it is redeemed once by the same call', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t, {
      mode: 'auto', approval: 'redeem_within: 5s', agent: 'hold_max: 1s', more: queue('delay_min: 14s, delay_max: 14s'),
    });
    const shim = await open();
    assertSaid(await approved(shim, person, { message: 'first' }), 'first');
    const { result } = await approved(shim, person, bound);
    assert.equal(result._meta['aegis/status'], 'queued', JSON.stringify(result));
    const asked = (await person.list()).find((a) => a.state === 'APPROVED');
    assert.deepEqual((await tickets(place)).map((r) => [r.state, r.approval]), [['PARKED', asked.id]]);
    let answer;
    await until(async () => {
      answer = await shim.call('publish', bound);
      assert.equal(answer.error, undefined, answer.line);
      return answer.result.isError === undefined;
    }, { what: 'its turn', every: 100, within: 2 * HANG_MS });
    assertSaid(answer, 'hello');
    assert.equal(backend.callsOf('publish').length, 2);
    const all = await person.list('--all');
    assert.deepEqual(all.map((a) => a.state), ['CONSUMED', 'CONSUMED'], 'nobody was asked again');
    assert.deepEqual(await tickets(place), []);
  });

  test('once a deferred call has lost its place, its approval runs out too: the call is asked for anew', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t, {
      mode: 'auto', approval: 'redeem_within: 6s', agent: 'hold_max: 1s', more: queue('delay_min: 10s, delay_max: 10s, keep_place: 1s'),
    });
    const shim = await open();
    assertSaid(await approved(shim, person, { message: 'first' }), 'first');
    const deferred = await approved(shim, person, bound);
    assert.equal(deferred.result._meta['aegis/status'], 'queued', JSON.stringify(deferred.result));
    const from = Date.now(), asked = (await person.list()).find((a) => a.state === 'APPROVED');
    await until(async () => {
      const [row] = JSON.parse((await place.ctl(['queue', '--json'])).stdout);
      return !row || row.keep_ms === 0;
    }, { what: 'its place is over', every: 50 });
    await until(() => Date.now() - from > 6500, { what: 'redeem_within is over' });
    const { result } = await shim.call('publish', bound);
    assert.equal(result._meta['aegis/status'], 'require_approval', JSON.stringify(result));
    const again = await person.asked();
    assert.notEqual(again.id, asked.id);
    assert.equal(backend.callsOf('publish').length, 1);
    assert.deepEqual(await tickets(place), []);
  });

  test('who cancels in the queue gives up its turn; the approval lives on for the same call', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t, { more: queue('delay_min: 30s, delay_max: 30s') });
    const shim = await open();
    const first = shim.call('publish', { message: 'first' });
    await person.decide('approve', (await person.asked()).short);
    assertSaid(await first, 'first');
    shim.call('publish', bound, { id: 'c' }).catch(() => {});
    const asked = await person.asked();
    await person.decide('approve', asked.short);
    await until(async () => (await tickets(place)).length === 1, { what: 'its ticket' });
    await shim.notify('notifications/cancelled', { requestId: 'c' });
    await until(async () => (await tickets(place)).length === 0, { what: 'its ticket gone' });
    const [live] = await person.list();
    assert.deepEqual([live.id, live.state], [asked.id, 'APPROVED']);
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('a full queue refuses an approved call and leaves it its approval', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t, { more: queue('delay_min: 30s, delay_max: 30s, max_pending: 1') });
    const shim = await open();
    const first = shim.call('publish', { message: 'first' });
    await person.decide('approve', (await person.asked()).short);
    assertSaid(await first, 'first');
    shim.call('erase', {}).catch(() => {});
    await person.decide('approve', (await person.asked()).short);
    await until(async () => (await tickets(place)).length === 1, { what: 'a full queue' });
    const answer = shim.call('publish', bound);
    await person.decide('approve', (await person.asked()).short);
    assertRefused(await answer, CODE.queue, { reason: 'queue_full' });
    const live = await person.list();
    assert.ok(live.some((a) => a.tool === 'publish' && a.state === 'APPROVED'), JSON.stringify(live));
    assert.equal(backend.callsOf('publish').length, 1);
  });
});
