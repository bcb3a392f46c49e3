// Feishu and Lark: people decide by the buttons of an app bot's card.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { assertInert, buttonOf, buttonsOf, hookRules, pageOf, saysOf } from '../lib/feishu.mjs';
import { feishuPlace, is } from '../lib/feishu_place.mjs';
import { callTool, connectSdk1, textOf } from '../lib/sdk1.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

const shimOf = (place) => new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options], env: place.env, stderr: 'ignore' });
const bound = { message: 'hello' };

describe('an app bot of Feishu', suite, () => {
  test('asks with buttons; a press approves, the call runs, the card tells it all', async (t) => {
    const { backend, feishu, place, callback } = await feishuPlace(t);
    const client = await connectSdk1(shimOf(place), { capabilities: {}, name: 'my-client' });
    const answer = callTool(client, 'publish', bound);
    const message = await feishu.message(is('Approval needed'));
    assert.match(saysOf(message.card), /\{"message":"hello"\}/);
    assert.match(saysOf(message.card), /my&#45;client/);
    assert.match(pageOf(message.card), /^http:\/\/aegis\.test\/a\//);
    assert.equal(backend.arrivals.length, 0);
    const seen = await feishu.press(callback, message, 'approve');
    assert.equal(seen.toast.type, 'success');
    assert.match(seen.toast.content, /^APR-.{4} approved: publish for agent one$/);
    assert.ok(seen.card && buttonsOf(seen.card.data).length === 0);
    assert.equal(textOf(await answer), 'hello');
    await client.close();
    const done = await feishu.updated(message, is('Approved and done'));
    assert.match(saysOf(done), /was approved by alice \(feishu\) at .*; the call succeeded/);
    assert.equal(buttonsOf(done).length, 0);
    assert.equal(backend.callsOf('publish').length, 1);
    assert.equal(feishu.messages.size, 1);
    assertInert(message.first);
    assertInert(done);
  });

  test('refuses by a press; the agent is told, the card too', async (t) => {
    const { backend, feishu, open, callback } = await feishuPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    const seen = await feishu.press(callback, message, 'reject', { operator: 'ou_bob' });
    assert.deepEqual([seen.toast.type, seen.card.data.header.template], ['success', 'red']);
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    const card = await feishu.updated(message, is('Refused'));
    assert.match(saysOf(card), /was refused by bob \(feishu\)/);
    assert.equal(backend.arrivals.length, 0);
  });

  test('tells that nobody decided in time', async (t) => {
    const { feishu, open } = await feishuPlace(t, { approval: 'timeout: 12s' });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(() => true);
    assertRefused(await answer, CODE.approval, { reason: 'expired' });
    const card = await feishu.updated(message, is('Expired'));
    assert.equal(buttonsOf(card).length, 0);
  });

  test('tells of a decision taken elsewhere; who presses then learns who was first', async (t) => {
    const { feishu, open, person, callback, backend } = await feishuPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    const { value } = buttonOf(message.card, 'approve');
    const { short } = await person.asked();
    await person.decide('reject', short, '--reason', 'not <at id=all></at> today');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    const card = await feishu.updated(message, is('Refused'));
    assert.match(saysOf(card), /\(cli\).*not <at id=all><\/at> today/);
    assertInert(card);
    const late = await feishu.trigger(callback, message, value);
    assert.equal(late.toast.type, 'warning');
    assert.match(late.toast.content, /was refused by .* \(cli\) at .*; your decision came later and changes nothing/);
    assert.ok(is('Refused')(late.card.data));
    assert.equal(backend.arrivals.length, 0);
  });

  test('lets nobody decide whom the rules do not; only who pressed learns it', async (t) => {
    const { feishu, open, person, callback } = await feishuPlace(t, { agent: 'owner: alice', approval: 'self_approve: false' });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    for (const [operator, why] of [['ou_mallory', /know nobody by this account/], ['ou_viola', /approver/], ['ou_alice', /own|self/]]) {
      const seen = await feishu.press(callback, message, 'approve', { operator });
      assert.equal(seen.toast.type, 'error', operator);
      assert.match(seen.toast.content, why);
      assert.equal(seen.card, undefined);
      const refused = await feishu.press(callback, message, 'reject', { operator });
      assert.equal(refused.toast.type, 'error', operator);
    }
    assert.equal((await person.asked()).state, 'PENDING');
    assert.equal((await feishu.press(callback, message, 'approve', { operator: 'ou_bob' })).toast.type, 'success');
    assertSaid(await answer, 'hello');
  });

  test('counts persons: two must agree where two are asked for', async (t) => {
    const { feishu, open, person, callback, backend } = await feishuPlace(t, { approval: 'quorum: 2, approver_auth: required' });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    const eventId = 'event-of-alice';
    const first = await feishu.press(callback, message, 'approve', { eventId });
    assert.deepEqual([first.toast.type, first.toast.content.match(/your vote counts, .*/)[0]], ['info', 'your vote counts, 1 of 2 persons have agreed']);
    assert.ok(buttonOf(first.card.data, 'approve'), 'bob can press');
    await feishu.updated(message, (card) => saysOf(card).includes('1 of 2'));
    const again = await feishu.press(callback, message, 'approve', { eventId });
    assert.equal(again.toast.type, 'info');
    assert.match(again.toast.content, /taken before/);
    await feishu.press(callback, message, 'approve');
    const stands = await person.asked();
    assert.deepEqual([stands.state, stands.votes, backend.arrivals.length], ['PENDING', 1, 0]);
    const second = await feishu.press(callback, message, 'approve', { operator: 'ou_bob' });
    assert.equal(second.toast.type, 'success');
    assertSaid(await answer, 'hello');
    await feishu.updated(message, is('Approved and done'));
  });

  test('of two who press at once both learn the truth', async (t) => {
    const { feishu, open, callback, backend } = await feishuPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    const values = ['approve', 'reject'].map((action) => buttonOf(message.card, action).value);
    const seen = await Promise.all(values.flatMap((value) => ['ou_alice', 'ou_bob'].map((operator) => feishu.trigger(callback, null, value, { operator }))));
    assert.equal(seen.filter((s) => s.toast.type === 'success').length, 1, JSON.stringify(seen.map((s) => s.toast)));
    assert.equal(seen.filter((s) => s.toast.type === 'warning').length, 3);
    const approved = /approved: publish/.test(seen.find((s) => s.toast.type === 'success').toast.content);
    const said = await answer;
    assert.equal(Boolean(said.result), approved);
    assert.equal(backend.callsOf('publish').length, approved ? 1 : 0);
  });

  test('shows hostile names and arguments as what they are', async (t) => {
    const names = ['<at id=all></at>', '**bold** [x](https://evil.example)', 'a\u202eb\u200bc\u001b[31m'];
    const { feishu, open, callback } = await feishuPlace(t, {
      tools: names.map((name) => tool(name)), required: ['*'],
    });
    const shim = await open({ client: '<at id=all></at>\u202e' });
    const hostile = { a: '<at id=all></at>', b: '*x* `y` ~z~ [l](https://evil.example) &amp;', c: '\u202eabc\u2066\u200b\u0007\u001b]8;;x\u0007', '<at user_id="all">': '\r\n# x' };
    const answers = names.map((name) => shim.call(name, hostile));
    const messages = await feishu.chatHas(() => true, names.length);
    for (const message of messages) {
      assertInert(message.card);
      assert.match(saysOf(message.card), /\\u\{202E\}abc\\u\{2066\}\\u\{200B\}/);
      await feishu.press(callback, message, 'reject');
    }
    for (const answer of answers) assertRefused(await answer, CODE.approval, { reason: 'refused' });
    for (const message of messages) assertInert(await feishu.updated(message, (card) => card.header.template === 'red'));
  });

  test('does not let anybody approve what was cut', async (t) => {
    const { feishu, open, callback, backend } = await feishuPlace(t);
    const shim = await open();
    const answers = [{ message: 'x'.repeat(100 * 1024) }, { message: '"<\\'.repeat(34 * 1024) }].map((args) => shim.call('publish', args));
    const messages = await feishu.chatHas(is('Approval needed'), 2);
    for (const message of messages) {
      assert.equal(buttonOf(message.card, 'approve'), undefined);
      assert.ok(pageOf(message.card));
      assert.match(saysOf(message.card), /cannot be approved here/);
      assertInert(message.card);
      await feishu.press(callback, message, 'reject');
    }
    for (const answer of answers) assertRefused(await answer, CODE.approval, { reason: 'refused' });
    assert.equal(backend.arrivals.length, 0);
  });
});

describe('what an app bot does when things go wrong', suite, () => {
  test('one approval is one message, also when the broker dies before it hears its name', async (t) => {
    const it = await feishuPlace(t, { setup: (f) => f.fail('send', { after: true, silent: true }) });
    const shim = await it.open();
    const answer = shim.call('publish', bound);
    const message = await it.feishu.message(is('Approval needed'));
    await it.broker.endBy('SIGKILL');
    await it.start();
    await it.feishu.updated(message, is('Approval needed'), 'the message found again');
    assert.equal(it.feishu.messages.size, 1);
    await it.feishu.press(it.callback, message, 'approve');
    assertSaid(await answer, 'hello');
    await it.feishu.updated(message, is('Approved and done'));
    assert.equal(it.feishu.messages.size, 1);
  });

  test('a decision taken while it is dead reaches the card afterwards', async (t) => {
    const it = await feishuPlace(t);
    const shim = await it.open();
    const answer = shim.call('publish', bound);
    const message = await it.feishu.message(is('Approval needed'));
    await until(async () => (await it.place.query("SELECT ref FROM message WHERE state = 'SENT'")).length === 1, { what: 'the message noted as sent' });
    await it.broker.endBy('SIGKILL');
    await it.person.decide('approve', (await it.person.asked()).short);
    assertSaid(await answer, 'hello');
    await it.start();
    const card = await it.feishu.updated(message, is('Approved and done'));
    assert.match(saysOf(card), /\(cli\)/);
  });

  const passing = {
    'a token that ended': (f) => f.expireTokens(),
    'HTTP 502': (f) => f.fail('send', { status: 502, body: '<html>bad gateway</html>' }),
    'a line that is cut': (f) => f.fail('send', { hangup: true }),
    'a line that is cut after the message was sent': (f) => f.fail('send', { after: true, hangup: true }),
    'too many messages': (f) => f.fail('send', { status: 400, json: { code: 230020, msg: 'This operation triggers the frequency limit.' } }),
    'a rate limit with its end': (f) => f.fail('send', { status: 429, headers: { 'x-ogw-ratelimit-reset': '1' }, json: { code: 99991400, msg: 'request trigger frequency limit' } }),
    'no answer of theirs': (f) => f.fail('send', { status: 200, body: 'hello' }),
    'no token for a moment': (f) => { f.expireTokens(); f.fail('token', { status: 500, body: '' }); },
  };
  for (const [what, spoil] of Object.entries(passing)) {
    test(`passes: ${what}`, async (t) => {
      const { feishu, open, callback } = await feishuPlace(t);
      const shim = await open();
      const first = shim.call('erase', {});
      await feishu.press(callback, await feishu.message(is('Approval needed', 'erase')), 'approve');
      assertSaid(await first, 'done');
      spoil(feishu);
      const answer = shim.call('publish', bound);
      const message = await feishu.message(is('Approval needed'));
      await feishu.press(callback, message, 'approve');
      assertSaid(await answer, 'hello');
      await feishu.updated(message, is('Approved and done'));
      assert.equal(feishu.messages.size, 2);
      assert.ok(feishu.faults.every((fault) => fault.times === 0), 'the fault was met');
    });
  }

  const lasting = {
    'the bot is not in the chat': [(f) => { f.chat = 'oc_another'; }, /not in the chat/],
    'a wrong app_secret': [(f) => { f.appSecret = 'another'; }, /app_id or app_secret is wrong/],
    'a card it does not take': [(f) => f.fail('send', { status: 400, json: { code: 230099, msg: 'Failed to create card content' } }), /does not take the card/],
  };
  for (const [what, [spoil, sentence]] of Object.entries(lasting)) {
    test(`gives up and says what to do: ${what}`, async (t) => {
      const { feishu, open, person, broker, place } = await feishuPlace(t);
      spoil(feishu);
      const shim = await open();
      const answer = shim.call('publish', bound);
      await broker.said(/outbox\.dead .*/);
      assert.match(broker.stderr.match(/outbox\.dead .*/)[0], sentence);
      const [row] = await place.query('SELECT state, last_error FROM message');
      assert.equal(row.state, 'DEAD');
      assert.match(row.last_error, sentence);
      await person.decide('approve', (await person.asked()).short);
      assertSaid(await answer, 'hello');
    });
  }

  test('a message that was withdrawn in the chat is let be', async (t) => {
    const { feishu, open, person, broker } = await feishuPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const message = await feishu.message(is('Approval needed'));
    message.isWithdrawn = true;
    await person.decide('approve', (await person.asked()).short);
    assertSaid(await answer, 'hello');
    await broker.said(/outbox\.dropped .*withdrawn/);
  });

  test('neither its log nor its database tells a secret', async (t) => {
    const { feishu, open, callback, broker, place } = await feishuPlace(t);
    const shim = await open();
    const answer = shim.call('publish', { message: 'the-argument' });
    const message = await feishu.message(is('Approval needed'));
    await feishu.verifyUrl(callback, { key: 'wrong' });
    await feishu.press(callback, message, 'approve');
    assertSaid(await answer, 'the-argument');
    await feishu.updated(message, is('Approved and done'));
    const told = broker.stderr + JSON.stringify(await place.query('SELECT * FROM message')) + JSON.stringify(await place.query('SELECT * FROM message_attempt'));
    for (const secret of [feishu.appSecret, feishu.encryptKey, feishu.token, 'the-argument', pageOf(message.first), ...feishu.tokens.keys(), feishu.url])
      assert.equal(told.includes(secret), false, secret);
  });
});

/** `aegisctl channel test feishu`, as it asks the broker: [{ok, what}], the last one {ok, done}. */
async function trial(place) {
  const request = http.request({ socketPath: path.join(place.state, 'run', 'admin.sock'), method: 'POST', path: '/api/v1/channels/feishu/test', headers: { host: 'localhost' } });
  request.end();
  const [answer] = await settled(once(request, 'response'), 'an answer of the broker');
  answer.setEncoding('utf8');
  let text = '';
  for await (const piece of answer) text += piece;
  assert.equal(answer.statusCode, 200, text);
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

describe('a test of the channel', suite, () => {
  test('sends a card, changes it, and says whether presses arrive', async (t) => {
    const { place, feishu, callback, open } = await feishuPlace(t);
    const steps = await trial(place);
    assert.deepEqual(steps.map((s) => s.ok), [true, true, true, true], JSON.stringify(steps));
    assert.match(steps[0].what, /sent to oc_chat/);
    assert.match(steps[2].what, /no button was pressed.*http:\/\/aegis\.test\/callback\/feishu.*card\.action\.trigger/);
    const [message] = feishu.messages.values();
    assert.match(saysOf(message.card), /all is well/);
    assert.equal(buttonsOf(message.card).length, 0);
    const shim = await open();
    const answer = shim.call('publish', bound);
    await feishu.press(callback, await feishu.message(is('Approval needed')), 'approve');
    assertSaid(await answer, 'hello');
    assert.match((await trial(place))[2].what, /pressed last at .*: presses arrive/);
  });

  test('says what is wrong', async (t) => {
    const { place, feishu } = await feishuPlace(t);
    feishu.chat = 'oc_another';
    const steps = await trial(place);
    assert.deepEqual(steps.map((s) => s.ok), [false, false], JSON.stringify(steps));
    assert.match(steps[0].what, /could not be sent: the bot is not in the chat: add it there, or correct chat_id/);
    feishu.chat = 'oc_chat';
    feishu.fail('update', { status: 400, json: { code: 230027, msg: 'Lack of necessary permissions.' } });
    assert.match((await trial(place))[1].what, /could not be changed: the app lacks a permission/);
  });

  test('of a custom bot sends a card', async (t) => {
    const { place, feishu } = await feishuPlace(t, { bot: hookRules });
    const steps = await trial(place);
    assert.deepEqual(steps.map((s) => s.ok), [true, true], JSON.stringify(steps));
    assert.equal(feishu.posted.length, 1);
  });
});
