// Approvals under fire: each is used at most once, by the very call that was shown, and has one end, whoever races and whoever dies.
// Security tests 18 and 21.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seedOf } from '../../lib/random.mjs';
import { factor, suite } from '../../lib/settings.mjs';
import { until } from '../../lib/until.mjs';
import { befall, decider } from './trouble.mjs';
import { World, soakMs, soakTest, soaks } from './world.mjs';

const rules = { approval: { tool: 'asked' }, limits: [{ tool: 'asked', window_ms: 2000, max_count: 8 }] };
const configOf = ({ approval = '', agents = ['one'], limit = '' } = {}) => ({
  agents, grant: 'approval_required: [asked]',
  more: `approval: { mode: hold, max_pending_per_agent: 50, max_asks_per_hour: 100000, cooldown_after_refusal: 1ms${approval} }\n${limit}`,
});
const limit = 'queue: { demo: { global_rate_limits: { asked: {window: 2s, max_count: 8} } } }\n';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe('each approval is used at most once, and only by its own call', soaks, () => {
  soakTest('while shims and those who decide are killed and stopped', {}, async (t, seed) => {
    const world = await World.make(t, { seed, rules, config: configOf({ agents: ['one', 'two', 'three'], limit }), backend: { cuts: 0.05, fails: 0.05, slow_ms: 30 } });
    const shared = { asked: ['same1', 'same2', 'same3', 'same4', 'same5', 'same6'] };
    await world.underFire({
      clients: 5, lanes: 2, tools: ['asked', 'asked', 'echo'], shared, ms: soakMs(10_000),
      trouble: (end) => befall(world, ['kill', 'stop', 'edit', 'operator', 'lock'], end), person: decider(world),
    });
    world.assertKept(await world.over());
    assert.ok(world.arrivals().some((a) => a.tool === 'asked'), 'some were approved and ran');
  });
});

/** Arguments that differ from {mark, text, n} by as little as can be. */
const mutations = (mark) => [
  { mark, text: 'hellp', n: 1 }, { mark, text: 'hello ', n: 1 }, { mark, text: 'Hello', n: 1 }, { mark, text: 'hello', n: 0 }, { mark, text: 'hello', n: '1' }, { mark, text: 'hello', n: 1.5 },
  { mark, text: 'hello', n: -1 }, { mark, text: 'hello', n: true }, { mark, text: 'hello', n: null }, { mark, text: 'hello', n: [1] }, { mark, text: 'hello' }, { mark, n: 1 },
  { mark, text: 'hello', n: 1, more: null }, { mark, text: 'hello\u0000', n: 1 }, { mark, text: 'hel\u200blo', n: 1 }, { mark, text: 'h\u0435llo', n: 1 }, { mark, Text: 'hello', n: 1 },
  { mark, text: ['hello'], n: 1 }, { mark, text: { hello: 1 }, n: 1 }, { mark, 'text ': 'hello', n: 1 },
];

describe('what was approved is what runs', suite, () => {
  test('arguments that differ in one bit from those approved are not forwarded', async (t) => {
    const world = await World.make(t, { config: configOf() });
    const client = await world.open();
    const key = world.newKey();
    const args = { mark: key, text: 'hello', n: 1 };
    const first = await world.open();
    first.call('asked', { key, args });
    const [approval] = await until(async () => (await world.asked()).length === 1 && world.asked(), { what: 'the question', every: 50 });
    assert.deepEqual(approval.arguments, args);
    first.kill();
    await world.decide('approve', approval);
    const others = mutations(key);
    for (const other of others) client.call('asked', { key: world.newKey(), args: other }).catch(() => {});
    await until(async () => (await world.asked()).length === others.length, { what: 'a question for each of the others', every: 100 });
    assert.equal(world.arrivals().length, 0, 'nothing was forwarded');
    assert.equal((await client.call('asked', { key, args })).verdict, 'done', 'the approved one still goes, once');
    assert.deepEqual(world.arrivals().map((a) => a.args), [args]);
    await client.shim.end();
  });

  test('the same arguments in another spelling are the same call, and those bytes go that were sent last', async (t) => {
    const world = await World.make(t, { config: configOf() });
    const client = await world.open();
    const key = world.newKey();
    const first = client.call('asked', { key, args: { mark: key, b: 'x', a: [1, 2] } });
    const [approval] = await until(async () => (await world.asked()).length === 1 && world.asked(), { what: 'the question', every: 50 });
    const second = client.call('asked', { key, args: { a: [1, 2], b: 'x', mark: key } });
    await world.decide('approve', approval);
    const answers = await Promise.all([first, second]);
    assert.deepEqual(answers.map((a) => a.verdict).sort(), ['done', 'refused']);
    assert.equal(answers.find((a) => a.error).reason, 'approval_used');
    assert.equal(world.arrivals().length, 1);
  });
});

describe('approve, refuse, cancel, expiry and the client racing', suite, () => {
  for (let round = 1; round <= 4 * factor; round++) {
    test(`exactly one end, and the votes agree with it (round ${round})`, async (t) => {
      const world = await World.make(t, { seed: seedOf(t) + round, rules: { approval: rules.approval }, config: configOf({ approval: ', timeout: 2s' }) });
      const [client, twin] = [await world.open('one'), await world.open('one')];
      const key = world.newKey();
      const calls = [client, twin].map((c) => c.call('asked', { key }));
      const [approval] = await until(async () => (await world.asked()).length > 0 && world.asked(), { what: 'the question', every: 20 });
      const verbs = ['approve', 'reject', 'cancel', 'approve', 'reject'].sort(() => world.rnd() - 0.5);
      const wait = world.rnd() < 0.3 ? 1500 : 0;         // some come when it runs out
      const ends = await Promise.all(verbs.map(async (verb) => {
        await pause(wait + world.rnd() * 200);
        return { verb, ...await world.decide(verb, approval) };
      }));
      await Promise.all(calls);
      const won = ends.filter((e) => e.code === 0);
      assert.ok(won.length <= 1, `${won.map((e) => e.verb)} were told that they decided`);
      for (const e of ends) assert.ok([0, 1].includes(e.code), `${e.verb}: ${e.code} ${e.stdout}${e.stderr}`);
      assert.equal(world.arrivalsOf(key).length, won[0]?.verb === 'approve' ? 1 : 0);
      const [row] = await world.place.query('SELECT * FROM approval');
      const expected = { approve: 'CONSUMED', reject: 'REJECTED', cancel: 'CANCELLED', undefined: 'EXPIRED' }[won[0]?.verb];
      assert.equal(row.state, expected);
      const votes = await world.place.query('SELECT verdict, is_late FROM approval_vote');
      assert.deepEqual(votes.filter((v) => !v.is_late).map((v) => v.verdict), ['approve', 'reject'].includes(won[0]?.verb) ? [won[0].verb] : []);
      const decided = (await world.place.storedRows()).filter((r) => r.kind === 'decision' && !r.body.is_late && ['approve', 'reject', 'cancelled'].includes(r.verdict));
      assert.equal(decided.length, won.length, JSON.stringify(decided));
      world.assertKept(await world.over());
    });
  }
});
