// webhook - a receiver of the generic channel on loopback. It checks of every request what a careful program would (signature, content type,
// order, names of deliveries), and can fail in every way a receiver can.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { until } from './until.mjs';

/** What it may do with a request, once: given a list, the first that comes meets the first of it. */
export const fail = {
  status: (code, headers = {}) => ({ res }) => { res.writeHead(code, headers); res.end('no'); },
  busy: (seconds) => fail.status(429, { 'retry-after': String(seconds) }),
  redirect: (to) => fail.status(307, { location: to }),
  hang: () => () => {},
  resetAfterReading: () => ({ req }) => req.socket.resetAndDestroy(),
  garbage: () => ({ req }) => req.socket.end('\x00\x01 what is HTTP\r\n\r\n'),
  cut: () => ({ req, res }) => {
    res.writeHead(200, { 'content-length': '100' });
    res.write('half');
    setImmediate(() => req.socket.destroy());
  },
  /** Far more than anybody reads, as an answer that says yes. */
  huge: () => ({ res }) => {
    res.writeHead(200, { 'content-type': 'text/plain' });
    const chunk = Buffer.alloc(65536, 120);
    const pour = () => { while (!res.destroyed && res.write(chunk)); };
    res.on('drain', pour);
    pour();
  },
  slow: (ms) => ({ res }) => { setTimeout(() => { res.writeHead(204); res.end(); }, ms); },
};

/** Throws unless header is a signature of body under secret, not older than five minutes. As the documentation shows it. */
export function verify(header, secret, body, now = Date.now() / 1000) {
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header ?? '') ?? [];
  assert.ok(t, `X-Aegis-Signature: ${header}`);
  assert.ok(Math.abs(now - Number(t)) < 300, `signed at ${t}, it is ${now}`);
  assert.equal(v1, createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex'), 'the signature is of another body or secret');
}

export class Webhook {
  constructor({ secret = '', path = '/hook/very-secret-path' } = {}) {
    Object.assign(this, { secret, path });
    this.script = [];          // what to do with the next requests; then 204
    this.resets = 0;           // so many connections are cut before anything is read
    this.requests = [];        // { headers, body, json, at }, in order
    this.faults = [];          // what was wrong with them
    this.sockets = new Set();
  }

  async start(port = 0) {
    this.server = http.createServer((req, res) => this.#take(req, res));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      if (this.resets > 0) {
        this.resets--;
        socket.resetAndDestroy();
      }
    });
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}${this.path}`;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }

  #check(req, body) {
    assert.equal(req.method, 'POST');
    assert.equal(req.url, this.path);
    assert.equal(req.headers['content-type'], 'application/json');
    assert.match(req.headers['user-agent'] ?? '', /^aegis\/\d/);
    assert.match(req.headers['x-aegis-delivery'] ?? '', /^[0-9a-f]{32}(\.\d+)?$/);
    assert.equal(req.headers['content-length'], String(body.length));
    if (this.secret) verify(req.headers['x-aegis-signature'], this.secret, body);
    else assert.equal(req.headers['x-aegis-signature'], undefined);
  }

  async #take(req, res) {
    const parts = [];
    try {
      for await (const part of req) parts.push(part);
    } catch {
      return;                  // whoever sent it was killed in the middle
    }
    const body = Buffer.concat(parts);
    const one = { headers: req.headers, body: body.toString('utf8'), at: performance.now(), id: req.headers['x-aegis-delivery'] };
    try {
      one.json = JSON.parse(one.body);
      this.#check(req, body);
    } catch (error) {
      this.faults.push(error);
    }
    this.requests.push(one);
    const act = this.script.shift();
    if (act) act({ req, res, one });
    else res.writeHead(204).end();
  }

  /** The events of one approval (or of all), each once, in the order they came first. */
  events(id) {
    const seen = new Set();
    return this.requests.filter((one) => one.json?.event !== 'test' && (!id || one.json?.id === id) && !seen.has(one.id) && seen.add(one.id)).map((one) => one.json);
  }

  names(id) {
    return this.events(id).map((one) => one.event.replace('approval_', ''));
  }

  event(name, fits = () => true) {
    return until(() => this.events().find((one) => one.event === name && fits(one)), { what: `event ${name}; so far: ${this.names()}` });
  }

  arrivals(n) {
    return until(() => this.requests.length >= n && this.requests, { what: `${n} requests` });
  }

  assertFine() {
    for (const fault of this.faults) throw fault;
  }
}

export async function startWebhook(t, options) {
  const hook = await new Webhook(options).start();
  t.after(async () => {
    await hook.stop();
    hook.assertFine();
  });
  return hook;
}
