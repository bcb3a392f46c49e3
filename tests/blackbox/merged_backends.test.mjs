// Several backends behind one shim where one is broken, dies, or is limited together with the others.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertNoLeak, assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { freePort } from '../lib/everything.mjs';
import { makePlace } from '../lib/place.mjs';
import { descendantsOf } from '../lib/proc.mjs';
import { Server } from '../lib/servers.mjs';
import { HANG_MS, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

/** entries: {name: the inside of its backend entry}. */
function rules(entries) {
  const backends = Object.entries(entries).map(([name, entry]) => `  ${name}: ${entry}\n`).join('');
  const allowed = Object.keys(entries).map((name) => `      ${name}: { allowed: true }\n`).join('');
  return `backends:\n${backends}agents:\n  one:\n    backends:\n${allowed}`;
}
const at = (backend) => `{ url: "${backend.url}" }`;

const toolsOf = async (shim) => (await shim.request('tools/list', {})).result.tools.map((x) => x.name);

describe('several backends, seen from outside', suite, () => {
  test('a limit over all backends of the agent counts all of them', async (t) => {
    const [alpha, beta] = [await startBackend(t), await startBackend(t)];
    const place = makePlace(t, rules({ alpha: at(alpha), beta: at(beta) }).replace('  one:\n', '  one:\n    rate_limits: { "*": { window: 1h, max_count: 2 } }\n'));
    const shim = await openShim(place);
    assertSaid(await shim.call('alpha__echo', { message: '1' }), '1');
    assertSaid(await shim.call('beta__echo', { message: '2' }), '2');
    assertRefused(await shim.call('beta__echo', { message: '3' }), CODE.limited);
  });

  for (const [what, entry] of Object.entries({ 'is down': async () => `{ url: "http://127.0.0.1:${await freePort()}/mcp" }`, 'does not answer': null, 'is a command that ends at once': async () => '{ command: ["false"] }' })) {
    test(`a backend that ${what} is a missing part: the others work, initialize comes in time, stderr says it`, async (t) => {
      const alpha = await startBackend(t, { tools: [tool('echo')] });
      const mute = await startBackend(t);
      mute.onMethod.initialize = () => {};
      const place = makePlace(t, rules({ alpha: at(alpha), broken: entry ? await entry() : at(mute) }));
      const shim = startShim(place);
      const from = performance.now();
      assert.ok((await shim.initialize()).result);
      assert.ok(performance.now() - from < HANG_MS, `${performance.now() - from} ms`);
      assert.deepEqual(await toolsOf(shim), ['alpha__echo']);
      assertSaid(await shim.call('alpha__echo', { message: 'x' }), 'x');
      assert.ok((await shim.call('broken__echo')).error);
      await until(() => shim.stderr.includes('broken'), { what: 'a word about it on stderr' });
      assertNoLeak(mute, shim.stderr);
    });
  }

  test('a backend that dies takes only its own calls with it', async (t) => {
    const alpha = await startBackend(t, { tools: [tool('echo')] });
    const server = await new Server('features', 'stdio').start();
    const place = makePlace(t, rules({ alpha: at(alpha), child: `{ command: ${JSON.stringify(server.argv)} }` }));
    const shim = await openShim(place);
    const lost = shim.call('child__wait', { ms: 60_000 });
    assertSaid(await shim.call('child__echo', { message: 'there' }), 'there');
    for (const pid of descendantsOf(shim.pid)) process.kill(pid, 'SIGKILL');
    assert.equal((await lost).error.code, CODE.unknown);
    assertSaid(await shim.call('alpha__echo', { message: 'alive' }), 'alive');
  });
});
