// 200 sessions in a row: no process, socket, lock or file is left, at either side.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { descendantsOf } from '../lib/proc.mjs';
import { processesNaming } from '../lib/process.mjs';
import { rulesFor } from '../lib/servers.mjs';
import { bin, inTurn } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const rounds = 200;

/** UNIX sockets bound below a folder. */
function socketsBelow(dir) {
  try {
    return readFileSync('/proc/net/unix', 'utf8').split('\n').filter((line) => line.includes(dir));
  } catch {
    return [];
  }
}

/** POSIX and flock locks on files of this folder. */
function locksBelow(dir) {
  let locks;
  try {
    locks = readFileSync('/proc/locks', 'utf8');
  } catch {
    return [];
  }
  const inodes = readdirSync(dir, { recursive: true }).map((name) => String(statSync(path.join(dir, name)).ino));
  return locks.split('\n').filter((line) => inodes.some((ino) => new RegExp(`:${ino}\\s`).test(line)));
}

const filesBelow = async (dir) => (await readdir(dir, { recursive: true }).catch(() => [])).sort();

/** What one way of ending leaves at once is allowed; what grows is not. */
async function assertNothingLeft(place, before) {
  const names = await filesBelow(place.dir);
  const fresh = names.filter((name) => !before.includes(name));
  assert.deepEqual(fresh, [], 'files');
  assert.deepEqual(socketsBelow(place.dir), [], 'sockets');
  assert.deepEqual(locksBelow(place.state), [], 'locks');
  assert.deepEqual(processesNaming(place.dir), [], 'processes');
}

const endings = {
  'stdin closed': (shim) => shim.end(),
  SIGTERM: (shim) => shim.endBy('SIGTERM'),
  SIGKILL: (shim) => shim.endBy('SIGKILL'),
};

describe('sessions in a row', inTurn, () => {
  for (const [what, end] of Object.entries(endings)) {
    test(`${rounds} over HTTP, each ended by ${what}`, async (t) => {
      const backend = await startBackend(t);
      const place = makePlace(t, rulesFor([`  demo: { url: "${backend.url}" }\n`]));
      const one = async (n) => {
        const shim = await openShim(place);
        assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
        await end(shim);
      };
      for (let n = 0; n < 3; n++) await one(n);
      const before = await filesBelow(place.dir);
      for (let n = 0; n < rounds; n++) await one(n);
      if (what === 'SIGKILL') await sweepDead(place);
      await until(() => backend.sockets.size === 0, { what: `connections at the backend: ${backend.sockets.size}` });
      await assertNothingLeft(place, before);
      if (what !== 'SIGKILL') assert.equal(backend.of('DELETE').length, backend.of('initialize').length, 'every session ended at the backend');
    });

    test(`${rounds} with a child, each ended by ${what}`, async (t) => {
      const place = makePlace(t, rulesFor([`  demo: { command: ["${bin('aegis-demo-server')}", --stdio] }\n`]));
      const children = [];
      const one = async (n) => {
        const shim = await openShim(place);
        assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
        const own = descendantsOf(shim.pid);
        assert.ok(own === null || own.some(isServer), 'the server is a child');
        children.push(...own ?? []);
        await end(shim);
      };
      await one(0);
      const before = await filesBelow(place.dir);
      for (let n = 0; n < rounds; n++) await one(n);
      if (what === 'SIGKILL') await sweepDead(place);
      await until(() => !children.some(isServer), { what: `end of the children ${children.filter(isServer)}` });
      await assertNothingLeft(place, before);
    });
  }

  test('and 20 at once, then none', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, rulesFor([`  demo: { url: "${backend.url}" }\n`]));
    const warm = await openShim(place);
    assertSaid(await warm.call('echo', { message: 'warm' }), 'warm');
    await warm.end();
    const before = await filesBelow(place.dir);
    const shims = await Promise.all(Array.from({ length: 20 }, () => openShim(place)));
    await Promise.all(shims.map(async (shim, n) => assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`)));
    await Promise.all(shims.map((shim) => shim.end()));
    await assertNothingLeft(place, before);
  });
});

/** What a killed shim could not take away, the next one does. */
async function sweepDead(place) {
  const shim = await openShim(place);
  assertSaid(await shim.call('echo', { message: 'sweep' }), 'sweep');
  await shim.end();
}

function isServer(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('aegis-demo-server');
  } catch {
    return false;
  }
}
