// api - asks a broker over TCP or its socket, by well-formed requests or by exactly the bytes a test says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { settled } from './until.mjs';

const MOST_BYTES = 16 * 1024 * 1024;

export class Api {
  /** A broker of this place whose rules say `listen: 127.0.0.1:0`, once it listens. */
  static async of(place, broker) {
    const [, port] = await broker.said(/ doors\.open listen=127\.0\.0\.1:(\d+)/);
    return new Api(place, Number(port));
  }

  constructor(place, port) {
    this.place = place;
    this.port = port;
    this.socket = path.join(place.state, 'run', 'admin.sock');
  }

  /** Of the owner, as the broker made it. */
  get ownToken() {
    return readFileSync(path.join(this.place.state, 'api_token'), 'utf8').trim();
  }

  where(isLocal) {
    return isLocal ? { socketPath: this.socket } : { host: '127.0.0.1', port: this.port };
  }

  /** { status, headers, text, json }. token: over TCP; without one over the socket, unless { tcp: true }. */
  ask(method, target, { token, tcp = token !== undefined, headers = {}, body } = {}) {
    const all = { ...headers };
    if (token) all.authorization = `Bearer ${token}`;
    if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) body = JSON.stringify(body);
    if (body !== undefined) all['content-length'] = Buffer.byteLength(body);
    const answer = new Promise((resolve, reject) => {
      const request = http.request({ ...this.where(!tcp), method, path: target, headers: all, agent: false }, (got) => {
        const parts = [];
        got.on('data', (part) => parts.push(part));
        got.on('error', reject);
        got.on('end', () => {
          const text = Buffer.concat(parts).toString();
          resolve({ status: got.statusCode, headers: got.headers, text, get json() { return JSON.parse(text); } });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
    return settled(answer, `answer to ${method} ${target}`);
  }

  get(target, options) {
    return this.ask('GET', target, options);
  }

  post(target, body, options) {
    return this.ask('POST', target, { body, ...options });
  }

  /** A good answer's JSON. */
  async have(target, options) {
    const { status, json, text } = await this.get(target, options);
    assert.equal(status, 200, text);
    return json;
  }

  /** A connection that sends bytes and keeps what comes. */
  async dial({ tcp = true } = {}) {
    const socket = net.connect(tcp ? { host: '127.0.0.1', port: this.port } : { path: this.socket });
    const line = { socket, got: '', isOver: false };
    socket.setEncoding('latin1');
    socket.on('data', (text) => { if (line.got.length < MOST_BYTES) line.got += text; });
    line.over = new Promise((resolve) => socket.on('close', () => { line.isOver = true; resolve(line.got); }));
    socket.on('error', () => {});
    await settled(new Promise((resolve) => { socket.once('connect', resolve); socket.once('close', resolve); }), 'connection');
    return line;
  }

  /** Exactly these bytes on a connection of their own; all that came until the broker closed it. */
  async say(bytes, options) {
    const line = await this.dial(options);
    line.socket.write(bytes, 'latin1');
    return settled(line.over, `end of the connection that said ${JSON.stringify(String(bytes).slice(0, 80))}; so far ${JSON.stringify(line.got.slice(0, 200))}`);
  }
}
