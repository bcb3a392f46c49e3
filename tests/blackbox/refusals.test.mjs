// What an agent is told when it may not: code, sentence, data; never who or where the backend is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertNoLeak, assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { settled } from '../lib/until.mjs';

const tools = ['echo', 'admin_reset', 'publish'].map((name) => tool(name));

async function governed(t, rules, { agent = 'one' } = {}) {
  const backend = await startBackend(t, { tools });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = await openShim(place, { agent });
  return { backend, place, shim };
}

describe('refusals', suite, () => {
  test('a denied tool: -32001, reason denied, not executed, and the call is named', async (t) => {
    const { shim, backend } = await governed(t, { grant: 'tool_denylist: ["admin_*"]' });
    const error = assertRefused(await shim.call('admin_reset'), CODE.denied, { reason: 'denied' });
    assert.equal(typeof error.data.request_id, 'string');
    assert.ok(error.data.request_id.length >= 16);
    assert.equal(backend.callsOf('admin_reset').length, 0);
    assertNoLeak(backend, JSON.stringify(error), shim.stderr);
  });

  test('an unknown tool gets the same sentence as a denied one', async (t) => {
    const { shim, backend } = await governed(t, { grant: 'tool_denylist: ["admin_*"]' });
    const denied = assertRefused(await shim.call('admin_reset'), CODE.denied);
    const unknown = assertRefused(await shim.call('admin_nosuch'), CODE.denied);
    const other = assertRefused(await shim.call('nosuch'), CODE.denied);
    assert.equal(unknown.message.replaceAll('admin_nosuch', 'X'), denied.message.replaceAll('admin_reset', 'X'));
    assert.equal(other.message.replaceAll('nosuch', 'X'), denied.message.replaceAll('admin_reset', 'X'));
    assert.equal(backend.arrivals.length, 0);
  });

  test('the data of denied and unknown do not tell them apart either', async (t) => {
    const { shim } = await governed(t, { grant: 'tool_denylist: ["admin_*"]' });
    const shape = async (name) => {
      const { data } = (await shim.call(name)).error;
      return { ...data, request_id: '' };
    };
    assert.deepEqual(await shape('nosuch'), await shape('admin_reset'));
  });

  test('a tool is judged even when nobody listed the tools before', async (t) => {
    const { shim, backend } = await governed(t, { grant: 'tool_denylist: ["admin_*"]' });
    assertSaid(await shim.call('echo', { message: 'hi' }), 'hi');
    assert.equal(backend.callsOf('echo').length, 1);
  });

  test('deny_as: result says it as a tool result without structuredContent', async (t) => {
    const { shim, backend } = await governed(t, { agent: 'deny_as: result', grant: 'tool_denylist: ["admin_*"]\nrate_limits: { echo: {window: 1h, max_count: 1} }' });
    for (const [name, prepare] of [['admin_reset', null], ['echo', () => shim.call('echo')]]) {
      await prepare?.();
      const { result, error, line } = await shim.call(name);
      assert.equal(error, undefined, line);
      assert.equal(result.isError, true);
      assert.equal(result.structuredContent, undefined);
      assert.equal(result.content.length, 1);
      assert.equal(result.content[0].type, 'text');
      assert.ok(result.content[0].text.length > 10);
    }
    assert.equal(backend.callsOf('echo').length, 1);
  });

  test('deny_as: result says the same sentence as the error', async (t) => {
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}" } }
agents:
  one: { display_name: One, backends: { demo: { allowed: true, tool_denylist: ["admin_*"] } } }
  two: { display_name: Two, deny_as: result, backends: { demo: { allowed: true, tool_denylist: ["admin_*"] } } }
`);
    const [one, two] = [await openShim(place, { agent: 'one' }), await openShim(place, { agent: 'two' })];
    const sentence = (await one.call('admin_reset')).error.message;
    const text = (await two.call('admin_reset')).result.content[0].text;
    assert.equal(text.replaceAll('two', 'X'), sentence.replaceAll('one', 'X'));
  });

  test('an agent nobody knows is refused whatever it calls', async (t) => {
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, simpleRules(backend.url));
    const shim = startShim(place, { agent: 'stranger' });
    const opening = await shim.initialize();
    if (opening.result) assertRefused(await shim.call('echo'), CODE.denied, { reason: 'unknown_agent' });
    else assert.equal(opening.error.code, CODE.denied, opening.line);
    assert.equal(backend.arrivals.length, 0);
    assertNoLeak(backend, ...shim.lines, shim.stderr);
  });

  test('an agent without a backend it may use reaches none', async (t) => {
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}" } }
agents:
  one: { display_name: One, backends: { demo: { allowed: false } } }
`);
    const shim = startShim(place);
    const opening = await shim.initialize();
    if (opening.result) assertRefused(await shim.call('echo'), CODE.denied);
    else assert.ok(opening.error.message.length > 10);
    assert.equal(backend.arrivals.length, 0);
  });

  for (const [what, rules] of Object.entries({
    'a policy': { more: 'policies: [ { name: p, priority: 1, mode: allow, tool: ["*"] } ]\n' },
  })) {
    test(`a call that needs ${what} is refused with a sentence, never let through`, async (t) => {
      const { shim, backend } = await governed(t, rules);
      const answer = await settled(shim.call('publish'), 'an answer');
      assert.ok(answer.error, answer.line);
      assert.ok(answer.error.message.length > 10);
      assert.equal(answer.error.data.executed, 'no');
      assert.equal(backend.arrivals.length, 0);
    });
  }

  test('a refused notification gets no answer and does not run', async (t) => {
    const { shim, backend } = await governed(t, {});
    await shim.notify('tools/call', { name: 'echo', arguments: { message: 'unheard' } });
    assertSaid(await shim.call('echo', { message: 'heard' }), 'heard');
    assert.deepEqual(backend.arrivals.map((a) => a.args.message), ['heard']);
    assert.equal(shim.messages.length, 0, JSON.stringify(shim.messages));
  });

  test('refusals leave rows in the audit', async (t) => {
    const { shim, place } = await governed(t, { grant: 'tool_denylist: ["admin_*"]' });
    await shim.call('admin_reset', { why: 1 });
    await shim.call('echo', { message: 'x' });
    const rows = await place.storedRows();
    const refused = rows.filter((r) => r.kind === 'refused');
    assert.equal(refused.length, 1, JSON.stringify(rows));
    assert.equal(refused[0].tool, 'admin_reset');
    assert.equal(rows.filter((r) => r.kind === 'intent' && r.tool === 'echo').length, 1);
    assert.equal(rows.filter((r) => r.kind === 'outcome' && r.tool === 'echo').length, 1);
  });
});
