// Limits as one agent and a few agents meet them: what counts, what is given back, what is said.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';

async function setUp(t, rules) {
  const backend = await startBackend(t, { tools: ['echo', 'get', 'get_more', 'fail', 'other'].map((name) => tool(name)) });
  return { backend, place: makePlace(t, simpleRules(backend.url, rules)) };
}

const HOUR = 3_600_000;

describe('limits', suite, () => {
  test('the call above the limit is refused with window, count and time', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    for (let i = 0; i < 3; i++) assertSaid(await shim.call('echo', { message: `m${i}` }), `m${i}`);
    const { data, message } = assertRefused(await shim.call('echo', { message: 'm3' }), CODE.limited, { reason: 'rate' });
    assert.deepEqual({ ...data.limit, scope: '' }, { scope: '', window: data.limit.window, max_count: 3, used: 3, held: 0 });
    assert.equal(data.limit.scope, 'agent');
    assert.match(String(data.limit.window), /^(1h|3600000)$/);
    assert.ok(data.retry_after_ms > HOUR - 60_000 * 5 && data.retry_after_ms <= HOUR + 1000, String(data.retry_after_ms));
    assert.match(message, /3/);
    assert.equal(backend.arrivals.length, 3);
    assertSaid(await shim.call('other', { message: 'free' }), 'free');
  });

  test('a place comes free when its window has passed', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 4s, max_count: 2} }' });
    const shim = await openShim(place);
    const call = (n) => shim.call('echo', { n, sent: performance.now() });
    await call(1);
    await call(2);
    let answer = await call(3);
    const { data } = assertRefused(answer, CODE.limited);
    assert.ok(data.retry_after_ms <= 4100, String(data.retry_after_ms));
    // Whoever comes at the time it was told is let in.
    for (let tries = 0; answer.error && tries < 20; tries++) {
      await new Promise((resolve) => setTimeout(resolve, answer.error.data.retry_after_ms));
      answer = await call(3);
    }
    assert.ok(answer.result, answer.line);
    const [first, , third] = backend.arrivals;
    assert.ok(third.at - first.args.sent >= 4000, `third after ${third.at - first.args.sent} ms`);
  });

  test('no window ever holds more than its count, however the calls crowd', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 500ms, max_count: 5} }' });
    const shims = await Promise.all([openShim(place), openShim(place)]);
    const end = Date.now() + 3000;
    await Promise.all(shims.map(async (shim, s) => {
      for (let n = 0; Date.now() < end; n++) {
        await Promise.all([0, 1, 2].map((k) => shim.call('echo', { s, n, k, sent: performance.now() })));
      }
    }));
    const calls = backend.arrivals.sort((a, b) => a.at - b.at);
    assert.ok(calls.length > 10, `only ${calls.length} calls`);
    // A call left its shim between `sent` and `at`, so this holds for every six that kept the promise, however late we look.
    for (let i = 5; i < calls.length; i++) {
      const span = calls[i].at - Math.min(...calls.slice(i - 5, i + 1).map((c) => c.args.sent));
      assert.ok(span >= 500, `6 within ${span} ms`);
    }
  });

  test('every window of a list counts', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: [ {window: 4s, max_count: 2}, {window: 1d, max_count: 3} ] }' });
    const shim = await openShim(place);
    await shim.call('echo', { n: 1 });
    await shim.call('echo', { n: 2 });
    let answer = await shim.call('echo', { n: 3 });
    assert.match(String(assertRefused(answer, CODE.limited).data.limit.window), /^(4s|4000)$/);
    while (answer.error) {
      await new Promise((resolve) => setTimeout(resolve, answer.error.data.retry_after_ms));
      answer = await shim.call('echo', { n: 3 });
    }
    const { data } = assertRefused(await shim.call('echo', { n: 4 }), CODE.limited);
    assert.match(String(data.limit.window), /^(1d|24h|86400000)$/);
    assert.equal(data.limit.max_count, 3);
    assert.equal(backend.arrivals.length, 3);
  });

  test('agents are counted apart, tools too', async (t) => {
    const { place } = await setUp(t, { agents: ['one', 'two'], grant: 'rate_limits: { echo: {window: 1h, max_count: 1}, get: {window: 1h, max_count: 1} }' });
    const [one, two] = [await openShim(place, { agent: 'one' }), await openShim(place, { agent: 'two' })];
    for (const shim of [one, two]) {
      for (const name of ['echo', 'get']) {
        assert.ok((await shim.call(name)).result);
        assertRefused(await shim.call(name), CODE.limited);
      }
    }
  });

  test('a global limit is shared by all agents, and says so', async (t) => {
    const { backend, place } = await setUp(t, {
      agents: ['one', 'two'], more: 'queue: { demo: { global_rate_limits: { echo: {window: 1h, max_count: 3} } } }\n',
    });
    const [one, two] = [await openShim(place, { agent: 'one' }), await openShim(place, { agent: 'two' })];
    for (const [shim, n] of [[one, 1], [two, 2], [one, 3]]) assert.ok((await shim.call('echo', { n })).result);
    for (const shim of [one, two]) {
      const { data } = assertRefused(await shim.call('echo', { n: 4 }), CODE.limited, { reason: 'rate' });
      assert.equal(data.limit.scope, 'global');
    }
    assert.equal(backend.arrivals.length, 3);
  });

  test('a glob is one bucket; * is the whole backend', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { "get*": {window: 1h, max_count: 2}, "*": {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    assert.ok((await shim.call('get')).result);
    assert.ok((await shim.call('get_more')).result);
    assert.equal(assertRefused(await shim.call('get'), CODE.limited).data.limit.max_count, 2);
    assert.ok((await shim.call('echo')).result);
    assert.equal(assertRefused(await shim.call('other'), CODE.limited).data.limit.max_count, 3);
    assert.equal(backend.arrivals.length, 3);
  });

  test('an agent limit over all its backends counts on each of them', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents:
  one: { display_name: One, rate_limits: { "*": {window: 1h, max_count: 3} }, backends: { a: { allowed: true }, b: { allowed: true } } }
`);
    const onA = await openShim(place, { args: ['--agent', 'one', '--backend', 'a', ...place.options] });
    const onB = await openShim(place, { args: ['--agent', 'one', '--backend', 'b', ...place.options] });
    for (const shim of [onA, onB, onA]) assert.ok((await shim.call('echo')).result);
    assertRefused(await onB.call('echo'), CODE.limited);
    assert.deepEqual([a.arrivals.length, b.arrivals.length], [2, 1]);
  });

  test('limits of two backends never meet', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const grant = '{ allowed: true, rate_limits: { echo: {window: 1h, max_count: 1} } }';
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents:
  one: { display_name: One, backends: { a: ${grant}, b: ${grant} } }
`);
    for (const name of ['a', 'b']) {
      const shim = await openShim(place, { args: ['--agent', 'one', '--backend', name, ...place.options] });
      assert.ok((await shim.call('echo')).result);
      assertRefused(await shim.call('echo'), CODE.limited);
    }
  });

  // What becomes of a place, by how the call ended: DESIGN.md section 2, line by line. told: what the agent is told.
  const rpcError = (id) => JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32000, message: 'no' } });
  const JSON_TYPE = { 'content-type': 'application/json' };
  const failed = (answer) => assert.ok(answer.error ? ![CODE.limited, CODE.unknown].includes(answer.error.code) : answer.result.isError, answer.line);
  const lost = (answer) => assertRefused(answer, CODE.unknown, { executed: 'unknown' });
  const given = {
    'isError: true': (x) => x.say('did not work', { isError: true }),
    'a JSON-RPC error': (x) => x.error(-32011, 'backend says no'),
    'HTTP 400': (x) => x.send(400, 'no'),
    'HTTP 401': (x) => x.send(401, 'no'),
    'HTTP 403 with a JSON-RPC error': (x) => x.send(403, rpcError(null), JSON_TYPE),
    'HTTP 405': (x) => x.send(405),
    'HTTP 413': (x) => x.send(413),
    'HTTP 429': (x) => x.send(429, '', { 'retry-after': '0' }),
    'HTTP 500 with a JSON-RPC error': (x) => x.send(500, rpcError(x.message.id), JSON_TYPE),
    'a JSON-RPC error on an event stream': (x) => { x.stream(); x.event(rpcError(x.message.id)); x.end(); },
  };
  const kept = {
    'HTTP 500': (x) => x.send(500, 'oops'),
    'HTTP 502 with JSON that is no JSON-RPC': (x) => x.send(502, '{"error":"bad gateway"}', JSON_TYPE),
    'HTTP 503': (x) => x.send(503, 'busy'),
    'HTTP 408': (x) => x.send(408, ''),
    'an answer that cannot be read': (x) => x.json('{"jsonrpc":"2.0","id":1,"result":'),
    'an answer to somebody else': (x) => x.json('{"jsonrpc":"2.0","id":"nobody","result":{"content":[]}}'),
    'an empty 200': (x) => x.send(200, '', JSON_TYPE),
    'a reset': (x) => x.reset(),
    'half an answer': (x) => {
      x.res.writeHead(200, { ...JSON_TYPE, 'content-length': '1000' });
      x.res.write('{"jsonrpc":"2.0",', () => x.reset());
    },
    'a stream that ends early': (x) => { x.stream(); x.end(); },
    'no answer in time': () => {},
  };
  const twoEach = {
    grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }', agent: 'rate_limits: { "*": {window: 1h, max_count: 2} }',
    more: `queue: { demo: { global_rate_limits: { "e*": {window: 1h, max_count: 2} } } }
principals: { "uid:${process.getuid()}": { agents: [one], rate_limits: { echo: {window: 1h, max_count: 2} } } }
`,
  };
  const impatient = (backend, rules) => simpleRules(backend.url, rules).replace(/ }\n/, ', timeout: 2s }\n');
  const patient = (backend, rules) => simpleRules(backend.url, rules);
  const used = async (place) => {
    const { code, stdout, stderr } = await place.ctl(['limits', '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).map((row) => row.used + row.held);
  };
  for (const [countFailures, back, what, fail] of [
    ...Object.entries(given).map((row) => [false, true, ...row]), ...Object.entries(kept).map((row) => [false, false, ...row]),
    ...Object.entries(given).map((row) => [true, false, ...row]), [true, false, 'a reset', kept['a reset']],
  ]) {
    test(`${what}${countFailures ? ' under count_failures' : ''} ${back ? 'gives the place back' : 'does not give the place back'}, in every scope`, async (t) => {
      const { backend, place } = await setUp(t, {});
      const rules = (how) => how(backend, { ...twoEach, more: `${twoEach.more}limits: { count_failures: ${countFailures} }\n` });
      place.writeRules(rules(what === 'no answer in time' ? impatient : patient));
      const shim = await openShim(place);
      backend.onCall.echo = fail;
      const tell = what in given ? failed : lost;
      for (let n = 0; n < (back ? 3 : 2); n++) tell(await shim.call('echo', { n }));
      assert.deepEqual(await used(place), back ? [0, 0, 0, 0] : [2, 2, 2, 2]);
      delete backend.onCall.echo;
      for (let n = 0; n < (back ? 2 : 0); n++) assert.ok((await shim.call('echo', { n, good: true })).result);
      assertRefused(await shim.call('echo', { n: 3 }), CODE.limited);
      assert.equal(backend.arrivals.length, back ? 5 : 2);
    });
  }

  test('no byte left: the place is given back, whatever count_failures says', async (t) => {
    const { backend, place } = await setUp(t, { ...twoEach, more: `${twoEach.more}limits: { count_failures: true }\n` });
    const shim = await openShim(place);
    assert.ok((await shim.call('echo')).result);
    const { port } = backend;
    await backend.stop();
    for (let n = 0; n < 3; n++) assertRefused(await shim.call('echo', { n }), CODE.unreachable, { executed: 'no' });
    assert.deepEqual(await used(place), [1, 1, 1, 1]);
    await backend.start(port);
    assert.ok((await shim.call('echo')).result);
    assertRefused(await shim.call('echo'), CODE.limited);
  });

  test('death after the commit point does not give the place back; death before it leaves none taken', async (t) => {
    const { backend, place } = await setUp(t, twoEach);
    const victim = await openShim(place);
    const arrived = new Promise((resolve) => { backend.onCall.echo = resolve; });
    victim.call('echo').catch(() => {});
    await arrived;
    victim.kill('SIGKILL');
    await victim.exited;
    delete backend.onCall.echo;
    assert.equal((await place.ctl(['pause'])).code, 0);
    const waiting = await openShim(place);
    const token = 'w';
    waiting.call('echo', {}, { params: { _meta: { progressToken: token } } }).catch(() => {});
    await waiting.message((m) => m.params?.progressToken === token, 'a sign of life');
    waiting.kill('SIGKILL');
    await waiting.exited;
    assert.equal((await place.ctl(['resume'])).code, 0);
    assert.deepEqual(await used(place), [1, 1, 1, 1]);
    const shim = await openShim(place);
    assert.ok((await shim.call('echo')).result);
    assertRefused(await shim.call('echo'), CODE.limited);
  });

  test('a place that waits for a person is held: refused with a reason of its own, and until when that may last', async (t) => {
    const { backend, place } = await setUp(t, {
      grant: 'approval_required: [echo]\nrate_limits: { echo: {window: 2h, max_count: 1} }', more: 'approval: { timeout: 10m }\n',
    });
    const shim = await openShim(place);
    const token = 'h';
    const first = shim.call('echo', { n: 1 }, { params: { _meta: { progressToken: token } } });
    await shim.message((m) => m.params?.progressToken === token, 'that it waits');
    const { data, message } = assertRefused(await shim.call('echo', { n: 2 }), CODE.limited, { reason: 'held' });
    assert.deepEqual([data.limit.used, data.limit.held], [0, 1]);
    assert.ok(data.retry_after_ms > 0 && data.retry_after_ms <= 600_000, `until the approval runs out: ${data.retry_after_ms}`);
    assert.match(message, /1 of 1 calls in 2h held for waiting calls/);
    const [{ short }] = JSON.parse((await place.ctl(['approvals', 'list', '--json'])).stdout);
    assert.equal((await place.ctl(['approvals', 'reject', short])).code, 0);
    assert.ok((await first).error);
    assert.deepEqual(await used(place), [0], 'refused, it gives the place back');
    assert.equal(backend.arrivals.length, 0);
  });

  test('a limit of the user counts over all the agents', async (t) => {
    const { backend, place } = await setUp(t, {
      agents: ['one', 'two'], more: `principals: { "uid:${process.getuid()}": { agents: [one, two], rate_limits: { "*": {window: 1h, max_count: 2} } } }\n`,
    });
    const [one, two] = [await openShim(place), await openShim(place, { agent: 'two' })];
    assert.ok((await one.call('echo')).result);
    assert.ok((await two.call('get')).result);
    for (const shim of [one, two]) {
      const { data, message } = assertRefused(await shim.call('echo'), CODE.limited, { reason: 'rate' });
      assert.equal(data.limit.scope, 'user');
      assert.match(message, /by this user/);
    }
    assert.equal(backend.arrivals.length, 2);
  });

  test('a global limit on * is the whole backend, and holds where the queue is disabled', async (t) => {
    const { backend, place } = await setUp(t, {
      agents: ['one', 'two'], more: 'queue: { demo: { enabled: false, global_rate_limits: { "*": {window: 1h, max_count: 2}, "get*": {window: 1h, max_count: 1} } } }\n',
    });
    const [one, two] = [await openShim(place), await openShim(place, { agent: 'two' })];
    assert.ok((await one.call('get')).result);
    assert.equal(assertRefused(await two.call('get_more'), CODE.limited).data.limit.max_count, 1);
    assert.ok((await two.call('echo')).result);
    assert.match(assertRefused(await one.call('other'), CODE.limited).message, /all tools of backend demo/);
    assert.equal(backend.arrivals.length, 2);
  });

  test('limits.count_failures counts what failed, too', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }', more: 'limits: { count_failures: true }\n' });
    const shim = await openShim(place);
    backend.onCall.echo = given['isError: true'];
    assert.equal((await shim.call('echo')).result.isError, true);
    backend.onCall.echo = given['a JSON-RPC error'];
    assert.equal((await shim.call('echo')).error.code, -32011);
    assertRefused(await shim.call('echo'), CODE.limited);
    assert.equal(backend.arrivals.length, 2);
  });

  test('a call in flight holds its place', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 1} }' });
    const shim = await openShim(place);
    let finish;
    const arrived = new Promise((resolve) => {
      backend.onCall.echo = (exchange) => {
        finish = () => exchange.say('late');
        resolve();
      };
    });
    const first = shim.call('echo', { n: 1 });
    await arrived;
    assertRefused(await shim.call('echo', { n: 2 }), CODE.limited);
    finish();
    assertSaid(await first, 'late');
    assert.equal(backend.arrivals.length, 1);
  });

  test('what an agent used stays used when its shim starts anew', async (t) => {
    const { place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }' });
    for (let n = 0; n < 2; n++) {
      const shim = await openShim(place);
      assert.ok((await shim.call('echo', { n })).result);
      assert.equal((await shim.end()).code, 0);
    }
    assertRefused(await (await openShim(place)).call('echo', { n: 2 }), CODE.limited);
  });

  test('an edited limit keeps its history', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 3} }' });
    const shim = await openShim(place);
    for (let n = 0; n < 3; n++) assert.ok((await shim.call('echo', { n })).result);
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { echo: {window: 2h, max_count: 4} }' }));
    assert.ok((await shim.call('echo', { n: 3 })).result);
    assertRefused(await shim.call('echo', { n: 4 }), CODE.limited);
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { echo: {window: 2h, max_count: 2} }' }));
    assert.equal(assertRefused(await shim.call('echo', { n: 5 }), CODE.limited).data.limit.used, 4);
  });

  test('edits of every kind find the history: another window, a list, a glob beside it, the limit taken away and put back', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'rate_limits: { echo: {window: 1h, max_count: 2} }' });
    const shim = await openShim(place);
    const edit = (limits) => place.writeRules(simpleRules(backend.url, { grant: `rate_limits: ${limits}` }));
    for (let n = 0; n < 2; n++) assert.ok((await shim.call('echo', { n })).result);
    const refusedBy = async (windowText) => {
      const { limit } = assertRefused(await shim.call('echo'), CODE.limited).data;
      assert.deepEqual([limit.used, String(limit.window)], [2, windowText]);
    };
    edit('{ echo: {window: 30m, max_count: 2} }');
    await refusedBy('1800000');
    edit('{ echo: [ {window: 1h, max_count: 9}, {window: 12h, max_count: 1} ] }');
    await refusedBy('43200000');
    edit('{}');
    backend.onCall.echo = (x) => x.say('no', { isError: true });
    assert.equal((await shim.call('echo')).result.isError, true);
    edit('{ "e*": {window: 1h, max_count: 1}, echo: {window: 1h, max_count: 2} }');
    await refusedBy('3600000');
    edit('{ "e*": {window: 1h, max_count: 1}, echo: {window: 1h, max_count: 3} }');
    delete backend.onCall.echo;
    assert.ok((await shim.call('echo')).result, 'a glob that is new has seen nothing');
    assertRefused(await shim.call('echo'), CODE.limited);
  });
});
