// Checks on the bare messages: ids, versions, the order of things. Answered by servers/features.mjs.
import assert from 'node:assert/strict';
import { Wire } from '../../lib/wire.mjs';
import { patience } from '../../lib/settings.mjs';
import { until } from '../../lib/until.mjs';

const ids = ['a', 7, 0, -3, Number.MAX_SAFE_INTEGER, '1', 1, '', 'é 漢', '0', 'aegis:1', -1, 'x'.repeat(100)];

/** Opens a wire, uses it, closes it. */
async function withWire(open, use, options) {
  const wire = new Wire(open());
  try {
    return await use(wire, await wire.open(options));
  } finally {
    await wire.close();
  }
}

export const wireChecks = {
  'ids of every kind at once, each answered once, with its own type': (open) => withWire(open, async (wire) => {
    await Promise.all(ids.map((id) => wire.call(id, 'echo', { message: `id ${JSON.stringify(id)}` })));
    for (const id of ids) {
      const answers = wire.answersTo(id);
      assert.equal(answers.length, 1, JSON.stringify(id));
      assert.equal(answers[0].result.content[0].text, `id ${JSON.stringify(id)}`);
    }
  }),
  'an id may be used again after its answer': (open) => withWire(open, async (wire) => {
    for (let n = 0; n < 5; n++) {
      wire.messages.length = 0;
      assert.equal((await wire.call('same', 'echo', { message: `${n}` })).result.content[0].text, `${n}`);
    }
  }),
  'requests of the server have ids of their own: the same number both ways': (open) => withWire(open, async (wire) => {
    // The SDK's server counts its ids from 0, too.
    const going = wire.call(0, 'sample', { request: { messages: [], maxTokens: 1 } });
    const asked = await until(() => wire.messages.find((m) => m.method === 'sampling/createMessage'), { what: 'the request' });
    assert.equal(asked.id, 0);
    const beside = await wire.call(1, 'echo', { message: 'beside' });
    assert.equal(beside.result.content[0].text, 'beside');
    await wire.send({ id: asked.id, result: { model: 'm', role: 'assistant', content: { type: 'text', text: 'ok' }, unknownMember: { a: 1 } } });
    assert.match((await going).result.content[0].text, /"ok"/);
    return asked;
  }, { capabilities: { sampling: {} } }),
  'an error of the client to the server keeps code, message and data': (open) => withWire(open, async (wire) => {
    const going = wire.call(5, 'sample', { request: { messages: [], maxTokens: 1 } });
    const asked = await until(() => wire.messages.find((m) => m.method === 'sampling/createMessage'), { what: 'the request' });
    await wire.send({ id: asked.id, error: { code: -1, message: 'no "thanks"', data: { a: [null] } } });
    const said = JSON.parse((await going).result.content[0].text);
    assert.equal(said.code, -1);
    assert.deepEqual(said.data, { a: [null] });
    return said;
  }, { capabilities: { sampling: {} } }),
  'notifications of a call come before its answer, in order': (open) => withWire(open, async (wire) => {
    await wire.call('n', 'notify', { count: 300 });
    const at = wire.messages.findIndex((m) => m.id === 'n');
    const before = wire.messages.slice(0, at).filter((m) => m.method === 'x-test/note');
    assert.deepEqual(before.map((m) => m.params.n), Array.from({ length: 300 }, (_, n) => n));
  }),
  'answers of the server to initialize, for every revision': async (open) => {
    const answers = {};
    for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '1999-01-01']) {
      answers[version] = await withWire(open, async (wire, answer) => {
        assert.equal((await wire.call(1, 'echo', { message: version })).result.content[0].text, version);
        return answer;
      }, { version });
    }
    assert.equal(answers['2025-03-26'].result.protocolVersion, '2025-03-26');
    return answers;
  },
  'a client that can do nothing is told to the server as such': (open) => withWire(open, async (wire) => (await wire.call(1, 'client')).result),
  'server/discover first, then initialize': {
    through: async (open) => {
      const wire = new Wire(open());
      await wire.transport.start();
      const from = performance.now();
      const answer = await wire.ask({
        id: 'server-discover-probe-1', method: 'server/discover',
        params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {}, 'io.modelcontextprotocol/clientInfo': { name: 'probe', version: '1' } } },
      });
      assert.ok(answer.error, 'an error lets the client fall back');
      assert.ok(performance.now() - from < 2500 * patience, 'Claude Code waits no longer');
      const init = await wire.ask({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'w', version: '1' } } });
      assert.equal(init.result.serverInfo.name, 'features');
      await wire.send({ method: 'notifications/initialized' });
      assert.equal((await wire.call(1, 'echo', { message: 'x' })).result.content[0].text, 'x');
      await wire.close();
    },
  },
};
