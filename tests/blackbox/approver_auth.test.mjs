// approver_auth: required - whoever holds every secret an agent is given, and every link and message people get, still decides nothing: only
// a person the rules know by name does.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { assertSaid } from '../lib/check.mjs';
import { LINK, tokenFor } from '../lib/links.mjs';
import { Page, pagePlace } from '../lib/page.mjs';
import { HANG_MS, suite } from '../lib/settings.mjs';

const uid = process.getuid();
const people = `people: { alice: { uid: ${uid}, slack: T1/U1, feishu: ou_alice, roles: [approver] }, bob: { uid: ${uid + 1}, roles: [superuser] } }\n`;
const agentToken = 'aegis_ag_0123456789abcdef0123456789abcdef';
const secrets = { slack: 'a slack signing secret', encrypt: 'an encrypt key', verify: 'a verification token', hook: 'a webhook secret' };

/** A question only named persons may decide, and all an agent could lay hands on. */
async function asked(t, { approval = 'approver_auth: required', more = people } = {}) {
  const at = await pagePlace(t, {
    more, approval: `${approval}, generic: { webhook_url: "http://127.0.0.1:1/", secret: "${secrets.hook}" },
      slack: { webhook_url: "http://127.0.0.1:1/", signing_secret: "${secrets.slack}" },
      feishu: { app_id: cli_x, app_secret: "an app secret", chat_id: oc_x, encrypt_key: "${secrets.encrypt}", verification_token: "${secrets.verify}", base_url: "http://127.0.0.1:1" }`,
  });
  const shim = await at.open();
  const answer = shim.call('publish', { message: 'hello' }, { within: 10 * HANG_MS });
  answer.catch(() => {});
  const approval_ = await at.person.asked();
  return { ...at, answer, approval: approval_, url: await at.pageUrl(approval_), apiToken: readFileSync(path.join(at.place.state, 'api_token'), 'utf8').trim() };
}

const post = (url, body, headers = {}) => fetch(url, { method: 'POST', body, headers });

async function stays(at, what) {
  const [row] = await at.place.query(`SELECT state, votes FROM (SELECT state, (SELECT count(*) FROM approval_vote WHERE approval = a.id AND is_late = 0) AS votes FROM approval AS a)`);
  assert.deepEqual([row.state, row.votes], ['PENDING', 0], what);
  assert.equal(at.backend.arrivals.length, 0, what);
}

async function aPersonDecides(at) {
  await at.person.decide('approve', at.approval.short);
  assertSaid(await at.answer, 'hello');
}

describe('approver_auth: required', suite, () => {
  test('is not met by any token the agent can have, over TCP', async (t) => {
    const at = await asked(t);
    const approve = (id, headers) => post(`${at.base}/api/v1/approvals/${id}/approve`, '', headers);
    for (const id of [at.approval.id, at.approval.short]) {
      const bySuperuser = await approve(id, { authorization: `Bearer ${at.apiToken}` });
      assert.equal(bySuperuser.status, 403, 'server.api_token is every role and nobody by name');
      assert.match(await bySuperuser.text(), /names nobody/);
      await stays(at, 'server.api_token');
    }
    const guesses = [agentToken, secrets.hook, 'alice', `${at.apiToken}x`].map((token) => ({ authorization: `Bearer ${token}` }));
    for (const answer of await Promise.all([{}, ...guesses].map((headers) => approve(at.approval.id, headers)))) assert.ok([401, 429].includes(answer.status), `${answer.status}`);
    await stays(at, 'tokens');
    await aPersonDecides(at);
  });

  test('is not met by a page, whoever holds its link', async (t) => {
    const at = await asked(t);
    const page = await Page.open(at.url);
    assert.equal(page.status, 200);
    assert.equal(page.forms.length, 0);
    for (const decision of ['approve', 'reject']) {
      const body = new URLSearchParams({ token: await tokenFor(at.place, LINK.form, at.approval.id), decision });
      for (const headers of [{}, { authorization: `Bearer ${at.apiToken}` }, { cookie: 'aegis=1' }]) assert.equal((await post(at.url, body, headers)).status, 403);
    }
    await stays(at, 'the page');
    await aPersonDecides(at);
  });

  test('is not met by a link made for programs', async (t) => {
    const at = await asked(t);
    for (const action of ['approve', 'reject']) assert.equal((await fetch(await at.linkUrl(at.approval, action))).status, 403);
    await stays(at, 'links');
    await aPersonDecides(at);
  });

  test('is not met by a callback that Slack or Feishu did not sign', async (t) => {
    const at = await asked(t);
    const now = Math.floor(Date.now() / 1000);
    const click = `payload=${encodeURIComponent(JSON.stringify({
      type: 'block_actions', team: { id: 'T1' }, user: { id: 'U1', team_id: 'T1' }, trigger_id: 'x', response_url: 'http://127.0.0.1:1/',
      actions: [{ action_id: 'aegis_approve', value: at.approval.id, action_ts: `${now}.1` }],
    }))}`;
    const card = JSON.stringify({
      schema: '2.0', header: { event_id: 'e1', event_type: 'card.action.trigger', token: secrets.verify, app_id: 'cli_x', create_time: `${now}000000` },
      event: { operator: { open_id: 'ou_alice' }, action: { value: { id: at.approval.id, decision: 'approve' }, tag: 'button' }, context: {} },
    });
    const slack = (secret) => ({
      'content-type': 'application/x-www-form-urlencoded', 'x-slack-request-timestamp': `${now}`,
      'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${now}:${click}`).digest('hex')}`,
    });
    const lark = (key) => ({
      'content-type': 'application/json', 'x-lark-request-timestamp': `${now}`, 'x-lark-request-nonce': 'n',
      'x-lark-signature': createHash('sha256').update(`${now}n${key}${card}`).digest('hex'),
    });
    const guesses = [agentToken, at.apiToken, secrets.hook, secrets.verify, ''];
    for (const guess of guesses) {
      assert.ok((await post(`${at.base}/callback/slack`, click, slack(guess))).status >= 400, 'Slack');
      assert.ok((await post(`${at.base}/callback/feishu`, card, lark(guess))).status >= 400, 'Feishu');
    }
    assert.ok((await post(`${at.base}/callback/slack`, click)).status >= 400);
    assert.ok((await post(`${at.base}/callback/feishu`, card, { 'content-type': 'application/json' })).status >= 400);
    // In the clear, though signed with the right key: what is not encrypted under it was not made by the platform.
    assert.ok((await post(`${at.base}/callback/feishu`, card, lark(secrets.encrypt))).status >= 400, 'Feishu in the clear');
    await stays(at, 'callbacks');
    await aPersonDecides(at);
  });

  for (const [what, approval] of [['approvers', 'approvers: [alice]'], ['a quorum', 'quorum: 2']]) {
    test(`the same goes for ${what}: nobody without a name decides or counts`, async (t) => {
      const at = await asked(t, { approval });
      assert.equal((await post(`${at.base}/api/v1/approvals/${at.approval.id}/approve`, '', { authorization: `Bearer ${at.apiToken}` })).status, 403);
      assert.equal((await fetch(await at.linkUrl(at.approval, 'approve'))).status, 403);
      assert.equal((await post(at.url, new URLSearchParams({ token: await tokenFor(at.place, LINK.form, at.approval.id), decision: 'approve' }))).status, 403);
      await stays(at, what);
    });
  }

  test('a token that names a person is that person, and no second one', async (t) => {
    const at = await asked(t, { approval: 'quorum: 2' });
    const made = await at.place.ctl(['token', 'create', '--role', 'approver', '--person', 'alice', 'pager', '--json']);
    assert.equal(made.code, 0, made.stderr);
    const { token } = JSON.parse(made.stdout);
    const byToken = await post(`${at.base}/api/v1/approvals/${at.approval.id}/approve`, '', { authorization: `Bearer ${token}` });
    assert.equal(byToken.status, 202, await byToken.text());
    const byHand = await at.person.run('approve', at.approval.short);
    assert.equal(byHand.code, 5, byHand.stderr);
    assert.match(byHand.stderr, /1 of 2 persons have agreed/);
    assert.equal(at.backend.arrivals.length, 0);
  });
});
