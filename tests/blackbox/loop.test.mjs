// The loop guard: an agent that makes exactly the same call over and over is stopped.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

async function setUp(t, { loop = '{ max_repeats: 3, window: 1h }', grant = '', more = '' } = {}) {
  const backend = await startBackend(t, { tools: [tool('echo'), tool('get')] });
  return { backend, place: makePlace(t, simpleRules(backend.url, { agents: ['one', 'two'], grant, more: `loop: ${loop}\n${more}` })) };
}

const refused = (answer) => assertRefused(answer, CODE.denied, { reason: 'loop' });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe('loop guard', suite, () => {
  test('the same call once too often is refused; another tool, other arguments, another agent are not meant', async (t) => {
    const { backend, place } = await setUp(t);
    const [one, two] = [await openShim(place), await openShim(place, { agent: 'two' })];
    for (let n = 0; n < 3; n++) assertSaid(await one.call('echo', { message: 'x', n: 1 }), 'x');
    const { message, data } = refused(await one.call('echo', { n: 1, message: 'x' }));
    assert.match(message, /made 3 times within 1h/);
    assert.match(message, /not executed/);
    assert.equal(data.rule, 'loop.max_repeats 3/1h');
    assert.ok(data.retry_after_ms > 3_000_000 && data.retry_after_ms <= 3_601_000, String(data.retry_after_ms));
    assert.equal(data.limit.scope, 'loop');
    assert.ok((await one.call('get', { n: 1, message: 'x' })).result);
    assert.ok((await one.call('echo', { n: 2, message: 'x' })).result);
    assert.ok((await two.call('echo', { n: 1, message: 'x' })).result);
    assert.equal(backend.arrivals.length, 6);
  });

  test('calls that fail count: they are what loops are made of', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' });
    const shim = await openShim(place);
    backend.onCall.echo = (x) => x.say('no', { isError: true });
    for (let n = 0; n < 3; n++) assert.equal((await shim.call('echo')).result.isError, true);
    refused(await shim.call('echo'));
    backend.onCall.echo = (x) => x.error(-32011, 'no');
    for (let n = 0; n < 3; n++) assert.equal((await shim.call('echo', { b: 1 })).error.code, -32011);
    refused(await shim.call('echo', { b: 1 }));
    delete backend.onCall.echo;
    assertSaid(await shim.call('echo', { message: 'the rate limit gave its places back' }), 'the rate limit gave its places back');
  });

  test('it holds across processes, however they crowd, and across their deaths', async (t) => {
    const { backend, place } = await setUp(t);
    const shims = await Promise.all([1, 2, 3, 4].map(() => openShim(place)));
    const answers = await Promise.all(shims.flatMap((shim) => [1, 2, 3].map(() => shim.call('echo', { message: 'crowd' }))));
    assert.equal(answers.filter((a) => a.result).length, 3);
    for (const answer of answers.filter((a) => a.error)) refused(answer);
    assert.equal(backend.arrivals.length, 3);
    for (const shim of shims) {
      shim.kill('SIGKILL');
      await shim.exited;
    }
    refused(await (await openShim(place)).call('echo', { message: 'crowd' }));
  });

  test('free again when the window has passed', async (t) => {
    const { backend, place } = await setUp(t, { loop: '{ max_repeats: 2, window: 3s }' });
    const shim = await openShim(place);
    const call = () => shim.call('echo', { message: 'x' });
    await call();
    await call();
    let answer = await call();
    while (answer.error) {
      await pause(refused(answer).data.retry_after_ms);
      answer = await call();
    }
    assert.ok(backend.arrivals[2].at - backend.arrivals[0].at >= 2900, String(backend.arrivals[2].at - backend.arrivals[0].at));
  });

  test('a call that went once more by itself was one', async (t) => {
    const { backend, place } = await setUp(t, { loop: '{ max_repeats: 2, window: 1h }' });
    const shim = await openShim(place);
    let lost = true;
    backend.onCall.echo = (x) => {
      if (lost) x.send(404, 'no such session');
      else x.say('there');
      lost = false;
    };
    for (let n = 0; n < 2; n++) assertSaid(await shim.call('echo', { message: 'x' }), 'there');
    refused(await shim.call('echo', { message: 'x' }));
    assert.equal(backend.arrivals.length, 3);
  });

  test('calls that wait in a queue count once; those a person approves do not', async (t) => {
    const { backend, place } = await setUp(t, {
      loop: '{ max_repeats: 2, window: 1h }', grant: 'approval_required: [get]', more: 'queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s } }\n',
    });
    const shim = await openShim(place);
    for (let n = 0; n < 2; n++) assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    refused(await shim.call('echo', { message: 'x' }));
    for (let n = 0; n < 3; n++) {
      const answer = shim.call('get', { message: 'same' });
      const [approval] = await until(async () => {
        const { stdout } = await place.ctl(['approvals', 'list', '--json']);
        return stdout.includes('"PENDING"') && JSON.parse(stdout).filter((a) => a.state === 'PENDING');
      }, { what: 'the approval is asked for', every: 50 });
      assert.equal((await place.ctl(['approvals', 'approve', approval.short])).code, 0);
      assertSaid(await answer, 'same');
    }
    assert.equal(backend.arrivals.length, 5);
    assert.deepEqual(await place.query("SELECT key FROM limit_entry WHERE tick > 9223372036854775805"), [], 'no hold is left');
  });

  test('off by default; switched on while sessions run it counts from then on', async (t) => {
    const { backend, place } = await setUp(t, { loop: '{ max_repeats: 0 }' });
    const shim = await openShim(place);
    for (let n = 0; n < 20; n++) assert.ok((await shim.call('echo')).result);
    place.writeRules(simpleRules(backend.url, { agents: ['one', 'two'], more: 'loop: { max_repeats: 1, window: 1h }\n' }));
    assert.ok((await shim.call('echo')).result);
    refused(await shim.call('echo'));
  });

  test('keys that nobody comes back to do not pile up', async (t) => {
    const { place } = await setUp(t, { loop: '{ max_repeats: 3, window: 1ms }' });
    const shim = await openShim(place);
    for (let n = 0; n < 600; n++) assert.ok((await shim.call('echo', { n })).result);
    const [{ keys }] = await place.query("SELECT count(*) AS keys FROM limit_window WHERE key LIKE 'loop%'");
    assert.ok(keys < 300, `${keys} keys after 600 calls`);
    const [{ entries }] = await place.query("SELECT count(*) AS entries FROM limit_entry WHERE key LIKE 'loop%'");
    assert.ok(entries < 300, `${entries} entries after 600 calls`);
  });
});
