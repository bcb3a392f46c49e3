// From the first line to the last: probes without side effect, ends within a second and without remains.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { isAlive, run } from '../lib/process.mjs';
import { patience, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

async function setUp(t, rules) {
  const backend = await startBackend(t);
  return { backend, place: makePlace(t, simpleRules(backend.url, rules)) };
}

const SECOND = 1000 * patience;

describe('lifecycle', suite, () => {
  test('server/discover is answered with -32601 before an older backend, which has no session by it', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = startShim(place);
    const answer = await shim.request('server/discover', {
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} },
    }, { id: 'server-discover-probe-1' });
    assert.equal(answer.error.code, -32601, answer.line);
    assert.deepEqual(backend.requests.map((x) => x.message?.method), ['server/discover']);
    assert.equal(backend.sessions, 0);
    const opening = await shim.initialize();
    assert.ok(opening.result, opening.line);
    assertSaid(await shim.call('echo', { message: 'after the probe' }), 'after the probe');
  });

  test('initialize passes both ways unchanged', async (t) => {
    const { backend, place } = await setUp(t);
    const result = '{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"experimental":{"x":{"n":1.0}}},"serverInfo":{"name":"b","version":"0","title":"B\\u00e9"},"instructions":"be kind","later":[]}';
    backend.onMethod.initialize = (x) => x.result(result, { 'mcp-session-id': 'abc' });
    const shim = startShim(place);
    const params = '{"capabilities":{"roots":{"listChanged":true},"experimental":{}},"clientInfo":{"version":"2","name":"c","title":"C"},"protocolVersion":"2025-11-25","_meta":{"k":1e0}}';
    const answer = shim.answerTo('init');
    shim.sendLine(`{"jsonrpc":"2.0","id":"init","method":"initialize","params":${params}}`);
    assert.equal((await answer).line, `{"jsonrpc":"2.0","id":"init","result":${result}}`);
    assert.ok(backend.of('initialize')[0].text.includes(`"params":${params}`), backend.of('initialize')[0].text);
    shim.notify('notifications/initialized');
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    const { headers } = backend.of('tools/call')[0].req;
    assert.equal(headers['mcp-session-id'], 'abc');
    assert.equal(headers['mcp-protocol-version'], '2025-06-18');
    assert.equal(headers['content-type'], 'application/json');
    assert.match(headers.accept, /application\/json/);
    assert.match(headers.accept, /text\/event-stream/);
    assert.equal(headers.origin, undefined);
  });

  test('two starts without a request leave no session row and no trace at the backend', async (t) => {
    const { backend, place } = await setUp(t);
    const first = startShim(place);
    const second = startShim(place);
    for (const shim of [first, second]) await shim.request('server/discover', {});
    const rows = await run('sqlite3', ['-readonly', place.db, 'SELECT count(*) FROM session']);
    assert.equal(rows.code === 0 ? rows.stdout.trim() : '0', '0');
    for (const shim of [first, second]) assert.equal((await shim.end()).code, 0);
    assert.equal(backend.requests.length, 0);
  });

  test('a session that made a call leaves no session row when it ends', async (t) => {
    const { place } = await setUp(t);
    const shim = await openShim(place);
    await shim.call('echo');
    assert.equal((await place.query('SELECT id FROM session')).length, 1);
    await shim.end();
    assert.deepEqual(await place.query('SELECT id FROM session'), []);
  });

  for (const wire of ['fifo', 'socket']) {
    test(`end of stdin (${wire}): exit 0 within a second, DELETE at the backend`, async (t) => {
      const { backend, place } = await setUp(t);
      const shim = await openShim(place, { wire });
      await shim.call('echo');
      const { code, ms } = await shim.end();
      assert.equal(code, 0, shim.stderr);
      assert.ok(ms < SECOND, `${ms} ms`);
      assert.equal(backend.of('DELETE').length, 1);
      assert.equal(backend.of('DELETE')[0].req.headers['mcp-session-id'], 's1');
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    test(`${signal}: exit within a second, DELETE at the backend`, async (t) => {
      const { backend, place } = await setUp(t);
      const shim = await openShim(place);
      await shim.call('echo');
      const { ms } = await shim.endBy(signal);
      assert.ok(ms < SECOND, `${ms} ms`);
      assert.equal(backend.of('DELETE').length, 1);
      assert.equal(isAlive(shim.pid), false);
    });
  }

  test('an end before initialize is an end, too', async (t) => {
    const { backend, place } = await setUp(t);
    const { code, ms } = await startShim(place).end();
    assert.equal(code, 0);
    assert.ok(ms < SECOND, `${ms} ms`);
    assert.equal(backend.requests.length, 0);
  });

  test('an end while the backend hangs in a call, in initialize, in the DELETE: within a second', async (t) => {
    const { backend, place } = await setUp(t);
    backend.onCall.echo = () => {};
    backend.onMethod.DELETE = () => {};
    const inCall = await openShim(place);
    inCall.call('echo').catch(() => {});
    await until(() => backend.arrivals.length === 1, { what: 'the call at the backend' });
    const end = await inCall.end();
    assert.ok(end.ms < 10 * SECOND, `${end.ms} ms`);

    backend.onMethod.initialize = () => {};
    const inInit = startShim(place);
    inInit.initialize().catch(() => {});
    await until(() => backend.of('initialize').length === 2, { what: 'initialize at the backend' });
    const early = await inInit.end();
    assert.ok(early.ms < 10 * SECOND, `${early.ms} ms`);
  });

  test('a call in flight at the end is on record as unknown', async (t) => {
    const { backend, place } = await setUp(t);
    backend.onCall.echo = () => {};
    const shim = await openShim(place);
    shim.call('echo').catch(() => {});
    await until(() => backend.arrivals.length === 1, { what: 'the call at the backend' });
    await shim.end();
    const outcome = (await place.storedRows()).filter((r) => r.kind === 'outcome');
    assert.equal(outcome.length, 1);
    assert.match(JSON.stringify(outcome[0]), /unknown/);
  });

  test('a client that is gone (closed stdout) ends the shim', async (t) => {
    const { place } = await setUp(t);
    const shim = await openShim(place);
    shim.stdout.destroy();
    shim.call('echo').catch(() => {});
    await until(() => shim.hasExited, { what: 'end of the shim after its client has gone' });
  });

  test('a regular file as stdin: every request in it is answered', async (t) => {
    const { backend, place } = await setUp(t);
    const file = path.join(place.dir, 'requests.jsonl');
    const line = (id, method, params) => JSON.stringify({ jsonrpc: '2.0', id, method, params }) + '\n';
    writeFileSync(file, line(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'f', version: '1' } })
      + line(undefined, 'notifications/initialized') + line(2, 'tools/list') + line(3, 'tools/call', { name: 'echo', arguments: { message: 'from a file' } }));
    const fd = openSync(file, 'r');
    const shim = startShim(place, { stdin: fd });
    closeSync(fd);
    const answers = await Promise.all([1, 2, 3].map((id) => shim.answerTo(id)));
    assertSaid(answers[2], 'from a file');
    const { code } = await shim.exited;
    assert.equal(code, 0, shim.stderr);
    assert.equal(backend.arrivals.length, 1);
    assert.equal(backend.of('DELETE').length, 1);
  });

  test('/dev/null as stdin is an end', async (t) => {
    const { place } = await setUp(t);
    const fd = openSync('/dev/null', 'r');
    const shim = startShim(place, { stdin: fd });
    closeSync(fd);
    assert.equal((await shim.exited).code, 0, shim.stderr);
  });

  test('many sessions one after the other leave nothing behind in the state directory', async (t) => {
    const { place } = await setUp(t);
    for (let n = 0; n < 5; n++) {
      const shim = await openShim(place);
      await shim.call('echo', { n });
      await shim.end();
    }
    const killed = await openShim(place);
    await killed.call('echo');
    await killed.endBy('SIGKILL');
    const last = await openShim(place);
    await last.call('echo', { last: true });
    await until(async () => (await place.query('SELECT id FROM session')).length === 1, { what: 'the dead session swept', every: 100 });
    await last.end();
    const { stdout } = await run('sh', ['-c', `ls '${place.state}' '${place.state}/run'`]);
    assert.equal(/\d/.test(stdout.replace(place.dir, '').replaceAll(/aegis-t-\w+/g, '')), false, `files of dead sessions: ${stdout}`);
  });
});
