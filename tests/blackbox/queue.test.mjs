// The queue of a backend, among real shims: who starts when, and who does not at all.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { queueRules, startLine } from '../lib/queue.mjs';
import { suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

const QUICK = 'delay_min: 0s, delay_max: 0s';

describe('queue', suite, () => {
  test('calls of several processes reach the backend one after another, in the order of their coming', async (t) => {
    const line = await startLine(t);
    line.hold();
    const shims = await Promise.all(['one', 'two', 'one', 'two'].map((agent) => line.open(agent)));
    const calls = [];
    for (let n = 0; n < 12; n++) calls.push(await line.join(shims[n % 4], { n }));
    for (let n = 0; n < 12; n++) {
      await until(() => line.held.length === 1, { what: `call ${n} with the backend` });
      assert.equal(line.order.length, n + 1);
      line.release();
      assertSaid(await calls[n].answer, 'done');
    }
    assert.deepEqual(line.order, [...Array(12).keys()]);
    assert.equal(await line.count(), 0);
  });

  test('the first call has no delay, the next one has, and it is not shorter than delay_min', async (t) => {
    const line = await startLine(t, 'delay_min: 700ms, delay_max: 900ms');
    const shim = await line.open();
    const from = performance.now();
    assertSaid(await shim.call('publish', { n: 0 }), 'done');
    const answered = performance.now();
    assertSaid(await shim.call('publish', { n: 1 }), 'done');
    const [first, second] = line.backend.callsOf('publish');
    assert.ok(second.at - first.at >= 700, `${second.at - first.at} ms`);
    assert.ok(answered - from < 20_000);
  });

  test('a call that ran is on record with its position and its wait', async (t) => {
    const line = await startLine(t);
    line.hold();
    const shim = await line.open();
    const first = await line.join(shim, { n: 0 });
    await until(() => line.held.length === 1, { what: 'the first' });
    const second = await line.join(shim, { n: 1 });
    line.releaseAll();
    assertSaid(await first.answer, 'done');
    assertSaid(await second.answer, 'done');
    const intents = (await line.place.storedRows()).filter((r) => r.kind === 'intent');
    assert.deepEqual(intents.map((r) => r.body.queue_position), [1, 1]);
    assert.ok(intents.every((r) => Number.isInteger(r.body.queue_wait_ms)));
  });

  test('tools that bypass the queue do not wait', async (t) => {
    const line = await startLine(t, `${QUICK}, bypass_tools: ["list_*"]`);
    const shim = await line.open();
    line.hold();
    const call = await line.join(shim, { n: 0 });
    await until(() => line.held.length === 1, { what: 'the first' });
    line.isHolding = false;
    assertSaid(await shim.call('list_posts', {}), 'done');
    line.releaseAll();
    assertSaid(await call.answer, 'done');
  });

  test('concurrency 2 lets two run at once and no third', async (t) => {
    const line = await startLine(t, `${QUICK}, concurrency: 2`);
    line.hold();
    const shims = [await line.open('one'), await line.open('two')];
    const calls = [];
    for (let n = 0; n < 5; n++) calls.push(await line.join(shims[n % 2], { n }));
    for (let n = 0; n < 5; n++) {
      await until(() => line.held.length === Math.min(2, 5 - n), { what: 'two with the backend' });
      line.release();
    }
    await Promise.all(calls.map((c) => c.answer));
    assert.deepEqual(line.order, [0, 1, 2, 3, 4]);
  });

  test('a full queue refuses with position and time, and executes nothing', async (t) => {
    const line = await startLine(t, 'delay_min: 60s, delay_max: 60s, max_pending: 2');
    const shim = await line.open();
    assertSaid(await shim.call('publish', { n: 0 }), 'done');
    await line.join(shim, { n: 1 });
    await line.join(shim, { n: 2 });
    const error = assertRefused(await shim.call('publish', { n: 3 }), CODE.queue, { reason: 'queue_full' });
    assert.match(error.message, /2 calls wait.*position 3.*min/);
    assert.ok(error.data.retry_after_ms > 0 && error.data.retry_after_ms <= 60_000, JSON.stringify(error.data));
    assert.deepEqual(line.order, [0]);
  });

  test('who has waited max_wait is refused with its position and time, and its place is gone', async (t) => {
    const line = await startLine(t, 'delay_min: 60s, delay_max: 60s, max_wait: 1s');
    const shim = await line.open();
    assertSaid(await shim.call('publish', { n: 0 }), 'done');
    const error = assertRefused(await shim.call('publish', { n: 1 }), CODE.queue, { reason: 'queue_wait' });
    assert.match(error.message, /position 1.*(s|min)/);
    assert.ok(error.data.retry_after_ms > 0);
    assert.equal(error.data.executed, 'no');
    assert.equal(await line.count(), 0);
    assert.deepEqual(line.order, [0]);
  });

  test('a cancelled call is never forwarded; its ticket and its hold go at once', async (t) => {
    const line = await startLine(t, QUICK, { grant: 'rate_limits: { publish: {window: 1h, max_count: 5} }' });
    line.hold();
    const shim = await line.open();
    const first = await line.join(shim, { n: 0 });
    const second = await line.join(shim, { n: 1 }, { id: 'c' });
    const third = await line.join(shim, { n: 2 });
    await shim.notify('notifications/cancelled', { requestId: 'c', reason: 'no longer' });
    await until(async () => (await line.count()) === 2, { what: 'its ticket gone' });
    assert.equal(await line.heldPlaces(), 1);
    line.releaseAll();
    assertSaid(await first.answer, 'done');
    assertSaid(await third.answer, 'done');
    assert.deepEqual(line.order, [0, 2]);
    void second;
    const refused = (await line.place.storedRows()).filter((r) => r.kind === 'refused');
    assert.equal(refused.length, 1);
  });

  test('a client that goes away while its call waits leaves nothing behind', async (t) => {
    const line = await startLine(t);
    line.hold();
    const [stays, goes] = [await line.open('one'), await line.open('two')];
    const first = await line.join(stays, { n: 0 });
    await line.join(goes, { n: 1 });
    const third = await line.join(stays, { n: 2 });
    await goes.end();
    await until(async () => (await line.count()) === 2, { what: 'its ticket gone' });
    line.releaseAll();
    assertSaid(await first.answer, 'done');
    assertSaid(await third.answer, 'done');
    assert.deepEqual(line.order, [0, 2]);
  });

  test('the next goes on when the process with the backend is killed, and when one that waits is', async (t) => {
    const line = await startLine(t);
    line.hold();
    const [holds, waits, goesOn] = [await line.open('one'), await line.open('two'), await line.open('one')];
    await line.join(holds, { n: 0 });
    await line.join(waits, { n: 1 });
    const last = await line.join(goesOn, { n: 2 });
    await until(() => line.held.length === 1, { what: 'the first with the backend' });
    waits.kill('SIGKILL');
    holds.kill('SIGKILL');
    await until(() => line.order.length === 2, { what: 'the last with the backend' });
    line.releaseAll();
    assertSaid(await last.answer, 'done');
    assert.deepEqual(line.order, [0, 2]);
    const unknown = await line.place.query('SELECT call FROM unknown');
    assert.equal(unknown.length, 1);
  });

  test('a stopped process is passed over after stall_timeout and stands at the end when it goes on', async (t) => {
    const line = await startLine(t, `${QUICK}, stall_timeout: 3s`);
    line.hold();
    const [runs, stops, goesOn] = [await line.open('one'), await line.open('two'), await line.open('one')];
    const first = await line.join(runs, { n: 0 });
    const stopped = await line.join(stops, { n: 1 });
    const third = await line.join(goesOn, { n: 2 });
    const fourth = await line.join(runs, { n: 3 });
    await until(() => line.held.length === 1, { what: 'the first with the backend' });
    stops.kill('SIGSTOP');
    line.release();
    assertSaid(await first.answer, 'done');
    await until(() => line.order.length === 2, { what: 'the third with the backend' });
    assert.deepEqual(line.order, [0, 2]);
    stops.kill('SIGCONT');
    const numbers = async () => (await line.place.query("SELECT number FROM ticket WHERE state = 'WAITING' ORDER BY number")).map((r) => r.number);
    await until(async () => (await numbers()).includes(5), { what: 'it stands at the end' });
    line.releaseAll();
    for (const call of [third, fourth, stopped]) assertSaid(await settled(call.answer, 'an answer'), 'done');
    assert.deepEqual(line.order, [0, 2, 3, 1]);
  });

  test('a call that must wait longer than its client does is deferred; repeated, it has its place, and runs once', async (t) => {
    const line = await startLine(t, 'delay_min: 6s, delay_max: 6s', { agent: 'hold_max: 1s' });
    const shim = await line.open('one'), other = await line.open('two');
    assertSaid(await shim.call('publish', { n: 0 }), 'done');
    const { result } = await shim.call('publish', { n: 1 });
    assert.equal(result.isError, true);
    assert.equal(result.structuredContent, undefined);
    assert.equal(result._meta['aegis/status'], 'queued');
    assert.ok(result._meta['aegis/retry_after_ms'] > 0, JSON.stringify(result._meta));
    assert.match(result.content[0].text, /NOT been executed/);
    assert.deepEqual((await line.rows()).map((r) => r.state), ['PARKED']);
    void other.call('publish', { n: 2 }).catch(() => {});        // may go first: a parked call blocks nobody
    let answer;
    await until(async () => {
      answer = await shim.call('publish', { n: 1 });
      return answer.result?.isError === undefined;
    }, { what: 'its turn', every: 100 });
    assertSaid(answer, 'done');
    assert.equal(line.order.filter((n) => n === 1).length, 1);
  });

  test('rules that change while calls wait count for them: concurrency, a shorter delay, no queue at all', async (t) => {
    const line = await startLine(t, 'delay_min: 0s, delay_max: 0s');
    line.hold();
    const shim = await line.open();
    const calls = [];
    for (let n = 0; n < 3; n++) calls.push(await line.join(shim, { n }));
    await until(() => line.held.length === 1, { what: 'one with the backend' });
    line.place.writeRules(queueRules(line.backend.url, 'delay_min: 0s, delay_max: 0s, concurrency: 2'));
    await until(() => line.held.length === 2, { what: 'two with the backend' });
    line.place.writeRules(queueRules(line.backend.url, 'delay_min: 0s, delay_max: 0s').replace('enabled: true', 'enabled: false'));
    await until(() => line.held.length === 3, { what: 'all three with the backend' });
    assert.deepEqual(line.order, [0, 1, 2]);
    line.releaseAll();
    for (const call of calls) assertSaid(await call.answer, 'done');
    assert.equal(await line.count(), 0);
    assert.equal(await line.heldPlaces(), 0);
  });

  test('a limit that is edited while calls wait is obeyed by them', async (t) => {
    const line = await startLine(t, QUICK, { grant: 'rate_limits: { publish: {window: 1h, max_count: 9} }' });
    line.hold();
    const shim = await line.open();
    const calls = [];
    for (let n = 0; n < 3; n++) calls.push(await line.join(shim, { n }));
    await until(() => line.held.length === 1, { what: 'one with the backend' });
    line.place.writeRules(queueRules(line.backend.url, QUICK, { grant: 'rate_limits: { publish: {window: 1h, max_count: 2} }' }));
    const answers = Promise.all(calls.map((c) => c.answer));
    await until(async () => (await line.count()) === 2, { what: 'one of them refused' });
    line.releaseAll();
    const said = (await answers).filter((a) => a.result);
    assert.equal(said.length, 2);
    assert.equal(line.order.length, 2);
    assert.equal(await line.heldPlaces(), 0);
  });

  test('a brake on the first lets the others past; afterwards it has its turn', async (t) => {
    const line = await startLine(t);
    line.hold();
    const [one, two] = [await line.open('one'), await line.open('two')];
    const first = await line.join(one, { n: 0 });
    const braked = await line.join(two, { n: 1 });
    const third = await line.join(one, { n: 2 });
    await until(() => line.held.length === 1, { what: 'the first with the backend' });
    const { code, stderr } = await line.place.ctl(['pause', '--agent', 'two']);
    assert.equal(code, 0, stderr);
    line.release();
    assertSaid(await first.answer, 'done');
    await until(() => line.order.length === 2, { what: 'the third with the backend' });
    assert.deepEqual(line.order, [0, 2]);
    assert.equal((await line.rows()).find((r) => r.agent === 'two').state, 'ASIDE');
    line.releaseAll();
    assertSaid(await third.answer, 'done');
    await line.place.ctl(['resume', '--agent', 'two']);
    assertSaid(await braked.answer, 'done');
    assert.deepEqual(line.order, [0, 2, 1]);
  });
});
