// Rules for what is not a tool, and ways around them: other spellings, completion, requests the client never declared.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertRefused, assertSaid, CODE } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';

const uris = ['file:///pub/a.txt', 'file:///pub/ü b.txt', 'file:///secret/key', 'db://users/1', 'db://users/1/password'];
const prompts = ['review', 'summarize', 'internal_admin', 'internal_x'];

async function setUp(t, { grant = '' } = {}) {
  const backend = await startBackend(t, {
    tools: [tool('echo'), tool('ask')], capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
  });
  Object.assign(backend.onMethod, {
    'resources/list': (x) => x.result({ resources: uris.map((uri) => ({ uri, name: uri })) }),
    'resources/read': (x) => x.result({ contents: [{ uri: x.message.params.uri, text: 'text' }] }),
    'prompts/list': (x) => x.result({ prompts: prompts.map((name) => ({ name, description: `Prompt ${name}` })) }),
    'prompts/get': (x) => x.result({ messages: [] }),
    'completion/complete': (x) => x.result({ completion: { values: ['a'] } }),
  });
  const place = makePlace(t, simpleRules(backend.url, { grant }));
  const shim = await openShim(place);
  return { backend, shim };
}

const listed = async (shim, method, key, field) => (await shim.request(method, {})).result[key].map((item) => item[field]);
const saw = (backend, method, what) => backend.of(method).filter((x) => JSON.stringify(x.message.params).includes(what)).length;

describe('resources', suite, () => {
  const denied = { grant: 'resource_denylist: ["file:///secret/*", "*password*"]' };

  test('other spellings of a denied URI are refused, too', async (t) => {
    const { backend, shim } = await setUp(t, denied);
    const spelled = ['"file:\\/\\/\\/secret\\/key"', '"\\u0066ile:///secret/key"', '"file:///secret/\\u006bey"'];
    for (const [n, uri] of spelled.entries()) {
      const answer = shim.answerTo(`s${n}`);
      await shim.sendLine(`{"jsonrpc":"2.0","id":"s${n}","method":"resources/read","params":{"uri":${uri}}}`);
      assertRefused(await answer, CODE.denied);
    }
    for (const params of ['{"uri":"file:///pub/a.txt","uri":"file:///secret/key"}', '{"uri":"file:///pub/a.txt","URI":"file:///secret/key"}', '{"uri":["file:///secret/key"]}', '["file:///secret/key"]', '{}', '{"uri":null}', '{"uri":7}']) {
      const answer = shim.answerTo(params);
      await shim.sendLine(`{"jsonrpc":"2.0","id":${JSON.stringify(params)},"method":"resources/read","params":${params}}`);
      // What no rule can read is refused here, or by the backend for what it is; the denied URI must not arrive.
      await answer;
    }
    assert.equal(saw(backend, 'resources/read', 'secret'), 0);
  });

  test('the denylist wins over the allowlist', async (t) => {
    const { shim } = await setUp(t, { grant: 'resource_allowlist: ["*"]\nresource_denylist: ["db://*"]' });
    assert.deepEqual(await listed(shim, 'resources/list', 'resources', 'uri'), uris.slice(0, 3));
  });
});

describe('prompts', suite, () => {
  for (const [what, grant] of [['a denylist', 'prompt_denylist: ["internal_*"]'], ['an allowlist', 'prompt_allowlist: [review, "sum*"]']]) {
    test(`${what}: hidden from the list, refused on get and on completion`, async (t) => {
      const { backend, shim } = await setUp(t, { grant });
      assert.deepEqual(await listed(shim, 'prompts/list', 'prompts', 'name'), ['review', 'summarize']);
      assertRefused(await shim.request('prompts/get', { name: 'internal_admin' }), CODE.denied);
      assertRefused(await shim.request('completion/complete', { ref: { type: 'ref/prompt', name: 'internal_x' }, argument: { name: 'a', value: '' } }), CODE.denied);
      assert.ok((await shim.request('prompts/get', { name: 'review' })).result);
      assert.ok((await shim.request('completion/complete', { ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'a', value: '' } })).result);
      assert.equal(saw(backend, 'prompts/get', 'internal'), 0);
      assert.equal(saw(backend, 'completion/complete', 'internal'), 0);
    });
  }
});

describe('requests of the server', suite, () => {
  test('a client that cannot sample is not asked to: the server has its error', async (t) => {
    const { backend, shim } = await setUp(t);
    backend.onCall.ask = (x) => {
      x.stream();
      x.event({ jsonrpc: '2.0', id: 'ask-3', method: 'sampling/createMessage', params: {} });
      x.event({ jsonrpc: '2.0', id: x.message.id, result: { content: [{ type: 'text', text: 'asked' }] } });
      x.end();
    };
    assertSaid(await shim.call('ask'), 'asked');
    await shim.request('ping');
    assert.equal(backend.requests.find((x) => x.message?.id === 'ask-3')?.message.error?.code, -32601);
  });
});
