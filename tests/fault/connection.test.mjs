// Connections that die around a call: whatever the moment, one call never arrives twice.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { factor, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const OURS = [CODE.unknown, CODE.unreachable];

async function setUp(t) {
  const backend = await startBackend(t, { tools: ['echo', 'bad'].map((name) => tool(name)) });
  const shim = await openShim(makePlace(t, simpleRules(backend.url)));
  assertSaid(await shim.call('echo', { message: 'warm' }), 'warm');
  return { backend, shim };
}

const arrivals = (backend, message) => backend.arrivals.filter((a) => a.args.message === message).length;

/** What was said must fit what arrived. */
function assertHonest(answer, arrived, what) {
  if (answer.result) {
    assert.equal(arrived, 1, what);
    return;
  }
  assert.ok(OURS.includes(answer.error.code), answer.line);
  assert.ok(arrived <= 1, `${what}: ${arrived} arrivals`);
  if (arrived === 1) assert.equal(answer.error.data.executed, 'unknown', `${what}: ${answer.line}`);
}

describe('connections that die', suite, () => {
  for (const how of ['end', 'reset']) {
    test(`a pooled connection that takes a call and dies without a byte (${how}): unknown, one arrival`, async (t) => {
      const { backend, shim } = await setUp(t);
      backend.onCall.bad = (x) => (how === 'end' ? x.socket.end() : x.reset());
      for (let n = 0; n < 10; n++) {
        assertSaid(await shim.call('echo', { message: `pool ${n}` }), `pool ${n}`);
        const answer = await shim.call('bad', { message: `bad ${n}` });
        assert.equal(answer.error?.code, CODE.unknown, answer.line);
        assert.equal(answer.error.data.executed, 'unknown');
        assert.equal(arrivals(backend, `bad ${n}`), 1);
      }
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    });
  }

  for (const how of ['destroy', 'resetAndDestroy']) {
    test(`idle connections the server has closed (${how}) cost no call`, async (t) => {
      const { backend, shim } = await setUp(t);
      for (let n = 0; n < 20; n++) {
        const closed = [...backend.sockets].map((socket) => once(socket, 'close'));
        for (const socket of backend.sockets) socket[how]();
        await Promise.all(closed);
        assertSaid(await shim.call('echo', { message: `n ${n}` }), `n ${n}`);
      }
      assert.equal(backend.callsOf('echo').length, 21);
    });
  }

  for (const how of ['end', 'reset']) {
    test(`the server closes idle connections (${how}) just when the next call goes`, async (t) => {
      const { backend, shim } = await setUp(t);
      const kill = (socket) => (how === 'end' ? socket.end() : socket.resetAndDestroy());
      let passed = 0;
      let struckSockets = [];
      const rounds = 200 * factor;
      for (let n = 0; n < rounds; n++) {
        const message = `race ${n}`;
        const going = shim.call('echo', { message });
        // From the same turn to some turns later: before, while and after the request is under way.
        const turns = n % 12;
        const struck = new Promise((resolve) => {
          const strike = (left) => {
            if (left) return setImmediate(strike, left - 1);
            struckSockets = [...backend.sockets];
            struckSockets.forEach(kill);
            resolve();
          };
          strike(turns);
        });
        const answer = await going;
        await struck;
        assertHonest(answer, arrivals(backend, message), message);
        if (answer.result) passed++;
      }
      t.diagnostic(`${passed} of ${rounds} passed`);
      await until(() => struckSockets.every((socket) => socket.destroyed || socket.writableFinished), { what: 'the last end sent' });
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    });
  }

  test('many calls at once over connections that die at random', async (t) => {
    const { backend, shim } = await setUp(t);
    let count = 0;
    backend.onCall.echo = (x, params) => {
      if (++count % 7 === 0) x.reset();
      else if (count % 11 === 0) x.socket.end();
      else x.say(params.arguments.message);
    };
    const messages = Array.from({ length: 300 }, (_, n) => `many ${n}`);
    const answers = await Promise.all(messages.map((message) => shim.call('echo', { message })));
    answers.forEach((answer, n) => assertHonest(answer, arrivals(backend, messages[n]), messages[n]));
    delete backend.onCall.echo;
    assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
  });

  for (const [what, onConnection] of Object.entries({
    'is reset at once': (socket) => socket.resetAndDestroy(),
    'is closed at once': (socket) => socket.end(),
    'is reset at the first byte': (socket) => socket.once('data', () => socket.resetAndDestroy()),
  })) {
    test(`a fresh connection that ${what}: an error, and no call runs`, async (t) => {
      const { backend, shim } = await setUp(t);
      await backend.stop();
      const sockets = [];
      const broken = net.createServer((socket) => {
        sockets.push(socket.on('error', () => {}));
        onConnection(socket);
      }).listen(backend.port, '127.0.0.1');
      await once(broken, 'listening');
      const answer = await shim.call('echo', { message: 'lost' });
      assert.ok(OURS.includes(answer.error?.code), answer.line);
      for (const socket of sockets) socket.destroy();
      broken.close();
      await once(broken, 'close');
      await startBackend(t, { port: backend.port, tools: backend.tools });
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
    });
  }

  test('a server that says how long it keeps connections, and keeps its word, loses no call', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.server.keepAliveTimeout = 20;      // says "Keep-Alive: timeout=…" and closes then
    for (let n = 0; n < 40; n++) {
      const message = `idle ${n}`;
      const answer = await shim.call('echo', { message });
      assertHonest(answer, arrivals(backend, message), message);
      const from = performance.now();
      while (performance.now() - from < 15 + n / 2) await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
