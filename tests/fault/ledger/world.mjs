// world - shims, callers and a backend around one state folder, and the ledger of what each of them saw (checker.mjs says which events there are).
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makePlace, simpleRules } from '../../lib/place.mjs';
import { run } from '../../lib/process.mjs';
import { random, seedOf } from '../../lib/random.mjs';
import { bin, inTurn, scale } from '../../lib/settings.mjs';
import { openShim } from '../../lib/shim.mjs';
import { settled, until } from '../../lib/until.mjs';
import { check } from './checker.mjs';
import { clock } from './clock.mjs';

const minutes = scale === 'full' ? Number(process.env.AEGIS_LEDGER_MINUTES ?? 60) : 0;
/** How long a round of a soak lasts: so many ms at `ci`, at most 5 minutes at `full`, for its ledger must fit into memory. */
export const soakMs = (ci) => (scale === 'full' ? Math.min(minutes, 5) * 60_000 : ci);
/** Options of a describe of soaks. */
export const soaks = { ...inTurn, timeout: inTurn.timeout + 10 * minutes * 60_000 };

/** A test of one round at `ci`, of AEGIS_LEDGER_MINUTES (60) in rounds at `full`. */
export function soakTest(name, options, judge) {
  const rounds = Math.max(1, Math.ceil(minutes / 5));
  for (let round = 1; round <= rounds; round++) test(rounds > 1 ? `${name} (round ${round})` : name, options, (t) => judge(t, seedOf(t) + round - 1));
}

const here = path.dirname(fileURLToPath(import.meta.url));
const UNKNOWN_TO_CLIENT = null;

/** How an answer counts: {verdict, executed}. */
function judge(answer) {
  if (answer.result?._meta?.['aegis/status']) return { verdict: 'deferred', executed: 'no' };
  if (answer.result) return { verdict: answer.result.isError ? 'failed' : 'done', executed: 'yes' };
  const { executed, reason } = answer.error.data ?? {};
  if (executed === 'unknown') return { verdict: 'unknown', executed, reason };
  return { verdict: executed === 'no' ? 'refused' : 'failed', executed: executed ?? 'yes', reason };
}

/** One agent's session, all of whose calls are in the ledger. */
class Client {
  constructor(world, shim, agent) {
    Object.assign(this, { world, shim, agent });
    this.isStopped = false;
  }

  get name() {
    return `s${this.shim.pid}`;
  }

  /** Stopped, by whomever. */
  isStandingStill() {
    try {
      return /\) T/.test(readFileSync(`/proc/${this.shim.pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }

  get isAlive() {
    return !this.shim.hasExited && !this.shim.signals.has('SIGKILL');
  }

  /** The answer; null when the shim died before it came. `key` repeats a call exactly. */
  async call(tool, { key = this.world.newKey(), args = { mark: key }, ...options } = {}) {
    this.world.record({ what: 'sent', key, shim: this.name, agent: this.agent, tool, args });
    const answer = await this.shim.call(tool, args, { ...options, params: { _meta: { progressToken: key } } }).catch((error) => {
      if (this.shim.hasExited || !this.isAlive) return UNKNOWN_TO_CLIENT;
      throw error;
    });
    if (!answer) return null;
    this.world.record({ what: 'answered', key, ...judge(answer) });
    return Object.assign(answer, { key, ...judge(answer) });
  }

  cancel(key, id) {
    this.world.record({ what: 'cancelled', key });
    this.shim.notify('notifications/cancelled', { requestId: id, reason: 'test' });
  }

  heard(message) {
    const key = message.params?.progressToken;
    if (message.method === 'notifications/progress' && typeof key === 'string') this.world.record({ what: 'progress', key, text: message.params.message });
    if (message.method === 'notifications/progress' && /queue/i.test(message.params.message ?? '')) this.world.record({ what: 'queued', key });
  }

  kill() {
    if (!this.isAlive) return;
    this.world.record({ what: 'killed', shim: this.name });
    this.shim.kill('SIGKILL');
  }

  stop() {
    if (!this.isAlive || this.isStopped) return;
    this.isStopped = true;
    this.world.record({ what: 'stopped', shim: this.name });
    this.shim.kill('SIGSTOP');
  }

  go() {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.world.record({ what: 'continued', shim: this.name });
    if (this.isAlive) this.shim.kill('SIGCONT');
  }
}

export class World {
  constructor(t, { seed, rules }) {
    Object.assign(this, { t, seed, rules });
    this.shimOptions = {};              // of every shim (lib/shim.mjs), or a function (agent) that makes them: surroundings.mjs
    this.rnd = random(seed);
    this.keys = 0;
    this.clients = [];
    this.events = [];
    this.editions = 0;
    this.jobs = [];
    this.wrap = (program, args) => [program, args];     // how to run a program where the state folder is
  }

  /** rules: the checker's; backend: backend.mjs; config: place.mjs, simpleRules; surroundings: a function of surroundings.mjs. */
  static async make(t, { seed = 1, rules = {}, backend = {}, config = {}, surroundings } = {}) {
    const world = new World(t, { seed, rules });
    await world.#startBackend(backend);
    world.config = (more = {}) => simpleRules(world.url, { ...config, ...more });
    world.agents = config.agents ?? ['one'];
    world.place = makePlace(t, world.config());
    world.stateFromHere = world.place.state;
    await surroundings?.(world);
    return world;
  }

  async #startBackend(options) {
    const dir = mkdtempSync(path.join(tmpdir(), 'aegis-b-'));
    this.arrivalsFile = path.join(dir, 'arrivals.jsonl');
    const child = fork(path.join(here, 'backend.mjs'), [JSON.stringify({ file: this.arrivalsFile, seed: this.seed, ...options })], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.t.after(() => {
      if (child.connected) child.disconnect();
      rmSync(dir, { recursive: true, force: true });
    });
    const [{ url, port }] = await settled(once(child, 'message'), 'the backend');
    Object.assign(this, { url, port, backend: child });
  }

  newKey() {
    return `k${++this.keys}`;
  }

  record(event) {
    const e = { at: clock(), ...event };
    this.events.push(e);
    return e;
  }

  async open(agent = 'one', options = {}) {
    const made = typeof this.shimOptions === 'function' ? this.shimOptions(agent) : this.shimOptions;
    let client;
    const shim = await openShim(this.place, { agent, onMessage: (m) => client?.heard(m), ...made, ...options });
    client = this.adopt(shim, agent);
    return client;
  }

  /** A shim that was started elsewhere: its calls are in the ledger from here on. */
  adopt(shim, agent) {
    const client = new Client(this, shim, agent);
    this.clients.push(client);
    return client;
  }

  /** A broker beside the shims from now on; `broker_kill` and `broker_stop` befall it. */
  async employBroker() {
    this.broker = await this.place.broker();
  }

  /** One that is there before and after whatever happens to others. */
  async survivor() {
    this.first ??= await this.open();
    assert.ok((await this.first.call('echo')).result);
    return this.first;
  }

  get alive() {
    return this.clients.filter((c) => c.isAlive);
  }

  pick(list) {
    return list[Math.floor(this.rnd() * list.length)];
  }

  // ---- work under fire ---------------------------------------------------------------------------------------------------------------

  /** A client that works in some lanes until `until` (ms of clock()), or its end. tools: what it calls, at random. */
  async employ(agent) {
    const client = await this.open(agent).catch((error) => {
      if (/"reason":"store"|-32603/.test(error.message)) return null;      // the state refuses: no session now
      throw error;
    });
    if (!client) return this.isOver ? null : new Promise((resolve) => setTimeout(resolve, 50)).then(() => this.employ(agent));
    client.isWorking = true;
    for (let k = 0; k < this.work.lanes; k++) this.jobs.push(this.#lane(client));
    return client;
  }

  get isOver() {
    return clock() >= this.work.until;
  }

  async #lane(client) {
    while (!this.isOver && client.isAlive) {
      const tool = this.pick(this.work.tools);
      const answer = await client.call(tool, this.work.shared?.[tool] ? { key: this.pick(this.work.shared[tool]) } : {});
      if (!answer) return;
      this.work.counts[answer.reason ?? answer.verdict] = (this.work.counts[answer.reason ?? answer.verdict] ?? 0) + 1;
      const wait = answer.error?.data?.retry_after_ms;
      if (answer.error) await new Promise((resolve) => setTimeout(resolve, Math.min(wait > 0 ? wait : 20, 250) * this.rnd()));
    }
  }

  /**
   * Clients of all agents work for so long, while `trouble(until)` happens and `person(isDone)` decides. shared: tool -> the keys its calls have, so that
   * several make the same call.
   */
  async underFire({ clients, lanes = 2, tools, shared, ms, trouble, person }) {
    this.work = { lanes, tools, shared, until: clock() + ms, counts: {} };
    await Promise.all(Array.from({ length: clients }, (_, n) => this.employ(this.agents[n % this.agents.length])));
    let isDone = false;
    const decisions = person?.(() => isDone);
    await trouble(this.work.until);
    for (const c of this.clients) c.go();
    await Promise.all(this.jobs);
    isDone = true;
    await decisions;
    this.t.diagnostic(`${this.clients.length} shims, ${this.events.length} events, ${JSON.stringify(this.work.counts)}`);
  }

  /** A call by aegisctl, which is killed after so many ms if it still runs. */
  async callByCtl(agent, tool, ignored, killAfter) {
    const key = this.newKey();
    this.record({ what: 'sent', key, shim: 'aegisctl', agent, tool, args: { mark: key } });
    const { code, stdout } = await this.ctl(['call', agent, tool, JSON.stringify({ mark: key }), '--json'], { killAfter });
    if (code === null) return;
    const { outcome } = JSON.parse(stdout);
    const executed = { executed: 'yes', tool_error: 'yes', unreachable: 'no', unknown: 'unknown', backend_error: 'yes' }[outcome] ?? 'no';
    this.record({ what: 'answered', key, verdict: outcome === 'executed' ? 'done' : outcome, executed });
  }

  /** aegisctl, possibly killed before it ends. Resolves with {code, stdout, stderr}; code null: killed. */
  async ctl(args, { killAfter } = {}) {
    const [program, argv] = this.wrap(bin('aegisctl'), [...args, ...this.place.options]);
    const child = spawn(program, argv, { env: { ...this.place.env, ...this.ctlEnv }, stdio: ['ignore', 'pipe', 'pipe'] });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { out[name] += text; });
    const timer = killAfter === undefined ? null : setTimeout(() => child.kill('SIGKILL'), killAfter);
    try {
      const [code] = await settled(once(child, 'close'), `aegisctl ${args.join(' ')}`);
      return { code, ...out };
    } finally {
      clearTimeout(timer);
      child.kill('SIGKILL');
    }
  }

  arrivals() {
    return readFileSync(this.arrivalsFile, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  arrivalsOf(key) {
    return this.arrivals().filter((a) => a.key === key);
  }

  // ---- people --------------------------------------------------------------------------------------------------------------------------

  /** What waits for a word: as `aegisctl approvals list --json` says it; [] when it cannot say. */
  async asked() {
    const { code, stdout } = await this.ctl(['approvals', 'list', '--json']);
    return code === 0 ? JSON.parse(stdout).filter((a) => a.state === 'PENDING') : [];
  }

  /** verb: approve | reject | cancel. Killed or not, an approval may have been given from here on. */
  async decide(verb, approval, options) {
    if (verb === 'approve') this.record({ what: 'granted', asked_at: clock(), approval: approval.id, args: approval.arguments });
    return this.ctl(['approvals', verb, approval.id], options);
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------------------

  /** Everybody goes; one heir comes, cleans up after the dead, and goes; then the ledger is complete. Returns the violations. */
  async over() {
    for (const c of this.clients) c.go();
    await Promise.all(this.alive.map(async (c) => {
      c.shim.letGo();
      await settled(c.shim.exited, `end of a shim${c.shim.lastWords()}`);
    }));
    if (this.broker) await this.broker.end();
    const heir = await this.open('one');
    await until(async () => (await heir.call('echo'))?.result, { what: `a call of the heir${heir.shim.lastWords()}`, every: 50 });
    await heir.shim.end();
    const events = [...this.events, ...this.arrivals(), ...await this.stateEvents()];
    const violations = check(events, this.rules);
    this.#write(events, violations);
    return violations;
  }

  /** What the state folder holds, as events. Nobody may run any more. */
  async stateEvents() {
    const db = path.join(this.place.dir, 'copy-of-state', 'aegis.db');
    cpSync(this.stateFromHere, path.dirname(db), { recursive: true, filter: (name) => name === this.stateFromHere || /aegis\.db(-wal|-shm)?$/.test(name) });
    const rows = async (sql) => {
      const { code, stdout, stderr } = await run('sqlite3', ['-json', db, sql]);
      assert.equal(code, 0, stderr);
      return stdout.trim() ? JSON.parse(stdout) : [];
    };
    const [{ quick_check: sound }] = await rows('PRAGMA quick_check(1)');
    assert.equal(sound, 'ok');
    const audit = (await rows("SELECT seq, call, kind, verdict, body FROM audit WHERE kind IN ('intent', 'outcome') ORDER BY seq")).map((r) => ({ ...r, body: JSON.parse(r.body) }));
    const evidence = audit.map(({ seq, call, kind, verdict, body }) => (kind === 'intent'
      ? { what: 'intent', call, seq, key: body.arguments?.mark, ticket: body.queue_ticket ?? 0 } : { what: 'outcome', call, seq, verdict }));
    const approvals = (await rows('SELECT id, state, args, consumed_by FROM approval')).map((r) => ({ what: 'approval', ...r, args: JSON.parse(r.args) }));
    const left = await rows(`SELECT 'a hold' AS "table", owner FROM limit_entry WHERE tick = 9223372036854775807 AND owner > 0
      UNION ALL SELECT 'a use of an open call', owner FROM limit_entry WHERE tick = 9223372036854775806
      UNION ALL SELECT 'a flight', owner FROM flight UNION ALL SELECT 'a ticket', owner FROM ticket
      UNION ALL SELECT 'an attachment', owner FROM approval_waiter UNION ALL SELECT 'a session', number FROM session
      UNION ALL SELECT 'a slot', number FROM queue_slot WHERE number IS NOT NULL
      UNION ALL SELECT 'a hold of an approval that is over', owner FROM limit_entry WHERE tick = 9223372036854775807 AND owner <= 0
        AND call NOT IN (SELECT id FROM approval WHERE state IN ('PENDING', 'APPROVED'))`);
    const broken = await rows(`SELECT 'window ' || key || ' of ' || window_ms || ' ms counts ' || live || ', there are ' || n AS text FROM (SELECT w.*, (SELECT count(*)
        FROM limit_entry e WHERE e.key = w.key AND e.tick > w.from_tick) AS n FROM limit_window w) WHERE live <> n
      UNION ALL SELECT 'the audit has gaps' WHERE (SELECT max(seq) - min(seq) + 1 <> count(*) FROM audit)`);
    return [...evidence, ...approvals, ...left.map((l) => ({ what: 'left', ...l })), ...broken.map((b) => ({ what: 'broken', ...b }))];
  }

  /** A ledger with violations is kept for reading. */
  #write(events, violations) {
    if (violations.length === 0) return;
    const file = path.join(process.env.AEGIS_LEDGER_DIR ?? '/tmp', `aegis-ledger-${this.seed}-${process.pid}.jsonl`);
    writeFileSync(file, '');
    for (const e of [{ seed: this.seed, rules: this.rules, violations: violations.map(({ rule, text }) => ({ rule, text })) }, ...events]) appendFileSync(file, JSON.stringify(e) + '\n');
    this.t.diagnostic(`the ledger is kept: ${file}`);
  }

  assertKept(violations) {
    assert.deepEqual(violations.map((v) => `${v.rule}: ${v.text}`), [], 'AEGIS_TEST_SEED, as printed, repeats it');
  }
}
