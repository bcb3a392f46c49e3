// Several backends behind one shim: one server to the client; names lead back to their backend, one that is away is a missing part.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Backend, startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { HANG_MS, suite } from '../lib/settings.mjs';
import { ALL, line, names, rules, setUp, unused } from '../lib/several.mjs';
import { openShim, startShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const childServer = fileURLToPath(new URL('../lib/stdio_server.mjs', import.meta.url));

/** A port nobody listens on now, and a backend may later. */
async function freePort() {
  const backend = await new Backend().start();
  await backend.stop();
  return backend.port;
}

describe('several backends', suite, () => {
  describe('the handshake', suite, () => {
    test('is one answer: the union of what they can, the lowest revision, all of their names and instructions', async (t) => {
      const { a, b, opened } = await setUp(t, {
        a: { capabilities: { tools: {}, resources: { subscribe: true }, experimental: { x: { y: 1 } } } },
        b: { capabilities: { tools: { listChanged: true }, prompts: {}, completions: {} } },
      });
      assert.deepEqual(opened.result.capabilities, {
        tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, experimental: { x: { y: 1 } },
        prompts: { listChanged: true }, completions: {},
      });
      assert.match(opened.result.serverInfo.name, /aegis.*a, b/);
      assert.equal(opened.result.protocolVersion, '2025-11-25');
      await until(() => a.of('notifications/initialized').length && b.of('notifications/initialized').length);
    });

    test('takes the lowest revision, and passes the client\'s capabilities and the instructions', async (t) => {
      const a = await startBackend(t);
      const b = await startBackend(t);
      a.onMethod.initialize = (x) => x.result({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' }, instructions: 'Be "kind".' });
      const place = makePlace(t, rules({ a: a.url, b: b.url }));
      const shim = startShim(place);
      const { result } = await shim.initialize({ capabilities: { sampling: { tools: {} }, roots: { listChanged: true } }, client: 'me' });
      assert.equal(result.protocolVersion, '2025-06-18');
      assert.match(result.instructions, /a:\nBe "kind"\./);
      for (const backend of [a, b]) {
        const { params } = backend.of('initialize')[0].message;
        assert.deepEqual(params.capabilities, { sampling: { tools: {} }, roots: { listChanged: true } });
        assert.equal(params.clientInfo.name, 'me');
      }
    });

    test('one that is down is named in one sentence, and on stderr; the others work', async (t) => {
      const { shim, opened } = await setUp(t, { a: {}, gone: null });
      assert.match(opened.result.instructions, /Missing at present: gone \(.*no connection/);
      assert.match(shim.stderr, /merge\.missing backend=gone/);
      assert.equal((opened.result.instructions + shim.stderr).includes(':9/'), false, 'where it is stays our secret');
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo']);
      assertSaid(await shim.call('a__echo', { message: 'hi' }), 'hi');
      const error = assertRefused(await shim.call('gone__echo'), CODE.unreachable, { reason: 'unreachable' });
      assert.match(error.message, /backend gone is not there/);
    });

    test('one that does not answer delays it by 5 seconds at most, nothing waits for it, and it joins when it answers after all', async (t) => {
      const slow = await startBackend(t);
      let opening;
      slow.onMethod.initialize = (x) => { opening = x; };
      const a = await startBackend(t);
      const place = makePlace(t, rules({ slow: slow.url, a: a.url }));
      const shim = startShim(place);
      const from = performance.now();
      const opened = await shim.initialize();
      assert.ok(performance.now() - from < HANG_MS);
      assert.match(opened.result.instructions, /Missing at present: slow \(.*within 5 s/);
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo']);
      const error = assertRefused(await shim.call('slow__echo', { message: 'too early' }), CODE.unreachable, { reason: 'unreachable' });
      assert.match(error.message, /not answered initialize within 5 s/);
      opening.result({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'slow', version: '1' } });
      await shim.message((m) => m.method === 'notifications/tools/list_changed', 'list_changed');
      assert.deepEqual(names(await shim.request('tools/list')), ['slow__echo', 'a__echo']);
      assertSaid(await shim.call('slow__echo', { message: 'at last' }), 'at last');
      assert.equal(slow.of('initialize').length, 1);
      assert.deepEqual(slow.callsOf('echo').map((one) => one.args.message), ['at last']);
    });

    test('all of them down is a server without tools, not a dead one', async (t) => {
      const { shim, opened } = await setUp(t, { x: null, y: null });
      assert.match(opened.result.instructions, /x \(.*\), y \(/);
      assert.deepEqual(names(await shim.request('tools/list')), []);
      assert.deepEqual((await shim.request('ping')).result, {});
      assert.equal((await shim.end()).code, 0);
    });

    test('one whose configuration cannot be carried out is a missing part', async (t) => {
      const a = await startBackend(t);
      const place = makePlace(t, rules({ a: a.url, b: unused }).replace(`b: { url: "${unused}"`, `b: { url: "${unused}", headers: { X-Key: { env: AEGIS_TEST_UNSET } }`));
      const shim = startShim(place);
      const { result } = await shim.initialize();
      assert.match(result.instructions, /Missing at present: b \(/);
      assert.match(shim.stderr, /merge\.missing backend=b/);
      assertSaid(await shim.call('a__echo', { message: 'hi' }), 'hi');
      assertRefused(await shim.call('b__echo'), CODE.unreachable);
      assert.equal((await shim.end()).code, 0);
    });

    test('a server at a URL and one as a child stand side by side', async (t) => {
      const a = await startBackend(t);
      const place = makePlace(t);
      place.writeRules(rules({ a: a.url, child: unused }).replace(`url: "${unused}"`, `command: ${JSON.stringify([process.execPath, childServer, path.join(place.dir, 'child.log')])}`));
      const shim = await openShim(place);
      const tools = names(await shim.request('tools/list'));
      assert.equal(tools[0], 'a__echo');
      assert.ok(tools.includes('child__echo'), tools.join());
      assert.ok((await shim.call('child__echo', { message: 'hi' })).result);
      assertSaid(await shim.call('a__echo', { message: 'hi' }), 'hi');
      const end = await shim.end();
      assert.equal(end.code, 0);
    });

    test('what the client sends before it is answered waits and keeps its order', async (t) => {
      const a = await startBackend(t);
      const b = await startBackend(t);
      const place = makePlace(t, rules({ a: a.url, b: b.url }));
      const shim = startShim(place);
      const opened = shim.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } });
      shim.notify('notifications/initialized');
      const list = shim.request('tools/list');
      const call = shim.call('b__echo', { message: 'early' });
      assert.ok((await opened).result);
      assert.deepEqual(names(await list), ['a__echo', 'b__echo']);
      assertSaid(await call, 'early');
      const order = b.requests.map((r) => r.message?.method).filter(Boolean);
      assert.deepEqual(order.slice(0, 2), ['initialize', 'notifications/initialized']);
    });

    test('server/discover is answered without touching a backend; a second initialize is refused', async (t) => {
      const a = await startBackend(t);
      const b = await startBackend(t);
      const shim = startShim(makePlace(t, rules({ a: a.url, b: b.url })));
      assert.equal((await shim.request('server/discover')).error.code, -32601);
      assert.equal(a.requests.length + b.requests.length, 0);
      assert.ok((await shim.initialize()).result);
      assert.equal((await shim.initialize()).error.code, CODE.invalid);
    });
  });

  describe('names', suite, () => {
    test('of tools and prompts carry their backend and come back without it', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { capabilities: ALL }, b: { capabilities: ALL } });
      for (const one of [a, b]) {
        one.onMethod['prompts/list'] = (x) => x.result({ prompts: [{ name: 'hello', description: 'd' }] });
        one.onMethod['prompts/get'] = (x) => x.result({ messages: [] });
        one.onMethod['completion/complete'] = (x) => x.result({ completion: { values: ['v'] } });
      }
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo', 'b__echo']);
      assert.deepEqual((await shim.request('prompts/list')).result.prompts.map((p) => p.name), ['a__hello', 'b__hello']);
      const call = '{"jsonrpc":"2.0","params":{"arguments":{"message":"\\u0065","n":1.10},"name":"b__echo","_meta":{"x":1e0}},"id":-5,"method":"tools/call"}';
      const said = shim.answerTo(-5);
      await shim.sendLine(call);
      assertSaid(await said, 'e');
      assert.equal(line(b, 'tools/call'), call.replace('b__echo', 'echo'), 'only the name is another');
      assert.equal(a.arrivals.length, 0);
      await shim.request('prompts/get', { name: 'a__hello' });
      assert.equal(a.of('prompts/get')[0].message.params.name, 'hello');
      await shim.request('completion/complete', { ref: { type: 'ref/prompt', name: 'b__hello' }, argument: { name: 'x', value: '' } });
      assert.equal(b.of('completion/complete')[0].message.params.ref.name, 'hello');
    });

    test('nobody\'s are refused and recorded', async (t) => {
      const { a, b, shim, place } = await setUp(t, { a: {}, b: {} });
      for (const name of ['echo', 'c__echo', 'A__echo', 'a_echo', '__echo', 'a__']) {
        assertRefused(await shim.call(name), CODE.denied);
      }
      assertRefused(await shim.call('a__nothing'), CODE.denied);
      assertRefused(await shim.call('a__b__echo'), CODE.denied);
      assert.equal(a.arrivals.length + b.arrivals.length, 0);
      await shim.end();
      assert.ok((await place.storedRows()).some((row) => row.kind === 'refused' && row.tool === 'echo'));
    });

    test('longer than 64 are cut, tell each other apart, and are found again, also before any list', async (t) => {
      const long = ['one', 'two'].map((end) => `${'very_'.repeat(15)}${end}`);
      const { b, shim } = await setUp(t, { a: {}, b: { tools: long.map((name) => tool(name)) } });
      const shown = names(await shim.request('tools/list')).filter((name) => name.startsWith('b__'));
      assert.equal(new Set(shown).size, 2);
      for (const [i, name] of shown.entries()) {
        assert.ok(name.length <= 64, name);
        assertSaid(await shim.call(name), 'done');
        assert.equal(b.arrivals[i].tool, long[i]);
      }
      const place = makePlace(t, rules({ a: unused, b: b.url }));
      const early = await openShim(place);
      assertSaid(await early.call(shown[1]), 'done');
      assert.equal(b.arrivals[2].tool, long[1]);
      assertRefused(await early.call(`${shown[1].slice(0, -8)}00000000`), CODE.denied);
    });

    test('that cannot be told apart are refused at start', async (t) => {
      const shim = startShim(makePlace(t, rules({ a: unused, a_: unused })));
      const { error } = await shim.initialize();
      assert.match(error.message, /backends a and a_ cannot be told apart/);
      assert.equal((await shim.exited).code, 78);
    });

    test('of resources are URIs that lead back to their backend', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { capabilities: ALL }, b: { capabilities: ALL } });
      for (const one of [a, b]) {
        one.onMethod['resources/list'] = (x) => x.result({ resources: [{ uri: 'file:///x?y=1#z', name: 'x' }] });
        one.onMethod['resources/templates/list'] = (x) => x.result({ resourceTemplates: [{ uriTemplate: 'file:///{path}', name: 't' }] });
        one.onMethod['resources/read'] = (x) => x.result({ contents: [{ uri: x.message.params.uri, text: 'uri' }] });
        for (const m of ['resources/subscribe', 'resources/unsubscribe']) one.onMethod[m] = (x) => x.result({});
        one.onMethod['completion/complete'] = (x) => x.result({ completion: { values: ['v'] } });
      }
      const { resources } = (await shim.request('resources/list')).result;
      assert.equal(resources.length, 2);
      for (const [i, one] of [a, b].entries()) {
        const { uri } = resources[i];
        assert.equal(new URL(uri).href, uri, 'a valid URI that stays as it is');
        const { contents } = (await shim.request('resources/read', { uri })).result;
        assert.equal(one.of('resources/read')[0].message.params.uri, 'file:///x?y=1#z');
        assert.deepEqual(contents, [{ uri, text: 'uri' }]);
        await shim.request('resources/subscribe', { uri });
        assert.equal(one.of('resources/subscribe')[0].message.params.uri, 'file:///x?y=1#z');
      }
      const { resourceTemplates } = (await shim.request('resources/templates/list')).result;
      const uri = resourceTemplates[1].uriTemplate.replace('{path}', 'some/where');
      await shim.request('resources/read', { uri });
      assert.equal(b.of('resources/read')[1].message.params.uri, 'file:///some/where');
      await shim.request('completion/complete', { ref: { type: 'ref/resource', uri: resourceTemplates[0].uriTemplate }, argument: { name: 'path', value: '' } });
      assert.equal(a.of('completion/complete')[0].message.params.ref.uri, 'file:///{path}');
      assert.equal((await shim.request('resources/read', { uri: 'file:///x' })).error.code, CODE.params, 'whose it is cannot be told');
    });

    test('of resources that stand in a text without their prefix are found where only one backend has them', async (t) => {
      const { a, b, shim, place } = await setUp(t, { a: { capabilities: ALL }, b: { capabilities: ALL } });
      a.onMethod['resources/list'] = (x) => x.result({ resources: [{ uri: 'mem:both', name: 'x' }, { uri: 'mem:a', name: 'y' }] });
      b.onMethod['resources/list'] = (x) => x.result({ resources: [{ uri: 'mem:both', name: 'x' }] });
      for (const one of [a, b]) one.onMethod['resources/read'] = (x) => x.result({ contents: [{ uri: x.message.params.uri, text: 'here' }] });
      assert.equal((await shim.request('resources/read', { uri: 'mem:a' })).error.code, CODE.params, 'not seen yet');
      await shim.request('resources/list');
      assert.equal((await shim.request('resources/read', { uri: 'mem:a' })).result.contents[0].text, 'here');
      assert.deepEqual([a.of('resources/read').length, b.of('resources/read').length], [1, 0]);
      const { error } = await shim.request('resources/read', { uri: 'mem:both' });
      assert.equal(error.code, CODE.params);
      assert.match(error.message, /cannot be told which backend.*aegis:a\/URI/);
      const isOnRecord = async () => (await place.storedRows()).some((row) => row.tool === 'mem:a' && row.body.method === 'resources/read');
      await until(isOnRecord, { what: 'a row of what was refused' });
    });

    test('of the pages of apps stay ui:// and lead back', async (t) => {
      const page = 'ui://weather/app.html';
      const metas = [{ ui: { resourceUri: page, visibility: ['model'] } }, { 'ui/resourceUri': page, x: { uri: page } }, { 'openai/outputTemplate': page }, { ui: { resourceUri: 5 } }];
      const tools = metas.map((_meta, n) => ({ _meta, ...tool(`show${n}`) }));
      const { b, shim } = await setUp(t, { a: { tools, capabilities: ALL }, b: { tools, capabilities: ALL } });
      b.onMethod['resources/read'] = (x) => x.result({ contents: [{ uri: x.message.params.uri, mimeType: 'text/html;profile=mcp-app', text: '<p>' }] });
      const listed = (await shim.request('tools/list')).result.tools.slice(4).map((one) => one._meta);
      const shown = 'ui://aegis.b/ui://weather/app.html';
      assert.deepEqual(listed, [
        { ui: { resourceUri: shown, visibility: ['model'] } }, { 'ui/resourceUri': shown, x: { uri: page } }, { 'openai/outputTemplate': shown }, metas[3],
      ]);
      assert.equal(new URL(shown).href, shown);
      const { contents } = (await shim.request('resources/read', { uri: shown })).result;
      assert.deepEqual([contents[0].uri, b.of('resources/read')[0].message.params.uri], [shown, page]);
      assert.equal((await shim.request('resources/read', { uri: page })).error.code, CODE.params, 'both have it');
    });

    test('in results and updates too', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { capabilities: ALL }, b: { capabilities: ALL } });
      const content = [{ type: 'text', text: '"uri"' }, { type: 'resource_link', uri: 'b:1', name: 'l' }, { type: 'resource', resource: { uri: 'b:2', text: 't' } }];
      b.onCall.echo = (x) => {
        x.stream();
        x.event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'b:1' } });
        x.event({ jsonrpc: '2.0', id: x.message.id, result: { content, structuredContent: { uri: 'b:1' } } });
        x.end();
      };
      b.onMethod['prompts/get'] = (x) => x.result({ messages: [{ role: 'user', content: content[2] }] });
      const { result } = await shim.call('b__echo');
      assert.deepEqual(result.content.map((c) => c.uri ?? c.resource?.uri), [undefined, 'aegis:b/b:1', 'aegis:b/b:2']);
      assert.deepEqual(result.structuredContent, { uri: 'b:1' });
      await shim.message((m) => m.method === 'notifications/resources/updated' && m.params.uri === 'aegis:b/b:1');
      const prompt = await shim.request('prompts/get', { name: 'b__p' });
      assert.equal(prompt.result.messages[0].content.resource.uri, 'aegis:b/b:2');
      assert.equal(a.of('prompts/get').length, 0);
    });
  });

  describe('lists', suite, () => {
    test('come in the order of the configuration, whoever is faster', async (t) => {
      const { c, shim } = await setUp(t, { c: {}, a: {}, b: {} });
      c.onMethod['tools/list'] = (x) => setTimeout(() => x.result({ tools: [tool('z'), tool('y')] }), 200);
      assert.deepEqual(names(await shim.request('tools/list')), ['c__z', 'c__y', 'a__echo', 'b__echo']);
    });

    test('have pages: a cursor leads to the next of every backend that has one', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: {}, c: {} });
      const pages = (n) => (x) => {
        const at = Number(x.message.params?.cursor?.slice(2) ?? 0);
        x.result({ tools: [tool(`t${at}`)], ...(at + 1 < n ? { nextCursor: `"\n${at + 1}` } : {}) });
      };
      a.onMethod['tools/list'] = pages(2);
      b.onMethod['tools/list'] = pages(3);
      const seen = [];
      for (let cursor; ;) {
        const { result } = await shim.request('tools/list', cursor === undefined ? undefined : { cursor });
        seen.push(result.tools.map((one) => one.name).join());
        cursor = result.nextCursor;
        if (cursor === undefined) break;
        assert.equal(typeof cursor, 'string');
      }
      assert.deepEqual(seen, ['a__t0,b__t0,c__echo', 'a__t1,b__t1', 'b__t2']);
      assert.equal((await shim.request('tools/list', { cursor: 'nonsense' })).error.code, CODE.params);
      assert.equal((await shim.request('tools/list', { cursor: 7 })).error.code, CODE.params);
    });

    test('are asked only of those that have them', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: { capabilities: ALL } });
      b.onMethod['prompts/list'] = (x) => x.result({ prompts: [{ name: 'p' }] });
      assert.deepEqual((await shim.request('prompts/list')).result.prompts, [{ name: 'b__p' }]);
      assert.equal(a.of('prompts/list').length, 0);
    });

    test('miss the part of one that does not answer within 5 seconds, and are told when it does', async (t) => {
      const { b, shim } = await setUp(t, { a: {}, b: {} });
      let late;
      b.onMethod['tools/list'] = (x) => { late = x; };
      const from = performance.now();
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo']);
      assert.ok(performance.now() - from < HANG_MS);
      assert.match(shim.stderr, /merge\.missing .*backend b is missing in tools\/list|merge\.missing .*b is missing in tools\/list/);
      delete b.onMethod['tools/list'];
      late.result({ tools: [tool('late')] });
      await shim.message((m) => m.method === 'notifications/tools/list_changed');
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo', 'b__echo']);
      assert.equal(shim.messages.some((m) => m.result || m.error), false, 'nothing was answered twice');
    });

    test('say no when a backend says no and no other has anything', async (t) => {
      const { b, shim } = await setUp(t, { a: {}, b: { capabilities: ALL } });
      b.onMethod['prompts/list'] = (x) => x.error(-32077, 'not today');
      const { error, id } = await shim.request('prompts/list', undefined, { id: 'odd' });
      assert.equal(error.code, -32077);
      assert.equal(id, 'odd');
    });

    test('that change are told once', async (t) => {
      const { b, shim } = await setUp(t, { a: {}, b: {} });
      b.onCall.echo = (x) => {
        x.stream();
        x.event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
        x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text: 'ok' }] } });
        x.end();
      };
      assertSaid(await shim.call('b__echo'), 'ok');
      await shim.message((m) => m.method === 'notifications/tools/list_changed');
    });

    test('that the client cancels are answered no more, and the backends hear it', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: {} });
      b.onMethod['tools/list'] = () => {};
      shim.request('tools/list', undefined, { id: 'x' }).catch(() => {});
      await until(() => b.of('tools/list').length);
      await shim.notify('notifications/cancelled', { requestId: 'x' });
      await until(() => b.of('notifications/cancelled').some((r) => r.message.params.requestId === 'x'));
      assertSaid(await shim.call('a__echo', { message: 'next' }), 'next');
      assert.equal(a.arrivals.length, 1);
      assert.equal(shim.lines.some((l) => l.includes('"id":"x"')), false);
    });
  });

  describe('coming and going', suite, () => {
    test('one that comes later joins with list_changed, and has the log level', async (t) => {
      const port = await freePort();
      const a = await startBackend(t, { capabilities: ALL });
      a.onMethod['logging/setLevel'] = (x) => x.result({});
      const place = makePlace(t, rules({ a: a.url, late: `http://127.0.0.1:${port}/mcp` }));
      const shim = await openShim(place);
      assert.deepEqual((await shim.request('logging/setLevel', { level: 'warning' })).result, {});
      const late = new Backend({ capabilities: ALL });
      late.onMethod['logging/setLevel'] = (x) => x.result({});
      await late.start(port);
      t.after(() => late.stop());
      await shim.message((m) => m.method === 'notifications/tools/list_changed');
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo', 'late__echo']);
      assertSaid(await shim.call('late__echo', { message: 'here' }), 'here');
      await until(() => late.of('logging/setLevel').length);
      assert.equal(late.of('logging/setLevel')[0].message.params.level, 'warning');
      assert.equal(late.of('notifications/initialized').length, 1);
    });

    test('one that dies is missing in lists, and is back with list_changed', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: {} });
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo', 'b__echo']);
      const { port } = b;
      await b.stop();
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo']);
      assertRefused(await shim.call('b__echo'), CODE.unreachable);
      assertSaid(await shim.call('a__echo', { message: 'still' }), 'still');
      const again = await new Backend().start(port);
      t.after(() => again.stop());
      await shim.message((m) => m.method === 'notifications/tools/list_changed');
      assert.deepEqual(names(await shim.request('tools/list')), ['a__echo', 'b__echo']);
      assertSaid(await shim.call('b__echo', { message: 'back' }), 'back');
      assert.equal(a.of('initialize').length, 1);
    });

    test('the end: every session is ended politely, within a second', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: {}, gone: null });
      assertSaid(await shim.call('a__echo', { message: '1' }), '1');
      const end = await shim.end();
      assert.equal(end.code, 0);
      assert.ok(end.ms < 10_000, `${end.ms}`);
      await until(() => a.of('DELETE').length === 1 && b.of('DELETE').length === 1);
    });
  });
});
