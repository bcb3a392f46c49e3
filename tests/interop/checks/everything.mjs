// Checks for the official reference server that go beyond everything.test.mjs: what changes with the transport.
import assert from 'node:assert/strict';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { callTool, errorOf, textOf } from '../../lib/sdk1.mjs';
import { settled, until } from '../../lib/until.mjs';

const MB = 1_000_000;
const sorted = (tools) => [...tools].sort((a, b) => (a.name < b.name ? -1 : 1));

export const everythingChecks = {
  'server info, capabilities, instructions': (c) => ({ v: c.getServerVersion(), c: c.getServerCapabilities(), i: c.getInstructions() }),
  ping: (c) => c.ping(),
  'tools, also those that hang on what the client can do': async (c) => {
    await until(async () => (await c.listTools()).tools.some((t) => t.name === 'trigger-url-elicitation'), { what: 'conditional tools' });
    const { tools } = await c.listTools();
    assert.ok(tools.length >= 17, `${tools.length}`);
    return sorted(tools);
  },
  'echo, with every kind of character': async (c) => {
    const message = 'é ü 漢字 🙂 \u2028\u2029 \u0000 \u200b \ud83d "quoted" \\ / \t\n\r \u007f';
    assert.equal(textOf(await callTool(c, 'echo', { message })), `Echo: ${message}`);
  },
  'structured content': async (c) => {
    const result = await callTool(c, 'get-structured-content', { location: 'Chicago' });
    assert.equal(result.structuredContent.temperature, 36);
    return result;
  },
  'an image, annotations, links': async (c) => [
    await callTool(c, 'get-tiny-image'), await callTool(c, 'get-annotated-message', { messageType: 'error', includeImage: true }), await callTool(c, 'get-resource-links', { count: 5 }),
  ],
  'an error of the tool': async (c) => {
    const result = await callTool(c, 'get-sum', { a: 'not a number' });
    assert.equal(result.isError, true);
    return result;
  },
  'a 3 MB message and its 3 MB result': async (c) => {
    const message = 'M'.repeat(3 * MB);
    assert.equal(textOf(await callTool(c, 'echo', { message })).length, 3 * MB + 6);
  },
  '50 calls at once': async (c) => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => callTool(c, 'echo', { message: `m${n}` })));
    results.forEach((result, n) => assert.equal(textOf(result), `Echo: m${n}`));
  },
  'progress, as it happens': async (c) => {
    const steps = [];
    const from = performance.now();
    await callTool(c, 'trigger-long-running-operation', { duration: 2, steps: 4 }, { onprogress: (p) => steps.push({ ...p, at: performance.now() - from }) });
    // The SDK drops what comes in one read with the result.
    assert.ok(steps.length >= 2, JSON.stringify(steps));
    assert.ok(steps[0].at < performance.now() - from - 500, 'not with the result');
    steps.forEach((step, n) => assert.equal(step.progress, n + 1));
  },
  cancel: async (c) => {
    const stop = new AbortController();
    const going = callTool(c, 'trigger-long-running-operation', { duration: 60, steps: 60 }, { signal: stop.signal, onprogress: () => stop.abort('enough') });
    await assert.rejects(settled(going, 'the cancelled call'));
    assert.equal(textOf(await callTool(c, 'echo', { message: 'after' })), 'Echo: after');
  },
  'resources, templates, contents': async (c) => {
    const list = await c.listResources();
    const blob = await c.readResource({ uri: 'demo://resource/dynamic/blob/4' });
    assert.match(Buffer.from(blob.contents[0].blob, 'base64').toString(), /^Resource 4:/);
    return { list, templates: await c.listResourceTemplates(), file: await c.readResource({ uri: list.resources[0].uri }) };
  },
  'subscriptions and the updates that follow': async (c) => {
    const uri = 'demo://resource/dynamic/text/1';
    await c.subscribeResource({ uri });
    await callTool(c, 'toggle-subscriber-updates');
    const update = await until(() => c.seen.find((n) => n.method === 'notifications/resources/updated'), { what: 'resources/updated' });
    assert.equal(update.params.uri, uri);
    await callTool(c, 'toggle-subscriber-updates');
    await c.unsubscribeResource({ uri });
  },
  'prompts with arguments and resources': async (c) => ({
    list: await c.listPrompts(), args: await c.getPrompt({ name: 'args-prompt', arguments: { city: 'Zürich', state: 'ZH' } }),
    missing: (await errorOf(c.getPrompt({ name: 'args-prompt' }))).code,
  }),
  'completion with context': (c) => c.complete({
    ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'name', value: '' }, context: { arguments: { department: 'Sales' } },
  }),
  'log messages of the server, at its own times': async (c) => {
    await c.setLoggingLevel('debug');
    await callTool(c, 'toggle-simulated-logging');
    await until(() => c.seen.some((n) => n.method === 'notifications/message'), { what: 'a log message' });
    await callTool(c, 'toggle-simulated-logging');
  },
  'roots, asked by the server on its own after initialized': async (c) => until(async () => {
    const said = textOf(await callTool(c, 'get-roots-list'));
    return said.includes('file:///work/a') && said;
  }, { what: 'the roots at the server', every: 50 }),
  sampling: async (c) => {
    const result = await callTool(c, 'trigger-sampling-request', { prompt: 'a poem', maxTokens: 10 });
    assert.match(JSON.stringify(result), /sampled/);
    return result;
  },
  'elicitation by form': async (c) => {
    const result = await callTool(c, 'trigger-elicitation-request');
    assert.match(JSON.stringify(result), /Ada/);
    return result;
  },
  'elicitation by URL, asked and required': async (c) => {
    const asked = await callTool(c, 'trigger-url-elicitation', { url: 'https://example.invalid/a', elicitationId: 'fixed' });
    const error = await errorOf(callTool(c, 'trigger-url-elicitation', { url: 'https://example.invalid/b', errorPath: true }));
    assert.equal(error.code, -32042);
    return asked;
  },
  'a task that asks in its middle': async (c) => {
    const messages = [];
    const usual = c.onElicit;
    c.onElicit = (params) => {
      messages.push('asked');
      return { action: 'accept', content: { interpretation: Object.values(params.requestedSchema.properties.interpretation.oneOf)[0].const } };
    };
    const stream = c.experimental.tasks.callToolStream({ name: 'simulate-research-query', arguments: { topic: 'python', ambiguous: true } }, undefined, { task: { ttl: 60_000 } });
    for await (const message of stream) if (!messages.includes(message.type)) messages.push(message.type);
    c.onElicit = usual;
    assert.ok(messages.includes('asked') && messages.includes('taskCreated') && messages.includes('result'), JSON.stringify(messages));
  },
  'tasks/get of an unknown task': async (c) => (await errorOf(c.request({ method: 'tasks/get', params: { taskId: 'no-such' } }, ResultSchema))).code,
};
