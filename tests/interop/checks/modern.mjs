// Checks for servers/modern.mjs with the SDK 2.x client, in whichever era the two agree on.
import assert from 'node:assert/strict';
import { patience } from '../../lib/settings.mjs';
import { until } from '../../lib/until.mjs';

const call = (c, name, args = {}, options) => c.callTool({ name, arguments: args }, options);
const textOf = (result) => result.content[0].text;
const said = async (c, name, args) => JSON.parse(textOf(await call(c, name, args)));
const plain = ({ _meta, resultType, ttlMs, cacheScope, ...rest }) => rest;

export const commonChecks = {
  'the era, the revision, the server': (c) => ({ era: c.getProtocolEra(), revision: c.getNegotiatedProtocolVersion(), v: c.getServerVersion(), c: c.getServerCapabilities(), i: c.getInstructions() }),
  'tools with their members': async (c) => {
    const { tools } = await c.listTools();
    assert.deepEqual(tools.find((tool) => tool.name === 'echo')._meta, { 'x-test/tool': 'echo' });
    return tools.filter((tool) => tool.name !== 'added');
  },
  'text both ways': async (c) => {
    const message = 'é ü 漢字 🙂 \u2028 "quoted" \\ \t\n';
    assert.equal(textOf(await call(c, 'echo', { message })), message);
  },
  'arguments and _meta': async (c) => {
    const result = await c.callTool({ name: 'arguments', arguments: { a: [1, { b: null }] }, _meta: { 'x-test/own': 7 } });
    assert.deepEqual(result.structuredContent.arguments, { a: [1, { b: null }] });
    assert.equal(result.structuredContent.meta['x-test/own'], 7);
    assert.deepEqual(result._meta['x-test/back'], { n: 1 });
  },
  'structured content': async (c) => (await call(c, 'structured')).structuredContent,
  'an error of the tool': async (c) => (await call(c, 'fails')).isError,
  progress: async (c) => {
    const steps = [];
    assert.equal(textOf(await call(c, 'progress', { steps: 5 }, { onprogress: (p) => steps.push(p.message) })), 'done');
    // The SDK drops what comes in one read with the result.
    assert.ok(steps.length >= 3, String(steps));
    assert.deepEqual(steps, [1, 2, 3, 4, 5].map((n) => `step ${n}`).slice(0, steps.length));
  },
  'what the server needs from the person (elicitation), in one run that counts': async (c) => {
    const before = (await said(c, 'seen')).confirmed ?? 0;
    assert.equal(textOf(await call(c, 'confirm', { what: 'tea' })), 'tea for Ada');
    assert.equal((await said(c, 'seen')).confirmed, before + 1);
  },
  'what the server needs from the model (sampling)': async (c) => assert.equal(textOf(await call(c, 'ask_model')), 'sampled a poem'),
  'what the server needs from the client (roots)': async (c) => assert.equal(textOf(await call(c, 'ask_roots')), 'file:///work/a'),
  'cancel reaches the server': async (c) => {
    const { cancelled } = await said(c, 'seen');
    const stop = new AbortController();
    const going = assert.rejects(call(c, 'wait', { ms: 5000 }, { signal: stop.signal }));
    await call(c, 'echo', { message: 'on its way' });
    stop.abort('enough');
    await going;
    await until(async () => (await said(c, 'seen')).cancelled > cancelled, { what: 'the cancellation at the server' });
  },
  resources: async (c) => [plain(await c.listResources()), plain(await c.listResourceTemplates()), plain(await c.readResource({ uri: 'test://one' }))],
  prompts: async (c) => [plain(await c.listPrompts()), plain(await c.getPrompt({ name: 'plain', arguments: { a: 'ü' } }))],
  completion: async (c) => plain(await c.complete({ ref: { type: 'ref/prompt', name: 'plain' }, argument: { name: 'a', value: 'v' } })),
  'a result of 9 MiB': async (c) => assert.equal(textOf(await call(c, 'big', { bytes: 9 << 20 })).length, 9 << 20),
  '8 calls of a second at once': async (c) => {
    const from = performance.now();
    await Promise.all(Array.from({ length: 8 }, () => call(c, 'wait', { ms: 1000 })));
    assert.ok(performance.now() - from < 5000 * patience);
  },
};

export const modernChecks = {
  'changes of lists and resources on a listen stream': async (c) => {
    const listening = await c.listen({ toolsListChanged: true, resourceSubscriptions: ['test://one'] });
    await call(c, 'change');
    await until(() => c.seen.some((n) => n.method === 'notifications/tools/list_changed'), { what: 'tools/list_changed' });
    await call(c, 'touch', { uri: 'test://one' });
    await until(() => c.seen.some((n) => n.method === 'notifications/resources/updated'), { what: 'resources/updated' });
    await listening.close();
  },
};

export const httpChecks = {
  'headers name what was judged': {
    through: async (c) => {
      const headers = await said(c, 'headers');
      assert.equal(headers['mcp-protocol-version'], '2026-07-28');
      assert.equal(headers['mcp-method'], 'tools/call');
      assert.equal(headers['mcp-name'], 'headers');
      assert.equal(headers['mcp-session-id'], undefined);
    },
  },
  'arguments that a tool wants as headers': async (c) => {
    await c.listTools();
    return said(c, 'routed', { region: 'eu wést' });
  },
};
