// Slack: people decide by the buttons of a message, which then tells what became of it; and nobody else does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { callTool, connectSdk1, textOf } from '../lib/sdk1.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { assertInert, buttonOf, buttonsOf, saysOf, sign, textsOf } from '../lib/slack.mjs';
import { slackPlace } from '../lib/slack_place.mjs';
import { until } from '../lib/until.mjs';

const noButtons = (message) => assert.equal(buttonsOf(message.blocks).length, 0);

describe('the official SDK client before Slack', suite, () => {
  for (const way of ['callback', 'socket']) {
    test(`a call of it runs when a person pressed, who is heard by ${way}`, async (t) => {
      const { backend, slack, place, callback } = await slackPlace(t, { way });
      if (way === 'socket') await slack.line();
      const shim = { command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options], env: place.env, stderr: 'ignore' };
      const client = await connectSdk1(new StdioClientTransport(shim), { capabilities: {}, name: 'my-client' });
      const answer = callTool(client, 'publish', { message: 'hello' });
      const message = await slack.message();
      assert.match(saysOf(message.blocks), /my-client/);
      assert.equal(backend.arrivals.length, 0);
      await slack.press(callback, message, 'aegis_approve');
      assert.equal(textOf(await answer), 'hello');
      await client.close();
      await slack.shows(message, 'Approved and done');
      assert.equal(backend.callsOf('publish').length, 1);
    });
  }
});

describe('a bot in Slack asks, and people press', suite, () => {
  test('approve: the call runs, the message tells who, when and how it ended', async (t) => {
    const { backend, slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'hello' });
    const message = await slack.message();
    assert.equal(message.channel, 'C1');
    assert.match(message.text, /^Approval needed: publish for agent one \(APR-\w{4}\)$/);
    assert.match(saysOf(message.blocks), /\{"message":"hello"\}/);
    assert.match(saysOf(message.blocks), /one \(.*uid \d+.*, on /);
    assert.match(buttonOf(message.blocks, 'aegis_open').url, /^http:\/\/aegis\.test\/a\//);
    assert.equal(message.input.unfurl_links, false);
    assert.equal(message.input.unfurl_media, false);
    assert.equal(backend.arrivals.length, 0);
    assert.deepEqual(await slack.press(callback, message, 'aegis_approve'), { status: 200, text: '' });
    assertSaid(await answer, 'hello');
    await slack.shows(message, 'Approved and done');
    assert.match(saysOf(message.blocks), /approved by alice \(slack\) at \d{4}-/);
    noButtons(message);
    assert.equal(slack.messages.size, 1);
    assert.equal(backend.callsOf('publish').length, 1);
    assert.deepEqual(slack.private, []);
    for (const said of [message.first, ...message.updates]) assertInert(said);
    const ids = [message.first, ...message.updates].flatMap((m) => m.blocks.map((b) => b.block_id)).filter(Boolean);
    assert.equal(new Set(ids).size, ids.length, 'every update has a block_id of its own');
  });

  test('reject: a form asks why, and the agent is told', async (t) => {
    const { backend, slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'hello' });
    const message = await slack.message();
    assert.deepEqual(await slack.reject(callback, message, 'not on a <Friday> & never\n`now`'), { status: 200, text: '' });
    const { message: said } = assertRefused(await answer, CODE.approval, { reason: 'refused' });
    assert.match(said, /not on a <Friday> & never/);
    await slack.shows(message, 'Refused');
    assert.match(saysOf(message.blocks), /alice \(slack\)/);
    assert.match(saysOf(message.blocks), /not on a <Friday> & never/);
    noButtons(message);
    assertInert(message);
    assert.equal(backend.arrivals.length, 0);
  });

  test('reject where no form can be opened rejects all the same', async (t) => {
    const { slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    slack.triggerLives = -1;
    await slack.press(callback, message, 'aegis_reject');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    await slack.shows(message, 'Refused');
  });

  test('expired, and decided elsewhere: the message says so and can no longer be pressed', async (t) => {
    const { slack, open, callback, person } = await slackPlace(t, { approval: 'timeout: 12s' });
    const shim = await open();
    const first = shim.call('publish', { n: 1 });
    const message = await slack.message();
    assertRefused(await first, CODE.approval, { reason: 'expired' });
    await slack.shows(message, 'Expired');
    noButtons(message);
    const late = await slack.act(callback, slack.payload(message, buttonOf(message.first.blocks, 'aegis_approve')));
    assert.equal(late.status, 200);
    const [{ text }] = await slack.told('U1');
    assert.match(text, /APR-/);

    const second = shim.call('erase', { n: 2 });
    const other = await slack.message((m) => m.text.startsWith('Approval needed: erase'));
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await second).result);
    await slack.shows(other, 'Approved and done');
    assert.match(saysOf(other.blocks), /approved by .* \(cli\)/);
    await slack.act(callback, slack.payload(other, buttonOf(other.first.blocks, 'aegis_approve'), { user: 'U2' }));
    assert.match((await slack.told('U2'))[0].text, /approved by .* \(cli\)/);
  });

  test('a form that is sent too late says so in its place', async (t) => {
    const { slack, open, callback, person } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    await slack.press(callback, message, 'aegis_reject');
    const form = await until(() => [...slack.forms.values()][0], { what: 'the form' });
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await answer).result);
    const { status, text } = await slack.act(callback, slack.submission(form, 'too late'));
    assert.equal(status, 200);
    assert.equal(JSON.parse(text).response_action, 'update');
    assert.match(text, /approved by/);
  });

  test('two are needed: the first counts, the message says one of two, the same person counts once', async (t) => {
    const { backend, slack, open, callback } = await slackPlace(t, { approval: 'quorum: 2, approver_auth: required' });
    const shim = await open();
    const answer = shim.call('publish', { message: 'both' });
    const message = await slack.message();
    assert.match(saysOf(message.blocks), /0 of 2 approvals/);
    await slack.press(callback, message, 'aegis_approve');
    await until(() => /1 of 2 approvals/.test(saysOf(message.blocks)), { what: 'one of two' });
    assert.ok(buttonOf(message.blocks, 'aegis_approve'));
    await slack.press(callback, message, 'aegis_approve');
    assert.equal(backend.arrivals.length, 0);
    await slack.press(callback, message, 'aegis_approve', { user: 'U2' });
    assertSaid(await answer, 'both');
    await slack.shows(message, 'Approved and done');
  });
});

describe('who may not decide by Slack', suite, () => {
  test('unsigned, forged, old, replayed and foreign callbacks change nothing', async (t) => {
    const { backend, slack, open, callback, person } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'safe' });
    const message = await slack.message();
    const payload = () => slack.payload(message, buttonOf(message.blocks, 'aegis_approve'));
    const now = Math.floor(Date.now() / 1000);
    const changes = [
      { isSigned: false }, { secret: 'other' }, { timestamp: String(now - 301) }, { timestamp: String(now + 400) }, { timestamp: `${now} ` },
      { timestamp: '' }, { signature: 'v0=' }, { signature: sign(slack.signingSecret, String(now), 'payload=other') },
    ];
    for (const change of changes) assert.equal((await slack.act(callback, payload(), change)).status, 401, JSON.stringify(change));
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(payload());
    const timestamp = String(now);
    const signed = { ...headers, 'X-Slack-Request-Timestamp': timestamp, 'X-Slack-Signature': sign(slack.signingSecret, timestamp, body) };
    assert.equal((await slack.deliver(callback, { body, headers: signed })).status, 400, 'another content type');
    for (const bad of ['{', '[]', '{"type":"block_actions"}', '{"type":"block_actions","type":"block_actions"}', 'null'])
      assert.equal((await slack.act(callback, bad)).status, 400, bad);
    assert.equal((await slack.act(callback, slack.payload(message, buttonOf(message.blocks, 'aegis_approve'), { app: 'A2' }))).status, 400);
    assert.equal((await person.asked()).state, 'PENDING');
    assert.equal(backend.arrivals.length, 0);

    const sealed = slack.sealed(payload());
    assert.equal((await slack.deliver(callback, sealed)).status, 200);
    assertSaid(await answer, 'safe');
    assert.deepEqual(await slack.deliver(callback, sealed), { status: 200, text: '' }, 'a replay is answered the same');
    await slack.shows(message, 'Approved and done');
    const again = shim.call('publish', { message: 'again' });
    const next = await slack.message((m) => m !== message && m.text.startsWith('Approval needed'));
    assert.deepEqual(await slack.deliver(callback, sealed), { status: 200, text: '' });
    assert.deepEqual(slack.private, []);
    await slack.press(callback, next, 'aegis_approve');
    assertSaid(await again, 'again');
    assert.equal(backend.callsOf('publish').length, 2);
  });

  test('strangers, other workspaces and people without the role are refused privately, once', async (t) => {
    const { backend, slack, open, callback, person } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    await slack.press(callback, message, 'aegis_approve', { user: 'U4' });
    assert.match((await slack.told('U4'))[0].text, /knows? nobody/);
    await slack.press(callback, message, 'aegis_approve', { user: 'U1', team: 'T2' });
    assert.match((await slack.told('U1'))[0].text, /T2\/U1/);
    const foreign = slack.payload(message, buttonOf(message.blocks, 'aegis_approve'), { user: 'U1' });
    foreign.user.team_id = 'T9';
    await slack.act(callback, foreign);
    assert.match((await slack.told('U1', 2))[1].text, /T9\/U1/);
    await slack.press(callback, message, 'aegis_approve', { user: 'U3' });
    assert.match((await slack.told('U3'))[0].text, /viola/);
    const sealed = slack.sealed(slack.payload(message, buttonOf(message.blocks, 'aegis_reject'), { user: 'U3' }));
    await slack.deliver(callback, sealed);
    await slack.told('U3', 2);
    await slack.deliver(callback, sealed);
    slack.fail('chat.postEphemeral', { error: 'user_not_in_channel' });
    await slack.press(callback, message, 'aegis_approve', { user: 'U4' });
    const both = await slack.told('U4', 2);
    assert.equal(both[1].by, 'response_url');
    for (const { blocks } of both) assert.deepEqual(textsOf(blocks).map((o) => o.type), ['plain_text'], 'nothing in it is markup');
    assert.equal(slack.private.filter((p) => p.user === 'U3').length, 2, 'a replay is not told again');
    assert.equal(slack.forms.size, 0);
    assert.equal((await person.asked()).state, 'PENDING');
    assert.equal(backend.arrivals.length, 0);
    await slack.press(callback, message, 'aegis_approve', { user: 'U2' });
    assert.ok((await answer).result);
  });

  test("the agent's own Slack account cannot approve what its owner asks", async (t) => {
    const { slack, open, callback, person } = await slackPlace(t, { agent: 'owner: alice', approval: 'self_approve: false' });
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    await slack.press(callback, message, 'aegis_approve', { user: 'UAGENT' });
    await slack.told('UAGENT');
    await slack.press(callback, message, 'aegis_approve');
    assert.match((await slack.told('U1'))[0].text, /self_approve|own/);
    assert.equal((await person.asked()).state, 'PENDING');
    await slack.press(callback, message, 'aegis_approve', { user: 'U2' });
    assert.ok((await answer).result);
  });

  test('a press for other arguments than those that wait is refused', async (t) => {
    const { backend, slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'x' });
    const message = await slack.message();
    const button = buttonOf(message.blocks, 'aegis_approve');
    const [id, hash] = button.value.split('.');
    await slack.act(callback, slack.payload(message, button, { value: `${id}.${hash.replace(/^./, (c) => (c === '0' ? '1' : '0'))}` }));
    await slack.told('U1');
    assert.equal((await slack.act(callback, slack.payload(message, button, { value: id }))).status, 400);
    assert.equal(backend.arrivals.length, 0);
    await slack.press(callback, message, 'aegis_approve');
    assertSaid(await answer, 'x');
  });

  test('probes are answered without effect', async (t) => {
    const { callback } = await slackPlace(t);
    const { signingSecret } = { signingSecret: '8f742231b10e8888abcd99yyyzzz85a5' };
    assert.equal((await fetch(callback)).status, 200);
    const body = 'ssl_check=1&token=x';
    const timestamp = String(Math.floor(Date.now() / 1000));
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'X-Slack-Request-Timestamp': timestamp, 'X-Slack-Signature': sign(signingSecret, timestamp, body) };
    assert.equal((await fetch(callback, { method: 'POST', body, headers })).status, 200);
  });
});

describe('what agents write stays words', suite, () => {
  const hostile = '<!channel> <!here> <@U1> <http://evil|good> *b* _i_ ~s~ `c` ```fence``` &amp; \u202e\u2066txt\u200b\u0007 https://evil.example';

  test('hostile arguments and client names are inert and visible', async (t) => {
    const { slack, open, callback } = await slackPlace(t);
    const shim = await open({ clientInfo: { name: hostile, version: '1' } });
    const answer = shim.call('publish', { message: hostile });
    const message = await slack.message();
    assertInert(message);
    assert.match(saysOf(message.blocks), /\\u202E\\u2066txt\\u200B/i);
    assert.match(saysOf(message.blocks), /<!channel> <!here> <@U1>/);
    assert.doesNotMatch(message.text, /channel/);
    await slack.press(callback, message, 'aegis_approve');
    assert.ok((await answer).result);
    await slack.shows(message, 'Approved and done');
    assertInert(message);
  });

  test('100 KB of arguments are cut, and cannot be approved from there', async (t) => {
    const { slack, open, callback, person } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: `${'<\u00fc&`'.repeat(25_000)}` });
    const message = await slack.message();
    assertInert(message);
    assert.equal(buttonOf(message.blocks, 'aegis_approve'), undefined);
    assert.match(saysOf(message.blocks), /\d{5,6} more bytes are not shown, so this cannot be approved here: open the page/);
    assert.ok(JSON.stringify(message.input).length < 16_000);
    await slack.reject(callback, message, 'too long');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    await slack.shows(message, 'Refused');
    assert.equal((await person.list()).length, 0);
  });
});

describe('when Slack or the broker fails', suite, () => {
  test('every failure that may pass is tried again, and people are asked once more at most', async (t) => {
    const { slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const asked = (n) => slack.message((m) => m.text.startsWith('Approval needed') && m.input.metadata.event_payload.id && saysOf(m.blocks).includes(`"n":${n}`));
    const faults = [{ status: 500, body: 'oops' }, { error: 'internal_error' }, { hangup: true }, { status: 200, body: '<html>' }, { status: 429, headers: { 'retry-after': '1' }, body: '{"ok":false,"error":"ratelimited"}' }];
    for (const [n, fault] of faults.entries()) {
      slack.fail('chat.postMessage', fault);
      const answer = shim.call('publish', { n });
      const message = await asked(n);
      const times = slack.requests.filter((r) => r.method === 'chat.postMessage').slice(-2).map((r) => r.at);
      if (fault.headers) assert.ok(times[1] - times[0] >= 1000, `Retry-After was undercut: ${times[1] - times[0]} ms`);
      slack.fail('chat.update', fault);
      await slack.press(callback, message, 'aegis_approve');
      assert.ok((await answer).result);
      await slack.shows(message, 'Approved and done');
    }
    assert.equal(slack.messages.size, faults.length);
  });

  test('what an operator must mend is given up with a sentence, and people can still decide elsewhere', async (t) => {
    const { slack, open, person, place } = await slackPlace(t);
    slack.channels.get('C1').isMember = false;
    const shim = await open();
    const answer = shim.call('publish', {});
    const row = await until(async () => (await place.query("SELECT * FROM message WHERE channel = 'slack' AND state = 'DEAD'"))[0], { what: 'a message given up', every: 50 });
    assert.match(row.last_error, /not_in_channel: .*\/invite/);
    assert.doesNotMatch(row.last_error, /xoxb|127\.0\.0\.1/);
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await answer).result);
  });

  test('a broker killed between the message and its name asks again under the same id; either copy decides', async (t) => {
    const it = await slackPlace(t);
    const { slack, open, backend } = it;
    slack.fail('chat.postMessage', { silent: true, after: true });
    const shim = await open();
    const answer = shim.call('publish', { message: 'twice' });
    const first = await slack.message();
    await it.broker.endBy('SIGKILL');
    await it.start();
    const second = await slack.message((m) => m !== first);
    assert.equal(second.metadata.event_payload.id, first.metadata.event_payload.id);
    await slack.press(it.callback, first, 'aegis_approve');
    assertSaid(await answer, 'twice');
    await slack.shows(second, 'Approved and done');
    assert.equal(backend.callsOf('publish').length, 1);
    assert.equal(slack.messages.size, 2);
  });

  test('a message somebody deleted stops nothing', async (t) => {
    const { slack, open, callback } = await slackPlace(t);
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    const press = slack.payload(message, buttonOf(message.blocks, 'aegis_approve'));
    message.isDeleted = true;
    await slack.act(callback, press);
    assert.ok((await answer).result);
    await until(() => slack.requests.some((r) => r.method === 'chat.update' && r.json?.error === 'message_not_found'), { what: 'an update of the deleted message' });
    assert.equal(slack.messages.size, 1);
  });
});

describe('an incoming webhook', suite, () => {
  test('asks with a link, says the decision in one line, and nothing more', async (t) => {
    const { slack, open, person } = await slackPlace(t, { way: 'hook' });
    const shim = await open();
    const answer = shim.call('publish', { message: 'hi' });
    const asked = await until(() => slack.hooked[0], { what: 'a message by the webhook' });
    assert.deepEqual(buttonsOf(asked.blocks).map((b) => b.action_id), ['aegis_open']);
    assertInert(asked);
    await person.decide('approve', (await person.asked()).id);
    assertSaid(await answer, 'hi');
    const told = await until(() => slack.hooked[1], { what: 'how it was decided' });
    assert.match(saysOf(told.blocks), /^APR-\w{4} was approved by/);
    noButtons(told);
    const again = shim.call('publish', { message: 'no' });
    await until(() => slack.hooked[2], { what: 'the next question' });
    assert.match(slack.hooked[2].text, /^Approval needed/, 'the outcome of the first was not told besides');
    await person.decide('reject', (await person.asked()).id);
    assertRefused(await again, CODE.approval, { reason: 'refused' });
    await until(() => slack.hooked[3], { what: 'how that was decided' });
  });

  test('a bot that takes its place lets be what it has told', async (t) => {
    const { slack, open, person, place, broker, rules } = await slackPlace(t, { way: 'hook', mode: 'defer' });
    const shim = await open();
    await shim.call('publish', { message: 'hi' });
    await until(() => slack.hooked[0], { what: 'a message by the webhook' });
    await person.decide('approve', (await person.asked()).id);
    await until(async () => (await place.query("SELECT 1 FROM message WHERE ref = 'webhook:decided'"))[0], { what: 'how it was decided', every: 50 });
    place.writeRules(rules().replace(/slack: \{.*?\}/, `slack: { base_url: "${slack.url}", bot_token: { env: SLACK_BOT }, channel: C1 }`));
    broker.kill('SIGHUP');
    await broker.said(/rules\.in_force .*generation=2/);
    assertSaid(await shim.call('publish', { message: 'hi' }), 'hi');
    const all = await until(async () => {
      const rows = await place.query('SELECT told_seq, state, (SELECT max(seq) FROM approval_event) AS newest FROM message');
      return rows.every((r) => r.told_seq === r.newest || r.state === 'DEAD') && rows;
    }, { what: 'the end to be told', every: 50 });
    assert.deepEqual(all.map((r) => r.state), ['SENT']);
    assert.equal(slack.countOf('chat.update') + slack.countOf('chat.postMessage'), 0);
  });

  test('one that was removed is given up with a sentence', async (t) => {
    const { slack, open, place, person } = await slackPlace(t, { way: 'hook' });
    slack.hookPath = '/services/T1/B1/another';
    const shim = await open();
    const answer = shim.call('publish', {});
    const row = await until(async () => (await place.query("SELECT * FROM message WHERE channel = 'slack' AND state = 'DEAD'"))[0], { what: 'a message given up', every: 50 });
    assert.match(row.last_error, /no_service: the webhook was removed/);
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await answer).result);
  });
});
