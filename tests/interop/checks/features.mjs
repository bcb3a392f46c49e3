// The checks that servers/features.mjs answers: what client and server of the SDK 1.x can say to each other.
import assert from 'node:assert/strict';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { patience } from '../../lib/settings.mjs';
import { callTool, errorOf, heard, saidBy, textOf } from '../../lib/sdk1.mjs';
import { settled, until } from '../../lib/until.mjs';

const MiB = 1024 * 1024;
const ask = (message, more = {}) => ({ messages: [{ role: 'user', content: { type: 'text', text: message } }], maxTokens: 10, ...more });
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' }, check: { type: 'boolean', default: false } }, required: ['name'] } };

const release = (c) => callTool(c, 'release');

/** Runs `during` while n calls wait at the server, and sees them all end well. */
async function whileCallsWait(c, during, n = 5) {
  const waiting = Array.from({ length: n }, () => callTool(c, 'hold'));
  await until(async () => Number(textOf(await callTool(c, 'holding'))) === n, { what: `${n} calls that wait` });
  const value = await during();
  await release(c);
  (await Promise.all(waiting)).forEach((result) => assert.equal(textOf(result), 'held'));
  return value;
}

async function withHandler(c, which, handler, during) {
  const usual = c[which];
  c[which] = handler;
  try {
    return await during();
  } finally {
    c[which] = usual;
  }
}

async function allPages(list, key) {
  const all = [];
  const cursors = [];
  for (let cursor; ;) {
    const page = await list(cursor === undefined ? undefined : { cursor });
    all.push(...page[key]);
    cursor = page.nextCursor;
    if (cursor === undefined) return { all, cursors };
    cursors.push(cursor);
  }
}

const handshake = {
  'versions, capabilities and instructions of the server': (c) => {
    assert.equal(c.getServerCapabilities().experimental['x-test'].depth.of, 3);
    return { v: c.getServerVersion(), c: c.getServerCapabilities(), i: c.getInstructions() };
  },
  'the server sees the client as it is': async (c) => {
    const client = await saidBy(c, 'client');
    assert.equal(client.capabilities.experimental['x-test'].from, 'client');
    return client;
  },
  'ping to the server': (c) => c.ping(),
  'ping to the client, while calls wait': (c) => whileCallsWait(c, () => saidBy(c, 'ping_client')),
};

const sampling = {
  'sampling, while calls wait': async (c) => {
    const said = await whileCallsWait(c, () => saidBy(c, 'sample', { request: ask('a poem', { systemPrompt: 's', temperature: 0.5, metadata: { k: [1] } }) }));
    assert.equal(said.result.content.text, 'sampled a poem');
    return said;
  },
  'sampling that belongs to no call': async (c) => {
    const said = await saidBy(c, 'sample_apart', { request: ask('apart') });
    assert.equal(said.result.content.text, 'sampled apart');
    return said;
  },
  'sampling with tools': (c) => withHandler(c, 'onSample', (params) => {
    assert.equal(params.tools[0].name, 'look');
    return { model: 'm', role: 'assistant', stopReason: 'toolUse', content: [{ type: 'tool_use', id: 'u1', name: params.tools[0].name, input: { q: params.toolChoice.mode } }] };
  }, async () => {
    const request = ask('with tools', { tools: [{ name: 'look', inputSchema: { type: 'object' } }], toolChoice: { mode: 'required' } });
    const said = await saidBy(c, 'sample', { request });
    assert.deepEqual(said.result.content[0], { type: 'tool_use', id: 'u1', name: 'look', input: { q: 'required' } });
    return said;
  }),
  'sampling that the client refuses: code, message and data reach the server': (c) => withHandler(c, 'onSample', () => {
    throw Object.assign(new Error('the user said no'), { code: -1, data: { by: 'user' } });
  }, async () => {
    const said = await saidBy(c, 'sample', { request: ask('no') });
    assert.equal(said.code, -1);
    return said;
  }),
  'sampling that the server cancels': async (c) => {
    let aborted = 0;
    const pending = (params, extra) => new Promise((resolve, reject) => {
      extra.signal.addEventListener('abort', () => { aborted++; reject(new Error('aborted')); });
      release(c);
    });
    return withHandler(c, 'onSample', pending, async () => {
      const said = await saidBy(c, 'sample_and_cancel', { request: ask('never') });
      assert.match(said.message, /changed my mind/);
      await until(() => aborted === 1, { what: 'the cancellation at the client' });
      return said;
    });
  },
  '20 samplings at once, each with its own answer': async (c) => {
    const said = await Promise.all(Array.from({ length: 20 }, (_, n) => saidBy(c, 'sample', { request: ask(`no ${n}`) })));
    said.forEach(({ result }, n) => assert.equal(result.content.text, `sampled no ${n}`));
    return said;
  },
};

const elicitation = {
  'elicitation by form, accepted while calls wait': async (c) => {
    const said = await whileCallsWait(c, () => saidBy(c, 'elicit', { request: form }));
    assert.deepEqual(said.result, { action: 'accept', content: { name: 'Ada', check: true } });
  },
  'elicitation declined and cancelled': async (c) => {
    for (const action of ['decline', 'cancel']) {
      const said = await withHandler(c, 'onElicit', () => ({ action }), () => saidBy(c, 'elicit', { request: form }));
      assert.equal(said.result.action, action);
    }
  },
  'elicitation by URL, and its completion': (c) => withHandler(c, 'onElicit', (params) => {
    assert.equal(params.mode, 'url');
    assert.equal(params.url, 'https://example.invalid/a?b=ü');
    return { action: 'accept' };
  }, async () => {
    const said = await saidBy(c, 'elicit', { request: { mode: 'url', url: 'https://example.invalid/a?b=ü', elicitationId: 'e-7', message: 'go' } });
    assert.equal(said.result.action, 'accept');
    await callTool(c, 'elicit_done', { elicitationId: 'e-7' });
    const note = await heard(c, 'notifications/elicitation/complete');
    assert.equal(note.params.elicitationId, 'e-7');
  }),
  'a URL elicitation that is required first (-32042)': async (c) => {
    const error = await errorOf(callTool(c, 'elicit_first', { url: 'https://example.invalid/first' }));
    assert.equal(error.code, -32042);
    assert.equal(error.data.elicitations[0].url, 'https://example.invalid/first');
    return error;
  },
  'roots, while calls wait': async (c) => {
    const said = await whileCallsWait(c, () => saidBy(c, 'roots'));
    assert.deepEqual(said.result.roots, c.roots);
    return said;
  },
  'roots/list_changed reaches the server': async (c) => {
    const { rootsChanged } = await saidBy(c, 'seen');
    await c.sendRootsListChanged();
    await until(async () => (await saidBy(c, 'seen')).rootsChanged === rootsChanged + 1, { what: 'roots/list_changed at the server' });
  },
};

const running = {
  'cancel reaches the server': async (c) => {
    const { cancelled } = await saidBy(c, 'seen');
    const stop = new AbortController();
    const going = callTool(c, 'wait', { ms: 60_000 }, { signal: stop.signal });
    const ended = assert.rejects(going);
    await callTool(c, 'echo', { message: 'the call before is on its way' });
    stop.abort('enough');
    await settled(ended, 'the cancelled call');
    await until(async () => (await saidBy(c, 'seen')).cancelled === cancelled + 1, { what: 'the cancellation at the server' });
  },
  'progress in order, with its fractions and messages, as it happens': async (c) => {
    const steps = [];
    // The server takes no step before the client has seen the last one.
    const result = await callTool(c, 'progress', { steps: 8 }, { onprogress: (p) => { steps.push(p); release(c); } });
    assert.equal(textOf(result), 'done');
    assert.deepEqual(steps, Array.from({ length: 8 }, (_, n) => ({ progress: (n + 1) / 4, total: 2, message: `step ${n + 1}` })));
  },
  'log messages: all of them, in order': async (c) => {
    await c.setLoggingLevel('debug');
    c.seen.length = 0;
    await callTool(c, 'log', { count: 100 });
    const of = () => c.seen.filter((n) => n.method === 'notifications/message');
    await until(() => of().length === 100, { what: '100 log messages' });
    assert.deepEqual(of().map((n) => n.params.data.n), Array.from({ length: 100 }, (_, n) => n));
    assert.deepEqual(of()[0].params, { level: 'info', logger: 'features', data: { n: 0 } });
  },
  'a log level filters at the server': async (c) => {
    await c.setLoggingLevel('error');
    c.seen.length = 0;
    await callTool(c, 'log', { count: 3 });
    await callTool(c, 'echo', { message: 'behind' });
    const count = c.seen.length;
    await c.setLoggingLevel('debug');
    return count;
  },
  'notifications nobody knows: all of them, in order, with their _meta': async (c) => {
    c.seen.length = 0;
    await callTool(c, 'notify', { count: 200 });
    await until(() => c.seen.length === 200, { what: '200 notifications' });
    c.seen.forEach((note, n) => assert.deepEqual({ method: note.method, params: note.params }, { method: 'x-test/note', params: { n, _meta: { 'x-test/m': true } } }));
  },
  'notifications that belong to no call': async (c) => {
    c.seen.length = 0;
    await callTool(c, 'notify_apart', { count: 20 });
    await until(() => c.seen.length === 20, { what: '20 notifications' });
    assert.deepEqual(c.seen.map((note) => note.params.n), Array.from({ length: 20 }, (_, n) => n));
  },
  'a notification nobody knows, to the server': async (c) => {
    await c.notification({ method: 'x-test/up', params: { a: [1, { b: null }], _meta: { k: 'v' } } });
    const custom = await until(async () => { const seen = await saidBy(c, 'seen'); return seen.custom.length && seen.custom; }, { what: 'the notification at the server' });
    assert.deepEqual(custom.at(-1).params, { a: [1, { b: null }], _meta: { k: 'v' } });
  },
  '8 calls of a second each take less than five': async (c) => {
    const from = performance.now();
    await Promise.all(Array.from({ length: 8 }, () => callTool(c, 'wait', { ms: 1000 })));
    const took = performance.now() - from;
    assert.ok(took < 5000 * patience, `${took} ms`);
  },
  'answers beside a call that never ends': async (c) => {
    const stop = new AbortController();
    const ended = assert.rejects(callTool(c, 'wait', { ms: 600_000 }, { signal: stop.signal }));
    for (let n = 0; n < 10; n++) assert.equal(textOf(await callTool(c, 'echo', { message: `${n}` })), `${n}`);
    stop.abort('enough');
    await ended;
  },
  '50 calls at once': async (c) => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => callTool(c, 'echo', { message: `m${n}` })));
    results.forEach((result, n) => assert.equal(textOf(result), `m${n}`));
  },
};

const lists = {
  'tools in pages, in order, with every field': async (c) => {
    const { all, cursors } = await allPages((params) => c.listTools(params), 'tools');
    assert.ok(cursors.length >= 2);
    assert.deepEqual(all[0].inputSchema['x-own'], [1, 2]);
    assert.equal(new Set(all.map((tool) => tool.name)).size, all.length);
    return { all, cursors };
  },
  'tools/list_changed, prompts/list_changed, resources/list_changed': async (c) => {
    for (const [what, list, key] of [['tools', (p) => c.listTools(p), 'tools'], ['prompts', (p) => c.listPrompts(p), 'prompts'], ['resources', (p) => c.listResources(p), 'resources']]) {
      await callTool(c, 'change', { what });
      await heard(c, `notifications/${what}/list_changed`);
      const { all } = await allPages(list, key);
      assert.ok(all.some((item) => /added/.test(item.name)), `${what} lists the new one`);
    }
  },
  'resources: pages, templates, contents': async (c) => {
    const { all, cursors } = await allPages((params) => c.listResources(params), 'resources');
    const templates = await c.listResourceTemplates();
    const read = await c.readResource({ uri: 'test://r/3' });
    assert.equal(read.contents[1].blob, 'AAEC');
    return { all: all.filter((r) => r.uri !== 'test://added'), cursors, templates, read, odd: await c.readResource({ uri: 'test://t/ü?a=b&c=%20#frag' }) };
  },
  'a resource that does not exist': async (c) => {
    const error = await errorOf(c.readResource({ uri: 'test://none' }));
    assert.deepEqual(error.data, { uri: 'test://none' });
    return error;
  },
  'subscribe, updated, unsubscribe': async (c) => {
    const uri = 'test://r/5';
    await c.subscribeResource({ uri });
    await callTool(c, 'touch', { uri });
    assert.equal((await heard(c, 'notifications/resources/updated')).params.uri, uri);
    await c.unsubscribeResource({ uri });
    assert.equal(textOf(await callTool(c, 'touch', { uri })), 'nobody asked');
  },
  'prompts: list, arguments, embedded resources, errors': async (c) => ({
    list: (await c.listPrompts()).prompts.filter((prompt) => !prompt.name.startsWith('added')),
    plain: await c.getPrompt({ name: 'plain' }),
    args: await c.getPrompt({ name: 'with_args', arguments: { city: 'Zürich "漢"' } }),
    missing: await errorOf(c.getPrompt({ name: 'missing' })),
  }),
  'completion with its context, for prompts and templates': async (c) => ({
    prompt: await c.complete({ ref: { type: 'ref/prompt', name: 'with_args' }, argument: { name: 'city', value: 'Z' }, context: { arguments: { land: 'CH' } } }),
    template: await c.complete({ ref: { type: 'ref/resource', uri: 'test://t/{id}' }, argument: { name: 'id', value: '' } }),
  }),
};

const results = {
  'structured content': async (c) => {
    const result = await callTool(c, 'structured');
    assert.deepEqual(result.structuredContent, { sum: 3 });
    return result;
  },
  '_meta and unknown members, both ways': async (c) => {
    const result = await c.request({
      method: 'tools/call', params: { name: 'arguments', arguments: { a: [1, { b: null }], 'ü': '' }, _meta: { traceparent: '00-1', 'x-test/own': { deep: true } }, unknownMember: [1] },
    }, ResultSchema);
    assert.deepEqual(result.structuredContent.unknownMember, [1]);
    assert.equal(result.structuredContent._meta['x-test/own'].deep, true);
    assert.deepEqual(result.unknownMember, { deep: [null, {}] });
    return result;
  },
  'unknown methods, their params and results': async (c) => {
    const result = await c.request({ method: 'x-test/echo', params: { a: { b: [] }, _meta: { q: 1 } } }, ResultSchema);
    assert.deepEqual(result.params.a, { b: [] });
    return { result, refused: await errorOf(c.request({ method: 'x-test/none' }, ResultSchema)) };
  },
  'images, audio, links and embedded resources': (c) => callTool(c, 'media'),
  'an error of the tool, and one of the protocol': async (c) => {
    const result = await callTool(c, 'fails');
    assert.equal(result.isError, true);
    const error = await errorOf(callTool(c, 'throws'));
    assert.equal(error.code, -32050);
    assert.deepEqual(error.data, { why: [1, 'two', null] });
    return { result, error };
  },
  'a result of 9 MiB': async (c) => {
    const result = await callTool(c, 'big', { bytes: 9 * MiB });
    assert.equal(textOf(result).length, 9 * MiB);
  },
  'a result of 11 MiB becomes an error that says so; the session lives': {
    through: async (c) => {
      const outcome = await callTool(c, 'big', { bytes: 11 * MiB }).then((result) => ({ said: result.isError && textOf(result) }), (error) => ({ said: error.message }));
      assert.match(String(outcome.said), /10|MiB|large|limit|size/i);
      assert.equal(textOf(await callTool(c, 'echo', { message: 'alive' })), 'alive');
    },
  },
};

const stableTask = ({ taskId, createdAt, lastUpdatedAt, ...rest }) => rest;

const makeTask = (c, task = {}) => c.request({ method: 'tools/call', params: { name: 'task', arguments: {}, task } }, ResultSchema);

const tasks = {
  'a task: created, polled, its result': async (c) => {
    const created = await makeTask(c, { ttl: 60_000 });
    const { taskId } = created.task;
    assert.equal(created.task.status, 'working');
    assert.equal((await c.experimental.tasks.getTask(taskId)).status, 'working');
    await release(c);
    await until(async () => (await c.experimental.tasks.getTask(taskId)).status === 'completed', { what: 'the task completed', every: 50 });
    const result = await c.experimental.tasks.getTaskResult(taskId, ResultSchema);
    assert.equal(textOf(result), 'the task is done');
    return { created: stableTask(created.task), meta: Object.keys(result._meta ?? {}) };
  },
  'tasks/result waits for the end of the task': async (c) => {
    const created = await makeTask(c);
    let isThere = false;
    const result = c.experimental.tasks.getTaskResult(created.task.taskId, ResultSchema).finally(() => { isThere = true; });
    for (let n = 0; n < 5; n++) await callTool(c, 'echo', { message: 'beside' });
    assert.equal(isThere, false);
    await release(c);
    assert.equal(textOf(await result), 'the task is done');
  },
  'tasks/list and tasks/cancel': async (c) => {
    const created = await makeTask(c);
    const { tasks: all } = await c.experimental.tasks.listTasks();
    assert.ok(all.some((task) => task.taskId === created.task.taskId));
    const cancelled = await c.experimental.tasks.cancelTask(created.task.taskId);
    assert.equal(cancelled.status, 'cancelled');
    return { again: (await errorOf(c.experimental.tasks.cancelTask(created.task.taskId))).code };
  },
};

export const featureChecks = { ...handshake, ...sampling, ...elicitation, ...running, ...lists, ...results, ...tasks };
