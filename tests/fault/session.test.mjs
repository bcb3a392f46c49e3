// A backend that forgets its sessions: a new one is opened inside, and only what provably did not run is sent again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const forms = {
  404: (x) => x.send(404),
  '404 with JSON': (x) => x.send(404, '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}', { 'content-type': 'application/json' }),
  '400 as server-everything says it': (x) => x.send(400, JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message: 'Bad Request: No valid session ID provided' }, id: x.message?.id }), { 'content-type': 'application/json' }),
};

/** A backend where a session is good for `life` requests behind its initialize. */
async function startMortal(t, life, gone) {
  const backend = await startBackend(t, { tools: [tool('echo')], capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } } });
  const used = new Map();
  backend.dead = new Set();
  backend.refused = 0;
  for (const method of ['logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']) backend.onMethod[method] = (x) => x.result({});
  backend.onAny = (x) => {
    const id = x.req.headers['mcp-session-id'];
    if (!id || x.message?.method === 'notifications/initialized' || x.req.method === 'DELETE') return false;
    used.set(id, (used.get(id) ?? 0) + 1);
    if (!backend.dead.has(id) && used.get(id) <= life) return false;
    backend.dead.add(id);
    backend.refused++;
    // A call that is refused has not run.
    backend.arrivals = backend.arrivals.filter((a) => a.exchange !== x);
    gone(x);
    return true;
  };
  return backend;
}

describe('sessions that die', suite, () => {
  for (const [form, gone] of Object.entries(forms)) {
    test(`every few requests (${form}): each call runs once and is answered, the client notices nothing`, async (t) => {
      const backend = await startMortal(t, 6, gone);
      const shim = await openShim(makePlace(t, simpleRules(backend.url)));
      for (let n = 0; n < 60; n++) assertSaid(await shim.call('echo', { message: `n${n}` }), `n${n}`);
      const ran = backend.callsOf('echo').map((a) => a.args.message);
      assert.deepEqual(ran, Array.from({ length: 60 }, (_, n) => `n${n}`));
      assert.ok(backend.of('initialize').length >= 8, `${backend.of('initialize').length} sessions`);
      assert.deepEqual(shim.messages, []);
    });
  }

  test('the new session opens as the first one did: the same initialize, then initialized', async (t) => {
    const backend = await startMortal(t, 2, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)), { capabilities: { roots: {}, experimental: { x: { y: 1 } } }, client: 'named' });
    for (let n = 0; n < 4; n++) assertSaid(await shim.call('echo', { message: `n${n}` }), `n${n}`);
    const opened = backend.of('initialize');
    assert.ok(opened.length >= 2);
    for (const x of opened) {
      assert.deepEqual(x.message.params, opened[0].message.params);
      assert.equal(x.req.headers['mcp-session-id'], undefined);
    }
    assert.equal(backend.of('notifications/initialized').length, opened.length);
    const order = backend.requests.map((x) => [x.message?.method, x.req.headers['mcp-session-id']]);
    const second = order.findIndex(([method], n) => method === 'initialize' && n > 0);
    assert.equal(order[second + 1][0], 'notifications/initialized');
    assert.equal(order[second + 1][1], 's2');
  });

  test('subscriptions and the log level are taken over, in the state they have', async (t) => {
    const backend = await startMortal(t, 1000, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    await shim.request('logging/setLevel', { level: 'debug' });
    await shim.request('logging/setLevel', { level: 'warning' });
    for (const uri of ['test://a', 'test://b', 'test://c']) await shim.request('resources/subscribe', { uri });
    await shim.request('resources/unsubscribe', { uri: 'test://b' });
    backend.dead.add('s1');
    assertSaid(await shim.call('echo', { message: 'after' }), 'after');
    const inSecond = () => backend.requests.filter((x) => x.req.headers['mcp-session-id'] === 's2').map((x) => x.message?.params);
    await until(() => inSecond().some((p) => p?.uri === 'test://c'), { what: 'the subscriptions in the new session' });
    assert.deepEqual(inSecond().filter((p) => p?.uri).map((p) => p.uri).sort(), ['test://a', 'test://c']);
    assert.deepEqual(inSecond().filter((p) => p?.level).map((p) => p.level), ['warning']);
  });

  test('many calls at once over a session that dies: none runs twice, each is answered', async (t) => {
    const backend = await startMortal(t, 25, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => shim.call('echo', { message: `n${n}` })));
    const ran = backend.callsOf('echo').map((a) => a.args.message);
    assert.equal(new Set(ran).size, ran.length, 'none twice');
    answers.forEach((answer, n) => {
      if (answer.result) assert.ok(ran.includes(`n${n}`));
      else assert.ok(['no', 'unknown'].includes(answer.error.data?.executed), answer.line);
    });
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  test('a backend that forgets every session at once: an error after a bounded number of tries', async (t) => {
    const backend = await startMortal(t, 0, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    const answer = await shim.call('echo', { message: 'never' });
    assert.equal(answer.error?.data?.executed, 'no', answer.line);
    assert.ok(backend.refused <= 10, `${backend.refused} tries`);
    assert.equal(backend.callsOf('echo').length, 0);
  });

  test('a restarted backend, unasked: the next call opens a session', async (t) => {
    const backend = await startMortal(t, 1000, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    assertSaid(await shim.call('echo', { message: 'before' }), 'before');
    const { port } = backend;
    await backend.stop();
    assert.ok((await shim.call('echo', { message: 'lost' })).error);
    const next = await startBackend(t, { port, tools: [tool('echo')] });
    next.onAny = (x) => {
      const isOld = x.req.headers['mcp-session-id'] === 's1' && next.sessions === 0;
      if (isOld) x.send(404);
      return isOld;
    };
    assertSaid(await shim.call('echo', { message: 'again' }), 'again');
  });

  test('a new session with other capabilities: the client hears that lists changed', async (t) => {
    const backend = await startMortal(t, 1000, forms[404]);
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    assertSaid(await shim.call('echo', { message: 'before' }), 'before');
    backend.capabilities = { ...backend.capabilities, prompts: { listChanged: true } };
    backend.dead.add('s1');
    assertSaid(await shim.call('echo', { message: 'after' }), 'after');
    await shim.message((m) => m.method === 'notifications/tools/list_changed', 'tools/list_changed');
  });

  /** How a session begins, how the backend asks something in it, how it dies. */
  const deaths = {
    'forgotten by a Streamable HTTP server': async (t) => {
      const backend = await startMortal(t, 1000, forms[404]);
      let stream;
      backend.onMethod.GET = (x) => {
        x.stream();
        stream = x;
      };
      return { backend, ask: async (message) => (await until(() => stream, { what: 'the GET stream' })).event(message), die: () => backend.dead.add('s1') };
    },
    'whose HTTP+SSE stream ends': async (t) => {
      const backend = await startBackend(t, { tools: [tool('echo')] });
      let stream;
      backend.onMethod.GET = (x) => {
        x.stream();
        x.event('/message', 'event: endpoint\n');
        stream = x;
      };
      backend.onAny = (x) => {
        if (x.req.method !== 'POST') return false;
        const { id, method, params } = x.message;
        const result = method === 'initialize'
          ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'old', version: '1' } }
          : { content: [{ type: 'text', text: String(params?.arguments?.message) }], tools: backend.tools };
        x.send(202);
        if (id !== undefined && method) stream.event({ jsonrpc: '2.0', id, result });
        return true;
      };
      return { backend, transport: ', transport: sse', ask: (message) => stream.event(message), die: () => stream.end() };
    },
  };

  for (const [what, make] of Object.entries(deaths)) {
    for (const several of [false, true]) {
      test(`a question open at the client when its session (${what}) dies is cancelled there, its late answer goes nowhere${several ? '; several backends' : ''}`, async (t) => {
        const { backend, transport = '', ask, die } = await make(t);
        const other = await startBackend(t);
        const names = several ? ['demo', 'other'] : ['demo'];
        const place = makePlace(t, `backends:
  demo: { url: "${backend.url}"${transport} }
  other: { url: "${other.url}" }
agents: { one: { backends: { ${names.map((name) => `${name}: { allowed: true }`).join(', ')} } } }
`);
        const shim = await openShim(place, { capabilities: { elicitation: {} } });
        const echo = several ? 'demo__echo' : 'echo';
        assertSaid(await shim.call(echo, { message: 'before' }), 'before');
        await ask({ jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { message: 'Sure?', requestedSchema: { type: 'object', properties: {} } } });
        const question = await shim.message((m) => m.method === 'elicitation/create', 'the question');
        die();
        assertSaid(await shim.call(echo, { message: 'after' }), 'after');
        const word = await shim.message((m) => m.method === 'notifications/cancelled', 'its cancellation');
        assert.deepEqual(word.params.requestId, question.id);
        shim.send({ id: question.id, result: { action: 'accept', content: {} } });
        assertSaid(await shim.call(echo, { message: 'later' }), 'later');
        assert.deepEqual(backend.requests.filter((x) => x.message?.result), []);
      });
    }
  }
});
