// Waiting, raced: whoever is first - the client that goes, the answer before it gives up, the person, the rules - a call runs at most once,
// never for nobody, and leaves nothing behind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { random, seedOf } from '../lib/random.mjs';
import { factor, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';
import { approve, pending, reject } from '../lib/waiting.mjs';

const ROUNDS = 12 * factor;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a call can wait for. hold: from now on publish waits; lets: it may go on, which takes about so many ms. */
const obstacles = {
  brake: {
    takes: 40,
    hold: ({ place }) => place.ctl(['pause']),
    waits: async () => {},
    lets: async ({ place }) => assert.equal((await place.ctl(['resume'])).code, 0),
  },
  approval: {
    takes: 150,
    asks: true,
    grant: 'approval_required: [publish]',
    hold: async () => {},
    waits: ({ place }) => pending(place),
    lets: async ({ place }) => {
      for (const one of await pending(place)) await approve(place, one.id);
    },
  },
  'approval before a queue': {
    takes: 150,
    asks: true,
    grant: 'approval_required: [publish]',
    more: 'queue:\n  demo: { enabled: true, delay_min: 1ms, delay_max: 40ms }\n',
    hold: async () => {},
    waits: ({ place }) => pending(place),
    lets: (all) => obstacles.approval.lets(all),
  },
  queue: {
    takes: 3,
    more: 'queue:\n  demo: { enabled: true, delay_min: 1ms, delay_max: 1ms }\n',
    hold: async (all) => {
      all.blocker = all.other.call('block');
      all.held = await until(() => all.backend.blocked, { what: 'a call that has the slot' });
    },
    waits: async () => {},
    lets: async (all) => {
      all.backend.blocked = null;
      all.held.say('unblocked');
      assertSaid(await all.blocker, 'unblocked');
    },
  },
};

async function setUp(t, kind, { agent = '' } = {}) {
  const backend = await startBackend(t, { tools: ['publish', 'echo', 'block'].map((name) => tool(name)) });
  backend.onCall.block = (exchange) => { backend.blocked = exchange; };
  const { grant = '', more = '' } = obstacles[kind];
  const limits = 'rate_limits: { publish: { window: 1h, max_count: 1000 } }';
  const place = makePlace(t, simpleRules(backend.url, {
    agents: ['one', 'other'], grant: `${limits}\n${grant}`, agent,
    more: `approval: { max_pending_per_agent: 1000, max_asks_per_hour: 100000, cooldown_after_refusal: 0s, heartbeat: 50ms }\n${more}`,
  }));
  const draw = random(seedOf(t));
  return { backend, place, below: (ms) => draw() * ms, kind: obstacles[kind], other: await openShim(place, { agent: 'other' }) };
}

const arrivals = (backend, n) => backend.callsOf('publish').filter((one) => one.args.n === n).length;

/** Nothing is held for anybody, and nothing stands in the way of the next. */
async function assertClean({ place, backend, other }) {
  assertSaid(await other.call('echo', { message: 'free' }), 'free');
  const held = async () => JSON.parse((await place.ctl(['limits', '--agent', 'one', '--json'])).stdout).filter((row) => row.held > 0);
  await until(async () => (await held()).length === 0, { what: 'no hold of a call that is over', every: 100 });
  const rows = await place.storedRows();
  const begun = rows.filter((row) => row.kind === 'intent' && row.tool === 'publish').map((row) => row.call);
  const over = new Set(rows.filter((row) => row.kind === 'outcome').map((row) => row.call));
  assert.equal(begun.length >= backend.callsOf('publish').length, true, 'each arrival has its intent');
  for (const call of begun) assert.ok(over.has(call), `no outcome of ${call}`);
}

for (const kind of Object.keys(obstacles)) {
  describe(`a call held by: ${kind}`, suite, () => {
    test('is cancelled as it is let go: it ran once or never, and has no answer', async (t) => {
      const all = await setUp(t, kind);
      const shim = await openShim(all.place);
      let ran = 0;
      for (let n = 0; n < ROUNDS; n++) {
        await all.kind.hold(all);
        shim.call('publish', { n }, { id: `c${n}`, params: { _meta: { progressToken: `p${n}` } } }).catch(() => {});
        await shim.message((m) => m.method === 'notifications/progress' && m.params.progressToken === `p${n}`, 'a sign of life');
        await Promise.all([all.kind.lets(all), pause(all.below(2 * all.kind.takes)).then(() => shim.notify('notifications/cancelled', { requestId: `c${n}` }))]);
        assertSaid(await shim.call('echo', { message: 'on' }), 'on');
        assert.ok(arrivals(all.backend, n) <= 1);
        ran += arrivals(all.backend, n);
      }
      t.diagnostic(`${ran} of ${ROUNDS} ran`);
      if (!all.kind.asks) await assertClean(all);
    });

    test('loses its client as it is let go: it ran once or never, and what ran is on record', async (t) => {
      const all = await setUp(t, kind);
      for (let n = 0; n < ROUNDS / 2; n++) {
        await all.kind.hold(all);
        const shim = await openShim(all.place);
        shim.call('publish', { n }, { params: { _meta: { progressToken: 'p' } } }).catch(() => {});
        await shim.message((m) => m.method === 'notifications/progress', 'a sign of life');
        const end = ['end', 'SIGTERM', 'SIGKILL'][n % 3];
        await Promise.all([all.kind.lets(all), pause(all.below(2 * all.kind.takes)).then(() => (end === 'end' ? shim.end() : shim.endBy(end)))]);
        assert.ok(arrivals(all.backend, n) <= 1);
      }
      if (!all.kind.asks) await assertClean(all);
    });

    test('is answered for its client\'s sake as it is let go: that, or it ran', async (t) => {
      const all = await setUp(t, kind, { agent: 'hold_max: 300ms' });
      const shim = await openShim(all.place);
      const told = { ran: 0, deferred: 0 };
      for (let n = 0; n < ROUNDS; n++) {
        await all.kind.hold(all);
        const answer = shim.call('publish', { n });
        await all.kind.waits(all);
        await Promise.all([answer, pause(all.below(300)).then(() => all.kind.lets(all))]);
        const { result } = await answer;
        const isDeferred = result._meta?.['aegis/status'] !== undefined;
        told[isDeferred ? 'deferred' : 'ran']++;
        assert.equal(arrivals(all.backend, n), isDeferred ? 0 : 1);
        if (!isDeferred) continue;
        assertSaid(await shim.call('publish', { n }), 'done');
        assert.equal(arrivals(all.backend, n), 1, 'repeated, it ran');
      }
      t.diagnostic(JSON.stringify(told));
      await assertClean(all);
    });

    test('finds new rules as it is let go: it ran by the old or was judged by the new', async (t) => {
      const all = await setUp(t, kind);
      const shim = await openShim(all.place);
      const open = readFileSync(all.place.config, 'utf8');
      const closed = open.replaceAll('allowed: true', 'allowed: true\n        tool_denylist: [publish]');
      assert.notEqual(open, closed);
      const told = { ran: 0, denied: 0 };
      for (let n = 0; n < ROUNDS; n++) {
        all.place.writeRules(open);
        assertSaid(await shim.call('echo', { message: 'on' }), 'on');
        await all.kind.hold(all);
        const answer = shim.call('publish', { n }, { params: { _meta: { progressToken: `p${n}` } } });
        await shim.message((m) => m.method === 'notifications/progress' && m.params.progressToken === `p${n}`, 'a sign of life');
        await Promise.all([pause(all.below(2 * all.kind.takes)).then(() => all.place.writeRules(closed)), all.kind.lets(all)]);
        const { result, error } = await answer;
        told[result ? 'ran' : 'denied']++;
        assert.equal(arrivals(all.backend, n), result ? 1 : 0, JSON.stringify(error));
        if (error) assert.equal(error.data.executed, 'no');
      }
      t.diagnostic(JSON.stringify(told));
      if (!all.kind.asks) await assertClean(all);
    });

    test('is sent twice at once by an agent that is killed in between', async (t) => {
      const all = await setUp(t, kind);
      for (let n = 0; n < ROUNDS / 2; n++) {
        await all.kind.hold(all);
        const shim = await openShim(all.place);
        for (const id of ['a', 'b']) shim.call('publish', { n }, { id, params: { _meta: { progressToken: id } } }).catch(() => {});
        for (const id of ['a', 'b']) await shim.message((m) => m.method === 'notifications/progress' && m.params.progressToken === id, 'a sign of life');
        await Promise.all([all.kind.lets(all), pause(all.below(2 * all.kind.takes)).then(() => shim.endBy('SIGKILL'))]);
        assert.ok(arrivals(all.backend, n) <= (all.kind.asks ? 1 : 2), `${arrivals(all.backend, n)} for one approval`);
      }
      if (!all.kind.asks) await assertClean(all);
    });
  });
}

describe('two calls alike under one approval', suite, () => {
  test('one runs, the other is told that it was used', async (t) => {
    const all = await setUp(t, 'approval');
    const shim = await openShim(all.place);
    for (let n = 0; n < ROUNDS / 2; n++) {
      const answers = [shim.call('publish', { n }), shim.call('publish', { n })];
      const list = await pending(all.place);
      assert.equal(list.length, 1, 'one message');
      await until(async () => JSON.parse((await all.place.ctl(['approvals', 'show', list[0].id, '--json'])).stdout).waiting === 2, { what: 'both attached', every: 50 });
      await approve(all.place, list[0].id);
      const said = await Promise.all(answers);
      assert.equal(said.filter((one) => one.result).length, 1);
      const { error } = said.find((one) => one.error);
      assert.equal(error.data.reason, 'approval_used');
      assert.equal(error.data.executed, 'no');
      assert.equal(arrivals(all.backend, n), 1);
    }
    await assertClean(all);
  });

  test('of two agents\' processes: one runs', async (t) => {
    const all = await setUp(t, 'approval');
    const shims = [await openShim(all.place), await openShim(all.place)];
    for (let n = 0; n < ROUNDS / 2; n++) {
      const answers = shims.map((shim) => shim.call('publish', { n }, { params: { _meta: { progressToken: n } } }));
      for (const shim of shims) await shim.message((m) => m.method === 'notifications/progress' && m.params.progressToken === n, 'a sign of life');
      const [one] = await pending(all.place);
      await approve(all.place, one.id);
      const said = await Promise.all(answers);
      assert.equal(said.filter((answer) => answer.result).length, 1);
      assert.equal(arrivals(all.backend, n), 1);
    }
    await assertClean(all);
  });
});

describe('a person\'s word', suite, () => {
  test('given and taken at once: the first counts, for everybody', async (t) => {
    const all = await setUp(t, 'approval');
    const shim = await openShim(all.place);
    for (let n = 0; n < ROUNDS / 2; n++) {
      const answer = shim.call('publish', { n });
      const [one] = await pending(all.place);
      await Promise.allSettled([approve(all.place, one.id), reject(all.place, one.id)]);
      const { result, error } = await answer;
      assert.equal(arrivals(all.backend, n), result ? 1 : 0);
      if (error) assert.equal(error.data.reason, 'refused');
    }
    await assertClean(all);
  });

  test('given just as its time ends: it runs once, or is told that it was too late', async (t) => {
    const all = await setUp(t, 'approval');
    all.place.writeRules(readFileSync(all.place.config, 'utf8').replace('approval: {', 'approval: { timeout: 400ms,'));
    const shim = await openShim(all.place);
    const told = { ran: 0, expired: 0 };
    for (let n = 0; n < ROUNDS; n++) {
      const answer = shim.call('publish', { n });
      const [one] = await pending(all.place).catch(() => []);
      if (one) {
        await pause(all.below(450));
        await approve(all.place, one.id).catch(() => {});
      }
      const { result, error } = await answer;
      told[result ? 'ran' : 'expired']++;
      assert.equal(arrivals(all.backend, n), result ? 1 : 0);
      if (error) assert.equal(error.data.reason, 'expired');
    }
    t.diagnostic(JSON.stringify(told));
    await assertClean(all);
  });
});

describe('a place that is kept', suite, () => {
  test('goes with the session that has it', async (t) => {
    const all = await setUp(t, 'queue', { agent: 'hold_max: 300ms' });
    await all.kind.hold(all);
    const shim = await openShim(all.place);
    const { result } = await shim.call('publish', { n: 0 });
    assert.equal(result._meta['aegis/status'], 'queued');
    await shim.end();
    await all.kind.lets(all);
    await assertClean(all);
    assert.equal(arrivals(all.backend, 0), 0);
  });

  test('is for one of those that come back, though many do at once', async (t) => {
    const all = await setUp(t, 'queue', { agent: 'hold_max: 300ms' });
    await all.kind.hold(all);
    const shim = await openShim(all.place);
    const { result } = await shim.call('publish', { n: 0 });
    assert.equal(result._meta['aegis/status'], 'queued');
    await all.kind.lets(all);
    const said = await Promise.all([1, 2, 3].map(() => shim.call('publish', { n: 0 })));
    const ran = said.filter((answer) => answer.result && !answer.result.isError).length;
    assert.equal(arrivals(all.backend, 0), ran);
    assert.ok(ran >= 1);
  });
});
