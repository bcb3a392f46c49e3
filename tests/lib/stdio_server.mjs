// stdio_server - an MCP server over stdio that behaves as its arguments say: `node stdio_server.mjs LOG [habit...]`. Every call and
// every start is a line of LOG, so that a test knows what really reached it. Habits: see below.
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [log, ...habits] = process.argv.slice(2);
const has = (name) => habits.includes(name);
const note = (what) => appendFileSync(log, `${what}\n`);
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n');
const text = (value) => ({ content: [{ type: 'text', text: value }] });

note(`start ${process.pid}`);
if (has('ignores-sigterm')) process.on('SIGTERM', () => note('sigterm'));
if (has('stays')) setInterval(() => {}, 1000);
if (has('has-grandchild')) {
  // It holds our stdin, stdout and stderr, as a server behind a wrapper does, and ignores all that is polite.
  const child = spawn('sh', ['-c', `trap "" TERM HUP INT; while :; do sleep 1; done # ${log}`], { stdio: 'inherit' });
  note(`grandchild ${child.pid}`);
}
if (has('floods-stderr')) setInterval(() => process.stderr.write('flood '.repeat(20).concat('\n').repeat(200)), 1);
if (has('chatters')) process.stdout.write('Server is running...\n{"not": "a message"}\n\n[1,2\n"\u001b[31mred"\n');
if (has('dies-at-once')) process.exit(7);
if (has('starts-slowly')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
let isOpen = false;

const calls = {
  echo: (args) => text(args.message ?? ''),
  env: () => text(JSON.stringify(process.env)),
  cwd: () => text(process.cwd()),
  pid: () => text(String(process.pid)),
  big: ({ bytes }) => text('x'.repeat(bytes)),
  hang: () => undefined,
  exit: ({ code }) => { process.exit(code); },
  'exit-once': ({ code }) => {
    if (existsSync(`${log}.exited`)) return text('second life');
    appendFileSync(`${log}.exited`, 'x');
    process.exit(code);
  },
  signal: () => { process.kill(process.pid, 'SIGKILL'); },
  'close-stdout': () => { closeSync(1); },
  garbage: () => { process.stdout.write('{"jsonrpc":"2.0","id":'); process.exit(1); },
};

function call(id, { name, arguments: args = {} }) {
  note(`call ${name} ${JSON.stringify(args)}`);
  if (name === 'ask') return say({ id: `q-${process.pid}`, method: 'roots/list' });
  if (name === 'foreign') say({ id: 999, result: text('foreign') });
  if (name === 'twice') say({ id, result: text('first') });
  const result = (calls[name] ?? (() => text(name)))(args);
  return result && say({ id, result });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const m = JSON.parse(line);
  if (has('ends-unless-opened') && !isOpen && m.method !== 'initialize') process.exit(3);
  isOpen = true;
  if (m.method === 'tools/call') return call(m.id, m.params);
  if (m.method === undefined) return note(`answer ${JSON.stringify(m)}`);
  note(m.method === 'notifications/cancelled' ? `${m.method} ${JSON.stringify(m.params)}` : m.method);
  if (has(`ignores-${m.method}`)) return undefined;
  if (m.method === 'server/discover' && has('modern')) {
    return say({ id: m.id, result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'public' } });
  }
  if (m.method === 'initialize') {
    return say({ id: m.id, result: { protocolVersion: m.params.protocolVersion, capabilities: has('announces') ? { tools: { listChanged: true }, prompts: {}, resources: { listChanged: true, subscribe: true } } : { tools: {} }, serverInfo: { name: 'stdio', version: '1' } } });
  }
  if (m.method === 'tools/list') {
    return say({ id: m.id, result: { tools: [...Object.keys(calls), 'ask', 'foreign', 'twice'].map((name) => ({ name, inputSchema: { type: 'object' } })) } });
  }
  return m.id !== undefined && say({ id: m.id, result: {} });
}).on('close', () => note('end of input'));
