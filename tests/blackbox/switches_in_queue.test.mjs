// Brake and cool-down where calls wait already: those they stop block nobody and keep their place.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

async function setUp(t, { cooldownMax = '10m', agent = '' } = {}) {
  const backend = await startBackend(t, { tools: [tool('echo'), tool('fast')] });
  const rules = simpleRules(backend.url, {
    agents: ['one', 'two'], agent, more: 'queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s, bypass_tools: [fast] } }\n',
  });
  const place = makePlace(t, rules.replace(/ }\n/, `, cooldown_max: ${cooldownMax} }\n`));
  return { backend, place, one: await openShim(place), two: await openShim(place, { agent: 'two' }) };
}

/** A call that was let through, and how to answer it. */
async function hold(backend, shim, args) {
  const arrived = new Promise((resolve) => { backend.onCall.echo = resolve; });
  const answer = shim.call('echo', args);
  const exchange = await settled(arrived, 'the first call arrives');
  delete backend.onCall.echo;
  return { answer, exchange };
}

/** A call that waits, once it has said that it does. */
async function wait(shim, message, what) {
  const token = `t-${message}`;
  const answer = shim.call('echo', { message }, { params: { _meta: { progressToken: token } } });
  answer.catch(() => {});
  await shim.message((m) => m.params?.progressToken === token && what.test(m.params.message), `${message} says that it waits`);
  return { answer };
}

const ctl = async (place, ...args) => {
  const ran = await place.ctl(args);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
};
const said = (backend) => backend.callsOf('echo').map((a) => a.args.message);

describe('brake and cool-down in a queue', suite, () => {
  test('a ticket that is paused blocks nobody, and keeps its number', async (t) => {
    const { backend, place, one, two } = await setUp(t);
    const first = await hold(backend, two, { message: 'first' });
    const stopped = await wait(one, 'stopped', /queue/);
    const behind = await wait(two, 'behind', /queue/);
    await ctl(place, 'pause', '--agent', 'one');
    first.exchange.say('first');
    await first.answer;
    assertSaid(await behind.answer, 'behind');
    assert.deepEqual(said(backend), ['first', 'behind']);
    const second = await hold(backend, two, { message: 'second' });
    const last = await wait(two, 'last', /queue/);
    await ctl(place, 'resume', '--agent', 'one');
    second.exchange.say('second');
    await Promise.all([second.answer, stopped.answer, last.answer]);
    assert.deepEqual(said(backend), ['first', 'behind', 'second', 'stopped', 'last']);
  });

  test('the owner of a paused ticket dies: the others go on when it is resumed', async (t) => {
    const { backend, place, one, two } = await setUp(t);
    const first = await hold(backend, two, { message: 'first' });
    await wait(one, 'dies', /queue/);
    const behind = await wait(two, 'behind', /queue/);
    await ctl(place, 'pause');
    first.exchange.say('first');
    await first.answer;
    one.kill('SIGKILL');
    await one.exited;
    await ctl(place, 'resume');
    assertSaid(await behind.answer, 'behind');
    assert.deepEqual(said(backend), ['first', 'behind']);
  });

  test('calls with a ticket wait for the end of a cool-down, others are refused', async (t) => {
    const { backend, place, one, two } = await setUp(t);
    const first = await hold(backend, one, { message: 'first' });
    const waits = await wait(two, 'waits', /queue/);
    first.exchange.send(429, 'busy', { 'retry-after': '300' });
    assertRefused(await first.answer, CODE.unreachable, { executed: 'no' });
    assertRefused(await one.call('echo', { message: 'new' }), CODE.limited, { reason: 'cooldown' });
    assertRefused(await one.call('fast', { message: 'past the queue' }), CODE.limited, { reason: 'cooldown' });
    await two.message((m) => m.params?.progressToken === 't-waits' && /asked to be left alone/.test(m.params.message), 'that it waits for the cool-down');
    assert.deepEqual(said(backend), ['first']);
    await ctl(place, 'resume', '--backend', 'demo', '--cooldown');
    assertSaid(await waits.answer, 'waits');
    assert.ok((await one.call('fast')).result);
  });

  test('a call with a place in the queue comes again during a cool-down: it is not refused, and runs when that is over', async (t) => {
    const { backend, place, one, two } = await setUp(t, { agent: 'hold_max: 3s' });
    const first = await hold(backend, one, { message: 'first' });
    const early = two.call('echo', { message: 'again' });
    await until(async () => JSON.parse((await place.ctl(['queue', '--json'])).stdout).length === 2, { what: 'a ticket for it' });
    first.exchange.send(429, 'busy', { 'retry-after': '300' });
    await first.answer;
    for (const answer of [await early, await two.call('echo', { message: 'again' })]) {
      assert.equal(answer.result?.isError, true, answer.line);
      assert.equal(answer.result._meta['aegis/status'], 'queued');
    }
    assertRefused(await two.call('echo', { message: 'another' }), CODE.limited, { reason: 'cooldown' });
    await ctl(place, 'resume', '--backend', 'demo', '--cooldown');
    assertSaid(await two.call('echo', { message: 'again' }), 'again');
    assert.deepEqual(said(backend), ['first', 'again']);
  });

  test('the end of a cool-down comes by itself, also for those that wait', async (t) => {
    const { backend, one, two } = await setUp(t, { cooldownMax: '3s' });
    const first = await hold(backend, one, { message: 'first' });
    const waits = await wait(two, 'waits', /queue/);
    first.exchange.send(429, 'busy', { 'retry-after': '300' });
    await first.answer;
    assertSaid(await waits.answer, 'waits');
    const [a, b] = backend.callsOf('echo');
    assert.ok(b.at - a.at >= 3000, `${b.at - a.at}`);
  });
});
