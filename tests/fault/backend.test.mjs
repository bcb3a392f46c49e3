// Backends that misbehave: a clear error with the right code and `executed`, never two arrivals for one call, the session lives.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertNoLeak, assertSaid, CODE } from '../lib/check.mjs';
import { freePort } from '../lib/everything.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { noPlainBin, patience, plainBin, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const tools = ['echo', 'bad'].map((name) => tool(name));

async function setUp(t, { rules, ...options } = {}) {
  const backend = await startBackend(t, { tools });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = await openShim(place, options);
  assertSaid(await shim.call('echo', { message: 'warm' }), 'warm');
  return { backend, place, shim };
}

const respond = (x, result, id = x.message.id) => JSON.stringify({ jsonrpc: '2.0', id, result });
const good = { content: [{ type: 'text', text: 'good' }] };
const json = { 'content-type': 'application/json' };
const rpcError = (x, code) => JSON.stringify({ jsonrpc: '2.0', id: x.message.id, error: { code, message: 'the backend says no' } });

/** Sends the same bytes for ever; 'cut' when the other end has cut it, 'gave up' after half a GiB. */
async function pour(socket, bytes) {
  for (let sent = 0; sent < 2 ** 29; sent += bytes.length) {
    if (socket.destroyed) return 'cut';
    await new Promise((resolve) => socket.write(bytes, resolve));
    await new Promise(setImmediate);
  }
  return 'gave up';
}

const { unknown } = CODE;
/** what -> [handler, code, executed, cools]; code null: any error code that is not a refusal of ours; cools: for a second nobody may call. */
const faults = {
  'HTTP 500 and HTML': [(x) => x.send(500, '<html><h1>Oops</h1></html>', { 'content-type': 'text/html' }), unknown, 'unknown'],
  'HTTP 500 without a body': [(x) => x.send(500), unknown, 'unknown'],
  'HTTP 502': [(x) => x.send(502, 'bad gateway'), unknown, 'unknown'],
  'HTTP 503 with Retry-After': [(x) => x.send(503, '', { 'retry-after': '1' }), unknown, 'unknown', 'cools'],
  'HTTP 408': [(x) => x.send(408), unknown, 'unknown'],
  'HTTP 400': [(x) => x.send(400, 'bad'), null, 'no'],
  'HTTP 401': [(x) => x.send(401, '', { 'www-authenticate': 'Bearer' }), null, 'no'],
  'HTTP 403': [(x) => x.send(403), null, 'no'],
  'HTTP 405': [(x) => x.send(405), null, 'no'],
  'HTTP 413': [(x) => x.send(413, 'too large'), null, 'no'],
  'HTTP 429': [(x) => x.send(429, '', { 'retry-after': '1' }), null, 'no', 'cools'],
  'a redirect to another host': [(x) => x.send(307, '', { location: 'http://127.0.0.2:1/mcp' }), null, 'no'],
  'a redirect that makes it a GET': [(x) => x.send(302, '', { location: '/elsewhere' }), null, undefined],
  'a redirect without a place': [(x) => x.send(308), null, undefined],
  'HTML with status 200': [(x) => x.send(200, '<html>login</html>', { 'content-type': 'text/html' }), unknown, 'unknown'],
  'no body with status 200': [(x) => x.send(200), unknown, 'unknown'],
  'status 202 instead of an answer': [(x) => x.send(202), unknown, 'unknown'],
  'status 204 instead of an answer': [(x) => x.send(204), unknown, 'unknown'],
  'half a JSON': [(x) => x.json('{"jsonrpc":"2.0","id":'), unknown, 'unknown'],
  'not JSON': [(x) => x.json('hello'), unknown, 'unknown'],
  'JSON with a duplicate key': [(x) => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":{"a":1,"a":2}}`), unknown, 'unknown'],
  'invalid UTF-8': [(x) => x.json(Buffer.concat([Buffer.from(`{"jsonrpc":"2.0","id":${x.id},"result":{"a":"`), Buffer.from([0xff, 0xfe]), Buffer.from('"}}')])), unknown, 'unknown'],
  'JSON that is no answer': [(x) => x.json('{"hello":1}'), unknown, 'unknown'],
  'null': [(x) => x.json('null'), unknown, 'unknown'],
  'neither result nor error': [(x) => x.json(`{"jsonrpc":"2.0","id":${x.id}}`), unknown, 'unknown'],
  'result and error': [(x) => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":{},"error":{"code":1,"message":"m"}}`), unknown, 'unknown'],
  'nesting that is too deep': [(x) => x.json(`{"jsonrpc":"2.0","id":${x.id},"result":${'['.repeat(5000)}${']'.repeat(5000)}}`), unknown, 'unknown'],
  'a wrong id': [(x) => x.json(respond(x, good, 'other')), unknown, 'unknown'],
  'its id as text': [(x) => x.json(respond(x, good, String(x.message.id))), unknown, 'unknown'],
  'a wrong id on a stream': [(x) => { x.stream(); x.event(JSON.parse(respond(x, good, 'other'))); x.end(); }, unknown, 'unknown'],
  'a stream that ends without an answer': [(x) => { x.stream(); x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 1 } }); x.end(); }, unknown, 'unknown'],
  'a stream of nonsense': [(x) => { x.stream(); x.event('}{'); x.event('42'); x.end(); }, unknown, 'unknown'],
  'a stream that is cut in its answer': [(x) => { x.stream(); x.res.write(`data: {"jsonrpc":"2.0","id":${x.id},"resu`, () => x.reset()); }, unknown, 'unknown'],
  'a body that is cut': [(x) => { x.res.writeHead(200, { ...json, 'content-length': '1000' }); x.res.write('{"jsonrpc":"2.0",', () => x.reset()); }, unknown, 'unknown'],
  'a body that ends early': [(x) => { x.res.writeHead(200, { ...json, 'content-length': '1000' }); x.res.write('{"jsonrpc":"2.0",', () => x.socket.end()); }, unknown, 'unknown'],
  'half the head': [(x) => x.socket.write('HTTP/1.1 200 OK\r\nContent-Ty', () => x.socket.end()), unknown, 'unknown'],
  'a head that is nonsense': [(x) => x.socket.end('\u0000\u0001 GARBAGE\r\n\r\n'), unknown, 'unknown'],
  'a head without end': [(x) => {
    x.socket.write('HTTP/1.1 200 OK\r\n');
    pour(x.socket, Buffer.from(`X-More: ${'y'.repeat(60_000)}\r\n`));
  }, unknown, 'unknown'],
  'a reset instead of an answer': [(x) => x.reset(), unknown, 'unknown'],
  'an end instead of an answer': [(x) => x.socket.end(), unknown, 'unknown'],
  'a JSON-RPC error': [(x) => x.error(-32099, 'the backend says no', { why: 1 }), -32099],
  'a JSON-RPC error with status 400': [(x) => x.send(400, rpcError(x, -32098), json), -32098],
  'a JSON-RPC error with status 500': [(x) => x.send(500, rpcError(x, -32097), json), -32097],
  'a JSON-RPC error without id': [(x) => x.send(400, '{"jsonrpc":"2.0","error":{"code":-32096,"message":"the backend says no"},"id":null}', json), -32096],
};

describe('backends that misbehave', suite, () => {
  for (const [what, [handler, code, executed, cools]] of Object.entries(faults)) {
    test(what, async (t) => {
      const { backend, shim } = await setUp(t);
      backend.onCall.bad = handler;
      const answer = await shim.call('bad', { what });
      assert.ok(answer.error, answer.line.slice(0, 300));
      if (code === null) assert.ok(answer.error.code < -32000, answer.line);
      else assert.equal(answer.error.code, code, answer.line);
      if (executed) assert.equal(answer.error.data?.executed, executed, answer.line);
      assert.ok(answer.error.message.length > 10);
      assertNoLeak(backend, answer.line, shim.stderr);
      assert.equal(backend.callsOf('bad').length, 1);
      if (cools) await until(async () => (await shim.call('echo', { message: 'cooler' })).result, { what: 'the end of the cool-down', every: 100 });
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
      assert.equal(backend.callsOf('bad').length, 1, 'and never again');
    });
  }

  test('an answer behind other messages of its stream is found', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => {
      x.stream();
      x.res.write(': a comment\n\nid: 1\ndata:\n\nevent: other\ndata: {"x":1}\n\n');
      x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'on the way' } }, 'event: message\n');
      x.res.write(`data: {"jsonrpc":"2.0",\ndata: "id":${x.id},\r\ndata: "result":${JSON.stringify(good)}}\r\n\r\n`);
      x.end();
    };
    assertSaid(await shim.call('bad'), 'good');
    assert.equal(shim.messages.filter((m) => m.method === 'notifications/message').length, 1);
  });

  test('an answer does not wait for the end of its stream', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => {
      x.stream();
      x.event(JSON.parse(respond(x, good)));
    };
    assertSaid(await shim.call('bad'), 'good');
    assertSaid(await shim.call('echo', { message: 'next' }), 'next');
  });

  test('a second answer to a call is dropped', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => {
      x.stream();
      x.event(JSON.parse(respond(x, good)));
      x.event(JSON.parse(respond(x, { content: [] })));
      x.end();
    };
    assertSaid(await shim.call('bad'), 'good');
    assertSaid(await shim.call('echo', { message: 'next' }), 'next');
    assert.deepEqual(shim.messages, []);
  });

  for (const status of [307, 308]) {
    test(`a call that is redirected within the origin (${status}) goes there, once`, async (t) => {
      const { backend, shim } = await setUp(t);
      backend.onCall.bad = (x) => (x.req.url === '/mcp' ? x.send(status, '', { location: '/elsewhere/mcp' }) : x.say('there'));
      assertSaid(await shim.call('bad'), 'there');
      assert.deepEqual(backend.callsOf('bad').map((a) => a.exchange.req.url), ['/mcp', '/elsewhere/mcp']);
      assertSaid(await shim.call('bad'), 'there');
      assert.equal(backend.callsOf('bad').length, 3, 'the new place is remembered');
    });
  }

  test('a call that is redirected again and again ends with an error', async (t) => {
    const { backend, shim } = await setUp(t);
    let n = 0;
    backend.onCall.bad = (x) => x.send(307, '', { location: `/mcp${++n}` });
    const answer = await shim.call('bad');
    assert.equal(answer.error.data.executed, 'no');
    assert.equal(backend.callsOf('bad').length, 2);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  test('credentials do not follow a redirect elsewhere', async (t) => {
    const other = await startBackend(t);
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", headers: { Authorization: "Bearer geheim-geheim" } } }
agents: { one: { display_name: One, backends: { demo: { allowed: true } } } }
`);
    const shim = await openShim(place);
    backend.onCall.bad = (x) => x.send(307, '', { location: other.url });
    const answer = await shim.call('bad');
    assert.ok(answer.error, answer.line);
    assert.equal(backend.callsOf('bad')[0].exchange.req.headers.authorization, 'Bearer geheim-geheim');
    assert.equal(other.requests.length, 0);
    assert.equal(shim.stderr.includes('geheim'), false);
  });

  test('an expired session (404) is opened anew, and the call made once more', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onAny = (x) => {
      if (x.req.headers['mcp-session-id'] !== 's1') return false;
      x.send(404, '');
      return true;
    };
    assertSaid(await shim.call('echo', { message: 'again' }), 'again');
    assert.equal(backend.of('initialize').length, 2);
    const arrived = backend.callsOf('echo').filter((a) => a.args.message === 'again');
    assert.deepEqual(arrived.map((a) => a.exchange.req.headers['mcp-session-id']), ['s1', 's2']);
    assertSaid(await shim.call('echo', { message: 'on' }), 'on');
    assert.deepEqual(shim.messages.filter((m) => m.id !== undefined), []);
  });

  test('a call that finds its session expired again and again ends with an error', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => x.send(404, '');
    const answer = await shim.call('bad');
    assert.ok(answer.error, answer.line);
    assert.equal(answer.error.data?.executed, 'no');
    assert.ok(backend.callsOf('bad').length <= 2, `${backend.callsOf('bad').length} arrivals`);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  test('no answer within the backend\'s timeout: unknown, not worded as a refusal, and a late answer is dropped', async (t) => {
    const backend = await startBackend(t, { tools });
    const place = makePlace(t, `backends: { demo: { url: "${backend.url}", timeout: 2s } }
agents: { one: { display_name: One, backends: { demo: { allowed: true } } } }
`);
    const shim = await openShim(place);
    let late;
    backend.onCall.bad = (x) => { late = x; };
    const { error, line } = await shim.call('bad');
    assert.equal(error.code, CODE.unknown, line);
    assert.equal(error.data.executed, 'unknown');
    assert.doesNotMatch(error.message, /refus|denied|not allowed/i);
    const [told] = await until(() => backend.of('notifications/cancelled').length === 1 && backend.of('notifications/cancelled'), { what: 'the cancellation at the backend' });
    assert.equal(told.message.params.requestId, late.message.id);
    late.say('late');
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    assert.deepEqual(shim.messages, []);
    assert.equal(backend.callsOf('bad').length, 1);
  });

  for (const [what, head, chunk] of [
    ['an endless body', 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n', 'x'],
    ['an endless event', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n', 'data: x'],
    ['an endless field of blanks', 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n', ' '],
    ['a body of 10 GB that is announced', 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n', null],
  ]) {
    test(`${what}: bounded memory, an error, the session lives`, { skip: noPlainBin }, async (t) => {
      const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim') });
      const data = Buffer.alloc(64 * 1024, chunk ?? 'y');
      const frame = chunk ? Buffer.concat([Buffer.from(data.length.toString(16) + '\r\n'), data, Buffer.from('\r\n')]) : data;
      let poured;
      backend.onCall.bad = (x) => {
        x.socket.write(head);
        poured = pour(x.socket, frame);
      };
      const answer = await shim.call('bad', {}, { within: 60_000 * patience });
      assert.ok(answer.error, answer.line?.slice(0, 200));
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
      const memory = shim.memoryMiB();
      if (memory) {
        t.diagnostic(`peak ${memory.peak.toFixed(1)} MiB`);
        assert.ok(memory.peak <= 64, `peak ${memory.peak} MiB`);
      }
      assert.equal(await poured, 'cut', 'the shim cut the connection');
    });
  }

  test('a compressed body that grows without end does not', { skip: noPlainBin }, async (t) => {
    const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim') });
    const bomb = await promisify(gzip)(Buffer.alloc(300 * 2 ** 20, ' '));
    backend.onCall.bad = (x) => x.send(200, bomb, { ...json, 'content-encoding': 'gzip' });
    assert.ok((await shim.call('bad')).error);
    assert.ok((shim.memoryMiB()?.peak ?? 0) <= 64);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  test('a result of more than 10 MiB is no line for clients: an error, and the session lives', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => x.say('z'.repeat(11 * 2 ** 20));
    const answer = await shim.call('bad');
    assert.ok(answer.error || answer.result.isError, answer.line.slice(0, 200));
    assert.ok(answer.line.length < 10_000);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    backend.onCall.bad = (x) => x.say('z'.repeat(9 * 2 ** 20));
    assert.equal((await shim.call('bad')).result.content[0].text.length, 9 * 2 ** 20);
  });

  test('a backend that floods a call with notifications is bounded', { skip: noPlainBin }, async (t) => {
    const { backend, shim } = await setUp(t, { program: plainBin('aegis-shim') });
    const count = 20_000;
    backend.onCall.bad = (x) => {
      x.stream();
      for (let n = 0; n < count; n++) x.event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: `${n} ${'d'.repeat(200)}` } });
      x.event(JSON.parse(respond(x, good)));
      x.end();
    };
    assertSaid(await shim.call('bad', {}, { within: 60_000 * patience }), 'good');
    const data = shim.messages.map((m) => Number(m.params.data.split(' ')[0]));
    assert.deepEqual(data, Array.from({ length: count }, (_, n) => n), 'all, in order, before the answer');
    assert.ok((shim.memoryMiB()?.peak ?? 0) <= 64, `peak ${shim.memoryMiB()?.peak} MiB`);
  });

  test('a backend that is down: initialize says so, calls too, and it works when it is back', async (t) => {
    const port = await freePort();
    const place = makePlace(t, simpleRules(`http://127.0.0.1:${port}/mcp`));
    const shim = startShim(place);
    const opening = await shim.initialize();
    assert.ok(opening.error, opening.line);
    assert.equal(opening.line.includes(String(port)), false, opening.line);
    const backend = await startBackend(t, { port });
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'up' }), 'up');
    await backend.stop();
    const down = await shim.call('echo', { message: 'down' });
    assert.equal(down.error.code, CODE.unreachable, down.line);
    assert.equal(down.error.data.executed, 'no');
    assertNoLeak(backend, down.line, shim.stderr);
    const again = await startBackend(t, { port });
    assertSaid(await shim.call('echo', { message: 'up again' }), 'up again');
    assert.equal(again.callsOf('echo').length, 1);
  });

  test('a call to a backend that is down costs no place of a limit', async (t) => {
    const { backend, shim } = await setUp(t, { rules: { grant: 'rate_limits: { bad: {window: 1h, max_count: 1} }' } });
    await backend.stop();
    for (let n = 0; n < 3; n++) assert.equal((await shim.call('bad', { n })).error.code, CODE.unreachable);
    const again = await startBackend(t, { port: backend.port, tools });
    assert.ok((await shim.call('bad', { n: 3 })).result);
    assert.equal((await shim.call('bad', { n: 4 })).error.code, CODE.limited);
    assert.equal(again.callsOf('bad').length, 1);
  });

  test('an unresolvable host: unreachable, not executed', async (t) => {
    const shim = startShim(makePlace(t, simpleRules('http://no-such-host.invalid/mcp')));
    const opening = await shim.initialize();
    assert.ok(opening.error, opening.line);
    assert.equal(opening.line.includes('no-such-host'), false, opening.line);
  });

  test('requests of a backend that nobody answers do not pile up in the call', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.bad = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', id: 'ask', method: 'roots/list' });
      until(() => backend.requests.some((r) => r.message?.id === 'ask'), { what: 'the answer of the client' })
        .then(() => { x.event(JSON.parse(respond(x, good))); x.end(); }, () => x.reset());
    };
    const call = shim.call('bad');
    const ask = await shim.message((m) => m.method === 'roots/list', 'roots/list').catch(() => null);
    if (ask) shim.send({ id: ask.id, error: { code: -32601, message: 'no roots' } });
    assertSaid(await call, 'good');
  });
});
