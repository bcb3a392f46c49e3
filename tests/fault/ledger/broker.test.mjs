// The broker among those that are killed and stopped: it may loosen nothing, lose nothing, and say nothing that is not so. Security tests 3, 9
// and 22.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Broker } from '../../lib/broker.mjs';
import { seedOf } from '../../lib/random.mjs';
import { HANG_MS, factor, suite } from '../../lib/settings.mjs';
import { slackEnv } from '../../lib/slack.mjs';
import { slackPlace } from '../../lib/slack_place.mjs';
import { settled, until } from '../../lib/until.mjs';
import { clock } from './clock.mjs';
import { arm, noFailpoints, points } from './points.mjs';
import { startReceiver } from './receiver.mjs';
import { befall, decider } from './trouble.mjs';
import { World, soakMs, soakTest, soaks } from './world.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const limited = { tool: 'asked', window_ms: 2000, max_count: 8 };
const configOf = (receiver, { approval = '' } = {}) => ({
  agents: ['one', 'two', 'three'], grant: 'approval_required: [asked]',
  more: `approval: { mode: hold, channels: [generic], generic: { webhook_url: "${receiver.url}" }, max_pending_per_agent: 50, max_asks_per_hour: 100000, cooldown_after_refusal: 1ms${approval} }
queue: { demo: { global_rate_limits: { asked: {window: 2s, max_count: 8} } } }\n`,
});

describe('calls are governed as ever while the broker is killed and stopped', soaks, () => {
  soakTest('in cycles, under load', {}, async (t, seed) => {
    const receiver = await startReceiver(t, { trouble: 0.2 });
    const world = await World.make(t, { seed, rules: { approval: { tool: 'asked' }, limits: [limited] }, config: configOf(receiver), backend: { cuts: 0.03, fails: 0.05, slow_ms: 20 } });
    await world.employBroker();
    await world.underFire({
      clients: 5, lanes: 2, tools: ['asked', 'echo', 'echo'], ms: soakMs(8000),
      trouble: (end) => befall(world, ['broker_kill', 'broker_kill', 'broker_stop', 'kill', 'edit', 'operator'], end), person: decider(world),
    });
    world.assertKept(await world.over());
    assert.ok(world.arrivals().some((a) => a.tool === 'asked'), 'some were approved and ran');
  });
});

/** What the store says must have been told, against what was. */
async function assertTold(world, receiver) {
  const messages = await world.place.query("SELECT approval, state FROM message WHERE channel = 'generic'");
  const events = await world.place.query("SELECT approval, what, seq FROM approval_event WHERE what <> 'voted' ORDER BY seq");
  const approvals = await world.place.query('SELECT id, state FROM approval');
  const name = { asked: 'approval_request', decided: 'approval_decided', expired: 'approval_expired', cancelled: 'approval_cancelled', executed: 'approval_executed' };
  assert.equal(messages.length, approvals.length, 'a message for each approval');
  for (const { id, state } of approvals) {
    assert.ok(!['PENDING', 'APPROVED'].includes(state), `${id} is ${state}`);
    const told = receiver.told.filter((m) => m.id === id);
    const message = messages.find((m) => m.approval === id);
    if (message.state === 'DROPPED') {
      assert.deepEqual(told, [], `${id} was over before anybody was told, and yet somebody was`);
      continue;
    }
    assert.equal(message.state, 'SENT', id);
    const firsts = [...new Set(told.map((m) => m.event))];
    assert.deepEqual(firsts, events.filter((e) => e.approval === id).map((e) => name[e.what]), `${id}: each event, in its order`);
    for (const event of firsts) assert.equal(new Set(told.filter((m) => m.event === event).map((m) => m.message_id)).size, 1, `${id}: duplicates of ${event} carry one id`);
    assert.equal(new Set(told.map((m) => m.message_id)).size, firsts.length, `${id}: an id for each event`);
    for (const m of told) assert.equal(m.delivery, m.message_id);
  }
  const again = receiver.told.length - new Set(receiver.told.map((m) => m.message_id)).size;
  return { approvals: approvals.length, told: receiver.told.length, again, dropped: messages.filter((m) => m.state === 'DROPPED').length };
}

/** All is told, by a broker that nobody troubles. */
async function tellTheRest(world, receiver) {
  receiver.trouble = 0;
  const broker = await world.place.broker();
  const open = async () => (await world.place.query(`SELECT count(*) AS n FROM approval WHERE state IN ('PENDING', 'APPROVED')
    UNION ALL SELECT count(*) FROM message WHERE state NOT IN ('SENT', 'DROPPED')`)).reduce((sum, { n }) => sum + n, 0);
  await until(async () => await open() === 0, { what: `everything decided and told${broker.lastWords()}`, within: 15 * HANG_MS, every: 100 });
  await broker.end();
}

describe('no request is lost and none runs twice, however often the broker dies', { ...suite, timeout: suite.timeout * factor }, () => {
  const kills = 200 * factor;
  test(`killed ${kills} times around deliveries and decisions`, async (t) => {
    const seed = seedOf(t);
    const receiver = await startReceiver(t, { trouble: 0.2 });
    const world = await World.make(t, { seed, rules: { approval: { tool: 'asked' }, limits: [limited] }, config: configOf(receiver, { approval: ', timeout: 4s, redeem_within: 4s' }) });
    await world.underFire({
      clients: 3, lanes: 2, tools: ['asked'], ms: 1e9, person: decider(world),
      trouble: async () => {
        for (let n = 0; n < kills; n++) {
          const broker = await world.place.broker();
          await pause(world.rnd() * 150);
          await broker.endBy('SIGKILL');
        }
        world.work.until = clock();
      },
    });
    await tellTheRest(world, receiver);
    const counts = await assertTold(world, receiver);
    t.diagnostic(JSON.stringify(counts));
    assert.ok(counts.told > counts.dropped, 'most were told');
    assert.ok(counts.again > 0, 'some were told again');
    world.assertKept(await world.over());
  });
});

/** A broker that is killed there. */
async function dieAt(world, point) {
  const victim = new Broker(world.place, { env: arm(point) });
  victim.signals.add('SIGKILL');
  assert.equal((await settled(victim.exited, `the death at ${point}${victim.lastWords()}`)).signal, 'SIGKILL');
}

/** A world where one call waits for a person's word, and no broker is there yet. */
async function asking(t) {
  const receiver = await startReceiver(t);
  const world = await World.make(t, { rules: { approval: { tool: 'asked' } }, config: configOf(receiver) });
  const client = await world.open();
  const call = client.call('asked');
  const [approval] = await until(async () => (await world.asked()).length === 1 && world.asked(), { what: 'the question', every: 50 });
  return { world, receiver, call, approval };
}

describe('killed at each labelled place of a delivery', { ...suite, skip: noFailpoints }, () => {
  for (const id of ['MESSAGE_TAKEN', 'MESSAGE_ENDING', 'MESSAGE_ENDED', 'OUTBOX_TAKEN', 'OUTBOX_SENT', 'OUTBOX_ENDED', 'MESSAGES_RECOVERED']) {
    test(`at ${points[id]}: the next one tells what is to be told, under the same id`, async (t) => {
      const { world, receiver, call, approval } = await asking(t);
      if (id === 'MESSAGES_RECOVERED') await dieAt(world, points.MESSAGE_TAKEN);
      await dieAt(world, points[id]);
      const heir = await world.place.broker();
      await until(() => receiver.told.some((m) => m.id === approval.id && m.event === 'approval_request'), { what: 'the request, told' });
      await world.decide('approve', approval);
      assert.equal((await call).verdict, 'done');
      await heir.end();
      await tellTheRest(world, receiver);
      await assertTold(world, receiver);
      world.assertKept(await world.over());
    });
  }

  test(`at ${points.MESSAGES_OWED}: a decision whose telling is not on record is none, and is told when it is made again`, async (t) => {
    const { world, receiver, call, approval } = await asking(t);
    const broker = await world.place.broker();
    await until(() => receiver.told.length === 1, { what: 'the request, told' });
    world.ctlEnv = arm(points.MESSAGES_OWED);
    assert.equal((await world.decide('approve', approval)).code, null, 'aegisctl dies of it');
    world.ctlEnv = {};
    assert.equal((await world.asked()).length, 1, 'it is undecided');
    assert.equal((await world.decide('approve', approval)).code, 0);
    assert.equal((await call).verdict, 'done');
    await broker.end();
    await tellTheRest(world, receiver);
    await assertTold(world, receiver);
    world.assertKept(await world.over());
  });

  test(`at ${points.MESSAGES_AGAIN}: what was given up can be told again`, async (t) => {
    const { world, receiver, call, approval } = await asking(t);
    receiver.status = 400;
    const victim = await world.place.broker({ env: arm(points.MESSAGES_AGAIN) });
    victim.signals.add('SIGKILL');
    await victim.said(/ outbox\.dead /);
    receiver.status = 200;
    assert.notEqual((await world.ctl(['api', 'POST', '/api/v1/messages/again'])).code, 0, 'aegisctl has no answer');
    assert.equal((await settled(victim.exited, 'its death')).signal, 'SIGKILL');
    const heir = await world.place.broker();
    const again = await world.ctl(['api', 'POST', '/api/v1/messages/again']);
    assert.equal(again.code, 0, again.stderr);
    await until(() => receiver.told.length === 1, { what: 'the request, told' });
    await world.decide('approve', approval);
    assert.equal((await call).verdict, 'done');
    await heir.end();
    await tellTheRest(world, receiver);
    await assertTold(world, receiver);
    world.assertKept(await world.over());
  });

  test(`at ${points.TOKEN_WRITTEN}: the token is there or not, and can be made`, async (t) => {
    const world = await World.make(t);
    await world.survivor();
    world.ctlEnv = arm(points.TOKEN_WRITTEN);
    assert.equal((await world.ctl(['token', 'create', 'ci', '--role', 'viewer'])).code, null, 'aegisctl dies of it');
    world.ctlEnv = {};
    const { code, stderr } = await world.ctl(['token', 'create', 'ci', '--role', 'viewer']);
    assert.equal(code, 0, stderr);
    assert.deepEqual((await world.place.query('SELECT name, kind FROM token')), [{ name: 'ci', kind: 'api' }]);
  });

  test(`at ${points.CALLBACK_SEEN}: the same press again decides, once`, async (t) => {
    const at = await slackPlace(t, { isStarted: false });
    const victim = await at.place.broker({ env: { ...slackEnv(at.slack), ...arm(points.CALLBACK_SEEN) } });
    victim.signals.add('SIGKILL');
    const callback = `http://${(await victim.said(/doors\.open listen=(\S+)/))[1]}/callback/slack`;
    const answer = (await at.open()).call('publish', { message: 'hello' });
    const message = await at.slack.message();
    await at.slack.press(callback, message, 'aegis_approve').catch(() => {});
    assert.equal((await settled(victim.exited, 'its death')).signal, 'SIGKILL');
    await at.start();
    assert.equal((await at.slack.press(at.callback, message, 'aegis_approve')).status, 200);
    assert.ok((await answer).result);
    assert.equal(at.backend.callsOf('publish').length, 1);
  });
});
