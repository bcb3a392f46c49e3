// Every fault between shim and backend: what the agent is told, how often the backend ran the call, and that the session lives on.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertNoLeak, assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { countFds } from '../lib/proc.mjs';
import { patience, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';
import { callsOf, faults, startProxy } from './proxy.mjs';

const rules = (url, more = '') => `backends: { demo: { url: "${url}"${more} } }
agents: { one: { display_name: One, backends: { demo: { allowed: true } } } }
`;

async function setUp(t, more) {
  const backend = await startBackend(t, { tools: ['echo', 'bad'].map((name) => tool(name)) });
  const proxy = await startProxy(t, backend.url);
  const shim = await openShim(makePlace(t, rules(proxy.url, more)));
  assertSaid(await shim.call('echo', { message: 'warm' }), 'warm');
  return { backend, proxy, shim };
}

const event = (text) => `data: ${text}\n\n`;
const answer = (id, text) => JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });
const note = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'still here' } });
const short = ', timeout: 2s';

/**
 * what -> [fault, {ran, said | code, executed}, more of the backend's entry]
 * ran: how often the backend got the call. executed: what the agent is told about that. code null: any error.
 */
const table = {
  'a delay before the call': [faults.delay(300), { ran: 1, said: 'm' }],
  'a delay before the answer': [faults.delayAnswer(300), { ran: 1, said: 'm' }],
  'a reset before the call arrived': [faults.resetBefore(), { ran: 0, code: CODE.unknown, executed: 'unknown' }],
  'a reset instead of the answer': [faults.resetAfter(), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'an end instead of the answer': [faults.endAfter(), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a cut after no byte of the body': [faults.cut(0), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a cut after 1 byte': [faults.cut(1), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a cut after 20 bytes': [faults.cut(20), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a reset after 20 bytes': [faults.resetAt(20), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a connection that is half open after 20 bytes': [faults.halfOpen(20), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'a call that vanishes': [faults.blackHole(), { ran: 0, code: CODE.unknown, executed: 'unknown' }, short],
  'an answer that vanishes': [faults.blackHoleAfter(), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'an answer that drips, a byte at a time': [faults.slowLoris(5), { ran: 1, said: 'm' }],
  'an answer that drips for longer than the timeout': [faults.slowLoris(300), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'a stream that never ends, of comments': [faults.endless(': still here\n\n', 20), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'a stream that never ends, of messages': [faults.endless(event(note), 20), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'a stream that never ends, of one event': [faults.endless('data: x\n', 1), { ran: 1, code: CODE.unknown, executed: 'unknown' }, short],
  'status 999': [faults.statusAfter(999), { ran: 1, code: null }],
  'status 199': [faults.raw('HTTP/1.1 199 What\r\n\r\n'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a status line of garbage': [faults.raw('HTTP/9.9 abc\r\n\r\n'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'no HTTP at all': [faults.raw('SSH-2.0-OpenSSH_9.2\r\n'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'text/html': [faults.contentType('text/html'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'application/octet-stream': [faults.contentType('application/octet-stream'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  'a media type in odd letters, with a charset': [faults.contentType('APPLICATION/JSON ; charset="UTF-8"'), { ran: 1, said: 'm' }],
  'an answer twice on one stream': [faults.asEvents((own) => event(own) + event(own)), { ran: 1, said: 'm' }],
  'answers to foreign ids before the own one': [faults.asEvents((own) => event(answer('foreign', 'no')) + event(answer(999_999, 'no')) + event(own)), { ran: 1, said: 'm' }],
  'an answer to null before the own one': [faults.asEvents((own) => event(answer(null, 'no')) + event(own)), { ran: 1, said: 'm' }],
  'only answers to foreign ids': [faults.asEvents(() => event(answer('foreign', 'no'))), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  '401': [faults.status(401, { 'www-authenticate': 'Bearer realm="x"' }), { ran: 0, code: null, executed: 'no', says: /headers|mcp-remote/ }],
  '403': [faults.status(403), { ran: 0, code: null, executed: 'no' }],
  '413': [faults.status(413), { ran: 0, code: null, executed: 'no' }],
  '413 with JSON': [faults.status(413, { 'content-type': 'application/json' }, '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Payload Too Large"},"id":null}'), { ran: 0, code: -32000 }],
  '429 with Retry-After': [faults.status(429, { 'retry-after': '7' }), { ran: 0, code: null, executed: 'no', retry: [6000, 7000], cools: true }],
  '429 with Retry-After as a date': [(x) => faults.status(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })(x), { ran: 0, code: null, executed: 'no', retry: [50_000, 61_000], cools: true }],
  '503 with Retry-After': [faults.status(503, { 'retry-after': '7' }), { ran: 0, code: CODE.unknown, executed: 'unknown', cools: true }],
  '500': [faults.statusAfter(500, {}, 'oops'), { ran: 1, code: CODE.unknown, executed: 'unknown' }],
  '500 with a JSON-RPC error': [async (x) => { await x.forward(); x.send(500, `{"jsonrpc":"2.0","id":${x.id},"error":{"code":-32099,"message":"the backend says no"}}`, { 'content-type': 'application/json' }); }, { ran: 1, code: -32099 }],
  '307 to the same origin': [faults.status(307, { location: '/mcp?moved' }), { ran: 1, said: 'm' }],
  '308 to the same origin, absolute': [(x) => faults.status(308, { location: `${x.proxy.origin}/mcp?moved` })(x), { ran: 1, said: 'm' }],
  '307 in a circle': [(x) => { x.proxy.inject(callsOf('bad'), faults.status(307, { location: '/mcp' }), 1000); x.send(307, '', { location: '/mcp' }); }, { ran: 0, code: null, executed: 'no' }],
  '307 to another port': [(x) => faults.status(307, { location: `http://127.0.0.1:${x.proxy.port === 1 ? 2 : 1}/mcp` })(x), { ran: 0, code: null, executed: 'no' }],
  '307 to another scheme': [faults.status(307, { location: 'file:///etc/passwd' }), { ran: 0, code: null, executed: 'no' }],
  '301': [faults.status(301, { location: '/mcp?moved' }), { ran: 0, code: null }],
  '307 after the call ran': [faults.statusAfter(307, { location: 'http://127.0.0.2:1/mcp' }), { ran: 1, code: null }],
};

function assertFits(said, expected) {
  if (expected.said !== undefined) return assertSaid(said, expected.said);
  assert.ok(said.error, said.line.slice(0, 500));
  if (expected.code !== null) assert.equal(said.error.code, expected.code, said.line);
  if (expected.executed) assert.equal(said.error.data?.executed, expected.executed, said.line);
  if (expected.says) assert.match(said.error.message, expected.says);
  if (expected.retry) {
    const ms = said.error.data?.retry_after_ms;
    assert.ok(ms >= expected.retry[0] && ms <= expected.retry[1], said.line);
  }
}

describe('faults on the way', suite, () => {
  for (const [what, [fault, expected, more]] of Object.entries(table)) {
    test(what, async (t) => {
      const { backend, proxy, shim } = await setUp(t, more);
      proxy.inject(callsOf('bad'), fault);
      const said = await shim.call('bad', { message: 'm' });
      assertFits(said, expected);
      assertNoLeak(proxy, said.line, shim.stderr);
      proxy.rules.length = 0;
      const next = await shim.call('echo', { message: 'alive' });
      if (expected.cools) assertRefused(next, CODE.limited, { reason: 'cooldown' });
      else assertSaid(next, 'alive');
      assert.equal(backend.callsOf('bad').length, expected.ran, 'runs at the backend');
      assert.equal(shim.messages.filter((m) => m.method === undefined).length, 0, 'no answer to nobody');
    });
  }

  test('a fault of one call delays no other', async (t) => {
    const { proxy, shim } = await setUp(t, ', timeout: 3s');
    proxy.inject(callsOf('bad'), faults.blackHole(), 10);
    const lost = Array.from({ length: 10 }, () => shim.call('bad'));
    const from = performance.now();
    for (let n = 0; n < 20; n++) assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
    assert.ok(performance.now() - from < 2500 * patience);
    for (const said of await Promise.all(lost)) assert.equal(said.error.code, CODE.unknown);
  });

  test('many faults in a row leave no descriptor and no memory behind', async (t) => {
    const { backend, proxy, shim } = await setUp(t);
    const kinds = [faults.resetBefore(), faults.resetAfter(), faults.cut(20), faults.resetAt(5), faults.raw('GARBAGE\r\n\r\n'), faults.contentType('text/html'), faults.statusAfter(500), faults.status(413)];
    const round = async (n) => {
      proxy.inject(callsOf('bad'), kinds[n % kinds.length]);
      assert.ok((await shim.call('bad', { n })).error);
    };
    for (let n = 0; n < 40; n++) await round(n);
    const fds = countFds(shim.pid);
    const memory = shim.memoryMiB()?.now;
    for (let n = 0; n < 160; n++) await round(n);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    if (fds === null) return;
    await until(() => countFds(shim.pid) <= fds + 2, { what: `descriptors: ${fds} before, ${countFds(shim.pid)} after` });
    assert.ok(shim.memoryMiB().now < memory * 1.5 + 8, `${memory} MiB before, ${shim.memoryMiB().now} after`);
    assert.equal(new Set(backend.callsOf('bad').map((a) => a.args.n)).size <= 160, true);
  });

  test('a pooled socket that died after a refused body does not lose the next call', async (t) => {
    const { proxy, shim } = await setUp(t);
    for (let n = 0; n < 10; n++) {
      // As servers with a body limit do: answer before the body is in, then cut.
      proxy.inject(callsOf('bad'), (x) => {
        x.res.writeHead(413, { connection: 'keep-alive' });
        x.res.end(() => x.socket.resetAndDestroy());
      });
      assert.ok((await shim.call('bad', { message: 'M'.repeat(500_000) })).error);
      assertSaid(await shim.call('echo', { message: `next ${n}` }), `next ${n}`);
    }
  });

  test('a fault while the session opens: the client is told, and a second try works', async (t) => {
    const backend = await startBackend(t, { tools: [tool('echo')] });
    const proxy = await startProxy(t, backend.url);
    for (const fault of [faults.resetBefore(), faults.cut(10), faults.status(503), faults.raw('GARBAGE\r\n\r\n'), faults.contentType('text/html')]) {
      proxy.inject((x) => x.message?.method === 'initialize', fault, 1);
      const shim = await openShimOrTwice(makePlace(t, rules(proxy.url)));
      proxy.rules.length = 0;
      assertSaid(await shim.call('echo', { message: 'open' }), 'open');
      await shim.end();
    }
  });
});

/** An initialize may fail for the fault (the client asks again), but must be answered. */
async function openShimOrTwice(place) {
  try {
    return await openShim(place);
  } catch (error) {
    assert.match(error.message, /initialize/);
    return openShim(place);
  }
}
