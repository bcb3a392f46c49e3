// Everything at once, judged afterwards: shims work against limits while they are killed and stopped, while the state is locked, replaced, full, while
// clocks jump and the backend hangs up. Security tests 1, 2 and 14 of the promise about limits. At `full` each goes on for AEGIS_LEDGER_MINUTES (60).
import { describe } from 'node:test';
import { World, soakMs, soakTest, soaks } from './world.mjs';
import { missing, otherBoot, otherTime, otherWall, smallDisk } from './surroundings.mjs';
import { befall, decider } from './trouble.mjs';

const MS = soakMs(8_000);

const agents = ['one', 'two', 'three'];
const config = {
  agents,
  grant: 'rate_limits: { limited: {window: 1s, max_count: 15} }',
  more: 'queue: { demo: { global_rate_limits: { limited: [ {window: 1s, max_count: 20}, {window: 5s, max_count: 70} ] } } }\n',
};
/** What these rules promise, as the checker reads it. */
const limits = [
  { tool: 'limited', window_ms: 1000, max_count: 20 }, { tool: 'limited', window_ms: 5000, max_count: 70 },
  ...agents.map((agent) => ({ tool: 'limited', agent, window_ms: 1000, max_count: 15 })),
];

async function soak(t, seed, { troubles, lanes = 1, clients = 8, backend = { fails: 0.05, cuts: 0.05, slow_ms: 30 }, ...more }) {
  const world = await World.make(t, { seed, rules: { limits }, config, backend, ...more });
  await world.underFire({ clients, ms: MS, tools: ['limited', 'limited', 'echo'], trouble: (until) => befall(world, troubles, until, lanes) });
  world.assertKept(await world.over());
  return world;
}

describe('no window holds more than its count', soaks, () => {
  soakTest('while shims are killed and stopped, and their operators too', {}, (t, seed) => soak(t, seed, { troubles: ['kill', 'kill', 'stop', 'operator', 'edit', 'all', 'gate_replaced'], lanes: 2 }));
  soakTest('while the state is locked and replaced', {}, (t, seed) => soak(t, seed, { troubles: ['lock', 'gate', 'replace', 'kill', 'stop', 'edit'], lanes: 2 }));
  soakTest('while the disk is full and has no inodes left', { skip: missing.disk }, (t, seed) => soak(t, seed, { troubles: ['full', 'no_inodes', 'kill'], surroundings: (w) => smallDisk(w, 'size=64m,nr_inodes=200') }));
  soakTest('while the wall clock is set an hour forth and back', { skip: missing.wall }, (t, seed) => soak(t, seed, { troubles: ['wall', 'wall', 'kill', 'stop'], surroundings: otherWall }));
  soakTest('while machines sleep: processes whose boot clocks differ', { skip: missing.time }, (t, seed) => soak(t, seed, { troubles: ['kill', 'kill', 'stop'], surroundings: otherTime }));
  soakTest('while the machine boots again and again', { skip: missing.boot }, (t, seed) => soak(t, seed, { troubles: ['all', 'kill', 'kill', 'kill', 'stop'], surroundings: otherBoot }));

  soakTest('everything at once: limits, approvals, a queue, brakes, clients that give up before they are served', {}, async (t, seed) => {
    const all = ['limited', 'asked', 'queued', 'echo'];
    const world = await World.make(t, {
      seed, backend: { fails: 0.05, cuts: 0.05, slow_ms: 20 },
      rules: { limits: [...limits, { tool: 'queued', window_ms: 2000, max_count: 12 }, { tool: 'asked', window_ms: 2000, max_count: 8 }], approval: { tool: 'asked' } },
      config: {
        ...config, agent: 'hold_max: 700ms', grant: `${config.grant}\napproval_required: [asked]`,
        more: `approval: { max_pending_per_agent: 50, max_asks_per_hour: 100000, cooldown_after_refusal: 1ms, heartbeat: 100ms }
queue: { demo: { enabled: true, delay_min: 0s, delay_max: 30ms, keep_place: 1s, bypass_tools: [echo, limited], global_rate_limits: {
  limited: [ {window: 1s, max_count: 20}, {window: 5s, max_count: 70} ], queued: {window: 2s, max_count: 12}, asked: {window: 2s, max_count: 8} } } }\n`,
      },
    });
    const same = (tool) => Array.from({ length: 8 }, (_, n) => `${tool}-${n}`);
    await world.underFire({
      clients: 6, lanes: 3, tools: all, shared: { asked: same('asked'), queued: same('queued') }, ms: MS,
      trouble: (until) => befall(world, ['kill', 'kill', 'stop', 'brake', 'brake', 'operator', 'edit', 'lock', 'replace'], until, 2), person: decider(world),
    });
    const arrived = Object.fromEntries(all.map((tool) => [tool, world.arrivals().filter((a) => a.tool === tool).length]));
    t.diagnostic(JSON.stringify(arrived));
    world.assertKept(await world.over());
  });
});
