// A client of the stateless revision 2026-07-28 through the rules, before a backend of the same and before one of the older revisions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Person } from '../lib/approvals.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, REVISION, startModern } from '../lib/modern_backend.mjs';
import { discover, modern, needsInput, retry } from '../lib/modern_client.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { patience, root, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

async function setUp(t, { rules = {}, tools = ['echo', 'other', 'secret', 'wörk ✓'].map((name) => tool(name)) } = {}) {
  const backend = await startModern(t, { tools });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = startShim(place);
  const c = modern(shim);
  const discovered = await discover(c);
  return { backend, place, shim, discovered, ...c };
}

describe('a modern client, an older backend', suite, () => {
  test('server/discover is answered at once with an error; the backend hears nothing until initialize', async (t) => {
    const backend = await startBackend(t);
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    const from = performance.now();
    const answer = await modern(shim).ask('server/discover', {}, { id: 'server-discover-probe-1' });
    assert.ok(answer.error, answer.line);
    assert.ok(performance.now() - from < 2500 * patience);
    const sessions = backend.of('initialize').length;
    assert.equal(sessions, 0);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.of('initialize').length, 1);
  });

  test('a probe on a process of its own leaves no session row and no session at the backend', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url));
    const probe = startShim(place);
    await modern(probe).ask('server/discover');
    assert.equal((await probe.end()).code, 0);
    assert.equal(backend.sessions, 0);
    const shim = await openShim(place);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
  });
});

describe('a modern client, a backend over HTTP+SSE', suite, () => {
  test('it is not even asked: it has no session before initialize', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t);
    place.writeRules(`backends: { demo: { url: "${backend.url}", transport: sse } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`);
    const { ask, call } = modern(startShim(place));
    assert.equal((await ask('server/discover')).error.code, -32601);
    assert.equal((await call('echo')).error.code, -32022);
    assert.equal(backend.requests.length, 0);
  });
});

describe('a modern client, an older child', suite, () => {
  const server = path.join(root, 'tests/lib/stdio_server.mjs');
  for (const habits of [['ends-unless-opened'], ['ends-unless-opened', 'starts-slowly'], ['starts-slowly', 'ignores-server/discover'], ['ignores-server/discover']]) {
    test(`${habits.join(', ')}: initialize goes on in the same process`, async (t) => {
      const place = makePlace(t);
      place.writeRules(simpleRules([process.execPath, server, path.join(place.dir, 'log'), ...habits]));
      const shim = startShim(place, { env: { AEGIS_PATIENCE: '1' } });
      assert.equal((await modern(shim).ask('server/discover', {}, { id: 'server-discover-probe-1' })).error.code, -32601);
      assert.ok((await shim.initialize()).result);
      assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    });
  }

  test('a child of this revision that takes its time to start is waited for', async (t) => {
    const place = makePlace(t);
    place.writeRules(simpleRules([process.execPath, server, path.join(place.dir, 'log'), 'modern', 'starts-slowly']));
    const { result } = await modern(startShim(place)).ask('server/discover');
    assert.deepEqual(result?.supportedVersions, [REVISION]);
  });

  test('one that ends again and again is not started for ever', async (t) => {
    const place = makePlace(t);
    const log = path.join(place.dir, 'log');
    place.writeRules(simpleRules([process.execPath, server, log, 'dies-at-once']));
    const shim = startShim(place);
    for (let n = 0; n < 3; n++) assert.equal((await modern(shim).ask('server/discover')).error.code, -32601);
    assert.equal((await shim.initialize()).error.code, CODE.unreachable);
    assert.ok(readFileSync(log, 'utf8').split('start').length <= 4);
  });
});

describe('a modern client, a modern backend', suite, () => {
  test('server/discover passes; nothing is initialized', async (t) => {
    const { backend, discovered } = await setUp(t);
    assert.deepEqual(discovered.result.supportedVersions, [REVISION]);
    assert.equal(discovered.result.resultType, 'complete');
    assert.equal(backend.of('initialize').length, 0);
  });

  test('headers come from what was judged, names beyond ASCII as base64', async (t) => {
    const { backend, call, ask } = await setUp(t);
    await call('echo', { message: 'x' });
    await call('wörk ✓');
    await ask('tools/list');
    const of = (method) => backend.of(method).map((x) => x.req.headers);
    const [echo, work] = of('tools/call');
    assert.deepEqual([echo['mcp-protocol-version'], echo['mcp-method'], echo['mcp-name'], echo['mcp-session-id']], [REVISION, 'tools/call', 'echo', undefined]);
    assert.equal(work['mcp-name'], `=?base64?${Buffer.from('wörk ✓').toString('base64')}?=`);
    assert.equal(of('tools/list').at(-1)['mcp-method'], 'tools/list');
  });

  test('a filtered list is private and complete, its order kept; an unfiltered one stays public', async (t) => {
    const { ask } = await setUp(t, { rules: { grant: 'tool_denylist: [secret]' } });
    const { result } = await ask('tools/list');
    assert.deepEqual(result.tools.map((x) => x.name), ['echo', 'other', 'wörk ✓']);
    assert.equal(result.resultType, 'complete');
    assert.equal(result.cacheScope, 'private');
    const open = await setUp(t);
    assert.equal((await open.ask('tools/list')).result.cacheScope, 'public');
  });

  test('refusals: an error, or a complete result', async (t) => {
    const { call, backend } = await setUp(t, { rules: { grant: 'tool_denylist: [secret]' } });
    assertRefused(await call('secret'), CODE.denied, { reason: 'denied' });
    const soft = await setUp(t, { rules: { agent: 'deny_as: result', grant: 'tool_denylist: [secret]' } });
    const { result } = await soft.call('secret');
    assert.equal(result.isError, true);
    assert.equal(result.resultType, 'complete');
    assert.equal(backend.callsOf('secret').length + soft.backend.callsOf('secret').length, 0);
  });

  test('an input_required call and its retry are one use of a limit', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' } });
    needsInput(backend, 'echo');
    const first = await call('echo', { a: 1 });
    assert.equal(first.result.resultType, 'input_required');
    assert.equal(first.result.requestState, 'state-1');
    assertSaid(await call('echo', { a: 1 }, retry), 'for Ada-private');
    assertRefused(await call('echo', { a: 1 }), CODE.limited);
    assert.equal(backend.callsOf('echo').length, 2);
  });

  test('an input_required call and its retry are under one approval, whose outcome is that of the retry', async (t) => {
    const { backend, call, place } = await setUp(t, { rules: { grant: 'approval_required: ["echo"]', more: 'approval: { mode: hold }' } });
    const person = new Person(place);
    needsInput(backend, 'echo');
    const going = call('echo', { a: 1 });
    const { id } = await person.asked();
    await person.decide('approve', id);
    assert.equal((await going).result.resultType, 'input_required');
    const told = () => place.query(`SELECT what, outcome FROM approval_event JOIN approval ON id = approval ORDER BY seq`);
    assert.deepEqual((await told()).map((row) => [row.what, row.outcome]), [['asked', ''], ['decided', '']]);
    assertSaid(await call('echo', { a: 1 }, retry), 'for Ada-private');
    assert.deepEqual((await told()).at(-1), { what: 'executed', outcome: 'ok' });
  });

  test('a call that stops for input which the rules block has ended for those who approved it: nobody knows how far it came', async (t) => {
    const rules = { agent: 'server_requests: { elicitation: block }', grant: 'approval_required: ["echo"]', more: 'approval: { mode: hold }' };
    const { backend, call, place } = await setUp(t, { rules });
    const person = new Person(place);
    needsInput(backend, 'echo');
    const going = call('echo', { a: 1 });
    await person.decide('approve', (await person.asked()).id);
    assert.equal((await going).error.data.executed, 'unknown');
    const told = await place.query('SELECT what, outcome FROM approval_event JOIN approval ON id = approval ORDER BY seq');
    assert.deepEqual(told.at(-1), { what: 'executed', outcome: 'unknown' });
  });

  test('a retry with other arguments, another tool or a foreign state is a call of its own', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: 'rate_limits: { "*": { window: 1h, max_count: 1 } }' } });
    needsInput(backend, 'echo');
    await call('echo', { a: 1 });
    assertRefused(await call('echo', { a: 2 }, retry), CODE.limited);
    assertRefused(await call('other', { a: 1 }, retry), CODE.limited);
    assertRefused(await call('echo', { a: 1 }, { ...retry, requestState: 'state-2' }), CODE.limited);
    assert.equal(backend.arrivals.length, 1);
  });

  test('the same retry again is a call of its own', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' } });
    needsInput(backend, 'echo');
    await call('echo');
    assertSaid(await call('echo', {}, retry), 'for Ada-private');
    assertRefused(await call('echo', {}, retry), CODE.limited);
  });

  test('what the person answered is in no record and no log', async (t) => {
    const { backend, call, shim, place } = await setUp(t);
    needsInput(backend, 'echo');
    backend.onCall.echo = ((inner) => (x, params) => (params.requestState ? x.result(complete({ content: [] })) : inner(x, params)))(backend.onCall.echo);
    await call('echo');
    await call('echo', {}, retry);
    await shim.end();
    assert.equal(JSON.stringify(await place.auditRows()).includes('Ada-private'), false);
    assert.equal(shim.stderr.includes('Ada-private'), false);
  });

  test('cancel closes the stream of that call; nothing is posted, others go on', async (t) => {
    const { backend, call, shim } = await setUp(t);
    let closed = false;
    backend.onCall.other = (x) => { x.stream(); x.res.on('close', () => { closed = true; }); };
    call('other', {}, {}, { id: 'long' }).catch(() => {});
    await until(() => backend.callsOf('other').length === 1, { what: 'the call at the backend' });
    const posts = backend.requests.length;
    await shim.notify('notifications/cancelled', { requestId: 'long' });
    await until(() => closed, { what: 'the end of its stream' });
    assert.equal(backend.requests.length, posts);
    assertSaid(await call('echo', { message: 'next' }), 'next');
  });

  test('a stream that breaks is an error; it is not taken up again', async (t) => {
    const { backend, call } = await setUp(t);
    backend.onCall.other = (x) => { x.stream(); x.res.write('id: 7\nretry: 10\ndata:\n\n', () => x.end()); };
    const answer = await call('other');
    assert.equal(answer.error.code, CODE.unknown);
    assert.equal(backend.of('GET').length, 0);
    assert.equal(backend.callsOf('other').length, 1);
  });

  test('subscriptions/listen stays open beyond the timeout, brings what comes, ends with its cancel', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')] });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", timeout: 500ms } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`);
    const shim = startShim(place);
    const { ask, call } = modern(shim);
    await ask('server/discover');
    let stream;
    backend.onMethod['subscriptions/listen'] = (x) => {
      stream = x;
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: { toolsListChanged: true }, _meta: { 'io.modelcontextprotocol/subscriptionId': x.message.id } } });
    };
    ask('subscriptions/listen', { notifications: { toolsListChanged: true } }, { id: 'l1' }).catch(() => {});
    await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    const from = performance.now();
    while (performance.now() - from < 1500) assertSaid(await call('echo', { message: 'x' }), 'x');
    stream.res.write(': comment\n\n');
    stream.event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'l1' } } });
    const note = await shim.message((m) => m.method === 'notifications/tools/list_changed');
    assert.equal(note.params._meta['io.modelcontextprotocol/subscriptionId'], 'l1');
    let closed = false;
    stream.res.on('close', () => { closed = true; });
    await shim.notify('notifications/cancelled', { requestId: 'l1' });
    await until(() => closed, { what: 'the end of the stream' });
  });

  test('new rules: list_changed on the listen stream', async (t) => {
    const { backend, ask, shim, place, call } = await setUp(t);
    backend.onMethod['subscriptions/listen'] = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: { toolsListChanged: true }, _meta: { 'io.modelcontextprotocol/subscriptionId': x.message.id } } });
    };
    ask('subscriptions/listen', { notifications: { toolsListChanged: true } }, { id: 'l2' }).catch(() => {});
    await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    place.writeRules(simpleRules(backend.url, { grant: 'tool_denylist: [secret]' }));
    await call('echo');
    const note = await shim.message((m) => m.method === 'notifications/tools/list_changed');
    assert.equal(note.params._meta['io.modelcontextprotocol/subscriptionId'], 'l2');
  });
});
