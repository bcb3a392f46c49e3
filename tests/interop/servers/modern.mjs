// modern - an MCP server on the official SDK 2.x: the stateless revision 2026-07-28, and the older ones unless told not to.
// node modern.mjs stdio|http both|modern   (http: prints its port)
import http from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { acceptedContent, createMcpHandler, inputRequired, Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const [, , way, era] = process.argv;
const legacy = era === 'modern' ? 'reject' : undefined;
const seen = { runs: {}, cancelled: 0, servers: 0, listens: 0 };
const added = { tools: false };
const text = (value) => ({ content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const servers = new Set();
let notifier;              // over HTTP: the handler's

const confirmation = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };

const tools = {
  echo: ({ message }) => text(String(message)),
  arguments: (args, ctx, params) => ({ ...text('see structuredContent'), structuredContent: { arguments: args, meta: params._meta ?? {} }, _meta: { 'x-test/back': { n: 1 } } }),
  headers: (_, ctx) => text(Object.fromEntries([...ctx.http?.req?.headers ?? []].filter(([name]) => name.startsWith('mcp-')))),
  routed: (args, ctx) => text(Object.fromEntries([...ctx.http?.req?.headers ?? []].filter(([name]) => name.startsWith('mcp-param')))),
  structured: () => ({ ...text('{"sum":3}'), structuredContent: { sum: 3 } }),
  seen: () => text(seen),
  fails: () => ({ ...text('the tool says no'), isError: true }),
  big: ({ bytes }) => text('B'.repeat(bytes)),
  wait: async ({ ms }, ctx) => {
    ctx.mcpReq.signal.addEventListener('abort', () => { seen.cancelled++; });
    await pause(ms);
    return text(`waited ${ms}`);
  },
  progress: async ({ steps }, ctx, params) => {
    const progressToken = params._meta?.progressToken;
    for (let n = 1; n <= steps; n++) {
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: n, total: steps, message: `step ${n}` } });
      await pause(100);
    }
    return text('done');
  },
  confirm: ({ what }, ctx) => {
    const accepted = acceptedContent(ctx.mcpReq.inputResponses, 'who');
    if (!accepted) {
      return inputRequired({ inputRequests: { who: inputRequired.elicit({ message: `Who wants ${what}?`, requestedSchema: confirmation }) }, requestState: `state of ${what}` });
    }
    seen.confirmed = (seen.confirmed ?? 0) + 1;
    return text(`${what} for ${accepted.name}`);
  },
  ask_model: (_, ctx) => {
    const response = ctx.mcpReq.inputResponses?.model;
    if (!response) return inputRequired({ inputRequests: { model: inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: 'a poem' } }], maxTokens: 5 }) } });
    return text(response.content.text);
  },
  ask_roots: (_, ctx) => {
    const response = ctx.mcpReq.inputResponses?.roots;
    return response ? text(response.roots.map((root) => root.uri).join(' ')) : inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
  },
  change: (_, ctx) => {
    added.tools = true;
    notifier?.toolsChanged();
    for (const server of way === 'stdio' ? servers : []) server.sendToolListChanged?.().catch(() => {});
    return text('changed');
  },
  touch: ({ uri }) => {
    notifier?.resourceUpdated(uri);
    for (const server of way === 'stdio' ? servers : []) server.sendResourceUpdated?.({ uri }).catch(() => {});
    return text('touched');
  },
};
const schemaOf = {
  structured: { outputSchema: { type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] } },
  routed: { inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } } },
};

function makeServer() {
  seen.servers++;
  const server = new Server({ name: 'modern', version: '2.0.0' }, {
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, completions: {}, logging: {} },
    instructions: 'Modern: ü 漢',
  });
  servers.add(server);
  server.setRequestHandler('tools/list', () => ({
    tools: [...Object.keys(tools), ...(added.tools ? ['added'] : [])].map((name) => ({ name, description: `Does ${name}`, inputSchema: { type: 'object' }, _meta: { 'x-test/tool': name }, ...schemaOf[name] })),
    ttlMs: 60_000, cacheScope: 'public',
  }));
  server.setRequestHandler('tools/call', (request, ctx) => {
    const { name, arguments: args = {} } = request.params;
    seen.runs[name] = (seen.runs[name] ?? 0) + 1;
    if (!tools[name]) throw Object.assign(new Error(`no tool ${name}`), { code: -32602 });
    return tools[name](args, ctx, request.params);
  });
  server.setRequestHandler('resources/list', () => ({ resources: [{ uri: 'test://one', name: 'one' }, { uri: 'secret://two', name: 'two' }] }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [{ uriTemplate: 'test://{x}', name: 't' }] }));
  server.setRequestHandler('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: `text of ${params.uri}` }] }));
  server.setRequestHandler('prompts/list', () => ({ prompts: [{ name: 'plain' }] }));
  server.setRequestHandler('prompts/get', ({ params }) => ({ messages: [{ role: 'user', content: { type: 'text', text: JSON.stringify(params.arguments ?? {}) } }] }));
  server.setRequestHandler('completion/complete', ({ params }) => ({ completion: { values: [`${params.argument.value}-a`] } }));
  return server;
}

if (way === 'stdio') {
  serveStdio(makeServer, { legacy });
} else {
  const handler = createMcpHandler(makeServer, { legacy });
  notifier = handler.notify;
  const node = toNodeHandler(handler, { maxRequestBodySize: 64 << 20 });
  const server = http.createServer((req, res) => node(req, res));
  server.listen(0, '127.0.0.1', () => process.stdout.write(`listening on port ${server.address().port}\n`));
}
