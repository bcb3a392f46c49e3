// agents.X.server_requests: what a backend may not ask, it is not told of, does not get, and it stands in the audit.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const capabilities = {
  sampling: { tools: {} },
  roots: { listChanged: true },
  elicitation: { form: {}, url: {} },
  tasks: { list: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
  experimental: { odd: [1e21, ' sampling '] },
};

async function setup(t, blocked) {
  const backend = await startBackend(t);
  const rules = blocked.length ? { agent: `server_requests: { ${blocked.map((b) => `${b}: block`).join(', ')} }` } : {};
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = await openShim(place, { capabilities });
  return { backend, place, shim, told: backend.of('initialize')[0].message.params };
}

/** A tool that asks the client in between, and says what came back. */
function asking(backend, method, params) {
  let waiting;
  backend.onCall.ask = (exchange) => {
    exchange.stream();
    exchange.event({ jsonrpc: '2.0', id: 'b-1', method, params });
    waiting = exchange;
  };
  backend.onAny = (exchange) => {
    const { message } = exchange;
    if (message?.id !== 'b-1' || message.method) return false;
    exchange.send(202);
    waiting.event({ jsonrpc: '2.0', id: waiting.message.id, result: { content: [{ type: 'text', text: JSON.stringify(message.error ?? message.result) }] } });
    waiting.end();
    return true;
  };
  backend.tools = [{ name: 'ask', inputSchema: { type: 'object' } }];
}

const questions = {
  sampling: ['sampling/createMessage', { messages: [], maxTokens: 1 }],
  elicitation: ['elicitation/create', { message: 'Who?', requestedSchema: { type: 'object', properties: {} } }],
  roots: ['roots/list', undefined],
};

describe('server_requests', suite, () => {
  for (const [name, [method, params]] of Object.entries(questions)) {
    test(`${name}: block refuses, records, and withholds the capability`, async (t) => {
      const { backend, place, shim, told } = await setup(t, [name]);
      assert.equal(name in told.capabilities, false);
      assert.equal(name in told.capabilities.tasks.requests, false);
      assert.deepEqual(told.capabilities.experimental, capabilities.experimental);
      for (const other of Object.keys(questions).filter((n) => n !== name)) {
        assert.deepEqual(told.capabilities[other], capabilities[other]);
      }
      asking(backend, method, params);
      const answer = JSON.parse((await shim.call('ask')).result.content[0].text);
      assert.equal(answer.code, -32601);
      assert.equal(shim.messages.some((m) => m.method === method), false);
      await shim.end();
      const rows = await place.auditRows();
      assert.ok(rows.some((row) => row.verdict === 'blocked' && row.body.method === method), JSON.stringify(rows));
      const opening = rows.find((row) => row.body.method === 'initialize');
      assert.ok(opening.body.withheld.includes(name), JSON.stringify(opening));
    });

    test(`${name} passes when it is not blocked`, async (t) => {
      const { backend, shim, told } = await setup(t, []);
      assert.deepEqual(told.capabilities, capabilities);
      asking(backend, method, params);
      const answer = shim.call('ask');
      const asked = await shim.message((m) => m.method === method);
      assert.deepEqual(asked.params, params);
      await shim.send({ id: asked.id, result: { fine: true } });
      assertSaid(await answer, '{"fine":true}');
    });
  }

  test('blocked roots keep their changes from the backend too', async (t) => {
    const { backend, place, shim } = await setup(t, ['roots']);
    await shim.notify('notifications/roots/list_changed');
    await shim.request('tools/list');
    assert.equal(backend.of('notifications/roots/list_changed').length, 0);
    await until(async () => (await place.auditRows()).some((row) => row.body.method === 'notifications/roots/list_changed'), { what: 'its row' });
    const open = await setup(t, []);
    await open.shim.notify('notifications/roots/list_changed');
    await open.shim.request('ping');
    await until(() => open.backend.of('notifications/roots/list_changed').length === 1, { what: 'the notification' });
  });

  test('leaves initialize as it is when the client declares nothing of it', async (t) => {
    const backend = await startBackend(t);
    const place = makePlace(t, simpleRules(backend.url, { agent: 'server_requests: { sampling: block }' }));
    const shim = await openShim(place, { capabilities: { roots: {} } });
    assert.deepEqual(backend.of('initialize')[0].message.params.capabilities, { roots: {} });
    await shim.request('tools/list');
    await shim.end();
    const opening = (await place.auditRows()).find((row) => row.body.method === 'initialize');
    assert.equal(opening.body.withheld, undefined);
  });
});
