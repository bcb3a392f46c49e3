// Waiting: a call that must wait longer than its client does is answered before; nothing runs while its client is away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { holdGate, noFailpoints } from '../fault/ledger/points.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { modern } from '../lib/modern_client.mjs';
import { startModern } from '../lib/modern_backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { bin, patience, scale, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';
import { approvals, approve, assertDeferred, assertRising, pending, progress, reject, withToken } from '../lib/waiting.mjs';

const asks = (more = '') => ({ grant: 'approval_required: [publish]', more: `approval: { ${['heartbeat: 200ms', more].filter(Boolean).join(', ')} }\n` });
const queues = (more = '') => ({ more: `approval: { heartbeat: 200ms }\nqueue:\n  demo: { enabled: true, ${more} }\n` });

async function setUp(t, rules = {}, { open = true, ...options } = {}) {
  const backend = await startBackend(t, { tools: ['publish', 'echo', 'slow'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = open ? await openShim(place, options) : null;
  return { backend, place, shim };
}

const connect = async (place, options) => {
  const transport = new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options], env: place.env, stderr: 'ignore' });
  return connectSdk1(transport, options);
};
const call = (client, options) => client.callTool({ name: 'publish', arguments: {} }, undefined, options);

/** The rows of calls that ended before they were forwarded: verdict and body. */
const ends = async (place) => (await place.storedRows()).filter((row) => row.kind === 'refused');

describe('a call that waits for a person', suite, () => {
  test('is answered before its client gives up, and runs once when it is repeated after the approval', async (t) => {
    const { backend, place, shim } = await setUp(t, { ...asks('timeout: 10m'), agent: 'hold_max: 1s' });
    const first = await shim.call('publish', { n: 1 });
    const meta = assertDeferred(first, 'require_approval');
    const [one] = await approvals(place);
    assert.equal(meta['aegis/approval_id'], one.short);
    assert.ok(meta['aegis/retry_after_ms'] > 0, first.line);
    assert.ok(first.result.content[0].text.includes(`approval ${one.short} is still pending`), first.line);

    assertDeferred(await shim.call('publish', { n: 1 }), 'require_approval');
    assert.equal((await approvals(place)).length, 1, 'repeated, it asks no second time');
    assert.equal(backend.arrivals.length, 0);
    await approve(place, one.id);
    assertSaid(await shim.call('publish', { n: 1 }), 'done');
    assert.equal(backend.arrivals.length, 1);
    const again = await shim.call('publish', { n: 1 });
    assert.notEqual(assertDeferred(again, 'require_approval')['aegis/approval_id'], one.short, 'an approval is used once');
    assert.equal(backend.arrivals.length, 1);
  });

  test('has its place in the limits however often it comes, and gives it back when it is refused', async (t) => {
    const { backend, place, shim } = await setUp(t, {
      ...asks('mode: defer, cooldown_after_refusal: 0s'), grant: 'approval_required: [publish]\nrate_limits: { publish: { window: 1h, max_count: 1 } }',
    });
    const held = async () => JSON.parse((await place.ctl(['limits', '--agent', 'one', '--json'])).stdout).map((row) => [row.used, row.held])[0];
    for (let i = 0; i < 3; i++) assertDeferred(await shim.call('publish', { n: 1 }), 'require_approval');
    assertRefused(await shim.call('publish', { n: 2 }), CODE.limited, { reason: 'held' });
    assert.deepEqual(await held(), [0, 1]);
    await reject(place, (await pending(place))[0].id);
    assert.deepEqual(await held(), [0, 0]);
    assertDeferred(await shim.call('publish', { n: 2 }), 'require_approval');
    await approve(place, (await pending(place))[0].id);
    assertSaid(await shim.call('publish', { n: 2 }), 'done');
    assert.deepEqual(await held(), [1, 0]);
    assert.equal(backend.arrivals.length, 1);
  });

  test('that a person refuses while its client is away is refused when it is repeated', async (t) => {
    const { backend, place, shim } = await setUp(t, { ...asks(), agent: 'hold_max: 500ms' });
    assertDeferred(await shim.call('publish'), 'require_approval');
    const [one] = await pending(place);
    await reject(place, one.id, 'wrong day');
    const answer = await shim.call('publish');
    assertRefused(answer, CODE.approval);
    assert.equal(backend.arrivals.length, 0);
  });

  test('goes on at once when it is approved in time', async (t) => {
    const { backend, place, shim } = await setUp(t, asks());
    const answer = shim.call('publish', { message: 'out' });
    const [one] = await pending(place);
    await approve(place, one.short);
    assertSaid(await answer, 'out');
    assert.equal(backend.arrivals.length, 1);
  });

  test('mode defer: is told at once', async (t) => {
    const { place, shim } = await setUp(t, { ...asks('mode: defer'), agent: 'hold_max: 10m' });
    assertDeferred(await shim.call('publish'), 'require_approval');
    const [one] = await pending(place);
    await approve(place, one.id);
    assertSaid(await shim.call('publish'), 'done');
  });

  test('mode hold: is held, whatever is known of the client', async (t) => {
    const { place, shim } = await setUp(t, { ...asks('mode: hold'), agent: 'hold_max: 200ms' });
    const answer = shim.call('publish', {}, withToken('t'));
    await progress(shim, 't', 3);
    const [one] = await pending(place);
    await approve(place, one.id);
    assertSaid(await answer, 'done');
  });

  test('is held for a client that has no limit of its own', async (t) => {
    const { place, shim } = await setUp(t, asks(), { client: 'Visual Studio Code' });
    const answer = shim.call('publish', {}, withToken(7));
    await progress(shim, 7, 3);
    const [one] = await pending(place);
    await approve(place, one.id);
    assertSaid(await answer, 'done');
  });

  test('deny_as does not change how it is told', async (t) => {
    const { shim } = await setUp(t, { ...asks('mode: defer'), agent: 'deny_as: result' });
    assertDeferred(await shim.call('publish'), 'require_approval');
  });

  test('a client of 2026-07-28 hears while it waits, and is told the type of the result', async (t) => {
    const backend = await startModern(t, { tools: [tool('publish')] });
    const place = makePlace(t, simpleRules(backend.url, { ...asks(), agent: 'hold_max: 1s' }));
    const shim = startShim(place);
    const answer = await modern(shim).call('publish', { n: 1 }, { meta: { progressToken: 'm' } });
    assertDeferred(answer, 'require_approval');
    assert.equal(answer.result.resultType, 'complete');
    assertRising(await progress(shim, 'm'));
    const [one] = await approvals(place);
    await approve(place, one.id);
    assertSaid(await modern(shim).call('publish', { n: 1 }), 'done');
    assert.equal(backend.arrivals.length, 1);
  });

  test('each deferral that is the first of its kind is a row of the audit', async (t) => {
    const { place, shim } = await setUp(t, asks('mode: defer'));
    for (let i = 0; i < 5; i++) assertDeferred(await shim.call('publish'), 'require_approval');
    const [one] = await approvals(place);
    await shim.end();
    const rows = (await place.storedRows()).filter((row) => row.verdict === 'deferred');
    assert.equal(rows.length, 2, 'the first, and one for those that were like it');
    assert.equal(rows[0].body.executed, 'no');
    assert.equal(rows[0].body.approval, one.short);
    assert.equal(rows[1].body.count, 4);
  });
});

describe('official clients', suite, () => {
  test('one that gives up is told before, and never has an error', async (t) => {
    const { backend, place } = await setUp(t, { ...asks('timeout: 30s'), agent: 'hold_max: 1s' }, { open: false });
    const client = await connect(place);
    const limit = { timeout: 10_000 * patience };
    const first = await call(client, limit);
    assert.equal(first.isError, true);
    assert.equal(first._meta['aegis/status'], 'require_approval');
    await approve(place, first._meta['aegis/approval_id']);
    const second = await call(client, limit);
    assert.equal(second.content[0].text, 'done');
    assert.equal(backend.arrivals.length, 1);
    await client.close();
  });

  test('one whose time starts anew with each sign of life is held as long as it takes', async (t) => {
    const { backend, place } = await setUp(t, { ...asks('timeout: 10m'), agent: 'hold_max: 10m' }, { open: false });
    const client = await connect(place);
    const limit = 3000 * patience;
    const from = performance.now();
    const seen = [];
    const answer = call(client, { timeout: limit, resetTimeoutOnProgress: true, onprogress: (one) => seen.push({ ...one, at: performance.now() }) });
    await until(() => seen.at(-1)?.at - from > limit * 1.3, { what: 'signs of life beyond the client\'s own limit' });
    const [one] = await pending(place);
    await approve(place, one.id);
    assert.equal((await answer).content[0].text, 'done');
    assertRising(seen);
    assert.equal(backend.arrivals.length, 1);
    await client.close();
  });
});

describe('a client that goes', suite, () => {
  test('cancels while it waits: never executed, the audit says who ended it, the approval stays for the same call', async (t) => {
    const { backend, place, shim } = await setUp(t, asks());
    shim.call('publish', {}, { id: 'gone' }).catch(() => {});
    const [one] = await pending(place);
    shim.notify('notifications/cancelled', { requestId: 'gone', reason: 'timeout' });
    await until(async () => (await ends(place)).length === 1, { what: 'the row of the cancelled call', every: 50 });
    const [row] = await ends(place);
    assert.equal(row.verdict, 'cancelled');
    assert.match(row.body.message, /the client ended the call/);
    await approve(place, one.id);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    assert.equal(backend.callsOf('publish').length, 0, 'approved while nobody waits');
    assertSaid(await shim.call('publish'), 'done');
    assert.equal(backend.callsOf('publish').length, 1);
    assert.equal(shim.lines.some((line) => line.includes('"gone"')), false, 'a cancelled request has no answer');
  });

  for (const [how, leave] of [['closes stdin', (shim) => shim.end()], ['ends it by SIGTERM', (shim) => shim.endBy('SIGTERM')]]) {
    test(`${how} while it waits: never executed, the approval stays`, async (t) => {
      const { backend, place, shim } = await setUp(t, asks());
      shim.call('publish').catch(() => {});
      const [one] = await pending(place);
      const end = await leave(shim);
      assert.equal(end.code, 0);
      const [row] = await ends(place);
      assert.equal(row.verdict, 'cancelled');
      assert.match(row.body.message, /end of the session/);
      await approve(place, one.id);
      const next = await openShim(place);
      assertSaid(await next.call('publish'), 'done');
      assert.equal(backend.arrivals.length, 1);
    });
  }

  test('is killed while it waits: never executed, the approval stays', async (t) => {
    const { backend, place, shim } = await setUp(t, asks());
    shim.call('publish').catch(() => {});
    const [one] = await pending(place);
    shim.kill('SIGKILL');
    await shim.exited;
    await approve(place, one.id);
    const next = await openShim(place);
    assertSaid(await next.call('publish'), 'done');
    assert.equal(backend.arrivals.length, 1);
  });
});

describe('a call in the queue', suite, () => {
  const busy = (backend) => {
    const open = [];
    backend.onCall.slow = (exchange) => open.push(exchange);
    return { open, release: () => open.splice(0).forEach((exchange) => exchange.say('slow done')) };
  };

  test('is told its place before its client gives up, and keeps it', async (t) => {
    const { backend, shim } = await setUp(t, { ...queues('delay_min: 1ms, delay_max: 1ms'), agent: 'hold_max: 1s' });
    const { open, release } = busy(backend);
    const first = shim.call('slow');
    await until(() => open.length === 1, { what: 'the slow call at the backend' });
    const told = await shim.call('echo', { message: 'b' });
    assertDeferred(told, 'queued');
    assert.match(told.result.content[0].text, /queue of backend demo, position 1/);
    const third = shim.call('echo', { message: 'c' }, withToken('c'));
    await progress(shim, 'c');
    const again = shim.call('echo', { message: 'b' }, withToken('b'));
    assert.match((await progress(shim, 'b'))[0].message, /position 1/);
    release();
    assertSaid(await first, 'slow done');
    assertSaid(await again, 'b');
    assertSaid(await third, 'c');
    assert.deepEqual(backend.callsOf('echo').map((one) => one.args.message), ['b', 'c'], 'parked, it had kept its number');
  });

  test('that is parked blocks nobody', async (t) => {
    const { backend, shim } = await setUp(t, { ...queues('delay_min: 1ms, delay_max: 1ms'), agent: 'hold_max: 1s' });
    const { open, release } = busy(backend);
    const first = shim.call('slow');
    await until(() => open.length === 1, { what: 'the slow call at the backend' });
    assertDeferred(await shim.call('echo', { message: 'parked' }), 'queued');
    const third = shim.call('echo', { message: 'c' });
    release();
    assertSaid(await first, 'slow done');
    assertSaid(await third, 'c');
    assert.deepEqual(backend.callsOf('echo').map((one) => one.args.message), ['c']);
  });

  test('has its place in the limits when it comes again, as others have theirs', async (t) => {
    const { backend, place, shim } = await setUp(t, {
      ...queues('delay_min: 1ms, delay_max: 1ms'), agent: 'hold_max: 1s', grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }',
    });
    const { open, release } = busy(backend);
    const first = shim.call('slow');
    await until(() => open.length === 1, { what: 'the slow call at the backend' });
    assertDeferred(await shim.call('echo', { message: 'b' }), 'queued');
    const other = assertRefused(await shim.call('echo', { message: 'another' }), CODE.limited, { reason: 'held' });
    assert.equal(other.data.limit.held, 1);
    assertDeferred(await shim.call('echo', { message: 'b' }), 'queued');
    release();
    assertSaid(await first, 'slow done');
    assertSaid(await shim.call('echo', { message: 'b' }), 'b');
    assertRefused(await shim.call('echo', { message: 'b' }), CODE.limited, { reason: 'rate' });
    assert.equal(backend.callsOf('echo').length, 1);
    const [row] = JSON.parse((await place.ctl(['limits', '--agent', 'one', '--json'])).stdout);
    assert.deepEqual([row.used, row.held], [1, 0]);
  });

  test('twice alike: each has a place of its own, and each runs once', async (t) => {
    const { backend, shim } = await setUp(t, { ...queues('delay_min: 1ms, delay_max: 1ms'), agent: 'hold_max: 1s' });
    const { open, release } = busy(backend);
    const first = shim.call('slow');
    await until(() => open.length === 1, { what: 'the slow call at the backend' });
    for (const answer of await Promise.all([shim.call('echo'), shim.call('echo')])) assertDeferred(answer, 'queued');
    release();
    assertSaid(await first, 'slow done');
    for (const answer of await Promise.all([shim.call('echo'), shim.call('echo')])) assertSaid(answer, 'done');
    assert.equal(backend.callsOf('echo').length, 2);
  });

  test('shows its position and how it comes nearer', async (t) => {
    const { backend, shim } = await setUp(t, queues('delay_min: 1ms, delay_max: 1ms'));
    const { open, release } = busy(backend);
    const calls = [shim.call('slow', { n: 1 })];
    await until(() => open.length === 1, { what: 'the slow call at the backend' });
    calls.push(shim.call('slow', { n: 2 }), shim.call('echo', { message: 'last' }, withToken('q')));
    const at = async (position) => until(async () => (await progress(shim, 'q')).find((one) => one.message.includes(`queue of backend demo: position ${position}`)), { what: `position ${position}` });
    await at(2);
    release();
    await until(() => open.length === 1, { what: 'the second slow call at the backend' });
    await at(1);
    release();
    for (const one of calls) assert.ok((await one).result);
    assertRising(await progress(shim, 'q'));
  });
});

describe('delays longer than any client waits', suite, () => {
  test('are borne by a call that is repeated: one place, one execution, one answer', async (t) => {
    const { backend, shim } = await setUp(t, { ...queues('delay_min: 3s, delay_max: 3s'), agent: 'hold_max: 800ms' });
    assertSaid(await shim.call('echo', { message: 'first' }), 'first');
    const places = [];
    let answer;
    for (;;) {
      answer = await shim.call('publish', { message: 'slowly' });
      if (!answer.result._meta) break;
      places.push(assertDeferred(answer, 'queued')['aegis/retry_after_ms']);
    }
    assertSaid(answer, 'slowly');
    assert.ok(places.length >= 2, `told to come again ${places.length} times`);
    assert.ok(places.every((ms, i) => i === 0 || ms < places[i - 1]), `when its turn comes, in ms: ${places}`);
    assert.equal(backend.callsOf('publish').length, 1);
    assert.ok(backend.callsOf('publish')[0].at - backend.callsOf('echo')[0].at >= 3000);
  });

  const inRealTime = scale === 'full' ? false : 'takes minutes: AEGIS_TEST_SCALE=full';
  test('a client of the SDK with its own 60 s and a person who takes two minutes', { skip: inRealTime, timeout: 900_000 }, async (t) => {
    const { backend, place } = await setUp(t, { grant: 'approval_required: [publish]' }, { open: false });
    const client = await connect(place);
    const from = performance.now();
    let result = await call(client);
    assert.equal(result._meta['aegis/status'], 'require_approval');
    assert.ok(performance.now() - from > 45_000, 'it was held as long as its client bears it');
    const [one] = await pending(place);
    setTimeout(() => approve(place, one.id), 120_000 - (performance.now() - from));
    while (result._meta) result = await call(client);
    assert.equal(result.content[0].text, 'done');
    assert.equal(backend.arrivals.length, 1);
    assert.equal((await place.storedRows()).filter((row) => row.verdict === 'asked').length, 1, 'one message');
    await client.close();
  });
});

describe('aegisctl call', suite, () => {
  test('says what the call waits for and what ends that, with an exit code of its own', async (t) => {
    const { place } = await setUp(t, asks('mode: defer'), { open: false });
    const { code, stdout } = await place.ctl(['call', 'one', 'publish', '{}']);
    assert.equal(code, 5, stdout);
    assert.match(stdout, /approval APR-\w{4} is still pending/);
    assert.match(stdout, /aegisctl approvals/);
    const [one] = await pending(place);
    await approve(place, one.id);
    const again = await place.ctl(['call', 'one', 'publish', '{}']);
    assert.equal(again.code, 0, again.stdout);
  });

  test('waits as long as it takes: a person ends it', async (t) => {
    const { place } = await setUp(t, asks(), { open: false });
    const ran = place.ctl(['call', 'one', 'publish', '{}']);
    const [one] = await pending(place);
    await approve(place, one.id);
    const { code, stdout } = await ran;
    assert.equal(code, 0, stdout);
  });
});

describe('a call under a brake', suite, () => {
  test('is told the reason before its client gives up, and runs when it is repeated after', async (t) => {
    const { backend, place, shim } = await setUp(t, { agent: 'hold_max: 1s' });
    assert.equal((await place.ctl(['pause', '--reason', 'the site is down'])).code, 0);
    const told = await shim.call('echo', { message: 'x' });
    assert.ok(assertDeferred(told, 'paused')['aegis/retry_after_ms'] > 0);
    assert.match(told.result.content[0].text, /paused.*the site is down/);
    assert.equal((await place.ctl(['resume'])).code, 0);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.arrivals.length, 1);
  });

  test('waits, shows the reason, and goes on when the brake is taken off', async (t) => {
    const { backend, place, shim } = await setUp(t, { more: 'approval: { heartbeat: 200ms }\n' });
    assert.equal((await place.ctl(['pause', '--reason', 'back soon'])).code, 0);
    const answer = shim.call('echo', { message: 'x' }, withToken(0));
    const seen = await progress(shim, 0, 2);
    assert.match(seen[0].message, /paused by an operator: back soon/);
    assert.equal(backend.arrivals.length, 0);
    assert.equal((await place.ctl(['resume'])).code, 0);
    assertSaid(await answer, 'x');
  });
});

describe('a deferral that is not on record yet', suite, () => {
  /** A call of this session that is to be told to come again, while somebody else has the gate. */
  async function untold(t) {
    const all = await setUp(t, { ...asks(), agent: `hold_max: ${3 * patience}s` }, { open: false });
    const log = path.join(all.place.dir, 'points');
    const shim = await openShim(all.place, { env: { AEGIS_FAILPOINT_LOG: log } });
    const answer = shim.call('publish', {}, { id: 'x', within: 60_000 * patience });
    const [one] = await pending(all.place);
    const letGo = await holdGate({ place: all.place, t });
    await until(() => readFileSync(log, 'utf8').includes('finish/releasing'), { what: 'the deferral waiting for the gate' });
    return { ...all, shim, answer, one, letGo };
  }

  test('is none when its client cancels first: that is what goes on record', { skip: noFailpoints }, async (t) => {
    const { backend, place, shim, one, answer, letGo } = await untold(t);
    answer.catch(() => {});
    shim.notify('notifications/cancelled', { requestId: 'x' });
    assert.ok((await shim.request('ping')).result);
    await letGo();
    const row = await until(async () => (await ends(place))[0], { what: 'the row', every: 50 });
    assert.equal(row.verdict, 'cancelled');
    assert.match(row.body.message, /the client ended the call/);
    assert.equal(shim.lines.some((line) => line.includes('"x"')), false);
    await approve(place, one.id);
    assertSaid(await shim.call('publish'), 'done');
    assert.equal(backend.arrivals.length, 1);
  });

  test('is told all the same when the store takes nothing, and goes on record when it does', { skip: noFailpoints }, async (t) => {
    const { backend, place, shim, one, answer, letGo } = await untold(t);
    assertDeferred(await answer, 'require_approval');
    assert.equal((await shim.call('echo')).error.data.reason, 'store', 'what is not on record stands before everything new');
    await letGo();
    const row = await until(async () => (await ends(place)).find((each) => each.verdict === 'deferred'), { what: 'the row', every: 50 });
    assert.equal(row.body.approval, one.short);
    await approve(place, one.id);
    const repeated = await until(async () => {
      const said = await shim.call('publish');
      return said.result ? said : null;
    }, { what: 'the store being taken for well again' });
    assertSaid(repeated, 'done');
    assert.equal(backend.arrivals.length, 1);
  });
});
