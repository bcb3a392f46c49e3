// proxy - an HTTP proxy between shim and backend that breaks what it is told to break: a fault is a function of one exchange, and is used
// for the exchanges it fits, as often as said. What is not broken passes byte for byte, streams as they come.
import http from 'node:http';
import { once } from 'node:events';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One request on its way. A fault answers it itself, or calls relay(). */
class Exchange {
  constructor(proxy, req, res, body) {
    Object.assign(this, { proxy, req, res, body, socket: req.socket, at: performance.now() });
    try {
      this.message = JSON.parse(body.toString('utf8'));
    } catch {
      this.message = undefined;
    }
  }

  get id() {
    return JSON.stringify(this.message?.id ?? null);
  }

  /** The backend's answer: {status, headers, stream}. The backend has had the request then. */
  async forward({ url = this.req.url, headers = this.req.headers } = {}) {
    const { hostname, port } = this.proxy.target;
    const out = http.request({ hostname, port, path: url, method: this.req.method, headers, agent: this.proxy.agent });
    this.res.once('close', () => out.destroy());
    out.end(this.body);
    const [answer] = await once(out, 'response');
    answer.on('error', () => this.res.destroy());
    return { status: answer.statusCode, headers: answer.headers, stream: answer };
  }

  /** Passes the backend's answer on. head(status, headers) may change both; each(chunk, res) writes a chunk, returns false to stop there. */
  async relay({ head = (status, headers) => [status, headers], each, after } = {}) {
    const answer = await this.forward();
    const [status, headers] = head(answer.status, { ...answer.headers });
    this.res.writeHead(status, headers);
    this.res.flushHeaders();
    for await (const chunk of answer.stream) {
      if (each) {
        if (await each(chunk, this.res) === false) return;
      } else if (!this.res.write(chunk)) await once(this.res, 'drain');
    }
    await after?.(this.res);
    this.res.end();
  }

  send(status, body = '', headers = {}) {
    this.res.writeHead(status, headers);
    this.res.end(body);
  }

  reset() {
    this.socket.resetAndDestroy();
  }
}

export class FaultProxy {
  constructor(target) {
    this.target = new URL(target);
    this.agent = new http.Agent({ keepAlive: false });
    this.rules = [];
    this.requests = [];
    this.sockets = new Set();
  }

  async start() {
    this.server = http.createServer((req, res) => this.#take(req, res).catch(() => res.destroy()));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    this.origin = `http://127.0.0.1:${this.port}`;
    this.url = this.origin + this.target.pathname;
    return this;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
    this.agent.destroy();
  }

  /** The next `times` exchanges that fit get this fault. */
  inject(fits, fault, times = 1) {
    this.rules.push({ fits, fault, times });
  }

  async #take(req, res) {
    res.on('error', () => {});
    const parts = [];
    for await (const part of req) parts.push(part);
    const exchange = new Exchange(this, req, res, Buffer.concat(parts));
    this.requests.push(exchange);
    const rule = this.rules.find((r) => r.times > 0 && r.fits(exchange));
    if (!rule) return exchange.relay();
    rule.times--;
    return rule.fault(exchange);
  }

  of(method) {
    return this.requests.filter((x) => x.message?.method === method || x.req.method === method);
  }
}

export async function startProxy(t, target) {
  const proxy = await new FaultProxy(target).start();
  t.after(() => proxy.stop());
  return proxy;
}

export const callsOf = (name) => (x) => x.message?.method === 'tools/call' && x.message.params.name === name;
export const ofMethod = (method) => (x) => x.message?.method === method || (!x.message && x.req.method === method);

/** Passes n bytes of the answer's body, then does `then` to the exchange. */
const upTo = (n, then) => (x) => {
  let left = n;
  return x.relay({
    head: (status, headers) => { delete headers['content-length']; return [status, headers]; },
    each: async (chunk, res) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (part.length) await new Promise((resolve) => res.write(part, resolve));
      if (left > 0) return true;
      then(x);
      return false;
    },
  });
};

export const faults = {
  delay: (ms) => async (x) => { await pause(ms); return x.relay(); },
  delayAnswer: (ms) => async (x) => { const answer = await x.forward(); await pause(ms); x.res.writeHead(answer.status, answer.headers); answer.stream.pipe(x.res); },
  resetBefore: () => (x) => x.reset(),
  resetAfter: () => async (x) => { await x.forward(); x.reset(); },
  endAfter: () => async (x) => { await x.forward(); x.socket.end(); },
  cut: (n) => upTo(n, (x) => x.socket.end()),
  resetAt: (n) => upTo(n, (x) => x.reset()),
  halfOpen: (n) => upTo(n, () => {}),
  blackHole: () => () => {},
  blackHoleAfter: () => async (x) => { await x.forward(); },
  slowLoris: (ms) => (x) => x.relay({
    each: async (chunk, res) => {
      for (let at = 0; at < chunk.length; at++) {
        if (res.destroyed) return false;
        res.write(chunk.subarray(at, at + 1));
        await pause(ms);
      }
      return true;
    },
  }),
  /** An event stream that says something now and then, and never answers. The backend had the call. */
  endless: (text, ms) => async (x) => {
    await x.forward();
    x.res.writeHead(200, { 'content-type': 'text/event-stream' });
    while (!x.res.destroyed) {
      x.res.write(text);
      await pause(ms);
    }
  },
  raw: (bytes) => async (x) => { await x.forward(); x.socket.end(bytes); },
  contentType: (type) => (x) => x.relay({ head: (status, headers) => [status, { ...headers, 'content-type': type }] }),
  status: (code, headers = {}, body = '') => (x) => x.send(code, body, headers),
  statusAfter: (code, headers = {}, body = '') => async (x) => { await x.forward(); x.send(code, body, headers); },
  /** The answer as an event stream: events(own message text) gives the lines. */
  asEvents: (events) => async (x) => {
    const answer = await x.forward();
    const parts = [];
    for await (const part of answer.stream) parts.push(part);
    const headers = { 'content-type': 'text/event-stream' };
    if (answer.headers['mcp-session-id']) headers['mcp-session-id'] = answer.headers['mcp-session-id'];
    x.send(200, events(Buffer.concat(parts).toString('utf8'), x), headers);
  },
};
