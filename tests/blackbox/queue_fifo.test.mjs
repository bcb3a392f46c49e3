// The promise of the queue (reference: test 10): 64 waiters, random deaths and cancels; who survives starts in the order of the tickets.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertSaid } from '../lib/check.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { makePlace } from '../lib/place.mjs';
import { queueRules } from '../lib/queue.mjs';
import { random, seedOf } from '../lib/random.mjs';
import { HANG_MS, inTurn, factor } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const WAITERS = 64;
const SHIMS = factor > 1 ? 64 : 16;

class Crowd {
  constructor(backend, shims, dice) {
    Object.assign(this, { backend, shims, dice });
    this.calls = [];                 // {n, shim, id, said, isCancelled}
    for (let n = 0; n < WAITERS; n++) {
      const shim = shims[n % shims.length];
      this.calls.push({ n, shim, id: `call-${n}`, said: null, isCancelled: false });
    }
  }

  sendAll() {
    for (const call of this.calls) {
      call.shim.call(`t${call.n}`, {}, { id: call.id, within: 10 * HANG_MS }).then((said) => { call.said = said; }, () => {});
    }
  }

  isKilled(call) {
    return call.shim.signals.has('SIGKILL');
  }

  pick(from) {
    return from[Math.floor(this.dice() * from.length)];
  }

  /** With every arrival something may happen to somebody. */
  harm() {
    const dice = this.dice();
    if (dice < 0.1) {
      const shim = this.pick(this.shims.filter((s) => !s.signals.has('SIGKILL')));
      if (shim && this.shims.filter((s) => s.signals.has('SIGKILL')).length < this.shims.length / 3) shim.kill('SIGKILL');
    } else if (dice < 0.35) {
      const call = this.pick(this.calls.filter((c) => !c.isCancelled && !this.isKilled(c)));
      if (!call) return;
      call.isCancelled = true;
      call.shim.notify('notifications/cancelled', { requestId: call.id });
    }
  }

  get survivors() {
    return this.calls.filter((c) => !c.isCancelled && !this.isKilled(c));
  }
}

describe('fifo', inTurn, () => {
  test('64 waiters, random deaths and cancels: the start order is the ticket order of the survivors, each runs once', async (t) => {
    const dice = random(seedOf(t));
    const tools = ['gate', ...Array.from({ length: WAITERS }, (_, n) => `t${n}`)].map((name) => tool(name));
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, queueRules(backend.url, 'delay_min: 0s, delay_max: 0s, max_pending: 100', { agent: 'hold_max: 1h' }));
    const opener = await openShim(place);
    const shims = [];
    for (let i = 0; i < SHIMS; i++) shims.push(await openShim(place, { agent: i % 2 ? 'one' : 'two' }));
    const crowd = new Crowd(backend, shims, dice);

    let gate;
    backend.onCall.gate = (exchange) => { gate = exchange; };
    backend.onCall['*'] = (exchange) => {
      crowd.harm();
      setTimeout(() => exchange.say('done'), dice() * 10);
    };
    const first = opener.call('gate', {}, { within: 10 * HANG_MS });
    await until(() => gate, { what: 'the gate shut' });
    crowd.sendAll();
    const waiting = () => place.query("SELECT number, tool FROM ticket WHERE state = 'WAITING'");
    await until(async () => (await waiting()).length === WAITERS, { what: '64 waiters', within: 4 * HANG_MS });
    const numbers = new Map((await waiting()).map((row) => [row.tool, row.number]));
    gate.say('open');
    assertSaid(await first, 'open');

    await until(() => crowd.survivors.every((c) => c.said), { what: 'answers for all survivors', within: 10 * HANG_MS });
    const started = backend.arrivals.map((a) => a.tool).filter((name) => name !== 'gate');
    const order = started.map((name) => numbers.get(name));
    assert.deepEqual(order, [...order].sort((a, b) => a - b), `started: ${order}`);
    assert.equal(new Set(started).size, started.length, 'each at most once');
    for (const call of crowd.survivors) {
      assert.ok(started.includes(`t${call.n}`), `t${call.n} never ran`);
      assertSaid(call.said, 'done');
    }
    const harmed = WAITERS - crowd.survivors.length;
    t.diagnostic(`${harmed} harmed, ${started.length} started`);
    assert.ok(harmed > 0);
    backend.onCall.gate = (exchange) => exchange.say('shut');
    assertSaid(await opener.call('gate'), 'shut');           /* buries whoever is left */
    await until(async () => (await place.query('SELECT count(*) AS n FROM ticket'))[0].n === 0, { what: 'nobody left in the queue' });
  });
});
