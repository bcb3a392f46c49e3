// The promise about limits, across processes: exactly as many calls as allowed reach the backend, whoever races, whoever is killed.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertRefused, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { random, seedOf } from '../lib/random.mjs';
import { factor, inTurn, patience } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const SHIMS = 20;
const CALLS = 50;
const LIMIT = 100;
const limit = (window = '1h', max = LIMIT) => ({ more: `queue: { demo: { global_rate_limits: { echo: {window: ${window}, max_count: ${max}} } } }\n` });

/** Refused by the limit; or, on a machine so busy that the gate was not to be had in time, for the store's sake. */
function assertKeptOut(answer) {
  const isBusy = answer.error?.data?.reason === 'store' && /busy/.test(answer.error.message);
  assertRefused(answer, isBusy ? CODE.internal : CODE.limited);
}

describe('two-process truth', inTurn, () => {
  for (let round = 1; round <= factor; round++) {
    test(`${SHIMS} shims x ${CALLS} calls race one limit of ${LIMIT}: exactly ${LIMIT} arrive (round ${round})`, async (t) => {
      const backend = await startBackend(t);
      const agents = Array.from({ length: SHIMS }, (_, i) => `agent${i % 5}`);
      const place = makePlace(t, simpleRules(backend.url, { agents: [...new Set(agents)], ...limit() }));
      const shims = await Promise.all(agents.map((agent) => openShim(place, { agent })));
      const answers = (await Promise.all(shims.map((shim, s) => Promise.all(
        Array.from({ length: CALLS }, (_, n) => shim.call('echo', { message: `${s}/${n}` })),
      )))).flat();

      const passed = answers.filter((a) => a.result);
      assert.equal(passed.length, LIMIT);
      for (const answer of answers) if (!answer.result) assertKeptOut(answer);
      assert.equal(backend.arrivals.length, LIMIT);
      assert.equal(new Set(backend.arrivals.map((a) => a.args.message)).size, LIMIT, 'no call arrived twice');

      const rows = await place.query("SELECT kind, count(*) AS n FROM audit WHERE tool = 'echo' GROUP BY kind");
      const counted = Object.fromEntries(rows.map((r) => [r.kind, r.n]));
      assert.equal(counted.intent, LIMIT, 'every forwarded call is on record');
      assert.equal(counted.outcome, LIMIT);
    });
  }

  for (let round = 1; round <= factor; round++) {
    test(`shims killed at random: never more than ${LIMIT}, lost are at most the calls in flight (round ${round})`, async (t) => {
      const rnd = random(seedOf(t) + round);
      const backend = await startBackend(t);
      backend.onCall.echo = (exchange) => setTimeout(() => exchange.say('done'), rnd() * 5);
      const place = makePlace(t, simpleRules(backend.url, limit()));
      const shims = await Promise.all(Array.from({ length: SHIMS }, () => openShim(place)));
      const doomed = new Map(shims.slice(0, 12).map((shim) => [shim, Math.floor(rnd() * 6)]));   // killed after so many answers
      let lostAtMost = 0;
      let passed = 0;
      await Promise.all(shims.map(async (shim, s) => {
        let inFlight = 0;
        let answered = 0;
        let dead = false;
        const lane = async (k) => {
          for (let n = 0; n < CALLS / 5 && !dead; n++) {
            inFlight++;
            const answer = await shim.call('echo', { message: `${s}/${k}/${n}` }).catch((error) => {
              if (!dead) throw error;
            });
            if (dead || !answer) return;
            inFlight--;
            answered++;
            if (answer.result) passed++;
            else assertKeptOut(answer);
            if (doomed.get(shim) === answered) {
              dead = true;
              lostAtMost += inFlight;
              shim.kill('SIGKILL');
            }
          }
        };
        await Promise.all([0, 1, 2, 3, 4].map(lane));
      }));

      // Whoever comes afterwards finds the rest of the places, and no more.
      const heir = await openShim(place);
      for (let n = 0; ; n++) {
        const answer = await heir.call('echo', { message: `heir/${n}` });
        if (!answer.result) {
          assertRefused(answer, CODE.limited);
          break;
        }
        assert.ok(n <= LIMIT);
      }
      const arrived = backend.arrivals.length;
      assert.ok(arrived <= LIMIT, `${arrived} arrived`);
      assert.ok(LIMIT - arrived <= lostAtMost, `${LIMIT - arrived} places lost, ${lostAtMost} calls were in flight at the kills`);
      assert.equal(new Set(backend.arrivals.map((a) => a.args.message)).size, arrived, 'no call arrived twice');
      t.diagnostic(`${arrived} arrived, ${passed} answered before the heir, in flight at the kills ${lostAtMost}`);
    });
  }

  test('what a killed shim had in flight becomes unknown, and says so in the audit', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url, limit('1h', 2)));
    const victim = await openShim(place);
    backend.onCall.echo = () => {};
    const lost = victim.call('echo', { message: 'lost' });
    lost.catch(() => {});
    await until(() => backend.arrivals.length === 1, { what: 'the call at the backend' });
    victim.kill('SIGKILL');
    await victim.exited;
    delete backend.onCall.echo;
    const heir = await openShim(place);
    assert.ok((await heir.call('echo', { message: 'heir' })).result);
    assertRefused(await heir.call('echo', { message: 'heir 2' }), CODE.limited);
    const outcomes = await until(async () => {
      const rows = (await place.storedRows()).filter((r) => r.kind === 'outcome');
      return rows.length === 2 && rows;
    }, { what: 'an outcome row for each call', every: 100 });
    assert.equal(outcomes.filter((r) => JSON.stringify(r).includes('unknown')).length, 1, JSON.stringify(outcomes));
  });

  test('a holder of the gate that is stopped delays the others by at most a second', async (t) => {
    if (!isReadable('/proc/locks')) return t.skip('no /proc/locks here');
    const { victim, other, stopInsideGate } = await gateRace(t);
    await stopInsideGate();
    const from = performance.now();
    const answer = await other.call('echo', { message: 'me first' });
    const waited = performance.now() - from;
    t.diagnostic(`waited ${Math.round(waited)} ms`);
    assert.ok(answer.result, answer.line);
    assert.ok(waited < 10_000 * patience, `${waited} ms`);
    await until(() => victim.hasExited || stateOf(victim.pid) !== 'T', { what: 'the holder running again, or gone' });
    assert.ok((await other.call('echo')).result, 'and life goes on');
  });

  test('a holder of the gate that is stopped again and again is killed, and others go on', async (t) => {
    if (!isReadable('/proc/locks')) return t.skip('no /proc/locks here');
    const { victim, other, stopInsideGate } = await gateRace(t);
    await stopInsideGate();
    const again = setInterval(() => victim.kill('SIGSTOP'), 1);
    t.after(() => clearInterval(again));
    const from = performance.now();
    const answer = await other.call('echo', { message: 'me first' });
    const waited = performance.now() - from;
    clearInterval(again);
    assert.ok(answer.result, answer.line);
    assert.ok(waited < 10_000 * patience, `${waited} ms`);
    t.diagnostic(`waited ${Math.round(waited)} ms, the holder ${victim.hasExited ? 'was killed' : 'slipped out'}`);
  });
});

/** Two shims, one of them hard at work, and a way to stop that one inside the write gate. */
async function gateRace(t) {
  const backend = await startBackend(t);
  const place = makePlace(t, simpleRules(backend.url));
  const [victim, other] = [await openShim(place), await openShim(place)];
  await other.call('echo');
  const { ino } = statSync(path.join(place.state, 'gate'));
  const holdsGate = () => readFileSync('/proc/locks', 'utf8').split('\n')
    .some((line) => new RegExp(`^\\d+: FLOCK .* ${victim.pid} [0-9a-f:]+:${ino} `).test(line));

  /** Stops it at random moments until it is caught inside. */
  async function stopInsideGate() {
    const lane = async () => {
      for (let n = 0; ; n++) await victim.call('echo', { n });
    };
    for (let k = 0; k < 4; k++) lane().catch(() => {});         // ends with the shim
    await until(() => {
      assert.equal(victim.hasExited, false, victim.stderr);
      victim.kill('SIGSTOP');
      while (stateOf(victim.pid) !== 'T');                      // the kernel stops it within microseconds
      if (holdsGate()) return true;
      victim.kill('SIGCONT');
      return false;
    }, { every: 1, within: 60_000 * patience, what: 'the victim stopped inside the gate' });
  }
  return { victim, other, stopInsideGate };
}

function stateOf(pid) {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1];
  } catch {
    return 'X';
  }
}

function isReadable(file) {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
