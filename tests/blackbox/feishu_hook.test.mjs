// A custom bot of Feishu or Lark: its cards open the page; one short card follows when it is decided, one more when the call has ended.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { assertInert, buttonsOf, hookRules, pageOf, saysOf } from '../lib/feishu.mjs';
import { feishuPlace, is } from '../lib/feishu_place.mjs';
import { Page } from '../lib/page.mjs';
import { suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const bound = { message: 'hello' };
const signed = (f) => { f.hookSecret = 'sign-secret-1'; f.keyword = 'Aegis'; };
const hookPlace = (t, options = {}) => feishuPlace(t, { bot: hookRules, ...options });
const posted = (feishu, n) => until(() => feishu.posted.length >= n && feishu.posted, { what: `${n} cards of the custom bot; there: ${feishu.posted.map((c) => c.header.title.content)}` });

describe('a custom bot of Feishu', suite, () => {
  test('posts a signed card with the page; a decision and its outcome follow', async (t) => {
    const { feishu, open, person } = await hookPlace(t, { setup: signed });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const [asked] = await posted(feishu, 1);
    assert.ok(is('Approval needed')(asked));
    assert.match(saysOf(asked), /\{"message":"hello"\}/);
    assert.deepEqual(buttonsOf(asked).map((b) => b.value), [undefined]);
    assert.match(pageOf(asked), /^http:\/\/aegis\.test\/a\//);
    await person.decide('approve', (await person.asked()).short, '--reason', 'fine');
    assertSaid(await answer, 'hello');
    const done = await until(() => feishu.posted.find(is('Approved and done')), { what: 'the outcome' });
    assert.match(saysOf(done), /was approved by .* \(cli\) at .*: fine; .*the call succeeded/);
    assert.ok(feishu.posted.length <= 3);
    feishu.posted.forEach(assertInert);
  });

  test('opens the page, which approves', async (t) => {
    const { feishu, open, origin, backend } = await hookPlace(t, { setup: signed });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const [asked] = await posted(feishu, 1);
    const page = await Page.open(origin + new URL(pageOf(asked)).pathname);
    assert.equal(page.status, 200);
    assert.match(page.text, /"message"/);
    assert.equal(backend.arrivals.length, 0);
    const after = await page.press('approve', { reason: 'go on' });
    assert.match(after.text, /approved/);
    assertSaid(await answer, 'hello');
    const done = await until(() => feishu.posted.find(is('Approved and done')), { what: 'the outcome' });
    assert.match(saysOf(done), /was approved by link \((page|link)\) at .*: go on/);
  });

  test('says once that it was refused, or that nobody decided', async (t) => {
    const { feishu, open, person } = await hookPlace(t, { approval: 'timeout: 12s' });
    const shim = await open();
    const first = shim.call('publish', bound);
    await posted(feishu, 1);
    await person.decide('reject', (await person.asked()).short, '--reason', '<at id=all></at>');
    assertRefused(await first, CODE.approval, { reason: 'refused' });
    const cards = await posted(feishu, 2);
    assert.ok(is('Refused')(cards[1]), saysOf(cards[1]));
    assertInert(cards[1]);
    const second = shim.call('erase', {});
    assertRefused(await second, CODE.approval, { reason: 'expired' });
    await posted(feishu, 4);
    assert.ok(is('Expired', 'erase')(feishu.posted[3]));
  });

  test('without an address of its own says how else to decide', async (t) => {
    const { feishu, open, person } = await hookPlace(t, { base: '' });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const [card] = await posted(feishu, 1);
    assert.equal(buttonsOf(card).length, 0);
    const { short } = await person.asked();
    assert.match(saysOf(card), new RegExp(`aegisctl approvals approve ${short}`));
    await person.decide('approve', short);
    assertSaid(await answer, 'hello');
  });

  test('a vote that decides nothing adds no card', async (t) => {
    const { feishu, open, person, broker } = await hookPlace(t, { approval: 'quorum: 2' });
    const shim = await open();
    void shim.call('publish', bound);
    await posted(feishu, 1);
    const { short } = await person.asked();
    await person.run('approve', short);
    await broker.said(/outbox\.sent .*event=voted/);
    await person.decide('reject', short);
    const cards = await posted(feishu, 2);
    assert.ok(is('Refused')(cards[1]));
  });

  const passing = {
    'too many messages': (f) => f.fail('hook', { json: { code: 11232, msg: 'frequency limited' } }),
    'HTTP 500': (f) => f.fail('hook', { status: 500, body: '' }),
    'a line that is cut': (f) => f.fail('hook', { hangup: true }),
  };
  for (const [what, spoil] of Object.entries(passing)) {
    test(`passes: ${what}`, async (t) => {
      const { feishu, open, person } = await hookPlace(t, { setup: spoil });
      const shim = await open();
      const answer = shim.call('publish', bound);
      await posted(feishu, 1);
      assert.ok(feishu.countOf('hook') >= 2);
      await person.decide('approve', (await person.asked()).short);
      assertSaid(await answer, 'hello');
    });
  }

  const lasting = {
    'a wrong sign_secret': [(f) => { f.hookSecret = 'another'; }, /sign_secret/],
    'an address that is not allowed': [(f) => { f.allowsIp = false; }, /IP list/],
    'a keyword that is not there': [(f) => { f.keyword = 'Zebra'; }, /keyword: make it .*Aegis/],
    'a webhook that is gone': [(f) => { f.hookToken = 'another'; }, /webhook_url: copy it again/],
  };
  for (const [what, [spoil, sentence]] of Object.entries(lasting)) {
    test(`gives up and says what to do: ${what}`, async (t) => {
      const { feishu, open, person, broker, place } = await hookPlace(t, { setup: signed });
      const url = feishu.hookUrl;
      spoil(feishu);
      const shim = await open();
      const answer = shim.call('publish', bound);
      await broker.said(/outbox\.dead .*/);
      const [row] = await place.query('SELECT state, last_error FROM message');
      assert.equal(row.state, 'DEAD');
      assert.match(row.last_error, sentence);
      assert.equal((broker.stderr + row.last_error).includes(url), false, 'the webhook is a secret');
      await person.decide('approve', (await person.asked()).short);
      assertSaid(await answer, 'hello');
    });
  }
});
