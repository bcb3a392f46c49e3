// shim - an aegis-shim under test, and the raw JSON-RPC client that drives it. It says exactly what it is told to, also nonsense.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { LineReader } from './lines.mjs';
import { makePipes } from './pipes.mjs';
import { memoryMiB } from './process.mjs';
import { HANG_MS, bin } from './settings.mjs';
import { settled, until } from './until.mjs';

const idKey = (id) => JSON.stringify(id);

export class Shim {
  /** wire: 'fifo' (default) or 'socket'; stdin: a descriptor instead of a pipe; readsStdout: false leaves stdout unread. */
  constructor(place, { agent = 'one', args, env, program = bin('aegis-shim'), wire = 'fifo', stdin, readsStdout = true, readsStderr = true, onMessage } = {}) {
    const argv = args ?? ['--agent', agent, ...place.options];
    const pipes = wire === 'fifo' && stdin === undefined ? makePipes(place.dir) : null;
    const stdio = pipes ? [pipes.childStdin, pipes.childStdout, 'pipe'] : [stdin ?? 'pipe', 'pipe', 'pipe'];
    this.child = spawn(program, argv, { env: { ...place.env, ...env }, cwd: place.dir, stdio });
    pipes?.closeChildEnds();
    this.stdin = pipes?.stdin ?? this.child.stdin;
    this.stdout = pipes?.stdout ?? this.child.stdout;
    this.pid = this.child.pid;
    this.hasExited = false;
    this.stderr = '';
    this.signals = new Set();       // sent by the test
    this.nextId = 1;
    this.waiting = new Map();       // id key -> resolve
    this.lines = [];                // every line, as text
    this.messages = [];             // those that answer nobody's request(): notifications, requests, null ids, duplicates
    this.onMessage = onMessage;     // sees those at once
    this.answered = 0;
    place.started.push(this);

    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', (error) => {
        this.hasExited = true;
        reject(error);
      });
      this.child.once('close', (code, signal) => {
        this.hasExited = true;
        resolve({ code, signal, at: performance.now() });
      });
    });
    this.exited.catch(() => {});
    this.stdin?.on('error', () => {});
    this.stdout.on('error', () => {});
    const reader = new LineReader((line) => this.#take(line.toString('utf8')));
    this.readStdout = () => this.stdout.on('data', (chunk) => reader.feed(chunk));
    if (readsStdout) this.readStdout();
    if (readsStderr) {
      this.child.stderr.setEncoding('utf8');
      this.child.stderr.on('data', (text) => { this.stderr += text; });
    }
  }

  #take(line) {
    this.lines.push(line);
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      message = { unreadable: line };
    }
    const isAnswer = message.id !== undefined && message.method === undefined;
    const key = isAnswer ? idKey(message.id) : undefined;
    const resolve = this.waiting.get(key);
    if (!resolve) {
      this.messages.push(message);
      this.onMessage?.(message);
      return;
    }
    this.waiting.delete(key);
    this.answered++;
    resolve(Object.assign(message, { line }));
  }

  /** Bytes as they are. Resolves when they were taken by the pipe. */
  write(bytes) {
    return new Promise((resolve) => this.stdin.write(bytes, resolve));
  }

  sendLine(text) {
    return this.write(typeof text === 'string' ? text + '\n' : Buffer.concat([text, Buffer.from('\n')]));
  }

  send(message) {
    return this.sendLine(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  /** The answer to an id, whoever sends the request; `line` is its text. */
  answerTo(id, { within = HANG_MS } = {}) {
    const answer = new Promise((resolve) => this.waiting.set(idKey(id), resolve));
    const died = this.exited.then((end) => {
      throw new Error(`the shim ended (${JSON.stringify(end)}) before it answered ${idKey(id)}${this.lastWords()}`);
    });
    const outcome = settled(Promise.race([answer, died]), `answer to ${idKey(id)}`, within).catch((error) => {
      error.message += this.lastWords();
      throw error;
    });
    outcome.catch(() => {});        // a test that has failed meanwhile asks no more
    died.catch(() => {});
    return outcome;
  }

  lastWords() {
    return `; stderr ends:\n${this.stderr.slice(-1500)}`;
  }

  request(method, params, { id = this.nextId++, within } = {}) {
    const answer = this.answerTo(id, { within });
    this.send({ id, method, ...(params === undefined ? {} : { params }) });
    return answer;
  }

  notify(method, params) {
    return this.send({ method, ...(params === undefined ? {} : { params }) });
  }

  async initialize({ version = '2025-11-25', capabilities = {}, client = 'test' } = {}) {
    const answer = await this.request('initialize', {
      protocolVersion: version, capabilities, clientInfo: { name: client, version: '1' },
    });
    if (answer.result) this.notify('notifications/initialized');
    return answer;
  }

  call(name, args = {}, options = {}) {
    return this.request('tools/call', { name, arguments: args, ...options.params }, options);
  }

  /** The first message nobody asked for that fits. */
  message(fits, what = 'a message from the shim') {
    return until(() => this.messages.find(fits), { what });
  }

  kill(signal = 'SIGTERM') {
    this.signals.add(signal);
    this.child.kill(signal);
  }

  /** Goes away as a client does at its end. */
  letGo() {
    if (this.hasExited) return;
    if (this.signals.has('SIGSTOP')) this.child.kill('SIGCONT');
    this.stdin?.end();
    this.stdout.destroy();
  }

  assertEndedWell({ code, signal }) {
    assert.doesNotMatch(this.stderr, /AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion/, 'a shim reported a fault of its own');
    // A holder of the gate that is stopped is killed by the others.
    const isExpected = signal === null || this.signals.has(signal) || (signal === 'SIGKILL' && this.signals.has('SIGSTOP'));
    assert.ok(isExpected, `a shim died by ${signal}${this.lastWords()}`);
    assert.ok([0, 64, 78, null].includes(code), `a shim ended with exit code ${code}${this.lastWords()}`);
  }

  /** Closes stdin; resolves with how it ended and after how long. */
  async end() {
    const from = performance.now();
    this.stdin.end();
    return this.#end(from);
  }

  async endBy(signal) {
    const from = performance.now();
    this.kill(signal);
    return this.#end(from);
  }

  async #end(from) {
    const end = await settled(this.exited, `end of the shim${this.lastWords()}`);
    return { ...end, ms: end.at - from };
  }

  memoryMiB() {
    return memoryMiB(this.pid);
  }
}

/** A shim that has not said a word yet. */
export function startShim(place, options) {
  return new Shim(place, options);
}

/** A shim whose session is open. */
export async function openShim(place, options = {}) {
  const shim = new Shim(place, options);
  const answer = await shim.initialize(options);
  if (!answer.result) throw new Error(`initialize: ${answer.line}${shim.lastWords()}`);
  return shim;
}
