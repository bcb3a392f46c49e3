// Approvals: exactly this call, once, when a person has agreed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approvalPlace, rulesFor } from '../lib/approvals.mjs';
import { tool } from '../lib/backend.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { scale, suite } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const bound = { message: 'hello', to: ['a', 'b'] };

/** What the store says people must be told of an approval. */
async function told(place, id) {
  const [row] = await place.query(`SELECT outcome, (SELECT group_concat(what, ' ') FROM (SELECT what FROM approval_event WHERE approval = a.id ORDER BY seq)) AS events,
    (SELECT group_concat(channel, ' ') FROM message WHERE approval = a.id) AS channels FROM approval AS a WHERE id = '${id}'`);
  return row && { events: row.events, outcome: row.outcome, channels: row.channels };
}

describe('a call that needs a person', suite, () => {
  test('waits, and goes when it is approved', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    assert.equal(backend.arrivals.length, 0);
    assert.match(asked.short, /^APR-[2-9A-HJ-NP-Z]{4}$/);
    assert.deepEqual([asked.state, asked.agent, asked.backend, asked.tool, asked.rule, asked.waiting, asked.client], ['PENDING', 'one', 'demo', 'publish', 'publish', 1, 'test']);
    assert.deepEqual(asked.arguments, bound);
    assert.ok(Date.parse(asked.expires_at) > Date.now(), asked.expires_at);
    const said = await person.decide('approve', asked.short, '--reason', 'go on');
    assert.match(said.stdout, new RegExp(`^${asked.short} approved: publish for agent one`));
    assertSaid(await answer, 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
    const [used] = await person.list('--all');
    assert.deepEqual([used.state, used.reason], ['CONSUMED', 'go on']);
    const rows = await place.storedRows();
    const intent = rows.find((row) => row.kind === 'intent');
    assert.equal(intent.body.approval, asked.id);
    assert.equal(used.used_by, intent.call);
    assert.deepEqual(rows.filter((row) => row.kind === 'decision').map((row) => [row.verdict, row.body.state]), [['asked', 'PENDING'], ['approve', 'APPROVED']]);
    assert.deepEqual(await told(place, asked.id), { events: 'asked decided executed', outcome: 'ok', channels: 'desktop' });
  });

  test('other calls go on meanwhile', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    assertSaid(await shim.call('echo', { message: 'meanwhile' }), 'meanwhile');
    await person.decide('approve', asked.id);
    assertSaid(await answer, 'hello');
    assert.equal(backend.arrivals.length, 2);
  });

  test('is refused with the reason of the person', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    await person.decide('reject', asked.short.toLowerCase(), '--reason', 'not on a Friday');
    const { message, data } = assertRefused(await answer, CODE.approval, { reason: 'refused' });
    assert.match(message, /not on a Friday/);
    assert.equal(data.approval_id, asked.short);
    assert.equal(backend.arrivals.length, 0);
    const again = assertRefused(await shim.call('publish', bound), CODE.approval, { reason: 'refused_recently' });
    assert.match(again.message, /not on a Friday/);
    assert.ok(again.data.retry_after_ms > 0 && again.data.retry_after_ms <= 30_000, again.message);
    assert.equal((await person.list('--all')).length, 1, 'nobody is asked again');
    const other = shim.call('erase', {});
    await person.asked((a) => a.tool === 'erase');
    shim.notify('notifications/cancelled', { requestId: shim.nextId - 1 });
    await Promise.race([other, person.wait(1, (a) => a.waiting === 0)]);
  });

  test('that was refused while its client was away learns it when it comes again, and the next is asked anew', async (t) => {
    const { person, open, backend } = await approvalPlace(t, { mode: 'defer', approval: 'cooldown_after_refusal: 0s' });
    const shim = await open();
    const first = await shim.call('publish', bound);
    assert.match(first.result.content[0].text, /^approval APR-\S+ is still pending.*aegisctl approvals approve APR-/);
    const asked = await person.asked();
    await person.decide('reject', asked.short, '--reason', 'too late');
    const { message } = assertRefused(await (await open()).call('publish', bound), CODE.approval, { reason: 'refused' });
    assert.match(message, /too late/);
    assert.match((await shim.call('publish', bound)).result.content[0].text, /still pending/);
    assert.notEqual((await person.asked()).id, asked.id);
    assert.equal(backend.arrivals.length, 0);
  });

  test('at real length: is answered before an unknown client gives up, and redeemed by the same call repeated', { skip: scale !== 'full' }, async (t) => {
    const { person, open, backend } = await approvalPlace(t, { mode: 'auto' });
    const shim = await open();
    const from = performance.now();
    const first = await shim.call('publish', bound, { within: 60_000 });
    assert.ok(performance.now() - from > 40_000, 'it was held as long as the client bears it');
    assert.match(first.result.content[0].text, /still pending/);
    const second = shim.call('publish', bound, { within: 60_000 });
    const asked = await person.asked();
    await person.decide('approve', asked.short);
    assertSaid(await second, 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
    assert.deepEqual((await person.list('--all')).map((one) => [one.id, one.state]), [[asked.id, 'CONSUMED']]);
  });

  test('expires when nobody decides', async (t) => {
    const { backend, person, open } = await approvalPlace(t, { approval: 'timeout: 1s' });
    const shim = await open();
    const { message } = assertRefused(await shim.call('publish', bound), CODE.approval, { reason: 'expired' });
    assert.match(message, /nobody decided in time/);
    assert.equal(backend.arrivals.length, 0);
    const [over] = await person.list('--all');
    assert.equal(over.state, 'EXPIRED');
    const late = await person.run('approve', over.short);
    assert.equal(late.code, 1);
    assert.match(late.stderr, /has expired.*cannot be decided any more/);
  });

  test('is told when an operator cancels the question', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    await person.decide('cancel', asked.short, '--reason', 'wrong day');
    const { message } = assertRefused(await answer, CODE.approval, { reason: 'cancelled' });
    assert.match(message, /wrong day/);
    assert.equal(backend.arrivals.length, 0);
  });

  test('show tells whom it was told to, and how the call ended', async (t) => {
    const { person, open } = await approvalPlace(t, { approval: 'notify: { command: [/bin/true] }' });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    assert.match((await person.run('show', asked.short)).stdout, /^told +notify is to be told$/m);
    await person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    const shown = await until(async () => {
      const { stdout } = await person.run('show', asked.short, '--json');
      return JSON.parse(stdout).outcome && JSON.parse(stdout);
    }, { what: 'the outcome' });
    assert.deepEqual([shown.state, shown.outcome, shown.messages.map((one) => one.channel)], ['CONSUMED', 'ok', ['notify']]);
    assert.match((await person.run('show', asked.short)).stdout, /^outcome +ok at \S+Z$/m);
  });

  test('a second decider is told who was first and when', async (t) => {
    const { person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    await person.decide('reject', asked.short, '--reason', 'no');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    const second = await person.run('approve', asked.short);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /was refused by \S+ \(cli\) at \d{4}-\d\d-\d\dT\S+Z: no; your decision came later/);
    const shown = await person.run('show', asked.short);
    assert.match(shown.stdout, /^decided +by \S+ \(cli\) at \S+Z: no$/m);
    assert.match(shown.stdout, /^votes +0 of 1\n +\S+ refused \(cli\) at \S+Z: no\n +\S+ approved \(cli\) at \S+Z, too late$/m);
    const { cast_votes: votes } = JSON.parse((await person.run('show', asked.short, '--json')).stdout);
    assert.deepEqual(votes.map((one) => [one.verdict, one.is_late]), [['reject', false], ['approve', true]]);
    const unknown = await person.run('approve', 'APR-2222');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /there is no approval APR-2222/);
  });
});

describe('an approval is for one call', suite, () => {
  for (const queue of ['', 'queue: { demo: { enabled: true, delay_min: 10ms, delay_max: 20ms } }\n']) {
    test(`also when the backend had ended the session meanwhile${queue && ', through the queue'}: nobody is asked twice, it runs once`, async (t) => {
      const { backend, person, open, place } = await approvalPlace(t, { more: queue });
      const shim = await open();
      let refused = 0;
      backend.onMethod['tools/call'] = (x) => {
        if (refused++ === 0) return x.send(404, 'no such session');
        return x.result({ content: [{ type: 'text', text: x.message.params.arguments.message }] });
      };
      const answer = shim.call('publish', bound);
      await person.decide('approve', (await person.asked()).short);
      assertSaid(await answer, 'hello');
      assert.equal(refused, 2);
      const all = await person.list('--all');
      assert.deepEqual(all.map(({ state }) => state), ['CONSUMED']);
      assert.deepEqual(await told(place, all[0].id), { events: 'asked decided executed', outcome: 'ok', channels: 'desktop' });
    });
  }

  test('but not when the backend of the new session defines the tool otherwise: it is asked again', async (t) => {
    const { backend, person, open, place } = await approvalPlace(t);
    const shim = await open();
    backend.onMethod['tools/call'] = (x) => {
      backend.tools = backend.tools.map((one) => ({ ...one, description: 'something else' }));
      backend.onMethod['tools/call'] = undefined;
      x.send(404, 'no such session');
    };
    const answer = shim.call('publish', bound);
    const first = await person.asked();
    await person.decide('approve', first.short);
    const [second] = await person.wait(1, (one) => one.short !== first.short);
    assert.equal(second.state, 'PENDING');
    assert.deepEqual(await told(place, first.id), { events: 'asked decided executed', outcome: 'not_run', channels: 'desktop' });
    await person.decide('reject', second.short, '--reason', 'changed');
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('identical calls of two sessions share one, and the first to commit uses it', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const [a, b] = [await open(), await open()];
    const first = a.call('publish', bound);
    await person.asked();
    const second = b.call('publish', { to: ['a', 'b'], message: 'hello' });
    const [asked] = await person.wait(1, (one) => one.waiting === 2);
    await person.decide('approve', asked.short);
    const answers = await Promise.all([first, second]);
    const [won] = answers.filter((answer) => answer.result);
    const [lost] = answers.filter((answer) => answer.error);
    assertSaid(won, 'hello');
    const { message } = assertRefused(lost, CODE.approval, { reason: 'approval_used' });
    assert.match(message, /an identical call has used approval/);
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('so do identical calls of one session', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const calls = [shim.call('publish', bound), shim.call('publish', bound), shim.call('publish', bound)];
    const [asked] = await person.wait(1, (one) => one.waiting === 3);
    await person.decide('approve', asked.short);
    const answers = await Promise.all(calls);
    assert.equal(answers.filter((answer) => answer.result).length, 1);
    for (const answer of answers.filter((one) => one.error)) assertRefused(answer, CODE.approval, { reason: 'approval_used' });
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('one bit more or less is another call', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    await person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    const others = [{ ...bound, message: 'hellp' }, { ...bound, to: ['b', 'a'] }, { ...bound, more: null }];
    const calls = others.map((args) => shim.call('publish', args));
    const asks = await person.wait(others.length);
    assert.deepEqual(new Set(asks.map((one) => one.args_hash)).size, others.length);
    assert.equal(backend.callsOf('publish').length, 1);
    for (const one of asks) await person.decide('reject', one.short);
    for (const call of calls) assertRefused(await call, CODE.approval);
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('another agent needs its own', async (t) => {
    const { person, open, backend } = await approvalPlace(t, { agents: ['one', 'two'] });
    const first = (await open()).call('publish', bound);
    const second = (await open({ agent: 'two' })).call('publish', bound);
    const asks = await person.wait(2);
    assert.deepEqual(asks.map((one) => one.agent).sort(), ['one', 'two']);
    await person.decide('approve', asks.find((one) => one.agent === 'two').short);
    assertSaid(await second, 'hello');
    await person.decide('reject', asks.find((one) => one.agent === 'one').short);
    assertRefused(await first, CODE.approval);
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('a client that dies while it waits runs nothing; the same call repeated redeems what was approved', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const dying = await open();
    const lost = dying.call('publish', bound);
    lost.catch(() => {});
    const asked = await person.asked();
    await dying.endBy('SIGKILL');
    await person.decide('approve', asked.short);
    assert.equal((await person.asked((one) => one.state === 'APPROVED')).id, asked.id);
    assert.equal(backend.arrivals.length, 0);
    const shim = await open();
    assertSaid(await shim.call('publish', bound), 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
    const all = await person.list('--all');
    assert.deepEqual(all.map((one) => [one.id, one.state]), [[asked.id, 'CONSUMED']]);
  });

  test('a cancelled call only lets go of it', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const id = 'patient';
    shim.send({ id, method: 'tools/call', params: { name: 'publish', arguments: bound } });
    const asked = await person.asked();
    shim.notify('notifications/cancelled', { requestId: id });
    await person.wait(1, (one) => one.id === asked.id && one.waiting === 0);
    await person.decide('approve', asked.short);
    assertSaid(await shim.call('publish', bound), 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('what was approved and not used in time has expired', async (t) => {
    const { backend, person, open } = await approvalPlace(t, { approval: 'redeem_within: 1s' });
    const dying = await open();
    dying.call('publish', bound).catch(() => {});
    const asked = await person.asked();
    await dying.end();
    await person.decide('approve', asked.short);
    await until(async () => (await person.list()).length === 0, { what: 'its end', every: 100 });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const anew = await person.asked();
    assert.notEqual(anew.id, asked.id);
    await person.decide('reject', anew.short);
    assertRefused(await answer, CODE.approval);
    assert.equal(backend.arrivals.length, 0);
  });
});

describe('what a person saw is what runs', suite, () => {
  test('a tool whose definition changed after it was asked for is asked for anew', async (t) => {
    const { backend, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    backend.tools = [tool('publish', { description: 'Does something else' }), tool('echo')];
    await person.decide('approve', asked.short);
    const anew = await person.asked();
    assert.notEqual(anew.id, asked.id);
    assert.equal(backend.arrivals.length, 0);
    assert.equal((await person.list('--all')).find((one) => one.id === asked.id).state, 'EXPIRED');
    await person.decide('approve', anew.short);
    assertSaid(await answer, 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
  });

  test('rules that were tightened after the approval hold', async (t) => {
    const { backend, place, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    place.writeRules(rulesFor(backend, { grant: 'tool_denylist: ["publish"]' }));
    await person.decide('approve', asked.short);
    assertRefused(await answer, CODE.denied);
    assert.equal(backend.arrivals.length, 0);
  });

  test('a limit set after the approval asks a person anew', async (t) => {
    const { backend, place, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    place.writeRules(rulesFor(backend, { grant: 'rate_limits: { publish: {window: 1h, max_count: 5} }' }));
    await person.decide('approve', asked.short);
    const anew = await person.asked();
    assert.notEqual(anew.id, asked.id);
    assert.equal(backend.arrivals.length, 0);
    await person.decide('approve', anew.short);
    assertSaid(await answer, 'hello');
  });

  test('rules that changed elsewhere change nothing', async (t) => {
    const { backend, place, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    place.writeRules(rulesFor(backend, { grant: 'rate_limits: { echo: {window: 1h, max_count: 5} }' }));
    await person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    assert.equal((await person.list('--all')).length, 1);
  });

  test('rules that need no approval any more let the call go', async (t) => {
    const { backend, place, person, open } = await approvalPlace(t);
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    place.writeRules(rulesFor(backend, {}).replace('"publish", "erase"', '"erase"'));
    await person.decide('approve', asked.short);
    assertSaid(await answer, 'hello');
    assert.equal(backend.callsOf('publish').length, 1);
  });
});

describe('limits and caps', suite, () => {
  const limited = 'rate_limits: { publish: {window: 1h, max_count: 1} }';

  test('a call that waits for a person holds its place, so that nobody approves for nothing', async (t) => {
    const { backend, person, open } = await approvalPlace(t, { grant: limited });
    const shim = await open();
    const answer = shim.call('publish', bound);
    const asked = await person.asked();
    const { data } = assertRefused(await shim.call('publish', { message: 'other' }), CODE.limited, { reason: 'held' });
    assert.equal(data.limit.held, 1);
    await person.decide('reject', asked.short);
    assertRefused(await answer, CODE.approval);
    const again = (await open()).call('publish', { message: 'other' });
    again.catch(() => {});
    assertRefused(await again, CODE.approval, { reason: 'refused_recently' });
    assert.equal(backend.arrivals.length, 0);
  });

  test('the place is the approval\'s, whoever waits, and becomes the use of the call', async (t) => {
    const { backend, place, person, open } = await approvalPlace(t, { grant: limited });
    const dying = await open();
    dying.call('publish', bound).catch(() => {});
    const asked = await person.asked();
    await dying.endBy('SIGKILL');
    const shim = await open();
    assertRefused(await shim.call('publish', { message: 'other' }), CODE.limited, { reason: 'held' });
    await person.decide('approve', asked.short);
    assertSaid(await shim.call('publish', bound), 'hello');
    assertRefused(await shim.call('publish', { message: 'other' }), CODE.limited, { reason: 'rate' });
    assert.equal(backend.callsOf('publish').length, 1);
    assert.deepEqual(await place.query('SELECT count(*) AS n FROM limit_entry WHERE tick = 9223372036854775807'), [{ n: 0 }]);
  });

  test('an agent may not flood people', async (t) => {
    const { person, open } = await approvalPlace(t, { approval: 'max_pending_per_agent: 2' });
    const shim = await open();
    const calls = [1, 2].map((n) => shim.call('publish', { n }));
    const asks = await person.wait(2);
    assertRefused(await shim.call('publish', { n: 3 }), CODE.approval, { reason: 'too_many_pending' });
    for (const one of asks) await person.decide('cancel', one.short);
    for (const call of calls) assertRefused(await call, CODE.approval, { reason: 'cancelled' });
  });

  test('nor ask too often', async (t) => {
    const { person, open } = await approvalPlace(t, { approval: 'max_asks_per_hour: 1' });
    const shim = await open();
    const answer = shim.call('publish', { n: 1 });
    await person.decide('approve', (await person.asked()).short);
    assertSaid(await answer, 'done');
    const { data } = assertRefused(await shim.call('publish', { n: 2 }), CODE.approval, { reason: 'too_many_pending' });
    assert.ok(data.retry_after_ms > 3_000_000 && data.retry_after_ms <= 3_600_000, `${data.retry_after_ms}`);
  });
});

describe('who may decide', suite, () => {
  const uid = process.getuid();

  test('people the rules name, with the role or in approvers', async (t) => {
    const { person, open, backend } = await approvalPlace(t, {
      approval: 'approver_auth: required', more: `people: { alice: { uid: ${uid}, roles: [approver] } }\n`,
    });
    const answer = (await open()).call('publish', bound);
    await person.decide('approve', (await person.asked()).short);
    assertSaid(await answer, 'hello');
    assert.equal((await person.list('--all'))[0].decided_by, 'alice');
    assert.equal(backend.arrivals.length, 1);
  });

  for (const [what, rules, said] of [
    ['who is not among them', { more: `people: { bob: { uid: ${uid + 1}, roles: [approver] } }\n` }, /none of them has uid/],
    ['without the role', { more: `people: { alice: { uid: ${uid}, roles: [viewer] } }\n` }, /has not the role approver/],
    ['who is not among the approvers', { approval: 'approvers: [bob]', more: `people: { alice: { uid: ${uid}, roles: [approver] }, bob: { uid: ${uid + 1} } }\n` }, /not among approval.approvers/],
    ['who asks for oneself', { approval: 'self_approve: false' }, /approve for oneself/],
  ]) {
    test(`nobody ${what}`, async (t) => {
      const { person, open, backend } = await approvalPlace(t, rules);
      const shim = await open();
      shim.call('publish', bound).catch(() => {});
      const asked = await person.asked();
      const end = await person.run('approve', asked.short);
      assert.equal(end.code, 3, end.stdout + end.stderr);
      assert.match(end.stderr, said);
      assert.equal((await person.asked()).state, 'PENDING');
      assert.equal(backend.arrivals.length, 0);
    });
  }

  test('where two must agree one is not enough, and one refusal is', async (t) => {
    const { person, open, backend } = await approvalPlace(t, { approval: 'quorum: 2', more: `people: { alice: { uid: ${uid}, roles: [approver] } }\n` });
    const answer = (await open()).call('publish', bound);
    const asked = await person.asked();
    for (let n = 0; n < 2; n++) {
      const end = await person.run('approve', asked.short);
      assert.equal(end.code, 5, end.stderr);
      assert.match(end.stderr, /1 of 2 persons have agreed/);
    }
    await person.decide('reject', asked.short);
    assertRefused(await answer, CODE.approval, { reason: 'refused' });
    assert.equal(backend.arrivals.length, 0);
  });
});

describe('what people see', suite, () => {
  test('characters that do not show are written out, and nothing of the arguments is left away', async (t) => {
    const { person, place, open } = await approvalPlace(t);
    const shim = await open();
    const args = { text: 'a\u202eb\u200bc\u001b[2Jd', long: 'x'.repeat(100_000), 'k\u2066': [1.0, 1e400] };
    shim.sendLine(`{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"publish","arguments":{"text":"a\\u202eb\u200bc\\u001b[2Jd","long":"${args.long}","k\\u2066":[1.0,1e400]}}}`);
    const asked = await person.asked();
    assert.equal(asked.arguments.text, args.text);
    assert.equal(asked.arguments.long, args.long);
    const { stdout } = await place.ctl(['approvals', 'show', asked.short]);
    assert.ok(stdout.includes('a\\u202eb\\u200bc\\u001b[2Jd'), stdout.slice(0, 500));
    assert.ok(stdout.includes(args.long) && stdout.includes('"k\\u2066"') && stdout.includes('1e400') && stdout.includes('1.0'));
    for (const text of [stdout, (await place.ctl(['approvals', 'list'])).stdout, (await place.ctl(['approvals', 'list', '--json'])).stdout])
      assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
    await person.decide('reject', asked.id);
  });
});
