// bridge - makes a stdio server (the shim) reachable over Streamable HTTP, for suites that only know URLs: one process a session, every
// message as it is. node bridge.mjs COMMAND [ARGUMENT]...: prints its port.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const [, , command, ...args] = process.argv;
const transports = new Map();

/** What a tool says while it runs belongs to the stream of its call: the newest that is open. */
async function openSession() {
  const open = new Set();
  const inner = new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
  const outer = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => transports.set(id, outer) });
  outer.onmessage = (message) => {
    if (message.method && message.id !== undefined) open.add(message.id);
    inner.send(message);
  };
  inner.onmessage = (message) => {
    if (!message.method) open.delete(message.id);
    outer.send(message, message.method ? { relatedRequestId: [...open].at(-1) } : undefined).catch((error) => process.stderr.write(`bridge: ${error}\n`));
  };
  outer.onclose = () => inner.close();
  await Promise.all([inner.start(), outer.start()]);
  return outer;
}

const listener = http.createServer(async (req, res) => {
  const outer = transports.get(req.headers['mcp-session-id']) ?? await openSession();
  await outer.handleRequest(req, res);
});
listener.listen(0, '127.0.0.1', () => process.stdout.write(`listening on port ${listener.address().port}\n`));
