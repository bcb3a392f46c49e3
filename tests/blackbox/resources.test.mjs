// Governance of what is no tool: resources and prompts are hidden and refused by globs, and every request leaves its row.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { CODE, assertNoLeak, assertRefused } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const rules = `resource_denylist: ["file:///secret/*", "db://*"]
prompt_denylist: ["admin_*"]`;

const resources = ['file:///a', 'file:///secret/key', 'file:///b', 'db://users', 'file:///secret'].map((uri) => ({ uri, name: `name of ${uri}` }));
const templates = ['file:///{path}', 'db://{table}', 'file:///secret/{name}'].map((uriTemplate) => ({ uriTemplate, name: uriTemplate }));
const prompts = ['hello', 'admin_reset', 'bye'].map((name) => ({ name, description: 'd' }));

async function setup(t, { grant = rules, capabilities } = {}) {
  const backend = await startBackend(t);
  const answers = {
    'resources/list': { resources, nextCursor: 'more' },
    'resources/templates/list': { resourceTemplates: templates },
    'resources/read': { contents: [{ uri: 'x', text: 'content' }] },
    'resources/subscribe': {},
    'resources/unsubscribe': {},
    'prompts/list': { prompts },
    'prompts/get': { messages: [] },
    'completion/complete': { completion: { values: ['one'] } },
    'logging/setLevel': {},
    'tasks/list': { tasks: [] },
  };
  for (const [method, result] of Object.entries(answers)) backend.onMethod[method] = (exchange) => exchange.result(result);
  const place = makePlace(t, simpleRules(backend.url, { grant }));
  const shim = await openShim(place, { capabilities });
  return { backend, place, shim };
}

const rowsOf = async (place, method) =>
  (await place.auditRows()).filter((row) => row.kind === 'request' && row.body.method === method);
const oneRow = (place, method) => until(async () => (await rowsOf(place, method))[0], { what: `a row of ${method}` });

describe('lists of resources and prompts', suite, () => {
  test('hide what a denylist names, and keep every other byte', async (t) => {
    const { shim } = await setup(t);
    const listed = await shim.request('resources/list');
    assert.deepEqual(listed.result, { resources: [resources[0], resources[2], resources[4]], nextCursor: 'more' });
    assert.deepEqual((await shim.request('resources/templates/list')).result.resourceTemplates, [templates[0]]);
    assert.deepEqual((await shim.request('prompts/list')).result.prompts, [prompts[0], prompts[2]]);
  });

  test('show only what an allowlist names', async (t) => {
    const { shim } = await setup(t, { grant: 'resource_allowlist: ["file:///?", "file:///{path}"]\nprompt_allowlist: []' });
    assert.deepEqual((await shim.request('resources/list')).result.resources.map((r) => r.uri), ['file:///a', 'file:///b']);
    assert.deepEqual((await shim.request('resources/templates/list')).result.resourceTemplates, [templates[0]]);
    assert.deepEqual((await shim.request('prompts/list')).result.prompts, []);
  });

  test('pass byte for byte without rules', async (t) => {
    const { shim, backend } = await setup(t, { grant: '' });
    const odd = '{"resources":[ {"uri":7}, {"uri":"\\u0000"},{"x":1e21} ],"more":[1, 2]}';
    backend.onMethod['resources/list'] = (exchange) => exchange.result(odd);
    const answer = await shim.request('resources/list');
    assert.ok(answer.line.includes(odd), answer.line);
  });

  test('show the rules as they are after a change', async (t) => {
    const { shim, place, backend } = await setup(t);
    await shim.request('resources/list');
    place.writeRules(simpleRules(backend.url, { grant: 'resource_denylist: ["file:///a"]' }));
    const uris = await until(async () => {
      const { result } = await shim.request('resources/list');
      return result.resources.length === 4 && result.resources.map((r) => r.uri);
    }, { what: 'the new rules in the list' });
    assert.equal(uris.includes('file:///a'), false);
    assertRefused(await shim.request('resources/read', { uri: 'file:///a' }), CODE.denied, { reason: 'denied' });
    assert.ok((await shim.request('resources/read', { uri: 'db://users' })).result);
  });
});

describe('requests that name a resource or prompt', suite, () => {
  const refused = [
    ['resources/read', { uri: 'file:///secret/key' }],
    ['resources/subscribe', { uri: 'db://users' }],
    ['resources/unsubscribe', { uri: 'db://users' }],
    ['resources/read', { uri: 'file:\\u002f//secret/key' }, 'file:///secret/key'],
    ['prompts/get', { name: 'admin_reset' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'admin_reset' }, argument: { name: 'a', value: '' } }],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'db://{table}' }, argument: { name: 'a', value: '' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', uri: 'db://{table}' }, argument: { name: 'a', value: '' } }],
  ];

  test('are refused where a denylist says so, and never reach the backend', async (t) => {
    const { shim, backend, place } = await setup(t);
    for (const [method, params, spelled] of refused) {
      const id = shim.nextId++;
      const answer = shim.answerTo(id);
      const text = JSON.stringify({ jsonrpc: '2.0', id, method, params });
      shim.sendLine(spelled ? text.replaceAll('\\\\u', '\\u') : text);
      const error = assertRefused(await answer, CODE.denied, { reason: 'denied' });
      assert.match(error.message, /^agent one has no (resource|prompt) \S+ on backend demo\. The request was not executed\.$/);
      assertNoLeak(backend, error.message);
      assert.equal(backend.of(method).length, 0, method);
    }
    assert.equal((await shim.request('ping')).error, undefined);
    const row = await oneRow(place, 'resources/read');
    assert.equal(row.verdict, 'denied');
    assert.equal(row.body.target, 'file:///secret/key');
    assert.equal(row.body.rule, 'resource_denylist');
  });

  test('pass when allowed, URIs compared as they were sent', async (t) => {
    const { shim, backend } = await setup(t);
    for (const uri of ['file:///a', 'FILE:///secret/key', 'file:///secret', 'file:///%73ecret/key']) {
      assert.ok((await shim.request('resources/read', { uri })).result, uri);
    }
    assert.equal(backend.of('resources/read').length, 4);
    assert.ok((await shim.request('prompts/get', { name: 'hello' })).result);
    assert.ok((await shim.request('resources/subscribe', { uri: 'file:///a' })).result);
    assert.ok((await shim.request('completion/complete', { ref: { type: 'ref/prompt', name: 'hello' } })).result);
  });

  test('that cannot be judged are refused only where there are rules', async (t) => {
    const bad = [
      ['resources/read', { uri: 7 }], ['resources/read', {}], ['resources/read', undefined], ['resources/read', { uri: 'a\u0000b' }],
      ['prompts/get', { name: ['hello'] }], ['completion/complete', { ref: { name: 'hello', uri: 'file:///a' } }],
    ];
    const strict = await setup(t);
    for (const [method, params] of bad) assertRefused(await strict.shim.request(method, params), CODE.params);
    const free = await setup(t, { grant: '' });
    for (const [method, params] of bad) assert.ok((await free.shim.request(method, params)).result, method);
  });

  test('are refused when the agent may not use the backend any more', async (t) => {
    const { shim, place, backend } = await setup(t);
    assert.ok((await shim.request('resources/read', { uri: 'file:///a' })).result);
    place.writeRules(`backends:\n  demo: { url: "${backend.url}" }\nagents:\n  one: { backends: { demo: { allowed: false } } }\n`);
    const answer = await until(async () => {
      const a = await shim.request('resources/read', { uri: 'file:///a' });
      return a.error && a;
    }, { what: 'a refusal' });
    assertRefused(answer, CODE.denied, { reason: 'denied' });
  });

  test('do not tell of updates of what is denied', async (t) => {
    const { shim, backend } = await setup(t);
    backend.onCall.echo = (exchange) => {
      exchange.stream();
      for (const uri of ['db://users', 'file:///a']) exchange.event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [] } });
      exchange.end();
    };
    await shim.call('echo');
    const shown = shim.messages.filter((m) => m.method === 'notifications/resources/updated').map((m) => m.params.uri);
    assert.deepEqual(shown, ['file:///a']);
  });
});

describe('the audit of requests', suite, () => {
  test('has one row with method, target and outcome', async (t) => {
    const { shim, place, backend } = await setup(t);
    await shim.request('resources/read', { uri: 'file:///a' });
    await shim.request('prompts/get', { name: 'hello' });
    await shim.request('resources/list');
    await shim.request('tools/list');
    await shim.request('logging/setLevel', { level: 'info' });
    await shim.request('vendor/thing', {});
    await shim.request('ping');
    await shim.end();
    const rows = (await place.auditRows()).filter((row) => row.kind === 'request');
    const brief = rows.map((row) => [row.body.method, row.body.target, row.verdict]);
    assert.deepEqual(brief, [
      ['initialize', undefined, 'succeeded'],
      ['resources/read', 'file:///a', 'succeeded'],
      ['prompts/get', 'hello', 'succeeded'],
      ['resources/list', undefined, 'succeeded'],
      ['tools/list', undefined, 'succeeded'],
      ['logging/setLevel', undefined, 'succeeded'],
      ['vendor/thing', undefined, 'failed'],
    ]);
    assert.equal(rows.at(-1).body.code, -32601);
    assert.equal(rows[1].agent, 'one');
    assert.equal(rows[1].backend, 'demo');
    assert.equal(rows[1].tool, '');
    assert.equal(backend.of('ping').length, 1);
  });

  test('writes nothing for a session without a real request', async (t) => {
    const { shim, place } = await setup(t);
    await shim.request('ping');
    const { code } = await shim.end();
    assert.equal(code, 0);
    assert.equal(existsSync(place.db), false);
  });

  test('counts what is asked again and again', async (t) => {
    const { shim, place } = await setup(t);
    for (let i = 0; i < 20; i++) await shim.request('resources/read', { uri: 'db://users' });
    for (let i = 0; i < 20; i++) await shim.request('tasks/list');
    for (let i = 0; i < 3; i++) await shim.request('resources/read', { uri: 'file:///a' });
    await shim.end();
    const rows = (await place.auditRows()).filter((row) => row.kind === 'request');
    const denied = rows.filter((row) => row.verdict === 'denied');
    assert.equal(denied.length, 2);
    assert.deepEqual([denied[1].body.count, denied[1].body.method, denied[1].body.target], [19, 'resources/read', 'db://users']);
    assert.equal(rows.filter((row) => row.body.method === 'tasks/list').length, 2);
    assert.equal(rows.filter((row) => row.body.target === 'file:///a').length, 3);
  });

  test('records a backend that does not answer', async (t) => {
    const { shim, place, backend } = await setup(t);
    backend.onMethod['resources/read'] = (exchange) => exchange.reset();
    const answer = await shim.request('resources/read', { uri: 'file:///a' });
    assertRefused(answer, CODE.unknown, { executed: 'unknown' });
    assert.equal((await oneRow(place, 'resources/read')).verdict, 'unknown');
  });

  test('is what a governed request needs: without a store it is refused, all else passes', async (t) => {
    const { shim, place, backend } = await setup(t);
    mkdirSync(place.state, { mode: 0o700 });
    writeFileSync(place.db, 'this is no database, and never was one; it only stands in its place'.repeat(20), { mode: 0o600 });
    assertRefused(await shim.request('resources/read', { uri: 'file:///a' }), CODE.internal, { reason: 'store' });
    assert.equal(backend.of('resources/read').length, 0);
    assert.ok((await shim.request('resources/list')).result);
    assert.ok((await shim.request('logging/setLevel', { level: 'info' })).result);
  });
});
