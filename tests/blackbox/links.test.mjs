// Links that decide, from outside, as they come in a webhook: what is forged decides nothing and learns nothing; what is ours lasts as long
// as the approval, across restarts and a rotation of the keys.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { factor, suite } from '../lib/settings.mjs';
import { webhookPlace } from '../lib/webhook_place.mjs';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const pick = (n) => randomBytes(4).readUInt32LE() % n;
const flip = (token, at) => {
  const other = LETTERS[(LETTERS.indexOf(token[at]) + 1 + pick(62)) % 64];
  return token[at] === '.' || other === token[at] ? null : token.slice(0, at) + other + token.slice(at + 1);
};

/** One way to forge of each kind; mine and theirs are good tokens of two approvals. */
const forgeries = [
  (mine) => flip(mine, pick(mine.length)),
  (mine) => mine.slice(0, 30) + Array.from({ length: 43 }, () => LETTERS[pick(64)]).join(''),
  (mine, theirs) => mine.slice(0, 30) + theirs.slice(30),
  (mine, theirs) => theirs.slice(0, 30) + mine.slice(30),
  (mine) => mine.slice(0, -1 - pick(60)),
  (mine) => mine + LETTERS[pick(64)],
  (mine) => `${mine}=`,
  (mine) => mine.replaceAll('.', ''),
  () => randomBytes(36).toString('hex'),          // as the predecessor's were
  (mine) => LETTERS[pick(64)].repeat(6) + mine.slice(6),
];

async function two(it) {
  const shim = await it.open();
  const answers = [shim.call('publish', { message: 'a' }), shim.call('erase', {})];
  const asked = await Promise.all(['publish', 'erase'].map((tool) => it.hook.event('approval_request', (one) => one.tool_name === tool)));
  return { shim, answers, asked };
}

const tokenOf = (url) => new URL(url).searchParams.get('token');
const withToken = (url, token) => {
  const other = new URL(url);
  other.searchParams.set('token', token);
  return other.href;
};

describe('a link of a webhook', suite, () => {
  test('that is forged, in whatever way, decides nothing, and all get one answer', async (t) => {
    const it = await webhookPlace(t);
    const { answers, asked } = await two(it);
    const [mine, theirs] = asked.map((one) => tokenOf(one.approve_url));
    const pageToken = asked[0].approval_url.split('/a/')[1];
    const tokens = [pageToken, tokenOf(asked[0].reject_url), theirs];
    while (tokens.length < 100 * factor) tokens.push(forgeries[tokens.length % forgeries.length](mine, theirs));
    const seen = new Set();
    for (const token of tokens.filter((one) => one && one !== mine)) {
      const answer = await it.get(withToken(asked[0].approve_url, token));
      seen.add(`${answer.status} ${(await answer.text()).replaceAll(token, '')}`);
    }
    assert.equal(seen.size, 1, [...seen].join('\n'));
    assert.match([...seen][0], /^40[34] /);
    assert.deepEqual((await it.person.list()).map((one) => one.state), ['PENDING', 'PENDING']);
    for (const token of [tokenOf(asked[0].approve_url), mine]) {
      assert.notEqual((await it.get(`${it.origin}/a/${token}`)).status, 200, 'a link for programs opens no page');
    }
    for (const one of asked) assert.equal((await it.get(one.reject_url)).status, 200);
    for (const answer of answers) assertRefused(await answer, CODE.approval, { reason: 'refused' });
  });

  test('decides nothing by HEAD or POST', async (t) => {
    const it = await webhookPlace(t);
    const { answers, asked } = await two(it);
    for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS']) await it.get(asked[0].approve_url, { method });
    assert.equal((await it.person.list())[0].state, 'PENDING');
    for (const one of asked) await it.get(one.reject_url);
    await Promise.all(answers);
  });

  test('lasts across a restart and a rotation of the keys, as long as its approval', async (t) => {
    const it = await webhookPlace(t);
    const { shim, answers, asked } = await two(it);
    const file = path.join(it.place.state, 'keys', 'links');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const before = readFileSync(file, 'utf8');
    await it.broker.end();
    const monthAgo = Date.now() - 31 * 86_400_000;
    writeFileSync(file, before.replace(/ \d+\n$/, ` ${monthAgo}\n`));
    await it.start();
    await it.broker.said(/ links\.rotated /);
    const keys = readFileSync(file, 'utf8').split('\n');
    assert.equal(keys.length, 4, 'two keys');
    assert.equal(keys[2].split(' ')[1], before.split('\n')[1].split(' ')[1]);
    assert.equal((await it.get(asked[0].approve_url)).status, 200);
    assertSaid(await answers[0], 'a');
    const other = shim.call('publish', { message: 'b' });
    const third = await it.hook.event('approval_request', (one) => one.arguments.includes('"b"'));
    assert.notEqual(tokenOf(third.approve_url).slice(0, 6), tokenOf(asked[0].approve_url).slice(0, 6), 'the new key signs');
    const late = await it.get(asked[0].reject_url);
    assert.notEqual(late.status, 403, 'a link of an approval that is over is still ours');
    assert.match(await late.text(), /approved|used/i);
    for (const one of [third, asked[1]]) assert.equal((await it.get(one.reject_url)).status, 200);
    assertRefused(await other, CODE.approval, { reason: 'refused' });
    assertRefused(await answers[1], CODE.approval, { reason: 'refused' });
    assert.equal(it.backend.callsOf('publish').length, 1);
  });
});
