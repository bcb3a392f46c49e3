// Starting: options, where rules come from, rules that cannot be used.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';

const EX_USAGE = 64;
const EX_CONFIG = 78;
const shimRun = (place, args, more) => run(bin('aegis-shim'), args, { env: place.env, cwd: place.dir, ...more });

describe('start', suite, () => {
  test('--version and --help answer on stdout and exit 0', async (t) => {
    const place = makePlace(t);
    const version = await shimRun(place, ['--version']);
    assert.equal(version.code, 0);
    assert.match(version.stdout, /^aegis-shim \d+\.\d+\.\d+/);
    const help = await shimRun(place, ['--help']);
    assert.equal(help.code, 0);
    for (const option of ['--agent', '--config', '--backend', '--state-dir', '--log-level', '--version', '--help']) {
      assert.ok(help.stdout.includes(option), `${option} is missing in --help`);
    }
  });

  for (const [what, args] of Object.entries({
    'an unknown option': ['--agent', 'one', '--agnet', 'two'],
    'no --agent': [],
    '--agent without a name': ['--agent'],
    'an empty name': ['--agent', ''],
    'a word that is no option': ['--agent', 'one', 'two'],
    'a log level that does not exist': ['--agent', 'one', '--log-level', 'loud'],
  })) {
    test(`${what}: usage on stderr, exit ${EX_USAGE}, nothing on stdout`, async (t) => {
      const place = makePlace(t, simpleRules('http://127.0.0.1:9/mcp'));
      const { code, stdout, stderr } = await shimRun(place, [...args, ...place.options]);
      assert.equal(code, EX_USAGE, stderr);
      assert.equal(stdout, '');
      assert.ok(stderr.length > 0);
    });
  }

  test('no rules anywhere: initialize is answered with a sentence that names aegisctl config init, exit 78', async (t) => {
    const place = makePlace(t);
    const shim = startShim(place, { args: ['--agent', 'one', '--state-dir', place.state] });
    const answer = await shim.initialize();
    assert.match(answer.error.message, /aegisctl config init/);
    assert.equal((await shim.end()).code, EX_CONFIG);
    assert.match(shim.stderr, /aegisctl config init/);
  });

  test('rules with errors: the sentence to the client, every error with file:line:col to stderr, exit 78', async (t) => {
    const place = makePlace(t, `backends:
  demo: { url: "http://127.0.0.1:9/mcp" }
agents:
  one:
    display_name: "One"
    backends:
      demo:
        alowed: true
        rate_limits:
          echo: {window: 10, max_count: 3}
queu: {}
`);
    const shim = startShim(place);
    const answer = await shim.initialize();
    assert.ok(answer.error.message.length > 20, answer.line);
    assert.equal((await shim.end()).code, EX_CONFIG);
    for (const at of [`${place.config}:8:9:`, `${place.config}:10:`, `${place.config}:11:1:`]) {
      assert.ok(shim.stderr.includes(at), `${at} is missing in\n${shim.stderr}`);
    }
    assert.match(shim.stderr, /did you mean .?allowed/i);
  });

  test('a backend that --backend names and the rules do not: said, exit 78', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:9/mcp'));
    const shim = startShim(place, { args: ['--agent', 'one', '--backend', 'nosuch', ...place.options] });
    const answer = await shim.initialize();
    assert.ok(answer.error, answer.line);
    assert.match(answer.error.message, /nosuch/);
    assert.equal((await shim.end()).code, EX_CONFIG);
  });

  test('a file that others can write is an error', async (t) => {
    const place = makePlace(t, simpleRules('http://127.0.0.1:9/mcp'));
    chmodSync(place.config, 0o666);
    const shim = startShim(place);
    assert.ok((await shim.initialize()).error);
    assert.equal((await shim.end()).code, EX_CONFIG);
  });

  test('rules come from --config, else $AEGIS_CONFIG, else $XDG_CONFIG_HOME, else ~/.config', async (t) => {
    const place = makePlace(t);
    const backends = await Promise.all([0, 1, 2, 3].map(() => startBackend(t)));
    const files = ['a.yaml', 'b.yaml', 'xdg/aegis/aegis.yaml', 'home/.config/aegis/aegis.yaml'].map((name, i) => {
      const file = path.join(place.dir, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, simpleRules(backends[i].url), { mode: 0o600 });
      return file;
    });
    const sources = [
      { args: ['--config', files[0]], env: { AEGIS_CONFIG: files[1], XDG_CONFIG_HOME: path.join(place.dir, 'xdg') } },
      { env: { AEGIS_CONFIG: files[1], XDG_CONFIG_HOME: path.join(place.dir, 'xdg') } },
      { env: { XDG_CONFIG_HOME: path.join(place.dir, 'xdg') } },
      { env: {} },
    ];
    for (const [i, { args = [], env }] of sources.entries()) {
      const shim = await openShim(place, { args: ['--agent', 'one', '--state-dir', place.state, ...args], env });
      assertSaid(await shim.call('echo', { message: `from ${i}` }), `from ${i}`);
      assert.equal(backends[i].arrivals.length, 1, `source ${i}`);
      await shim.end();
    }
  });

  test('without --state-dir the state is in $XDG_STATE_HOME, else ~/.local/state, and 0700', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url));
    const args = ['--agent', 'one', '--config', place.config];
    const xdg = path.join(place.dir, 'x');
    for (const [env, at] of [[{ XDG_STATE_HOME: xdg }, path.join(xdg, 'aegis')], [{}, path.join(place.home, '.local/state/aegis')]]) {
      const shim = await openShim(place, { args, env });
      assert.ok((await shim.call('echo')).result);
      const { stdout } = await run('sh', ['-c', `ls -ld '${at}' '${at}/aegis.db'`]);
      assert.match(stdout, /^drwx------[^\n]*\n-rw-------/);
      await shim.end();
    }
  });

  test('log lines never hold arguments or the address of the backend', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url));
    const shim = await openShim(place, { args: ['--agent', 'one', '--log-level', 'debug', ...place.options] });
    await shim.call('echo', { message: 'topsecretargument' });
    await shim.end();
    assert.equal(shim.stderr.includes('topsecretargument'), false, shim.stderr);
    assert.equal(shim.stderr.includes(String(backend.port)), false, shim.stderr);
  });

  test('20 at once on a state directory that does not exist yet', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url));
    const shims = await Promise.all(Array.from({ length: 20 }, () => openShim(place)));
    const answers = await Promise.all(shims.map((shim, n) => shim.call('echo', { message: `m${n}` })));
    answers.forEach((answer, n) => assertSaid(answer, `m${n}`));
  });
});
