// Limits as one agent and a few agents meet them: what counts, what is given back, what is said.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';

async function setUp(t, rules) {
  const backend = await startBackend(t, { tools: ['echo', 'get', 'get_more', 'fail', 'other'].map((name) => tool(name)) });
  return { backend, place: makePlace(t, simpleRules(backend.url, rules)) };
}

const HOUR = 3_600_000;

describe('limits', suite, () => {
  test('the call above the limit is refused with window, count and time', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    for (let i = 0; i < 3; i++) assertSaid(await shim.call('echo', { message: `m${i}` }), `m${i}`);
    const { data, message } = assertRefused(await shim.call('echo', { message: 'm3' }), CODE.limited, { reason: 'rate' });
    assert.deepEqual({ ...data.limit, scope: '' }, { scope: '', window: data.limit.window, max_count: 3, used: 3, held: 0 });
    assert.equal(data.limit.scope, 'agent');
    assert.match(String(data.limit.window), /^(1h|3600000)$/);
    assert.ok(data.retry_after_ms > HOUR - 60_000 * 5 && data.retry_after_ms <= HOUR + 1000, String(data.retry_after_ms));
    assert.match(message, /3/);
    assert.equal(backend.arrivals.length, 3);
    assertSaid(await shim.call('other', { message: 'free' }), 'free');
  });

  test('a place comes free when its window has passed', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 4s, max_count: 2} }' });
    const shim = await openShim(place);
    const call = (n) => shim.call('echo', { n, sent: performance.now() });
    await call(1);
    await call(2);
    let answer = await call(3);
    const { data } = assertRefused(answer, CODE.limited);
    assert.ok(data.retry_after_ms <= 4100, String(data.retry_after_ms));
    // Whoever comes at the time it was told is let in.
    for (let tries = 0; answer.error && tries < 20; tries++) {
      await new Promise((resolve) => setTimeout(resolve, answer.error.data.retry_after_ms));
      answer = await call(3);
    }
    assert.ok(answer.result, answer.line);
    const [first, , third] = backend.arrivals;
    assert.ok(third.at - first.args.sent >= 4000, `third after ${third.at - first.args.sent} ms`);
  });

  test('no window ever holds more than its count, however the calls crowd', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 500ms, max_count: 5} }' });
    const shims = await Promise.all([openShim(place), openShim(place)]);
    const end = Date.now() + 3000;
    await Promise.all(shims.map(async (shim, s) => {
      for (let n = 0; Date.now() < end; n++) {
        await Promise.all([0, 1, 2].map((k) => shim.call('echo', { s, n, k, sent: performance.now() })));
      }
    }));
    const calls = backend.arrivals.sort((a, b) => a.at - b.at);
    assert.ok(calls.length > 10, `only ${calls.length} calls`);
    // A call left its shim between `sent` and `at`, so this holds for every six that kept the promise, however late we look.
    for (let i = 5; i < calls.length; i++) {
      const span = calls[i].at - Math.min(...calls.slice(i - 5, i + 1).map((c) => c.args.sent));
      assert.ok(span >= 500, `6 within ${span} ms`);
    }
  });

  test('every window of a list counts', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: [ {window: 4s, max_count: 2}, {window: 1d, max_count: 3} ] }' });
    const shim = await openShim(place);
    await shim.call('echo', { n: 1 });
    await shim.call('echo', { n: 2 });
    let answer = await shim.call('echo', { n: 3 });
    assert.match(String(assertRefused(answer, CODE.limited).data.limit.window), /^(4s|4000)$/);
    while (answer.error) {
      await new Promise((resolve) => setTimeout(resolve, answer.error.data.retry_after_ms));
      answer = await shim.call('echo', { n: 3 });
    }
    const { data } = assertRefused(await shim.call('echo', { n: 4 }), CODE.limited);
    assert.match(String(data.limit.window), /^(1d|24h|86400000)$/);
    assert.equal(data.limit.max_count, 3);
    assert.equal(backend.arrivals.length, 3);
  });

  test('agents are counted apart, tools too', async (t) => {
    const { place } = await setUp(t, { agents: ['one', 'two'], grant: 'rate_limits: { echo: {window: 1h, max_count: 1}, get: {window: 1h, max_count: 1} }' });
    const [one, two] = [await openShim(place, { agent: 'one' }), await openShim(place, { agent: 'two' })];
    for (const shim of [one, two]) {
      for (const name of ['echo', 'get']) {
        assert.ok((await shim.call(name)).result);
        assertRefused(await shim.call(name), CODE.limited);
      }
    }
  });

  test('a global limit is shared by all agents, and says so', async (t) => {
    const { backend, place } = await setUp(t, {
      agents: ['one', 'two'], more: 'queue: { demo: { global_rate_limits: { echo: {window: 1h, max_count: 3} } } }\n',
    });
    const [one, two] = [await openShim(place, { agent: 'one' }), await openShim(place, { agent: 'two' })];
    for (const [shim, n] of [[one, 1], [two, 2], [one, 3]]) assert.ok((await shim.call('echo', { n })).result);
    for (const shim of [one, two]) {
      const { data } = assertRefused(await shim.call('echo', { n: 4 }), CODE.limited, { reason: 'rate' });
      assert.equal(data.limit.scope, 'global');
    }
    assert.equal(backend.arrivals.length, 3);
  });

  test('a glob is one bucket; * is the whole backend', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { "get*": {window: 1h, max_count: 2}, "*": {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    assert.ok((await shim.call('get')).result);
    assert.ok((await shim.call('get_more')).result);
    assert.equal(assertRefused(await shim.call('get'), CODE.limited).data.limit.max_count, 2);
    assert.ok((await shim.call('echo')).result);
    assert.equal(assertRefused(await shim.call('other'), CODE.limited).data.limit.max_count, 3);
    assert.equal(backend.arrivals.length, 3);
  });

  test('an agent limit over all its backends counts on each of them', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents:
  one: { display_name: One, rate_limits: { "*": {window: 1h, max_count: 3} }, backends: { a: { allowed: true }, b: { allowed: true } } }
`);
    const onA = await openShim(place, { args: ['--agent', 'one', '--backend', 'a', ...place.options] });
    const onB = await openShim(place, { args: ['--agent', 'one', '--backend', 'b', ...place.options] });
    for (const shim of [onA, onB, onA]) assert.ok((await shim.call('echo')).result);
    assertRefused(await onB.call('echo'), CODE.limited);
    assert.deepEqual([a.arrivals.length, b.arrivals.length], [2, 1]);
  });

  test('limits of two backends never meet', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const grant = '{ allowed: true, rate_limits: { echo: {window: 1h, max_count: 1} } }';
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents:
  one: { display_name: One, backends: { a: ${grant}, b: ${grant} } }
`);
    for (const name of ['a', 'b']) {
      const shim = await openShim(place, { args: ['--agent', 'one', '--backend', name, ...place.options] });
      assert.ok((await shim.call('echo')).result);
      assertRefused(await shim.call('echo'), CODE.limited);
    }
  });

  const failures = {
    'isError: true': (x) => x.say('did not work', { isError: true }),
    'a JSON-RPC error': (x) => x.error(-32011, 'backend says no'),
    'HTTP 400': (x) => x.send(400, 'no'),
    'HTTP 403 with a JSON-RPC error': (x) => x.send(403, JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }), { 'content-type': 'application/json' }),
    'HTTP 500 with a JSON-RPC error': (x) => x.send(500, JSON.stringify({ jsonrpc: '2.0', id: x.message.id, error: { code: -32000, message: 'no' } }), { 'content-type': 'application/json' }),
  };
  for (const [what, fail] of Object.entries(failures)) {
    test(`${what} gives the place back`, async (t) => {
      const { backend, place } = await setUp(t, {
        grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }', more: 'queue: { demo: { global_rate_limits: { echo: {window: 1h, max_count: 2} } } }\n',
      });
      const shim = await openShim(place);
      backend.onCall.echo = fail;
      for (let n = 0; n < 5; n++) {
        const answer = await shim.call('echo', { n });
        assert.ok(answer.error ? answer.error.code !== CODE.limited : answer.result.isError, answer.line);
      }
      delete backend.onCall.echo;
      for (let n = 0; n < 2; n++) assert.ok((await shim.call('echo', { n, good: true })).result);
      assertRefused(await shim.call('echo', { n: 3 }), CODE.limited);
      assert.equal(backend.arrivals.length, 7);
    });
  }

  const unknowns = {
    'HTTP 500': (x) => x.send(500, 'oops'),
    'HTTP 408': (x) => x.send(408, ''),
    'an answer that cannot be read': (x) => x.json('{"jsonrpc":"2.0","id":1,"result":'),
    'a reset': (x) => x.reset(),
  };
  for (const [what, fail] of Object.entries(unknowns)) {
    test(`${what} does not give the place back`, async (t) => {
      const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }' });
      const shim = await openShim(place);
      backend.onCall.echo = fail;
      for (let n = 0; n < 2; n++) assertRefused(await shim.call('echo', { n }), CODE.unknown, { executed: 'unknown' });
      assertRefused(await shim.call('echo', { n: 2 }), CODE.limited);
      assert.equal(backend.arrivals.length, 2);
    });
  }

  test('limits.count_failures counts what failed, too', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }', more: 'limits: { count_failures: true }\n' });
    const shim = await openShim(place);
    backend.onCall.echo = failures['isError: true'];
    assert.equal((await shim.call('echo')).result.isError, true);
    backend.onCall.echo = failures['a JSON-RPC error'];
    assert.equal((await shim.call('echo')).error.code, -32011);
    assertRefused(await shim.call('echo'), CODE.limited);
    assert.equal(backend.arrivals.length, 2);
  });

  test('a call in flight holds its place', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 1} }' });
    const shim = await openShim(place);
    let finish;
    const arrived = new Promise((resolve) => {
      backend.onCall.echo = (exchange) => {
        finish = () => exchange.say('late');
        resolve();
      };
    });
    const first = shim.call('echo', { n: 1 });
    await arrived;
    assertRefused(await shim.call('echo', { n: 2 }), CODE.limited);
    finish();
    assertSaid(await first, 'late');
    assert.equal(backend.arrivals.length, 1);
  });

  test('what an agent used stays used when its shim starts anew', async (t) => {
    const { place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }' });
    for (let n = 0; n < 2; n++) {
      const shim = await openShim(place);
      assert.ok((await shim.call('echo', { n })).result);
      assert.equal((await shim.end()).code, 0);
    }
    assertRefused(await (await openShim(place)).call('echo', { n: 2 }), CODE.limited);
  });

  test('an edited limit keeps its history', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    for (let n = 0; n < 3; n++) assert.ok((await shim.call('echo', { n })).result);
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { echo: {window: 2h, max_count: 4} }' }));
    assert.ok((await shim.call('echo', { n: 3 })).result);
    assertRefused(await shim.call('echo', { n: 4 }), CODE.limited);
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { echo: {window: 2h, max_count: 2} }' }));
    assert.equal(assertRefused(await shim.call('echo', { n: 5 }), CODE.limited).data.limit.used, 4);
  });
});
