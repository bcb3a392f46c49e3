// aegisctl as an operator meets it: one table of exit codes, JSON for programs, and nothing foreign that steers the terminal.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, root, suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

const EXIT = { ok: 0, failed: 1, usage: 2, denied: 3, limited: 4, unreachable: 6, broken: 7 };

/* The texts that people read: programs, READMEs, scripts. */
function sources() {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && /\.(c|h|md|sh)$/.test(one.name))
    .map((one) => path.join(one.parentPath ?? one.path, one.name))
    .filter((file) => /^(README\.md|(shim|shared|broker|contrib|packaging)\/)/.test(path.relative(root, file)));
}

async function settle(t, { rules, ...backendOptions } = {}) {
  const backend = await startBackend(t, backendOptions);
  return { backend, place: makePlace(t, simpleRules(backend.url, rules)) };
}

async function ends(place, code, args, options) {
  const ran = await place.ctl(args, options);
  assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

describe('aegisctl call', suite, () => {
  test('prints the answer and the verdict; its exit code tells the outcome', async (t) => {
    const { backend, place } = await settle(t, {
      tools: [tool('echo'), tool('admin'), tool('fail'), tool('odd')],
      rules: { grant: 'tool_denylist: [admin]\nrate_limits: { echo: { window: 1h, max_count: 1 } }' },
    });
    backend.onCall.fail = (exchange) => exchange.say('it broke', { isError: true });
    backend.onCall.odd = (exchange) => exchange.error(-32001, 'of the backend, not of Aegis');
    const { stdout } = await ends(place, EXIT.ok, ['call', 'one', 'echo', '{"message":"hi"}']);
    assert.match(stdout, /-- executed, \d+\.\d ms\n$/);
    assert.match((await ends(place, EXIT.limited, ['call', 'one', 'echo', '{"message":"hi"}'])).stdout, /\(-32002\), /);
    assert.match((await ends(place, EXIT.denied, ['call', 'one', 'admin'])).stdout, /\(-32001\), /);
    assert.match((await ends(place, EXIT.failed, ['call', 'one', 'fail'])).stdout, /^it broke\n/);
    await ends(place, EXIT.failed, ['call', 'one', 'odd']);
    await ends(place, EXIT.denied, ['call', 'nobody', 'echo']);
    await backend.stop();
    await ends(place, EXIT.unreachable, ['call', 'one', 'fail']);
  });

  test('--json gives one object with outcome, exit code, time and what was answered', async (t) => {
    const { place } = await settle(t, { rules: { grant: 'tool_denylist: [admin]' } });
    const good = JSON.parse((await ends(place, EXIT.ok, ['--json', 'call', 'one', 'echo', '{"message":"hi"}'])).stdout);
    assert.equal(good.outcome, 'executed');
    assert.equal(good.exit_code, 0);
    assert.ok(good.ms > 0 && good.result.content, JSON.stringify(good));
    const bad = JSON.parse((await ends(place, EXIT.denied, ['call', 'one', 'admin', '--json'])).stdout);
    assert.equal(bad.outcome, 'denied');
    assert.equal(bad.error.data.executed, 'no');
  });

  test('takes the arguments from stdin, byte for byte', async (t) => {
    const { backend, place } = await settle(t);
    const message = 'x'.repeat(200_000);
    await ends(place, EXIT.ok, ['call', 'one', 'echo', '-'], { input: JSON.stringify({ message }) });
    assert.deepEqual(backend.arrivals.map((a) => a.args), [{ message }]);
  });

  test('refuses arguments that are no JSON object before anything starts', async (t) => {
    const { backend, place } = await settle(t);
    for (const args of ['{', '[1]', '"x"', '{"a":1,"a":2}', '']) await ends(place, EXIT.usage, ['call', 'one', 'echo', args]);
    assert.equal(backend.requests.length, 0);
  });

  test('--list shows the tools of every page, hidden ones absent', async (t) => {
    const { backend, place } = await settle(t, { rules: { grant: 'tool_denylist: ["admin_*"]' } });
    const pages = { undefined: [['a', 'admin_b'], 'next'], next: [['c'], undefined] };
    backend.onMethod['tools/list'] = (exchange) => {
      const [names, nextCursor] = pages[exchange.message.params?.cursor];
      exchange.result({ tools: names.map((name) => tool(name)), nextCursor });
    };
    const { stdout } = await ends(place, EXIT.ok, ['call', 'one', '--list']);
    assert.deepEqual(stdout.trim().split('\n').map((line) => line.split(/\s+/)[0]), ['tool', 'a', 'c']);
    const json = JSON.parse((await ends(place, EXIT.ok, ['call', 'one', '--list', '--json'])).stdout);
    assert.deepEqual(json.tools.map((one) => one.name), ['a', 'c']);
  });

  test('shows what a backend says without obeying it', async (t) => {
    const evil = '\u001b[2J\u202egnp.exe\u200b\u009b';
    const { backend, place } = await settle(t, { tools: [tool('echo', { description: evil })] });
    backend.onCall.echo = (exchange) => exchange.say(evil);
    const shown = [
      (await ends(place, EXIT.ok, ['call', 'one', '--list'])).stdout,
      (await ends(place, EXIT.ok, ['call', 'one', 'echo'])).stdout,
    ];
    for (const text of shown) {
      assert.match(text, /<U\+001B>\[2J<U\+202E>gnp\.exe<U\+200B><U\+009B>/);
      assert.doesNotMatch(text, /[\u001b\u202e\u200b\u009b]/);
    }
  });
});

describe('aegisctl audit list, limits', suite, () => {
  test('the newest rows come last; --limit counts them; --json is one array', async (t) => {
    const { place } = await settle(t, { rules: { grant: 'tool_denylist: [admin]' } });
    await ends(place, EXIT.ok, ['call', 'one', 'echo', '{"message":"1"}']);
    await ends(place, EXIT.denied, ['call', 'one', 'admin']);
    const rows = await place.auditRows();
    assert.deepEqual(rows.map((row) => row.seq), rows.map((_, n) => n + 1));
    const [intent, outcome, refused, ...more] = rows.filter((row) => !['boot', 'request'].includes(row.kind));
    assert.deepEqual([intent.kind, outcome.kind, refused.kind, more], ['intent', 'outcome', 'refused', []]);
    assert.equal(intent.body.arguments.message, '1');
    assert.match(refused.chain, /^[0-9a-f]{64}$/);
    const { stdout } = await ends(place, EXIT.ok, ['audit', 'list']);
    assert.match(stdout, new RegExp(`^${refused.seq} .* refused +one +demo +admin +denied `, 'm'));
    assert.match(stdout, / request +one +demo +initialize +succeeded /);
    const short = await ends(place, EXIT.ok, ['audit', 'list', '--limit', '2']);
    assert.deepEqual(short.stdout.trim().split('\n').slice(1), stdout.trim().split('\n').slice(-2));
    await ends(place, EXIT.usage, ['audit', 'list', '--limit', '0']);
  });

  test('rows are found by who, what and when', async (t) => {
    const { place } = await settle(t, { rules: { grant: 'tool_denylist: [admin]' } });
    await ends(place, EXIT.ok, ['call', 'one', 'echo', '{"message":"1"}']);
    await ends(place, EXIT.denied, ['call', 'one', 'admin']);
    const found = async (...filter) => JSON.parse((await ends(place, EXIT.ok, ['audit', 'list', '--json', ...filter])).stdout).map((row) => row.kind);
    assert.deepEqual(await found('--agent', 'one', '--tool', 'e*'), ['intent', 'outcome']);
    assert.deepEqual(await found('--verdict', 'denied', '--backend', 'demo'), ['refused']);
    assert.deepEqual(await found('--kind', 'outcome', '--since', '1h'), ['outcome']);
    assert.deepEqual(await found('--tool', 'echo', '--since', '2099-01-01'), []);
    assert.deepEqual(await found('--tool', 'echo', '--until', '2020-01-01T00:00:00Z'), []);
    assert.deepEqual(await found('--agent', 'nobody'), []);
    const [intent] = (await place.auditRows()).filter((row) => row.kind === 'intent');
    assert.deepEqual(await found('--call', intent.call), ['intent', 'outcome']);
    assert.match((await ends(place, EXIT.usage, ['audit', 'list', '--since', 'yesterday'])).stderr, /neither how long ago/);
    assert.match((await ends(place, EXIT.usage, ['audit', 'list', '--tool', '[x'])).stderr, /must be closed/);
  });

  test('limits: used, free and full, for all agents or for one', async (t) => {
    const more = 'queue: { demo: { global_rate_limits: { echo: { window: 1h, max_count: 1 } } } }\n';
    const { place } = await settle(t, {
      rules: { agents: ['one', 'two'], grant: 'rate_limits: { "*": { window: 1m, max_count: 5 } }', more },
    });
    const ask = async (...args) => JSON.parse((await ends(place, EXIT.ok, ['limits', '--json', ...args])).stdout);
    assert.deepEqual((await ask()).map((row) => row.used), [0, 0, 0], 'before anything was stored');
    await ends(place, EXIT.ok, ['call', 'one', 'echo', '{"message":"1"}']);
    const rows = await ask();
    assert.deepEqual(rows.map((row) => [row.scope, row.who, row.used, row.held, row.max_count, row.is_full]), [
      ['agent', 'one', 1, 0, 5, false], ['agent', 'two', 0, 0, 5, false], ['global', '', 1, 0, 1, true],
    ]);
    assert.ok(rows[2].next_free_ms > 3_500_000 && rows[2].next_free_ms <= 3_600_051, `${rows[2].next_free_ms}`);
    assert.deepEqual((await ask('--agent', 'two')).map((row) => row.who), ['two', '']);
    await ends(place, EXIT.failed, ['limits', '--agent', 'nobody']);
    assert.match((await ends(place, EXIT.ok, ['limits'])).stdout, /^global +- +demo +echo +1h +1 +0 +1 +\[#{20}\] +in (59m|1h) /m);
    assert.match((await ends(place, EXIT.ok, ['limits'])).stdout, /^agent +one +demo +\* +1m +1 +0 +5 +\[####\.{16}\] +now$/m);
  });

  test('limits --watch prints anew when something has changed, also rules, and ends with its reader', async (t) => {
    const { backend, place } = await settle(t, { rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 5 } }' } });
    const child = spawn(bin('aegisctl'), ['limits', '--watch', '--json', ...place.options], { env: place.env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    let text = '';
    child.stdout.on('data', (bytes) => { text += bytes; });
    const used = () => [...text.matchAll(/"used":(\d+),"held":0,"max_count":(\d+)/g)].map((m) => `${m[1]}/${m[2]}`).join(' ');
    await until(() => used() === '0/5', { what: 'the first look' });
    await ends(place, EXIT.ok, ['call', 'one', 'echo', '{"message":"1"}']);
    await until(() => used() === '0/5 1/5', { what: 'a place is used' });
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { echo: { window: 1h, max_count: 7 } }' }));
    await until(() => used() === '0/5 1/5 1/7', { what: 'the rules were edited' });
    child.stdout.destroy();
    await settled(ended, 'the end of the watcher');
  });
});

describe('aegisctl repair', suite, () => {
  test('asks for --yes without a terminal, leaves a sound database alone, and mends a damaged one', async (t) => {
    const { place } = await settle(t, { rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 5 } }' } });
    const call = ['call', 'one', 'echo', '{"message":"1"}'];
    await ends(place, EXIT.ok, call);
    await ends(place, EXIT.usage, ['repair']);
    assert.match((await ends(place, EXIT.ok, ['repair', '--yes'])).stdout, /nothing was wrong/);
    assert.ok((await place.auditRows()).some((row) => row.kind === 'outcome'));
    for (const end of ['-wal', '-shm']) rmSync(place.db + end, { force: true });
    writeFileSync(place.db, 'not a database at all, '.repeat(1000));
    await ends(place, EXIT.broken, call);
    await ends(place, EXIT.broken, ['audit', 'list']);
    assert.match((await ends(place, EXIT.ok, ['repair', '--yes'])).stdout, /every limit counts as full/);
    await ends(place, EXIT.limited, call);
    assert.match((await ends(place, EXIT.ok, ['limits'])).stdout, /records were lost/);
  });
});

describe('aegisctl', suite, () => {
  test('options stand before or after the command; slips are answered with the nearest word', async (t) => {
    const { place } = await settle(t);
    const ctl = (...args) => run(bin('aegisctl'), args, { env: place.env });
    const option = ['--config', place.config, '--state-dir', place.state];
    assert.equal((await ctl(...option, '--json', 'limits')).code, EXIT.ok);
    assert.equal((await ctl('limits', ...option, '--json')).code, EXIT.ok);
    assert.match((await ctl('audit', ...option, 'lst')).stderr, /did you mean 'audit list'\?/);
    assert.match((await ctl('limits', '--agnt', 'x')).stderr, /did you mean --agent\?/);
    assert.equal((await ctl('nonsense')).code, EXIT.usage);
    assert.equal((await ctl()).code, EXIT.usage);
    const help = await ctl('help', 'call');
    assert.match(help.stdout, /^usage: aegisctl call AGENT /);
    assert.equal((await ctl('call', '--help')).stdout, help.stdout);
    assert.deepEqual(JSON.parse((await ctl('help', 'call', '--json')).stdout).map((row) => row.name), ['call']);
    assert.ok(JSON.parse((await ctl('help', '--json')).stdout).length > 20);
    assert.match((await ctl('--version')).stdout, /^aegisctl \d+\.\d+\.\d+\n$/);
  });

  test('every command that a text of ours names exists', async (t) => {
    const { place } = await settle(t);
    const known = JSON.parse((await ends(place, EXIT.ok, ['help', '--json'])).stdout).map((row) => row.name);
    const families = new Set(known.map((name) => name.split(' ')[0]));
    for (const file of sources()) {
      for (const [, first, second] of readFileSync(file, 'utf8').matchAll(/`aegisctl ([a-z]+)(?: ([a-z]+))?/g)) {
        assert.ok(families.has(first), `${file}: aegisctl ${first}`);
        if (!known.includes(first) && second)
          assert.ok(known.includes(`${first} ${second}`), `${file}: aegisctl ${first} ${second}`);
      }
    }
  });

  test('rules that are bad or missing: said with their place, exit 7', async (t) => {
    const { place } = await settle(t);
    place.writeRules('backends: {}\nagnts: {}\n');
    assert.match((await ends(place, EXIT.broken, ['limits'])).stderr, /aegis\.yaml:2:1: error: agnts: unknown key/);
    await ends(place, EXIT.broken, ['call', 'one', 'echo']);
    rmSync(place.config);
    assert.match((await ends(place, EXIT.broken, ['limits'])).stderr, /aegisctl config init/);
  });

  test('the configurations that the README and contrib/clients show are good', async (t) => {
    const { place } = await settle(t);
    const text = (name) => readFileSync(path.join(root, name), 'utf8');
    const [, shown] = text('README.md').match(/```yaml\n([\s\S]*?)```/);
    for (const rules of [shown, text('contrib/clients/aegis.yaml')]) {
      place.writeRules(rules);
      assert.match((await ends(place, EXIT.ok, ['config', 'check'])).stdout, /: ok, 1 backend, /);
    }
    const clients = readdirSync(path.join(root, 'contrib/clients')).filter((name) => name.endsWith('.json'));
    assert.equal(clients.length, 3);
    for (const name of clients) {
      const { mcpServers, servers } = JSON.parse(text(`contrib/clients/${name}`));
      const agent = (mcpServers ?? servers).aegis.args[1];
      assert.match(text('contrib/clients/aegis.yaml'), new RegExp(`^  ${agent}:`, 'm'));
    }
  });
});
