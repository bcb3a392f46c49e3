// sdk2 - a client of the official SDK 2.x, which speaks both eras.
import { bin, nodeMajor } from './settings.mjs';

/** For `skip`: false, or why not. */
export const noSdk2 = nodeMajor < 20 && 'the SDK 2.x needs Node 20';
const { Client, StreamableHTTPClientTransport } = noSdk2 ? {} : await import('@modelcontextprotocol/client');
const { StdioClientTransport } = noSdk2 ? {} : await import('@modelcontextprotocol/client/stdio');

/** mode: legacy, auto (asks server/discover first) or {pin: revision}. form: what the client says of its forms, and fills in. */
export async function connectSdk2(transport, { mode = 'auto', form = {}, content = { name: 'Ada' } } = {}) {
  const client = new Client({ name: 'interop2', version: '2.0.0' }, {
    capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form } }, versionNegotiation: { mode, probe: { timeoutMs: 10_000 } },
  });
  client.seen = [];
  client.errors = [];
  client.onerror = (error) => client.errors.push(String(error));
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///work/a', name: 'A' }] }));
  client.setRequestHandler('sampling/createMessage', ({ params }) => ({ model: 'm', role: 'assistant', content: { type: 'text', text: `sampled ${[params.messages[0].content].flat()[0].text}` } }));
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content }));
  for (const what of ['tools/list_changed', 'resources/list_changed', 'prompts/list_changed', 'resources/updated']) {
    client.setNotificationHandler(`notifications/${what}`, (note) => { client.seen.push(note); });
  }
  await client.connect(transport);
  return client;
}

export function directSdk2(server) {
  if (server.way !== 'stdio') return new StreamableHTTPClientTransport(new URL(server.url));
  return new StdioClientTransport({ command: server.argv[0], args: server.argv.slice(1), env: server.env, stderr: 'ignore' });
}

export const shimSdk2 = (place) =>
  new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options], env: place.env, stderr: 'ignore' });
