// Servers that are children: they start late, are gone before the shim is, whatever they do meanwhile, and nothing is sent twice.
import assert from 'node:assert/strict';
import { readFileSync, realpathSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { flags, noNamespace } from '../lib/namespace.mjs';
import { makePlace } from '../lib/place.mjs';
import { isAlive, memoryMiB, processesNaming } from '../lib/process.mjs';
import { HANG_MS, bin, factor, noPlainBin, patience, plainBin, suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const program = fileURLToPath(new URL('../lib/stdio_server.mjs', import.meta.url));
const SECOND = 1000 * patience;
const END_MS = 8 * SECOND;   // 0.8 s at most on a machine of its own

class Server {
  constructor(place, habits) {
    this.log = path.join(place.dir, 'server.log');
    this.argv = [process.execPath, program, this.log, ...habits];
  }

  get lines() {
    try {
      return readFileSync(this.log, 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  }

  count(text) {
    return this.lines.filter((line) => line.startsWith(text)).length;
  }

  pid(what = 'start') {
    return Number(this.lines.filter((line) => line.startsWith(`${what} `)).at(-1).split(' ')[1]);
  }
}

const rules = (backend, grant = '') => `backends:
  demo: ${backend}
  other: { url: "http://127.0.0.1:9/mcp" }
agents:
  one: { backends: { demo: { allowed: true${grant} } } }
  two: { backends: { demo: { allowed: true }, other: { allowed: true } } }
`;

/** A place whose backend `demo` is a stdio server with these habits. */
function setUp(t, { habits = [], backend = '', grant } = {}) {
  const place = makePlace(t);
  const server = new Server(place, habits);
  place.writeRules(rules(`{ command: ${JSON.stringify(server.argv)}${backend} }`, grant));
  return { place, server };
}

/** The last shim of a place, and with it its child, must be gone. */
async function assertGone(server, ...pids) {
  await until(() => pids.every((pid) => !isAlive(pid)), { what: `${pids} gone` });
  assert.deepEqual(processesNaming(server.log), []);
}

describe('stdio child', suite, () => {
  test('starts with the first message, not before', async (t) => {
    const { place, server } = setUp(t);
    const shim = startShim(place);
    await shim.request('server/discover', {});
    assert.equal(server.lines.length, 0);
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'hello' }), 'hello');
    assert.equal(server.count('start'), 1);
    assert.equal((await shim.end()).code, 0);
    await assertGone(server, server.pid());
  });

  test('gets PATH, HOME, LANG, TMPDIR, what is configured, and the folder that is configured', async (t) => {
    const { place, server } = setUp(t, { backend: ', env: { KEY: { env: GIVEN }, LANG: "C" }, cwd: inner' });
    mkdirSync(path.join(place.dir, 'inner'));
    const shim = await openShim(place, { env: { GIVEN: 's3cret', STRAY: '1', AEGIS_ROLE: 'x' } });
    const answer = await shim.call('env');
    const env = JSON.parse(answer.result.content[0].text);
    assert.deepEqual(Object.keys(env).filter((name) => name !== '_').sort(), ['HOME', 'KEY', 'LANG', 'PATH', 'TMPDIR']);
    assert.equal(env.KEY, 's3cret');
    assert.equal(env.LANG, 'C');
    assertSaid(await shim.call('cwd'), realpathSync(path.join(place.dir, 'inner')));
    await shim.end();
    assert.equal(shim.stderr.includes('s3cret'), false);
    assert.ok(server.pid());
  });

  test('large results come whole, wherever the last read of a turn ends', async (t) => {
    const { place } = setUp(t);
    const shim = await openShim(place);
    for (let n = 0; n < 30; n++) {
      const message = 'B'.repeat((8 << 20) + n * 4099);
      const answer = await shim.call('echo', { message });
      assert.equal(answer.result.content[0].text.length, message.length);
    }
  });

  test('its stderr stands in the log, marked and escaped; a flood of it is thinned out and delays nothing', async (t) => {
    const { place } = setUp(t, { habits: ['floods-stderr'] });
    const shim = await openShim(place);
    const from = performance.now();
    for (let n = 0; n < 20; n++) assertSaid(await shim.call('echo', { message: `${n}` }), `${n}`);
    assert.ok(performance.now() - from < HANG_MS);
    await until(() => /backend\.stderr backend=demo dropped=\d+/.test(shim.stderr), { what: 'a report of dropped lines' });
    assert.match(shim.stderr, /backend\.stderr backend=demo text="flood flood/);
    await shim.end();
    assert.ok(shim.stderr.length < 1_000_000, `${shim.stderr.length} bytes of log`);
  });

  test('lines on stdout that are no messages are passed over and do not reach the client', async (t) => {
    const { place } = setUp(t, { habits: ['chatters'] });
    const shim = await openShim(place, { args: ['--agent', 'one', '--log-level', 'debug', ...place.options] });
    assertSaid(await shim.call('echo', { message: 'a' }), 'a');
    assertSaid(await shim.call('foreign'), 'foreign');
    assertSaid(await shim.call('twice'), 'first');
    assertSaid(await shim.call('echo', { message: 'b' }), 'b');
    await shim.end();
    assert.ok(shim.lines.every((line) => JSON.parse(line).jsonrpc === '2.0'));
    assert.equal(shim.lines.filter((line) => line.includes('foreign')).length, 1);
    assert.match(shim.stderr, /upstream\.stdout backend=demo .*Server is running/);
    assert.match(shim.stderr, /\\u001b\[31mred/);
    assert.equal(shim.stderr.includes('\u001b'), false);
  });

  test('a result longer than max_body is replaced by an error that says so, and was executed; the session lives', async (t) => {
    const { place } = setUp(t, { backend: ', max_body: 100KiB' });
    const shim = await openShim(place);
    const { result: said } = await shim.call('big', { bytes: 300_000 });
    assert.equal(said.isError, true);
    assert.match(said.content[0].text, /larger than the 102400 bytes.*the call was executed/);
    assertSaid(await shim.call('echo', { message: 'after' }), 'after');
    const { result } = await shim.call('big', { bytes: 50_000 });
    assert.equal(result.content[0].text.length, 50_000);
  });

  test('what gets no answer in time is cancelled at the server, but for initialize', async (t) => {
    const { place, server } = setUp(t, { backend: ', timeout: 8s', habits: ['ignores-ping'] });
    const mute = setUp(t, { backend: ', timeout: 8s', habits: ['ignores-initialize'] });
    const [shim, waiting] = [await openShim(place), startShim(mute.place)];
    const [call, ping, opening] = await Promise.all([
      shim.call('hang', {}, { id: 'c1' }), shim.request('ping', undefined, { id: -7 }), waiting.initialize(),
    ]);
    assertRefused(call, CODE.unknown, { executed: 'unknown' });
    assert.ok(ping.error && opening.error);
    const told = () => server.lines.filter((line) => line.startsWith('notifications/cancelled')).map((line) => JSON.parse(line.slice(line.indexOf('{'))));
    await until(() => told().length === 2, { what: 'both cancellations' });
    assert.deepEqual(told().map((params) => params.requestId).sort(), [-7, 'c1']);
    assertSaid(await shim.call('echo', { message: 'after' }), 'after');
    await Promise.all([shim.end(), waiting.end()]);
    assert.equal(mute.server.count('notifications/cancelled'), 0);
  });

  test('messages of megabytes pass both ways', async (t) => {
    const { place } = setUp(t);
    const shim = await openShim(place);
    const message = 'é'.repeat(1_500_000);
    const answers = await Promise.all([shim.call('echo', { message }), shim.call('big', { bytes: 5_000_000 }), shim.call('echo', { message: 'x' })]);
    assertSaid(answers[0], message);
    assert.equal(answers[1].result.content[0].text.length, 5_000_000);
    assertSaid(answers[2], 'x');
  });

  for (const [name, args, cause] of [['exit', { code: 3 }, /exit code 3/], ['signal', {}, /signal 9/], ['close-stdout', {}, /closed its output|exit code/], ['garbage', {}, /exit code 1/]]) {
    test(`${name} in the middle of a call: unknown, once; on_exit: fail says why to all that follow`, async (t) => {
      const { place, server } = setUp(t);
      const shim = await openShim(place);
      const hanging = shim.call('hang');
      await until(() => server.count('call hang') === 1, { what: 'the first call at the server' });
      const dying = await shim.call(name, args);
      assert.match(assertRefused(dying, CODE.unknown, { reason: 'unknown_outcome', executed: 'unknown' }).message, cause);
      assertRefused(await hanging, CODE.unknown, { executed: 'unknown' });
      const later = assertRefused(await shim.call('echo'), CODE.unreachable, { reason: 'unreachable' });
      assert.match(later.message, cause);
      assert.match(later.message, /on_exit: fail/);
      assert.equal(server.count('start'), 1);
      assert.equal(server.count(`call ${name}`), 1);
      assert.equal((await shim.end()).code, 0);
      await assertGone(server, server.pid());
    });
  }

  test('on_exit: restart goes on with a new process and the same session, and sends nothing twice', async (t) => {
    const { place, server } = setUp(t, { backend: ', on_exit: restart', grant: ', rate_limits: { exit: { window: 1h, max_count: 1 } }' });
    const shim = await openShim(place);
    assertSaid(await shim.call('echo', { message: 'one' }), 'one');
    const first = server.pid();
    const dying = shim.call('exit', { code: 1 });
    await until(() => server.count('call exit') === 1, { what: 'the call at the server' });
    const next = shim.call('echo', { message: 'two' });
    assertRefused(await dying, CODE.unknown, { executed: 'unknown' });
    const second = await next;
    if (second.error) assertRefused(second, CODE.unknown, { executed: 'unknown' });   // it had still gone to the dying one
    assertSaid(await shim.call('echo', { message: 'three' }), 'three');
    assert.notEqual(server.pid(), first);
    assert.equal(server.count('call exit'), 1);
    assert.deepEqual([server.count('initialize'), server.count('notifications/initialized')], [2, 2]);
    assertRefused(await shim.call('exit', { code: 1 }), CODE.limited, { reason: 'rate' });
    assert.deepEqual(shim.messages, []);
    await shim.end();
    await assertGone(server, first, server.pid());
  });

  test('after a restart the client hears that the lists may have changed, of those whose changes the server announces', async (t) => {
    const { place, server } = setUp(t, { habits: ['announces'], backend: ', on_exit: restart' });
    const shim = await openShim(place);
    await shim.request('resources/subscribe', { uri: 'x:1' });
    assertRefused(await shim.call('exit', { code: 1 }), CODE.unknown, { executed: 'unknown' });
    assertSaid(await shim.call('echo', { message: 'later' }), 'later');
    await until(() => shim.messages.length === 2, { what: 'two notifications' });
    assert.deepEqual(shim.messages.map((m) => m.method).sort(), ['notifications/resources/list_changed', 'notifications/tools/list_changed']);
    assert.equal(server.count('resources/subscribe'), 2);
  });

  test('restarts end at max_restarts, with a sentence', async (t) => {
    const { place, server } = setUp(t, { backend: ', on_exit: restart, max_restarts: 2' });
    const shim = await openShim(place);
    for (let n = 0; n < 3; n++) assertRefused(await shim.call('exit', { code: 4 }), CODE.unknown, { executed: 'unknown' });
    const { message } = assertRefused(await shim.call('echo'), CODE.unreachable);
    assert.match(message, /exit code 4.*max_restarts/);
    assert.equal(server.count('start'), 3);
  });

  test('a server that dies whenever it starts is given up after max_restarts', async (t) => {
    const { place, server } = setUp(t, { habits: ['dies-at-once'], backend: ', on_exit: restart, max_restarts: 3' });
    const shim = startShim(place);
    const opening = await shim.initialize();
    assert.match(opening.error.message, /exit code 7/);
    for (let n = 0; n < 3; n++) assert.ok((await shim.initialize()).error);
    assert.match((await shim.initialize()).error.message, /max_restarts/);
    assert.equal(server.count('start'), 4);
    assert.equal((await shim.end()).code, 0);
  });

  test('the client hears that a request of a dead server is void; its late answer does not reach the new one', async (t) => {
    const { place, server } = setUp(t, { backend: ', on_exit: restart' });
    const shim = await openShim(place, { capabilities: { roots: {} } });
    const asking = shim.call('ask');
    const question = await shim.message((m) => m.method === 'roots/list', 'roots/list');
    const dying = shim.call('exit', { code: 1 });
    assertRefused(await dying, CODE.unknown, { executed: 'unknown' });
    assertRefused(await asking, CODE.unknown, { executed: 'unknown' });
    const word = await shim.message((m) => m.method === 'notifications/cancelled', 'the cancellation');
    assert.equal(word.params.requestId, question.id);
    shim.send({ id: question.id, result: { roots: [] } });
    assertSaid(await shim.call('echo', { message: 'later' }), 'later');
    assert.equal(server.count('answer'), 0);
  });

  test('a command that cannot start is said in the answer', async (t) => {
    const place = makePlace(t, rules('{ command: [no-such-program-here] }'));
    const missing = startShim(place);
    assert.match((await missing.initialize()).error.message, /no-such-program-here was not found in PATH/);
    await missing.end();
    place.writeRules(rules('{ command: ["true"], cwd: nowhere }'));
    const homeless = startShim(place);
    assert.match((await homeless.initialize()).error.message, /cwd.*cannot be entered/);
    await homeless.end();
    place.writeRules(rules(`{ command: [${JSON.stringify(place.config)}] }`));
    const text = startShim(place);
    assert.match((await text.initialize()).error.message, /cannot be executed/);
  });

  describe('the end', suite, () => {
    for (const habits of [[], ['stays'], ['stays', 'ignores-sigterm'], ['has-grandchild'], ['has-grandchild', 'stays', 'ignores-sigterm']]) {
      const what = habits.join(', ') || 'polite';
      test(`of stdin, server ${what}: in time, nothing is left`, async (t) => {
        const { place, server } = setUp(t, { habits });
        const shim = await openShim(place);
        await shim.call('echo');
        const pids = [server.pid(), ...habits.includes('has-grandchild') ? [server.pid('grandchild')] : []];
        const { code, ms } = await shim.end();
        assert.equal(code, 0);
        assert.ok(ms < END_MS, `${ms} ms\n${shim.stderr}`);
        await assertGone(server, ...pids);
        assert.equal(server.count('end of input'), 1);
      });

      test(`by SIGKILL, server ${what}: nothing is left`, async (t) => {
        const { place, server } = setUp(t, { habits });
        const shim = await openShim(place);
        await shim.call('echo');
        const pids = [server.pid(), ...habits.includes('has-grandchild') ? [server.pid('grandchild')] : []];
        await shim.endBy('SIGKILL');
        await assertGone(server, ...pids);
      });
    }

    test('while a call hangs: unknown on record, nothing is left', async (t) => {
      const { place, server } = setUp(t, { habits: ['stays', 'ignores-sigterm'] });
      const shim = await openShim(place);
      shim.call('hang').catch(() => {});
      await until(() => server.count('call hang') === 1, { what: 'the call at the server' });
      const { code, ms } = await shim.end();
      assert.equal(code, 0);
      assert.ok(ms < END_MS, `${ms} ms\n${shim.stderr}`);
      await assertGone(server, server.pid());
      const outcomes = (await place.auditRows()).filter((row) => row.kind === 'outcome');
      assert.match(JSON.stringify(outcomes), /unknown/);
    });

    test('of 50 sessions one after the other and 20 at once: no process is left', async (t) => {
      const { place, server } = setUp(t);
      for (let n = 0; n < 50 * factor; n++) {
        const shim = await openShim(place);
        await shim.call('echo');
        assert.equal((await shim.end()).code, 0);
      }
      const shims = await Promise.all(Array.from({ length: 20 }, () => openShim(place)));
      await Promise.all(shims.map((shim, n) => shim.call('echo', { n })));
      await Promise.all(shims.map((shim, n) => (n % 2 ? shim.end() : shim.endBy('SIGKILL'))));
      await until(() => processesNaming(server.log).length === 0, { what: 'all servers gone' });
    });
  });

  test('a client that reads nothing stops the server, and memory stays flat', { skip: noPlainBin }, async (t) => {
    const { place } = setUp(t);
    const shim = await openShim(place, { program: plainBin('aegis-shim') });
    shim.stdout.pause();
    for (let n = 0; n < 60; n++) shim.call('big', { bytes: 1_000_000 }).catch(() => {});
    await until(() => memoryMiB(shim.pid).now > 20, { what: 'results waiting in the shim' });
    await shim.request('ping', {}, { within: 1 }).catch(() => {});
    assert.ok(memoryMiB(shim.pid).peak < 90, JSON.stringify(memoryMiB(shim.pid)));
    shim.stdout.resume();
    await until(() => shim.answered >= 61, { what: 'all answers' });
    assert.ok(memoryMiB(shim.pid).peak < 90, JSON.stringify(memoryMiB(shim.pid)));
  });

  describe('-- COMMAND', suite, () => {
    const begin = (place, server, { agent = 'one', more = [], env } = {}) =>
      startShim(place, { args: ['--agent', agent, ...place.options, ...more, '--', ...server.argv], env });

    test('puts the rules of the only backend before it', async (t) => {
      const place = makePlace(t, rules('{ url: "http://127.0.0.1:9/mcp" }', ', tool_denylist: [exit], rate_limits: { echo: { window: 1h, max_count: 1 } }'));
      const server = new Server(place, []);
      const shim = begin(place, server, { env: { TOKEN: 'for the server', AEGIS_ACCESS_TOKEN: 'for us' } });
      assert.ok((await shim.initialize()).result);
      const { result } = await shim.request('tools/list');
      assert.equal(result.tools.some((tool) => tool.name === 'exit'), false);
      assertRefused(await shim.call('exit'), CODE.denied, { reason: 'denied' });
      assertSaid(await shim.call('echo', { message: 'a' }), 'a');
      assertRefused(await shim.call('echo', { message: 'b' }), CODE.limited, { reason: 'rate' });
      const env = JSON.parse((await shim.call('env')).result.content[0].text);
      assert.equal(env.TOKEN, 'for the server');
      assert.equal(env.AEGIS_ACCESS_TOKEN, undefined);
      assertSaid(await shim.call('cwd'), realpathSync(place.dir));
      await shim.end();
      await assertGone(server, server.pid());
      assert.ok((await place.auditRows()).some((row) => row.backend === 'demo' && row.tool === 'echo'));
    });

    test('needs --backend when there are several, and obeys it', async (t) => {
      const place = makePlace(t, rules('{ url: "http://127.0.0.1:9/mcp" }'));
      const server = new Server(place, []);
      const lost = begin(place, server, { agent: 'two' });
      assert.match((await lost.initialize()).error.message, /several backends.*--backend/);
      const found = begin(place, server, { agent: 'two', more: ['--backend', 'other'] });
      assert.ok((await found.initialize()).result);
      assertSaid(await found.call('echo', { message: 'x' }), 'x');
      await found.end();
      assert.ok((await place.auditRows()).every((row) => row.tool !== 'echo' || row.backend === 'other'));
    });

    test('goes on when the rules change under it', async (t) => {
      const place = makePlace(t, rules('{ url: "http://127.0.0.1:9/mcp" }'));
      const server = new Server(place, []);
      const shim = begin(place, server);
      await shim.initialize();
      assertSaid(await shim.call('echo', { message: 'a' }), 'a');
      place.writeRules(rules('{ url: "http://127.0.0.1:10/mcp" }', ', tool_denylist: [echo]'));
      assertRefused(await shim.call('echo'), CODE.denied);
      assertSaid(await shim.call('pid'), String(server.pid()));
    });

    test('that is empty is refused', async (t) => {
      const place = makePlace(t, rules('{ url: "http://127.0.0.1:9/mcp" }'));
      const shim = startShim(place, { args: ['--agent', 'one', ...place.options, '--'] });
      assert.equal((await shim.exited).code, 64);
      assert.match(shim.stderr, /command to start behind --/);
    });

    test('is refused in enforced mode', { skip: noNamespace }, async (t) => {
      const place = makePlace(t, `mode: enforced\n${rules('{ url: "http://127.0.0.1:9/mcp" }')}`);
      const server = new Server(place, []);
      const system = `mount -t tmpfs none /etc && mkdir /etc/aegis && cat '${place.config}' > /etc/aegis/aegis.yaml && exec "$@"`;
      const shim = startShim(place, {
        program: 'unshare', args: [...flags, 'sh', '-ec', system, 'sh', bin('aegis-shim'), '--agent', 'one', '--', ...server.argv],
      });
      assert.match((await shim.initialize()).error.message, /mode: enforced.*no command.*on the command line/);
      assert.equal(server.lines.length, 0);
    });
  });
});
