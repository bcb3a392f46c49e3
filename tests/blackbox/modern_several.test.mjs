// Several backends in one session before a client of 2026-07-28: one server of that revision when all of them are, else an older one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, REVISION, startModern } from '../lib/modern_backend.mjs';
import { discover, modern, needsInput, retry } from '../lib/modern_client.mjs';
import { makePlace } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { rules } from '../lib/several.mjs';
import { startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const KEY = 'io.modelcontextprotocol/';

const rulesOf = (backends, grants) => rules(Object.fromEntries(Object.entries(backends).map(([name, { url }]) => [name, url])), grants);

async function setUp(t, { grants, start = startModern } = {}) {
  const backends = {
    red: await startModern(t, { tools: ['echo', 'only'].map((name) => tool(name)), capabilities: { tools: {}, resources: { subscribe: true } } }),
    blue: await start(t, { tools: ['echo', 'secret'].map((name) => tool(name)), capabilities: { tools: { listChanged: true }, prompts: {} } }),
  };
  const place = makePlace(t, rulesOf(backends, grants));
  const shim = startShim(place);
  return { ...backends, backends, place, shim, ...modern(shim) };
}

function listens(backend) {
  const streams = [];
  backend.onMethod['subscriptions/listen'] = (x) => {
    x.stream();
    streams.push(x);
    x.event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: x.message.params.notifications, _meta: { [`${KEY}subscriptionId`]: x.message.id } } });
  };
  return streams;
}

describe('several modern backends', suite, () => {
  test('server/discover is one answer for all; lists are merged, complete and private', async (t) => {
    const { ask, call, red, blue } = await setUp(t, { grants: { blue: 'tool_denylist: [secret]' } });
    const { result } = await discover({ ask });
    assert.deepEqual(result.supportedVersions, [REVISION]);
    assert.deepEqual([result.resultType, result.cacheScope, result.ttlMs], ['complete', 'private', 0]);
    assert.equal(result._meta[`${KEY}serverInfo`].name, 'aegis (red, blue)');
    assert.deepEqual([result.capabilities.tools.listChanged, result.capabilities.resources.subscribe], [true, true]);
    assert.match(result.instructions, /red:\nmodern\n\nblue:\nmodern/);
    const list = (await ask('tools/list')).result;
    assert.deepEqual(list.tools.map((one) => one.name), ['red__echo', 'red__only', 'blue__echo']);
    assert.deepEqual([list.resultType, list.cacheScope, list.ttlMs], ['complete', 'private', 60_000]);
    assertSaid(await call('blue__echo', { message: 'x' }), 'x');
    assertRefused(await call('blue__secret'), CODE.denied);
    assert.equal(red.arrivals.length, 0);
    assert.equal(red.of('initialize').length + blue.of('initialize').length, 0);
    assert.equal(blue.arrivals[0].exchange.req.headers['mcp-name'], 'echo');
  });

  test('a process whose client asked another one knows for itself; a call that stops goes on at the same backend', async (t) => {
    const { call, blue, red } = await setUp(t, { grants: { blue: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' } });
    needsInput(blue, 'echo');
    assert.equal((await call('blue__echo', { a: 1 })).result.resultType, 'input_required');
    assertSaid(await call('blue__echo', { a: 1 }, retry), 'for Ada-private');
    assertRefused(await call('blue__echo', { a: 1 }), CODE.limited);
    assertSaid(await call('red__echo', { message: 'x' }), 'x');
    assert.equal(red.callsOf('echo').length, 1);
  });

  test('what is said here is complete, too', async (t) => {
    const { call, ask, place, backends, shim } = await setUp(t);
    place.writeRules(rulesOf(backends).replace('  one:\n', '  one:\n    deny_as: result\n'));
    await ask('tools/list');
    await call('red__echo');
    for (const { result } of [await call('nobody__echo'), await call('blue__nothing')]) assert.deepEqual([result.isError, result.resultType], [true, 'complete']);
    assert.deepEqual((await shim.request('ping')).result, { resultType: 'complete' });
  });

  test('listening goes to all, each with its own resources; what they say comes under one id', async (t) => {
    const { ask, call, shim, red, blue, backends, place } = await setUp(t);
    const [reds, blues] = [listens(red), listens(blue)];
    ask('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['aegis:red/file:///a'] } }, { id: 'l' }).catch(() => {});
    const { params } = await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    assert.deepEqual(params, { notifications: { toolsListChanged: true, resourceSubscriptions: ['aegis:red/file:///a'] }, _meta: { [`${KEY}subscriptionId`]: 'l' } });
    assert.deepEqual(reds[0].message.params.notifications, { toolsListChanged: true, resourceSubscriptions: ['file:///a'] });
    assert.deepEqual(blues[0].message.params.notifications, { toolsListChanged: true, resourceSubscriptions: [] });
    blues[0].event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { [`${KEY}subscriptionId`]: 'l' } } });
    assert.equal((await shim.message((m) => m.method === 'notifications/tools/list_changed')).params._meta[`${KEY}subscriptionId`], 'l');
    reds[0].event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'file:///a', _meta: { [`${KEY}subscriptionId`]: 'l' } } });
    const updated = await shim.message((m) => m.method === 'notifications/resources/updated');
    assert.deepEqual(updated.params, { uri: 'aegis:red/file:///a', _meta: { [`${KEY}subscriptionId`]: 'l' } });
    const news = () => shim.messages.filter((m) => m.method === 'notifications/tools/list_changed').length;
    place.writeRules(rulesOf(backends, { blue: 'tool_denylist: [secret]' }));
    await call('red__echo');
    await until(() => news() === 2, { what: 'news of the rules' });
    let closed = 0;
    for (const x of [reds[0], blues[0]]) x.res.on('close', () => closed++);
    await shim.notify('notifications/cancelled', { requestId: 'l' });
    await until(() => closed === 2, { what: 'the end of both streams' });
  });

  test('a backend that hangs up is not heard any more; one whose stream breaks ends the listening', async (t) => {
    const { ask, shim, red, blue } = await setUp(t);
    const blues = listens(blue);
    red.onMethod['subscriptions/listen'] = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: {}, _meta: { [`${KEY}subscriptionId`]: x.message.id } } });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: complete({ _meta: { [`${KEY}subscriptionId`]: x.message.id } }) });
      x.end();
    };
    const going = ask('subscriptions/listen', { notifications: { toolsListChanged: true } }, { id: 7 });
    await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    blues[0].event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { [`${KEY}subscriptionId`]: 7 } } });
    await shim.message((m) => m.method === 'notifications/tools/list_changed');
    blues[0].reset();
    assert.equal((await going).error.code, CODE.unreachable);
  });

  test('a resource that may not be read at one is listened to at none', async (t) => {
    const { ask, red, blue } = await setUp(t, { grants: { red: 'resource_denylist: ["secret://*"]' } });
    const [reds, blues] = [listens(red), listens(blue)];
    const answer = await ask('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['aegis:red/secret://x'] } });
    assertRefused(answer, CODE.denied);
    await until(() => blues.every((x) => x.socket.destroyed || x.res.destroyed), { what: 'the end of the other stream' });
    assert.equal(reds.length, 0);
    assert.equal((await ask('subscriptions/listen', { notifications: { resourceSubscriptions: ['aegis:green/a://b'] } })).error.code, CODE.params);
  });
});

describe('a modern and an older backend', suite, () => {
  const start = (t, options) => startBackend(t, options);

  test('server/discover makes the client fall back; then both are there', async (t) => {
    const { ask, call, shim, red } = await setUp(t, { start });
    delete red.onMethod.initialize;
    const { error } = await ask('server/discover');
    assert.equal(error.code, -32601);
    assert.ok(error.data.supported.includes('2025-11-25'));
    assert.equal((await call('blue__echo')).error.code, -32022);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('red__echo', { message: 'r' }), 'r');
    assertSaid(await shim.call('blue__echo', { message: 'b' }), 'b');
    assert.equal((await call('blue__echo')).error.code, -32022);
  });

  test('requests that come without asking are told which revisions there are', async (t) => {
    const { ask, call, shim, blue } = await setUp(t, { start });
    for (const answer of await Promise.all([call('blue__echo'), ask('tools/list')])) {
      assert.equal(answer.error?.code, -32022, answer.line);
      assert.ok(answer.error.data.supported.includes('2025-11-25'));
    }
    assert.equal(blue.arrivals.length, 0);
    assert.ok((await shim.initialize()).result);
  });
});
