// features - an MCP server on the official SDK 1.x that does, on demand, what the reference server lacks: it asks the client while calls
// wait, cancels its own requests, changes its lists, says what it saw.   node features.mjs stdio|http|sse   (http, sse: prints its port)
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema, CompleteRequestSchema, CreateMessageResultSchema, CreateMessageResultWithToolsSchema, ElicitResultSchema, EmptyResultSchema,
  GetPromptRequestSchema, ListPromptsRequestSchema, ListResourcesRequestSchema, ListResourceTemplatesRequestSchema, ListRootsResultSchema,
  ListToolsRequestSchema, McpError, ReadResourceRequestSchema, SubscribeRequestSchema, UnsubscribeRequestSchema, UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js';

const seen = { cancelled: 0, rootsChanged: 0, custom: [], calls: {}, sessions: 0 };
const text = (value) => ({ content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });
const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener('abort', () => { clearTimeout(timer); reject(new Error('aborted')); });
});
const asError = (promise) => promise.then((result) => ({ result }), (error) => ({ code: error.code, message: error.message, data: error.data }));
const released = (state) => new Promise((resolve) => state.held.push(resolve));
const PAGE = 7;

/** What one session offers. tool -> (arguments, {server, extra, params}) -> result */
const tools = {
  echo: ({ message }) => text(String(message)),
  arguments: (args, { raw }) => ({ ...text('see structuredContent'), structuredContent: raw.params, _meta: { 'x-test/back': { n: 1.50 } }, unknownMember: { deep: [null, {}] } }),
  structured: () => ({ ...text('{"sum":3}'), structuredContent: { sum: 3 } }),
  client: (_, { server }) => text({ capabilities: server.getClientCapabilities(), info: server.getClientVersion() }),
  seen: () => text(seen),
  wait: async ({ ms }, { extra }) => {
    extra.signal.addEventListener('abort', () => { seen.cancelled++; });
    await pause(ms, extra.signal);
    return text(`waited ${ms}`);
  },
  // hold, progress, sample_and_cancel and task go on when the client calls `release`: so it can see what comes meanwhile.
  hold: async (_, { state }) => {
    await released(state);
    return text('held');
  },
  holding: (_, { state }) => text(String(state.held.length)),
  release: (_, { state }) => {
    for (const resolve of state.held.splice(0)) resolve();
    return text('released');
  },
  progress: async ({ steps }, { extra, params, state }) => {
    for (let n = 1; n <= steps; n++) {
      const next = released(state);
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken: params._meta.progressToken, progress: n / 4, total: steps / 4, message: `step ${n}` } });
      await next;
    }
    return text('done');
  },
  log: async ({ count }, { extra }) => {
    for (let n = 0; n < count; n++) await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', logger: 'features', data: { n } } });
    return text('logged');
  },
  notify: async ({ count }, { extra }) => {
    for (let n = 0; n < count; n++) await extra.sendNotification({ method: 'x-test/note', params: { n, _meta: { 'x-test/m': true } } });
    return text('notified');
  },
  // Not tied to the call: over Streamable HTTP these go by the GET stream.
  notify_apart: async ({ count }, { server }) => {
    for (let n = 0; n < count; n++) await server.notification({ method: 'x-test/apart', params: { n } });
    return text('notified');
  },
  sample: async ({ request }, { extra }) => text(await asError(extra.sendRequest(
    { method: 'sampling/createMessage', params: request }, request.tools ? CreateMessageResultWithToolsSchema : CreateMessageResultSchema))),
  sample_apart: async ({ request }, { server }) => text(await asError(server.request({ method: 'sampling/createMessage', params: request }, CreateMessageResultSchema))),
  sample_and_cancel: async ({ request }, { extra, state }) => {
    const stop = new AbortController();
    released(state).then(() => stop.abort('changed my mind'));
    return text(await asError(extra.sendRequest({ method: 'sampling/createMessage', params: request }, CreateMessageResultSchema, { signal: stop.signal })));
  },
  elicit: async ({ request }, { extra }) => text(await asError(extra.sendRequest({ method: 'elicitation/create', params: request }, ElicitResultSchema))),
  elicit_done: async ({ elicitationId }, { extra }) => {
    await extra.sendNotification({ method: 'notifications/elicitation/complete', params: { elicitationId } });
    return text('said');
  },
  elicit_first: ({ url }) => { throw new UrlElicitationRequiredError([{ mode: 'url', url, message: 'First go there', elicitationId: 'e-1' }], 'Go there first'); },
  roots: async (_, { extra }) => text(await asError(extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema))),
  ping_client: async (_, { extra }) => text(await asError(extra.sendRequest({ method: 'ping' }, EmptyResultSchema))),
  big: ({ bytes }) => text('B'.repeat(bytes)),
  fails: () => ({ ...text('the tool says no'), isError: true }),
  throws: () => { throw new McpError(-32050, 'a code of my own', { why: [1, 'two', null] }); },
  change: async ({ what }, { server, state }) => {
    state.added[what] = `added_${what}`;
    await { tools: () => server.sendToolListChanged(), prompts: () => server.sendPromptListChanged(), resources: () => server.sendResourceListChanged() }[what]();
    return text('changed');
  },
  touch: async ({ uri }, { server, state }) => {
    if (state.subscribed.has(uri)) await server.sendResourceUpdated({ uri });
    return text(state.subscribed.has(uri) ? 'told' : 'nobody asked');
  },
  media: () => ({
    content: [
      { type: 'image', data: 'iVBORw0KGgo=', mimeType: 'image/png' }, { type: 'audio', data: 'UklGRg==', mimeType: 'audio/wav', annotations: { priority: 0.5, audience: ['user'] } },
      { type: 'resource_link', uri: 'test://r/1', name: 'one', description: 'linked', _meta: { k: 1 } }, { type: 'resource', resource: { uri: 'test://r/2', text: 'two', mimeType: 'text/plain' } },
    ],
  }),
  task: async (_, { extra, params, state }) => {
    if (!params.task) return text('not as a task');
    const task = await extra.taskStore.createTask({ ttl: params.task.ttl ?? 60_000, pollInterval: 50 });
    released(state).then(() => extra.taskStore.storeTaskResult(task.taskId, 'completed', text('the task is done'))).catch(() => {});
    return { task };
  },
};
const schemaOf = { structured: { outputSchema: { type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] } }, task: { execution: { taskSupport: 'optional' } } };

function pageOf(list, cursor) {
  const from = cursor === undefined ? 0 : Number(cursor.slice(2));
  return { page: list.slice(from, from + PAGE), ...(from + PAGE < list.length ? { nextCursor: `c:${from + PAGE}` } : {}) };
}

function makeServer() {
  seen.sessions++;
  const state = { added: {}, subscribed: new Set(), held: [] };
  const server = new Server({ name: 'features', title: 'Features', version: '1.2.3', websiteUrl: 'https://example.invalid/' }, {
    capabilities: {
      tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {},
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } }, experimental: { 'x-test': { depth: { of: 3 } } },
    },
    instructions: 'Use it for tests.\nSecond line: "quoted", ü, 漢.',
    taskStore: new InMemoryTaskStore(),
    taskMessageQueue: new InMemoryTaskMessageQueue(),
  });
  server.onerror = (error) => process.stderr.write(`features: ${error.message}\n`);

  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const names = [...Object.keys(tools), ...(state.added.tools ? [state.added.tools] : [])];
    const { page, nextCursor } = pageOf(names, params?.cursor);
    return {
      tools: page.map((name) => ({ name, title: `The ${name}`, description: `Does ${name}`, inputSchema: { type: 'object', 'x-own': [1.0, 2] }, annotations: { readOnlyHint: name === 'echo' }, _meta: { 'x-test/tool': name }, ...schemaOf[name] })),
      ...(nextCursor ? { nextCursor } : {}),
    };
  });
  server.setRequestHandler(CallToolRequestSchema, (request, extra) => {
    const { name, arguments: args = {} } = request.params;
    seen.calls[name] = (seen.calls[name] ?? 0) + 1;
    if (!tools[name]) throw new McpError(-32602, `no tool ${name}`);
    return tools[name](args, { server, extra, params: request.params, state, raw: state.raw });
  });

  server.setRequestHandler(ListResourcesRequestSchema, ({ params }) => {
    const uris = [...Array.from({ length: 10 }, (_, n) => `test://r/${n}`), 'secret://key/1', ...(state.added.resources ? ['test://added'] : [])];
    const { page, nextCursor } = pageOf(uris, params?.cursor);
    return { resources: page.map((uri) => ({ uri, name: uri.replace(/\W+/g, '-'), mimeType: 'text/plain', size: 5 })), ...(nextCursor ? { nextCursor } : {}) };
  });
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: 'test://t/{id}', name: 'templated' }, { uriTemplate: 'secret://t/{id}', name: 'secret' }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    if (uri.startsWith('test://none')) throw new McpError(-32002, 'Resource not found', { uri });
    return { contents: [{ uri, text: `text of ${uri}`, _meta: { k: true } }, { uri: `${uri}#b`, blob: 'AAEC', mimeType: 'application/octet-stream' }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => { state.subscribed.add(params.uri); return {}; });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => { state.subscribed.delete(params.uri); return {}; });

  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: ['plain', 'with_args', 'internal_one', ...(state.added.prompts ? [state.added.prompts] : [])].map((name) => ({ name, description: `Prompt ${name}`, arguments: name === 'with_args' ? [{ name: 'city', required: true }] : undefined })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    if (params.name === 'missing') throw new McpError(-32602, 'no such prompt');
    return {
      description: params.name,
      messages: [{ role: 'user', content: { type: 'text', text: `${params.name} ${JSON.stringify(params.arguments ?? {})}` } }, { role: 'assistant', content: { type: 'resource', resource: { uri: 'test://r/1', text: 'one' } } }],
    };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => ({
    completion: { values: [`${params.argument.value}-a`, JSON.stringify(params.context ?? null), JSON.stringify(params.ref)], total: 3, hasMore: false },
  }));
  server.fallbackRequestHandler = async (request) => {
    if (request.method === 'x-test/echo') return { params: request.params ?? null, 'x-own': [1, { a: null }] };
    throw new McpError(-32601, `no method ${request.method}`);
  };
  server.fallbackNotificationHandler = async (note) => {
    if (note.method === 'notifications/roots/list_changed') seen.rootsChanged++;
    else if (note.method.startsWith('x-test/')) seen.custom.push(note);
  };
  return { server, state };
}

/** The SDK's schemas drop members they do not know; `arguments` shows what came before they looked. */
async function connect(transport) {
  const { server, state } = makeServer();
  await server.connect(transport);
  const take = transport.onmessage;
  transport.onmessage = (message, extra) => {
    if (message.params?.name === 'arguments') state.raw = message;
    take(message, extra);
  };
}

async function serveStdio() {
  process.stdin.once('end', () => process.exit(0));
  await connect(new StdioServerTransport());
}

async function bodyOf(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

async function takeHttp(req, res, sessions) {
  const id = req.headers['mcp-session-id'];
  const known = sessions.get(id);
  if (known) return known.handleRequest(req, res);
  if (id) return res.writeHead(404).end();
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(), onsessioninitialized: (sid) => sessions.set(sid, transport), onsessionclosed: (sid) => sessions.delete(sid),
  });
  await connect(transport);
  return transport.handleRequest(req, res);
}

async function takeSse(req, res, sessions) {
  const url = new URL(req.url, 'http://x');
  if (req.method === 'GET' && url.pathname === '/sse') {
    const transport = new SSEServerTransport('/message', res);
    sessions.set(transport.sessionId, transport);
    res.on('close', () => sessions.delete(transport.sessionId));
    return connect(transport);
  }
  const known = req.method === 'POST' && url.pathname === '/message' && sessions.get(url.searchParams.get('sessionId'));
  if (!known) return res.writeHead(404).end();
  return known.handlePostMessage(req, res, await bodyOf(req));
}

function serveHttp(take) {
  const sessions = new Map();
  const server = http.createServer((req, res) => take(req, res, sessions).catch((error) => {
    process.stderr.write(`features: ${error.stack}\n`);
    if (!res.headersSent) res.writeHead(500).end();
  }));
  server.listen(0, '127.0.0.1', () => process.stdout.write(`listening on port ${server.address().port}\n`));
}

const way = process.argv[2];
if (way === 'stdio') await serveStdio();
else serveHttp(way === 'sse' ? takeSse : takeHttp);
