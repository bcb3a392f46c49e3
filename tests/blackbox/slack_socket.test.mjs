// Slack by Socket Mode: presses reach a broker that listens nowhere, however the connection behaves.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { describe, test } from 'node:test';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { makePlace } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { suite } from '../lib/settings.mjs';
import { assertInert, buttonOf, buttonsOf, saysOf } from '../lib/slack.mjs';
import { slackPlace } from '../lib/slack_place.mjs';
import { settled, until } from '../lib/until.mjs';

const socketPlace = (t, options) => slackPlace(t, { way: 'socket', ...options });
const askedFor = (slack, n) => slack.message((m) => m.text.startsWith('Approval needed') && saysOf(m.blocks).includes(`"n":${n}`));

describe('Slack by Socket Mode', suite, () => {
  test('approve and reject with a reason, without any listener', async (t) => {
    const { slack, open, backend, broker } = await socketPlace(t);
    await slack.line();
    assert.doesNotMatch(broker.stderr, /doors\.open listen=/);
    const shim = await open();
    const yes = shim.call('publish', { message: 'hello' });
    const message = await slack.message();
    assert.deepEqual(buttonsOf(message.blocks).map((b) => b.action_id), ['aegis_approve', 'aegis_reject']);
    assert.deepEqual(await slack.press(null, message, 'aegis_approve'), { status: 200, text: '' });
    assertSaid(await yes, 'hello');
    await slack.shows(message, 'Approved and done');
    assertInert(message);

    const no = shim.call('erase', { n: 2 });
    const other = await askedFor(slack, 2);
    assert.deepEqual(await slack.reject(null, other, 'keep it'), { status: 200, text: '' });
    assert.match(assertRefused(await no, CODE.approval, { reason: 'refused' }).message, /keep it/);
    await slack.shows(other, 'Refused');
    assert.equal(backend.callsOf('erase').length, 0);
    assert.equal(slack.envelopes.size, 0);
  });

  test('strangers are refused privately; a form that comes too late is answered in its place', async (t) => {
    const { slack, open, person } = await socketPlace(t);
    await slack.line();
    const shim = await open();
    const answer = shim.call('publish', {});
    const message = await slack.message();
    await slack.press(null, message, 'aegis_approve', { user: 'U4' });
    await slack.told('U4');
    await slack.press(null, message, 'aegis_approve', { app: 'A2' });
    await slack.press(null, message, 'aegis_reject');
    const form = await until(() => [...slack.forms.values()][0], { what: 'the form' });
    await person.decide('approve', (await person.asked()).id);
    assert.ok((await answer).result);
    const { text } = await slack.act(null, slack.submission(form, 'late'));
    assert.equal(JSON.parse(text).response_action, 'update');
  });

  test('asked to go elsewhere, it opens the next connection first; nothing is lost meanwhile', async (t) => {
    const { slack, open } = await socketPlace(t);
    const first = await slack.line();
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    const message = await askedFor(slack, 1);
    slack.isMute = true;
    first.disconnect('warning');
    const second = await until(() => slack.lines.find((l) => l !== first), { what: 'the next connection' });
    assert.ok(slack.lines.includes(first), 'the old one serves until the new one is ready');
    await slack.press(null, message, 'aegis_approve');
    assert.ok((await answer).result);
    assert.equal(first.acks.length, 1);
    slack.isMute = false;
    slack.hello(second);
    await settled(first.closed, 'the old connection to be closed');
    assert.equal(first.closeCode, 1000);
    second.disconnect('refresh_requested');
    const third = await until(() => slack.lines.find((l) => l !== first && l !== second && l.isReady), { what: 'a third connection' });
    await settled(second.closed, 'the second connection to be closed');
    const later = shim.call('publish', { n: 2 });
    await slack.press(null, await askedFor(slack, 2), 'aegis_approve');
    assert.ok((await later).result);
    assert.equal(third.acks.length, 1);
    assert.equal(slack.countOf('apps.connections.open'), 3);
  });

  test('cut off without a word it comes back, and what was pressed meanwhile counts', async (t) => {
    const { slack, open, backend } = await socketPlace(t);
    const line = await slack.line();
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    const message = await askedFor(slack, 1);
    slack.fail('apps.connections.open', { status: 503, body: 'no' });
    slack.fail('apps.connections.open', { error: 'internal_error' });
    line.cut();
    await settled(line.closed, 'the cut');
    const pressed = slack.press(null, message, 'aegis_approve');
    assert.deepEqual(await pressed, { status: 200, text: '' });
    assert.ok((await answer).result);
    await slack.shows(message, 'Approved and done');
    assert.equal(backend.arrivals.length, 1);
    assert.equal(slack.countOf('apps.connections.open'), 4);
  });

  test('who says hello and goodbye is not called again at once, for ever', async (t) => {
    const { slack } = await socketPlace(t);
    for (let i = 0; i < 3; i++) {
      const line = await slack.line();
      line.disconnect('refresh_requested');
      await settled(line.closed, 'the connection to be closed');
    }
    const times = slack.requests.filter((r) => r.method === 'apps.connections.open').map((r) => r.at);
    assert.ok(times[3] - times[2] > 1_900, `after ${times.map((at) => Math.round(at - times[0]))} ms`);
  });

  test('an envelope whose acknowledgement is lost comes again and changes nothing', async (t) => {
    const { slack, open, backend } = await socketPlace(t);
    const line = await slack.line();
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    const message = await askedFor(slack, 1);
    slack.losesAcks = 1;
    const pressed = slack.press(null, message, 'aegis_approve');
    assert.ok((await answer).result);
    await until(() => line.acks.length === 1, { what: 'the first acknowledgement' });
    line.cut();
    assert.deepEqual(await pressed, { status: 200, text: '' });
    await slack.shows(message, 'Approved and done');
    assert.equal(backend.arrivals.length, 1);
    assert.deepEqual(slack.private, []);
  });

  test('pieces, pings and other envelopes are taken as they come', async (t) => {
    const { slack, open } = await socketPlace(t);
    const line = await slack.line();
    slack.pieces = 7;
    line.ping();
    await until(() => line.pongs === 1, { what: 'a pong' });
    assert.equal(await slack.envelope('events_api', { event: { type: 'message' } }), undefined);
    line.send('not JSON');
    line.send([1]);
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    await slack.press(null, await askedFor(slack, 1), 'aegis_approve');
    assert.ok((await answer).result);
    assert.ok(line.pongs >= 13);
    assert.ok(slack.lines.includes(line), 'it is still the same connection');
  });

  test('what pends at a restart can still be pressed', async (t) => {
    const it = await socketPlace(t);
    const { slack, open } = it;
    const line = await slack.line();
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    const message = await askedFor(slack, 1);
    assert.deepEqual(await it.broker.end(), { code: 0, signal: null });
    assert.equal(line.closeCode, 1000);
    const pressed = slack.press(null, message, 'aegis_approve');
    await it.start();
    assert.deepEqual(await pressed, { status: 200, text: '' });
    assert.ok((await answer).result);
    await slack.shows(message, 'Approved and done');
    assert.equal(slack.messages.size, 1);
  });

  test('a token Slack does not take is said, with what to do', async (t) => {
    const { slack, broker, place } = await socketPlace(t, { setup: (s) => s.fail('apps.connections.open', { error: 'invalid_auth', times: 1000 }) });
    const [line] = await broker.said(/slack\.socket .*invalid_auth.*/);
    assert.match(line, /app_token/);
    assert.ok(!broker.stderr.includes(slack.appToken));
    const { code, stdout } = await place.ctl(['api', 'GET', '/api/v1/channels']);
    assert.equal(code, 0);
    assert.match(stdout, /not connected: Slack: invalid_auth/);
    for (const secret of [slack.appToken, slack.botToken]) assert.ok(!stdout.includes(secret));
  });

  test('a certificate nobody vouches for is refused', async (t) => {
    const place = makePlace(t);
    const files = ['-keyout', `${place.dir}/key.pem`, '-out', `${place.dir}/crt.pem`];
    const made = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1', ...files]);
    assert.equal(made.code, 0, made.stderr);
    let upgrades = 0;
    const server = https.createServer({ key: readFileSync(`${place.dir}/key.pem`), cert: readFileSync(`${place.dir}/crt.pem`) });
    server.on('upgrade', (req, socket) => (upgrades++, socket.destroy()));
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => new Promise((resolve) => server.close(resolve)));
    const { broker } = await socketPlace(t, { setup: (slack) => { slack.lineUrl = `https://127.0.0.1:${server.address().port}`; } });
    await broker.said(/slack\.socket why="the server's TLS certificate is not trusted"/);
    assert.equal(upgrades, 0);
  });

  test('new rules: another token is another connection, none is none', async (t) => {
    const { slack, broker, place, rules } = await socketPlace(t);
    const first = await slack.line();
    place.writeRules(rules('timeout: 500s'));
    broker.kill('SIGHUP');
    await broker.said(/rules\.in_force .*generation=2/);
    assert.ok(slack.lines.includes(first));
    place.writeRules(rules().replace('app_token: { env: SLACK_APP }', 'signing_secret: x').concat('server: { listen: "127.0.0.1:0" }\n'));
    broker.kill('SIGHUP');
    await settled(first.closed, 'the connection to be closed');
    assert.equal(slack.countOf('apps.connections.open'), 1);
  });
});

describe('aegisctl channel test slack', suite, () => {
  const runTest = (place) => place.ctl(['api', 'POST', '/api/v1/channels/slack/test']);

  test('asks for a press and says who pressed', async (t) => {
    const { slack, place } = await socketPlace(t);
    await slack.line();
    const running = runTest(place);
    const message = await until(() => [...slack.messages.values()][0], { what: 'the test message' });
    await slack.press(null, message, 'aegis_test');
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /the bot is aegis in the workspace Aegis \(T1\)/);
    assert.match(stdout, /pressed by T1\/U1, whom the rules know as alice \(approver\)/);
    assert.match(stdout, /the message was changed/);
    assert.equal(buttonOf(message.blocks, 'aegis_test'), undefined);
  });

  test('says what is wrong', async (t) => {
    const { slack, place } = await socketPlace(t);
    slack.botToken = 'another';
    const { stdout } = await runTest(place);
    assert.match(stdout, /Slack does not know the bot: Slack: invalid_auth: .*approval\.slack\.bot_token/);
    assert.doesNotMatch(stdout, /xoxb/);
  });
});
