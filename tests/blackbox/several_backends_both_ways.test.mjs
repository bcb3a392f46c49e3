// Several backends behind one shim, both ways at once: ids and tokens that clash, tasks, cancelling; and each one's own rules, limits, rows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { HANG_MS, suite } from '../lib/settings.mjs';
import { ALL, names, rules, setUp } from '../lib/several.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

/** A call of `ask` makes this backend ask the client the same, with an id and a progress token of its own. */
function asksFor(backend, { method = 'sampling/createMessage', id = 1, progressToken } = {}) {
  backend.onCall.ask = (x) => {
    x.stream();
    x.event({ jsonrpc: '2.0', id, method, params: { messages: [], ...(progressToken === undefined ? {} : { _meta: { progressToken } }) } });
    until(() => backend.requests.find((r) => r.message?.id === id && r.message.result), { what: 'the answer' }).then((reply) => {
      x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text: reply.message.result.text }] } });
      x.end();
    }, () => x.reset());
  };
}

describe('several backends', suite, () => {
  describe('both ways', suite, () => {
    test('ids that clash: the client\'s, and those of requests of two backends at once', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { tools: [tool('ask')] }, b: { tools: [tool('ask')] } }, { capabilities: { sampling: {} } });
      asksFor(a);
      asksFor(b);
      const calls = [shim.request('tools/call', { name: 'a__ask' }, { id: 1 }), shim.request('tools/call', { name: 'b__ask' }, { id: '1' })];
      await until(() => shim.messages.filter((m) => m.method === 'sampling/createMessage').length === 2);
      const asked = shim.messages.filter((m) => m.method === 'sampling/createMessage');
      assert.notEqual(asked[0].id, asked[1].id);
      for (const one of asked.toReversed()) await shim.send({ id: one.id, result: { text: `answer ${one.id}` } });
      const said = (await Promise.all(calls)).map((one) => one.result.content[0].text);
      assert.deepEqual(new Set(said), new Set(asked.map((one) => `answer ${one.id}`)));
      await shim.send({ id: asked[0].id, result: { text: 'again' } });
      assert.deepEqual((await shim.request('ping')).result, {}, 'an answer too many is dropped');
    });

    test('progress: the backend\'s comes with the client\'s token, the client\'s goes with the backend\'s', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { tools: [tool('ask')] }, b: { tools: [tool('ask')] } }, { capabilities: { sampling: {} } });
      asksFor(a, { progressToken: 'p' });
      asksFor(b, { progressToken: 'p' });
      const call = shim.request('tools/call', { name: 'b__ask', _meta: { progressToken: 'p' } });
      const ask = await shim.message((m) => m.method === 'sampling/createMessage');
      await shim.notify('notifications/progress', { progressToken: ask.params._meta.progressToken, progress: 1 });
      await until(() => b.of('notifications/progress').length === 1);
      assert.equal(b.of('notifications/progress')[0].message.params.progressToken, 'p');
      assert.equal(a.of('notifications/progress').length, 0);
      await shim.send({ id: ask.id, result: { text: 'fine' } });
      assertSaid(await call, 'fine');
      a.onCall.ask = (x) => {
        x.stream();
        x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: x.message.params._meta.progressToken, progress: 1 } });
        x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text: 'a' }] } });
        x.end();
      };
      assertSaid(await shim.request('tools/call', { name: 'a__ask', _meta: { progressToken: 77 } }), 'a');
      assert.ok(shim.messages.some((m) => m.method === 'notifications/progress' && m.params.progressToken === 77));
    });

    test('cancelling reaches the one backend that has the request, either way', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { tools: [tool('slow')] }, b: { tools: [tool('slow')] } }, { capabilities: { sampling: {} } });
      let held;
      b.onCall.slow = (x) => {
        held = x;
        x.stream();
        x.event({ jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage', params: {} });
      };
      shim.call('b__slow', {}, { id: 5 }).catch(() => {});
      const ask = await shim.message((m) => m.method === 'sampling/createMessage');
      held.event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q' } });
      const said = await shim.message((m) => m.method === 'notifications/cancelled');
      assert.equal(said.params.requestId, ask.id);
      await shim.notify('notifications/cancelled', { requestId: 5 });
      await until(() => b.of('notifications/cancelled').length === 1);
      assert.equal(b.of('notifications/cancelled')[0].message.params.requestId, 5);
      assert.equal(a.of('notifications/cancelled').length, 0);
    });

    test('an id that is open is not taken again, whatever it would be for', async (t) => {
      const { b, shim } = await setUp(t, { a: {}, b: {} });
      let held;
      b.onCall.echo = (x) => { held = x; };
      const said = () => shim.lines.filter((one) => one.includes('"id":9')).map((one) => JSON.parse(one));
      await shim.send({ id: 9, method: 'tools/call', params: { name: 'b__echo' } });
      await until(() => held);
      for (const again of [{ method: 'tools/list' }, { method: 'tools/call', params: { name: 'a__echo' } }]) await shim.send({ id: 9, ...again });
      await until(() => said().length === 2);
      assert.ok(said().every((one) => one.error.code === CODE.invalid));
      held.say('done');
      await until(() => said().length === 3);
      assertSaid(said()[2], 'done');
    });

    test('tasks are asked for where they were made', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { capabilities: { tools: {}, tasks: {} } }, b: { capabilities: { tools: {}, tasks: { list: {} } } } });
      for (const [name, one] of Object.entries({ a, b })) {
        one.onCall.echo = (x) => x.result({ task: { taskId: `task-${name}`, status: 'working' } });
        one.onMethod['tasks/get'] = (x) => x.result({ taskId: x.message.params.taskId, status: 'completed' });
        one.onMethod['tasks/list'] = (x) => x.result({ tasks: [{ taskId: `task-${name}` }] });
      }
      await shim.call('a__echo');
      await shim.call('b__echo');
      assert.equal((await shim.request('tasks/get', { taskId: 'task-b' })).result.status, 'completed');
      assert.equal(a.of('tasks/get').length, 0);
      assert.equal(b.of('tasks/get').length, 1);
      assert.equal((await shim.request('tasks/get', { taskId: 'nobody' })).error.code, CODE.params);
      assert.deepEqual((await shim.request('tasks/list')).result.tasks.map((one) => one.taskId), ['task-a', 'task-b']);
    });

    test('notifications of the client go to all of them, a call without an id to none', async (t) => {
      const { a, b, shim, place } = await setUp(t, { a: {}, b: {} });
      await shim.notify('tools/call', { name: 'a__echo' });
      await shim.notify('x/run');
      await shim.notify('notifications/roots/list_changed');
      await until(() => a.of('notifications/roots/list_changed').length && b.of('notifications/roots/list_changed').length);
      assert.equal(a.arrivals.length + a.of('x/run').length + b.of('x/run').length, 0);
      await shim.call('a__echo');
      await shim.end();
      assert.ok((await place.storedRows()).some((row) => row.body.method === 'tools/call' && row.verdict === 'blocked'));
    });

    test('what cannot be read is refused, and batches are taken apart where the revision has them', async (t) => {
      const { a, b, shim } = await setUp(t, { a: {}, b: {} }, { version: '2025-03-26' });
      await shim.sendLine('{"jsonrpc":"2.0","id":1,');
      await shim.message((m) => m.id === null && m.error?.code === CODE.parse);
      const said = [shim.answerTo('x'), shim.answerTo('y')];
      await shim.sendLine(JSON.stringify([
        { jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name: 'a__echo', arguments: { message: '1' } } },
        { jsonrpc: '2.0', id: 'y', method: 'tools/call', params: { name: 'b__echo', arguments: { message: '2' } } },
      ]));
      assertSaid(await said[0], '1');
      assertSaid(await said[1], '2');
      assert.deepEqual([a.arrivals.length, b.arrivals.length], [1, 1]);
      const { shim: later } = await setUp(t, { a: {}, b: {} });
      await later.sendLine('[]');
      await later.message((m) => m.id === null && m.error?.code === CODE.invalid);
    });

    test('a method that names no backend is not guessed at', async (t) => {
      const { a, b, shim, place } = await setUp(t, { a: {}, b: {} });
      const { error } = await shim.request('x/unknown');
      assert.equal(error.code, -32601);
      assert.match(error.message, /--backend/);
      assert.deepEqual([a.of('x/unknown').length, b.of('x/unknown').length], [0, 0]);
      await until(async () => (await place.storedRows()).some((row) => row.verdict === 'blocked' && row.body.method === 'x/unknown'), { what: 'its row' });
    });
  });

  describe('governance', suite, () => {
    test('sees each backend\'s own names: its lists, limits and rows', async (t) => {
      const tools = ['echo', 'drop'].map((name) => tool(name));
      const { a, b, shim, place } = await setUp(t, { a: { tools }, b: { tools } }, {
        grants: { a: 'rate_limits: { echo: { window: 1h, max_count: 1 } }', b: 'tool_denylist: ["drop"]' },
      });
      const list = (await shim.request('tools/list')).result.tools;
      assert.deepEqual(list.map((one) => one.name), ['a__echo', 'a__drop', 'b__echo']);
      assert.equal(list[0].description, '[Rate:1/1h] Does echo');
      assertSaid(await shim.call('a__echo'), 'done');
      assertRefused(await shim.call('a__echo'), CODE.limited, { reason: 'rate' });
      assertSaid(await shim.call('b__echo'), 'done');
      assertSaid(await shim.call('b__echo'), 'done');
      assertRefused(await shim.call('b__drop'), CODE.denied);
      assert.deepEqual([a.arrivals.length, b.arrivals.length], [1, 2]);
      await shim.end();
      const rows = (await place.storedRows()).filter((row) => row.kind === 'intent').map((row) => [row.backend, row.tool]);
      assert.deepEqual(rows, [['a', 'echo'], ['b', 'echo'], ['b', 'echo']]);
    });

    test('resources and prompts are hidden and refused by each backend\'s own rules', async (t) => {
      const { a, b, shim } = await setUp(t, { a: { capabilities: ALL }, b: { capabilities: ALL } }, {
        grants: { b: 'resource_denylist: ["file:///secret*"], prompt_denylist: ["hello"]' },
      });
      for (const one of [a, b]) {
        one.onMethod['resources/list'] = (x) => x.result({ resources: [{ uri: 'file:///secret', name: 's' }] });
        one.onMethod['resources/read'] = (x) => x.result({ contents: [] });
        one.onMethod['prompts/list'] = (x) => x.result({ prompts: [{ name: 'hello' }] });
      }
      assert.deepEqual((await shim.request('resources/list')).result.resources.map((r) => r.uri), ['aegis:a/file:///secret']);
      assert.deepEqual((await shim.request('prompts/list')).result.prompts.map((p) => p.name), ['a__hello']);
      assert.ok((await shim.request('resources/read', { uri: 'aegis:a/file:///secret' })).result);
      assertRefused(await shim.request('resources/read', { uri: 'aegis:b/file:///secret' }), CODE.denied);
      assertRefused(await shim.request('prompts/get', { name: 'b__hello' }), CODE.denied);
      assert.equal(b.of('resources/read').length + b.of('prompts/get').length, 0);
    });

    test('changed rules are told once, and count for all', async (t) => {
      const { a, b, shim, place } = await setUp(t, { a: {}, b: {} });
      await shim.request('tools/list');
      place.writeRules(rules({ a: a.url, b: b.url }, { a: 'tool_denylist: ["*"]' }));
      assertRefused(await shim.call('a__echo'), CODE.denied);
      await shim.message((m) => m.method === 'notifications/tools/list_changed');
      assert.deepEqual(names(await shim.request('tools/list')), ['b__echo']);
      assert.equal(shim.messages.filter((m) => m.method === 'notifications/tools/list_changed').length, 1);
    });

    test('--backend still picks one, whose names are its own', async (t) => {
      const a = await startBackend(t);
      const b = await startBackend(t);
      const place = makePlace(t, rules({ a: a.url, b: b.url }));
      const shim = await openShim(place, { args: ['--agent', 'one', '--backend', 'b', ...place.options] });
      assert.deepEqual(names(await shim.request('tools/list')), ['echo']);
      assertSaid(await shim.call('echo', { message: 'one' }), 'one');
      assert.deepEqual([a.requests.length, b.arrivals.length], [0, 1]);
    });

    test('500 calls to three backends at once: each is answered once, by the one that was meant', async (t) => {
      const { a, b, c, shim } = await setUp(t, { a: {}, b: {}, c: {} });
      for (const [name, one] of Object.entries({ a, b, c })) one.onCall.echo = (x, p) => x.say(`${name} ${p.arguments.n}`);
      const calls = Array.from({ length: 500 }, (_, n) => ['a', 'b', 'c'].map((name) => [name, n])[n % 3]);
      const answers = await settled(Promise.all(calls.map(([name, n]) => shim.call(`${name}__echo`, { n }))), 'all answers', 3 * HANG_MS);
      for (const [i, [name, n]] of calls.entries()) assertSaid(answers[i], `${name} ${n}`);
      assert.equal(a.arrivals.length + b.arrivals.length + c.arrivals.length, 500);
    });
  });
});
