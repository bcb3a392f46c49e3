// events - a stream of server-sent events of a broker, over its socket, read as the specification says.
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { until } from './until.mjs';

export const socketOf = (place) => path.join(place.state, 'run', 'admin.sock');

/** One request over the broker's socket: { status, headers, text }. */
export function askSocket(place, method, target, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: socketOf(place), path: target, method, headers: { host: 'localhost', ...headers } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (more) => { text += more; });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

export class EventStream {
  constructor(t, place, { lastId, query } = {}) {
    this.events = [];
    this.comments = 0;
    this.retry = null;
    this.isOver = false;
    let rest = '';
    const headers = { host: 'localhost', ...(lastId !== undefined && { 'last-event-id': lastId }) };
    this.opened = new Promise((resolve, reject) => {
      this.request = http.get({ socketPath: socketOf(place), path: `/api/v1/events${query ? `?last_event_id=${query}` : ''}`, headers, agent: false }, (answer) => {
        this.answer = answer;
        answer.setEncoding('utf8');
        answer.on('data', (text) => {
          rest += text;
          const frames = rest.split('\n\n');
          rest = frames.pop();
          for (const frame of frames) this.#take(frame);
        });
        for (const end of ['end', 'error', 'close']) answer.on(end, () => { this.isOver = true; });
        resolve(answer);
      });
      this.request.on('error', (error) => {
        this.isOver = true;
        reject(error);
      });
    });
    this.opened.catch(() => {});
    t.after(() => this.close());
  }

  #take(frame) {
    const fields = {};
    for (const line of frame.split('\n')) {
      const [, name, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? assert.fail(`no line of an event: ${line}`);
      if (name === '') this.comments++;
      else fields[name] = value;
    }
    if (fields.retry) this.retry = Number(fields.retry);
    if (fields.data) this.events.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) });
  }

  /** The id a client would come back with. */
  get lastId() {
    return this.events.at(-1)?.id;
  }

  has(fits, what = String(fits)) {
    return until(() => this.events.find(fits), { what });
  }

  close() {
    this.request.destroy();
  }
}
