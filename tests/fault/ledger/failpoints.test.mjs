// A crash, or a standstill, at each labelled place on the path of a call (security tests 12 and 8).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { CODE, assertRefused } from '../../lib/check.mjs';
import { isSanitized, plainBin, scale, suite } from '../../lib/settings.mjs';
import { settled, until } from '../../lib/until.mjs';
import { brokerPoints, noFailpoints, points, reachable } from './points.mjs';
import { World } from './world.mjs';

const LIMIT = 3;
const rules = { limits: [{ tool: 'limited', window_ms: 3_600_000, max_count: LIMIT }], approval: { tool: 'asked' }, queue: { tool: 'queued' } };
const config = {
  grant: `rate_limits: { limited: {window: 1h, max_count: ${LIMIT}} }\napproval_required: [asked]`,
  more: `queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s, bypass_tools: [echo, limited, asked] } }\n`,
};

async function makeWorld(t) {
  const world = await World.make(t, { rules, config });
  world.limit = LIMIT;
  return world;
}

/** What is left of the limit is taken, and no more than that; all that died has lost is `lost` places. */
async function takeTheRest(world, client, lost) {
  const last = await until(async () => {
    const answer = await client.call('limited');
    return answer.error && answer.reason !== 'store' && answer;
  }, { what: 'a refusal by the limit', every: 20 });
  assertRefused(last, CODE.limited);
  const used = world.arrivals().filter((a) => a.tool === 'limited').length;
  assert.ok(used >= LIMIT - lost && used <= LIMIT, `${used} of ${LIMIT} arrived`);
}

describe('a crash at each labelled place: at most one effect, the promises hold, others go on', { ...suite, skip: noFailpoints }, () => {
  test('there are at least 40, and each has a way to be reached', () => {
    assert.ok(Object.keys(points).length >= 40, `${Object.keys(points).length}`);
    assert.deepEqual([...reachable.map((p) => p.id), ...brokerPoints].sort(), Object.keys(points).sort());
  });

  for (const { name, reach } of reachable) {
    test(`killed at ${name}`, async (t) => {
      const world = await makeWorld(t);
      const { victim, ctl, mend } = await reach(world, 'kill');
      if (victim) {
        victim.shim.signals.add('SIGKILL');
        const { signal } = await settled(victim.shim.exited, `the death at ${name}${victim.shim.lastWords()}`);
        assert.equal(signal, 'SIGKILL', victim.shim.lastWords());
      } else {
        assert.equal(ctl.code, null, `aegisctl dies of it: ${ctl.stderr}`);
        await mend();
        await until(async () => (await world.first.call('echo')).result, { what: 'the survivor at work', every: 50 });
      }
      if (world.isLedgerLost) return;
      const survivor = await world.survivor();
      await takeTheRest(world, survivor, 1);
      world.assertKept(await world.over());
    });
  }
});

const insideGate = ['gate/taken', 'turn/begun', 'commit/flight', 'turn/committing', 'turn/committed', 'settle/uses'];
const elsewhere = ['turn/telling', 'forward/told', 'forward/prereq', 'forward/answered', 'wal/sync', 'gate/lined'];

describe('a process stopped at any place', { ...suite, skip: noFailpoints }, () => {
  for (const { name, way, reach } of reachable.filter((p) => !['repair', 'pause', 'settle', 'vote'].includes(p.way) && (scale === 'full' || [...insideGate, ...elsewhere].includes(p.name)))) {
    test(`at ${name}: others are served, and it goes on when it is woken`, async (t) => {
      const world = await makeWorld(t);
      const { victim, answer } = await reach(world, 'stop');
      victim.shim.signals.add('SIGSTOP');
      let isOver = false;                 // another has woken it before we looked
      answer.then(() => { isOver = true; });
      await until(() => victim.isStandingStill() || victim.shim.hasExited || isOver, { what: `the standstill at ${name}${victim.shim.lastWords()}` });
      assert.equal(victim.shim.hasExited, false);
      victim.isStopped = true;
      world.record({ what: 'stopped', shim: victim.name });
      const from = performance.now();
      const survivor = await world.survivor();
      t.diagnostic(`others waited ${Math.round(performance.now() - from)} ms`);
      victim.go();
      const own = ['asked', 'given_up'].includes(way) ? null : await answer;        // those wait for a person, or for nothing
      if (own) assert.ok(own.result || own.executed, own.line);
      await takeTheRest(world, survivor, 1);
      world.assertKept(await world.over());
    });
  }
});

describe('a commit that fails, the first, the second and so on', { ...suite, skip: noFailpoints }, () => {
  for (const tool of ['limited', 'queued']) {
    for (let nth = 1; nth <= 8; nth++) {
      test(`number ${nth} of a ${tool} call: nothing is forwarded unrecorded, every outcome is on record in the end, and it is well again`, async (t) => {
        const world = await makeWorld(t);
        await world.survivor();
        const victim = await world.open('one', { env: { AEGIS_FAILPOINT: `turn/committing:${nth}=error` } });
        for (let n = 0; n < 2; n++) {
          const answer = await victim.call(tool);
          if (!answer.result) assertRefused(answer, CODE.internal, { reason: 'store' });
        }
        await until(async () => (await victim.call('echo')).result, { what: `recovery${victim.shim.lastWords()}`, every: 50 });
        assert.equal((await world.first.call('queued')).verdict, 'done', 'nothing stands in the way of others');
        await takeTheRest(world, victim, 0);
        world.assertKept(await world.over());
      });
    }
  }
});

test('a release has no trace of failpoints', { skip: isSanitized && plainBin('x')?.includes('release') ? false : 'needs a release build beside the one under test: AEGIS_BIN_PLAIN' }, () => {
  for (const program of ['aegis-shim', 'aegisctl']) {
    const bytes = readFileSync(plainBin(program));
    for (const text of ['AEGIS_FAILPOINT', 'failpoint', ...Object.values(points)]) assert.equal(bytes.includes(`${text}\0`), false, `${program} holds "${text}"`);
  }
});
