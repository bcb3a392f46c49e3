// A client of the older revisions before a backend that knows only the stateless one (2026-07-28): the shim translates.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, envelope, REVISION, startModern } from '../lib/modern_backend.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { declared, KEY, setUp } from '../lib/translation.mjs';
import { until } from '../lib/until.mjs';

describe('the handshake', suite, () => {
  test('initialize, initialized and ping are answered from server/discover; requests get an envelope and headers', async (t) => {
    const { backend, shim } = await setUp(t);
    assert.deepEqual((await shim.request('ping')).result, {});
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    const [{ req: { headers }, message }] = backend.of('tools/call');
    assert.deepEqual([headers['mcp-protocol-version'], headers['mcp-method'], headers['mcp-name'], headers['mcp-session-id']], [REVISION, 'tools/call', 'echo', undefined]);
    assert.deepEqual(message.params._meta, { [`${KEY}protocolVersion`]: REVISION, [`${KEY}clientInfo`]: { name: 'test', version: '1' }, [`${KEY}clientCapabilities`]: declared });
    assert.equal(backend.of('ping').length + backend.of('notifications/initialized').length, 0);
    assert.equal(backend.of('server/discover').length, 1);
    await shim.end();
    assert.equal(backend.of('GET').length + backend.of('DELETE').length, 0);
  });

  for (const [wanted, got] of [['2025-06-18', '2025-06-18'], ['2024-11-05', '2024-11-05'], ['2031-01-01', '2025-11-25']]) {
    test(`who asks for ${wanted} gets ${got}`, async (t) => {
      const backend = await startModern(t);
      const shim = startShim(makePlace(t, simpleRules(backend.url)));
      const { result } = await shim.initialize({ version: wanted });
      assert.equal(result.protocolVersion, got);
      assert.deepEqual(result.serverInfo, { name: 'scripted-modern', version: '1' });
      assert.equal(result.instructions, 'modern');
      assert.deepEqual(result.capabilities, backend.capabilities);
      assert.deepEqual(Object.keys(result).sort(), ['capabilities', 'instructions', 'protocolVersion', 'serverInfo']);
    });
  }

  const refusals = {
    'a header is missing': (x) => x.send(400, JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32020, message: 'Mcp-Method is missing' } }), { 'content-type': 'application/json' }),
    'the method is not found': (x) => x.send(404, JSON.stringify({ jsonrpc: '2.0', id: x.message.id, error: { code: -32601, message: 'no initialize' } }), { 'content-type': 'application/json' }),
    'the envelope is missing': (x) => x.error(-32602, 'no envelope'),
    'HTTP 400 without a word': (x) => x.send(400),
  };
  for (const [name, refuses] of Object.entries(refusals)) {
    test(`a server that refuses initialize is asked what it speaks: ${name}`, async (t) => {
      const backend = await startModern(t);
      backend.onMethod.initialize = refuses;
      const shim = await openShim(makePlace(t, simpleRules(backend.url)));
      assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    });
  }

  test('a server that is no modern one either: its own refusal of initialize stands', async (t) => {
    const backend = await startModern(t);
    backend.onMethod.initialize = (x) => x.error(-32602, 'not you');
    backend.onMethod['server/discover'] = (x) => x.error(-32601, 'what?');
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    assert.deepEqual((await shim.initialize()).error, { code: -32602, message: 'not you' });
    assert.deepEqual((await shim.initialize()).error, { code: -32602, message: 'not you' });
    assert.equal(backend.of('server/discover').length, 1);
  });

  test('other refusals of initialize are passed on without a question', async (t) => {
    const backend = await startModern(t);
    backend.onMethod.initialize = (x) => x.error(-32000, 'closed on Sundays');
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    assert.deepEqual((await shim.initialize()).error, { code: -32000, message: 'closed on Sundays' });
    assert.equal(backend.of('server/discover').length, 0);
  });

  test('one of two backends knows only the new revision', async (t) => {
    const [one, two] = [await startModern(t, { tools: [tool('new')] }), await startModern(t, { tools: [tool('old')], only: false })];
    two.onCall['*'] = (x) => x.say('said as ever');
    two.onMethod['tools/list'] = undefined;
    const place = makePlace(t, `backends: { a: { url: "${one.url}" }, b: { url: "${two.url}" } }\nagents: { one: { backends: { a: { allowed: true }, b: { allowed: true } } } }\n`);
    const shim = await openShim(place);
    assert.deepEqual((await shim.request('tools/list')).result.tools.map((x) => x.name), ['a__new', 'b__old']);
    assertSaid(await shim.call('a__new', { message: 'x' }), 'x');
    assertSaid(await shim.call('b__old'), 'said as ever');
    assert.equal(two.of('server/discover').length, 0);
  });
});

describe('requests and results', suite, () => {
  test('what was judged is what goes out: but for the envelope, not a byte is another', async (t) => {
    const { backend, shim } = await setUp(t);
    const args = '{ "b":1e21,"a" : "\\ud83d \\u0061" ,"__proto__":{"x":[ ]}}';
    await Promise.all([shim.answerTo('i'), shim.sendLine(`{"jsonrpc":"2.0" , "id":"i","method":"tools/call","params": {"name":"echo", "arguments":${args},"more":[1, 2]},"extra":null}`)]);
    const [{ text }] = backend.of('tools/call');
    const [before, after] = text.split(/"_meta":\{"io.modelcontextprotocol\/protocolVersion".*?\}\}\},/);
    assert.equal(before, '{"jsonrpc":"2.0" , "id":"i","method":"tools/call","params": {');
    assert.equal(after, `"name":"echo", "arguments":${args},"more":[1, 2]},"extra":null}`);
  });

  test('the client\'s own _meta stays; what it claims under names of the envelope does not', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: {} });
    await shim.call('echo', {}, { params: { _meta: { progressToken: 'p', [`${KEY}clientCapabilities`]: { sampling: {} }, [`${KEY}logLevel`]: 'debug', 'x/y': [1] } } });
    const { _meta } = backend.of('tools/call')[0].message.params;
    assert.deepEqual(_meta, { [`${KEY}protocolVersion`]: REVISION, [`${KEY}clientInfo`]: { name: 'test', version: '1' }, [`${KEY}clientCapabilities`]: {}, progressToken: 'p', 'x/y': [1] });
  });

  test('a request without params gets them; params that are no object are refused', async (t) => {
    const { backend, shim } = await setUp(t);
    await shim.request('resources/list');
    assert.equal(backend.of('resources/list')[0].message.params._meta[`${KEY}protocolVersion`], REVISION);
    assert.equal((await shim.request('x/odd', [1])).error.code, CODE.params);
    assert.equal((await shim.request('x/odd', { _meta: 7 })).error.code, CODE.params);
    assert.equal(backend.of('x/odd').length, 0);
  });

  test('results carry nothing the older revisions do not know as their own', async (t) => {
    const { backend, shim } = await setUp(t);
    const { result } = await shim.request('tools/list', {});
    assert.deepEqual(result, { tools: backend.tools });
    backend.onCall.echo = (x) => x.result(complete({ content: [], ttlMs: 7, _meta: { [`${KEY}serverInfo`]: { name: 's', version: '1' }, 'x/y': 1 } }));
    assert.deepEqual((await shim.call('echo')).result, { content: [], ttlMs: 7, _meta: { 'x/y': 1 } });
    backend.onMethod['resources/read'] = (x) => x.result(complete({ contents: [], ttlMs: 1, cacheScope: 'private', _meta: { [`${KEY}serverInfo`]: {} } }));
    assert.deepEqual((await shim.request('resources/read', { uri: 'a:b' })).result, { contents: [] });
  });

  test('values that are no objects stand in a member "result", and the schema says so', async (t) => {
    const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'number', default: { $ref: '#' } } } };
    const { backend, shim } = await setUp(t, { tools: [tool('echo', { outputSchema: schema }), tool('any', { outputSchema: { anyOf: [{ type: 'object' }, { type: 'null' }] } })] });
    const { tools } = (await shim.request('tools/list')).result;
    assert.deepEqual(tools[0].outputSchema, {
      $schema: schema.$schema, type: 'object', required: ['result'],
      properties: { result: { ...schema, items: { $ref: '#/properties/result/$defs/n' }, $defs: { n: { type: 'number', default: { $ref: '#' } } } } },
    });
    backend.onCall.echo = (x) => x.result(complete({ content: [], structuredContent: [1, 2] }));
    assert.deepEqual((await shim.call('echo')).result, { content: [{ type: 'text', text: '[1,2]' }], structuredContent: { result: [1, 2] } });
    backend.onCall.any = (x) => x.result(complete({ content: [], structuredContent: { a: 1 } }));
    assert.deepEqual((await shim.call('any')).result, { content: [], structuredContent: { result: { a: 1 } } });
  });

  test('an error is passed as it is; a stream that breaks is unknown and not taken up again', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.echo = (x) => x.error(-32602, 'no', { a: 1 });
    assert.deepEqual((await shim.call('echo')).error, { code: -32602, message: 'no', data: { a: 1 } });
    backend.onCall.asks = (x) => { x.stream(); x.res.write('id: 7\nretry: 10\ndata:\n\n', () => x.end()); };
    assertRefused(await shim.call('asks'), CODE.unknown, { executed: 'unknown' });
    assert.equal(backend.of('GET').length, 0);
    assert.equal(backend.callsOf('asks').length, 1);
  });

  test('a kind of result that the older revisions do not have is no answer: what it did is unknown', async (t) => {
    const { backend, shim } = await setUp(t, { rules: { grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' } });
    backend.onCall.echo = (x) => x.result({ resultType: 'task', taskId: 't', status: 'working' });
    assertRefused(await shim.call('echo'), CODE.unknown, { executed: 'unknown' });
    assertRefused(await shim.call('echo'), CODE.limited);
  });

  test('progress and log messages come through, the level in every request', async (t) => {
    const { backend, shim } = await setUp(t, { backend: { capabilities: { tools: {}, logging: {} } } });
    assert.deepEqual((await shim.request('logging/setLevel', { level: 'warning' })).result, {});
    assert.equal((await shim.request('logging/setLevel', { level: 'loud' })).error.code, CODE.params);
    backend.onCall.echo = (x, params) => {
      x.stream();
      x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: params._meta.progressToken, progress: 1 } });
      x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: params._meta[`${KEY}logLevel`], data: 'd' } });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: complete({ content: [{ type: 'text', text: 'done' }] }) });
      x.end();
    };
    assertSaid(await shim.call('echo', {}, { params: { _meta: { progressToken: 5 } } }), 'done');
    assert.deepEqual(shim.messages.map((m) => m.params), [{ progressToken: 5, progress: 1 }, { level: 'warning', data: 'd' }]);
  });

  test('a backend that does not log has no level to set', async (t) => {
    const { shim } = await setUp(t);
    assert.equal((await shim.request('logging/setLevel', { level: 'info' })).error.code, -32601);
  });

  test('cancel closes the stream of that call; nothing is posted, others go on', async (t) => {
    const { backend, shim } = await setUp(t);
    let closed = false;
    backend.onCall.asks = (x) => { x.stream(); x.res.on('close', () => { closed = true; }); };
    shim.call('asks', {}, { id: 'long' }).catch(() => {});
    await until(() => backend.callsOf('asks').length === 1, { what: 'the call at the backend' });
    await shim.notify('notifications/cancelled', { requestId: 'long' });
    await until(() => closed, { what: 'the end of its stream' });
    assertSaid(await shim.call('echo', { message: 'next' }), 'next');
    assert.equal(backend.of('notifications/cancelled').length, 0);
  });

  test('requests of such a backend, which its revision does not have, reach nobody', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.echo = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', id: 1, method: 'roots/list' });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: complete({ content: [{ type: 'text', text: 'done' }] }) });
      x.end();
    };
    assertSaid(await shim.call('echo'), 'done');
    assert.deepEqual(shim.messages, []);
  });
});

describe('what changes', suite, () => {
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } };

  /** Streams as they are opened; each grants what it is asked for, but for what `refuses` names. */
  function listening(backend, { refuses = [] } = {}) {
    const streams = [];
    backend.onMethod['subscriptions/listen'] = (x) => {
      const wanted = x.message.params.notifications;
      const notifications = { ...wanted, ...(wanted.resourceSubscriptions && { resourceSubscriptions: wanted.resourceSubscriptions.filter((uri) => !refuses.includes(uri)) }) };
      const say = (method, params) => x.event({ jsonrpc: '2.0', method, params: { ...params, _meta: { [`${KEY}subscriptionId`]: x.message.id } } });
      const stream = { wanted, say, isOpen: true, end: () => x.end(), headers: x.req.headers };
      x.res.on('close', () => { stream.isOpen = false; });
      x.stream();
      say('notifications/subscriptions/acknowledged', { notifications });
      streams.push(stream);
    };
    return streams;
  }
  const nth = (streams, n) => until(() => streams[n - 1], { what: `listen stream ${n}` });

  async function setUpListening(t, options) {
    const backend = await startModern(t, { tools: [tool('echo')], capabilities });
    const streams = listening(backend, options);
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", timeout: 4s } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`);
    const shim = await openShim(place);
    return { backend, streams, shim };
  }

  test('a list that changes is told, without the stream\'s number, however long nothing came', async (t) => {
    const { backend, streams, shim } = await setUpListening(t);
    const stream = await nth(streams, 1);
    assert.deepEqual(stream.wanted, { toolsListChanged: true });
    assert.equal(stream.headers['mcp-method'], 'subscriptions/listen');
    backend.onCall.echo = (x) => setTimeout(() => x.say('at last'), 800);
    for (let n = 0; n < 6; n++) assertSaid(await shim.call('echo'), 'at last');
    assert.ok(stream.isOpen, 'it outlives the timeout of a request');
    stream.say('notifications/tools/list_changed');
    const note = await shim.message((m) => m.method === 'notifications/tools/list_changed');
    assert.deepEqual(note, { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} });
    assert.deepEqual(shim.messages, [note]);
  });

  test('resources/subscribe and unsubscribe: a stream with what is wanted takes the place of the one before', async (t) => {
    const { streams, shim, backend } = await setUpListening(t);
    await nth(streams, 1);
    assert.deepEqual((await shim.request('resources/subscribe', { uri: 'a:1' })).result, {});
    assert.deepEqual((await shim.request('resources/subscribe', { uri: 'a:"2"' })).result, {});
    assert.deepEqual((await shim.request('resources/subscribe', { uri: 'a:1' })).result, {});
    assert.deepEqual(streams.map((s) => s.wanted.resourceSubscriptions), [undefined, ['a:1'], ['a:1', 'a:"2"']]);
    await until(() => !streams[0].isOpen && !streams[1].isOpen, { what: 'the end of those before' });
    streams[2].say('notifications/resources/updated', { uri: 'a:1' });
    assert.deepEqual((await shim.message((m) => m.method === 'notifications/resources/updated')).params, { uri: 'a:1' });
    assert.deepEqual((await shim.request('resources/unsubscribe', { uri: 'a:1' })).result, {});
    assert.deepEqual((await nth(streams, 4)).wanted, { toolsListChanged: true, resourceSubscriptions: ['a:"2"'] });
    assert.equal(backend.of('resources/subscribe').length + backend.of('resources/unsubscribe').length, 0);
  });

  test('a resource the backend does not tell of: the subscription is refused', async (t) => {
    const { shim } = await setUpListening(t, { refuses: ['a:1'] });
    assert.equal((await shim.request('resources/subscribe', { uri: 'a:1' })).error.code, CODE.internal);
    assert.deepEqual((await shim.request('resources/subscribe', { uri: 'a:2' })).result, {});
    assert.equal((await shim.request('resources/subscribe', { uri: '' })).error.code, CODE.params);
  });

  test('a backend without subscriptions says so', async (t) => {
    const { shim } = await setUp(t);
    assert.equal((await shim.request('resources/subscribe', { uri: 'a:1' })).error.code, -32601);
  });

  test('a stream that is lost is opened again, with what is subscribed to', async (t) => {
    const { streams, shim } = await setUpListening(t);
    await shim.request('resources/subscribe', { uri: 'a:1' });
    const n = streams.length;
    streams[n - 1].end();
    const next = await nth(streams, n + 1);
    assert.deepEqual(next.wanted, streams[n - 1].wanted);
    next.say('notifications/resources/updated', { uri: 'a:1' });
    await shim.message((m) => m.method === 'notifications/resources/updated');
  });

  test('a stream the backend cancels is opened again; the client hears nothing of it', async (t) => {
    const { streams, shim, backend } = await setUpListening(t);
    const first = await nth(streams, 1);
    first.say('notifications/cancelled', { requestId: backend.of('subscriptions/listen')[0].message.id });
    (await nth(streams, 2)).say('notifications/tools/list_changed');
    await shim.message((m) => m.method === 'notifications/tools/list_changed');
    assert.equal(shim.messages.length, 1);
  });

  test('a subscription that is not granted in time, or cancelled meanwhile, is not kept', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')], capabilities });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", timeout: 3s } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`);
    backend.onMethod['subscriptions/listen'] = (x) => x.stream();
    const shim = await openShim(place);
    assert.match((await shim.request('resources/subscribe', { uri: 'a:1' })).error.message, /in time/);
    shim.request('resources/subscribe', { uri: 'a:2' }, { id: 'c' }).catch(() => {});
    await until(() => backend.of('subscriptions/listen').some((x) => x.message.params.notifications.resourceSubscriptions?.includes('a:2')), { what: 'the wish' });
    await shim.notify('notifications/cancelled', { requestId: 'c' });
    const streams = listening(backend);
    assert.deepEqual((await shim.request('resources/subscribe', { uri: 'a:3' })).result, {});
    assert.deepEqual(streams.at(-1).wanted.resourceSubscriptions, ['a:3']);
  });

  test('a backend that refuses to be listened to is not asked again and again', async (t) => {
    const backend = await startModern(t, { tools: [tool('echo')], capabilities });
    backend.onMethod['subscriptions/listen'] = (x) => x.error(-32603, 'Subscription limit reached');
    const shim = await openShim(makePlace(t, simpleRules(backend.url)));
    assert.match((await shim.request('resources/subscribe', { uri: 'a:1' })).error.message, /Subscription limit reached/);
    const n = backend.of('subscriptions/listen').length;
    for (let i = 0; i < 20; i++) assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.of('subscriptions/listen').length, n);
    assert.ok(n <= 2, `${n} tries`);
  });
});

describe('two eras in one session', suite, () => {
  test('a request with an envelope of its own is refused: what the rules keep back cannot be claimed that way', async (t) => {
    const { backend, shim } = await setUp(t, { rules: { agent: 'server_requests: { elicitation: block }' } });
    const n = backend.requests.length;
    const answer = await shim.call('asks', {}, { params: { _meta: { ...envelope(), [`${KEY}clientCapabilities`]: declared } } });
    assert.ok(answer.error, answer.line);
    assert.equal(backend.requests.slice(n).filter((x) => x.message.method === 'tools/call').length, 0);
  });
});
