// Flow: every queue is bounded both ways, nobody waits behind another, and memory stays flat.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { factor, isSanitized, noPlainBin, patience, plainBin, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const MiB = 2 ** 20;
const json = { 'content-type': 'application/json' };

async function setUp(t, { rules, backend: more = '', ...options } = {}) {
  const backend = await startBackend(t, { tools: ['echo', 'ask', 'slow', 'task'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url, rules).replace(/" \}/, `"${more} }`));
  const shim = await openShim(place, options);
  return { backend, place, shim };
}

/** total requests, at most `window` of them open at once. */
async function stream(total, window, one) {
  let next = 0;
  const worker = async () => {
    while (next < total) await one(next++);
  };
  await Promise.all(Array.from({ length: window }, worker));
}

describe('memory', suite, () => {
  test('stays flat over thousands of calls and requests', { skip: noPlainBin }, async (t) => {
    const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim') });
    backend.onMethod['resources/read'] = (exchange) => exchange.result({ contents: [] });
    backend.onAny = (exchange) => {
      exchange.backend.requests.length = 0;
      exchange.backend.arrivals.length = 0;
      return false;
    };
    const total = 10_000 * factor;
    const one = async (n) => {
      if (n % 4 === 3) assert.ok((await shim.request('resources/read', { uri: `file:///${n}` })).result);
      else assertSaid(await shim.call('echo', { message: `m${n}` }), `m${n}`);
      shim.lines.length = 0;
    };
    await stream(total / 5, 32, one);
    const early = shim.memoryMiB()?.now;
    await stream(total, 32, one);
    const late = shim.memoryMiB()?.now;
    if (early) {
      t.diagnostic(`${total / 5} calls: ${early.toFixed(1)} MiB, ${total + total / 5}: ${late.toFixed(1)} MiB`);
      assert.ok(late <= early * 1.2 + 1, `${early} MiB, then ${late} MiB`);
    }
  });
});

describe('client to backend', suite, () => {
  test('notifications without end wait in the pipe, few are under way, none is lost', { skip: noPlainBin }, async (t) => {
    const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim') });
    const count = 5000;
    let open = 0;
    let most = 0;
    let seen = 0;
    backend.onMethod['notifications/progress'] = (exchange) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        seen++;
        exchange.send(202);
      }, 2);
    };
    const flood = Array.from({ length: count }, (_, n) => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: n, message: 'x'.repeat(500) } }) + '\n').join('');
    shim.write(flood);
    await until(() => seen === count, { what: 'all notifications at the backend', within: 60_000 * patience });
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    assert.ok(most <= 256, `${most} at once`);
    const memory = shim.memoryMiB();
    if (memory) assert.ok(memory.peak < 64, `peak ${memory.peak} MiB`);
  });

  test('more calls than may be open, each waiting for the client\'s answer: no deadlock', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: { sampling: {} } });
    const waiting = new Map();
    backend.onCall.ask = (exchange) => {
      exchange.stream();
      const id = `ask-${exchange.message.id}`;
      waiting.set(id, exchange);
      exchange.event({ jsonrpc: '2.0', id, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } });
    };
    backend.onAny = ({ message, res }) => {
      const asked = message && !message.method && waiting.get(message.id);
      if (!asked) return false;
      res.writeHead(202).end();
      asked.event({ jsonrpc: '2.0', id: asked.message.id, result: { content: [{ type: 'text', text: message.result.said }] } });
      asked.end();
      return true;
    };
    const total = 600;
    const answers = Array.from({ length: total }, (_, n) => shim.call('ask', {}, { id: `c${n}`, within: 60_000 * patience }));
    let answered = 0;
    const answerAll = setInterval(() => {
      for (; answered < shim.messages.length; answered++) {
        const asked = shim.messages[answered];
        if (asked.method === 'sampling/createMessage') shim.send({ id: asked.id, result: { said: asked.id } });
      }
    }, 5);
    t.after(() => clearInterval(answerAll));
    const all = await Promise.all(answers);
    all.forEach((answer, n) => assertSaid(answer, `ask-c${n}`));
  });

  test('ping and others pass beside calls that wait', async (t) => {
    const { backend, shim } = await setUp(t);
    const held = [];
    backend.onCall.slow = (exchange) => held.push(exchange);
    const slow = Array.from({ length: 200 }, () => shim.call('slow', {}, { within: 60_000 * patience }));
    await until(() => held.length === 200, { what: 'all slow calls at the backend' });
    for (let n = 0; n < 20; n++) assert.ok((await shim.request('ping')).result);
    assertSaid(await shim.call('echo', { message: 'beside' }), 'beside');
    for (const exchange of held) exchange.say('slow');
    for (const answer of await Promise.all(slow)) assertSaid(answer, 'slow');
  });
});

describe('backend to client', suite, () => {
  test('a flood of requests to the client is refused a few at a time', { skip: noPlainBin }, async (t) => {
    const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim'), capabilities: { roots: {} } });
    const before = backend.connections;
    backend.onCall.ask = (exchange) => {
      exchange.stream();
      for (let n = 0; n < 10_000; n++) exchange.event({ jsonrpc: '2.0', id: `r${n}`, method: 'roots/list' });
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [{ type: 'text', text: 'ok' }] } });
      exchange.end();
    };
    assertSaid(await shim.call('ask', {}, { within: 60_000 * patience }), 'ok');
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    assert.equal(shim.messages.filter((m) => m.method === 'roots/list').length, 1024);
    assert.ok(backend.connections - before < 32, `${backend.connections - before} connections`);
    const memory = shim.memoryMiB();
    if (memory) assert.ok(memory.peak < 64, `peak ${memory.peak} MiB`);
  });

  test('requests the backend gave up make room for others', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: { roots: {} } });
    backend.onCall.ask = (exchange, { arguments: { from } }) => {
      exchange.stream();
      for (let n = from; n < from + 1000; n++) {
        exchange.event({ jsonrpc: '2.0', id: n, method: 'roots/list' });
        exchange.event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: n } });
      }
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [] } });
      exchange.end();
    };
    for (const from of [0, 1000, 2000]) await shim.call('ask', { from });
    assert.equal(shim.messages.filter((m) => m.method === 'roots/list').length, 3000);
    assert.equal(backend.requests.some(({ message }) => message && message.error), false);
  });

  test('what the client did not declare is refused in its place', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: { roots: {} } });
    const said = [];
    backend.onAny = ({ message, res }) => {
      if (!message || message.method || message.id === undefined) return false;
      said.push(message);
      res.writeHead(202).end();
      return true;
    };
    backend.onCall.ask = (exchange) => {
      exchange.stream();
      exchange.event({ jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } });
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [] } });
      exchange.end();
    };
    await shim.call('ask');
    await until(() => said.length === 1, { what: 'the refusal at the backend' });
    assert.equal(said[0].error.code, -32601);
    assert.equal(shim.messages.length, 0);
  });
});

describe('lines longer than a client can read', suite, () => {
  test('are replaced by an error that says so, and the audit says it too', async (t) => {
    const { backend, place, shim } = await setUp(t, { backend: ', max_body: 32MiB' });
    const big = 'z'.repeat(11 * MiB);
    backend.onCall.echo = (exchange) => exchange.say(big);
    backend.onMethod['resources/read'] = (exchange) => exchange.result({ contents: [{ uri: 'a', text: big }] });
    const said = await shim.call('echo');
    assert.equal(said.result.isError, true);
    assert.match(said.result.content[0].text, /115\d+ bytes long, more than the 10485760 bytes .* was executed/);
    assert.match(assertErrorOnly(await shim.request('resources/read', { uri: 'file:///a' })).message, /bytes long/);
    await shim.end();
    const rows = await place.auditRows();
    const outcome = rows.find((row) => row.kind === 'outcome');
    assert.equal(outcome.verdict, 'succeeded');
    assert.match(outcome.body.cause, /longer than an MCP client can read/);
    assert.ok(outcome.body.result_bytes > 11 * MiB);
    assert.match(rows.find((row) => row.body.method === 'resources/read').body.message, /longer than an MCP client can read/);
  });

  test('just fit at ten MiB', async (t) => {
    const { backend, shim } = await setUp(t, { backend: ', max_body: 32MiB' });
    const around = `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":""}]}}`.length;
    backend.onCall.echo = (exchange, { arguments: { n } }) => exchange.say('z'.repeat(n));
    const fits = await shim.call('echo', { n: 10 * MiB - around }, { id: 2 });
    assert.equal(fits.line.length, 10 * MiB);
    const tooLong = await shim.call('echo', { n: 10 * MiB - around + 1 }, { id: 3 });
    assert.equal(tooLong.result.isError, true);
  });
});

function assertErrorOnly(answer) {
  assert.ok(answer.error, answer.line?.slice(0, 200));
  return answer.error;
}

describe('results larger than max_body', suite, () => {
  const ways = {
    'as JSON, the result first': (x, text) => x.json(`{"result":${JSON.stringify({ content: [{ type: 'text', text }] })},"jsonrpc":"2.0","id":${x.id}}`),
    'as JSON, the id first': (x, text) => x.say(text),
    'as an event': (x, text) => {
      x.stream();
      x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text }] } });
      x.end();
    },
  };
  for (const [what, send] of Object.entries(ways)) {
    test(`${what}: an error that says so, and that the call was executed`, async (t) => {
      const { backend, place, shim } = await setUp(t, { backend: ', max_body: 1MiB', rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' } });
      backend.onCall.echo = (x) => send(x, 'z'.repeat(2 * MiB));
      const { result, line } = await shim.call('echo');
      assert.equal(result?.isError, true, line);
      assert.match(result.content[0].text, /larger than the 1048576 bytes.*\(max_body\); the call was executed/);
      assertRefused(await shim.call('echo'), CODE.limited, { reason: 'rate' });
      await shim.end();
      const { verdict, body } = (await place.auditRows()).find((row) => row.kind === 'outcome');
      assert.deepEqual([verdict, body.executed], ['succeeded', 'yes']);
      assert.match(body.cause, /max_body/);
    });
  }

  test('what cannot be told for a result stays unknown; other requests say so too', async (t) => {
    const { backend, shim } = await setUp(t, { backend: ', max_body: 1MiB' });
    const text = 'z'.repeat(2 * MiB);
    backend.onCall.echo = (x) => x.error(-32000, text);
    assertRefused(await shim.call('echo'), CODE.unknown, { executed: 'unknown' });
    backend.onMethod['resources/read'] = (x) => x.result({ contents: [{ uri: 'a', text }] });
    assert.match(assertErrorOnly(await shim.request('resources/read', { uri: 'file:///a' })).message, /larger than the 1048576 bytes/);
  });
});

describe('tasks', suite, () => {
  test('a call that makes a task is settled when the task is made; polls pass, results may take long', async (t) => {
    const { backend, place, shim } = await setUp(t, { rules: { grant: 'rate_limits: { task: { window: 1h, max_count: 1 } }' }, backend: isSanitized ? '' : ', timeout: 1s' });
    backend.onCall.task = (exchange, params) => {
      assert.deepEqual(params.task, { ttl: 60000 });
      exchange.result({ task: { taskId: 't-1', status: 'working', ttl: 60000, createdAt: '2026-01-01T00:00:00Z' } });
    };
    let result;
    backend.onMethod['tasks/get'] = (exchange) => exchange.result({ taskId: 't-1', status: 'working' });
    backend.onMethod['tasks/result'] = (exchange) => { result = exchange; };
    backend.onMethod['tasks/cancel'] = (exchange) => exchange.result({ taskId: 't-1', status: 'cancelled' });
    const made = await shim.call('task', {}, { params: { task: { ttl: 60000 } } });
    assert.equal(made.result.task.taskId, 't-1');
    await until(async () => (await place.auditRows()).some((row) => row.kind === 'outcome' && row.verdict === 'succeeded'), { what: 'the outcome' });
    const waiting = shim.request('tasks/result', { taskId: 't-1' }, { within: 60_000 });
    const from = performance.now();
    while (performance.now() - from < 1500) assert.equal((await shim.request('tasks/get', { taskId: 't-1' })).result.status, 'working');
    assertRefused(await shim.call('task', {}, { params: { task: { ttl: 60000 } } }), CODE.limited);
    assert.equal((await shim.request('tasks/cancel', { taskId: 't-1' })).result.status, 'cancelled');
    result.send(200, JSON.stringify({ jsonrpc: '2.0', id: result.message.id, result: { content: [{ type: 'text', text: 'late' }] } }), json);
    assertSaid(await waiting, 'late');
  });
});
