// A backend that asks to be left alone (429, Retry-After) is left alone by every agent, for as long as it said, within bounds.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { CODE, assertNoLeak, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';

const busy = (status, retryAfter) => (x) => x.send(status, 'busy', retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) });

async function setUp(t, { max = '10m', grant = '' } = {}) {
  const backend = await startBackend(t);
  const place = makePlace(t, simpleRules(backend.url, { agents: ['one', 'two'], grant }).replace(/ }\n/, `, cooldown_max: ${max} }\n`));
  return { backend, place };
}

const stops = async (place) => JSON.parse((await place.ctl(['pause', '--list', '--json'])).stdout);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe('cool-down', suite, () => {
  test('a 429 closes the backend for every agent, until an operator opens it', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' });
    const [one, two] = [await openShim(place), await openShim(place, { agent: 'two' })];
    backend.onCall.echo = busy(429, 300);
    const first = assertRefused(await one.call('echo'), CODE.unreachable, { executed: 'no' });
    assert.equal(first.data.retry_after_ms, 300_000);
    delete backend.onCall.echo;
    for (const shim of [one, two]) {
      const { data, message } = assertRefused(await shim.call('echo'), CODE.limited, { reason: 'cooldown' });
      assert.ok(data.retry_after_ms > 0 && data.retry_after_ms <= 300_000, String(data.retry_after_ms));
      assert.match(message, /backend demo asked to be left alone \(it answered HTTP 429 and asked for 300 s\)/);
      assert.match(message, /not executed/);
      assertNoLeak(backend, message, shim.stderr);
    }
    assert.equal(backend.arrivals.length, 1);
    const [{ left_ms: left, ...stop }] = await stops(place);
    assert.deepEqual(stop, { kind: 'cooldown', backend: 'demo', cause: 'it answered HTTP 429 and asked for 300 s' });
    assert.ok(left > 0 && left <= 300_000);
    assert.match((await place.ctl(['limits'])).stdout, /backend demo cools down/);
    assert.equal((await place.ctl(['resume', '--backend', 'demo', '--cooldown'])).code, 0);
    assert.equal((await place.ctl(['resume', '--backend', 'demo', '--cooldown'])).code, 1);
    assertSaid(await one.call('echo', { message: 'its place was given back' }), 'its place was given back');
    const outcome = (await place.storedRows()).find((row) => row.kind === 'outcome');
    assert.equal(outcome.body.cooldown_ms, 300_000);
    assert.equal((await place.storedRows()).filter((row) => row.verdict === 'cooldown_ended').length, 1);
  });

  test('it is no longer than cooldown_max, and ends by itself', async (t) => {
    const { backend, place } = await setUp(t, { max: '2s' });
    const shim = await openShim(place);
    backend.onCall.echo = busy(429, 3600);
    await shim.call('echo');
    const [one] = backend.arrivals;
    delete backend.onCall.echo;
    let answer = await shim.call('echo', { message: 'x' });
    while (answer.error) {
      const { data } = assertRefused(answer, CODE.limited, { reason: 'cooldown' });
      assert.ok(data.retry_after_ms <= 2000, String(data.retry_after_ms));
      await pause(data.retry_after_ms);
      answer = await shim.call('echo', { message: 'x' });
    }
    assertSaid(answer, 'x');
    assert.ok(backend.arrivals[1].at - one.at >= 2000, `${backend.arrivals[1].at - one.at}`);
    assert.deepEqual(await stops(place), []);
  });

  const wishes = [
    ['a date', busy(429, new Date(Date.now() + 500_000).toUTCString()), CODE.unreachable, 500_000],
    ['no time: ten seconds', busy(429), CODE.unreachable, 10_000],
    ['a time that cannot be read: ten seconds', busy(429, 'soon'), CODE.unreachable, 10_000],
    ['503 with a time', busy(503, 400), CODE.unknown, 400_000],
    ['a JSON-RPC error of status 429', (x) => x.send(429, JSON.stringify({ jsonrpc: '2.0', id: x.message.id, error: { code: -32011, message: 'slow down' } }),
      { 'content-type': 'application/json', 'retry-after': '400' }), -32011, 400_000],
  ];
  for (const [what, handler, code, most] of wishes) {
    test(`429 or Retry-After: ${what}`, async (t) => {
      const { backend, place } = await setUp(t);
      const shim = await openShim(place);
      backend.onCall.echo = handler;
      assert.equal((await shim.call('echo')).error?.code, code);
      const [stop] = await stops(place);
      assert.ok(stop?.left_ms > 0 && stop.left_ms <= most, JSON.stringify(stop));
      if (most > 100_000) assertRefused(await shim.call('echo', { n: 2 }), CODE.limited, { reason: 'cooldown' });
    });
  }

  for (const [what, handler, options] of [
    ['503 without a time', busy(503), {}],
    ['429 that asks for nothing', busy(429, 0), {}],
    ['429 under cooldown_max: 0s', busy(429, 60), { max: '0s' }],
    ['500 with a time', busy(500, 60), {}],
  ]) {
    test(`none after ${what}`, async (t) => {
      const { backend, place } = await setUp(t, options);
      const shim = await openShim(place);
      backend.onCall.echo = handler;
      assert.ok((await shim.call('echo')).error);
      delete backend.onCall.echo;
      assertSaid(await shim.call('echo', { message: 'next' }), 'next');
      assert.deepEqual(await stops(place), []);
    });
  }

  test('a request that is no call counts too', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    assertSaid(await shim.call('echo', { message: 'before' }), 'before');
    backend.onMethod['prompts/list'] = busy(429, 600);
    assert.ok((await shim.request('prompts/list')).error);
    assertRefused(await shim.call('echo'), CODE.limited, { reason: 'cooldown' });
    assert.equal(backend.arrivals.length, 1);
  });

  test('another backend is not meant', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents: { one: { display_name: One, backends: { a: { allowed: true }, b: { allowed: true } } } }
`);
    const shim = await openShim(place);
    a.onCall.echo = busy(429, 600);
    assert.ok((await shim.call('a__echo')).error);
    assertRefused(await shim.call('a__echo'), CODE.limited, { reason: 'cooldown' });
    assertSaid(await shim.call('b__echo', { message: 'free' }), 'free');
  });

  test('it outlives the shim that met it', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    backend.onCall.echo = busy(429, 600);
    assert.ok((await shim.call('echo')).error);
    shim.kill('SIGKILL');
    await shim.exited;
    assertRefused(await (await openShim(place)).call('echo'), CODE.limited, { reason: 'cooldown' });
  });
});
