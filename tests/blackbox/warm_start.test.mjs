// The next session begins with the tools the last one saw, and a backend that is not there is told at once.
import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertNoLeak, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const names = (answer) => answer.result.tools.map((t) => t.name);
const isChange = (m) => m.method === 'notifications/tools/list_changed';
const rulesWith = (backend, more, rules) => simpleRules(backend.url, rules).replace(/" \}/, `"${more} }`);

async function setup(t, { tools = [tool('a'), tool('b')], more = '', rules = {} } = {}) {
  const backend = await startBackend(t, { tools });
  const place = makePlace(t, rulesWith(backend, more, { agents: ['one', 'two'], ...rules }));
  return { backend, place };
}

/** A session that lists once and ends. */
async function warmUp(place, options) {
  const shim = await openShim(place, options);
  const answer = await shim.request('tools/list');
  assert.ok(answer.result, answer.line);
  await shim.end();
}

/** The backend answers tools/list only when told. */
function holdLists(backend) {
  const held = [];
  backend.onMethod['tools/list'] = (exchange) => held.push(exchange);
  return {
    held,
    release() {
      delete backend.onMethod['tools/list'];
      for (const exchange of held.splice(0)) exchange.result({ tools: backend.tools });
    },
  };
}

describe('a warm start', suite, () => {
  test('answers the first list before the backend does, and fetches a fresh one behind', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    const lists = holdLists(backend);
    const shim = await openShim(place);
    const answer = await shim.request('tools/list');
    assert.deepEqual(names(answer), ['a', 'b']);
    await until(() => lists.held.length === 1, { what: 'the list behind' });
    lists.release();
    assertSaid(await shim.call('a'), 'done');
    await shim.request('ping');
    assert.equal(shim.messages.some(isChange), false, 'nothing has changed');
    await shim.end();
    const rows = (await place.auditRows()).filter((row) => row.body.method === 'tools/list');
    assert.deepEqual(rows.map((row) => [row.verdict, row.body.cached]), [['succeeded', undefined], ['succeeded', true]]);
  });

  test('tells the client when the tools are others by now', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    backend.tools = [tool('a'), tool('c')];
    const shim = await openShim(place);
    assert.deepEqual(names(await shim.request('tools/list')), ['a', 'b']);
    await shim.message(isChange, 'list_changed');
    assert.deepEqual(names(await shim.request('tools/list')), ['a', 'c']);
    assert.equal(shim.messages.filter(isChange).length, 1);
    await shim.end();
    const next = await openShim(place);
    holdLists(backend);
    assert.deepEqual(names(await next.request('tools/list')), ['a', 'c']);
  });

  test('sees each agent\'s own rules', async (t) => {
    const { backend, place } = await setup(t, { rules: { grant: 'tool_denylist: ["b"]\nrate_limits: { a: { window: 1h, max_count: 3 } }' } });
    await warmUp(place);
    const lists = holdLists(backend);
    const shim = await openShim(place, { agent: 'two' });
    const answer = await shim.request('tools/list');
    assert.deepEqual(answer.result.tools, [tool('a', { description: '[Rate:3/1h] Does a' })]);
    lists.release();
  });

  test('turns all pages', async (t) => {
    const { backend, place } = await setup(t);
    const pages = { undefined: { tools: [tool('a')], nextCursor: 'p"1' }, 'p"1': { tools: [tool('b')], nextCursor: 'p2' }, p2: { tools: [tool('c')] } };
    const answerPage = (exchange) => exchange.result(pages[exchange.message.params?.cursor]);
    const listAll = async (shim) => {
      const all = [];
      for (let cursor; ;) {
        const { result } = await shim.request('tools/list', cursor === undefined ? undefined : { cursor });
        all.push(...result.tools.map((one) => one.name));
        if (result.nextCursor === undefined) return all;
        cursor = result.nextCursor;
      }
    };
    backend.onMethod['tools/list'] = answerPage;
    const first = await openShim(place);
    assert.deepEqual(await listAll(first), ['a', 'b', 'c']);
    await first.end();
    const lists = holdLists(backend);
    const shim = await openShim(place);
    assert.deepEqual(await listAll(shim), ['a', 'b', 'c']);
    await until(() => lists.held.length === 1, { what: 'the list that is fetched behind' });
  });

  test('knows the tools of a first call without a listing', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    const before = backend.of('tools/list').length;
    const shim = await openShim(place);
    assertSaid(await shim.call('a'), 'done');
    assert.equal(backend.of('tools/list').length, before);
    assertRefused(await shim.call('nope'), CODE.denied, { reason: 'denied' });
    assert.equal(backend.of('tools/list').length, before + 1);
  });

  test('is not for another revision, other capabilities, another credential or another place', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    const isAsked = async (options) => {
      const before = backend.of('tools/list').length;
      const shim = await openShim(place, options);
      await shim.request('tools/list');
      await until(() => backend.of('tools/list').length > before, { what: 'the backend to be asked' });
      await shim.request('ping');
      await shim.end();
      return (await place.auditRows()).filter((row) => row.body.method === 'tools/list').at(-1).body.cached !== true;
    };
    assert.equal(await isAsked({}), false);
    assert.equal(await isAsked({ version: '2025-06-18' }), true);
    assert.equal(await isAsked({ capabilities: { roots: {} } }), true);
    place.writeRules(rulesWith(backend, ', headers: { Authorization: "Bearer x" }'));
    assert.equal(await isAsked({}), true);
    assert.equal(await isAsked({}), false);
    const other = await startBackend(t, { tools: [tool('z')] });
    place.writeRules(simpleRules(other.url));
    const shim = await openShim(place);
    assert.deepEqual(names(await shim.request('tools/list')), ['z']);
  });

  test('is off with tools_cache: 0s, and over when the list is too old', async (t) => {
    for (const more of [', tools_cache: 0s', ', tools_cache: 1ms']) {
      const { backend, place } = await setup(t, { more });
      await warmUp(place);
      backend.tools = [tool('c')];
      const shim = await openShim(place);
      assert.deepEqual(names(await shim.request('tools/list')), ['c'], more);
      await shim.end();
    }
  });

  test('is over when the backend says that its tools changed', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    const shim = await openShim(place);
    backend.onCall.a = (exchange) => {
      exchange.stream();
      exchange.event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
      exchange.event({ jsonrpc: '2.0', id: exchange.message.id, result: { content: [] } });
      exchange.end();
    };
    await shim.call('a');
    backend.tools = [tool('d')];
    assert.deepEqual(names(await shim.request('tools/list')), ['d']);
  });

  test('does not delay the end of the session', async (t) => {
    const { backend, place } = await setup(t);
    await warmUp(place);
    holdLists(backend);
    const shim = await openShim(place);
    await shim.request('tools/list');
    await until(() => backend.of('tools/list').length === 2, { what: 'the list behind' });
    const { code, ms } = await shim.end();
    assert.equal(code, 0);
    assert.ok(ms < 5000, `${ms} ms`);
  });
});

describe('a backend that is not there at the start', suite, () => {
  const opening = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };

  async function ask(t, url) {
    const place = makePlace(t, simpleRules(url));
    const shim = startShim(place);
    const from = performance.now();
    const answer = await shim.request('initialize', opening);
    const ms = performance.now() - from;
    const error = assertRefused(answer, CODE.unreachable, { reason: 'unreachable' });
    assert.match(error.message, /^backend demo did not answer initialize: \S/);
    return { shim, ms, error };
  }

  test('is told at once when it refuses connections', async (t) => {
    const backend = await startBackend(t);
    await backend.stop();
    const { error, ms } = await ask(t, backend.url);
    assertNoLeak(backend, error.message);
    assert.ok(ms < 5000, `${ms} ms`);
  });

  test('is told within 5 s when it says nothing, and may be there later', async (t) => {
    const backend = await startBackend(t);
    let isMute = true;
    backend.onAny = () => isMute;
    const { shim, ms, error } = await ask(t, backend.url);
    assert.ok(ms > 4000 && ms < 20_000, `${ms} ms`);
    assert.match(error.message, /within 5 s/);
    isMute = false;
    assert.ok((await shim.initialize()).result);
    assertSaid(await shim.call('echo', { message: 'there' }), 'there');
  });

  test('is told within 5 s when nobody takes the connection', async (t) => {
    const server = net.createServer({ pauseOnConnect: true }, () => {});
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { ms } = await ask(t, `http://127.0.0.1:${server.address().port}/mcp`);
    assert.ok(ms < 20_000, `${ms} ms`);
  });
});
