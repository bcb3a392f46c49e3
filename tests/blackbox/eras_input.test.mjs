// What a backend of the stateless revision (2026-07-28) needs first, asked of a client of the older ones: several legs, and still one call.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Person, rulesFor } from '../lib/approvals.mjs';
import { tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { complete, startModern } from '../lib/modern_backend.mjs';
import { makePlace } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { accept, asked, asking, declared, KEY, needs, setUp, STATE, who } from '../lib/translation.mjs';
import { until } from '../lib/until.mjs';

describe('input_required', suite, () => {
  test('becomes the client\'s elicitation, its answer the next leg; one use of a limit, one call in the audit', async (t) => {
    const { backend, shim, place } = await setUp(t, { rules: { grant: 'rate_limits: { asks: { window: 1h, max_count: 1 } }' } });
    asking(backend);
    const going = shim.call('asks', { a: [1] });
    const question = await asked(shim);
    assert.deepEqual(question.params, who.params);
    await shim.send({ id: question.id, result: accept });
    assertSaid(await going, JSON.stringify({ who: accept }));
    assertRefused(await shim.call('asks', { a: [1] }), CODE.limited);
    const [first, second] = backend.callsOf('asks');
    assert.notEqual(first.id, second.id);
    assert.deepEqual(second.args, first.args);
    assert.deepEqual(second.exchange.message.params._meta, first.exchange.message.params._meta);
    assert.equal(second.exchange.req.headers['mcp-name'], 'asks');
    await shim.end();
    const rows = (await place.storedRows()).filter((row) => row.tool === 'asks');
    assert.deepEqual(rows.map((row) => row.kind), ['intent', 'outcome', 'refused']);
    assert.equal(JSON.stringify(rows).includes(STATE), false);
  });

  test('one approval is enough for all legs, and for no other call', async (t) => {
    const backend = await startModern(t, { tools: [tool('publish')] });
    asking(backend, { who }, 'publish');
    const place = makePlace(t, rulesFor(backend));
    const [shim, person] = [await openShim(place, { capabilities: declared }), new Person(place)];
    const going = shim.call('publish', { a: 1 });
    const approval = await person.asked();
    assert.equal(backend.arrivals.length, 0);
    await person.decide('approve', approval.id);
    await shim.send({ id: (await asked(shim)).id, result: accept });
    assertSaid(await going, JSON.stringify({ who: accept }));
    assert.deepEqual((await person.list('--all')).map((a) => a.state), ['CONSUMED']);
    shim.call('publish', { a: 1 }).catch(() => {});
    await person.asked();
    assert.equal(backend.arrivals.length, 2);
  });

  test('progress rises over the legs, however each of them counts', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x, params) => {
      x.stream();
      for (const progress of [1, 2.50]) x.event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: params._meta.progressToken, progress, total: 3 } });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: params.requestState ? complete({ content: [] }) : needs({ who }, 's') });
      x.end();
    };
    const going = shim.call('asks', {}, { params: { _meta: { progressToken: 'p' } } });
    await shim.send({ id: (await asked(shim)).id, result: accept });
    assert.ok((await going).result);
    const values = shim.messages.filter((m) => m.method === 'notifications/progress').map((m) => m.params.progress);
    assert.equal(values.length, 4);
    assert.deepEqual(values.slice(0, 2), [1, 2.5]);
    assert.ok(values.every((value, i) => i === 0 || value > values[i - 1]), String(values));
  });

  test('several questions at once, of every kind; also for a prompt and a resource', async (t) => {
    const { backend, shim } = await setUp(t);
    const all = { 'a "1"': who, m: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } }, r: { method: 'roots/list' } };
    const answers = { 'elicitation/create': accept, 'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'x' } }, 'roots/list': { roots: [] } };
    const again = (x) => (x.message.params.requestState ? x.result(complete({ said: x.message.params.inputResponses })) : x.result(needs(all, 'st')));
    backend.onMethod['prompts/get'] = backend.onMethod['resources/read'] = again;
    for (const [method, params] of [['prompts/get', { name: 'p' }], ['resources/read', { uri: 'a:b' }]]) {
      shim.messages.length = 0;
      const going = shim.request(method, params);
      await until(() => shim.messages.length === 3, { what: 'the questions' });
      for (const m of [...shim.messages].reverse()) await shim.send({ id: m.id, result: answers[m.method] });
      assert.deepEqual((await going).result, { said: { 'a "1"': accept, m: answers['sampling/createMessage'], r: { roots: [] } } });
    }
  });

  test('a state without questions: the next leg comes by itself', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x, params) => (params.requestState ? x.say('later') : x.result({ resultType: 'input_required', requestState: 's' }));
    assertSaid(await shim.call('asks'), 'later');
    assert.equal('inputResponses' in backend.callsOf('asks')[1].exchange.message.params, false);
  });

  test('what happens at a URL gets the id the older revisions want', async (t) => {
    const { backend, shim } = await setUp(t);
    asking(backend, { who: { method: 'elicitation/create', params: { mode: 'url', message: 'Go', url: 'https://example.com/' } } });
    const going = shim.call('asks');
    const { id, params } = await asked(shim);
    assert.match(params.elicitationId, /^[0-9a-f]{32}$/);
    await shim.send({ id, result: { action: 'accept' } });
    assertSaid(await going, '{"who":{"action":"accept"}}');
  });

  test('a client that did not declare it is not asked: the call ends with an error', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: {} });
    asking(backend);
    const { error } = await shim.call('asks');
    assert.match(error.message, /needs something of the client first.*not declared/);
    assert.deepEqual(shim.messages, []);
    assert.equal(backend.callsOf('asks').length, 1);
  });

  test('what the rules block is neither declared nor asked, and stands in the audit', async (t) => {
    const { backend, shim, place } = await setUp(t, { rules: { agent: 'server_requests: { elicitation: block }' } });
    asking(backend);
    const { error } = await shim.call('asks');
    assert.match(error.message, /the rules of this agent do not allow/);
    const can = backend.callsOf('asks')[0].exchange.message.params._meta[`${KEY}clientCapabilities`];
    assert.deepEqual(Object.keys(can), ['sampling', 'roots']);
    await shim.end();
    assert.ok((await place.auditRows()).some((row) => row.verdict === 'blocked' && row.body.method === 'elicitation/create'));
  });

  const beyond = {
    'a URL of a client for forms': [{ elicitation: {} }, { method: 'elicitation/create', params: { mode: 'url', message: 'Go', url: 'https://example.com/' } }],
    'a form of a client for URLs': [{ elicitation: { url: {} } }, who],
    'tools of a client that samples without': [{ sampling: {} }, { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, tools: [] } }],
  };
  for (const [name, [capabilities, question]] of Object.entries(beyond)) {
    test(`a backend that wants ${name}: not asked`, async (t) => {
      const { backend, shim } = await setUp(t, { capabilities });
      asking(backend, { question });
      assert.match((await shim.call('asks')).error.message, /has not declared/);
      assert.deepEqual(shim.messages, []);
      assert.equal(backend.callsOf('asks').length, 1);
    });
  }

  test('what comes after a question that is refused is not asked', async (t) => {
    const { backend, shim } = await setUp(t, { capabilities: { roots: {} } });
    asking(backend, { a: who, b: { method: 'roots/list' } });
    assert.match((await shim.call('asks')).error.message, /not declared/);
    assert.deepEqual(shim.messages, []);
  });

  test('one of several backends asks: the answer finds its way', async (t) => {
    const [one, two] = [await startModern(t, { tools: [tool('asks')] }), await startModern(t, { tools: [tool('asks')] })];
    asking(one);
    asking(two);
    const shim = await openShim(makePlace(t, `backends: { a: { url: "${one.url}" }, b: { url: "${two.url}" } }\nagents: { one: { backends: { a: { allowed: true }, b: { allowed: true } } } }\n`), { capabilities: declared });
    const going = [shim.call('a__asks'), shim.call('b__asks')];
    await until(() => shim.messages.filter((m) => m.method === 'elicitation/create').length === 2, { what: 'both questions' });
    for (const m of shim.messages) await shim.send({ id: m.id, result: accept });
    for (const answer of await Promise.all(going)) assertSaid(answer, JSON.stringify({ who: accept }));
    assert.deepEqual([one, two].map((b) => b.callsOf('asks').length), [2, 2]);
  });

  test('a client that answers with an error ends the call, and its other questions', async (t) => {
    const { backend, shim } = await setUp(t);
    asking(backend, { one: who, two: { method: 'roots/list' } });
    const going = shim.call('asks');
    const [elicit, roots] = [await asked(shim), await asked(shim, 'roots/list')];
    await shim.send({ id: elicit.id, error: { code: -1, message: 'gone fishing' } });
    assert.match((await going).error.message, /gone fishing/);
    const end = await shim.message((m) => m.method === 'notifications/cancelled', 'the end of the other question');
    assert.equal(end.params.requestId, roots.id);
    assert.equal(backend.callsOf('asks').length, 1);
  });

  test('a call cancelled while the client is asked: the question ends, no leg follows, a late answer harms nothing', async (t) => {
    const { backend, shim } = await setUp(t);
    asking(backend);
    shim.call('asks', {}, { id: 'c1' }).catch(() => {});
    const question = await asked(shim);
    await shim.notify('notifications/cancelled', { requestId: 'c1' });
    const end = await shim.message((m) => m.method === 'notifications/cancelled', 'the end of the question');
    assert.equal(end.params.requestId, question.id);
    await shim.send({ id: question.id, result: accept });
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.callsOf('asks').length, 1);
  });

  test('the answer to one call\'s question does not reach another\'s, whoever is first', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x, params) => (params.requestState
      ? x.say(`${params.requestState} ${params.inputResponses.who.content.n}`)
      : x.result(needs({ who: { ...who, params: { ...who.params, message: params.arguments.n } } }, params.arguments.n)));
    const going = [1, 2, 3].map((n) => shim.call('asks', { n: `call ${n}` }));
    await until(() => shim.messages.length === 3, { what: 'the questions' });
    for (const m of [...shim.messages].reverse()) await shim.send({ id: m.id, result: { action: 'accept', content: { n: m.params.message } } });
    for (const [i, answer] of (await Promise.all(going)).entries()) assertSaid(answer, `call ${i + 1} call ${i + 1}`);
  });

  test('a backend that asks again and again is stopped', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x) => x.result(needs({ r: { method: 'roots/list' } }, 'again'));
    let isOver = false;
    const going = shim.call('asks').finally(() => { isOver = true; });
    let answered = 0;
    await until(async () => {
      for (; answered < shim.messages.length; answered++) await shim.send({ id: shim.messages[answered].id, result: { roots: [] } });
      return isOver;
    }, { what: 'the end of the call' });
    assert.match((await going).error.message, /stopped/);
    assert.equal(backend.callsOf('asks').length, 11);
  });

  const nonsense = {
    'nothing at all': { resultType: 'input_required' },
    'an unknown kind': needs({ a: { method: 'shell/run', params: {} } }),
    'no method': needs({ a: {} }),
    'no params': needs({ a: { method: 'elicitation/create' } }),
    'a thousand questions': needs(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, who]))),
  };
  for (const [name, result] of Object.entries(nonsense)) {
    test(`a backend that wants ${name}: the call ends with a sentence, the client hears nothing else`, async (t) => {
      const { backend, shim } = await setUp(t);
      backend.onCall.asks = (x) => x.result(result);
      assert.match((await shim.call('asks')).error.message, /the backend wants/);
      assert.deepEqual(shim.messages, []);
      assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    });
  }

  test('a leg that fails leaves the outcome unknown: the first one may have had an effect', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x, params) => (params.requestState ? x.send(400) : x.result(needs({ who }, 's')));
    const going = shim.call('asks');
    await shim.send({ id: (await asked(shim)).id, result: accept });
    assertRefused(await going, CODE.unknown, { executed: 'unknown' });
    assert.equal(backend.callsOf('asks').length, 2);
  });

  test('the end of the session while the client is asked leaves nothing behind', async (t) => {
    const { backend, shim, place } = await setUp(t);
    asking(backend);
    shim.call('asks').catch(() => {});
    await asked(shim);
    assert.equal((await shim.end()).code, 0);
    assert.equal(backend.callsOf('asks').length, 1);
    assert.deepEqual((await place.storedRows()).filter((row) => row.tool === 'asks').map((row) => row.kind), ['intent', 'outcome']);
  });
});

describe('faults of the backend', suite, () => {
  const faults = {
    'a reset': (x) => x.reset(),
    'half an answer': (x) => { x.res.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 }); x.res.write('{"jsonrpc":"2.0","id":', () => x.reset()); },
    'a stream without an answer': (x) => { x.stream(); x.res.write('id: 1\ndata:\n\n: comment\n\n', () => x.end()); },
    'HTTP 500 in words': (x) => x.send(500, 'oh no'),
    'HTTP 200 without a body': (x) => x.send(200),
    'a page': (x) => x.send(200, '<html>', { 'content-type': 'text/html' }),
    'no JSON': (x) => x.json('{"jsonrpc":"2.0",'),
    'somebody else\'s answer': (x) => x.json('{"jsonrpc":"2.0","id":"nobody","result":{"resultType":"complete"}}'),
    'no answer in time': () => {},
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`${name}: unknown, once, in the first leg and in the second; the session goes on`, async (t) => {
      const backend = await startModern(t, { tools: ['first', 'second', 'echo'].map((n) => tool(n)) });
      const shim = await openShim(makePlace(t, `backends: { demo: { url: "${backend.url}", timeout: 2s } }\nagents: { one: { backends: { demo: { allowed: true } } } }\n`), { capabilities: declared });
      backend.onCall.first = fault;
      backend.onCall.second = (x, params) => (params.requestState ? fault(x) : x.result(needs({ who }, 's')));
      assertRefused(await shim.call('first'), CODE.unknown, { executed: 'unknown' });
      const going = shim.call('second');
      await shim.send({ id: (await asked(shim)).id, result: accept });
      assertRefused(await going, CODE.unknown, { executed: 'unknown' });
      assertSaid(await shim.call('echo', { message: 'x' }), 'x');
      assert.deepEqual(['first', 'second'].map((n) => backend.callsOf(n).length), [1, 2]);
      assert.equal(backend.of('GET').length, 0);
    });
  }

  test('a backend that is gone between the legs: unknown; and there again for the next call', async (t) => {
    const { backend, shim } = await setUp(t);
    asking(backend);
    const going = shim.call('asks');
    const question = await asked(shim);
    const { port } = backend;
    await backend.stop();
    await shim.send({ id: question.id, result: accept });
    assertRefused(await going, CODE.unknown, { executed: 'unknown' });
    await backend.start(port);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
  });

  test('an answer of 11 MiB is replaced by one that says so', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.asks = (x) => x.result(complete({ content: [{ type: 'text', text: 'B'.repeat(11 << 20) }] }));
    const answer = await shim.call('asks');
    assert.ok(answer.line.length < 10_000, 'it is short');
    assert.ok(answer.error ?? answer.result.isError, answer.line);
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
  });
});
