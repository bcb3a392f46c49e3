// The stateless revision 2026-07-28 where it is hard: eras that do not fit, rules that change between a question and its answer, clients that cheat,
// processes that die, backends that ask what they may not.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { Person, rulesFor } from '../lib/approvals.mjs';
import { complete, REVISION, startModern } from '../lib/modern_backend.mjs';
import { discover, elicitation, modern, needsInput, retry } from '../lib/modern_client.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const KEY = 'io.modelcontextprotocol/';
const once = 'rate_limits: { echo: { window: 1h, max_count: 1 } }';

async function setUp(t, { rules = {}, tools = ['echo', 'other', 'secret'].map((name) => tool(name)), env } = {}) {
  const backend = await startModern(t, { tools });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = startShim(place, { env });
  return { backend, place, shim, ...modern(shim) };
}

const acknowledge = (x, notifications) => x.event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications, _meta: { [`${KEY}subscriptionId`]: x.message.id } } });

function listens(backend) {
  const streams = [];
  backend.onMethod['subscriptions/listen'] = (x) => {
    x.stream();
    streams.push(x);
    acknowledge(x, x.message.params.notifications);
  };
  return streams;
}

describe('eras that do not fit', suite, () => {
  test('a request with an envelope before an older backend is told which revisions there are, and does not reach it', async (t) => {
    const backend = await startBackend(t);
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    const { call, ask } = modern(shim);
    for (const answer of await Promise.all([call('echo', { message: 'x' }), ask('resources/list')])) {
      assert.equal(answer.error?.code, -32022, answer.line);
      assert.ok(answer.error.data.supported.includes('2025-11-25'));
      assert.equal(answer.error.data.requested, REVISION);
    }
    assert.equal(backend.arrivals.length, 0);
    assert.equal(backend.of('resources/list').length, 0);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'after all' }), 'after all');
  });

  test('a backend that does not answer server/discover is answered for in time; initialize goes on in the same process', async (t) => {
    const backend = await startBackend(t);
    backend.onMethod['server/discover'] = () => {};
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    const from = performance.now();
    const answer = await modern(shim).ask('server/discover', {}, { id: 'server-discover-probe-1' });
    assert.equal(answer.error.code, -32601);
    assert.ok(answer.error.data.supported.includes('2025-11-25'));
    assert.ok(performance.now() - from >= 400, 'it was given a chance');
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.of('initialize').length, 1);
  });

  test('a backend that is not there leaves the client its fallback', async (t) => {
    const backend = await startBackend(t);
    await backend.stop();
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    assert.equal((await modern(shim).ask('server/discover')).error.code, -32601);
    assert.equal((await shim.initialize()).error.code, CODE.unreachable);
  });

  test('a revision nobody speaks is refused with those spoken', async (t) => {
    const { ask, call, backend } = await setUp(t);
    await discover({ ask });
    for (const answer of [await call('echo', {}, { meta: { [`${KEY}protocolVersion`]: '2020-01-01' } }), await ask('server/discover', { _meta: { [`${KEY}protocolVersion`]: 7 } })]) {
      assert.equal(answer.error?.code, -32022, answer.line);
      assert.deepEqual(answer.error.data.supported, [REVISION]);
    }
    assert.equal(backend.arrivals.length, 0);
  });

  test('one process speaks one era: initialize after requests without it, and the other way round', async (t) => {
    const { call, shim } = await setUp(t);
    assertSaid(await call('echo', { message: 'x' }), 'x');
    const late = await shim.initialize();
    assert.equal(late.error.code, -32022);
    assert.deepEqual(late.error.data, { supported: [REVISION], requested: '2025-11-25' });

    const older = await startBackend(t);
    const second = startShim(makePlace(t, simpleRules(older.url)));
    assert.ok((await second.initialize()).result);
    const answer = await modern(second).call('echo');
    assert.deepEqual(answer.error.data, { supported: ['2025-11-25'], requested: REVISION });
    assert.equal(older.arrivals.length, 0);
  });

  for (const [what, begin] of [['the client asks', (c) => c.ask('server/discover')], ['we ask', (c) => c.call('echo')], ['both ask', (c) => Promise.race([c.ask('server/discover'), c.call('echo')])]]) {
    test(`the session ends at once while ${what} a backend that does not answer`, async (t) => {
      const backend = await startBackend(t);
      backend.onMethod['server/discover'] = () => {};
      const shim = startShim(makePlace(t, simpleRules(backend.url)));
      begin(modern(shim)).catch(() => {});
      await until(() => backend.requests.length > 0, { what: 'the question at the backend' });
      assert.equal((await shim.end()).code, 0);
    });
  }

  test('server/discover alone leaves no trace in the state folder', async (t) => {
    const { ask, shim, place } = await setUp(t);
    await discover({ ask });
    assert.equal((await shim.end()).code, 0);
    assert.equal(existsSync(place.db), false);
  });
});

describe('what passes', suite, () => {
  test('progress and log messages of a request come before its answer, as the envelope asked for them', async (t) => {
    const { backend, call, shim } = await setUp(t);
    backend.onCall.echo = (x, params) => {
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: params._meta.progressToken, progress: 1, message: 'half' } });
      x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: params._meta[`${KEY}logLevel`], data: 'said' } });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: complete({ content: [{ type: 'text', text: 'done' }] }) });
      x.end();
    };
    assertSaid(await call('echo', {}, { meta: { progressToken: 'p-1', [`${KEY}logLevel`]: 'debug' } }), 'done');
    assert.deepEqual(shim.messages.map((m) => m.params), [{ progressToken: 'p-1', progress: 1, message: 'half' }, { level: 'debug', data: 'said' }]);
  });

  test('a backend that is not there is said so; it is asked again when it is', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')] });
    const { port } = backend;
    await backend.stop();
    const { call } = modern(startShim(makePlace(t, simpleRules(backend.url))));
    assertRefused(await call('echo'), CODE.unreachable);
    await backend.start(port);
    await until(async () => (await call('echo', { message: 'x' })).result?.content[0].text === 'x', { what: 'an answer' });
  });

  test('a backend that has too many asking at first is asked again', async (t) => {
    const { backend, call } = await setUp(t);
    const before = { ...backend.onMethod };
    for (const method of ['server/discover', 'tools/list']) backend.onMethod[method] = (x) => x.send(429);
    assertRefused(await call('echo'), CODE.unreachable);
    Object.assign(backend.onMethod, before);
    await until(async () => (await call('echo', { message: 'x' })).result?.content[0].text === 'x', { what: 'an answer' });
  });

  test('a backend of this revision alone that is slow to say so is translated for a client that fell back', async (t) => {
    const { backend, ask, shim } = await setUp(t, { env: { AEGIS_PATIENCE: '1' } });
    const discover = backend.onMethod['server/discover'];
    let asked = 0;
    backend.onMethod['server/discover'] = (x) => { if (asked++ > 0) discover(x); };
    assert.equal((await ask('server/discover')).error.code, -32601);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
  });

  test('the session and each call are on record with the name the client gave', async (t) => {
    const { call, shim, place } = await setUp(t);
    await call('echo');
    await call('echo', {}, { meta: { [`${KEY}clientInfo`]: { name: 'renamed', version: '2' } } });
    assert.deepEqual(await place.query("SELECT client, client_version FROM session WHERE kind = 'shim'"), [{ client: 'modern-test', client_version: '1' }]);
    await shim.end();
    assert.deepEqual((await place.storedRows()).filter((row) => row.kind === 'intent').map((row) => row.body.client), ['modern-test', 'renamed']);
  });
});

describe('calls that stop for input', suite, () => {
  test('without a requestState the answers show that it goes on; once', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: once } });
    needsInput(backend, 'echo', { state: null });
    const { inputResponses } = retry;
    assert.equal((await call('echo', { a: 1 })).result.resultType, 'input_required');
    assertRefused(await call('echo', { a: 1 }), CODE.limited);
    assertSaid(await call('echo', { a: 1 }, { inputResponses }), 'for Ada-private');
    assertRefused(await call('echo', { a: 1 }, { inputResponses }), CODE.limited);
  });

  test('several rounds are one use; the audit names the first call in each', async (t) => {
    const { backend, call, place, shim } = await setUp(t, { rules: { grant: once } });
    backend.onCall.echo = (x, params) => {
      const n = Number(params.requestState ?? 0);
      return n < 3 ? x.result({ resultType: 'input_required', inputRequests: { who: elicitation }, requestState: String(n + 1) }) : x.result(complete({ content: [{ type: 'text', text: 'done' }] }));
    };
    for (let n = 0; n < 3; n++) await call('echo', {}, n ? { ...retry, requestState: String(n) } : {});
    assertSaid(await call('echo', {}, { ...retry, requestState: '3' }), 'done');
    assertRefused(await call('echo'), CODE.limited);
    await shim.end();
    const rows = await place.storedRows();
    const intents = rows.filter((row) => row.kind === 'intent');
    assert.deepEqual(intents.map((row) => row.body.continues), [undefined, ...Array(3).fill(intents[0].call)]);
    assert.deepEqual(rows.filter((row) => row.kind === 'outcome').map((row) => row.verdict), ['input_required', 'input_required', 'input_required', 'succeeded']);
    assert.equal(intents[0].body.client, 'modern-test');
    assert.equal((await place.query('SELECT count(*) AS n FROM limit_entry'))[0].n, 1);
  });

  test('two that go on from one answer: one of them is a call of its own', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: once } });
    needsInput(backend, 'echo');
    await call('echo');
    const both = await Promise.all([call('echo', {}, retry), call('echo', {}, retry)]);
    assert.deepEqual(both.map((answer) => answer.error?.code).sort(), [CODE.limited, undefined]);
    assert.equal(backend.callsOf('echo').length, 2);
  });

  test('rules that forbid the tool meanwhile stop the rest; lifted again it goes on under its use', async (t) => {
    const { backend, call, place } = await setUp(t, { rules: { grant: once } });
    needsInput(backend, 'echo');
    await call('echo');
    place.writeRules(simpleRules(backend.url, { grant: `${once}\ntool_denylist: [echo]` }));
    assertRefused(await call('echo', {}, retry), CODE.denied);
    place.writeRules(simpleRules(backend.url, { grant: once }));
    assertSaid(await call('echo', {}, retry), 'for Ada-private');
    assertRefused(await call('echo'), CODE.limited);
    assert.equal(backend.callsOf('echo').length, 2);
  });

  test('a rest that fails does not give the place back', async (t) => {
    const { backend, call } = await setUp(t, { rules: { grant: once } });
    backend.onCall.echo = (x, params) => (params.requestState ? x.error(-32000, 'no') : x.result({ resultType: 'input_required', inputRequests: { who: elicitation }, requestState: 'state-1' }));
    await call('echo');
    assert.equal((await call('echo', {}, retry)).error.code, -32000);
    assertRefused(await call('echo'), CODE.limited);
  });

  test('another process knows nothing of it, whether the first ended or was killed: a call of its own', async (t) => {
    const { backend, place, shim, call } = await setUp(t, { rules: { grant: once } });
    needsInput(backend, 'echo');
    await call('echo');
    shim.kill('SIGKILL');
    await shim.exited;
    const next = startShim(place);
    assertRefused(await modern(next).call('echo', {}, retry), CODE.limited);
    assert.equal(backend.callsOf('echo').length, 1);
  });

  test('a client that gave up while it was asked: the use stays, the state opens nothing', async (t) => {
    const { backend, call, shim } = await setUp(t, { rules: { grant: once } });
    let asked;
    backend.onCall.echo = (x) => { x.stream(); asked = x; };
    call('echo', {}, {}, { id: 'gone' }).catch(() => {});
    await until(() => asked, { what: 'the call at the backend' });
    await shim.notify('notifications/cancelled', { requestId: 'gone' });
    await until(() => asked.res.destroyed || asked.socket.destroyed, { what: 'the end of its stream' });
    assertRefused(await call('echo', {}, retry), CODE.limited);
  });

  test('blocked questions: not asked, not told, refused, recorded', async (t) => {
    const { backend, ask, call, place, shim } = await setUp(t, { rules: { agent: 'server_requests: { elicitation: block }', grant: once } });
    needsInput(backend, 'echo');
    backend.onMethod['prompts/get'] = (x) => x.result({ resultType: 'input_required', inputRequests: { roots: { method: 'roots/list' }, who: elicitation }, requestState: 'p' });
    const capabilities = { [`${KEY}clientCapabilities`]: { elicitation: { form: {} }, sampling: {} } };
    await ask('server/discover', { _meta: capabilities });
    const refused = assertRefused(await call('echo', {}, { meta: capabilities }), CODE.denied, { reason: 'policy', executed: 'unknown' });
    assert.match(refused.message, /elicitation\/create/);
    assertRefused(await ask('prompts/get', { name: 'p' }), CODE.denied, { reason: 'policy' });
    backend.onMethod['tools/list'] = backend.onMethod['prompts/get'];
    assertRefused(await ask('tools/list'), CODE.denied, { reason: 'policy' });
    for (const method of ['server/discover', 'tools/call']) assert.deepEqual(backend.of(method)[0].message.params._meta[`${KEY}clientCapabilities`], { sampling: {} });
    assertRefused(await call('echo', {}, { ...retry, meta: capabilities }), CODE.limited);
    await shim.end();
    const discovered = (await place.storedRows()).find((row) => row.body.method === 'server/discover');
    assert.deepEqual(discovered.body.withheld, ['elicitation']);
    const blocked = (await place.storedRows()).filter((row) => row.kind === 'blocked' || JSON.stringify(row.body).includes('elicitation/create'));
    assert.ok(blocked.length >= 2, JSON.stringify(blocked));
  });

  test('a refusal as a result is complete; so is what takes the place of an answer too long to read', async (t) => {
    const { backend, call } = await setUp(t, { rules: { agent: 'deny_as: result', grant: once } });
    backend.onCall.echo = (x) => x.result(complete({ content: [{ type: 'text', text: 'B'.repeat(11 << 20) }] }));
    for (const answer of [await call('echo'), await call('echo')]) {
      assert.equal(answer.result.isError, true);
      assert.equal(answer.result.resultType, 'complete');
    }
  });
});

describe('lists and listening', suite, () => {
  test('resources and prompts: cut lists are private and not kept for long; others only not for long', async (t) => {
    const { backend, ask } = await setUp(t, { rules: { grant: 'resource_denylist: ["secret://*"]' } });
    backend.onMethod['resources/list'] = (x) => x.result(complete({ resources: [{ uri: 'a://b', name: 'b' }, { uri: 'secret://c', name: 'c' }], ttlMs: 86_400_000, cacheScope: 'public' }));
    backend.onMethod['prompts/list'] = (x) => x.result(complete({ prompts: [{ name: 'p' }], ttlMs: 86_400_000, cacheScope: 'public' }));
    const { result } = await ask('resources/list');
    assert.deepEqual([result.resources.map((one) => one.uri), result.cacheScope, result.ttlMs], [['a://b'], 'private', 60_000]);
    const prompts = (await ask('prompts/list')).result;
    assert.deepEqual([prompts.cacheScope, prompts.ttlMs], ['public', 60_000]);
  });

  test('the next process has the list at once, private when annotated, by revision', async (t) => {
    const { backend, ask, shim, place } = await setUp(t, { rules: { grant: once } });
    assert.match((await ask('tools/list')).result.tools[0].description, /^\[Rate:1\/1h\] /);
    await shim.end();
    const lists = [];
    backend.onMethod['tools/list'] = (x) => { lists.push(x); };
    const next = startShim(place);
    const { result } = await modern(next).ask('tools/list');
    assert.deepEqual([result.tools.length, result.cacheScope, result.ttlMs], [3, 'private', 60_000]);
    await until(() => lists.length === 1, { what: 'the list behind' });
    assert.equal(lists[0].message.params._meta[`${KEY}clientInfo`].name, 'modern-test');
  });

  test('a URI that may not be read is not listened to', async (t) => {
    const { backend, ask } = await setUp(t, { rules: { grant: 'resource_denylist: ["secret://*"]' } });
    const streams = listens(backend);
    for (const resourceSubscriptions of [['a://b', 'secret://c'], ['a://b', 7], { 0: 'secret://c' }, 'secret://c']) {
      const answer = await ask('subscriptions/listen', { notifications: { resourceSubscriptions } });
      assert.ok([CODE.denied, CODE.invalid, CODE.params].includes(answer.error?.code), answer.line);
    }
    for (const params of [{ notifications: { ResourceSubscriptions: ['secret://c'] } }, { Notifications: { resourceSubscriptions: ['secret://c'] } }]) {
      assert.ok((await ask('subscriptions/listen', params)).error, JSON.stringify(params));
    }
    assert.equal(streams.length, 0);
  });

  test('news of a resource that is forbidden meanwhile is not shown; of others it is', async (t) => {
    const { backend, ask, call, place, shim } = await setUp(t);
    const streams = listens(backend);
    ask('subscriptions/listen', { notifications: { resourceSubscriptions: ['a://b', 'secret://c'] } }, { id: 'l' }).catch(() => {});
    await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    place.writeRules(simpleRules(backend.url, { grant: 'resource_denylist: ["secret://*"]' }));
    await call('echo');
    for (const uri of ['secret://c', 'a://b']) streams[0].event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, _meta: { [`${KEY}subscriptionId`]: 'l' } } });
    const seen = await shim.message((m) => m.method === 'notifications/resources/updated');
    assert.equal(seen.params.uri, 'a://b');
  });

  test('new rules are told to those who want to hear of tools, each under its id, and to nobody else', async (t) => {
    const { backend, ask, call, place, shim } = await setUp(t);
    listens(backend);
    for (const [id, notifications] of [['l1', { toolsListChanged: true }], [2, { toolsListChanged: true, promptsListChanged: true }], ['l3', { promptsListChanged: true }]]) {
      ask('subscriptions/listen', { notifications }, { id }).catch(() => {});
    }
    await until(() => shim.messages.length === 3, { what: 'three acknowledgements' });
    place.writeRules(simpleRules(backend.url, { grant: 'tool_denylist: [secret]' }));
    await call('echo');
    await until(() => shim.messages.length === 5, { what: 'two notifications' });
    await call('echo');
    assert.deepEqual(shim.messages.slice(3).map((m) => [m.method, m.params._meta[`${KEY}subscriptionId`]]).sort(), [['notifications/tools/list_changed', 'l1'], ['notifications/tools/list_changed', 2]].sort());
  });

  test('a stream that breaks ends the listening with an error; the client may listen again', async (t) => {
    const { backend, ask, shim } = await setUp(t);
    const streams = listens(backend);
    const going = ask('subscriptions/listen', { notifications: { toolsListChanged: true } });
    await until(() => streams.length === 1, { what: 'the stream' });
    streams[0].reset();
    const answer = await going;
    assert.equal(answer.error?.code, CODE.unreachable, answer.line);
    ask('subscriptions/listen', { notifications: { toolsListChanged: true } }).catch(() => {});
    await until(() => streams.length === 2 && shim.messages.length === 2, { what: 'the next stream' });
  });

  test('the session ends at once while somebody listens', async (t) => {
    const { backend, ask, shim } = await setUp(t);
    const streams = listens(backend);
    ask('subscriptions/listen', { notifications: { toolsListChanged: true } }).catch(() => {});
    await shim.message((m) => m.method === 'notifications/subscriptions/acknowledged');
    const end = await shim.end();
    assert.equal(end.code, 0);
    await until(() => streams[0].socket.destroyed, { what: 'the end of the stream' });
  });
});

describe('calls that stop for input and wait before', suite, () => {
  test('one approval is enough for all its parts', async (t) => {
    const backend = await startModern(t, { tools: ['publish', 'erase', 'echo'].map((name) => tool(name)) });
    needsInput(backend, 'publish');
    const place = makePlace(t, rulesFor(backend, { grant: 'rate_limits: { publish: { window: 1h, max_count: 1 } }' }));
    const person = new Person(place);
    const shim = startShim(place);
    const { call } = modern(shim);
    const first = call('publish', { a: 1 });
    await person.decide('approve', (await person.asked()).id);
    assert.equal((await first).result.resultType, 'input_required');
    assertSaid(await call('publish', { a: 1 }, retry), 'for Ada-private');
    assert.equal((await person.list('--all')).length, 1);
    assertRefused(await call('publish', { a: 1 }, retry), CODE.limited);
    assert.equal(backend.callsOf('publish').length, 2);
  });

  test('an approval given for other rules is none for the rest', async (t) => {
    const backend = await startModern(t, { tools: ['publish', 'erase', 'echo'].map((name) => tool(name)) });
    needsInput(backend, 'publish');
    const place = makePlace(t, rulesFor(backend));
    const person = new Person(place);
    const { call } = modern(startShim(place));
    const first = call('publish');
    await person.decide('approve', (await person.asked()).id);
    await first;
    place.writeRules(rulesFor(backend, { approval: 'quorum: 2' }));
    const rest = call('publish', {}, retry);
    const asked = await person.asked();
    await person.decide('reject', asked.id);
    assertRefused(await rest, CODE.approval);
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('in a queue the rest does not stand again, and both are one use', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')] });
    needsInput(backend, 'echo');
    const place = makePlace(t, simpleRules(backend.url, { grant: once, more: 'queue: { demo: { enabled: true, delay_min: 0s, delay_max: 0s } }\n' }));
    const { call } = modern(startShim(place));
    assert.equal((await call('echo')).result?.resultType, 'input_required');
    assertSaid(await call('echo', {}, retry), 'for Ada-private');
    assertRefused(await call('echo'), CODE.limited);
  });
});
