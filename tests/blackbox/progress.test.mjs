// Progress: what the shim says while a call waits and what the backend says later rise together; without the one, the other passes as it is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';
import { approve, assertDeferred, assertRising, pending, progress, progressOf, withToken } from '../lib/waiting.mjs';

const rules = { grant: 'approval_required: [publish]', agent: 'hold_max: 10m', more: 'approval: { heartbeat: 100ms }\n' };

/** The backend's tools answer with the progress they are told to say: arguments.says, JSON texts of params without the token. */
function sayProgress(backend) {
  backend.onCall['*'] = (exchange, params) => {
    exchange.stream();
    for (const one of params.arguments.says ?? []) {
      const token = JSON.stringify(params._meta.progressToken);
      exchange.event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},${one}}}`);
    }
    exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [{ type: 'text', text: 'done' }] } });
    exchange.end();
  };
}

async function setUp(t, more = rules) {
  const backend = await startBackend(t, { tools: ['publish', 'echo'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url, more));
  const shim = await openShim(place);
  sayProgress(backend);
  return { backend, place, shim };
}

/** A call that waits until it has been said n times, and is approved then. */
async function waitsThenRuns({ place, shim }, token, args, n = 3) {
  const before = progressOf(shim, token).length;
  const answer = shim.call('publish', args, withToken(token));
  await progress(shim, token, before + n);
  const [one] = await pending(place);
  await approve(place, one.id);
  assertSaid(await answer, 'done');
  return progressOf(shim, token).slice(before);
}

const plain = (values) => values.map((value) => `"progress":${value}`);

describe('signs of life', suite, () => {
  for (const token of ['t', 'Ä"\\\n', '', 0, 7, -1, 1.5, 9007199254740991]) {
    test(`come under the token ${JSON.stringify(token)} as it was sent, rise, and say what is waited for`, async (t) => {
      const all = await setUp(t);
      const seen = await waitsThenRuns(all, token, {});
      assertRising(seen);
      for (const one of seen) {
        assert.equal('total' in one, false);
        assert.match(one.message, /^waiting for approval APR-\w{4}, \d+ s$/);
      }
    });
  }

  test('do not come without a token, nor under what is none', async (t) => {
    const { place, shim } = await setUp(t);
    const answers = [
      shim.call('publish', { n: 1 }), shim.call('publish', { n: 2 }, withToken(null)), shim.call('publish', { n: 3 }, withToken({})),
      shim.call('publish', { n: 4 }, withToken(true)), shim.call('publish', { n: 5 }, withToken('seen')),
    ];
    await progress(shim, 'seen', 3);
    for (const one of await pending(place, 5)) await approve(place, one.id);
    for (const answer of answers) assertSaid(await answer, 'done');
    assert.equal(shim.messages.filter((m) => m.method === 'notifications/progress' && m.params.progressToken !== 'seen').length, 0);
  });

  test('end with the answer', async (t) => {
    const { shim } = await setUp(t, { ...rules, agent: 'hold_max: 800ms' });
    assertDeferred(await shim.call('publish', {}, withToken('t')), 'require_approval');
    const n = progressOf(shim, 't').length;
    assert.ok(n > 0);
    const other = shim.call('publish', { other: true }, withToken('u'));
    await progress(shim, 'u', 3);
    assert.equal(progressOf(shim, 't').length, n);
    assertDeferred(await other, 'require_approval');
  });

  test('end when the call is cancelled', async (t) => {
    const { place, shim } = await setUp(t);
    shim.call('publish', {}, { id: 'x', ...withToken('t') }).catch(() => {});
    await progress(shim, 't', 2);
    shim.notify('notifications/cancelled', { requestId: 'x' });
    const other = shim.call('publish', { other: true }, withToken('u'));
    await progress(shim, 'u', 1);
    const n = progressOf(shim, 't').length;
    await progress(shim, 'u', 4);
    assert.equal(progressOf(shim, 't').length, n);
    for (const one of await pending(place, 2)) await approve(place, one.id);
    assertSaid(await other, 'done');
  });
});

describe('the backend\'s own progress', suite, () => {
  test('passes byte for byte where the shim said nothing, also backwards', async (t) => {
    const { shim } = await setUp(t);
    const says = ['"progress":1.50,"total":1e2', '"progress":1.5,"x":{"a":[1, 2]}', '"progress":0', '"progress":-0.0,"message":"\\u00e4"', '"progress":"no number"'];
    assertSaid(await shim.call('echo', { says }, withToken('t')), 'done');
    const lines = shim.lines.filter((line) => line.includes('notifications/progress'));
    assert.deepEqual(lines, says.map((one) => `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t",${one}}}`));
  });

  for (const [what, values] of [
    ['from 0', [0, 1, 2, 3]], ['in fractions', [0.0001, 0.0002, 0.5, 1]], ['below zero', [-3, -2, -1, 0, 1]], ['that stands', [0, 0, 0]], ['that goes back', [5, 3, 4, 6]],
    ['of large numbers', [9007199254740991, 9007199254740993, 1e300]],
  ]) {
    test(`goes on where signs of life ended: ${what}`, async (t) => {
      const all = await setUp(t);
      const seen = await waitsThenRuns(all, 't', { says: plain(values) });
      assert.equal(seen.filter((one) => one.message === undefined).length, values.length);
      assertRising(seen);
    });
  }

  test('that is above is said with its very bytes, with total and all', async (t) => {
    const all = await setUp(t);
    const says = ['"total":10.0,"progress":4.0,"message":"a b","_meta":{"k":1}', '"progress":10,"total":10.0'];
    await waitsThenRuns(all, 't', { says });
    const lines = all.shim.lines.filter((line) => line.includes('"total"'));
    assert.deepEqual(lines, says.map((one) => `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t",${one}}}`));
  });

  test('is never above its total', async (t) => {
    const all = await setUp(t);
    const seen = await waitsThenRuns(all, 't', { says: ['"total":0,"progress":0', '"progress":0,"total":0.00001', '"progress":1,"total":2'] });
    const theirs = seen.filter((one) => one.message === undefined);
    assert.equal(theirs.length, 3);
    for (const one of theirs) assert.ok(one.progress <= one.total, JSON.stringify(one));
    assert.equal(theirs[2].total, 2);
    assertRising(seen);
  });

  test('comes as one line however the backend breaks it', async (t) => {
    const all = await setUp(t);
    all.backend.onCall.publish = (exchange) => {
      exchange.stream();
      exchange.res.write('data: {"jsonrpc":"2.0",\ndata: "method":"notifications/progress",\ndata: "params":{"progress":\ndata: 0,"progressToken":"t"}}\n\n');
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [{ type: 'text', text: 'done' }] } });
      exchange.end();
    };
    const seen = await waitsThenRuns(all, 't', {});
    assert.equal(seen.filter((one) => one.message === undefined).length, 1);
    assertRising(seen);
  });
});

describe('a token', suite, () => {
  test('that a later request uses again begins anew', async (t) => {
    const all = await setUp(t);
    await waitsThenRuns(all, 't', { n: 1, says: plain([50, 100]) });
    const before = progressOf(all.shim, 't').length;
    assertSaid(await all.shim.call('echo', { says: plain([0, 1, 2]) }, withToken('t')), 'done');
    assert.deepEqual(progressOf(all.shim, 't').slice(before).map((one) => one.progress), [0, 1, 2]);
    const again = await waitsThenRuns(all, 't', { n: 2, says: plain([1]) });
    assert.ok(again[0].progress < 1);
    assertRising(again);
  });

  test('that two calls have at once never goes backwards', async (t) => {
    const { place, shim } = await setUp(t);
    const answers = [1, 2].map((n) => shim.call('publish', { n, says: plain([0, 10 * n]) }, withToken('t')));
    await progress(shim, 't', 4);
    for (const one of await pending(place, 2)) {
      const n = progressOf(shim, 't').length;
      await approve(place, one.id);
      await until(() => progressOf(shim, 't').slice(n).filter((seen) => seen.message === undefined).length >= 2, { what: 'the progress of one' });
    }
    for (const answer of answers) assertSaid(await answer, 'done');
    assertRising(progressOf(shim, 't'));
  });

  test('that a call in flight has is not used for the signs of life of another', async (t) => {
    const { backend, place, shim } = await setUp(t);
    let held;
    backend.onCall.echo = (exchange) => {
      held = exchange;
      exchange.stream();
      exchange.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 't', progress: 50 } });
    };
    const first = shim.call('echo', {}, withToken('t'));
    await progress(shim, 't', 1);
    const second = shim.call('publish', {}, withToken('t'));
    const third = shim.call('publish', { n: 3 }, withToken('u'));
    await progress(shim, 'u', 3);
    held.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 't', progress: 51 } });
    held.event({ jsonrpc: '2.0', id: held.message.id, result: { content: [{ type: 'text', text: 'done' }] } });
    held.end();
    assertSaid(await first, 'done');
    for (const one of await pending(place, 2)) await approve(place, one.id);
    assertSaid(await second, 'done');
    assertSaid(await third, 'done');
    assert.deepEqual(progressOf(shim, 't').slice(0, 2).map((one) => one.progress), [50, 51]);
  });
});

describe('several backends', suite, () => {
  test('each goes on where the signs of life of its own call ended', async (t) => {
    const backends = [await startBackend(t, { tools: [tool('publish')] }), await startBackend(t, { tools: [tool('publish')] })];
    backends.forEach(sayProgress);
    const grants = ['a', 'b'].map((name) => `      ${name}: { allowed: true, approval_required: [publish] }\n`).join('');
    const place = makePlace(t, `backends:\n  a: { url: "${backends[0].url}" }\n  b: { url: "${backends[1].url}" }\nagents:\n  one:\n    hold_max: 10m\n    backends:\n${grants}approval: { heartbeat: 100ms }\nbroker: { autostart: false }\n`);
    const shim = await openShim(place);
    const answers = ['a', 'b'].map((name) => shim.call(`${name}__publish`, { says: plain([0, 5]) }, withToken(name)));
    await progress(shim, 'a', 3);
    await progress(shim, 'b', 3);
    for (const one of await pending(place, 2)) await approve(place, one.id);
    for (const answer of answers) assertSaid(await answer, 'done');
    for (const name of ['a', 'b']) {
      const seen = progressOf(shim, name);
      assert.equal(seen.filter((one) => one.message === undefined).length, 2);
      assertRising(seen);
    }
  });
});
