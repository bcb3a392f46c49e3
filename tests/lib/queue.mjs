// queue - a backend whose calls are answered when the test says so, behind a queue, and what the store says of those that wait.
import assert from 'node:assert/strict';
import { startBackend, tool } from './backend.mjs';
import { makePlace, simpleRules } from './place.mjs';
import { openShim } from './shim.mjs';
import { until } from './until.mjs';

export const queueRules = (url, keys, { agents = ['one', 'two'], agent = '', grant = '', more = '' } = {}) => simpleRules(url, {
  agents, agent, grant, more: `${more}queue: { demo: { enabled: true, ${keys} } }\n`,
});

export class Line {
  constructor(backend, place, rules) {
    Object.assign(this, { backend, place, rules });
    this.held = [];
    this.isHolding = false;
    backend.onCall['*'] = (exchange) => (this.isHolding ? this.held.push(exchange) : exchange.say('done'));
  }

  /** From now on calls stay with the backend until release. */
  hold() {
    this.isHolding = true;
  }

  release() {
    this.held.shift().say('done');
  }

  releaseAll() {
    this.isHolding = false;
    while (this.held.length > 0) this.release();
  }

  open(agent = 'one', options = {}) {
    return openShim(this.place, { agent, ...options });
  }

  /** What stands in the queue, by aegisctl. */
  async rows() {
    const { code, stdout, stderr } = await this.place.ctl(['queue', '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Sends a call and resolves once its ticket is drawn: {answer, number}; the order of these is the order of the tickets. */
  async join(shim, args = {}, options = {}) {
    const before = await this.lastNumber();
    const answer = shim.call('publish', args, options);
    answer.catch(() => {});
    const number = await until(async () => {
      const last = await this.lastNumber();
      return last > before && last;
    }, { what: 'a ticket' });
    return { answer, number };
  }

  /** 0: no ticket was drawn yet, or not even a database made. */
  async lastNumber() {
    if (!this.hasDatabase) this.hasDatabase = (await this.place.query('SELECT 1 FROM queue').catch(() => null)) !== null;
    if (!this.hasDatabase) return 0;
    const rows = await this.place.query("SELECT next_number - 1 AS n FROM queue WHERE backend = 'demo'");
    return rows[0]?.n ?? 0;
  }

  async count(state) {
    const [{ n }] = await this.place.query(`SELECT count(*) AS n FROM ticket${state ? ` WHERE state = '${state}'` : ''}`);
    return n;
  }

  async heldPlaces() {
    const [{ n }] = await this.place.query('SELECT count(*) AS n FROM limit_entry WHERE tick = 9223372036854775807');
    return n;
  }

  get order() {
    return this.backend.callsOf('publish').map((a) => a.args.n);
  }
}

/** keys: of queue.demo, besides enabled. */
export async function startLine(t, keys = 'delay_min: 0s, delay_max: 0s', options = {}) {
  const backend = await startBackend(t, { tools: ['publish', 'list_posts', 'other'].map((name) => tool(name)) });
  const place = makePlace(t, queueRules(backend.url, keys, options));
  const line = new Line(backend, place);
  t.after(() => line.releaseAll());
  return line;
}
