// The bench: one command that measures Aegis against its peers in one run and prints the ratios of the budget.
//   node tests/bench/run.mjs [--preset release] [--rounds 3] [--quick] [--json]
// Rounds are interleaved and medians are quoted; absolute numbers only mean something beside the others of the same run.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const { values: options } = parseArgs({
  options: {
    preset: { type: 'string', default: 'release' },
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const scale = options.quick ? 0.1 : 1;
const build = join(root, 'build', options.preset);
const program = (name) => join(build, name === 'aegis-shim' ? 'bin' : 'tests', name);
const work = mkdtempSync(join(tmpdir(), 'aegis-bench-'));
const pinned = ['taskset', '-c', '0'];

function say(text) {
  process.stderr.write(`${text}\n`);
}

function installPeers() {
  if (existsSync(join(here, 'node_modules/mcp-remote'))) return;
  say('installing mcp-remote (npm ci) ...');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: ['ignore', 2, 2] });
}

function startBackend(prefix) {
  const [command, ...args] = [...prefix, program('bench_backend')];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.stdout.once('data', (text) => done({ child, port: Number(String(text).split(' ')[1]) }));
  });
}

function configFor(where, window, name) {
  const path = join(work, `${name}.yaml`);
  writeFileSync(path, `
state_dir: "${join(work, `state-${name}`)}"
backends: { b: { ${where} } }
agents:
  bench:
    backends: { b: { allowed: true, rate_limits: { "*": { window: ${window}, max_count: 100000 } } } }
`, { mode: 0o600 });
  return [program('aegis-shim'), '--agent', 'bench', '--config', path];
}

// Every peer is a command line that speaks stdio; `direct` is the raw socket.
function peersOn(port, tag) {
  const http = `url: "http://127.0.0.1:${port}/mcp"`;
  const stdio = [program('bench_backend'), '--stdio'];
  return {
    direct: ['direct', String(port)],
    bridge: [program('bench_bridge'), String(port)],
    shim: configFor(http, '30s', `${tag}-short`),
    shim_day: configFor(http, '24h', `${tag}-day`),
    direct_stdio: stdio,
    shim_stdio: configFor(`command: ${JSON.stringify(stdio)}`, '30s', `${tag}-stdio`),
    direct_sse: ['direct-sse', String(port)],
    shim_sse: configFor(`url: "http://127.0.0.1:${port}/sse", transport: sse`, '30s', `${tag}-sse`),
    mcp_remote: [process.execPath, join(here, 'node_modules/mcp-remote/dist/proxy.js'), `http://127.0.0.1:${port}/mcp`,
      '--allow-http', '--transport', 'http-only'],
  };
}

function measure(prefix, mode, n, command) {
  const args = [...prefix, program('bench_client'), mode, String(Math.max(3, Math.round(n))), ...command];
  return JSON.parse(execFileSync(args[0], args.slice(1), { encoding: 'utf8', timeout: 600_000, stdio: ['ignore', 'pipe', 'inherit'] }));
}

/** The store by itself: 10^6 rows of history and windows of 10^5 calls against none; 32 processes that write as fast as they can. */
const storePlan = [
  ...[[0, 10], [10_000, 10], [1_000_000, 10], [0, 10_000], [0, 100_000], [1_000_000, 100_000]].map(([history, max]) => ['limit', 5000, history, max]),
  ['writers', 32, 5, 0],
  ['writers', 32, 5, 1],
];
const storeKey = ([mode, , a, b]) => (mode === 'limit' ? `store.limit.history_${a}.max_${b}` : `store.writers.${b ? 'full' : 'normal'}`);

function measureStore([mode, n, a, b]) {
  const args = mode === 'limit' ? [Math.max(300, Math.round(n * scale)), Math.round(a * scale), b] : [n, Math.max(1, Math.round(a * scale)), b];
  return JSON.parse(execFileSync(program('bench_store'), [mode, ...args].map(String), { encoding: 'utf8', timeout: 600_000, stdio: ['ignore', 'pipe', 'inherit'] }));
}

/** The queue among real shims; bench_queue is the backend itself. */
function measureQueue(round) {
  const folder = join(work, `queue-${round}`);
  mkdirSync(folder, { mode: 0o700 });
  const args = [program('aegis-shim'), folder, Math.max(100, Math.round(1000 * scale))];
  return JSON.parse(execFileSync(program('bench_queue'), args.map(String), { encoding: 'utf8', timeout: 600_000, stdio: ['ignore', 'pipe', 'inherit'] }));
}

/** 2,000 undecided approvals, 200 streams, 10,000 requests. */
function measureBroker(round) {
  const folder = mkdtempSync(join(work, `broker-${round}-`));
  return JSON.parse(execFileSync(program('bench_broker'), [join(build, 'bin', 'aegis-broker'), folder, String(Math.round(10_000 * scale))],
    { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 20 }));
}

function fsyncUs() {
  mkdirSync(work, { recursive: true });
  const fd = openSync(join(work, 'fsync'), 'w');
  const took = [];
  for (let i = 0; i < 200; i++) {
    writeSync(fd, 'x'.repeat(4096), i * 4096);
    const t = process.hrtime.bigint();
    fdatasyncSync(fd);
    took.push(Number(process.hrtime.bigint() - t) / 1000);
  }
  closeSync(fd);
  return { p50_us: median(took) };
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

// One plan entry = one figure: what to run, for whom, how often, where.
const plan = [
  ['start', 20, ['bridge', 'shim'], 'free'],
  ['start', 5, ['mcp_remote'], 'free'],
  ['many', 20, ['shim', 'mcp_remote'], 'free'],
  ['calls', 5000, ['direct', 'bridge', 'shim', 'shim_day'], 'free'],
  ['calls', 1500, ['mcp_remote'], 'free'],
  ['calls', 5000, ['direct_stdio', 'shim_stdio', 'direct_sse', 'shim_sse'], 'free'],
  ['ping', 5000, ['shim'], 'free'],
  ['calls', 5000, ['direct', 'bridge', 'shim'], 'pinned'],
  ['take', 500, ['direct', 'bridge', 'shim', 'mcp_remote'], 'free'],
  ['give', 20, ['bridge', 'shim', 'mcp_remote'], 'free'],
  ['flight', 20000, ['bridge', 'shim'], 'free'],
  ['flight', 3000, ['mcp_remote'], 'free'],
];

async function runAll() {
  const figures = {};
  const note = (key, got) => {
    for (const [name, value] of Object.entries(got)) ((figures[key] ??= {})[name] ??= []).push(value);
  };
  const backends = { free: await startBackend([]), pinned: await startBackend(pinned) };
  const peers = { free: peersOn(backends.free.port, 'free'), pinned: peersOn(backends.pinned.port, 'pinned') };
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [mode, n, names, place] of plan) {
        for (const name of names) {
          say(`round ${round}/${rounds}: ${mode} ${name}${place === 'pinned' ? ' (pinned to one core)' : ''}`);
          const count = mode === 'many' ? n : n * scale;
          note(`${place}.${mode}.${name}`, measure(place === 'pinned' ? pinned : [], mode, count, peers[place][name]));
        }
      }
      for (const entry of storePlan) {
        say(`round ${round}/${rounds}: ${storeKey(entry)}`);
        note(storeKey(entry), measureStore(entry));
      }
      say(`round ${round}/${rounds}: queue`);
      note('queue', measureQueue(round));
      say(`round ${round}/${rounds}: broker`);
      note('broker', measureBroker(round));
      note('fsync', fsyncUs());
    }
  } finally {
    for (const b of Object.values(backends)) b.child.kill();
  }
  return Object.fromEntries(Object.entries(figures).map(([key, got]) =>
    [key, Object.fromEntries(Object.entries(got).map(([name, list]) => [name, median(list)]))]));
}

const ratio = (x) => (x >= 1 ? `${x.toFixed(2)}x` : `1/${(1 / x).toFixed(1)}`);

// The rows of DESIGN.md section 11 this bench covers: [what, measured, must, held?].
function budget(f) {
  const small = f['free.calls.shim'];
  const rows = [];
  const row = (what, value, limit, text) => rows.push([what, ratio(value), text, limit === null || value <= limit]);
  row('spawn to initialize, against mcp-remote', f['free.start.shim'].initialize_ms / f['free.start.mcp_remote'].initialize_ms, 1 / 40, '<= 1/40');
  row('20 agents at once, against mcp-remote', f['free.many.shim'].all_initialized_ms / f['free.many.mcp_remote'].all_initialized_ms, 1 / 50, '<= 1/50');
  rows.push(['20 agents, memory together', `${f['free.many.shim'].pss_mb.toFixed(1)} MB`, '<= 50 MB', f['free.many.shim'].pss_mb <= 50]);
  row('governed call p50, against the raw bridge', small.p50_us / f['free.calls.bridge'].p50_us, 1.6, '<= 1.6x');
  row('governed call p50, against mcp-remote', small.p50_us / f['free.calls.mcp_remote'].p50_us, 1 / 10, '<= 1/10');
  row('24 h window p50, against the row above + one fsync', f['free.calls.shim_day'].p50_us / (small.p50_us + f.fsync.p50_us), 1, '<= 1x');
  row('pinned to one core, p50 against direct HTTP', f['pinned.calls.shim'].p50_us / f['pinned.calls.direct'].p50_us, 7, '<= 7x');
  for (const [what, over] of [['stdio child', 'stdio'], ['HTTP+SSE', 'sse']]) {
    row(`${what}: governed call p50, against the same server directly`, f[`free.calls.shim_${over}`].p50_us / f[`free.calls.direct_${over}`].p50_us, null, '');
    row(`${what}: governed call p50, against Streamable HTTP`, f[`free.calls.shim_${over}`].p50_us / small.p50_us, null, '');
  }
  row('p99 / p50 of our own', small.p99_us / small.p50_us, 2.5, '<= 2.5x');
  row('p99, against mcp-remote', small.p99_us / f['free.calls.mcp_remote'].p99_us, 1 / 25, '<= 1/25');
  row('100 KB call p50, against the raw bridge', f['free.take.shim'].p50_us / f['free.take.bridge'].p50_us, 1.8, '<= 1.8x');
  row('5 MB result, CPU against one memcpy of it', f['free.give.shim'].cpu_us / 1000 / f['free.give.shim'].memcpy_5mb_ms, 8, '<= 8x');
  rows.push(['32 in flight, calls/s against mcp-remote', `${(f['free.flight.shim'].per_s / f['free.flight.mcp_remote'].per_s).toFixed(1)}x`,
    '>= 12x', f['free.flight.shim'].per_s >= 12 * f['free.flight.mcp_remote'].per_s]);
  row('CPU per call, against mcp-remote', small.cpu_us / f['free.calls.mcp_remote'].cpu_us, 1 / 25, '<= 1/25');
  row('memory after the calls, against fresh', small.pss_after_mb / small.pss_fresh_mb, 1.2, '<= 1.2x');
  const limit = (history, max) => f[storeKey(['limit', 0, history, max])].p50_us;
  row('limit check at 10^4 rows of history, against none', limit(10_000, 10) / limit(0, 10), 1.1, '<= 1.1x');
  row('limit check at 10^6 rows of history, against none', limit(1_000_000, 10) / limit(0, 10), 1.1, '<= 1.1x');
  row('limit check at max_count 10^4, against 10', limit(0, 10_000) / limit(0, 10), 1.1, '<= 1.1x');
  row('limit check at max_count 10^5, against 10', limit(0, 100_000) / limit(0, 10), 1.1, '<= 1.1x');
  row('limit check at 10^6 rows and max_count 10^5, against none and 10', limit(1_000_000, 100_000) / limit(0, 10), 1.1, '<= 1.1x');
  for (const [how, most] of [['normal', 20], ['full', 50]]) {
    const w = f[`store.writers.${how}`];
    rows.push([`32 writers, ${how}: operations/s`, String(w.per_s), 'aim >= 2000', w.per_s >= 2000]);
    rows.push([`32 writers, ${how}: longest wait`, `${w.longest_ms} ms`, `<= ${most} ms`, w.longest_ms <= most]);
    rows.push([`32 writers, ${how}: least against most`, w.fairness.toFixed(2), '>= 0.9', w.fairness >= 0.9]);
  }
  const ms = (what, value, most) => rows.push([what, `${value.toFixed(2)} ms`, `< ${most} ms`, value < most]);
  ms('queue hand-over without a delay, p99', f.queue.hand_over_p99_ms, 1);
  ms('queue hand-over beyond the configured delay, p99', f.queue.delayed_p99_ms, 1);
  ms('queue hand-over after SIGKILL of the holder, p99', f.queue.killed_p99_ms, 5);
  rows.push(['32 waiters, of a core', `${f.queue.idle_32_percent.toFixed(3)} %`, '< 0.2 %', f.queue.idle_32_percent < 0.2]);
  ms('broker: list of 2,000 pending, p99, under 200 streams', f.broker.list_p99_ms, 20);
  rows.push(['broker: memory after 10,000 requests', `${f.broker.pss_mb.toFixed(1)} MB`, '< 40 MB', f.broker.pss_mb < 40]);
  rows.push(['exit after stdin closes', `${f['free.start.shim'].exit_ms.toFixed(1)} ms`, '<= 5 ms', f['free.start.shim'].exit_ms <= 5]);
  return rows;
}

/** A row without a limit only tells. */
const verdict = (must, isHeld) => (must === '' ? '' : isHeld ? 'held' : 'MISSED');

function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => String(r[i]).length)));
  return rows.map((r) => r.map((cell, i) => String(cell).padEnd(widths[i])).join('  ').trimEnd()).join('\n');
}

function printAll(f) {
  const names = [...new Set(Object.values(f).flatMap((got) => Object.keys(got)))];
  console.log(`\nFigures (medians of ${rounds} interleaved rounds)`);
  console.log(table([['what', ...names], ...Object.entries(f).map(([key, got]) => [key, ...names.map((n) => got[n] ?? '')])]));
  console.log('\nThe budget (DESIGN.md section 11)');
  console.log(table([['measure', 'here', 'must', ''], ...budget(f).map(([a, b, c, held]) => [a, b, c, verdict(c, held)])]));
  const wrong = Object.entries(f).filter(([, got]) => got.errors > 0);
  for (const [key, got] of wrong) console.log(`${key}: ${got.errors} answers were errors; its figures mean nothing`);
  return wrong.length === 0;
}

installPeers();
try {
  const figures = await runAll();
  if (options.json) console.log(JSON.stringify(figures, null, 1));
  else if (!printAll(figures)) process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
