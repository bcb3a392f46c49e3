// A server that refuses a message as too large (the official ones: above 4 MiB) and cuts the connection: the next call works.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { assertSaid } from '../lib/check.mjs';
import { freePort } from '../lib/everything.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { root, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const program = path.join(root, 'tests/node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const webCrypto = Number(process.versions.node.split('.')[0]) < 20 ? ['--experimental-global-webcrypto'] : [];

async function startServer(t, transport) {
  const port = await freePort();
  const child = spawn(process.execPath, [...webCrypto, program, transport], { env: { PATH: process.env.PATH, PORT: String(port) }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { output += text; });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await until(() => output.includes(`port ${port}`), { what: 'server-everything listening' });
  return `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`;
}

describe('messages that are too large for the server', suite, () => {
  for (const transport of ['streamableHttp', 'sse']) {
    test(`${transport}: refused, not executed, and the session lives`, async (t) => {
      const shim = await openShim(makePlace(t, simpleRules(await startServer(t, transport))));
      for (let n = 0; n < 5; n++) {
        const refused = await shim.call('echo', { message: 'x'.repeat(5 * 1024 * 1024) });
        assert.ok(refused.error, refused.line.slice(0, 300));
        assert.match(refused.error.message, /Too Large|HTTP 4/);
        assertSaid(await shim.call('echo', { message: `alive ${n}` }), `Echo: alive ${n}`);
      }
    });
  }
});
