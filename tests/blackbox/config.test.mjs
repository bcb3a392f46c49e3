// aegisctl config: what an operator sees of the rules before any agent does.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import Ajv from 'ajv';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, root, suite } from '../lib/settings.mjs';

const FAILED = 1;
const BROKEN = 7;
const good = simpleRules('http://127.0.0.1:9/mcp');
const bad = `${good}    deny_as: silence\nquue: {}\n`;
const everyKey = readFileSync(path.join(root, 'tests/unit/data/every_key.yaml'), 'utf8');

const config = (place, args, more) => run(bin('aegisctl'), ['config', ...args], { env: place.env, cwd: place.dir, ...more });

async function printed(place, args) {
  const { code, stdout, stderr } = await config(place, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('aegisctl config', suite, () => {
  test('check: rules that load are counted, exit 0', async (t) => {
    const place = makePlace(t, good);
    const { code, stdout } = await config(place, ['check', place.config]);
    assert.equal(stdout, `${place.config}: ok, 1 backend, 1 agent\n`);
    assert.equal(code, 0);
  });

  test('check: every error with file, line and column, exit 1; --json says the same', async (t) => {
    const place = makePlace(t, bad);
    const { code, stdout } = await config(place, ['check', place.config]);
    assert.equal(code, FAILED);
    assert.equal(stdout, `${place.config}:9:14: error: agents.one.deny_as: expected error or result, not silence\n` +
      `${place.config}:10:1: error: quue: unknown key, did you mean queue?\n`);
    const json = await config(place, ['check', '--json', '--config', place.config]);
    assert.equal(json.code, FAILED);
    const { ok, remarks } = JSON.parse(json.stdout);
    assert.equal(ok, false);
    assert.deepEqual(remarks.map((r) => [r.severity, r.line, r.column]), [['error', 9, 14], ['error', 10, 1]]);
  });

  test('check: no rules at all, exit 7, and the way to some', async (t) => {
    const place = makePlace(t);
    const { code, stdout, stderr } = await config(place, ['check']);
    assert.equal(code, BROKEN);
    assert.equal(stdout, '');
    assert.match(stderr, /aegisctl config init/);
  });

  test('check: the name of a file cannot play tricks on the terminal', async (t) => {
    const place = makePlace(t);
    const name = path.join(place.dir, 'a\u001b[31m\u202eb.yaml');
    writeFileSync(name, bad, { mode: 0o600 });
    const { stdout } = await config(place, ['check', name]);
    assert.match(stdout, /error: quue/);
    assert.ok(!/[\u001b\u202e]/.test(stdout), JSON.stringify(stdout));
  });

  test('show: what is printed loads again and prints the same, as YAML and as JSON', async (t) => {
    const place = makePlace(t, everyKey);
    const again = path.join(place.dir, 'again.yaml');
    const yaml = await printed(place, ['show', place.config]);
    for (const shown of [yaml, await printed(place, ['show', '--json', place.config])]) {
      writeFileSync(again, shown, { mode: 0o600 });
      assert.equal(await printed(place, ['show', again]), yaml);
    }
  });

  test('show: a plain secret is hidden', async (t) => {
    const place = makePlace(t, `${good}server: { api_token: geheim-geheim-geheim }\n`);
    const shown = await printed(place, ['show', place.config]);
    assert.ok(!shown.includes('geheim'));
    assert.match(shown, /api_token: "\(hidden\)"/);
  });

  test('show: rules with errors are not shown, exit 7', async (t) => {
    const place = makePlace(t, bad);
    const { code, stdout, stderr } = await config(place, ['show', place.config]);
    assert.equal(code, BROKEN);
    assert.equal(stdout, '');
    assert.match(stderr, /:10:1: error: quue/);
  });

  test('schema: a validator takes it, agrees with rules that load, and objects to slips', async (t) => {
    const place = makePlace(t, everyKey);
    const schema = JSON.parse(await printed(place, ['schema']));
    const validate = new Ajv({ strict: true, strictTypes: false, allErrors: true }).compile(schema);
    const rules = JSON.parse(await printed(place, ['show', '--json', place.config]));
    assert.ok(validate(rules), JSON.stringify(validate.errors));
    const slips = {
      '/queue/twitter/delay_min': (r) => { r.queue.twitter.delay_min = 30; },
      '/backends/twitter': (r) => { r.backends.twitter.tmeout = '30s'; },
      '/agents/claude-code/annotate': (r) => { r.agents['claude-code'].annotate = 'yes'; },
      '/audit/retention_days': (r) => { r.audit.retention_days = -1; },
      '/server/api_token': (r) => { r.server.api_token = { file: 'a', env: 'B' }; },
      '': (r) => { delete r.backends; },
    };
    for (const [at, slip] of Object.entries(slips)) {
      const wrong = structuredClone(rules);
      slip(wrong);
      assert.equal(validate(wrong), false, at);
      assert.ok(validate.errors.some((e) => e.instancePath.startsWith(at)), `${at}: ${JSON.stringify(validate.errors)}`);
    }
  });

  test('init: writes an example that loads, for its owner alone, where rules are looked for', async (t) => {
    const place = makePlace(t);
    const file = path.join(place.home, '.config/aegis/aegis.yaml');
    await printed(place, ['init']);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o700);
    assert.match(await printed(place, ['check']), /: ok, 1 backend, 1 agent\n$/);
    assert.equal(await printed(place, ['init', '-']), readFileSync(file, 'utf8'));
  });

  test('init: --config FILE is where it writes, and what it then says to check', async (t) => {
    const place = makePlace(t);
    const file = path.join(place.dir, 'mine.yaml');
    const said = await printed(place, ['init', '--config', file]);
    assert.ok(said.endsWith(`aegisctl config check ${file}\n`), said);
    assert.match(await printed(place, ['check', file]), /: ok, 1 backend, 1 agent\n$/);
    const other = path.join(place.dir, 'other.yaml');
    assert.deepEqual(JSON.parse(await printed(place, ['init', other, '--json'])), { file: other });
    assert.ok(!existsSync(path.join(place.home, '.config/aegis/aegis.yaml')));
  });

  test('init: never replaces a file, also when two start at once', async (t) => {
    const place = makePlace(t, good);
    const kept = await config(place, ['init', place.config]);
    assert.equal(kept.code, FAILED);
    assert.equal(readFileSync(place.config, 'utf8'), good);
    const file = path.join(place.dir, 'new.yaml');
    const both = await Promise.all([config(place, ['init', file]), config(place, ['init', file])]);
    assert.deepEqual(both.map((r) => r.code).sort(), [0, FAILED]);
    assert.ok(existsSync(file));
  });
});
