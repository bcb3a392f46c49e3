// Event streams that end before their time: resumed where that is safe, given up where it is not, and never a second run of a call.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid, CODE } from '../lib/check.mjs';
import { EventLog } from '../lib/event_log.mjs';
import { makePlace } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const note = (n) => ({ method: 'notifications/message', params: { level: 'info', data: { n } } });
const result = (id, text) => ({ id, result: { content: [{ type: 'text', text }] } });
const numbers = (shim) => shim.messages.filter((m) => m.method === 'notifications/message').map((m) => m.params.data.n);

async function setUp(t, { get, more = '' } = {}) {
  const backend = await startBackend(t, { tools: ['echo', 'slow'].map((name) => tool(name)), capabilities: { tools: {}, logging: {} } });
  const logs = new Map();
  backend.logs = logs;
  // A GET with Last-Event-ID goes on with the stream that has this id, another one is the stream of the session.
  backend.onMethod.GET = (x) => {
    const resumed = [...logs.values()].find((log) => log.owns(x));
    if (resumed) return resumed.open(x);
    return get ? get(x) : x.send(405);
  };
  const place = makePlace(t, `backends: { demo: { url: "${backend.url}"${more} } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`);
  const shim = await openShim(place);
  return { backend, logs, shim, place };
}

function makeLog(logs, name, options) {
  const log = new EventLog(name, options);
  logs.set(name, log);
  return log;
}

/** Calls, one after the other, for this long. */
async function callFor(ms, shim) {
  const from = performance.now();
  for (let n = 0; performance.now() - from < ms; n++) assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
}

describe('the stream of an answer', suite, () => {
  for (const [how, end] of Object.entries({ 'closed on purpose': (log) => log.close(), cut: (log) => log.cut() })) {
    test(`${how} after an id: taken up again there, the call runs once`, async (t) => {
      const { backend, logs, shim } = await setUp(t);
      const log = makeLog(logs, 'call', { retry: 50 });
      backend.onCall.slow = async (x) => {
        log.open(x);
        log.push(note(1));
        await until(() => numbers(shim).length === 1, { what: 'the first note' });
        end(log);
        log.push(note(2));
        log.push(result(x.message.id, 'resumed'));
      };
      assertSaid(await shim.call('slow'), 'resumed');
      assert.deepEqual(numbers(shim), [1, 2]);
      assert.deepEqual(log.opened.map((o) => o.last), [null, 'call:1']);
      assert.equal(backend.callsOf('slow').length, 1);
    });
  }

  test('closed five times: every message once, in order', async (t) => {
    const { backend, logs, shim } = await setUp(t);
    const log = makeLog(logs, 'call', { retry: 10 });
    backend.onCall.slow = async (x) => {
      log.open(x);
      for (let n = 1; n <= 5; n++) {
        log.push(note(n));
        await until(() => numbers(shim).includes(n), { what: `note ${n}` });
        log.close();
      }
      log.push(result(x.message.id, 'at last'));
    };
    assertSaid(await shim.call('slow'), 'at last');
    assert.deepEqual(numbers(shim), [1, 2, 3, 4, 5]);
    assert.equal(backend.callsOf('slow').length, 1);
  });

  test('the time the server asks for with retry is kept', async (t) => {
    const { backend, logs, shim } = await setUp(t);
    const log = makeLog(logs, 'call', { retry: 700 });
    let closed;
    backend.onCall.slow = (x) => {
      log.open(x);
      log.push(note(1));
      setTimeout(() => { closed = performance.now(); log.close(); log.push(result(x.message.id, 'patient')); }, 100);
    };
    assertSaid(await shim.call('slow'), 'patient');
    assert.ok(log.opened[1].at - closed >= 690, `${log.opened[1].at - closed} ms`);
  });

  test('an event that is sent again when resuming is passed on once', async (t) => {
    const { backend, logs, shim } = await setUp(t);
    const log = makeLog(logs, 'call', { retry: 10 });
    backend.onCall.slow = async (x) => {
      log.open(x);
      log.push(note(1));
      log.push(note(2));
      await until(() => numbers(shim).length === 2, { what: 'two notes' });
      const open = log.open.bind(log);
      log.open = (y) => { y.req.headers['last-event-id'] = 'call:1'; open(y); };   // a server that is one behind
      log.close();
      log.push(result(x.message.id, 'done'));
    };
    assertSaid(await shim.call('slow'), 'done');
    assert.deepEqual(numbers(shim), [1, 2]);
  });

  test('ended without any id: unknown at once, nothing is asked again', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.slow = (x) => { x.stream(); x.event(note(1)); x.end(); };
    const answer = await shim.call('slow');
    assert.equal(answer.error.code, CODE.unknown);
    assert.equal(answer.error.data.executed, 'unknown');
    assert.equal(backend.callsOf('slow').length, 1);
    assert.equal(backend.of('GET').filter((x) => x.req.headers['last-event-id']).length, 0);
  });

  for (const [what, get] of Object.entries({ 'with 404': (x) => x.send(404), 'with 405': (x) => x.send(405), 'by a reset': (x) => x.reset(), 'with an empty stream': (x) => { x.stream(); x.end(); } })) {
    test(`a resumption that is refused ${what}: unknown after some tries, the session lives`, async (t) => {
      const { backend, shim } = await setUp(t, { get, more: ', timeout: 5s' });
      backend.onCall.slow = (x) => { x.stream(); x.res.write('id: gone:1\nretry: 10\ndata:\n\n', () => x.end()); };
      const answer = await shim.call('slow');
      assert.equal(answer.error?.code, CODE.unknown, answer.line);
      assert.equal(answer.error.data.executed, 'unknown');
      assert.equal(backend.callsOf('slow').length, 1);
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    });
  }

  test('a call that is cancelled while its stream is closed: its outcome is learned for the record, the client is not told', async (t) => {
    const { backend, logs, shim, place } = await setUp(t);
    const log = makeLog(logs, 'call', { retry: 100 });
    let id;
    backend.onCall.slow = (x) => { id = x.message.id; log.open(x); log.push(note(1)); };
    shim.request('tools/call', { name: 'slow' }, { id: 'c' }).catch(() => {});
    await until(() => numbers(shim).length === 1, { what: 'the note' });
    log.close();
    await shim.notify('notifications/cancelled', { requestId: 'c' });
    log.push(result(id, 'too late'));
    const outcome = await until(async () => (await place.auditRows()).find((row) => row.kind === 'outcome'), { what: 'the outcome', every: 100 });
    assert.match(JSON.stringify(outcome), /succeeded/);
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    assert.equal(shim.lines.some((line) => line.includes('too late')), false);
  });
});

describe('the stream of the session (GET)', suite, () => {
  const withStream = async (t, options) => {
    const log = new EventLog('get', options);
    const made = await setUp(t, { get: (x) => log.open(x) });
    made.logs.set('get', log);
    await until(() => log.opened.length === 1, { what: 'the GET stream' });
    return { ...made, log };
  };

  test('is opened after initialized, with the session and the version', async (t) => {
    const { backend, log } = await withStream(t);
    const order = backend.requests.map((x) => x.message?.method ?? x.req.method);
    assert.ok(order.indexOf('GET') > order.indexOf('notifications/initialized'), String(order));
    const { headers } = backend.of('GET')[0].req;
    assert.equal(headers['mcp-session-id'], 's1');
    assert.equal(headers['mcp-protocol-version'], '2025-11-25');
    assert.match(headers.accept, /text\/event-stream/);
    assert.equal(log.opened[0].last, null);
  });

  test('brings messages at once, beside calls', async (t) => {
    const { log, shim } = await withStream(t);
    for (let n = 1; n <= 50; n++) log.push(note(n));
    await until(() => numbers(shim).length === 50, { what: '50 notes' });
    assert.deepEqual(numbers(shim), Array.from({ length: 50 }, (_, n) => n + 1));
  });

  for (const [how, end] of Object.entries({ 'closed on purpose': (log) => log.close(), cut: (log) => log.cut() })) {
    test(`${how}: opened again behind the last id, nothing lost, nothing twice`, async (t) => {
      const { log, shim } = await withStream(t, { retry: 20 });
      for (let n = 1; n <= 6; n++) {
        log.push(note(n));
        await until(() => numbers(shim).includes(n), { what: `note ${n}` });
        const { length } = log.opened;
        if (n % 2) {
          end(log);
          await until(() => log.opened.length > length, { what: 'the next opening' });
        }
      }
      assert.deepEqual(numbers(shim), [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(log.opened.map((o) => o.last), [null, 'get:1', 'get:3', 'get:5']);
    });
  }

  test('requests of the server come by it and are answered by POST', async (t) => {
    const { backend, log, shim } = await withStream(t);
    log.push({ id: 'srv-1', method: 'ping' });
    await shim.message((m) => m.id === 'srv-1' && m.method === 'ping');
    await shim.send({ id: 'srv-1', result: {} });
    await until(() => backend.requests.some((x) => x.message?.id === 'srv-1' && x.message.result), { what: 'the answer at the backend' });
  });

  for (const status of [405, 404, 501]) {
    test(`a server that has none (${status}) is not asked again`, async (t) => {
      const { backend, shim } = await setUp(t, { get: (x) => x.send(status) });
      await until(() => backend.of('GET').length === 1, { what: 'the question' });
      await callFor(1500, shim);
      assert.equal(backend.of('GET').length, 1);
    });
  }

  test('one that dies at once each time is not asked in a storm', async (t) => {
    const { backend, shim } = await setUp(t, { get: (x) => x.reset() });
    await until(() => backend.of('GET').length > 0, { what: 'the question' });
    await callFor(3000, shim);
    assert.ok(backend.of('GET').length <= 5, `${backend.of('GET').length} in 3 s`);
  });

  test('is closed when the client goes', async (t) => {
    const { log, shim, backend } = await withStream(t);
    const end = await shim.end();
    assert.equal(end.code, 0);
    await until(() => log.readers.size === 0, { what: 'the end of the stream' });
    assert.equal(backend.of('DELETE').length, 1);
  });
});
