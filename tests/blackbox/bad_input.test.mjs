// Hostile lines: whatever a client says, nothing that was not judged reaches a backend, and the session lives.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { attacks, couldCallDenied, mutate } from '../lib/attacks.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { random, seedOf } from '../lib/random.mjs';
import { factor, noPlainBin, plainBin, suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const REFUSALS = [CODE.parse, CODE.invalid, CODE.params, CODE.denied];
const MAX_MIB = 64;

async function setUp(t, options) {
  const backend = await startBackend(t, { tools: ['echo', 'admin_reset'].map((name) => tool(name)) });
  const place = makePlace(t, simpleRules(backend.url, { grant: 'tool_denylist: ["admin_reset"]' }));
  const shim = await openShim(place, options);
  assertSaid(await shim.call('echo', { message: 'warm' }), 'warm');
  return { backend, place, shim };
}

/** Sends a line and then a good call; gives what was said about the line and what reached the backend meanwhile. */
async function provoke({ backend, shim }, bytes) {
  const seen = backend.requests.length;
  const said = shim.messages.length;
  await shim.sendLine(bytes);
  assertSaid(await shim.call('echo', { message: 'still here' }), 'still here');
  return {
    answers: shim.messages.slice(said),
    reached: backend.requests.slice(seen).map((r) => r.text).filter((text) => !text.includes('still here')),
  };
}

describe('bad input', suite, () => {
  for (const group of new Set(attacks.map((a) => a.group))) {
    test(`${group}: refused, and nothing reaches the backend`, async (t) => {
      const session = await setUp(t);
      let id = 1000;
      for (const attack of attacks.filter((a) => a.group === group)) {
        const { answers, reached } = await provoke(session, attack.line(++id));
        assert.deepEqual(reached, [], attack.what);
        assert.equal(answers.length, 1, `${attack.what}: ${JSON.stringify(answers)}`);
        const [{ error, id: answeredId }] = answers;
        assert.ok(REFUSALS.includes(error?.code), `${attack.what}: ${JSON.stringify(answers)}`);
        assert.ok([id, null].includes(answeredId), `${attack.what}: id ${answeredId}`);
      }
      assert.equal(session.backend.callsOf('admin_reset').length, 0);
    });
  }

  test('bypass 1 of the predecessor: a second method that differs by case', async (t) => {
    const session = await setUp(t);
    const { answers, reached } = await provoke(session, '{"jsonrpc":"2.0","id":7000,"method":"tools/call","Method":"ping","params":{"name":"admin_reset","arguments":{}}}');
    assert.deepEqual(reached, []);
    assert.equal(answers[0].error.code, CODE.invalid);
  });

  test('bypass 2 of the predecessor: a second name that differs by case', async (t) => {
    const session = await setUp(t);
    const { answers, reached } = await provoke(session, '{"jsonrpc":"2.0","id":7000,"method":"tools/call","params":{"name":"admin_reset","Name":"echo","arguments":{}}}');
    assert.deepEqual(reached, []);
    assert.ok(REFUSALS.includes(answers[0].error.code));
  });

  test('random changes of a denied call: none makes it reach the backend', async (t) => {
    const { backend, shim } = await setUp(t);
    const rnd = random(seedOf(t));
    for (let round = 0; round < 20 * factor; round++) {
      const lines = Array.from({ length: 100 }, (_, n) => {
        let line = `{"jsonrpc":"2.0","id":${1000 + round * 100 + n},"method":"tools/call","params":{"name":"admin_reset","arguments":{"a":[1,{"b":"c"}]}}}`;
        for (let changes = 1 + Math.floor(rnd() * 3); changes > 0; changes--) line = mutate(line, rnd);
        return line.replaceAll('\n', ' ');
      });
      await shim.write(lines.map((line) => line + '\n').join(''));
      assertSaid(await shim.call('echo', { message: `round ${round}` }), `round ${round}`);
      const reached = backend.requests.map((r) => r.text).filter(couldCallDenied);
      assert.deepEqual(reached, []);
      backend.requests.length = 0;
    }
    await shim.end();
    assert.deepEqual(backend.requests.map((r) => r.text).filter(couldCallDenied), []);
    assert.equal(backend.callsOf('admin_reset').length, 0);
  });

  test('odd but correct lines pass as they are', async (t) => {
    const { backend, shim } = await setUp(t);
    const texts = [
      '{"name":"echo","arguments":{"message":"a","Name":"x","name":"y","method":"z","n":[1.0,1e21,-0,9007199254740993,1E400,5e-324]}}',
      '{"arguments":{"message":"b","s":"\\ud83d\\u0000\u2028\u2029\\/","empty":{},"list":[]},"_meta":{"progressToken":"p","x/y":1},"name":"\\u0065cho"}',
      '{ "name" : "echo" ,\t"arguments" : { "message" : "c" } , "future": {"member": true} }',
    ];
    for (const [n, params] of texts.entries()) {
      const answer = shim.answerTo(n + 100);
      await shim.write(`  \t{"jsonrpc":"2.0","id":${n + 100},"method":"tools/call","params":${params}}  \r\n`);
      assert.ok((await answer).result);
      assert.ok(backend.arrivals.at(-1).exchange.text.includes(params), backend.arrivals.at(-1).exchange.text);
    }
    await shim.write('\n\r\n   \n');
    assertSaid(await shim.call('echo', { message: 'blank lines say nothing' }), 'blank lines say nothing');
    assert.deepEqual(shim.messages, []);
  });

  test('a line cut into single bytes is a line, and many lines in one write are many', async (t) => {
    const { shim } = await setUp(t);
    const one = shim.answerTo('bytes');
    for (const byte of Buffer.from('{"jsonrpc":"2.0","id":"bytes","method":"tools/call","params":{"name":"echo","arguments":{"message":"é😀"}}}\n')) {
      await shim.write(Buffer.from([byte]));
    }
    assertSaid(await one, 'é😀');
    const many = Array.from({ length: 30 }, (_, n) => shim.answerTo(`m${n}`));
    await shim.write(many.map((_, n) => JSON.stringify({ jsonrpc: '2.0', id: `m${n}`, method: 'tools/call', params: { name: 'echo', arguments: { message: `${n}` } } }) + '\n').join(''));
    (await Promise.all(many)).forEach((answer, n) => assertSaid(answer, `${n}`));
  });

  test('ids of every kind come back as they were', async (t) => {
    const { shim } = await setUp(t);
    const ids = ['"1"', '1', '0', '-1', '9007199254740991', '-9007199254740991', '""', '"é\\u00e9\\n"', '"0"', '"null"', `"${'x'.repeat(126)}"`];
    const answers = ids.map((id, n) => {
      const answer = shim.answerTo(JSON.parse(id));
      shim.sendLine(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"message":"${n}"}}}`);
      return answer;
    });
    for (const [n, answer] of (await Promise.all(answers)).entries()) {
      assertSaid(answer, `${n}`);
      if (!ids[n].includes('\\')) assert.ok(answer.line.includes(`"id":${ids[n]}`), answer.line);
    }
  });

  test('an id that is already in flight is refused, and the first call is answered once', async (t) => {
    const { backend, shim } = await setUp(t);
    const held = [];
    backend.onCall.echo = (exchange) => held.push(exchange);
    const first = shim.answerTo('same');
    const line = (message) => `{"jsonrpc":"2.0","id":"same","method":"tools/call","params":{"name":"echo","arguments":{"message":"${message}"}}}`;
    await shim.sendLine(line('first'));
    await until(() => held.length === 1, { what: 'the first call at the backend' });
    await shim.sendLine(line('second'));
    const refusal = await first;
    assert.equal(refusal.error?.code, CODE.invalid, refusal.line);
    held[0].say('first');
    const answer = await shim.message((m) => m.id === 'same');
    assertSaid(answer, 'first');
    assert.deepEqual(held.map((x) => x.message.params.arguments.message), ['first']);
  });

  test('answers to nothing that was asked are not passed on as answers', async (t) => {
    const session = await setUp(t);
    for (const line of ['{"jsonrpc":"2.0","id":1,"result":{}}', '{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}']) {
      const { answers } = await provoke(session, line);
      assert.deepEqual(answers, [], line);
    }
  });

  test('a batch in 2025-03-26 is judged member by member', async (t) => {
    const { backend, shim } = await setUp(t, { version: '2025-03-26' });
    const call = (id, name, message) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { message } } });
    const answers = ['a', 'b', 'c'].map((id) => shim.answerTo(id));
    await shim.sendLine(JSON.stringify([call('a', 'echo', 'one'), call('b', 'admin_reset', 'two'), call('c', 'echo', 'three')]));
    const [one, two, three] = await Promise.all(answers);
    assertSaid(one, 'one');
    assertRefused(two, CODE.denied);
    assertSaid(three, 'three');
    assert.deepEqual(backend.arrivals.map((a) => a.args.message).sort(), ['one', 'three', 'warm']);
    assert.equal(backend.requests.some((r) => r.text.startsWith('[')), false, 'no batch leaves');
  });

  test('depth 100,000 and nothing but brackets', async (t) => {
    const session = await setUp(t);
    for (const open of ['[', '{"a":', '[{"a":']) {
      const { answers, reached } = await provoke(session, open.repeat(100_000));
      assert.deepEqual(reached, []);
      assert.equal(answers.length, 1);
      assert.ok([CODE.parse, CODE.invalid].includes(answers[0].error.code));
    }
  });

  test('garbage of every byte', async (t) => {
    const session = await setUp(t);
    const all = Buffer.from(Array.from({ length: 256 }, (_, n) => n).filter((n) => n !== 0x0a));
    for (let n = 0; n < 50; n++) {
      const line = Buffer.from(Array.from({ length: 1000 }, (_, k) => all[(k * (2 * n + 1) + n * n) % 255]));
      const { answers, reached } = await provoke(session, line);
      assert.deepEqual(reached, []);
      assert.equal(answers.length, 1);
      assert.equal(answers[0].id, null);
    }
  });

  test('a megabyte of lines that are wrong is answered line by line', async (t) => {
    const { shim } = await setUp(t);
    const lines = 20_000;
    await shim.write('}{ not json at all, not even near\n'.repeat(lines));
    await until(() => shim.messages.length === lines, { what: `${lines} errors` });
    assert.ok(shim.messages.every((m) => m.error.code === CODE.parse && m.id === null));
  });

  for (const [what, begin, fill] of [
    ['of letters in the arguments', '{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{"name":"echo","arguments":{"message":"', 'x'],
    ['of NUL bytes', '', '\0'],
    ['of blanks', '{"jsonrpc":"2.0",', ' '],
    ['of brackets', '', '['],
    ['of keys', '{"jsonrpc":"2.0","id":"big","method":"ping","params":{', null],
  ]) {
    test(`a line of 1 GiB ${what}: an error, at most ${MAX_MIB} MiB of memory, the session lives`, { skip: noPlainBin }, async (t) => {
      const session = await setUp(t, { program: plainBin('aegis-shim') });
      const { shim, backend } = session;
      const seen = backend.requests.length;
      const chunk = fill ? Buffer.alloc(1024 * 1024, fill) : Buffer.from(Array.from({ length: 65536 }, (_, n) => `"k${String(n).padStart(10, '0')}":1,`).join(''));
      await shim.write(begin);
      for (let sent = 0; sent < 1024 ** 3; sent += chunk.length) await shim.write(chunk);
      await shim.write('\n');
      assertSaid(await shim.call('echo', { message: 'alive' }), 'alive');
      const answer = shim.messages.find((m) => m.error);
      assert.ok([CODE.parse, CODE.invalid].includes(answer?.error.code), JSON.stringify(shim.messages).slice(0, 300));
      assert.ok([null, 'big'].includes(answer.id));
      assert.equal(shim.messages.length, 1);
      assert.equal(backend.requests.length, seen + 1);
      const memory = shim.memoryMiB();
      if (memory) {
        t.diagnostic(`peak ${memory.peak.toFixed(1)} MiB`);
        assert.ok(memory.peak <= MAX_MIB, `peak ${memory.peak} MiB`);
      }
    });
  }
});
