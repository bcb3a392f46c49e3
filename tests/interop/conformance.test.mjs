// The official conformance suite. As servers: what it finds at a server, it finds through the shim in front of that server (the suite knows
// only URLs: a bridge puts the shim behind one). As clients: a client behind the shim does what the suite asks of one.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { Server } from '../lib/servers.mjs';
import { bin, HANG_MS, inTurn, nodeMajor, root } from '../lib/settings.mjs';

const noSuite = nodeMajor < 20 && 'the suite needs Node 20';
const dir = mkdtempSync(path.join(tmpdir(), 'aegis-conformance-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const tests = path.join(root, 'tests');
const suite = ['--import', path.join(tests, 'lib/fs22.mjs'), path.join(tests, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')];

/** scenario -> its checks that failed. Its HTTP scenarios are about an HTTP server, which the shim is not. */
async function findings(args, name) {
  const out = path.join(dir, name);
  await run(process.execPath, [...suite, ...args, '--output-dir', out], { cwd: dir, within: 10 * HANG_MS });
  return Object.fromEntries(readdirSync(out).filter((entry) => !/dns-rebinding|session-lifecycle/.test(entry)).map((entry) => {
    const checks = JSON.parse(readFileSync(path.join(out, entry, 'checks.json'), 'utf8'));
    return [entry.replace(/^server-|-\d{4}-\d\d-\d\dT.*$/g, ''), checks.filter((check) => check.status === 'FAILURE').map((check) => `${check.id}: ${check.errorMessage}`)];
  }));
}

describe('the conformance suite before a server', { ...inTurn, skip: noSuite }, () => {
  test('finds through the shim what it finds directly: nothing', async (t) => {
    const server = await new Server('conformance', 'http').start();
    t.after(() => server.stop());
    const place = makePlace(t, simpleRules(server.url));
    const direct = await findings(['server', '--url', server.url, '--suite', 'active', '--spec-version', '2025-11-25'], 'direct');
    assert.ok(Object.keys(direct).length >= 28, `${Object.keys(direct).length} scenarios`);
    const bridge = await new Server('bridge', 'http', { extra: { argv: [bin('aegis-shim'), '--agent', 'one', ...place.options] }, env: place.env }).start();
    const through = await findings(['server', '--url', bridge.url, '--suite', 'active', '--spec-version', '2025-11-25'], 'through').finally(() => bridge.stop());
    assert.deepEqual(Object.values(direct).flat(), []);
    assert.deepEqual(through, direct);
  });
});

const scenarios = {
  '2025-11-25': ['initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'],
  '2026-07-28': ['tools_call', 'request-metadata', 'http-standard-headers', 'http-custom-headers', 'sep-2322-client-request-state'],
};
/** Those in which a client of the older revisions, which begins with initialize, can do what is asked. */
const translated = ['tools_call', 'http-custom-headers', 'sep-2322-client-request-state'];

describe('the conformance suite after a client', { ...inTurn, skip: noSuite }, () => {
  const command = [process.execPath, path.join(tests, 'interop/servers/conformance_client.mjs')].join(' ');
  const finds = (title, name, version, mode = '') => test(`finds nothing: ${name}, ${title}`, async () => {
    const found = await findings(['client', '--command', `${command} ${mode}`, '--scenario', name, '--spec-version', version], `${name}-${title}`);
    assert.deepEqual(Object.values(found), [[]]);
  });
  for (const [version, names] of Object.entries(scenarios)) {
    for (const name of names) finds(version, name, version);
  }
  for (const name of translated) finds('translated', name, '2026-07-28', 'legacy');
});
