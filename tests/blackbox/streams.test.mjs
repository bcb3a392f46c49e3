// Clients that do not read: back-pressure on that stream only, and nobody else notices.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { isSanitized, patience, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const MiB = 1024 * 1024;
const LONG_MS = 300_000 * patience;      // hundreds of answers, on a machine that may have other work

async function setUp(t, rules) {
  const backend = await startBackend(t, { tools: ['echo', 'big', 'no'].map((name) => tool(name)) });
  const big = JSON.stringify({ content: [{ type: 'text', text: 'B'.repeat(MiB) }] });
  backend.onCall.big = (exchange) => exchange.result(big);
  return { backend, place: makePlace(t, simpleRules(backend.url, { grant: 'tool_denylist: ["no"]', ...rules })) };
}

/** n calls one after the other; none may hang. Gives the median in ms, for people: this process serves the backend as well. */
async function pace(shim, n = 40) {
  const times = [];
  for (let k = 0; k < n; k++) {
    const from = performance.now();
    assert.ok((await shim.call('echo', { k })).result);
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b)[n >> 1].toFixed(2);
}

/** So many calls in one write; their answers. */
async function burst(shim, calls) {
  const answers = Array.from({ length: calls }, (_, n) => shim.answerTo(`w${n}`, { within: LONG_MS }));
  await shim.write(answers.map((_, n) => JSON.stringify({ jsonrpc: '2.0', id: `w${n}`, method: 'tools/call', params: { name: 'echo', arguments: { message: `${n}` } } }) + '\n').join(''));
  return Promise.all(answers);
}

describe('streams', suite, () => {
  for (const wire of ['fifo', 'socket']) {
    test(`unread stdout (${wire}) of one shim disturbs no other, costs bounded memory, and loses nothing`, async (t) => {
      const { backend, place } = await setUp(t);
      const calm = await openShim(place);
      const before = await pace(calm);

      const deaf = startShim(place, { wire, readsStdout: false });
      const answers = new Map();
      for (const [id, method, params] of [['init', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'd', version: '1' } }]]) {
        answers.set(id, deaf.answerTo(id));
        deaf.send({ id, method, params });
      }
      await until(() => backend.of('initialize').length === 2, { what: 'initialize at the backend' });
      deaf.notify('notifications/initialized');
      const calls = 120;
      for (let n = 0; n < calls; n++) {
        answers.set(n, deaf.answerTo(n, { within: LONG_MS }));
        deaf.send({ id: n, method: 'tools/call', params: { name: 'big', arguments: { n } } });
      }
      await until(() => backend.callsOf('big').length > 0, { what: 'a big call at the backend' });

      const during = await pace(calm);
      t.diagnostic(`p50 of the other: ${before} ms before, ${during} ms beside`);
      const memory = deaf.memoryMiB();
      if (memory) t.diagnostic(`peak ${memory.peak.toFixed(1)} MiB`);
      if (memory && !isSanitized) assert.ok(memory.peak < 96, `peak ${memory.peak} MiB with ${calls} MiB of answers`);

      deaf.readStdout();
      const all = await Promise.all([...answers.values()]);
      assert.equal(all.length, calls + 1);
      for (const answer of all.slice(1)) assert.equal(answer.result.content[0].text.length, MiB);
      assert.equal(backend.callsOf('big').length, calls);
    });
  }

  test('unread stdout of a shim that is refused again and again disturbs no other, nor does its end', async (t) => {
    const { backend, place } = await setUp(t);
    const calm = await openShim(place);
    const deaf = startShim(place, { readsStdout: false });
    deaf.initialize().catch(() => {});
    await until(() => backend.of('initialize').length === 2, { what: 'initialize at the backend' });
    for (let n = 0; n < 5000; n++) deaf.send({ id: `r${n}`, method: 'tools/call', params: { name: 'no', arguments: { n } } });
    await pace(calm, 20);
    await deaf.end();
    assertSaid(await calm.call('echo', { message: 'x' }), 'x');
  });

  test('unread stderr of one shim disturbs neither it nor others', async (t) => {
    const { backend, place } = await setUp(t);
    const calm = await openShim(place);
    const noisy = await openShim(place, { readsStderr: false, args: ['--agent', 'one', '--log-level', 'debug', ...place.options] });
    for (let n = 0; n < 2000; n += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, k) => noisy.call('no', { n: n + k })));
      for (const answer of answers) assertRefused(answer, CODE.denied);
    }
    for (let n = 0; n < 200; n++) assert.ok((await noisy.call('echo', { n })).result);
    assertSaid(await calm.call('echo', { message: 'calm' }), 'calm');
    const { code, ms } = await noisy.end();
    assert.equal(code, 0);
    assert.ok(ms < 10_000, `${ms} ms`);
    assert.equal(backend.callsOf('no').length, 0);
  });

  test('a client that writes a thousand calls without pause loses none', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    const answers = await burst(shim, 1000);
    answers.forEach((answer, n) => assertSaid(answer, `${n}`));
    assert.equal(backend.callsOf('echo').length, 1000);
  });

  test('above a thousand open calls each is answered once: done, or refused and not executed', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    const answers = await burst(shim, 5000);
    const passed = answers.filter((a) => a.result);
    assert.ok(passed.length >= 1000, `${passed.length} passed`);
    for (const { error, line } of answers.filter((a) => !a.result)) {
      assert.ok(error.code < -32000, line);
      assert.notEqual(error.data?.executed, 'unknown', line);
    }
    assert.equal(backend.callsOf('echo').length, passed.length);
    assert.deepEqual(shim.messages, []);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  test('a slow call delays no other', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    const slow = [];
    backend.onCall.big = (exchange) => slow.push(exchange);
    const held = Array.from({ length: 8 }, (_, n) => shim.call('big', { n }));
    await until(() => slow.length === 8, { what: 'eight calls at once at the backend' });
    for (let n = 0; n < 20; n++) assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
    for (const exchange of slow.reverse()) exchange.say('late');
    for (const answer of await Promise.all(held)) assertSaid(answer, 'late');
  });
});
