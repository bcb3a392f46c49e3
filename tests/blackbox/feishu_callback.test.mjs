// What arrives at /callback/feishu: only the platform's word counts, once, and whoever else asks learns nothing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertSaid } from '../lib/check.mjs';
import { buttonOf, hookRules } from '../lib/feishu.mjs';
import { feishuPlace, is } from '../lib/feishu_place.mjs';
import { suite } from '../lib/settings.mjs';

const bound = { message: 'hello' };

async function asking(t, options) {
  const it = await feishuPlace(t, options);
  const shim = await it.open();
  it.answer = shim.call('publish', bound);
  it.message = await it.feishu.message(is('Approval needed'));
  it.value = buttonOf(it.message.card, 'approve').value;
  return it;
}

describe('a callback of Feishu', suite, () => {
  test('that looks at the address is answered to who knows key and token', async (t) => {
    const { feishu, callback } = await feishuPlace(t);
    assert.ok((await feishu.verifyUrl(callback)).isGood);
    assert.ok((await feishu.verifyUrl(callback, { isSigned: true })).isGood);
    for (const wrong of [{ token: 'another' }, { token: '' }, { key: 'another' }]) {
      const { status, isGood } = await feishu.verifyUrl(callback, wrong);
      assert.deepEqual([status, isGood], [403, false]);
    }
  });

  test('that is forged, old, of another app or not a press is refused, each with the same answer', async (t) => {
    const { feishu, callback, value, answer, message, person } = await asking(t);
    const now = Math.floor(Date.now() / 1000);
    const good = () => feishu.event(value);
    const forged = [
      feishu.sealed(good(), { isSigned: false }),
      feishu.sealed(good(), { sign: '0'.repeat(64) }),
      feishu.sealed(good(), { sign: '' }),
      feishu.sealed(good(), { signWith: 'another' }),
      feishu.sealed(good(), { key: 'another' }),
      feishu.sealed(good(), { key: 'another', signWith: 'another' }),
      feishu.sealed(good(), { timestamp: String(now - 400) }),
      feishu.sealed(good(), { timestamp: String(now + 400) }),
      feishu.sealed(good(), { timestamp: `${now}.0` }),
      feishu.sealed({ ...good(), schema: undefined }),
      feishu.sealed(feishu.event(value, { header: { app_id: 'cli_another' } })),
      feishu.sealed(feishu.event(value, { header: { token: 'another' } })),
      feishu.sealed(feishu.event(value, { header: { event_type: 'card.action.trigger_v1' } })),
      feishu.sealed({ open_id: 'ou_alice', open_message_id: message.id, token: feishu.token, action: { value, tag: 'button' } }),
      feishu.sealed('{"type":"url_verification"'),
      { body: JSON.stringify(good()), headers: feishu.sealed('').headers },
      { body: '', headers: {} },
    ];
    const tampered = feishu.sealed(good());
    tampered.body = tampered.body.replace(/"}$/, 'A"}');
    const answers = [];
    for (const callbackBytes of [...forged, tampered]) answers.push(await feishu.deliver(callback, callbackBytes));
    const [first] = answers;
    assert.equal(first.status, 403);
    for (const [i, other] of answers.entries()) assert.deepEqual(other, first, `case ${i}`);
    assert.equal((await person.asked()).votes, 0);
    await feishu.press(callback, message, 'approve');
    assertSaid(await answer, 'hello');
  });

  test('that comes twice counts once', async (t) => {
    const { feishu, callback, value, person } = await asking(t, { approval: 'quorum: 2' });
    const sealed = feishu.sealed(feishu.event(value, { eventId: 'same' }));
    const [one, two] = await Promise.all([feishu.deliver(callback, sealed), feishu.deliver(callback, sealed)]);
    assert.deepEqual([one.status, two.status], [200, 200]);
    const types = [one, two].map((a) => JSON.parse(a.text).toast.content);
    assert.equal(types.filter((text) => /taken before/.test(text)).length, 1, types.join(' | '));
    assert.equal((await person.asked()).votes, 1);
  });

  test('about other arguments, another approval or a card of somebody else decides nothing', async (t) => {
    const { feishu, callback, value, message, person, answer } = await asking(t);
    const odd = [{ ...value, hash: '0'.repeat(64) }, { ...value, id: '0'.repeat(32) }, { ...value, hash: undefined }, { ...value, action: 'APPROVE' }, { k: 'v' }];
    for (const other of odd) {
      const seen = await feishu.trigger(callback, null, other);
      assert.equal(seen.toast.type, 'error', JSON.stringify(other));
      assert.equal(seen.card, undefined);
    }
    assert.equal((await person.asked()).votes, 0);
    await feishu.press(callback, message, 'approve');
    assertSaid(await answer, 'hello');
  });

  test('is nobody\'s where no app bot is configured', async (t) => {
    const { feishu, callback } = await feishuPlace(t, { bot: hookRules });
    assert.equal((await feishu.deliver(callback, feishu.sealed(feishu.event({})))).status, 403);
    assert.equal((await feishu.verifyUrl(callback)).status, 403);
  });
});
