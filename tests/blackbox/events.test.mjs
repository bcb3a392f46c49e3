// GET /api/v1/events: what happens, as it happens, without a gap and without a duplicate whatever dies in between.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { Broker } from '../lib/broker.mjs';
import { EventStream, askSocket } from '../lib/events.mjs';
import { suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

async function setUp(t, options = {}) {
  const it = await approvalPlace(t, { mode: 'defer', approval: 'max_pending_per_agent: 1000, max_asks_per_hour: 1000', ...options });
  const broker = new Broker(it.place);
  await broker.ready();
  return { ...it, broker, shim: await it.open() };
}
const listen = async (t, place, options) => {
  const stream = new EventStream(t, place, options);
  const answer = await settled(stream.opened, 'a stream opens');
  assert.equal(answer.statusCode, 200);
  assert.match(answer.headers['content-type'], /^text\/event-stream/);
  return stream;
};
const approvals = (stream) => stream.events.filter((e) => e.event === 'approval').map((e) => e.data);
const seqs = (stream, kind) => stream.events.filter((e) => e.event === kind).map((e) => e.data.seq);

/** Every number from the first on, once. */
function assertGapless(numbers, what) {
  assert.deepEqual(numbers, numbers.map((_, n) => numbers[0] + n), what);
}

describe('events', suite, () => {
  test('an approval is told as it goes its way, and so are the rows of the audit; never arguments', async (t) => {
    const { place, shim, person } = await setUp(t);
    const stream = await listen(t, place);
    await shim.call('publish', { message: 'sEcReT' });
    const { short, id } = await person.asked();
    await stream.has((e) => e.event === 'approval' && e.data.what === 'asked' && e.data.id === id);
    await person.decide('approve', short, '--reason', 'fine');
    await shim.call('publish', { message: 'sEcReT' });
    await stream.has((e) => e.data.what === 'executed');
    assert.deepEqual(approvals(stream).map((a) => a.what), ['asked', 'decided', 'executed']);
    const { data } = stream.events.find((e) => e.data.what === 'decided');
    assert.deepEqual([data.short_id, data.agent_id, data.backend_id, data.tool_name, data.reason], [short, 'one', 'demo', 'publish', 'fine']);
    await stream.has((e) => e.event === 'audit' && e.data.kind === 'outcome' && e.data.tool_name === 'publish' && e.data.verdict === 'succeeded');
    assert.doesNotMatch(JSON.stringify(stream.events), /sEcReT/);
    assert.equal(stream.retry, 2000);
    assertGapless(seqs(stream, 'audit'), 'rows of the audit');
  });

  test('Last-Event-ID goes on where it was left, across the death of the broker: no gap, no duplicate', async (t) => {
    const { place, shim, broker } = await setUp(t);
    const all = [];
    let stream = await listen(t, place), current = broker;
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 3; n++) await shim.call('publish', { message: `${round}.${n}` });
      if (round < 2) await stream.has((e) => e.event === 'approval');
      current.kill('SIGKILL');
      await settled(current.exited, 'death of the broker');
      await until(() => stream.isOver, { what: 'the stream ends' });
      all.push(...stream.events);
      await shim.call('publish', { message: `${round} while it is dead` });
      current = new Broker(place);
      await current.ready();
      stream = await listen(t, place, round % 2 ? { query: all.at(-1).id } : { lastId: all.at(-1).id });
    }
    const told = () => [...all, ...stream.events].filter((e) => e.event === 'approval');
    await until(() => told().length >= 12, { what: 'all twelve are told' });
    const rows = await place.auditRows();
    await until(() => [...all, ...stream.events].some((e) => e.event === 'audit' && e.data.seq >= rows.at(-1).seq), { what: 'the newest row is told' });
    assertGapless(told().map((e) => e.data.seq), 'approvals');
    assertGapless([...all, ...stream.events].filter((e) => e.event === 'audit').map((e) => e.data.seq), 'rows');
    assert.equal(told().length, 12);
  });

  test('a long backlog comes in order; who began later and who was there see the same', async (t) => {
    const { place, shim } = await setUp(t);
    const live = await listen(t, place);
    for (let n = 0; n < 150; n += 10) await Promise.all(Array.from({ length: 10 }, (_, i) => shim.call('publish', { message: `${n + i}` })));
    await until(() => seqs(live, 'approval').length === 150, { what: 'all are told' });
    const late = await listen(t, place, { lastId: '0.0' });
    await until(() => seqs(late, 'approval').length === 150 && seqs(late, 'audit').at(-1) >= seqs(live, 'audit').at(-1), { what: 'the backlog' });
    assertGapless(seqs(late, 'approval'));
    assertGapless(seqs(late, 'audit'));
    assert.equal(seqs(late, 'audit')[0], 1);
    await shim.call('erase', { message: 'now both' });
    for (const stream of [live, late]) await stream.has((e) => e.event === 'approval' && e.data.tool_name === 'erase');
    assertGapless(seqs(late, 'approval'));
  });

  test('200 streams see each event once', async (t) => {
    const { place, shim } = await setUp(t);
    const streams = await Promise.all(Array.from({ length: 200 }, () => listen(t, place)));
    for (let n = 0; n < 5; n++) await shim.call('publish', { message: `${n}` });
    for (const stream of streams) await until(() => seqs(stream, 'approval').length === 5, { what: 'five events' });
    for (const stream of streams) assert.deepEqual(seqs(stream, 'approval'), [1, 2, 3, 4, 5]);
    for (const stream of streams) stream.close();
  });

  test('an id that is none of ours is refused; HEAD has no body', async (t) => {
    const { place } = await setUp(t);
    for (const id of ['nonsense', '1', '1.', '.1', '1.2.3', '-1.2', '99999999999999999999.1']) {
      const { status } = await askSocket(place, 'GET', '/api/v1/events', { headers: { 'last-event-id': id } });
      assert.equal(status, 400, id);
    }
    const head = await askSocket(place, 'HEAD', '/api/v1/events');
    assert.deepEqual([head.status, head.text], [200, '']);
  });
});
