// The queue under fire: who came first starts first, whoever dies, gives up or stands still, and nobody starves. Security tests 10 and 11.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seedOf } from '../../lib/random.mjs';
import { factor, scale } from '../../lib/settings.mjs';
import { until } from '../../lib/until.mjs';
import { befall } from './trouble.mjs';
import { World, soakMs, soakTest, soaks } from './world.mjs';

const rules = { queue: { tool: 'queued' } };
const config = {
  agents: ['one', 'two', 'three'],
  more: `approval: { heartbeat: 200ms }
queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s, max_pending: 500, bypass_tools: [echo, limited] } }\n`,
};

/** The tickets of the database, in order: [{number, call}]. */
const tickets = (world) => world.place.query('SELECT number, call, state FROM ticket ORDER BY number').catch(() => []);

describe('the queue is first come, first served', soaks, () => {
  for (let round = 1; round <= 2 * factor; round++) {
    test(`the order of starts is the order of those who survived, whoever dies or gives up (round ${round})`, async (t) => {
      const seed = seedOf(t) + round;
      const waiters = scale === 'full' ? 64 : 24;
      const world = await World.make(t, { seed, rules, config });
      const head = await world.survivor();
      const first = head.call('queued', { key: 'head', args: { mark: 'head', wait_ms: 20_000 } });
      first.catch(() => {});
      await until(() => world.arrivalsOf('head').length === 1, { what: 'the operation under way' });

      // One after the other: the order of joining is the test's own.
      const clients = await Promise.all(Array.from({ length: 6 }, (_, n) => world.open(world.agents[n % 3])));
      const joined = [];
      for (let n = 0; n < waiters; n++) {
        const client = clients[n % clients.length];
        const id = client.shim.nextId;
        const key = world.newKey();
        const answer = client.call('queued', { key });
        answer.catch(() => {});
        await until(async () => (await tickets(world)).length === n + 2, { what: `ticket ${n + 1}` });
        joined.push({ client, key, id, answer });
      }
      const [dead] = clients.splice(Math.floor(world.rnd() * clients.length), 1);
      const survivors = joined.filter((w) => w.client !== dead);
      const gone = survivors.filter(() => world.rnd() < 0.2);
      dead.kill();
      for (const w of gone) w.client.cancel(w.key, w.id);
      const left = survivors.filter((w) => !gone.includes(w));
      // Who holds the head dies too: the slot is free, and the next one starts.
      head.kill();
      world.first = null;
      await Promise.all(left.map((w) => w.answer));
      const started = world.arrivals().map((a) => a.key).filter((key) => left.some((w) => w.key === key));
      assert.deepEqual(started, left.map((w) => w.key));
      assert.equal(world.arrivals().some((a) => gone.some((w) => w.key === a.key)), false, 'who gave up never starts');
      world.assertKept(await world.over());
    });
  }

  soakTest('the order of starts is the order of tickets, while shims are killed and stopped and the state is locked', {}, async (t, seed) => {
    const world = await World.make(t, { seed, rules, config, backend: { cuts: 0.05, fails: 0.05, slow_ms: 10 } });
    await world.underFire({
      clients: 6, lanes: 3, tools: ['queued', 'queued', 'echo'], ms: soakMs(10_000),
      trouble: (end) => befall(world, ['kill', 'kill', 'kill', 'stop', 'stop', 'lock', 'edit', 'operator'], end, 2),
    });
    const counts = new Map();
    for (const a of world.arrivals()) counts.set(a.tool, (counts.get(a.tool) ?? 0) + 1);
    t.diagnostic(JSON.stringify([...counts]));
    assert.ok(counts.get('queued') > 0, 'the queue moved');
    world.assertKept(await world.over());
  });

  test('nobody starves: of many that always want, each is served as often as the others', async (t) => {
    const clients = scale === 'full' ? 64 : 12;
    const world = await World.make(t, { seed: seedOf(t), rules, config });
    const all = await Promise.all(Array.from({ length: clients }, (_, n) => world.open(world.agents[n % 3])));
    const served = new Map(all.map((c) => [c, 0]));
    const total = clients * 15;
    let n = 0;
    await Promise.all(all.map(async (c) => {
      while (n < total) {
        const answer = await c.call('queued');
        if (answer?.result && n++ < total) served.set(c, served.get(c) + 1);
      }
    }));
    const counts = [...served.values()];
    t.diagnostic(JSON.stringify(counts));
    assert.ok(Math.min(...counts) / Math.max(...counts) >= 0.8, JSON.stringify(counts));
    world.assertKept(await world.over());
  });
});
