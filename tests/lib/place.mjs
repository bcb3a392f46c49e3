// place - a test's own folder: rules, state, home. Removed afterwards, and nothing may still run in it.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Broker } from './broker.mjs';
import { isAlive, processesNaming, run } from './process.mjs';
import { bin } from './settings.mjs';
import { settled, until } from './until.mjs';

/** The programs must not see the developer's own settings. AEGIS_PATIENCE (shared/base/failpoint.h): a busy machine is not a slow peer;
 * a test that is about a slow one says { AEGIS_PATIENCE: '1' }. */
function cleanEnv(home) {
  const env = { HOME: home, PATH: process.env.PATH, LANG: 'C.UTF-8', TMPDIR: process.env.TMPDIR ?? '/tmp', AEGIS_PATIENCE: '20' };
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS']) {
    if (process.env[name]) env[name] = process.env[name];
  }
  return env;
}

export class Place {
  constructor(rules) {
    this.dir = mkdtempSync(path.join(tmpdir(), 'aegis-t-'));
    this.home = path.join(this.dir, 'home');
    this.state = path.join(this.dir, 'state');
    this.config = path.join(this.dir, 'aegis.yaml');
    this.db = path.join(this.state, 'aegis.db');
    this.env = cleanEnv(this.home);
    this.started = [];            // shims and brokers; they add themselves
    this.mayAutostart = false;    // its shims may start brokers, which end with the place
    mkdirSync(this.home, { mode: 0o700 });
    if (rules !== undefined) this.writeRules(rules);
  }

  /** Replaces the rules as an editor does: a new file takes the old one's name. */
  writeRules(text) {
    const next = `${this.config}.next`;
    writeFileSync(next, text, { mode: 0o600 });
    renameSync(next, this.config);
  }

  get options() {
    return ['--config', this.config, '--state-dir', this.state];
  }

  ctl(args, options = {}) {
    return run(bin('aegisctl'), [...args, ...this.options], { env: this.env, ...options });
  }

  /** A broker of this place, in the foreground, once it serves; it is ended with the place. Options: broker.mjs. */
  async broker(options) {
    const broker = new Broker(this, options);
    await broker.ready();
    return broker;
  }

  /** Rows of a query on the database, as objects; by the sqlite3 program, read-only. */
  async query(sql) {
    const { code, stdout, stderr } = await run('sqlite3', ['-readonly', '-json', this.db, sql]);
    assert.equal(code, 0, stderr);
    return stdout.trim() ? JSON.parse(stdout) : [];
  }

  /** The audit as aegisctl shows it. */
  async auditRows() {
    const { code, stdout, stderr } = await this.ctl(['audit', 'list', '--json', '--limit', '10000']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The audit as it is stored, in order: {seq, call, kind, agent, backend, tool, verdict, body}. */
  async storedRows() {
    const rows = await this.query('SELECT seq, call, kind, agent, backend, tool, verdict, body FROM audit ORDER BY seq');
    return rows.map((row) => ({ ...row, body: JSON.parse(row.body) }));
  }

  /** Pids of the brokers that shims of this place have started. */
  autoStarted() {
    return processesNaming(this.dir).filter((pid) => isAutoStarted(pid));
  }

  /** Ends what still runs as a client would, and looks at how every shim and broker of this place ended. */
  async leave() {
    for (const one of this.started) one.letGo();
    if (this.mayAutostart) for (const pid of this.autoStarted()) process.kill(pid, 'SIGTERM');
    try {
      for (const one of this.started) one.assertEndedWell(await settled(one.exited, `end of process ${one.pid}${one.lastWords()}`));
      await until(() => processesNaming(this.dir).length === 0, { what: `no process left in ${this.dir}` });
    } finally {
      for (const pid of processesNaming(this.dir)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
      rmSync(this.dir, { recursive: true, force: true });
    }
  }
}

function isAutoStarted(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0--auto-started\0');
  } catch {
    return false;
  }
}

/** A place for this test. Without rules there is no file yet; writeRules makes it. */
export function makePlace(t, rules) {
  const place = new Place(rules);
  t.after(() => place.leave());
  return place;
}

/** Rules for one backend `demo` (a URL, or the argv of a command) and the agents named, all allowed; more is YAML text put below.
 *  A shim starts a broker only if more says so (broker: ...). */
export function simpleRules(where, { agents = ['one'], grant = '', agent = '', more = '' } = {}) {
  const names = agents.map((name) => `  ${name}:
    display_name: "${name}"
${indent(agent, 4)}    backends:
      demo:
        allowed: true
${indent(grant, 8)}`).join('');
  const backend = Array.isArray(where) ? `command: ${JSON.stringify(where)}` : `url: "${where}"`;
  const text = `backends:\n  demo: { ${backend} }\nagents:\n${names}${more}`;
  if (!/approval_required/.test(text) || /^broker:/m.test(text)) return text;
  return `${text}${text.endsWith('\n') ? '' : '\n'}broker: { autostart: false }\n`;
}

function indent(text, by) {
  return text.split('\n').filter((line) => line.trim()).map((line) => ' '.repeat(by) + line + '\n').join('');
}
