// Checks for servers/fastmcp.py.
import assert from 'node:assert/strict';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { patience } from '../../lib/settings.mjs';
import { callTool, errorOf, heard, textOf } from '../../lib/sdk1.mjs';
import { until } from '../../lib/until.mjs';

export const pythonChecks = {
  'server info, capabilities, instructions': (c) => ({ v: c.getServerVersion(), c: c.getServerCapabilities(), i: c.getInstructions() }),
  ping: (c) => c.ping(),
  'tools with their schemas': async (c) => {
    const { tools } = await c.listTools();
    assert.ok(tools.find((tool) => tool.name === 'weather').outputSchema);
    return tools;
  },
  'text both ways': async (c) => {
    const message = 'é ü 漢字 🙂 \u2028 "quoted" \\ \t\n';
    assert.equal(textOf(await callTool(c, 'echo', { message })), message);
  },
  'structured content': async (c) => {
    const result = await callTool(c, 'weather', { place: 'Zürich' });
    assert.deepEqual(result.structuredContent, { place: 'Zürich', degrees: 21.5 });
    return result;
  },
  'errors of tools': async (c) => {
    const result = await callTool(c, 'fails');
    assert.equal(result.isError, true);
    return [result, await callTool(c, 'echo', {})];
  },
  'progress and logs as they happen': async (c) => {
    c.seen.length = 0;
    const steps = [];
    const from = performance.now();
    await callTool(c, 'steps', { count: 6 }, { onprogress: (p) => steps.push({ ...p, at: performance.now() - from }) });
    const whole = performance.now() - from;
    // The SDK drops what comes in one read with the result.
    assert.ok(steps.length >= 4, `${steps.length} steps`);
    steps.forEach(({ at, ...step }, n) => assert.deepEqual(step, { progress: n + 1, total: 6, message: `step ${n + 1}` }));
    assert.ok(steps[0].at < whole - 400);
    await until(() => c.seen.filter((n) => n.method === 'notifications/message').length === 6, { what: 'six log messages' });
  },
  sampling: async (c) => assert.equal(textOf(await callTool(c, 'sample', { prompt: 'a poem' })), 'sampled a poem'),
  'sampling refused': async (c) => {
    const usual = c.onSample;
    c.onSample = () => { throw Object.assign(new Error('no'), { code: -1 }); };
    const result = await callTool(c, 'sample', { prompt: 'a poem' });
    c.onSample = usual;
    assert.equal(result.isError, true);
    return result;
  },
  elicitation: async (c) => assert.equal(textOf(await callTool(c, 'ask')), 'accept Ada'),
  roots: async (c) => assert.equal(textOf(await callTool(c, 'roots')), 'file:///work/a file:///work/%C3%BC'),
  'list_changed of all three': async (c) => {
    await callTool(c, 'touch');
    for (const what of ['tools', 'resources', 'prompts']) await heard(c, `notifications/${what}/list_changed`);
  },
  'resources and templates': async (c) => ({
    list: await c.listResources(), templates: await c.listResourceTemplates(),
    read: await c.readResource({ uri: 'python://greeting' }), item: await c.readResource({ uri: 'python://item/7' }), none: (await errorOf(c.readResource({ uri: 'python://none' }))).code,
  }),
  prompts: async (c) => ({ list: await c.listPrompts(), get: await c.getPrompt({ name: 'review', arguments: { code: 'x = 1' } }) }),
  completion: (c) => c.complete({ ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'code', value: 'q' } }),
  'unknown methods': async (c) => (await errorOf(c.request({ method: 'x-test/none' }, ResultSchema))).code,
  'a result of 5 MB': async (c) => assert.equal(textOf(await callTool(c, 'big', { size: 5_000_000 })).length, 5_000_000),
  '8 calls of a second at once': async (c) => {
    const from = performance.now();
    await Promise.all(Array.from({ length: 8 }, () => callTool(c, 'wait', { ms: 1000 })));
    assert.ok(performance.now() - from < 5000 * patience);
  },
};
