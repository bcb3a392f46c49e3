// The brake: an operator lets calls wait, all or some, and lets them go on again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { noFailpoints } from '../fault/ledger/points.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { assertSaid } from '../lib/check.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { suite } from '../lib/settings.mjs';
import { openShim } from '../lib/shim.mjs';
import { settled, until } from '../lib/until.mjs';

const EXIT = { ok: 0, failed: 1, usage: 2 };

async function setUp(t, rules) {
  const backend = await startBackend(t, { tools: ['echo', 'get_one', 'get_two'].map((name) => tool(name)) });
  return { backend, place: makePlace(t, simpleRules(backend.url, { agents: ['one', 'two'], ...rules })) };
}

async function ends(place, code, ...args) {
  const ran = await place.ctl(args);
  assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

const paused = async (place) => JSON.parse((await ends(place, EXIT.ok, 'pause', '--list', '--json')).stdout);

/** A call that has a progress token, so that its client hears while it waits. */
function ask(shim, name, args = {}, token = `t${shim.nextId}`) {
  const answer = shim.call(name, args, { params: { _meta: { progressToken: token } } });
  const heard = shim.message((m) => m.method === 'notifications/progress' && m.params.progressToken === token, `a sign of life of ${token}`);
  return { answer, heard };
}

describe('brake', suite, () => {
  test('paused calls wait, say so, and go on when they are resumed', async (t) => {
    const { backend, place } = await setUp(t);
    const [one, two] = [await openShim(place), await openShim(place, { agent: 'two' })];
    assertSaid(await one.call('echo', { message: 'before' }), 'before');
    const { stdout } = await ends(place, EXIT.ok, 'pause', '--reason', 'the harbour is closed');
    assert.match(stdout, /aegisctl resume/);
    const waiting = [ask(one, 'echo', { message: 'a' }), ask(two, 'echo', { message: 'b' })];
    for (const { heard } of waiting) assert.match((await heard).params.message, /paused by an operator: the harbour is closed/);
    assert.equal(backend.arrivals.length, 1);
    assert.ok((await one.request('ping')).result, 'what is not governed goes on');
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await waiting[0].answer, 'a');
    assertSaid(await waiting[1].answer, 'b');
    const rows = (await place.storedRows()).filter((row) => row.kind === 'operator');
    assert.deepEqual(rows.map((row) => row.verdict), ['pause', 'resume']);
    assert.equal(rows[0].body.reason, 'the harbour is closed');
    assert.equal(rows[0].body.uid, process.getuid());
    assert.ok(rows[0].body.by.length > 0);
  });

  const scopes = [
    { scope: ['--agent', 'one'], stopped: ['one', 'echo'], free: ['two', 'echo'] },
    { scope: ['--tool', 'get_*'], stopped: ['one', 'get_one'], free: ['one', 'echo'] },
    { scope: ['--tool', 'get_two'], stopped: ['two', 'get_two'], free: ['two', 'get_one'] },
  ];
  for (const { scope, stopped, free } of scopes) {
    test(`pause ${scope.join(' ')} stops those and nobody else`, async (t) => {
      const { backend, place } = await setUp(t);
      const shims = { one: await openShim(place), two: await openShim(place, { agent: 'two' }) };
      await ends(place, EXIT.ok, 'pause', ...scope);
      const { answer, heard } = ask(shims[stopped[0]], stopped[1], { message: 'stopped' });
      await heard;
      assertSaid(await shims[free[0]].call(free[1], { message: 'free' }), 'free');
      assert.deepEqual(backend.arrivals.map((a) => a.args.message), ['free']);
      await ends(place, EXIT.failed, 'resume');
      await ends(place, EXIT.ok, 'resume', ...scope);
      assertSaid(await answer, 'stopped');
    });
  }

  test('pause --backend stops the calls to that one only', async (t) => {
    const [a, b] = [await startBackend(t), await startBackend(t)];
    const place = makePlace(t, `backends: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
agents: { one: { display_name: One, backends: { a: { allowed: true }, b: { allowed: true } } } }
`);
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause', '--backend', 'a');
    const { answer, heard } = ask(shim, 'a__echo', { message: 'a' });
    await heard;
    assertSaid(await shim.call('b__echo', { message: 'b' }), 'b');
    assert.equal(a.arrivals.length, 0);
    await ends(place, EXIT.ok, 'resume', '--backend', 'a');
    assertSaid(await answer, 'a');
  });

  test('of two pauses both must be resumed', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause');
    await ends(place, EXIT.ok, 'pause', '--agent', 'one', '--reason', 'second');
    const first = ask(shim, 'echo', { message: 'x' });
    await first.heard;
    assert.match((await ends(place, EXIT.ok, 'resume')).stderr, /still paused: agent one/);
    const second = ask(shim, 'echo', { message: 'y' });
    assert.match((await second.heard).params.message, /second/);
    assert.equal(backend.arrivals.length, 0);
    await ends(place, EXIT.ok, 'resume', '--agent', 'one');
    await Promise.all([first.answer, second.answer]);
  });

  test('a call whose client does not wait so long is answered "paused", and runs when it comes again', async (t) => {
    const { backend, place } = await setUp(t, { agent: 'hold_max: 1s', grant: 'rate_limits: { echo: { window: 1h, max_count: 1 } }' });
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause', '--reason', 'lunch');
    const { result, line } = await shim.call('echo', { message: 'x' });
    assert.equal(result?.isError, true, line);
    assert.equal(result._meta['aegis/status'], 'paused');
    assert.match(result.content[0].text, /lunch/);
    assert.match(result.content[0].text, /NOT been executed/);
    assert.equal(backend.arrivals.length, 0);
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await shim.call('echo', { message: 'x' }), 'x');
    assert.equal(backend.arrivals.length, 1, 'and no place was used up meanwhile');
  });

  test('what was sent before goes on', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    const arrived = new Promise((resolve) => { backend.onCall.echo = resolve; });
    const answer = shim.call('echo');
    const exchange = await settled(arrived, 'the call arrives');
    await ends(place, EXIT.ok, 'pause');
    exchange.say('done');
    assertSaid(await answer, 'done');
  });

  test('a cancelled call is not sent when calls are resumed', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause');
    const waiting = ask(shim, 'echo', { message: 'gone' });
    await waiting.heard;
    await shim.notify('notifications/cancelled', { requestId: shim.nextId - 1 });
    assert.ok((await shim.request('ping')).result);
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await shim.call('echo', { message: 'kept' }), 'kept');
    assert.deepEqual(backend.arrivals.map((a) => a.args.message), ['kept']);
  });

  test('the end of a session whose calls are paused: at once, and nothing is sent later', async (t) => {
    const { backend, place } = await setUp(t);
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause');
    const { answer, heard } = ask(shim, 'echo', { message: 'gone' });
    answer.catch(() => {});
    await heard;
    assert.equal((await shim.end()).code, 0);
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await (await openShim(place)).call('echo', { message: 'kept' }), 'kept');
    assert.deepEqual(backend.arrivals.map((a) => a.args.message), ['kept']);
  });

  test('paused while an approval waits: its clock stands still, and given meanwhile it is used when calls are resumed', async (t) => {
    const { backend, place } = await setUp(t, { grant: 'approval_required: [echo]' });
    const shim = await openShim(place);
    const waiting = ask(shim, 'echo', { message: 'x' });
    await waiting.heard;
    await ends(place, EXIT.ok, 'pause');
    const [approval] = JSON.parse((await ends(place, EXIT.ok, 'approvals', 'list', '--json')).stdout);
    await ends(place, EXIT.ok, 'approvals', 'approve', approval.short);
    await shim.message((m) => m.method === 'notifications/progress' && /paused/.test(m.params.message), 'that it is paused now');
    assert.equal(backend.arrivals.length, 0);
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await waiting.answer, 'x');
    assert.equal(backend.arrivals.length, 1);
  });

  test('paused before: no approval is asked for until calls are resumed', async (t) => {
    const { place } = await setUp(t, { grant: 'approval_required: [echo]' });
    const shim = await openShim(place);
    await ends(place, EXIT.ok, 'pause', '--tool', 'echo');
    const waiting = ask(shim, 'echo', { message: 'x' });
    assert.match((await waiting.heard).params.message, /paused/);
    const list = async () => JSON.parse((await ends(place, EXIT.ok, 'approvals', 'list', '--json')).stdout);
    assert.deepEqual(await list(), []);
    await ends(place, EXIT.ok, 'resume', '--tool', 'echo');
    const [approval] = await until(async () => (await list()).length > 0 && list(), { what: 'the approval is asked for' });
    await ends(place, EXIT.ok, 'approvals', 'approve', approval.short);
    assertSaid(await waiting.answer, 'x');
  });

  test('it outlives every process: kill -9 of the shim, and no session at all when it is set', async (t) => {
    const { backend, place } = await setUp(t);
    await ends(place, EXIT.ok, 'pause');
    const killed = await openShim(place);
    await ask(killed, 'echo').heard;
    killed.kill('SIGKILL');
    await killed.exited;
    const shim = await openShim(place);
    const { answer, heard } = ask(shim, 'echo', { message: 'x' });
    await heard;
    assert.equal(backend.arrivals.length, 0);
    await ends(place, EXIT.ok, 'resume');
    assertSaid(await answer, 'x');
    assert.equal(backend.arrivals.length, 1);
  });

  test('an aegisctl that is killed has paused, or has not, and the audit says which', { skip: noFailpoints }, async (t) => {
    const { place } = await setUp(t);
    for (const [at, is] of [['brake/set', false], ['turn/committed', true]]) {
      const ran = await place.ctl(['pause', '--agent', 'one'], { env: { ...place.env, AEGIS_FAILPOINT: `${at}=kill` } });
      assert.equal(ran.signal, 'SIGKILL', `${at}: ${ran.stderr}`);
      assert.equal((await paused(place)).length, is ? 1 : 0, at);
      assert.equal((await place.storedRows()).filter((row) => row.kind === 'operator').length, is ? 1 : 0, at);
    }
  });

  test('of two who pause at once one is on record, and of two who resume', async (t) => {
    const { place } = await setUp(t);
    for (const [verb, code] of [['pause', EXIT.ok], ['resume', EXIT.failed]]) {
      const ran = await Promise.all([1, 2, 3, 4].map(() => place.ctl([verb, '--agent', 'one', '--json'])));
      assert.equal(ran.filter((r) => JSON.parse(r.stdout).was_changed).length, 1, JSON.stringify(ran));
      for (const r of ran) assert.ok([EXIT.ok, code].includes(r.code), r.stderr);
    }
    assert.equal((await place.storedRows()).filter((row) => row.kind === 'operator').length, 2);
  });

  test('--list says what is paused, since when, by whom and why', async (t) => {
    const { place } = await setUp(t);
    assert.equal((await ends(place, EXIT.ok, 'pause', '--list')).stdout, 'nothing is paused\n');
    assert.deepEqual(await paused(place), []);
    await ends(place, EXIT.ok, 'pause', '--tool', 'get_*', '--reason', 'a "quoted" reason');
    const [brake, ...rest] = await paused(place);
    assert.equal(rest.length, 0);
    assert.deepEqual({ ...brake, since: '', by: '' }, { kind: 'pause', scope: 'tool', subject: 'get_*', since: '', by: '', reason: 'a "quoted" reason' });
    assert.ok(Math.abs(Date.parse(brake.since) - Date.now()) < 600_000, brake.since);
    assert.match((await ends(place, EXIT.ok, 'pause', '--list')).stdout, /tool get_\* .*a "quoted" reason/);
  });

  test('what names nobody or cannot be read is refused, and nothing is paused', async (t) => {
    const { place } = await setUp(t);
    assert.match((await ends(place, EXIT.failed, 'pause', '--agent', 'onee')).stderr, /did you mean 'one'/);
    await ends(place, EXIT.failed, 'pause', '--backend', 'nowhere');
    await ends(place, EXIT.failed, 'pause', '--room', 'den');
    await ends(place, EXIT.failed, 'pause', '--tool', 'get_[');
    for (const odd of ['', 'a\u001b[2J', 'a\nb', 'a\u202eb', 'a\u200bb', 'x'.repeat(129)]) {
      for (const scope of ['--agent', '--tool']) await ends(place, EXIT.usage, 'pause', scope, odd);
      if (odd.length < 129) await ends(place, EXIT.usage, 'pause', '--reason', odd);
    }
    await ends(place, EXIT.usage, 'pause', '--agent', 'one', '--tool', 'echo');
    await ends(place, EXIT.usage, 'pause', 'one');
    await ends(place, EXIT.usage, 'resume', '--agent', 'one', '--cooldown');
    await ends(place, EXIT.failed, 'resume', '--agent', "'; DELETE FROM brake; --");
    assert.deepEqual(await paused(place), []);
  });
});
