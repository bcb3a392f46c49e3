// Rules edited while shims run.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';

const denyEcho = { grant: 'tool_denylist: ["echo"]' };

async function setUp(t) {
  const backend = await startBackend(t, { tools: ['echo', 'other'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url));
  const shim = await openShim(place);
  assert.ok((await shim.call('echo')).result);
  return { backend, place, shim };
}

describe('hot reload', suite, () => {
  test('an edit takes effect at the next call, both ways', async (t) => {
    const { backend, place, shim } = await setUp(t);
    for (let n = 0; n < 3; n++) {
      place.writeRules(simpleRules(backend.url, denyEcho));
      assertRefused(await shim.call('echo', { n }), CODE.denied);
      place.writeRules(simpleRules(backend.url));
      assert.ok((await shim.call('echo', { n, again: true })).result);
    }
    assert.equal(backend.callsOf('echo').length, 4);
  });

  test('an edit in place, of the same length, counts as well', async (t) => {
    const { backend, place, shim } = await setUp(t);
    const rules = (name) => simpleRules(backend.url, { grant: `tool_denylist: ["${name}"]` });
    writeFileSync(place.config, rules('other'));
    assert.ok((await shim.call('echo', { n: 1 })).result);
    assertRefused(await shim.call('other', { n: 1 }), CODE.denied);
    writeFileSync(place.config, rules('echo '.trim() + 'x'));
    writeFileSync(place.config, rules('echo') + ' ');
    assertRefused(await shim.call('echo', { n: 2 }), CODE.denied);
    assert.ok((await shim.call('other', { n: 2 })).result);
  });

  test('every running shim follows, not only the one that saw it first', async (t) => {
    const { backend, place, shim } = await setUp(t);
    const others = await Promise.all([1, 2, 3].map(() => openShim(place)));
    place.writeRules(simpleRules(backend.url, denyEcho));
    for (const one of [shim, ...others]) assertRefused(await one.call('echo'), CODE.denied);
  });

  test('the tool list follows, and clients are told that it changed', async (t) => {
    const { backend, place, shim } = await setUp(t);
    const names = async () => (await shim.request('tools/list')).result.tools.map((x) => x.name);
    assert.deepEqual(await names(), ['echo', 'other']);
    place.writeRules(simpleRules(backend.url, denyEcho));
    assertRefused(await shim.call('echo'), CODE.denied);
    await shim.message((m) => m.method === 'notifications/tools/list_changed', 'tools/list_changed');
    assert.deepEqual(await names(), ['other']);
  });

  test('a broken file changes nothing for running shims, and new ones do not start', async (t) => {
    const { backend, place, shim } = await setUp(t);
    place.writeRules(simpleRules(backend.url, denyEcho));
    assertRefused(await shim.call('echo'), CODE.denied);
    for (const broken of ['agents: [', simpleRules(backend.url).replace('allowed:', 'alowed:'), '', '\u0000']) {
      place.writeRules(broken);
      assert.ok((await shim.call('other')).result);
      assertRefused(await shim.call('echo'), CODE.denied);
      const late = startShim(place);
      const opening = await late.initialize();
      assert.ok(opening.error, opening.line);
      assert.equal((await late.end()).code, 78);
    }
    place.writeRules(simpleRules(backend.url));
    assert.ok((await shim.call('echo')).result, 'mended');
  });

  test('a file that is gone changes nothing for running shims', async (t) => {
    const { place, shim, backend } = await setUp(t);
    rmSync(place.config);
    assert.ok((await shim.call('echo', { n: 1 })).result);
    place.writeRules(simpleRules(backend.url, denyEcho));
    assertRefused(await shim.call('echo', { n: 2 }), CODE.denied);
  });

  test('a limit tightened while calls are made is never exceeded by its new count', async (t) => {
    const { backend, place } = await setUp(t);
    const shims = await Promise.all([1, 2, 3, 4].map(() => openShim(place)));
    const lanes = shims.map(async (shim) => {
      let passedAfterRefusal = 0;
      let refused = false;
      for (let n = 0; n < 60; n++) {
        const answer = await shim.call('other', { n });
        if (answer.error) refused = true;
        else if (refused) passedAfterRefusal++;
      }
      return { refused, passedAfterRefusal };
    });
    place.writeRules(simpleRules(backend.url, { grant: 'rate_limits: { other: {window: 1h, max_count: 1} }' }));
    for (const lane of await Promise.all(lanes)) assert.deepEqual(lane, { refused: true, passedAfterRefusal: 0 });
    assertRefused(await shims[0].call('other', { last: true }), CODE.limited);
  });
});
