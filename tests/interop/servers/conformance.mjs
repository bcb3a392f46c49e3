// conformance - what the official conformance suite expects of a server, on the low-level Server of the SDK 1.x, over Streamable HTTP.
// node conformance.mjs: prints its port.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as types from '@modelcontextprotocol/sdk/types.js';

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const silence = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';
const text = (value) => ({ content: [{ type: 'text', text: value }] });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const embedded = (uri, mimeType, value) => ({ type: 'resource', resource: { uri, mimeType, text: value } });
const string = (description, more) => ({ type: 'string', description, ...more });

/** On the stream of the call: a client may not listen to the other one yet. */
async function elicit(extra, properties, required, message) {
  const asked = { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required } } };
  const { action, content = {} } = await extra.sendRequest(asked, types.ElicitResultSchema);
  return text(`answered: action=${action}, content=${JSON.stringify(content)}`);
}

const defaults = {
  name: string('name', { default: 'John Doe' }), age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
  status: string('status', { enum: ['active', 'inactive', 'pending'], default: 'active' }), verified: { type: 'boolean', default: true },
};
const titled = ['First', 'Second', 'Third'].map((title, n) => ({ const: `value${n + 1}`, title }));
const options = ['option1', 'option2', 'option3'];
const enums = {
  untitledSingle: string('one', { enum: options }), titledSingle: string('one', { oneOf: titled }),
  legacyEnum: string('one', { enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] }),
  untitledMulti: { type: 'array', items: { type: 'string', enum: options } }, titledMulti: { type: 'array', items: { anyOf: titled } },
};

const tools = {
  test_simple_text: () => text('This is a simple text response for testing.'),
  test_image_content: () => ({ content: [{ type: 'image', data: pixel, mimeType: 'image/png' }] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: silence, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({ content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')] }),
  test_multiple_content_types: () => ({
    content: [...text('Multiple content types test:').content, { type: 'image', data: pixel, mimeType: 'image/png' },
      embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')],
  }),
  test_tool_with_logging: async (args, { extra }) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
      await pause(50);
    }
    return text('logged');
  },
  test_tool_with_progress: async (args, { extra }) => {
    for (const progress of [0, 50, 100]) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken: extra._meta?.progressToken ?? 0, progress, total: 100 } });
      await pause(50);
    }
    return text('done');
  },
  test_error_handling: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  test_sampling: async ({ prompt }, { extra }) => {
    const asked = { method: 'sampling/createMessage', params: { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 } };
    const { content } = await extra.sendRequest(asked, types.CreateMessageResultSchema);
    return text(`LLM response: ${content.text}`);
  },
  test_elicitation: ({ message }, { extra }) => elicit(extra, { username: string('name'), email: string('address') }, [], message),
  test_elicitation_sep1034_defaults: (args, { extra }) => elicit(extra, defaults, [], 'Please review the defaults'),
  test_elicitation_sep1330_enums: (args, { extra }) => elicit(extra, enums, [], 'Please select'),
  json_schema_2020_12_tool: (args) => text(`called with ${JSON.stringify(args)}`),
};
const schemas = {
  test_sampling: { type: 'object', properties: { prompt: string('for the model') }, required: ['prompt'] },
  test_elicitation: { type: 'object', properties: { message: string('for the user') }, required: ['message'] },
  json_schema_2020_12_tool: {
    $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
    $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
    properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' }, contactMethod: { type: 'string', enum: ['phone', 'email'] }, phone: { type: 'string' }, email: { type: 'string' } },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] }, then: { required: ['phone'] }, else: { required: ['email'] },
    additionalProperties: false,
  },
};

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: pixel },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
};
function readResource(uri) {
  const id = /^test:\/\/template\/(.*)\/data$/.exec(uri)?.[1];
  if (id) return { mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
  if (!resources[uri]) throw new types.McpError(-32002, `no resource ${uri}`);
  return resources[uri];
}

const message = (...content) => content.map((one) => ({ role: 'user', content: typeof one === 'string' ? { type: 'text', text: one } : one }));
const prompts = {
  test_simple_prompt: { get: () => message('This is a simple prompt for testing.') },
  test_prompt_with_arguments: { takes: ['arg1', 'arg2'], get: ({ arg1, arg2 }) => message(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`) },
  test_prompt_with_embedded_resource: {
    takes: ['resourceUri'], get: ({ resourceUri }) => message(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'), 'Please process the resource above.'),
  },
  test_prompt_with_image: { get: () => message({ type: 'image', data: pixel, mimeType: 'image/png' }, 'Please analyze the image above.') },
};

function makeServer() {
  const server = new Server({ name: 'conformance', version: '1.0.0' }, {
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {} },
  });
  const on = (schema, answer) => server.setRequestHandler(schema, answer);
  on(types.ListToolsRequestSchema, () => ({
    tools: Object.keys(tools).map((name) => ({ name, description: `Tests ${name}`, inputSchema: schemas[name] ?? { type: 'object', properties: {} } })),
  }));
  on(types.CallToolRequestSchema, ({ params }, extra) => tools[params.name](params.arguments ?? {}, { extra }));
  on(types.ListResourcesRequestSchema, () => ({ resources: Object.keys(resources).map((uri) => ({ uri, name: uri.slice(7), description: uri, mimeType: resources[uri].mimeType })) }));
  on(types.ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' }] }));
  on(types.ReadResourceRequestSchema, ({ params: { uri } }) => ({ contents: [{ uri, ...readResource(uri) }] }));
  on(types.SubscribeRequestSchema, () => ({}));
  on(types.UnsubscribeRequestSchema, () => ({}));
  on(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(prompts).map(([name, { takes = [] }]) => ({ name, description: `Tests ${name}`, arguments: takes.map((arg) => ({ name: arg, description: arg, required: true })) })),
  }));
  on(types.GetPromptRequestSchema, ({ params }) => ({ messages: prompts[params.name].get(params.arguments ?? {}) }));
  on(types.CompleteRequestSchema, () => ({ completion: { values: [], total: 0, hasMore: false } }));
  return server;
}

const transports = new Map();
const listener = http.createServer(async (req, res) => {
  let transport = transports.get(req.headers['mcp-session-id']);
  if (!transport) {
    transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => transports.set(id, transport) });
    await makeServer().connect(transport);
  }
  await transport.handleRequest(req, res);
});
listener.listen(0, '127.0.0.1', () => process.stdout.write(`listening on port ${listener.address().port}\n`));
