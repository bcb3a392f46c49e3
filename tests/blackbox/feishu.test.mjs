// Feishu and Lark: people decide by the buttons of a card, or by the page a custom bot's card opens.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rulesFor } from '../lib/approvals.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { appRules, assertInert, buttonOf, buttonsOf, hookRules, pageOf, saysOf, startFeishu } from '../lib/feishu.mjs';
import { Person } from '../lib/approvals.mjs';
import { makePlace } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { until } from '../lib/until.mjs';

const tools = [tool('publish'), tool('erase'), tool('echo')];
const people = 'people: { alice: { feishu: ou_alice, roles: [approver] }, bob: { feishu: ou_bob, roles: [approver] }, viola: { feishu: ou_viola, roles: [viewer] } }';

/** A place with a backend, a platform, a broker that listens, and rules that ask people there. */
async function chat(t, { approval = '', bot = appRules, base = 'http://aegis.test', setup, ...rest } = {}) {
  const backend = await startBackend(t, { tools });
  const feishu = await startFeishu(t);
  setup?.(feishu);
  const more = `${people}\nserver: { listen: "127.0.0.1:0" }\n${rest.more ?? ''}`;
  const rules = (changes = '') => rulesFor(backend, { ...rest, more, approval: `callback_base_url: "${base}", ${bot(feishu)}${approval && ', '}${approval}${changes && ', '}${changes}` });
  const place = makePlace(t, rules());
  const it = { backend, feishu, place, rules, person: new Person(place), open: (options) => openShim(place, options) };
  it.start = async (options) => {
    it.broker = await place.broker(options);
    const [, address] = await it.broker.said(/doors\.open listen=(\S+)/);
    it.callback = `http://${address}/callback/feishu`;
    return it.broker;
  };
  await it.start();
  return it;
}

const title = (state, what = 'publish') => (card) => card.header.title.content.endsWith(`: ${state}: ${what}`);

describe('an app bot of Feishu', suite, () => {
  test('asks with buttons; a press approves, the call runs, the card tells it all', async (t) => {
    const { backend, feishu, open, callback } = await chat(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'hello' });
    const message = await feishu.message(title('Approval needed'));
    assert.match(saysOf(message.card), /\{"message":"hello"\}/);
    assert.match(pageOf(message.card), /^http:\/\/aegis\.test\/a\//);
    assert.equal(backend.arrivals.length, 0);
    const seen = await feishu.press(callback, message, 'approve');
    assert.equal(seen.toast.type, 'success');
    assert.match(seen.toast.content, /^APR-.{4} approved: publish for agent one$/);
    assert.ok(seen.card && buttonsOf(seen.card.data).length === 0);
    assertSaid(await answer, 'hello');
    const done = await feishu.updated(message, title('Approved and done'));
    assert.match(saysOf(done), /was approved by alice \(feishu\) at .*; the call succeeded/);
    assert.equal(buttonsOf(done).length, 0);
    assert.equal(backend.callsOf('publish').length, 1);
    assert.equal(feishu.messages.size, 1);
    assertInert(message.first);
    assertInert(done);
  });
});
