// backend - a Streamable HTTP MCP server whose every answer can be scripted, and which counts for itself what reached it.
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';

const echoTool = {
  name: 'echo', description: 'Says it again', inputSchema: { type: 'object', properties: { message: { type: 'string' } } },
};
export const tool = (name, more = {}) => ({ name, description: `Does ${name}`, inputSchema: { type: 'object' }, ...more });

/** One HTTP request being answered. */
class Exchange {
  constructor(backend, req, res, body) {
    Object.assign(this, { backend, req, res, body, at: performance.now() });
    this.text = body.toString('utf8');
    try {
      this.message = JSON.parse(this.text);
    } catch {
      this.message = undefined;
    }
    this.socket = req.socket;
  }

  get id() {
    return JSON.stringify(this.message?.id ?? null);
  }

  send(status, body = '', headers = {}) {
    this.res.writeHead(status, headers);
    this.res.end(body);
  }

  json(body, headers = {}) {
    this.send(200, body, { 'content-type': 'application/json', ...headers });
  }

  /** result: an object, or JSON text that goes out as it is. */
  result(result, headers) {
    const text = typeof result === 'string' ? result : JSON.stringify(result);
    this.json(`{"jsonrpc":"2.0","id":${this.id},"result":${text}}`, headers);
  }

  error(code, message, data) {
    this.json(JSON.stringify({ jsonrpc: '2.0', id: this.message.id, error: { code, message, data } }));
  }

  say(text, more = {}) {
    this.result({ content: [{ type: 'text', text }], ...more });
  }

  /** Begins an event stream; event() adds to it. */
  stream(headers = {}) {
    this.res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers });
    this.res.flushHeaders();
  }

  event(message, fields = '') {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    return this.res.write(`${fields}data: ${text}\n\n`);
  }

  end() {
    this.res.end();
  }

  /** Cuts the connection: RST. */
  reset() {
    this.socket.resetAndDestroy();
  }
}

export class Backend {
  /** tls: {key, cert}: HTTPS. */
  constructor({ tools = [echoTool], capabilities = { tools: { listChanged: true } }, tls } = {}) {
    this.tools = tools;
    this.tls = tls;
    this.capabilities = capabilities;
    this.requests = [];          // every HTTP request, in order
    this.arrivals = [];          // every tools/call: {at, tool, args, id, exchange}
    this.connections = 0;
    this.sockets = new Set();
    this.sessions = 0;
    this.onCall = {};            // tool -> handler(exchange, params)
    this.onMethod = {};          // JSON-RPC method, or GET / DELETE -> handler(exchange)
    this.onAny = null;           // sees an exchange first; true = it answered
  }

  async start(port = 0) {
    const take = (req, res) => this.#take(req, res);
    const options = { keepAliveTimeout: 0, ...this.tls };
    this.server = this.tls ? https.createServer(options, take) : http.createServer(options, take);
    this.server.on('connection', (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    this.url = `http${this.tls ? 's' : ''}://127.0.0.1:${this.port}/mcp`;
    return this;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  async #take(req, res) {
    res.on('error', () => {});
    req.on('error', () => {});
    const parts = [];
    try {
      for await (const part of req) parts.push(part);
    } catch {
      return;                     // cut while sending
    }
    const exchange = new Exchange(this, req, res, Buffer.concat(parts));
    this.requests.push(exchange);
    const { message } = exchange;
    if (message?.method === 'tools/call') {
      this.arrivals.push({
        at: exchange.at, tool: message.params?.name, args: message.params?.arguments, id: message.id, exchange,
      });
    }
    if (await this.onAny?.(exchange)) return;
    const handler = this.onMethod[message?.method ?? req.method] ?? (req.method === 'POST' ? Backend.#post : Backend.#other);
    handler.call(this, exchange);
  }

  static #other(exchange) {
    exchange.send(exchange.req.method === 'DELETE' ? 200 : 405);
  }

  static #post(exchange) {
    const { backend, message } = exchange;
    if (message?.id === undefined || message.method === undefined) return exchange.send(202);
    switch (message.method) {
      case 'initialize':
        return exchange.result({
          protocolVersion: message.params.protocolVersion,
          capabilities: backend.capabilities,
          serverInfo: { name: 'scripted', version: '1' },
        }, { 'mcp-session-id': `s${++backend.sessions}` });
      case 'tools/list':
        return exchange.result(typeof backend.tools === 'string' ? backend.tools : { tools: backend.tools });
      case 'tools/call':
        return backend.#call(exchange);
      case 'ping':
        return exchange.result({});
      default:
        return exchange.error(-32601, `no method ${message.method}`);
    }
  }

  #call(exchange) {
    const params = exchange.message.params ?? {};
    const handler = this.onCall[params.name] ?? this.onCall['*'];
    if (handler) return handler(exchange, params);
    exchange.say(String(params.arguments?.message ?? 'done'));
  }

  callsOf(name) {
    return this.arrivals.filter((arrival) => arrival.tool === name);
  }

  /** HTTP requests with this JSON-RPC method, or this HTTP method. */
  of(method) {
    return this.requests.filter((r) => r.message?.method === method || r.req.method === method);
  }
}

export async function startBackend(t, options) {
  const backend = await new Backend(options).start(options?.port);
  t.after(() => backend.stop());
  return backend;
}
