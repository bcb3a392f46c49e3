// servers - real MCP servers as the interop suites use them: on stdio, over Streamable HTTP, over legacy HTTP+SSE. For each the transport
// that reaches it directly, and the backend entry of aegis.yaml that reaches it through the shim.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { freePort } from './everything.mjs';
import { nodeMajor, root } from './settings.mjs';
import { until } from './until.mjs';

const module = (name) => path.join(root, 'tests/node_modules/@modelcontextprotocol', name);
const own = (name) => path.join(root, 'tests/interop/servers', name);

const node = [process.execPath, ...(nodeMajor < 20 ? ['--experimental-global-webcrypto'] : [])];

/** way -> argv and env for a port. A program that picks its port itself prints "listening on port N". */
export const programs = {
  bridge: (way, port, { argv }) => ({ argv: [...node, own('bridge.mjs'), ...argv] }),
  conformance: () => ({ argv: [...node, own('conformance.mjs')] }),
  everything: (way, port) => ({
    argv: [...node, module('server-everything/dist/index.js'), { stdio: 'stdio', http: 'streamableHttp', sse: 'sse' }[way]], env: { PORT: String(port) },
  }),
  features: (way) => ({ argv: [...node, own('features.mjs'), way] }),
  filesystem: (way, port, { dir }) => ({ argv: [...node, module('server-filesystem/dist/index.js'), dir] }),
  modern: (way, port, { era = 'both' }) => ({ argv: [...node, own('modern.mjs'), way, era] }),
  python: (way, port, { python }) => ({ argv: [python, own('fastmcp.py'), way, String(port)] }),
};

const paths = { http: '/mcp', sse: '/sse' };

/** Some programs say that they listen before they do. */
function isOpen(port) {
  const socket = net.connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

/** A server reached one way. `way`: stdio, http, sse; `transport`: what the configuration says (default auto). */
export class Server {
  constructor(name, way, { transport, extra = {}, env = {} } = {}) {
    Object.assign(this, { name, way, transport, extra, ownEnv: env, output: '' });
  }

  async start() {
    const port = this.way === 'stdio' ? 0 : await freePort();
    const { argv, env } = programs[this.name](this.way, port, this.extra);
    this.argv = argv;
    this.env = { PATH: process.env.PATH, HOME: process.env.HOME, ...env, ...this.ownEnv };
    if (this.way !== 'stdio') await this.#listen(port);
    return this;
  }

  async #listen(port) {
    this.child = spawn(this.argv[0], this.argv.slice(1), { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => { this.output += text; });
    }
    const said = await until(() => {
      if (this.child.exitCode !== null) throw new Error(`${this.name} ended: ${this.output}`);
      return /(?:listening on port|running on port|running on http:\/\/[\w.]+:)\s*(\d+)/i.exec(this.output);
    }, { what: `${this.name} listening` });
    this.port = Number(said[1] ?? port);
    this.url = `http://127.0.0.1:${this.port}${paths[this.way]}`;
    await until(() => isOpen(this.port), { what: `${this.name} taking connections` });
    if (this.name === 'modern') await this.#warm();
  }

  /** The first request costs a process of node most, and the shim gives server/discover half a second. */
  async #warm() {
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientInfo': { name: 'warm', version: '1' }, 'io.modelcontextprotocol/clientCapabilities': {} };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: meta } });
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' };
    const answer = await fetch(this.url, { method: 'POST', headers, body });
    await answer.text();
  }

  /** An SDK 1.x transport straight to it; on stdio every one is a process of its own. */
  direct() {
    if (this.way === 'stdio') return new StdioClientTransport({ command: this.argv[0], args: this.argv.slice(1), env: this.env, stderr: 'ignore' });
    return this.way === 'sse' ? new SSEClientTransport(new URL(this.url)) : new StreamableHTTPClientTransport(new URL(this.url));
  }

  /** The entry `NAME: {...}` for the configuration. */
  entry(name = 'demo', more = '') {
    const transport = this.transport ? `, transport: ${this.transport}` : '';
    if (this.way === 'stdio') {
      const env = Object.entries(this.ownEnv).map(([k, v]) => `${k}: ${JSON.stringify(v)}`).join(', ');
      return `  ${name}: { command: ${JSON.stringify(this.argv)}${transport}${env ? `, env: { ${env} }` : ''}${more} }\n`;
    }
    return `  ${name}: { url: "${this.url}"${transport}${more} }\n`;
  }

  async stop() {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Rules for agent `one` who may use all of these backends. */
export function rulesFor(entries, { grant = '', agent = '', more = '' } = {}) {
  const names = entries.map((entry) => /^\s*([\w-]+):/.exec(entry)[1]);
  const grants = names.map((name) => `      ${name}: { allowed: true${grant ? `, ${grant}` : ''} }\n`).join('');
  return `backends:\n${entries.join('')}agents:\n  one:\n${agent ? `    ${agent}\n` : ''}    backends:\n${grants}${more}`;
}
