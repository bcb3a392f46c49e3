// broker - an aegis-broker under test, in the foreground on a place's state folder. The place ends it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { bin } from './settings.mjs';
import { settled, until } from './until.mjs';

export class Broker {
  /** args: in place of those that name the place's rules and state folder; more: behind them. stdio: further descriptors, from 3 on. */
  constructor(place, { args, more = [], env, program = bin('aegis-broker'), stdio = [] } = {}) {
    const argv = args ?? ['--foreground', ...place.options, ...more];
    this.child = spawn(program, argv, { env: { ...place.env, ...env }, cwd: place.dir, stdio: ['ignore', 'pipe', 'pipe', ...stdio] });
    this.pid = this.child.pid;
    this.hasExited = false;
    this.stderr = '';
    this.stdout = '';
    this.signals = new Set();       // sent by the test
    for (const name of ['stdout', 'stderr']) {
      this.child[name].setEncoding('utf8');
      this.child[name].on('data', (text) => { this[name] += text; });
    }
    place.started.push(this);
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', (error) => {
        this.hasExited = true;
        reject(error);
      });
      this.child.once('close', (code, signal) => {
        this.hasExited = true;
        resolve({ code, signal });
      });
    });
    this.exited.catch(() => {});
  }

  lastWords() {
    return `; its stderr ends:\n${this.stderr.slice(-1500)}`;
  }

  /** A line of its log that fits; behind `from`, a length of stderr noted before. */
  async said(pattern, { from = 0, what = `the broker's log to say ${pattern}` } = {}) {
    const isSaid = () => pattern.exec(this.stderr.slice(from));
    await until(() => isSaid() || this.hasExited, { what: what + this.lastWords() });
    const found = isSaid();
    assert.ok(found, `the broker ended before it said ${pattern}${this.lastWords()}`);
    return found;
  }

  ready() {
    return this.said(/ broker\.ready /);
  }

  kill(signal = 'SIGTERM') {
    this.signals.add(signal);
    this.child.kill(signal);
  }

  /** Ends it as a service manager does; resolves with { code, signal }. */
  end() {
    return this.endBy('SIGTERM');
  }

  async endBy(signal) {
    this.kill(signal);
    return settled(this.exited, `end of the broker${this.lastWords()}`);
  }

  /** Called by the place at its end. */
  letGo() {
    if (this.hasExited) return;
    if (this.signals.has('SIGSTOP')) this.child.kill('SIGCONT');
    this.kill('SIGTERM');
  }

  assertEndedWell({ code, signal }) {
    assert.doesNotMatch(this.stderr, /AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion/, 'a broker reported a fault of its own');
    // A holder of the gate that is stopped is killed by the others.
    const isExpected = signal === null || this.signals.has(signal) || (signal === 'SIGKILL' && this.signals.has('SIGSTOP'));
    assert.ok(isExpected, `a broker died by ${signal}${this.lastWords()}`);
    assert.ok([0, 64, 78, null].includes(code), `a broker ended with exit code ${code}${this.lastWords()}`);
  }
}
