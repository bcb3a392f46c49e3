// The generic webhook: what programs are told of approvals, and what they can answer by the links they are given.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { noFailpoints } from '../fault/ledger/points.mjs';
import { callTool, connectSdk1, textOf } from '../lib/sdk1.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';
import { Webhook, fail, verify } from '../lib/webhook.mjs';
import { BASE, messages, webhookPlace } from '../lib/webhook_place.mjs';

const said = { message: 'hello' };

async function sent(it, what = 'the message to be sent') {
  return until(async () => {
    const rows = await messages(it.place);
    return rows.length > 0 && rows.every((row) => row.state === 'SENT') && rows;
  }, { what, every: 50 });
}

const state = (it, wanted) => until(async () => {
  const [row] = await messages(it.place);
  return row?.state === wanted && row;
}, { what: `the message to be ${wanted}`, every: 50 });

describe('an approval by webhook', suite, () => {
  test('goes from the call of an SDK client to its execution, and every step is told in order', async (t) => {
    const it = await webhookPlace(t);
    const transport = new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', 'one', ...it.place.options], env: it.place.env, cwd: it.place.dir, stderr: 'ignore' });
    const client = await connectSdk1(transport);
    const answer = callTool(client, 'publish', said);
    const asked = await it.hook.event('approval_request');
    assert.deepEqual(Object.keys(asked).slice(0, 8), ['event', 'id', 'agent_id', 'tool_name', 'arguments', 'created_at', 'approve_url', 'reject_url']);
    assert.deepEqual([asked.agent_id, asked.tool_name, asked.arguments, asked.backend, asked.state], ['one', 'publish', '{"message":"hello"}', 'demo', 'PENDING']);
    assert.match(asked.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Date.parse(asked.expires_at) > Date.parse(asked.created_at));
    assert.match(asked.approve_url, new RegExp(`^${BASE}/callback/approval\\?id=${asked.id}&action=approve&token=[\\w.-]+$`));
    assert.match(asked.reject_url, new RegExp(`^${BASE}/callback/approval\\?id=${asked.id}&action=reject&token=[\\w.-]+$`));
    assert.match(asked.approval_url, new RegExp(`^${BASE}/a/[\\w.-]+$`));
    assert.match(asked.arguments_hash, /^[0-9a-f]{64}$/);
    assert.match(asked.short_id, /^APR-/);
    assert.equal(asked.text, asked.content);
    assert.deepEqual(asked.text.match(/https?:\S+/g), [asked.approval_url]);
    const page = await it.get(asked.approve_url);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Approved/);
    assert.equal(textOf(await answer), 'hello');
    const ran = await it.hook.event('approval_executed');
    assert.deepEqual(it.hook.names(asked.id), ['request', 'decided', 'executed']);
    const [, decided] = it.hook.events(asked.id);
    assert.deepEqual([decided.decision, decided.decided_by, decided.decided_means, decided.reason], ['approved', 'link', 'link', '']);
    assert.equal(ran.outcome, 'ok');
    assert.ok(Date.parse(ran.executed_at) >= Date.parse(asked.created_at));
    assert.equal('approve_url' in decided || 'approve_url' in ran, false);
    await sent(it);
    const attempts = await it.place.query('SELECT result FROM message_attempt ORDER BY n');
    assert.deepEqual(attempts.map((one) => one.result), ['ok', 'ok', 'ok']);
    await client.close();
  });

  test('is refused by its other link', async (t) => {
    const it = await webhookPlace(t);
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.hook.event('approval_request');
    assert.equal((await it.get(asked.reject_url)).status, 200);
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    const decided = await it.hook.event('approval_decided');
    assert.equal(decided.decision, 'rejected');
    await sent(it);
    assert.deepEqual(it.hook.names(), ['request', 'decided']);
    assert.equal(it.backend.arrivals.length, 0);
  });

  test('that nobody decides in time, or is taken back, says so', async (t) => {
    const it = await webhookPlace(t, { approval: 'timeout: 8s' });
    const shim = await it.open();
    const answer = shim.call('publish', said);
    assertRefused(await answer, CODE.approval, { reason: 'expired' });
    await it.hook.event('approval_expired');
    const other = shim.call('erase', {});
    const second = await it.hook.event('approval_request', (one) => one.tool_name === 'erase');
    const { code } = await it.person.run('cancel', second.short_id, '--reason', 'not now');
    const refusal = assertRefused(await other, CODE.approval, {});
    if (code === 0) {
      assert.equal(refusal.data.reason, 'cancelled');
      const taken = await it.hook.event('approval_cancelled');
      assert.equal(taken.reason, 'not now');
    } else {
      await it.hook.event('approval_expired', (one) => one.id === second.id);   // a busy machine: its time was over
    }
  });

  test('has no links that decide where get_decides is false', async (t) => {
    const it = await webhookPlace(t, { generic: 'get_decides: false' });
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.hook.event('approval_request');
    assert.equal('approve_url' in asked || 'reject_url' in asked, false);
    assert.match(asked.approval_url, /\/a\//);
    await it.person.decide('approve', asked.short_id);
    assertSaid(await answer, 'hello');
    await it.hook.event('approval_executed');
  });

  for (const [what, approval, more] of [['a quorum', 'quorum: 2', ''], ['approvers', 'approvers: [me]', `people: { me: { uid: ${process.getuid()} } }\n`]]) {
    test(`has no links that decide where ${what} would not let them`, async (t) => {
      const it = await webhookPlace(t, { approval, more });
      const shim = await it.open();
      const answer = shim.call('publish', said);
      const asked = await it.hook.event('approval_request');
      assert.equal('approve_url' in asked || 'reject_url' in asked, false);
      assert.match(asked.approval_url, /\/a\//);
      const [listed] = JSON.parse((await it.place.ctl(['channel', 'list', '--json'])).stdout);
      assert.equal(listed.description, 'POST to 127.0.0.1, signed');
      await it.person.decide('reject', asked.short_id);
      assertRefused(await answer, CODE.approval, { reason: 'refused' });
    });
  }

  test('has no links at all where none can be made, and names the command instead', async (t) => {
    const it = await webhookPlace(t, { base: '', secret: '' });
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.hook.event('approval_request');
    assert.deepEqual(Object.keys(asked).filter((key) => key.endsWith('_url')), []);
    assert.match(asked.text, new RegExp(`aegisctl approvals show ${asked.short_id}`));
    await it.person.decide('approve', asked.short_id);
    assertSaid(await answer, 'hello');
    await it.hook.event('approval_executed');
  });

  test('carries hostile text whole, and shows none of it in its sentence', async (t) => {
    const it = await webhookPlace(t);
    const shim = await it.open();
    const hostile = { message: 'a\n\r\t"quoted" \\ \u202e\u200b\u0007 https://evil.example/?x=<!channel> @here ```', 'k\u202ey "': ['\ud83d\ude00'] };
    const answer = shim.call('publish', hostile);
    const asked = await it.hook.event('approval_request');
    assert.deepEqual(JSON.parse(asked.arguments), hostile);
    assert.deepEqual(asked.text.match(/https?:\S+/g), [asked.approval_url]);
    assert.match(asked.text, /^[\x20-\x7e]*$/);
    assert.doesNotMatch(asked.text, /evil|channel|here/);
    await it.person.decide('reject', asked.short_id, '--reason', 'no "thanks" <b> https://evil.example');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    const decided = await it.hook.event('approval_decided');
    assert.match(decided.text, /^[\x20-\x7e]*$/);
    assert.doesNotMatch(decided.text, /<b>|evil/);
    assert.equal(decided.reason, 'no "thanks" <b> https://evil.example');
  });

  test('names no secret in any log', async (t) => {
    const it = await webhookPlace(t);
    it.hook.script.push(fail.status(500), fail.garbage());
    const shim = await it.open();
    const answer = shim.call('publish', { message: 'a very private text' });
    const asked = await it.hook.event('approval_request');
    await it.person.decide('approve', asked.short_id);
    assertSaid(await answer, 'a very private text');
    await it.hook.event('approval_executed');
    await sent(it);
    const { stderr } = it.broker;
    for (const secret of [it.hook.secret, it.hook.path, 'very-secret', new URL(asked.approve_url).searchParams.get('token'), asked.approval_url.split('/a/')[1], 'a very private text']) {
      assert.ok(!stderr.includes(secret) && !shim.stderr.includes(secret), `a log says ${secret}`);
    }
    const stored = JSON.stringify(await it.place.query('SELECT * FROM message_attempt')) + JSON.stringify(await messages(it.place));
    assert.ok(!stored.includes('very-secret') && !stored.includes(it.hook.secret), stored);
  });
});

const failures = {
  'says that it failed': fail.status(500),
  'says that it is overloaded': fail.status(503),
  'says that it was too slow': fail.status(408),
  'breaks off after it has read': fail.resetAfterReading(),
  'answers what is no HTTP': fail.garbage(),
};

describe('a webhook that', suite, () => {
  for (const [what, act] of Object.entries(failures)) {
    test(`${what} gets the same again, and all in order`, async (t) => {
      const it = await webhookPlace(t);
      it.hook.script.push(act, act);
      const shim = await it.open();
      const answer = shim.call('publish', said);
      await it.hook.arrivals(1);
      const asked = it.hook.requests[0].json;
      await it.person.decide('approve', asked.short_id);
      assertSaid(await answer, 'hello');
      await it.hook.event('approval_executed');
      assert.deepEqual(it.hook.names(), ['request', 'decided', 'executed']);
      const ids = it.hook.requests.map((one) => one.id);
      assert.deepEqual(ids.slice(0, 3), [ids[0], ids[0], ids[0]]);
      assert.equal(new Set(ids).size, 3);
      assert.deepEqual(it.hook.requests.map((one) => one.json.event).slice(0, 4), ['approval_request', 'approval_request', 'approval_request', 'approval_decided']);
      await sent(it);
      const attempts = await it.place.query('SELECT result, said FROM message_attempt ORDER BY n');
      assert.deepEqual(attempts.map((one) => one.result), ['retry', 'retry', 'ok', 'ok', 'ok']);
      assert.notEqual(attempts[0].said, '');
    });
  }

  test('asks to be left alone is not asked again before', async (t) => {
    const it = await webhookPlace(t);
    it.hook.script.push(fail.busy(4));
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const [first, second] = await it.hook.arrivals(2);
    assert.ok(second.at - first.at >= 3900, `${second.at - first.at} ms`);
    await it.person.decide('reject', second.json.short_id);
    await answer;
  });

  test('is not there is found again, and the approval can be decided elsewhere meanwhile', async (t) => {
    const it = await webhookPlace(t);
    const { port } = it.hook;
    await it.hook.stop();
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.person.asked();
    await it.person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    await until(async () => (await messages(it.place))[0].tries > 0, { what: 'an attempt', every: 50 });
    await it.hook.start(port);
    await it.hook.event('approval_executed');
    assert.deepEqual(it.hook.names(asked.id), ['request', 'decided', 'executed']);
  });

  test('resets connections before it reads is tried again', async (t) => {
    const it = await webhookPlace(t);
    it.hook.resets = 2;
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.hook.event('approval_request');
    assert.equal(it.hook.resets, 0);
    await it.person.decide('reject', asked.short_id);
    await answer;
  });

  test('never answers holds up no other channel and is tried again', async (t) => {
    const it = await webhookPlace(t, { approval: 'notify: { command: ["sh", "-c", "cat >> /dev/null"] }' });
    it.hook.script.push(fail.hang());
    const shim = await it.open();
    const answer = shim.call('publish', said);
    await it.hook.arrivals(1);
    await until(async () => (await messages(it.place)).find((row) => row.channel === 'notify')?.state === 'SENT', { what: 'the other channel', every: 50 });
    await it.hook.arrivals(2);
    assert.equal(it.hook.requests[0].id, it.hook.requests[1].id);
    await it.person.decide('reject', it.hook.requests[0].json.short_id);
    await answer;
  });

  test('says yes with an endless answer, or is slow, has been told', async (t) => {
    const it = await webhookPlace(t);
    it.hook.script.push(fail.huge(), fail.slow(1500));
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const asked = await it.hook.event('approval_request');
    await it.person.decide('reject', asked.short_id);
    await answer;
    await sent(it);
    assert.equal(it.hook.requests.length, 2);
  });

  test('is gone is given up, said, and told again when an operator says so', async (t) => {
    const it = await webhookPlace(t);
    it.hook.script.push(fail.status(410));
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const dead = await state(it, 'DEAD');
    assert.equal(dead.last_error, 'it answered HTTP 410');
    await it.broker.said(/ error outbox\.dead .*channel=generic/);
    const listed = await it.place.ctl(['channel', 'list']);
    assert.match(listed.stdout, /^generic +open +0 +1 +it answered HTTP 410$/m, listed.stdout + listed.stderr);
    const again = await it.place.ctl(['api', 'POST', '/api/v1/messages/again']);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    await until(() => it.hook.requests.length === 2, { what: 'the message again' });
    await it.person.decide('reject', it.hook.requests[0].json.short_id);
    await answer;
  });

  test('points elsewhere is not followed', async (t) => {
    const it = await webhookPlace(t);
    const other = await new Webhook().start();
    t.after(() => other.stop());
    it.hook.script.push(fail.redirect(other.url));
    const shim = await it.open();
    const answer = shim.call('publish', said);
    assert.equal((await state(it, 'DEAD')).last_error, 'it answered HTTP 307');
    assert.equal(other.requests.length, 0);
    await it.person.decide('reject', it.hook.requests[0].json.short_id);
    await answer;
  });

  test('stays broken is given up after give_up', async (t) => {
    const it = await webhookPlace(t, { approval: 'give_up: 1s' });
    it.hook.script.push(...Array(10).fill(fail.status(500)));
    const shim = await it.open();
    const answer = shim.call('publish', said);
    const dead = await state(it, 'DEAD');
    assert.ok(dead.tries >= 3, String(dead.tries));
    await it.person.decide('reject', it.hook.requests[0].json.short_id);
    await answer;
  });
});

describe('a broker that dies', { ...suite, skip: noFailpoints }, () => {
  for (const point of ['outbox/taken', 'outbox/sent', 'outbox/ended', 'message/taken', 'message/ending', 'message/ended']) {
    test(`at ${point} leaves it to the next: at least once, under the same name`, async (t) => {
      const it = await webhookPlace(t, { begins: false });
      const first = await it.start({ env: { AEGIS_FAILPOINT: `${point}=kill` } });
      first.signals.add('SIGKILL');
      const shim = await it.open();
      const answer = shim.call('publish', said);
      await first.exited;
      await it.start();
      const asked = await it.hook.event('approval_request');
      assert.equal((await it.get(asked.approve_url)).status, 200);
      assertSaid(await answer, 'hello');
      await it.hook.event('approval_executed');
      assert.deepEqual(it.hook.names(), ['request', 'decided', 'executed']);
      const requests = it.hook.requests.filter((one) => one.json.event === 'approval_request');
      assert.ok(requests.length >= 1 && requests.length <= 2, `${requests.length} times`);
      assert.equal(new Set(requests.map((one) => one.id)).size, 1);
      await sent(it);
      assert.equal(it.backend.callsOf('publish').length, 1);
    });
  }
});

describe('aegisctl channel', suite, () => {
  test('test sends a signed message, tells what happens, and asks nobody', async (t) => {
    const it = await webhookPlace(t);
    const good = await it.place.ctl(['channel', 'test', 'generic']);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    assert.match(good.stdout, /^ok +a test message goes to 127\.0\.0\.1, signed\nok +it answered HTTP 204 after \d+ ms\n$/);
    assert.equal(it.hook.requests[0].json.event, 'test');
    it.hook.script.push(fail.status(404));
    const bad = await it.place.ctl(['channel', 'test', 'generic', '--json']);
    assert.equal(bad.code, 1, bad.stdout + bad.stderr);
    const lines = bad.stdout.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => line.ok), [true, false, false]);
    assert.equal(lines[2].done, true);
    assert.ok(!(good.stdout + bad.stdout).includes('very-secret'));
    assert.deepEqual(await it.person.list('--all'), []);
    assert.deepEqual(await messages(it.place), []);
  });

  test('list says what each is; a channel that is not there is not tested', async (t) => {
    const it = await webhookPlace(t);
    const listed = await it.place.ctl(['channel', 'list', '--json']);
    assert.deepEqual(JSON.parse(listed.stdout), [{ name: 'generic', state: 'open', description: 'POST to 127.0.0.1, signed, with links that decide', waiting: 0, dead: 0, last_error: '' }]);
    it.place.writeRules(it.rules.replace('mode: hold', 'mode: hold, channels: [notify], notify: { command: [/bin/true] }'));
    await it.place.ctl(['config', 'reload']);
    const { stdout } = await it.place.ctl(['channel', 'list', '--json']);
    assert.deepEqual(JSON.parse(stdout).map((one) => [one.name, one.state]), [['generic', 'not told'], ['notify', 'open']]);
    assert.deepEqual(JSON.parse((await it.place.ctl(['status', '--json'])).stdout).channels.map((one) => one.name), ['notify']);
    const other = await it.place.ctl(['channel', 'test', 'slack']);
    assert.equal(other.code, 1, other.stdout + other.stderr);
    assert.match(other.stderr, /no channel of this name is configured/);
    const odd = await it.place.ctl(['channel', 'test', '../x']);
    assert.equal(odd.code, 2);
  });

  test('without a broker says how to start one', async (t) => {
    const it = await webhookPlace(t, { begins: false });
    for (const words of [['list'], ['test', 'generic']]) {
      const { code, stderr } = await it.place.ctl(['channel', ...words]);
      assert.equal(code, 7, stderr);
      assert.match(stderr, /start it: aegis-broker --config/);
    }
  });

  test('test gives up waiting after --wait', async (t) => {
    const it = await webhookPlace(t);
    it.hook.script.push(fail.hang());
    const { code, stderr } = await it.place.ctl(['channel', 'test', 'generic', '--wait', '1s']);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /not over after 1 s/);
  });
});

describe('the signature of a webhook', suite, () => {
  test('is refused when body, time or secret is another', () => {
    const body = '{"a":1}';
    const header = 't=1763740800,v1=df25bd16addea7fc90bf5c440a6299578284221d20a4127e114d1ac0d3ae069a';
    verify(header, 's3cret', body, 1763740801);
    assert.throws(() => verify(header, 's3cret', '{"a":2}', 1763740801));
    assert.throws(() => verify(header, 'other', body, 1763740801));
    assert.throws(() => verify(header, 's3cret', body, 1763741801));
    assert.throws(() => verify(header.replace('800', '801'), 's3cret', body, 1763740801));
  });
});
