// The OAuth route: `command: [npx, -y, mcp-remote, URL]`. The real mcp-remote is our child and speaks to a real SDK server over
// Streamable HTTP, with and without OAuth; the rules hold as for any other backend, and nothing of it outlives the session.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { startOAuth } from '../lib/oauth.mjs';
import { makePlace } from '../lib/place.mjs';
import { descendantsOf } from '../lib/proc.mjs';
import { isAlive } from '../lib/process.mjs';
import { Server, rulesFor } from '../lib/servers.mjs';
import { root, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

/** npx finds the pinned package from the folder it is started in. The test is the browser: no real one may be opened. */
function remoteEntry(place, url, name = 'demo') {
  const programs = path.join(place.dir, 'programs');
  mkdirSync(programs, { recursive: true });
  for (const opener of ['open', 'xdg-open', 'gio', 'x-www-browser', 'sensible-browser']) {
    writeFileSync(path.join(programs, opener), '#!/bin/sh\nexit 0\n');
    chmodSync(path.join(programs, opener), 0o755);
  }
  const env = { PATH: `${programs}:${process.env.PATH}`, BROWSER: 'true', npm_config_update_notifier: 'false' };
  const argv = ['npx', '-y', 'mcp-remote', url, '--auth-timeout', '600'];
  return `  ${name}: { command: ${JSON.stringify(argv)}, cwd: ${JSON.stringify(path.join(root, 'tests'))}, env: ${JSON.stringify(env)} }\n`;
}

/** What a person does: opens the address that mcp-remote prints, and is sent on to where it waits. */
async function logIn(shim) {
  const [, url] = await until(() => /text="?(http:\/\/127\.0\.0\.1:\d+\/authorize\?\S+?)"?\n/.exec(shim.stderr), { what: 'the authorization URL in the log' });
  const page = await fetch(url);
  assert.equal(page.status, 200, await page.text());
}

const processesOf = async (shim) => {
  const found = descendantsOf(shim.pid);
  assert.ok(found === null || found.length >= 2, `${found}`);
  return found ?? [];
};

const gone = (pids) => until(() => !pids.some(isAlive), { what: `end of ${pids}` });

describe('mcp-remote as a backend', suite, () => {
  let server;
  before(async () => { server = await new Server('features', 'http').start(); });
  after(() => server.stop());

  /** A place whose backend `demo` is mcp-remote in front of the server, behind OAuth or not. */
  async function setUp(t, { oauth = false, ...rules } = {}) {
    const guard = oauth ? await startOAuth(t, server.url) : null;
    const place = makePlace(t);
    place.writeRules(rulesFor([remoteEntry(place, guard?.url ?? server.url)], rules));
    return { place, guard };
  }

  test('the rules hold: what is forbidden is hidden, what is limited is refused, every call is on record', async (t) => {
    const { place } = await setUp(t, { grant: 'tool_denylist: [arguments], rate_limits: { echo: { window: 1h, max_count: 1 } }' });
    const shim = await openShim(place);
    const names = (await shim.request('tools/list')).result.tools.map((tool) => tool.name);
    assert.ok(names.includes('echo'), `${names}`);
    assert.equal(names.includes('arguments'), false);
    assertSaid(await shim.call('echo', { message: 'through two' }), 'through two');
    assertRefused(await shim.call('echo', { message: 'again' }), CODE.limited, { reason: 'rate' });
    assertRefused(await shim.call('arguments'), CODE.denied, { reason: 'denied' });
    const rows = await place.storedRows();
    assert.deepEqual(rows.filter((row) => row.kind === 'outcome').map((row) => row.tool), ['echo']);
    const pids = await processesOf(shim);
    await shim.end();
    await gone(pids);
  });

  test('what the server asks reaches the client, and progress comes', async (t) => {
    const { place } = await setUp(t);
    const shim = await openShim(place, { capabilities: { roots: {} } });
    const asked = shim.message((m) => m.method === 'roots/list', 'roots/list');
    const answer = shim.call('roots');
    const { id } = await asked;
    shim.send({ id, result: { roots: [{ uri: 'file:///work/a' }] } });
    assert.match((await answer).line, /file:\/\/\/work\/a/);
  });

  test('OAuth: the address to open is in the log, the session opens once somebody has, and the next one needs nobody', async (t) => {
    const { place, guard } = await setUp(t, { oauth: true });
    const shim = startShim(place);
    const opened = shim.initialize();
    await logIn(shim);
    assert.ok((await opened).result);
    assertSaid(await shim.call('echo', { message: 'signed in' }), 'signed in');
    assert.equal(guard.logins, 1);
    const pids = await processesOf(shim);
    await shim.end();
    await gone(pids);

    const next = await openShim(place);
    assertSaid(await next.call('echo', { message: 'known' }), 'known');
    assert.equal(guard.logins, 1);
    await next.end();
  });

  test('OAuth beside another backend: that one works meanwhile, and the tools join once somebody has signed in', async (t) => {
    const guard = await startOAuth(t, server.url);
    const place = makePlace(t);
    place.writeRules(rulesFor([remoteEntry(place, guard.url), server.entry('open')]));
    const shim = await openShim(place);
    const { tools } = (await shim.request('tools/list')).result;
    assert.ok(tools.length > 0 && tools.every((tool) => tool.name.startsWith('open__')));
    await logIn(shim);
    await shim.message((m) => m.method === 'notifications/tools/list_changed', 'list_changed');
    assertSaid(await shim.call('demo__echo', { message: 'joined' }), 'joined');
  });

  test('OAuth that nobody completes: nothing reaches the server, and the end of input ends all of it', async (t) => {
    const { place, guard } = await setUp(t, { oauth: true });
    const shim = startShim(place);
    shim.send({ id: 'open', method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } });
    await until(() => shim.stderr.includes('/authorize?'), { what: 'the authorization URL in the log' });
    const pids = await processesOf(shim);
    const end = await shim.end();
    assert.equal(end.code, 0);
    await gone(pids);
    assert.equal(guard.passed, 0);
  });

  test('killed, the shim takes npx and mcp-remote along', async (t) => {
    const { place } = await setUp(t);
    const shim = await openShim(place);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    const pids = await processesOf(shim);
    await shim.endBy('SIGKILL');
    await gone(pids);
  });

  test('without it, the refusal of the OAuth server names it, and headers: too', async (t) => {
    const guard = await startOAuth(t, server.url);
    const place = makePlace(t, rulesFor([`  demo: { url: "${guard.url}" }\n`]));
    const shim = startShim(place);
    const { error } = await shim.initialize();
    assert.match(error.message, /headers:/);
    assert.match(error.message, /command: \[npx, -y, mcp-remote, URL\]/);
    assert.equal(error.message.includes(String(guard.port)), false, error.message);
  });
});
