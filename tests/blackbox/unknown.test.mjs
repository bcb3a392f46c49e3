// Calls whose outcome nobody knows: on_unknown: hold keeps the same call back until a person has said what became of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertNoLeak, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled } from '../lib/until.mjs';

const HOLD = 'on_unknown: hold\n';

async function setUp(t, { more = HOLD, grant = '' } = {}) {
  const backend = await startBackend(t, { tools: [tool('echo'), tool('pay')] });
  return { backend, place: makePlace(t, simpleRules(backend.url, { agents: ['one', 'two'], more, grant })) };
}

/** A call that was sent and never answered. */
async function lose(backend, shim, args) {
  backend.onCall.pay = (x) => x.reset();
  assertRefused(await shim.call('pay', args), CODE.unknown, { reason: 'unknown_outcome', executed: 'unknown' });
  delete backend.onCall.pay;
}

const open = async (place, ...more) => JSON.parse((await place.ctl(['unknown', 'list', '--json', ...more])).stdout);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe('on_unknown: hold', suite, () => {
  test('the same call is held back from then on, in every session of the agent; others are free', async (t) => {
    const { backend, place } = await setUp(t);
    const [one, again, two] = [await openShim(place), await openShim(place), await openShim(place, { agent: 'two' })];
    await lose(backend, one, { sum: 1, to: 'x' });
    const [{ id, short }] = await open(place);
    for (const shim of [one, again]) {
      // The order of the members does not make it another call.
      const { message, data } = assertRefused(await shim.call('pay', { to: 'x', sum: 1 }), CODE.unknown, { reason: 'held_after_unknown' });
      assert.ok(message.includes(`aegisctl unknown settle ${short} done|not_done`), message);
      assert.match(message, /not executed/);
      assert.ok(data.retry_after_ms > 0 && data.retry_after_ms <= 600_000, String(data.retry_after_ms));
      assertNoLeak(backend, message, shim.stderr);
    }
    assert.ok(id.endsWith(short));
    assert.ok((await one.call('pay', { sum: 2, to: 'x' })).result);
    assert.ok((await one.call('echo', { sum: 1, to: 'x' })).result);
    assert.ok((await two.call('pay', { sum: 1, to: 'x' })).result);
  });

  for (const word of ['done', 'not_done']) {
    test(`settled as ${word} it is free, on record, and no place of a limit comes back`, async (t) => {
      const { backend, place } = await setUp(t, { grant: 'rate_limits: { pay: { window: 1h, max_count: 2 } }' });
      const shim = await openShim(place);
      await lose(backend, shim, { sum: 1 });
      assertRefused(await shim.call('pay', { sum: 1 }), CODE.unknown);
      const [{ id, short }] = await open(place);
      const ran = await place.ctl(['unknown', 'settle', short, word]);
      assert.equal(ran.code, 0, ran.stderr);
      assert.ok((await shim.call('pay', { sum: 1 })).result);
      assertRefused(await shim.call('pay', { sum: 1 }), CODE.limited);
      assert.deepEqual(await open(place), []);
      const [settledRow] = await open(place, '--all');
      assert.deepEqual([settledRow.id, settledRow.settled_as], [id, word]);
      const [row] = (await place.storedRows()).filter((r) => r.kind === 'operator');
      assert.deepEqual([row.call, row.agent, row.tool, row.verdict, row.body.settled_as], [id, 'one', 'pay', 'unknown_settled', word]);
      assert.equal((await place.ctl(['unknown', 'settle', short, word])).code, 1, 'a second word counts for nothing');
    });
  }

  test('free by itself after on_unknown_hold', async (t) => {
    const { backend, place } = await setUp(t, { more: `${HOLD}on_unknown_hold: 2s\n` });
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    let answer = await shim.call('pay', { sum: 1 });
    while (answer.error) {
      const { data } = assertRefused(answer, CODE.unknown, { reason: 'held_after_unknown' });
      await pause(data.retry_after_ms);
      answer = await shim.call('pay', { sum: 1 });
    }
    const [lost, next] = backend.arrivals;
    assert.ok(next.at - lost.at >= 2000, `${next.at - lost.at}`);
    assert.equal((await open(place)).length, 1, 'still nobody has said what became of it');
  });

  test('kill -9 in flight: the same call is held at once, for as long as the dead one\'s rules said', async (t) => {
    const { backend, place } = await setUp(t, { more: `${HOLD}on_unknown_hold: 2h\n` });
    const [victim, survivor] = [await openShim(place), await openShim(place)];
    assert.ok((await survivor.call('echo')).result);
    const arrived = new Promise((resolve) => { backend.onCall.pay = resolve; });
    victim.call('pay', { sum: 1 }).catch(() => {});
    await settled(arrived, 'the call arrives');
    victim.kill('SIGKILL');
    await victim.exited;
    delete backend.onCall.pay;
    const { data } = assertRefused(await survivor.call('pay', { sum: 1 }), CODE.unknown, { reason: 'held_after_unknown' });
    assert.ok(data.retry_after_ms > 3_600_000, String(data.retry_after_ms));
    assert.equal(backend.callsOf('pay').length, 1);
    const [{ id }] = await open(place);
    assert.equal((await place.ctl(['unknown', 'settle', id.slice(0, 12), 'done'])).code, 0);
    assert.ok((await survivor.call('pay', { sum: 1 })).result);
  });

  test('allow, the default: the same call goes again', async (t) => {
    const { backend, place } = await setUp(t, { more: '' });
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    assert.ok((await shim.call('pay', { sum: 1 })).result);
    assert.equal((await open(place)).length, 1);
  });

  test('hold may be switched on while calls are already unknown', async (t) => {
    const { backend, place } = await setUp(t, { more: '' });
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    place.writeRules(simpleRules(backend.url, { agents: ['one', 'two'], more: HOLD }));
    assertRefused(await shim.call('pay', { sum: 1 }), CODE.unknown, { reason: 'held_after_unknown' });
  });
});

describe('aegisctl unknown', suite, () => {
  test('lists what is open, for people and for programs', async (t) => {
    const { backend, place } = await setUp(t);
    assert.equal((await place.ctl(['unknown', 'list'])).stdout, 'no call\'s outcome is unknown\n');
    assert.deepEqual(await open(place), []);
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    const [{ id, short, since, held_ms: held, ...rest }] = await open(place);
    assert.deepEqual(rest, { agent: 'one', backend: 'demo', tool: 'pay', settled_as: null });
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.ok(held > 0 && held <= 600_000);
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 600_000);
    assert.match((await place.ctl(['unknown', 'list'])).stdout, new RegExp(`${short} .* one +demo +pay +not settled, held \\d+s more`));
  });

  test('an id that names none, or more than one, changes nothing', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    await lose(backend, shim, { sum: 2 });
    const ids = (await open(place)).map((row) => row.id);
    let same = 0;
    while (ids[0][same] === ids[1][same]) same++;
    const wrong = ['0'.repeat(32), '', "' OR 1=1 --", 'x', '\u001b[2Jabcd', ids[0].slice(0, 3)];
    if (same >= 4) wrong.push(ids[0].slice(0, same));
    for (const id of wrong) {
      const ran = await place.ctl(['unknown', 'settle', id, 'done']);
      assert.equal(ran.code, 1, JSON.stringify([id, ran.stdout, ran.stderr]));
      assert.equal(ran.stderr.includes('\u001b'), false, 'nothing foreign steers the terminal');
    }
    for (const words of [[ids[0], 'maybe'], [ids[0]], [ids[0], 'done', 'x']]) {
      assert.equal((await place.ctl(['unknown', 'settle', ...words])).code, 2);
    }
    assert.equal((await open(place)).length, 2);
  });

  test('of several at once one settles it', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    await lose(backend, shim, { sum: 1 });
    const [{ id }] = await open(place);
    const ran = await Promise.all(['done', 'not_done', 'done'].map((word) => place.ctl(['unknown', 'settle', id, word])));
    assert.deepEqual(ran.map((r) => r.code).sort(), [0, 1, 1], JSON.stringify(ran));
    assert.equal((await place.storedRows()).filter((row) => row.verdict === 'unknown_settled').length, 1);
  });
});
