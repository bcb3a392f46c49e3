// What is not governed passes, both ways, as the bytes it came in: unknown methods, notifications, the backend's own requests, cancels, progress.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

async function setUp(t, options) {
  const backend = await startBackend(t, { tools: ['echo', 'slow'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url));
  const shim = await openShim(place, options);
  return { backend, place, shim };
}

describe('passing', suite, () => {
  test('requests nobody governs reach the backend and come back as bytes', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onMethod['x/unknown'] = (x) => x.result('{"z":1.0,"a":[1E+2,"\\u00e9\\/"],"_meta":{}}');
    backend.onMethod['resources/read'] = (x) => x.error(-32002, 'no such resource', { uri: 'a:b' });
    const params = '{"n":9007199254740993,"b":{},"a":[],"s":"\\ud83d\\u0000"}';
    const answer = shim.answerTo('odd id');
    await shim.sendLine(`{"params":${params},"method":"x/unknown","id":"odd id","jsonrpc":"2.0"}`);
    assert.equal((await answer).line, '{"jsonrpc":"2.0","id":"odd id","result":{"z":1.0,"a":[1E+2,"\\u00e9\\/"],"_meta":{}}}');
    assert.equal(backend.of('x/unknown')[0].text, `{"params":${params},"method":"x/unknown","id":"odd id","jsonrpc":"2.0"}`);
    const { error } = await shim.request('resources/read', { uri: 'a:b' });
    assert.deepEqual(error, { code: -32002, message: 'no such resource', data: { uri: 'a:b' } });
  });

  test('a governed call is forwarded as the bytes that were judged, and its result comes back as bytes', async (t) => {
    const { backend, shim } = await setUp(t);
    const line = '{"method":"tools/call","jsonrpc":"2.0","params":{"_meta":{"x":1e0,"progressToken":7},"arguments":{"message":"\\u0065","n":1.10},"name":"echo","task":{"ttl":1}},"id":-5}';
    const result = '{"content":[{"type":"text","text":"\\u00fc"}],"structuredContent":{"n":1.50,"big":123456789012345678901234567890},"_meta":{"k":[]},"isError":false,"later":null}';
    backend.onCall.echo = (x) => x.json(`{"result":${result},"id":-5,"jsonrpc":"2.0","extra":0}`);
    const answer = shim.answerTo(-5);
    await shim.sendLine(line);
    assert.equal((await answer).line, `{"result":${result},"id":-5,"jsonrpc":"2.0","extra":0}`);
    assert.equal(backend.arrivals[0].exchange.text, line);
  });

  test('notifications pass to the backend', async (t) => {
    const { backend, shim } = await setUp(t);
    await shim.notify('notifications/roots/list_changed', { x: 1 });
    await shim.notify('x/whatever');
    await until(() => backend.of('x/whatever').length === 1, { what: 'the notification' });
    assert.deepEqual(backend.of('notifications/roots/list_changed')[0].message.params, { x: 1 });
  });

  test('initialized comes to the backend before any call', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url));
    const shim = startShim(place);
    const answer = shim.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } });
    shim.notify('notifications/initialized');
    const call = shim.call('echo', { message: 'early' });       // before initialize was answered
    assert.ok((await answer).result);
    assertSaid(await call, 'early');
    const order = backend.requests.map((r) => r.message?.method).filter(Boolean);
    assert.deepEqual(order.filter((m) => ['initialize', 'notifications/initialized', 'tools/call'].includes(m)), ['initialize', 'notifications/initialized', 'tools/call']);
  });

  test('a request of the backend inside a call is answered while the call waits', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: { elicitation: {} } });
    backend.onCall.slow = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'name?' } });
      until(() => backend.requests.find((r) => r.message?.id === 1 && r.message.result), { what: 'the answer' }).then((reply) => {
        x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text: reply.message.result.content.name }] } });
        x.end();
      }, () => x.reset());
    };
    const call = shim.request('tools/call', { name: 'slow' }, { id: 1 });     // the same id, in the other direction
    const ask = await shim.message((m) => m.method === 'elicitation/create');
    await shim.send({ id: ask.id, result: { action: 'accept', content: { name: 'Ada' } } });
    assertSaid(await call, 'Ada');
  });

  test('progress comes in order, at once, and before the result', async (t) => {
    const { backend, shim } = await setUp(t);
    let finish;
    backend.onCall.slow = (x, { _meta }) => {
      x.stream();
      for (let n = 1; n <= 5; n++) x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress: n, total: 5, message: `${n}` } });
      finish = () => {
        x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [] } });
        x.end();
      };
    };
    const call = shim.call('slow', {}, { params: { _meta: { progressToken: 'tok-é' } } });
    const seen = () => shim.messages.filter((m) => m.method === 'notifications/progress');
    await until(() => seen().length === 5, { what: 'five notifications while the call is open' });
    assert.deepEqual(seen().map((m) => [m.params.progressToken, m.params.progress]), [1, 2, 3, 4, 5].map((n) => ['tok-é', n]));
    finish();
    assert.ok((await call).result);
  });

  test('a cancel reaches the backend, the call\'s end is recorded, and the session goes on', async (t) => {
    const { backend, place, shim } = await setUp(t);
    let open;
    backend.onCall.slow = (x) => { open = x; };
    shim.call('slow', {}, { id: 'to-cancel' }).catch(() => {});
    await until(() => open, { what: 'the call at the backend' });
    await shim.notify('notifications/cancelled', { requestId: 'to-cancel', reason: 'changed my mind' });
    const cancel = await until(() => backend.of('notifications/cancelled')[0], { what: 'the cancel at the backend' });
    assert.deepEqual(cancel.message.params, { requestId: 'to-cancel', reason: 'changed my mind' });
    assertSaid(await shim.call('echo', { message: 'on' }), 'on');
    await until(() => { open.say('late'); return true; });
    await shim.end();
    const outcomes = (await place.storedRows()).filter((r) => r.kind === 'outcome' && r.tool === 'slow');
    assert.equal(outcomes.length, 1);
  });

  test('a cancel of what is not there is no error', async (t) => {
    const { shim } = await setUp(t);
    await shim.notify('notifications/cancelled', { requestId: 'nothing' });
    await shim.notify('notifications/cancelled', {});
    assertSaid(await shim.call('echo', { message: 'on' }), 'on');
    assert.deepEqual(shim.messages, []);
  });

  test('ping is answered while calls are open', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.slow = () => {};
    for (let n = 0; n < 20; n++) shim.call('slow', { n }).catch(() => {});
    await until(() => backend.callsOf('slow').length === 20, { what: '20 open calls' });
    assert.deepEqual((await shim.request('ping')).result, {});
  });

  test('a request before initialize is no crash: an error or the backend\'s own answer', async (t) => {
    const backend = await startBackend(t);
    const shim = startShim(makePlace(t, simpleRules(backend.url)));
    const answer = await shim.request('ping');
    assert.ok(answer.result || answer.error.code === CODE.invalid || answer.error.code <= -32000, answer.line);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'on' }), 'on');
  });

  test('configured headers go along, and nothing of the environment does', async (t) => {
    const backend = await startBackend(t);
    const trap = await startBackend(t);
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", headers: { Authorization: { env: DEMO_TOKEN }, X-Plain: "y" } } }
agents: { one: { display_name: One, backends: { demo: { allowed: true } } } }
`);
    const proxy = `http://127.0.0.1:${trap.port}`;
    const shim = await openShim(place, { env: { DEMO_TOKEN: 'Bearer abc123', http_proxy: proxy, HTTP_PROXY: proxy, all_proxy: proxy, ALL_PROXY: proxy } });
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    for (const r of backend.requests) {
      assert.equal(r.req.headers.authorization, 'Bearer abc123');
      assert.equal(r.req.headers['x-plain'], 'y');
    }
    assert.equal(trap.requests.length, 0);
  });
});
