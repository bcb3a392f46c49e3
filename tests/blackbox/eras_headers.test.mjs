// What of a message stands in its HTTP headers (2026-07-28): written from what was judged, for clients of either era.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, envelope, REVISION, startModern } from '../lib/modern_backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';

const clients = {
  'a client of the same revision': async (place) => {
    const shim = startShim(place);
    const ask = (method, params = {}) => shim.request(method, { ...params, _meta: envelope() });
    await ask('server/discover');
    return { shim, ask };
  },
  'a client of an older one': async (place) => {
    const shim = await openShim(place);
    return { shim, ask: (method, params) => shim.request(method, params) };
  },
};

const routed = (name = 'routed', header = 'Region') => tool(name, { inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': header }, n: { type: 'integer' } } } });

/** Wants the header as the SDK's server does: HTTP 400 before anything runs. */
function strict(backend, { ran = [] } = {}) {
  backend.onCall.routed = (x, params) => {
    if (x.req.headers['mcp-param-region'] === undefined && params.arguments?.region !== undefined) {
      return x.send(400, JSON.stringify({ jsonrpc: '2.0', id: x.message.id, error: { code: -32020, message: 'Mcp-Param-Region is absent' } }), { 'content-type': 'application/json' });
    }
    ran.push(params.arguments.region);
    return x.result(complete({ content: [{ type: 'text', text: String(x.req.headers['mcp-param-region']) }] }));
  };
  return ran;
}

for (const [who, connect] of Object.entries(clients)) {
  describe(`headers, ${who}`, suite, () => {
    async function setUp(t, { tools = [tool('echo'), tool('wörk ✓'), routed()], rules } = {}) {
      const backend = await startModern(t, { tools });
      const place = makePlace(t, simpleRules(backend.url, rules));
      return { backend, place, ...await connect(place) };
    }
    const call = (ask, name, args = {}) => ask('tools/call', { name, arguments: args });

    test('revision, method and name, beyond ASCII as base64; no session', async (t) => {
      const { backend, ask } = await setUp(t);
      assertSaid(await call(ask, 'echo', { message: 'x' }), 'x');
      await call(ask, 'wörk ✓');
      await ask('resources/read', { uri: 'file:///a b' });
      await ask('prompts/get', { name: ' p' });
      await ask('tools/list');
      const of = (method) => backend.of(method).map((x) => x.req.headers);
      const [echo, work] = of('tools/call');
      assert.deepEqual([echo['mcp-protocol-version'], echo['mcp-method'], echo['mcp-name'], echo['mcp-session-id']], [REVISION, 'tools/call', 'echo', undefined]);
      assert.equal(work['mcp-name'], `=?base64?${Buffer.from('wörk ✓').toString('base64')}?=`);
      assert.equal(of('resources/read')[0]['mcp-name'], 'file:///a b');
      assert.equal(of('prompts/get')[0]['mcp-name'], '=?base64?IHA=?=');
      assert.deepEqual([of('tools/list').at(-1)['mcp-method'], of('tools/list').at(-1)['mcp-name']], ['tools/list', undefined]);
    });

    test('arguments that a tool wants as headers, as its definition says', async (t) => {
      const { backend, ask } = await setUp(t);
      const ran = strict(backend);
      assertSaid(await call(ask, 'routed', { region: 'eu-1', n: 7 }), 'eu-1');
      assertSaid(await call(ask, 'routed', { region: 'wést' }), '=?base64?d8Opc3Q=?=');
      await call(ask, 'routed', { n: 1 });
      assert.deepEqual(ran, ['eu-1', 'wést', undefined]);
      assert.equal(backend.callsOf('routed').length, 3);
    });

    test('a name that would end the header line is no way to write another', async (t) => {
      const { backend, ask } = await setUp(t);
      await ask('prompts/get', { name: 'a\r\nX-Evil: 1' });
      const [{ headers }] = backend.of('prompts/get').map((x) => x.req);
      assert.equal(headers['x-evil'], undefined);
      assert.equal(headers['mcp-name'], `=?base64?${Buffer.from('a\r\nX-Evil: 1').toString('base64')}?=`);
    });

    test('a definition that has changed: refused for its headers, the call goes once more with them, as one use', async (t) => {
      const { backend, ask, shim, place } = await setUp(t, { tools: [tool('routed')], rules: { grant: 'rate_limits: { routed: { window: 1h, max_count: 1 } }' } });
      const ran = strict(backend);
      await ask('tools/list');
      backend.tools = [routed()];
      assertSaid(await call(ask, 'routed', { region: 'eu' }), 'eu');
      assert.deepEqual(ran, ['eu']);
      assert.equal(backend.callsOf('routed').length, 2);
      assertRefused(await call(ask, 'routed', { region: 'eu' }), CODE.limited);
      await shim.end();
      assert.deepEqual((await place.storedRows()).filter((row) => row.tool === 'routed').map((row) => row.kind), ['intent', 'outcome', 'intent', 'outcome', 'refused']);
    });

    test('a tool that refuses its headers again is not asked a third time', async (t) => {
      const { backend, ask } = await setUp(t, { tools: [routed('routed', 'Other')] });
      const ran = strict(backend);
      assertRefused(await call(ask, 'routed', { region: 'eu' }), CODE.unreachable);
      assert.deepEqual(ran, []);
      assert.equal(backend.callsOf('routed').length, 2);
      assertSaid(await call(ask, 'routed', {}), 'undefined');
    });

    test('the same error as the answer of a tool is its answer', async (t) => {
      const { backend, ask } = await setUp(t);
      backend.onCall.echo = (x) => x.error(-32020, 'from further down');
      assert.equal((await call(ask, 'echo')).error.message, 'from further down');
      assert.equal(backend.callsOf('echo').length, 1);
    });

    test('two pages of tools: what the second one wants is known', async (t) => {
      const { backend, ask } = await setUp(t);
      strict(backend);
      backend.onMethod['tools/list'] = (x) => x.result(complete(x.message.params.cursor ? { tools: [routed()] } : { tools: [tool('routed')], nextCursor: 'p2' }));
      assertSaid(await call(ask, 'routed', { region: 'eu' }), 'eu');
    });
  });
}
