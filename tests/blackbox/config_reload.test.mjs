// aegisctl config reload: with and without a broker, good files and bad ones, and what running sessions see of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { Broker } from '../lib/broker.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { openShim } from '../lib/shim.mjs';
import { run } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';

async function setUp(t, { withBroker }) {
  const backend = await startBackend(t, { tools: [tool('echo'), tool('other')] });
  const rules = (denied) => simpleRules(backend.url, { grant: denied ? `tool_denylist: ["${denied}"]` : '' });
  const place = makePlace(t, rules());
  if (withBroker) await new Broker(place).ready();
  return { backend, place, rules };
}
const reload = (place, ...more) => place.ctl(['config', 'reload', ...more]);

for (const withBroker of [false, true]) {
  describe(withBroker ? 'with a broker' : 'without a broker', suite, () => {
    test('says what is in force; running shims learn of it and go by it', async (t) => {
      const { place, rules } = await setUp(t, { withBroker });
      const shim = await openShim(place);
      await shim.request('tools/list');         // only who has asked is told
      const first = await reload(place, '--json');
      assert.equal(first.code, 0, first.stderr);
      const before = JSON.parse(first.stdout);
      assert.deepEqual([before.path, before.by], [place.config, withBroker ? 'broker' : 'store']);
      assert.equal(JSON.parse((await reload(place, '--json')).stdout).generation, before.generation, 'nothing has changed');
      const told = shim.message((m) => m.method === 'notifications/tools/list_changed', 'tools/list_changed');
      place.writeRules(rules('other'));
      const second = JSON.parse((await reload(place, '--json')).stdout);
      assert.equal(second.generation, before.generation + 1);
      assert.notEqual(second.hash, before.hash);
      await told;
      const answer = await shim.call('other', {});
      assert.equal(answer.error?.code, -32001);
      assert.match((await reload(place)).stdout, /aegis\.yaml: generation \d+ is in force \(BLAKE2b [0-9a-f]{16}\), as the (broker|store) says\n$/);
    });

    test('a bad file: each error with its place, exit 7, nothing changed', async (t) => {
      const { place, rules } = await setUp(t, { withBroker });
      const good = JSON.parse((await reload(place, '--json')).stdout);
      place.writeRules('backends: {}\nagnts: {}\nqueue: 7\n');
      const bad = await reload(place);
      assert.equal(bad.code, 7);
      assert.match(bad.stderr, /aegis\.yaml:2:1: error: agnts: unknown key/);
      assert.match(bad.stderr, /aegis\.yaml:3:\d+: error: queue/);
      assert.equal(bad.stdout, '');
      place.writeRules(rules());
      assert.equal(JSON.parse((await reload(place, '--json')).stdout).generation, good.generation);
    });
  });
}

describe('a broker of other rules', suite, () => {
  test('said, exit 1', async (t) => {
    const { place, rules } = await setUp(t, { withBroker: true });
    const other = makePlace(t, rules('echo'));
    const ran = await other.ctl(['config', 'reload'], {});
    assert.equal(ran.code, 0);
    const mixed = await run(bin('aegisctl'), ['config', 'reload', '--config', other.config, '--state-dir', place.state], { env: place.env });
    assert.equal(mixed.code, 1, mixed.stdout + mixed.stderr);
    assert.match(mixed.stderr, /goes by the rules of .*aegis\.yaml, not of/);
  });
});
